//! Responses that are kept for later requests: in memory, so many and so large together, the oldest out first.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use super::items::Item;

/// How much is kept.
#[derive(Debug, Clone, Copy)]
struct Limits {
    responses: usize,
    bytes: usize,
}

const LIMITS: Limits = Limits { responses: 1000, bytes: 64 << 20 };

/// A response that is kept.
pub(super) struct Kept {
    pub(super) id: String,
    /// What clients read of it, as JSON.
    pub(super) response: String,
    /// What it was made from, earlier responses included.
    pub(super) input: Vec<Arc<Item>>,
    pub(super) output: Vec<Arc<Item>>,
}

impl Kept {
    /// What the next response goes on from.
    pub(super) fn context(&self) -> Vec<Arc<Item>> {
        self.input.iter().chain(&self.output).cloned().collect()
    }

    /// Items that several responses share count for each of them, because each alone would keep them.
    fn bytes(&self) -> usize {
        let items = self.input.iter().chain(&self.output).map(|item| item.bytes()).sum::<usize>();
        self.id.len() * 2 + self.response.len() + items
    }
}

/// Responses by their id.
pub(crate) struct Responses {
    limits: Limits,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    all: HashMap<String, Arc<Kept>>,
    /// Ids, the oldest first.
    order: VecDeque<String>,
    bytes: usize,
}

impl Inner {
    fn remove(&mut self, id: &str) -> bool {
        let Some(kept) = self.all.remove(id) else { return false };
        self.bytes -= kept.bytes();
        self.order.retain(|other| other != id);
        true
    }
}

impl Responses {
    pub(crate) fn new() -> Self {
        Self { limits: LIMITS, inner: Mutex::default() }
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        // Nothing in here panics halfway through a change.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a response, and lets go of the oldest ones that there is no more room for.
    pub(super) fn keep(&self, kept: Kept) {
        let mut inner = self.inner();
        inner.bytes += kept.bytes();
        inner.order.push_back(kept.id.clone());
        inner.all.insert(kept.id.clone(), Arc::new(kept));
        while inner.all.len() > self.limits.responses || inner.bytes > self.limits.bytes {
            let Some(oldest) = inner.order.front().cloned() else { break };
            inner.remove(&oldest);
        }
    }

    pub(super) fn get(&self, id: &str) -> Option<Arc<Kept>> {
        self.inner().all.get(id).cloned()
    }

    /// Whether it was there.
    pub(super) fn remove(&self, id: &str) -> bool {
        self.inner().remove(id)
    }
}

#[cfg(test)]
mod tests {
    use super::super::items::{Kind, Status};
    use super::*;

    fn kept(id: usize, text: &str) -> Kept {
        let item = Arc::new(Item::new(Kind::message("user", text), Status::Completed));
        Kept { id: id.to_string(), response: "{}".to_owned(), input: vec![item], output: Vec::new() }
    }

    fn ids(store: &Responses) -> Vec<String> {
        store.inner().order.iter().cloned().collect()
    }

    #[test]
    fn the_oldest_response_goes_when_there_are_too_many() {
        let store = Responses { limits: Limits { responses: 2, bytes: usize::MAX }, ..Responses::new() };
        (0..4).for_each(|id| store.keep(kept(id, "a")));
        assert_eq!(ids(&store), ["2", "3"]);
        assert!(store.get("1").is_none() && store.get("3").is_some());
        assert!(store.remove("2") && !store.remove("2"));
        assert_eq!(ids(&store), ["3"]);
    }

    #[test]
    fn the_oldest_responses_go_until_the_new_one_fits() {
        let one = kept(0, &"a".repeat(1000)).bytes();
        let store = Responses { limits: Limits { responses: 100, bytes: one * 3 }, ..Responses::new() };
        (0..5).for_each(|id| store.keep(kept(id, &"a".repeat(1000))));
        assert_eq!(ids(&store), ["2", "3", "4"]);
        store.keep(kept(5, &"a".repeat(1000 + one)));
        assert_eq!(ids(&store), ["4", "5"]);
        // One that is larger than all room is not kept, and nothing is left of it.
        store.keep(kept(6, &"a".repeat(one * 3)));
        assert_eq!(ids(&store), [""; 0]);
        assert_eq!(store.inner().bytes, 0);
    }
}
