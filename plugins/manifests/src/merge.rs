//! Merging a part of an object into it, as `kubectl patch` does: lists of named things are merged by their names.

use llmhost_plugin::{Failure, invalid};
use serde_json::{Map, Value};

/// The fields whose lists are merged, and what their entries are told apart by. Every other list is replaced.
const MERGED: [(&str, &[&str]); 17] = [
    ("containers", &["name"]),
    ("initContainers", &["name"]),
    ("ephemeralContainers", &["name"]),
    ("env", &["name"]),
    ("volumes", &["name"]),
    ("volumeMounts", &["mountPath"]),
    ("volumeDevices", &["devicePath"]),
    ("ports", &["containerPort", "port"]),
    ("imagePullSecrets", &["name"]),
    ("hostAliases", &["ip"]),
    ("topologySpreadConstraints", &["topologyKey"]),
    ("resourceClaims", &["name"]),
    ("webhooks", &["name"]),
    ("secrets", &["name"]),
    ("ownerReferences", &["uid"]),
    ("validations", &["expression"]),
    ("matchConditions", &["name"]),
];

/// What is done with a part: `$patch` in it says so.
const DIRECTIVE: &str = "$patch";

/// Whether a patch takes the whole object away.
pub(crate) fn deletes(patch: &Value) -> bool {
    patch.get(DIRECTIVE).and_then(Value::as_str) == Some("delete")
}

/// Merges a patch into an object of Kubernetes' own API.
pub(crate) fn strategic(into: &mut Value, patch: &Value, place: &str) -> Result<(), Failure> {
    let Value::Object(patch) = patch else {
        *into = patch.clone();
        return Ok(());
    };
    if !into.is_object() {
        *into = Value::Object(Map::new());
    }
    let Some(fields) = into.as_object_mut() else { return Ok(()) };
    match patch.get(DIRECTIVE).and_then(Value::as_str) {
        Some("replace") => fields.clear(),
        Some("merge") | None => {}
        Some(other) => return Err(invalid(format!("{place}: $patch: {other} is not supported here"))),
    }
    for (key, value) in patch.iter().filter(|(key, _)| *key != DIRECTIVE) {
        if key.starts_with('$') {
            let text = format!("{place}: {key} is not supported; replace the list with a JSON patch (RFC 6902)");
            return Err(invalid(text));
        }
        if value.is_null() || deletes(value) {
            fields.remove(key);
            continue;
        }
        let there = fields.entry(key.clone()).or_insert(Value::Null);
        match (there, value) {
            (there, Value::Array(items)) => list(key, there, items, place)?,
            (there, value) => strategic(there, value, place)?,
        }
    }
    Ok(())
}

fn list(field: &str, there: &mut Value, items: &[Value], place: &str) -> Result<(), Failure> {
    let keys = MERGED.iter().find(|(name, _)| *name == field).map(|(_, keys)| *keys);
    let key = keys.and_then(|keys| keys.iter().find(|key| items.iter().all(|item| is_keyed(item, key))));
    let is_replaced = items.iter().any(|item| item.get(DIRECTIVE).and_then(Value::as_str) == Some("replace"));
    let (Some(key), Value::Array(old), false) = (key, &mut *there, is_replaced) else {
        // Without an old one, what is to be deleted is not there.
        let new = items.iter().filter(|item| item.get(DIRECTIVE).is_none());
        let new: Vec<Value> = new.cloned().collect();
        *there = Value::Array(new);
        return Ok(());
    };
    // As Kubernetes does: what is new stands before what was there.
    let mut new = Vec::new();
    for item in items {
        let at = old.iter().position(|old| is_same(old, item, key));
        match (at, deletes(item)) {
            (Some(at), true) => _ = old.remove(at),
            (Some(at), false) => strategic(&mut old[at], item, place)?,
            (None, true) => {}
            (None, false) => new.push(item.clone()),
        }
    }
    new.append(old);
    *old = new;
    Ok(())
}

fn is_keyed(item: &Value, key: &str) -> bool {
    item.get(key).is_some() || item.get(DIRECTIVE).and_then(Value::as_str) == Some("replace")
}

/// Ports are told apart by their protocol as well.
fn is_same(one: &Value, other: &Value, key: &str) -> bool {
    let protocol = |port: &Value| port.get("protocol").and_then(Value::as_str).unwrap_or("TCP").to_owned();
    one.get(key) == other.get(key) && (!key.ends_with("ort") || protocol(one) == protocol(other))
}
