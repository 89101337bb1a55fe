//! `/v1/responses` over a model that thinks and calls tools: what clients send, and what they get.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "common/assistant.rs"]
mod assistant;

use std::sync::Arc;

use assistant::Assistant;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request};
use llmhost_server::{Constraint, GenerateRequest, Message, Prompt, Settings, ToolChoice, router};
use serde_json::{Value, json};
use tower::ServiceExt;

/// A server, and what its model was asked last.
struct Server {
    app: Router,
    asked: Arc<std::sync::Mutex<Option<GenerateRequest>>>,
}

impl Server {
    fn new() -> Self {
        Self::with(Settings::default())
    }

    fn with(settings: Settings) -> Self {
        let model = Assistant::new();
        let asked = Arc::clone(&model.asked);
        Self { app: router(Arc::new(model), settings), asked }
    }

    async fn text(&self, method: Method, path: &str, body: &str) -> (u16, String) {
        let request = Request::builder().method(method).uri(path).header("host", "127.0.0.1");
        let request = request.header("content-type", "application/json").body(Body::from(body.to_owned())).unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    async fn ask(&self, method: Method, path: &str) -> (u16, Value) {
        let (status, text) = self.text(method, path, "").await;
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn told(&self, body: &Value) -> (u16, Value) {
        let (status, text) = self.text(Method::POST, "/v1/responses", &body.to_string()).await;
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn good(&self, body: Value) -> Value {
        let (status, answer) = self.told(&body).await;
        assert_eq!(status, 200, "{body}: {answer}");
        answer
    }

    async fn streamed(&self, mut body: Value) -> Vec<Value> {
        body["stream"] = true.into();
        let (status, text) = self.text(Method::POST, "/v1/responses", &body.to_string()).await;
        assert_eq!(status, 200, "{text}");
        let mut events = Vec::new();
        for event in text.trim_end().split("\n\n") {
            let (name, data) = event.split_once('\n').unwrap();
            let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!(name, format!("event: {}", data["type"].as_str().unwrap()));
            assert_eq!(data["sequence_number"], events.len());
            events.push(data);
        }
        events
    }

    /// The request that the model got.
    fn asked(&self) -> GenerateRequest {
        self.asked.lock().unwrap().clone().unwrap()
    }

    fn messages(&self) -> Vec<Message> {
        match self.asked().prompt {
            Prompt::Messages { messages, .. } => messages,
            other => panic!("{other:?}"),
        }
    }
}

fn weather() -> Value {
    let parameters = json!({
        "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"], "additionalProperties": false,
    });
    json!({ "type": "function", "name": "weather", "description": "now", "parameters": parameters, "strict": true })
}

fn kinds(items: &Value) -> Vec<&str> {
    items.as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap()).collect()
}

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
    let Prompt::Messages { variables, .. } = server.asked().prompt else { panic!("messages") };
    assert_eq!(variables["reasoning_effort"], "low");

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
async fn events_come_in_openais_order() {
    let server = Server::new();
    let events = server.streamed(json!({ "input": "think twice" })).await;
    let mut names = kinds(&json!(events)).into_iter().map(str::to_owned).collect::<Vec<_>>();
    names.dedup();
    assert_eq!(
        names,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.reasoning_text.delta",
            "response.reasoning_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    let of = |name: &str| events.iter().filter(|event| event["type"] == name).cloned().collect::<Vec<_>>();
    let joined = |name: &str| of(name).iter().map(|event| event["delta"].as_str().unwrap()).collect::<String>();
    assert_eq!(joined("response.reasoning_text.delta"), "Let me see.");
    assert_eq!(of("response.reasoning_text.done")[0]["text"], "Let me see.");
    assert_eq!(joined("response.output_text.delta"), "You said: think twice");
    assert_eq!(of("response.output_text.done")[0]["text"], "You said: think twice");
    let (added, done) = (of("response.output_item.added"), of("response.output_item.done"));
    for (index, kind, content) in [(0, "reasoning", "reasoning_text"), (1, "message", "output_text")] {
        assert_eq!((&added[index]["output_index"], &added[index]["item"]["type"]), (&json!(index), &json!(kind)));
        assert_eq!(
            (&added[index]["item"]["content"], &added[index]["item"]["status"]),
            (&json!([]), &json!("in_progress"))
        );
        assert_eq!(
            (&done[index]["item"]["id"], &done[index]["item"]["status"]),
            (&added[index]["item"]["id"], &json!("completed"))
        );
        assert_eq!(done[index]["item"]["content"][0]["type"], content);
    }
    for event in &events {
        let own = event["output_index"].as_u64().filter(|_| event.get("item_id").is_some());
        assert!(own.is_none_or(|index| event["item_id"] == added[index as usize]["item"]["id"]), "{event}");
    }
    assert_eq!(
        (&events[0]["response"]["status"], &events[0]["response"]["output"]),
        (&json!("in_progress"), &json!([]))
    );
    let last = &events.last().unwrap()["response"];
    assert_eq!(last["usage"]["output_tokens_details"]["reasoning_tokens"], 3);
    assert_eq!(last["output"], json!([done[0]["item"], done[1]["item"]]));
    // The same, not streamed, and what is kept of it.
    let whole = server.good(json!({ "input": "think twice" })).await;
    assert_eq!(kinds(&whole["output"]), ["reasoning", "message"]);
    let (status, again) = server.ask(Method::GET, &format!("/v1/responses/{}", last["id"].as_str().unwrap())).await;
    assert_eq!((status, &again), (200, last));
}

#[tokio::test]
async fn calls_are_streamed_one_after_the_other() {
    let server = Server::new();
    let events = server.streamed(json!({ "input": "weather in Paris and Oslo", "tools": [weather()] })).await;
    let all = json!(events);
    let names = kinds(&all).into_iter().map(|name| name.trim_start_matches("response.").to_owned());
    let call = [
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
    ];
    let expected = [&["created", "in_progress"][..], &call, &call, &["completed"]].concat();
    assert_eq!(names.collect::<Vec<_>>(), expected);
    assert_eq!((&events[2]["item"]["arguments"], &events[2]["item"]["name"]), (&json!(""), &json!("weather")));
    assert_eq!(
        (&events[5]["arguments"], &events[10]["arguments"]),
        (&json!("{\"city\": \"Paris\"}"), &json!("{\"city\": \"Oslo\"}"))
    );
    assert_eq!((&events[5]["output_index"], &events[10]["output_index"]), (&json!(0), &json!(1)));
    assert_eq!(events[12]["response"]["output"], json!([events[6]["item"], events[11]["item"]]));
}

#[tokio::test]
async fn an_answer_that_is_cut_is_incomplete() {
    let server = Server::new();
    let body = json!({ "input": "one two three", "max_output_tokens": 3 });
    let answer = server.good(body.clone()).await;
    let details = json!({ "reason": "max_output_tokens" });
    assert_eq!((&answer["status"], &answer["incomplete_details"]), (&json!("incomplete"), &details));
    assert_eq!((&answer["output"][0]["status"], &answer["completed_at"]), (&json!("incomplete"), &Value::Null));
    let events = server.streamed(body).await;
    let last = events.last().unwrap();
    assert_eq!((&last["type"], &last["response"]["incomplete_details"]), (&json!("response.incomplete"), &details));
    // Cut in its thoughts, and in a call.
    let answer = server.good(json!({ "input": "think", "max_output_tokens": 2 })).await;
    assert_eq!((kinds(&answer["output"]), &answer["output"][0]["status"]), (vec!["reasoning"], &json!("incomplete")));
    let answer = server.good(json!({ "input": "weather", "tools": [weather()], "max_output_tokens": 2 })).await;
    let call = &answer["output"][0];
    assert_eq!((&call["status"], &call["arguments"]), (&json!("incomplete"), &json!("{\"city\": ")));
}

#[tokio::test]
async fn what_goes_wrong_is_said_before_an_answer_and_in_it() {
    let server = Server::new();
    for (input, status, code) in [
        ("refuse", 400, json!("context_length_exceeded")),
        ("busy", 429, json!("queue_full")),
        ("explode", 500, Value::Null),
    ] {
        let (found, answer) = server.told(&json!({ "input": input })).await;
        assert_eq!((found, &answer["error"]["code"]), (status, &code), "{answer}");
    }
    let events = server.streamed(json!({ "input": "explode" })).await;
    let last = events.last().unwrap();
    assert_eq!((&last["type"], &last["response"]["status"]), (&json!("response.failed"), &json!("failed")));
    assert_eq!(last["response"]["error"], json!({ "code": "server_error", "message": "it exploded" }));
    assert_eq!(last["response"]["output"][0]["status"], "incomplete");
    let path = format!("/v1/responses/{}", last["response"]["id"].as_str().unwrap());
    assert_eq!(server.ask(Method::GET, &path).await.0, 404, "it is nothing to go on from");
    let (_, metrics) = server.text(Method::GET, "/metrics", "").await;
    assert!(metrics.contains("llmhost_requests_total{path=\"/v1/responses\",status=\"429\"} 1"), "{metrics}");
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

#[tokio::test]
async fn a_response_is_kept_until_it_is_deleted() {
    let server = Server::new();
    let first = server
        .good(json!({ "input": [{ "role": "user", "content": "one" }, { "role": "user", "content": "two" }] }))
        .await;
    let second =
        server.good(json!({ "input": "three", "previous_response_id": first["id"], "instructions": "new" })).await;
    let said: Vec<_> = server.messages().into_iter().map(|message| message.content.unwrap()).collect();
    assert_eq!(said, ["new", "one", "two", "You said: two", "three"]);
    let path = format!("/v1/responses/{}", second["id"].as_str().unwrap());
    assert_eq!(server.ask(Method::GET, &path).await, (200, second.clone()));

    let items = format!("{path}/input_items");
    let text = |item: &Value| item["content"][0]["text"].as_str().unwrap().to_owned();
    let page = |answer: &Value| answer["data"].as_array().unwrap().iter().map(text).collect::<Vec<_>>();
    let (status, listed) = server.ask(Method::GET, &items).await;
    assert_eq!((status, page(&listed)), (200, ["three", "You said: two", "two", "one"].map(str::to_owned).to_vec()));
    assert_eq!((&listed["has_more"], &listed["object"]), (&json!(false), &json!("list")));
    let (_, some) = server.ask(Method::GET, &format!("{items}?limit=3&order=asc")).await;
    assert_eq!(
        (page(&some), &some["has_more"]),
        (["one", "two", "You said: two"].map(str::to_owned).to_vec(), &json!(true))
    );
    let (_, rest) =
        server.ask(Method::GET, &format!("{items}?order=asc&after={}", some["last_id"].as_str().unwrap())).await;
    assert_eq!((page(&rest), &rest["has_more"]), (vec!["three".to_owned()], &json!(false)));

    let (status, gone) = server.ask(Method::DELETE, &path).await;
    assert_eq!((status, gone), (200, json!({ "id": second["id"], "object": "response", "deleted": true })));
    for (method, path) in [(Method::GET, &path), (Method::DELETE, &path), (Method::GET, &items)] {
        let (status, answer) = server.ask(method, path).await;
        assert_eq!((status, &answer["error"]["code"]), (404, &json!("response_not_found")));
    }
    let unstored = server.good(json!({ "input": "a", "store": false })).await;
    for id in [&second["id"], &unstored["id"]] {
        let (status, answer) = server.told(&json!({ "input": "four", "previous_response_id": id })).await;
        assert_eq!(
            (status, &answer["error"]["code"], &answer["error"]["param"]),
            (400, &json!("previous_response_not_found"), &json!("previous_response_id"))
        );
    }
    for (path, words) in [
        (format!("/v1/responses/{}?stream=true", first["id"].as_str().unwrap()), "stream is not supported"),
        (
            format!("/v1/responses/{}/input_items?limit=0", first["id"].as_str().unwrap()),
            "limit is '0'; it must be 1 to 100",
        ),
        (format!("/v1/responses/{}/input_items?ordr=asc", first["id"].as_str().unwrap()), "did you mean 'order'?"),
        (format!("/v1/responses/{}/input_items?after=x", first["id"].as_str().unwrap()), "there is no such item"),
    ] {
        let (status, answer) = server.ask(Method::GET, &path).await;
        assert!(status == 400 && answer["error"]["message"].as_str().unwrap().contains(words), "{path}: {answer}");
    }
}

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
        ("colour", json!(5), "colour", "there is no field 'colour'"),
        ("truncation", json!("auto"), "truncation", "'auto'"),
        ("include", json!(["file_search_call.results"]), "include", "'file_search_call.results'"),
        (
            "stream_options",
            json!({ "include_obfuscation": true }),
            "stream_options.include_obfuscation",
            "not supported",
        ),
        ("tools", json!([{ "type": "web_search" }]), "tools[0].type", "'web_search', which is not supported"),
        ("tools", json!([{ "type": "function", "function": { "name": "a" } }]), "tools[0].function", "beside type"),
        ("tools", json!([{ "type": "function", "name": "a b" }]), "tools[0].name", "letters"),
        ("tools", json!([{ "type": "function", "name": "a", "parameters": [] }]), "tools[0].parameters", "object"),
        ("tools", json!([weather(), weather()]), "tools[1].name", "as that of a tool before"),
        ("tools", json!({}), "tools", "a list"),
        ("tool_choice", json!("required"), "tool_choice", "there are no tools"),
        ("tool_choice", json!({ "type": "function", "name": "a" }), "tool_choice", "is no tool"),
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
        ("input", json!(5), "input", "a text or a list"),
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
            "another server's",
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

#[tokio::test]
async fn a_key_is_needed_for_what_is_kept() {
    let server = Server::with(Settings { api_key: Some("key".to_owned()), ..Settings::default() });
    for (method, path) in [
        (Method::POST, "/v1/responses"),
        (Method::GET, "/v1/responses/resp_1"),
        (Method::DELETE, "/v1/responses/resp_1"),
        (Method::GET, "/v1/responses/resp_1/input_items"),
    ] {
        assert_eq!(server.ask(method, path).await.0, 401, "{path}");
    }
}
