//! Published pipelines, fetched while the file that uses them is read.

use std::path::PathBuf;

use llmhost_engine::pipeline::{Packages, Trust};
use llmhost_registry::{Address, Plugins, RegistryError};

use crate::app;

/// Fetches into the user's cache folder.
pub(crate) struct Published;

impl Packages for Published {
    fn pipeline(&self, uses: &str, trust: &Trust) -> Result<Option<PathBuf>, (String, String)> {
        // What is wrong with an address is said when the plugin is loaded.
        let Ok(Address::Oci(address)) = Address::parse(uses) else { return Ok(None) };
        let fetch = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime =
                runtime.map_err(|error| (error.to_string(), "check the limits of this process".to_owned()))?;
            let plugins = Plugins::new(app::cache_dir().as_deref(), trust.clone());
            runtime.block_on(plugins.pipeline(&address, trust)).or_else(|error| match error {
                // Nobody can tell what it is; who loads it as a plugin says why.
                RegistryError::Unreachable { .. }
                | RegistryError::TimedOut { .. }
                | RegistryError::NotFound { .. }
                | RegistryError::Denied { .. }
                | RegistryError::Credentials { .. }
                | RegistryError::NoCache
                    if !plugins.is_known(&address) =>
                {
                    Ok(None)
                }
                error => Err((error.to_string(), error.advice().to_owned())),
            })
        };
        // The file is read by whoever runs in a runtime already.
        std::thread::scope(|scope| scope.spawn(fetch).join().expect("it does not panic"))
    }
}
