//! Three models in one server: a decoder, an encoder and a reranker, each with its own queue; replaced while clients
//! ask, and asked by many for long.
//!
//! The last takes seconds each time; with `LLMHOST_SOAK=600` it has a thousand clients for as many seconds.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr)]

mod support;

use std::io::BufReader;
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use llmhost_example_models::{Example, onnxruntime};
use serde_json::{Value, json};
use support::served::{Served, again, cross_encoder, serve, serve_and_hear};
use support::{Scene, copy};

/// A folder with three models and the file that names them.
fn three() -> Scene {
    let scene = Scene::new();
    copy(&Example::Tiny.folder().unwrap(), &scene.path("models/chat"));
    copy(&Example::TinyEmbeddings.folder().unwrap(), &scene.path("models/embed"));
    cross_encoder(&scene.path("models/rank"));
    scene.write(
        "models/models.toml",
        r#"
            [models.rank]
            source = "rank"
            load = "first-use"

            [models.chat]
            source = "chat"
            aliases = ["gpt-4o", "default"]
            default = true
            context = 512
            max_batch = 4
            queue = 16
            threads = 1
            cache = "64MiB"

            [models.embed]
            source = "embed"
            threads = 1
        "#,
    );
    scene.write("admin", "the-admin-key");
    scene
}

const MODELS: [&str; 4] = ["--models", "models/models.toml", "--admin-key-file", "admin"];

/// An answer that is there.
fn told(served: &Served, path: &str, body: &Value) -> Value {
    let (status, text) = served.ask("POST", path, &body.to_string());
    assert_eq!(status, 200, "{body}: {text}");
    serde_json::from_str(&text).unwrap()
}

fn admin(served: &Served, method: &str, path: &str) -> (u16, Value) {
    let (status, text) = served.ask_with(method, path, "the-admin-key", "");
    (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
}

fn detail(served: &Served, name: &str) -> Value {
    let (_, all) = admin(served, "GET", "/admin/models");
    all["models"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap().clone()
}

fn text(served: &Served) -> String {
    let body = json!({ "model": "gpt-4o", "prompt": "Hello", "max_tokens": 16, "temperature": 0, "ignore_eos": true });
    told(served, "/v1/completions", &body)["choices"][0]["text"].as_str().unwrap().to_owned()
}

#[test]
fn a_decoder_an_encoder_and_a_reranker_answer_side_by_side() {
    let scene = three();
    let served = serve(&scene, &MODELS);
    let state = |name: &str| detail(&served, name)["state"].as_str().unwrap().to_owned();
    assert_eq!(["chat", "embed", "rank"].map(state), ["loaded", "loaded", "unloaded"]);
    let answer = told(
        &served,
        "/v1/chat/completions",
        &json!({ "messages": [{ "role": "user", "content": "Hi" }], "max_tokens": 4 }),
    );
    assert_eq!(answer["model"], "chat", "the default, although it is not the first");
    let answer = told(&served, "/v1/embeddings", &json!({ "model": "embed", "input": ["a", "b"] }));
    assert_eq!(answer["data"].as_array().unwrap().len(), 2);
    let rank = json!({ "model": "rank", "query": "a", "documents": ["b", "c d"] });
    assert_eq!(told(&served, "/v1/rerank", &rank)["results"].as_array().unwrap().len(), 2);
    assert_eq!(state("rank"), "loaded");
    let (status, wrong) = served.ask("POST", "/v1/embeddings", &json!({ "input": "a" }).to_string());
    assert!(status == 400 && wrong.contains("'chat' does not create embeddings"), "{wrong}");
    let (status, wrong) = served.ask("POST", "/v1/embeddings", &json!({ "input": "a", "model": "x" }).to_string());
    assert!(status == 404 && wrong.contains("this server has 'rank', 'chat', 'embed'"), "{wrong}");
    let list: Value = serde_json::from_str(&served.ask("GET", "/v1/models", "").1).unwrap();
    let names: Vec<_> = list["data"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(names, ["rank", "chat", "gpt-4o", "default", "embed"]);
    let chat = detail(&served, "chat");
    assert_eq!(chat["model"]["context"], 512);
    let bytes = chat["bytes"].as_u64().unwrap();
    assert!((100_000..128 << 20).contains(&bytes), "{bytes}");
    let (_, metrics) = served.ask("GET", "/metrics", "");
    for line in [
        "llmhost_model_requests_total{model=\"rank\"} 1",
        "llmhost_tokens_total{model=\"chat\",of=\"generated\"} 4",
        "llmhost_model_info{name=\"embed\",provider=\"cpu\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}

#[test]
fn models_can_be_named_by_flags() {
    let scene = three();
    let served = serve(&scene, &["--model", "models/chat", "--model", "vectors=models/embed", "--context", "128"]);
    assert_eq!(told(&served, "/v1/completions", &json!({ "prompt": "a", "max_tokens": 1 }))["model"], "chat");
    assert_eq!(told(&served, "/v1/embeddings", &json!({ "model": "vectors", "input": "a" }))["model"], "vectors");
    assert_eq!(served.ask("GET", "/admin/models", "").0, 404);
}

/// What a server says that does not start.
fn refused(scene: &Scene, args: &[&str]) -> String {
    let mut command = scene.command(&["serve", "--port", "0", "--device", "cpu", "--onnxruntime"]);
    let output = command.arg(onnxruntime().unwrap()).args(args).output().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_model_that_stops_a_server_of_several_is_named() {
    let scene = three();
    scene.write("models/embed/config.json", "{");
    let two = ["--model", "models/chat", "--model", "vectors=models/embed"];
    let said = refused(&scene, &two);
    assert!(said.contains("'vectors': "), "{said}");
    let said = refused(&scene, &["--model", "vectors=models/embed"]);
    assert!(!said.contains("'vectors'"), "{said}");
}

#[test]
fn a_context_for_several_models_is_at_most_that_of_each() {
    let scene = three();
    let long = ["--context", "1000000"];
    let limit = Example::Tiny.folder().unwrap().join("config.json");
    let limit: Value = serde_json::from_str(&std::fs::read_to_string(limit).unwrap()).unwrap();
    let limit = &limit["max_position_embeddings"];
    let said = refused(&scene, &[&["--model", "models/chat"][..], &long].concat());
    assert!(
        said.contains(&format!("a context of 1000000 tokens was requested, and the model supports {limit}")),
        "{said}"
    );
    let mut two = vec!["--admin-key-file", "admin", "--model", "models/chat", "--model", "models/embed"];
    two.extend(long);
    let (served, said) = serve_and_hear(&scene, &two);
    let note = format!("The model 'chat' has a context of {limit} tokens, its limit; --context is 1000000.");
    assert!(said.contains(&note), "{said}");
    assert_eq!(&detail(&served, "chat")["model"]["context"], limit);
    // What a model's own table says is meant.
    let mut file = std::fs::read_to_string(scene.path("models/models.toml")).unwrap();
    file = file.replace("context = 512", "context = 999999");
    scene.write("models/models.toml", &file);
    let said = refused(&scene, &MODELS);
    assert!(said.contains("'chat': a context of 999999 tokens was requested"), "{said}");
}

#[test]
fn a_model_is_replaced_under_its_clients_when_its_source_changes() {
    let scene = three();
    let served = serve(&scene, &MODELS);
    let before = (text(&served), detail(&served, "chat")["version"].clone());
    let put = |from: &Path| {
        std::fs::rename(scene.path("models/chat"), scene.path("models/old")).unwrap();
        copy(from, &scene.path("models/chat"));
        std::fs::remove_dir_all(scene.path("models/old")).unwrap();
    };
    let (ended, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let hang_up = || {
        let pid = i32::try_from(served.child.id()).unwrap();
        // SAFETY: `kill` takes plain numbers; the process is this test's own child.
        assert_eq!(unsafe { libc::kill(pid, libc::SIGHUP) }, 0);
    };
    let until = |what: &str, is_so: &dyn Fn(&Value) -> bool| {
        let began = Instant::now();
        while !is_so(&detail(&served, "chat")) {
            assert!(began.elapsed() < Duration::from_secs(60), "not {what}: {}", detail(&served, "chat"));
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let body = json!({ "prompt": "a", "max_tokens": 60, "ignore_eos": true, "stream": true }).to_string();
                while !ended.load(Ordering::Relaxed) {
                    let (status, text) = served.ask("POST", "/v1/completions", &body);
                    assert!(status == 200 && text.contains("[DONE]") && !text.contains("\"error\""), "{status} {text}");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        // The same weights in another layout.
        put(&Example::TinyPlain.folder().unwrap());
        hang_up();
        until("replaced", &|chat| chat["version"] != before.1);
        let now = detail(&served, "chat")["version"].clone();
        std::fs::write(scene.path("models/chat/manifest.json"), "{}").unwrap();
        let (status, told) = admin(&served, "POST", "/admin/models/chat/reload");
        let message = told["error"]["message"].as_str().unwrap();
        assert!(status == 409 && message.starts_with("'chat' was not reloaded and is as it was: "), "{message}");
        assert!(message.contains("manifest.json"), "{message}");
        assert_eq!(detail(&served, "chat")["version"], now);
        put(&Example::Tiny.folder().unwrap());
        let (status, told) = admin(&served, "POST", "/admin/models/chat/reload");
        assert_eq!((status, &told["version"]), (200, &before.1));
        ended.store(true, Ordering::Relaxed);
    });
    assert!(answered.into_inner() > 4);
    assert_eq!(text(&served), before.0);
}

#[test]
fn models_that_come_and_go_leave_no_memory_behind() {
    let scene = three();
    let served = serve(&scene, &MODELS);
    let round = || {
        for name in ["chat", "embed", "rank"] {
            assert_eq!(admin(&served, "POST", &format!("/admin/models/{name}/reload")).0, 200);
        }
        text(&served);
        assert_eq!(admin(&served, "POST", "/admin/models/rank/unload").0, 200);
    };
    (0..10).for_each(|_| round());
    let before = served.resident();
    (0..30).for_each(|_| round());
    let grown = served.resident().saturating_sub(before);
    assert!(grown < 24 << 20, "90 loads took {grown} bytes more than {before}");
}

#[test]
fn what_is_wrong_with_the_models_is_said_with_its_line() {
    let scene = three();
    let chat = "[models.chat]\nsource = \"chat\"\n";
    for (file, words) in [
        (format!("{chat}contxt = 5\n"), "models/bad.toml line 3: unknown field `contxt`"),
        (format!("{chat}\n{chat}"), "models/bad.toml line 4: duplicate key"),
        (
            format!("{chat}[models.b]\nsource = \"embed\"\naliases = [\"x\", \"chat\"]\n"),
            "line 5: the name 'chat' is already used by 'chat'",
        ),
        (format!("{chat}aliases = [\"x\",\n\"x\"]\n"), "line 4: the name 'x' is already used by 'chat'"),
        ("[models.chat]\nsource = \"nowhere\"\n".into(), "line 2: there is no folder models/nowhere"),
        ("[models.chat]\nsource = \"https://x/y\"\n".into(), "line 2: "),
        ("[models.chat]\nload = \"start\"\n".into(), "line 1: missing field `source`"),
        (format!("{chat}load = \"later\"\n"), "line 3: unknown variant `later`, expected `start` or `first-use`"),
        (format!("{chat}cache = \"2 elephants\"\n"), "line 3: write it as bytes, or with KiB"),
        (format!("{chat}max_batch = 0\n"), "line 3: "),
        (
            format!("{chat}default = true\n[models.b]\nsource = \"embed\"\ndefault = true\n"),
            "both 'chat' and 'b' are the default",
        ),
        ("[models]\n".into(), "there is no model to serve"),
    ] {
        scene.write("models/bad.toml", &file);
        scene.llmhost(&["serve", "--port", "0", "--models", "models/bad.toml"]).status(2).says(&[words, "help"]);
    }
    for (args, words) in [
        (&["--models", "none.toml"][..], "cannot read the models of none.toml"),
        (&["--model", "a=models/chat", "--model", "a=models/embed"], "two models have the name or alias 'a'"),
        (&["--model", "models/chat", "--model", "models/embed", "--name", "x"], "--name is for one model"),
        (&["--model", "models/chat", "--admin-key-file", "none"], "cannot read the admin key"),
        (
            &["--model", "models/chat", "--admin-key-file", "admin", "--api-key-file", "admin"],
            "the API key and the admin key are the same",
        ),
        (&["--model", "models/chat", "--memory", "much"], "24GiB"),
    ] {
        scene.llmhost(&[&["serve", "--port", "0"], args].concat()).status(2).says(&[words]);
    }
}

/// Every client asks all three models, one after another, and comes back later where it is told to.
#[test]
fn many_clients_ask_three_models_for_long_and_memory_stays_as_it_is() {
    let seconds = std::env::var("LLMHOST_SOAK").ok().map(|text| text.parse::<u64>().expect("seconds"));
    let (clients, lasts) = (seconds.map_or(100, |_| 1_000), Duration::from_secs(seconds.unwrap_or(12)));
    let scene = three();
    let served = serve(&scene, &MODELS);
    let (good, busy, next) = ([const { AtomicUsize::new(0) }; 3], AtomicUsize::new(0), AtomicUsize::new(0));
    let began = Instant::now();
    let client = |number: usize| {
        let connect = || {
            let stream = TcpStream::connect(&served.address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
            BufReader::new(stream)
        };
        let mut connection = connect();
        let mut turn = number;
        while began.elapsed() < lasts {
            turn += 1;
            let text = format!("request {} of client {number}", next.fetch_add(1, Ordering::Relaxed));
            let (path, body) = match turn % 3 {
                0 => (
                    "/v1/completions",
                    json!({ "model": "gpt-4o", "prompt": text, "max_tokens": 8, "ignore_eos": true }),
                ),
                1 => ("/v1/embeddings", json!({ "model": "embed", "input": [text, "beside it"] })),
                _ => ("/v1/rerank", json!({ "model": "rank", "query": text, "documents": ["one", "two"] })),
            };
            match again(&mut connection, path, &body.to_string()) {
                (200, _) => drop(good[turn % 3].fetch_add(1, Ordering::Relaxed)),
                (429, _) => {
                    busy.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_secs(1));
                }
                (status, answer) => panic!("{path}: {status} {answer}"),
            }
        }
    };
    let mut samples = Vec::new();
    std::thread::scope(|scope| {
        let client = &client;
        for number in 0..clients {
            std::thread::Builder::new().stack_size(128 << 10).spawn_scoped(scope, move || client(number)).unwrap();
        }
        while began.elapsed() < lasts {
            std::thread::sleep(lasts / 24);
            samples.push(served.resident());
        }
    });
    let mib: Vec<usize> = samples.iter().map(|bytes| bytes >> 20).collect();
    let good = good.map(AtomicUsize::into_inner);
    eprintln!("{clients} clients, {lasts:?}: {good:?} answered, {busy:?} told to come back; MiB in memory: {mib:?}");
    assert!(good.iter().all(|count| *count > 10), "{good:?}");
    let most = |part: &[usize]| part.iter().copied().max().unwrap();
    let (early, late) = (most(&samples[..samples.len() / 2]), most(&samples[samples.len() / 2..]));
    assert!(late < early + (12 << 20), "it grew from {early} to {late} bytes: {mib:?} MiB");
}
