//! Models, health, and figures.

use serde_json::json;

use super::schema::{
    Properties, constant, flag, get, get_with_key, list, map, named, object, properties, text, with_variable,
};

pub(super) fn paths() -> Properties {
    let models =
        properties([("object", constant("list")), ("data", list(named("Model"), "The models of this server."))]);
    let ready = properties([
        ("ready", flag("Whether the server accepts requests.")),
        ("reason", text("Why it does not.")),
        ("model", map("What the model is and what runs it.")),
        ("now", map("Waiting and running requests, and the share of the cache in use.")),
    ]);
    let mut readiness =
        get("ready", "Server", "Whether the server accepts requests.", "application/json", &object(ready, &["ready"]));
    readiness["get"]["responses"]["503"] = json!({ "description": "It does not.", "content": {
        "application/json": { "schema": map("`ready` is false; `reason` says why.") },
    } });
    let version = object(properties([("version", text("Of llmhost."))]), &["version"]);
    let model = get_with_key("model", "Models", "One model.", &named("Model"));
    properties([
        ("/v1/models", get_with_key("models", "Models", "Every model.", &object(models, &["object", "data"]))),
        ("/v1/models/{name}", with_variable(model, "name", "The model's name; it can contain slashes.")),
        ("/", get("page", "Server", "A page to try the model from a browser.", "text/html", &text("The page."))),
        ("/livez", get("live", "Server", "Whether the process responds.", "text/plain", &text("`ok`."))),
        ("/health", get("health", "Server", "As `/livez`.", "text/plain", &text("`ok`."))),
        ("/readyz", readiness),
        ("/version", get("version", "Server", "The version of llmhost.", "application/json", &version)),
        (
            "/metrics",
            get("metrics", "Server", "Metrics for Prometheus.", "application/openmetrics-text", &text("The figures.")),
        ),
        ("/openapi.json", get("openapi", "Server", "This document.", "application/json", &map("OpenAPI 3.1."))),
    ])
}
