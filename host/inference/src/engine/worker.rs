//! The thread that owns the session.
//!
//! It takes commands between steps and sleeps when there is nothing to do. A step that fails, or
//! even panics, fails the requests in it; the thread goes on.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::Receiver;
use std::time::Instant;

use ort::session::Session;
use tokio::sync::oneshot;

use super::counters::Counters;
use super::embed::{EmbedJob, Embedder};
use super::error::RequestError;
use super::generation::Generation;
use super::positions;
use super::sequence::Pending;
use super::tensors::{self, NamedTensor};

/// What callers ask for.
pub(super) enum Job {
    Generate(Box<Pending>),
    Embed(EmbedJob),
    Run {
        inputs: Vec<NamedTensor>,
        answer: oneshot::Sender<Result<Vec<NamedTensor>, RequestError>>,
    },
    /// Ends what runs and waits.
    Abort,
    /// Ends the thread.
    Stop,
}

/// What the model can do.
pub(super) enum Work {
    Generation(Box<Generation>),
    Embedding(Embedder),
    Tensors(Session),
}

/// The thread's state.
pub(super) struct Worker {
    pub(super) work: Work,
    pub(super) jobs: Receiver<Job>,
    pub(super) counters: Arc<Counters>,
}

impl Worker {
    /// Works until it is told to stop or nobody can ask for anything any more.
    pub(super) fn run(mut self) {
        let mut embeds = Vec::new();
        loop {
            if !self.has_work() {
                self.counters.idle.notify_waiters();
                match self.jobs.recv() {
                    Ok(Job::Stop) | Err(_) => break,
                    Ok(job) => self.take(job, &mut embeds),
                }
            }
            loop {
                match self.jobs.try_recv() {
                    Ok(Job::Stop) => return self.abort(),
                    Ok(job) => self.take(job, &mut embeds),
                    Err(_) => break,
                }
            }
            let begun = Instant::now();
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.step(&mut embeds))) {
                self.after_panic(&*panic);
            }
            self.counters.worked(begun.elapsed());
        }
        self.abort();
    }

    fn has_work(&self) -> bool {
        matches!(&self.work, Work::Generation(generation) if generation.has_work())
    }

    fn take(&mut self, job: Job, embeds: &mut Vec<EmbedJob>) {
        match (job, &mut self.work) {
            (Job::Generate(request), Work::Generation(generation)) => generation.add(request),
            (Job::Embed(job), Work::Embedding(_)) => embeds.push(job),
            (Job::Run { inputs, answer }, _) => {
                let begun = Instant::now();
                let result = catch_unwind(AssertUnwindSafe(|| self.run_tensors(&inputs)));
                let result = result.unwrap_or_else(|panic| Err(panicked(&*panic)));
                self.counters.worked(begun.elapsed());
                self.counters.jobs.fetch_sub(1, Relaxed);
                // The caller may be gone.
                let _ = answer.send(result);
            }
            (Job::Abort, _) => self.abort(),
            // The handle checks the model's kind before it sends a job.
            (Job::Generate(_) | Job::Embed(_) | Job::Stop, _) => {}
        }
    }

    fn step(&mut self, embeds: &mut Vec<EmbedJob>) {
        match &mut self.work {
            Work::Generation(generation) => generation.step(),
            Work::Embedding(embedder) if !embeds.is_empty() => embedder.run(std::mem::take(embeds)),
            Work::Embedding(_) | Work::Tensors(_) => {}
        }
    }

    fn run_tensors(&mut self, inputs: &[NamedTensor]) -> Result<Vec<NamedTensor>, RequestError> {
        let begun = Instant::now();
        let result = match &mut self.work {
            Work::Generation(generation) => positions::run(generation.decoder().session(), inputs),
            Work::Embedding(embedder) => tensors::run(&mut embedder.session, inputs, None),
            Work::Tensors(session) => tensors::run(session, inputs, None),
        };
        self.counters.ran(begun.elapsed());
        result
    }

    fn abort(&mut self) {
        if let Work::Generation(generation) = &mut self.work {
            generation.fail_all(&RequestError::ShuttingDown, true);
        }
    }

    /// Requests of the step get the error; jobs that were dropped with the stack got theirs by that.
    fn after_panic(&mut self, panic: &(dyn Any + Send)) {
        let error = panicked(panic);
        tracing::error!(%error, "a step panicked");
        match &mut self.work {
            Work::Generation(generation) => generation.fail_all(&error, false),
            Work::Embedding(_) | Work::Tensors(_) => self.counters.jobs.store(0, Relaxed),
        }
    }
}

fn panicked(panic: &(dyn Any + Send)) -> RequestError {
    let words = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let words = words.or_else(|| panic.downcast_ref::<String>().cloned());
    RequestError::Failed(format!("a step panicked: {}", words.unwrap_or_else(|| "without words".to_owned())))
}
