//! Waiting for what AWS does in its own time. Every wait ends when the run is stopped: what is waited for is
//! recorded as unfinished, and the next run goes on with it.

use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use llmhost_engine::kind::{ErrorClass, OpError};
use llmhost_engine::wait::{Retry, pause, retrying, unless_stopped};

use super::budget::{before_retry, jittered};
use super::codes::is_in_use;

/// How long IAM may take until other services can assume a role, or attach a policy, that was just made.
pub(super) const ROLE_IS_KNOWN: Duration = Duration::from_secs(120);
/// How long a service may take until it finds what it has just made.
const IS_FOUND: Duration = Duration::from_secs(30);
/// How long a wait goes on while every look fails for a reason that passes: a service that answers with
/// an error of its own, or that cannot be reached. The client has tried each look several times before.
const OUTAGE: Duration = Duration::from_secs(180);
/// The first pause of a wait; they double.
const FIRST: Duration = Duration::from_millis(25);
/// The longest pause of a wait.
const LONGEST: Duration = Duration::from_secs(10);

/// So many minutes.
pub(crate) fn minutes(minutes: u32) -> Duration {
    Duration::from_secs(u64::from(minutes) * 60)
}

/// Asks again and again, ever more slowly, until `look` gives something or `budget` is used up. It changes
/// nothing: it is dropped when the run is stopped. A look that fails for a reason that passes is no answer;
/// one that fails otherwise ends the wait.
pub(crate) async fn until<'a, T>(
    operation: &str,
    budget: Duration,
    mut look: impl FnMut() -> BoxFuture<'a, Result<Option<T>, OpError>> + Send,
) -> Result<T, OpError> {
    let began = Instant::now();
    let mut answered = began;
    let mut wait = FIRST;
    loop {
        let failed = match unless_stopped(operation, look()).await {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => {
                answered = Instant::now();
                None
            }
            Err(error) if is_passing(&error) && answered.elapsed() + wait < OUTAGE => {
                retrying(Retry { call: operation.to_owned(), attempt: None, reason: error.message.clone() });
                Some(error)
            }
            Err(error) => return Err(error),
        };
        if began.elapsed() + wait > budget {
            return Err(failed.unwrap_or_else(|| over(operation, budget)));
        }
        pause(operation, jittered(wait)).await?;
        wait = (wait * 2).min(LONGEST);
    }
}

/// Whether another look may have an answer.
pub(crate) fn is_passing(error: &OpError) -> bool {
    matches!(error.class, ErrorClass::Unreachable | ErrorClass::Service | ErrorClass::Throttled)
}

/// As [`until`], for a step that changes something: it is not dropped, and none begins when the run is stopped.
pub(crate) async fn until_done<'a, T>(
    operation: &str,
    budget: Duration,
    mut step: impl FnMut() -> BoxFuture<'a, Result<Option<T>, OpError>> + Send,
) -> Result<T, OpError> {
    let began = Instant::now();
    let mut wait = FIRST;
    loop {
        if let Some(value) = step().await? {
            return Ok(value);
        }
        if began.elapsed() + wait > budget {
            return Err(over(operation, budget));
        }
        pause(operation, jittered(wait)).await?;
        wait = (wait * 2).min(LONGEST);
    }
}

fn over(operation: &str, budget: Duration) -> OpError {
    OpError {
        operation: operation.to_owned(),
        code: None,
        message: format!("not finished after {} seconds", budget.as_secs()),
        request_id: None,
        class: ErrorClass::Unreachable,
        advice: Some("It may need longer; run again to continue waiting.".to_owned()),
    }
}

/// Does it again while the thing that was just made is not found everywhere yet.
pub(super) async fn settled<'a, T>(
    call: impl FnMut() -> BoxFuture<'a, Result<T, OpError>> + Send,
) -> Result<T, OpError> {
    while_unknown(IS_FOUND, |error| error.class == ErrorClass::NotFound, call).await
}

/// Does it again, for as long as `budget`, while the service does not know yet what the call refers to.
pub(super) async fn while_unknown<'a, T>(
    budget: Duration,
    is_unknown: impl Fn(&OpError) -> bool,
    mut call: impl FnMut() -> BoxFuture<'a, Result<T, OpError>> + Send,
) -> Result<T, OpError> {
    let began = Instant::now();
    let mut pause = Duration::from_millis(200);
    loop {
        match call().await {
            Err(error) if is_unknown(&error) && began.elapsed() + pause < budget => {
                before_retry(&error, pause).await?;
                pause = (pause * 2).min(Duration::from_secs(10));
            }
            other => return other,
        }
    }
}

/// Deletes, and tries again while something that is going away still uses it. What stays in the way
/// is the error.
pub(super) async fn unused<'a>(
    budget: Duration,
    mut delete: impl FnMut() -> BoxFuture<'a, Result<(), OpError>> + Send,
) -> Result<(), OpError> {
    let began = Instant::now();
    let mut pause = Duration::from_millis(200);
    loop {
        match delete().await {
            Err(error) if error.class == ErrorClass::NotFound => return Ok(()),
            Err(error) if is_in_use(error.code.as_deref()) && began.elapsed() + pause < budget => {
                before_retry(&error, pause).await?;
                pause = (pause * 2).min(Duration::from_secs(10));
            }
            other => return other,
        }
    }
}

/// Adds to an error what is in the way, and what to do about it.
pub(super) fn blocked(mut error: OpError, by: &[String], advice: &str) -> OpError {
    const SHOWN: usize = 12;
    if by.is_empty() {
        return error;
    }
    let more = by.len().saturating_sub(SHOWN);
    let tail = if more > 0 { format!("; and {more} more") } else { String::new() };
    error.message = format!("{}; in the way: {}{tail}", error.message, by[..by.len() - more].join("; "));
    error.advice = Some(advice.to_owned());
    error
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::sync::atomic::Ordering::SeqCst;

    use futures::FutureExt;

    use super::*;

    fn failed(class: ErrorClass) -> OpError {
        OpError { class, ..OpError::local("eks:DescribeCluster", "no luck") }
    }

    /// What a wait ends with whose looks give these, one after another.
    async fn waited(budget: Duration, looks: Vec<Result<Option<u8>, OpError>>) -> Result<u8, OpError> {
        let looks = std::sync::Mutex::new(looks.into_iter());
        until("eks:DescribeCluster", budget, || {
            let look = looks.lock().expect("no panic under it").next().expect("the wait has ended by now");
            async move { look }.boxed()
        })
        .await
    }

    #[tokio::test]
    async fn a_wait_survives_what_passes_and_ends_with_what_does_not() {
        let patient = Duration::from_secs(60);
        for class in [ErrorClass::Service, ErrorClass::Unreachable, ErrorClass::Throttled] {
            assert_eq!(
                waited(patient, vec![Err(failed(class)), Ok(None), Err(failed(class)), Ok(Some(1))]).await,
                Ok(1)
            );
        }
        for class in [ErrorClass::Denied, ErrorClass::Expired, ErrorClass::Broken, ErrorClass::NotFound] {
            assert_eq!(waited(patient, vec![Err(failed(class))]).await, Err(failed(class)));
        }
    }

    #[tokio::test]
    async fn a_wait_that_is_over_says_what_failed_last() {
        let none = Duration::ZERO;
        let error = failed(ErrorClass::Service);
        assert_eq!(waited(none, vec![Err(error.clone())]).await, Err(error));
        let message = waited(none, vec![Ok(None)]).await.expect_err("there is no time").message;
        assert_eq!(message, "not finished after 0 seconds");
    }

    #[tokio::test]
    async fn what_is_not_known_yet_is_asked_for_again_within_its_time() {
        let calls = AtomicU32::new(0);
        let unknown = |error: &OpError| error.class == ErrorClass::NotFound;
        let call = |succeeds_at: u32| {
            let count = calls.fetch_add(1, SeqCst) + 1;
            async move { if count >= succeeds_at { Ok(count) } else { Err(failed(ErrorClass::NotFound)) } }.boxed()
        };
        assert_eq!(while_unknown(Duration::from_secs(60), unknown, || call(2)).await, Ok(2));
        calls.store(0, SeqCst);
        assert!(while_unknown(Duration::ZERO, unknown, || call(2)).await.is_err());
        assert_eq!(calls.load(SeqCst), 1);
    }

    #[test]
    fn a_blocked_deletion_names_the_first_of_many_and_counts_the_rest() {
        let error = OpError::local("ec2:DeleteVpc", "it has dependencies");
        assert_eq!(blocked(error.clone(), &[], "do").advice, None);
        let by: Vec<String> = (0..14).map(|at| format!("eni-{at}")).collect();
        let said = blocked(error, &by, "Delete them.");
        assert!(said.message.starts_with("it has dependencies; in the way: eni-0; "), "{said}");
        assert!(said.message.ends_with("eni-11; and 2 more"), "{said}");
        assert_eq!(said.advice(), "Delete them.");
    }
}
