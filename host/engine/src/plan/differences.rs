//! What changes within a resource, as people read it: lists by their contents, JSON in a text by its fields, long
//! texts by their lines.
//!
//! A plan compares lists by position, because a service's rules name positions. Two items that are put first would
//! then read as a change of every item. So this makes the old list again from the new one and its changes, and
//! compares the two by content.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use similar::{ChangeTag, TextDiff};

use super::FieldChange;
use crate::secret::shown;

/// How deep lists, objects and JSON in texts are compared by content.
const DEEPEST: usize = 32;
/// Fields by which the items of a list are told apart, the first that all have.
const IDENTITIES: [&str; 8] = ["name", "key", "id", "Sid", "Id", "Name", "Key", "topologyKey"];

/// One difference.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Difference {
    /// Dotted path within the spec: `tags.team`, `Statement[ReadModels].Action`.
    pub(super) path: String,
    /// What differs.
    pub(super) what: What,
    /// Whether it cannot be changed in place.
    pub(super) replaces: bool,
    /// Whether the service decides if it can be changed in place.
    pub(super) may_replace: bool,
}

/// What differs.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    /// A value became another.
    Changed(Value, Value),
    /// A value is new.
    Added(Value),
    /// A value is gone.
    Removed(Value),
    /// Items of a list.
    Items { removed: Vec<Value>, added: Vec<Value> },
    /// The same items in another order.
    Reordered,
    /// Lines of a text, those that are gone with a minus.
    Lines(Vec<(char, String)>),
}

/// The differences that these changes of a spec make, in their order. Without fields that refer to a successor: their
/// text stays as it is.
pub(super) fn differences(spec: &Value, changes: &[FieldChange]) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut lists: BTreeMap<&str, Vec<&FieldChange>> = BTreeMap::new();
    let changes = || changes.iter().filter(|change| change.successor.is_none());
    for change in changes() {
        if let Some((prefix, _)) = list_in(spec, &change.path) {
            lists.entry(&change.path[..prefix]).or_default().push(change);
        }
    }
    for change in changes() {
        let (path, of_list) = match list_in(spec, &change.path) {
            Some((prefix, list)) => {
                let path = &change.path[..prefix];
                // All of a list at the place of its first change.
                let Some(of_list) = lists.remove(path) else { continue };
                (path, Some((list, of_list)))
            }
            None => (change.path.as_str(), None),
        };
        let mut inside = Walk { found: Vec::new(), depth: 0 };
        let all = match of_list {
            Some((list, of_list)) => {
                inside.list(path, &before(path, list, &of_list), list);
                of_list
            }
            None => {
                inside.either(path, change.old.as_ref(), change.new.as_ref());
                vec![change]
            }
        };
        let replaces = all.iter().any(|change| change.replaces);
        let may_replace = !replaces && all.iter().any(|change| change.may_replace);
        found.extend(inside.found.into_iter().map(|(path, what)| Difference { path, what, replaces, may_replace }));
    }
    found
}

/// The outermost list that a path leads into, and the length of the path to it. Keys may hold dots and brackets, so
/// the path is read along the value.
fn list_in<'a>(mut value: &'a Value, path: &str) -> Option<(usize, &'a [Value])> {
    let mut at = 0;
    loop {
        let rest = &path[at..];
        match value {
            Value::Array(items) if rest.starts_with('[') => return Some((at, items)),
            Value::Object(fields) => {
                let rest = rest.strip_prefix('.').unwrap_or(rest);
                let (key, inner) = longest_key(fields, rest)?;
                at = path.len() - rest.len() + key.len();
                value = inner;
            }
            _ => return None,
        }
    }
}

/// The longest key that a path begins with.
fn longest_key<'a>(fields: &'a Map<String, Value>, path: &str) -> Option<(&'a String, &'a Value)> {
    let begins = |key: &str| {
        path.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || rest.starts_with('['))
    };
    fields.iter().filter(|(key, _)| !key.is_empty() && begins(key)).max_by_key(|(key, _)| key.len())
}

/// The list as it was before these changes.
fn before(path: &str, list: &[Value], changes: &[&FieldChange]) -> Vec<Value> {
    let mut value = Value::Array(list.to_vec());
    for change in changes {
        restore(&mut value, &change.path[path.len()..], change.old.as_ref());
    }
    match value {
        Value::Array(items) => items,
        _ => list.to_vec(),
    }
}

/// Takes one change back. Says whether there was a place for it.
fn restore(value: &mut Value, path: &str, old: Option<&Value>) -> bool {
    match value {
        Value::Array(items) => {
            let Some((index, rest)) = path.strip_prefix('[').and_then(|path| path.split_once(']')) else {
                return false;
            };
            let Ok(index) = index.parse::<usize>() else { return false };
            match (items.get_mut(index), old) {
                (Some(item), _) if !rest.is_empty() => return restore(item, rest, old),
                (Some(item), Some(old)) => *item = old.clone(),
                // Those that are new stand at the end, and are named one after the other.
                (Some(_), None) => items.truncate(index),
                (None, Some(old)) => items.push(old.clone()),
                (None, None) => {}
            }
            true
        }
        Value::Object(fields) => {
            let path = path.strip_prefix('.').unwrap_or(path);
            let key = longest_key(fields, path).map(|(key, _)| key.clone());
            match (key, old) {
                (Some(key), Some(old)) if key.len() == path.len() => _ = fields.insert(key, old.clone()),
                (Some(key), None) if key.len() == path.len() => _ = fields.shift_remove(&key),
                (Some(key), old) => {
                    let inner = fields.get_mut(&key).is_some_and(|inner| restore(inner, &path[key.len()..], old));
                    if let (false, Some(old)) = (inner, old) {
                        fields.insert(path.to_owned(), old.clone());
                    }
                }
                (None, Some(old)) => _ = fields.insert(path.to_owned(), old.clone()),
                (None, None) => return false,
            }
            true
        }
        _ => false,
    }
}

/// A comparison by content.
struct Walk {
    found: Vec<(String, What)>,
    depth: usize,
}

impl Walk {
    fn either(&mut self, path: &str, old: Option<&Value>, new: Option<&Value>) {
        match (old, new) {
            (Some(old), Some(new)) => self.both(path, old, new),
            (Some(old), None) => self.found.push((path.to_owned(), What::Removed(old.clone()))),
            (None, Some(new)) => self.found.push((path.to_owned(), What::Added(new.clone()))),
            (None, None) => {}
        }
    }

    fn both(&mut self, path: &str, old: &Value, new: &Value) {
        if old == new {
            return;
        }
        if self.depth == DEEPEST {
            return self.found.push((path.to_owned(), What::Changed(old.clone(), new.clone())));
        }
        self.depth += 1;
        match (old, new) {
            (Value::Object(old), Value::Object(new)) => {
                for key in new.keys().chain(old.keys().filter(|key| !new.contains_key(*key))) {
                    let dot = if path.is_empty() { "" } else { "." };
                    self.either(&format!("{path}{dot}{key}"), old.get(key), new.get(key));
                }
            }
            (Value::Array(old), Value::Array(new)) => self.list(path, old, new),
            (Value::String(was), Value::String(is)) => self.texts(path, was, is),
            _ => self.found.push((path.to_owned(), What::Changed(old.clone(), new.clone()))),
        }
        self.depth -= 1;
    }

    fn texts(&mut self, path: &str, old: &str, new: &str) {
        // Parts of a text that is not to be shown would not be recognised any more.
        let is_shown = [old, new].iter().all(|text| *shown(text) == **text);
        let json = |text: &str| {
            let parsed = is_shown.then(|| serde_json::from_str(text).ok()).flatten();
            parsed.filter(|value: &Value| value.is_object() || value.is_array())
        };
        if let (Some(was), Some(is)) = (json(old), json(new)) {
            if was != is {
                return self.both(path, &was, &is);
            }
        } else if is_shown && old.contains('\n') && new.contains('\n') {
            let diff = TextDiff::from_lines(old, new);
            let line = |change: similar::Change<&str>| {
                let text = change.value().trim_end_matches(['\n', '\r']).to_owned();
                match change.tag() {
                    ChangeTag::Equal => None,
                    ChangeTag::Delete => Some(('-', text)),
                    ChangeTag::Insert => Some(('+', text)),
                }
            };
            let lines: Vec<_> = diff.iter_all_changes().filter_map(line).collect();
            return self.found.push((path.to_owned(), What::Lines(lines)));
        }
        self.found.push((path.to_owned(), What::Changed(old.into(), new.into())));
    }

    /// Items by their contents; those with one identity field by field.
    fn list(&mut self, path: &str, old: &[Value], new: &[Value]) {
        let mut added: Vec<(usize, &Value)> = new.iter().enumerate().collect();
        let mut removed: Vec<&Value> = Vec::new();
        for item in old {
            match added.iter().position(|(_, other)| *other == item) {
                Some(at) => _ = added.remove(at),
                None => removed.push(item),
            }
        }
        if added.is_empty() && removed.is_empty() {
            if old != new {
                self.found.push((path.to_owned(), What::Reordered));
            }
            return;
        }
        if let ([one], [(at, other)]) = (&removed[..], &added[..])
            && one.is_object()
            && other.is_object()
            && identity(old, new).is_none()
        {
            return self.both(&format!("{path}[{at}]"), one, other);
        }
        if let Some(field) = identity(old, new) {
            removed.retain(|item| {
                let Some(name) = item.get(field) else { return true };
                let Some(at) = added.iter().position(|(_, other)| other.get(field) == Some(name)) else { return true };
                let (_, other) = added.remove(at);
                let name = name.as_str().map_or_else(|| name.to_string(), str::to_owned);
                self.both(&format!("{path}[{name}]"), item, other);
                false
            });
        }
        if !(added.is_empty() && removed.is_empty()) {
            let added = added.into_iter().map(|(_, item)| item.clone()).collect();
            let removed = removed.into_iter().cloned().collect();
            self.found.push((path.to_owned(), What::Items { removed, added }));
        }
    }
}

/// The field that tells the items of both lists apart.
fn identity(old: &[Value], new: &[Value]) -> Option<&'static str> {
    let is_unique = |items: &[Value], field: &str| {
        let names: Vec<&Value> = items.iter().filter_map(|item| item.get(field)).collect();
        let is_plain = names.iter().all(|name| name.is_string() || name.is_number());
        let has_twins = names.iter().enumerate().any(|(at, name)| names[..at].contains(name));
        names.len() == items.len() && is_plain && !has_twins
    };
    IDENTITIES.into_iter().find(|field| is_unique(old, field) && is_unique(new, field))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::compare;

    fn told(old: &Value, new: &Value) -> Vec<(String, What)> {
        let changes = compare(old, new, &[]).fields;
        differences(new, &changes).into_iter().map(|found| (found.path, found.what)).collect()
    }

    fn items(removed: &[Value], added: &[Value]) -> What {
        What::Items { removed: removed.to_vec(), added: added.to_vec() }
    }

    #[test]
    fn two_more_items_at_the_front_of_a_list_are_two_items() {
        let [old, new] = [json!(["a", "b"]), json!(["x", "a", "y", "b"])];
        let found = told(&json!({"n": 1, "subnet_ids": old}), &json!({"n": 1, "subnet_ids": new}));
        assert_eq!(found, [("subnet_ids".to_owned(), items(&[], &[json!("x"), json!("y")]))]);
    }

    #[test]
    fn items_that_are_gone_come_back_from_the_changes_and_another_order_is_said() {
        let list = |items: Value| json!({"deep": {"list": items}});
        let found = told(&list(json!(["a", "b", "c", "a"])), &list(json!(["c", "a"])));
        assert_eq!(found, [("deep.list".to_owned(), items(&[json!("b"), json!("a")], &[]))]);
        let found = told(&list(json!(["a", "b"])), &list(json!(["b", "a"])));
        assert_eq!(found, [("deep.list".to_owned(), What::Reordered)]);
    }

    #[test]
    fn items_with_a_name_are_compared_field_by_field_wherever_they_stand() {
        let old = json!({"containers": [{"name": "web", "image": "a:1"}, {"name": "log", "image": "l:1"}]});
        let new = json!({"containers": [{"name": "new", "image": "n:1"}, {"name": "web", "image": "a:2"}, {"name": "log", "image": "l:1"}]});
        let found = told(&old, &new);
        let image = What::Changed(json!("a:1"), json!("a:2"));
        let added = items(&[], &[json!({"name": "new", "image": "n:1"})]);
        assert_eq!(found, [("containers[web].image".to_owned(), image), ("containers".to_owned(), added)]);
    }

    #[test]
    fn a_policy_in_a_text_is_compared_inside() {
        let policy = |actions: Value| {
            let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions}]});
            json!({"policy": policy.to_string()})
        };
        let found = told(&policy(json!(["s3:GetObject"])), &policy(json!(["s3:ListBucket", "s3:GetObject"])));
        assert_eq!(found, [("policy.Statement[0].Action".to_owned(), items(&[], &[json!("s3:ListBucket")]))]);
    }

    #[test]
    fn of_a_long_text_the_lines_that_differ_are_told() {
        let found = told(&json!({"values": "a: 1\nb: 2\nc: 3\n"}), &json!({"values": "a: 1\nb: 9\nc: 3\n"}));
        let lines = What::Lines(vec![('-', "b: 2".to_owned()), ('+', "b: 9".to_owned())]);
        assert_eq!(found, [("values".to_owned(), lines)]);
    }

    #[test]
    fn keys_with_dots_and_brackets_are_no_lists() {
        let old = json!({"tags": {"a.b/c": "1", "x[0]": "1"}, "list": [{"k.e": 1}]});
        let new = json!({"tags": {"a.b/c": "2"}, "list": [{"k.e": 2}]});
        let paths: Vec<String> = told(&old, &new).into_iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["tags.a.b/c", "tags.x[0]", "list[0].k.e"]);
    }

    #[test]
    fn a_list_that_replaces_says_so_whichever_item_does() {
        let [old, new] = [json!({"ids": ["a"]}), json!({"ids": ["b"]})];
        let found = differences(&new, &compare(&old, &new, &["ids"]).fields);
        assert!(found.len() == 1 && found[0].replaces, "{found:?}");
    }

    proptest::proptest! {
        #[test]
        fn a_list_comes_back_from_its_changes(old in ids(), new in ids()) {
            let [old, new] = [old, new].map(|ids| json!({"ids": ids}));
            let changes = compare(&old, &new, &[]).fields;
            let all: Vec<&FieldChange> = changes.iter().collect();
            let list = new["ids"].as_array().expect("a list");
            proptest::prop_assert_eq!(&json!({"ids": before("ids", list, &all)}), &old);
        }
    }

    fn ids() -> impl proptest::strategy::Strategy<Value = Vec<u8>> {
        proptest::collection::vec(0u8..6, 0..8)
    }
}
