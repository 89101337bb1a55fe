//! The main jobs on this machine, as the README shows them.

use std::fs;
use std::path::Path;
use std::process::Command;

use llmhost_example_models::{Example, onnxruntime};

use crate::{run as command, run_quietly};

const STACK: &str = "pipelines/llm-on-eks.toml";
const LOCAL: &str = "pipelines/local-inference.toml";
/// Where the second pipeline looks for its model.
const CHAT: &str = "pipelines/models/chat";

/// Plans the whole stack and takes it through its life, with a model that answers; then asks the same model in a run.
pub(crate) fn run() -> Result<(), String> {
    let llmhost = ["run", "--quiet", "--package", "llmhost", "--"];
    command("cargo", &["build", "--package", "llmhost"])?;
    command("cargo", &[&llmhost[..], &["run", STACK, "--dry-run"]].concat())?;
    println!("\nMaking a model to try, and getting ONNX Runtime, once for this machine.");
    let library = onnxruntime().map_err(|error| error.to_string())?;
    let model = Example::SmolLm2Int4.folder().map_err(|error| error.to_string())?;
    copy(&model, &crate::repository().join(CHAT))?;
    println!("\n$ llmhost rehearse {STACK} --var model=models/chat");
    let mut rehearsal = Command::new("cargo");
    rehearsal.args([&llmhost[..], &["rehearse", STACK, "--var", "model=models/chat"]].concat());
    run_quietly(rehearsal.current_dir(crate::repository()).env("ORT_DYLIB_PATH", &library))?;
    println!("\n$ llmhost run {LOCAL} --emulate");
    let mut command = Command::new("cargo");
    command.args([&llmhost[..], &["run", LOCAL, "--emulate"]].concat()).current_dir(crate::repository());
    run_quietly(command.env("ORT_DYLIB_PATH", library))
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("cannot copy {} to {}: {error}", from.display(), to.display());
    fs::create_dir_all(to).map_err(failed)?;
    for entry in fs::read_dir(from).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let to = to.join(path.file_name().unwrap_or_default());
        let same = |of: &Path| fs::metadata(of).map(|found| found.len()).ok();
        if same(&path) != same(&to) {
            fs::copy(&path, &to).map_err(failed)?;
        }
    }
    Ok(())
}
