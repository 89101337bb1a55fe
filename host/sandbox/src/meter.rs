//! How long a guest computes, with the time left out that it spends in the host.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

/// Not on the clock: before the first poll, and after giving way to other tasks.
const IDLE: u8 = 0;
/// On the clock: in the guest, or waiting in WASI, which is the guest's own doing.
const GUEST: u8 = 1;
/// Off the clock: in a capability.
const HOST: u8 = 2;

/// A stopwatch that runs while the guest computes. One thread at a time polls a guest, so plain
/// loads and stores are enough; the atomics are there because they may be different threads.
#[derive(Debug)]
pub(crate) struct Meter {
    limit: Duration,
    base: Instant,
    phase: AtomicU8,
    /// Nanoseconds of closed spans.
    spent: AtomicU64,
    /// When the open span began, in nanoseconds after `base`; of use in phase [`GUEST`] only.
    since: AtomicU64,
}

impl Meter {
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            limit,
            base: Instant::now(),
            phase: AtomicU8::new(IDLE),
            spent: AtomicU64::new(0),
            since: AtomicU64::new(0),
        }
    }

    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// Computing time so far.
    pub(crate) fn spent(&self) -> Duration {
        let open = match self.phase.load(Relaxed) {
            GUEST => self.now().saturating_sub(self.since.load(Relaxed)),
            _ => 0,
        };
        Duration::from_nanos(self.spent.load(Relaxed) + open)
    }

    /// Stops the watch until the guard goes.
    pub(crate) fn in_host(&self) -> InHost<'_> {
        self.stop(HOST);
        InHost(self)
    }

    /// Stops the watch until the guest is polled again: it gives way to others.
    pub(crate) fn give_way(&self) {
        self.stop(IDLE);
    }

    fn start(&self) {
        self.since.store(self.now(), Relaxed);
        self.phase.store(GUEST, Relaxed);
    }

    fn stop(&self, phase: u8) {
        let spent = u64::try_from(self.spent().as_nanos()).unwrap_or(u64::MAX);
        self.spent.store(spent, Relaxed);
        self.phase.store(phase, Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.base.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The guest is in the host as long as this lives.
pub(crate) struct InHost<'a>(&'a Meter);

impl Drop for InHost<'_> {
    fn drop(&mut self) {
        self.0.start();
    }
}

/// The guest's time was up while it did not run.
#[derive(Debug)]
pub(crate) struct TooLong {
    /// Whether it waited for something in WASI for most of its time. Otherwise it was computing, and gave way
    /// for a moment, as a garbage collector does.
    pub(crate) waited: bool,
}

/// Drives a guest's future with the watch running, and gives up on one that waits for ever.
pub(crate) struct Metered<'a, F> {
    meter: &'a Meter,
    guest: Pin<Box<F>>,
    alarm: Option<Pin<Box<Sleep>>>,
    /// Since when it has not been polled, where it is on the clock meanwhile.
    paused: Option<Instant>,
    /// How long it was on the clock without being polled.
    waited: Duration,
}

impl<'a, F: Future> Metered<'a, F> {
    pub(crate) fn new(meter: &'a Meter, guest: F) -> Self {
        Self { meter, guest: Box::pin(guest), alarm: None, paused: None, waited: Duration::ZERO }
    }
}

impl<F: Future> Future for Metered<'_, F> {
    type Output = Result<F::Output, TooLong>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(paused) = self.paused.take() {
            self.waited += paused.elapsed();
        }
        if self.meter.phase.load(Relaxed) == IDLE {
            self.meter.start();
        }
        if let Poll::Ready(done) = self.guest.as_mut().poll(context) {
            self.meter.stop(IDLE);
            return Poll::Ready(Ok(done));
        }
        if self.meter.phase.load(Relaxed) != GUEST {
            self.alarm = None;
            return Poll::Pending;
        }
        // Not in a capability and not giving way: it waits for something in WASI.
        let left = self.meter.limit.saturating_sub(self.meter.spent());
        let waited = self.waited * 2 >= self.meter.limit;
        if left.is_zero() {
            return Poll::Ready(Err(TooLong { waited }));
        }
        self.paused = Some(Instant::now());
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep(left)));
        match alarm.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(TooLong { waited })),
            Poll::Pending => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_guest_that_waits_outside_the_host_runs_out_of_time() {
        let meter = Meter::new(Duration::from_millis(100));
        let ended = Metered::new(&meter, std::future::pending::<()>()).await;
        assert!(ended.is_err_and(|too_long| too_long.waited));
    }

    #[tokio::test]
    async fn a_guest_that_computes_and_gives_way_for_moments_did_not_wait() {
        let meter = Meter::new(Duration::from_millis(50));
        let computes = async {
            loop {
                std::thread::sleep(Duration::from_millis(5));
                tokio::task::yield_now().await;
            }
        };
        let ended: Result<(), TooLong> = Metered::new(&meter, computes).await;
        assert!(ended.is_err_and(|too_long| !too_long.waited));
    }

    #[tokio::test]
    async fn waiting_in_the_host_is_free() {
        let meter = Meter::new(Duration::from_millis(100));
        let waits = async {
            let _host = meter.in_host();
            // Longer than the limit, by the clock of the same machine.
            tokio::time::sleep(Duration::from_millis(120)).await;
        };
        assert!(Metered::new(&meter, waits).await.is_ok());
        assert!(meter.spent() < Duration::from_millis(100), "{:?}", meter.spent());
    }

    #[tokio::test]
    async fn giving_way_is_free() {
        let meter = Meter::new(Duration::from_millis(100));
        let yields = async {
            meter.give_way();
            tokio::time::sleep(Duration::from_millis(120)).await;
        };
        assert!(Metered::new(&meter, yields).await.is_ok());
    }
}
