//! Garbage collection and exceptions, and the limits that hold for them.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use llmhost_engine::plugin::{Limits, PluginError};
use serde_json::{Value, json};

use crate::fake::{Notes, load_with, loader};
use crate::languages::{scratch, sources, with_world};

static PLUGIN: LazyLock<PathBuf> = LazyLock::new(|| {
    let out = scratch().join(format!("gc-{}.wasm", std::process::id()));
    let module = wat::parse_file(sources("gc.wat")).expect("good text");
    std::fs::write(&out, module).expect("the target folder can be written");
    with_world(&out)
});

async fn run(deed: u8, memory: u64) -> Result<Value, PluginError> {
    let limits = Limits { memory: Some(memory << 20), time: Some(Duration::from_secs(20)) };
    let limits = if deed == 3 { Limits { time: Some(Duration::from_millis(100)), ..limits } } else { limits };
    let plugin = load_with(&loader(), &PLUGIN, &limits, &[]).await.expect("a plugin");
    plugin.run(&json!(deed), Arc::new(Notes::default())).await
}

#[tokio::test]
async fn garbage_is_collected_also_in_circles_and_exceptions_are_caught() {
    for deed in [0, 2, 6] {
        // 1.2 GiB of garbage in 64 MiB.
        assert_eq!(run(deed, 64).await.unwrap_or_else(|error| panic!("{deed}: {error}")), json!({}));
    }
}

#[tokio::test]
async fn a_collectors_heap_and_what_is_thrown_are_held_to_the_limits() {
    for (deed, name, part) in [
        (1, "memory", "'memory' in [steps.custom.limits]"),
        (3, "time", "computed for longer"),
        (4, "stack", "nested too deep"),
        (7, "table", "a table of 50001 elements; the fixed limit is 40000"),
    ] {
        match run(deed, 64).await {
            Err(PluginError::LimitHit { limit, crash }) => {
                assert_eq!(limit, name, "{crash}");
                assert!(crash.reason.contains(part), "{crash}");
            }
            other => panic!("{deed}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn an_exception_that_nothing_catches_is_a_crash() {
    match run(5, 64).await {
        Err(PluginError::Trapped(crash)) => assert!(crash.reason.contains("exception that nothing caught"), "{crash}"),
        other => panic!("{other:?}"),
    }
}
