//! Holds a pipeline's plugins against its lock file, before any of their code runs.

use std::collections::{BTreeMap, HashSet};

use crate::diagnostic::Diagnostics;
use crate::lock::{Lock, LockError, PluginChange, PluginPin};
use crate::pipeline::Pipeline;
use crate::plugin::PluginLoader;

/// The plugins that a pipeline uses and that do not come with the host.
#[derive(Debug, Clone)]
pub struct Pins {
    found: BTreeMap<String, PluginPin>,
}

impl Pins {
    /// Finds out which plugins they are. What is loaded from the loader after this is what was found.
    pub async fn find(pipeline: &Pipeline, loader: &dyn PluginLoader, lock: &Lock) -> Result<Self, Diagnostics> {
        let Self { mut found } = Self::of_providers(pipeline, loader, lock).await?;
        let mut problems = Vec::new();
        let mut builtin = HashSet::new();
        for step in &pipeline.steps {
            // The digest of the published pipeline that it stands in pins it as well.
            if builtin.contains(&step.uses) || (pipeline.root_of(&step.name).is_some() && !step.uses.contains("://")) {
                continue;
            }
            if let Some(pin) = found.get_mut(&step.uses) {
                pin.grants.extend(step.allow.iter().cloned());
                continue;
            }
            let locked = lock.plugin_digest(&step.uses);
            match loader.identify(&step.uses, &pipeline.base, locked.as_deref()).await {
                Ok(Some(identity)) => {
                    let (grants, interfaces) = (step.allow.iter().cloned().collect(), identity.interfaces);
                    let interfaces = interfaces.into_iter().collect();
                    found.insert(step.uses.clone(), PluginPin { digest: identity.digest, grants, interfaces });
                }
                Ok(None) => _ = builtin.insert(step.uses.clone()),
                Err(error) => problems.push(step.load_problem(&error)),
            }
        }
        if problems.is_empty() { Ok(Self { found }) } else { Err(pipeline.diagnostics(problems)) }
    }

    /// As `find`, of the providers alone: where nothing but kinds of resources is needed.
    pub async fn of_providers(
        pipeline: &Pipeline,
        loader: &dyn PluginLoader,
        lock: &Lock,
    ) -> Result<Self, Diagnostics> {
        let (mut found, mut problems) = (BTreeMap::<String, PluginPin>::new(), Vec::new());
        for provider in &pipeline.providers {
            if let Some(pin) = found.get_mut(&provider.uses) {
                pin.grants.extend(provider.allow.iter().cloned());
                continue;
            }
            let locked = lock.plugin_digest(&provider.uses);
            match loader.identify(&provider.uses, &pipeline.base, locked.as_deref()).await {
                Ok(Some(identity)) => {
                    let (grants, interfaces) = (provider.allow.iter().cloned().collect(), identity.interfaces);
                    let interfaces = interfaces.into_iter().collect();
                    found.insert(provider.uses.clone(), PluginPin { digest: identity.digest, grants, interfaces });
                }
                // One that comes with the host is no provider; loading it says so.
                Ok(None) => {}
                Err(error) => problems.push(provider.load_problem(&error)),
            }
        }
        if problems.is_empty() { Ok(Self { found }) } else { Err(pipeline.diagnostics(problems)) }
    }

    /// In what they differ from the lock file.
    pub fn changes(&self, lock: &Lock) -> Vec<PluginChange> {
        lock.plugin_changes(&self.found)
    }

    /// Refuses what somebody has to accept first.
    pub fn check(&self, pipeline: &Pipeline, lock: &Lock) -> Result<(), Diagnostics> {
        let changes: Vec<PluginChange> = self.changes(lock);
        let problems = changes.iter().filter(|change| change.has_to_be_accepted()).filter_map(|change| {
            let of_step = || {
                let step = pipeline.steps.iter().find(|step| step.uses == change.uses)?;
                Some(step.lock_problem(change, &pipeline.path))
            };
            let provider = pipeline.providers.iter().find(|provider| provider.uses == change.uses);
            provider.map(|provider| provider.lock_problem(change, &pipeline.path)).or_else(of_step)
        });
        let problems: Vec<_> = problems.collect();
        if problems.is_empty() { Ok(()) } else { Err(pipeline.diagnostics(problems)) }
    }

    /// Writes those down that the lock file does not have yet, and says how many.
    pub fn add(&self, lock: &Lock) -> Result<usize, LockError> {
        lock.add_plugins(&self.found)
    }

    /// Writes all of them down, in place of what the lock file has.
    pub fn accept(&self, lock: &Lock) -> Result<(), LockError> {
        lock.set_plugins(&self.found)
    }
}
