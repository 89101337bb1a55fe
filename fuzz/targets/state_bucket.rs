//! A state in a bucket: its lease, its snapshot and a segment of its journal.
#![no_main]

use std::sync::Arc;

use llmhost_engine::state::BucketStore;
use llmhost_fuzz::{parts, run};

#[path = "../../host/engine/tests/support/bucket.rs"]
mod bucket;

use bucket::{MemoryBucket, settings, shared};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [lease, snapshot, key, segment] = parts(data);
    let bucket = Arc::new(MemoryBucket::default());
    for (key, bytes) in [("lease.json", lease), ("state.json", snapshot), (&String::from_utf8_lossy(key), segment)] {
        if !bytes.is_empty() {
            bucket.set(key, bytes);
        }
    }
    run(async {
        let _ = BucketStore::holder(&*bucket).await;
        let _ = BucketStore::read(&*bucket, "p").await;
        let _ = BucketStore::open(shared(&bucket), "p", settings("run")).await;
    });
});
