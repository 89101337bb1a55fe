//! Fetching from a store that is slow, fails, changes or lies.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use llmhost_models::{Fetch, MANIFEST, Manifest, ManifestFile, ModelError, Object, Progress, Sink, Store, StoreError};
use sha2::{Digest, Sha256};

const MIB: usize = 1 << 20;

/// What happens to a read.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    /// Breaks off after so many bytes, and may be asked again.
    Short(usize),
    /// The connection fails.
    Passing,
    Refused,
    Changed,
}

#[derive(Default)]
struct Memory {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    faults: Mutex<Vec<Fault>>,
    reads: AtomicUsize,
    read_bytes: AtomicUsize,
    running: AtomicUsize,
    most_running: AtomicUsize,
}

impl Memory {
    fn put(&self, key: &str, bytes: Vec<u8>) {
        self.objects.lock().unwrap().insert(key.to_owned(), bytes);
    }

    fn with_model() -> Arc<Self> {
        let store = Self::default();
        store.put("m/model.onnx", pattern(1000, 1));
        store.put("m/model.onnx.data", pattern(20 * MIB + 17, 2));
        store.put("m/tokenizer.json", pattern(3000, 3));
        store.put("other/file", pattern(10, 4));
        Arc::new(store)
    }

    fn seal(&self) {
        let objects = self.objects.lock().unwrap().clone();
        let files = objects.iter().filter_map(|(key, bytes)| {
            let path = key.strip_prefix("m/").filter(|path| *path != MANIFEST)?.to_owned();
            Some(ManifestFile { path, size: bytes.len() as u64, sha256: sha256(bytes) })
        });
        let manifest = Manifest { files: files.collect() };
        self.put(&format!("m/{MANIFEST}"), serde_json::to_vec(&manifest).unwrap());
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn pattern(length: usize, seed: usize) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(31).wrapping_add(at >> 9).wrapping_add(seed)) as u8).collect()
}

#[async_trait]
impl Store for Memory {
    async fn list(&self, prefix: &str) -> Result<Vec<Object>, StoreError> {
        let objects = self.objects.lock().unwrap();
        let all = objects.iter().filter(|(key, _)| key.starts_with(prefix));
        Ok(all.map(|(key, bytes)| Object { key: key.clone(), size: bytes.len() as u64, etag: sha256(bytes) }).collect())
    }

    async fn read(&self, object: &Object, range: Range<u64>, sink: &mut Sink<'_>) -> Result<(), StoreError> {
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_running.fetch_max(running, Ordering::SeqCst);
        tokio::task::yield_now().await;
        self.running.fetch_sub(1, Ordering::SeqCst);
        self.reads.fetch_add(1, Ordering::SeqCst);
        let error = |message: &str, is_passing, has_changed| {
            Err(StoreError { message: message.to_owned(), is_passing, has_changed })
        };
        let bytes = self.objects.lock().unwrap()[&object.key].clone();
        let asked = &bytes[range.start as usize..range.end as usize];
        let fault = self.faults.lock().unwrap().pop();
        let give = match fault {
            Some(Fault::Passing) => return error("connection reset", true, false),
            Some(Fault::Refused) => return error("AccessDenied", false, false),
            Some(Fault::Changed) => return error("PreconditionFailed", false, true),
            Some(Fault::Short(most)) => &asked[..most.min(asked.len())],
            None => asked,
        };
        for piece in give.chunks(100_000) {
            self.read_bytes.fetch_add(piece.len(), Ordering::SeqCst);
            sink(piece).map_err(|error| StoreError {
                message: error.to_string(),
                is_passing: false,
                has_changed: false,
            })?;
        }
        Ok(())
    }
}

fn fetcher(cache: &Path) -> Fetch {
    Fetch { cache: cache.to_owned(), parallelism: 4, verify: false }
}

async fn fetch(cache: &Path, store: &Arc<Memory>) -> Result<llmhost_models::Fetched, ModelError> {
    fetcher(cache).fetch(Arc::clone(store) as Arc<dyn Store>, "s3://b/m", "m", &|_| ()).await
}

fn assert_whole(folder: &Path, store: &Memory) {
    for (key, bytes) in store.objects.lock().unwrap().iter() {
        if let Some(path) = key.strip_prefix("m/").filter(|path| *path != MANIFEST) {
            assert!(std::fs::read(folder.join(path)).unwrap() == *bytes, "{path}");
        }
    }
}

#[tokio::test]
async fn a_model_is_fetched_in_parts_at_a_time_and_only_once() {
    let (cache, store) = (tempfile::tempdir().unwrap(), Memory::with_model());
    let said = Mutex::new(Vec::new());
    let report = |progress: Progress| said.lock().unwrap().push(progress);
    let fetched = fetcher(cache.path()).fetch(Arc::clone(&store) as Arc<dyn Store>, "s3://b/m", "m", &report).await;
    let fetched = fetched.unwrap();
    assert_whole(&fetched.folder, &store);
    assert!(!fetched.folder.join("file").exists());
    assert_eq!(fetched.bytes as usize, 20 * MIB + 17 + 4000);
    assert!((2..=4).contains(&store.most_running.load(Ordering::SeqCst)));
    let last = *said.lock().unwrap().last().unwrap();
    assert_eq!((last.done, last.total), (fetched.bytes, fetched.bytes));

    let reads = store.reads.load(Ordering::SeqCst);
    let again = fetch(cache.path(), &store).await.unwrap();
    assert_eq!((again.bytes, &again.folder), (0, &fetched.folder));
    assert_eq!(store.reads.load(Ordering::SeqCst), reads, "nothing is read again");
}

#[tokio::test]
async fn parts_that_fail_are_asked_for_again() {
    let (cache, store) = (tempfile::tempdir().unwrap(), Memory::with_model());
    store.seal();
    *store.faults.lock().unwrap() = vec![Fault::Passing, Fault::Short(1000), Fault::Passing, Fault::Short(0)];
    // The manifest itself is read once, and first.
    let fetched = loop {
        match fetch(cache.path(), &store).await {
            Ok(fetched) => break fetched,
            Err(error) => assert!(matches!(error, ModelError::Store { .. } | ModelError::Manifest { .. }), "{error}"),
        }
    };
    assert_whole(&fetched.folder, &store);
}

#[tokio::test]
async fn a_fetch_that_was_cut_off_goes_on_where_it_ended() {
    let (cache, store) = (tempfile::tempdir().unwrap(), Memory::with_model());
    // Of five reads, the last two are refused.
    *store.faults.lock().unwrap() = vec![Fault::Refused, Fault::Refused];
    let mut failed = 0;
    while let Err(error) = fetch(cache.path(), &store).await {
        assert!(matches!(error, ModelError::Store { .. }), "{error}");
        failed += 1;
    }
    assert!(failed > 0);
    let total = 20 * MIB + 17 + 4000;
    let read = store.read_bytes.load(Ordering::SeqCst);
    assert_eq!(read, total, "no byte is fetched twice");
}

#[tokio::test]
async fn what_is_wrong_is_said_and_nothing_of_it_is_kept() {
    let cache = tempfile::tempdir().unwrap();
    let refused = Memory::with_model();
    *refused.faults.lock().unwrap() = vec![Fault::Refused; 9];
    assert!(
        matches!(fetch(cache.path(), &refused).await, Err(ModelError::Store { message, .. }) if message == "AccessDenied")
    );
    let changed = Memory::with_model();
    *changed.faults.lock().unwrap() = vec![Fault::Changed; 9];
    assert!(matches!(fetch(cache.path(), &changed).await, Err(ModelError::Changed { .. })));
    assert!(matches!(fetch(cache.path(), &Arc::default()).await, Err(ModelError::Nothing { .. })));

    let lying = Memory::with_model();
    lying.seal();
    lying.put("m/tokenizer.json", pattern(3000, 9));
    let error = fetch(cache.path(), &lying).await.unwrap_err();
    assert!(matches!(&error, ModelError::Checksum { what, .. } if what.contains("tokenizer.json")), "{error}");
    lying.put("m/tokenizer.json", pattern(2999, 3));
    assert!(matches!(fetch(cache.path(), &lying).await, Err(ModelError::Checksum { .. })));
    lying.objects.lock().unwrap().remove("m/tokenizer.json");
    assert!(
        matches!(fetch(cache.path(), &lying).await, Err(ModelError::Missing { path, .. }) if path == "tokenizer.json")
    );
    lying.put(&format!("m/{MANIFEST}"), b"{".to_vec());
    assert!(matches!(fetch(cache.path(), &lying).await, Err(ModelError::Manifest { .. })));
    lying.put("m/../../escape", vec![1]);
    assert!(fetch(cache.path(), &lying).await.is_err());

    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(matches!(fetch(file.path(), &Memory::with_model()).await, Err(ModelError::Disk { .. })));
}

#[tokio::test]
async fn a_spoilt_cache_is_noticed_and_mended() {
    let (cache, store) = (tempfile::tempdir().unwrap(), Memory::with_model());
    let folder = fetch(cache.path(), &store).await.unwrap().folder;
    // Somebody wrote to a file.
    std::fs::write(folder.join("tokenizer.json"), pattern(3000, 8)).unwrap();
    let mended = fetch(cache.path(), &store).await.unwrap();
    assert!(mended.bytes > 0);
    assert_whole(&mended.folder, &store);
    // A file is gone.
    std::fs::remove_file(folder.join("model.onnx")).unwrap();
    assert_whole(&fetch(cache.path(), &store).await.unwrap().folder, &store);
    // The record is garbage.
    for entry in std::fs::read_dir(cache.path().join("models")).unwrap().flatten() {
        if entry.path().is_file() {
            std::fs::write(entry.path(), "garbage").unwrap();
        }
    }
    assert_whole(&fetch(cache.path(), &store).await.unwrap().folder, &store);
}

#[tokio::test]
async fn several_at_the_same_time_fetch_it_once() {
    let (cache, store) = (tempfile::tempdir().unwrap(), Memory::with_model());
    let all = (0..5).map(|_| fetch(cache.path(), &store));
    let all = futures::future::join_all(all).await;
    let fetched: Vec<_> = all.into_iter().map(Result::unwrap).collect();
    assert_eq!(fetched.iter().filter(|one| one.bytes > 0).count(), 1);
    assert_whole(&fetched[0].folder, &store);
    assert_eq!(store.read_bytes.load(Ordering::SeqCst), 20 * MIB + 17 + 4000);
}

#[tokio::test]
async fn models_share_what_is_the_same() {
    let (cache, store) = (tempfile::tempdir().unwrap(), Memory::with_model());
    store.seal();
    fetch(cache.path(), &store).await.unwrap();
    let read = store.read_bytes.load(Ordering::SeqCst);
    store.put("m/tokenizer.json", pattern(3000, 7));
    store.seal();
    let fetched = fetch(cache.path(), &store).await.unwrap();
    assert_whole(&fetched.folder, &store);
    let more = store.read_bytes.load(Ordering::SeqCst) - read;
    assert!(more < 10_000, "{more} bytes more");
}

/// A store that says it has more than any disk holds.
struct Huge;

#[async_trait]
impl Store for Huge {
    async fn list(&self, _: &str) -> Result<Vec<Object>, StoreError> {
        Ok(vec![Object { key: "m/model.onnx".into(), size: 1 << 60, etag: "e".into() }])
    }

    async fn read(&self, _: &Object, _: Range<u64>, _: &mut Sink<'_>) -> Result<(), StoreError> {
        panic!("nothing is read for which there is no room");
    }
}

#[tokio::test]
async fn a_model_that_the_disk_cannot_hold_is_refused_before_anything_is_read() {
    let cache = tempfile::tempdir().unwrap();
    let error = fetcher(cache.path()).fetch(Arc::new(Huge), "s3://b/m", "m", &|_| ()).await.unwrap_err();
    assert!(matches!(error, ModelError::DiskFull { needed, .. } if needed == 1 << 60), "{error}");
    assert!(error.advice().contains("--cache"));
}
