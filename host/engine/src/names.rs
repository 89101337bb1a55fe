//! Names of steps and resources, parsed once at the edge.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A step's name, unique in its pipeline: `[a-z][a-z0-9_-]*`, at most 64 characters. A step that is repeated has its
/// key after it, `team:a`, and a step of a pipeline that is one itself has that one's name before it, `platform.network`:
/// tags can hold both. `team["a"]` is read as `team:a`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StepName(Arc<str>);

/// So that an address fits into a tag.
const LONGEST_STEP: usize = 128;

impl StepName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A name of one part, without a key: as a file declares it.
    ///
    /// # Errors
    ///
    /// It has other characters than the rule allows, or too many.
    pub fn single(text: &str) -> Result<Self, NameError> {
        check_name("step", text, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_')?;
        Ok(Self(text.into()))
    }

    /// The name without its own key: `platform.team` of `platform.team:a`.
    pub fn family(&self) -> &str {
        let own = self.0.rfind('.').map_or(0, |dot| dot + 1);
        self.0[own..].find(':').map_or(&*self.0, |colon| &self.0[..own + colon])
    }

    /// The key of a step that is repeated: `a` of `platform.team:a`.
    pub fn key(&self) -> Option<&str> {
        self.0[self.family().len()..].strip_prefix(':')
    }

    /// One of the steps that this one is repeated as.
    ///
    /// # Errors
    ///
    /// Keys are made of letters, digits, `-` and `_`; at most 64.
    pub fn with_key(&self, key: &str) -> Result<Self, NameError> {
        check_name("key", key, |c| c.is_ascii_alphanumeric() || c == '-' || c == '_')?;
        Self::short_enough(format!("{}:{key}", self.family()))
    }

    /// A step within this one, which is a pipeline.
    ///
    /// # Errors
    ///
    /// The whole is at most 128 characters long.
    pub fn within(&self, inner: &Self) -> Result<Self, NameError> {
        Self::short_enough(format!("{self}.{inner}"))
    }

    /// Whether this is the step of that name, one of those it is repeated as, or one within it.
    pub fn is_part_of(&self, whole: &str) -> bool {
        self.0.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '.']))
    }

    fn short_enough(name: String) -> Result<Self, NameError> {
        match name.len() {
            ..=LONGEST_STEP => Ok(Self(name.into())),
            length => Err(NameError::TooLong { what: "step", name, length, most: LONGEST_STEP }),
        }
    }
}

impl FromStr for StepName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let mut parts = text.split('.').map(part);
        let first = parts.next().unwrap_or_else(|| part(""))?;
        parts.try_fold(first, |outer, inner| outer.within(&inner?))
    }
}

/// One part of a step's name, `team`, `team:a` or `team["a"]`.
fn part(text: &str) -> Result<StepName, NameError> {
    let in_brackets = || {
        let (family, rest) = text.split_once('[')?;
        let quoted = rest.strip_suffix(']')?;
        let key = ['"', '\''].into_iter().find_map(|quote| quoted.strip_prefix(quote)?.strip_suffix(quote));
        Some((family, key?))
    };
    let (family, key) = match text.split_once(':').or_else(in_brackets) {
        Some((family, key)) => (family, Some(key)),
        None => (text, None),
    };
    let name = StepName::single(family)?;
    key.map_or(Ok(name.clone()), |key| name.with_key(key))
}

/// Where a resource stands: `step/kind/name`, for example `network/ec2.subnet/public-a`.
///
/// Stable between runs: the state, the plan, the graph and the tags of the resource use it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceAddress {
    step: StepName,
    kind: Arc<str>,
    name: Arc<str>,
}

impl ResourceAddress {
    /// Checks `name` (letters, digits, `.`, `_`, `-`; at most 64) and puts the parts together.
    pub fn new(step: &StepName, kind: &str, name: &str) -> Result<Self, NameError> {
        check_name("resource", name, |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))?;
        Ok(Self { step: step.clone(), kind: kind.into(), name: name.into() })
    }

    /// The step that declares it.
    pub fn step(&self) -> &StepName {
        &self.step
    }

    /// The same in another step.
    #[must_use]
    pub fn in_step(&self, step: &StepName) -> Self {
        Self { step: step.clone(), ..self.clone() }
    }

    /// Its kind, `interface.resource` as in WIT: `ec2.subnet`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Its own name within step and kind.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for ResourceAddress {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let mut parts = text.splitn(3, '/');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(step), Some(kind), Some(name)) if !kind.is_empty() => Self::new(&step.parse()?, kind, name),
            _ => Err(NameError::Address(text.to_owned())),
        }
    }
}

/// What is wrong with a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Empty.
    #[error("a {0} name cannot be empty")]
    Empty(&'static str),
    /// Too many characters.
    #[error("the {what} name '{}…' has {length} characters; at most {most} are allowed", .name.chars().take(20).collect::<String>())]
    TooLong {
        /// `step` or `resource`.
        what: &'static str,
        /// The name.
        name: String,
        /// Its length in characters.
        length: usize,
        /// How many are allowed.
        most: usize,
    },
    /// A character that is not allowed.
    #[error("the {what} name '{name}' has the character '{bad}'; {}", allowed(.what))]
    Character {
        /// `step` or `resource`.
        what: &'static str,
        /// The name.
        name: String,
        /// The first offender.
        bad: char,
    },
    /// Not `step/kind/name`.
    #[error("'{0}' is not a resource address; one looks like network/ec2.subnet/public-a")]
    Address(String),
}

fn allowed(what: &str) -> &'static str {
    match what {
        "step" => "step names start with a lower-case letter and continue with lower-case letters, digits, '-' and '_'",
        "key" => "keys are made of letters, digits, '-' and '_'",
        _ => "resource names are made of letters, digits, '.', '_' and '-'",
    }
}

fn check_name(what: &'static str, name: &str, good: impl Fn(char) -> bool) -> Result<(), NameError> {
    let Some(first) = name.chars().next() else { return Err(NameError::Empty(what)) };
    let length = name.chars().count();
    if length > 64 {
        return Err(NameError::TooLong { what, name: name.to_owned(), length, most: 64 });
    }
    let bad_start = what == "step" && !first.is_ascii_lowercase();
    let bad = if bad_start { Some(first) } else { name.chars().find(|&c| !good(c)) };
    match bad {
        Some(bad) => Err(NameError::Character { what, name: name.to_owned(), bad }),
        None => Ok(()),
    }
}

impl fmt::Display for StepName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for StepName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl fmt::Display for ResourceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.step, self.kind, self.name)
    }
}

impl fmt::Debug for ResourceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

macro_rules! serde_as_text {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
serde_as_text!(StepName, ResourceAddress);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_being_written_and_read() {
        let address: ResourceAddress = "network/ec2.subnet/public-a".parse().expect("an address");
        assert_eq!(address.to_string(), "network/ec2.subnet/public-a");
        assert_eq!((address.kind(), address.name()), ("ec2.subnet", "public-a"));
    }

    #[test]
    fn a_step_that_is_repeated_has_its_key_after_its_name() {
        for text in ["team:eu-1", "team[\"eu-1\"]", "team['eu-1']"] {
            let step: StepName = text.parse().expect("a name");
            assert_eq!((step.as_str(), step.family(), step.key()), ("team:eu-1", "team", Some("eu-1")));
        }
        let address: ResourceAddress = "team:a/s3.bucket/main".parse().expect("an address");
        assert_eq!((address.to_string().as_str(), address.step().key()), ("team:a/s3.bucket/main", Some("a")));
        let inner: StepName = "platform:eu.net.team['a']".parse().expect("a name");
        assert_eq!(
            (inner.as_str(), inner.family(), inner.key()),
            ("platform:eu.net.team:a", "platform:eu.net.team", Some("a"))
        );
        let outer: StepName = "platform:eu".parse().expect("a name");
        assert_eq!(
            (outer.within(&"net.team:a".parse().expect("a name")).expect("short"), outer.key()),
            (inner.clone(), Some("eu"))
        );
        for (whole, is_part) in
            [("platform", true), ("platform:eu", true), ("platform:eu.net.team", true), ("plat", false), ("net", false)]
        {
            assert_eq!(inner.is_part_of(whole), is_part, "{whole}");
        }
        let long = ["x".repeat(60), "y".repeat(60), "z".repeat(60)].join(".");
        assert!(long.parse::<StepName>().expect_err("too long").to_string().contains("at most 128"));
        for text in [
            "a.",
            ".a",
            "a..b",
            "team:",
            "team:a:b",
            "team[a]",
            "team[\"a b\"]",
            ":a",
            "Team:a",
            "team[\"a\"",
            "team:10.0.0.0/8",
        ] {
            assert!(text.parse::<StepName>().is_err(), "{text}");
        }
    }

    #[test]
    fn bad_names_are_refused_with_the_offending_character() {
        for (name, bad) in [("Network", 'N'), ("a b", ' '), ("1st", '1'), ("a/b", '/')] {
            match name.parse::<StepName>() {
                Err(NameError::Character { bad: found, .. }) => assert_eq!(found, bad, "{name}"),
                other => panic!("{name}: {other:?}"),
            }
        }
        assert!("".parse::<StepName>().is_err() && "x".repeat(65).parse::<StepName>().is_err());
    }
}
