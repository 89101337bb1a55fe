//! IAM: roles, policies, instance profiles, OIDC providers.

mod blockers;
mod document;
mod look;
mod oidc_provider;
mod policy;
mod profile;
mod role;

use aws_sdk_iam::types::Tag;
use llmhost_engine::kind::{Intent, OpError};
use llmhost_engine::unknown;

use super::errors::Operation;
use super::limits;
use super::tags::{INTENT, Tags};

pub(super) use document::Document;
pub(super) use look::{oidc_provider, policy, profile, role};
pub(super) use oidc_provider::OidcProvider;
pub(super) use policy::Policy;
pub(super) use profile::InstanceProfile;
pub(super) use role::Role;

/// The tags of something that is being made, with the token to find it by.
fn tagged(operation: &str, tags: &Tags, intent: &Intent) -> Result<Vec<Tag>, OpError> {
    let all = tags.0.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    list(operation, all.chain([(INTENT, intent.token.as_str())]))
}

fn list<'a>(operation: &str, tags: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Vec<Tag>, OpError> {
    let tag = |(key, value): (&str, &str)| Tag::builder().key(key).value(value).build();
    tags.map(tag).collect::<Result<_, _>>().map_err(|error| OpError::local(operation, error.to_string()))
}

fn observed(tags: &[Tag]) -> Tags {
    Tags::observed(tags.iter().map(|tag| (Some(tag.key()), Some(tag.value()))))
}

/// Whether a create with this intent made what carries these tags.
fn is_made_by(tags: &[Tag], intent: &Intent) -> bool {
    tags.iter().any(|tag| tag.key() == INTENT && tag.value() == intent.token)
}

/// What to set and what to take away, so that the tags are as they should be. `was` is absent
/// where it is not known what is there.
fn changes(operation: &str, was: Option<&Tags>, now: &Tags) -> Result<(Vec<Tag>, Vec<String>), OpError> {
    let differs = |key: &String, value: &String| was.is_none_or(|was| was.0.get(key) != Some(value));
    let new = now.0.iter().filter(|(key, value)| differs(key, value)).map(|(k, v)| (k.as_str(), v.as_str()));
    let gone = was.into_iter().flat_map(|was| was.0.keys()).filter(|key| !now.0.contains_key(*key));
    Ok((list(operation, new)?, gone.cloned().collect()))
}

/// A name as IAM takes it, or what is wrong with it. `most` is the longest that is allowed.
fn check_name(what: &str, name: &str, most: usize) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    if unknown::is_unknown(name) {
        return Ok(());
    }
    if name.is_empty() || name.len() > most || !name.chars().all(allowed) {
        return Err(format!(
            "the {what} '{name}' is not a valid name for IAM: 1 to {most} letters, digits and any of +=,.@_-"
        ));
    }
    Ok(())
}

/// A path as IAM takes it.
fn check_path(path: &str) -> Result<(), String> {
    let printable = path.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    if unknown::is_unknown(path)
        || (path.starts_with('/') && path.ends_with('/') && path.len() <= limits::IAM_PATH && printable)
    {
        return Ok(());
    }
    Err(format!(
        "the path '{path}' is not valid for IAM: at most {} ASCII characters without spaces, starting and ending with a \
         slash",
        limits::IAM_PATH
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths_have_the_characters_and_lengths_of_iam() {
        let long = |n: usize| "a".repeat(n);
        for (name, most, good) in [
            (long(64).as_str(), 64, true),
            (&long(65), 64, false),
            (&long(128), 128, true),
            (&long(129), 128, false),
            ("a+=,.@_-Z9", 64, true),
            ("", 64, false),
            ("a b", 64, false),
            ("a/b", 64, false),
            ("größe", 64, false),
        ] {
            assert_eq!(check_name("role name", name, most).is_ok(), good, "{name}");
        }
        for (path, good) in [
            ("/", true),
            ("/a/b/", true),
            (&format!("/{}/", long(510)), true),
            (&format!("/{}/", long(511)), false),
            ("a/", false),
            ("/a", false),
            ("/a b/", false),
        ] {
            assert_eq!(check_path(path).is_ok(), good, "{path}");
        }
    }
}
