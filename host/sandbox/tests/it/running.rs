//! What a plugin does reaches the host, and what the host says reaches the plugin.

use std::sync::Arc;

use llmhost_engine::plugin::{Failure, FailureCode, Limits, LogLevel, PluginError};
use serde_json::json;

use crate::fake::{Notes, load, loader, run};
use crate::support::guest;

#[tokio::test]
async fn a_declaration_reaches_the_host_with_its_spec_and_its_outputs_come_back() {
    let notes = Arc::new(Notes::default());
    let outputs = run("hostile", json!({"do": "address"}), Limits::default(), &notes).await.expect("it runs");
    let ip = "custom/ec2.elastic-ip/ip";
    assert_eq!(outputs, json!({"done": [ip, format!("{ip}#allocation_id"), format!("{ip}#public_ip")]}));
    assert_eq!(*notes.declared.lock().unwrap(), [(ip.to_owned(), json!({"tags": []}), vec![])]);

    run("hostile", json!({"do": "declare", "count": 1}), Limits::default(), &notes).await.expect("it runs");
    let spec = json!({"cidr_block": "10.0.0.0/16", "dns_support": true, "dns_hostnames": true, "tags": []});
    assert_eq!(notes.declared.lock().unwrap()[1], ("custom/ec2.vpc/vpc-0".to_owned(), spec, vec![]));
}

#[tokio::test]
async fn a_declaration_that_the_host_refuses_is_the_plugins_own_error() {
    let notes = Arc::new(Notes::default());
    match run("hostile", json!({"do": "huge-name", "count": 65}), Limits::default(), &notes).await {
        Err(PluginError::Returned(Failure { code: FailureCode::Invalid, message })) => {
            assert!(message.contains("65 characters"), "{message}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn facts_come_from_the_host_and_the_partition_from_the_region() {
    let notes = Arc::new(Notes::default());
    let outputs = run("hostile", json!({"do": "facts"}), Limits::default(), &notes).await.expect("it runs");
    assert_eq!(outputs["done"], json!(["fact sts.account-id", "aws-cn", "cn-north-1", "fact ec2.availability-zone/1"]));
}

#[tokio::test]
async fn an_error_that_the_plugin_returns_is_passed_on() {
    let notes = Arc::new(Notes::default());
    match run("hostile", json!({"do": "fail"}), Limits::default(), &notes).await {
        Err(PluginError::Returned(failure)) => assert_eq!(failure, Failure::refused("I would rather not")),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn outputs_that_are_not_as_described_are_refused() {
    let notes = Arc::new(Notes::default());
    let loader = loader();
    let plugin = load(&loader, &guest("hostile"), &Limits::default()).await.expect("a plugin");
    for (deed, part) in [
        ("not-json", "not JSON"),
        ("not-an-object", "not an object"),
        ("no-output", "no output 'done'"),
        ("extra-output", "an output 'more'"),
    ] {
        match plugin.run(&json!({"do": deed}), notes.clone()).await {
            Err(PluginError::BadOutput(what)) => assert!(what.contains(part), "{deed}: {what}"),
            other => panic!("{deed}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_crash_leaves_the_next_run_alone() {
    let notes = Arc::new(Notes::default());
    let loader = loader();
    let plugin = load(&loader, &guest("hostile"), &Limits::default()).await.expect("a plugin");
    for deed in ["trap", "nop", "trap", "nop"] {
        let ran = plugin.run(&json!({"do": deed}), notes.clone()).await;
        assert_eq!(ran.is_ok(), deed == "nop", "{deed}: {ran:?}");
    }
}

#[tokio::test]
async fn not_a_number_is_the_same_number_everywhere() {
    let notes = Arc::new(Notes::default());
    let outputs = run("hostile", json!({"do": "float"}), Limits::default(), &notes).await.expect("it runs");
    // The canonical one, or its negation: which sign it has is decided by the negation, not by
    // the processor.
    assert!(["7ff8000000000000", "fff8000000000000"].contains(&outputs["done"].as_str().unwrap()), "{outputs}");
}

#[tokio::test]
async fn messages_are_cut_and_counted() {
    let notes = Arc::new(Notes::default());
    run("hostile", json!({"do": "log-long", "count": 5000}), Limits::default(), &notes).await.expect("it runs");
    let (level, long) = notes.messages.lock().unwrap()[0].clone();
    assert_eq!((level, long.len()), (LogLevel::Warn, 4096));

    let notes = Arc::new(Notes::default());
    run("hostile", json!({"do": "log", "count": 5000}), Limits::default(), &notes).await.expect("it runs");
    let messages = notes.messages.lock().unwrap();
    assert_eq!(messages.len(), 1001);
    assert!(messages[1000].1.contains("further messages dropped"), "{:?}", messages[1000]);
}

#[tokio::test]
async fn more_runs_than_the_pool_has_room_for_wait_for_each_other() {
    let notes = Arc::new(Notes { delay: std::time::Duration::from_millis(1), ..Notes::default() });
    let loader = loader();
    let plugin = load(&loader, &guest("hostile"), &Limits::default()).await.expect("a plugin");
    let runs: Vec<_> = (0..40)
        .map(|_| {
            let (plugin, notes) = (plugin.clone(), notes.clone());
            tokio::spawn(async move { plugin.run(&json!({"do": "hold", "count": 2}), notes).await })
        })
        .collect();
    for run in runs {
        run.await.expect("no panic").expect("it runs");
    }
}
