//! Responses, and what is kept of them.

use serde_json::{Value, json};

use super::schema::{
    Properties, any, constant, flag, get_with_key, list, map, object, post_or_stream, properties, text, whole,
    with_variable, within,
};

const TAG: &str = "Responses";

pub(super) fn paths() -> Properties {
    let answer = response();
    let mut made = post_or_stream("respond", TAG, "A response: an answer as items.", &request(), &answer);
    let events = text(
        "With `stream`: server-sent events, from `response.created` to `response.completed`, `response.incomplete` or \
         `response.failed`.",
    );
    made["post"]["responses"]["200"]["content"]["text/event-stream"] = json!({ "schema": events });
    let mut kept = get_with_key("response", TAG, "A stored response.", &answer);
    let deleted = properties([("id", text("Its id.")), ("object", constant("response")), ("deleted", flag("True."))]);
    let deleted = object(deleted, &["id", "object", "deleted"]);
    let delete = get_with_key("delete_response", TAG, "Deletes a stored response.", &deleted);
    kept["delete"] = delete["get"].clone();
    let items = properties([
        ("object", constant("list")),
        ("data", list(map("An item."), "A page of the items.")),
        ("first_id", text("Of the first item of the page.")),
        ("last_id", text("Of the last one, for `after`.")),
        ("has_more", flag("Whether there are more.")),
    ]);
    let items = object(items, &["object", "data", "has_more"]);
    let mut items = get_with_key("input_items", TAG, "The input items of a response.", &items);
    items["get"]["parameters"] = json!([
        { "name": "limit", "in": "query", "schema": { "type": "integer", "minimum": 1, "maximum": 100, "default": 20 } },
        { "name": "order", "in": "query", "schema": { "type": "string", "enum": ["asc", "desc"], "default": "desc" } },
        { "name": "after", "in": "query", "schema": text("The id of the item before the page.") },
    ]);
    properties([
        ("/v1/responses", made),
        ("/v1/responses/{id}", with_variable(kept, "id", "The response's id.")),
        ("/v1/responses/{id}/input_items", with_variable(items, "id", "The response's id.")),
    ])
}

fn request() -> Value {
    let items = list(
        map("`message`, `reasoning`, `function_call` or `function_call_output`."),
        "Items of a conversation, the oldest first.",
    );
    let properties = properties([
        ("model", text("The model's name; can be omitted if the server has one model.")),
        ("input", any(&[text("The user's message."), items], "The input.")),
        ("instructions", text("The system message before the conversation; it is not stored for the next response.")),
        (
            "tools",
            list(
                map("`{\"type\": \"function\", \"name\": …, \"parameters\": …}`."),
                "Functions that the model can call.",
            ),
        ),
        (
            "tool_choice",
            any(
                &[text("`auto`, `none` or `required`."), map("`{\"type\": \"function\", \"name\": …}`.")],
                "Which functions are called.",
            ),
        ),
        ("parallel_tool_calls", flag("Whether an answer can have several calls.")),
        (
            "text",
            map("`format`: `{\"type\": \"text\"}`, `{\"type\": \"json_object\"}`, or `{\"type\": \"json_schema\", \
                 \"name\": …, \"schema\": …}`, which the answer must match."),
        ),
        ("temperature", within("0 always chooses the most likely token.", 0.0, 2.0)),
        ("top_p", within("Only the most likely tokens whose probabilities add up to this value.", 0.0, 1.0)),
        (
            "max_output_tokens",
            whole("The maximum number of tokens of the answer, with reasoning; by default as many as fit."),
        ),
        ("top_logprobs", whole("The number of alternative tokens with log-probabilities, 0 to 20.")),
        ("include", list(text("A word."), "`message.output_text.logprobs`: log-probabilities of the answer's tokens.")),
        ("reasoning", map("`effort`: for the model's chat template.")),
        ("stream", flag("Whether to stream the response as events.")),
        ("stream_options", map("`include_obfuscation`: only false.")),
        ("store", flag("Whether to store the response for later requests; true by default.")),
        ("previous_response_id", text("The response that this one continues.")),
        ("metadata", map("Up to 16 strings, which the response repeats.")),
        ("truncation", constant("disabled")),
        ("user", text("Repeated.")),
        ("safety_identifier", text("Repeated.")),
        ("prompt_cache_key", text("Repeated.")),
    ]);
    object(properties, &["input"])
}

fn response() -> Value {
    let properties = properties([
        ("id", text("`resp_…`.")),
        ("object", constant("response")),
        ("created_at", whole("Seconds since 1970.")),
        ("status", json!({ "type": "string", "enum": ["in_progress", "completed", "incomplete", "failed"] })),
        (
            "incomplete_details",
            any(&[map("`reason`: `max_output_tokens`."), json!({ "type": "null" })], "Why it is incomplete."),
        ),
        ("error", any(&[map("`code` and `message`."), json!({ "type": "null" })], "What went wrong.")),
        ("model", text("The model's name.")),
        ("output", list(map("`reasoning`, `message` or `function_call`."), "Items, in order.")),
        (
            "usage",
            map("`input_tokens` with `input_tokens_details.cached_tokens`, `output_tokens` with \
                 `output_tokens_details.reasoning_tokens`, and `total_tokens`."),
        ),
    ]);
    object(properties, &["id", "object", "created_at", "status", "model", "output"])
}
