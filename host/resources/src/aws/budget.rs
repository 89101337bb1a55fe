//! What retries may cost: a budget for each service, shared by everything that runs at a time.
//!
//! A service that is overloaded gets worse where a hundred operations each try again on their own.
//! Here they queue: each retry takes a token, tokens come back at a fixed rate, and who finds none
//! waits for the next. So the load of retries is bounded, however many operations there are.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use llmhost_engine::kind::OpError;
use llmhost_engine::wait::{self, Retry};

/// Retries that may come at once.
const BURST: f64 = 20.0;
/// Retries a second after that.
const RATE: f64 = 5.0;

static SHARED: LazyLock<Budget> = LazyLock::new(Budget::default);

/// Says that a call (`ec2:DeleteVpc`) failed with this error, and waits before another try: about as long as
/// `pause`, and until the budget of its service has a token. It is an error when the run is stopped meanwhile.
pub(super) async fn before_retry(failed: &OpError, pause: Duration) -> Result<(), OpError> {
    let operation = failed.operation.as_str();
    let service = operation.split(':').next().unwrap_or_default();
    let turn = SHARED.reserve(service, Instant::now());
    let code = failed.code.as_deref().map(|code| format!("{code}: ")).unwrap_or_default();
    let reason = format!("{code}{}", failed.message);
    wait::retrying(Retry { call: operation.to_owned(), attempt: None, reason });
    wait::pause(operation, jittered(pause).max(turn)).await
}

/// Between three quarters and five quarters of a pause, so that those that failed together do not
/// come back together.
pub(crate) fn jittered(pause: Duration) -> Duration {
    // A fresh hasher's keys are random; this needs no better.
    let random = RandomState::new().hash_one(0_u8) % 1024;
    pause.mul_f64(0.75 + random as f64 / 2048.0)
}

#[derive(Default)]
struct Budget(Mutex<HashMap<String, Bucket>>);

struct Bucket {
    /// Below zero where retries wait for tokens that are still to come.
    tokens: f64,
    since: Instant,
}

impl Budget {
    /// Takes a token of a service, and says how long it is until that is there.
    fn reserve(&self, service: &str, now: Instant) -> Duration {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry(service.to_owned()).or_insert(Bucket { tokens: BURST, since: now });
        let come_back = now.saturating_duration_since(bucket.since).as_secs_f64() * RATE;
        bucket.tokens = (bucket.tokens + come_back).min(BURST) - 1.0;
        bucket.since = now;
        Duration::from_secs_f64((-bucket.tokens / RATE).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_free_and_then_retries_queue_at_a_fixed_rate() {
        let (budget, now) = (Budget::default(), Instant::now());
        let waits: Vec<f64> = (0..120).map(|_| budget.reserve("ec2", now).as_secs_f64()).collect();
        assert!(waits[..20].iter().all(|&wait| wait == 0.0), "{waits:?}");
        // The hundred that come after the burst take twenty seconds, one after another.
        assert!((waits[119] - 20.0).abs() < 0.01, "{}", waits[119]);
        assert!(waits[20..].windows(2).all(|two| (two[1] - two[0] - 0.2).abs() < 1e-6));
    }

    #[test]
    fn services_have_budgets_of_their_own_and_tokens_come_back_up_to_the_burst() {
        let (budget, now) = (Budget::default(), Instant::now());
        (0..70).for_each(|_| _ = budget.reserve("ec2", now));
        assert_eq!(budget.reserve("iam", now), Duration::ZERO);
        // After ten seconds of waiting the debt is paid, after an hour there is one burst and no more.
        let later = now + Duration::from_secs(3600);
        let free = (0..30).filter(|_| budget.reserve("ec2", later).is_zero()).count();
        assert_eq!(free, 20);
    }

    #[test]
    fn pauses_are_spread() {
        let pause = Duration::from_millis(1000);
        let all: std::collections::HashSet<_> = (0..50).map(|_| jittered(pause)).collect();
        assert!(all.len() > 10, "{all:?}");
        assert!(all.iter().all(|one| (750..=1250).contains(&one.as_millis())), "{all:?}");
    }
}
