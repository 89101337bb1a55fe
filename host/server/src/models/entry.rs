//! A model of the server, loaded or not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::instance::{Instance, Lease};
use super::loader::LoadFailure;

/// When a model is loaded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LoadAt {
    /// When the server starts. It stays.
    #[default]
    Start,
    /// With the first request that names it. It may go again where another one needs the memory.
    FirstUse,
}

/// A model that a server is to have.
#[derive(Debug, Clone, Default)]
pub struct ModelSpec {
    /// The name that requests call it by.
    pub name: String,
    /// Other names for it.
    pub aliases: Vec<String>,
    /// When it is loaded.
    pub load: LoadAt,
    /// Requests that may wait for its loading; more are answered with 429.
    pub queue: usize,
    /// Whether requests that name no model mean it.
    pub is_default: bool,
}

/// A model of the server.
pub(super) struct Entry {
    pub(super) spec: ModelSpec,
    state: Mutex<State>,
    changed: watch::Sender<()>,
    waiting: AtomicUsize,
}

#[derive(Default)]
struct State {
    loaded: Option<Arc<Instance>>,
    /// It, or a new one beside it.
    is_loading: bool,
    failed: Option<(Instant, LoadFailure)>,
    /// Whether it was ever loaded.
    has_started: bool,
}

/// What a request finds.
pub(super) enum Look {
    Loaded(Arc<Instance>, Lease),
    /// Not to be tried again for so long.
    Failed(LoadFailure, Duration),
    /// Nobody loads it; it counts as loading from now on.
    Begin,
    Wait,
}

/// A state, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    Loaded,
    Loading,
    Failed,
    Unloaded,
}

impl Condition {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::Loading => "loading",
            Self::Failed => "failed",
            Self::Unloaded => "unloaded",
        }
    }
}

/// A look at a model from outside.
pub(super) struct Seen {
    pub(super) condition: Condition,
    pub(super) loaded: Option<Arc<Instance>>,
    pub(super) failure: Option<LoadFailure>,
    pub(super) is_loading: bool,
    pub(super) has_started: bool,
}

/// Why a model is not unloaded.
pub(super) enum Busy {
    Loading,
    Used(usize),
}

/// A place among those who wait for a load.
pub(super) struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Entry {
    pub(super) fn new(spec: ModelSpec, loaded: Option<Arc<Instance>>) -> Self {
        let has_started = loaded.is_some();
        let state = Mutex::new(State { loaded, has_started, ..State::default() });
        Self { spec, state, changed: watch::Sender::new(()), waiting: AtomicUsize::new(0) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells of every change from now on.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    pub(super) fn wait(&self) -> Option<Waiting<'_>> {
        let more = |waiting: usize| (waiting < self.spec.queue).then_some(waiting + 1);
        self.waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(Waiting(&self.waiting))
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }

    pub(super) fn look(&self, pause: Duration) -> Look {
        let mut state = self.state();
        if let Some(instance) = &state.loaded {
            return Look::Loaded(Arc::clone(instance), instance.lease());
        }
        if state.is_loading {
            return Look::Wait;
        }
        if let Some((at, failure)) = &state.failed
            && let Some(rest) = pause.checked_sub(at.elapsed())
        {
            return Look::Failed(failure.clone(), rest);
        }
        state.is_loading = true;
        Look::Begin
    }

    /// Claims the loading, also where something is loaded. Not where somebody has it.
    pub(super) fn begin(&self) -> bool {
        !std::mem::replace(&mut self.state().is_loading, true)
    }

    /// Ends what [`Look::Begin`] or [`Self::begin`] began. `None` leaves what is loaded.
    pub(super) fn end(&self, outcome: Result<Option<Arc<Instance>>, LoadFailure>) {
        let old = {
            let mut state = self.state();
            state.is_loading = false;
            match outcome {
                Ok(None) => None,
                Ok(Some(new)) => {
                    (state.failed, state.has_started) = (None, true);
                    state.loaded.replace(new)
                }
                Err(failure) => {
                    if state.loaded.is_none() {
                        state.failed = Some((Instant::now(), failure));
                    }
                    None
                }
            }
        };
        drop(old);
        self.changed.send_replace(());
    }

    /// Takes it out where no request has it. `Ok(None)` where it is not loaded.
    pub(super) fn take(&self) -> Result<Option<Arc<Instance>>, Busy> {
        let mut state = self.state();
        if state.is_loading {
            return Err(Busy::Loading);
        }
        match state.loaded.as_ref().map(|instance| instance.leases()) {
            Some(0) => Ok(state.loaded.take()),
            Some(leases) => Err(Busy::Used(leases)),
            None => Ok(None),
        }
    }

    pub(super) fn seen(&self) -> Seen {
        let state = self.state();
        let condition = match (&state.loaded, state.is_loading, &state.failed) {
            (Some(_), ..) => Condition::Loaded,
            (None, true, _) => Condition::Loading,
            (None, false, Some(_)) => Condition::Failed,
            (None, false, None) => Condition::Unloaded,
        };
        let failure = state.failed.as_ref().map(|(_, failure)| failure.clone());
        let (is_loading, has_started) = (state.is_loading, state.has_started);
        Seen { condition, loaded: state.loaded.clone(), failure, is_loading, has_started }
    }
}
