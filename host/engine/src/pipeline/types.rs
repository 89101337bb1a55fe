//! Types of variables, as Terraform's users know them.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;
use toml::de::DeTable;

use super::reader::Problems;
use super::template::kind;
use super::values::constant;

/// The type of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Type {
    /// Text, taken as it is.
    String,
    Number,
    Integer,
    Bool,
    List(Box<Type>),
    /// Values by keys of the user's choice.
    Map(Box<Type>),
    /// Whatever it is.
    Any,
}

/// How types are written, for messages.
pub(super) const WAYS: &str = "string, number, integer, bool, list(TYPE), map(TYPE) or any";

impl FromStr for Type {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let inner = |name: &str| text.strip_prefix(name)?.trim_start().strip_prefix('(')?.strip_suffix(')');
        match text.trim() {
            "string" => Ok(Self::String),
            "number" => Ok(Self::Number),
            "integer" => Ok(Self::Integer),
            "bool" => Ok(Self::Bool),
            "any" => Ok(Self::Any),
            "list" => Ok(Self::List(Box::new(Self::Any))),
            "map" => Ok(Self::Map(Box::new(Self::Any))),
            trimmed if trimmed != text => trimmed.parse(),
            _ => match (inner("list"), inner("map")) {
                (Some(inner), _) => Ok(Self::List(Box::new(inner.parse()?))),
                (_, Some(inner)) => Ok(Self::Map(Box::new(inner.parse()?))),
                _ => Err(()),
            },
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String => f.write_str("string"),
            Self::Number => f.write_str("number"),
            Self::Integer => f.write_str("integer"),
            Self::Bool => f.write_str("bool"),
            Self::List(of) => write!(f, "list({of})"),
            Self::Map(of) => write!(f, "map({of})"),
            Self::Any => f.write_str("any"),
        }
    }
}

impl Type {
    /// The type that a default gives.
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Any,
            Value::Bool(_) => Self::Bool,
            Value::Number(number) if number.is_f64() => Self::Number,
            Value::Number(_) => Self::Integer,
            Value::String(_) => Self::String,
            Value::Array(items) => Self::List(Box::new(Self::common(items.iter()))),
            Value::Object(fields) => Self::Map(Box::new(Self::common(fields.values()))),
        }
    }

    fn common<'a>(values: impl Iterator<Item = &'a Value>) -> Self {
        let mut types = values.map(Self::of);
        let first = types.next().unwrap_or(Self::Any);
        if types.all(|other| other == first) { first } else { Self::Any }
    }

    /// Whether a value is of this type.
    pub(super) fn takes(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Any, _)
            | (Self::String, Value::String(_))
            | (Self::Bool, Value::Bool(_))
            | (Self::Number, Value::Number(_)) => true,
            (Self::Integer, Value::Number(number)) => !number.is_f64(),
            (Self::List(of), Value::Array(items)) => items.iter().all(|item| of.takes(item)),
            (Self::Map(of), Value::Object(fields)) => fields.values().all(|field| of.takes(field)),
            _ => false,
        }
    }

    /// What a text of the command line means: itself, for a string; else a value of TOML, which must be of this type.
    /// The error says what the text is, and not the text.
    pub(super) fn read(&self, text: &str) -> Result<Value, String> {
        if *self == Self::String {
            return Ok(Value::String(text.to_owned()));
        }
        match (toml_value(text), self) {
            (Some(value), _) if self.takes(&value) => Ok(value),
            (None, Self::Any) => Ok(Value::String(text.to_owned())),
            (Some(value), _) => Err(format!("is a {}", kind(&value))),
            (None, _) => Err("cannot be read".to_owned()),
        }
    }

    /// What the entries of lists and maps are in the end; the type itself where it is neither.
    pub(super) fn innermost(&self) -> &Self {
        match self {
            Self::List(of) | Self::Map(of) => of.innermost(),
            other => other,
        }
    }

    /// A value of this type as one writes it, for messages.
    pub(super) fn example(&self) -> String {
        match self {
            Self::String | Self::Any => "\"text\"".to_owned(),
            Self::Number => "0.5".to_owned(),
            Self::Integer => "3".to_owned(),
            Self::Bool => "true".to_owned(),
            Self::List(of) => format!("[{0}, {0}]", of.example()),
            Self::Map(of) => format!("{{ key = {} }}", of.example()),
        }
    }
}

/// The value that a text stands for in TOML.
fn toml_value(text: &str) -> Option<Value> {
    let line = format!("value = {text}");
    let root = DeTable::parse(&line).ok()?;
    let [(_, item)] = root.get_ref().iter().collect::<Vec<_>>()[..] else { return None };
    let mut problems = Problems::default();
    let value = constant(item, &mut problems);
    problems.0.is_empty().then_some(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn types_are_read_as_they_are_shown() {
        for text in ["string", "number", "integer", "bool", "any", "list(string)", "map(list(number))", "list(any)"] {
            assert_eq!(text.parse::<Type>().map(|of| of.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("list".parse(), Ok(Type::List(Box::new(Type::Any))));
        assert_eq!(" list ( string ) ".parse(), Ok(Type::List(Box::new(Type::String))));
        for text in ["", "text", "list(", "list()", "list(string", "string)", "list(string))", "set(string)"] {
            assert_eq!(text.parse::<Type>(), Err(()), "{text}");
        }
    }

    #[test]
    fn a_text_of_the_command_line_is_read_by_its_type() {
        for (of, text, value) in [
            ("string", "1.30", Some(json!("1.30"))),
            ("string", "012345678901", Some(json!("012345678901"))),
            ("string", "", Some(json!(""))),
            ("string", "\"quoted\"", Some(json!("\"quoted\""))),
            ("number", "1.5", Some(json!(1.5))),
            ("number", "3", Some(json!(3))),
            ("number", "three", None),
            ("number", "\"3\"", None),
            ("number", "inf", None),
            ("integer", "3", Some(json!(3))),
            ("integer", "3.0", None),
            ("integer", "012345678901", None),
            ("integer", "1\nother = 2", None),
            ("bool", "true", Some(json!(true))),
            ("bool", "yes", None),
            ("list(string)", "[\"1.30\"]", Some(json!(["1.30"]))),
            ("list(string)", "[1.30]", None),
            ("list(string)", "a,b", None),
            ("map(string)", "{ a = \"b\" }", Some(json!({"a": "b"}))),
            ("any", "3", Some(json!(3))),
            ("any", "t3.medium", Some(json!("t3.medium"))),
        ] {
            let of: Type = of.parse().expect("a type");
            assert_eq!(of.read(text).ok(), value, "{of} {text}");
        }
    }

    #[test]
    fn a_default_gives_its_type() {
        for (value, of) in [
            (json!("a"), "string"),
            (json!(2), "integer"),
            (json!(0.5), "number"),
            (json!(true), "bool"),
            (json!(["a"]), "list(string)"),
            (json!([]), "list(any)"),
            (json!(["a", 1]), "list(any)"),
            (json!({"a": ["b"]}), "map(list(string))"),
        ] {
            assert_eq!(Type::of(&value).to_string(), of);
        }
    }
}
