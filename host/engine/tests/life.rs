//! The life of a pipeline: made, made again, changed, taken apart.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod support;

use std::sync::Arc;

use llmhost_engine::kind::ErrorClass;
use llmhost_engine::plan::{TextStyle, show};
use llmhost_engine::run::{Cancel, Departure, Event, Events, Operation, Reason, Selection, destroy, drift};
use support::{World, fates};

const NETWORK: &str = r#"
    [steps.network]
    uses = "script:net,a,b"
    with = { declare = [
        { name = "net", range = "10" },
        { name = "a", range = "10.1", of = ["net"] },
        { name = "b", range = "10.2", of = ["net"] },
    ] }
    [steps.cluster]
    uses = "script:node"
    with = { declare = [{ name = "node", in = ["${network.a}"] }] }
"#;

fn create(names: &[&str]) -> Vec<(String, &'static str)> {
    names.iter().map(|name| ((*name).to_owned(), "create")).collect()
}

#[tokio::test]
async fn a_first_run_makes_everything_and_a_second_changes_nothing() {
    let world = World::new();
    assert_eq!(fates(&world.plan(NETWORK).await), create(&["net", "a", "b", "node"]));
    assert!(world.cloud.take_calls().is_empty(), "a plan calls nobody");
    let report = world.run(NETWORK).await;
    assert!(report.is_ok(), "{report:?}");
    assert_eq!(
        (report.done.create, world.cloud.names()),
        (4, vec!["a".into(), "b".into(), "net".into(), "node".into()])
    );

    let before = std::fs::read(world.state_folder().join("state.json")).unwrap();
    world.cloud.take_calls();
    let again = world.run(NETWORK).await;
    assert!(again.is_ok() && again.done.changes() == 0 && again.done.keep == 4, "{again:?}");
    assert!(world.cloud.take_calls().is_empty());
    assert_eq!(std::fs::read(world.state_folder().join("state.json")).unwrap(), before, "nothing was written");
}

#[tokio::test]
async fn a_changed_range_replaces_that_resource_and_what_hangs_on_it_and_nothing_else() {
    let world = World::new();
    world.run(NETWORK).await;
    world.cloud.take_calls();
    let changed = NETWORK.replace("10.1", "10.9");
    assert_eq!(fates(&world.plan(&changed).await), [("a".to_owned(), "replace"), ("node".to_owned(), "replace")]);
    let report = world.run(&changed).await;
    assert!(report.is_ok(), "{report:?}");
    assert_eq!(report.done.replace, 2);
    assert_eq!(world.cloud.take_calls(), ["delete node", "delete a", "create a", "create node"]);
    assert_eq!(fates(&world.plan(&changed).await), []);
}

#[tokio::test]
async fn what_can_live_beside_its_successor_is_deleted_last() {
    let world = World::new();
    let disk = NETWORK.replace(r#"{ name = "net","#, r#"{ disk = true, name = "net","#);
    world.run(&disk).await;
    world.cloud.take_calls();
    let report = world.run(&disk.replace(r#""10" }"#, r#""11" }"#)).await;
    assert!(report.is_ok(), "{report:?}");
    let calls = world.cloud.take_calls();
    assert_eq!(calls.first().map(String::as_str), Some("create net"), "{calls:?}");
    assert_eq!(calls.last().map(String::as_str), Some("delete net"), "{calls:?}");
    assert_eq!(world.cloud.names(), ["a", "b", "net", "node"]);
}

#[tokio::test]
async fn a_changed_tag_updates_in_place() {
    let world = World::new();
    world.run(NETWORK).await;
    world.cloud.take_calls();
    let tagged = NETWORK.replace(r#"name = "b", range"#, r#"tags = { team = "ml" }, name = "b", range"#);
    let plan = world.plan(&tagged).await;
    assert_eq!(fates(&plan), [("b".to_owned(), "update")]);
    let changes = &plan.resources.values().find(|planned| !planned.changes.is_empty()).unwrap().changes;
    assert_eq!(changes[0].path, "tags.team");
    assert!(world.run(&tagged).await.is_ok());
    assert_eq!(world.cloud.take_calls(), ["update b"]);
}

#[tokio::test]
async fn an_update_that_stopped_half_way_is_finished_from_what_is_there() {
    let tagged = |tags: &str| NETWORK.replace(r#"name = "b", range"#, &format!(r#"tags = {tags}, name = "b", range"#));
    let tags = |world: &World| {
        let things = world.cloud.things.lock().unwrap();
        things
            .values()
            .find(|thing| thing.name == "b")
            .unwrap()
            .tags
            .keys()
            .filter(|tag| !tag.contains(':'))
            .cloned()
            .collect::<Vec<_>>()
    };
    let world = World::new();
    world.run(&tagged(r#"{ old = "1" }"#)).await;
    world.cloud.half.lock().unwrap().insert("b".into());
    assert_eq!(world.run(&tagged(r#"{ new = "1" }"#)).await.failures.len(), 1);
    assert_eq!(tags(&world), ["new", "old"], "half of it was done");
    // It is shown as the update that it is, from what was there before it.
    let plan = world.plan(&tagged(r#"{ new = "1" }"#)).await;
    assert_eq!(fates(&plan), [("b".to_owned(), "update")]);
    let changes: Vec<_> = plan.resources.values().flat_map(|planned| &planned.changes).collect();
    let paths: Vec<_> = changes.iter().map(|change| (change.path.as_str(), change.old.is_some())).collect();
    assert_eq!(paths, [("tags.new", false), ("tags.old", true)]);
    assert!(show(&plan, TextStyle::default()).contains("earlier run that did not finish"));
    let found = drift(&world.registry(), &world.state(), 4).await.unwrap();
    assert!(found.is_empty(), "what the update did, and did not do, is nobody else's: {found:?}");
    // To the end, or to somewhere else: what was there before and what was done of the update both go.
    let report = world.run(&tagged(r#"{ other = "1" }"#)).await;
    assert!(report.is_ok(), "{report:?}");
    assert_eq!((report.done.create, report.done.update), (0, 1));
    assert_eq!(tags(&world), ["other"]);
    assert_eq!(fates(&world.plan(&tagged(r#"{ other = "1" }"#)).await), []);
}

#[tokio::test]
async fn an_update_that_the_service_refuses_is_an_update_in_the_next_plan_and_counted_as_one() {
    let world = World::new();
    world.run(NETWORK).await;
    let tagged = NETWORK.replace(r#"name = "b", range"#, r#"tags = { team = "ml" }, name = "b", range"#);
    world.cloud.refused.lock().unwrap().insert("b".into());
    assert_eq!(world.run(&tagged).await.failures.len(), 1);
    let plan = world.plan(&tagged).await;
    let shown = show(&plan, TextStyle::default());
    assert_eq!(fates(&plan), [("b".to_owned(), "update")], "{shown}");
    assert!(shown.contains("~ test.slot/b  (left by an import, or by an earlier run that did not finish)"), "{shown}");
    assert!(shown.contains("+ tags.team: \"ml\"") && shown.contains("0 to create, 1 to update"), "{shown}");
    assert!(shown.contains("! restarts b: Update") && shown.contains("1 change interrupts something"), "{shown}");
    assert!(drift(&world.registry(), &world.state(), 4).await.unwrap().is_empty());
    // Undone in the file, what may have been done of it is still undone.
    assert_eq!(fates(&world.plan(NETWORK).await), [("b".to_owned(), "update")]);
    world.cloud.refused.lock().unwrap().clear();
    let report = world.run(&tagged).await;
    assert!(report.is_ok() && report.done.update == 1 && report.done.create == 0, "{report:?}");
}

#[tokio::test]
async fn a_wait_ends_when_the_run_is_stopped_and_the_next_run_goes_on_with_it() {
    let world = World::new();
    world.cloud.slow.lock().unwrap().insert("net".into());
    let stop_at_progress = || {
        let cancel = Cancel::default();
        let stop = cancel.clone();
        let events = Events::new(move |event| {
            if matches!(event, Event::OperationProgress { .. }) {
                stop.cancel();
            }
        });
        (cancel, events)
    };
    let (cancel, events) = stop_at_progress();
    let engine = world.engine_with(NETWORK, 4, events).await;
    let store = world.store();
    let plan = Arc::new(engine.plan(&Arc::new(store.snapshot())).await.unwrap());
    let report = engine.apply(plan, Arc::clone(&store), cancel).await.unwrap();
    store.close().await.unwrap();
    assert!(report.interrupted && report.failures.is_empty(), "{report:?}");
    let [waiting] = &report.waiting[..] else { panic!("{report:?}") };
    assert_eq!((waiting.operation, waiting.waiting.as_str()), (Operation::Create, "waiting for net"));
    assert_eq!(fates(&world.plan(NETWORK).await)[0], ("net".to_owned(), "finish"));

    world.cloud.slow.lock().unwrap().clear();
    world.cloud.take_calls();
    assert!(world.run(NETWORK).await.is_ok());
    assert_eq!(world.cloud.take_calls(), ["create a", "create b", "create node"], "net was made");

    // A deletion that is waited for stays in the state, too.
    world.cloud.slow.lock().unwrap().insert("node".into());
    let (cancel, events) = stop_at_progress();
    let (registry, all) = (world.registry(), Selection::default());
    let store = world.store();
    let report = destroy(Arc::clone(&registry), Arc::clone(&store), events, cancel, 4, &all).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(report.waiting[0].operation, Operation::Delete);
    let left = world.state().resources;
    let stays = |name: &str| left.keys().any(|address| address.name() == name);
    assert!(stays("node") && stays("a") && stays("net"), "what is not gone is not forgotten: {left:?}");
    world.cloud.slow.lock().unwrap().clear();
    let store = world.store();
    let report = destroy(registry, Arc::clone(&store), Events::none(), Cancel::default(), 4, &all).await.unwrap();
    store.close().await.unwrap();
    assert!(report.is_ok() && world.state().resources.is_empty(), "{report:?}");
}

#[tokio::test]
async fn a_replacement_that_could_not_be_made_is_undone_by_undoing_it_in_the_file() {
    let world = World::new();
    let disk = NETWORK.replace(r#"{ name = "net","#, r#"{ disk = true, name = "net","#);
    world.run(&disk).await;
    let before = world.cloud.things.lock().unwrap().clone();
    world.cloud.broken.lock().unwrap().insert("net".into(), ErrorClass::Quota);
    let report = world.run(&disk.replace(r#""10" }"#, r#""11" }"#)).await;
    assert_eq!(report.failures.len(), 1, "{report:?}");
    world.cloud.take_calls();
    assert_eq!(fates(&world.plan(&disk).await), [], "the one that was there counts again");
    assert!(world.run(&disk).await.is_ok() && world.cloud.take_calls().is_empty());
    assert_eq!(*world.cloud.things.lock().unwrap(), before);
}

#[tokio::test]
async fn what_a_left_out_step_uses_is_not_taken_away_from_it() {
    let world = World::new();
    world.run(NETWORK).await;
    let before = world.cloud.things.lock().unwrap().clone();
    let engine = world.engine(&NETWORK.replace("10.1", "10.9")).await;
    let selection = Selection::new(engine.pipeline(), &[], &["cluster".to_owned()]).unwrap();
    let (engine, store) = (engine.with_selection(selection), world.store());
    let error = engine.plan(&Arc::new(store.snapshot())).await.unwrap_err();
    store.close().await.unwrap();
    let [failure] = &error.failures[..] else { panic!("{error:?}") };
    assert_eq!(failure.to_string(), "not deleted, because cluster/test.slot/node still uses it");
    assert_eq!(*world.cloud.things.lock().unwrap(), before);
}

#[tokio::test]
async fn a_replacement_without_an_answer_is_found_or_made_by_the_next_run() {
    let disk = NETWORK.replace(r#"{ name = "net","#, r#"{ disk = true, name = "net","#);
    let other = disk.replace(r#""10" }"#, r#""11" }"#);
    for found in [true, false] {
        let world = World::new();
        world.run(&disk).await;
        world.cloud.silent.lock().unwrap().insert("net".into());
        assert_eq!(world.run(&other).await.failures.len(), 1);
        if !found {
            // The call never got there.
            world.cloud.things.lock().unwrap().retain(|_, thing| thing.name != "net" || thing.range != "11");
        }
        let report = world.run(&other).await;
        assert!(report.is_ok(), "{found}: {report:?}");
        assert_eq!(world.cloud.names(), ["a", "b", "net", "node"], "{found}");
        assert!(world.cloud.things.lock().unwrap().values().any(|thing| thing.range == "11"));
        assert_eq!(fates(&world.plan(&other).await), []);
    }
}

#[tokio::test]
async fn what_is_no_longer_declared_is_deleted_users_first() {
    let world = World::new();
    world.run(NETWORK).await;
    world.cloud.take_calls();
    let less = r#"
        [steps.network]
        uses = "script:net"
        with = { declare = [{ name = "net", range = "10" }] }
    "#;
    let plan = world.plan(less).await;
    assert_eq!(fates(&plan), [("node".to_owned(), "delete"), ("a".to_owned(), "delete"), ("b".to_owned(), "delete")]);
    assert!(world.run(less).await.is_ok());
    let calls = world.cloud.take_calls();
    let at = |call: &str| calls.iter().position(|c| c == call).unwrap();
    assert!(at("delete node") < at("delete a") && calls.len() == 3, "{calls:?}");
    assert!(world.state().outputs.keys().all(|step| step.as_str() == "network"));
}

#[tokio::test]
async fn a_failure_stops_its_dependents_only_and_is_reported_once_and_a_second_run_goes_on() {
    let world = World::new();
    world.cloud.broken.lock().unwrap().insert("a".into(), ErrorClass::Quota);
    let two =
        format!("{NETWORK}\n[steps.other]\nuses = \"script:alone\"\nwith = {{ declare = [{{ name = \"alone\" }}] }}");
    let report = world.run(&two).await;
    assert_eq!(report.failures.len(), 1, "{report:?}");
    let failure = &report.failures[0];
    assert_eq!(failure.address.as_ref().unwrap().to_string(), "network/test.slot/a");
    assert!(matches!(&failure.reason, Reason::Operation(error) if error.request_id.as_deref() == Some("req-1")));
    let skipped: Vec<_> = report.skipped.iter().map(|(step, by)| (step.as_str(), by.as_str())).collect();
    assert_eq!(skipped, [("cluster", "network")]);
    assert_eq!(world.cloud.names(), ["alone", "b", "net"]);
    world.cloud.broken.lock().unwrap().clear();
    world.cloud.take_calls();
    assert!(world.run(&two).await.is_ok());
    assert_eq!(world.cloud.take_calls(), ["create a", "create node"]);
}

#[tokio::test]
async fn a_create_without_an_answer_is_found_again_and_not_made_twice() {
    let world = World::new();
    world.cloud.silent.lock().unwrap().insert("net".into());
    let report = world.run(NETWORK).await;
    assert_eq!((report.failures.len(), world.cloud.names()), (1, vec!["net".to_owned()]));
    assert_eq!(fates(&world.plan(NETWORK).await)[0], ("net".to_owned(), "finish"));
    world.cloud.take_calls();
    assert!(world.run(NETWORK).await.is_ok());
    let calls = world.cloud.take_calls();
    assert!(!calls.contains(&"create net".to_owned()) && calls.len() == 3, "{calls:?}");
}

#[tokio::test]
async fn an_apply_that_departs_from_its_plan_is_refused() {
    let one = |entry: &str| format!("[steps.s]\nuses = \"script:x\"\nwith = {{ declare = [{entry}] }}");
    for (entry, expected) in [
        (r#"{ name = "x", range = "1", drifts = true }"#, "differs"),
        (r#"{ name = "x", range = "1", only_when_planning = true }"#, "undeclared"),
    ] {
        let world = World::new();
        let report = world.run(&one(entry)).await;
        let [failure] = &report.failures[..] else { panic!("{report:?}") };
        let found = match &failure.reason {
            Reason::NotAsPlanned(Departure::Differs { .. }) => "differs",
            Reason::NotAsPlanned(Departure::Undeclared(_)) => "undeclared",
            other => panic!("{other:?}"),
        };
        assert_eq!(found, expected);
        assert!(world.cloud.take_calls().is_empty(), "nothing was done");
    }
}

#[tokio::test]
async fn every_problem_of_a_plan_is_reported_at_once() {
    let world = World::new();
    let engine = world
        .engine(
            r#"
            [steps.one]
            uses = "script:x"
            with = { declare = [{ name = "x", range = "bad" }] }
            [steps.two]
            uses = "script:y,z"
            with = { declare = [{ name = "y", range = "7" }, { name = "z", range = "7" }] }
            [steps.three]
            uses = "script:w"
            with = { declare = [{ name = "w" }, { name = "w" }] }
            [steps.four]
            uses = "script:v"
            with = { declare = [{ name = "v", in = ["${three.w}"] }] }
            "#,
        )
        .await;
    let error = engine.plan(&Arc::default()).await.unwrap_err();
    let mut all: Vec<_> = error.failures.iter().map(ToString::to_string).collect();
    all.sort();
    assert_eq!(
        all,
        [
            "has the range of two/test.slot/y",
            "has the range of two/test.slot/z",
            "one/test.slot/x: the range is bad",
            "three/test.slot/w: declared twice; two resources of one kind in a step need two names",
        ]
    );
    assert_eq!(error.skipped.len(), 1);
}

#[tokio::test]
async fn destroy_deletes_everything_users_first_and_goes_on_where_it_stopped() {
    let world = World::new();
    world.run(NETWORK).await;
    // Somebody else's, in the way.
    let a = world.state().outputs.values().find_map(|outputs| Some(outputs["a"].as_str()?.to_owned())).unwrap();
    let foreign =
        support::Spec { name: "foreign".into(), range: String::new(), parents: vec![a], tags: Default::default() };
    world.cloud.things.lock().unwrap().insert("id-foreign".into(), foreign);
    let store = world.store();
    let report = destroy(world.registry(), store.clone(), Events::none(), Cancel::default(), 4, &Selection::default())
        .await
        .unwrap();
    store.close().await.unwrap();
    assert_eq!(world.cloud.names(), ["a", "foreign", "net"], "{report:?}");
    let reasons: Vec<_> =
        report.failures.iter().map(|f| (f.address.as_ref().unwrap().name(), f.reason.to_string())).collect();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(reasons.iter().any(|(name, why)| *name == "net" && why.contains("network/test.slot/a still uses it")));

    world.cloud.things.lock().unwrap().remove("id-foreign");
    let store = world.store();
    let report = destroy(world.registry(), store.clone(), Events::none(), Cancel::default(), 4, &Selection::default())
        .await
        .unwrap();
    store.close().await.unwrap();
    assert!(report.is_ok() && world.cloud.names().is_empty(), "{report:?}");
    assert!(world.state().resources.is_empty() && world.state().outputs.is_empty());
}

#[tokio::test]
async fn a_cancelled_run_starts_nothing_more() {
    let world = World::new();
    let engine = world.engine(NETWORK).await;
    let store = world.store();
    let plan = Arc::new(engine.plan(&Arc::new(store.snapshot())).await.unwrap());
    let cancel = Cancel::default();
    cancel.cancel();
    let report = engine.apply(plan, store, cancel).await.unwrap();
    assert!(report.interrupted && report.failures.is_empty(), "{report:?}");
    assert!(world.cloud.names().is_empty());
}
