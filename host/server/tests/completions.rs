//! `/v1/completions` over a real model: the prompt given back, its log-probabilities, and gaps in texts.
#![allow(missing_docs, clippy::unwrap_used)]

use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use llmhost_example_models::{Example, onnxruntime};
use llmhost_inference::engine::Options;
use llmhost_inference::runtime::Search;
use llmhost_inference::{Device, Engine};
use llmhost_server::{EngineBackend, Settings, router};
use serde_json::{Value, json};
use tower::ServiceExt;

fn engine(folder: &Path) -> Engine {
    let search = Search { library: Some(onnxruntime().unwrap()), ..Search::default() };
    let (device, threads) = (Device::Cpu, Some(1));
    let options = Options { search, device, threads, spin: Duration::ZERO, max_batch: 4, ..Options::default() };
    Engine::load(folder, &options).unwrap()
}

/// One engine is enough for most.
static ENGINE: LazyLock<Engine> = LazyLock::new(|| engine(&Example::Tiny.folder().unwrap()));

async fn text_of(engine: &Engine, path: &str, body: &Value) -> (u16, String) {
    let app: Router = router(Arc::new(EngineBackend::new(engine.clone(), "tiny")), Settings::default());
    let request = Request::post(path).header("content-type", "application/json").header("host", "127.0.0.1");
    let response = app.oneshot(request.body(Body::from(body.to_string())).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

async fn told(body: Value) -> Value {
    let (status, text) = text_of(&ENGINE, "/v1/completions", &body).await;
    assert_eq!(status, 200, "{body}: {text}");
    serde_json::from_str(&text).unwrap()
}

async fn refused(body: Value) -> Value {
    let (status, text) = text_of(&ENGINE, "/v1/completions", &body).await;
    assert_eq!(status, 400, "{body}: {text}");
    serde_json::from_str::<Value>(&text).unwrap()["error"].clone()
}

fn list<'a>(choice: &'a Value, name: &str) -> &'a Vec<Value> {
    choice["logprobs"][name].as_array().unwrap()
}

/// A text with marks, letters of several bytes, and what no token spells as a whole.
const TEXT: &str = "Grüße, 世界! <|im_start|>fn main() {}";

#[tokio::test]
async fn the_prompt_comes_back_in_front_of_the_answer() {
    let ask = |more: Value| {
        let mut body = json!({ "prompt": TEXT, "max_tokens": 6, "temperature": 0, "ignore_eos": true, "logprobs": 2 });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        told(body)
    };
    let plain = ask(json!({})).await;
    let echo = ask(json!({ "echo": true })).await;
    let (plain_choice, choice) = (&plain["choices"][0], &echo["choices"][0]);
    let answer = plain_choice["text"].as_str().unwrap();
    assert_eq!(choice["text"].as_str().unwrap(), format!("{TEXT}{answer}"));
    assert_eq!(
        (&echo["usage"]["prompt_tokens"], &choice["finish_reason"]),
        (&plain["usage"]["prompt_tokens"], &json!("length"))
    );
    let count = usize::try_from(echo["usage"]["prompt_tokens"].as_u64().unwrap()).unwrap();
    for name in ["tokens", "token_logprobs", "top_logprobs", "text_offset"] {
        let (all, rest) = (list(choice, name), list(plain_choice, name));
        assert_eq!((all.len(), rest.len()), (count + 6, 6), "{name}");
        if name == "tokens" {
            assert_eq!(all[count..], rest[..]);
        }
    }
    let (found, alone) = (list(choice, "token_logprobs"), list(plain_choice, "token_logprobs"));
    let near = |a: &Value, b: &Value| (a.as_f64().unwrap() - b.as_f64().unwrap()).abs() < 1e-4;
    assert!(found[count..].iter().zip(alone).all(|(a, b)| near(a, b)), "{found:?} {alone:?}");
    assert!(found[0].is_null() && list(choice, "top_logprobs")[0].is_null());
    assert!(found[1..].iter().all(|logprob| logprob.as_f64().unwrap() < 0.0));
    assert!(list(choice, "top_logprobs")[1..].iter().all(|top| top.as_object().unwrap().len() == 2));
    // Every token stands in the text where its offset says.
    let text: Vec<char> = choice["text"].as_str().unwrap().chars().collect();
    let offsets: Vec<usize> = serde_json::from_value(choice["logprobs"]["text_offset"].clone()).unwrap();
    assert!(offsets.is_sorted() && offsets[0] == 0, "{offsets:?}");
    for (token, offset) in list(choice, "tokens")[..count].iter().zip(&offsets) {
        let token = token.as_str().unwrap();
        let there: String = text[*offset..].iter().take(token.chars().count()).collect();
        assert!(token.starts_with("bytes:") || there == token, "'{token}' at {offset}, where '{there}' is");
    }
    assert_eq!(offsets[count], TEXT.chars().count());
    assert_eq!(list(plain_choice, "text_offset")[0], 0, "without echo the text begins with the answer");
}

#[tokio::test]
async fn a_prompt_alone_costs_no_answer() {
    let (_, text) = text_of(&ENGINE, "/tokenize", &json!({ "prompt": TEXT })).await;
    let tokens = serde_json::from_str::<Value>(&text).unwrap()["tokens"].clone();
    let count = tokens.as_array().unwrap().len();
    let mut answers = Vec::new();
    for prompt in [json!(TEXT), tokens.clone()] {
        let answer = told(json!({ "prompt": prompt, "max_tokens": 0, "echo": true, "logprobs": 1 })).await;
        let usage = &answer["usage"];
        assert_eq!((&usage["prompt_tokens"], &usage["completion_tokens"]), (&json!(count), &json!(0)));
        assert_eq!(
            (&answer["choices"][0]["text"], &answer["choices"][0]["finish_reason"]),
            (&json!(TEXT), &json!("length"))
        );
        assert_eq!(list(&answer["choices"][0], "token_logprobs").len(), count);
        answers.push(answer["choices"].clone());
    }
    assert_eq!(answers[0], answers[1], "as text and as tokens");
    let answer = told(json!({ "prompt": ["a b", "c"], "n": 2, "max_tokens": 0, "echo": true })).await;
    let texts: Vec<_> = answer["choices"].as_array().unwrap().iter().map(|choice| choice["text"].clone()).collect();
    assert_eq!((json!(texts), &answer["choices"][3]["logprobs"]), (json!(["a b", "a b", "c", "c"]), &Value::Null));
    for (body, words) in [
        (json!({ "prompt": "a", "max_tokens": 0 }), "max_tokens is 0; it must be 1 or more"),
        (json!({ "prompt": "a", "max_tokens": -1, "echo": true }), "max_tokens is -1"),
        (json!({ "prompt": "a", "max_tokens": 0, "echo": true, "logprobs": 21 }), "limited to 20"),
        (json!({ "prompt": "word ".repeat(600), "max_tokens": 0, "echo": true, "logprobs": 0 }), "the context has 512"),
        (json!({ "prompt": "a", "echo": true, "suffix": "b" }), "echo and suffix cannot be used together"),
        (
            json!({ "prompt": "a", "suffix": "b" }),
            "suffix is not supported by this model: its tokenizer has no tokens for infilling",
        ),
        (json!({ "prompt": [1], "suffix": "b" }), "with suffix, the prompt must be a string"),
    ] {
        let error = refused(body).await;
        assert!(error["message"].as_str().unwrap().contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_stream_begins_with_the_prompt() {
    let body =
        json!({ "prompt": [TEXT, "two"], "max_tokens": 5, "temperature": 0, "echo": true, "logprobs": 1, "n": 2 });
    let whole = told(body.clone()).await;
    let mut streamed = body;
    (streamed["stream"], streamed["stream_options"]) = (json!(true), json!({ "include_usage": true }));
    let (_, text) = text_of(&ENGINE, "/v1/completions", &streamed).await;
    let pieces: Vec<Value> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .filter(|line| *line != "[DONE]")
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for (index, choice) in whole["choices"].as_array().unwrap().iter().enumerate() {
        let own = pieces.iter().filter_map(|piece| piece["choices"].get(0)).filter(|one| one["index"] == index);
        let own: Vec<&Value> = own.collect();
        assert_eq!(own[0]["text"], [TEXT, TEXT, "two", "two"][index]);
        let text: String = own.iter().map(|piece| piece["text"].as_str().unwrap()).collect();
        assert_eq!(choice["text"], text);
        for name in ["tokens", "text_offset"] {
            let all = own.iter().filter_map(|piece| piece["logprobs"][name].as_array()).flatten().cloned();
            assert_eq!(&all.collect::<Vec<_>>(), list(choice, name), "{index} {name}");
        }
    }
}

/// A copy of the tiny model that has marks for a gap.
fn filler() -> tempfile::TempDir {
    let (folder, whole) = (tempfile::tempdir().unwrap(), Example::Tiny.folder().unwrap());
    for entry in
        std::fs::read_dir(whole).unwrap().map(Result::unwrap).filter(|entry| entry.file_name() != "manifest.json")
    {
        std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    let path = folder.path().join("tokenizer.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut tokenizer: Value = serde_json::from_str(&text).unwrap();
    let vocabulary = tokenizer["model"]["vocab"].as_object_mut().unwrap();
    for (id, mark) in [(381, "<|fim_prefix|>"), (382, "<|fim_suffix|>"), (383, "<|fim_middle|>")] {
        vocabulary.retain(|_, other| *other != id);
        vocabulary.insert(mark.to_owned(), json!(id));
    }
    let kept: Vec<String> = vocabulary.keys().cloned().collect();
    let joins = |merge: &Value| match merge {
        Value::String(pair) => pair.replace(' ', ""),
        pair => format!("{}{}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()),
    };
    tokenizer["model"]["merges"].as_array_mut().unwrap().retain(|merge| kept.contains(&joins(merge)));
    for (id, mark) in [(381, "<|fim_prefix|>"), (382, "<|fim_suffix|>"), (383, "<|fim_middle|>")] {
        let token = json!({ "id": id, "content": mark, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true });
        tokenizer["added_tokens"].as_array_mut().unwrap().push(token);
    }
    std::fs::write(&path, tokenizer.to_string()).unwrap();
    folder
}

#[tokio::test]
async fn a_gap_is_filled_as_the_models_marks_have_it() {
    let folder = filler();
    let engine = engine(folder.path());
    let ask = |prompt: &str, suffix: Value| json!({ "prompt": prompt, "suffix": suffix, "max_tokens": 8, "temperature": 0, "logprobs": 0 });
    let (status, gap) = text_of(&engine, "/v1/completions", &ask("def f(", json!("return x"))).await;
    assert_eq!(status, 200, "{gap}");
    let by_hand = "<|fim_prefix|>def f(<|fim_suffix|>return x<|fim_middle|>";
    let (_, same) = text_of(&engine, "/v1/completions", &ask(by_hand, Value::Null)).await;
    let (_, empty) = text_of(&engine, "/v1/completions", &ask(by_hand, json!(""))).await;
    let read = |text: &str| -> Value { serde_json::from_str(text).unwrap() };
    let (gap, same, empty) = (read(&gap), read(&same), read(&empty));
    for other in [same, empty] {
        assert_eq!(gap["choices"][0]["text"], other["choices"][0]["text"]);
        assert_eq!(gap["usage"]["prompt_tokens"], other["usage"]["prompt_tokens"]);
        assert_eq!(gap["choices"][0]["logprobs"]["tokens"], other["choices"][0]["logprobs"]["tokens"]);
    }
}
