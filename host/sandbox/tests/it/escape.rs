//! WASI is there, and nothing is behind it.

use std::sync::Arc;

use llmhost_engine::plugin::{Limits, LogLevel, PluginError};
use serde_json::{Value, json};

use crate::fake::{Notes, load, loader, run};
use crate::support::guest;

async fn found(deed: &str) -> Value {
    let notes = Arc::new(Notes::default());
    run("wasi", json!({"do": deed}), Limits::default(), &notes).await.expect("it runs")["found"].take()
}

#[tokio::test]
async fn a_guest_finds_nothing_outside() {
    for (deed, nothing) in [
        ("environment", json!([[], [], null, 0])),
        ("network", json!(["access-denied", "access-denied", "permanent-resolver-failure"])),
        ("clocks", json!([1_735_689_600, 2000, 1_000_001_000])),
        ("stdin", json!("at its end")),
    ] {
        assert_eq!(found(deed).await, nothing, "{deed}");
    }
}

#[tokio::test]
async fn random_numbers_are_the_same_in_every_run() {
    let first = found("random").await;
    assert_eq!(first, found("random").await);
    assert!(first.as_array().unwrap().iter().all(|number| number != 0), "{first}");
}

#[tokio::test]
async fn what_it_prints_goes_to_the_log_line_by_line() {
    let notes = Arc::new(Notes::default());
    run("wasi", json!({"do": "print"}), Limits::default(), &notes).await.expect("it runs");
    let messages = notes.messages.lock().unwrap();
    assert!(messages.iter().all(|(level, _)| *level == LogLevel::Debug));
    let lines: Vec<_> = messages.iter().map(|(_, line)| line.as_str()).collect();
    // Standard output and error are two streams, and what has no end of line comes when its stream goes.
    assert_eq!(lines[..4], ["one", "two", "!", "\u{fffd}"]);
    assert_eq!(lines[4..].iter().collect::<std::collections::BTreeSet<_>>(), [&"last", &"three"].into());
}

#[tokio::test]
async fn printing_is_counted_like_any_message() {
    let notes = Arc::new(Notes::default());
    run("wasi", json!({"do": "print-much"}), Limits::default(), &notes).await.expect("it runs");
    assert_eq!(notes.messages.lock().unwrap().len(), 1001);
}

#[tokio::test]
async fn ending_itself_and_asking_for_a_terabyte_are_crashes() {
    let notes = Arc::new(Notes::default());
    let loader = loader();
    let plugin = load(&loader, &guest("wasi"), &Limits::default()).await.expect("a plugin");
    for (deed, part) in [("exit", "exited with code 1"), ("much-random", "exceeds limit")] {
        match plugin.run(&json!({"do": deed}), notes.clone()).await {
            Err(PluginError::Trapped(crash)) => assert!(crash.reason.contains(part), "{deed}: {crash}"),
            other => panic!("{deed}: {other:?}"),
        }
    }
}
