//! The models and what is expected of them: made once, in the cache.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use llmhost_python_env::{Environment, folder_of, once};

/// torch, transformers 4, Optimum, sentence-transformers and onnxruntime-genai's builder 0.9.
const PACKAGES: Environment = Environment {
    name: "matrix",
    requirements: include_str!("../../python/matrix/requirements.txt"),
    variable: "LLMHOST_MATRIX_VENV",
};
/// transformers 5 and the builder 0.18, which stand before those of the first; torch is the first one's.
const NEWER: Environment = Environment {
    name: "matrix-newer",
    requirements: include_str!("../../python/matrix/newer.txt"),
    variable: "LLMHOST_MATRIX_NEWER_VENV",
};

/// The folder with the models, which are made where they are missing. That takes minutes and 6 GB for the packages.
pub(super) fn make() -> Result<PathBuf, String> {
    let tell = |text: &str| println!("{text}");
    let folder = folder_of("matrix-models", &program()?).map_err(|error| error.to_string())?;
    once(&folder, &|| true, || {
        let python = PACKAGES.python(&tell)?;
        NEWER.python(&tell)?;
        println!("Making the models of the matrix, once for this state of their program.");
        let newer = site_packages(&NEWER.folder()?)?;
        for (what, before) in [("optimum", None), ("genai", None), ("genai", Some(&newer)), ("encoders", None)] {
            let sources = crate::repository().join("xtask/python");
            let path = before.into_iter().chain([&sources]).map(|path| path.as_os_str().to_owned());
            let path = path.collect::<Vec<_>>().join(&OsString::from(":"));
            let mut command = Command::new(&python);
            command.args(["-m", "matrix"]).arg(&folder).arg(what).env("PYTHONPATH", path);
            command.env("PYTHONDONTWRITEBYTECODE", "1").env("OMP_NUM_THREADS", "1");
            crate::run_quietly(&mut command).map_err(Failed)?;
        }
        Ok::<(), Failed>(())
    })
    .map_err(|Failed(reason)| reason)?;
    Ok(folder)
}

struct Failed(String);

impl From<llmhost_python_env::PythonError> for Failed {
    fn from(error: llmhost_python_env::PythonError) -> Self {
        Self(error.to_string())
    }
}

/// The program's text, with the versions that it runs on: other models come of another.
fn program() -> Result<String, String> {
    let folder = crate::repository().join("xtask/python/matrix");
    let mut paths: Vec<PathBuf> = entries(&folder)?;
    paths.retain(|path| path.extension().is_some_and(|kind| kind == "py" || kind == "txt"));
    let texts = paths
        .iter()
        .map(|path| std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display())));
    texts.collect()
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let read = std::fs::read_dir(folder).map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    let mut paths: Vec<PathBuf> = read.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

fn site_packages(environment: &Path) -> Result<PathBuf, Failed> {
    let libraries = entries(&environment.join("lib")).map_err(Failed)?;
    let found = libraries.into_iter().map(|python| python.join("site-packages")).find(|path| path.is_dir());
    found.ok_or_else(|| Failed(format!("there are no packages in {}", environment.display())))
}
