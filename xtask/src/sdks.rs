//! The packages that plugins are written with, one for each language: packed as their languages' tools expect them, and tested
//! as they are packed.

use std::path::PathBuf;
use std::process::Command;

use crate::{repository, run_quietly, target};

/// The languages, with how the name of each one's package ends.
const SDKS: [(&str, &str); 4] = [("rust", ".crate"), ("javascript", ".tgz"), ("python", ".whl"), ("go", ".tar.gz")];

/// Packs what is not up to date, and prints name and size of each package.
pub(crate) fn run() -> Result<(), String> {
    for (language, ending) in SDKS {
        let packed = pack(language, ending)?;
        let bytes = packed.metadata().map_err(|error| format!("cannot read {}: {error}", packed.display()))?.len();
        println!("{:>5} kB  {}", bytes.div_ceil(1000), packed.display());
    }
    Ok(())
}

/// The tests of each package in its own language. Those of the crate are cargo's.
pub(crate) fn test() -> Result<(), String> {
    run()?;
    for language in ["javascript", "python", "go"] {
        let folder = sdk(language);
        println!("\nthe tests of {}", folder.display());
        run_quietly(Command::new("bash").arg(folder.join("test/run.sh")).arg(packages()))?;
    }
    Ok(())
}

fn pack(language: &str, ending: &str) -> Result<PathBuf, String> {
    run_quietly(Command::new("bash").arg(sdk(language).join("pack.sh")).arg(packages()))?;
    let entries =
        std::fs::read_dir(packages()).map_err(|error| format!("cannot read {}: {error}", packages().display()))?;
    let mut packed = entries.flatten().map(|entry| entry.path());
    let is_one = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(ending));
    packed.find(is_one).ok_or_else(|| format!("pack.sh of {language} wrote no *{ending}"))
}

fn sdk(language: &str) -> PathBuf {
    repository().join("plugins/sdk").join(language)
}

/// Where the packages are put.
fn packages() -> PathBuf {
    target().join("sdks")
}
