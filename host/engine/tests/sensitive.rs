//! Outputs that plugins mark as sensitive: other steps get them, and nobody sees them.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod support;

use std::sync::{Arc, Mutex};

use llmhost_engine::run::{Cancel, Events};
use llmhost_engine::secret::shown;
use serde_json::json;
use support::World;

const STEPS: &str = r#"
    [steps.first]
    uses = "script:secret-name,open-name"
    with = { declare = [{ name = "secret-name" }, { name = "open-name" }] }
    [steps.second]
    uses = "script:user"
    with = { declare = [{ name = "user", in = ["${first.secret-name}"] }] }
"#;

#[tokio::test]
async fn a_sensitive_output_is_given_to_other_steps_and_never_shown() {
    let world = World::new();
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&told);
    let events = Events::new(move |event| {
        // As a console shows it: what is hidden later was seen.
        let line = shown(&serde_json::to_string(&event).unwrap()).into_owned();
        listener.lock().unwrap().push(line);
    });
    let engine = world.engine_with(STEPS, 4, events).await;
    let store = world.store();
    let plan = Arc::new(engine.plan(&Arc::new(store.snapshot())).await.unwrap());
    let report = engine.apply(Arc::clone(&plan), Arc::clone(&store), Cancel::default()).await.unwrap();
    store.close().await.unwrap();
    assert!(report.is_ok(), "{report:?}");

    let (state, step) = (world.state(), |name: &str| name.parse().unwrap());
    let value = state.outputs[&step("first")]["secret-name"].as_str().unwrap().to_owned();
    let user = world.cloud.things.lock().unwrap().values().find(|thing| thing.name == "user").unwrap().parents.clone();
    assert_eq!(user, std::slice::from_ref(&value), "the other step has the value");
    let shown_outputs = |outputs: &[(_, serde_json::Value)]| {
        outputs.iter().map(|(_, one)| one["secret-name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(shown_outputs(&report.outputs), [json!("(sensitive)"), json!(null)]);
    assert_eq!(shown_outputs(&state.shown_outputs()), [json!("(sensitive)"), json!(null)]);
    assert_eq!(serde_json::to_value(&*plan).unwrap()["steps"][0]["outputs"]["secret-name"], "(sensitive)");
    let told = told.lock().unwrap().join("\n");
    assert!(told.contains("id-open-name") && told.contains("(sensitive)") && !told.contains(&value), "{told}");

    // The next run knows it from the state.
    let again = world.plan(STEPS).await;
    assert_eq!(again.steps[0].outputs["secret-name"], value.as_str());
    assert_eq!(serde_json::to_value(&again).unwrap()["steps"][0]["outputs"]["secret-name"], "(sensitive)");
}

#[tokio::test]
async fn a_renamed_step_keeps_its_marks_and_a_plugin_can_take_them_away() {
    let world = World::new();
    assert!(world.run(STEPS).await.is_ok());
    let renamed = STEPS.replace("first", "begin");
    let moved = format!("[[moved]]\nfrom = \"first\"\nto = \"begin\"\n{renamed}");
    assert!(world.run(&moved).await.is_ok());
    let state = world.state();
    let marks: Vec<_> = state.sensitive.iter().map(|(step, names)| format!("{step}: {names:?}")).collect();
    assert_eq!(marks, [r#"begin: {"secret-name"}"#]);
    let open = STEPS.replace("secret-name", "known-name");
    assert!(world.run(&open).await.is_ok());
    assert!(world.state().sensitive.is_empty(), "{:?}", world.state().sensitive);
}
