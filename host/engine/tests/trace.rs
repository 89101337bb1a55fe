//! Traces: what is written replays, and what departs is named.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod support;

use std::path::PathBuf;
use std::sync::Arc;

use llmhost_engine::run::Cancel;
use llmhost_engine::trace::{Ended, Outcome, Phase, Recording, Trace, TraceError, replay};
use support::{World, script};

const STEPS: &str = r#"
    [steps.network]
    uses = "script:net,a"
    with = { declare = [{ name = "net", range = "10" }, { name = "a", range = "10.1", of = ["net"] }] }
    [steps.cluster]
    uses = "script:node"
    with = { declare = [{ name = "node", in = ["${network.a}"] }] }
"#;

/// Runs a pipeline and gives its trace.
async fn traced(world: &World, steps: &str) -> String {
    let path: PathBuf = world.folder.path().join("trace.jsonl");
    let engine = world.engine(steps).await;
    let trace = Arc::new(Trace::begin(engine.pipeline(), Box::new(std::fs::File::create(&path).unwrap())));
    let engine = engine.with_trace(Some(Arc::clone(&trace)));
    let store = world.store();
    let plan = engine.plan(&Arc::new(store.snapshot())).await.unwrap();
    engine.apply(Arc::new(plan), Arc::clone(&store), Cancel::default()).await.unwrap();
    store.close().await.unwrap();
    trace.end().unwrap();
    std::fs::read_to_string(path).unwrap()
}

/// Replays every run of a trace with the plugin that wrote it.
async fn replayed(text: &str) -> Vec<(String, Outcome)> {
    let recording = Recording::read(text).unwrap();
    let mut outcomes = Vec::new();
    for run in &recording.runs {
        outcomes.push((run.begun.step.to_string(), replay(run, &script(&run.begun.uses)).await));
    }
    outcomes
}

#[tokio::test]
async fn a_trace_replays_to_the_same_calls_and_the_same_end() {
    let world = World::new();
    let text = traced(&world, STEPS).await;
    let recording = Recording::read(&text).unwrap();
    assert_eq!((recording.header.pipeline.as_str(), recording.torn), ("test", false));
    let runs: Vec<_> = recording.runs.iter().map(|run| (run.begun.step.as_str(), run.begun.phase)).collect();
    let expected = [Phase::Plan, Phase::Apply].map(|phase| [("network", phase), ("cluster", phase)]);
    assert_eq!(runs, expected.concat());
    // While planning, values are tokens; while applying, they are real.
    assert_eq!(recording.runs[1].begun.config["declare"][0]["in"][0], "<<network/test.slot/a#id>>");
    assert_eq!(recording.runs[3].begun.config["declare"][0]["in"][0], "id-a-2");
    assert!(matches!(&recording.runs[3].ended, Some(Ended::Outputs(outputs)) if outputs["node"] == "id-node-3"));

    world.cloud.take_calls();
    let outcomes = replayed(&text).await;
    assert!(outcomes.len() == 4 && outcomes.iter().all(|(_, outcome)| *outcome == Outcome::Same), "{outcomes:?}");
    assert!(world.cloud.take_calls().is_empty(), "a replay calls nobody");
}

#[tokio::test]
async fn an_error_is_part_of_a_trace() {
    let world = World::new();
    world.cloud.broken.lock().unwrap().insert("a".to_owned(), llmhost_engine::kind::ErrorClass::Quota);
    let text = traced(&world, STEPS).await;
    assert!(text.contains("\"gave\":{\"failure\":{\"code\":\"quota\""), "{text}");
    let outcomes = replayed(&text).await;
    assert!(outcomes.len() == 3 && outcomes.iter().all(|(_, outcome)| *outcome == Outcome::Same), "{outcomes:?}");
}

#[tokio::test]
async fn what_a_plugin_does_otherwise_is_named_with_its_place() {
    let text = traced(&World::new(), STEPS).await;
    let departure = async |from: &str, to: &str| {
        assert!(text.contains(from), "'{from}' is not in {text}");
        let outcomes = replayed(&text.replace(from, to)).await;
        match outcomes.into_iter().find(|(_, outcome)| *outcome != Outcome::Same) {
            Some((step, Outcome::Departed(departure))) => (step, departure),
            other => panic!("{from} -> {to}: {other:?}"),
        }
    };
    // Another spec: the fields are named.
    let (step, departed) = departure(r#""range":"10","parents":[]"#, r#""range":"11","parents":[]"#).await;
    let fields: Vec<_> = departed.changes.iter().map(|change| change.path.as_str()).collect();
    assert_eq!((step.as_str(), departed.call, fields), ("network", 1, vec!["spec.range"]));
    assert_eq!(departed.to_string(), "at call 1, it declares test.slot 'net' with other values than in the trace");
    // Another call.
    let (_, departed) = departure(
        r#"{"address":"network/test.slot/net","name":"id"}"#,
        r#"{"address":"network/test.slot/net","name":"arn"}"#,
    )
    .await;
    assert_eq!(
        (departed.call, departed.to_string()),
        (2, "at call 2, the trace says: it reads 'arn' of network/test.slot/net; now it reads 'id' of network/test.slot/net".to_owned())
    );
    // Another end.
    let (step, departed) = departure(r#""outputs":{"node":"id-node-3"}"#, r#""outputs":{"node":"id-x"}"#).await;
    assert_eq!((step.as_str(), departed.call, departed.changes[0].path.as_str()), ("cluster", 3, "node"));
    let (_, departed) = departure(r#""outputs":{"node":"id-node-3"}"#, r#""error":"it crashed""#).await;
    assert!(departed.to_string().contains("it ends with an error: it crashed; now it returns"), "{departed}");
    // A call too many, and one that is missing.
    let without: String =
        text.lines().filter(|line| !line.contains(r#""name":"a","spec""#)).map(|line| format!("{line}\n")).collect();
    assert!(replayed(&without).await.iter().any(|(_, outcome)| matches!(outcome, Outcome::Departed(_))));
    let (_, departed) = departure(r#""declare":[{"name":"node","in":["id-a-2"]}]"#, r#""declare":[]"#).await;
    assert!(
        departed.to_string().starts_with("at call 1, the trace says: it declares test.slot 'node'; now it returns"),
        "{departed}"
    );
}

#[tokio::test]
async fn a_trace_that_ends_early_replays_as_far_as_it_goes() {
    let text = traced(&World::new(), STEPS).await;
    let whole: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
    for cut in 1..text.len() {
        let Ok(recording) = Recording::read(&text[..cut]) else {
            assert!(cut < whole[0], "the first {cut} bytes cannot be read");
            continue;
        };
        assert_eq!(recording.torn, cut > whole[0] && !whole.contains(&cut), "{cut}");
        for run in &recording.runs {
            let outcome = replay(run, &script(&run.begun.uses)).await;
            assert_eq!(outcome, if run.ended.is_some() { Outcome::Same } else { Outcome::Cut }, "{cut}");
        }
    }
}

#[tokio::test]
async fn a_file_that_is_no_trace_says_what_is_wrong() {
    let text = traced(&World::new(), STEPS).await;
    let header = text.lines().next().unwrap();
    let damaged = |line, reason: &str| TraceError::Damaged { line, reason: reason.to_owned() };
    for (text, error) in [
        (String::new(), TraceError::NotATrace),
        ("[pipeline]\nname = \"x\"\n".to_owned(), TraceError::NotATrace),
        (text.replace("\"llmhost_trace\":2", "\"llmhost_trace\":9"), TraceError::Version { found: 9 }),
        (
            format!("{header}\n{{\"entry\":\"end\",\"run\":7,\"outputs\":{{}}}}\n"),
            damaged(2, "the run has not started"),
        ),
        (
            text.clone() + "{\"entry\":\"end\",\"run\":0,\"outputs\":{}}\n",
            damaged(text.lines().count() + 1, "the run has already ended"),
        ),
        (
            text.clone() + &format!("{}\n", text.lines().nth(1).unwrap()),
            damaged(text.lines().count() + 1, "the run starts twice"),
        ),
    ] {
        assert_eq!(Recording::read(&text).map(drop), Err(error));
    }
    let garbage = Recording::read(&format!("{header}\ngarbage\n")).map(drop);
    assert!(matches!(garbage, Err(TraceError::Damaged { line: 2, .. })), "{garbage:?}");
}

struct Full;

impl std::io::Write for Full {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::Error::from(std::io::ErrorKind::StorageFull))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_run_goes_on_without_its_trace_and_says_so() {
    let world = World::new();
    let engine = world.engine(STEPS).await;
    let trace = Arc::new(Trace::begin(engine.pipeline(), Box::new(Full)));
    let engine = engine.with_trace(Some(Arc::clone(&trace)));
    let plan = engine.plan(&Arc::new(world.state())).await.unwrap();
    assert_eq!(plan.summary().create, 3);
    assert_eq!(trace.end().unwrap_err().kind(), std::io::ErrorKind::StorageFull);
}
