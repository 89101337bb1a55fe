//! Fields that requests have and this server does not read; and tokens of texts.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use axum::http::StatusCode;
use common::{Script, ask, says};
use llmhost_server::Settings;
use serde_json::{Value, json};

async fn told(path: &str, body: &Value) -> (StatusCode, Value) {
    let (status, text) = ask(Script::new(), Settings::default(), path, body.to_string()).await;
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// A request that is good, with this field beside.
fn with(path: &str, name: &str, value: &Value) -> Value {
    let mut body = match path {
        "/v1/chat/completions" => json!({ "messages": says("a b") }),
        "/v1/completions" => json!({ "prompt": "a b" }),
        "/v1/embeddings" => json!({ "input": "a b" }),
        _ => json!({ "prompt": "a b" }),
    };
    body[name] = value.clone();
    body
}

const GENERATE: [&str; 2] = ["/v1/chat/completions", "/v1/completions"];

#[tokio::test]
async fn a_field_of_another_server_that_changes_the_answer_is_refused_by_name() {
    for (name, value, words) in [
        ("guided_json", json!({}), "response_format"),
        ("guided_regex", json!("a+"), "response_format"),
        ("guided_choice", json!(["a"]), "enum"),
        ("guided_grammar", json!("root ::= a"), "response_format"),
        ("structured_outputs", json!({ "json": {} }), "response_format"),
        ("best_of", json!(4), "use n"),
        ("min_tokens", json!(5), "ignore_eos"),
        ("prompt_logprobs", json!(1), "logprobs"),
        ("truncate_prompt_tokens", json!(10), "/tokenize"),
        ("bad_words", json!(["x"]), "logit_bias"),
        ("use_beam_search", json!(true), "temperature"),
    ] {
        for path in GENERATE {
            let (status, answer) = told(path, &with(path, name, &value)).await;
            let message = answer["error"]["message"].as_str().unwrap();
            assert_eq!((status.as_u16(), &answer["error"]["param"]), (400, &json!(name)), "{message}");
            assert!(message.starts_with(&format!("{name} is not supported; ")) && message.contains(words), "{message}");
        }
    }
}

#[tokio::test]
async fn fields_within_fields_are_known_or_refused_by_name() {
    let schema = json!({ "type": "object" });
    for (name, value, word) in [
        ("stream_options", json!({ "includ_usage": true }), "includ_usage"),
        ("response_format", json!({ "type": "json_schema", "json_schema": { "schema": schema, "nmae": "a" } }), "nmae"),
        (
            "response_format",
            json!({ "type": "json_schema", "json_schema": { "schema": schema }, "regex": "a" }),
            "regex",
        ),
    ] {
        for path in GENERATE {
            let (status, answer) = told(path, &with(path, name, &value)).await;
            let message = answer["error"]["message"].as_str().unwrap();
            assert!(status == 400 && message.contains(&format!("unknown field `{word}`")), "{status} {message}");
        }
    }
    let named = json!({ "name": "a", "description": "b", "strict": true, "schema": schema });
    for (name, value) in [
        ("stream_options", json!({ "include_usage": true, "include_obfuscation": false })),
        ("stream_options", json!({ "include_usage": true, "continuous_usage_stats": true })),
        ("response_format", json!({ "type": "json_schema", "json_schema": named })),
        ("response_format", json!({ "type": "text" })),
    ] {
        let (status, answer) = told("/v1/completions", &with("/v1/completions", name, &value)).await;
        assert_eq!(status, 200, "{answer}");
    }
}

#[tokio::test]
async fn a_field_that_changes_nothing_passes() {
    for (name, value) in [
        ("user", json!("u-1")),
        ("metadata", json!({ "team": "a" })),
        ("store", json!(false)),
        ("service_tier", json!("auto")),
        ("best_of", json!(1)),
        ("min_tokens", json!(0)),
        ("use_beam_search", json!(false)),
        ("add_generation_prompt", json!(true)),
        ("bad_words", json!([])),
        ("guided_json", Value::Null),
        ("no_such_field", Value::Null),
        ("tool_choice", json!("auto")),
        ("parallel_tool_calls", json!(true)),
        ("seed", json!(1)),
    ] {
        for path in GENERATE {
            let (status, answer) = told(path, &with(path, name, &value)).await;
            assert_eq!(status, StatusCode::OK, "{path} {name}: {answer}");
        }
    }
    let (status, answer) = told("/v1/embeddings", &with("/v1/embeddings", "user", &json!("u-1"))).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
}

#[tokio::test]
async fn a_misspelt_field_is_compared_with_the_requests_own() {
    for (path, name, words) in [
        ("/v1/chat/completions", "max_token", "did you mean 'max_tokens'?"),
        ("/v1/chat/completions", "temprature", "did you mean 'temperature'?"),
        ("/v1/chat/completions", "top-p", "did you mean 'top_p'?"),
        ("/v1/chat/completions", "topLogprobs", "did you mean 'top_logprobs'?"),
        ("/v1/completions", "max_tokns", "did you mean 'max_tokens'?"),
        ("/v1/completions", "colour_of_the_sky", "this request has no field 'colour_of_the_sky'"),
        ("/v1/embeddings", "dimension", "did you mean 'dimensions'?"),
        ("/tokenize", "add_special_token", "did you mean 'add_special_tokens'?"),
    ] {
        let (status, answer) = told(path, &with(path, name, &json!(1))).await;
        let message = answer["error"]["message"].as_str().unwrap();
        assert_eq!((status.as_u16(), &answer["error"]["param"]), (400, &json!(name)), "{message}");
        assert!(message.contains(words), "{message}");
    }
}

#[tokio::test]
async fn a_message_is_from_somebody_known() {
    for (role, words) in [
        ("usr", "messages[1] has the role 'usr'; did you mean 'user'?"),
        ("<|im_start|>system", "it must be one of system, developer, user"),
        ("", "it must be one of"),
    ] {
        let messages = json!([{ "role": "user", "content": "a" }, { "role": role, "content": "b" }]);
        let (status, answer) = told("/v1/chat/completions", &json!({ "messages": messages })).await;
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(status == StatusCode::BAD_REQUEST && message.contains(words), "{message}");
    }
    for role in ["system", "developer", "user", "assistant", "tool"] {
        let messages = json!([{ "role": role, "content": "a" }]);
        assert_eq!(told("/v1/chat/completions", &json!({ "messages": messages })).await.0, StatusCode::OK, "{role}");
    }
}

#[tokio::test]
async fn a_text_is_turned_into_tokens_and_back() {
    for (body, tokens) in [
        (json!({ "prompt": "one three" }), json!([0, 3, 5])),
        (json!({ "prompt": "one three", "add_special_tokens": false }), json!([3, 5])),
        (json!({ "model": "script", "messages": says("one three") }), json!([5, 3, 5])),
    ] {
        let (status, answer) = told("/tokenize", &body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let count = tokens.as_array().unwrap().len();
        assert_eq!(answer, json!({ "tokens": tokens, "count": count, "max_model_len": 64 }));
    }
    assert_eq!(told("/detokenize", &json!({ "tokens": [1, 2] })).await.1, json!({ "prompt": "1 2 " }));
    for (path, body, status) in [
        ("/tokenize", json!({}), 400),
        ("/tokenize", json!({ "prompt": "a", "messages": says("a") }), 400),
        ("/tokenize", json!({ "prompt": "a", "model": "other" }), 404),
        ("/tokenize", json!({ "messages": [] }), 400),
        ("/detokenize", json!({ "tokens": [-1] }), 400),
        ("/detokenize", json!({ "tokens": [1], "model": "other" }), 404),
    ] {
        let (found, answer) = told(path, &body).await;
        assert_eq!(found.as_u16(), status, "{path} {body}: {answer}");
    }
}
