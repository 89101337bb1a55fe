//! The Open Inference Protocol over real models, from the request to the answer.
#![allow(missing_docs, clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use llmhost_example_models::{Example, onnxruntime, python};
use llmhost_inference::runtime::Search;
use llmhost_inference::{Device, Engine, Options};
use llmhost_server::{EngineBackend, Settings, router};
use serde_json::{Value, json};
use tower::ServiceExt;

/// A model of several types: a sum over rows, whole numbers doubled, bits turned over, and halves as they are.
const MODEL: &str = "
import sys, onnx
from onnx import helper, TensorProto as T
of = helper.make_tensor_value_info
graph = helper.make_graph(
    [helper.make_node('Add', ['x', 'y'], ['sum']), helper.make_node('Add', ['i', 'i'], ['double']),
     helper.make_node('Not', ['b'], ['not']), helper.make_node('Identity', ['h'], ['half'])],
    'all', [of('x', T.FLOAT, ['n', 3]), of('y', T.FLOAT, [3]), of('i', T.INT64, []), of('b', T.BOOL, [2]), of('h', T.FLOAT16, [1])],
    [of('sum', T.FLOAT, ['n', 3]), of('double', T.INT64, []), of('not', T.BOOL, [2]), of('half', T.FLOAT16, [1])])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)])
model.ir_version = 10
onnx.save(model, sys.argv[1])
";

fn served(folder: &Path, settings: Settings) -> Router {
    let search = Search { library: Some(onnxruntime().unwrap()), ..Search::default() };
    let options = Options { search, device: Device::Cpu, threads: Some(1), ..Options::default() };
    let engine = Engine::load(folder, &options).unwrap();
    router(Arc::new(EngineBackend::new(engine, "org/all")), settings)
}

fn model() -> Router {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    assert!(Command::new(python().unwrap()).args(["-c", MODEL]).arg(path).status().unwrap().success());
    served(folder.path(), Settings::default())
}

const INFER: &str = "/v2/models/org%2Fall/infer";

async fn send(app: &Router, request: axum::http::request::Builder, body: Vec<u8>) -> (u16, Option<usize>, Vec<u8>) {
    let request = request.header("host", "127.0.0.1").body(Body::from(body)).unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let length = response.headers().get("inference-header-content-length");
    let length = length.map(|length| length.to_str().unwrap().parse().unwrap());
    (status, length, to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec())
}

async fn get(app: &Router, path: &str) -> (u16, Value) {
    let (status, _, body) = send(app, Request::get(path), Vec::new()).await;
    (status, serde_json::from_slice(&body).unwrap())
}

async fn infer(app: &Router, body: &Value) -> (u16, Value) {
    let request = Request::post(INFER).header("content-type", "application/json");
    let (status, _, body) = send(app, request, body.to_string().into_bytes()).await;
    (status, serde_json::from_slice(&body).unwrap())
}

/// The model's inputs, the half one of which follows the JSON.
fn inputs() -> Value {
    json!([
        { "name": "x", "shape": [2, 3], "datatype": "FP32", "data": [[1, 2, 3], [4, 5, 6.5]] },
        { "name": "y", "shape": [3], "datatype": "FP32", "data": [10, 20, 30] },
        { "name": "i", "shape": [], "datatype": "INT64", "data": [4_503_599_627_370_497_i64] },
        { "name": "b", "shape": [2], "datatype": "BOOL", "data": [true, false] },
        { "name": "h", "shape": [1], "datatype": "FP16", "parameters": { "binary_data_size": 2 } },
    ])
}

async fn infer_binary(app: &Router, body: &Value, behind: &[u8]) -> (u16, Value, Vec<u8>) {
    let json = body.to_string().into_bytes();
    let request = Request::post(INFER).header("inference-header-content-length", json.len().to_string());
    let (status, length, mut answer) = send(app, request, [json, behind.to_vec()].concat()).await;
    let rest = answer.split_off(length.unwrap_or(answer.len()));
    (status, serde_json::from_slice(&answer).unwrap(), rest)
}

/// 1.5 in 16 bits.
const HALF: [u8; 2] = [0x00, 0x3e];

#[tokio::test]
async fn a_model_says_what_it_takes_and_gives() {
    let app = model();
    assert_eq!(get(&app, "/v2/health/live").await, (200, json!({ "live": true })));
    assert_eq!(get(&app, "/v2/health/ready").await, (200, json!({ "ready": true })));
    let (_, server) = get(&app, "/v2").await;
    assert_eq!((&server["name"], &server["extensions"]), (&json!("llmhost"), &json!(["binary_tensor_data"])));
    let (_, ready) = get(&app, "/v2/models/org%2Fall/ready").await;
    assert_eq!(ready, json!({ "name": "org/all", "ready": true }));
    let (_, described) = get(&app, "/v2/models/org%2Fall").await;
    let of = |name: &str, datatype: &str, shape: Value| json!({ "name": name, "datatype": datatype, "shape": shape });
    assert_eq!(
        described,
        json!({
            "name": "org/all", "versions": ["1"], "platform": "onnxruntime_onnx",
            "inputs": [of("x", "FP32", json!([-1, 3])), of("y", "FP32", json!([3])), of("i", "INT64", json!([])), of("b", "BOOL", json!([2])), of("h", "FP16", json!([1]))],
            "outputs": [of("sum", "FP32", json!([-1, 3])), of("double", "INT64", json!([])), of("not", "BOOL", json!([2])), of("half", "FP16", json!([1]))],
        })
    );
    for path in ["/v2/models/other", "/v2/models/other/ready"] {
        let (status, answer) = get(&app, path).await;
        assert!(
            status == 404 && answer["error"].as_str().unwrap().contains("there is no model 'other' here"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_model_has_one_version() {
    let app = model();
    for (plain, versioned) in [
        ("/v2/models/org%2Fall", "/v2/models/org%2Fall/versions/1"),
        ("/v2/models/org%2Fall/ready", "/v2/models/org%2Fall/versions/1/ready"),
    ] {
        let (status, answer) = get(&app, versioned).await;
        assert_eq!((status, &answer), (200, &get(&app, plain).await.1));
    }
    let infer = |version: &str| {
        let json = json!({ "inputs": inputs(), "outputs": [{ "name": "sum" }] }).to_string().into_bytes();
        let request = Request::post(format!("/v2/models/org%2Fall/versions/{version}/infer"));
        let request = request.header("inference-header-content-length", json.len().to_string());
        (request, [json, HALF.to_vec()].concat())
    };
    let (request, body) = infer("1");
    let (status, _, answer) = send(&app, request, body).await;
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    let (request, body) = infer("2");
    let (status, _, answer) = send(&app, request, body).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(
        status == 404 && answer.contains("the model 'org/all' has no version '2'; its only version is 1"),
        "{answer}"
    );
    assert_eq!(get(&app, "/v2/models/org%2Fall/versions/2/ready").await.0, 404);
    let (_, _, metrics) = send(&app, Request::get("/metrics"), Vec::new()).await;
    let metrics = String::from_utf8(metrics).unwrap();
    assert!(metrics.contains("llmhost_requests_total{path=\"/v2\",status=\"404\"} 2"), "{metrics}");
    assert!(metrics.contains("llmhost_requests_total{path=\"/v2\",status=\"200\"} 5"), "{metrics}");
}

#[tokio::test]
async fn tensors_go_in_and_come_out_as_json_and_as_they_are() {
    let app = model();
    let outputs = json!([{ "name": "not" }, { "name": "sum" }, { "name": "double" }]);
    let body = json!({ "id": "7", "inputs": inputs(), "outputs": outputs });
    let (status, answer, rest) = infer_binary(&app, &body, &HALF).await;
    assert_eq!((status, rest.len()), (200, 0), "{answer}");
    assert_eq!(
        answer,
        json!({ "model_name": "org/all", "id": "7", "outputs": [
            { "name": "not", "datatype": "BOOL", "shape": [2], "data": [false, true] },
            { "name": "sum", "datatype": "FP32", "shape": [2, 3], "data": [11.0, 22.0, 33.0, 14.0, 25.0, 36.5] },
            { "name": "double", "datatype": "INT64", "shape": [], "data": [9_007_199_254_740_994_i64] },
        ] })
    );
    // All outputs as they are; and one of each kind.
    let body = json!({ "inputs": inputs(), "parameters": { "binary_data_output": true } });
    let (status, answer, rest) = infer_binary(&app, &body, &HALF).await;
    let sizes: Vec<_> =
        answer["outputs"].as_array().unwrap().iter().map(|one| one["parameters"]["binary_data_size"].clone()).collect();
    assert_eq!((status, json!(sizes), rest.len()), (200, json!([24, 8, 2, 2]), 36), "{answer}");
    assert_eq!((&rest[..4], &rest[34..]), (&11_f32.to_le_bytes()[..], &HALF[..]));
    let outputs = json!([{ "name": "half", "parameters": { "binary_data": true } }, { "name": "not" }]);
    let (_, answer, rest) = infer_binary(&app, &json!({ "inputs": inputs(), "outputs": outputs }), &HALF).await;
    assert_eq!((&answer["outputs"][1]["data"], rest), (&json!([false, true]), HALF.to_vec()));
}

#[tokio::test]
async fn what_is_wrong_with_tensors_is_said_in_a_sentence() {
    let app = model();
    let with = |at: usize, name: &str, value: Value| {
        let mut inputs = inputs();
        inputs[at][name] = value;
        json!({ "inputs": inputs, "outputs": [{ "name": "sum" }] })
    };
    let all = |inputs: Value| json!({ "inputs": inputs });
    let mut missing = inputs();
    missing.as_array_mut().unwrap().remove(1);
    let mut twice = inputs();
    twice.as_array_mut().unwrap().push(inputs()[1].clone());
    for (body, words) in [
        (with(0, "name", json!("z")), "the model has no input 'z'; it has x, y, i, b, h"),
        (with(0, "datatype", json!("INT64")), "the input 'x' has the datatype FP32, not 'INT64'"),
        (with(0, "datatype", json!("BYTES")), "the input 'x' has the datatype FP32, not 'BYTES'"),
        (
            with(0, "shape", json!([3, 2])),
            "the input 'x' has the shape [3, 2], and the model expects [-1, 3] (-1 is any)",
        ),
        (with(0, "shape", json!([6])), "the input 'x' has the shape [6], and the model expects [-1, 3]"),
        (with(0, "shape", json!([-1, 3])), "invalid value: integer `-1`"),
        (with(0, "shape", json!([3, 3])), "the input 'x' has 6 elements, and its shape needs 9"),
        (with(0, "shape", json!([u64::MAX, 3])), "the shape of the input 'x' is too large"),
        (with(1, "data", json!([1, 2, "3"])), "the input 'y' has elements of FP32, and \"3\" is not one"),
        (with(2, "data", json!([0.5])), "the input 'i' has elements of INT64, and 0.5 is not one"),
        (with(4, "data", json!([1.5])), "the input 'h' needs either data or a binary_data_size"),
        (with(4, "parameters", json!({})), "the input 'h' needs either data or a binary_data_size"),
        (with(4, "parameters", json!({ "binary_data_size": 3 })), "the input 'h' has 3 bytes, and the body has 2 left"),
        (
            with(4, "parameters", json!({ "binary_data_size": 1 })),
            "the input 'h' has 1 bytes, which do not match its shape",
        ),
        (with(4, "parameters", json!({ "shared_memory_region": "a" })), "unknown field `shared_memory_region`"),
        (all(missing), "the input 'y' is missing; the model takes x, y, i, b, h"),
        (all(twice), "the input 'y' is there twice"),
        (
            json!({ "inputs": inputs(), "outputs": [{ "name": "half" }] }),
            "the output 'half' is FP16, which JSON does not have",
        ),
        (
            json!({ "inputs": inputs(), "outputs": [{ "name": "z" }] }),
            "the model has no output 'z'; it has sum, double, not, half",
        ),
        (json!({ "inputs": inputs(), "extra": 1 }), "unknown field `extra`"),
        (json!({}), "missing field `inputs`"),
    ] {
        let (status, answer, _) = infer_binary(&app, &body, &HALF).await;
        let error = answer["error"].as_str().unwrap();
        assert!(status == 400 && error.contains(words), "{status} {error}, not {words}");
    }
    let (_, answer, _) = infer_binary(&app, &json!({ "inputs": inputs() }), &[0, 0, 0]).await;
    assert_eq!(answer["error"], "1 bytes of the body belong to no input");
    // In JSON alone there is no place for the 16 bits.
    let (status, answer) = infer(&app, &json!({ "inputs": inputs() })).await;
    assert_eq!((status, &answer["error"]), (400, &json!("the input 'h' has 2 bytes, and the body has 0 left")));
    let request = Request::post(INFER).header("inference-header-content-length", "many");
    let (status, _, body) = send(&app, request, b"{}".to_vec()).await;
    assert!(status == 400 && String::from_utf8(body).unwrap().contains("is not valid for a body"), "{status}");
}

#[tokio::test]
async fn these_paths_are_guarded_as_the_others_are() {
    let folder = Example::TinyEmbeddings.folder().unwrap();
    let app = served(&folder, Settings { api_key: Some("secret".into()), ..Settings::default() });
    for path in ["/v2", "/v2/models/org%2Fall", "/v2/models/org%2Fall/ready"] {
        let (status, answer) = get(&app, path).await;
        assert!(status == 401 && answer["error"].as_str().unwrap().contains("the API key is missing"), "{answer}");
    }
    assert_eq!(get(&app, "/v2/health/ready").await.0, 200);
    // A web page can send a body without a type, and not the header.
    let request = || Request::post(INFER).header("authorization", "Bearer secret");
    let (status, _, body) = send(&app, request(), b"{}".to_vec()).await;
    assert!(status == 415 && String::from_utf8(body).unwrap().contains("the Content-Type is missing"), "{status}");
    let request = Request::post("/v1/embeddings").header("authorization", "Bearer secret");
    let request = request.header("inference-header-content-length", "2");
    assert_eq!(send(&app, request, b"{}".to_vec()).await.0, 415, "elsewhere it says nothing");
}

#[tokio::test]
async fn a_graph_that_trusts_its_inputs_is_closed_and_others_are_open() {
    for (example, closed) in [(Example::Tiny, true), (Example::TinyPlain, false), (Example::TinyEmbeddings, false)] {
        let app = served(&example.folder().unwrap(), Settings::default());
        let (_, described) = get(&app, "/v2/models/org%2Fall").await;
        let zeros = |input: &Value| {
            let sizes = input["shape"].as_array().unwrap().iter().map(|size| size.as_i64().unwrap());
            let past = input["name"].as_str().unwrap().starts_with("past");
            let shape: Vec<i64> =
                sizes.enumerate().map(|(at, size)| if size > 0 { size } else { i64::from(!past || at == 0) }).collect();
            let count = usize::try_from(shape.iter().product::<i64>()).unwrap();
            json!({ "name": input["name"], "datatype": input["datatype"], "shape": shape, "data": vec![0; count] })
        };
        let inputs: Vec<Value> = described["inputs"].as_array().unwrap().iter().map(zeros).collect();
        let (status, answer) = infer(&app, &json!({ "inputs": inputs })).await;
        match closed {
            true => {
                assert!(
                    status == 400 && answer["error"].as_str().unwrap().contains("does not accept requests"),
                    "{answer}"
                )
            }
            false => assert!(status == 200 && !answer["outputs"][0]["data"].as_array().unwrap().is_empty(), "{answer}"),
        }
    }
}
