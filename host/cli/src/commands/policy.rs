//! `llmhost policy`: the least IAM policy that a pipeline needs.

use std::collections::BTreeSet;
use std::sync::Arc;

use llmhost_engine::kind::{Permission, Scope};
use llmhost_resources::{MANAGED_POLICY, PREFLIGHT_ACTIONS, is_for_destroy, policy_document};

use crate::app::{self, Console};
use crate::args::{Policy, Purpose};
use crate::failure::Failure;
use crate::others;
use crate::place::Place;

/// Those actions that change nothing.
fn looks(actions: &[&'static str]) -> Vec<&'static str> {
    let is_look = |action: &&&str| {
        let verb = action.split_once(':').map_or(**action, |(_, verb)| verb);
        ["Describe", "List", "Get"].iter().any(|look| verb.starts_with(look))
    };
    let of_ec2 = actions.iter().any(|action| action.starts_with("ec2:"));
    actions.iter().filter(is_look).copied().chain(of_ec2.then_some("ec2:DescribeTags")).collect()
}

/// Prints the policy.
pub(crate) async fn policy(args: Policy) -> Result<(), Failure> {
    let console = Console::new(false);
    let pipeline = app::pipeline(&args.file)?;
    let place = Place::real(&pipeline, &args.file)?.offline();
    let engine = app::engine(Arc::clone(&pipeline), &args.file, place.settings(), &console, 10).await?;
    let state = place.read().await?;
    let plan = engine.plan(&Arc::new(state.clone())).await?;
    let account = args.account.or_else(|| state.account().cloned());
    let account = account.unwrap_or_else(|| "*".to_owned());
    let scope = Scope { pipeline: &pipeline.name, region: &pipeline.region, account: &account };
    let registry = engine.registry();
    let mut permissions: Vec<Permission> = Vec::new();
    // What the state has under another name or path is read, and deleted or replaced.
    let planned = plan.resources.iter().map(|(address, planned)| (address, &planned.spec));
    for (address, spec) in planned.chain(state.specs()) {
        let kind = registry.kind(address.kind());
        permissions.extend(kind.into_iter().flat_map(|kind| kind.permissions(spec, &scope)));
    }
    match args.purpose {
        Purpose::Run => {
            let facts: BTreeSet<&str> =
                plan.facts.iter().flat_map(|key| registry.facts().actions(key)).copied().collect();
            let asked: Vec<&str> = facts.into_iter().chain(PREFLIGHT_ACTIONS.iter().copied()).collect();
            permissions.push(Permission::new(&asked, ["*".to_owned()]));
        }
        Purpose::Destroy => {
            let by_name = permissions.iter_mut().filter(|permission| !permission.to_destroy);
            by_name.for_each(|permission| permission.actions.retain(|action| is_for_destroy(action)));
        }
    }
    if matches!(args.purpose, Purpose::Run) {
        let looked_up = plan.existing.iter().filter_map(|one| registry.kind(&one.kind));
        permissions.extend(looked_up.map(|kind| Permission::new(&looks(kind.actions()), ["*".to_owned()])));
    }
    permissions.extend(place.state_permissions());
    permissions.extend(others::permissions(&pipeline)?);
    let document = policy_document(permissions, &scope);
    let text = serde_json::to_string_pretty(&document).expect("a policy is plain data");
    app::print(&(text + "\n"));
    let length = document.to_string().len();
    if length > MANAGED_POLICY {
        console.note(&format!(
            "The policy has {length} characters and IAM takes {MANAGED_POLICY} in one: split its statements over several policies."
        ));
    }
    Ok(())
}
