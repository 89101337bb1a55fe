//! A region, a profile or a role of a step's own: what it makes is made, read, found and deleted there.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use llmhost_engine::names::{ResourceAddress, StepName};
use llmhost_engine::plan::Plan;
use llmhost_engine::run::{self, Cancel, Events, PlanError, Selection, WorldError};
use llmhost_engine::world::Part;
use support::World;

const ROLE: &str = "arn:aws:iam::123456789012:role/deploy";
const EDGE: &str = "in eu-west-1";

/// Two steps that make the same, the second elsewhere.
fn steps(placement: &str) -> String {
    format!(
        r#"
        [steps.home]
        uses = "script:a"
        with = {{ declare = [{{ name = "a", range = "1" }}] }}
        [steps.edge]
        uses = "script:a"
        {placement}
        with = {{ declare = [{{ name = "a", range = "1" }}] }}
        "#
    )
}

fn step(name: &str) -> StepName {
    name.parse().unwrap()
}

async fn refused(world: &World, file: &str) -> WorldError {
    let engine = world.engine(file).await;
    let plan = engine.plan(&Arc::new(world.state())).await.unwrap();
    let store = world.store();
    let applied = engine.apply(Arc::new(plan), Arc::clone(&store), Cancel::default()).await;
    let error = applied.err().unwrap_or_else(|| panic!("not refused: {file}"));
    store.close().await.unwrap();
    error
}

async fn destroy(world: &World) {
    let store = world.store();
    let (events, cancel, all) = (Events::none(), Cancel::default(), Selection::default());
    let report = run::destroy(world.registry(), Arc::clone(&store), events, cancel, 2, &all).await.unwrap();
    assert!(report.is_ok(), "{:?}", report.failures);
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_step_makes_reads_and_deletes_where_it_says_and_a_destroy_needs_no_file() {
    let world = World::new();
    let file = steps("region = \"eu-west-1\"");
    assert!(world.run(&file).await.is_ok());
    let edge = world.cloud_at(EDGE);
    // The same range twice is no clash, in two regions.
    assert_eq!((world.cloud.names(), edge.names()), (vec!["a".to_owned()], vec!["a".to_owned()]));
    let placed = world.state().placements[&step("edge")].clone();
    assert_eq!((placed.placement.to_string().as_str(), placed.world.region.as_str()), (EDGE, "eu-west-1"));

    let again = world.run(&file).await;
    assert!(again.is_ok() && again.done.operations() == 0);
    assert!(run::drift(&world.registry(), &world.state(), 2).await.unwrap().is_empty());
    edge.things.lock().unwrap().clear();
    let drift = run::drift(&world.registry(), &world.state(), 2).await.unwrap();
    let gone: Vec<String> = drift.iter().map(|drift| drift.address.to_string()).collect();
    assert_eq!(gone, ["edge/test.slot/a"]);

    let mut state = world.state();
    run::refresh(&world.registry(), &state, 2).await.unwrap().apply_to(&mut state);
    assert!(world.engine(&file).await.plan(&Arc::new(state)).await.unwrap().summary().create == 1);
    edge.things.lock().unwrap().insert(
        world.state().resources[&"edge/test.slot/a".parse::<ResourceAddress>().unwrap()].current.clone().unwrap().id,
        serde_json::from_str(r#"{ "name": "a", "range": "1" }"#).unwrap(),
    );
    destroy(&world).await;
    assert_eq!((world.cloud.names(), edge.names()), (Vec::new(), Vec::new()));
    assert!(world.state().placements.is_empty());
}

#[tokio::test]
async fn what_a_step_made_elsewhere_goes_there_when_it_leaves_the_file() {
    let world = World::new();
    world.run(&steps(&format!("region = \"eu-west-1\"\nassume_role = \"{ROLE}\""))).await;
    let edge = world.cloud_at(&format!("{EDGE} as {ROLE}"));
    assert_eq!(world.state().placements[&step("edge")].world.account.as_deref(), Some(ROLE));
    let file = steps("").split("[steps.edge]").next().unwrap().to_owned();
    assert!(world.run(&file).await.is_ok());
    assert_eq!((world.cloud.names(), edge.names()), (vec!["a".to_owned()], Vec::new()));
    assert!(world.state().placements.is_empty());
}

#[tokio::test]
async fn another_region_or_account_for_what_is_there_is_refused_and_another_way_to_the_same_one_is_not() {
    let world = World::new();
    assert!(world.run(&steps("region = \"eu-west-1\"")).await.is_ok());
    let edge = world.cloud_at(EDGE);
    for (placement, part) in [
        ("", Part::Region),
        ("region = \"eu-west-2\"", Part::Region),
        (&*format!("region = \"eu-west-1\"\nassume_role = \"{ROLE}\""), Part::Account),
    ] {
        // Something to do, so that it asks.
        let file = steps(placement).replace("\"1\"", "\"2\"");
        let before = world.state();
        let error = refused(&world, &file).await;
        let WorldError::StepDiffers { step, differences } = &error else { panic!("{error}") };
        assert_eq!((step.as_str(), differences[0].part), ("edge", part), "{placement}");
        let told = format!("{error} {}", error.advice());
        assert!(told.contains("--target edge"), "{told}");
        assert_eq!((world.state(), edge.names()), (before, vec!["a".to_owned()]));
    }
    // Offline, the region is known.
    let engine = world.engine(&steps("region = \"eu-west-2\"")).await;
    let registry = world.registry().placed(engine.pipeline().placements());
    let offline = run::check_world(&registry, &world.state(), false).await;
    assert!(matches!(offline, Err(WorldError::StepDiffers { .. })));

    let file = steps("region = \"eu-west-1\"\nprofile = \"new\"");
    world
        .cloud_at(&format!("{EDGE} with profile new"))
        .things
        .lock()
        .unwrap()
        .extend(edge.things.lock().unwrap().clone());
    assert!(world.run(&file.replacen("\"1\"", "\"3\"", 1)).await.is_ok());
    assert_eq!(world.state().placements[&step("edge")].placement.profile.as_deref(), Some("new"));
}

#[tokio::test]
async fn a_move_into_another_place_is_refused_and_a_rename_takes_the_place_along() {
    let world = World::new();
    assert!(world.run(&steps("region = \"eu-west-1\"")).await.is_ok());
    let renamed = |placement: &str| {
        steps(placement).replace("steps.edge", "steps.border") + "\n[[moved]]\nfrom = \"edge\"\nto = \"border\"\n"
    };
    let plan =
        async |file: &str| -> Result<Plan, PlanError> { world.engine(file).await.plan(&Arc::new(world.state())).await };
    let error = plan(&renamed("")).await.unwrap_err();
    let told = error.failures[0].reason.to_string();
    assert!(told.contains("cannot be moved") && told.contains(EDGE), "{told}");
    // Without the move it is no move: it goes there, and is made here.
    let unsaid = steps("").replace("steps.edge", "steps.border").replacen("\"1\"", "\"9\"", 1);
    let summary = plan(&unsaid).await.unwrap().summary();
    assert_eq!((summary.create, summary.delete), (1, 1));

    let file = renamed("region = \"eu-west-1\"");
    assert!(world.run(&file).await.is_ok());
    assert_eq!(world.state().placements.keys().map(StepName::as_str).collect::<Vec<_>>(), ["border"]);
    assert_eq!(world.cloud_at(EDGE).names(), ["a"]);
    destroy(&world).await;
    assert!(world.cloud_at(EDGE).names().is_empty());
}

#[tokio::test]
async fn a_look_up_looks_where_it_says() {
    let world = World::new();
    world
        .cloud_at(EDGE)
        .things
        .lock()
        .unwrap()
        .insert("id-there".to_owned(), serde_json::from_str(r#"{ "name": "there" }"#).unwrap());
    let file = r#"
        [existing.there]
        kind = "test.slot"
        name = "there"
        region = "eu-west-1"
        [steps.one]
        uses = "script:a"
        with = { declare = [{ name = "a", tags = { of = "${existing.there.id}" } }] }
    "#;
    let engine = world.engine(file).await.asking();
    let plan = engine.plan(&Arc::new(world.state())).await.unwrap();
    assert_eq!(plan.existing[0].ids, Some(vec!["id-there".to_owned()]));
    let error = world.engine(&file.replace("eu-west-1", "eu-west-2")).await.asking();
    let error = error.plan(&Arc::new(world.state())).await.unwrap_err();
    assert!(error.failures[0].reason.to_string().contains("in eu-west-2"), "{}", error.failures[0].reason);
}

#[tokio::test]
async fn what_an_interrupted_create_made_elsewhere_is_found_there() {
    let world = World::new();
    let edge = world.cloud_at(EDGE);
    edge.silent.lock().unwrap().insert("a".to_owned());
    let file = steps("region = \"eu-west-1\"");
    assert!(!world.run(&file).await.is_ok());
    assert!(world.run(&file).await.is_ok());
    assert_eq!(edge.names(), ["a"]);
    destroy(&world).await;
    assert!(edge.names().is_empty());
}
