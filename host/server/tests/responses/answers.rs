//! What a request asks of the model, and the items of its answer.

use llmhost_server::{Constraint, Prompt, ToolChoice};
use serde_json::{Value, json};

use crate::server::{Server, kinds, weather};

#[tokio::test]
async fn a_text_is_answered_with_a_message() {
    let server = Server::new();
    let answer = server.good(json!({
        "model": "assistant", "input": "hello there", "instructions": "be short", "temperature": 0.5, "top_p": 0.9,
        "max_output_tokens": 50, "metadata": { "team": "a" }, "user": "u-1", "truncation": "disabled",
    }));
    let answer = answer.await;
    assert!(answer["id"].as_str().unwrap().starts_with("resp_"), "{answer}");
    assert_eq!((&answer["object"], &answer["status"]), (&json!("response"), &json!("completed")));
    assert!(answer["completed_at"].as_u64().unwrap() >= answer["created_at"].as_u64().unwrap());
    let message = &answer["output"][0];
    assert!(message["id"].as_str().unwrap().starts_with("msg_"), "{message}");
    let content =
        json!([{ "type": "output_text", "text": "You said: hello there", "annotations": [], "logprobs": [] }]);
    assert_eq!(
        (&message["content"], &message["role"], &message["status"]),
        (&content, &json!("assistant"), &json!("completed"))
    );
    assert_eq!(
        answer["usage"],
        json!({
            "input_tokens": 4, "input_tokens_details": { "cached_tokens": 2, "cache_write_tokens": 0 },
            "output_tokens": 4, "output_tokens_details": { "reasoning_tokens": 0 }, "total_tokens": 8,
        })
    );
    for (name, value) in [
        ("model", json!("assistant")),
        ("instructions", json!("be short")),
        ("temperature", json!(0.5)),
        ("max_output_tokens", json!(50)),
        ("metadata", json!({ "team": "a" })),
        ("user", json!("u-1")),
        ("store", json!(true)),
        ("tools", json!([])),
        ("tool_choice", json!("auto")),
        ("parallel_tool_calls", json!(true)),
        ("truncation", json!("disabled")),
        ("text", json!({ "format": { "type": "text" } })),
        ("error", Value::Null),
        ("incomplete_details", Value::Null),
    ] {
        assert_eq!(answer[name], value, "{name}");
    }
    let asked = server.asked();
    assert_eq!((asked.max_tokens, asked.sampling.temperature, asked.sampling.top_p), (Some(50), Some(0.5), Some(0.9)));
    let said: Vec<_> = server.messages().into_iter().map(|message| (message.role, message.content.unwrap())).collect();
    assert_eq!(said, [("system".into(), "be short".into()), ("user".into(), "hello there".into())]);
}

#[tokio::test]
async fn a_conversation_comes_to_the_template_as_chat_completions_have_it() {
    let server = Server::new();
    server
        .good(json!({ "input": [
            { "role": "developer", "content": "short" },
            { "type": "message", "role": "user", "content": [
                { "type": "input_text", "text": "weather in " }, { "type": "input_text", "text": "Paris and Oslo" },
            ] },
            { "type": "reasoning", "id": "rs_1", "summary": [], "content": [{ "type": "reasoning_text", "text": "two calls" }] },
            { "type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [
                { "type": "output_text", "text": "I look.", "annotations": [], "logprobs": [] },
            ] },
            { "type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "weather", "arguments": "{\"city\":\"Paris\"}" },
            { "type": "function_call", "id": "fc_2", "call_id": "call_2", "name": "weather", "arguments": "{\"city\":\"Oslo\"}" },
            { "type": "function_call_output", "call_id": "call_1", "output": "sun" },
            { "type": "function_call_output", "call_id": "call_2", "output": [{ "type": "input_text", "text": "snow" }] },
            { "type": "reasoning", "summary": [{ "type": "summary_text", "text": "done" }], "encrypted_content": null },
            { "role": "assistant", "content": "Sun and snow." },
            { "role": "user", "content": "thanks" },
        ] }))
        .await;
    let call = |id: &str, city: &str| json!({ "id": id, "type": "function", "function": { "name": "weather", "arguments": format!("{{\"city\":\"{city}\"}}") } });
    assert_eq!(
        serde_json::to_value(server.messages()).unwrap(),
        json!([
            { "role": "developer", "content": "short" },
            { "role": "user", "content": "weather in Paris and Oslo" },
            { "role": "assistant", "content": "I look.", "reasoning_content": "two calls",
              "tool_calls": [call("call_1", "Paris"), call("call_2", "Oslo")] },
            { "role": "tool", "content": "sun", "tool_call_id": "call_1" },
            { "role": "tool", "content": "snow", "tool_call_id": "call_2" },
            { "role": "assistant", "content": "Sun and snow.", "reasoning_content": "done" },
            { "role": "user", "content": "thanks" },
        ])
    );
}

#[tokio::test]
async fn tools_are_called_and_their_outputs_sent_back() {
    let server = Server::new();
    let asked = json!({ "input": "weather in Paris and Oslo", "tools": [weather()], "reasoning": { "effort": "low" } });
    let first = server.good(asked).await;
    assert_eq!(kinds(&first["output"]), ["function_call", "function_call"]);
    let [paris, oslo] = [&first["output"][0], &first["output"][1]];
    assert_eq!((&paris["name"], &paris["arguments"]), (&json!("weather"), &json!("{\"city\": \"Paris\"}")));
    assert!(
        paris["id"].as_str().unwrap().starts_with("fc_") && paris["call_id"].as_str().unwrap().starts_with("call_")
    );
    assert_eq!(first["tools"], json!([weather()]), "as it was sent");
    let tools = server.asked().tools.unwrap();
    assert_eq!((&tools.choice, tools.parallel), (&ToolChoice::Auto, true));
    let mut function = weather();
    function.as_object_mut().unwrap().remove("type");
    assert_eq!(tools.definitions, [json!({ "type": "function", "function": function })]);
    let Prompt::Messages { rendering, .. } = server.asked().prompt else { panic!("messages") };
    assert_eq!(rendering.variables["reasoning_effort"], "low");

    let outputs = json!([
        { "type": "function_call_output", "call_id": paris["call_id"], "output": "sun" },
        { "type": "function_call_output", "call_id": oslo["call_id"], "output": "snow" },
    ]);
    let next = json!({ "input": outputs, "previous_response_id": first["id"], "tools": [weather()] });
    let second = server.good(next).await;
    assert_eq!(second["output"][0]["content"][0]["text"], "The tools say: sun, snow");
    assert_eq!(second["previous_response_id"], first["id"]);
    // Without the server's memory, the client sends everything again.
    let mut all = vec![json!({ "role": "user", "content": "weather in Paris and Oslo" })];
    all.extend(first["output"].as_array().unwrap().iter().chain(outputs.as_array().unwrap()).cloned());
    let by_hand = server.good(json!({ "input": all, "store": false, "tools": [weather()] })).await;
    assert_eq!(by_hand["output"][0]["content"], second["output"][0]["content"]);

    for (choice, parallel, expected, calls) in [
        (json!("required"), json!(true), ToolChoice::Required, 2),
        (json!({ "type": "function", "name": "weather" }), json!(false), ToolChoice::Named("weather".into()), 1),
        (json!("none"), json!(true), ToolChoice::None, 0),
    ] {
        let answer = server
            .good(json!({
                "input": "weather in Paris and Oslo", "tools": [weather()], "tool_choice": choice, "parallel_tool_calls": parallel,
            }))
            .await;
        assert_eq!((server.asked().tools.unwrap().choice, &answer["tool_choice"]), (expected, &choice));
        assert_eq!(kinds(&answer["output"]).iter().filter(|kind| **kind == "function_call").count(), calls);
    }
}

#[tokio::test]
async fn the_form_of_the_text_and_its_log_probabilities_are_asked_for() {
    let server = Server::new();
    let schema = json!({ "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] });
    let format = json!({ "type": "json_schema", "name": "place", "strict": true, "schema": schema });
    let answer = server.good(json!({ "input": "where", "text": { "format": format } })).await;
    assert_eq!(
        (&answer["output"][0]["content"][0]["text"], &answer["text"]["format"]),
        (&json!("{\"city\":\"Paris\"}"), &format)
    );
    assert_eq!(server.asked().constraint, Some(Constraint::JsonSchema(schema)));
    server.good(json!({ "input": "where", "text": { "format": { "type": "json_object" } } })).await;
    assert_eq!(server.asked().constraint, Some(Constraint::Json));
    server.good(json!({ "input": "where", "text": { "format": { "type": "text" }, "verbosity": "medium" } })).await;
    assert_eq!(server.asked().constraint, None);

    let wanted = json!({ "input": "a b", "include": ["message.output_text.logprobs"], "top_logprobs": 2 });
    let answer = server.good(wanted.clone()).await;
    let logprobs = answer["output"][0]["content"][0]["logprobs"].as_array().unwrap();
    assert_eq!((logprobs.len(), logprobs[0]["top_logprobs"].as_array().unwrap().len()), (4, 2));
    assert_eq!(
        logprobs[1],
        json!({ "token": "said: ", "logprob": -0.5, "bytes": b"said: ", "top_logprobs": logprobs[0]["top_logprobs"] })
    );
    let events = server.streamed(wanted).await;
    let of = |name: &str| events.iter().filter(|event| event["type"] == name).cloned().collect::<Vec<_>>();
    assert!(of("response.output_text.delta").iter().all(|event| event["logprobs"].as_array().unwrap().len() == 1));
    assert_eq!(of("response.output_text.done")[0]["logprobs"], json!(logprobs));
}
