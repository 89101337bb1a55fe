//! Kinds of resources that a provider brings, from the pipeline file to a service over HTTP.

mod postgres;
mod reach;
mod scene;
mod service;

use std::sync::{Arc, Mutex};

use llmhost_engine::diagnostic::Diagnostics;
use llmhost_engine::lock::Lock;
use llmhost_engine::names::ResourceAddress;
use llmhost_engine::pins::Pins;
use llmhost_engine::pipeline::Pipeline;
use llmhost_engine::plan::Action;
use llmhost_engine::run::{self, Cancel, Event, Events, Existing, Found};
use llmhost_engine::secret;
use serde_json::json;

use crate::support::guest;
use scene::{KEY, PASSWORD, Scene};
use service::Instead;

const WWW: &str = r#"www = { name = "www", zone = "example.com", value = "10.0.0.1" }"#;

fn www() -> ResourceAddress {
    "site/dns.record/www".parse().unwrap()
}

fn problems(found: Result<run::Engine, Diagnostics>) -> String {
    let Err(found) = found else { panic!("it is refused") };
    let problem = |problem: &llmhost_engine::diagnostic::Diagnostic| {
        format!("{}; {}", problem.message, problem.help.as_deref().unwrap_or_default())
    };
    found.problems.iter().map(problem).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_record_is_made_kept_changed_replaced_and_deleted() {
    let scene = Scene::new().await;
    let report = scene.made(&scene.file(WWW)).await;
    assert_eq!(report.outputs[0].1["fqdns"]["www"], "www.example.com");
    assert_eq!(report.outputs[0].1["ids"]["www"], "r1");
    let record = scene.state().resources[&www()].current.clone().unwrap();
    assert_eq!(record.id, "r1");
    assert_eq!(record.spec, json!({ "name": "www", "zone": "example.com", "value": "10.0.0.1", "ttl": 300 }));
    assert_eq!(
        record.outputs,
        json!({ "fqdn": "www.example.com", "serial": 1, "key": "key-of-r1", "id": "r1" }).as_object().unwrap().clone()
    );

    // Again: nothing.
    scene.service.take_changes();
    assert_eq!(scene.plan(&scene.file(WWW)).await.unwrap().resources[&www()].action, Action::Keep);
    scene.made(&scene.file(WWW)).await;
    assert_eq!(scene.service.take_changes(), Vec::<String>::new());

    // Another value is sent in place.
    let changed = scene.file(&WWW.replace("10.0.0.1", "10.0.0.2"));
    let plan = scene.plan(&changed).await.unwrap();
    let planned = &plan.resources[&www()];
    assert_eq!(planned.action, Action::Update);
    assert_eq!(planned.changes.iter().map(|change| change.path.as_str()).collect::<Vec<_>>(), ["value"]);
    scene.made(&changed).await;
    assert_eq!(scene.service.take_changes(), ["PUT /records/r1"]);
    assert_eq!(scene.state().resources[&www()].current.as_ref().unwrap().outputs["serial"], 2);

    // Another name: both can be there at a time.
    scene.made(&scene.file(&WWW.replace(r#""www", z"#, r#""web", z"#))).await;
    assert_eq!(scene.service.take_changes(), ["POST /records", "DELETE /records/r1"]);
    // The same name in another zone: the service takes no name twice.
    scene.made(&scene.file(&WWW.replace(r#""www", z"#, r#""web", z"#).replace("example.com", "example.org"))).await;
    assert_eq!(scene.service.take_changes(), ["DELETE /records/r2", "POST /records"]);

    scene.made(&scene.file("")).await;
    assert_eq!(scene.service.all("id"), Vec::<String>::new());
    assert!(scene.state().resources.is_empty());
}

#[tokio::test]
async fn one_record_depends_on_another_by_its_output() {
    let scene = Scene::new().await;
    let records = r#"a = { name = "a", zone = "example.com", value = "10.0.0.1" }
b = { name = "b", zone = "example.com", value = "@a.fqdn", ttl = 60 }"#;
    let plan = scene.plan(&scene.file(records)).await.unwrap();
    let at = |name: &str| -> ResourceAddress { format!("site/dns.record/{name}").parse().unwrap() };
    let (a, b) = (at("a"), at("b"));
    assert_eq!(plan.resources[&b].depends_on, [a]);
    assert_eq!(plan.resources[&b].spec["value"], "<<site/dns.record/a#fqdn>>");
    scene.made(&scene.file(records)).await;
    assert_eq!(scene.service.all("value"), ["10.0.0.1", "a.example.com"]);
    // The user goes first.
    scene.service.take_changes();
    let (pipeline, store) = (scene.engine(&scene.file("")).await.unwrap(), scene.store());
    let (registry, selection) = (Arc::clone(pipeline.registry()), run::Selection::default());
    let report = run::destroy(registry, Arc::clone(&store), Events::none(), Cancel::default(), 4, &selection).await;
    assert!(report.unwrap().failures.is_empty());
    store.close().await.unwrap();
    assert_eq!(scene.service.take_changes(), ["DELETE /records/r2", "DELETE /records/r1"]);
}

#[tokio::test]
async fn drift_is_seen_and_what_exists_is_taken_in() {
    let scene = Scene::new().await;
    let file = scene.file(WWW);
    scene.made(&file).await;
    let drift = || async {
        let engine = scene.engine(&file).await.unwrap();
        run::drift_from(engine.pipeline(), engine.registry(), &scene.state(), 4).await.unwrap()
    };
    assert_eq!(drift().await.len(), 0);
    scene.service.records.lock().unwrap().get_mut("r1").unwrap()["value"] = json!("10.9.9.9");
    match &drift().await[..] {
        [one] => match &one.found {
            Found::Changed { fields } => {
                assert_eq!(fields.len(), 1);
                assert_eq!((fields[0].path.as_str(), fields[0].new.clone()), ("value", Some(json!("10.9.9.9"))));
            }
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
    let gone = scene.service.records.lock().unwrap().remove("r1").unwrap();
    assert!(matches!(drift().await[0].found, Found::Gone));
    // Somebody else made it again, and the state is lost.
    scene.service.records.lock().unwrap().insert("r7".to_owned(), {
        let mut there = gone;
        there["id"] = json!("r7");
        there
    });
    std::fs::remove_dir_all(scene.folder.path().join("state")).unwrap();
    let (engine, store) = (scene.engine(&file).await.unwrap(), scene.store());
    let taken = run::import(&engine, &*store, &www(), &Existing::Id("r7".to_owned()), None).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(taken.differs.iter().map(|field| field.path.as_str()).collect::<Vec<_>>(), ["value"]);
    scene.made(&file).await;
    assert_eq!(scene.service.all("value"), ["10.0.0.1"]);
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_record() {
    let scene = Scene::new().await;
    // The answer is lost, and the service finds what it made: the same run goes on.
    scene.service.instead("POST", Instead::Drops);
    scene.made(&scene.file(WWW)).await;
    assert_eq!(scene.service.take_changes(), ["POST /records"]);
    assert_eq!(scene.service.all("id"), ["r1"]);
    scene.made(&scene.file("")).await;

    // It is lost, and the service cannot be asked: the intent stays, and the next run adopts what it made.
    scene.service.instead("POST", Instead::Drops);
    scene.service.instead("GET", Instead::Says(403));
    let report = scene.run(&scene.file(WWW)).await;
    let words = Scene::words(&report);
    assert!(
        words.contains("dns.record:create") && words.contains("The resource may exist: the next run looks for it"),
        "{words}"
    );
    let left = scene.state().resources[&www()].clone();
    assert!(left.current.is_none() && left.pending.is_some(), "{left:?}");
    scene.service.take_changes();
    scene.made(&scene.file(WWW)).await;
    assert_eq!(scene.service.take_changes(), Vec::<String>::new());
    assert_eq!(scene.state().resources[&www()].current.as_ref().unwrap().id, "r2");
}

#[tokio::test]
async fn what_passes_is_tried_again_and_what_does_not_is_told() {
    let scene = Scene::new().await;
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let sink = Arc::clone(&heard);
    let events = Events::new(move |event| match event {
        Event::Retrying { retry, .. } => sink.lock().unwrap().push(retry.to_string()),
        Event::OperationProgress { message, .. } => sink.lock().unwrap().push(message),
        _ => {}
    });
    scene.service.instead("POST", Instead::Says(429));
    let report = scene.run_until(&scene.file(WWW), events, Cancel::default()).await;
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    let retry =
        "dns.record:create: attempt 1 failed: HTTP 429: \"as told, with Bearer (secret)\"; trying again".to_owned();
    assert_eq!(*heard.lock().unwrap(), ["making www".to_owned(), retry, "making www".to_owned()]);
    assert_eq!(scene.service.all("id"), ["r1"]);

    scene.service.instead("PUT", Instead::Says(422));
    let report = scene.run(&scene.file(&WWW.replace("10.0.0.1", "bad"))).await;
    let words = Scene::words(&report);
    assert!(words.contains("dns.record:update: HTTP 422") && !words.contains(KEY), "{words}");
    // The name is taken by somebody else.
    scene
        .service
        .records
        .lock()
        .unwrap()
        .insert("other".to_owned(), json!({ "id": "other", "name": "mail", "token": "" }));
    let report =
        scene.run(&scene.file(&format!("{WWW}\nmail = {{ name = \"mail\", zone = \"z\", value = \"v\" }}"))).await;
    assert!(Scene::words(&report).contains("HTTP 409"), "{}", Scene::words(&report));
    let mail: ResourceAddress = "site/dns.record/mail".parse().unwrap();
    assert!(scene.state().resources.get(&mail).is_none_or(|left| left.pending.is_none()), "nothing was made");
}

#[tokio::test]
async fn secrets_are_handles_until_a_request_is_sent() {
    let scene = Scene::new().await;
    let with_password = WWW.replace(" }", ", password = \"${secrets.password}\" }");
    let file = scene.file(&with_password);
    let report = scene.made(&file).await;
    assert_eq!(*scene.service.key.lock().unwrap(), format!("Bearer {KEY}"));
    assert_eq!(scene.service.all("password"), [PASSWORD]);
    // The state, the report and a further look at the service have the handle alone.
    let record = scene.state().resources[&www()].current.clone().unwrap();
    assert_eq!(record.spec["password"], "<<secret:password>>");
    let engine = scene.engine(&file).await.unwrap();
    assert!(run::drift_from(engine.pipeline(), engine.registry(), &scene.state(), 4).await.unwrap().is_empty());
    let all = walk(scene.folder.path());
    assert!(!all.contains(KEY) && !all.contains(PASSWORD) && !format!("{report:?}").contains(PASSWORD));
    // A sensitive output is there, and is not shown.
    assert_eq!(record.outputs["key"], "key-of-r1");
    assert_eq!(secret::shown("it is key-of-r1"), "it is (sensitive)");
    // A field that the service gives back takes no secret.
    let open = scene.plan(&scene.file(&WWW.replace("10.0.0.1", "${secrets.password}"))).await.unwrap_err();
    let words = open.failures.iter().map(|failure| failure.reason.to_string()).collect::<String>();
    assert!(words.contains("the secret 'password' may not stand in /value"), "{words}");
}

/// The text of every file in a folder.
fn walk(folder: &std::path::Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        all += &if entry.is_dir() { walk(&entry) } else { std::fs::read_to_string(&entry).unwrap_or_default() };
    }
    all
}

#[tokio::test]
async fn a_provider_and_a_step_are_held_to_their_grants() {
    let scene = Scene::new().await;
    let url = scene.service.url();
    // A request that is not granted is not sent, and says what would grant it.
    let read_only = scene.file(WWW).replace("GET,POST,PUT,DELETE ", "");
    let words = Scene::words(&scene.run(&read_only).await);
    let entry = format!("to allow it, grant \"POST {url}/records\"");
    assert!(words.contains("the grant does not cover POST") && words.contains(&entry), "{words}");
    assert!(scene.service.records.lock().unwrap().is_empty());
    // A kind that the step is not granted is not declared.
    let other = scene.file(WWW).replace("[\"resource:dns.record\"]", "[\"resource:dns\"]");
    scene.made(&other).await;
    let words = problems(scene.engine(&scene.file(WWW).replace("[\"resource:dns.record\"]", "[]")).await);
    assert!(words.contains("does not grant: resource") && words.contains("resource:PROVIDER.KIND"), "{words}");
    let other = scene.file("").replace(
        "[steps.site.with.records]",
        &format!("[steps.site.with]\nkind = \"dns.zone\"\n[steps.site.with.records]\n{WWW}"),
    );
    let refused = scene.plan(&other).await.unwrap_err().failures[0].reason.to_string();
    assert!(refused.contains("allow = [\"resource:dns.zone\"]"), "{refused}");
    let own = other.replace("dns.zone", "ec2.vpc");
    let refused = scene.plan(&own).await.unwrap_err().failures[0].reason.to_string();
    assert!(refused.contains("'ec2.vpc' is not a kind of a provider"), "{refused}");
    for (from, to, part) in [
        ("[\"resource:dns.record\"]", "[\"resource:dns.recrod\"]", "did you mean 'resource:dns.record'?"),
        ("[\"resource:dns.record\"]", "[\"resource:dsn\"]", "did you mean 'resource:dns'?"),
        ("http:GET,POST,PUT,DELETE ", "http:FETCH ftp://", "is not a grant: "),
        ("\"http:GET", "\"request:ssm:Get", "is not a grant"),
        ("[providers.dns]", "[providers.Dns]", "the provider name 'Dns'"),
        ("[providers.dns]", "[providers.vars]", "a provider cannot be called 'vars'"),
        (", key = ", ", kee = ", "unknown option 'kee' in provider dns; did you mean 'key'?"),
        ("${secrets.key}", "${secrets.kee}", "there is no secret 'kee'"),
        ("${secrets.key}", "${site.fqdns}", "with of [providers.dns] cannot contain an output of a step"),
        ("allow = [\"http", "alow = [\"http", "unknown key 'alow' in [providers.dns]; did you mean 'allow'?"),
    ] {
        let file = scene.file(WWW);
        assert!(file.contains(from), "{from}");
        let words = problems(scene.engine(&file.replacen(from, to, 1)).await);
        assert!(words.contains(part), "{part} in {words}");
    }
    let nothing = without_grants(&scene.file(WWW));
    let words = problems(scene.engine(&nothing).await);
    assert!(words.contains("sends HTTP requests and makes TCP connections, and nothing is granted to it"), "{words}");
    // Each in its place.
    let (dns, records) = (guest("dns").display().to_string(), guest("records").display().to_string());
    let words = problems(scene.engine(&scene.file(WWW).replace(&dns, &records)).await);
    assert!(words.contains("it is a plugin for steps, not a provider"), "{words}");
    let words = problems(scene.engine(&scene.file(WWW).replace(&records, &dns)).await);
    assert!(words.contains("it is a provider: declare it in [providers.NAME]"), "{words}");
}

/// The file without the provider's grants.
fn without_grants(file: &str) -> String {
    file.lines().filter(|line| !line.starts_with("allow = [\"http")).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_wrong_spec_is_refused_in_the_plan() {
    let scene = Scene::new().await;
    for (from, to, part) in [
        ("\"10.0.0.1\"", "\"10.0.0.1\", ttl = 5", "ttl of the spec must be at least 60, not 5"),
        ("value = ", "vallue = ", "unknown option 'vallue' in the spec (did you mean 'value'?)"),
        ("name = \"www\"", "name = 7", "name of the spec must be a string, not the number 7"),
    ] {
        let refused = scene.plan(&scene.file(&WWW.replace(from, to))).await.unwrap_err();
        let words = refused.failures.iter().map(|failure| failure.reason.to_string()).collect::<String>();
        assert!(words.contains(part), "{part} in {words}");
    }
}

#[tokio::test]
async fn nonsense_is_refused_and_nothing_is_lost() {
    for (nonsense, part) in [
        ("create no json", "provider dns gave outputs that are not JSON"),
        ("create a list", "provider dns gave outputs that are not a JSON object: []"),
        ("create no id", "provider dns gave an empty id"),
        ("create an output", "provider dns gave an output 'more' that it does not describe"),
        ("create too few", "provider dns gave no output 'fqdn', which it describes"),
        ("create panic", "provider dns: the plugin crashed"),
        ("create never", "provider dns: the plugin went over its time limit"),
    ] {
        let scene = Scene::new().await;
        let file = scene.file_with(&format!(", nonsense = \"{nonsense}\""), WWW);
        let file = file.replace("[steps.site]", "[providers.dns.limits]\ntime = \"300ms\"\n[steps.site]");
        let words = Scene::words(&scene.run(&file).await);
        assert!(words.contains(part) && words.contains("No created resource is lost"), "{nonsense}: {words}");
        if nonsense.ends_with("never") {
            assert!(words.contains("raise it with 'time' in [providers.dns.limits]"), "{words}");
        }
        let left = scene.state().resources[&www()].clone();
        assert!(left.pending.is_some(), "{nonsense}: the intent stays");
        // With a provider that is well again.
        scene.made(&scene.file(WWW)).await;
        assert_eq!(scene.service.all("id"), ["r1"], "{nonsense}");
    }
    let scene = Scene::new().await;
    scene.made(&scene.file(WWW)).await;
    for (nonsense, part) in [
        ("read another id", "provider dns gave the resource 'another', and was asked for 'r1'"),
        ("read a bad spec", "provider dns gave a spec that does not match its own schema of dns.record"),
    ] {
        let engine = scene.engine(&scene.file_with(&format!(", nonsense = \"{nonsense}\""), WWW)).await.unwrap();
        let drift = run::drift_from(engine.pipeline(), engine.registry(), &scene.state(), 4).await.unwrap();
        match &drift[0].found {
            Found::Unread { error } => assert!(error.to_string().contains(part), "{error}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_wait_ends_when_the_run_is_stopped() {
    let scene = Scene::new().await;
    let cancel = Cancel::default();
    let stop = cancel.clone();
    let events = Events::new(move |event| {
        if let Event::OperationProgress { .. } = event {
            stop.cancel();
        }
    });
    let file = scene.file_with(", nonsense = \"create wait\"", WWW);
    let report = scene.run_until(&file, events, cancel).await;
    assert!(report.interrupted && report.failures.is_empty(), "{report:?}");
    assert!(scene.state().resources[&www()].pending.is_some());
}

#[tokio::test]
async fn a_provider_is_pinned_like_a_plugin() {
    let scene = Scene::new().await;
    let path = scene.folder.path().join("pipeline.toml");
    let read = |file: &str| {
        std::fs::write(&path, file).unwrap();
        Pipeline::load(&path, &[], &|_| None).unwrap()
    };
    let lock = Lock::open(scene.folder.path(), "test").unwrap();
    let pipeline = read(&scene.file(WWW));
    let pins = Pins::find(&pipeline, &scene.loader, &lock).await.unwrap();
    assert_eq!(pins.add(&lock).unwrap(), 2, "the provider and the plugin");
    pins.check(&pipeline, &lock).unwrap();
    // More grants than were accepted.
    let pipeline = read(&scene.file(WWW).replace("DELETE http", "DELETE,PATCH http"));
    let pins = Pins::of_providers(&pipeline, &scene.loader, &lock).await.unwrap();
    let refused = pins.check(&pipeline, &lock).unwrap_err();
    assert_eq!(refused.problems.len(), 1);
    let words = &refused.problems[0].message;
    assert!(words.contains("its grants were http:GET,POST,PUT,DELETE http://127.0.0.1"), "{words}");
}
