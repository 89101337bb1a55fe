//! The page of a plugin.

use std::fmt::Write;

use llmhost_engine::plugin::ValueType;
use llmhost_sandbox::Inspected;

use super::super::kinds::Kind;
use super::super::schema;
use super::text::{cell, code, page, paragraphs, table};
use super::{guide, options};

/// Everything about a plugin.
pub(super) fn markdown(name: &str, found: &Inspected, kinds: &[Kind]) -> String {
    let described = &found.description;
    let mut text = paragraphs(&described.summary);
    let _ = writeln!(text, "```toml\n{}```\n", schema::step(name, &described.config_schema));
    text += &guide(name);
    text += "## Options\n\n";
    text += &options::sections(&described.config_schema);
    text += "## Outputs\n\n";
    let outputs = described.outputs.iter().map(|output| {
        let words = output.value_type.map(ValueType::name).into_iter().chain(output.sensitive.then_some("sensitive"));
        vec![code(&output.name), words.collect::<Vec<_>>().join(", "), cell(&output.description)]
    });
    let outputs = table(&["Output", "Type", "Description"], outputs);
    text += if outputs.is_empty() { "None.\n\n" } else { &outputs };
    text += "## Resources\n\n";
    let declared: Vec<String> = kinds
        .iter()
        .filter(|kind| declares(found, kind.name()))
        .map(|kind| format!("- [{0}](../kinds/{0}.md)\n", kind.name()))
        .collect();
    match declared.is_empty() {
        true => text += "It declares resources of the kinds that a provider brings.\n\n",
        false => _ = writeln!(text, "{}", declared.concat()),
    }
    let others: Vec<String> = found
        .grants
        .iter()
        .filter(|grant| !kinds.iter().any(|kind| kind.name().replacen('.', ":", 1) == **grant))
        .map(|grant| code(grant))
        .collect();
    text += "The plugin is built in: a step that uses it needs no `allow`.";
    if !others.is_empty() {
        let _ = write!(text, " It also has the grants {}.", others.join(", "));
    }
    page(name, &text)
}

/// Whether a plugin declares resources of this kind.
pub(super) fn declares(found: &Inspected, kind: &str) -> bool {
    let interface = kind.split('.').next().unwrap_or_default();
    found.grants.iter().any(|grant| *grant == kind.replacen('.', ":", 1)) || found.unsaid.contains(&interface)
}
