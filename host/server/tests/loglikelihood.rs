//! How likely a text is after another one, as evaluation harnesses ask for it, and as arithmetic of its own has it.
#![allow(missing_docs, clippy::unwrap_used)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use llmhost_example_models::{Example, onnxruntime, python};
use llmhost_inference::runtime::Search;
use llmhost_inference::{Device, Engine, Options};
use llmhost_python_env::Environment;
use llmhost_server::{Ending, EngineBackend, Settings, router, serve};
use serde_json::{Value, json};
use tower::ServiceExt;

const CONTEXTS: [&str; 10] = [
    "The capital of France is",
    "Question: What is 17 * 3?\nAnswer:",
    "def add(a, b):\n    return",
    "Übersetze 'Guten Morgen' ins Englische:",
    "日本の首都は",
    "🚀 means",
    "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n",
    "a",
    "Once upon a time, there was a king who had three sons, and each of them wanted the crown for himself. The eldest",
    "{\"key\": [1, 2.5, null, true],",
];
const CONTINUATIONS: [&str; 3] = [" Paris", " fifty-one; 51", "\n\tGrüße 世界!"];
/// Apart by 32-bit floats alone.
const TOLERANCE: f64 = 1e-3;

/// lm-evaluation-harness, as it is published.
const HARNESS: Environment = Environment {
    name: "lm-eval",
    requirements: include_str!("harness/requirements.txt"),
    variable: "LLMHOST_LM_EVAL_VENV",
};

fn backend(folder: &Path) -> Arc<EngineBackend> {
    let search = Search { library: Some(onnxruntime().unwrap()), ..Search::default() };
    let options = Options { search, device: Device::Cpu, threads: Some(1), chunk: 16, ..Options::default() };
    Arc::new(EngineBackend::new(Engine::load(folder, &options).unwrap(), "tiny"))
}

fn expected(folder: &Path, pairs: &[(&str, &str)]) -> Vec<Value> {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference/loglikelihood.py");
    let mut child = Command::new(python().unwrap());
    let mut child = child.arg(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let task = json!({ "folder": folder, "pairs": pairs });
    child.stdin.take().unwrap().write_all(task.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn complete(app: &Router, body: &Value) -> Value {
    let request = Request::post("/v1/completions").header("content-type", "application/json");
    let request = request.header("host", "127.0.0.1").body(Body::from(body.to_string())).unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&bytes));
    serde_json::from_slice(&bytes).unwrap()
}

/// As lm-evaluation-harness reads it: what is behind the context, without the token that had to be generated.
fn read(choice: &Value, context: usize, generated: usize) -> (Vec<f64>, bool) {
    let numbers = choice["logprobs"]["token_logprobs"].as_array().unwrap();
    let own = context..numbers.len() - generated;
    let found: Vec<f64> = numbers[own.clone()].iter().map(|number| number.as_f64().unwrap()).collect();
    let tops = &choice["logprobs"]["top_logprobs"].as_array().unwrap()[own];
    let most =
        |top: &Value| top.as_object().unwrap().values().map(|one| one.as_f64().unwrap()).fold(f64::MIN, f64::max);
    let greedy = found.iter().zip(tops).all(|(found, top)| *found == most(top));
    (found, greedy)
}

/// What the model itself would write: few other continuations are greedy where weights are random.
async fn own(app: &Router) -> Vec<(&'static str, String)> {
    let mut own = Vec::new();
    for context in CONTEXTS {
        let answer = complete(app, &json!({ "prompt": context, "max_tokens": 1, "temperature": 0 })).await;
        own.push((context, answer["choices"][0]["text"].as_str().unwrap().to_owned()));
    }
    own.retain(|(_, text)| !text.is_empty() && !text.contains('\u{fffd}'));
    own
}

#[tokio::test]
async fn continuations_are_as_likely_as_arithmetic_has_them() {
    let folder = Example::Tiny.folder().unwrap();
    let mut pairs: Vec<(&str, &str)> =
        CONTEXTS.iter().flat_map(|context| CONTINUATIONS.map(|continuation| (*context, continuation))).collect();
    let app = router(backend(&folder), Settings::default());
    let own = own(&app).await;
    pairs.extend(own.iter().map(|(context, text)| (*context, text.as_str())));
    let expected = expected(&folder, &pairs);
    let ids: Vec<&Value> = expected.iter().map(|one| &one["ids"]).collect();
    let body = json!({ "prompt": ids, "temperature": 0, "max_tokens": 1, "logprobs": 1, "seed": 1234, "echo": true });
    let answer = complete(&app, &body).await;
    let choices = answer["choices"].as_array().unwrap();
    let (mut worst, mut tokens, mut greedy) = (0_f64, 0, 0);
    for ((choice, expected), (context, continuation)) in choices.iter().zip(&expected).zip(&pairs) {
        let before = usize::try_from(expected["context"].as_u64().unwrap()).unwrap();
        let (found, is_greedy) = read(choice, before, 1);
        let wanted: Vec<f64> = serde_json::from_value(expected["logprobs"].clone()).unwrap();
        assert_eq!(found.len(), wanted.len(), "{context:?} {continuation:?}");
        assert_eq!(json!(is_greedy), expected["greedy"], "{context:?} {continuation:?}");
        worst = found.iter().zip(&wanted).fold(worst, |worst, (found, wanted)| worst.max((found - wanted).abs()));
        let sums: (f64, f64) = (found.iter().sum(), wanted.iter().sum());
        assert!((sums.0 - sums.1).abs() < TOLERANCE, "{context:?} {continuation:?}: {sums:?}");
        (tokens, greedy) = (tokens + found.len(), greedy + usize::from(is_greedy));
        // As text, and without a token of an answer, it is the same.
        let body =
            json!({ "prompt": format!("{context}{continuation}"), "max_tokens": 0, "logprobs": 1, "echo": true });
        let alone = complete(&app, &body).await;
        assert_eq!(read(&alone["choices"][0], before, 0), (found, is_greedy), "{context:?} {continuation:?}");
    }
    assert!(worst < TOLERANCE && choices.len() > 30, "a token is off by {worst}");
    assert!(tokens > 200 && greedy > 0, "{tokens} tokens, {greedy} greedy continuations");
}

/// Runs the harness in a folder, with the command of docs/serving.md and a task of its own; gives a sample of each context.
async fn evaluate(address: &str, model: &Path, folder: &Path) -> Vec<Value> {
    let python = tokio::task::spawn_blocking(|| HARNESS.python(&|_| ()).unwrap()).await.unwrap();
    let tasks = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/harness");
    let arguments = format!(
        "model=tiny,base_url=http://{address}/v1/completions,tokenizer={},tokenizer_backend=huggingface,\
         tokenized_requests=True,max_retries=1",
        model.display()
    );
    let mut command = tokio::process::Command::new(python.with_file_name("lm_eval"));
    command.args(["--model", "local-completions", "--tasks", "continuations", "--model_args", &arguments]);
    command.args(["--include_path", tasks, "--log_samples", "--output_path", "found"]).current_dir(folder);
    // Its data set is a file; nothing is fetched, and nothing is left behind.
    command.env("HF_HUB_OFFLINE", "1").env("HF_HOME", folder.join("home"));
    let output = command.kill_on_drop(true).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let files = std::fs::read_dir(folder.join("found/tiny")).unwrap().flatten().map(|entry| entry.path());
    let is_samples = |path: &std::path::PathBuf| path.extension().is_some_and(|extension| extension == "jsonl");
    let samples = std::fs::read_to_string(files.into_iter().find(is_samples).unwrap()).unwrap();
    samples.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The sum over each continuation that lm-evaluation-harness reports, and whether each continuation is greedy, beside
/// the arithmetic's sums: apart by less than 1e-3.
#[tokio::test(flavor = "multi_thread")]
async fn lm_evaluation_harness_finds_what_arithmetic_finds() {
    let model = Example::Tiny.folder().unwrap();
    let backend = backend(&model);
    let own = own(&router(Arc::clone(&backend) as _, Settings::default())).await;
    let mut rows = String::new();
    // The harness moves white space from the end of a context into the continuation, which is another question.
    for context in CONTEXTS.into_iter().filter(|context| !context.ends_with(char::is_whitespace)) {
        let greedy = own.iter().filter(|(of, _)| *of == context).map(|(_, text)| text.as_str());
        let continuations: Vec<&str> = CONTINUATIONS.into_iter().chain(greedy).collect();
        let row = json!({ "context": context, "continuations": continuations, "likeliest": 0 });
        rows += &format!("{row}\n");
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("contexts.jsonl"), &rows).unwrap();

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (end, ended) = tokio::sync::oneshot::channel::<Ending>();
    let stop = async move { ended.await.unwrap_or(Ending::AtOnce) };
    let server = tokio::spawn(async move { serve(listener, backend, Settings::default(), stop).await });
    let samples = evaluate(&address, &model, folder.path()).await;
    end.send(Ending::AtOnce).unwrap();
    assert!(server.await.unwrap().unwrap(), "no request is left running");

    assert_eq!(samples.len(), rows.lines().count());
    let (mut pairs, mut found) = (Vec::new(), Vec::new());
    for sample in &samples {
        for (at, of) in sample["resps"].as_array().unwrap().iter().enumerate() {
            let asked = &sample["arguments"][format!("gen_args_{at}")];
            pairs.push((asked["arg_0"].as_str().unwrap(), asked["arg_1"].as_str().unwrap()));
            let (sum, is_greedy) = (of[0][0].as_str().unwrap(), of[0][1].as_str().unwrap());
            found.push((sum.parse::<f64>().unwrap(), is_greedy == "True"));
        }
    }
    let mut greedy = 0;
    for ((expected, found), (context, continuation)) in expected(&model, &pairs).iter().zip(&found).zip(&pairs) {
        let wanted: Vec<f64> = serde_json::from_value(expected["logprobs"].clone()).unwrap();
        let wanted: f64 = wanted.iter().sum();
        assert!((wanted - found.0).abs() < TOLERANCE, "{context:?} {continuation:?}: {wanted}, {found:?}");
        assert_eq!(json!(found.1), expected["greedy"], "{context:?} {continuation:?}");
        greedy += usize::from(found.1);
    }
    assert!(pairs.len() > 30 && greedy > 0, "{} continuations, {greedy} greedy", pairs.len());
}
