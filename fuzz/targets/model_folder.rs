//! The folder of a model: its graph, and the files of JSON beside it.
#![no_main]

use llmhost_fuzz::{file, folder, parts};
use llmhost_inference::model::inspect;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [config, generation, genai, tokenizer_config, graph] = parts(data);
    let files = [
        ("config.json", config),
        ("generation_config.json", generation),
        ("genai_config.json", genai),
        ("tokenizer_config.json", tokenizer_config),
        ("model.onnx", graph),
    ];
    for (name, content) in files {
        let _ = file(name, content);
    }
    let _ = inspect(&folder(), None, false);
});
