//! A pipeline file: it is read, or every problem in it has its place in the text.
#![no_main]

use llmhost_engine::pipeline::Pipeline;
use llmhost_fuzz::file;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let path = file("pipeline.toml", data);
    match Pipeline::load(&path, &[], &|_| None) {
        Ok(pipeline) => drop(pipeline.looks_up()),
        Err(found) => {
            assert!(!found.problems.is_empty(), "a file is refused without a reason");
            for span in found.problems.iter().filter_map(|problem| problem.span.as_ref()) {
                assert!(found.files.text(span).is_some(), "{span:?} is outside the file or inside a character");
            }
        }
    }
});
