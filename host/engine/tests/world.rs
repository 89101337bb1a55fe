//! A state belongs to one world: in another one nothing of it is looked for, planned, or deleted.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use llmhost_engine::run::{self, Cancel, Destruction, Events, Selection, WorldError};
use llmhost_engine::state::{Change, State};
use llmhost_engine::world::{Part, World as Place};
use support::World;

const STEPS: &str = r#"
    [steps.one]
    uses = "script:a,b"
    with = { declare = [{ name = "a", range = "1" }, { name = "b", of = ["a"] }] }
"#;

fn parts(error: &WorldError) -> Vec<Part> {
    match error {
        WorldError::Differs(differences) => differences.iter().map(|difference| difference.part).collect(),
        other => panic!("{other}"),
    }
}

/// Everything that reads, changes or deletes what a state holds, and what each says of this place.
async fn refusals(world: &World) -> Vec<(&'static str, Option<Vec<Part>>)> {
    let (registry, state) = (world.registry(), world.state());
    let engine = world.engine("").await;
    let shared = Arc::new(state.clone());
    let plan = engine.plan(&shared).await.unwrap();
    let selection = Selection::default();
    let store = world.store();
    let all = vec![
        ("drift", run::drift(&registry, &state, 2).await.map(drop)),
        ("refresh", run::refresh(&registry, &state, 2).await.map(drop)),
        ("foresee", engine.foresee(&plan, &shared).await.map(drop)),
        ("destruction", Destruction::foresee(engine.pipeline(), &registry, &state, &selection, 2).await.map(drop)),
        ("apply", engine.apply(Arc::new(plan), Arc::clone(&store), Cancel::default()).await.map(drop)),
        (
            "destroy",
            run::destroy(registry, Arc::clone(&store), Events::none(), Cancel::default(), 2, &selection)
                .await
                .map(drop),
        ),
    ];
    store.close().await.unwrap();
    all.into_iter().map(|(what, result)| (what, result.err().map(|error| parts(&error)))).collect()
}

#[tokio::test]
async fn elsewhere_nothing_is_read_changed_or_deleted_and_the_state_stays_as_it_is() {
    let home = Place { account: Some("1".into()), endpoint: Some("http://a".into()), ..World::new().place };
    let elsewhere = |edit: fn(&mut Place)| {
        let mut place = home.clone();
        edit(&mut place);
        place
    };
    for (place, differs) in [
        (elsewhere(|place| place.region = "eu-west-1".into()), vec![Part::Region]),
        (
            elsewhere(|place| (place.partition, place.region) = ("two".into(), "cn-north-1".into())),
            vec![Part::Partition, Part::Region],
        ),
        (elsewhere(|place| place.endpoint = Some("http://b".into())), vec![Part::Endpoint]),
        (elsewhere(|place| place.endpoint = None), vec![Part::Endpoint]),
        (elsewhere(|place| place.account = Some("2".into())), vec![Part::Account]),
    ] {
        let mut world = World { place: home.clone(), ..World::new() };
        assert!(world.run(STEPS).await.is_ok());
        assert_eq!(world.state().world.as_ref(), Some(&home));
        let (before, things) = (world.state(), world.cloud.names());
        world.cloud.take_calls();
        world.place = place;
        for (what, refused) in refusals(&world).await {
            assert_eq!(refused.as_ref(), Some(&differs), "{what} at {:?}", world.place);
        }
        assert_eq!((world.state(), world.cloud.names()), (before, things));
        assert!(world.cloud.take_calls().is_empty());
        // Setting it back works.
        world.place = home.clone();
        assert!(world.run("").await.is_ok());
        assert!(world.cloud.names().is_empty());
    }
}

#[tokio::test]
async fn what_makes_no_call_takes_an_endpoint_that_it_was_not_given_for_the_states() {
    let home = Place { endpoint: Some("http://a".into()), ..World::new().place };
    let mut world = World { place: home.clone(), ..World::new() };
    world.run(STEPS).await;
    let told = async |world: &World, asks| {
        run::check_world(&world.registry(), &world.state(), asks).await.err().map(|error| parts(&error))
    };
    world.place.endpoint = None;
    assert_eq!(told(&world, false).await, None);
    assert_eq!(told(&world, true).await, Some(vec![Part::Endpoint]));
    world.place.endpoint = Some("http://b".into());
    assert_eq!(told(&world, false).await, Some(vec![Part::Endpoint]));
    world.place = Place { region: "eu-west-1".into(), ..home };
    assert_eq!(told(&world, false).await, Some(vec![Part::Region]));
}

#[tokio::test]
async fn a_state_that_is_older_than_pins_is_pinned_by_its_next_run_and_keeps_its_account() {
    let world = World::new();
    world.run(STEPS).await;
    let unpin = || {
        let mut state = world.state();
        state.world = None;
        let text = serde_json::json!({ "llmhost_state": 1, "serial": 9, "state": state });
        std::fs::write(world.state_folder().join("state.json"), text.to_string()).unwrap();
    };
    unpin();
    assert_eq!(world.state().world, None);
    // Its account is known as a fact.
    let other = World { place: Place { account: Some("2".into()), ..world.place.clone() }, ..World::new() };
    let registry = other.registry();
    assert_eq!(parts(&run::drift(&registry, &world.state(), 2).await.unwrap_err()), [Part::Account]);
    // A run that changes nothing pins it, too.
    world.cloud.take_calls();
    assert!(world.run(STEPS).await.is_ok());
    assert!(world.cloud.take_calls().is_empty());
    let pinned = Some(Place { account: Some("the sts.account-id".into()), ..world.place.clone() });
    assert_eq!(world.state().world, pinned);
    unpin();
    assert!(world.run(&STEPS.replace("\"1\"", "\"2\"")).await.is_ok());
    assert_eq!(world.state().world, pinned);
}

#[tokio::test]
async fn where_nothing_is_left_another_place_may_be_begun_in_and_nothing_of_the_old_one_is_taken_along() {
    let mut world = World::new();
    world.run(STEPS).await;
    let store = world.store();
    store.record(Change::Fact { key: "zone".into(), value: "us-east-1a".into() }).await.unwrap();
    store.close().await.unwrap();
    assert!(world.run("").await.is_ok());
    assert_eq!(world.state().facts.get("zone").map(String::as_str), Some("us-east-1a"));
    world.place.region = "eu-west-1".into();
    world.place.account = Some("2".into());
    assert!(world.run(STEPS).await.is_ok());
    let State { world: pinned, facts, .. } = world.state();
    assert_eq!(pinned, Some(world.place.clone()));
    assert_eq!(facts.into_iter().collect::<Vec<_>>(), [("sts.account-id".to_owned(), "2".to_owned())]);
}

#[tokio::test]
async fn only_the_endpoint_can_be_pinned_anew() {
    let mut world = World { place: Place { account: Some("1".into()), ..World::new().place }, ..World::new() };
    world.run(STEPS).await;
    world.place.endpoint = Some("http://b".into());
    let here = world.place.clone();
    let pinned = run::repinned(&world.registry(), &world.state()).await.unwrap();
    assert_eq!(pinned, [Change::World { world: here.clone() }]);
    for (place, part) in [
        (Place { region: "eu-west-1".into(), ..here.clone() }, Part::Region),
        (Place { account: Some("2".into()), ..here }, Part::Account),
    ] {
        world.place = place;
        assert_eq!(parts(&run::repinned(&world.registry(), &world.state()).await.unwrap_err()), [part]);
    }
}
