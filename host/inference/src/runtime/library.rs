//! The loaded library and its environment: one for the whole process.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use ort::environment::Environment;
use ort::logging::LogLevel;
use serde::Serialize;

use super::error::RuntimeError;
use super::search::{Found, Search};
use super::{check, log};

/// ONNX Runtime, loaded. Cheap to share; a process has one.
#[derive(Debug)]
pub struct Runtime {
    environment: Environment,
    info: LibraryInfo,
    _library: libloading::Library,
}

/// What the library says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LibraryInfo {
    /// The file.
    pub path: PathBuf,
    /// `1.32.0`.
    pub version: String,
    /// Execution providers that it was built with, such as `CPUExecutionProvider`.
    pub providers: Vec<String>,
}

static LOADED: Mutex<Option<Arc<Runtime>>> = Mutex::new(None);

impl Runtime {
    /// Finds and loads the library. Once that has worked, every later call gives the same one,
    /// whatever it asks for: a process cannot hold two.
    pub fn load(search: &Search) -> Result<Arc<Self>, RuntimeError> {
        let mut loaded = LOADED.lock().unwrap_or_else(|broken| broken.into_inner());
        if let Some(runtime) = loaded.as_ref() {
            return Ok(Arc::clone(runtime));
        }
        let runtime = Arc::new(Self::start(search.run()?)?);
        tracing::debug!(path = %runtime.info.path.display(), version = runtime.info.version, "ONNX Runtime loaded");
        *loaded = Some(Arc::clone(&runtime));
        Ok(runtime)
    }

    /// What was loaded.
    pub fn info(&self) -> &LibraryInfo {
        &self.info
    }

    pub(super) fn environment(&self) -> &Environment {
        &self.environment
    }

    fn start(found: Found) -> Result<Self, RuntimeError> {
        let Found { path, checked: check::Checked { version, library } } = found;
        let failed = |reason: String| RuntimeError::Start { path: path.clone(), reason };
        let builder = ort::init_from(&path).map_err(|error| failed(error.to_string()))?;
        let builder = builder.with_name("llmhost").with_telemetry(false).with_logger(log::logger());
        let environment = builder.build().map_err(|error| failed(error.to_string()))?;
        environment.set_log_level(LogLevel::Warning);
        let providers = available_providers().map_err(|error| failed(error.to_string()))?;
        let path = on_disk(&path).unwrap_or(path);
        Ok(Self { environment, info: LibraryInfo { path, version, providers }, _library: library })
    }
}

/// The execution providers that this build of the library has.
fn available_providers() -> ort::Result<Vec<String>> {
    let (mut names, mut count) = (std::ptr::null_mut(), 0);
    let api = ort::api();
    // SAFETY: both are valid for writing; the list is released below with its own function.
    let status = unsafe { (api.GetAvailableProviders)(&mut names, &mut count) };
    // SAFETY: a status just returned by the API.
    unsafe { ort::Error::result_from_status(status) }?;
    let list = (0..usize::try_from(count).unwrap_or(0))
        // SAFETY: the API wrote `count` pointers to strings that end in zero.
        .map(|i| unsafe { std::ffi::CStr::from_ptr(*names.add(i)) }.to_string_lossy().into_owned())
        .collect();
    // SAFETY: the list and the count are those that the API gave.
    let status = unsafe { (api.ReleaseAvailableProviders)(names, count) };
    // SAFETY: as above.
    unsafe { ort::Error::result_from_status(status) }?;
    Ok(list)
}

/// The file behind a bare name that the system's loader found.
fn on_disk(name: &Path) -> Option<PathBuf> {
    if name.is_absolute() {
        return None;
    }
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let path = maps.lines().filter_map(|line| line.split_whitespace().nth(5)).find(|path| {
        Path::new(path).file_name().is_some_and(|file| file.to_string_lossy().starts_with(&*name.to_string_lossy()))
    })?;
    Some(PathBuf::from(path))
}
