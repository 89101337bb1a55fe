//! The Open Inference Protocol.

use serde_json::{Value, json};

use super::schema::{
    Properties, constant, flag, get, get_with_key, list, map, object, post, properties, text, whole, with_variable,
};

const TAG: &str = "Tensors";

pub(super) fn paths() -> Properties {
    let named = |operation| with_variable(operation, "name", "The model's name.");
    let live = object(properties([("live", flag("It does."))]), &["live"]);
    let ready = object(properties([("ready", flag("Whether they are."))]), &["ready"]);
    let mut readiness = get("tensorsReady", TAG, "Whether requests are taken.", "application/json", &ready);
    readiness["get"]["responses"]["503"] =
        json!({ "description": "They are not.", "content": { "application/json": { "schema": ready } } });
    let model_ready = properties([("name", text("The model.")), ("ready", flag("Whether they are."))]);
    let server = properties([
        ("name", constant("llmhost")),
        ("version", text("Of llmhost.")),
        ("extensions", list(text("One."), "`binary_tensor_data`.")),
    ]);
    let model = properties([
        ("name", text("The model.")),
        ("platform", constant("onnxruntime_onnx")),
        ("inputs", list(described(), "What it takes.")),
        ("outputs", list(described(), "What it gives.")),
    ]);
    let summary = "Runs a model on named tensors.";
    let mut infer = with_error(post("infer", TAG, summary, &request(), &answer()), "post");
    let binary = json!({ "schema": text(
        "The JSON, as long as the header Inference-Header-Content-Length says, and the tensors behind it."
    ) });
    infer["post"]["requestBody"]["content"]["application/octet-stream"] = binary.clone();
    infer["post"]["responses"]["200"]["content"]["application/octet-stream"] = binary;
    properties([
        (
            "/v2",
            with_error(get_with_key("tensorsServer", TAG, "What this server is.", &object(server, &["name"])), "get"),
        ),
        ("/v2/health/live", get("tensorsLive", TAG, "Whether the process answers.", "application/json", &live)),
        ("/v2/health/ready", readiness),
        (
            "/v2/models/{name}",
            named(with_error(
                get_with_key(
                    "tensorsModel",
                    TAG,
                    "What a model takes and gives.",
                    &object(model, &["name", "inputs", "outputs"]),
                ),
                "get",
            )),
        ),
        (
            "/v2/models/{name}/ready",
            named(with_error(
                get_with_key(
                    "tensorsModelReady",
                    TAG,
                    "Whether requests for a model are taken.",
                    &object(model_ready, &["name", "ready"]),
                ),
                "get",
            )),
        ),
        ("/v2/models/{name}/infer", named(infer)),
    ])
}

/// Errors of these paths are a sentence alone.
fn with_error(mut operation: Value, method: &str) -> Value {
    let error = object(properties([("error", text("What is wrong, and what to do."))]), &["error"]);
    operation[method]["responses"]["default"] =
        json!({ "description": "What is wrong.", "content": { "application/json": { "schema": error } } });
    operation
}

fn datatype() -> Value {
    text("BOOL, UINT8, UINT16, UINT32, UINT64, INT8, INT16, INT32, INT64, BF16, FP16, FP32, FP64.")
}

fn described() -> Value {
    let all = properties([
        ("name", text("Its name.")),
        ("datatype", datatype()),
        ("shape", list(whole("A dimension."), "Its dimensions; -1 where one is free.")),
    ]);
    object(all, &["name", "datatype", "shape"])
}

fn tensor(size: &str) -> Value {
    let all = properties([
        ("name", text("Its name.")),
        ("datatype", datatype()),
        ("shape", list(whole("A dimension."), "Its dimensions.")),
        ("parameters", map(size)),
        ("data", json!({ "type": "array", "description": "Its elements, in a list or in lists of lists." })),
    ]);
    object(all, &["name", "datatype", "shape"])
}

fn request() -> Value {
    let output = properties([
        ("name", text("Its name.")),
        ("parameters", map("`binary_data`: whether it comes behind the JSON.")),
    ]);
    let all = properties([
        ("id", text("Comes back with the answer.")),
        ("parameters", map("`binary_data_output`: whether all outputs come behind the JSON.")),
        ("inputs", list(tensor("`binary_data_size`: how many bytes behind the JSON it has."), "Every input.")),
        ("outputs", list(object(output, &["name"]), "Which outputs; all where it is left out.")),
    ]);
    object(all, &["inputs"])
}

fn answer() -> Value {
    let all = properties([
        ("model_name", text("The model.")),
        ("id", text("The request's.")),
        ("outputs", list(tensor("`binary_data_size`: how many bytes behind the JSON it has."), "The outputs.")),
    ]);
    object(all, &["model_name", "outputs"])
}
