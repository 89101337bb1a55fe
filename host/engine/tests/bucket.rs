//! The state in a bucket: one at a time, nothing lost, nothing overwritten, in whatever order
//! those who are late come.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "support/bucket.rs"]
mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use llmhost_engine::state::{Bucket, BucketStore, Change, LeaseSettings, Recovered, State, StateError, StateStore};
use serde_json::json;
use support::{Fault, MemoryBucket};

fn settings(command: &str) -> LeaseSettings {
    LeaseSettings { command: command.into(), ttl: Duration::from_secs(30), by_force: false }
}

fn by_force() -> LeaseSettings {
    LeaseSettings { by_force: true, ..settings("state unlock") }
}

fn shared(bucket: &Arc<MemoryBucket>) -> Arc<dyn Bucket> {
    Arc::clone(bucket) as _
}

async fn open(bucket: &Arc<MemoryBucket>) -> (BucketStore, Vec<Recovered>) {
    BucketStore::open(shared(bucket), "test", settings("run")).await.unwrap()
}

async fn refused(bucket: &Arc<MemoryBucket>) -> StateError {
    BucketStore::open(shared(bucket), "test", settings("destroy")).await.err().expect("it is refused")
}

fn step(n: usize) -> Change {
    Change::StepDone { step: format!("s{n}").parse().unwrap(), outputs: json!({ "n": n }) }
}

async fn read(bucket: &Arc<MemoryBucket>) -> State {
    BucketStore::read(&**bucket, "test").await.unwrap()
}

fn seen(store: &BucketStore) -> State {
    (store as &dyn StateStore).snapshot()
}

fn numbers(state: &State) -> BTreeSet<u64> {
    state.outputs.values().map(|outputs| outputs["n"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn what_is_recorded_is_there_again_and_an_orderly_end_leaves_one_readable_document() {
    let bucket = Arc::default();
    let (store, notes) = open(&bucket).await;
    assert_eq!(notes, []);
    store.record(step(1)).await.unwrap();
    assert_eq!(numbers(&read(&bucket).await), [1].into());
    store.close().await.unwrap();
    assert_eq!(bucket.all(), ["lease.json", "state.json"]);
    assert!(bucket.object("state.json").unwrap().contains("\"llmhost_state\": 1"));
    let (store, notes) = open(&bucket).await;
    assert_eq!((numbers(&seen(&store)), notes), ([1].into(), vec![]));
    store.record(step(2)).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(bucket.all(), ["history/0000000001.json", "lease.json", "state.json"]);
    assert_eq!(numbers(&read(&bucket).await), [1, 2].into());
}

#[tokio::test]
async fn a_run_that_records_nothing_writes_nothing_but_the_lease() {
    let bucket: Arc<MemoryBucket> = Arc::default();
    open(&bucket).await.0.close().await.unwrap();
    assert_eq!(bucket.all(), ["lease.json"]);
    let (store, _) = open(&bucket).await;
    store.record(step(1)).await.unwrap();
    store.close().await.unwrap();
    let before = bucket.object("state.json");
    open(&bucket).await.0.close().await.unwrap();
    assert_eq!((bucket.object("state.json"), bucket.puts("state.json")), (before, 1));
}

#[tokio::test]
async fn of_two_at_once_one_goes_on_and_the_other_is_told_who_and_for_how_long() {
    let bucket = Arc::default();
    let (store, _) = open(&bucket).await;
    bucket.pass(Duration::from_secs(12));
    let error = refused(&bucket).await;
    let said = error.to_string();
    let process = std::process::id().to_string();
    for words in ["memory://bucket/", "llmhost run", &process, "for 12 s", "ends in 19 s"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(error.advice().unwrap().contains("state unlock"), "{error}");
    assert!(BucketStore::holder(&*bucket).await.unwrap().unwrap().contains("llmhost run"));
    store.record(step(1)).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(BucketStore::holder(&*bucket).await.unwrap(), None);
    let attempts = (0..8).map(|_| BucketStore::open(shared(&bucket), "test", settings("run")));
    let opened: Vec<_> = futures::future::join_all(attempts).await.into_iter().filter_map(Result::ok).collect();
    assert_eq!(opened.len(), 1, "of eight at once one goes on");
}

#[tokio::test]
async fn what_a_dead_holder_left_is_taken_in_when_the_lease_has_run_out() {
    let bucket = Arc::default();
    let (store, _) = open(&bucket).await;
    store.record(step(1)).await.unwrap();
    store.record(step(2)).await.unwrap();
    drop(store);
    bucket.pass(Duration::from_secs(30));
    assert!(matches!(refused(&bucket).await, StateError::Held { .. }), "a second for what the clock rounds");
    bucket.pass(Duration::from_secs(1));
    assert!(BucketStore::holder(&*bucket).await.unwrap().unwrap().contains("has run out"));
    let (store, notes) = open(&bucket).await;
    assert!(
        matches!(&notes[..], [Recovered::TakenOver { from }, Recovered::Unended { changes: 2 }] if from.contains("llmhost run")),
        "{notes:?}"
    );
    assert_eq!(numbers(&seen(&store)), [1, 2].into());
    store.close().await.unwrap();
    assert!(open(&bucket).await.1.is_empty());
}

#[tokio::test]
async fn whoever_is_late_is_fenced_off_and_overwrites_nothing() {
    let bucket = Arc::default();
    let (late, _) = open(&bucket).await;
    late.record(step(1)).await.unwrap();
    bucket.pass(Duration::from_secs(31));
    let (store, _) = open(&bucket).await;
    let error = late.record(step(2)).await.unwrap_err();
    assert!(matches!(&error, StateError::TakenOver { by, .. } if by.contains("llmhost run")), "{error}");
    store.record(step(3)).await.unwrap();
    assert!(matches!(late.close().await, Err(StateError::TakenOver { .. })));
    store.record(step(4)).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(numbers(&read(&bucket).await), [1, 3, 4].into());
}

#[tokio::test]
async fn a_late_snapshot_of_one_who_was_taken_over_is_refused() {
    let bucket = Arc::default();
    let (late, _) = open(&bucket).await;
    late.record(step(1)).await.unwrap();
    bucket.pass(Duration::from_secs(31));
    let (store, _) = open(&bucket).await;
    let before = bucket.object("state.json");
    // It has written nothing since it was taken over, and does not know.
    assert!(matches!(late.close().await, Err(StateError::TakenOver { .. })));
    assert_eq!(bucket.object("state.json"), before);
    store.record(step(2)).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(numbers(&read(&bucket).await), [1, 2].into());
}

#[tokio::test]
async fn a_change_that_comes_before_the_fence_is_taken_in() {
    let bucket: Arc<MemoryBucket> = Arc::default();
    let (late, _) = open(&bucket).await;
    bucket.pass(Duration::from_secs(31));
    let held = bucket.hold("journal/0000000000-0000000001");
    let other = tokio::spawn({
        let bucket = Arc::clone(&bucket);
        async move { open(&bucket).await.0 }
    });
    held.reached.await.unwrap();
    late.record(step(1)).await.unwrap();
    held.go.send(()).unwrap();
    let store = other.await.unwrap();
    assert_eq!(numbers(&seen(&store)), [1].into());
    assert!(matches!(late.record(step(2)).await, Err(StateError::TakenOver { .. })));
}

#[tokio::test]
async fn a_snapshot_that_comes_before_the_one_of_whoever_takes_over_is_taken_in() {
    let bucket: Arc<MemoryBucket> = Arc::default();
    let (late, _) = open(&bucket).await;
    late.record(step(1)).await.unwrap();
    bucket.pass(Duration::from_secs(31));
    let held = bucket.hold("state.json");
    let other = tokio::spawn({
        let bucket = Arc::clone(&bucket);
        async move { open(&bucket).await.0 }
    });
    held.reached.await.unwrap();
    late.close().await.unwrap();
    held.go.send(()).unwrap();
    let store = other.await.unwrap();
    store.record(step(2)).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(numbers(&read(&bucket).await), [1, 2].into());
}

#[tokio::test]
async fn whoever_falls_asleep_while_taking_over_does_not_take_it_back() {
    let bucket: Arc<MemoryBucket> = Arc::default();
    let (first, _) = open(&bucket).await;
    first.record(step(1)).await.unwrap();
    drop(first);
    bucket.pass(Duration::from_secs(31));
    let held = bucket.hold("get state.json");
    let sleeper = tokio::spawn(BucketStore::open(shared(&bucket), "test", settings("destroy")));
    held.reached.await.unwrap();
    bucket.pass(Duration::from_secs(31));
    let (store, _) = open(&bucket).await;
    held.go.send(()).unwrap();
    let error = sleeper.await.unwrap().err().expect("it was taken over");
    assert!(matches!(&error, StateError::TakenOver { by, .. } if by.contains("llmhost run")), "{error}");
    store.record(step(2)).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(numbers(&read(&bucket).await), [1, 2].into());
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_known_again() {
    let bucket = Arc::default();
    for key in ["lease.json", "journal/", "state.json"] {
        MemoryBucket::spoil(&bucket, key, 1, Fault::Twice);
    }
    let (store, _) = open(&bucket).await;
    store.record(step(1)).await.unwrap();
    store.record(step(2)).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(numbers(&read(&bucket).await), [1, 2].into());
    assert!(open(&bucket).await.1.is_empty(), "it was given back");
}

#[tokio::test]
async fn a_lease_is_renewed_while_the_run_goes_on() {
    let bucket: Arc<MemoryBucket> = Arc::default();
    let short = LeaseSettings { ttl: Duration::from_millis(90), ..settings("run") };
    let (store, _) = BucketStore::open(shared(&bucket), "test", short).await.unwrap();
    MemoryBucket::spoil(&bucket, "lease.json", 1, Fault::Twice);
    let began = Instant::now();
    while bucket.puts("lease.json") < 8 {
        assert!(began.elapsed() < Duration::from_secs(20), "it is not renewed");
        tokio::time::sleep(Duration::from_millis(5)).await;
        bucket.pass(Duration::from_millis(5));
    }
    store.record(step(1)).await.unwrap();
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_lease_that_cannot_be_renewed_ends_what_may_begin_but_not_what_is_recorded() {
    let bucket: Arc<MemoryBucket> = Arc::default();
    let short = LeaseSettings { ttl: Duration::from_millis(60), ..settings("run") };
    let (store, _) = BucketStore::open(shared(&bucket), "test", short).await.unwrap();
    assert!(store.check().is_ok());
    bucket.spoil("lease.json", usize::MAX, Fault::Fails);
    let began = Instant::now();
    let error = loop {
        if let Err(error) = store.check() {
            break error;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "it never runs out");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert!(matches!(&error, StateError::Expired { reason, .. } if reason.contains("the bucket is out")), "{error}");
    // What was done is done.
    store.record(step(1)).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(numbers(&read(&bucket).await), [1].into());
    assert!(store.check().is_ok(), "a closed state begins nothing");
}

#[tokio::test]
async fn after_a_segment_that_failed_no_other_is_promised_and_the_end_saves_everything() {
    let bucket: Arc<MemoryBucket> = Arc::default();
    let (store, _) = open(&bucket).await;
    bucket.spoil("journal/", 1, Fault::Fails);
    let error = store.record(step(1)).await.unwrap_err();
    assert!(error.to_string().contains("cannot write memory://bucket/journal/0000000000-0000000001.jsonl"), "{error}");
    assert!(store.record(step(2)).await.is_err());
    store.close().await.unwrap();
    assert_eq!(numbers(&read(&bucket).await), [1, 2].into());
}

#[tokio::test]
async fn a_snapshot_that_failed_leaves_the_journal_to_the_next_run() {
    let bucket: Arc<MemoryBucket> = Arc::default();
    let (store, _) = open(&bucket).await;
    store.record(step(1)).await.unwrap();
    bucket.spoil("state.json", 1, Fault::Fails);
    assert!(store.close().await.unwrap_err().to_string().contains("state.json"));
    let (store, notes) = open(&bucket).await;
    assert_eq!((numbers(&seen(&store)), notes), ([1].into(), vec![Recovered::Unended { changes: 1 }]));
}

#[tokio::test]
async fn a_reader_sees_one_moment_even_while_the_journal_becomes_a_snapshot() {
    let bucket: Arc<MemoryBucket> = Arc::default();
    let (store, _) = open(&bucket).await;
    store.record(step(1)).await.unwrap();
    let held = bucket.hold("get journal/");
    let reader = tokio::spawn({
        let bucket = Arc::clone(&bucket);
        async move { read(&bucket).await }
    });
    held.reached.await.unwrap();
    store.record(step(2)).await.unwrap();
    store.close().await.unwrap();
    held.go.send(()).unwrap();
    assert_eq!(numbers(&reader.await.unwrap()), [1, 2].into());
}

#[tokio::test]
async fn damage_is_said_with_its_place_and_the_state_is_given_back() {
    let bucket: Arc<MemoryBucket> = Arc::default();
    let (store, _) = open(&bucket).await;
    store.record(step(1)).await.unwrap();
    store.close().await.unwrap();
    let (store, _) = open(&bucket).await;
    store.record(step(2)).await.unwrap();
    store.record(step(3)).await.unwrap();
    drop(store);
    bucket.pass(Duration::from_secs(31));
    let keys = ["state.json", "journal/0000000001-0000000001.jsonl", "lease.json"];
    let [snapshot, segment, lease] = keys;
    let [good, line, held] = keys.map(|key| bucket.object(key).unwrap());
    let cases: &[(&str, String, &str)] = &[
        (snapshot, String::new(), "it is empty"),
        (snapshot, good[..good.len() / 2].into(), "line"),
        (snapshot, "\u{0}garbage".into(), "line 1"),
        (snapshot, good.replace("\"llmhost_state\": 1", "\"llmhost_state\": 9"), "version 9"),
        (snapshot, good.replace("\"test\"", "\"other\""), "belongs to the pipeline 'other'"),
        (snapshot, good.replace("\"n\": 1", "\"n\": 8"), "checksum is wrong"),
        (segment, String::new(), "it is empty"),
        (segment, line[..line.len() - 9].into(), "it is cut off"),
        (segment, line.replace("\"n\":2", "\"n\":7"), "it is cut off, or its checksum is wrong"),
        (segment, good.clone(), "damaged at line 1"),
        (lease, "{".into(), "is damaged"),
        (lease, held.replace("\"llmhost_lease\": 1", "\"llmhost_lease\": 9"), "version 9"),
    ];
    for (key, text, words) in cases {
        bucket.set(key, text.as_bytes());
        let error = refused(&bucket).await.to_string();
        assert!(error.contains(words) && error.contains(&format!("memory://bucket/{key}")), "{words}: {error}");
        for (key, text) in keys.iter().zip([&good, &line, &held]) {
            bucket.set(key, text.as_bytes());
        }
        bucket.pass(Duration::from_secs(31));
    }
    bucket.remove(segment);
    let error = refused(&bucket).await.to_string();
    assert!(error.contains(segment) && error.contains("missing"), "{error}");
    bucket.set(segment, line.as_bytes());
    bucket.remove(snapshot);
    let error = refused(&bucket).await.to_string();
    assert!(error.contains("continues snapshot 1"), "{error}");
    bucket.set(snapshot, good.as_bytes());
    assert_eq!(numbers(&seen(&open(&bucket).await.0)), [1, 2, 3].into());
}

#[tokio::test]
async fn a_lease_that_was_removed_or_spoilt_by_hand_costs_nothing() {
    let bucket: Arc<MemoryBucket> = Arc::default();
    let (store, _) = open(&bucket).await;
    store.record(step(1)).await.unwrap();
    bucket.remove("lease.json");
    let (other, _) = open(&bucket).await;
    assert!(matches!(store.record(step(2)).await, Err(StateError::TakenOver { .. })));
    other.record(step(3)).await.unwrap();
    bucket.set("lease.json", "garbage");
    let (third, _) = BucketStore::open(shared(&bucket), "test", by_force()).await.unwrap();
    assert!(matches!(other.record(step(4)).await, Err(StateError::TakenOver { .. })));
    third.close().await.unwrap();
    assert_eq!(numbers(&read(&bucket).await), [1, 3].into());
}

#[tokio::test]
async fn changes_that_wait_together_are_one_object() {
    let bucket: Arc<MemoryBucket> = Arc::default();
    let store = Arc::new(open(&bucket).await.0);
    let records = (0..500).map(|n| {
        let store = Arc::clone(&store);
        async move { store.record(step(n)).await.unwrap() }
    });
    futures::future::join_all(records).await;
    let segments = store.cost().syncs.load(Ordering::Relaxed);
    assert!(segments <= 5, "{segments} objects for 500 changes");
    store.close().await.unwrap();
    assert_eq!(read(&bucket).await.outputs.len(), 500);
}

#[tokio::test]
async fn only_the_last_snapshots_are_kept() {
    let bucket: Arc<MemoryBucket> = Arc::default();
    for n in 0..14 {
        let (store, _) = open(&bucket).await;
        store.record(step(n)).await.unwrap();
        store.close().await.unwrap();
    }
    let history: Vec<_> = bucket.all().into_iter().filter(|key| key.starts_with("history/")).collect();
    assert_eq!((history.len(), history[0].as_str()), (10, "history/0000000004.json"));
}

/// Holders that take the state from each other at any moment, and record as fast as they can:
/// whatever was acknowledged to anybody is there in the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_was_acknowledged_to_anybody_is_there_in_the_end() {
    for round in 0..20 {
        let bucket: Arc<MemoryBucket> = Arc::default();
        let operators = (0..4).map(|operator| {
            let bucket = Arc::clone(&bucket);
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for life in 0..5 {
                    let Ok((store, _)) = BucketStore::open(shared(&bucket), "test", by_force()).await else { continue };
                    for n in 0..10 {
                        let number = operator * 1000 + life * 100 + n;
                        match store.record(step(number)).await {
                            Ok(()) => acknowledged.push(number as u64),
                            Err(StateError::TakenOver { .. }) => break,
                            Err(error) => panic!("{error}"),
                        }
                    }
                    if (operator + life + round) % 3 != 0 {
                        // A conflict is said, and nothing else.
                        assert!(matches!(store.close().await, Ok(()) | Err(StateError::TakenOver { .. })));
                    }
                }
                acknowledged
            })
        });
        let mut acknowledged = BTreeSet::new();
        for operator in operators.collect::<Vec<_>>() {
            acknowledged.extend(operator.await.unwrap());
        }
        let there = numbers(&read(&bucket).await);
        let lost: Vec<_> = acknowledged.difference(&there).collect();
        assert!(lost.is_empty(), "lost: {lost:?}");
        assert!(!acknowledged.is_empty());
    }
}
