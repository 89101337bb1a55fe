//! The page of a provider.

use std::fmt::Write;

use llmhost_provider::Checked;
use llmhost_sandbox::InspectedProvider;

use super::super::schema;
use super::text::{cell, code, page, paragraphs, table};
use super::{guide, options};

/// Everything about a provider.
pub(super) fn markdown(name: &str, found: &InspectedProvider, checked: &Checked) -> String {
    let mut text = paragraphs(&found.described.summary);
    let grants = [(found.asks, "http:GET https://HOST/*"), (found.connects, "tcp:HOST:PORT")];
    let grants: Vec<_> =
        grants.into_iter().filter(|(needs, _)| *needs).map(|(_, grant)| format!("\"{grant}\"")).collect();
    let config = checked.config.schema();
    let _ = writeln!(
        text,
        "It is a provider: it brings kinds of resources. Steps declare them with the plugin [resources](resources.md).\n\n\
         ```toml\n[providers.my-{name}]\nuses = \"{name}\"\nallow = [{}]\n{}```\n",
        grants.join(", "),
        schema::with(&format!("providers.my-{name}"), config)
    );
    text += &guide(name);
    text += "## Options\n\n";
    text += &options::sections(config);
    for (kind, checked) in &checked.kinds {
        let _ = writeln!(text, "## Kind {}\n", code(kind));
        text += &paragraphs(&checked.doc.summary);
        let rows = options::rows(checked.schema.schema()).into_iter().map(|(key, mut row)| {
            row.insert(3, super::on_change(checked.doc.immutable.iter().any(|field| field == key)).to_owned());
            row
        });
        text += &table(&["Field", "Type", "Default", "On change", "Description"], rows);
        let unique: Vec<String> = checked.doc.unique.iter().map(|field| code(field)).collect();
        if !unique.is_empty() {
            let _ = writeln!(text, "Only one can have the same {}.\n", unique.join(" and "));
        }
        let outputs = checked.doc.outputs.iter().map(|output| {
            let sensitive = if output.sensitive { "sensitive" } else { "" };
            vec![code(&output.name), sensitive.to_owned(), cell(&output.description)]
        });
        text += &table(&["Output", "", "Description"], outputs);
    }
    page(name, &text)
}
