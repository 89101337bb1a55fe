//! `validation` of a variable: what its value has to be beyond its type.

use std::cmp::Ordering;
use std::fmt;

use regex::Regex;
use serde_json::{Number, Value};
use toml::de::DeValue;

use super::reader::{Item, Problems, Table, table, wrong_type};
use super::template::kind;
use super::types::Type;
use super::values::constant;

const KEYS: [&str; 7] = ["one_of", "pattern", "min", "max", "min_length", "max_length", "message"];

/// What a value has to be.
#[derive(Default)]
pub(super) struct Rules {
    rules: Vec<Rule>,
    /// What the file says of a value that is not so.
    pub(super) message: Option<String>,
}

#[derive(Debug)]
enum Rule {
    OneOf(Vec<Value>),
    /// As it is written, and as it has to match: whole.
    Pattern(String, Regex),
    Min(Number),
    Max(Number),
    MinLength(u64),
    MaxLength(u64),
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneOf(values) => {
                let values: Vec<String> = values.iter().map(Value::to_string).collect();
                write!(f, "one_of = [{}]", values.join(", "))
            }
            Self::Pattern(text, _) => write!(f, "pattern = '{text}'"),
            Self::Min(number) => write!(f, "min = {number}"),
            Self::Max(number) => write!(f, "max = {number}"),
            Self::MinLength(length) => write!(f, "min_length = {length}"),
            Self::MaxLength(length) => write!(f, "max_length = {length}"),
        }
    }
}

/// A rule that a value breaks.
pub(super) struct Broken<'a> {
    pub(super) rule: String,
    /// The value, or its entry, and where that is in it: `[0]`, `.key`.
    pub(super) value: &'a Value,
    pub(super) at: String,
    /// The allowed values, where there is a list of them.
    pub(super) allowed: Vec<&'a str>,
}

impl Rules {
    /// Reads the table of a variable of this type.
    pub(super) fn read(name: &str, item: Item<'_>, of: &Type, problems: &mut Problems) -> Self {
        let what = format!("[vars.{name}.validation]");
        let Some(found) = table(&format!("validation of [vars.{name}]"), item, problems) else {
            return Self::default();
        };
        let found = Table::new(&what, item.span(), found, &KEYS, problems);
        let mut rules = Vec::new();
        rules.extend(one_of(&found, of, problems));
        rules.extend(pattern(&found, of, problems));
        let (min, max) = (number(&found, "min", of, problems), number(&found, "max", of, problems));
        let (shortest, longest) =
            (length(&found, "min_length", of, problems), length(&found, "max_length", of, problems));
        if let (Some(min), Some(max)) = (&min, &max)
            && compare(min, max).is_gt()
        {
            contradiction(&found, "min", "max", problems);
        }
        if let (Some(shortest), Some(longest)) = (shortest, longest)
            && shortest > longest
        {
            contradiction(&found, "min_length", "max_length", problems);
        }
        rules.extend(min.map(Rule::Min));
        rules.extend(max.map(Rule::Max));
        rules.extend(shortest.map(Rule::MinLength));
        rules.extend(longest.map(Rule::MaxLength));
        Self { rules, message: found.words("message", problems) }
    }

    /// The first rule that a value breaks.
    pub(super) fn broken<'a>(&'a self, value: &'a Value) -> Option<Broken<'a>> {
        self.rules.iter().find_map(|rule| {
            let (value, at) = rule.breaker(value)?;
            let allowed = match rule {
                Rule::OneOf(values) => values.iter().filter_map(Value::as_str).collect(),
                _ => Vec::new(),
            };
            Some(Broken { rule: rule.to_string(), value, at, allowed })
        })
    }
}

impl Rule {
    /// The value that breaks this rule, or its first entry that does, and where that is.
    fn breaker<'a>(&self, value: &'a Value) -> Option<(&'a Value, String)> {
        match (self, value) {
            (Self::MinLength(_) | Self::MaxLength(_), _) => (!self.allows(value)).then(|| (value, String::new())),
            (_, Value::Array(items)) => items.iter().enumerate().find_map(|(index, item)| {
                let (value, at) = self.breaker(item)?;
                Some((value, format!("[{index}]{at}")))
            }),
            (_, Value::Object(fields)) => fields.iter().find_map(|(key, field)| {
                let (value, at) = self.breaker(field)?;
                Some((value, format!(".{key}{at}")))
            }),
            _ => (!self.allows(value)).then(|| (value, String::new())),
        }
    }

    fn allows(&self, value: &Value) -> bool {
        let within = |ordering: fn(Ordering) -> bool, limit: &Number| match value {
            Value::Number(number) => ordering(compare(number, limit)),
            _ => false,
        };
        match self {
            Self::OneOf(values) => values.iter().any(|allowed| same(allowed, value)),
            Self::Pattern(_, whole) => value.as_str().is_some_and(|text| whole.is_match(text)),
            Self::Min(limit) => within(Ordering::is_ge, limit),
            Self::Max(limit) => within(Ordering::is_le, limit),
            Self::MinLength(limit) => count(value).is_some_and(|count| count >= *limit),
            Self::MaxLength(limit) => count(value).is_some_and(|count| count <= *limit),
        }
    }
}

/// Characters of a text, entries of a list or map.
fn count(value: &Value) -> Option<u64> {
    let count = match value {
        Value::String(text) => text.chars().count(),
        Value::Array(items) => items.len(),
        Value::Object(fields) => fields.len(),
        _ => return None,
    };
    u64::try_from(count).ok()
}

/// Integers of 64 bits are compared as they are; a float has fewer digits.
fn compare(one: &Number, other: &Number) -> Ordering {
    match (one.as_i64(), other.as_i64()) {
        (Some(one), Some(other)) => one.cmp(&other),
        _ => one.as_f64().partial_cmp(&other.as_f64()).unwrap_or(Ordering::Equal),
    }
}

/// The number 1 is 1.0.
pub(super) fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => compare(one, other).is_eq(),
        _ => one == other,
    }
}

/// Refuses a rule that says nothing of values of the type.
fn fits(found: &Table<'_>, key: &str, is_fit: bool, texts: &str, of: &Type, problems: &mut Problems) -> bool {
    let Some((place, _)) = found.get(key) else { return false };
    if !is_fit {
        let message = format!("{} is for {texts}, and the variable has the type {of}", found.called(key));
        problems.add("wrong-rule", place.span.clone(), message, &format!("not for the type {of}"));
        problems.help(match of.innermost() {
            Type::Any => "write the type of the variable, such as type = \"string\" or type = \"list(string)\"",
            Type::Number | Type::Integer => "numbers take min, max and one_of",
            Type::Bool => "booleans take one_of",
            _ => "strings take one_of, pattern, min_length and max_length",
        });
    }
    is_fit
}

fn one_of(found: &Table<'_>, of: &Type, problems: &mut Problems) -> Option<Rule> {
    let (_, item) = found.get("one_of")?;
    let what = found.called("one_of");
    let value = constant(item, problems);
    let (DeValue::Array(items), Value::Array(values)) = (item.get_ref(), &value) else {
        wrong_type(&what, "a list of values", kind(&value), item.span(), problems);
        return None;
    };
    if values.is_empty() {
        problems.add("wrong-rule", item.span(), format!("{what} is empty: no value would be allowed"), "empty");
        problems.help("list the values that are allowed, or remove it");
        return None;
    }
    let entry = of.innermost();
    for (item, value) in items.iter().zip(values) {
        if !entry.takes(value) {
            let message = format!("{what} holds a {}, and the values have the type {entry}", kind(value));
            problems.add("wrong-rule", item.span(), message, &format!("not of the type {entry}"));
            problems.help(format!("write values like {}", entry.example()));
            return None;
        }
        refuse_references(&what, value, item, problems)?;
    }
    Some(Rule::OneOf(values.clone()))
}

/// A rule stands in the file as it is.
fn refuse_references(what: &str, value: &Value, item: Item<'_>, problems: &mut Problems) -> Option<()> {
    if !value.to_string().contains("${") {
        return Some(());
    }
    problems.add("reference-not-here", item.span(), format!("{what} cannot hold a reference"), "not allowed here");
    problems.help("write the values here; they cannot come from variables");
    None
}

fn pattern(found: &Table<'_>, of: &Type, problems: &mut Problems) -> Option<Rule> {
    if !fits(found, "pattern", *of.innermost() == Type::String, "strings", of, problems) {
        return None;
    }
    let (text, span) =
        found.literal("pattern", "write the regular expression here; it cannot come from a variable", problems)?;
    match whole(&text) {
        Ok(whole) => Some(Rule::Pattern(text, whole)),
        Err(error) => {
            let error = error.to_string();
            let reason = error.lines().last().unwrap_or_default();
            let reason = reason.strip_prefix("error: ").unwrap_or(reason);
            let message = format!("{} is no regular expression: {reason}", found.called("pattern"));
            problems.add("bad-pattern", span, message, "cannot be read");
            problems
                .help("it is a regular expression of Rust's regex crate; in TOML, '…' keeps backslashes as they are");
            None
        }
    }
}

/// The expression for a match of the whole text.
fn whole(pattern: &str) -> Result<Regex, regex::Error> {
    // By itself first: what is wrong is said of what was written.
    Regex::new(pattern)?;
    // A pattern that begins with (?x) may end with a comment, which ends with its line.
    Regex::new(&format!(r"\A(?:{pattern})\z")).or_else(|_| Regex::new(&format!("\\A(?:{pattern}\n)\\z")))
}

fn number(found: &Table<'_>, key: &str, of: &Type, problems: &mut Problems) -> Option<Number> {
    if !fits(found, key, matches!(of.innermost(), Type::Number | Type::Integer), "numbers", of, problems) {
        return None;
    }
    let (_, item) = found.get(key)?;
    match constant(item, problems) {
        Value::Number(number) => Some(number),
        // Said already: it has no JSON form.
        Value::Null => None,
        other => {
            wrong_type(&found.called(key), "a number", kind(&other), item.span(), problems);
            None
        }
    }
}

fn length(found: &Table<'_>, key: &str, of: &Type, problems: &mut Problems) -> Option<u64> {
    let has_length = matches!(of, Type::String | Type::List(_) | Type::Map(_));
    if !fits(found, key, has_length, "strings, lists and maps", of, problems) {
        return None;
    }
    let (_, item) = found.get(key)?;
    let value = constant(item, problems);
    let length = value.as_u64();
    if length.is_none() {
        wrong_type(&found.called(key), "a whole number from 0", kind(&value), item.span(), problems);
    }
    length
}

fn contradiction(found: &Table<'_>, least: &str, most: &str, problems: &mut Problems) {
    let Some((_, item)) = found.get(most) else { return };
    let message = format!("{least} is more than {}: no value would be allowed", found.called(most));
    problems.add("wrong-rule", item.span(), message, &format!("less than {least}"));
    problems.help(format!("raise {most}, or lower {least}"));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pattern_holds_for_the_whole_text() {
        for (pattern, text, matches) in [
            ("a|ab", "ab", true),
            ("[a-z]+", "abc", true),
            ("[a-z]+", "abc\n", false),
            ("[a-z]+", "1abc", false),
            ("(?x) a # a comment", "a", true),
            ("(?x) a # a comment", "ab", false),
            ("(?i)prod", "PROD", true),
            ("^a$", "a", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(whole(pattern).expect("good").is_match(text), matches, "{pattern} {text:?}");
        }
        for pattern in ["a(", "a)(b", "[z-a]", "a{2,1}", "(?<", r"\"] {
            whole(pattern).expect_err(pattern);
        }
    }

    #[test]
    fn a_rule_holds_for_each_entry_and_a_length_for_the_whole() {
        let pattern = Rule::Pattern("[a-c]".into(), whole("[a-c]").expect("good"));
        for (rule, value, breaker) in [
            (&pattern, json!("a"), None),
            (&pattern, json!(["a", "d"]), Some((json!("d"), "[1]"))),
            (&pattern, json!({"x": ["a", "b"], "y": ["c", "dd"]}), Some((json!("dd"), ".y[1]"))),
            (&pattern, json!([]), None),
            (&Rule::Min(3.into()), json!(3), None),
            (&Rule::Min(3.into()), json!(2.9), Some((json!(2.9), ""))),
            (&Rule::Max(Number::from_f64(0.5).expect("finite")), json!([0, 1]), Some((json!(1), "[1]"))),
            (&Rule::Max(i64::MAX.into()), json!(i64::MAX), None),
            (&Rule::Max((i64::MAX - 1).into()), json!(i64::MAX), Some((json!(i64::MAX), ""))),
            (&Rule::MinLength(2), json!("ä€"), None),
            (&Rule::MinLength(3), json!("ä€"), Some((json!("ä€"), ""))),
            (&Rule::MinLength(2), json!(["long enough"]), Some((json!(["long enough"]), ""))),
            (&Rule::MaxLength(1), json!({"a": "long", "b": ""}), Some((json!({"a": "long", "b": ""}), ""))),
            (&Rule::OneOf(vec![json!(1), json!(2)]), json!([1.0, 2]), None),
            (&Rule::OneOf(vec![json!("a")]), json!(["a", "b"]), Some((json!("b"), "[1]"))),
            (&Rule::OneOf(vec![json!(true)]), json!(false), Some((json!(false), ""))),
        ] {
            let found = rule.breaker(&value).map(|(value, at)| (value.clone(), at));
            assert_eq!(found, breaker.map(|(value, at)| (value, at.to_owned())), "{rule} {value}");
        }
    }
}
