//! Compares two canonical specs of one kind, field by field.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use crate::names::ResourceAddress;
use crate::pointer;
use crate::secret::{SENSITIVE_MASK, hide_counterpart};
use crate::unknown;

/// One field that changes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldChange {
    /// Dotted path within the spec: `tags.team`, `lifecycle[0].prefix`.
    pub path: String,
    /// The value in the state; absent where the field is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// The declared value; absent where the field goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
    /// Whether this field cannot be changed in place.
    pub replaces: bool,
    /// Whether the service decides if this field can be changed in place.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub may_replace: bool,
    /// The resource that this field refers to and that is another one by then, under the same name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub successor: Option<ResourceAddress>,
}

impl FieldChange {
    /// The top-level field of the spec that it is in.
    pub fn top(&self) -> &str {
        self.path.split(['.', '[']).next().unwrap_or_default()
    }
}

/// What a comparison found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Comparison {
    /// Every field that differs, in the order of the spec.
    pub fields: Vec<FieldChange>,
}

impl Comparison {
    /// Whether a field that cannot be changed in place differs.
    pub fn replaces(&self) -> bool {
        self.fields.iter().any(|field| field.replaces)
    }
}

impl Comparison {
    /// Marks the fields that cannot be changed in place, by JSON pointers to them or to what they are in.
    pub(crate) fn mark_replacing(&mut self, pointers: &[String]) {
        self.at(pointers).for_each(|field| field.replaces = true);
    }

    /// Marks the fields of which the service decides whether they can be changed in place.
    pub(crate) fn mark_may_replace(&mut self, pointers: &[String]) {
        self.at(pointers).for_each(|field| field.may_replace = !field.replaces);
    }

    /// The fields at these JSON pointers, within what is there, or around it.
    fn at(&mut self, pointers: &[String]) -> impl Iterator<Item = &mut FieldChange> {
        let paths: Vec<String> = pointers.iter().map(|pointer| dotted(pointer)).collect();
        let is_in = |inner: &str, outer: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        let is_at = move |field: &&mut FieldChange| {
            paths.iter().any(|path| is_in(&field.path, path) || is_in(path, &field.path))
        };
        self.fields.iter_mut().filter(is_at)
    }
}

/// A JSON pointer as the path of a field: `/rules/0/port` is `rules[0].port`.
fn dotted(pointer: &str) -> String {
    let mut path = String::new();
    for part in pointer::parts(pointer) {
        match part.parse::<usize>() {
            Ok(at) => path.push_str(&format!("[{at}]")),
            Err(_) if path.is_empty() => path = part,
            Err(_) => path.push_str(&format!(".{part}")),
        }
    }
    path
}

/// Compares the spec in the state with the declared one. `immutable` names the top-level fields
/// that cannot be changed in place.
pub fn compare(old: &Value, new: &Value, immutable: &[&str]) -> Comparison {
    let mut found = Comparison::default();
    walk(&mut String::new(), Some(old), Some(new), &mut found.fields);
    for field in &mut found.fields {
        hide_counterpart(field.old.as_ref(), field.new.as_ref());
        field.replaces = immutable.contains(&field.top());
    }
    found
}

impl FieldChange {
    /// As it may be shown, where these outputs of a step are sensitive.
    pub fn without(mut self, sensitive: &BTreeSet<String>) -> Self {
        let is_in = |name: &String| {
            self.path.strip_prefix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        if sensitive.iter().any(is_in) {
            let mask = |value: Option<Value>| value.map(|_| Value::from(SENSITIVE_MASK));
            (self.old, self.new) = (mask(self.old), mask(self.new));
        }
        self
    }
}

/// The fields in which what is declared is not what was planned, unknown tokens standing for any text.
pub(crate) fn departing(planned: &Value, real: &Value) -> Vec<FieldChange> {
    let mut fields = compare(planned, real, &[]).fields;
    let is_as_planned = |change: &FieldChange| match (&change.old, &change.new) {
        (Some(planned), Some(real)) => unknown::matches(planned, real),
        _ => false,
    };
    if !fields.iter().all(is_as_planned) {
        fields.retain(|change| !is_as_planned(change));
    }
    fields
}

/// The same of a step's outputs. One that was `null` in the plan was not known there.
pub(crate) fn departing_outputs(planned: &Value, real: &Value) -> Vec<FieldChange> {
    let mut planned = planned.clone();
    for (name, value) in planned.as_object_mut().into_iter().flatten().filter(|(_, value)| value.is_null()) {
        *value = real.get(name).cloned().unwrap_or_default();
    }
    if unknown::matches(&planned, real) { Vec::new() } else { departing(&planned, real) }
}

fn walk(path: &mut String, old: Option<&Value>, new: Option<&Value>, found: &mut Vec<FieldChange>) {
    match (old, new) {
        (Some(old), Some(new)) if old == new => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let keys = new.keys().chain(old.keys().filter(|key| !new.contains_key(*key)));
            for key in keys {
                let length = path.len();
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(key);
                walk(path, old.get(key), new.get(key), found);
                path.truncate(length);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            for at in 0..old.len().max(new.len()) {
                let length = path.len();
                path.push_str(&format!("[{at}]"));
                walk(path, old.get(at), new.get(at), found);
                path.truncate(length);
            }
        }
        _ => found.push(FieldChange {
            path: path.clone(),
            old: old.cloned(),
            new: new.cloned(),
            replaces: false,
            may_replace: false,
            successor: None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_field_that_differs_is_named_once_with_both_values() {
        let old = json!({"cidr": "10.0.1.0/24", "tags": {"a": "1", "b": "2"}, "rules": [{"days": 1}], "same": [1]});
        let new = json!({"cidr": "10.0.9.0/24", "tags": {"a": "1", "c": "3"}, "rules": [{"days": 2}, {"days": 3}], "same": [1]});
        let found = compare(&old, &new, &["cidr"]);
        let paths: Vec<_> = found.fields.iter().map(|f| (f.path.as_str(), f.replaces)).collect();
        assert_eq!(
            paths,
            [("cidr", true), ("tags.c", false), ("tags.b", false), ("rules[0].days", false), ("rules[1]", false)]
        );
        assert!(found.replaces());
    }

    #[test]
    fn a_field_may_replace_where_it_does_not_anyway() {
        let [old, new] = [1, 2].map(|n| json!({"p": {"a": n, "b": n, "c": [{"d": n}]}}));
        let mut found = compare(&old, &new, &[]);
        found.mark_replacing(&["/p/a".to_owned()]);
        found.mark_may_replace(&["/p/a".to_owned(), "/p/c".to_owned()]);
        let marks: Vec<_> = found.fields.iter().map(|f| (f.path.as_str(), f.replaces, f.may_replace)).collect();
        assert_eq!(marks, [("p.a", true, false), ("p.b", false, false), ("p.c[0].d", false, true)]);
        let told = serde_json::to_value(&found.fields).expect("plain data");
        assert_eq!((&told[1]["may_replace"], &told[2]["may_replace"]), (&json!(null), &json!(true)));
    }

    #[test]
    fn what_became_known_is_no_departure() {
        let planned = json!({"vpc": "<<net/ec2.vpc/main#id>>", "n": 1, "ids": ["<<net/ec2.vpc/main#id>>", "b"]});
        let real = json!({"vpc": "vpc-1", "n": 2, "ids": ["vpc-1", "c"]});
        let paths: Vec<_> = departing(&planned, &real).into_iter().map(|change| change.path).collect();
        assert_eq!(paths, ["n", "ids[1]"]);
    }

    #[test]
    fn an_output_that_was_not_known_may_become_anything() {
        let planned = json!({"id": "<<net/ec2.vpc/main#id>>", "count": null, "size": 1, "of": {"a": null}});
        for (real, paths) in [
            (json!({"id": ["x"], "count": 3, "size": 1, "of": {"a": null}}), &[][..]),
            (json!({"id": "x", "count": null, "size": 2, "of": {"a": 1}}), &["size", "of.a"][..]),
            (json!({"id": "x", "count": 1, "size": 1}), &["of"][..]),
        ] {
            let found: Vec<_> = departing_outputs(&planned, &real).into_iter().map(|change| change.path).collect();
            assert_eq!(found, paths, "{real}");
        }
    }

    #[test]
    fn equal_specs_have_no_changes_whatever_the_order_of_their_keys() {
        let found = compare(&json!({"a": 1, "b": 2}), &json!({"b": 2, "a": 1}), &["a"]);
        assert_eq!(found, Comparison::default());
    }
}
