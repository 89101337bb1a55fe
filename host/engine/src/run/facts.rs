//! Facts: what only the outside can tell. An answer comes from the state, from the lock file, from what
//! exists already, or else it is asked for.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::common::Common;
use crate::kind::OpError;
use crate::lock::Lock;
use crate::placement;
use crate::registry::Registry;
use crate::state::{Change, State, StateError, StateStore};
use crate::unknown::{self, Source};

/// What is known of a fact without asking: from the state, or from the lock file.
pub(super) fn known(common: &Common, state: &State, key: &str) -> Option<String> {
    let recorded = state.facts.get(key).cloned();
    recorded.or_else(|| common.lock.as_ref()?.fact(key))
}

/// Asks for a fact that neither the state nor the lock file has. `known` are the facts that are known.
pub(super) async fn ask(registry: &Registry, key: &str, known: &BTreeMap<String, String>) -> Result<String, OpError> {
    // Those of another placement are no others.
    let name = |key: &str| {
        let (fact, placement) = placement::parts_of_key(key);
        fact.split_once('/').map(|(name, _)| (name.to_owned(), placement.to_owned()))
    };
    let others = known.iter().filter(|(other, _)| name(key).is_some() && name(other) == name(key));
    let others: BTreeSet<String> = others.map(|(_, value)| value.clone()).collect();
    let (facts, fact) = registry.facts_by_key(key);
    facts.look_up_beside(fact, &others).await
}

/// Writes a choice that holds for everybody into the lock file, where it is not there yet.
pub(super) fn pin(registry: &Registry, lock: Option<&Lock>, key: &str, value: &str) -> Result<(), OpError> {
    let is_locked = || {
        let (facts, fact) = registry.facts_by_key(key);
        facts.is_locked(fact)
    };
    let Some(lock) = lock.filter(|_| is_locked()) else { return Ok(()) };
    if lock.fact(key).as_deref() == Some(value) {
        return Ok(());
    }
    lock.pin(key, value).map_err(|error| OpError::local("write the lock file", error.to_string()))
}

/// Records a fact in the state.
pub(super) async fn record(store: &dyn StateStore, key: &str, value: &str) -> Result<(), StateError> {
    store.record(Change::Fact { key: key.to_owned(), value: value.to_owned() }).await
}

/// The keys of the facts in a spec that are not known yet.
pub(super) fn unknown_in(spec: &Value) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    unknown::each_token(spec, &mut |source| {
        if let Source::Fact(key) = source {
            keys.insert(key.to_owned());
        }
    });
    keys
}

/// The facts that an existing resource tells: where the declared spec has the token of a fact and nothing
/// else, the resource has its value. A subnet that exists says which zone the first zone is.
pub(super) fn told(declared: &Value, existing: &Value) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    collect(declared, existing, &mut found);
    found
}

fn collect(declared: &Value, existing: &Value, found: &mut BTreeMap<String, String>) {
    match (declared, existing) {
        (Value::String(text), Value::String(value)) => {
            if let Some(Source::Fact(key)) = unknown::whole(text) {
                found.entry(key.to_owned()).or_insert_with(|| value.clone());
            }
        }
        (Value::Object(declared), Value::Object(existing)) => {
            let both = declared.iter().filter_map(|(key, value)| Some((value, existing.get(key)?)));
            both.for_each(|(declared, existing)| collect(declared, existing, found));
        }
        (Value::Array(declared), Value::Array(existing)) if declared.len() == existing.len() => {
            declared.iter().zip(existing).for_each(|(declared, existing)| collect(declared, existing, found));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_resource_tells_the_facts_that_its_declaration_asks_for() {
        let (zone, version) = (unknown::fact("ec2.availability-zone/0"), unknown::fact("eks.newest-version"));
        let declared = json!({ "zone": zone, "in": [version, "x"], "text": format!("a-{zone}"), "other": "b" });
        let existing = json!({ "zone": "us-east-1c", "in": ["1.33", "x"], "text": "a-us-east-1c", "other": zone });
        let told: Vec<_> = told(&declared, &existing).into_iter().collect();
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(told, [pair("ec2.availability-zone/0", "us-east-1c"), pair("eks.newest-version", "1.33")]);
        assert_eq!(unknown_in(&declared).len(), 2);
    }
}
