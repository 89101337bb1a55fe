//! `with` tables against the JSON Schemas of plugins.

use std::collections::HashSet;

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::paths::LocationSegment;
use serde_json::Value;

use super::defaults;
use super::step::Step;
use super::template::{Part, Template, kind};
use crate::config_check::{self, ConfigCheck, ConfigProblem};
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::plugin::Description;
use crate::pointer;
use crate::secret::shown;
use crate::unknown;

/// A plugin's schema, compiled once for all steps that use it.
pub struct ConfigSchema {
    schema: Value,
    validator: jsonschema::Validator,
    /// Whether it has defaults to fill in.
    has_defaults: bool,
}

/// A description that no run can use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadSchema {
    /// No schema.
    #[error("its schema is not JSON Schema: {0}")]
    NotASchema(String),
    /// A default that its own schema refuses.
    #[error("the default of '{option}' does not fit its schema: {reason}")]
    BadDefault {
        /// Dotted path of the option.
        option: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Defaults within defaults, without end.
    #[error("the default of '{0}' contains itself")]
    EndlessDefault(String),
    /// Two outputs of one name.
    #[error("it describes the output '{0}' twice")]
    OutputTwice(String),
}

impl ConfigSchema {
    /// Checks what a plugin says of itself, and compiles its schema. Whoever looks at a plugin refuses by this what
    /// a run would refuse.
    pub fn of(description: &Description) -> Result<Self, BadSchema> {
        let mut names = HashSet::new();
        if let Some(twice) = description.outputs.iter().find(|output| !names.insert(&output.name)) {
            return Err(BadSchema::OutputTwice(twice.name.clone()));
        }
        Self::of_schema(&description.config_schema)
    }

    /// Compiles a schema: of the options of a provider, or of the specs of one of its kinds.
    pub fn of_schema(schema: &Value) -> Result<Self, BadSchema> {
        let validator = compile(schema)?;
        let has_defaults = defaults::check(schema)?;
        Ok(Self { schema: schema.clone(), validator, has_defaults })
    }

    /// The schema itself.
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// Checks a spec, called `what`: each problem in a sentence. Unknown tokens may become anything.
    pub fn check_spec(&self, what: &str, spec: &Value) -> Vec<String> {
        let found = self.check(&Checked { what, with: None }, spec, |error, _| may_become_good(error));
        let words = |problem: Diagnostic| match problem.help {
            Some(help) => format!("{} ({help})", problem.message),
            None => problem.message,
        };
        found.into_iter().map(words).collect()
    }

    /// What is wrong with a value, called `what`, each with its place in it. Unknown tokens may become anything, and so may null
    /// within a choice: it stands for a reference.
    pub fn problems(&self, what: &str, value: &Value) -> Vec<ConfigProblem> {
        let mut found = Vec::new();
        for error in self.validator.iter_errors(value) {
            if may_become_good(&error) || is_choice(error.kind()) && holds_null(error.instance()) {
                continue;
            }
            let at = error.instance_path().to_string();
            let (keys, is_of_keys) = match error.kind() {
                ValidationErrorKind::AdditionalProperties { unexpected }
                | ValidationErrorKind::UnevaluatedProperties { unexpected } => (unexpected.as_slice(), true),
                ValidationErrorKind::Required { .. } => (&[][..], true),
                _ => (&[][..], false),
            };
            let words = self.words(&Checked { what, with: None }, &parts(&error), &error);
            found.extend(words.into_iter().enumerate().map(|(index, problem)| ConfigProblem {
                pointer: keys.get(index).map_or_else(|| at.clone(), |key| format!("{at}/{}", pointer::escaped(key))),
                is_of_keys,
                message: problem.message,
                help: problem.help.unwrap_or_else(|| "Correct the value.".to_owned()),
            }));
        }
        found
    }

    /// Checks the options of a provider. Handles of secrets may stand for any text.
    pub(super) fn check_provider(&self, what: &str, with: &Template, config: &Value) -> Vec<Diagnostic> {
        self.check(&Checked { what, with: Some(with) }, config, |error, _| may_become_good(error))
    }

    /// A `with` table or a spec with the defaults of the schema, where that adds any.
    pub fn filled(&self, config: &Value) -> Option<Value> {
        if !self.has_defaults {
            return None;
        }
        let mut filled = config.clone();
        defaults::fill(&self.schema, &mut filled).then_some(filled)
    }

    /// Checks a step before anything runs. What refers to other steps may become anything.
    pub fn check_static(&self, step: &Step) -> Vec<Diagnostic> {
        let outline = step.with.outline();
        let open = |error: &ValidationError<'_>, path: &[Part]| match error.kind() {
            ValidationErrorKind::Required { .. } | ValidationErrorKind::AdditionalProperties { .. } => false,
            kind if is_choice(kind) => step.with.holds_reference(path),
            _ => step.with.is_open_at(path),
        };
        self.check(&Checked { what: &format!("step {}", step.name), with: Some(&step.with) }, &outline, open)
    }

    /// Checks a step whose references are replaced. Unknown tokens may become anything.
    pub fn check_resolved(&self, step: &Step, config: &Value) -> Vec<Diagnostic> {
        let what = format!("step {}", step.name);
        self.check(&Checked { what: &what, with: Some(&step.with) }, config, |error, _| may_become_good(error))
    }

    /// The check of its own that the plugin asks for.
    pub(crate) fn asks_for(&self) -> Option<&str> {
        self.schema.get(config_check::KEYWORD)?.as_str()
    }

    /// Checks a step by that.
    pub(crate) fn check_by(check: &dyn ConfigCheck, step: &Step) -> Vec<Diagnostic> {
        let problem = |found: ConfigProblem| {
            let path = path(&found.pointer, &step.with.outline());
            if !found.is_of_keys && step.with.is_open_at(&path) {
                return None;
            }
            let (span, label) = match path.split_last() {
                Some((Part::Key(key), above)) if found.is_of_keys => {
                    (step.with.key_span(above, key).unwrap_or_else(|| step.with.span_at(&path)), "here")
                }
                _ if found.is_of_keys => (step.with.span_at(&path), "here"),
                _ => (step.with.span_at(&path), "not allowed"),
            };
            Some(Diagnostic {
                code: "resource-type",
                message: format!("{}: {}", place(&format!("step {}", step.name), &path), found.message),
                span: Some(span),
                label: label.to_owned(),
                help: Some(found.help),
            })
        };
        check.check(&step.with.outline()).into_iter().filter_map(problem).collect()
    }

    fn check(
        &self,
        checked: &Checked<'_>,
        config: &Value,
        is_open: impl Fn(&ValidationError<'_>, &[Part]) -> bool,
    ) -> Vec<Diagnostic> {
        if self.validator.is_valid(config) {
            return Vec::new();
        }
        let errors = self.validator.iter_errors(config).map(|error| (parts(&error), error));
        let mut errors: Vec<_> = errors.filter(|(path, error)| !is_open(error, path)).collect();
        // What is none of the choices has another type than they, too; the choices say more.
        let choices: Vec<Vec<Part>> =
            errors.iter().filter(|(_, error)| is_enum(error)).map(|(at, _)| at.clone()).collect();
        errors.retain(|(path, error)| {
            !(matches!(error.kind(), ValidationErrorKind::Type { .. }) && choices.contains(path))
        });
        errors.iter().flat_map(|(path, error)| self.words(checked, path, error)).collect()
    }

    /// A violation in plain words, at its place.
    fn words(&self, checked: &Checked<'_>, path: &[Part], error: &ValidationError<'_>) -> Vec<Diagnostic> {
        let place = place(checked.what, path);
        let problem = |message: String, label: &str, help: Option<String>| Diagnostic {
            code: "schema",
            message,
            span: checked.with.map(|with| with.span_at(path)),
            label: label.to_owned(),
            help,
        };
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected }
            | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                let known = self.properties_at(error);
                let unknown = |key: &String| {
                    let mut found = problem(format!("unknown option '{key}' in {place}"), "not known here", None);
                    found.span = checked.with.and_then(|with| with.key_span(path, key)).or(found.span);
                    found.help = Some(match did_you_mean(key, known.iter().map(String::as_str)) {
                        Some(near) => format!("did you mean '{near}'?"),
                        None => format!("it takes {}", known.join(", ")),
                    });
                    found
                };
                unexpected.iter().map(unknown).collect()
            }
            ValidationErrorKind::Required { property } => {
                let key = property.as_str().unwrap_or_default();
                let help = self.description_at(error, key).unwrap_or_else(|| format!("add {key} = …"));
                vec![problem(format!("{place} has no '{key}'"), "missing here", Some(format!("{key}: {help}")))]
            }
            _ => vec![problem(format!("{place} {}", must(error)), "not allowed", self.help_at(error))],
        }
    }

    /// The schema of the value that a violation speaks of.
    fn schema_at(&self, error: &ValidationError<'_>) -> Option<&Value> {
        let pointer = error.schema_path().as_str();
        self.schema.pointer(pointer.rsplit_once('/').map_or("", |(parent, _)| parent))
    }

    fn properties_at(&self, error: &ValidationError<'_>) -> Vec<String> {
        let properties = self.schema_at(error).and_then(|schema| schema.get("properties")?.as_object());
        properties.map(|all| all.keys().cloned().collect()).unwrap_or_default()
    }

    fn description_at(&self, error: &ValidationError<'_>, key: &str) -> Option<String> {
        let schema = self.schema_at(error)?.get("properties")?.get(key)?;
        Some(schema.get("description")?.as_str()?.replace('\n', " "))
    }

    /// What to write, where that can be told; else what the option is.
    fn help_at(&self, error: &ValidationError<'_>) -> Option<String> {
        correction(error).or_else(|| Some(self.schema_at(error)?.get("description")?.as_str()?.replace('\n', " ")))
    }
}

/// Compiles a schema.
pub(super) fn compile(schema: &Value) -> Result<jsonschema::Validator, BadSchema> {
    let options = jsonschema::options().with_draft(jsonschema::Draft::Draft202012);
    options.build(schema).map_err(|error| BadSchema::NotASchema(error.to_string()))
}

/// What is checked against a schema: what it is called, and where it stands in the file.
struct Checked<'a> {
    what: &'a str,
    with: Option<&'a Template>,
}

/// Whether a violation is of a text that is not known yet, or of a choice that depends on one.
fn may_become_good(error: &ValidationError<'_>) -> bool {
    match error.instance().as_ref() {
        Value::String(text) => unknown::is_opaque(text),
        instance => is_choice(error.kind()) && unknown::any_unknown(instance),
    }
}

fn holds_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(holds_null),
        Value::Object(fields) => fields.values().any(holds_null),
        _ => false,
    }
}

fn is_enum(error: &ValidationError<'_>) -> bool {
    matches!(error.kind(), ValidationErrorKind::Enum { .. })
}

/// The value as it was probably meant.
fn correction(error: &ValidationError<'_>) -> Option<String> {
    let instance = error.instance();
    match error.kind() {
        ValidationErrorKind::Enum { options } => {
            let near = did_you_mean(instance.as_str()?, options.as_array()?.iter().filter_map(Value::as_str))?;
            Some(format!("did you mean \"{near}\"?"))
        }
        ValidationErrorKind::Type { kind: wanted } => {
            let wanted = types(wanted);
            let wants = |one: &str| wanted.iter().any(|wanted| wanted == one);
            match instance.as_ref() {
                Value::Number(_) | Value::Bool(_) if wants("string") => Some(format!("write \"{instance}\"")),
                Value::String(text) if wants("boolean") => match text.to_lowercase().as_str() {
                    "true" | "yes" | "on" | "enabled" => Some("write true".to_owned()),
                    "false" | "no" | "off" | "disabled" => Some("write false".to_owned()),
                    _ => None,
                },
                Value::String(text) if wants("integer") || wants("number") => {
                    let number: Value = text.parse::<i64>().map(Value::from).ok()?;
                    Some(format!("write {number}"))
                }
                Value::String(_) if wants("array") => Some(format!("write [{}]", shorten(instance))),
                Value::Array(all) if wants("object") && !all.is_empty() && all.iter().all(Value::is_string) => {
                    let keys: Vec<String> =
                        all.iter().map(|key| format!("{} = {{}}", key.as_str().unwrap_or_default())).collect();
                    Some(format!("write a table with names: {{ {} }}", keys.join(", ")))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// The types that a value may have. That an option may be left out goes without saying.
fn types(wanted: &TypeKind) -> Vec<String> {
    let all: Vec<String> = match wanted {
        TypeKind::Single(one) => vec![one.to_string()],
        TypeKind::Multiple(all) => all.iter().map(|one| one.to_string()).collect(),
    };
    let some: Vec<String> = all.iter().filter(|one| *one != "null").cloned().collect();
    if some.is_empty() { all } else { some }
}

fn is_choice(kind: &ValidationErrorKind) -> bool {
    use ValidationErrorKind::{AnyOf, OneOfMultipleValid, OneOfNotValid};
    matches!(kind, AnyOf { .. } | OneOfMultipleValid { .. } | OneOfNotValid { .. })
}

fn parts(error: &ValidationError<'_>) -> Vec<Part> {
    let segments = error.instance_path().iter().map(|segment| match segment {
        LocationSegment::Property(key) => Part::Key(key.into_owned()),
        LocationSegment::Index(at) => Part::Index(at),
    });
    segments.collect()
}

/// The parts of a JSON pointer into a value.
fn path(pointer: &str, value: &Value) -> Vec<Part> {
    let mut here = Some(value);
    let parts = pointer::parts(pointer).map(|part| {
        let (is_list, next) = match here {
            Some(Value::Array(items)) => (true, part.parse().ok().and_then(|at: usize| items.get(at))),
            Some(Value::Object(fields)) => (false, fields.get(&part)),
            _ => (false, None),
        };
        here = next;
        match part.parse() {
            Ok(at) if is_list => Part::Index(at),
            _ => Part::Key(part),
        }
    });
    parts.collect()
}

/// `azs of step network`, or `step network` for the table as a whole.
fn place(what: &str, path: &[Part]) -> String {
    let path: String = path.iter().map(ToString::to_string).collect();
    match path.trim_start_matches('.') {
        "" => what.to_owned(),
        path => format!("{path} of {what}"),
    }
}

/// What a value must be, in plain words.
fn must(error: &ValidationError<'_>) -> String {
    use ValidationErrorKind as K;
    let shown = shorten(error.instance());
    let rule = match error.kind() {
        K::Type { kind: wanted } => {
            let wanted: Vec<_> = types(wanted).iter().map(|one| plain_type(one)).collect();
            return format!("must be {}, not the {} {shown}", wanted.join(" or "), kind(error.instance()));
        }
        K::Enum { options } => format!("one of {}", list(options)),
        K::Constant { expected_value } => expected_value.to_string(),
        K::Minimum { limit } => format!("at least {limit}"),
        K::Maximum { limit } => format!("at most {limit}"),
        K::ExclusiveMinimum { limit } => format!("more than {limit}"),
        K::ExclusiveMaximum { limit } => format!("less than {limit}"),
        K::MinLength { limit } => format!("at least {limit} characters long"),
        K::MaxLength { limit } => format!("at most {limit} characters long"),
        K::MinItems { limit } => format!("a list of at least {limit}"),
        K::MaxItems { limit } => format!("a list of at most {limit}"),
        K::Pattern { pattern } => format!("of the form {pattern}"),
        K::Format { format } => format!("a {format}"),
        K::UniqueItems => "a list without repetitions".to_owned(),
        K::AnyOf { context } | K::OneOfNotValid { context } => {
            let ways: Vec<_> = context.iter().filter_map(|errors| errors.first()).map(must).collect();
            return format!("is {shown}, and matches none of the allowed forms: it {}", ways.join("; or "));
        }
        _ => return format!("is not allowed: {error}"),
    };
    format!("must be {rule}, not {shown}")
}

fn plain_type(json: &str) -> &'static str {
    match json {
        "object" => "a table",
        "array" => "a list",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "string" => "a string",
        _ => "nothing",
    }
}

fn list(options: &Value) -> String {
    let options: Vec<_> = options.as_array().into_iter().flatten().map(Value::to_string).collect();
    options.join(", ")
}

fn shorten(value: &Value) -> String {
    // A part of what is not to be shown would not be recognised any more.
    let text = shown(&value.to_string()).into_owned();
    if text.chars().count() <= 60 { text } else { text.chars().take(59).chain(['…']).collect() }
}
