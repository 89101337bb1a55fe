//! The providers of a pipeline file.

use std::sync::Arc;
use std::time::Duration;

use llmhost_engine::diagnostic::{Diagnostic, Diagnostics};
use llmhost_engine::pipeline::{Pipeline, Provider as Declared};
use llmhost_engine::plugin::LoadError;
use llmhost_engine::registry::{DynKind, Registry};

use crate::checks::SpecCheck;
use crate::describe::check;
use crate::kind::ProviderKind;
use crate::provider::{AwsCalls, ProviderLoader, ProviderRequest, SecretValues};
use crate::stand_in::StandIn;

/// What the providers of a file bring.
pub struct Brought {
    /// Their kinds.
    pub kinds: Vec<Arc<dyn DynKind>>,
    /// Holds resources that stand in a step's options against these kinds.
    pub check: SpecCheck,
}

/// What loading providers needs.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// Finds and compiles them.
    pub loader: &'a dyn ProviderLoader,
    /// Has the host's own kinds, whose names are taken.
    pub known: &'a Registry,
    /// Reads the secrets that they send.
    pub secrets: &'a Arc<dyn SecretValues>,
    /// Makes their calls of AWS.
    pub aws: &'a Arc<dyn AwsCalls>,
    /// How long one of their requests may take.
    pub timeout: Duration,
    /// Whether their services may not be asked: what they make is kept in memory then.
    pub emulated: bool,
}

/// Loads the providers of a pipeline file and gives what they bring. Every problem is reported in one go; no service is asked
/// for anything.
pub async fn kinds(pipeline: &Pipeline, means: Means<'_>) -> Result<Brought, Diagnostics> {
    let (mut kinds, mut check, mut problems) = (Vec::new(), SpecCheck::default(), Vec::new());
    for provider in &pipeline.providers {
        match of(pipeline, provider, means).await {
            Ok(of) => {
                for kind in of {
                    check.add(kind.name(), kind.schema(), kind.outputs());
                    kinds.push(Arc::new(kind) as Arc<dyn DynKind>);
                }
            }
            Err(of) => problems.extend(of),
        }
    }
    if problems.is_empty() { Ok(Brought { kinds, check }) } else { Err(pipeline.diagnostics(problems)) }
}

async fn of(pipeline: &Pipeline, declared: &Declared, means: Means<'_>) -> Result<Vec<ProviderKind>, Vec<Diagnostic>> {
    let Means { loader, known, secrets, aws, timeout, emulated } = means;
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
        aws,
        timeout,
    };
    let refused = |error: &LoadError| vec![declared.load_problem(error)];
    let mut provider = loader.load_provider(&request).await.map_err(|error| refused(&error))?;
    let checked = check(provider.description())
        .map_err(|reason| refused(&LoadError::BadDescription { uses: declared.uses.clone(), reason, crash: None }))?;
    let config = Arc::new(declared.checked(&checked.config)?);
    if emulated {
        provider = Arc::new(StandIn::new(provider.description().clone()));
    }
    let actions: Vec<String> = declared.allow.iter().filter_map(|grant| action(grant)).collect();
    let kinds = checked.kinds.into_values();
    let kind = |kind| ProviderKind::new(&declared.name, &provider, &config, kind).calling(&actions);
    Ok(kinds.map(kind).collect())
}

/// What IAM has to allow for a grant of calls of AWS: `ssm:PutParameter` of `request:ssm:PutParameter Name=/jobs/*`.
fn action(grant: &str) -> Option<String> {
    let (service, rest) = grant.strip_prefix("request:")?.split_once(':')?;
    let action = rest.split_whitespace().next()?;
    // The action of a call by path is known to its service alone.
    let by_path = rest.split_whitespace().nth(1).is_some_and(|word| word.starts_with('/'));
    Some(format!("{service}:{}", if by_path { "*" } else { action }))
}

#[cfg(test)]
mod tests {
    use super::action;

    #[test]
    fn a_grant_of_calls_is_an_action_of_iam() {
        for (grant, expected) in [
            ("request:ssm:PutParameter Name=/jobs/*", Some("ssm:PutParameter")),
            ("request:ssm:Put*", Some("ssm:Put*")),
            ("request:lambda:GET /2015-03-31/functions/*", Some("lambda:*")),
            ("http:GET https://api.example.com/*", None),
        ] {
            assert_eq!(action(grant).as_deref(), expected, "{grant}");
        }
    }
}
