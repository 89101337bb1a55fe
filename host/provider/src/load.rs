//! The providers of a pipeline file.

use std::sync::Arc;

use llmhost_engine::diagnostic::{Diagnostic, Diagnostics};
use llmhost_engine::pipeline::{Pipeline, Provider as Declared};
use llmhost_engine::plugin::LoadError;
use llmhost_engine::registry::{DynKind, Registry};

use crate::describe::check;
use crate::kind::ProviderKind;
use crate::provider::{ProviderLoader, ProviderRequest, SecretValues};

/// Loads the providers of a pipeline file and gives their kinds. `known` has the host's own, whose names are taken. Every
/// problem is reported in one go; no service is asked for anything.
pub async fn kinds(
    pipeline: &Pipeline,
    loader: &dyn ProviderLoader,
    known: &Registry,
    secrets: &Arc<dyn SecretValues>,
) -> Result<Vec<Arc<dyn DynKind>>, Diagnostics> {
    let (mut kinds, mut problems) = (Vec::new(), Vec::new());
    for provider in &pipeline.providers {
        match of(pipeline, provider, loader, known, secrets).await {
            Ok(of) => kinds.extend(of),
            Err(of) => problems.extend(of),
        }
    }
    if problems.is_empty() { Ok(kinds) } else { Err(pipeline.diagnostics(problems)) }
}

async fn of(
    pipeline: &Pipeline,
    declared: &Declared,
    loader: &dyn ProviderLoader,
    known: &Registry,
    secrets: &Arc<dyn SecretValues>,
) -> Result<Vec<Arc<dyn DynKind>>, Vec<Diagnostic>> {
    let interface = |kind: &str| kind.split_once('.').is_some_and(|(of, _)| of == declared.name.as_str());
    if let Some(taken) = known.kinds().find(|kind| interface(kind.name())) {
        return Err(vec![declared.name_problem(taken.name())]);
    }
    let request = ProviderRequest {
        name: &declared.name,
        uses: &declared.uses,
        base: &pipeline.base,
        allow: &declared.allow,
        limits: &declared.limits,
        ca: declared.ca.as_deref(),
        secrets,
    };
    let refused = |error: &LoadError| vec![declared.load_problem(error)];
    let provider = loader.load_provider(&request).await.map_err(|error| refused(&error))?;
    let checked = check(provider.description())
        .map_err(|reason| refused(&LoadError::BadDescription { uses: declared.uses.clone(), reason, crash: None }))?;
    let config = Arc::new(declared.checked(&checked.config)?);
    let kinds = checked.kinds.into_values();
    let kind = |kind| Arc::new(ProviderKind::new(&declared.name, &provider, &config, kind)) as Arc<dyn DynKind>;
    Ok(kinds.map(kind).collect())
}
