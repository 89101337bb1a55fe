//! What running plugins costs: loading, a new instance, a call, a host call; pooled and async.
//!
//! `cargo bench -p llmhost-sandbox`. The aims: cached load of a component of 1 MB in 1 ms at
//! most, new store, instantiate and empty call in 20 µs, a host call with 64 bytes in 0.3 µs.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use llmhost_engine::names::{ResourceAddress, StepName};
use llmhost_engine::plugin::{Capabilities, Failure, Limits, LoadRequest, LogLevel, Plugin, PluginLoader};
use llmhost_sandbox::{Builtin, Loader, LoaderOptions};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

#[path = "../tests/support/mod.rs"]
mod support;

/// Answers at once.
struct Quiet;

#[async_trait]
impl Capabilities for Quiet {
    fn declare(&self, _: &str, _: &str, _: Value, _: &[String]) -> Result<ResourceAddress, Failure> {
        Err(Failure::refused(""))
    }

    async fn output(&self, _: &ResourceAddress, _: &str) -> Result<Value, Failure> {
        Err(Failure::refused(""))
    }

    async fn fact(&self, _: &str) -> Result<String, Failure> {
        // As long as the messages that are measured beside it.
        Ok("us-east-1".repeat(7))
    }

    fn region(&self) -> &str {
        "us-east-1"
    }

    fn log(&self, _: LogLevel, message: &str) {
        black_box(message);
    }
}

async fn load(loader: &Loader, uses: &str) -> Arc<dyn Plugin> {
    let step: StepName = "bench".parse().expect("a name");
    let allow = ["ec2".to_owned()];
    let request = LoadRequest { step: &step, uses, base: Path::new("/"), allow: &allow, limits: &Limits::default() };
    loader.load(&request).await.expect("a plugin")
}

fn benches(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let cache = tempfile::tempdir().expect("a folder");
    let big = std::fs::read(support::guest("big")).expect("just built");
    let digest = sha256(&big);
    let builtin = Builtin { name: "big", wasm: big.leak(), packed: false, sha256: digest.leak() };
    let options = || LoaderOptions {
        cache_dir: Some(cache.path().to_owned()),
        builtins: vec![builtin],
        ..LoaderOptions::default()
    };

    criterion.bench_function("set the sandbox up", |bencher| {
        bencher.iter_with_large_drop(|| Loader::new(options()).expect("a sandbox"));
    });

    // A loader keeps what it has loaded, so each load is by a new one; only the load is timed.
    let (_, file) = (load_now(&runtime, options(), "big"), support::guest("big"));
    let file = file.to_str().expect("UTF-8");
    for (name, uses) in [("cached load, 1 MB, built in", "big"), ("cached load, 1 MB, file", file)] {
        criterion.bench_function(name, |bencher| {
            bencher.to_async(&runtime).iter_custom(|times| async move {
                let mut spent = std::time::Duration::ZERO;
                for _ in 0..times {
                    let loader = Loader::new(options()).expect("a sandbox");
                    let began = std::time::Instant::now();
                    black_box(load(&loader, uses).await);
                    spent += began.elapsed();
                }
                spent
            });
        });
    }

    let loader = Loader::new(options()).expect("a sandbox");
    let quick = support::guest("quick");
    let quick = runtime.block_on(load(&loader, quick.to_str().expect("UTF-8")));
    let host: Arc<dyn Capabilities> = Arc::new(Quiet);
    criterion.bench_function("new store, instantiate, empty call", |bencher| {
        bencher.to_async(&runtime).iter(|| async { quick.run(&json!(0), host.clone()).await.expect("it runs") });
    });

    const CALLS: i64 = 100_000;
    let mut group = criterion.benchmark_group("host call, 64 bytes");
    group.throughput(Throughput::Elements(CALLS.unsigned_abs()));
    for (name, config) in [("message", CALLS), ("fact, async", -CALLS)] {
        group.bench_function(name, |bencher| {
            let config = json!(config);
            bencher.to_async(&runtime).iter(|| async { quick.run(&config, host.clone()).await.expect("it runs") });
        });
    }
    group.finish();
}

fn load_now(runtime: &Runtime, options: LoaderOptions, uses: &str) -> Arc<dyn Plugin> {
    let loader = Loader::new(options).expect("a sandbox");
    runtime.block_on(load(&loader, uses))
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

criterion_group!(all, benches);
criterion_main!(all);
