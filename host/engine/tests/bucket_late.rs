//! The state in a bucket: nothing lost and nothing overwritten, in whatever order those who are
//! late come.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "support/bucket.rs"]
mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use llmhost_engine::state::{BucketStore, LeaseSettings, StateError, StateStore};
use support::{MemoryBucket, by_force, numbers, open, read, seen, settings, shared, step};

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
async fn whoever_is_refused_once_begins_nothing_more() {
    let bucket: Arc<MemoryBucket> = Arc::default();
    let long = LeaseSettings { ttl: Duration::from_secs(3600), ..settings("run") };
    let (late, _) = BucketStore::open(shared(&bucket), "test", long).await.unwrap();
    late.record(step(1)).await.unwrap();
    let _other = BucketStore::open(shared(&bucket), "test", by_force()).await.unwrap();
    assert!(late.check().is_ok(), "its own lease is good for an hour, and nobody told it yet");
    let refused = late.record(step(2)).await.unwrap_err();
    let error = late.check().unwrap_err();
    assert!(matches!(&error, StateError::TakenOver { by, .. } if by.contains("state unlock")), "{error}");
    assert_eq!(error.to_string(), refused.to_string());
}

#[tokio::test]
async fn whoever_finds_another_lease_begins_nothing_while_asking_whose_it_is() {
    let elsewhere: Arc<MemoryBucket> = Arc::default();
    let _theirs = BucketStore::open(shared(&elsewhere), "test", by_force()).await.unwrap();
    let bucket: Arc<MemoryBucket> = Arc::default();
    let ttl = Duration::from_secs(3);
    let (late, _) = BucketStore::open(shared(&bucket), "test", LeaseSettings { ttl, ..settings("run") }).await.unwrap();
    let refused = bucket.hold("get lease.json");
    // Whoever asks again is never answered.
    let _never = bucket.hold("get lease.json");
    bucket.set("lease.json", elsewhere.object("lease.json").unwrap());
    refused.reached.await.unwrap();
    refused.go.send(()).unwrap();
    let error = loop {
        if let Err(error) = late.check() {
            break error;
        }
        tokio::task::yield_now().await;
    };
    assert!(matches!(&error, StateError::TakenOver { by, .. } if by.contains("state unlock")), "{error}");
}

#[tokio::test]
async fn only_the_lease_that_was_shown_is_broken_and_only_for_the_pipeline_of_the_state() {
    let bucket: Arc<MemoryBucket> = Arc::default();
    let (first, _) = open(&bucket).await;
    first.record(step(1)).await.unwrap();
    let shown = BucketStore::shown(&*bucket).await.unwrap().unwrap();
    assert!(shown.to_string().contains("llmhost run"), "{shown}");
    let held = bucket.object("lease.json");
    let error =
        BucketStore::break_lease(shared(&bucket), "other", settings("state unlock"), &shown).await.err().unwrap();
    assert!(matches!(error, StateError::OtherPipeline { .. }), "{error}");
    assert_eq!(bucket.object("lease.json"), held, "it is not even touched");
    first.close().await.unwrap();
    assert_eq!(BucketStore::shown(&*bucket).await.unwrap(), None);
    let (second, _) = BucketStore::open(shared(&bucket), "test", settings("destroy")).await.unwrap();
    let broken = |shown| {
        let bucket = shared(&bucket);
        async move { BucketStore::break_lease(bucket, "test", settings("state unlock"), &shown).await }
    };
    let error = broken(shown).await.err().unwrap();
    assert!(matches!(&error, StateError::OtherHolder { holder, .. } if holder.contains("llmhost destroy")), "{error}");
    second.record(step(2)).await.unwrap();
    let shown = BucketStore::shown(&*bucket).await.unwrap().unwrap();
    broken(shown).await.unwrap().0.close().await.unwrap();
    assert!(second.record(step(3)).await.is_err());
    bucket.set("lease.json", "garbage");
    let shown = BucketStore::shown(&*bucket).await.unwrap().unwrap();
    assert!(shown.to_string().contains("is damaged"), "{shown}");
    broken(shown).await.unwrap().0.close().await.unwrap();
    assert_eq!(numbers(&read(&bucket).await), [1, 2].into());
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
