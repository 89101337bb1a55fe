//! The half of a store that is in memory: the state as it is now, and the lines that wait to
//! become durable. Whoever writes them takes all that wait together, so that durability does not
//! make parallel steps queue.

use std::sync::{Arc, OnceLock};

use tokio::sync::{mpsc, oneshot};

use super::{Change, State, StateError, line};

/// A state that is open.
pub(super) struct Memory {
    pub(super) state: State,
    /// Whether there is anything that the snapshot has not.
    pub(super) ahead: bool,
    queue: Option<mpsc::UnboundedSender<Job>>,
}

/// The answer to one change: it is durable, or why not. Nothing where the writer is gone.
pub(super) type Answer = oneshot::Receiver<Result<(), StateError>>;

struct Job {
    line: Vec<u8>,
    done: oneshot::Sender<Result<(), StateError>>,
}

impl Memory {
    pub(super) fn new(state: State, ahead: bool) -> Self {
        Self { state, ahead, queue: None }
    }

    /// Whether lines have somewhere to go.
    pub(super) fn has_writer(&self) -> bool {
        self.queue.is_some()
    }

    /// Where lines go from now on.
    pub(super) fn write_to(&mut self, queue: Queue) {
        self.queue = Some(queue.0);
    }

    /// No line goes anywhere any more: the writer ends when it has written what waits.
    pub(super) fn end_writer(&mut self) {
        self.queue = None;
    }

    /// Takes a change in. State and journal agree on the order, because both are told here, under
    /// the lock that the memory is behind.
    pub(super) fn take_in(&mut self, change: Change) -> Option<Answer> {
        let line = line::entry(&change);
        self.ahead = true;
        self.state.apply(change);
        let (done, answer) = oneshot::channel();
        // A writer that is gone drops the sender, which the receiver sees.
        let _ = self.queue.as_ref()?.send(Job { line, done });
        Some(answer)
    }
}

/// Why nothing more becomes durable: the first error of a writer. A store knows it before anybody
/// who waits is answered, so that nothing is begun after a record that failed.
#[derive(Clone, Default)]
pub(super) struct Broken(Arc<OnceLock<StateError>>);

impl Broken {
    /// Whether nothing has failed so far.
    pub(super) fn check(&self) -> Result<(), StateError> {
        self.0.get().cloned().map_or(Ok(()), Err)
    }

    /// Keeps the first error.
    pub(super) fn note(&self, result: &Result<(), StateError>) {
        if let Err(error) = result {
            // Later ones follow from it.
            let _ = self.0.set(error.clone());
        }
    }
}

/// Where a memory puts its lines.
pub(super) struct Queue(mpsc::UnboundedSender<Job>);

/// Where a writer takes them from.
pub(super) struct Jobs(mpsc::UnboundedReceiver<Job>);

/// Lines that become durable together.
pub(super) struct Batch(Vec<Job>);

/// A queue's two ends.
pub(super) fn queue() -> (Queue, Jobs) {
    let (send, receive) = mpsc::unbounded_channel();
    (Queue(send), Jobs(receive))
}

impl Jobs {
    /// Waits for lines; nothing when there will be none any more.
    pub(super) async fn next(&mut self) -> Option<Batch> {
        let first = self.0.recv().await?;
        Some(self.with_others(first))
    }

    /// As [`next`](Self::next), on a thread of its own.
    pub(super) fn next_blocking(&mut self) -> Option<Batch> {
        let first = self.0.blocking_recv()?;
        Some(self.with_others(first))
    }

    fn with_others(&mut self, first: Job) -> Batch {
        let mut jobs = vec![first];
        while let Ok(job) = self.0.try_recv() {
            jobs.push(job);
        }
        Batch(jobs)
    }
}

impl Batch {
    /// The lines, one after the other.
    pub(super) fn lines(&self) -> Vec<u8> {
        self.0.iter().flat_map(|job| &job.line).copied().collect()
    }

    /// Tells everybody who waits.
    pub(super) fn answer(self, result: &Result<(), StateError>) {
        for job in self.0 {
            // Whoever no longer waits does not want to know.
            let _ = job.done.send(result.clone());
        }
    }
}
