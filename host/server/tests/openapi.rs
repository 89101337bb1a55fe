//! `/openapi.json` against the router: whatever is served is in it, and whatever is in it is served.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use common::Script;
use llmhost_server::{Settings, router};
use serde_json::{Value, json};
use tower::ServiceExt;

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

fn app() -> Router {
    router(Arc::new(Script::new()), Settings { admin_key: Some("admin".into()), ..Settings::default() })
}

async fn ask(app: &Router, method: &str, path: &str, body: &str) -> (u16, Value) {
    let request = Request::builder().method(method).uri(path).header("host", "127.0.0.1");
    let request = request.header("authorization", "Bearer admin");
    let request = request.header("content-type", "application/json").body(Body::from(body.to_owned())).unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap_or_default())
}

async fn document() -> Value {
    let (status, document) = ask(&app(), "GET", "/openapi.json", "").await;
    assert_eq!(status, 200);
    document
}

/// The paths of a router, as OpenAPI writes them. Only its form for debugging tells them.
fn paths(app: &Router) -> BTreeSet<String> {
    let text = format!("{app:?}");
    let quoted = text.split('"').skip(1).step_by(2).filter(|part| part.starts_with('/'));
    quoted.filter(|path| !path.contains("__private")).map(|path| path.replace("{*", "{")).collect()
}

fn documented(document: &Value) -> BTreeSet<(String, String)> {
    let operations = |(path, operations): (&String, &Value)| {
        let methods = METHODS.into_iter().filter(|method| operations.get(method.to_lowercase()).is_some());
        methods.map(|method| (method.to_owned(), path.clone())).collect::<Vec<_>>()
    };
    document["paths"].as_object().unwrap().iter().flat_map(operations).collect()
}

#[tokio::test]
async fn every_path_that_is_served_is_in_the_document_and_the_other_way_round() {
    let app = app();
    let mut served = BTreeSet::new();
    for path in paths(&app) {
        let uri = path.replace("{name}", "script").replace("{id}", "resp_1").replace("{version}", "1");
        assert!(!uri.contains('{'), "give the variable of {path} a value here");
        for method in METHODS {
            if ask(&app, method, &uri, "{}").await.0 != 405 {
                served.insert((method.to_owned(), path.clone()));
            }
        }
    }
    let documented = documented(&document().await);
    let missing: Vec<_> = served.difference(&documented).collect();
    let strange: Vec<_> = documented.difference(&served).collect();
    assert!(missing.is_empty(), "add these to the paths in src/openapi: {missing:?}");
    assert!(strange.is_empty(), "these are in src/openapi, and the router has them not: {strange:?}");
    assert!(served.len() > 10, "{served:?}");
}

#[tokio::test]
async fn a_field_of_the_document_is_one_that_the_handler_knows() {
    let (app, document) = (app(), document().await);
    for (method, path) in documented(&document).into_iter().filter(|(method, _)| method == "POST") {
        let schema = &document["paths"][&path]["post"]["requestBody"]["content"]["application/json"]["schema"];
        // Administrators send no body.
        let Some(properties) = schema["properties"].as_object() else { continue };
        let uri = path.replace("{name}", "script").replace("{id}", "resp_1").replace("{version}", "1");
        for name in properties.keys() {
            // No field takes this: a known one has the wrong type, and an unknown one no name.
            let (_, answer) = ask(&app, &method, &uri, &json!({ name: { "no": "such" } }).to_string()).await;
            let message = answer["error"]["message"].as_str().or(answer["error"].as_str()).unwrap_or_default();
            let unknown = [format!("no field '{name}'"), format!("unknown field `{name}`")];
            assert!(!unknown.iter().any(|words| message.contains(words)), "{path}: {message}");
        }
        // Where the handler lists its fields, they are these.
        let (_, answer) = ask(&app, &method, &uri, &json!({ "?": 1 }).to_string()).await;
        let message = answer["error"]["message"].as_str().or(answer["error"].as_str()).unwrap_or_default();
        if let Some((_, listed)) = message.split_once("expected one of ").or(message.split_once("expected ")) {
            let listed: BTreeSet<&str> = listed.split('`').skip(1).step_by(2).collect();
            let documented: BTreeSet<&str> = properties.keys().map(String::as_str).collect();
            assert!(listed.is_empty() || listed == documented, "{path} takes {listed:?} and documents {documented:?}");
        }
    }
}

#[tokio::test]
async fn the_document_hangs_together() {
    let document = document().await;
    let text = document.to_string();
    let references: BTreeSet<&str> =
        text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(references.len() > 3, "{references:?}");
    for reference in references {
        assert!(document.pointer(reference).is_some(), "nothing exists at {reference}");
    }
    let operations = document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap());
    let ids: Vec<&Value> = operations.filter_map(|(_, operation)| operation.get("operationId")).collect();
    assert_eq!(ids.iter().map(|id| id.to_string()).collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
    assert!(document["openapi"] == "3.1.0" && document["info"]["version"] == env!("CARGO_PKG_VERSION"));
}
