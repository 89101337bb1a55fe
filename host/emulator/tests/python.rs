//! The emulators' own tests, which are in their own language.
#![allow(missing_docs)]

use std::path::Path;
use std::process::Command;

#[test]
fn the_emulators_do_what_their_own_tests_say() {
    let python = llmhost_emulator::python().expect("the emulator's Python is there");
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(python);
    command.args(["-m", "unittest", "discover", "--start-directory", "tests", "--pattern", "test_*.py"]);
    let output = command.current_dir(here).env("PYTHONPATH", here.join("python")).output().expect("Python starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    // Tests that are not found fail nothing.
    let ran = said.lines().find_map(|line| line.strip_prefix("Ran ")).unwrap_or_default();
    let count: u32 = ran.split(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0);
    assert!(count > 40, "{said}");
}
