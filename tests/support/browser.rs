//! Pages in headless Chromium.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use llmhost_python_env::Environment;
use serde_json::Value;

const BROWSER: Environment = Environment {
    name: "playwright",
    requirements: include_str!("../../host/server/tests/page/requirements.txt"),
    variable: "LLMHOST_PLAYWRIGHT_VENV",
};

/// What each job of `support/page.py` answers.
#[track_caller]
pub fn browse(jobs: &[Value]) -> Vec<Value> {
    let python = BROWSER.python(&|_| ()).expect("playwright can be installed");
    let mut command = Command::new(python);
    command.arg(super::repository().join("tests/support/page.py")).arg(chromium());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python starts");
    let jobs = serde_json::to_vec(jobs).expect("jobs are JSON");
    child.stdin.take().expect("it is piped").write_all(&jobs).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "the page failed; its error stands above");
    serde_json::from_slice(&output.stdout).expect("it prints JSON")
}

/// Chromium, as Debian and others install it.
fn chromium() -> String {
    let stated = std::env::var("LLMHOST_CHROMIUM").ok();
    let places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    let found = places.into_iter().find(|path| Path::new(path).is_file()).map(str::to_owned);
    stated.or(found).expect("Chromium is there; cargo xtask setup installs it")
}
