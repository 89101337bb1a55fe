//! A file of values for variables, and a value of the command line.
#![no_main]

use llmhost_engine::pipeline::{Given, Pipeline};
use llmhost_fuzz::{file, parts};

const PIPELINE: &str = r#"[pipeline]
name = "p"
region = "us-east-1"
[vars.text]
type = "string"
[vars.number]
type = "number"
default = 1
[vars.list]
type = "list"
default = []
[steps.a]
uses = "s3"
with = { bucket = "${vars.text}" }
"#;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [values, flag] = parts(data);
    let pipeline = file("pipeline.toml", PIPELINE.as_bytes());
    let flag = String::from_utf8_lossy(flag).into_owned();
    let vars = vec![("text".to_owned(), flag.clone()), ("number".to_owned(), flag.clone()), ("list".to_owned(), flag)];
    let given = Given { vars, files: vec![file("values.toml", values)], ..Given::default() };
    let _ = Pipeline::load_given(&pipeline, &given, &|_| None);
});
