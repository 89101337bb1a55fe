//! What is not understood.

use serde_json::{Value, json};

use crate::server::{Server, weather};

#[tokio::test]
async fn what_is_not_understood_is_refused_by_name() {
    let server = Server::new();
    let message = |content: Value| json!([{ "role": "user", "content": content }]);
    for (name, value, param, words) in [
        ("background", json!(true), "background", "background is not supported; "),
        ("conversation", json!("conv_1"), "conversation", "previous_response_id"),
        ("prompt", json!({ "id": "pmpt_1" }), "prompt", "instructions"),
        ("messages", json!([]), "messages", "input"),
        ("max_tokens", json!(5), "max_tokens", "max_output_tokens"),
        ("response_format", json!({}), "response_format", "text.format"),
        ("stop", json!("a"), "stop", "/v1/chat/completions"),
        ("max_output_token", json!(5), "max_output_token", "did you mean 'max_output_tokens'?"),
        ("colour", json!(5), "colour", "this request has no field 'colour'"),
        ("truncation", json!("auto"), "truncation", "'auto'"),
        ("include", json!(["file_search_call.results"]), "include", "'file_search_call.results'"),
        (
            "stream_options",
            json!({ "include_obfuscation": true }),
            "stream_options.include_obfuscation",
            "not supported",
        ),
        ("tools", json!([{ "type": "web_search" }]), "tools[0].type", "'web_search', which is not supported"),
        ("tools", json!([{ "type": "function", "function": { "name": "a" } }]), "tools[0].function", "next to type"),
        ("tools", json!([{ "type": "function", "name": "a b" }]), "tools[0].name", "letters"),
        ("tools", json!([{ "type": "function", "name": "a", "parameters": [] }]), "tools[0].parameters", "object"),
        (
            "tools",
            json!([{ "type": "function", "name": "a", "parameters": { "type": "array" } }]),
            "tools[0].parameters.type",
            "'array'",
        ),
        ("tools", json!([weather(), weather()]), "tools[1].name", "as that of a tool before"),
        ("tools", json!({}), "tools", "a list"),
        ("tool_choice", json!("required"), "tool_choice", "there are no tools"),
        ("tool_choice", json!({ "type": "function", "name": "a" }), "tool_choice", "is not a tool"),
        ("tool_choice", json!({ "type": "file_search" }), "tool_choice.type", "file_search"),
        ("text", json!({ "format": { "type": "grammar" } }), "text.format.type", "it must be text"),
        ("text", json!({ "format": { "type": "json_schema", "schema": {} } }), "text.format.name", "is missing"),
        ("text", json!({ "format": { "type": "json_schema", "name": "a" } }), "text.format.schema", "is missing"),
        ("text", json!({ "verbosity": "low" }), "text.verbosity", "not supported"),
        ("reasoning", json!({ "summary": "detailed" }), "reasoning.summary", "reasoning_text"),
        ("reasoning", json!({ "efort": "low" }), "reasoning.efort", "did you mean 'effort'?"),
        ("temperature", json!(3), "temperature", "0 to 2"),
        ("top_p", json!(-1), "top_p", "0 to 1"),
        ("top_logprobs", json!(21), "top_logprobs", "0 to 20"),
        ("max_output_tokens", json!(0), "max_output_tokens", "1 or more"),
        ("metadata", json!({ "a": "b".repeat(600) }), "metadata", "512"),
        ("input", json!(5), "input", "a string or a list"),
        ("input", json!([]), "input", "empty"),
        ("input", json!([5]), "input[0]", "an object"),
        (
            "input",
            message(json!([{ "type": "input_image", "image_url": "data:" }])),
            "input[0].content[0].type",
            "only text is taken",
        ),
        ("input", message(json!([{ "type": "input_text" }])), "input[0].content[0].text", "is missing"),
        ("input", json!([{ "role": "usr", "content": "a" }]), "input[0].role", "did you mean 'user'?"),
        (
            "input",
            json!([{ "role": "user", "content": "a", "contnt": "b" }]),
            "input[0].contnt",
            "did you mean 'content'?",
        ),
        ("input", json!([{ "type": "web_search_call", "id": "ws_1" }]), "input[0].type", "'web_search_call'"),
        ("input", json!([{ "type": "item_reference", "id": "msg_1" }]), "input[0].type", "send the item"),
        (
            "input",
            json!([{ "type": "function_call", "call_id": "c", "name": "a" }]),
            "input[0].arguments",
            "is missing",
        ),
        ("input", json!([{ "type": "function_call_output", "call_id": "c", "output": "a" }]), "input", "the call 'c'"),
        (
            "input",
            json!([{ "type": "reasoning", "summary": [], "encrypted_content": "x" }]),
            "input[0].encrypted_content",
            "from another server",
        ),
    ] {
        let mut body = json!({ "input": "a" });
        body[name] = value;
        let (status, answer) = server.told(&body).await;
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(status == 400 && message.contains(words), "{body}: {answer}");
        assert_eq!(answer["error"]["param"], param, "{message}");
    }
    for (name, value) in [
        ("background", json!(false)),
        ("service_tier", json!("auto")),
        ("safety_identifier", json!("u")),
        ("prompt_cache_key", json!("k")),
        ("max_tool_calls", json!(3)),
        ("conversation", Value::Null),
        ("include", json!(["reasoning.encrypted_content"])),
        ("reasoning", json!({ "effort": "low", "summary": "auto" })),
        ("stream_options", json!({ "include_obfuscation": false })),
    ] {
        let mut body = json!({ "input": "a" });
        body[name] = value;
        server.good(body).await;
    }
    let (status, answer) = server.told(&json!({ "input": "a", "model": "other" })).await;
    assert_eq!((status, &answer["error"]["code"]), (404, &json!("model_not_found")));
    assert_eq!(server.told(&json!({ "model": "assistant" })).await.1["error"]["param"], "input");
}
