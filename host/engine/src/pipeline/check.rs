//! Checks across steps: what needs what, circles, and outputs that there are.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use petgraph::graph::{DiGraph, NodeIndex};
use serde_json::Value;

use super::step::Step;
use super::template::{Part, Reference, Template};
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::graph::StepGraph;
use crate::names::StepName;
use crate::plugin::OutputDoc;

/// The graph of the steps, or each circle that keeps them from being one.
pub(super) fn graph(steps: &[Step]) -> Result<StepGraph, Vec<Diagnostic>> {
    let names: Vec<_> = steps.iter().map(|step| step.name.clone()).collect();
    let numbers: HashMap<&str, usize> = names.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
    let needs: Vec<Vec<(usize, Range<usize>)>> = steps.iter().map(|step| needs(step, &numbers)).collect();
    let plain: Vec<Vec<usize>> = needs.iter().map(|needs| needs.iter().map(|(need, _)| *need).collect()).collect();
    StepGraph::new(&names, &plain).map_err(|_| circles(steps, &needs))
}

/// The steps that a step needs, each with the place that says so first.
fn needs(step: &Step, numbers: &HashMap<&str, usize>) -> Vec<(usize, Range<usize>)> {
    let references = step.with.references().into_iter().map(|r| (r.step.as_str(), r.span.clone()));
    let after = step.after.iter().map(|(name, span)| (name.as_str(), span.clone()));
    let mut seen = BTreeSet::new();
    let all = references.chain(after).filter_map(|(name, span)| Some((*numbers.get(name)?, span)));
    all.filter(|(need, _)| seen.insert(*need)).collect()
}

fn circles(steps: &[Step], needs: &[Vec<(usize, Range<usize>)>]) -> Vec<Diagnostic> {
    let mut graph: DiGraph<(), ()> = DiGraph::new();
    steps.iter().for_each(|_| _ = graph.add_node(()));
    for (step, needs) in needs.iter().enumerate() {
        for (need, _) in needs {
            graph.update_edge(NodeIndex::new(step), NodeIndex::new(*need), ());
        }
    }
    let groups = petgraph::algo::tarjan_scc(&graph)
        .into_iter()
        .map(|group| group.into_iter().map(NodeIndex::index).collect::<BTreeSet<_>>());
    let is_circle = |group: &BTreeSet<usize>| {
        group.len() > 1 || group.iter().any(|&step| needs[step].iter().any(|(need, _)| *need == step))
    };
    groups.filter(is_circle).map(|group| circle(steps, needs, &group)).collect()
}

/// One circle of a group: from its first step along needs within the group until a step comes again.
fn circle(steps: &[Step], needs: &[Vec<(usize, Range<usize>)>], group: &BTreeSet<usize>) -> Diagnostic {
    let mut path: Vec<usize> = group.first().copied().into_iter().collect();
    let (start, closing) = loop {
        let here = path[path.len() - 1];
        let inside = needs[here].iter().find(|(need, _)| group.contains(need));
        let (next, span) = inside.expect("each step of a cycle depends on another one in it");
        if let Some(at) = path.iter().position(|step| step == next) {
            break (at, span.clone());
        }
        path.push(*next);
    };
    let mut names: Vec<&str> = path[start..].iter().map(|&step| steps[step].name.as_str()).collect();
    names.push(names[0]);
    Diagnostic {
        code: "cycle",
        message: format!("these steps depend on each other: {}", names.join(" -> ")),
        span: Some(closing),
        label: "this closes the cycle".to_owned(),
        help: Some("a -> b says that a needs b; take one of the references or 'after' entries out".to_owned()),
    }
}

/// References to outputs that no plugin promises.
pub(super) fn outputs<'a>(
    steps: &[Step],
    own: &BTreeMap<String, Template>,
    outputs_of: impl Fn(&StepName) -> Option<&'a [OutputDoc]>,
) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    let own = own.values().flat_map(Template::references);
    for reference in steps.iter().flat_map(|step| step.with.references()).chain(own) {
        let Some(promised) = outputs_of(&reference.step) else { continue };
        if promised.iter().any(|output| output.name == reference.output) {
            continue;
        }
        let message = format!("step '{}' has no output '{}'", reference.step.family(), reference.output);
        let mut problem = reference.problem("unknown-output", message, "not an output");
        let names = promised.iter().map(|output| output.name.as_str());
        problem.help = Some(match did_you_mean(&reference.output, names.clone()) {
            Some(near) => format!("did you mean '{near}'?"),
            None => format!("it has {}", names.collect::<Vec<_>>().join(", ")),
        });
        problems.push(problem);
    }
    problems
}

/// References to parts of outputs that cannot be there. `form` gives the form of a step's outputs, with null for what
/// may be anything.
pub(super) fn parts(
    steps: &[Step],
    own: &BTreeMap<String, Template>,
    form: impl Fn(&StepName) -> Option<Value>,
) -> Vec<Diagnostic> {
    let own = own.values().flat_map(Template::references);
    let all = steps.iter().flat_map(|step| step.with.references()).chain(own);
    let mut forms: BTreeMap<&StepName, Option<Value>> = BTreeMap::new();
    all.filter_map(|reference| {
        let form = forms.entry(&reference.step).or_insert_with(|| form(&reference.step));
        missing_part(reference, form.as_ref()?)
    })
    .collect()
}

fn missing_part(reference: &Reference, form: &Value) -> Option<Diagnostic> {
    let mut here = form.get(&reference.output)?;
    for part in &reference.path {
        let Value::Object(all) = here else { return None };
        let Part::Key(key) = part else { return None };
        here = match all.get(key) {
            Some(below) => below,
            None => {
                let message = format!("{} does not exist: there is no '{key}'", reference.text());
                let names: Vec<&str> = all.keys().map(String::as_str).collect();
                let help = match (did_you_mean(key, names.iter().copied()), names.is_empty()) {
                    (Some(near), _) => format!("did you mean '{near}'?"),
                    (None, true) => format!("{} is empty in this step", reference.output),
                    (None, false) => format!("there are {}", names.join(", ")),
                };
                return Some(Diagnostic {
                    help: Some(help),
                    ..reference.problem("unknown-output", message, "not there")
                });
            }
        };
    }
    None
}
