//! Names and places that change hands within one plan, and what keeps them from it.

use std::collections::HashMap;

use serde_json::Value;

use super::report::{Reason, StepFailure};
use crate::kind::ReplaceOrder;
use crate::names::ResourceAddress;
use crate::plan::{Action, Plan, PlannedResource};
use crate::registry::{DynKind, Registry};
use crate::state::{Instance, State};

/// What gives up a name or place in this plan, by kind.
#[derive(Default)]
struct GivenUp<'a> {
    by_name: HashMap<String, &'a ResourceAddress>,
    /// Those whose ranges have to be compared.
    by_range: Vec<(&'a ResourceAddress, &'a Value)>,
}

/// Finds, for everything that is created, who has its name or place now and gives it up in this
/// plan: that one is deleted first.
pub(super) fn resolve(plan: &mut Plan, state: &State, registry: &Registry) {
    let given_up = given_up(plan, state, registry);
    let mut taken = Vec::new();
    for (address, planned) in &plan.resources {
        let Some(given_up) = given_up.get(address.kind()).filter(|_| needs_room(planned)) else { continue };
        let Some(kind) = registry.kind_of(address) else { continue };
        let named = kind.unique(&planned.spec).and_then(|name| given_up.by_name.get(&name.to_string()).copied());
        let in_range = || given_up.by_range.iter().find(|(_, old)| kind.clashes(old, &planned.spec)).map(|(at, _)| *at);
        if let Some(holder) = named.or_else(in_range).filter(|holder| *holder != address) {
            taken.push((address.clone(), holder.clone()));
        }
    }
    for (address, holder) in taken {
        if let Some(Action::Replace { order }) = plan.resources.get_mut(&holder).map(|planned| &mut planned.action) {
            *order = ReplaceOrder::DeleteFirst;
        }
        if let Some(planned) = plan.resources.get_mut(&address) {
            planned.takes_over = Some(holder);
        }
    }
}

fn needs_room(planned: &PlannedResource) -> bool {
    matches!(planned.action, Action::Create | Action::Replace { .. })
}

fn given_up<'a>(plan: &Plan, state: &'a State, registry: &Registry) -> HashMap<&'a str, GivenUp<'a>> {
    let mut found: HashMap<&str, GivenUp<'_>> = HashMap::new();
    for (address, instance) in state.instances() {
        let (Some(planned), Some(kind)) = (plan.resources.get(address), registry.kind_of(address)) else {
            continue;
        };
        let Some(name) = kind.unique(&instance.spec) else { continue };
        let gives = match planned.action {
            Action::Delete => true,
            Action::Replace { .. } => kind.unique(&planned.spec).as_ref() != Some(&name),
            _ => false,
        };
        if gives {
            let of_kind = found.entry(address.kind()).or_default();
            of_kind.by_name.insert(name.to_string(), address);
            if kind.by_range() {
                of_kind.by_range.push((address, &instance.spec));
            }
        }
    }
    found
}

/// Deletions that must come first and that AWS would refuse: something that stays refers to the
/// resource until its own turn, which comes after.
pub(super) fn held(plan: &Plan, state: &State, registry: &Registry) -> Vec<StepFailure> {
    let taken: Vec<&ResourceAddress> = plan.resources.values().filter_map(|p| p.takes_over.as_ref()).collect();
    let goes_first = |address: &&ResourceAddress| {
        let action = plan.resources.get(*address).map(|planned| planned.action);
        matches!(action, Some(Action::Replace { order: ReplaceOrder::DeleteFirst })) || taken.contains(address)
    };
    let going: HashMap<&ResourceAddress, &Instance> = state.instances().filter(|(at, _)| goes_first(at)).collect();
    if going.is_empty() {
        return Vec::new();
    }
    let mut failures = Vec::new();
    for (user, instance) in state.instances() {
        let destructive = plan.resources.get(user).is_none_or(|planned| planned.action.is_destructive());
        let Some(user_kind) = registry.kind_of(user).filter(|_| !destructive) else { continue };
        for (used, gone) in instance.depends_on.iter().filter_map(|used| going.get_key_value(used)) {
            let Some(kind) = registry.kind_of(used) else { continue };
            let failure = |reason| StepFailure { step: used.step().clone(), address: Some((*used).clone()), reason };
            if plan.left_out.contains(user.step()) {
                failures.push(failure(Reason::StillUsed(vec![user.clone()])));
                continue;
            }
            let identities = gone.identities(&**kind);
            // Of an update that did not end either may be there.
            for spec in std::iter::once(&instance.spec).chain(&instance.was) {
                let Some(field) = holding_field(&**user_kind, spec, &identities) else { continue };
                if user_kind.without(spec, &identities).is_none() {
                    let unique = kind.unique_fields();
                    failures.push(failure(Reason::HeldBy { user: user.clone(), field, unique }));
                    break;
                }
            }
        }
    }
    failures
}

/// The field by which a resource keeps what has these identities from being deleted.
fn holding_field(kind: &dyn DynKind, spec: &Value, identities: &[String]) -> Option<String> {
    let free = |field: &str| field == "tags" || kind.by_name().contains(&field) || kind.loose().contains(&field);
    let fields = spec.as_object()?.iter().filter(|(field, _)| !free(field));
    fields.into_iter().find(|(_, value)| mentions(value, identities)).map(|(field, _)| field.clone())
}

fn mentions(value: &Value, identities: &[String]) -> bool {
    match value {
        Value::String(text) => identities.contains(text),
        Value::Array(items) => items.iter().any(|item| mentions(item, identities)),
        Value::Object(fields) => fields.values().any(|field| mentions(field, identities)),
        _ => false,
    }
}
