//! Waiting until a service finds what it has just made.

use std::time::Duration;

use tokio::time::Instant;

use crate::kind::{ErrorClass, OpError};
use crate::wait;

/// How long a service may take until it finds everywhere what it has just made.
const KNOWN: Duration = Duration::from_secs(30);

/// How long a service may take until it shows what a create made whose answer never came.
pub(super) const VISIBLE: Duration = Duration::from_secs(10);

/// Looks again until something is found, for at most so long.
pub(super) async fn until_seen<T, F>(longest: Duration, mut look: impl FnMut() -> F) -> Result<Option<T>, OpError>
where
    F: Future<Output = Result<Option<T>, OpError>>,
{
    let began = Instant::now();
    let pause = Duration::from_millis(500);
    loop {
        match look().await? {
            None if began.elapsed() + pause < longest => {
                wait::pause("look for what an interrupted run made", pause).await?;
            }
            found => return Ok(found),
        }
    }
}

/// Does a call again while the service does not find what the call is about or refers to. A call that fails
/// so has changed nothing.
pub(super) async fn once_known<T, F>(mut call: impl FnMut() -> F) -> Result<T, OpError>
where
    F: Future<Output = Result<T, OpError>>,
{
    let began = Instant::now();
    let mut pause = Duration::from_millis(200);
    loop {
        match call().await {
            Err(error) if error.class == ErrorClass::NotFound && began.elapsed() + pause < KNOWN => {
                wait::pause(&error.operation, pause).await?;
                pause = (pause * 2).min(Duration::from_secs(5));
            }
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn what_is_not_seen_is_looked_for_until_the_time_is_over() {
        for (seconds, looks, found) in [(0, 1, None), (10, 2, Some("it"))] {
            let made = Cell::new(0);
            let seen = until_seen(Duration::from_secs(seconds), || {
                made.set(made.get() + 1);
                let seen = (made.get() > 1).then_some("it");
                async move { Ok(seen) }
            });
            assert_eq!(seen.await.unwrap(), found);
            assert_eq!(made.get(), looks);
        }
    }

    #[tokio::test]
    async fn what_is_not_found_is_asked_for_again_and_nothing_else_is() {
        for (class, calls) in [(ErrorClass::NotFound, 2), (ErrorClass::Invalid, 1), (ErrorClass::Unreachable, 1)] {
            let made = Cell::new(0);
            let result = once_known(|| {
                made.set(made.get() + 1);
                let result = if made.get() > 1 { Ok(()) } else { Err(OpError { class, ..OpError::local("do", "no") }) };
                async move { result }
            });
            assert_eq!(result.await.is_ok(), class == ErrorClass::NotFound);
            assert_eq!(made.get(), calls, "{class:?}");
        }
    }
}
