//! `/v1/responses`, and the administrators' paths.

use serde_json::{Value, json};

use super::schema::{
    Properties, any, constant, flag, get_with_key, list, map, number, object, post, post_or_stream, properties, text,
    whole, with_variable,
};

const TAG: &str = "Responses";

pub(super) fn paths() -> Properties {
    let id = |operation| with_variable(operation, "id", "The response's id.");
    let mut kept = get_with_key("response", TAG, "A response that was stored.", &answer());
    let gone = properties([("id", text("Its id.")), ("deleted", flag("It is."))]);
    let mut delete = get_with_key("deleteResponse", TAG, "Forgets a response.", &object(gone, &["id", "deleted"]));
    kept["delete"] = delete["get"].take();
    let items = properties([("object", constant("list")), ("data", list(map("An item."), "The items."))]);
    let items =
        get_with_key("responseInput", TAG, "What a response was made from.", &object(items, &["object", "data"]));
    let models = get_with_key("adminModels", "Administration", "Every model, loaded or not.", &map("The models."));
    let admin = |id, summary| {
        let mut operation = post(id, "Administration", summary, &map("None."), &map("The model as it is now."));
        if let Some(of) = operation["post"].as_object_mut() {
            of.remove("requestBody");
        }
        with_variable(operation, "name", "The model's name.")
    };
    properties([
        ("/v1/responses", post_or_stream("respond", TAG, "A response.", &request(), &answer())),
        ("/v1/responses/{id}", id(kept)),
        ("/v1/responses/{id}/input_items", id(items)),
        // Only where the server has a key for administrators.
        ("/admin/models", models),
        ("/admin/models/{name}/load", admin("loadModel", "Loads a model.")),
        ("/admin/models/{name}/unload", admin("unloadModel", "Frees the memory of a model that no request uses.")),
        ("/admin/models/{name}/reload", admin("reloadModel", "Loads a model anew beside what is there of it.")),
    ])
}

fn request() -> Value {
    let all = properties([
        ("model", text("The model's name; may be left out where there is one.")),
        ("input", any(&[text("A text."), list(map("An item."), "Items.")], "What to respond to.")),
        ("instructions", text("What the system says first.")),
        ("tools", list(map("A function."), "Functions that the model may call.")),
        ("tool_choice", json!({ "description": "`auto`, `none`, `required`, or a function." })),
        ("parallel_tool_calls", flag("Whether it may call more than one.")),
        ("text", map("`format`: what the answer is made to fit.")),
        ("temperature", number("0 takes the likeliest token each time.")),
        ("top_p", number("Only the likeliest tokens that have this share together.")),
        ("max_output_tokens", whole("Most tokens of the answer.")),
        ("top_logprobs", whole("Log-probabilities of so many of the likeliest tokens.")),
        ("include", list(text("`message.output_text.logprobs`."), "What else the response has.")),
        ("reasoning", map("`effort`: a variable of some chat templates.")),
        ("stream", flag("Whether the response comes in events.")),
        ("stream_options", map("`include_obfuscation`, which must be false.")),
        ("store", flag("Whether it can be asked for later.")),
        ("previous_response_id", text("The response that this one goes on from.")),
        ("metadata", map("Comes back with the response.")),
        ("truncation", text("`disabled`.")),
        ("user", text("Who asks. Changes nothing.")),
        ("safety_identifier", text("Changes nothing.")),
        ("prompt_cache_key", text("Changes nothing.")),
    ]);
    object(all, &["input"])
}

fn answer() -> Value {
    let all = properties([
        ("id", text("Its id.")),
        ("object", constant("response")),
        ("status", text("`completed`, `incomplete`, `failed`, `in_progress`.")),
        ("output", list(map("An item."), "Messages, calls and reasoning.")),
        ("usage", json!({ "type": ["object", "null"], "description": "Tokens." })),
    ]);
    object(all, &["id", "object", "status", "output"])
}
