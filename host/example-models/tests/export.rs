//! The models that are made run, and are the same each time.
#![allow(missing_docs)]

use std::process::Command;

use llmhost_example_models::{Example, onnxruntime, program, python};

#[test]
fn tiny_models_are_made_and_run() {
    for example in [Example::Tiny, Example::TinyPlain, Example::TinyEmbeddings] {
        let folder = example.folder().expect("it is made");
        for file in ["model.onnx", "tokenizer.json", "config.json", "manifest.json"] {
            assert!(folder.join(file).is_file(), "{file} of {}", example.name());
        }
    }
    assert!(onnxruntime().expect("the library is there").is_file());
}

#[test]
fn the_programs_own_tests_pass() {
    let python = python().expect("an interpreter");
    let mut command = Command::new(python);
    command.args(["-m", "unittest", "discover", "--start-directory", "tests", "--pattern", "test_*.py"]);
    let output = command.current_dir(program()).env("PYTHONPATH", program()).output().expect("Python starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("Ran "), "{said}");
}
