//! Compiling, for a limited time.

use std::time::Duration;

use tokio::sync::oneshot;

use crate::limits::Hit;

/// Validating and code generation recurse into what a component nests.
const STACK: usize = 16 << 20;

/// Does it on a thread of its own, for at most so long. Code generation cannot be interrupted: what takes longer goes on
/// without anybody waiting for it, and ends with the process.
pub(crate) async fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let (done, result) = oneshot::channel();
    let work = move || {
        // Where nobody waits any more, nobody needs it.
        let _ = done.send(work());
    };
    std::thread::Builder::new()
        .name("llmhost-compile".to_owned())
        .stack_size(STACK)
        .spawn(work)
        .map_err(|error| format!("it cannot be compiled: no thread for it: {error}"))?;
    match tokio::time::timeout(limit, result).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err("it cannot be compiled: the compiler failed".to_owned()),
        Err(_) => Err(Hit::compiling(limit).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_takes_too_long_or_fails_is_an_error() {
        let soon = Duration::from_millis(20);
        assert_eq!(within(Duration::from_secs(60), || Ok(1)).await, Ok(1));
        let late = within(soon, || {
            std::thread::sleep(Duration::from_secs(1));
            Ok(1)
        });
        assert!(late.await.unwrap_err().starts_with("compile time limit: "));
        let failed = within::<u8>(Duration::from_secs(60), || panic!("in the compiler")).await;
        assert_eq!(failed.unwrap_err(), "it cannot be compiled: the compiler failed");
    }
}
