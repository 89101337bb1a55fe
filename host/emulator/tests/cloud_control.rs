//! Cloud Control serves every type that the table has.
#![allow(missing_docs, clippy::expect_used, clippy::print_stdout)]

use std::io::Write;
use std::path::Path;
use std::process::Command;

use serde_json::json;

/// The program that tries a type is in Python, because it calls the emulator's modules without HTTP;
/// the samples are made here, where the table's own crate is.
#[test]
fn every_type_is_created_read_updated_listed_and_deleted() {
    let mut samples = tempfile::NamedTempFile::new().expect("a temporary file");
    for name in llmhost_aws_types::names() {
        let of = llmhost_aws_types::find(name).expect("it was named");
        let line = json!({ "type": name, "sample": of.sample(), "transform": of.transform().is_some() });
        writeln!(samples, "{line}").expect("a temporary file can be written");
    }
    let python = llmhost_emulator::python().expect("the emulator's Python is there");
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(python);
    command.arg(here.join("tests/every_type.py")).arg(samples.path());
    let output = command.env("PYTHONPATH", here.join("python")).output().expect("Python starts");
    let [said, errors] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    println!("{said}");
    assert!(output.status.success(), "{said}{errors}");
}
