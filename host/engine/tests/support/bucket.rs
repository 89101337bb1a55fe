//! A bucket in memory: with a clock that can be set, writes that can be held up, and faults.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part of this")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use llmhost_engine::state::{
    Answer, Bucket, BucketError, BucketStore, Change, LeaseSettings, Object, Only, Recovered, State, StateStore,
};
use serde_json::json;
use tokio::sync::oneshot;

pub fn settings(command: &str) -> LeaseSettings {
    LeaseSettings { command: command.into(), ttl: Duration::from_secs(30), by_force: false }
}

pub fn by_force() -> LeaseSettings {
    LeaseSettings { by_force: true, ..settings("state unlock") }
}

pub fn shared(bucket: &Arc<MemoryBucket>) -> Arc<dyn Bucket> {
    Arc::clone(bucket) as _
}

pub async fn open(bucket: &Arc<MemoryBucket>) -> (BucketStore, Vec<Recovered>) {
    BucketStore::open(shared(bucket), "test", settings("run")).await.unwrap()
}

pub fn step(n: usize) -> Change {
    Change::StepDone {
        step: format!("s{n}").parse().unwrap(),
        outputs: json!({ "n": n }),
        sensitive: Default::default(),
    }
}

pub async fn read(bucket: &Arc<MemoryBucket>) -> State {
    BucketStore::read(&**bucket, "test").await.unwrap()
}

pub fn seen(store: &BucketStore) -> State {
    (store as &dyn StateStore).snapshot()
}

pub fn numbers(state: &State) -> BTreeSet<u64> {
    state.outputs.values().map(|outputs| outputs["n"].as_u64().unwrap()).collect()
}

/// What happens to a write.
#[derive(Clone, Copy, PartialEq)]
pub enum Fault {
    /// It fails, and nothing is written.
    Fails,
    /// It is written, the answer is lost, and the next attempt is refused.
    Twice,
}

/// A write that was held up: somebody waits until it is let go.
pub struct Held {
    pub reached: oneshot::Receiver<()>,
    pub go: oneshot::Sender<()>,
}

type Gate = (String, oneshot::Sender<()>, oneshot::Receiver<()>);

#[derive(Default)]
struct Inside {
    objects: BTreeMap<String, Object>,
    writes: u64,
    later: Duration,
    gates: Vec<Gate>,
    faults: Vec<(String, usize, Fault)>,
    puts: Vec<String>,
}

#[derive(Default)]
pub struct MemoryBucket(Mutex<Inside>);

impl MemoryBucket {
    /// Lets time pass at the server.
    pub fn pass(&self, time: Duration) {
        self.0.lock().unwrap().later += time;
    }

    /// Holds up the next call for a key that begins so.
    pub fn hold(&self, key: &str) -> Held {
        let ((reached_send, reached), (go, go_wait)) = (oneshot::channel(), oneshot::channel());
        self.0.lock().unwrap().gates.push((key.to_owned(), reached_send, go_wait));
        Held { reached, go }
    }

    /// Spoils the next writes of keys that begin so.
    pub fn spoil(&self, key: &str, times: usize, fault: Fault) {
        self.0.lock().unwrap().faults.push((key.to_owned(), times, fault));
    }

    pub fn object(&self, key: &str) -> Option<String> {
        let inside = self.0.lock().unwrap();
        inside.objects.get(key).map(|object| String::from_utf8(object.bytes.clone()).unwrap())
    }

    pub fn set(&self, key: &str, bytes: impl Into<Vec<u8>>) {
        self.0.lock().unwrap().set(key, bytes.into());
    }

    pub fn remove(&self, key: &str) {
        self.0.lock().unwrap().objects.remove(key);
    }

    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().objects.keys().cloned().collect()
    }

    /// How often keys that begin so were written.
    pub fn puts(&self, key: &str) -> usize {
        self.0.lock().unwrap().puts.iter().filter(|put| put.starts_with(key)).count()
    }

    async fn gate(&self, key: &str) {
        let gate = {
            let mut inside = self.0.lock().unwrap();
            let at = inside.gates.iter().position(|(held, ..)| key.starts_with(held));
            at.map(|at| inside.gates.remove(at))
        };
        if let Some((_, reached, go)) = gate {
            let _ = reached.send(());
            let _ = go.await;
        }
    }
}

impl Inside {
    fn set(&mut self, key: &str, bytes: Vec<u8>) -> String {
        self.writes += 1;
        let etag = format!("\"{}\"", self.writes);
        let written = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000) + self.later);
        self.objects.insert(key.to_owned(), Object { bytes, etag: etag.clone(), written });
        etag
    }
}

#[async_trait]
impl Bucket for MemoryBucket {
    fn address(&self, key: &str) -> String {
        format!("memory://bucket/{key}")
    }

    async fn get(&self, key: &str) -> Result<Answer, BucketError> {
        self.gate(&format!("get {key}")).await;
        let inside = self.0.lock().unwrap();
        let now = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000) + inside.later);
        Ok(Answer { object: inside.objects.get(key).cloned(), now })
    }

    async fn put(&self, key: &str, bytes: &[u8], only: Only<'_>) -> Result<Option<String>, BucketError> {
        self.gate(key).await;
        // Others get their turn, as they do while a request is on its way.
        tokio::task::yield_now().await;
        let mut inside = self.0.lock().unwrap();
        inside.puts.push(key.to_owned());
        let fault = inside.faults.iter_mut().find(|(spoilt, times, _)| *times > 0 && key.starts_with(spoilt.as_str()));
        let fault = fault.map(|(_, times, fault)| {
            *times -= 1;
            *fault
        });
        if fault == Some(Fault::Fails) {
            return Err(BucketError { message: "the bucket is out".into(), advice: "wait".into() });
        }
        let holds = match (only, inside.objects.get(key)) {
            (Only::New, there) => there.is_none(),
            (Only::Over(etag), there) => there.is_some_and(|there| there.etag == etag),
        };
        let etag = holds.then(|| inside.set(key, bytes.to_vec()));
        Ok(etag.filter(|_| fault != Some(Fault::Twice)))
    }

    async fn keys(&self, start: &str) -> Result<Vec<String>, BucketError> {
        Ok(self.all().into_iter().filter(|key| key.starts_with(start)).collect())
    }

    async fn delete(&self, keys: &[String]) -> Result<(), BucketError> {
        self.gate("delete").await;
        keys.iter().for_each(|key| self.remove(key));
        Ok(())
    }
}
