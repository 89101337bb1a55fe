//! A model that was uploaded is fetched again, by the real client from a real API.
#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use llmhost_emulator::Emulator;
use llmhost_emulator::testing::{Fault, RecordingProxy};
use llmhost_engine::kind::{DeclareContext, Intent, Progress};
use llmhost_models::{Fetch, ModelError};
use llmhost_resources::{Aws, AwsSettings, model_store, registry};
use serde_json::json;

struct Quiet;

impl Progress for Quiet {
    fn report(&self, _: &str, _: u64, _: u64) {}
}

fn aws(url: &str) -> Arc<Aws> {
    Arc::new(Aws::new(AwsSettings {
        region: "us-east-1".into(),
        endpoint_url: Some(url.into()),
        access_key: Some(("testing".into(), "testing".into())),
        wait: Duration::from_secs(5),
        ..AwsSettings::default()
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_uploaded_model_is_fetched_as_it_was() {
    let emulator = Emulator::start(&|_| ()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let weights: Vec<u8> = (0..30_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::create_dir(folder.path().join("model")).unwrap();
    std::fs::write(folder.path().join("model/model.onnx"), &weights).unwrap();
    std::fs::write(folder.path().join("model/config.json"), b"{}").unwrap();
    std::fs::write(folder.path().join("model/empty.txt"), b"").unwrap();
    let registry = registry(aws(emulator.url()));
    for (kind, raw) in [
        (
            "s3.bucket",
            json!({ "bucket": "models", "block_public_access": true, "encryption": "s3_managed", "versioning": false, "lifecycle": [], "force_destroy": true, "tags": [] }),
        ),
        ("s3.folder", json!({ "bucket": "models", "prefix": "m", "source": "model" })),
    ] {
        let address = format!("models/{kind}/it").parse().unwrap();
        let config = json!({ "source": "model" });
        let context = DeclareContext {
            address: &address,
            tags: &std::collections::BTreeMap::new(),
            region: "us-east-1",
            base: folder.path(),
            within: None,
            config: &config,
        };
        let kind = registry.kind(kind).unwrap();
        let spec = kind.complete(raw, &context).unwrap();
        let intent = Intent { address: address.clone(), token: "token".into() };
        let made = kind.create(&spec, &intent, &Quiet).await.unwrap();
        kind.configure(&made.id, &spec, None, &Quiet).await.unwrap();
    }

    let cache = tempfile::tempdir().unwrap();
    let proxy = RecordingProxy::start(emulator.url()).await.unwrap();
    // The first answer fails, and is asked for again.
    proxy.inject(|request| request.path.contains("model.onnx"), 1, Fault::Reset);
    let store = model_store(aws(proxy.url()), "models");
    let fetch = Fetch { cache: cache.path().to_owned(), parallelism: 8, verify: false };
    let fetched = fetch.fetch(Arc::clone(&store), "s3://models/m", "m", &|_| ()).await.unwrap();
    assert_eq!(fetched.bytes, 30_000_002);
    assert!(std::fs::read(fetched.folder.join("model.onnx")).unwrap() == weights);
    assert_eq!(std::fs::read(fetched.folder.join("empty.txt")).unwrap(), b"");
    let parts = proxy.requests().iter().filter(|request| request.path.contains("model.onnx")).count();
    assert!(parts >= 5, "{parts} requests");

    let nothing = fetch.fetch(Arc::clone(&store), "s3://models/x", "x", &|_| ()).await;
    assert!(matches!(nothing, Err(ModelError::Nothing { .. })), "{nothing:?}");
    let store = model_store(aws(emulator.url()), "no-such-bucket");
    let error = fetch.fetch(store, "s3://no-such-bucket/x", "x", &|_| ()).await.unwrap_err();
    assert!(matches!(&error, ModelError::Store { message, .. } if message.contains("NoSuchBucket")), "{error}");
}
