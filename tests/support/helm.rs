//! The helm plugin's component, which Go builds: once for all tests that want it.

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;

use super::repository;

/// What a step with the component writes in place of `uses = "helm"`.
pub const USES: &str = "uses = \"./helm.wasm\"\nallow = [\"files:read\", \"kube:object\"]";

/// The component, as it is in the sources. Tests run at the same time, and one of them builds it.
pub fn component() -> Vec<u8> {
    let project: PathBuf = repository().join("plugins/helm");
    let lock = File::create(std::env::temp_dir().join("llmhost-tests-helm.lock")).expect("a file can be made");
    lock.lock().expect("it can be waited for");
    let mut build = Command::new(env!("CARGO_BIN_EXE_llmhost"));
    let output = build.args(["plugin", "build"]).arg(&project).output().expect("llmhost starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the helm plugin is built by Go 1.26, as 'cargo xtask helm' does:\n{said}");
    std::fs::read(project.join("helm.wasm")).expect("it was built")
}
