//! Names of resources by what the resources are, not by their places in a list.

use std::collections::BTreeMap;
use std::fmt::Display;

use crate::{Failure, bindings, invalid};

/// The most characters that the host takes in a name.
const LONGEST: usize = 64;
/// A hyphen and eight hexadecimal digits.
const HASH: usize = 9;

/// The name of a resource with this identity: the text that says what the resource is and that no other of its
/// kind has in the step, such as `web-tcp-443-from-10.0.0.0-8`.
///
/// The identity itself is the name where it may be one. Where it is too long, or has a character that names do
/// not have, the name is what can be read of it (of a long one the end) and a hash of all of it. So the same
/// identity always gives the same name, and two identities give two.
///
/// Build an identity only from what the pipeline file says ([`written`]). A value that only applying can tell is an
/// unknown token in a plan and something else later, and so would be the name.
///
/// ```
/// use llmhost_plugin::name_of;
///
/// assert_eq!(name_of("web-tcp-443-from-10.0.0.0-8"), "web-tcp-443-from-10.0.0.0-8");
/// assert_eq!(name_of("arn:aws:iam::123456789012:role/ops"), "arn-aws-iam-123456789012-role-ops-4f361df7");
/// ```
pub fn name_of(identity: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if !identity.is_empty() && identity.len() <= LONGEST && identity.chars().all(plain) {
        return identity.to_owned();
    }
    let mut readable = String::new();
    for c in identity.chars().map(|c| if plain(c) { c } else { '-' }) {
        if c != '-' || !(readable.is_empty() || readable.ends_with('-')) {
            readable.push(c);
        }
    }
    // The end of a path, of an ARN or of a rule tells it from its neighbours.
    let readable = &readable[readable.len().saturating_sub(LONGEST - HASH)..];
    let (readable, hash) = (readable.trim_matches('-'), hash(identity));
    if readable.is_empty() { format!("{hash:08x}") } else { format!("{readable}-{hash:08x}") }
}

/// FNV-1a with 64 bits, folded to 32: a few lines in any language.
fn hash(text: &str) -> u32 {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    ((hash >> 32) ^ (hash & 0xffff_ffff)) as u32
}

/// What the pipeline file says at a place of the step's `with` table, as far as the file alone can tell it: the
/// value itself, or the text of its references (`${roles.role_arns.ops}`) where other steps give it.
///
/// `pointer` is a JSON pointer such as `/admins/0` ([`pointer`] makes one); `value` is what the configuration has there. The
/// text is the same in every plan and apply of the same file, so it can be part of an identity.
pub fn written(pointer: &str, value: &str) -> String {
    bindings::llmhost::plugin::file::written(pointer).unwrap_or_else(|| value.to_owned())
}

/// A JSON pointer (RFC 6901) with these parts.
///
/// ```
/// assert_eq!(llmhost_plugin::pointer(&[&"access", &"a/b", &0]), "/access/a~1b/0");
/// ```
pub fn pointer(parts: &[&dyn Display]) -> String {
    parts.iter().map(|part| format!("/{}", part.to_string().replace('~', "~0").replace('/', "~1"))).collect()
}

/// The names of a step's resources of one kind. Says where two of them are the same.
///
/// ```
/// # use llmhost_plugin::Names;
/// let mut rules = Names::new("security group rule");
/// assert_eq!(rules.take("web-tcp-443", "rules.https").ok().as_deref(), Some("web-tcp-443"));
/// assert!(rules.take("web-tcp-443", "rules.web").is_err());
/// ```
pub struct Names {
    kind: &'static str,
    /// Places in the configuration, by identity.
    taken: BTreeMap<String, String>,
}

impl Names {
    /// For resources of this kind, in words: `security group rule`.
    pub fn new(kind: &'static str) -> Self {
        Self { kind, taken: BTreeMap::new() }
    }

    /// The name of a resource ([`name_of`]). `place` is what the user calls it, as a message names it: `rule 'https' of
    /// security_groups.web`. Fails where the step has a resource with this identity already, and names both places.
    pub fn take(&mut self, identity: &str, place: &str) -> Result<String, Failure> {
        match self.taken.insert(identity.to_owned(), place.to_owned()) {
            Some(first) => {
                Err(invalid(format!("{first} and {place} are the same {} ({identity}); remove one of them", self.kind)))
            }
            None => Ok(name_of(identity)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_those_of_every_language() {
        // The table of every language.
        let table: Vec<(String, String)> =
            serde_json::from_str(include_str!("../../names.json")).expect("pairs of texts");
        for (identity, name) in table {
            assert_eq!(name_of(&identity), name, "{identity}");
            assert!(!name.is_empty() && name.len() <= LONGEST, "{identity}: {name}");
        }
    }

    #[test]
    fn names_that_differ_in_what_cannot_be_read_differ() {
        let mut identities = vec![String::new(), "a".repeat(65), "b".to_owned() + &"a".repeat(65)];
        for one in ["a", "a/", "/a", "a-", "é", "a b", "A", "a/b", "a:b", "a-b", "a--b", "a_b"] {
            for other in ["", "x", "/x", "-x", ":x", "é"] {
                identities.push(format!("{one}{other}"));
            }
        }
        identities.extend((0..20_000).map(|number| format!("10.{}.{}.0/24", number / 256, number % 256)));
        let all: BTreeSet<_> = identities.iter().collect();
        let names: BTreeSet<_> = all.iter().map(|identity| name_of(identity)).collect();
        assert_eq!(names.len(), all.len());
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        assert!(names.iter().all(|name| name.len() <= LONGEST && name.chars().all(allowed)));
    }

    #[test]
    fn the_same_thing_twice_is_refused_with_both_places() {
        let mut names = Names::new("access entry");
        assert_eq!(names.take("ops", "admins[0]").ok().as_deref(), Some("ops"));
        assert_eq!(names.take("dev", "admins[1]").ok().as_deref(), Some("dev"));
        let Err(Failure { message, .. }) = names.take("ops", "access.ops") else { panic!("it is taken twice") };
        assert_eq!(message, "admins[0] and access.ops are the same access entry (ops); remove one of them");
    }
}
