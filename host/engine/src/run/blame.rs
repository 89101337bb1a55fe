//! Whose it is: what a name or a place is taken by, when a create is refused because of it.

use crate::kind::{ErrorClass, Marks, OpError};
use crate::names::ResourceAddress;
use crate::registry::DynKind;
use crate::state::{State, StateStore};

/// Adds to the refusal of a create who has the name or the place, and what to do. An error of another kind,
/// and one whose cause cannot be found, stays as it is.
pub(super) async fn explain(
    store: &dyn StateStore,
    address: &ResourceAddress,
    kind: &dyn DynKind,
    spec: &serde_json::Value,
    mut error: OpError,
) -> OpError {
    if error.class != ErrorClass::Conflict {
        return error;
    }
    let Ok(Some(ids)) = kind.by_place(spec).await else { return error };
    for id in ids {
        if let Some(holder) = store.look(|state| in_state(state, address, kind.name(), &id)) {
            error.advice = Some(holder);
            return error;
        }
        // Who may create and not look gets the bare error.
        let Ok(Some(seen)) = kind.read(&id, spec).await else { continue };
        let pipeline = store.look(|state| state.pipeline.clone());
        error.advice = Some(match kind.marks(&seen.spec) {
            Some(Marks { pipeline: Some(other), address: at }) => marked(&pipeline, &other, at, address, &id),
            marks => unmarked(marks.is_some(), address, &id, error.advice.take()),
        });
        return error;
    }
    error
}

/// What to do where the state itself has it.
fn in_state(state: &State, address: &ResourceAddress, kind: &str, id: &str) -> Option<String> {
    let of_kind = state.resources.iter().filter(|(other, _)| other.kind() == kind);
    let mut holds = of_kind.filter(|(_, record)| record.current.iter().chain(&record.deposed).any(|one| one.id == id));
    let (holder, _) = holds.next()?;
    Some(match holder == address {
        true => format!(
            "{id} is the predecessor of {address}, which the state still has and which waits to be deleted. Nothing is \
             lost: give the new one another name, or undo the change."
        ),
        false => format!(
            "{id} is in the state of this pipeline, as {holder}. If {holder} was renamed in the file, run 'llmhost state mv \
             FILE {holder} {address}'. Otherwise give one of the two another name."
        ),
    })
}

/// What to do where a pipeline's tags are on it.
fn marked(own: &str, other: &str, at: Option<String>, address: &ResourceAddress, id: &str) -> String {
    let at = at.map(|at| format!(" ({at})")).unwrap_or_default();
    if own == other {
        return format!(
            "{id} carries the tags of this pipeline{at} and is not in its state. To import it, run 'llmhost import FILE \
             {address} {id}'; to import everything with these tags, run 'llmhost import FILE --all'."
        );
    }
    format!("{id} belongs to the pipeline '{other}'{at}, by its tags. It was not changed. Choose another name.")
}

/// What to do where nobody's tags are on it. `own` is what the kind knows.
fn unmarked(is_tagged: bool, address: &ResourceAddress, id: &str, own: Option<String>) -> String {
    let whose = match is_tagged {
        true => format!("{id} exists and carries no tags of llmhost. It was not changed."),
        false => format!("{id} exists and is not in the state of this pipeline. It was not changed."),
    };
    let rest = own.unwrap_or_else(|| {
        format!(
            "Choose another name; or, if this pipeline is to manage it from now on, run 'llmhost import FILE {address} {id}'."
        )
    });
    format!("{whose} {rest}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::state::ResourceRecord;

    fn address(text: &str) -> ResourceAddress {
        text.parse().expect("an address")
    }

    #[test]
    fn what_the_state_has_is_never_called_somebody_elses() {
        let instance = serde_json::from_value(json!({ "id": "node", "spec": {} })).expect("an instance");
        let record = ResourceRecord { current: Some(instance), ..ResourceRecord::default() };
        let mut state = State::default();
        state.resources.insert(address("roles/iam.role/node"), record);
        let said = |at: &str, id: &str| in_state(&state, &address(at), "iam.role", id);
        let moved = said("identity/iam.role/node", "node").expect("it is there");
        assert!(moved.contains("state mv FILE roles/iam.role/node identity/iam.role/node"), "{moved}");
        assert!(said("roles/iam.role/node", "node").expect("it is there").contains("predecessor"));
        assert_eq!(said("roles/iam.role/node", "other"), None);
    }

    #[test]
    fn no_advice_loses_anything_when_it_is_followed() {
        let at = address("roles/iam.role/node");
        for (text, part) in [
            (marked("demo", "demo", Some("old/iam.role/node".into()), &at, "node"), "llmhost import FILE --all"),
            (marked("demo", "other", None, &at, "node"), "belongs to the pipeline 'other'"),
            (unmarked(true, &at, "node", None), "llmhost import FILE roles/iam.role/node node"),
            (unmarked(false, &at, "node", Some("Set adopt = true.".into())), "Set adopt = true."),
        ] {
            assert!(text.contains(part), "{text}");
            assert!(!["remove", "delete", "detach"].iter().any(|word| text.contains(word)), "{text}");
        }
    }
}
