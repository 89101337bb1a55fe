//! `[outputs]` of the file that is run, and outputs of other pipelines.
#![allow(missing_docs, clippy::unwrap_used, unreachable_pub)]

mod support;

use std::sync::Arc;

use llmhost_engine::pipeline::{OtherOutputs, Others, Pipeline};
use llmhost_engine::run::{Cancel, Events, Report, Selection, destroy};
use llmhost_engine::state::State;
use serde_json::{Value, json};
use support::{World, fates};

const STEPS: &str = r#"
[vars.word]
default = "plain"
[steps.first]
uses = "script:secret-name,open"
with = { declare = [{ name = "secret-name" }, { name = "open" }] }
[steps.many]
uses = "script:one"
for_each = ["a", "b"]
with = { declare = [{ name = "one-${each.key}" }] }
[outputs]
id = "${first.open}"
hidden = "<${first.secret-name}>"
table = { word = "${vars.word}", list = ["${first.open}", 7] }
"#;

fn without(steps: &str, line: &str) -> String {
    assert!(steps.contains(line));
    steps.replace(line, "")
}

#[tokio::test]
async fn what_the_file_gives_is_shown_and_kept_when_the_run_ended_well() {
    let world = World::new();
    let steps = without(
        STEPS,
        "[steps.many]\nuses = \"script:one\"\nfor_each = [\"a\", \"b\"]\nwith = { declare = [{ name = \"one-${each.key}\" }] }\n",
    );
    world.cloud.broken.lock().unwrap().insert("open".into(), llmhost_engine::kind::ErrorClass::Invalid);
    assert_eq!(world.run(&steps).await.file_outputs, Value::Null);
    assert!(world.state().file_outputs.is_empty(), "a run that failed gives nothing");
    world.cloud.broken.lock().unwrap().clear();

    let report = world.run(&steps).await;
    let state = world.state();
    let id = state.outputs[&"first".parse().unwrap()]["open"].clone();
    let table = json!({ "word": "plain", "list": [id, 7] });
    assert_eq!(report.file_outputs, json!({ "hidden": "(sensitive)", "id": id, "table": table }));
    assert_eq!((&state.file_outputs["id"], &state.file_outputs["table"]), (&id, &table));
    assert!(state.file_outputs["hidden"].as_str().unwrap().starts_with("<id-secret-name"), "whole in the state");
    assert_eq!(state.sensitive_file_outputs.iter().collect::<Vec<_>>(), ["hidden"]);
    assert_eq!(state.shown_file_outputs()["hidden"], "(sensitive)");

    let before = std::fs::read(world.state_folder().join("state.json")).unwrap();
    world.run(&steps).await;
    assert_eq!(std::fs::read(world.state_folder().join("state.json")).unwrap(), before, "nothing new, nothing written");
    // One that is no longer in the file goes, and all of them go with what they speak of.
    world.run(&without(&steps, "id = \"${first.open}\"\n")).await;
    assert_eq!(world.state().file_outputs.keys().collect::<Vec<_>>(), ["hidden", "table"]);
    let store = world.store();
    let (all, none) = (Selection::default(), Cancel::default());
    let gone = destroy(world.registry(), Arc::clone(&store), Events::none(), none, 4, &all).await.unwrap();
    assert!(gone.is_ok() && store.snapshot().is_empty(), "{gone:?}");
    assert!(store.snapshot().sensitive_file_outputs.is_empty());
}

#[tokio::test]
async fn an_output_of_the_file_that_leads_nowhere_is_no_plan_and_one_of_a_step_that_never_ran_waits() {
    let world = World::new();
    world.run(STEPS).await;
    let wrong = STEPS.replace("id = \"${first.open}\"", "id = \"${first.open.part}\"");
    let error = world.engine(&wrong).await.plan(&Arc::new(world.state())).await.expect_err("it leads nowhere");
    let text = error.failures[0].to_string();
    assert!(text.contains("'id' of [outputs]: ${first.open.part} does not exist"), "{text}");

    let more = STEPS.replace("[outputs]", "[steps.later]\nuses = \"script:late\"\nwith = { declare = [{ name = \"late\" }] }\n[outputs]\nlate = \"${later.late}\"");
    let engine = world.engine(&more).await;
    let selection = Selection::new(engine.pipeline(), &["first".into()], &[]).unwrap();
    let engine = engine.with_selection(selection);
    let store = world.store();
    let plan = engine.plan(&Arc::new(store.snapshot())).await.unwrap();
    let report = engine.apply(Arc::new(plan), Arc::clone(&store), Cancel::default()).await.unwrap();
    assert!(report.is_ok(), "{report:?}");
    let names: Vec<String> = store.snapshot().file_outputs.keys().cloned().collect();
    assert_eq!(names, ["hidden", "id", "table"]);
}

const READER: &str = r#"
[pipelines.net]
file = "../net.toml"
[pipelines.unused]
state = "elsewhere"
[steps.app]
uses = "script:app"
with = { declare = [{ name = "app", range = "${pipeline.net.id}-${pipeline.net.first.open}", in = [], tags = { one = "${pipeline.net.many['b'].one-b}", n = "${pipeline.net.table.list[1]}" } }] }
[outputs]
same = "${pipeline.net.hidden}"
step = "${pipeline.net.first.secret-name}"
open = "${pipeline.net.first.open}"
"#;

fn step() -> llmhost_engine::names::StepName {
    "pipeline.net".parse().unwrap()
}

/// The state of another pipeline.
fn other() -> State {
    let mut state = State { pipeline: "net".into(), ..State::default() };
    let outputs = |name: &str, value: Value| (name.parse().unwrap(), value);
    state.outputs.extend([
        outputs("first", json!({ "open": "id-open", "secret-name": "id-of-a-secret" })),
        outputs("many:b", json!({ "one-b": "id-b" })),
        outputs("id", json!({ "of": "a step that is called like an output" })),
    ]);
    state.sensitive.insert("first".parse().unwrap(), ["secret-name".to_owned()].into());
    state.file_outputs.extend([
        ("id".to_owned(), json!("own")),
        ("hidden".to_owned(), json!("own-and-hidden")),
        ("table".to_owned(), json!({ "list": ["x", "7"] })),
    ]);
    state.sensitive_file_outputs.insert("hidden".to_owned());
    state
}

fn known(state: &State) -> Others {
    Others::from([(step(), OtherOutputs::of(state))])
}

async fn run(world: &World, state: &State) -> Report {
    let engine = world.engine(READER).await.with_others(known(state)).unwrap();
    let store = world.store();
    let plan = engine.plan(&Arc::new(store.snapshot())).await.unwrap();
    let report = engine.apply(Arc::new(plan), Arc::clone(&store), Cancel::default()).await.unwrap();
    store.close().await.unwrap();
    report
}

#[tokio::test]
async fn outputs_of_another_pipeline_stand_where_they_are_referred_to() {
    let (world, state) = (World::new(), other());
    let report = run(&world, &state).await;
    assert!(report.is_ok(), "{report:?}");
    let things = world.cloud.things.lock().unwrap().clone();
    let app = things.values().next().unwrap();
    assert_eq!((app.range.as_str(), app.tags["one"].as_str(), app.tags["n"].as_str()), ("own-id-open", "id-b", "7"));
    assert_eq!(report.file_outputs, json!({ "same": "(sensitive)", "step": "(sensitive)", "open": "id-open" }));
    let engine = world.engine(READER).await.with_others(known(&state)).unwrap();
    assert_eq!(engine.pipeline().others().iter().map(|other| other.name.as_str()).collect::<Vec<_>>(), ["net"]);
    assert_eq!(fates(&engine.plan(&Arc::new(world.state())).await.unwrap()), []);
    let values = engine.other_values();
    assert_eq!((&values["pipeline.net.id"], &values["pipeline.net.first.open"]), (&json!("own"), &json!("id-open")));
    // Another value is another plan.
    let mut changed = state.clone();
    changed.file_outputs.insert("id".into(), json!("new"));
    let engine = world.engine(READER).await.with_others(known(&changed)).unwrap();
    assert_eq!(fates(&engine.plan(&Arc::new(world.state())).await.unwrap()), [("app".to_owned(), "replace")]);
}

#[tokio::test]
async fn an_output_that_is_not_there_is_said_with_the_one_that_is_meant() {
    let world = World::new();
    for (taken, said, help) in [
        ("own", "${pipeline.net.id}: the pipeline 'net' has no such output", "there are"),
        ("first", "${pipeline.net.first.open}: the pipeline 'net' has no such output", "there are"),
        ("open", "${pipeline.net.first.open}: the pipeline 'net' has no such output", "did you mean 'opened'?"),
    ] {
        let mut state = other();
        match taken {
            "own" => {
                state.file_outputs.remove("id");
                state.outputs.remove(&"id".parse().unwrap());
            }
            "first" => _ = state.outputs.remove(&"first".parse().unwrap()),
            _ => {
                let first = state.outputs.get_mut(&"first".parse().unwrap()).unwrap();
                *first = json!({ "opened": "x", "secret-name": "id-of-a-secret" });
            }
        }
        let found = world.engine(READER).await.with_others(known(&state)).err().expect("a problem");
        let problem = found.problems.iter().find(|problem| problem.message == said);
        let problem = problem.unwrap_or_else(|| panic!("{said}: {:?}", found.problems));
        assert!(problem.help.as_ref().unwrap().contains(help) && problem.span.is_some(), "{problem:?}");
    }
}

#[test]
fn what_is_wrong_with_another_pipeline_is_said_where_it_is_declared_and_referred_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipeline.toml");
    let net = "[pipelines.net]\nfile = \"net.toml\"\n";
    for (text, said, help) in [
        (
            "[steps.s]\nuses = \"s3\"\nwith = { a = \"${pipeline.net.id}\" }",
            "there is no pipeline 'net'",
            "declare it: [pipelines.net]",
        ),
        (
            "NET[steps.s]\nuses = \"s3\"\nwith = { a = \"${pipeline.nett.id}\" }",
            "there is no pipeline 'nett'",
            "did you mean 'net'?",
        ),
        (
            "NET[steps.s]\nuses = \"s3\"\nwith = { a = \"${pipeline.net}\" }",
            "is not an output of a pipeline",
            "write ${pipeline.net.output}",
        ),
        (
            "NET[steps.s]\nuses = \"s3\"\nprotect = \"${pipeline.net.on}\"",
            "cannot contain an output of another pipeline",
            "use a variable",
        ),
        ("NET[steps.pipeline]\nuses = \"s3\"", "a step cannot be called 'pipeline'", ""),
        ("[pipelines.net]\n", "[pipelines.net] has neither 'file' nor 'state'", "add file ="),
        (
            "[pipelines.net]\nstate = \"x\"\nenv = \"prod\"",
            "env of [pipelines.net] does not go with 'state' alone",
            "name the pipeline's file",
        ),
        (
            "[pipelines.net]\nfile = \"x\"\nname = \"prod\"",
            "name of [pipelines.net] does not go with 'file'",
            "take it out",
        ),
        ("[pipelines.Net]\nfile = \"x\"", "pipeline's name", ""),
        ("[pipelines.net]\nfil = \"x\"", "unknown key 'fil' in [pipelines.net]", "did you mean 'file'?"),
    ] {
        let text = text.replace("NET", net);
        std::fs::write(&path, format!("[pipeline]\nname = \"x\"\nregion = \"us-east-1\"\n{text}\n")).unwrap();
        let found = Pipeline::load(&path, &[], &|_| None).expect_err(&text);
        let problem = found.problems.iter().find(|problem| problem.message.contains(said));
        let problem = problem.unwrap_or_else(|| panic!("{said}: {:?}", found.problems));
        assert!(problem.help.clone().unwrap_or_default().contains(help) && problem.span.is_some(), "{problem:?}");
    }
    // A file that is used has none of its own.
    std::fs::write(&path, "[pipeline]\nname = \"x\"\nregion = \"us-east-1\"\n[steps.s]\nuses = \"./part.toml\"\n")
        .unwrap();
    std::fs::write(
        folder.path().join("part.toml"),
        format!("{net}[steps.t]\nuses = \"s3\"\nwith = {{ a = \"${{pipeline.net.id}}\" }}\n"),
    )
    .unwrap();
    let found = Pipeline::load(&path, &[], &|_| None).expect_err("a problem");
    let told: Vec<&str> = found.problems.iter().map(|problem| problem.message.as_str()).collect();
    assert!(
        told[0].contains("has no [pipelines] of its own") && told[1].contains("there is no pipeline 'net'"),
        "{told:?}"
    );
}
