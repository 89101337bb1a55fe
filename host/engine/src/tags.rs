//! The rules that AWS has for tags. A tag of the pipeline reaches every resource, so it must keep the rules of
//! every service.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

/// Most tags that a resource of AWS can have.
pub const MOST: usize = 50;
/// Most characters of a key, and of a value.
const LONGEST: (usize, usize) = (128, 256);
/// Prefixes that nobody but AWS and llmhost may use.
const RESERVED: [&str; 2] = ["aws:", "llmhost:"];

/// Takes out of what is there the tags that somebody else gave: none that `known`, what the state and the file say, has
/// ever had. Other tools mark resources too (for costs, for backups, Kubernetes' controllers), and what is not
/// this pipeline's is neither drift nor taken away.
pub(crate) fn leave_others(there: &mut Value, known: &[&Value]) {
    let Some(tags) = there.get_mut("tags").and_then(Value::as_object_mut) else { return };
    let known: Vec<_> = known.iter().filter_map(|spec| spec.get("tags")?.as_object()).collect();
    if known.is_empty() {
        return;
    }
    // llmhost's own say whose a resource is.
    tags.retain(|key, _| key.starts_with("llmhost:") || known.iter().any(|tags| tags.contains_key(key)));
}

/// Adds the tags of a spec to what was there before it, where they are not known to be: they are the pipeline's own.
pub(crate) fn remember(was: &mut Value, spec: &Value) {
    let (Some(was), Some(all)) =
        (was.get_mut("tags").and_then(Value::as_object_mut), spec.get("tags").and_then(Value::as_object))
    else {
        return;
    };
    for (key, value) in all {
        was.entry(key.as_str()).or_insert_with(|| value.clone());
    }
}

/// What is wrong with a tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TagError {
    /// `aws:` or `llmhost:`.
    #[error("the tag '{key}' starts with {prefix}, which is reserved")]
    Reserved {
        /// The key.
        key: String,
        /// The prefix.
        prefix: &'static str,
    },
    /// An empty key.
    #[error("a tag has an empty key")]
    Empty,
    /// A key that is too long.
    #[error("the tag '{}…' has a key of {length} characters; AWS allows {}", .key.chars().take(20).collect::<String>(), LONGEST.0)]
    LongKey {
        /// The key.
        key: String,
        /// Its characters.
        length: usize,
    },
    /// A value that is too long.
    #[error("the tag '{key}' has a value of {length} characters; AWS allows {}", LONGEST.1)]
    LongValue {
        /// The key.
        key: String,
        /// The value's characters.
        length: usize,
    },
    /// A character in the key that some service refuses.
    #[error(
        "the key of the tag '{key}' has the character '{bad}'; AWS allows letters, digits, spaces and _ . : / = + - @"
    )]
    KeyCharacter {
        /// The key.
        key: String,
        /// The first such character.
        bad: char,
    },
    /// A character in the value that some service refuses.
    #[error(
        "the value of the tag '{key}' has the character '{bad}'; AWS allows letters, digits, spaces and _ . : / = + - @"
    )]
    ValueCharacter {
        /// The key.
        key: String,
        /// The first such character.
        bad: char,
    },
}

/// Checks the key: its prefix and its length.
pub fn check_key(key: &str) -> Result<(), TagError> {
    let lower = key.to_lowercase();
    if let Some(prefix) = RESERVED.into_iter().find(|prefix| lower.starts_with(prefix)) {
        return Err(TagError::Reserved { key: key.to_owned(), prefix });
    }
    match key.chars().count() {
        0 => Err(TagError::Empty),
        length if length > LONGEST.0 => Err(TagError::LongKey { key: key.to_owned(), length }),
        _ => Ok(()),
    }
}

/// Checks the value: its length.
pub fn check_value(key: &str, value: &str) -> Result<(), TagError> {
    match value.chars().count() {
        length if length > LONGEST.1 => Err(TagError::LongValue { key: key.to_owned(), length }),
        _ => Ok(()),
    }
}

/// Checks the characters of a key. EC2 takes any character; IAM, EKS and others do not.
pub fn check_key_characters(key: &str) -> Result<(), TagError> {
    first_bad(key).map_or(Ok(()), |bad| Err(TagError::KeyCharacter { key: key.to_owned(), bad }))
}

/// Checks the characters of a value, as [`check_key_characters`] does.
pub fn check_value_characters(key: &str, value: &str) -> Result<(), TagError> {
    first_bad(value).map_or(Ok(()), |bad| Err(TagError::ValueCharacter { key: key.to_owned(), bad }))
}

/// Two keys that differ in nothing but case. IAM takes them for one key and refuses the second.
pub fn clash<'a>(keys: impl IntoIterator<Item = &'a str>) -> Option<(&'a str, &'a str)> {
    let mut seen: HashMap<String, &str> = HashMap::new();
    keys.into_iter().find_map(|key| {
        let before = seen.insert(key.to_lowercase(), key)?;
        (before != key).then_some((before, key))
    })
}

/// The first character that IAM's pattern for tags does not take.
fn first_bad(text: &str) -> Option<char> {
    static GOOD: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"^[\p{L}\p{Z}\p{N}]$").expect("the pattern is a constant"));
    let is_good = |c: char| match c.is_ascii() {
        true => c.is_ascii_alphanumeric() || " _.:/=+-@".contains(c),
        false => GOOD.is_match(c.encode_utf8(&mut [0; 4])),
    };
    text.chars().find(|c| !is_good(*c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_others_are_left_and_those_that_were_the_pipelines_are_not() {
        let there = serde_json::json!({ "id": 1, "tags": { "team": "x", "old": "y", "cost": "42", "llmhost:pipeline": "other" } });
        let (now, was) =
            (serde_json::json!({ "tags": { "team": "ml" } }), serde_json::json!({ "tags": { "old": "y" } }));
        let left = |known: &[&Value]| {
            let mut there = there.clone();
            leave_others(&mut there, known);
            there["tags"].as_object().unwrap().keys().cloned().collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(left(&[&now]), ["llmhost:pipeline", "team"].map(str::to_owned).into());
        assert_eq!(left(&[&now, &was]), ["llmhost:pipeline", "old", "team"].map(str::to_owned).into());
        // A kind that has no tags of its own in its spec is left as it is.
        assert_eq!(left(&[&serde_json::json!({ "id": 1 })]).len(), 4);
    }

    #[test]
    fn a_tag_keeps_the_rules_of_aws() {
        let long = "k".repeat(129);
        for (key, value, part) in [
            ("team", "ml", None),
            ("Größe 2", "東京 + a/b=c@d_e-f.g:h", None),
            ("team", "", None),
            ("", "x", Some("empty key")),
            ("aws:x", "x", Some("starts with aws:")),
            ("LLMHOST:x", "x", Some("starts with llmhost:")),
            (&long, "x", Some("129 characters")),
            ("team", &"v".repeat(257), Some("257 characters")),
            ("cost-${env}", "x", Some("the character '$'")),
            ("team", "a,b", Some("the character ','")),
            ("team", "a\tb", Some("the character '\t'")),
            ("smile", "☺", Some("the character '☺'")),
        ] {
            let checked = check_key(key)
                .and_then(|()| check_value(key, value))
                .and_then(|()| check_key_characters(key))
                .and_then(|()| check_value_characters(key, value))
                .map_err(|error| error.to_string());
            match part {
                None => assert_eq!(checked, Ok(()), "{key}"),
                Some(part) => assert!(checked.as_ref().is_err_and(|error| error.contains(part)), "{key}: {checked:?}"),
            }
        }
    }

    #[test]
    fn keys_that_differ_in_case_alone_clash() {
        assert_eq!(clash(["env", "team", "Env"]), Some(("env", "Env")));
        assert_eq!(clash(["env", "team", "environment"]), None);
    }
}
