//! A state in a bucket, open for one run.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::JoinHandle;

use super::adopt::{Adopted, adopt, save, tidy};
use super::contents::load;
use super::keeper::Keeper;
use super::lease::{Found, KEY, Shown};
use super::put::failed;
use super::segments::{self, Segments};
use super::take::{Taken, give_back, take, taken_over};
use super::{Bucket, BucketError, Lease, Object};
use crate::state::memory::{self, Broken, Memory};
use crate::state::{Change, Cost, Recovered, State, StateError, StateStore};

/// How a state is taken.
#[derive(Debug, Clone)]
pub struct LeaseSettings {
    /// What others are told about who holds it: `run`, `destroy`.
    pub command: String,
    /// How long the lease lasts without being renewed. It is renewed three times as often.
    pub ttl: Duration,
    /// Take it whoever has it: they are fenced off.
    pub by_force: bool,
}

impl LeaseSettings {
    /// How long a lease lasts where nobody says otherwise.
    pub const TTL: Duration = Duration::from_secs(30);
}

/// A state in a bucket, open for one run.
pub struct BucketStore {
    bucket: Arc<dyn Bucket>,
    cost: Arc<Cost>,
    memory: Mutex<Memory>,
    keeper: Mutex<Option<Keeper>>,
    open: tokio::sync::Mutex<Option<Open>>,
    broken: Broken,
}

struct Open {
    lease: Lease,
    serial: u64,
    /// The snapshot as it was read or written.
    object: Option<Object>,
    writer: Writer,
}

/// The task that writes segments. It ends with the store.
struct Writer(JoinHandle<Segments>);

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl BucketStore {
    /// Opens the state in a bucket and keeps others out. What a run that died left is taken in.
    pub async fn open(
        bucket: Arc<dyn Bucket>,
        pipeline: &str,
        settings: LeaseSettings,
    ) -> Result<(Self, Vec<Recovered>), StateError> {
        let taken = take(&*bucket, pipeline, &settings, None).await?;
        Self::of(bucket, pipeline, taken).await
    }

    /// Opens the state by force, where nobody has taken it since somebody was shown who holds it.
    pub async fn break_lease(
        bucket: Arc<dyn Bucket>,
        pipeline: &str,
        settings: LeaseSettings,
        shown: &Shown,
    ) -> Result<(Self, Vec<Recovered>), StateError> {
        let settings = LeaseSettings { by_force: true, ..settings };
        let taken = take(&*bucket, pipeline, &settings, Some(shown)).await?;
        Self::of(bucket, pipeline, taken).await
    }

    async fn of(bucket: Arc<dyn Bucket>, pipeline: &str, taken: Taken) -> Result<(Self, Vec<Recovered>), StateError> {
        let keeper = Keeper::start(Arc::clone(&bucket), &taken);
        let Adopted { state, serial, object, notes } = match adopt(&bucket, pipeline, &taken).await {
            Ok(adopted) => adopted,
            Err(error) => {
                keeper.stop().await;
                // What is wrong is wrong for the next one too, who need not wait for being told.
                if let Err(error) = give_back(&*bucket, &taken.lease, taken.settled).await {
                    tracing::warn!(%error, "the lease was not released");
                }
                return Err(error);
            }
        };
        let cost: Arc<Cost> = Arc::default();
        let (lease, pipeline) = (taken.lease, pipeline.to_owned());
        let segments = Segments {
            bucket: Arc::clone(&bucket),
            pipeline,
            lease: lease.clone(),
            serial,
            next: 1,
            cost: Arc::clone(&cost),
        };
        let (queue, jobs) = memory::queue();
        let broken = Broken::default();
        let writer = Writer(tokio::spawn(segments.serve(jobs, broken.clone())));
        let mut memory = Memory::new(state, false);
        memory.write_to(queue);
        let store = Self {
            bucket,
            cost,
            memory: Mutex::new(memory),
            keeper: Mutex::new(Some(keeper)),
            open: tokio::sync::Mutex::new(Some(Open { lease, serial, object, writer })),
            broken,
        };
        Ok((store, notes))
    }

    /// The state as it is, without keeping anybody out and without writing anything.
    pub async fn read(bucket: &dyn Bucket, pipeline: &str) -> Result<State, StateError> {
        Ok(load(bucket, pipeline).await?.snapshot.state)
    }

    /// Who holds the state and for how long, in words.
    pub async fn holder(bucket: &dyn Bucket) -> Result<Option<String>, StateError> {
        let answer = bucket.get(KEY).await.map_err(failed(bucket, "read", KEY))?;
        let found = Found::read(&bucket.address(KEY), &answer)?;
        Ok(found.filter(|found| found.lease.held).map(|found| found.words()))
    }

    /// Who holds the state, for whoever wants to break their lease.
    pub async fn shown(bucket: &dyn Bucket) -> Result<Option<Shown>, StateError> {
        let answer = bucket.get(KEY).await.map_err(failed(bucket, "read", KEY))?;
        Shown::of(Found::read(&bucket.address(KEY), &answer))
    }

    /// What durability has cost so far.
    pub fn cost(&self) -> &Cost {
        &self.cost
    }

    /// Writes the snapshot, where there is anything new for it.
    async fn save(&self, open: &mut Open) -> Result<(), StateError> {
        let gone = |_| self.writer_gone();
        let segments = (&mut open.writer.0).await.map_err(gone)?;
        let state = {
            let memory = self.memory.lock().expect("no panic under this lock");
            if !memory.ahead {
                return Ok(());
            }
            memory.state.clone()
        };
        if let Err(error @ StateError::TakenOver { .. }) = self.broken.check() {
            return Err(error);
        }
        let over = open.object.as_ref().map(|object| (open.serial, object));
        let saved = save(&*self.bucket, over, open.serial + 1, open.lease.term, &state).await?;
        if saved.is_none() {
            return Err(taken_over(&*self.bucket).await);
        }
        self.memory.lock().expect("no panic under this lock").ahead = false;
        tidy(&*self.bucket, (1..segments.next).map(|number| segments::key(open.serial, number)).collect()).await;
        Ok(())
    }

    fn writer_gone(&self) -> StateError {
        let error = BucketError {
            message: "the task that writes it has stopped".to_owned(),
            advice: "Run again: what was recorded is there, and what was not is found by its tags.".to_owned(),
        };
        StateError::Bucket { doing: "write", path: self.bucket.address(segments::FOLDER), error }
    }
}

#[async_trait]
impl StateStore for BucketStore {
    async fn record(&self, change: Change) -> Result<(), StateError> {
        // Also when the lease has run out: what was done is done, and where somebody else has the
        // state by now the bucket refuses.
        let wait = self.memory.lock().expect("no panic under this lock").take_in(change);
        let result = match wait {
            Some(answer) => answer.await.unwrap_or_else(|_| Err(self.writer_gone())),
            None => Err(self.writer_gone()),
        };
        self.broken.note(&result);
        result
    }

    fn check(&self) -> Result<(), StateError> {
        self.broken.check()?;
        self.keeper.lock().expect("no panic under this lock").as_ref().map_or(Ok(()), Keeper::check)
    }

    fn with(&self, look: &mut dyn FnMut(&State)) {
        look(&self.memory.lock().expect("no panic under this lock").state);
    }

    async fn close(&self) -> Result<(), StateError> {
        self.memory.lock().expect("no panic under this lock").end_writer();
        let Some(mut open) = self.open.lock().await.take() else { return Ok(()) };
        let saved = self.save(&mut open).await;
        let keeper = self.keeper.lock().expect("no panic under this lock").take();
        if let Some(keeper) = keeper {
            keeper.stop().await;
        }
        // One that is not given back runs out by itself.
        if let Err(error) = give_back(&*self.bucket, &open.lease, saved.is_ok()).await {
            tracing::warn!(%error, "the lease was not released");
        }
        saved
    }
}
