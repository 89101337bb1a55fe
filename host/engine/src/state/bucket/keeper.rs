//! Keeps the lease while a run goes on.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::clock::Moment;
use super::lease::KEY;
use super::put::{Put, put};
use super::take::{Taken, taken_by, taken_over};
use super::{Bucket, Lease, Only};
use crate::state::StateError;

/// A lease that is renewed in the background until this is dropped.
pub(super) struct Keeper {
    path: String,
    hold: Arc<Mutex<Hold>>,
    task: JoinHandle<()>,
}

struct Hold {
    /// The lease lasts until then, by this machine's own clock.
    until: Moment,
    /// Why the last renewal failed.
    reason: String,
    /// Why it is no longer ours. Nothing brings it back: what was begun by somebody else since
    /// then is not known here.
    lost: Option<StateError>,
}

impl Hold {
    /// Notes why a renewal failed. Whether it was the last one: whoever asks next is told.
    fn is_over(&mut self, reason: String) -> bool {
        self.reason = reason;
        Moment::now() >= self.until || self.lost.is_some()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Keeper {
    /// Renews a lease from now on.
    pub(super) fn start(bucket: Arc<dyn Bucket>, taken: &Taken) -> Self {
        let until = taken.began + taken.lease.ttl();
        let hold = Hold { until, reason: "the lease was not renewed in time".to_owned(), lost: None };
        let hold = Arc::new(Mutex::new(hold));
        let path = bucket.address("");
        let (lease, etag) = (taken.lease.clone(), taken.etag.clone());
        let task = tokio::spawn(keep(bucket, Arc::clone(&hold), lease, etag));
        Self { path, hold, task }
    }

    /// Whether the lease is ours. Once it was not, it never is again.
    pub(super) fn check(&self) -> Result<(), StateError> {
        let mut hold = self.hold.lock().expect("no panic under this lock");
        if hold.lost.is_none() && Moment::now() >= hold.until {
            hold.lost = Some(StateError::Expired { path: self.path.clone(), reason: hold.reason.clone() });
        }
        hold.lost.clone().map_or(Ok(()), Err)
    }

    /// Renews no more, and waits until nothing is under way.
    pub(super) async fn stop(mut self) {
        self.task.abort();
        // Aborted is how it is meant to end.
        let _ = (&mut self.task).await;
    }
}

async fn keep(bucket: Arc<dyn Bucket>, hold: Arc<Mutex<Hold>>, mut lease: Lease, mut etag: String) {
    let ttl = lease.ttl();
    let lock = || hold.lock().expect("no panic under this lock");
    loop {
        tokio::time::sleep(ttl / 3).await;
        lease.renewals = lease.renewals.saturating_add(1);
        // The same bytes at each attempt: one that worked without an answer is known again by them.
        let bytes = lease.text();
        loop {
            let began = Moment::now();
            let attempt = tokio::time::timeout(ttl / 3, put(&*bucket, KEY, &bytes, Only::Over(&etag))).await;
            let reason = match attempt {
                Ok(Ok(Put::Done(renewed))) => {
                    etag = renewed;
                    lock().until = began + ttl;
                    break;
                }
                Ok(Ok(Put::Refused(theirs))) => {
                    // At once: nothing more is begun while somebody is asked for a name.
                    lock().lost = Some(taken_by(&*bucket, theirs.as_ref()));
                    if theirs.is_none() {
                        let named = taken_over(&*bucket).await;
                        lock().lost = Some(named);
                    }
                    return;
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer in time".to_owned(),
            };
            tracing::debug!(reason, "the lease is not renewed yet");
            if lock().is_over(reason) {
                return;
            }
            tokio::time::sleep((ttl / 10).min(Duration::from_secs(1))).await;
        }
    }
}
