//! The events of a run, each with its time, for whoever asks late.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use llmhost_engine::secret::shown;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;

/// How often the progress of one resource is kept.
const PROGRESS: Duration = Duration::from_millis(500);
/// Events that are kept. A run of 10,000 resources has some 40,000.
const MOST: usize = 200_000;

/// What a run said, as lines of JSON. The member `at` has the milliseconds since the start.
pub(crate) struct Recorder {
    kept: Mutex<Kept>,
    count: watch::Sender<usize>,
}

struct Kept {
    start: Instant,
    lines: Vec<String>,
    progress: HashMap<String, Instant>,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        let kept = Kept { start: Instant::now(), lines: Vec::new(), progress: HashMap::new() };
        Self { kept: Mutex::new(kept), count: watch::Sender::new(0) }
    }

    /// Drops what was said so far: time counts from here.
    pub(crate) fn restart(&self) {
        let mut kept = self.kept.lock().expect("no panic under this lock");
        *kept = Kept { start: Instant::now(), lines: Vec::new(), progress: HashMap::new() };
        self.count.send_replace(0);
    }

    /// Keeps an event. Secrets in it are masked here, before anybody can read it.
    pub(crate) fn push(&self, event: &impl Serialize) {
        let Ok(Value::Object(mut fields)) = serde_json::to_value(event) else { return };
        let mut kept = self.kept.lock().expect("no panic under this lock");
        let now = Instant::now();
        if fields.get("event").is_some_and(|event| event == "operation-progress") {
            let address = fields.get("address").map(Value::to_string).unwrap_or_default();
            let is_last = fields.get("done") == fields.get("total");
            let before = kept.progress.insert(address, now);
            if !is_last && before.is_some_and(|before| now - before < PROGRESS) {
                return;
            }
        }
        if kept.lines.len() >= MOST && fields.get("event").is_none_or(|event| event != "run-ended") {
            return;
        }
        let at = u64::try_from((now - kept.start).as_millis()).unwrap_or(u64::MAX);
        fields.insert("at".to_owned(), at.into());
        kept.lines.push(shown(&Value::Object(fields).to_string()).into_owned());
        self.count.send_replace(kept.lines.len());
    }

    /// Everything that was said.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.from(0)
    }

    /// What was said from this event on.
    pub(crate) fn from(&self, first: usize) -> Vec<String> {
        let kept = self.kept.lock().expect("no panic under this lock");
        kept.lines.get(first..).unwrap_or_default().to_vec()
    }

    /// Tells how many events there are, whenever that changes.
    pub(crate) fn subscribe(&self) -> watch::Receiver<usize> {
        self.count.subscribe()
    }
}
