//! Fields that requests have and this server does not read; and tokens of texts.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use axum::http::StatusCode;
use common::{Script, ask, says};
use llmhost_server::{Prompt, Settings};
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
        ("usr", "messages[1].role is 'usr'; did you mean 'user'?"),
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

fn answered(more: &Value) -> Value {
    let mut message = json!({ "role": "assistant", "content": "b" });
    message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!([{ "role": "user", "content": "a" }, message, { "role": "user", "content": "c" }])
}

fn calls(call: &Value) -> Value {
    answered(&json!({ "content": null, "tool_calls": [call] }))
}

#[tokio::test]
async fn what_would_be_ignored_in_a_message_is_refused_with_its_place() {
    let call = json!({ "id": "call_1", "type": "function", "function": { "name": "f", "arguments": "{}" } });
    let but = |name: &str, value: &Value| {
        let mut call = call.clone();
        *call.pointer_mut(name).unwrap() = value.clone();
        calls(&call)
    };
    let text = |part: &Value| json!([{ "role": "user", "content": [{ "type": "text", "text": "a" }, part] }]);
    for (messages, param, words) in [
        (json!([{ "role": "user", "contnt": "a" }]), "messages[0].contnt", "did you mean 'content'?"),
        (json!([{ "role": "user", "content": "a", "colour": 1 }]), "messages[0].colour", "is not supported; remove it"),
        (json!([{ "role": "user" }]), "messages[0].content", "is missing"),
        (json!([{ "role": "user", "content": null }]), "messages[0].content", "is missing"),
        (json!([{ "content": "a" }]), "messages[0].role", "is missing"),
        (json!(["a"]), "messages[0]", "must be an object"),
        (json!([{ "role": "user", "content": 7 }]), "messages[0].content", "must be a string or a list of parts"),
        (json!([{ "role": "user", "content": "a", "name": 7 }]), "messages[0].name", "must be a string"),
        (
            text(&json!({ "type": "image_url", "image_url": {} })),
            "messages[0].content[1].type",
            "only text is supported",
        ),
        (text(&json!({ "type": "text", "txt": "a" })), "messages[0].content[1].txt", "did you mean 'text'?"),
        (text(&json!({ "type": "text" })), "messages[0].content[1].text", "is missing"),
        (answered(&json!({ "refusal": "no" })), "messages[1].refusal", "send its text as content"),
        (answered(&json!({ "function_call": { "name": "f" } })), "messages[1].function_call", "send it in tool_calls"),
        (answered(&json!({ "tool_call": [] })), "messages[1].tool_call", "did you mean 'tool_calls'?"),
        (but("/id", &Value::Null), "messages[1].tool_calls[0].id", "is missing"),
        (but("/type", &json!("custom")), "messages[1].tool_calls[0].type", "only 'function' is supported"),
        (but("/function", &Value::Null), "messages[1].tool_calls[0].function", "is missing"),
        (but("/function/name", &Value::Null), "messages[1].tool_calls[0].function.name", "is missing"),
        (but("/function/arguments", &Value::Null), "messages[1].tool_calls[0].function.arguments", "is missing"),
        (but("/function/arguments", &json!([1])), "messages[1].tool_calls[0].function.arguments", "must be a string"),
        (calls(&json!({ "id": "a", "typ": "function" })), "messages[1].tool_calls[0].typ", "did you mean 'type'?"),
        (json!([{ "role": "user", "tool_calls": [call] }]), "messages[0].tool_calls", "only 'assistant' calls"),
    ] {
        for path in ["/v1/chat/completions", "/tokenize"] {
            let (status, answer) = told(path, &json!({ "messages": messages })).await;
            let message = answer["error"]["message"].as_str().unwrap_or_default();
            assert_eq!((status.as_u16(), &answer["error"]["param"]), (400, &json!(param)), "{messages}: {answer}");
            assert!(message.starts_with(param) && message.contains(words), "{message}");
        }
    }
}

#[tokio::test]
async fn an_answer_of_any_server_can_be_sent_back_as_it_came() {
    let call = json!({ "id": "call_1", "type": "function", "function": { "name": "f", "arguments": "{\"a\": 1}" } });
    let mut streamed = call.clone();
    (streamed["index"], streamed["function"]["parsed_arguments"]) = (json!(0), json!({ "a": 1 }));
    let empty = json!({ "refusal": null, "audio": null, "annotations": [], "function_call": null, "tool_calls": [] });
    for messages in [
        answered(&empty),
        answered(&json!({ "name": "helper", "reasoning_content": "so", "parsed": { "a": 1 } })),
        answered(&json!({ "content": null, "reasoning": "so" })),
        answered(&json!({ "content": "", "tool_calls": null, "provider_specific_fields": { "refusal": null } })),
        answered(&json!({ "content": [{ "type": "text", "text": "b", "cache_control": { "type": "ephemeral" } }] })),
        calls(&call),
        calls(&streamed),
    ] {
        let (status, answer) = told("/v1/chat/completions", &json!({ "messages": messages })).await;
        assert_eq!(status, StatusCode::OK, "{messages}: {answer}");
    }
    let script = Script::new();
    let asked = std::sync::Arc::clone(&script.asked);
    let body = json!({ "messages": calls(&streamed) }).to_string();
    assert_eq!(ask(script, Settings::default(), "/v1/chat/completions", body).await.0, StatusCode::OK);
    let Some(Prompt::Messages { messages, .. }) = asked.lock().unwrap().take() else { panic!("messages") };
    assert_eq!(
        (&messages[1].content, &messages[1].more),
        (&None, json!({ "tool_calls": [call] }).as_object().unwrap())
    );
}

#[tokio::test]
async fn what_would_be_ignored_in_a_tool_is_refused_with_its_place() {
    let with = |tool: Value, choice: Value| json!({ "messages": says("a"), "tools": [tool], "tool_choice": choice });
    let plain = |more: &Value| {
        let mut tool = json!({ "type": "function", "function": { "name": "f", "parameters": { "type": "object" } } });
        tool["function"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        tool
    };
    let beside = json!({ "type": "function", "strict": true, "function": { "name": "f" } });
    let flat = json!({ "type": "function", "name": "f", "parameters": {} });
    let named = |more: Value| {
        let mut choice = json!({ "type": "function", "function": { "name": "f" } });
        choice.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        choice
    };
    let auto = || json!("auto");
    for (body, param, words) in [
        (with(plain(&json!({ "strct": true })), auto()), "tools[0].function.strct", "did you mean 'strict'?"),
        (with(plain(&json!({ "strict": "yes" })), auto()), "tools[0].function.strict", "must be true or false"),
        (with(plain(&json!({ "description": 1 })), auto()), "tools[0].function.description", "must be a string"),
        (with(beside, auto()), "tools[0].strict", "send it as tools[0].function.strict"),
        (with(flat, auto()), "tools[0].name", "send it as tools[0].function.name"),
        (with(json!({ "type": "function" }), auto()), "tools[0].function", "is missing"),
        (with(json!({ "type": "function", "fn": {} }), auto()), "tools[0].fn", "is not supported"),
        (with(json!("f"), auto()), "tools[0]", "must be an object"),
        (with(plain(&json!({})), named(json!({ "name": "f" }))), "tool_choice.name", "is not supported; remove it"),
        (
            with(plain(&json!({})), named(json!({ "function": { "name": "f", "nam": "g" } }))),
            "tool_choice.function.nam",
            "did you mean 'name'?",
        ),
    ] {
        let (status, answer) = told("/v1/chat/completions", &body).await;
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert_eq!((status.as_u16(), &answer["error"]["param"]), (400, &json!(param)), "{body}: {answer}");
        assert!(message.contains(words), "{message}");
    }
    for (tool, choice) in [
        (plain(&json!({ "strict": true, "description": "d" })), named(json!({}))),
        (plain(&json!({ "strict": null, "description": null, "return": { "type": "string" } })), json!("required")),
    ] {
        let (status, answer) = told("/v1/chat/completions", &with(tool, choice)).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
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
