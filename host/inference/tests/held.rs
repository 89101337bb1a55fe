//! A model that is loaded does not depend on its files any more.

mod common;

use std::fs::File;
use std::path::Path;

use common::{answer, copied, options, request, run_python, tokens};
use llmhost_inference::Engine;
use llmhost_inference::engine::{EmbedInput, Options};

/// Moves every weight out of the graph, as exports of large models have it.
const EXTERNAL: &str = "
import sys, onnx
model = onnx.load(sys.argv[1])
onnx.save(model, sys.argv[1], save_as_external_data=True, all_tensors_to_one_file=True, location='model.onnx.data', size_threshold=1024)
";

fn with_weights_outside(name: &str) -> tempfile::TempDir {
    let folder = copied(name);
    run_python(&["-c", EXTERNAL, &folder.path().join("model.onnx").display().to_string()], "");
    assert!(std::fs::metadata(folder.path().join("model.onnx.data")).expect("weights").len() > 50_000);
    folder
}

/// Overwrites the files in place, then cuts them to nothing; `check` runs after each.
fn spoil(folder: &Path, mut check: impl FnMut()) {
    for name in ["model.onnx.data", "model.onnx", "tokenizer.json", "config.json"] {
        let path = folder.join(name);
        let size = std::fs::metadata(&path).expect("there").len();
        let file = File::options().write(true).open(&path).expect("open");
        std::os::unix::fs::FileExt::write_all_at(&file, &vec![0x5a; size as usize], 0).expect("overwritten");
        check();
        file.set_len(0).expect("cut");
        check();
    }
}

#[test]
fn files_that_are_overwritten_or_cut_change_no_answer() {
    for name in ["tiny", "tiny-plain", "tiny-fp16"] {
        let folder = with_weights_outside(name);
        let engine = Engine::load(folder.path(), &Options { reuse: false, ..options() }).expect("it loads");
        // Every token is read: rows of the table of embeddings that nobody used yet are in the file alone.
        let prompts: Vec<Vec<u32>> = (0..6).map(|seed| tokens(seed, 60)).collect();
        let all = |prompt: &Vec<u32>| answer(&engine, request(prompt.clone(), 16)).tokens;
        let whole = Engine::load(&common::folder(name), &Options { reuse: false, ..options() }).expect("it loads");
        let expected: Vec<_> =
            prompts.iter().map(|prompt| answer(&whole, request(prompt.clone(), 16)).tokens).collect();
        spoil(folder.path(), || assert_eq!(prompts.iter().map(all).collect::<Vec<_>>(), expected, "{name}"));
    }
}

#[tokio::test]
async fn vectors_stay_the_same_too() {
    let folder = with_weights_outside("tiny-embeddings");
    std::fs::create_dir(folder.path().join("1_Pooling")).expect("made");
    std::fs::write(folder.path().join("1_Pooling/config.json"), r#"{"pooling_mode":"mean"}"#).expect("written");
    // The second runs nothing before the file is cut.
    let [engine, again] = [(); 2].map(|()| Engine::load(folder.path(), &options()).expect("it loads"));
    let texts = [EmbedInput::Tokens(tokens(3, 40))];
    let expected = engine.embed_inputs(&texts, None, false).await.expect("embedded").vectors;
    File::options().write(true).open(folder.path().join("model.onnx.data")).expect("open").set_len(0).expect("cut");
    assert_eq!(again.embed_inputs(&texts, None, false).await.expect("embedded").vectors, expected);
}
