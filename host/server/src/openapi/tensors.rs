//! The Open Inference Protocol.

use serde_json::{Value, json};

use super::schema::{
    Properties, constant, flag, get, get_with_key, list, map, object, post, properties, text, whole, with_variable,
};

const TAG: &str = "Tensors";

pub(super) fn paths() -> Properties {
    let named = |operation| with_variable(operation, "name", "The model's name.");
    let live = object(properties([("live", flag("It does."))]), &["live"]);
    let ready = object(properties([("ready", flag("Whether it is ready."))]), &["ready"]);
    let mut readiness = get("tensorsReady", TAG, "Whether the server accepts requests.", "application/json", &ready);
    readiness["get"]["responses"]["503"] =
        json!({ "description": "It does not.", "content": { "application/json": { "schema": ready } } });
    let model_ready = properties([("name", text("The model.")), ("ready", flag("Whether it is ready."))]);
    let server = properties([
        ("name", constant("llmhost")),
        ("version", text("Of llmhost.")),
        ("extensions", list(text("One."), "`binary_tensor_data`.")),
    ]);
    let model = properties([
        ("name", text("The model.")),
        ("versions", list(constant("1"), "The only version.")),
        ("platform", constant("onnxruntime_onnx")),
        ("inputs", list(described(), "Its inputs.")),
        ("outputs", list(described(), "Its outputs.")),
    ]);
    let summary = "Runs a model on named tensors.";
    let mut infer = with_error(post("infer", TAG, summary, &request(), &answer()), "post");
    let binary = json!({ "schema": text(
        "The JSON, with the length in the header Inference-Header-Content-Length, and the tensors after it."
    ) });
    infer["post"]["requestBody"]["content"]["application/octet-stream"] = binary.clone();
    infer["post"]["responses"]["200"]["content"]["application/octet-stream"] = binary;
    let model = named(with_error(
        get_with_key(
            "tensorsModel",
            TAG,
            "The inputs and outputs of a model.",
            &object(model, &["name", "inputs", "outputs"]),
        ),
        "get",
    ));
    let model_ready = named(with_error(
        get_with_key(
            "tensorsModelReady",
            TAG,
            "Whether a model accepts requests.",
            &object(model_ready, &["name", "ready"]),
        ),
        "get",
    ));
    let infer = named(infer);
    properties([
        (
            "/v2",
            with_error(get_with_key("tensorsServer", TAG, "What this server is.", &object(server, &["name"])), "get"),
        ),
        ("/v2/health/live", get("tensorsLive", TAG, "Whether the process responds.", "application/json", &live)),
        ("/v2/health/ready", readiness),
        ("/v2/models/{name}/versions/{version}", versioned(&model, "get")),
        ("/v2/models/{name}/versions/{version}/ready", versioned(&model_ready, "get")),
        ("/v2/models/{name}/versions/{version}/infer", versioned(&infer, "post")),
        ("/v2/models/{name}", model),
        ("/v2/models/{name}/ready", model_ready),
        ("/v2/models/{name}/infer", infer),
    ])
}

/// The same operation for a version of the model.
fn versioned(operation: &Value, method: &str) -> Value {
    let mut versioned = operation.clone();
    let id = operation[method]["operationId"].as_str().unwrap_or_default();
    versioned[method]["operationId"] = format!("{id}Version").into();
    let version = json!({ "name": "version", "in": "path", "required": true, "schema": constant("1") });
    if let Some(variables) = versioned["parameters"].as_array_mut() {
        variables.push(version);
    }
    versioned
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
        ("shape", list(whole("A dimension."), "Its dimensions; -1 for any size.")),
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
        ("parameters", map("`binary_data`: whether it comes after the JSON.")),
    ]);
    let all = properties([
        ("id", text("Returned with the answer.")),
        ("parameters", map("`binary_data_output`: whether all outputs come after the JSON.")),
        ("inputs", list(tensor("`binary_data_size`: its number of bytes after the JSON."), "Every input.")),
        ("outputs", list(object(output, &["name"]), "Which outputs to return; all by default.")),
    ]);
    object(all, &["inputs"])
}

fn answer() -> Value {
    let all = properties([
        ("model_name", text("The model.")),
        ("id", text("The request's.")),
        ("outputs", list(tensor("`binary_data_size`: its number of bytes after the JSON."), "The outputs.")),
    ]);
    object(all, &["model_name", "outputs"])
}
