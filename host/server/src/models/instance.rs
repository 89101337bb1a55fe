//! A model that is loaded, and the requests that hold it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::memory::Reservation;
use crate::Backend;

/// A loaded model. It goes when its entry and all requests have let go of it.
pub(super) struct Instance {
    held: Option<Held>,
    pub(super) version: String,
    usage: Arc<Usage>,
}

/// In this order: the memory is free when the model is gone.
struct Held {
    backend: Arc<dyn Backend>,
    reservation: Reservation,
}

struct Usage {
    leases: AtomicUsize,
    last: Mutex<Instant>,
}

/// A request's right to a model: as long as there is one, it is not unloaded.
pub(super) struct Lease(Arc<Usage>);

impl Lease {
    fn of(usage: &Arc<Usage>) -> Self {
        usage.leases.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(usage))
    }
}

impl Clone for Lease {
    fn clone(&self) -> Self {
        Self::of(&self.0)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.0.leases.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Instance {
    pub(super) fn new(backend: Arc<dyn Backend>, version: String, reservation: Reservation) -> Arc<Self> {
        let usage = Arc::new(Usage { leases: AtomicUsize::new(0), last: Mutex::new(Instant::now()) });
        Arc::new(Self { held: Some(Held { backend, reservation }), version, usage })
    }

    fn held(&self) -> &Held {
        self.held.as_ref().expect("it is taken out only when the instance is dropped")
    }

    pub(super) fn backend(&self) -> &dyn Backend {
        &*self.held().backend
    }

    pub(super) fn reservation(&self) -> &Reservation {
        &self.held().reservation
    }

    /// Only under the entry's lock: from no lease to one there is no other way.
    pub(super) fn lease(&self) -> Lease {
        Lease::of(&self.usage)
    }

    /// Requests that hold it.
    pub(super) fn leases(&self) -> usize {
        self.usage.leases.load(Ordering::Acquire)
    }

    pub(super) fn last_used(&self) -> Instant {
        *self.usage.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let held = self.held.take();
        // To free a session takes a while, and this may be a thread that others wait for.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || drop(held))),
            Err(_) => drop(held),
        }
    }
}

/// Lets go of a model and waits until its memory is free.
pub(super) async fn free(instance: Arc<Instance>) {
    /// Who only looks at it has it for a moment.
    const MOST: Duration = Duration::from_secs(60);
    let freed = instance.reservation().freed();
    drop(instance);
    // Where it lasts longer, whoever needs the memory finds that it is not there.
    _ = tokio::time::timeout(MOST, freed).await;
}
