//! Compares two canonical specs of one kind, field by field.

use serde::Serialize;
use serde_json::Value;

use crate::names::ResourceAddress;

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

/// Compares the spec in the state with the declared one. `immutable` names the top-level fields
/// that cannot be changed in place.
pub fn compare(old: &Value, new: &Value, immutable: &[&str]) -> Comparison {
    let mut found = Comparison::default();
    walk(&mut String::new(), Some(old), Some(new), &mut found.fields);
    for field in &mut found.fields {
        field.replaces = immutable.contains(&field.top());
    }
    found
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
    fn equal_specs_have_no_changes_whatever_the_order_of_their_keys() {
        let found = compare(&json!({"a": 1, "b": 2}), &json!({"b": 2, "a": 1}), &["a"]);
        assert_eq!(found, Comparison::default());
    }
}
