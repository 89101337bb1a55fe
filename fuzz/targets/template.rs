//! The text of one value of a step, with references in it.
#![no_main]

use llmhost_engine::pipeline::Pipeline;
use llmhost_fuzz::file;

libfuzzer_sys::fuzz_target!(|text: &str| {
    // A text of JSON is one of TOML, but for the escape of a slash and of a delete.
    let text = serde_json::to_string(text).expect("a text is plain data").replace('\u{7f}', "\\u007f");
    let pipeline = format!(
        "[pipeline]\nname = \"p\"\nregion = \"us-east-1\"\n[vars.name]\ndefault = \"models\"\n[steps.a]\nuses = \"s3\"\nwith = {{ bucket = \"a\" }}\n[steps.b]\nuses = \"s3\"\nwith = {{ bucket = {text} }}\n"
    );
    let _ = Pipeline::load(&file("pipeline.toml", pipeline.as_bytes()), &[], &|_| None);
});
