//! Loading, unloading, loading anew.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use tokio::task::JoinHandle;

use super::entry::{Busy, Entry, LoadAt};
use super::instance::{self, Instance};
use super::loader::{LoadFailure, Loaded, ModelEvent, Place, Prepared, Room};
use super::memory::{Reservation, size};
use super::registry::Models;

/// What became of a model whose source was looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refreshed {
    /// Its new content answers.
    Reloaded,
    /// Its content is the same.
    Unchanged,
    /// It is not loaded; the next request gets what is there then.
    NotLoaded,
}

/// Whether a model is loaded anew where it is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Always,
    OnlyChanged,
}

/// Why a model is not loaded anew.
pub(crate) enum Refused {
    /// Not now: the sentence says why.
    Now(String),
    Failed(LoadFailure),
}

impl Models {
    /// Loads every model that is to be there from the start, one after another, and ends with the first
    /// that does not load: its name and why.
    pub async fn start(self: &Arc<Self>) -> Result<(), (String, LoadFailure)> {
        for (place, entry) in self.entries.iter().enumerate().filter(|(_, entry)| entry.spec.load == LoadAt::Start) {
            self.load(place).await.map_err(|failure| (entry.spec.name.clone(), failure))?;
        }
        Ok(())
    }

    /// Looks at the sources of all models that are loaded, and loads those anew whose content is another.
    pub async fn refresh(self: &Arc<Self>) -> Vec<(String, Result<Refreshed, LoadFailure>)> {
        let mut all = Vec::new();
        for (place, entry) in self.entries.iter().enumerate() {
            let outcome = match entry.seen().loaded {
                None => Ok(Refreshed::NotLoaded),
                // Whoever has it in hand looks at the same source.
                Some(_) if !entry.begin() => Ok(Refreshed::Unchanged),
                Some(_) => ended(self.bring_aside(place, Wanted::OnlyChanged)).await,
            };
            all.push((entry.spec.name.clone(), outcome));
        }
        all
    }

    /// Loads a model where it is not loaded, the pause after a failure or not.
    pub(crate) async fn load(self: &Arc<Self>, place: usize) -> Result<(), LoadFailure> {
        let entry = &self.entries[place];
        loop {
            let mut changes = entry.changes();
            if entry.seen().loaded.is_some() {
                return Ok(());
            }
            if entry.begin() {
                return ended(self.bring_aside(place, Wanted::Always)).await.map(drop);
            }
            _ = changes.changed().await;
            if let Some(failure) = entry.seen().failure {
                return Err(failure);
            }
        }
    }

    /// Loads a model anew beside what is there of it. That answers until the new one can, and goes on
    /// where there is no new one.
    pub(crate) async fn reload(self: &Arc<Self>, place: usize) -> Result<(), Refused> {
        if !self.entries[place].begin() {
            return Err(Refused::Now(format!("'{}' is already being loaded", self.entries[place].spec.name)));
        }
        ended(self.bring_aside(place, Wanted::Always)).await.map(drop).map_err(Refused::Failed)
    }

    /// Frees the memory of a model that nobody uses.
    pub(crate) async fn unload(&self, place: usize) -> Result<(), String> {
        let entry = &self.entries[place];
        let name = &entry.spec.name;
        match entry.take() {
            Ok(None) => Ok(()),
            Ok(Some(instance)) => {
                instance::free(instance).await;
                self.loader.report(name, ModelEvent::Unloaded { replaced_by: None });
                Ok(())
            }
            Err(Busy::Loading) => Err(format!("'{name}' is being loaded")),
            Err(Busy::Used(requests)) => {
                Err(format!("'{name}' is in use (requests: {requests}); try again when it is idle"))
            }
        }
    }

    /// Loads what a request asks for. The request may go away; the load goes on.
    pub(super) fn load_aside(self: &Arc<Self>, place: usize) -> JoinHandle<Result<Refreshed, LoadFailure>> {
        self.bring_aside(place, Wanted::Always)
    }

    /// Does the work that was claimed with `begin`, whoever asked for it.
    fn bring_aside(self: &Arc<Self>, place: usize, wanted: Wanted) -> JoinHandle<Result<Refreshed, LoadFailure>> {
        let models = Arc::clone(self);
        tokio::spawn(async move {
            let entry = &models.entries[place];
            let was_loaded = entry.seen().loaded.is_some();
            let brought = AssertUnwindSafe(models.bring(entry, wanted)).catch_unwind().await;
            let brought = brought.unwrap_or_else(|_| Err(LoadFailure::private("the loading of the model panicked")));
            let outcome = match &brought {
                Ok(Some(_)) => Ok(Refreshed::Reloaded),
                Ok(None) => Ok(Refreshed::Unchanged),
                Err(failure) => Err(failure.clone()),
            };
            let event = match &outcome {
                Ok(Refreshed::Reloaded) if was_loaded => Some(ModelEvent::Reloaded),
                Ok(Refreshed::Reloaded) => Some(ModelEvent::Loaded),
                Ok(_) => None,
                Err(failure) if was_loaded => Some(ModelEvent::Kept(failure)),
                Err(failure) => Some(ModelEvent::Failed(failure)),
            };
            entry.end(brought);
            if let Some(event) = event {
                models.loader.report(&entry.spec.name, event);
            }
            outcome
        })
    }

    /// A new instance; nothing where it would be the same.
    async fn bring(&self, entry: &Entry, wanted: Wanted) -> Result<Option<Arc<Instance>>, LoadFailure> {
        let name = &entry.spec.name;
        let prepared = self.loader.prepare(name).await?;
        let is_same = |instance: Arc<Instance>| instance.version == prepared.version;
        if wanted == Wanted::OnlyChanged && entry.seen().loaded.is_some_and(is_same) {
            return Ok(None);
        }
        let _one = self.loading.lock().await;
        let (reservation, room) = self.make_room(entry, &prepared).await?;
        let Loaded { backend, bytes, place } = self.loader.load(name, &prepared, room).await?;
        drop(reservation);
        let reservation = self.memory.reserve(place, bytes);
        Ok(Some(Instance::new(backend, prepared.version, reservation)))
    }

    /// Memory for a model: what is free, or what models have that nobody uses and that may go, the one
    /// that was not used for longest first. Where all of that is not enough, all stay.
    async fn make_room(&self, entry: &Entry, prepared: &Prepared) -> Result<(Reservation, Room), LoadFailure> {
        let (place, needed) = (prepared.place, prepared.bytes);
        // Asked once: the system may take its time to count what was freed.
        let mut outside = self.loader.free(place).unwrap_or(u64::MAX);
        loop {
            let free = self.memory.left(place).min(outside);
            if needed <= free {
                let room = Room { free, total: self.memory.total(place) };
                return Ok((self.memory.reserve(place, needed), room));
            }
            let idle = self.idle(entry, place);
            let gained: u64 = idle.iter().map(|(_, instance)| instance.reservation().bytes).sum();
            let Some((victim, _)) = idle.first().filter(|_| needed <= free.saturating_add(gained)) else {
                return Err(self.shortage(entry, prepared, free));
            };
            let victim: &Entry = victim;
            drop(idle);
            // Somebody may have begun to use it.
            if let Ok(Some(instance)) = victim.take() {
                outside = outside.saturating_add(instance.reservation().bytes);
                instance::free(instance).await;
                self.loader.report(&victim.spec.name, ModelEvent::Unloaded { replaced_by: Some(&entry.spec.name) });
            }
        }
    }

    /// Models that may go, the one that was not used for longest first.
    fn idle<'a>(&'a self, but: &Entry, place: Place) -> Vec<(&'a Entry, Arc<Instance>)> {
        let may_go = |entry: &&Entry| entry.spec.load == LoadAt::FirstUse && !std::ptr::eq(*entry, but);
        // One that is being loaded anew waits for this load to end.
        let loaded = |entry: &'a Entry| Some(entry.seen()).filter(|seen| !seen.is_loading)?.loaded;
        let found = self.entries.iter().filter(may_go).filter_map(|entry| Some((entry, loaded(entry)?)));
        let is_idle =
            |(_, instance): &(&Entry, Arc<Instance>)| instance.leases() == 0 && instance.reservation().place == place;
        let mut found: Vec<_> = found.filter(is_idle).collect();
        found.sort_by_key(|(_, instance)| instance.last_used());
        found
    }

    fn shortage(&self, entry: &Entry, prepared: &Prepared, free: u64) -> LoadFailure {
        let beside: Vec<&str> = self
            .entries
            .iter()
            .filter(|other| other.seen().loaded.is_some())
            .map(|other| other.spec.name.as_str())
            .collect();
        let beside = if beside.is_empty() { String::new() } else { format!(" beside {}", beside.join(", ")) };
        let (needed, free) = (size(prepared.bytes), size(free));
        LoadFailure::open(format!("'{}' needs {needed} of memory, and {free} are free{beside}", entry.spec.name))
    }
}

async fn ended(work: JoinHandle<Result<Refreshed, LoadFailure>>) -> Result<Refreshed, LoadFailure> {
    work.await.unwrap_or_else(|_| Err(LoadFailure::private("the loading of the model was stopped")))
}
