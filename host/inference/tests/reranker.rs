//! Cross-encoders: pairs of texts to scores.

mod common;

use common::{copied, engine, options, run_python};
use llmhost_inference::{Engine, RequestError};
use serde_json::{Value, json};

fn python(task: &Value) -> String {
    run_python(&[concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference/cross_encoder.py")], &task.to_string())
}

/// The tiny encoder with a head of so many labels, and what is changed in its config.json.
fn cross_encoder(labels: usize, with: &Value) -> tempfile::TempDir {
    let folder = copied("tiny-embeddings");
    python(&json!({ "make": { "folder": folder.path(), "labels": labels } }));
    // The list of modules is that of an embedding model.
    std::fs::remove_file(folder.path().join("modules.json")).expect("removed");
    let read = |name: &str| -> Value {
        serde_json::from_slice(&std::fs::read(folder.path().join(name)).expect("read")).expect("JSON")
    };
    let write = |name: &str, content: &Value| std::fs::write(folder.path().join(name), content.to_string());
    let mut config = read("config.json");
    config["architectures"] = json!(["BertForSequenceClassification"]);
    config.as_object_mut().expect("an object").extend(with.as_object().expect("an object").clone());
    write("config.json", &config).expect("written");
    // As BERT's tokenizers put a pair together, so that the graph gets both token types.
    let (mark, end) =
        (json!({ "id": "<|im_start|>", "type_id": 0 }), |of| json!({ "id": "<|im_end|>", "type_id": of }));
    let text = |name: &str, of: usize| json!({ "Sequence": { "id": name, "type_id": of } });
    let special = |one: Value| json!({ "SpecialToken": one });
    let tokens = |name: &str, id: usize| json!({ "id": name, "ids": [id], "tokens": [name] });
    let mut tokenizer = read("tokenizer.json");
    tokenizer["post_processor"] = json!({
        "type": "TemplateProcessing",
        "single": [special(mark.clone()), text("A", 0), special(end(0))],
        "pair": [special(mark), text("A", 0), special(end(0)), text("B", 1), special(end(1))],
        "special_tokens": { "<|im_start|>": tokens("<|im_start|>", 1), "<|im_end|>": tokens("<|im_end|>", 2) },
    });
    write("tokenizer.json", &tokenizer).expect("written");
    folder
}

fn pairs() -> Vec<(String, String)> {
    let query = "What is the capital of France?";
    let documents = ["Paris is the capital of France.", "A cat", "", "Übergrößenträger wear hats, and more of it"];
    documents.map(|document| (query.to_owned(), document.to_owned())).to_vec()
}

#[tokio::test]
async fn scores_are_what_numpy_computes() {
    let identity = json!({ "sentence_transformers": { "activation_fn": "torch.nn.modules.linear.Identity" } });
    for (with, sigmoid) in [(json!({}), true), (identity, false)] {
        let folder = cross_encoder(1, &with);
        let engine = Engine::load(folder.path(), &options()).expect("it loads");
        assert_eq!(engine.model().kind(), "reranker");
        let found = engine.score(&pairs()).await.expect("scored");
        let task = json!({ "score": { "folder": folder.path(), "pairs": pairs() } });
        let logits: Vec<f64> = serde_json::from_str(&python(&task)).expect("numbers");
        assert_eq!(found.scores.len(), logits.len());
        for (found, logit) in found.scores.iter().zip(logits) {
            let expected = if sigmoid { 1.0 / (1.0 + (-logit).exp()) } else { logit };
            assert!((f64::from(*found) - expected).abs() < 1e-4, "{found} and {expected}");
        }
        assert!(found.scores.windows(2).all(|two| (two[0] - two[1]).abs() > 1e-4), "they differ: {found:?}");
    }
}

#[tokio::test]
async fn a_pair_that_is_too_long_fails_alone() {
    let folder = cross_encoder(1, &json!({}));
    let engine = Engine::load(folder.path(), &options()).expect("it loads");
    let long = [pairs()[0].clone(), ("a".to_owned(), "word ".repeat(200))];
    let whole = pairs();
    let (long, good) = futures::join!(engine.score(&long), engine.score(&whole));
    let error = long.expect_err("too long");
    assert!(matches!(error, RequestError::TextTooLong { place: 1, context: 128, .. }), "{error}");
    assert_eq!(good.expect("scored").scores.len(), 4);
    assert!(engine.score::<String>(&[]).await.expect("nothing").scores.is_empty());
    let error = engine.embed(&["a".to_owned()], false).await.expect_err("no vectors").to_string();
    assert_eq!(error, "this model cannot embed text: it is a reranker model");
}

#[tokio::test]
async fn a_model_that_does_not_rerank_says_why() {
    let three = cross_encoder(3, &json!({}));
    let plain = cross_encoder(1, &json!({ "architectures": ["BertModel"] }));
    let three = Engine::load(three.path(), &options()).expect("it loads");
    let plain = Engine::load(plain.path(), &options()).expect("it loads");
    let needs = "this model does not rerank: ";
    for (engine, reason) in [
        (three, "its classification head has 3 labels, and a reranker's has one"),
        (plain, "its config.json names no architecture that ends in ForSequenceClassification"),
        (engine("tiny-embeddings", &options()), "it has no sequence classification head"),
        (engine("tiny", &options()), "it has no sequence classification head"),
    ] {
        let error = engine.score(&pairs()).await.expect_err(reason).to_string();
        assert_eq!(error, format!("{needs}{reason}"));
    }
    let folder = cross_encoder(1, &json!({ "sentence_transformers": { "activation_fn": "mine.Softmax" } }));
    let error = Engine::load(folder.path(), &options()).expect_err("not known").to_string();
    assert!(error.contains("activation_fn is 'mine.Softmax'"), "{error}");
}
