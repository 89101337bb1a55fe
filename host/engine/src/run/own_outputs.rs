//! `[outputs]` of the file that is run: checked when it is planned, kept when it has run.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value};

use super::Engine;
use super::hands::Hands;
use super::report::{Reason, StepFailure};
use crate::names::StepName;
use crate::pipeline::OwnOutput;
use crate::plan::Plan;
use crate::secret::without_sensitive;
use crate::state::Change;

/// Each, where the steps that it refers to are there.
fn all(engine: &Engine, plan: &Plan, outputs: &HashMap<StepName, Value>) -> Vec<OwnOutput> {
    let sensitive: HashMap<&StepName, &BTreeSet<String>> =
        plan.steps.iter().map(|step| (&step.name, &step.sensitive)).collect();
    let is_sensitive = |step: &StepName, name: &str| sensitive.get(step).is_some_and(|names| names.contains(name));
    engine.pipeline.own_outputs(|step| outputs.get(step), &engine.others, is_sensitive)
}

/// Outputs that refer to what is not there.
pub(super) fn violations(engine: &Engine, plan: &Plan, outputs: &HashMap<StepName, Value>) -> Vec<StepFailure> {
    let failure = |output: OwnOutput| {
        let (Err(message), Some(step)) = (output.value, output.step) else { return None };
        // What never ran gives nothing, and what it gave before stays.
        let is_open = outputs.get(&step).is_none_or(Value::is_null);
        let reason = Reason::Config(format!("'{}' of [outputs]: {message}", output.name));
        (!is_open).then_some(StepFailure { step, address: None, reason })
    };
    all(engine, plan, outputs).into_iter().filter_map(failure).collect()
}

/// Keeps them in the state, and gives them as they may be shown.
pub(super) async fn record(
    engine: &Engine,
    plan: &Plan,
    outputs: &HashMap<StepName, Value>,
    hands: &Hands,
) -> Result<Value, Reason> {
    let (before, hidden) = hands.store.look(|state| (state.file_outputs.clone(), state.sensitive_file_outputs.clone()));
    let (mut values, mut sensitive) = (BTreeMap::new(), BTreeSet::new());
    for output in all(engine, plan, outputs) {
        let (value, is_sensitive) = match (output.value, before.get(&output.name)) {
            (Ok(value), _) => (value, output.is_sensitive),
            (Err(_), Some(before)) => (before.clone(), hidden.contains(&output.name)),
            (Err(_), None) => continue,
        };
        if is_sensitive {
            sensitive.insert(output.name.clone());
        }
        values.insert(output.name, value);
    }
    let shown = Value::Object(values.clone().into_iter().collect::<Map<_, _>>());
    let shown = without_sensitive(&shown, &sensitive);
    if values != before || sensitive != hidden {
        hands.record(Change::FileOutputs { outputs: values, sensitive }).await?;
    }
    Ok(shown)
}
