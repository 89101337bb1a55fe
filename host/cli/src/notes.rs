//! What the page of a plan shows besides the plan: grants, IAM actions and costs.

use std::collections::{BTreeMap, BTreeSet};

use llmhost_engine::graph::draw::{Amount, Costs, Notes};
use llmhost_engine::kind::Scope;
use llmhost_engine::names::ResourceAddress;
use llmhost_engine::pipeline::Pipeline;
use llmhost_engine::plan::Plan;
use llmhost_engine::registry::Registry;
use llmhost_engine::state::State;
use llmhost_prices::{Bill, HOURS_PER_MONTH, Item, Range};

use crate::cost::{Cost, region};
use crate::view;

/// Notes for the page of a plan; without costs where nobody is billed.
pub(crate) fn notes(
    pipeline: &Pipeline,
    registry: &Registry,
    (plan, state): (&Plan, &State),
    cost: Option<&Cost>,
) -> Notes {
    let is_builtin = |uses: &str| llmhost_builtin::ALL.iter().any(|builtin| builtin.name == uses);
    let grants =
        pipeline.steps.iter().map(|step| (step.name.clone(), (!is_builtin(&step.uses)).then(|| step.allow.clone())));
    Notes {
        grants: grants.collect(),
        actions: actions(pipeline, registry, (plan, state)),
        bill: cost.map(|cost| costs(&cost.after)),
    }
}

/// What each resource needs to be allowed: as the plan has it, and as the state has it, to be replaced or deleted.
fn actions(
    pipeline: &Pipeline,
    registry: &Registry,
    (plan, state): (&Plan, &State),
) -> BTreeMap<ResourceAddress, Vec<String>> {
    let mut all: BTreeMap<&ResourceAddress, BTreeSet<String>> = BTreeMap::new();
    let planned = plan.resources.iter().map(|(address, planned)| (address, &planned.spec));
    for (address, spec) in planned.chain(state.specs()) {
        let Some(kind) = registry.kind_of(address) else { continue };
        let region = region(pipeline, state, address.step());
        let scope = Scope { pipeline: &pipeline.name, region, account: "*" };
        let needed = kind.permissions(spec, &scope).into_iter().flat_map(|permission| permission.actions);
        all.entry(address).or_default().extend(needed);
    }
    all.into_iter().map(|(address, actions)| (address.clone(), actions.into_iter().collect())).collect()
}

fn costs(bill: &Bill) -> Costs {
    let of = bill.items.iter().filter_map(|item| Some((item.resource.parse().ok()?, cost(item)))).collect();
    Costs { about: view::about_prices(bill, ""), of }
}

fn cost(item: &Item) -> llmhost_engine::graph::draw::Cost {
    let amount = |range: Range| Amount { least: range.least, most: range.most };
    llmhost_engine::graph::draw::Cost {
        what: item.what.clone(),
        hourly: item.hourly.map(amount),
        monthly: item.hourly.map(|hourly| amount(hourly.times(HOURS_PER_MONTH))),
        by_use: item.by_use.clone(),
        unknown: item.unknown.clone(),
        spot: item.spot,
    }
}
