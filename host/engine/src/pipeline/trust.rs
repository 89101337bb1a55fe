//! `[trust]`: whose signatures plugins from elsewhere have to carry.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::reader::{Item, Problems, Table, entries, table};

/// The types of keys that are taken: of a file, and of a hardware key.
const TYPES: [&str; 2] = ["ssh-ed25519", "sk-ssh-ed25519@openssh.com"];

/// Which keys are trusted with which plugins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// Patterns of names, and public keys as OpenSSH writes them.
    rules: Vec<(String, Vec<String>)>,
}

/// What holds for one plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trusted<'a> {
    /// The pattern that its name matches.
    pub pattern: &'a str,
    /// Public keys, one of which has to have signed it.
    pub keys: &'a [String],
}

impl Trust {
    /// What holds for a plugin of this name: host and path, without tag and digest. The longest pattern counts.
    pub fn of(&self, name: &str) -> Option<Trusted<'_>> {
        let matching = self.rules.iter().filter(|(pattern, _)| matches(pattern, name));
        let (pattern, keys) = matching.max_by_key(|(pattern, _)| pattern.len())?;
        Some(Trusted { pattern, keys })
    }
}

/// Whether a name is of a pattern, in which `*` stands for any characters.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(start) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.ends_with(end)
}

/// Reads it.
pub(super) fn read(item: Option<Item<'_>>, problems: &mut Problems) -> Trust {
    let Some(found) = item.and_then(|item| table("trust", item, problems)) else { return Trust::default() };
    let mut rules = Vec::new();
    let all = entries(found);
    let names: Vec<&str> = all.iter().map(|(key, _)| key.name).collect();
    let table = Table::new("[trust]", 0..0, found, &names, problems);
    for (key, _) in &all {
        let before = problems.0.len();
        if key.name.is_empty() || key.name.contains("://") || key.name.contains('@') {
            let message = format!("'{}' is not a pattern of plugins' names", key.name);
            problems.add("bad-pattern", key.span.clone(), message, "not a name");
            problems.help("write host and name, with * for any characters: \"ghcr.io/acme/*\"");
            continue;
        }
        let why = "write the public key here; it cannot come from a variable";
        let keys = table.literals(key.name, why, problems);
        if keys.is_empty() && problems.0.len() == before {
            problems.add("no-key", key.span.clone(), format!("'{}' names no key", key.name), "of no use");
            problems.help("write at least one public key, such as \"ssh-ed25519 AAAA… name\"");
        }
        for (text, span) in keys.iter().filter(|(text, _)| !is_key(text)) {
            let message = "this is not a public key that can be used here";
            problems.add("bad-key", span.clone(), message, "not an ed25519 key of OpenSSH");
            problems.help(match text.contains("PRIVATE KEY") {
                true => "this is a private key: remove it from the file; the .pub file beside it is the public one",
                false => "write the line of a .pub file: ssh-ed25519 AAAA… name; ssh-keygen -t ed25519 makes a key",
            });
        }
        rules.push((key.name.to_owned(), keys.into_iter().map(|(text, _)| text).collect()));
    }
    Trust { rules }
}

/// Whether this is a public key of a type that is taken: its type, and base64 of its type and 32 bytes and perhaps more.
fn is_key(text: &str) -> bool {
    let mut words = text.split_whitespace();
    let (Some(of), Some(data)) = (words.next(), words.next()) else { return false };
    let Ok(data) = BASE64_STANDARD.decode(data) else { return false };
    let field = |data: &[u8]| -> Option<(Vec<u8>, Vec<u8>)> {
        let (length, rest) = data.split_at_checked(4)?;
        let length = u32::from_be_bytes(length.try_into().ok()?) as usize;
        rest.split_at_checked(length).map(|(field, rest)| (field.to_vec(), rest.to_vec()))
    };
    let Some((name, rest)) = field(&data) else { return false };
    let Some((key, rest)) = field(&rest) else { return false };
    TYPES.contains(&of) && name == of.as_bytes() && key.len() == 32 && (rest.is_empty() || of == TYPES[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ann@example.com";

    #[test]
    fn the_longest_pattern_that_matches_counts() {
        let rule = |pattern: &str| (pattern.to_owned(), vec![pattern.to_owned()]);
        let trust = Trust { rules: ["ghcr.io/acme/*", "ghcr.io/*", "a.b/*/x*y", "h/exact"].map(rule).into() };
        for (name, pattern) in [
            ("ghcr.io/acme/x", Some("ghcr.io/acme/*")),
            ("ghcr.io/acme/x/y", Some("ghcr.io/acme/*")),
            ("ghcr.io/acmeevil/x", Some("ghcr.io/*")),
            ("ghcr.io.evil/acme/x", None),
            ("a.b/c/xy", Some("a.b/*/x*y")),
            ("a.b/c/d/xzzy", Some("a.b/*/x*y")),
            ("a.b/c/xyz", None),
            ("h/exact", Some("h/exact")),
            ("h/exactly", None),
        ] {
            assert_eq!(trust.of(name).map(|found| found.pattern), pattern, "{name}");
        }
        assert!(matches("*", "anything") && matches("a*a", "aa") && !matches("a*a", "a"));
    }

    #[test]
    fn keys_are_told_from_what_only_looks_like_them() {
        assert!(is_key(KEY));
        for bad in [
            "",
            "ssh-ed25519",
            "ssh-ed25519 zzzz",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsa",
            &KEY.replacen("ssh-ed25519", "ssh-rsa", 1),
            "-----BEGIN OPENSSH PRIVATE KEY-----",
        ] {
            assert!(!is_key(bad), "{bad}");
        }
    }
}
