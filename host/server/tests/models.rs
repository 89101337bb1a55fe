//! Several models in one server: loaded once, kept while they are used, replaced without a gap.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use common::{Script, says};
use futures::future::join_all;
use llmhost_server::{
    LoadAt, LoadFailure, Loaded, Loader, ModelSpec, Models, ModelsError, Place, Prepared, Refreshed, Room, Settings,
    router_of,
};
use serde_json::{Value, json};
use tower::ServiceExt;

/// What the loader finds of a model.
#[derive(Clone)]
struct Source {
    version: &'static str,
    bytes: u64,
    fails: Option<&'static str>,
    takes: Duration,
    token: Duration,
}

const SOURCE: Source = Source { version: "1", bytes: 40, fails: None, takes: Duration::ZERO, token: Duration::ZERO };

#[derive(Default)]
struct Scripts {
    sources: Mutex<BTreeMap<String, Source>>,
    loads: AtomicUsize,
}

impl Scripts {
    fn of(sources: impl IntoIterator<Item = (&'static str, Source)>) -> Arc<Self> {
        let sources = sources.into_iter().map(|(name, source)| (name.to_owned(), source)).collect();
        Arc::new(Self { sources: Mutex::new(sources), ..Self::default() })
    }

    fn set(&self, name: &str, source: Source) {
        self.sources.lock().unwrap().insert(name.to_owned(), source);
    }

    fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Loader for Scripts {
    async fn prepare(&self, name: &str) -> Result<Prepared, LoadFailure> {
        let source = self.sources.lock().unwrap()[name].clone();
        let (version, bytes) = (source.version.to_owned(), source.bytes);
        Ok(Prepared { folder: name.into(), version, bytes, place: Place::System })
    }

    async fn load(&self, name: &str, prepared: &Prepared, room: Room) -> Result<Loaded, LoadFailure> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        assert!(room.free >= prepared.bytes && room.total >= room.free);
        let source = self.sources.lock().unwrap()[name].clone();
        tokio::time::sleep(source.takes).await;
        match source.fails {
            Some("panic") => panic!("as the test wants it"),
            Some(reason) => return Err(LoadFailure::private(reason)),
            None => {}
        }
        let mut script = Script { pause: source.token, ..Script::new() };
        (script.info.name, script.info.runtime) = (name.to_owned(), prepared.version.clone());
        Ok(Loaded { backend: Arc::new(script), bytes: prepared.bytes, place: Place::System })
    }

    fn free(&self, _: Place) -> Option<u64> {
        Some(1 << 30)
    }
}

fn spec(name: &str, load: LoadAt) -> ModelSpec {
    ModelSpec { name: name.to_owned(), load, queue: 100, ..ModelSpec::default() }
}

fn at_first_use(names: &[&str]) -> Vec<ModelSpec> {
    names.iter().map(|name| spec(name, LoadAt::FirstUse)).collect()
}

struct Server {
    app: Router,
    models: Arc<Models>,
}

const PAUSE: Duration = Duration::from_millis(1500);

fn server(specs: Vec<ModelSpec>, loader: &Arc<Scripts>, memory: u64) -> Server {
    let models = Models::new(specs, Arc::clone(loader) as _, Some(memory)).unwrap().with_pause(PAUSE);
    let models = Arc::new(models);
    let settings = Settings { api_key: Some("user".into()), admin_key: Some("admin".into()), ..Settings::default() };
    Server { app: router_of(Arc::clone(&models), settings), models }
}

struct Told {
    status: u16,
    body: Value,
    text: String,
    retry_after: Option<u64>,
}

impl Server {
    async fn send(&self, method: &str, path: &str, key: &str, body: &Value) -> Told {
        let request = Request::builder().method(method).uri(path).header("host", "localhost");
        let request =
            request.header("content-type", "application/json").header("authorization", format!("Bearer {key}"));
        let request = request.body(Body::from(body.to_string())).unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let retry_after = response.headers().get("retry-after").map(|value| value.to_str().unwrap().parse().unwrap());
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Told { status, body: serde_json::from_str(&text).unwrap_or_default(), text, retry_after }
    }

    async fn ask(&self, model: &str) -> Told {
        self.send("POST", "/v1/chat/completions", "user", &json!({ "model": model, "messages": says("a b") })).await
    }

    /// Words that come one after another.
    async fn stream(&self, model: &str, words: usize) -> Told {
        let body = json!({ "model": model, "messages": says(&"word ".repeat(words)), "stream": true });
        self.send("POST", "/v1/chat/completions", "user", &body).await
    }

    async fn admin(&self, method: &str, path: &str) -> Told {
        self.send(method, path, "admin", &Value::Null).await
    }

    async fn detail(&self, name: &str) -> Value {
        let all = self.admin("GET", "/admin/models").await.body;
        all["models"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap().clone()
    }

    async fn loaded(&self) -> Vec<String> {
        let all = self.admin("GET", "/admin/models").await.body;
        let loaded = all["models"].as_array().unwrap().iter().filter(|one| one["state"] == "loaded");
        loaded.map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Until so many requests hold a model.
    async fn until_used(&self, name: &str, by: u64) {
        let began = Instant::now();
        while self.detail(name).await["requests"] != by {
            assert!(began.elapsed() < Duration::from_secs(10), "{}", self.detail(name).await);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

#[tokio::test]
async fn first_requests_that_come_together_load_a_model_once_and_wait_for_it() {
    let loader = Scripts::of([("a", Source { takes: Duration::from_millis(100), ..SOURCE })]);
    let server = server(at_first_use(&["a"]), &loader, 100);
    assert_eq!((server.detail("a").await["state"].as_str(), loader.loads()), (Some("unloaded"), 0));
    let answers = join_all((0..50).map(|_| server.ask("a"))).await;
    assert!(answers.iter().all(|told| told.status == 200), "{}", answers[0].text);
    assert_eq!(loader.loads(), 1);
}

#[tokio::test]
async fn no_more_requests_wait_for_a_load_than_the_models_queue_has_places() {
    let loader = Scripts::of([("a", Source { takes: Duration::from_millis(100), ..SOURCE })]);
    let specs = vec![ModelSpec { queue: 3, ..spec("a", LoadAt::FirstUse) }];
    let server = server(specs, &loader, 100);
    let answers = join_all((0..10).map(|_| server.ask("a"))).await;
    let count = |status| answers.iter().filter(|told| told.status == status).count();
    assert_eq!((count(200), count(429)), (3, 7));
    assert_eq!(server.ask("a").await.status, 200);
}

#[tokio::test]
async fn a_load_goes_on_when_the_request_for_it_goes_away() {
    let loader = Scripts::of([("a", Source { takes: Duration::from_millis(100), ..SOURCE })]);
    let server = server(at_first_use(&["a"]), &loader, 100);
    assert!(tokio::time::timeout(Duration::from_millis(10), server.ask("a")).await.is_err());
    assert_eq!((server.ask("a").await.status, loader.loads()), (200, 1));
}

#[tokio::test]
async fn a_model_that_does_not_load_is_told_without_its_folder_and_tried_again_after_a_pause() {
    for reason in ["/secret/folder has no model.onnx", "panic"] {
        let loader = Scripts::of([("a", Source { fails: Some(reason), ..SOURCE })]);
        let server = server(at_first_use(&["a"]), &loader, 100);
        let told = server.ask("a").await;
        let message = "the model 'a' is not loaded: it does not load; the server's log has the reason";
        assert_eq!((told.status, &told.body["error"]["message"]), (503, &json!(message)), "{}", told.text);
        assert!((1..=2).contains(&told.retry_after.unwrap()) && told.body["error"]["code"] == "model_not_loaded");
        let (_, ready) = (server.ask("a").await, server.send("GET", "/readyz", "", &Value::Null).await);
        assert!(ready.text.contains("\"failed\"") && !ready.text.contains("secret"), "{}", ready.text);
        assert_eq!(loader.loads(), 1, "nobody tries in the pause");
        let whole = server.detail("a").await["reason"].to_string();
        assert!(whole.contains(if reason == "panic" { "panicked" } else { "secret" }), "{whole}");
        loader.set("a", SOURCE);
        tokio::time::sleep(PAUSE).await;
        assert_eq!((server.ask("a").await.status, loader.loads()), (200, 2));
    }
}

#[tokio::test]
async fn the_model_that_was_idle_longest_makes_room() {
    let loader = Scripts::of([("a", SOURCE), ("b", SOURCE), ("c", SOURCE), ("stays", Source { bytes: 10, ..SOURCE })]);
    let mut specs = at_first_use(&["a", "b", "c"]);
    specs.push(spec("stays", LoadAt::Start));
    let server = server(specs, &loader, 100);
    server.models.start().await.unwrap();
    for (model, loaded) in
        [("a", "a stays"), ("b", "a b stays"), ("a", "a b stays"), ("c", "a c stays"), ("b", "b c stays")]
    {
        assert_eq!(server.ask(model).await.status, 200, "{model}");
        assert_eq!(server.loaded().await.join(" "), loaded, "after {model}");
    }
    let memory = server.admin("GET", "/admin/models").await.body["memory"]["system"].clone();
    assert_eq!(memory, json!({ "total": 100, "used": 90 }));
}

#[tokio::test]
async fn a_model_in_use_stays_and_one_that_does_not_fit_disturbs_nothing() {
    let slow = Source { token: Duration::from_millis(20), ..SOURCE };
    let loader =
        Scripts::of([("a", slow.clone()), ("b", SOURCE), ("c", SOURCE), ("big", Source { bytes: 101, ..SOURCE })]);
    let server = server(at_first_use(&["a", "b", "c", "big"]), &loader, 100);
    assert_eq!(server.ask("b").await.status, 200);
    let disturb = async {
        server.until_used("a", 1).await;
        let told = server.ask("big").await;
        let message =
            "the model 'big' is not loaded: 'big' needs 101 bytes of memory, and 20 bytes are free beside a, b";
        assert_eq!((told.status, &told.body["error"]["message"]), (503, &json!(message)));
        assert_eq!(server.loaded().await, ["a", "b"], "nothing went for what cannot come");
        // What can come takes the idle one's place, although it was used later.
        assert_eq!(server.ask("c").await.status, 200);
        assert_eq!(server.loaded().await, ["a", "c"]);
        let told = server.admin("POST", "/admin/models/a/unload").await;
        assert_eq!(
            (told.status, &told.body["error"]["message"]),
            (409, &json!("'a' is in use (requests: 1); try again when it is idle"))
        );
    };
    let (answer, ()) = tokio::join!(server.stream("a", 40), disturb);
    assert!(answer.status == 200 && answer.text.contains("[DONE]"), "{}", answer.text);
    assert_eq!(server.admin("POST", "/admin/models/a/unload").await.body["state"], "unloaded");
    assert_eq!(server.admin("POST", "/admin/models/a/load").await.body["state"], "loaded");
    assert_eq!(server.admin("POST", "/admin/models/none/load").await.status, 404);
}

#[tokio::test]
async fn a_model_is_replaced_while_fifty_requests_stream_and_none_of_them_notices() {
    let slow = Source { token: Duration::from_millis(10), takes: Duration::from_millis(50), ..SOURCE };
    let loader = Scripts::of([("a", slow.clone())]);
    let server = server(vec![spec("a", LoadAt::Start)], &loader, 100);
    server.models.start().await.unwrap();
    let replace = async {
        server.until_used("a", 50).await;
        loader.set("a", Source { version: "2", ..slow.clone() });
        let (told, meanwhile) = tokio::join!(server.admin("POST", "/admin/models/a/reload"), async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let again = server.admin("POST", "/admin/models/a/reload").await;
            assert_eq!((again.status, &again.body["error"]["code"]), (409, &json!("model_loading")));
            server.ask("a").await
        });
        assert_eq!((meanwhile.status, told.status, &told.body["model"]["runtime"]), (200, 200, &json!("2")));
        assert_eq!((server.ask("a").await.status, server.detail("a").await["requests"].as_u64()), (200, Some(0)));
        let used = || async { server.admin("GET", "/admin/models").await.body["memory"]["system"]["used"].as_u64() };
        assert_eq!(used().await, Some(80), "the old one has its memory while it answers");
    };
    let (answers, ()) = tokio::join!(join_all((0..50).map(|_| server.stream("a", 60))), replace);
    assert!(
        answers
            .iter()
            .all(|told| told.status == 200 && told.text.contains("[DONE]") && !told.text.contains("\"error\""))
    );
    assert_eq!(loader.loads(), 2);
    let began = Instant::now();
    while server.admin("GET", "/admin/models").await.body["memory"]["system"]["used"] != 40 {
        assert!(began.elapsed() < Duration::from_secs(5), "the old one is still there");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_reload_that_fails_or_does_not_fit_says_why_and_leaves_the_model_as_it_was() {
    let loader = Scripts::of([("a", SOURCE)]);
    let server = server(vec![spec("a", LoadAt::Start)], &loader, 100);
    server.models.start().await.unwrap();
    for (source, words) in [
        (Source { version: "2", fails: Some("model.onnx is garbage"), ..SOURCE }, "model.onnx is garbage"),
        (Source { version: "2", bytes: 61, ..SOURCE }, "'a' needs 61 bytes of memory, and 60 bytes are free beside a"),
        (Source { version: "2", fails: Some("panic"), ..SOURCE }, "panicked"),
    ] {
        loader.set("a", source);
        let told = server.admin("POST", "/admin/models/a/reload").await;
        let message = told.body["error"]["message"].as_str().unwrap();
        assert!(told.status == 409 && message.starts_with("'a' was not reloaded and is as it was: "), "{message}");
        assert!(message.contains(words), "{message}");
        let refreshed = server.models.refresh().await;
        assert!(matches!(&refreshed[..], [(name, Err(failure))] if name == "a" && failure.reason.contains(words)));
        assert_eq!((server.ask("a").await.status, &server.detail("a").await["version"]), (200, &json!("1")));
        assert_eq!(server.send("GET", "/readyz", "", &Value::Null).await.status, 200);
    }
    loader.set("a", Source { version: "2", ..SOURCE });
    assert_eq!(server.admin("POST", "/admin/models/a/reload").await.body["version"], "2");
}

#[tokio::test]
async fn only_what_has_changed_at_its_source_is_loaded_anew() {
    let loader = Scripts::of([("a", SOURCE), ("b", SOURCE), ("c", SOURCE)]);
    let server = server(at_first_use(&["a", "b", "c"]), &loader, 200);
    for model in ["a", "b"] {
        server.ask(model).await;
    }
    loader.set("b", Source { version: "2", ..SOURCE });
    let found: Vec<_> =
        server.models.refresh().await.into_iter().map(|(name, outcome)| (name, outcome.unwrap())).collect();
    let expected = [("a", Refreshed::Unchanged), ("b", Refreshed::Reloaded), ("c", Refreshed::NotLoaded)];
    assert_eq!(found, expected.map(|(name, outcome)| (name.to_owned(), outcome)));
    assert_eq!(loader.loads(), 3);
}

#[tokio::test]
async fn a_model_has_its_names_and_no_other_has_them() {
    let loader = Scripts::of([("chat", SOURCE), ("embed", SOURCE)]);
    let chat = ModelSpec { aliases: vec!["gpt".into()], ..spec("chat", LoadAt::Start) };
    let embed = ModelSpec { is_default: true, ..spec("embed", LoadAt::FirstUse) };
    let server = server(vec![chat.clone(), embed.clone()], &loader, 100);
    server.models.start().await.unwrap();
    assert_eq!((server.ask("gpt").await.status, server.ask("gpt").await.body["model"].as_str()), (200, Some("chat")));
    assert_eq!(server.ask("").await.body["model"], "embed", "the default one");
    let told = server.ask("other").await;
    let message = "there is no model 'other' here; this server has 'chat', 'embed'";
    assert_eq!((told.status, &told.body["error"]["message"]), (404, &json!(message)));
    let list = server.send("GET", "/v1/models", "user", &Value::Null).await.body;
    let list: Vec<_> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (&one["id"], &one["root"]))
        .map(|(id, root)| format!("{id} {root}"))
        .collect();
    assert_eq!(list, ["\"chat\" \"chat\"", "\"gpt\" \"chat\"", "\"embed\" \"embed\""]);
    let one = server.send("GET", "/v1/models/gpt", "user", &Value::Null).await.body;
    assert_eq!((&one["id"], &one["context_length"]), (&json!("gpt"), &json!(64)));

    let refused = |specs: Vec<ModelSpec>| Models::new(specs, Arc::clone(&loader) as _, None).err().unwrap();
    let twice = |name: &str, first: &str, second: &str| ModelsError::Twice {
        name: name.into(),
        first: first.into(),
        second: second.into(),
    };
    let with = |aliases: &[&str]| ModelSpec {
        aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
        ..embed.clone()
    };
    assert_eq!(refused(vec![chat.clone(), with(&["gpt"])]), twice("gpt", "chat", "embed"));
    assert_eq!(refused(vec![chat.clone(), with(&["chat"])]), twice("chat", "chat", "embed"));
    assert_eq!(refused(vec![with(&["x", "x"])]), twice("x", "embed", "embed"));
    assert_eq!(refused(vec![chat.clone(), chat.clone()]), twice("chat", "chat", "chat"));
    assert_eq!(refused(vec![with(&[""])]), ModelsError::Unnamed);
    assert_eq!(refused(vec![]), ModelsError::None);
    let other = ModelSpec { name: "other".into(), ..embed.clone() };
    assert!(matches!(refused(vec![embed.clone(), other]), ModelsError::Defaults { .. }));
}

#[tokio::test]
async fn administrators_have_a_key_of_their_own_and_without_one_there_is_nothing_for_them() {
    let loader = Scripts::of([("a", SOURCE)]);
    let server = server(at_first_use(&["a"]), &loader, 100);
    for (method, path) in [
        ("GET", "/admin/models"),
        ("POST", "/admin/models/a/load"),
        ("POST", "/admin/models/a/reload"),
        ("POST", "/admin/models/a/unload"),
    ] {
        for key in ["", "user", "admi", "admin2"] {
            assert_eq!(server.send(method, path, key, &Value::Null).await.status, 401, "{path} with '{key}'");
        }
        let without = Server {
            app: router_of(Arc::clone(&server.models), Settings::default()),
            models: Arc::clone(&server.models),
        };
        assert_eq!(without.admin(method, path).await.status, 404, "{path}");
    }
    assert_eq!(loader.loads(), 0);
    let asked = server.send("POST", "/v1/chat/completions", "admin", &json!({ "messages": says("a") })).await;
    assert_eq!(asked.status, 401, "it is no key for requests");
}

#[tokio::test]
async fn a_server_is_ready_when_all_that_load_at_the_start_are_loaded() {
    let loader =
        Scripts::of([("a", SOURCE), ("b", Source { takes: Duration::from_millis(100), ..SOURCE }), ("c", SOURCE)]);
    let specs = vec![spec("a", LoadAt::Start), spec("b", LoadAt::Start), spec("c", LoadAt::FirstUse)];
    let server = server(specs, &loader, 200);
    let ready = || server.send("GET", "/readyz", "", &Value::Null);
    let look = async {
        while server.detail("a").await["state"] != "loaded" {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let told = ready().await;
        assert_eq!((told.status, &told.body["ready"], &told.body["model"]["name"]), (503, &json!(false), &json!("a")));
        let states: Vec<_> =
            told.body["models"].as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap()).collect();
        assert_eq!(states, ["loaded", "loading", "unloaded"]);
        // A request for one that is on its way waits for it.
        assert_eq!(server.ask("b").await.status, 200);
    };
    let (started, ()) = tokio::join!(server.models.start(), look);
    started.unwrap();
    let told = ready().await;
    assert_eq!((told.status, &told.body["ready"], loader.loads()), (200, &json!(true), 2));
    // What an administrator unloads comes again with the next request.
    server.admin("POST", "/admin/models/a/unload").await;
    assert_eq!(ready().await.status, 200);
    assert_eq!(server.ask("a").await.status, 200);
    loader.set("c", Source { fails: Some("broken"), ..SOURCE });
    let failing = vec![spec("a", LoadAt::Start), spec("c", LoadAt::Start)];
    let (name, failure) = self::server(failing, &loader, 200).models.start().await.unwrap_err();
    assert_eq!((name.as_str(), failure.reason.as_str()), ("c", "broken"));
}

#[tokio::test]
async fn figures_are_counted_by_model() {
    let loader = Scripts::of([("a", SOURCE), ("b", SOURCE)]);
    let server = server(at_first_use(&["a", "b"]), &loader, 40);
    for model in ["b", "a", "a"] {
        assert_eq!(server.ask(model).await.status, 200);
    }
    let text = server.send("GET", "/metrics", "", &Value::Null).await.text;
    for line in [
        "llmhost_tokens_total{model=\"a\",of=\"generated\"} 4",
        "llmhost_tokens_total{model=\"b\",of=\"generated\"} 2",
        "llmhost_model_requests_total{model=\"a\"} 2",
        "llmhost_time_to_first_token_seconds_count{model=\"b\"} 1",
        "llmhost_queue_depth{model=\"b\"} 0",
        "llmhost_model_loaded{model=\"a\"} 1",
        "llmhost_model_loaded{model=\"b\"} 0",
        "llmhost_model_info{name=\"a\",provider=\"CPUExecutionProvider\"} 1",
        "llmhost_requests_total{path=\"/v1/chat/completions\",status=\"200\"} 3",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    assert!(!text.contains("llmhost_model_info{name=\"b\""), "it is not there any more");
}
