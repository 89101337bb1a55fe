//! Files that a step names: a plugin reads them and no others, and what a plan was made of is what is applied.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod support;

use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use llmhost_engine::pipeline::Pipeline;
use llmhost_engine::plugin::*;
use llmhost_engine::run::{Cancel, DEFAULT_PARALLELISM, Engine, Events, Report};
use llmhost_engine::trace::{Outcome, Recording, Trace, replay};
use serde_json::{Value, json};
use support::{World, script};

/// Lists and reads what its `with` table says, and returns what it got.
struct Reader {
    description: Description,
    runs: Arc<Mutex<u32>>,
}

impl Reader {
    fn new(runs: &Arc<Mutex<u32>>) -> Self {
        let output = |name: &str| OutputDoc {
            name: name.to_owned(),
            description: String::new(),
            value_type: None,
            sensitive: false,
        };
        let description = Description {
            summary: "Reads files.".into(),
            config_schema: json!({"type": "object"}),
            outputs: ["listed", "read"].map(output).into(),
            needs: Vec::new(),
        };
        Self { description, runs: Arc::clone(runs) }
    }
}

#[async_trait]
impl Plugin for Reader {
    fn description(&self) -> &Description {
        &self.description
    }

    fn sha256(&self) -> &str {
        "0"
    }

    async fn run(&self, config: &Value, host: Arc<dyn Capabilities>) -> Result<Value, PluginError> {
        *self.runs.lock().unwrap() += 1;
        let texts = |key: &str| config[key].as_array().cloned().unwrap_or_default().into_iter();
        let (mut listed, mut read) = (Vec::new(), Vec::new());
        for folder in texts("list") {
            // Of what it may list, all is read as well.
            let folder = folder["path"].as_str().unwrap().to_owned();
            let of = if folder.contains('*') { folder.rsplit_once('/').unwrap().0 } else { &folder };
            for entry in host.list_files(&folder).await.map_err(PluginError::Returned)? {
                let file = format!("{of}/{}", entry.path);
                let bytes = host.read_file(&file, 0, 1000).await.map_err(PluginError::Returned)?;
                listed.push(format!("{file}={}", String::from_utf8_lossy(&bytes)));
            }
        }
        for file in texts("read") {
            let path = file["path"].as_str().unwrap().to_owned() + file["below"].as_str().unwrap_or_default();
            let bytes = host.read_file(&path, file["start"].as_u64().unwrap_or(0), 4).await;
            match bytes {
                Ok(bytes) => read.push(json!(String::from_utf8_lossy(&bytes))),
                Err(_) if file["optional"] == true => read.push(Value::Null),
                Err(failure) => return Err(PluginError::Returned(failure)),
            }
        }
        Ok(json!({ "listed": listed, "read": read }))
    }
}

struct Readers(Arc<Mutex<u32>>);

#[async_trait]
impl PluginLoader for Readers {
    async fn load(&self, request: &LoadRequest<'_>) -> Result<Arc<dyn Plugin>, LoadError> {
        Ok(match request.uses {
            "reader" => Arc::new(Reader::new(&self.0)),
            uses => Arc::new(script(uses)),
        })
    }
}

fn write(world: &World, path: &str, text: &str) {
    let path = world.folder.path().join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

async fn engine_with(world: &World, with: &str, runs: &Arc<Mutex<u32>>) -> Engine {
    let file = world.folder.path().join("pipeline.toml");
    let text = format!(
        "[pipeline]\nname = \"test\"\nregion = \"us-east-1\"\n[steps.first]\nuses = \"script:a\"\n\
         with = {{ declare = [{{ name = \"a\" }}] }}\n[steps.files]\nuses = \"reader\"\n[steps.files.with]\n{with}"
    );
    std::fs::write(&file, text).unwrap();
    let pipeline = Pipeline::load(&file, &[], &|_| None).unwrap();
    let loader = Readers(Arc::clone(runs));
    Engine::load(Arc::new(pipeline), &loader, world.registry(), Events::none(), DEFAULT_PARALLELISM).await.unwrap()
}

async fn engine(world: &World, with: &str) -> Engine {
    engine_with(world, with, &Arc::default()).await
}

/// Why there is no plan.
async fn refused(world: &World, with: &str) -> String {
    let engine = engine(world, with).await;
    let error = engine.plan(&Arc::new(world.state())).await.expect_err(with);
    error.failures.iter().map(|failure| failure.to_string()).collect::<Vec<_>>().join("; ")
}

/// Plans, does something, and applies.
async fn applied(world: &World, with: &str, between: impl FnOnce(&Path)) -> Report {
    let engine = engine(world, with).await;
    let store = world.store();
    let plan = Arc::new(engine.plan(&Arc::new(store.snapshot())).await.unwrap());
    between(world.folder.path());
    let report = engine.apply(plan, Arc::clone(&store), Cancel::default()).await.unwrap();
    store.close().await.unwrap();
    report
}

fn outputs(report: &Report) -> &Value {
    assert!(report.is_ok(), "{:?}", report.failures);
    &report.outputs.iter().find(|(step, _)| step.as_str() == "files").unwrap().1
}

#[tokio::test]
async fn a_plugin_reads_what_its_step_names_and_what_is_below_it() {
    let world = World::new();
    for (path, text) in
        [("k8s/b.yaml", "bb"), ("k8s/deep/a.yaml", "a"), ("k8s/c.json", "{}"), ("one.txt", "0123456789")]
    {
        write(&world, path, text);
    }
    write(&world, "k8s/.git/config", "x");
    std::os::unix::fs::symlink("../one.txt", world.folder.path().join("k8s/link.txt")).unwrap();
    let with = r#"
        list = [{ path = "./k8s/" }, { path = "k8s/*.json" }]
        read = [{ path = "one.txt", start = 8 }, { path = "k8s", below = "/deep/a.yaml" }, { path = "k8s", below = "/no", optional = true }]
    "#;
    let report = applied(&world, with, |_| ()).await;
    let expected = json!({
        "listed": [
            "./k8s//b.yaml=bb", "./k8s//c.json={}", "./k8s//deep/a.yaml=a", "./k8s//link.txt=0123456789", "k8s/c.json={}"
        ],
        "read": ["89", "a", null],
    });
    assert_eq!(*outputs(&report), expected);
}

#[tokio::test]
async fn what_is_not_named_or_leads_outside_is_refused_with_what_to_do() {
    let world = World::new();
    write(&world, "k8s/a.yaml", "a");
    write(&world, "other/a.yaml", "a");
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "s").unwrap();
    let at = |path: &str| world.folder.path().join(path);
    std::os::unix::fs::symlink(outside.path().join("secret"), at("k8s/out")).unwrap();
    std::os::unix::fs::symlink("nowhere", at("k8s/broken")).unwrap();
    std::os::unix::fs::symlink("deep", at("other/ring")).unwrap();
    std::fs::create_dir(at("other/deep")).unwrap();
    let absolute = outside.path().join("secret").display().to_string();
    let read = |path: &str, below: &str| format!("read = [{{ path = \"{path}\", below = \"{below}\" }}]");
    for (with, part) in [
        (read("k8s", "/../other/a.yaml"), "is not named in the step's 'with' table"),
        (read("k8s", "-more"), "name the file there, or a folder that it is in"),
        (read("k8s", "/out"), "is a link to a place outside of the folder of the pipeline file"),
        (read("k8s", "/broken"), "is a link to something that is not there"),
        (read("k8s", "/missing"), "there is no file or folder 'k8s/missing'"),
        (read("k8s", ""), "'k8s' is a folder, not a file"),
        (read("../x", ""), "'../x' is outside of the folder of the pipeline file"),
        (read(&absolute, ""), "is outside of the folder of the pipeline file"),
        (read(".llmhost/state", ""), "is not for plugins to read"),
        (r#"list = [{ path = "k8s/a.yaml" }]"#.to_owned(), "'k8s/a.yaml' is not a folder"),
        (r#"list = [{ path = "other" }]"#.to_owned(), "'other/ring' is a link to a folder"),
    ] {
        let message = refused(&world, &with).await;
        assert!(message.contains(part), "{with}: {message}");
    }
    // A secret is no file, whatever its folder is.
    write(&world, "k8s/token", "t");
    let with = format!("{}\n[secrets]\ntoken = {{ file = \"k8s/token\" }}", read("k8s", "/token"));
    let message = refused(&world, &with).await;
    assert!(message.contains("'k8s/token' contains a secret of the pipeline file"), "{message}");
    let pipe = std::ffi::CString::new(at("k8s/pipe").display().to_string()).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(pipe.to_str().unwrap()).status().unwrap().success());
    let message = refused(&world, &read("k8s", "/pipe")).await;
    assert!(message.contains("is neither a file nor a folder"), "{message}");
    std::fs::File::create(at("k8s/large")).unwrap().set_len((16 << 20) + 1).unwrap();
    let message = refused(&world, &read("k8s", "/large")).await;
    assert!(message.contains("more than 16 MiB"), "{message}");
}

#[tokio::test]
async fn an_apply_that_finds_other_files_than_its_plan_does_nothing() {
    for (change, part) in [
        ("content", "'k8s/a.yaml' has another content now"),
        ("gone", "'k8s/a.yaml' cannot be read any more"),
        ("new", "'k8s/' has other files, or files of other sizes, now"),
    ] {
        let world = World::new();
        write(&world, "k8s/a.yaml", "a");
        let report = applied(&world, r#"list = [{ path = "k8s" }]"#, |folder| {
            let path = folder.join("k8s/a.yaml");
            match change {
                "content" => std::fs::write(path, "b").unwrap(),
                "gone" => std::fs::remove_file(path).unwrap(),
                _ => std::fs::write(folder.join("k8s/b.yaml"), "b").unwrap(),
            }
        })
        .await;
        let said: Vec<_> = report.failures.iter().map(|failure| failure.to_string()).collect();
        assert!(said.iter().any(|text| text.contains(part) && text.ends_with("plan again")), "{change}: {said:?}");
        assert_eq!(world.cloud.take_calls(), Vec::<String>::new(), "{change}");
    }
}

#[tokio::test]
async fn the_run_with_samples_reads_what_the_plan_has_read() {
    let world = World::new();
    write(&world, "a.txt", "abc");
    let runs = Arc::default();
    let engine = engine_with(&world, "read = [{ path = \"a.txt\" }]\nother = \"${first.a}\"", &runs).await;
    let plan = engine.plan(&Arc::new(world.state())).await.unwrap();
    assert_eq!(*runs.lock().unwrap(), 2, "it has seen an unknown value");
    let step = plan.steps.iter().find(|step| step.name.as_str() == "files").unwrap();
    assert_eq!(step.outputs["read"], json!(["abc"]));
    let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(step.files.get("a.txt").map(String::as_str), Some(expected));
    assert_eq!(json!(plan)["steps"][1]["files"]["a.txt"], expected);
}

/// A registry with one chart; counts what is fetched.
struct Registry(Mutex<Vec<String>>);

#[async_trait]
impl Charts for Registry {
    async fn fetch(&self, address: &str, most: u64) -> Result<Vec<u8>, Failure> {
        assert_eq!(most, 16 << 20);
        self.0.lock().unwrap().push(address.to_owned());
        match address {
            CHART => Ok(b"chart".to_vec()),
            _ => Err(Failure::refused(format!("{address} is not there"))),
        }
    }
}

const CHART: &str = "oci://example.com/a/b:1@sha256:0";

#[tokio::test]
async fn a_chart_that_the_step_names_by_its_address_is_a_file_that_is_fetched() {
    let world = World::new();
    let with = |path: &str, more: &str| format!("read = [{{ path = \"{path}\"{more} }}]");
    let registry = Arc::new(Registry(Mutex::default()));
    let engine = engine(&world, &with(CHART, "")).await.with_charts(registry.clone());
    let store = world.store();
    let plan = Arc::new(engine.plan(&Arc::new(store.snapshot())).await.unwrap());
    let read: Vec<&String> = plan.steps.iter().flat_map(|step| step.files.keys()).collect();
    assert_eq!(read, [CHART]);
    assert_eq!(*registry.0.lock().unwrap(), [CHART], "once for a plan");
    let report = engine.apply(plan, Arc::clone(&store), Cancel::default()).await.unwrap();
    assert_eq!(*outputs(&report), json!({ "listed": [], "read": ["char"] }));
    store.close().await.unwrap();

    // What is below an address, or another one, was not named; a folder it is not.
    for (with, said) in [
        (with("oci://example.com/a", ", below = \"/b:1@sha256:0\""), "is not named in the step's 'with' table"),
        (with(".", ", below = \"/../oci://example.com/a/b:1@sha256:0\""), "is not named in the step's 'with' table"),
        ("list = [{ path = \"oci://example.com/a/b:1@sha256:0\" }]".to_owned(), "is a packed chart, not a folder"),
        (with("oci://example.com/none@sha256:0", ""), "none@sha256:0 is not there"),
    ] {
        let engine = self::engine(&world, &with).await.with_charts(Arc::new(Registry(Mutex::default())));
        let error = engine.plan(&Arc::new(world.state())).await.expect_err(&with);
        let text = error.failures.iter().map(ToString::to_string).collect::<String>();
        assert!(text.contains(said), "{with}: {text}");
    }
    assert!(refused(&world, &with(CHART, "")).await.contains("llmhost does not fetch it here"));
}

#[tokio::test]
async fn a_trace_has_the_files_and_replays_without_them() {
    let world = World::new();
    write(&world, "k8s/a.yaml", "a");
    let engine =
        engine(&world, "list = [{ path = \"k8s\" }]\nread = [{ path = \"k8s\", below = \"/no\", optional = true }]")
            .await;
    let path = world.folder.path().join("trace.jsonl");
    let trace = Arc::new(Trace::begin(engine.pipeline(), Box::new(std::fs::File::create(&path).unwrap())));
    engine.with_trace(Some(Arc::clone(&trace))).plan(&Arc::new(world.state())).await.unwrap();
    trace.end().unwrap();
    std::fs::remove_dir_all(world.folder.path().join("k8s")).unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(r#""list":"k8s""#) && text.contains(r#""gave":{"value":"YQ=="}"#), "{text}");
    let recording = Recording::read(&text).unwrap();
    let run = recording.runs.iter().find(|run| run.begun.uses == "reader").unwrap();
    assert_eq!(replay(run, &Reader::new(&Arc::default())).await, Outcome::Same);
}
