//! Language models: served, continued on the terminal, measured; and what is wrong with them said.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::process::Command;
use std::time::{Duration, Instant};

use llmhost_example_models::{Example, onnxruntime, python};
use serde_json::{Value, json};
use support::served::{Served, folder, serve};
use support::{Ran, Scene, emulator, repository};

/// The answer to a question, with these fields beside it.
fn chat(served: &Served, more: Value) -> Value {
    let mut body =
        json!({ "messages": [{ "role": "user", "content": "Tell me, wörld 🙂" }], "max_tokens": 24, "temperature": 0 });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let (status, text) = served.ask("POST", "/v1/chat/completions", &body.to_string());
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// Runs llmhost with the test's library.
fn with_library(scene: &Scene, args: &[&str]) -> Ran {
    let library = onnxruntime().unwrap().display().to_string();
    scene.llmhost(&[args, &["--onnxruntime", &library]].concat())
}

#[test]
fn a_model_is_served_and_says_the_same_each_time_whoever_asks_beside() {
    let scene = Scene::new();
    let served = serve(&scene, &["--model", &folder(Example::Tiny), "--name", "tiny", "--context", "512"]);
    let (status, ready) = served.ask("GET", "/readyz", "");
    let ready: Value = serde_json::from_str(&ready).unwrap();
    assert_eq!((status, &ready["model"]["provider"]), (200, &json!("cpu")));
    assert!(ready["model"]["nodes"]["CPUExecutionProvider"].as_u64().unwrap() > 20, "{ready}");
    let first = chat(&served, json!({}));
    let text = first["choices"][0]["message"]["content"].as_str().unwrap();
    assert_eq!(first["usage"]["completion_tokens"], 24);
    let texts: Vec<Value> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..12).map(|_| scope.spawn(|| chat(&served, json!({})))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    for answer in texts {
        assert_eq!(answer["choices"][0]["message"]["content"].as_str().unwrap(), text);
    }
    let ask = json!({ "prompt": "x", "max_tokens": 12, "ignore_eos": true, "temperature": 0, "logprobs": 5 });
    let (_, answer) = served.ask("POST", "/v1/completions", &ask.to_string());
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let top = answer["choices"][0]["logprobs"]["top_logprobs"].as_array().unwrap();
    assert!(top.len() == 12 && top.iter().all(|one| one.as_object().unwrap().len() == 5), "each has its name: {top:?}");
    let (_, metrics) = served.ask("GET", "/metrics", "");
    assert!(metrics.contains("llmhost_tokens_total{model=\"tiny\",of=\"generated\"} 324"), "{metrics}");
    assert!(metrics.contains("llmhost_model_info{name=\"tiny\",provider=\"cpu\"} 1"), "{metrics}");
    let (status, page) = served.ask("GET", "/", "");
    assert!(status == 200 && page.contains("<title>llmhost</title>"));
}

#[test]
fn openais_own_client_gets_what_it_expects() {
    let scene = Scene::new();
    let served = serve(&scene, &["--model", &folder(Example::Tiny), "--name", "tiny"]);
    let embeds = serve(&scene, &["--model", &folder(Example::TinyEmbeddings), "--name", "vectors"]);
    let script = repository().join("tests/support/openai_client.py");
    let mut command = Command::new(python().unwrap());
    command.arg(script).args([&served.address, &embeds.address]);
    let output = command.output().expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_a_model_cannot_do_is_refused_with_the_reason() {
    let scene = Scene::new();
    let served = serve(&scene, &["--model", &folder(Example::Tiny), "--name", "tiny", "--context", "64"]);
    let long = "word ".repeat(200);
    for (body, words) in [
        (json!({ "prompt": long }), "the context has 64"),
        (json!({ "prompt": "a", "max_tokens": 100 }), "the context has 64"),
        (json!({ "prompt": "a", "max_tokens": 0 }), "max_tokens is 0"),
        (json!({ "prompt": [99_999] }), "not one of the model's"),
        (
            json!({ "prompt": "a", "response_format": { "type": "json_schema", "json_schema": { "schema": { "type": 7 } } } }),
            "not valid",
        ),
    ] {
        let (status, text) = served.ask("POST", "/v1/completions", &body.to_string());
        assert!(status == 400 && text.contains(words), "{words}: {status} {text}");
    }
    let (status, text) = served.ask("POST", "/v1/embeddings", &json!({ "input": "a" }).to_string());
    assert!(status == 400 && text.contains("does not create embeddings"), "{text}");
    // And it goes on.
    assert_eq!(served.ask("POST", "/v1/completions", &json!({ "prompt": "a", "max_tokens": 2 }).to_string()).0, 200);
}

#[test]
fn an_answer_follows_the_schema_that_was_asked_for() {
    let scene = Scene::new();
    let served = serve(&scene, &["--model", &folder(Example::Tiny)]);
    let schema = json!({ "type": "object", "properties": { "yes": { "type": "boolean" } }, "required": ["yes"], "additionalProperties": false });
    let answer = chat(
        &served,
        json!({
            "max_tokens": 200,
            "response_format": { "type": "json_schema", "json_schema": { "name": "answer", "schema": schema } },
        }),
    );
    let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
    let read: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert!(read["yes"].is_boolean(), "{read}");
}

#[test]
fn a_server_ends_in_order_when_it_is_told_to() {
    let scene = Scene::new();
    let mut served = serve(&scene, &["--model", &folder(Example::Tiny), "--drain-delay", "3"]);
    let pid = i32::try_from(served.child.id()).unwrap();
    // SAFETY: `kill` takes plain numbers; the process is this test's own child.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGTERM) }, 0);
    let began = Instant::now();
    while served.ask("GET", "/readyz", "").0 != 503 {
        assert!(began.elapsed() < Duration::from_secs(3), "it never says that it ends");
    }
    let ask = json!({ "prompt": "a", "max_tokens": 2 }).to_string();
    assert_eq!(served.ask("POST", "/v1/completions", &ask).0, 200, "requests are still on their way to it");
    let status = loop {
        if let Some(status) = served.child.try_wait().unwrap() {
            break status;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "it does not end");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success(), "{status}");
}

#[test]
fn a_key_is_asked_for_and_shown_nowhere() {
    let scene = Scene::new();
    scene.write("key", "planted-api-key\n");
    let served = serve(&scene, &["--model", &folder(Example::Tiny), "--api-key-file", "key"]);
    let (status, text) = served.ask("GET", "/v1/models", "");
    assert!(status == 401 && !text.contains("planted"), "{text}");
    for path in ["/metrics", "/readyz", "/"] {
        assert!(!served.ask("GET", path, "").1.contains("planted"), "{path}");
    }
    scene.write("empty", "");
    let ran = scene.llmhost(&["serve", "--model", "x", "--api-key-file", "empty"]);
    ran.status(2).says(&["the file with the API key is empty"]);
}

#[test]
fn text_comes_on_the_terminal_and_figures_beside_it() {
    let scene = Scene::new();
    let model = folder(Example::TinyPlain);
    let args = ["generate", "--model", &model, "--device", "cpu", "--max-tokens", "16", "Hello"];
    let one = with_library(&scene, &args).status(0);
    assert!(!one.stdout.trim().is_empty());
    one.says(&["16 tokens", "a second on cpu"]);
    // Two layouts of the same weights.
    let grouped = folder(Example::Tiny);
    let other =
        with_library(&scene, &["generate", "--model", &grouped, "--device", "cpu", "--max-tokens", "16", "Hello"]);
    assert_eq!(one.stdout, other.status(0).stdout);
    let ran = with_library(
        &scene,
        &[
            "bench",
            "--model",
            &grouped,
            "--device",
            "cpu",
            "--prompt-tokens",
            "16",
            "--answer-tokens",
            "8",
            "--batch",
            "1,3",
            "--json",
        ],
    )
    .status(0);
    let bench: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(bench["rows"][1]["batch"], 3);
    assert!(bench["rows"][1]["decode_tokens_per_second"].as_f64().unwrap() > 0.0);
    with_library(&scene, &["doctor"]).status(0).says(&["ONNX Runtime", "CPUExecutionProvider", "Python"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_served_out_of_a_bucket_and_kept() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    copy(&Example::Tiny.folder().unwrap(), &scene.path("tiny"));
    scene.pipeline("[steps.models]\nuses = \"s3\"\nwith = { bucket = \"models\", upload = [{ source = \"tiny\", prefix = \"tiny\" }] }\n");
    scene.at(emulator.url(), &["run", "pipeline.toml"]).status(0);
    let library = onnxruntime().unwrap().display().to_string();
    let generate = |scene: &Scene| {
        let args = [
            "generate",
            "--model",
            "s3://models/tiny",
            "--device",
            "cpu",
            "--cache",
            "cache",
            "--max-tokens",
            "8",
            "Hi",
        ];
        scene.at(emulator.url(), &[&args[..], &["--onnxruntime", &library]].concat())
    };
    let from_s3 = generate(&scene).status(0).stdout;
    let here = folder(Example::Tiny);
    let from_folder =
        with_library(&scene, &["generate", "--model", &here, "--device", "cpu", "--max-tokens", "8", "Hi"]).status(0);
    assert_eq!(from_s3, from_folder.stdout);
    // A disk that takes no more: nothing is lost but this run.
    let full =
        scene.command(&["fetch", "--model", "s3://models/tiny", "--cache", "full", "--endpoint-url", emulator.url()]);
    let mut shell = Command::new("sh");
    // Without the trap, the system ends the process instead of failing its write.
    shell.args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\""]).arg(full.get_program()).args(full.get_args());
    shell
        .current_dir(scene.path("."))
        .env("AWS_ACCESS_KEY_ID", support::ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", support::SECRET_KEY);
    let ran = shell.output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.code() == Some(1) && said.contains("cannot use ") && said.contains("--cache"), "{said}");
    // A file of the cache is spoilt; it is fetched again.
    let models = std::fs::read_dir(scene.path("cache/models")).unwrap().flatten().map(|entry| entry.path());
    let kept = models.into_iter().find(|path| path.is_dir()).unwrap();
    std::fs::write(kept.join("model.onnx"), b"garbage").unwrap();
    assert_eq!(generate(&scene).status(0).stdout, from_s3);
    let args = ["generate", "--model", "s3://models/none", "--device", "cpu", "Hi"];
    scene.at(emulator.url(), &args).status(1).says(&["nothing exists at s3://models/none", "help"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_asks_a_model_that_came_out_of_a_bucket_and_keeps_its_answer() {
    let (scene, emulator) = (Scene::with_examples(), emulator().await);
    copy(&Example::Tiny.folder().unwrap(), &scene.path("models/chat"));
    let file = "local-inference.toml";
    let run = |scene: &Scene, args: &[&str]| {
        let mut command = scene.command(args);
        command.args(["--endpoint-url", emulator.url()]).env("ORT_DYLIB_PATH", onnxruntime().unwrap());
        command.env("AWS_ACCESS_KEY_ID", support::ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", support::SECRET_KEY);
        command.env("XDG_CACHE_HOME", scene.path("cache"));
        let output = command.output().expect("llmhost starts");
        Ran {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    };
    scene
        .llmhost(&["run", file, "--dry-run"])
        .status(0)
        .says(&["+ inference.model/model", "+ inference.answer/answer"]);
    let made = run(&scene, &["run", file, "--var", "prompt=Hello"]).status(0);
    made.says(&["chat.provider = \"cpu\""]);
    let line = |ran: &Ran| ran.stdout.lines().find(|line| line.starts_with("chat.answer = ")).unwrap().to_owned();
    let answer = line(&made);
    assert!(answer.len() > 20, "{answer}");
    let again = run(&scene, &["run", file, "--var", "prompt=Hello"]).status(0);
    again.says(&["0 changes"]);
    assert_eq!(line(&again), answer, "it is kept, and not asked for again");
    let other = run(&scene, &["run", file, "--var", "prompt=Tell me more"]).status(0);
    other.says(&["1 updated"]);
    assert_ne!(line(&other), answer);
    std::fs::remove_dir_all(scene.path("cache/llmhost/models")).unwrap();
    let told = run(&scene, &["run", file, "--var", "prompt=And now?", "--json"]).status(0);
    assert!(told.stdout.contains("fetching the model"), "{}", told.stdout);
    run(&scene, &["destroy", file, "--yes"]).status(0);
}

#[test]
fn what_is_wrong_with_a_model_is_one_clear_error() {
    let scene = Scene::new();
    let tiny = Example::Tiny.folder().unwrap();
    let model = std::fs::read(tiny.join("model.onnx")).unwrap();
    for (name, spoil, words) in [
        ("no-model", ("model.onnx", None), "has no model.onnx"),
        ("truncated", ("model.onnx", Some(model[..model.len() / 2].to_vec())), "model.onnx"),
        ("garbage", ("model.onnx", Some(b"garbage".to_vec())), "not what manifest.json says"),
        ("no-tokenizer", ("tokenizer.json", None), "has no tokenizer.json"),
        ("bad-config", ("config.json", Some(b"{".to_vec())), "config.json"),
    ] {
        copy(&tiny, &scene.path(name));
        match spoil {
            (file, None) => std::fs::remove_file(scene.path(name).join(file)).unwrap(),
            (file, Some(bytes)) => std::fs::write(scene.path(name).join(file), bytes).unwrap(),
        }
        if name != "garbage" {
            // Without a manifest, it is the model itself that is looked at.
            std::fs::remove_file(scene.path(name).join("manifest.json")).unwrap();
        }
        let ran = with_library(&scene, &["generate", "--model", name, "--device", "cpu", "Hi"]);
        ran.status(1).says(&[words, "help"]);
    }
    with_library(&scene, &["generate", "--model", "nowhere", "Hi"]).status(1).says(&["there is no folder nowhere"]);
    scene.llmhost(&["generate", "--model", "https://x/y", "Hi"]).status(2).says(&["only s3:// addresses and folders"]);
    let nowhere = ["generate", "--model", "no-model", "--onnxruntime", "nowhere.so", "Hi"];
    scene.llmhost(&nowhere).status(1).says(&["nowhere.so"]);
    scene.write("not-a-library.so", "text");
    let wrong = ["generate", "--model", "no-model", "--onnxruntime", "not-a-library.so", "Hi"];
    scene.llmhost(&wrong).status(1).says(&["not-a-library.so", "cannot be used"]);
}

#[test]
fn a_gpu_that_is_not_there_is_said_at_once_by_the_missing_librarys_name() {
    let scene = Scene::new();
    let began = Instant::now();
    let model = folder(Example::Tiny);
    let began_after_export = began.elapsed();
    let ran = with_library(&scene, &["generate", "--model", &model, "--device", "cuda", "Hi"]).status(1);
    assert!(began.elapsed() - began_after_export < Duration::from_secs(2));
    ran.says(&["libonnxruntime_providers_cuda.so", "onnxruntime-gpu"]);
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
