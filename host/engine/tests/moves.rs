//! Steps and resources that are called otherwise: recognised, or declared in `[[moved]]`.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod support;

use llmhost_engine::pipeline::Pipeline;
use llmhost_engine::plan::{Move, Plan};
use llmhost_engine::state::Change;
use support::{World, fates};

const NETWORK: &str = r#"
    [steps.network]
    uses = "script:net,a"
    protect = true
    with = { declare = [{ name = "net", range = "10" }, { name = "a", range = "10.1", of = ["net"] }] }
    [steps.cluster]
    uses = "script:node"
    with = { declare = [{ name = "node", in = ["${network.a}"] }] }
"#;

fn moves(plan: &Plan) -> Vec<String> {
    let told = |change: &Move| match change {
        Move::Step { from, to } => format!("{from} -> {to}"),
        Move::Resource { from, to } => format!("{from} -> {to}"),
    };
    plan.moves.iter().map(told).collect()
}

#[tokio::test]
async fn a_renamed_step_keeps_its_resources_and_what_hangs_on_them() {
    let world = World::new();
    assert!(world.run(NETWORK).await.is_ok());
    let renamed = NETWORK.replace("network", "vpc");
    let plan = world.plan(&renamed).await;
    // The tags say where in the pipeline they stand.
    let updates = ["net", "a"].map(|name| (name.to_owned(), "update"));
    assert_eq!((moves(&plan), fates(&plan)), (vec!["network -> vpc".to_owned()], updates.to_vec()));
    let before: Vec<String> = world.cloud.things.lock().unwrap().keys().cloned().collect();
    let report = world.run(&renamed).await;
    assert!(report.is_ok() && report.done.changes() == 2, "{report:?}");
    assert_eq!(world.cloud.things.lock().unwrap().keys().cloned().collect::<Vec<_>>(), before, "the same ids");
    let state = world.state();
    assert!(state.resources.keys().all(|address| address.step().as_str() != "network"));
    assert!(state.protected.iter().any(|step| step.as_str() == "vpc"));
    assert!(world.plan(&renamed).await.is_empty());
}

#[tokio::test]
async fn a_move_that_stopped_half_way_is_ended_in_either_direction() {
    let world = World::new();
    assert!(world.run(NETWORK).await.is_ok());
    let renamed = NETWORK.replace("network", "vpc");
    let state = world.state();
    let first = state.resources.keys().find(|address| address.step().as_str() == "network").unwrap().clone();
    let to = first.in_step(&"vpc".parse().unwrap());
    let store = world.store();
    store.record(Change::Moved { from: first.clone(), to: to.clone() }).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    // Back, while the file has the old name; and on, once it has the new one.
    assert_eq!(moves(&world.plan(NETWORK).await), [format!("{to} -> {first}")]);
    let plan = world.plan(&renamed).await;
    assert!(
        moves(&plan).iter().all(|told| told.starts_with("network/") && told.contains(" -> vpc/")),
        "{:?}",
        moves(&plan)
    );
    assert!(fates(&plan).iter().all(|(_, fate)| *fate == "update"), "{:?}", fates(&plan));
    assert!(world.run(&renamed).await.is_ok());
    assert!(world.plan(&renamed).await.is_empty());
}

#[tokio::test]
async fn a_step_that_declares_something_else_is_another_step() {
    let world = World::new();
    let unprotected = NETWORK.replace("protect = true", "");
    assert!(world.run(&unprotected).await.is_ok());
    let other = unprotected.replace("network", "vpc").replace("\"10\"", "\"11\"");
    let plan = world.plan(&other).await;
    assert_eq!(moves(&plan), Vec::<String>::new());
    assert!(fates(&plan).contains(&("net".to_owned(), "delete")));
}

#[tokio::test]
async fn of_two_steps_that_could_be_the_old_one_neither_is_guessed() {
    let world = World::new();
    let step = |name: &str| {
        format!("[steps.{name}]\nuses = \"script:x\"\nwith = {{ declare = [{{ name = \"x\", disk = true }}] }}\n")
    };
    assert!(world.run(&step("a")).await.is_ok());
    let plan = world.plan(&(step("b") + &step("c"))).await;
    assert_eq!(moves(&plan), Vec::<String>::new());
    let declared = step("b") + &step("c") + "[[moved]]\nfrom = \"a\"\nto = \"c\"\n";
    let plan = world.plan(&declared).await;
    assert_eq!(
        (moves(&plan), fates(&plan)),
        (vec!["a -> c".to_owned()], [("x".to_owned(), "create"), ("x".to_owned(), "update")].to_vec())
    );
    assert!(world.run(&declared).await.is_ok());
    assert!(world.plan(&declared).await.is_empty(), "a move that was made is no change");
}

#[tokio::test]
async fn a_resource_that_keeps_its_name_in_the_cloud_keeps_its_life() {
    let world = World::new();
    let groups = |list: &[(&str, &str)], member: &str| {
        let entries = list
            .iter()
            .map(|(at, name)| format!(r#"{{ kind = "test.group", at = "{at}", spec = {{ name = "{name}" }} }},"#));
        let entries: String = entries.collect();
        let first = list[0].0;
        format!(
            "[steps.iam]\nuses = \"keyed\"\nwith = {{ declare = [{entries} {{ kind = \"test.member\", at = \"{member}\", \
             spec = {{ name = \"m\", groups = [\"@test.group/{first}\"] }} }},\
             {{ kind = \"test.entry\", at = \"e-{member}\", spec = {{ name = \"e\", of = \"@test.member/{member}\" }} }}] }}"
        )
    };
    assert!(world.run(&groups(&[("0", "read"), ("1", "write")], "0")).await.is_ok());
    world.keyed.take_calls();
    // The first of a list is taken out, and names become names.
    let after = groups(&[("write", "write"), ("admin", "admin")], "m");
    let plan = world.plan(&after).await;
    let expected = [
        "iam/test.group/1 -> iam/test.group/write",
        "iam/test.member/0 -> iam/test.member/m",
        "iam/test.entry/e-0 -> iam/test.entry/e-m",
    ];
    assert_eq!(moves(&plan), expected);
    let report = world.run(&after).await;
    assert!(report.is_ok(), "{report:?}");
    let calls = world.keyed.take_calls();
    assert_eq!(calls, ["create test.group/admin", "update test.member/m", "delete test.group/read"], "{calls:?}");
    assert!(world.plan(&after).await.is_empty());
}

#[test]
fn a_move_that_makes_no_sense_is_said_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pipeline.toml");
    let head = "[pipeline]\nname = \"t\"\nregion = \"us-east-1\"\n[steps.a]\nuses = \"script:x\"\n";
    for (moved, said) in [
        ("[[moved]]\nfrom = \"a\"\nto = \"b\"", "step 'a' is still declared"),
        ("[[moved]]\nfrom = \"x\"\nto = \"b\"", "there is no step 'b'"),
        ("[[moved]]\nfrom = \"x\"\nto = \"a/test.slot/y\"", "a step and a resource cannot take each other's place"),
        ("[[moved]]\nfrom = \"a/test.slot/y\"\nto = \"a/test.disk/y\"", "their kinds differ"),
        ("[[moved]]\nfrom = \"A B\"\nto = \"a\"", "'A B' is neither a step nor a resource"),
        ("[[moved]]\nfrom = \"x\"", "[[moved]] has no 'to'"),
        ("[moved]\nfrom = \"x\"", "moved must be a list of tables"),
    ] {
        std::fs::write(&file, format!("{head}{moved}\n")).unwrap();
        let problems = Pipeline::load(&file, &[], &|_| None).unwrap_err().problems;
        let messages: Vec<_> = problems.iter().map(|problem| problem.message.clone()).collect();
        assert!(messages.iter().any(|message| message.contains(said)), "{moved}: {messages:?}");
        assert!(problems.iter().all(|problem| problem.span.is_some()), "{moved}");
    }
}

#[tokio::test]
async fn a_move_to_where_something_is_already_is_refused_and_deletes_nothing() {
    let world = World::new();
    let step = |name: &str| {
        format!(
            "[steps.{name}]\nuses = \"script:x\"\nwith = {{ declare = [{{ name = \"x\", range = \"{name}\" }}] }}\n"
        )
    };
    assert!(world.run(&(step("one") + &step("two"))).await.is_ok());
    for (from, to) in [("one", "two"), ("one/test.slot/x", "two/test.slot/x")] {
        let file = step("two") + &format!("[[moved]]\nfrom = \"{from}\"\nto = \"{to}\"\n");
        let engine = world.engine(&file).await;
        let error = engine.plan(&std::sync::Arc::new(world.state())).await.unwrap_err();
        let told = format!("{:?} {}", error.failures[0].address, error.failures[0].reason);
        assert!(told.contains("cannot move one/test.slot/x here") && told.contains("state rm"), "{told}");
    }
    assert_eq!(world.cloud.names(), ["x", "x"]);
}
