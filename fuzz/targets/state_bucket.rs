//! A state in a bucket: its lease, its snapshot and a segment of its journal.
#![no_main]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use async_trait::async_trait;
use llmhost_engine::state::{Answer, Bucket, BucketError, BucketStore, LeaseSettings, Object, Only};
use llmhost_fuzz::{parts, run};

/// Objects in memory; each write gives a new ETag.
#[derive(Default)]
struct Objects(Mutex<(u64, BTreeMap<String, Object>)>);

#[async_trait]
impl Bucket for Objects {
    fn address(&self, key: &str) -> String {
        format!("s3://bucket/{key}")
    }

    async fn get(&self, key: &str) -> Result<Answer, BucketError> {
        let objects = self.0.lock().expect("no panic under this lock");
        Ok(Answer { object: objects.1.get(key).cloned(), now: Some(SystemTime::now()) })
    }

    async fn put(&self, key: &str, bytes: &[u8], only: Only<'_>) -> Result<Option<String>, BucketError> {
        let mut objects = self.0.lock().expect("no panic under this lock");
        let found = objects.1.get(key).map(|object| object.etag.clone());
        let holds = match only {
            Only::New => found.is_none(),
            Only::Over(etag) => found.as_deref() == Some(etag),
        };
        if !holds {
            return Ok(None);
        }
        objects.0 += 1;
        let etag = format!("\"{}\"", objects.0);
        let object = Object { bytes: bytes.to_vec(), etag: etag.clone(), written: Some(SystemTime::now()) };
        objects.1.insert(key.to_owned(), object);
        Ok(Some(etag))
    }

    async fn keys(&self, start: &str) -> Result<Vec<String>, BucketError> {
        let objects = self.0.lock().expect("no panic under this lock");
        Ok(objects.1.keys().filter(|key| key.starts_with(start)).cloned().collect())
    }

    async fn delete(&self, keys: &[String]) -> Result<(), BucketError> {
        let mut objects = self.0.lock().expect("no panic under this lock");
        objects.1.retain(|key, _| !keys.contains(key));
        Ok(())
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [lease, snapshot, key, segment] = parts(data);
    let objects = Objects::default();
    for (key, bytes) in [("lease.json", lease), ("state.json", snapshot), (&String::from_utf8_lossy(key), segment)] {
        if !bytes.is_empty() {
            let object = Object { bytes: bytes.to_vec(), etag: format!("\"{key}\""), written: Some(SystemTime::now()) };
            objects.0.lock().expect("no panic under this lock").1.insert(key.to_owned(), object);
        }
    }
    let settings = LeaseSettings { command: "run".to_owned(), ttl: LeaseSettings::TTL, by_force: false };
    run(async {
        let _ = BucketStore::holder(&objects).await;
        let _ = BucketStore::read(&objects, "p").await;
        let _ = BucketStore::open(Arc::new(objects), "p", settings).await;
    });
});
