//! What durability costs.

use std::sync::atomic::{AtomicU64, Ordering};

/// What durability has cost so far.
#[derive(Debug, Default)]
pub struct Cost {
    /// Times that the disk was asked to make data durable, or that an object was put into a bucket.
    pub syncs: AtomicU64,
    /// Bytes written to the journal.
    pub bytes: AtomicU64,
}

impl Cost {
    pub(super) fn add(&self, bytes: usize) {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}
