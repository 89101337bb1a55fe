//! What is wrong with properties, in words.

use std::fmt;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, as a JSON pointer: `/KeySchema/0/KeyType`. For what is missing: where it is missing.
    pub pointer: String,
    /// Which rule it breaks.
    pub rule: Rule,
    /// What is wrong, as a sentence.
    pub message: String,
    /// What to do, as a sentence.
    pub help: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.message, self.help)
    }
}

/// What properties are held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// There is no such property.
    Unknown,
    /// A required property is missing.
    Missing,
    /// One of several properties has to be stated, and none is.
    OneOf,
    /// The value has another JSON type.
    Type,
    /// The value is not one of those that are allowed.
    Allowed,
    /// AWS sets it.
    ReadOnly,
    /// The text does not match the pattern.
    Pattern,
    /// The text is too short or too long.
    Length,
    /// The number is too small or too large.
    Range,
    /// The list has too few or too many elements, or one of them twice.
    Items,
}

impl Rule {
    /// A short name that stays: `unknown-property`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Unknown => "unknown-property",
            Self::Missing => "missing-property",
            Self::OneOf => "one-of-properties",
            Self::Type => "wrong-type",
            Self::Allowed => "not-allowed",
            Self::ReadOnly => "read-only",
            Self::Pattern => "pattern",
            Self::Length => "length",
            Self::Range => "range",
            Self::Items => "items",
        }
    }
}
