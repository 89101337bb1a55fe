//! Changes of objects that the step or a kustomization states.

use llmhost_plugin::{Failure, invalid};
use serde_json::Value;

use crate::config::Target;
use crate::merge;
use crate::object::Object;

/// Changes every object that is meant. `namespace` is that of objects which state none.
pub(crate) fn apply(
    objects: &mut Vec<Object>,
    target: &Target,
    patch: &Value,
    place: &str,
    namespace: Option<&str>,
) -> Result<(), Failure> {
    target.check(place)?;
    let mut is_found = false;
    let mut at = 0;
    while at < objects.len() {
        if !target.is(&objects[at], namespace) {
            at += 1;
            continue;
        }
        is_found = true;
        if merge::deletes(patch) {
            objects.remove(at);
            continue;
        }
        change(&mut objects[at], patch, place)?;
        at += 1;
    }
    match is_found {
        true => Ok(()),
        false => {
            let all: Vec<String> = objects.iter().map(Object::identity).collect();
            Err(invalid(format!("{place}: no object is {}; there are {}", target.words(), all.join(", "))))
        }
    }
}

fn change(object: &mut Object, patch: &Value, place: &str) -> Result<(), Failure> {
    let of = format!("{place}, {}", object.identity());
    match patch {
        Value::Array(_) => {
            let operations: json_patch::Patch = serde_json::from_value(patch.clone())
                .map_err(|error| invalid(format!("{place}: this is not a JSON patch (RFC 6902): {error}")))?;
            json_patch::patch(&mut object.value, &operations).map_err(|error| invalid(format!("{of}: {error}")))
        }
        Value::Object(_) if object.is_built_in() => merge::strategic(&mut object.value, patch, &of),
        Value::Object(_) => {
            // Nobody knows which lists of a custom object are merged.
            json_patch::merge(&mut object.value, patch);
            Ok(())
        }
        _ => Err(invalid(format!("{place}: a patch is a table that is merged, or a list, a JSON patch (RFC 6902)"))),
    }
}

impl Target {
    /// The object that a patch without a target names itself.
    pub(crate) fn of(patch: &Value) -> Option<Self> {
        let text = |pointer: &str| patch.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let version = text("/apiVersion")?;
        let (group, version) = version.split_once('/').unwrap_or(("", &version));
        let (group, version) = (Some(group.to_owned()), Some(version.to_owned()));
        let namespace = text("/metadata/namespace");
        Some(Self {
            group,
            version,
            kind: Some(text("/kind")?),
            name: Some(text("/metadata/name")?),
            namespace,
            label_selector: None,
        })
    }

    fn check(&self, place: &str) -> Result<(), Failure> {
        let Self { group, version, kind, name, namespace, label_selector } = self;
        let all = [group, version, kind, name, namespace, label_selector];
        if all.iter().all(|part| part.is_none()) {
            return Err(invalid(format!("{place}: target selects no object: state kind or name")));
        }
        let odd = |text: &&String| {
            text.replace(".*", "").contains(['[', ']', '(', ')', '|', '+', '?', '^', '$', '\\', '*', '{'])
        };
        if let Some(text) = [kind, name, namespace].into_iter().flatten().find(odd) {
            return Err(invalid(format!("{place}: target '{text}': of patterns, only .* is supported")));
        }
        let is_pair =
            |pair: &str| pair.split_once('=').is_some_and(|(key, _)| !key.ends_with('!') && !key.contains(' '));
        match label_selector {
            Some(labels) if !labels.split(',').all(is_pair) => {
                Err(invalid(format!("{place}: labelSelector '{labels}': only key=value,key=value is supported")))
            }
            _ => Ok(()),
        }
    }

    fn is(&self, object: &Object, default: Option<&str>) -> bool {
        let fits = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| matches(wanted, is));
        let label = |key: &str| object.value["metadata"]["labels"].get(key).and_then(Value::as_str);
        let has = |pair: &str| {
            pair.split_once('=').is_some_and(|(key, value)| label(key) == Some(value.trim_start_matches('=')))
        };
        fits(&self.group, object.group())
            && fits(&self.version, object.version())
            && fits(&self.kind, object.kind())
            && fits(&self.name, object.name())
            && fits(&self.namespace, object.namespace().or(default).unwrap_or("default"))
            && self.label_selector.as_deref().is_none_or(|labels| labels.split(',').all(has))
    }

    fn words(&self) -> String {
        let Self { group, version, kind, name, namespace, label_selector } = self;
        let parts = [
            ("group", group),
            ("version", version),
            ("kind", kind),
            ("name", name),
            ("namespace", namespace),
            ("labels", label_selector),
        ];
        let parts = parts.iter().filter_map(|(what, part)| part.as_ref().map(|part| format!("{what} '{part}'")));
        parts.collect::<Vec<_>>().join(", ")
    }
}

/// Whether a text is as a pattern says, in which `.*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split(".*");
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}
