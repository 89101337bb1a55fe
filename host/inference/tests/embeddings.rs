//! Texts to vectors.

mod common;

use std::path::Path;

use common::{copied, engine, fails_on, folder, options, run_python};
use futures::future::join_all;
use llmhost_inference::engine::{EmbedInput, Options};
use llmhost_inference::{Engine, RequestError};
use serde_json::{Value, json};

fn likeness(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_are_the_same_alone_and_in_company() {
    let engine = engine("tiny-embeddings", &options());
    let texts: Vec<String> = (0..40).map(|i| "a word and more ".repeat(1 + i * 7 % 6) + &i.to_string()).collect();
    let mut alone = Vec::new();
    for text in &texts {
        let embeddings = engine.embed(std::slice::from_ref(text), true).await.expect("embedded");
        alone.extend(embeddings.vectors);
    }
    let together = engine.embed(&texts, true).await.expect("embedded");
    assert_eq!(together.vectors.len(), texts.len());
    for (a, b) in alone.iter().zip(&together.vectors) {
        assert!((likeness(a, a) - 1.0).abs() < 1e-4, "of length one");
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4), "padding changes nothing");
    }
    let tasks: Vec<_> = texts
        .iter()
        .cloned()
        .map(|text| {
            let engine = engine.clone();
            tokio::spawn(async move { engine.embed(&[text], true).await })
        })
        .collect();
    for (task, expected) in tasks.into_iter().zip(&alone) {
        let got = task.await.expect("no panic").expect("embedded");
        assert!(got.vectors[0].iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4));
    }
}

#[tokio::test]
async fn long_texts_are_cut_or_refused() {
    let engine = engine("tiny-embeddings", &options());
    let long = ["word ".repeat(2000)];
    assert_eq!(engine.embed(&long, true).await.expect("cut").tokens, engine.stats().context);
    assert!(matches!(engine.embed(&long, false).await, Err(RequestError::TextTooLong { place: 0, .. })));
    assert!(matches!(engine.embed(&[String::new()], false).await, Err(RequestError::Invalid(_))));
    assert!(engine.embed(&[], false).await.expect("nothing").vectors.is_empty());
    let error = engine.generate(common::request(vec![1], 1)).expect_err("an encoder").to_string();
    assert_eq!(error, "this model cannot generate text: it is a encoder model");
}

const TEXTS: [&str; 4] =
    ["a word", "The capital of France, and more", "Übergrößenträger", "one two three four five six seven"];

fn write(folder: &Path, name: &str, content: &Value) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
    std::fs::write(path, content.to_string()).expect("written");
}

/// What NumPy makes of the graph's output, one text at a time.
fn reference(folder: &Path, modes: &[&str], normalise: bool, inputs: &Value) -> Vec<Vec<f32>> {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference/sentences.py");
    let task = json!({ "folder": folder, "modes": modes, "normalise": normalise, "inputs": inputs });
    serde_json::from_str(&run_python(&[program], &task.to_string())).expect("vectors")
}

fn assert_near(found: &[Vec<f32>], expected: &[Vec<f32>], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found.len(), expected.len(), "{what}");
        let most = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(most < 1e-4, "{what}: off by {most}");
    }
}

#[tokio::test]
async fn every_pooling_gives_what_numpy_computes() {
    let old = |name: &str| json!({ "word_embedding_dimension": 32, format!("pooling_mode_{name}"): true });
    let new = |mode: Value| json!({ "embedding_dimension": 32, "pooling_mode": mode, "include_prompt": true });
    let modules = |normalise: bool| -> Value {
        let kinds = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")];
        let module = |(path, kind): (&str, &str)| json!({ "path": path, "type": format!("sentence_transformers.models.{kind}") });
        kinds.into_iter().take(if normalise { 3 } else { 2 }).map(module).collect()
    };
    let texts = TEXTS.map(str::to_owned);
    for (pooling, modes, normalise) in [
        (old("cls_token"), vec!["cls"], true),
        (old("max_tokens"), vec!["max"], false),
        (old("mean_tokens"), vec!["mean"], true),
        (old("mean_sqrt_len_tokens"), vec!["mean_sqrt_len_tokens"], false),
        (old("weightedmean_tokens"), vec!["weightedmean"], false),
        (old("lasttoken"), vec!["lasttoken"], true),
        (new(json!("cls")), vec!["cls"], false),
        (new(json!("max")), vec!["max"], true),
        (new(json!("mean")), vec!["mean"], false),
        (new(json!("mean_sqrt_len_tokens")), vec!["mean_sqrt_len_tokens"], true),
        (new(json!("weightedmean")), vec!["weightedmean"], true),
        (new(json!("lasttoken")), vec!["lasttoken"], false),
        (new(json!(["mean", "max"])), vec!["mean", "max"], true),
    ] {
        let folder = copied("tiny-embeddings");
        write(folder.path(), "1_Pooling/config.json", &pooling);
        write(folder.path(), "modules.json", &modules(normalise));
        let engine = Engine::load(folder.path(), &options()).expect("it loads");
        let found = engine.embed(&texts, false).await.expect("embedded");
        let expected = reference(folder.path(), &modes, normalise, &json!(TEXTS));
        assert_near(&found.vectors, &expected, &pooling.to_string());
    }
}

#[tokio::test]
async fn a_real_model_gives_what_numpy_computes() {
    let engine = engine("all-minilm-l6-v2", &options());
    assert_eq!(engine.stats().context, 256, "sentence_bert_config.json says so, and config.json 512");
    let found = engine.embed(&TEXTS.map(str::to_owned), false).await.expect("embedded");
    let expected = reference(&folder("all-minilm-l6-v2"), &["mean"], true, &json!(TEXTS));
    assert_near(&found.vectors, &expected, "all-MiniLM-L6-v2");
}

/// A copy with the pooling that the whole one has.
fn sentences() -> tempfile::TempDir {
    let folder = copied("tiny-embeddings");
    write(folder.path(), "1_Pooling/config.json", &json!({ "pooling_mode": "mean" }));
    folder
}

#[tokio::test]
async fn prompts_lower_case_and_tokens_are_as_the_folder_says() {
    let folder = sentences();
    write(folder.path(), "sentence_bert_config.json", &json!({ "max_seq_length": 40, "do_lower_case": true }));
    let prompts = json!({ "query": "find: ", "document": "" });
    let about = json!({ "prompts": prompts, "default_prompt_name": "query" });
    write(folder.path(), "config_sentence_transformers.json", &about);
    let engine = Engine::load(folder.path(), &options()).expect("it loads");
    assert_eq!(engine.stats().context, 40);
    let expected = |inputs: Value| reference(folder.path(), &["mean"], true, &inputs);
    let text = [EmbedInput::Text("The Capital".into())];
    let by_default = engine.embed_inputs(&text, None, false).await.expect("embedded");
    assert_near(&by_default.vectors, &expected(json!(["find: the capital"])), "the default prompt");
    let named = engine.embed_inputs(&text, Some("document"), false).await.expect("embedded");
    assert_near(&named.vectors, &expected(json!(["the capital"])), "a named prompt");
    let error = engine.embed_inputs(&text, Some("other"), false).await.expect_err("no such prompt").to_string();
    assert_eq!(error, "the model has no prompt 'other'; it has document, query");

    let tokens = [EmbedInput::Tokens(vec![70, 80, 90]), EmbedInput::Tokens(vec![5])];
    let found = engine.embed_inputs(&tokens, None, false).await.expect("embedded");
    assert_near(&found.vectors, &expected(json!([[70, 80, 90], [5]])), "tokens");
    assert_eq!(found.tokens, 4);
    let error = engine.embed_inputs(&[EmbedInput::Tokens(vec![384])], None, false).await.expect_err("no such token");
    assert_eq!(error.to_string(), "the token 384 is not one of the model's 384");
}

#[tokio::test]
async fn the_limit_is_that_of_the_table_of_positions() {
    for (config, tokenizer, limit) in [
        (json!({ "model_type": "bert", "max_position_embeddings": 128, "pad_token_id": 0 }), json!({}), 128),
        (json!({ "model_type": "roberta", "max_position_embeddings": 128, "pad_token_id": 1 }), json!({}), 126),
        (json!({ "model_type": "mpnet", "max_position_embeddings": 128 }), json!({}), 126),
        (
            json!({ "model_type": "xlm-roberta", "max_position_embeddings": 128, "pad_token_id": 1 }),
            json!({ "model_max_length": 100 }),
            100,
        ),
    ] {
        let folder = sentences();
        write(folder.path(), "config.json", &config);
        write(folder.path(), "tokenizer_config.json", &tokenizer);
        let engine = Engine::load(folder.path(), &options()).expect("it loads");
        let text = |tokens: usize| EmbedInput::Tokens(vec![7; tokens]);
        let (fits, long) = ([text(limit)], [text(3), text(limit + 1)]);
        let (fits, long) =
            futures::join!(engine.embed_inputs(&fits, None, false), engine.embed_inputs(&long, None, false));
        assert_eq!(fits.expect("it fits").tokens, limit, "{config}");
        let error = long.expect_err("too long").to_string();
        let words = format!("the text at index 1 has {} tokens, and the context has {limit}", limit + 1);
        assert!(error.starts_with(&words), "{error}");
    }
}

#[tokio::test]
async fn a_text_on_which_the_model_fails_takes_no_other_with_it() {
    let folder = sentences();
    fails_on(folder.path(), 99);
    let failing = Engine::load(folder.path(), &options()).expect("it loads");
    let texts: Vec<[EmbedInput; 1]> =
        (0..40).map(|text| [EmbedInput::Tokens(vec![10 + text, 20, if text == 25 { 99 } else { 30 }])]).collect();
    let all = join_all(texts.iter().map(|text| failing.embed_inputs(text, None, false))).await;
    let tokens: Value = (0..40).map(|text| json!([10 + text, 20, 30])).collect();
    let expected = reference(folder.path(), &["mean"], true, &tokens);
    for (place, (result, expected)) in all.into_iter().zip(expected).enumerate() {
        match result {
            Ok(found) => assert_near(&found.vectors, &[expected], "a neighbour"),
            Err(error) => {
                assert!(matches!(&error, RequestError::Failed(why) if why.contains("Gather")), "{error}");
                assert_eq!(place, 25, "{error}");
            }
        }
    }
    let stats = failing.stats();
    assert_eq!((stats.queued, stats.failed), (0, 1));
    // The model still works.
    let again = Engine::embed(&failing, &["a word".to_owned()], false).await.expect("embedded");
    assert_eq!(again.vectors.len(), 1);
}

#[test]
fn a_folder_with_a_module_that_is_not_there_is_refused() {
    let folder = sentences();
    let kinds = ["Transformer", "Pooling", "Dense"].map(|kind| format!("sentence_transformers.models.{kind}"));
    let modules: Value = kinds
        .iter()
        .zip(["", "1_Pooling", "2_Dense"])
        .map(|(kind, path)| json!({ "path": path, "type": kind }))
        .collect();
    write(folder.path(), "modules.json", &modules);
    let error = Engine::load(folder.path(), &Options { verify: true, ..options() }).expect_err("Dense").to_string();
    assert!(error.contains("'sentence_transformers.models.Dense'") && error.contains("export the model"), "{error}");
}
