//! `llmhost schema`: the JSON Schema of the pipeline file, built-in plugins included.

use std::collections::BTreeSet;

use llmhost_aws_types as aws_types;
use llmhost_engine::pipeline::{Trust, file_schema, move_definitions};
use llmhost_engine::plugin::{Description, LoadError};
use serde_json::{Map, Value, json};

use crate::app::{self, Console};
use crate::args::Schema;
use crate::failure::Failure;

/// The schema of the lines that `--json` prints.
const EVENTS: &str = include_str!("../../../../docs/events.schema.json");

/// Prints the schema.
pub(crate) async fn schema(args: Schema) -> Result<(), Failure> {
    if args.events {
        app::print(EVENTS);
        return Ok(());
    }
    let loader = app::loader(&Console::new(false), &Trust::default())?;
    let mut plugins = Vec::new();
    for builtin in llmhost_builtin::ALL {
        let wrong = |error: LoadError| Failure::usage(error.to_string(), "Report it to the plugin's author.");
        // A provider is none of a step's plugins.
        if loader.inspect_provider(builtin.name, std::path::Path::new(".")).await.map_err(wrong)?.is_some() {
            continue;
        }
        let described = loader.inspect(builtin.name, std::path::Path::new(".")).await;
        let described = described.map_err(wrong)?;
        let Description { config_schema, summary, .. } = Description::clone(&described.description);
        plugins.push((builtin.name, config_schema, summary));
    }
    let types = args.path.as_ref().map(|path| types_in(path)).transpose()?.unwrap_or_default();
    if let Some((_, schema, _)) = plugins.iter_mut().find(|(name, ..)| *name == "aws") {
        with_types(schema, &types);
    }
    let plugins: Vec<_> = plugins.iter().map(|(name, schema, summary)| (*name, schema, summary.as_str())).collect();
    let text = serde_json::to_string_pretty(&file_schema(&plugins)).expect("a schema is plain data");
    app::print(&(text + "\n"));
    Ok(())
}

/// The types of AWS's resources that a file names. It need not be a good one: somebody is writing it.
fn types_in(path: &std::path::Path) -> Result<BTreeSet<&'static str>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::Other {
        message: format!("cannot read {}: {error}", path.display()),
        help: "Give the pipeline file whose types the schema needs.".to_owned(),
        status: 2,
    })?;
    Ok(aws_types::names().filter(|name| text.contains(&format!("\"{name}\""))).collect())
}

/// Has the plugin's schema offer all types, and the properties of these.
fn with_types(schema: &mut Value, types: &BTreeSet<&'static str>) {
    let names: Vec<&str> = aws_types::names().collect();
    // Others, too: types are published, and AWS has new ones.
    let offered = json!({ "anyOf": [{ "enum": names }, { "type": "string" }] });
    let mut definitions = Map::new();
    let rules: Vec<Value> = types
        .iter()
        .filter_map(|name| {
            let mut properties = aws_types::find(name)?.json_schema();
            move_definitions(name, &mut properties, &mut definitions);
            Some(json!({
                "if": { "properties": { "type": { "const": name } }, "required": ["type"] },
                "then": { "properties": { "properties": properties } },
            }))
        })
        .collect();
    let mut offer = |at: &str| {
        let Some(one) = schema.pointer_mut(at) else { return };
        if let Some(described) = one.pointer_mut("/properties/type") {
            let description = described.get("description").cloned();
            *described = offered.clone();
            described["description"] = description.unwrap_or_default();
        }
        if !rules.is_empty() {
            one["allOf"] = Value::from(rules.clone());
        }
    };
    offer("");
    offer("/$defs/One");
    if let Some(known) = schema["$defs"].as_object_mut() {
        known.extend(definitions);
    }
}
