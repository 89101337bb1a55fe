//! Waiting for what AWS does in its own time.

use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use llmhost_engine::kind::{ErrorClass, OpError};

use super::budget::{before_retry, jittered};
use super::codes::is_in_use;

/// Asks again and again, ever more slowly, until `poll` gives something or `budget` is used up.
pub(crate) async fn until<'a, T>(
    operation: &str,
    budget: Duration,
    mut poll: impl FnMut() -> BoxFuture<'a, Result<Option<T>, OpError>> + Send,
) -> Result<T, OpError> {
    let began = Instant::now();
    let mut pause = Duration::from_millis(100);
    loop {
        if let Some(value) = poll().await? {
            return Ok(value);
        }
        if began.elapsed() + pause > budget {
            return Err(OpError {
                operation: operation.to_owned(),
                code: None,
                message: format!("still not done after {} seconds", budget.as_secs()),
                request_id: None,
                class: ErrorClass::Unreachable,
                advice: Some("It may need longer; run again to go on waiting.".to_owned()),
            });
        }
        tokio::time::sleep(jittered(pause)).await;
        pause = (pause * 2).min(Duration::from_secs(10));
    }
}

/// Does it again while the thing that was just made is not yet known everywhere.
pub(super) async fn settled<'a, T>(
    mut call: impl FnMut() -> BoxFuture<'a, Result<T, OpError>> + Send,
) -> Result<T, OpError> {
    let mut pause = Duration::from_millis(200);
    loop {
        match call().await {
            Err(error) if error.class == ErrorClass::NotFound && pause < Duration::from_secs(10) => {
                before_retry(&error.operation, pause).await;
                pause *= 2;
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
                before_retry(&error.operation, pause).await;
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
    use super::*;

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
