//! `ignore_changes` that are about nothing: a slip in a name would hide no change, and nobody would be told.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::Value;

use super::Engine;
use super::report::{Reason, StepFailure};
use crate::diagnostic::did_you_mean;
use crate::names::{ResourceAddress, StepName};
use crate::pipeline::{FieldPath, Ignored};
use crate::plan::{Action, Plan};
use crate::state::State;

/// Tables with keys of the user's own: one that is not there yet may come.
const OPEN: [&str; 3] = ["tags", "labels", "annotations"];

/// A resource, its declared spec, and the one in the state.
struct Resource<'a> {
    address: &'a ResourceAddress,
    specs: [Option<&'a Value>; 2],
}

/// Entries that name no field of any resource of their steps.
pub(super) fn unmatched(engine: &Engine, plan: &Plan, state: &State) -> Vec<StepFailure> {
    let steps = engine.pipeline().steps.iter().filter(|step| !plan.left_out.contains(&step.name));
    // One entry of the file may stand for many steps.
    let mut entries: BTreeMap<(usize, &str), (&Ignored, Vec<&StepName>)> = BTreeMap::new();
    for step in steps {
        for ignored in &step.ignored {
            let entry = entries.entry((ignored.span.start, ignored.text.as_str()));
            entry.or_insert_with(|| (ignored, Vec::new())).1.push(&step.name);
        }
    }
    if entries.is_empty() {
        return Vec::new();
    }
    let mut failures = Vec::new();
    for (ignored, steps) in entries.into_values() {
        let names: HashSet<&StepName> = steps.iter().copied().collect();
        let declared = plan
            .resources
            .iter()
            .filter(|(address, planned)| planned.action != Action::Delete && names.contains(address.step()));
        let resources: Vec<Resource<'_>> = declared
            .map(|(address, planned)| {
                let current = state.resources.get(address).and_then(|record| record.current.as_ref());
                Resource { address, specs: [Some(&planned.spec), current.map(|current| &current.spec)] }
            })
            .collect();
        if !resources.iter().any(|resource| is_field(engine, ignored, resource)) {
            let reason = Reason::Config(message(engine, ignored, &resources));
            failures.push(StepFailure { step: steps[0].clone(), address: None, reason });
        }
    }
    failures
}

/// Whether an entry names a field of a resource, be it stated or not.
fn is_field(engine: &Engine, ignored: &Ignored, resource: &Resource<'_>) -> bool {
    let Some(path) = ignored.path_in(resource.address) else { return false };
    let specs = || resource.specs.iter().flatten();
    if specs().any(|spec| path.of(spec).is_some()) {
        return true;
    }
    let is_known = fields(engine, resource.address).is_some_and(|fields| fields.contains(&path.top()));
    let is_open =
        || OPEN.contains(&path.top()) || !specs().any(|spec| spec.get(path.top()).is_some_and(|v| !v.is_null()));
    is_known && (path.is_top() || is_open())
}

fn fields(engine: &Engine, address: &ResourceAddress) -> Option<&'static [&'static str]> {
    engine.registry().kind_of(address)?.fields()
}

/// What is wrong with an entry, and what may be meant.
fn message(engine: &Engine, ignored: &Ignored, resources: &[Resource<'_>]) -> String {
    let text = &ignored.text;
    let mut message = format!("ignore_changes: '{text}' is not a field of a resource that the step declares");
    if resources.is_empty() {
        return message + ": it declares none";
    }
    let mut candidates = BTreeSet::new();
    for resource in resources {
        let address = resource.address;
        let mut paths: BTreeSet<String> =
            fields(engine, address).into_iter().flatten().map(|name| (*name).to_owned()).collect();
        resource.specs.iter().flatten().for_each(|spec| collect(spec, "", &mut paths));
        for path in paths {
            candidates.insert(format!("{}/{}.{path}", address.kind(), address.name()));
            candidates.insert(format!("{}.{path}", address.kind()));
            candidates.insert(path);
        }
    }
    match did_you_mean(text, candidates.iter().map(String::as_str)) {
        Some(near) => message += &format!(". Did you mean '{near}'?"),
        None => {
            let tops = candidates.iter().filter(|path| !path.contains(['.', '[', '/']));
            message += &format!(". Its fields are {}", tops.map(String::as_str).collect::<Vec<_>>().join(", "));
        }
    }
    message
}

fn collect(value: &Value, before: &str, paths: &mut BTreeSet<String>) {
    let Value::Object(fields) = value else { return };
    for (key, field) in fields {
        let path = if before.is_empty() { key.clone() } else { format!("{before}.{key}") };
        collect(field, &path, paths);
        paths.insert(path);
    }
}

/// A declared spec with what is there in the fields that are ignored.
pub(super) fn as_there(engine: &Engine, address: &ResourceAddress, declared: &Value, there: &Value) -> Value {
    let mut spec = declared.clone();
    copy(&engine.pipeline().ignored(address), there, &mut spec);
    spec
}

/// Puts fields of one spec into another.
pub(super) fn copy(fields: &[FieldPath], from: &Value, to: &mut Value) {
    for field in fields {
        field.copy(from, to);
    }
}
