//! Words for schemas and operations.

use serde_json::{Map, Value, json};

pub(super) type Properties = Map<String, Value>;

pub(super) fn properties<const N: usize>(all: [(&str, Value); N]) -> Properties {
    all.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}

pub(super) fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

pub(super) fn whole(description: &str) -> Value {
    json!({ "type": "integer", "description": description })
}

pub(super) fn number(description: &str) -> Value {
    json!({ "type": "number", "description": description })
}

pub(super) fn within(description: &str, low: f32, high: f32) -> Value {
    json!({ "type": "number", "minimum": low, "maximum": high, "description": description })
}

pub(super) fn flag(description: &str) -> Value {
    json!({ "type": "boolean", "description": description })
}

pub(super) fn map(description: &str) -> Value {
    json!({ "type": "object", "description": description })
}

pub(super) fn list(of: Value, description: &str) -> Value {
    json!({ "type": "array", "items": of, "description": description })
}

pub(super) fn any(of: &[Value], description: &str) -> Value {
    json!({ "anyOf": of, "description": description })
}

pub(super) fn constant(value: &str) -> Value {
    json!({ "type": "string", "const": value })
}

pub(super) fn object(properties: Properties, required: &[&str]) -> Value {
    json!({ "type": "object", "properties": properties, "required": required })
}

/// One of [`shared`].
pub(super) fn named(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// An operation that takes JSON and gives JSON.
pub(super) fn post(id: &str, tag: &str, summary: &str, body: &Value, answer: &Value) -> Value {
    json!({ "post": {
        "operationId": id, "tags": [tag], "summary": summary, "security": [{}, { "key": [] }],
        "requestBody": { "required": true, "content": { "application/json": { "schema": body } } },
        "responses": {
            "200": { "description": "The answer.", "content": { "application/json": { "schema": answer } } },
            "default": { "$ref": "#/components/responses/Error" },
        },
    } })
}

/// As above, whose answer may come in pieces.
pub(super) fn post_or_stream(id: &str, tag: &str, summary: &str, body: &Value, answer: &Value) -> Value {
    let mut operation = post(id, tag, summary, body, answer);
    let events = text("With `stream`: server-sent events, each with a chunk of the answer; the last is `[DONE]`.");
    operation["post"]["responses"]["200"]["content"]["text/event-stream"] = json!({ "schema": events });
    operation
}

/// What anybody may read.
pub(super) fn get(id: &str, tag: &str, summary: &str, kind: &str, answer: &Value) -> Value {
    json!({ "get": {
        "operationId": id, "tags": [tag], "summary": summary,
        "responses": { "200": { "description": "The answer.", "content": { kind: { "schema": answer } } } },
    } })
}

/// What those may read who have the key.
pub(super) fn get_with_key(id: &str, tag: &str, summary: &str, answer: &Value) -> Value {
    let mut operation = get(id, tag, summary, "application/json", answer);
    operation["get"]["security"] = json!([{}, { "key": [] }]);
    operation["get"]["responses"]["default"] = json!({ "$ref": "#/components/responses/Error" });
    operation
}

/// Adds a variable of the path to all of its operations.
pub(super) fn with_variable(mut operations: Value, name: &str, description: &str) -> Value {
    let variable = json!({ "name": name, "in": "path", "required": true, "schema": text(description) });
    operations["parameters"] = json!([variable]);
    operations
}

/// Schemas that several operations have.
pub(super) fn shared() -> Value {
    let usage = properties([
        ("prompt_tokens", whole("Tokens of the prompt.")),
        ("completion_tokens", whole("Tokens of the answers.")),
        ("total_tokens", whole("Both.")),
        ("prompt_tokens_details", map("`cached_tokens`: tokens of the prompt that were found in the cache.")),
    ]);
    let error = properties([
        ("message", text("What is wrong, and what to do.")),
        ("type", text("`invalid_request_error`, `rate_limit_error`, `server_error`.")),
        ("param", json!({ "type": ["string", "null"], "description": "The field with the error." })),
        ("code", json!({ "type": ["string", "null"], "description": "An error code, such as `model_not_found`." })),
    ]);
    let error = object(error, &["message", "type", "param", "code"]);
    let model = properties([
        ("id", text("The name for requests.")),
        ("object", constant("model")),
        ("created", whole("Seconds since 1970 when it was loaded.")),
        ("owned_by", text("`llmhost`.")),
        ("context_length", whole("The maximum number of tokens of prompt and answer together.")),
    ]);
    json!({
        "Usage": object(usage, &["prompt_tokens", "completion_tokens", "total_tokens"]),
        "Error": object(properties([("error", error)]), &["error"]),
        "Model": object(model, &["id", "object", "created", "owned_by"]),
    })
}
