//! `llmhost plugin inspect`: what a plugin does, wants and takes.

use std::fmt::Write;

use llmhost_engine::pipeline::Trust;
use llmhost_engine::plan::plain;
use serde_json::{Value, json};

use crate::app::{self, Console};
use crate::failure::Failure;
use crate::view::style;

/// Says what a plugin is, without granting it anything.
pub(crate) async fn inspect(plugin: &str, as_json: bool) -> Result<(), Failure> {
    let loader = app::loader(&Console::new(false), &Trust::default())?;
    let found = loader.inspect(plugin, std::path::Path::new(".")).await;
    let help = "Give a built-in plugin's name, the path of a component file, or oci://host/name:tag.";
    let found = found.map_err(|error| Failure::plugin(error, help))?;
    let described = &found.description;
    if as_json {
        let outputs: serde_json::Map<_, _> =
            described.outputs.iter().map(|(name, doc)| (name.clone(), Value::from(doc.as_str()))).collect();
        let all = json!({
            "plugin": plugin,
            "sha256": found.sha256,
            "summary": described.summary,
            "grants": found.grants,
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
    let _ = writeln!(text, "{name}wants granted{name:#}");
    for grant in &found.grants {
        let _ = writeln!(text, "  {grant}");
    }
    let _ = writeln!(text, "\n{name}with{name:#}");
    let required: Vec<&str> =
        described.config_schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (key, schema) in described.config_schema["properties"].as_object().into_iter().flatten() {
        let note = match &schema["default"] {
            _ if required.contains(&key.as_str()) => " (required)".to_owned(),
            Value::Null => String::new(),
            default => format!(" [default: {}]", plain(&default.to_string())),
        };
        let words = plain(schema["description"].as_str().unwrap_or_default()).replace('\n', " ");
        let _ = writeln!(text, "  {name}{}{name:#}{note}\n      {words}", plain(key));
    }
    let _ = writeln!(text, "\n{name}outputs{name:#}");
    for (output, words) in &described.outputs {
        let _ = writeln!(text, "  {name}{}{name:#}  {}", plain(output), plain(words));
    }
    app::print(&text);
    Ok(())
}
