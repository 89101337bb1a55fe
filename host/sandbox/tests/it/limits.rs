//! Plugins that want too much are stopped, by name, and nothing else is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use llmhost_engine::plugin::{Limits, PluginError};
use serde_json::{Value, json};

use crate::fake::{Notes, load, loader, run};
use crate::support::guest;

fn memory(bytes: u64) -> Limits {
    Limits { memory: Some(bytes), ..Limits::default() }
}

fn time(limit: Duration) -> Limits {
    Limits { time: Some(limit), ..Limits::default() }
}

/// Runs a guest that must hit a limit; gives what is said about it.
async fn hit(name: &str, config: Value, limits: Limits) -> (&'static str, String, Vec<String>) {
    let notes = Arc::new(Notes::default());
    match run(name, config.clone(), limits, &notes).await {
        Err(PluginError::LimitHit { limit, crash }) => {
            assert_eq!(crash.message, None, "a limit is no panic");
            (limit, crash.reason, crash.frames.into_iter().map(|frame| frame.function).collect())
        }
        other => panic!("{config}: {other:?}"),
    }
}

#[tokio::test]
async fn each_limit_is_hit_by_name_with_the_guests_backtrace() {
    for (config, limits, name, details, function) in [
        (
            json!({"do": "eat-memory"}),
            memory(64 << 20),
            "memory",
            &["64 MiB", "'memory' in [steps.custom.limits]"][..],
            "hostile::eat_memory",
        ),
        (json!({"do": "eat-memory"}), Limits::default(), "memory", &["256 MiB"], "hostile::eat_memory"),
        (
            json!({"do": "spin"}),
            time(Duration::from_millis(50)),
            "time",
            &["50ms", "'time' in [steps.custom.limits]"],
            "hostile::spin",
        ),
        (json!({"do": "recurse", "count": 1u64 << 40}), Limits::default(), "stack", &["1024 KiB"], "hostile::recurse"),
        (
            json!({"do": "huge-name", "count": 9 << 20}),
            Limits::default(),
            "message size",
            &["8 MiB"],
            "hostile::tagged",
        ),
        (json!({"do": "declare", "count": 10_001}), Limits::default(), "declarations", &["10001"], "hostile::tagged"),
        (json!({"do": "declare-large", "count": 20}), Limits::default(), "declarations", &["64 MiB"], "hostile"),
    ] {
        let (limit, detail, backtrace) = hit("hostile", config.clone(), limits).await;
        assert_eq!(limit, name, "{config}: {detail}");
        let details = details.iter().map(|part| part.replace("1024 KiB", "1 MiB"));
        details.for_each(|part| assert!(detail.contains(&part), "{config}: {detail}"));
        assert!(backtrace.iter().any(|frame| frame.contains(function)), "{config}: {backtrace:?}");
    }
}

#[tokio::test]
async fn a_huge_result_is_refused_before_it_is_copied() {
    let (limit, detail, _) = hit("hostile", json!({"do": "huge-string", "count": 9 << 20}), Limits::default()).await;
    assert_eq!(limit, "message size", "{detail}");
    // A gigabyte, from a guest that may have two.
    let (limit, detail, _) = hit("hostile", json!({"do": "huge-string", "count": 1 << 30}), memory(2 << 30)).await;
    assert_eq!(limit, "message size", "{detail}");
    // The same from one that may not.
    let (limit, detail, _) = hit("hostile", json!({"do": "huge-string", "count": 1 << 30}), Limits::default()).await;
    assert_eq!(limit, "memory", "{detail}");
}

#[tokio::test]
async fn a_guest_larger_than_its_memory_from_the_start_does_not_start() {
    let loader = loader();
    let error = load(&loader, &guest("hostile"), &memory(1 << 16)).await.err().expect("too little for describe");
    assert!(error.to_string().contains("over its memory limit"), "{error}");
}

#[tokio::test]
async fn a_sleep_of_an_hour_ends_with_the_time_limit() {
    let (limit, detail, _) = hit("wasi", json!({"do": "sleep"}), time(Duration::from_millis(20))).await;
    assert_eq!(limit, "time");
    assert!(detail.contains("slept"), "{detail}");
}

#[tokio::test]
async fn more_handles_than_a_run_may_hold_are_a_limit_by_name() {
    run("wasi", json!({"do": "handles", "count": 10_000}), Limits::default(), &Arc::default())
        .await
        .expect("within it");
    let (limit, detail, _) = hit("wasi", json!({"do": "handles", "count": 60_000}), Limits::default()).await;
    assert_eq!(limit, "handles", "{detail}");
    assert!(detail.contains("the fixed limit is 50000"), "{detail}");
}

#[tokio::test]
async fn waiting_for_resources_does_not_count() {
    let notes = Arc::new(Notes { delay: Duration::from_millis(100), ..Notes::default() });
    let limits = time(Duration::from_millis(250));
    run("hostile", json!({"do": "hold", "count": 3}), limits, &notes).await.expect("waiting is free");
}

#[tokio::test(flavor = "current_thread")]
async fn a_spinning_guest_lets_others_run_on_the_same_thread() {
    let notes = Arc::new(Notes::default());
    let loader = loader();
    let limits = time(Duration::from_millis(500));
    let plugin = load(&loader, &guest("hostile"), &limits).await.expect("a plugin");
    let spins = {
        let (plugin, notes) = (plugin.clone(), notes.clone());
        tokio::spawn(async move { plugin.run(&json!({"do": "spin"}), notes).await })
    };
    tokio::task::yield_now().await;
    let began = Instant::now();
    plugin.run(&json!({"do": "nop"}), notes).await.expect("it runs beside the other");
    assert!(!spins.is_finished(), "the other ended after {:?}", began.elapsed());
    assert!(matches!(spins.await.expect("no panic"), Err(PluginError::LimitHit { limit: "time", .. })));
}
