//! The plan's graph as data. The shape is part of the interface: see [`super::Format::Json`].

use serde::Serialize;
use serde_json::Value;

use super::notes::{Cost, Notes};
use crate::names::{ResourceAddress, StepName};
use crate::placement::Placement;
use crate::plan::words::told;
use crate::plan::{FieldChange, Plan, PlannedExisting};

#[derive(Serialize)]
pub(super) struct Graph<'a> {
    pipeline: &'a str,
    /// What exists already and steps use.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    existing: &'a [PlannedExisting],
    steps: Vec<Step<'a>>,
    resources: Vec<Resource<'a>>,
    /// What holds for all costs. Only on the page, as everything from the notes.
    #[serde(skip_serializing_if = "Option::is_none")]
    costs: Option<&'a str>,
}

#[derive(Serialize)]
struct Step<'a> {
    name: &'a StepName,
    uses: Option<&'a str>,
    /// Where its calls go, where that is not where the pipeline's go.
    #[serde(skip_serializing_if = "Option::is_none")]
    placement: Option<&'a Placement>,
    depends_on: &'a [StepName],
    #[serde(skip_serializing_if = "Option::is_none")]
    grants: Option<&'a Option<Vec<String>>>,
}

#[derive(Serialize)]
struct Resource<'a> {
    address: &'a ResourceAddress,
    step: &'a StepName,
    kind: &'a str,
    name: &'a str,
    action: &'static str,
    changes: Vec<FieldChange>,
    /// What the change interrupts.
    #[serde(skip_serializing_if = "Option::is_none")]
    interrupts: Option<&'a str>,
    depends_on: &'a [ResourceAddress],
    /// Only on the page, which shows it beside the picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    spec: Option<Value>,
    /// The IAM actions that it needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    actions: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<&'a Cost>,
}

pub(super) fn draw(plan: &Plan) -> String {
    let graph = graph(plan, None);
    serde_json::to_string_pretty(&graph).expect("strings for keys, and nothing that can fail") + "\n"
}

/// The graph; with notes, for a page, which shows each resource's spec as well.
pub(super) fn graph<'a>(plan: &'a Plan, notes: Option<&'a Notes>) -> Graph<'a> {
    let bill = notes.and_then(|notes| notes.bill.as_ref());
    let in_file = plan.steps.iter().map(|step| Step {
        name: &step.name,
        uses: Some(&step.uses),
        placement: (!step.placement.is_own()).then_some(&step.placement),
        depends_on: &step.depends_on,
        grants: notes.and_then(|notes| notes.grants.get(&step.name)),
    });
    let mut steps: Vec<Step<'_>> = in_file.collect();
    let mut known: std::collections::HashSet<&StepName> = plan.steps.iter().map(|step| &step.name).collect();
    for address in plan.resources.keys() {
        if known.insert(address.step()) {
            steps.push(Step { name: address.step(), uses: None, placement: None, depends_on: &[], grants: None });
        }
    }
    let resources = plan.resources.iter().map(|(address, resource)| Resource {
        address,
        step: address.step(),
        kind: address.kind(),
        name: address.name(),
        action: match resource.action.mark().word {
            "unchanged" => "keep",
            word => word,
        },
        changes: resource.changes.iter().map(told_change).collect(),
        interrupts: resource.interrupts.as_deref(),
        depends_on: &resource.depends_on,
        spec: notes.map(|_| told(&resource.spec)),
        actions: notes.and_then(|notes| notes.actions.get(address)).map(Vec::as_slice),
        cost: bill.and_then(|bill| bill.of.get(address)),
    });
    let costs = bill.map(|bill| bill.about.as_str());
    Graph { pipeline: &plan.pipeline, existing: &plan.existing, steps, resources: resources.collect(), costs }
}

fn told_change(change: &FieldChange) -> FieldChange {
    FieldChange {
        path: change.path.clone(),
        old: change.old.as_ref().map(told),
        new: change.new.as_ref().map(told),
        replaces: change.replaces,
        may_replace: change.may_replace,
        successor: change.successor.clone(),
    }
}
