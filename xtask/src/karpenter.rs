//! The charts of Karpenter, for the pipeline that uses them. They are in its Go module, which Go fetches and holds against the
//! public checksums; what this project was tested with is pinned here.

use std::path::Path;
use std::process::{Command, Stdio};
use std::{fs, io};

use serde_json::Value;

/// The module and its version. Its charts are of version 1.11.1.
const MODULE: &str = "github.com/aws/karpenter-provider-aws@v1.12.0";
/// Its checksum, as go.sum has it.
const SUM: &str = "h1:i85sVPjpZ0kfUCGZEbg5h1c5FF4M7UrdsQIKYwZHIJA=";
/// Where the pipeline looks for them; git ignores the folder.
const CHARTS: &str = "pipelines/karpenter/charts";
/// What says in that folder which module they are of.
const MARK: &str = "module.txt";

/// Gets the charts; quick when they are there.
pub(crate) fn run() -> Result<(), String> {
    let to = crate::repository().join(CHARTS);
    let mark = format!("{MODULE} {SUM}\n");
    if fs::read_to_string(to.join(MARK)).is_ok_and(|found| found == mark) {
        return Ok(());
    }
    println!("Getting Karpenter's charts, which are in {MODULE}.");
    let from = fetch()?;
    let failed = |error: io::Error| format!("cannot copy Karpenter's charts to {}: {error}", to.display());
    for chart in ["karpenter", "karpenter-crd"] {
        match fs::remove_dir_all(to.join(chart)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => copy(&from.join("charts").join(chart), &to.join(chart)).map_err(failed)?,
        }
    }
    fs::write(to.join(MARK), mark).map_err(failed)
}

/// Whether Go is there, which fetches them.
pub(crate) fn is_possible() -> bool {
    let go = Command::new("go").arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    go.is_ok_and(|status| status.success())
}

/// Has Go fetch the module; gives its folder.
fn fetch() -> Result<std::path::PathBuf, String> {
    let folder = tempfile::tempdir().map_err(|error| format!("cannot make a folder: {error}"))?;
    // Outside of any module, so that no go.mod counts.
    let mut go = Command::new("go");
    go.args(["mod", "download", "-json", MODULE]).current_dir(folder.path()).env("GOWORK", "off").env_remove("GOFLAGS");
    let output = go.output().map_err(|error| format!("cannot start go, which fetches {MODULE}: {error}"))?;
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let text = |key: &str| said[key].as_str().unwrap_or_default();
    if !output.status.success() || text("Dir").is_empty() {
        let why = if text("Error").is_empty() { String::from_utf8_lossy(&output.stderr) } else { text("Error").into() };
        return Err(format!("go did not fetch {MODULE}: {}", why.trim()));
    }
    match text("Sum") {
        SUM => Ok(Path::new(text("Dir")).to_owned()),
        other => Err(format!("{MODULE} has the checksum {other}, and not {SUM}: do not use it")),
    }
}

/// Copies a folder. Go's cache is read-only; the copy is not.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::write(target, fs::read(entry.path())?)?;
        }
    }
    Ok(())
}
