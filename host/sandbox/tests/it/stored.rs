//! Plugins that were compiled against each released version of the interfaces, kept as they were built: they go on
//! running.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use llmhost_engine::plugin::{Failure, Limits, LoadError, PluginError};
use serde_json::{Value, json};

use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{ManglingAndAbi, Resolve};

use crate::fake::{Notes, load_with, loader};

fn stored(version: &str, name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stored").join(version).join(format!("{name}.wasm"))
}

/// What a plugin declares, and what it returns.
async fn run(file: &Path, config: Value) -> (Vec<String>, Result<Value, PluginError>) {
    let (loader, notes) = (loader(), Arc::new(Notes::default()));
    let allow = ["ec2", "sts", "iam", "eks", "kube"].map(str::to_owned);
    let plugin = load_with(&loader, file, &Limits::default(), &allow).await.expect("it is loaded");
    assert!(!plugin.description().summary.is_empty());
    let result = plugin.run(&config, notes.clone()).await;
    let declared = notes.declared.lock().unwrap();
    let line = |(address, spec, after): &(String, Value, Vec<String>)| format!("{address} {spec} after {after:?}");
    (declared.iter().map(line).collect(), result)
}

#[tokio::test]
async fn plugins_of_version_0_1_0_go_on_running() {
    let network = json!({
        "name": "n", "azs": 1, "nat": "single",
        "security_groups": { "web": { "rules": [{ "name": "https", "port": 443, "sources": ["10.0.0.0/8"] }] } },
    });
    let (declared, outputs) = run(&stored("0.1.0", "rust-vpc"), network).await;
    insta::assert_snapshot!("vpc_of_0_1_0", declared.join("\n"));
    assert_eq!(outputs.expect("outputs")["vpc_id"], "custom/ec2.vpc/main#id");

    let identity = json!({
        "cluster": "llm", "namespace": "models", "service_account": "model", "bucket": "models", "prefix": "demo",
        "mode": "pod-identity",
    });
    let (declared, outputs) = run(&stored("0.1.0", "rust-irsa"), identity).await;
    insta::assert_snapshot!("irsa_of_0_1_0", declared.join("\n"));
    assert_eq!(outputs.expect("outputs")["role_arn"], "custom/iam.role/pods#arn");

    for language in ["c", "go"] {
        let (declared, outputs) = run(&stored("0.1.0", language), json!({})).await;
        assert_eq!((declared, outputs.expect("outputs")), (vec![], json!({})), "{language}");
    }
    // Its failures were cases of a variant.
    let bad = json!({ "name": "n", "azs": 1, "nat": "single", "cidr": "10.0.0.0/30" });
    match run(&stored("0.1.0", "rust-vpc"), bad).await.1 {
        Err(PluginError::Returned(failure)) => assert_eq!(failure, Failure::invalid(&*failure.message)),
        other => panic!("{other:?}"),
    }
}

/// A component that imports everything of an S3 interface, whose WIT was changed.
fn with_s3(folder: &Path, change: impl Fn(String) -> String) -> PathBuf {
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    let s3 = std::fs::read_to_string(wit.join("aws-s3/0.2.0/s3.wit")).expect("the WIT of S3");
    let changed = change(s3.clone());
    assert_ne!(changed, s3, "the WIT is changed");
    let mut resolve = Resolve::default();
    resolve.push_dir(wit.join("plugin/0.2.0")).expect("good WIT");
    resolve.push_str("s3.wit", &changed).expect("good WIT");
    let world =
        "package test:guest; world guest { include llmhost:plugin/step@0.2.0; import llmhost:aws-s3/s3@0.2.0; }";
    let package = resolve.push_str("world.wit", world).expect("good WIT");
    let world = resolve.select_world(&[package], Some("guest")).expect("a world");
    let mut module = dummy_module(&resolve, world, ManglingAndAbi::Standard32);
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("a core module");
    let component = ComponentEncoder::default().module(&module).expect("a module").encode().expect("a component");
    let file = folder.join("s3.wasm");
    std::fs::write(&file, component).expect("a folder of the test's own");
    file
}

#[tokio::test]
async fn an_interface_grows_by_what_may_be_missing_and_what_the_host_does_not_know_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let load = async |file: &Path| {
        let loaded = load_with(&loader(), file, &Limits::default(), &["s3".to_owned()]).await;
        loaded.err().expect("it does nothing").to_string()
    };
    // Compiled before lists and optional fields were added, it links, and crashes by itself only when it is called.
    let older = with_s3(folder.path(), |wit| {
        wit.replace("        lifecycle: list<lifecycle-rule>,\n", "").replace("        exclude: list<string>,\n", "")
    });
    let crash = load(&older).await;
    assert!(crash.contains("does not describe itself"), "{crash}");
    for (from, to, says) in [
        (
            "        force-destroy: bool,\n",
            "        force-destroy: bool,\n        object-lock: bool,\n",
            "'bucket.declare' of 'llmhost:aws-s3/s3@0.2.0' has 'spec.object-lock', which this version of llmhost does not know",
        ),
        (
            "        s3-managed,\n",
            "        s3-managed,\n        kms-twice(string),\n",
            "has 'spec.encryption.kms-twice', which",
        ),
        ("        bucket: string,\n", "", "lacks 'spec.bucket'"),
        ("force-destroy: bool", "force-destroy: string", "has another type in 'spec.force-destroy'"),
        (
            "        arn: func()",
            "        region: func() -> result<string, failure>;\n        arn: func()",
            "imports 'bucket.region' of 'llmhost:aws-s3/s3@0.2.0', which this version of llmhost does not have; use a newer llmhost",
        ),
    ] {
        let newer = with_s3(folder.path(), |wit| wit.replacen(from, to, 1));
        let loaded = load_with(&loader(), &newer, &Limits::default(), &["s3".to_owned()]).await;
        match loaded.err() {
            Some(LoadError::NotAPlugin { reason, .. }) => assert!(reason.contains(says), "{reason}"),
            other => panic!("{to}: {other:?}"),
        }
    }
}
