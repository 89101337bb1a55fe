//! A crash says why: the guest's message, its functions with their lines, and what it did last.

use std::sync::Arc;

use llmhost_engine::crash::Crash;
use llmhost_engine::plugin::{Limits, PluginError};
use llmhost_engine::secret;
use serde_json::{Value, json};

use crate::fake::{Notes, run};

async fn crash(name: &str, config: Value) -> Crash {
    let notes = Arc::new(Notes::default());
    match run(name, config.clone(), Limits::default(), &notes).await {
        Err(PluginError::Trapped(crash)) => *crash,
        other => panic!("{config}: {other:?}"),
    }
}

#[tokio::test]
async fn a_panic_says_its_message_its_place_and_what_came_before() {
    let told = crash("crash", json!({"how": "panic", "say": "42"})).await;
    insta::assert_snapshot!(told.to_string());
    assert!(told.advice.contains("an error in the plugin"), "{}", told.advice);
}

#[tokio::test]
async fn a_panic_of_the_language_itself_names_the_plugins_line() {
    let told = crash("crash", json!({"how": "index", "say": "xyz"})).await;
    let message = told.message.as_deref().unwrap_or_default();
    assert!(message.starts_with("panicked at crash/src/lib.rs:"), "{told}");
    assert!(message.ends_with("index out of bounds: the len is 0 but the index is 3"), "{told}");
}

#[tokio::test]
async fn a_panic_after_a_flood_of_messages_is_heard() {
    let told = crash("crash", json!({"how": "flood", "say": "\u{1b}[31mred"})).await;
    assert!(told.message.as_deref().unwrap_or_default().ends_with("the flux is drowned"), "{told}");
    assert_eq!(told.output.len(), 40);
    assert!(told.output.iter().any(|line| line.text == "red 2999"), "{told}");
    assert!(told.to_string().len() < 8192, "{told}");
}

#[tokio::test]
async fn no_secret_is_told() {
    let value = "hunter2-of-the-crash\nits-second-line-too";
    secret::hide(value);
    let told = crash("crash", json!({"how": "panic", "say": value})).await;
    let whole = serde_json::to_string(&told).unwrap();
    assert!(!whole.contains("hunter2") && !whole.contains("second-line"), "{whole}");
    assert!(told.message.as_deref().unwrap_or_default().ends_with("the flux is (secret)"), "{told}");
}

#[tokio::test]
async fn a_crash_without_a_message_is_told_with_its_functions_and_what_to_do() {
    let told = crash("hostile", json!({"do": "trap"})).await;
    assert!(told.message.is_none() && told.reason.contains("panic"), "{told}");
    assert_eq!(told.frames[0].function, "hostile::fall_over", "{told}");
    assert!(told.hidden_frames > 0, "{told}");
    assert!(told.advice.contains("When a plugin crashes"), "{}", told.advice);
}

#[tokio::test]
async fn a_recursion_that_runs_over_the_guests_own_stack_is_called_one() {
    let told = crash("hostile", json!({"do": "recurse-in-memory", "count": 1u64 << 40})).await;
    assert!(told.reason.contains("recursion"), "{told}");
}
