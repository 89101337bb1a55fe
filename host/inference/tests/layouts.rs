//! Folders as other exporters lay them out give what the plain one gives.

mod common;

use std::path::Path;

use common::{answer, copied, engine, options, request, run_python, tokens};
use llmhost_inference::Engine;
use llmhost_inference::engine::{EmbedInput, Options};

fn rewrite(folder: &Path, how: &[&str]) {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/layouts/rewrite.py");
    let model = folder.join("model.onnx").display().to_string();
    run_python(&[&[program, model.as_str()], how].concat(), "");
}

/// Greedy answers of prompts with lengths around those of a chunk, alone and then together.
fn answers(engine: &Engine) -> Vec<Vec<u32>> {
    let requests = || [1, 2, 15, 16, 17, 50].into_iter().map(|length| request(tokens(length, length as usize), 24));
    let alone: Vec<Vec<u32>> = requests().map(|request| answer(engine, request).tokens).collect();
    let streams: Vec<_> = requests().map(|request| engine.generate(request).expect("accepted")).collect();
    for (stream, alone) in streams.into_iter().zip(&alone) {
        assert_eq!(stream.collect_blocking().expect("answered").tokens, *alone, "in company");
    }
    alone
}

fn chunks_of_16() -> Options {
    Options { chunk: 16, ..options() }
}

#[test]
fn precisions_beside_each_other_are_chosen_by_name() {
    let expected = answers(&engine("tiny-plain", &chunks_of_16()));
    let folder = copied("tiny-plain");
    let place = |name: &str| folder.path().join(name);
    std::fs::create_dir(place("onnx")).expect("made");
    std::fs::rename(place("model.onnx"), place("onnx/model_q4.onnx")).expect("moved");
    let only = Engine::load(folder.path(), &chunks_of_16()).expect("the only one");
    assert_eq!(only.model().graph, place("onnx/model_q4.onnx"));
    assert_eq!(answers(&only), expected);

    copy_of("tiny", &place("onnx/model_quantized.onnx"));
    for (options, name) in [
        (options(), "onnx/model_quantized.onnx"),
        (Options { weights: Some("q4".to_owned()), ..options() }, "onnx/model_q4.onnx"),
    ] {
        let engine = Engine::load(folder.path(), &options).expect("it loads");
        assert_eq!(engine.model().graph, place(name));
    }
    let named = Engine::load(&place("onnx/model_q4.onnx"), &options()).expect("an address of a graph");
    assert_eq!(
        (&named.model().graph, &named.model().folder),
        (&place("onnx/model_q4.onnx"), &folder.path().to_owned())
    );
    let wrong = Options { weights: Some("q5".to_owned()), ..options() };
    let error = Engine::load(folder.path(), &wrong).expect_err("not there").to_string();
    assert!(error.contains("has no weights 'q5'; it has onnx/model_q4.onnx, onnx/model_quantized.onnx"), "{error}");
}

fn copy_of(name: &str, to: &Path) {
    std::fs::copy(common::folder(name).join("model.onnx"), to).expect("copied");
}

#[test]
fn graphs_of_other_exporters_give_the_same_answers() {
    for (name, how) in [
        ("tiny-plain", "keep"),
        ("tiny", "keep"),
        ("tiny-plain", "positions-of-mask"),
        ("tiny-plain", "positions-of-past"),
        ("tiny-plain", "branch"),
        ("tiny-plain", "branch-of-one-token"),
    ] {
        let expected = answers(&engine(name, &chunks_of_16()));
        let folder = copied(name);
        rewrite(folder.path(), &[how]);
        let engine = Engine::load(folder.path(), &chunks_of_16()).expect("it loads");
        assert_eq!(answers(&engine), expected, "{name} {how}");
    }
}

#[tokio::test]
async fn encoders_get_positions_where_they_ask_for_them() {
    let folder = copied("tiny-embeddings");
    std::fs::create_dir(folder.path().join("1_Pooling")).expect("made");
    std::fs::write(folder.path().join("1_Pooling/config.json"), r#"{"pooling_mode":"mean"}"#).expect("written");
    let texts: Vec<EmbedInput> = [3, 9, 40].map(|count| EmbedInput::Tokens(tokens(1, count))).into();
    let vectors = async |folder: &Path| {
        let engine = Engine::load(folder, &options()).expect("it loads");
        engine.embed_inputs(&texts, None, false).await.expect("embedded").vectors
    };
    let expected = vectors(folder.path()).await;
    rewrite(folder.path(), &["positions"]);
    let found = vectors(folder.path()).await;
    let furthest = |(found, expected): (&Vec<f32>, &Vec<f32>)| {
        found.iter().zip(expected).map(|(found, expected)| (found - expected).abs()).fold(0.0, f32::max)
    };
    assert!(found.iter().zip(&expected).map(furthest).fold(0.0, f32::max) < 1e-5, "{found:?} {expected:?}");
    // Models of RoBERTa's kind count from the padding token.
    let config = r#"{"model_type":"roberta","max_position_embeddings":128,"pad_token_id":1}"#;
    std::fs::write(folder.path().join("config.json"), config).expect("written");
    let shifted = vectors(folder.path()).await;
    assert!(shifted.iter().zip(&expected).all(|pair| furthest(pair) > 1e-3), "{shifted:?} {expected:?}");
}

#[test]
fn inputs_that_nobody_knows_are_refused_by_name() {
    for name in ["tiny", "tiny-plain", "tiny-embeddings"] {
        let folder = copied(name);
        rewrite(folder.path(), &["input", "encoder_hidden_states"]);
        let error = Engine::load(folder.path(), &options()).expect_err("not known").to_string();
        assert!(error.contains("it has an input 'encoder_hidden_states'"), "{name}: {error}");
    }
}
