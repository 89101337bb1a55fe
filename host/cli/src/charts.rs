//! Charts that steps name by their address in a registry.

use async_trait::async_trait;
use llmhost_engine::pipeline::Trust;
use llmhost_engine::plugin::{Charts, Failure, FailureCode};
use llmhost_registry::{Address, Plugins, RegistryError};

use crate::app;

/// Fetches into the user's cache folder, where plugins are as well.
pub(crate) struct Fetched(Plugins);

impl Fetched {
    /// Of a pipeline that trusts these keys.
    pub(crate) fn new(trust: &Trust) -> Self {
        Self(Plugins::new(app::cache_dir().as_deref(), trust.clone()))
    }
}

#[async_trait]
impl Charts for Fetched {
    async fn fetch(&self, address: &str, most: u64) -> Result<Vec<u8>, Failure> {
        let fetched = match Address::parse(address) {
            Ok(Address::Oci(oci)) => self.0.chart(&oci, most).await,
            Ok(Address::Https(_)) => Err(RegistryError::Address {
                text: address.to_owned(),
                reason: "charts come from oci://, or are files".to_owned(),
            }),
            Err(error) => Err(error),
        };
        fetched.map_err(|error| Failure { code: code(&error), message: format!("{error}; {}", error.advice()) })
    }
}

fn code(error: &RegistryError) -> FailureCode {
    match error {
        RegistryError::NotFound { .. } => FailureCode::NotFound,
        RegistryError::Denied { .. } | RegistryError::Credentials { .. } => FailureCode::Denied,
        RegistryError::Unreachable { .. } | RegistryError::TimedOut { .. } | RegistryError::Answer { .. } => {
            FailureCode::Unavailable
        }
        RegistryError::WrongDigest { .. }
        | RegistryError::Unsigned { .. }
        | RegistryError::WrongKey { .. }
        | RegistryError::BadSignature { .. } => FailureCode::Refused,
        _ => FailureCode::Invalid,
    }
}
