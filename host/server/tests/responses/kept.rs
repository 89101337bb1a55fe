//! Responses that the server keeps.

use axum::http::Method;
use llmhost_server::Settings;
use serde_json::{Value, json};

use crate::server::Server;

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
