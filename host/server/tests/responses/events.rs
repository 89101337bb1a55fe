//! Events of a streamed response, and answers that do not come to their end.

use axum::http::Method;
use serde_json::{Value, json};

use crate::server::{Server, kinds, weather};

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
    // Without a word, there is a message all the same.
    let answer = server.good(json!({ "input": "blank" })).await;
    assert_eq!((&answer["status"], &answer["output"][0]["content"][0]["text"]), (&json!("completed"), &json!("\n\n")));
    // Cut in its thoughts, and in a call.
    let answer = server.good(json!({ "input": "think", "max_output_tokens": 2 })).await;
    assert_eq!((kinds(&answer["output"]), &answer["output"][0]["status"]), (vec!["reasoning"], &json!("incomplete")));
    let answer = server.good(json!({ "input": "weather", "tools": [weather()], "max_output_tokens": 4 })).await;
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
