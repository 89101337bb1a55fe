//! What exists already: `[existing]` is looked up, pinned, and never changed.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use llmhost_engine::graph::draw::{Format, Notes, draw};
use llmhost_engine::kind::OpError;
use llmhost_engine::look_up::{Query, StandIns};
use llmhost_engine::pipeline::Pipeline;
use llmhost_engine::plan::{Plan, TextStyle, show};
use llmhost_engine::run::{Cancel, Report};
use serde_json::json;
use support::{Spec, World};

const STEPS: &str = r#"
    [existing.net]
    kind = "test.slot"
    name = "corp"
    [existing.parts]
    kind = "test.slot"
    tags = { team = "a" }
    where = { range = "10.1" }
    all = true
    [steps.own]
    uses = "script:mine"
    with = { declare = [{ name = "mine", in = ["${existing.net.id}"], range = "${existing.net.range}.7" }] }
    [steps.more]
    uses = "script:b"
    with = { declare = [{ name = "b", in = "${existing.parts[*].id}" }] }
"#;

/// Something that somebody else has made: id, name, range, tags.
type Thing<'a> = (&'a str, &'a str, &'a str, &'a [(&'a str, &'a str)]);

/// A cloud in which somebody else has made these.
fn world(things: &[Thing<'_>]) -> World {
    let world = World::new();
    for (id, name, range, tags) in things {
        let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let spec = Spec { name: (*name).to_owned(), range: (*range).to_owned(), parents: Vec::new(), tags };
        world.cloud.things.lock().unwrap().insert((*id).to_owned(), spec);
    }
    world
}

fn corp() -> World {
    world(&[
        ("n-1", "corp", "10", &[]),
        ("p-2", "two", "10.1", &[("team", "a"), ("more", "x")]),
        ("p-1", "one", "10.1", &[("team", "a")]),
        ("p-3", "three", "10.2", &[("team", "a")]),
        ("p-4", "four", "10.1", &[("team", "b")]),
    ])
}

async fn plan(world: &World, steps: &str) -> Result<Plan, Vec<String>> {
    let engine = world.engine(steps).await.asking();
    let told = |failure: &llmhost_engine::run::StepFailure| format!("{}: {failure}", failure.step);
    engine.plan(&Arc::new(world.state())).await.map_err(|error| error.failures.iter().map(told).collect())
}

async fn run(world: &World, steps: &str) -> Report {
    let engine = world.engine(steps).await.asking();
    let store = world.store();
    let plan = Arc::new(engine.plan(&Arc::new(store.snapshot())).await.unwrap());
    let report = engine.apply(plan, Arc::clone(&store), Cancel::default()).await.unwrap();
    store.close().await.unwrap();
    report
}

fn style() -> TextStyle {
    TextStyle { color: false, unicode: true, width: 100 }
}

#[tokio::test]
async fn what_exists_is_used_and_never_changed() {
    let world = corp();
    let before = world.cloud.things.lock().unwrap().clone();
    let planned = plan(&world, STEPS).await.unwrap();
    let spec = |name: &str| planned.resources.iter().find(|(at, _)| at.name() == name).unwrap().1.spec.clone();
    assert_eq!((&spec("mine")["parents"], &spec("mine")["range"]), (&json!(["n-1"]), &json!("10.7")));
    assert_eq!(spec("b")["parents"], json!(["p-1", "p-2"]), "in the order of ids");
    let shown = show(&planned, style());
    assert!(shown.starts_with("Looked up (what exists already; this run does not change it)\n"), "{shown}");
    assert!(shown.contains("  existing.net: test.slot n-1, exists\n"), "{shown}");
    assert!(shown.contains("  existing.parts: test.slot p-1 and 1 more, exist\n"), "{shown}");
    let report = run(&world, STEPS).await;
    assert!(report.is_ok(), "{report:?}");
    assert_eq!(world.cloud.take_calls(), ["create mine", "create b"].map(str::to_owned), "and nothing else");
    assert!(plan(&world, STEPS).await.unwrap().is_empty());
    let store = world.store();
    let registry = world.engine(STEPS).await.registry().clone();
    let events = llmhost_engine::run::Events::none();
    let everything = llmhost_engine::run::Selection::default();
    let gone = llmhost_engine::run::destroy(registry, store, events, Cancel::default(), 4, &everything).await.unwrap();
    assert!(gone.is_ok(), "{gone:?}");
    assert_eq!(*world.cloud.things.lock().unwrap(), before, "after all of it, what existed is as it was");
}

#[tokio::test]
async fn a_plan_that_asks_nobody_has_the_last_answer_or_unknowns() {
    let world = corp();
    let planned = world.plan(STEPS).await;
    let mine = planned.resources.iter().find(|(at, _)| at.name() == "mine").unwrap().1;
    assert_eq!(mine.spec["parents"], json!(["<<fact:existing.net.id>>"]));
    assert!(planned.existing.iter().all(|one| one.ids.is_none()));
    assert!(show(&planned, style()).contains("existing.net: test.slot, not looked up"));
    assert!(world.cloud.asked.lock().unwrap().iter().all(|name| name == "cluster/v1/Kind/-/name"), "nobody was asked");
    assert!(run(&world, STEPS).await.is_ok());
    // Now it is in the state: nothing changes, and nobody needs to be asked.
    world.cloud.things.lock().unwrap().remove("n-1");
    let planned = world.plan(STEPS).await;
    assert!(planned.is_empty(), "{}", show(&planned, style()));
    assert_eq!(planned.existing[0].ids.as_deref(), Some(&["n-1".to_owned()][..]));
    let told = plan(&world, STEPS).await.unwrap_err();
    assert_eq!(told, ["existing.net: look up: there is no test.slot with the name corp"]);
}

#[tokio::test]
async fn an_answer_that_changes_is_a_change_in_the_plan() {
    let world = corp();
    assert!(run(&world, STEPS).await.is_ok());
    let mut spec = world.cloud.things.lock().unwrap()["p-4"].clone();
    spec.tags.insert("team".into(), "a".into());
    world.cloud.things.lock().unwrap().insert("p-4".into(), spec);
    let planned = plan(&world, STEPS).await.unwrap();
    assert_eq!(support::fates(&planned), [("b".to_owned(), "replace")]);
}

#[tokio::test]
async fn what_the_pipeline_makes_itself_is_not_found() {
    let world = World::new();
    let steps = r#"
        [existing.net]
        kind = "test.slot"
        tags = { team = "a" }
        [steps.own]
        uses = "script:mine"
        with = { declare = [{ name = "mine", tags = { team = "a" }, in = ["${existing.net.id}"] }] }
    "#;
    let other = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
    let spec = Spec { name: "other".into(), range: String::new(), parents: Vec::new(), tags: other };
    world.cloud.things.lock().unwrap().insert("n-9".into(), spec);
    assert!(run(&world, steps).await.is_ok());
    assert!(plan(&world, steps).await.unwrap().is_empty(), "it would be two otherwise");
    world.cloud.things.lock().unwrap().remove("n-9");
    let told = plan(&world, steps).await.unwrap_err();
    let message = "there is no test.slot with the tags team=a but what this pipeline makes itself";
    assert_eq!(told, [format!("existing.net: look up: {message}")]);
}

#[tokio::test]
async fn what_is_missing_ambiguous_or_no_attribute_is_said() {
    for (existing, uses, told) in [
        (
            "kind = \"test.slot\"\ntags = { team = \"a\" }",
            "${existing.net.id}",
            "3 are test.slot with the tags team=a: p-1, p-2, p-3",
        ),
        ("kind = \"test.slot\"\nid = \"n-7\"", "${existing.net.id}", "there is no test.slot with the id n-7"),
        ("kind = \"test.slot\"\nname = \"corp\"", "${existing.net.rang}", "test.slot has no attribute 'rang'"),
        (
            "kind = \"test.slot\"\nname = \"corp\"\nwhere = { size = 1 }",
            "${existing.net.id}",
            "test.slot has no attribute 'size'",
        ),
        ("kind = \"test.disk\"\ntags = { a = \"b\" }", "${existing.net.id}", "test.disk is not found by tags"),
    ] {
        let steps = format!(
            "[existing.net]\n{existing}\n[steps.own]\nuses = \"script:mine\"\nwith = {{ declare = [{{ name = \"mine\", in = \
             [\"{uses}\"] }}] }}"
        );
        let found = plan(&corp(), &steps).await.unwrap_err();
        assert_eq!(found, [format!("existing.net: look up: {told}")]);
    }
}

#[tokio::test]
async fn one_look_up_can_start_from_another_and_what_is_found_is_drawn() {
    let world = corp();
    let steps = r#"
        [existing.second]
        kind = "test.slot"
        where = { range = "${existing.first.range}.1" }
        tags = { team = "b" }
        [existing.first]
        kind = "test.slot"
        id = "n-1"
        [steps.own]
        uses = "script:mine"
        with = { declare = [{ name = "mine", in = ["${existing.second.id}"] }] }
    "#;
    let planned = plan(&world, steps).await.unwrap();
    let names: Vec<&str> = planned.existing.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["existing.first", "existing.second"]);
    assert_eq!(planned.existing[1].ids.as_deref(), Some(&["p-4".to_owned()][..]));
    let json: serde_json::Value = serde_json::from_str(&draw(&planned, &Notes::default(), Format::Json)).unwrap();
    assert_eq!(json["existing"][1]["found"][0]["id"], "p-4");
    assert_eq!(json["steps"][0]["depends_on"], json!(["existing.second"]));
    for format in [Format::Dot, Format::Svg, Format::Mermaid, Format::Html] {
        let drawn = draw(&planned, &Notes::default(), format);
        assert!(drawn.contains("existing.second") && drawn.contains("p-4"), "{format:?}: {drawn}");
    }
}

struct Makes(World);

#[async_trait]
impl StandIns for Makes {
    async fn make(&self, query: &Query) -> Result<Vec<String>, OpError> {
        let name = query.name.clone().unwrap_or_default();
        let spec = Spec { name, range: "10".into(), parents: Vec::new(), tags: query.tags.clone() };
        self.0.cloud.things.lock().unwrap().insert("made-up".into(), spec);
        Ok(vec!["made-up".to_owned()])
    }
}

#[tokio::test]
async fn stand_ins_are_made_once_where_nothing_exists() {
    let world = World::new();
    let also = World { cloud: Arc::clone(&world.cloud), ..World::new() };
    let engine = world.engine(STEPS).await.with_stand_ins(Arc::new(Makes(also)));
    for _ in 0..2 {
        let planned = engine.plan(&Arc::new(world.state())).await.unwrap();
        assert!(planned.existing.iter().all(|one| one.ids.as_deref() == Some(&["made-up".to_owned()][..])));
    }
    assert_eq!(world.cloud.things.lock().unwrap().len(), 1);
}

#[test]
fn what_is_wrong_in_the_file_is_said_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pipeline.toml");
    for (existing, uses, message) in [
        ("id = \"x\"", "x", "[existing.net] has no 'kind'"),
        ("kind = \"a.b\"", "x", "[existing.net] does not say which resource is intended"),
        ("kind = \"a.b\"\nwhere = { x = 1 }", "x", "[existing.net] does not say which resource is intended"),
        ("kind = \"a.b\"\nid = \"x\"\nname = \"y\"", "x", "[existing.net] has id and name"),
        ("kind = \"a.b\"\nid = 7", "x", "this is a string"),
        ("kind = \"a.b\"\ntags = { a = 1 }", "x", "tags have texts for values"),
        ("kind = \"a.b\"\nid = \"x\"\nalll = true", "x", "unknown key 'alll' in [existing.net]"),
        (
            "kind = \"a.b\"\nid = \"${own.id}\"",
            "x",
            "${own.id} is an output of a step, and look-ups come before any step",
        ),
        ("kind = \"a.b\"\nid = \"${existing.net.id}\"", "x", "these look-ups depend on each other: existing.net"),
        ("kind = \"a.b\"\nid = \"x\"", "${existing.nett.id}", "nothing in [existing] is called 'nett'"),
        ("kind = \"a.b\"\nid = \"x\"", "${existing.net[*].id}", "existing.net is one resource"),
        ("kind = \"a.b\"\nid = \"x\"", "${existing.net}", "'${existing.net…}' names no attribute"),
    ] {
        let text = format!(
            "[pipeline]\nname = \"test\"\nregion = \"us-east-1\"\n[existing.net]\n{existing}\n[steps.own]\nuses = \"vpc\"\nwith = {{ \
             id = '{uses}' }}\n"
        );
        std::fs::write(&file, text).unwrap();
        let found = Pipeline::load(&file, &[], &|_| None).expect_err(message).problems;
        let messages: Vec<&str> = found.iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(messages, [message]);
        assert!(found[0].help.is_some() && found[0].span.is_some(), "{:?}", found[0]);
    }
}
