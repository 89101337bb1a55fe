//! A plan as numbered nodes and edges: what every drawing starts from.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::order::{Edge, reduce};
use crate::names::{ResourceAddress, StepName};
use crate::plan::words::Mark;
use crate::plan::{Plan, PlannedResource};

/// A plan, numbered.
pub(super) struct Drawing<'a> {
    pub(super) plan: &'a Plan,
    /// What exists already, the steps of the file in their order, then those that only the state still has.
    pub(super) steps: Vec<Step<'a>>,
    /// Every resource, in the order of the plan.
    pub(super) resources: Vec<Resource<'a>>,
    /// `(dependency, dependent)` between resources, without those that a longer way shows.
    pub(super) edges: Vec<Edge>,
    /// The same between steps, where no edge between their resources shows it.
    pub(super) step_edges: Vec<Edge>,
}

/// One step, or something that exists and that steps use.
pub(super) struct Step<'a> {
    pub(super) name: &'a StepName,
    /// Absent where the file has the step no longer.
    pub(super) uses: Option<Cow<'a, str>>,
    /// Whether it is no step, but what exists already and steps use.
    pub(super) exists: bool,
    pub(super) resources: Vec<usize>,
}

impl Step<'_> {
    /// What stands where its resources would be, where it has none.
    pub(super) fn empty(&self) -> &'static str {
        if self.exists { "read, never changed" } else { "no resources" }
    }
}

/// One resource.
pub(super) struct Resource<'a> {
    pub(super) address: &'a ResourceAddress,
    pub(super) planned: &'a PlannedResource,
    pub(super) step: usize,
}

impl Resource<'_> {
    pub(super) fn mark(&self) -> &'static Mark {
        self.planned.action.mark()
    }
}

impl<'a> Drawing<'a> {
    pub(super) fn new(plan: &'a Plan) -> Self {
        let mut steps: Vec<Step<'a>> = Vec::with_capacity(plan.steps.len());
        let mut step_numbers: HashMap<&StepName, usize> = HashMap::new();
        // What a plugin looked up is drawn with its step.
        let is_step = |name: &StepName| plan.steps.iter().any(|step| step.name == *name);
        for existing in plan.existing.iter().filter(|one| !is_step(&one.name)) {
            step_numbers.insert(&existing.name, steps.len());
            let uses = Some(existing.words().into());
            steps.push(Step { name: &existing.name, uses, exists: true, resources: Vec::new() });
        }
        for step in &plan.steps {
            step_numbers.insert(&step.name, steps.len());
            steps.push(Step { name: &step.name, uses: Some(step.about()), exists: false, resources: Vec::new() });
        }
        let mut resources = Vec::with_capacity(plan.resources.len());
        for (address, planned) in &plan.resources {
            let step = *step_numbers.entry(address.step()).or_insert_with(|| {
                steps.push(Step { name: address.step(), uses: None, exists: false, resources: Vec::new() });
                steps.len() - 1
            });
            steps[step].resources.push(resources.len());
            resources.push(Resource { address, planned, step });
        }
        let edges = reduce(resources.len(), &resource_edges(plan));
        let step_edges = step_edges(plan, steps.len(), &step_numbers, &resources, &edges);
        Self { plan, steps, resources, edges, step_edges }
    }

    /// What stands beside a step's name.
    pub(super) fn uses<'b>(step: &'b Step<'a>) -> &'b str {
        step.uses.as_deref().unwrap_or("no longer in the file")
    }
}

fn resource_edges(plan: &Plan) -> Vec<Edge> {
    let mut edges = Vec::new();
    let mut seen = HashSet::new();
    for (to, resource) in plan.resources.values().enumerate() {
        for from in resource.depends_on.iter().filter_map(|address| plan.resources.get_index_of(address)) {
            if from != to && seen.insert((from, to)) {
                edges.push((from, to));
            }
        }
    }
    edges
}

fn step_edges(
    plan: &Plan,
    count: usize,
    numbers: &HashMap<&StepName, usize>,
    resources: &[Resource<'_>],
    edges: &[Edge],
) -> Vec<Edge> {
    let between = edges.iter().map(|&(from, to)| (resources[from].step, resources[to].step));
    let shown: HashSet<Edge> = between.filter(|(from, to)| from != to).collect();
    let mut stated = Vec::new();
    let mut seen = shown.clone();
    for (to, step) in plan.steps.iter().filter_map(|step| Some((*numbers.get(&step.name)?, step))) {
        for &from in step.depends_on.iter().filter_map(|name| numbers.get(name)) {
            if from != to && seen.insert((from, to)) {
                stated.push((from, to));
            }
        }
    }
    let mut all: Vec<Edge> = shown.iter().copied().chain(stated).collect();
    all.sort_unstable();
    reduce(count, &all).into_iter().filter(|edge| !shown.contains(edge)).collect()
}
