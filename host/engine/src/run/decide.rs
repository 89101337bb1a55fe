//! What a plan does with one declared resource: the declaration beside the state.

use super::common::{Common, Declaration};
use crate::kind::{Outputs, ReplaceOrder, Scope};
use crate::pipeline::FieldPath;
use crate::plan::{Action, Comparison, FieldChange, PlannedResource};
use crate::registry::DynKind;
use crate::state::{Instance, Pending, State};

/// A declared resource in a plan, and which of its outputs are known already.
pub(super) struct Known {
    pub(super) planned: PlannedResource,
    pub(super) outputs: Outputs,
    /// Fields that stay as they are.
    pub(super) ignored: Vec<FieldPath>,
}

/// Decides what happens to a declared resource, and notes where that makes another instance.
pub(super) fn decide(declaration: &Declaration, state: &State, common: &Common) -> Known {
    let Declaration { address, kind, spec, depends_on, .. } = declaration;
    let record = state.resources.get(address);
    let current = record.and_then(|record| record.current.as_ref());
    let pending = record.and_then(|record| record.pending.as_ref());
    let scope = Scope {
        pipeline: &common.pipeline.name,
        region: common.pipeline.region_of(address.step()),
        account: state.account_of(address.step()).map_or("*", String::as_str),
    };
    let mut outputs = kind.foreknown(spec);
    let (action, changes) = match (current, pending) {
        (None, None) => (Action::Create, Vec::new()),
        (None, Some(pending)) => begun(declaration, pending),
        (Some(instance), _) => {
            let against = |old: &serde_json::Value| {
                let mut compared = kind.compare(old, spec);
                compared.fields.extend(lost(declaration, &compared, instance, state, common));
                compared
            };
            let compared = against(&instance.spec);
            let action = of_instance(&**kind, instance, spec, &compared);
            // An update that did not end is an update still: from what was there before it.
            let was = instance.was.as_ref().filter(|_| action == Action::Update && instance.unfinished);
            (action, was.map_or(compared, against).fields)
        }
    };
    let renewed = matches!(action, Action::Create | Action::Replace { .. }) || (current.is_none() && pending.is_some());
    if renewed {
        common.book.renew(address);
        outputs.extend(kind.predicted(spec, &scope));
    } else if let Some(instance) = current {
        let moves = |output: &str| action != Action::Keep && kind.is_volatile(output);
        let old = instance.outputs.iter().filter(|(key, _)| !moves(key));
        let old = old.map(|(key, value)| (key.clone(), value.clone()));
        let new = std::mem::take(&mut outputs);
        outputs = old.chain(new).collect();
    }
    let planned = PlannedResource {
        changes,
        depends_on: depends_on.clone(),
        unfinished: current.is_some_and(|instance| instance.unfinished),
        broken: current.and_then(|instance| instance.broken.clone()),
        was_going: current.is_some_and(|instance| instance.going),
        derived: kind.derived(),
        ..PlannedResource::new(action, serde_json::Value::clone(spec))
    };
    Known { planned, outputs, ignored: declaration.ignored.clone() }
}

/// What was begun may be there, and not be what is wanted any more.
fn begun(declaration: &Declaration, pending: &Pending) -> (Action, Vec<FieldChange>) {
    let Declaration { kind, spec, .. } = declaration;
    let compared = kind.compare(&pending.spec, spec);
    match compared.replaces() || pending.replaces.is_some() {
        true => (Action::Replace { order: order(&**kind, &pending.spec, spec) }, compared.fields),
        false => (Action::Finish, Vec::new()),
    }
}

fn of_instance(kind: &dyn DynKind, instance: &Instance, spec: &serde_json::Value, compared: &Comparison) -> Action {
    if compared.replaces() || instance.broken.is_some() || instance.going {
        Action::Replace { order: order(kind, &instance.spec, spec) }
    } else if instance.is_half_updated() {
        Action::Update
    } else if instance.unfinished {
        Action::Finish
    } else if compared.fields.is_empty() {
        Action::Keep
    } else {
        Action::Update
    }
}

/// A name is free only when its holder is gone, whatever else could exist side by side.
fn order(kind: &dyn DynKind, old: &serde_json::Value, new: &serde_json::Value) -> ReplaceOrder {
    if kind.clashes(old, new) { ReplaceOrder::DeleteFirst } else { ReplaceOrder::CreateFirst }
}

/// Fields whose text is the same and that refer to another resource by then: its successor under the
/// same name. What they were to the predecessor is gone with it.
fn lost(
    declaration: &Declaration,
    compared: &Comparison,
    instance: &Instance,
    state: &State,
    common: &Common,
) -> Vec<FieldChange> {
    let Declaration { kind, spec, refers_to, .. } = declaration;
    let is_another = |used| {
        // The text is the same, so it names what had that name until now.
        if common.book.is_renewed(used) {
            return true;
        }
        let known = instance.bound.get(used);
        let now = state.resources.get(used).and_then(|record| record.current.as_ref()).map(|now| &now.generation);
        known.is_some_and(|known| now.is_some_and(|now| !now.is_empty() && now != known))
    };
    let others = refers_to.iter().filter(|(used, _)| is_another(used));
    let fields = others.flat_map(|(used, fields)| fields.iter().map(move |field| (used, field.as_str())));
    let unchanged = fields.filter(|(_, field)| !compared.fields.iter().any(|change| change.top() == *field));
    let change = |(used, field): (&crate::names::ResourceAddress, &str)| FieldChange {
        path: field.to_owned(),
        old: instance.spec.get(field).cloned(),
        new: spec.get(field).cloned(),
        replaces: kind.immutable().contains(&field),
        may_replace: false,
        successor: Some(used.clone()),
    };
    let mut changes: Vec<FieldChange> = unchanged.map(change).collect();
    changes.dedup_by(|a, b| a.path == b.path);
    changes
}
