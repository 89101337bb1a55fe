//! `with` tables against the JSON Schemas of plugins, and the schema of the file itself.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::paths::LocationSegment;
use serde_json::{Value, json};

use super::step::Step;
use super::template::{Part, kind};
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::unknown;

/// A plugin's schema, compiled once for all steps that use it.
pub struct ConfigSchema {
    schema: Value,
    validator: jsonschema::Validator,
}

/// A schema that is none.
#[derive(Debug, thiserror::Error)]
#[error("its schema is not JSON Schema: {0}")]
pub struct BadSchema(String);

impl ConfigSchema {
    /// Compiles a plugin's schema.
    pub fn compile(schema: &Value) -> Result<Self, BadSchema> {
        let validator = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .build(schema)
            .map_err(|error| BadSchema(error.to_string()))?;
        Ok(Self { schema: schema.clone(), validator })
    }

    /// Checks a step before anything runs. What refers to other steps may become anything.
    pub fn check_static(&self, step: &Step) -> Vec<Diagnostic> {
        let outline = step.with.outline();
        let open = |error: &ValidationError<'_>, path: &[Part]| match error.kind() {
            ValidationErrorKind::Required { .. } | ValidationErrorKind::AdditionalProperties { .. } => false,
            kind if is_choice(kind) => step.with.holds_reference(path),
            _ => step.with.is_open_at(path),
        };
        self.check(step, &outline, open)
    }

    /// Checks a step whose references are replaced. Unknown tokens may become anything.
    pub fn check_resolved(&self, step: &Step, config: &Value) -> Vec<Diagnostic> {
        let open = |error: &ValidationError<'_>, _: &[Part]| match error.instance().as_ref() {
            Value::String(text) => unknown::is_opaque(text),
            instance => is_choice(error.kind()) && unknown::any_unknown(instance),
        };
        self.check(step, config, open)
    }

    fn check(
        &self,
        step: &Step,
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
        errors.iter().flat_map(|(path, error)| self.words(step, path, error)).collect()
    }

    /// A violation in plain words, at its place.
    fn words(&self, step: &Step, path: &[Part], error: &ValidationError<'_>) -> Vec<Diagnostic> {
        let place = place(step, path);
        let problem = |message: String, label: &str, help: Option<String>| Diagnostic {
            code: "schema",
            message,
            span: Some(step.with.span_at(path)),
            label: label.to_owned(),
            help,
        };
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected }
            | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                let known = self.properties_at(error);
                let unknown = |key: &String| {
                    let mut found = problem(format!("unknown option '{key}' in {place}"), "not known here", None);
                    found.span = step.with.key_span(path, key).or(found.span);
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
                    Some(format!("a table goes by names: {{ {} }}", keys.join(", ")))
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

/// `azs of step network`, or `step network` for the table as a whole.
fn place(step: &Step, path: &[Part]) -> String {
    let path: String = path.iter().map(ToString::to_string).collect();
    match path.trim_start_matches('.') {
        "" => format!("step {}", step.name),
        path => format!("{path} of step {}", step.name),
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
            return format!("is {shown}, and fits none of the allowed forms: it {}", ways.join("; or "));
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
    let text = value.to_string();
    if text.chars().count() <= 60 { text } else { text.chars().take(59).chain(['…']).collect() }
}

/// A text with a reference in it.
const REFERENCE: &str = "\\$\\{";
/// The type of a variable. Nesting is not a matter of regular expressions.
const TYPE: &str = "^(string|number|integer|bool|any|list|map|(list|map)\\(.+\\))$";

/// The JSON Schema of a pipeline file, with the `with` tables of these plugins: name, schema and
/// summary of each. For editors; a reference may stand for any value.
pub fn file_schema(plugins: &[(&str, &Value, &str)]) -> Value {
    let names: Vec<_> = plugins.iter().map(|(name, ..)| *name).collect();
    let rule = |(name, schema, summary): &(&str, &Value, &str)| {
        let mut with = or_reference(schema);
        with["description"] = json!(summary);
        json!({
            "if": { "properties": { "uses": { "const": name } }, "required": ["uses"] },
            "then": { "properties": { "with": with } },
        })
    };
    let rules: Vec<_> = plugins.iter().map(rule).collect();
    let name = "^[a-z][a-z0-9_-]{0,63}$";
    let reference = json!({ "type": "string", "pattern": REFERENCE });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "llmhost pipeline",
        "type": "object",
        "additionalProperties": false,
        "required": ["pipeline"],
        "properties": {
            "pipeline": {
                "type": "object",
                "additionalProperties": false,
                "required": ["name", "region"],
                "properties": {
                    "name": { "anyOf": [{ "type": "string", "pattern": name }, reference], "description": "Names the state and tags every resource." },
                    "region": { "type": "string", "description": "AWS region, such as us-east-1." },
                    "tags": { "type": "object", "additionalProperties": { "type": "string" }, "description": "Tags for every resource, for instances, volumes and network interfaces of node groups, and for load balancers." },
                    "state": { "type": "string", "description": "Where the state is kept: s3://bucket/prefix, or a folder beside this file." },
                },
            },
            "vars": {
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "default": { "description": "The value where --var gives none." },
                        "type": { "type": "string", "pattern": TYPE, "description": "string, number, integer, bool, list(TYPE), map(TYPE) or any; by default the default's, and string where there is none." },
                        "description": { "type": "string" },
                    },
                },
            },
            "secrets": {
                "type": "object",
                "description": "Values that nobody gets to see: plugins, plans and the state have a handle alone.",
                "additionalProperties": {
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "env": { "type": "string", "description": "Name of an environment variable." },
                        "file": { "type": "string", "description": "Path of a file." },
                        "parameter": { "type": "string", "description": "Name of a parameter of Systems Manager." },
                        "secrets-manager": { "type": "string", "description": "Name or ARN of a secret of Secrets Manager." },
                        "version": { "anyOf": [{ "type": "integer", "minimum": 1 }, reference], "description": "Raise it to have a changed value sent again." },
                        "description": { "type": "string" },
                    },
                },
            },
            "trust": {
                "type": "object",
                "description": "Public keys by patterns of plugins' names (ghcr.io/acme/*): what matches has to be signed with one of them.",
                "additionalProperties": {
                    "type": "array",
                    "minItems": 1,
                    "items": { "type": "string", "pattern": "^(ssh-ed25519|sk-ssh-ed25519@openssh\\.com) " },
                },
            },
            "moved": {
                "type": "array",
                "description": "Steps and resources that have another name from now on.",
                "items": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["from", "to"],
                    "properties": {
                        "from": { "type": "string", "description": "The old name of a step, or step/kind/name of a resource." },
                        "to": { "type": "string", "description": "The new one." },
                    },
                },
            },
            "steps": {
                "type": "object",
                "propertyNames": { "pattern": name },
                "additionalProperties": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["uses"],
                    "properties": {
                        "uses": { "description": "A built-in plugin, the path of a component, oci://host/name:tag@sha256:…, or https://host/plugin.wasm#sha256=…", "anyOf": [{ "enum": names }, { "type": "string" }] },
                        "with": { "type": "object" },
                        "after": { "type": "array", "items": { "type": "string" }, "description": "Steps that must come before." },
                        "allow": { "type": "array", "items": { "type": "string" }, "description": "Grants, such as ec2:vpc." },
                        "protect": { "anyOf": [{ "type": "boolean" }, reference], "description": "Nothing that this step made may be deleted or replaced." },
                        "limits": {
                            "type": "object",
                            "additionalProperties": false,
                            "properties": {
                                "memory": { "type": "string", "description": "Such as 256MiB." },
                                "time": { "type": "string", "description": "Of computing, such as 10s." },
                            },
                        },
                    },
                    "allOf": rules,
                },
            },
        },
    })
}

/// A schema in which a reference may stand wherever a value may. Whatever sits under `properties`
/// and `items` is wrapped; definitions move with the schema that holds them.
fn or_reference(schema: &Value) -> Value {
    let mut schema = schema.clone();
    wrap(&mut schema);
    schema
}

fn wrap(schema: &mut Value) {
    for inside in ["properties", "$defs"] {
        for value in schema.get_mut(inside).and_then(Value::as_object_mut).into_iter().flat_map(|map| map.values_mut())
        {
            wrap(value);
            if inside == "properties" {
                let whole = value.take();
                let description = whole.get("description").cloned();
                *value = json!({ "anyOf": [whole, { "type": "string", "pattern": REFERENCE }] });
                if let Some(description) = description {
                    value["description"] = description;
                }
            }
        }
    }
    if let Some(items) = schema.get_mut("items").filter(|items| items.is_object()) {
        wrap(items);
        let whole = items.take();
        *items = json!({ "anyOf": [whole, { "type": "string", "pattern": REFERENCE }] });
    }
}
