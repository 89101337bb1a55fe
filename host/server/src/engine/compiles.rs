//! Output grammars are compiled apart from other work, a few at a time.
//!
//! The compiler has no way to stop it, and a small schema may keep it busy for minutes. So a compile runs on a thread of
//! its own, which ends when it ends, whatever became of the request. Three limits follow:
//!
//! * Half of the cores compile at once. The others serve the requests that run, and all of the other requests.
//! * A request waits for [`PATIENCE`], from the moment on that it has a place, and is refused then. Its compile goes
//!   on, but leaves its place to the next one: a schema that takes for ever must not hold up those that take a moment.
//! * Of compiles that were left behind there are no more than cores. While there are as many, no compile begins, and
//!   requests with a grammar get status 429: otherwise a client could start more and more of them, by asking and
//!   leaving.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::Failure;

/// How long a request waits for a place, and then until its grammar is compiled.
const PATIENCE: Duration = Duration::from_secs(10);

/// The compiles of a process.
#[derive(Debug)]
pub(super) struct Compiles {
    running: Arc<Semaphore>,
    /// Places for those that run although nobody waits for them.
    left: Arc<Semaphore>,
    patience: Duration,
}

impl Compiles {
    /// As many as this machine has cores for.
    pub(super) fn of_machine() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::new((cores / 2).max(1), cores.max(2), PATIENCE)
    }

    fn new(at_once: usize, left_behind: usize, patience: Duration) -> Self {
        let semaphore = |places| Arc::new(Semaphore::new(places));
        Self { running: semaphore(at_once), left: semaphore(left_behind), patience }
    }

    /// Does work that compiles the grammar of a request's field.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        field: &'static str,
        work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        if self.left.available_permits() == 0 {
            return Err(Failure::Busy);
        }
        let until = Instant::now() + self.patience;
        let place = timeout_at(until, Arc::clone(&self.running).acquire_owned()).await;
        let Ok(Ok(place)) = place else { return Err(Failure::Busy) };
        let until = Instant::now() + self.patience;
        let (ended, mut end) = oneshot::channel();
        // No task of the runtime, which would not end before all of them have.
        let thread = std::thread::Builder::new().name("grammar".to_owned()).spawn(move || ended.send(work()));
        thread.map_err(|error| Failure::Internal(format!("no thread for the grammar: {error}")))?;
        let (tell, told) = oneshot::channel();
        let (left, patience) = (Arc::clone(&self.left), self.patience);
        // A task, because the place has to be given back even if the client leaves and this future is dropped.
        tokio::spawn(async move {
            let lost = || Err(Failure::Internal("the grammar could not be compiled".to_owned()));
            let answer = match timeout_at(until, &mut end).await {
                Ok(answer) => answer.unwrap_or_else(|_| lost()),
                Err(_) => {
                    let message = format!(
                        "{field}: the grammar of the answer was not ready within {patience:?}; simplify its patterns, \
                         or split the schema"
                    );
                    // Nobody may be there to read it.
                    let _ = tell.send(Err(Failure::invalid(message, Some(field))));
                    // Where there is none left, it keeps its place among those that run.
                    let behind = left.acquire_owned().await;
                    drop(place);
                    let _ = end.await;
                    drop(behind);
                    return;
                }
            };
            drop(place);
            let _ = tell.send(answer);
        });
        told.await.unwrap_or_else(|_| Err(Failure::Internal("the grammar could not be compiled".to_owned())))
    }
}

#[cfg(test)]
#[path = "compiles_tests.rs"]
mod tests;
