//! Who has how much memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use super::loader::{Loader, Place};

/// Bytes that all models may take, and those that they have.
pub(super) struct Memory {
    total: [u64; 2],
    used: [AtomicU64; 2],
}

fn index(place: Place) -> usize {
    match place {
        Place::System => 0,
        Place::Gpu => 1,
    }
}

impl Memory {
    /// `limit` is of the system's memory; without one it is what is free now.
    pub(super) fn new(limit: Option<u64>, loader: &dyn Loader) -> Arc<Self> {
        let free = |place| loader.free(place).unwrap_or(u64::MAX);
        let total = [limit.unwrap_or_else(|| free(Place::System)), free(Place::Gpu)];
        Arc::new(Self { total, used: Default::default() })
    }

    pub(super) fn total(&self, place: Place) -> u64 {
        self.total[index(place)]
    }

    pub(super) fn used(&self, place: Place) -> u64 {
        self.used[index(place)].load(Ordering::Acquire)
    }

    /// What the models leave of it.
    pub(super) fn left(&self, place: Place) -> u64 {
        self.total(place).saturating_sub(self.used(place))
    }

    pub(super) fn reserve(self: &Arc<Self>, place: Place, bytes: u64) -> Reservation {
        self.used[index(place)].fetch_add(bytes, Ordering::AcqRel);
        Reservation { memory: Arc::clone(self), place, bytes, held: watch::Sender::new(()) }
    }
}

/// Memory of one model, for as long as it has it.
pub(super) struct Reservation {
    memory: Arc<Memory>,
    pub(super) place: Place,
    pub(super) bytes: u64,
    held: watch::Sender<()>,
}

impl Reservation {
    /// Ends when the memory is free.
    pub(super) fn freed(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut held = self.held.subscribe();
        async move { while held.changed().await.is_ok() {} }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.memory.used[index(self.place)].fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

/// Bytes as people read them.
pub(super) fn size(bytes: u64) -> String {
    let mut amount = bytes as f64;
    for unit in ["bytes", "KiB", "MiB"] {
        if amount < 1024.0 {
            return if unit == "bytes" { format!("{bytes} bytes") } else { format!("{amount:.1} {unit}") };
        }
        amount /= 1024.0;
    }
    format!("{amount:.1} GiB")
}
