//! `llmhost plugin inspect`: what a plugin does, wants and takes.

mod provider;

use std::fmt::Write;

use llmhost_engine::pipeline::{ConfigSchema, Trust};
use llmhost_engine::plan::plain;
use llmhost_engine::plugin::{LoadError, OutputDoc, ValueType};
use serde_json::{Value, json};

use crate::app::{self, Console};
use crate::failure::Failure;
use crate::view::style;

/// Says what a plugin is, without granting it anything.
pub(crate) async fn inspect(plugin: &str, as_json: bool) -> Result<(), Failure> {
    let loader = app::loader(&Console::new(false), &Trust::default())?;
    let here = std::path::Path::new(".");
    let help = "Give a built-in plugin's name, the path of a component file, or oci://host/name:tag.";
    if let Some(provider) = loader.inspect_provider(plugin, here).await.map_err(|error| Failure::plugin(error, help))? {
        return provider::show(plugin, &provider, as_json);
    }
    let found = loader.inspect(plugin, here).await.map_err(|error| Failure::plugin(error, help))?;
    let described = &found.description;
    if let Err(error) = ConfigSchema::of(described) {
        let error = LoadError::BadDescription { uses: plugin.to_owned(), reason: error.to_string(), crash: None };
        let help = "Every run refuses it. The plugin's author must correct this.";
        return Err(Failure::plugin(error, help));
    }
    if as_json {
        let outputs: serde_json::Map<_, _> =
            described.outputs.iter().map(|output| (output.name.clone(), described_output(output))).collect();
        let all = json!({
            "plugin": plugin,
            "sha256": found.sha256,
            "summary": described.summary,
            "grants": found.grants,
            "unsaid": found.unsaid,
            "outputs": outputs,
            "config_schema": described.config_schema,
        });
        let text = serde_json::to_string_pretty(&all).expect("plain data");
        app::print(&(text + "\n"));
        return Ok(());
    }
    let (name, faint) = (style::NAME, style::FAINT);
    let mut text = String::new();
    let _ = writeln!(text, "{name}{plugin}{name:#}: {}", plain(&described.summary));
    let _ = writeln!(text, "{faint}sha256 {}{faint:#}\n", found.sha256);
    let _ = writeln!(text, "{name}needs grants{name:#}");
    for grant in &found.grants {
        let _ = writeln!(text, "  {}", plain(grant));
    }
    for interface in &found.unsaid {
        let _ = writeln!(text, "  {interface}  {faint}(reason not given){faint:#}");
    }
    let _ = writeln!(text, "\n{name}with{name:#}");
    text += &options(&described.config_schema);
    let _ = writeln!(text, "\n{name}outputs{name:#}");
    for output in &described.outputs {
        let words = output.value_type.map(ValueType::name).into_iter().chain(output.sensitive.then_some("sensitive"));
        let of = match words.collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => none,
            words => format!(" ({words})"),
        };
        let _ = writeln!(text, "  {name}{}{name:#}{of}  {}", plain(&output.name), plain(&output.description));
    }
    app::print(&text);
    Ok(())
}

/// The options of a schema, each with its type and what it is.
fn options(whole: &Value) -> String {
    let (name, mut text) = (style::NAME, String::new());
    let required: Vec<&str> = whole["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (key, schema) in whole["properties"].as_object().into_iter().flatten() {
        let note = match &schema["default"] {
            _ if required.contains(&key.as_str()) => " (required)".to_owned(),
            Value::Null => String::new(),
            default => format!(" [default: {}]", plain(&default.to_string())),
        };
        let words = plain(schema["description"].as_str().unwrap_or_default()).replace('\n', " ");
        let of = plain(&option_type(schema, whole)).into_owned();
        let _ = writeln!(text, "  {name}{}{name:#} ({of}){note}\n      {words}", plain(key));
    }
    text
}

/// The type of an option in a word or two: `string`, `string: date`, `array of string`, `one of "a", "b"`.
fn option_type(schema: &Value, whole: &Value) -> String {
    let schema = match schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
        Some(pointer) => whole.pointer(pointer).unwrap_or(schema),
        None => schema,
    };
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<_> = values.iter().map(Value::to_string).collect();
        return format!("one of {}", values.join(", "));
    }
    for any in ["anyOf", "oneOf"] {
        if let Some(schemas) = schema[any].as_array() {
            let mut types: Vec<_> = schemas.iter().map(|schema| option_type(schema, whole)).collect();
            types.dedup();
            return types.join(" or ");
        }
    }
    let types = match &schema["type"] {
        Value::String(of) => of.clone(),
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => "any".to_owned(),
    };
    match (schema["format"].as_str(), &schema["items"]) {
        (Some(format), _) => format!("{types}: {format}"),
        (None, items @ Value::Object(_)) => format!("{types} of {}", option_type(items, whole)),
        _ => types,
    }
}

fn described_output(output: &OutputDoc) -> Value {
    json!({ "description": output.description, "type": output.value_type, "sensitive": output.sensitive })
}
