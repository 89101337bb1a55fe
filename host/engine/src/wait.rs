//! Waiting inside an operation.
//!
//! Code that waits for a service stands deep below the engine, and some of it (the retries of an SDK) is
//! not ours. So who is at work is not passed down through every call: it belongs to the task. The engine
//! says which operation a piece of work is ([`Scope::run`]); whoever waits uses [`pause`], which ends when
//! the run is stopped, and whoever tries again says so by [`retrying`].

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Serialize;

use crate::kind::{ErrorClass, OpError};
use crate::run::Cancel;

tokio::task_local! {
    static SCOPE: Scope;
}

/// A call that failed and is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Retry {
    /// Service and call: `ec2:CreateVpc`.
    pub call: String,
    /// Which attempt failed, from 1, where they are counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Why it failed, in the service's own words.
    pub reason: String,
}

impl std::fmt::Display for Retry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.attempt {
            Some(attempt) => write!(f, "{}: attempt {attempt} failed: {}; trying again", self.call, self.reason),
            None => write!(f, "{}: {}; trying again", self.call, self.reason),
        }
    }
}

/// What a piece of work is part of: who hears of its retries, and what ends its waits.
#[derive(Clone)]
pub struct Scope {
    cancel: Cancel,
    on_retry: Arc<dyn Fn(Retry) + Send + Sync>,
    /// What it said last of what it is doing.
    latest: Arc<Mutex<Option<String>>>,
}

impl Scope {
    /// Work whose waits end with `cancel` and whose retries `on_retry` hears of. It must not block.
    pub fn new(cancel: Cancel, on_retry: impl Fn(Retry) + Send + Sync + 'static) -> Self {
        Self { cancel, on_retry: Arc::new(on_retry), latest: Arc::default() }
    }

    /// Does work within this scope.
    pub async fn run<T>(&self, work: impl Future<Output = T>) -> T {
        SCOPE.scope(self.clone(), work).await
    }

    /// What the work said last of what it is doing.
    pub fn latest(&self) -> Option<String> {
        self.latest.lock().expect("no panic under this lock").clone()
    }

    /// Notes what the work is doing.
    pub fn note(&self, what: &str) {
        *self.latest.lock().expect("no panic under this lock") = Some(what.to_owned());
    }
}

/// Says that a call failed and is tried again.
pub fn retrying(retry: Retry) {
    // Outside of any scope nobody listens.
    let _ = SCOPE.try_with(|scope| {
        scope.note(&retry.to_string());
        (scope.on_retry)(retry);
    });
}

/// Waits for so long, or until the run is stopped: then there is an error that says so. Nothing may be
/// in flight meanwhile.
pub async fn pause(operation: &str, duration: Duration) -> Result<(), OpError> {
    unless_stopped(operation, async {
        tokio::time::sleep(duration).await;
        Ok(())
    })
    .await
}

/// Does something that only looks, and that can be dropped: it ends when the run is stopped.
pub async fn unless_stopped<T>(operation: &str, look: impl Future<Output = Result<T, OpError>>) -> Result<T, OpError> {
    tokio::select! {
        biased;
        found = look => found,
        waiting = stopped() => Err(interrupted(operation, waiting)),
    }
}

/// When work that takes long says that it is still running: after 10 and 30 seconds, and every 30 seconds from then on.
/// Each is the time since the one before.
pub fn heartbeats() -> impl Iterator<Item = Duration> + Send {
    [10, 20].into_iter().chain(std::iter::repeat(30)).map(Duration::from_secs)
}

/// Does work, and something else whenever the next of these times has passed meanwhile.
pub async fn every<T>(
    times: impl IntoIterator<Item = Duration>,
    mut also: impl FnMut(),
    work: impl Future<Output = T>,
) -> T {
    let mut work = std::pin::pin!(work);
    let mut next = tokio::time::Instant::now();
    for time in times {
        next += time;
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = tokio::time::sleep_until(next) => also(),
        }
    }
    work.await
}

/// Whether this error says that the run was stopped during a wait.
pub fn is_interrupted(error: &OpError) -> bool {
    error.class == ErrorClass::Interrupted
}

/// Returns when the run that this work is part of is stopped, with what was waited for.
async fn stopped() -> Option<String> {
    match SCOPE.try_with(Scope::clone) {
        Ok(scope) => {
            scope.cancel.cancelled().await;
            scope.latest()
        }
        Err(_) => std::future::pending().await,
    }
}

fn interrupted(operation: &str, waiting: Option<String>) -> OpError {
    let message = waiting.unwrap_or_else(|| "waiting".to_owned());
    OpError { class: ErrorClass::Interrupted, ..OpError::local(operation, message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    #[tokio::test]
    async fn a_pause_ends_when_the_run_is_stopped_and_says_what_was_waited_for() {
        let cancel = Cancel::default();
        let scope = Scope::new(cancel.clone(), |_| ());
        assert!(scope.run(pause("ec2:Describe", Duration::ZERO)).await.is_ok());
        scope.note("1 of 2 replicas available");
        let waiting = scope.run(pause("ec2:Describe", LONG));
        let (ended, ()) = tokio::join!(waiting, async { cancel.cancel() });
        let error = ended.unwrap_err();
        assert!(is_interrupted(&error) && error.message == "1 of 2 replicas available", "{error}");
        // Whoever begins to wait after that waits no longer.
        assert!(scope.run(pause("ec2:Describe", LONG)).await.is_err());
    }

    #[tokio::test]
    async fn outside_of_any_operation_a_pause_is_a_sleep_and_a_retry_is_heard_by_nobody() {
        retrying(Retry { call: "sts:GetCallerIdentity".into(), attempt: Some(1), reason: "refused".into() });
        assert!(pause("sts:GetCallerIdentity", Duration::from_millis(1)).await.is_ok());
    }

    #[tokio::test]
    async fn work_that_takes_long_is_accompanied_and_ends_when_it_ends() {
        let (said, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let work = async {
            for _ in 0..3 {
                heard.recv().await;
            }
            "done"
        };
        let done = every([Duration::from_millis(1); 3], || said.send(()).unwrap(), work).await;
        assert_eq!(done, "done");
        assert_eq!(every([LONG], || panic!("it is over before"), async { 1 }).await, 1);
    }

    #[test]
    fn nothing_is_silent_for_more_than_half_a_minute() {
        let times: Vec<u64> = heartbeats().take(5).map(|time| time.as_secs()).collect();
        assert_eq!(times, [10, 20, 30, 30, 30]);
    }

    #[tokio::test]
    async fn a_retry_is_heard_with_its_reason_and_is_the_latest_state() {
        let heard: Arc<Mutex<Vec<Retry>>> = Arc::default();
        let sink = Arc::clone(&heard);
        let scope = Scope::new(Cancel::default(), move |retry| sink.lock().unwrap().push(retry));
        let retry = Retry { call: "ec2:CreateVpc".into(), attempt: Some(2), reason: "Rate exceeded".into() };
        scope.run(async { retrying(retry.clone()) }).await;
        assert_eq!(*heard.lock().unwrap(), [retry]);
        let latest = "ec2:CreateVpc: attempt 2 failed: Rate exceeded; trying again";
        assert_eq!(scope.latest().as_deref(), Some(latest));
    }
}
