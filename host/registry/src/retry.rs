//! The one way in which calls of registries are tried again.

use std::time::Duration;

use llmhost_engine::wait::{self, Retry};

use crate::RegistryError;

const ATTEMPTS: u32 = 3;

/// Does a call that can be repeated, up to three times where another attempt may help.
pub(crate) async fn patiently<T, Work: Future<Output = Result<T, RegistryError>>>(
    call: &str,
    work: impl Fn() -> Work,
) -> Result<T, RegistryError> {
    let mut attempt = 1;
    loop {
        match work().await {
            Err(error) if error.is_transient() && attempt < ATTEMPTS => {
                wait::retrying(Retry { call: call.to_owned(), attempt: Some(attempt), reason: error.to_string() });
                // Who stops the run gets the error that was.
                if wait::pause(call, Duration::from_secs(1 << (attempt - 1))).await.is_err() {
                    return Err(error);
                }
                attempt += 1;
            }
            other => return other,
        }
    }
}
