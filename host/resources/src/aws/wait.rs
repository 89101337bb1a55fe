//! Waiting for what AWS does in its own time.

use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use llmhost_engine::kind::{ErrorClass, OpError};

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
        tokio::time::sleep(pause).await;
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
                tokio::time::sleep(pause).await;
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
            Err(error) if error.code.as_deref() == Some("DependencyViolation") && began.elapsed() + pause < budget => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(10));
            }
            other => return other,
        }
    }
}
