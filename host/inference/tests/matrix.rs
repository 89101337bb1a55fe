//! The quick part of `cargo xtask matrix`: folders and precisions that need no torch to be made, 13 prompts of 1 to 300
//! tokens, alone and in one ragged batch, beside a bare loop in Python.

mod common;

use std::path::Path;

use common::{folder, options, request, run_python, tokens};
use llmhost_inference::Engine;
use llmhost_inference::engine::{EmbedInput, Options};
use serde_json::Value;

/// Where two likeliest tokens are closer than this, another order of the same sums may choose the other one.
const TOLERANCE: f64 = 5e-3;

#[tokio::test(flavor = "multi_thread")]
async fn folders_of_every_precision_are_answered_as_by_a_bare_loop() {
    let place = tempfile::tempdir().expect("a folder");
    let root = env!("CARGO_MANIFEST_DIR");
    let (program, programs) = (format!("{root}/tests/matrix/quick.py"), format!("{root}/../../xtask/python"));
    let mut arguments = vec![program, programs, place.path().display().to_string()];
    let models = ["tiny-plain", "tiny-embeddings", "tiny", "tiny-fp16", "tiny-longrope"];
    arguments.extend(models.map(|name| folder(name).display().to_string()));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let told: Value = serde_json::from_str(&run_python(&arguments, "")).expect("JSON");
    let prompts: Vec<Vec<u32>> = serde_json::from_value(told["prompts"].clone()).expect("prompts");
    let count = told["count"].as_u64().expect("a number") as usize;
    let decoders = told["decoders"].as_array().expect("a list");
    assert_eq!((prompts.len(), decoders.len()), (13, 6));
    for decoder in decoders {
        let model = decoder["model"].as_str().expect("a path");
        let expected: Vec<Vec<u32>> = serde_json::from_value(decoder["answers"].clone()).expect("answers");
        let margins: Vec<Vec<f64>> = serde_json::from_value(decoder["margins"].clone()).expect("margins");
        let settings = Options { max_batch: 16, reuse: false, ..options() };
        let engine = Engine::load(Path::new(model), &settings).expect("it loads");
        let check = |place: usize, got: &[u32], how: &str| {
            let expected = &expected[place];
            if let Some(at) = (0..count).find(|at| got.get(*at) != expected.get(*at)) {
                let margin = margins[place][at];
                let length = prompts[place].len();
                assert!(margin < TOLERANCE, "{model}: a prompt of {length}, {how}: token {at} led by {margin}");
            }
        };
        for (place, prompt) in prompts.iter().enumerate() {
            let got = engine.generate(request(prompt.clone(), count)).expect("accepted").collect().await;
            check(place, &got.expect("answered").tokens, "alone");
        }
        let streams = prompts.iter().map(|prompt| engine.generate(request(prompt.clone(), count)).expect("accepted"));
        let streams: Vec<_> = streams.collect();
        for (place, stream) in streams.into_iter().enumerate() {
            check(place, &stream.collect().await.expect("answered").tokens, "together");
        }
    }
    vectors_do_not_depend_on_their_neighbours(Path::new(told["encoder"].as_str().expect("a path"))).await;
}

async fn vectors_do_not_depend_on_their_neighbours(quantized: &Path) {
    let engine = Engine::load(quantized, &options()).expect("it loads");
    let texts: Vec<EmbedInput> = (0..12).map(|seed| EmbedInput::Tokens(tokens(seed, 20 + seed as usize % 3))).collect();
    let together = engine.embed_inputs(&texts, None, false).await.expect("embedded").vectors;
    for (text, together) in texts.iter().zip(&together) {
        let alone = engine.embed_inputs(std::slice::from_ref(text), None, false).await.expect("embedded").vectors;
        assert_eq!(alone[0], *together);
    }
}
