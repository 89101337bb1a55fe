//! `ignore_changes`: what is there may differ from the file, and nothing is done about it.
#![allow(missing_docs, clippy::unwrap_used, unreachable_pub)]

mod support;

use std::collections::BTreeMap;

use llmhost_engine::pipeline::Pipeline;
use llmhost_engine::run::{drift, drift_from, refresh_from};
use serde_json::{Value, json};
use support::{World, fates};

/// One step with a slot `a`, and what it is told besides.
fn file(slot: &str, more: &str) -> String {
    format!("[steps.s]\nuses = \"script:a\"\n{more}\n[steps.s.with]\ndeclare = [{{ name = \"a\", {slot} }}]\n")
}

/// The user's tags of what is there.
fn tags(world: &World) -> BTreeMap<String, String> {
    let mut tags = world.cloud.things.lock().unwrap().values().next().unwrap().tags.clone();
    tags.retain(|key, _| !key.contains(':'));
    tags
}

fn set(world: &World, key: &str, value: &str) {
    world.cloud.things.lock().unwrap().values_mut().next().unwrap().tags.insert(key.into(), value.into());
}

/// Why a file cannot be planned.
async fn refused(world: &World, steps: &str) -> String {
    let error = world.engine(steps).await.plan(&std::sync::Arc::new(world.state())).await.expect_err("a problem");
    error.failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_create_takes_the_values_of_the_file_and_later_changes_of_the_file_are_none() {
    for ignored in ["tags", "tags.team", "test.slot.tags.team", "test.slot/a.tags.team"] {
        let world = World::new();
        let more = format!("ignore_changes = [\"{ignored}\"]");
        assert!(world.run(&file(r#"tags = { team = "one" }"#, &more)).await.is_ok());
        assert_eq!(tags(&world)["team"], "one", "{ignored}");
        let other = file(r#"tags = { team = "two" }"#, &more);
        let plan = world.plan(&other).await;
        assert_eq!(fates(&plan), [], "{ignored}");
        let planned = plan.resources.values().next().unwrap();
        assert_eq!(planned.spec["tags"]["team"], "one", "the plan has what stays");
        assert_eq!(
            serde_json::to_value(&plan).unwrap()["ignored"],
            json!({ "s/test.slot/a": [if ignored == "tags" { "tags" } else { "tags.team" }] })
        );
        world.cloud.take_calls();
        let report = world.run(&other).await;
        assert!(report.is_ok() && report.done.changes() == 0, "{report:?}");
        assert!(world.cloud.take_calls().is_empty());
        // Without it, the difference counts again.
        assert_eq!(fates(&world.plan(&file(r#"tags = { team = "two" }"#, "")).await), [("a".to_owned(), "update")]);
    }
}

#[tokio::test]
async fn an_update_of_something_else_leaves_them_as_they_are_there() {
    let world = World::new();
    let more = "ignore_changes = [\"tags.size\"]";
    world.run(&file(r#"tags = { size = "1", team = "one" }"#, more)).await;
    set(&world, "size", "5");
    let other = file(r#"tags = { size = "2", team = "two" }"#, more);
    assert_eq!(fates(&world.plan(&other).await), [("a".to_owned(), "update")]);
    // As `--refresh` has it: what is there is known, and is no drift.
    let store = world.store();
    let engine = world.engine(&other).await;
    let found = refresh_from(Some(engine.pipeline()), engine.registry(), &store.snapshot(), 4).await.unwrap();
    assert!(found.drift.is_empty(), "{:?}", found.drift);
    found.record(&*store).await.unwrap();
    store.close().await.unwrap();
    let report = world.run(&other).await;
    assert!(report.is_ok() && report.done.update == 1, "{report:?}");
    assert_eq!((tags(&world)["size"].as_str(), tags(&world)["team"].as_str()), ("5", "two"));
    assert_eq!(fates(&world.plan(&other).await), []);
}

#[tokio::test]
async fn an_update_that_stopped_half_way_does_not_touch_them_when_it_is_finished() {
    let world = World::new();
    let more = "ignore_changes = [\"tags.size\"]";
    world.run(&file(r#"tags = { size = "1", team = "one" }"#, more)).await;
    set(&world, "size", "5");
    let other = file(r#"tags = { size = "1", team = "two" }"#, more);
    world.cloud.half.lock().unwrap().insert("a".into());
    assert_eq!(world.run(&other).await.failures.len(), 1);
    set(&world, "size", "6");
    assert!(world.run(&other).await.is_ok());
    assert_eq!((tags(&world)["size"].as_str(), tags(&world)["team"].as_str()), ("6", "two"));
}

#[tokio::test]
async fn what_is_made_anew_is_made_as_the_file_has_it() {
    let world = World::new();
    let more = "ignore_changes = [\"tags\", \"range\"]";
    world.run(&file(r#"range = "1", tags = { team = "one" }"#, more)).await;
    assert_eq!(fates(&world.plan(&file(r#"range = "2", tags = { team = "two" }"#, more)).await), []);
    let only_tags = "ignore_changes = [\"tags\"]";
    let other = file(r#"range = "2", tags = { team = "two" }"#, only_tags);
    let plan = world.plan(&other).await;
    assert_eq!(fates(&plan), [("a".to_owned(), "replace")]);
    assert!(plan.ignored.is_empty(), "{:?}", plan.ignored);
    assert!(world.run(&other).await.is_ok());
    assert_eq!(tags(&world)["team"], "two");
}

#[tokio::test]
async fn they_are_no_drift_and_others_are() {
    let world = World::new();
    let steps = file(r#"tags = { size = "1", team = "one" }"#, "ignore_changes = [\"tags.size\"]");
    world.run(&steps).await;
    set(&world, "size", "5");
    let engine = world.engine(&steps).await;
    let found = async |pipeline: &Pipeline| {
        let found = drift_from(pipeline, &world.registry(), &world.state(), 4).await.unwrap();
        serde_json::to_value(&found).unwrap()
    };
    assert_eq!(found(engine.pipeline()).await, json!([]));
    assert_eq!(drift(&world.registry(), &world.state(), 4).await.unwrap().len(), 1, "without the file, it is one");
    set(&world, "team", "two");
    let drift: Value = found(engine.pipeline()).await;
    assert_eq!(drift[0]["fields"].as_array().unwrap().len(), 1, "{drift}");
    assert_eq!(drift[0]["fields"][0]["path"], "tags.team");
    // Gone is gone.
    world.cloud.things.lock().unwrap().clear();
    assert_eq!(found(engine.pipeline()).await[0]["drift"], "gone");
}

#[tokio::test]
async fn a_step_that_is_renamed_gets_its_new_address_though_its_tags_are_ignored() {
    let world = World::new();
    let more = "ignore_changes = [\"tags\"]";
    let steps = file(r#"tags = { team = "one" }"#, more);
    world.run(&steps).await;
    let renamed = steps.replace("steps.s", "steps.t") + "[[moved]]\nfrom = \"s\"\nto = \"t\"\n";
    assert!(world.run(&renamed).await.is_ok());
    let all = world.cloud.things.lock().unwrap().values().next().unwrap().tags.clone();
    assert_eq!((all["llmhost:address"].as_str(), all["team"].as_str()), ("t/test.slot/a", "one"));
}

#[tokio::test]
async fn an_entry_that_names_no_field_is_refused_with_the_one_that_is_meant() {
    let world = World::new();
    for (ignored, said) in [
        ("tag", "'tag' is not a field of a resource that the step declares. Did you mean 'tags'?"),
        ("test.slot.rang", "Did you mean 'test.slot.range'?"),
        ("test.slot/b.tags", "Did you mean 'test.slot/a.tags'?"),
        ("everything", "Its fields are name, parents, range, tags"),
    ] {
        let text = refused(&world, &file("range = \"1\"", &format!("ignore_changes = [\"{ignored}\"]"))).await;
        assert!(text.starts_with("ignore_changes: ") && text.contains(said), "{ignored}: {text}");
    }
    // A key that may come is none.
    world.plan(&file("range = \"1\"", "ignore_changes = [\"tags.added-by-hand\"]")).await;
    // Of a step that is repeated, one is enough.
    let repeated = "[steps.s]\nuses = \"script:a\"\nfor_each = { a = \"a\", b = \"b\" }\n\
                    ignore_changes = [\"test.slot/b.tags\"]\nwith = { declare = [{ name = \"${each.value}\" }] }\n";
    world.plan(repeated).await;
}

#[test]
fn an_entry_that_is_no_path_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipeline.toml");
    for (text, said) in [
        ("ignore_changes = [\"a..b\"]", "'a..b' is not the path of a field"),
        ("ignore_changes = \"tags\"", "ignore_changes of [steps.s] must be a list of strings, not a string"),
        ("ignore_changes = [\"${vars.x}\"]", "every entry of ignore_changes of [steps.s] cannot hold a reference"),
    ] {
        let text = format!("[pipeline]\nname = \"x\"\nregion = \"us-east-1\"\n[steps.s]\nuses = \"s3\"\n{text}\n");
        std::fs::write(&path, text).unwrap();
        let found = Pipeline::load(&path, &[], &|_| None).expect_err("a problem");
        let problem = &found.problems[0];
        assert!(problem.message.contains(said) && problem.span.is_some() && problem.help.is_some(), "{problem:?}");
    }
}
