//! The state in a bucket: one at a time, nothing lost, and damage said with its place.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "support/bucket.rs"]
mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use llmhost_engine::state::{BucketStore, LeaseSettings, Recovered, StateError, StateStore};
use support::{Fault, MemoryBucket, numbers, open, read, seen, settings, shared, step};

async fn refused(bucket: &Arc<MemoryBucket>) -> StateError {
    BucketStore::open(shared(bucket), "test", settings("destroy")).await.err().expect("it is refused")
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

/// Where something is missing, nobody is told to cut off what is good.
fn unfit(error: &StateError, words: &[&str]) {
    let (text, advice) = (error.to_string(), error.advice().unwrap());
    assert!(words.iter().all(|words| text.contains(words)), "{text}");
    assert!(!text.contains("cut it") && advice.contains("Do not truncate"), "{text}: {advice}");
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
    unfit(&refused(&bucket).await, &[segment, "this segment is missing"]);
    bucket.set(segment, line.as_bytes());
    bucket.remove(snapshot);
    unfit(&refused(&bucket).await, &["continues snapshot 1"]);
    bucket.set(snapshot, good.as_bytes());
    assert_eq!(numbers(&seen(&open(&bucket).await.0)), [1, 2, 3].into());
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
async fn a_snapshot_that_is_missing_is_never_taken_for_an_empty_one() {
    let bucket: Arc<MemoryBucket> = Arc::default();
    bucket.set("history/why.md", "not ours, and tells nothing");
    for n in 1..4 {
        let (store, _) = open(&bucket).await;
        store.record(step(n)).await.unwrap();
        store.close().await.unwrap();
    }
    let good = bucket.object("state.json").unwrap();
    bucket.remove("state.json");
    for error in [refused(&bucket).await, BucketStore::read(&*bucket, "test").await.unwrap_err()] {
        let text = error.to_string();
        assert!(matches!(error, StateError::Missing { .. }), "{text}");
        for words in ["memory://bucket/state.json is missing", "memory://bucket/history/0000000002.json"] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }
    bucket.set("state.json", good.as_bytes());
    assert_eq!(numbers(&read(&bucket).await), [1, 2, 3].into());
    // As is moved from a folder: a snapshot, and nothing else.
    let moved: Arc<MemoryBucket> = Arc::default();
    moved.set("state.json", good.as_bytes());
    assert_eq!(numbers(&seen(&open(&moved).await.0)), [1, 2, 3].into());
}

/// What others keep below `history/`, in the order of their keys.
const FOREIGN: [&str; 5] = [
    "history/",
    "history/0000000001.json.gz",
    "history/000000001.json",
    "history/before the move.json",
    "history/of/0000000001.json",
];

#[tokio::test]
async fn only_the_last_snapshots_are_kept_and_nothing_of_others_is_deleted() {
    let bucket: Arc<MemoryBucket> = Arc::default();
    FOREIGN.iter().for_each(|key| bucket.set(key, "not ours"));
    for n in 0..14 {
        let (store, _) = open(&bucket).await;
        store.record(step(n)).await.unwrap();
        store.close().await.unwrap();
    }
    let (foreign, ours): (Vec<_>, Vec<_>) =
        bucket.all().into_iter().filter(|key| key.starts_with("history/")).partition(|key| FOREIGN.contains(&&**key));
    assert_eq!((ours.len(), ours[0].as_str()), (10, "history/0000000004.json"));
    assert_eq!(foreign, FOREIGN);
}
