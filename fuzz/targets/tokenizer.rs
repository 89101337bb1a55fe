//! The file of a tokenizer, and a text for it.
#![no_main]

use llmhost_fuzz::{file, parts};
use llmhost_inference::tokens::Tokenizer;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [json, text] = parts(data);
    let Ok(tokenizer) = Tokenizer::read(&file("tokenizer.json", json), false) else { return };
    let text = String::from_utf8_lossy(text);
    if let Ok(tokens) = tokenizer.encode(&text, true) {
        let _ = tokenizer.decode(&tokens);
        let _ = tokenizer.decode_with_special(&tokens);
    }
    let _ = tokenizer.decode(&[0, 1, u32::MAX]);
});
