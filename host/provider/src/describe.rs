//! What a provider says of itself, looked at: nothing of it is used that would fail later.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use llmhost_engine::pipeline::ConfigSchema;
use serde_json::Value;

use crate::provider::{Described, KindDoc};

/// The output that every kind has.
pub(crate) const ID: &str = "id";

/// A description that can be used.
pub struct Checked {
    /// The schema of its `with` table.
    pub config: ConfigSchema,
    /// Its kinds, by name.
    pub kinds: BTreeMap<String, CheckedKind>,
}

/// A kind whose description can be used.
pub struct CheckedKind {
    /// What the provider says of it.
    pub doc: KindDoc,
    /// The schema of its specs.
    pub schema: Arc<ConfigSchema>,
    /// Places in the spec (JSON pointers) that may hold handles of secrets.
    pub secrets: Vec<String>,
}

/// Looks at a description.
///
/// # Errors
///
/// What is wrong with it, in a sentence about the provider.
pub fn check(described: &Described) -> Result<Checked, String> {
    let config = schema("config-schema", &described.config_schema)?;
    if described.kinds.is_empty() {
        return Err("it has no kinds".to_owned());
    }
    let mut kinds = BTreeMap::new();
    for doc in &described.kinds {
        check_word("a kind", &doc.name)?;
        let checked = kind(doc).map_err(|problem| format!("its kind '{}' {problem}", doc.name))?;
        if kinds.insert(doc.name.clone(), checked).is_some() {
            return Err(format!("it has two kinds with the name '{}'", doc.name));
        }
    }
    Ok(Checked { config, kinds })
}

fn kind(doc: &KindDoc) -> Result<CheckedKind, String> {
    let schema = schema("spec-schema", &doc.spec_schema).map_err(|problem| format!("is wrong: {problem}"))?;
    let properties = schema.schema().get("properties").and_then(Value::as_object);
    for (what, fields) in [("immutable", &doc.immutable), ("unique", &doc.unique)] {
        let has = |field: &String| properties.is_some_and(|properties| properties.contains_key(field));
        if let Some(field) = fields.iter().find(|field| !has(field)) {
            return Err(format!("says that '{}' is {what}, and its spec-schema has no such property", shown(field)));
        }
    }
    let mut outputs = BTreeSet::new();
    for output in &doc.outputs {
        if output.name == ID {
            return Err("describes the output 'id', which every kind has automatically".to_owned());
        }
        if output.name.is_empty() || output.name.contains(|c: char| c.is_control() || "#<>".contains(c)) {
            return Err(format!("has an output with the name '{}'", shown(&output.name)));
        }
        if !outputs.insert(&output.name) {
            return Err(format!("describes the output '{}' twice", shown(&output.name)));
        }
    }
    let mut secrets = Vec::new();
    write_only(schema.schema(), "", &mut secrets);
    Ok(CheckedKind { doc: doc.clone(), schema: Arc::new(schema), secrets })
}

fn schema(what: &str, text: &str) -> Result<ConfigSchema, String> {
    let schema: Value = serde_json::from_str(text).map_err(|error| format!("its {what} is not JSON: {error}"))?;
    if !schema.is_object() {
        return Err(format!("its {what} is JSON, but not a JSON Schema: that is an object"));
    }
    ConfigSchema::of_schema(&schema).map_err(|error| error.to_string())
}

fn check_word(what: &str, name: &str) -> Result<(), String> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    match name.starts_with(|c: char| c.is_ascii_lowercase()) && name.len() <= 64 && name.chars().all(good) {
        true => Ok(()),
        false => Err(format!(
            "it has {what} with the name '{}'; names have at most 64 lower-case letters, digits and hyphens, and \
                start with a letter",
            shown(name)
        )),
    }
}

/// Fields whose values no service gives back.
fn write_only(schema: &Value, at: &str, found: &mut Vec<String>) {
    for (name, inner) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let at = format!("{at}/{}", llmhost_engine::pointer::escaped(name));
        match inner.get("writeOnly") {
            Some(Value::Bool(true)) => found.push(at),
            _ => write_only(inner, &at, found),
        }
    }
}

/// A text of somebody else's in a message.
pub(crate) fn shown(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    if text.chars().count() <= 80 { plain.collect() } else { plain.take(79).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::OutputDoc;

    fn record() -> KindDoc {
        let spec_schema = r#"{ "type": "object", "properties": {
            "name": { "type": "string" },
            "key": { "type": "string", "writeOnly": true },
            "more": { "properties": { "a/b": { "writeOnly": true } } } } }"#;
        KindDoc { name: "record".into(), spec_schema: spec_schema.into(), ..KindDoc::default() }
    }

    fn described(kinds: Vec<KindDoc>) -> Described {
        Described { summary: String::new(), config_schema: "{}".into(), kinds }
    }

    #[test]
    fn a_good_description_says_where_secrets_may_stand() {
        let Ok(checked) = check(&described(vec![record()])) else { panic!("it is good") };
        assert_eq!(checked.kinds["record"].secrets, ["/key", "/more/a~1b"]);
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        let output = |name: &str| OutputDoc { name: name.into(), ..OutputDoc::default() };
        let outputs = |names: &[&str]| KindDoc { outputs: names.iter().map(|name| output(name)).collect(), ..record() };
        for (kinds, part) in [
            (vec![], "it has no kinds"),
            (vec![record(), record()], "two kinds with the name 'record'"),
            (vec![KindDoc { name: "Rec.ord".into(), ..record() }], "a kind with the name 'Rec.ord'"),
            (vec![KindDoc { spec_schema: "{".into(), ..record() }], "its spec-schema is not JSON"),
            (vec![KindDoc { spec_schema: "[]".into(), ..record() }], "not a JSON Schema"),
            (vec![KindDoc { spec_schema: r#"{"type": 7}"#.into(), ..record() }], "is not JSON Schema"),
            (vec![KindDoc { immutable: vec!["zone".into()], ..record() }], "'zone' is immutable"),
            (vec![KindDoc { unique: vec!["zone".into()], ..record() }], "'zone' is unique"),
            (vec![outputs(&["id"])], "'id', which every kind has"),
            (vec![outputs(&["a", "a"])], "the output 'a' twice"),
            (vec![outputs(&["a\u{1b}[2J"])], "an output with the name 'a [2J'"),
        ] {
            let problem = check(&described(kinds)).err().expect(part);
            assert!(problem.contains(part), "{part} in {problem}");
        }
        let problem = check(&Described { config_schema: "nope".into(), ..described(vec![record()]) }).err();
        assert!(problem.is_some_and(|problem| problem.contains("its config-schema is not JSON")));
    }
}
