//! Where the library may lie, in the order in which it is looked for.
//!
//! A library that the user named is used or refused, never passed over: falling through to another
//! would hide a wrong setting.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::check::{Checked, check};
use super::error::RuntimeError;

/// The variable that names the library; the same that other programs of this kind read.
const VARIABLE: &str = "ORT_DYLIB_PATH";

#[cfg(target_os = "macos")]
const NAME: &str = "libonnxruntime.dylib";
#[cfg(windows)]
const NAME: &str = "onnxruntime.dll";
#[cfg(not(any(target_os = "macos", windows)))]
const NAME: &str = "libonnxruntime.so";

/// Where to look for the library.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// The configuration's own choice: a file, or a folder that holds it.
    pub library: Option<PathBuf>,
    /// Folders to try after the environment and the binary's own, such as a virtual environment's
    /// `onnxruntime/capi`.
    pub folders: Vec<PathBuf>,
}

/// A library that passed the check.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) checked: Checked,
}

impl Search {
    /// The first usable library.
    pub(super) fn run(&self) -> Result<Found, RuntimeError> {
        if let Some(path) = &self.library {
            return named(path, "the configuration");
        }
        if let Some(path) = std::env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
            return named(Path::new(&path), VARIABLE);
        }
        let mut tried = Vec::new();
        for folder in self.places() {
            match in_folder(&folder) {
                None => tried.push(folder.display().to_string()),
                Some(path) => match check(path.as_os_str()) {
                    Ok(checked) => return Ok(Found { path, checked }),
                    Err(reason) => tried.push(format!("{}: {reason}", path.display())),
                },
            }
        }
        match check(OsString::from(NAME).as_os_str()) {
            Ok(checked) => Ok(Found { path: PathBuf::from(NAME), checked }),
            Err(reason) => {
                tried.push(format!("the system's libraries: {reason}"));
                Err(RuntimeError::NotFound { name: NAME, tried })
            }
        }
    }

    fn places(&self) -> Vec<PathBuf> {
        let beside = std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_owned));
        let beside = beside.into_iter().flat_map(|folder| [folder.clone(), folder.join("lib"), folder.join("../lib")]);
        beside.chain(self.folders.iter().cloned()).collect()
    }
}

fn named(path: &Path, by: &'static str) -> Result<Found, RuntimeError> {
    let unusable = |path: &Path, reason: String| RuntimeError::Unusable { path: path.to_owned(), by, reason };
    let path = if path.is_dir() {
        in_folder(path).ok_or_else(|| unusable(path, format!("the folder holds no {NAME}")))?
    } else {
        path.to_owned()
    };
    let checked = check(path.as_os_str()).map_err(|reason| unusable(&path, reason))?;
    Ok(Found { path, checked })
}

/// `libonnxruntime.so`, or with a version behind it, as the Python package has it.
fn in_folder(folder: &Path) -> Option<PathBuf> {
    let exact = folder.join(NAME);
    if exact.is_file() {
        return Some(exact);
    }
    let names = std::fs::read_dir(folder).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let newest = names.filter(|name| versioned(name)).max_by_key(|name| version(name))?;
    Some(folder.join(newest))
}

fn versioned(name: &str) -> bool {
    let (stem, extension) = NAME.split_once('.').expect("the name has an extension");
    name.starts_with(&format!("{NAME}.")) || (name.starts_with(&format!("{stem}.")) && name.ends_with(extension))
}

fn version(name: &str) -> Vec<u32> {
    name.split('.').filter_map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gives_its_newest_library() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(in_folder(folder.path()), None);
        for name in ["libonnxruntime.so.1.9.0", "libonnxruntime.so.1.32.0", "libonnxruntime_providers_shared.so"] {
            std::fs::write(folder.path().join(name), b"").expect("written");
        }
        assert_eq!(in_folder(folder.path()), Some(folder.path().join("libonnxruntime.so.1.32.0")));
    }

    #[test]
    fn a_named_library_is_not_passed_over() {
        let search = Search { library: Some("/no/such/libonnxruntime.so".into()), folders: vec!["/usr/lib".into()] };
        let error = search.run().expect_err("missing").to_string();
        assert!(error.contains("/no/such/libonnxruntime.so (named by the configuration)"), "{error}");
    }
}
