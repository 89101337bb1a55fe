//! Python environments of llmhost's own: made once for each set of pinned packages, whoever asks
//! first.

mod error;

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub use error::PythonError;
use sha2::{Digest, Sha256};

/// Written last: an environment without it was never finished.
pub const FINISHED: &str = "llmhost-finished";

/// A set of packages.
#[derive(Debug, Clone, Copy)]
pub struct Environment {
    /// Begins the folder's name, and stands in messages: `emulator`.
    pub name: &'static str,
    /// As pip reads them.
    pub requirements: &'static str,
    /// A variable that names another folder.
    pub variable: &'static str,
}

impl Environment {
    /// The interpreter of the environment, which is made where it is missing; `tell` is told so.
    pub fn python(&self, tell: &dyn Fn(&str)) -> Result<PathBuf, PythonError> {
        self.make(&self.folder()?, OsStr::new("python3"), tell)
    }

    /// Where the environment is: one folder for each set of packages. It need not be there yet.
    pub fn folder(&self) -> Result<PathBuf, PythonError> {
        if let Some(folder) = set(self.variable) {
            return Ok(folder);
        }
        folder_of(self.name, self.requirements)
    }

    /// Whether it was made, so that [`Self::python`] makes nothing.
    pub fn is_made(&self) -> bool {
        self.folder().is_ok_and(|folder| is_made(&folder))
    }

    /// Makes the environment in `folder` with the interpreter `base`, unless it is there. Several
    /// processes that come at once wait for the first.
    fn make(&self, folder: &Path, base: &OsStr, tell: &dyn Fn(&str)) -> Result<PathBuf, PythonError> {
        let python = python_of(folder);
        once(folder, &|| python.exists(), || self.install(folder, base, &python, tell))?;
        Ok(python)
    }

    fn install(&self, folder: &Path, base: &OsStr, python: &Path, tell: &dyn Fn(&str)) -> Result<(), PythonError> {
        let name = self.name;
        check(base)?;
        tell(&format!("Making a Python environment ({name}), once for this machine; this takes about half a minute."));
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(PythonError::io(folder, &error)),
            _ => {}
        }
        run(Command::new(base).args(["-m", "venv"]).arg(folder)).map_err(|reason| PythonError::NoVenv { reason })?;
        let list = folder.join("requirements.txt");
        fs::write(&list, self.requirements).map_err(|error| PythonError::io(&list, &error))?;
        let install = ["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "--requirement"];
        let installed = run(Command::new(python).args(install).arg(&list));
        installed.map_err(|reason| PythonError::Pip { name, reason })
    }
}

fn python_of(folder: &Path) -> PathBuf {
    folder.join("bin/python")
}

fn is_made(folder: &Path) -> bool {
    folder.join(FINISHED).is_file() && python_of(folder).exists()
}

/// The folder in the cache for something that is made of `content`: another one for other content.
pub fn folder_of(name: &str, content: &str) -> Result<PathBuf, PythonError> {
    let sum: String = Sha256::digest(content).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    Ok(cache_folder()?.join(format!("{name}-{sum}")))
}

/// Makes what is in a folder, unless an earlier `make` ended well and `is_whole` agrees. Several processes that come at
/// once wait for the first.
pub fn once<E: From<PythonError>>(
    folder: &Path,
    is_whole: &dyn Fn() -> bool,
    make: impl FnOnce() -> Result<(), E>,
) -> Result<(), E> {
    let done = folder.join(FINISHED);
    let is_made = || done.is_file() && is_whole();
    if is_made() {
        return Ok(());
    }
    let parent = folder.parent().unwrap_or(folder);
    fs::create_dir_all(parent).map_err(|error| PythonError::io(parent, &error))?;
    let lock = folder.with_extension("lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&lock);
    // Held until this returns.
    let _held = file.and_then(|file| file.lock().map(|()| file)).map_err(|error| PythonError::io(&lock, &error))?;
    if is_made() {
        return Ok(());
    }
    make()?;
    Ok(fs::write(&done, "").map_err(|error| PythonError::io(&done, &error))?)
}

/// The folder for everything that can be made again: `$XDG_CACHE_HOME/llmhost`.
pub fn cache_folder() -> Result<PathBuf, PythonError> {
    let cache = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
    Ok(cache.ok_or(PythonError::NoHome)?.join("llmhost"))
}

fn set(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn check(base: &OsStr) -> Result<(), PythonError> {
    let output = Command::new(base)
        .args(["-c", "import sys; print('%d.%d.%d' % sys.version_info[:3]); sys.exit(sys.version_info < (3, 10))"])
        .stdin(Stdio::null())
        .output()
        .map_err(|_| PythonError::NoPython)?;
    if output.status.success() {
        return Ok(());
    }
    Err(PythonError::OldPython { found: String::from_utf8_lossy(&output.stdout).trim().to_owned() })
}

/// Runs a command; its last lines are the error.
fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    Err(last_lines(&String::from_utf8_lossy(&text)))
}

/// The end of what a program wrote: where it says why it failed.
pub fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKAGES: Environment = Environment { name: "test", requirements: "", variable: "LLMHOST_TEST_VENV" };

    #[test]
    fn an_environment_is_made_when_it_is_finished_and_has_its_interpreter() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("bin")).expect("a folder");
        fs::write(python_of(folder.path()), "").expect("a file");
        assert!(!is_made(folder.path()), "not finished");
        fs::write(folder.path().join(FINISHED), "").expect("a file");
        assert!(is_made(folder.path()));
        fs::remove_file(python_of(folder.path())).expect("it was there");
        assert!(!is_made(folder.path()), "no interpreter");
    }

    #[test]
    fn a_missing_python_is_one_clear_sentence() {
        let folder = tempfile::tempdir().expect("a folder");
        let error =
            PACKAGES.make(&folder.path().join("venv"), OsStr::new("/nowhere/python3"), &|_| ()).expect_err("no Python");
        assert!(matches!(error, PythonError::NoPython), "{error}");
        assert!(error.to_string().contains("apt-get install python3"), "{error}");
    }

    #[test]
    fn an_old_python_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let old = folder.path().join("python3");
        fs::write(&old, "#!/bin/sh\necho 3.6.9\nexit 1\n").expect("a script");
        fs::set_permissions(&old, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a script");
        let error = PACKAGES.make(&folder.path().join("venv"), old.as_os_str(), &|_| ()).expect_err("an old Python");
        assert!(error.to_string().contains("python3 is 3.6.9"), "{error}");
    }

    #[test]
    fn a_python_without_venv_says_what_to_install() {
        let folder = tempfile::tempdir().expect("a folder");
        let poor = folder.path().join("python3");
        fs::write(&poor, "#!/bin/sh\n[ \"$1\" = -c ] && exit 0\necho No module named venv >&2\nexit 1\n")
            .expect("a script");
        fs::set_permissions(&poor, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a script");
        let error =
            PACKAGES.make(&folder.path().join("venv"), poor.as_os_str(), &|_| ()).expect_err("no venv").to_string();
        assert!(error.contains("python3-venv") && error.contains("No module named venv"), "{error}");
    }
}
