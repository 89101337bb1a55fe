//! A provider: what it takes, and the kinds that it brings.

use std::fmt::Write;

use llmhost_engine::plan::plain;
use llmhost_engine::plugin::LoadError;
use llmhost_provider::{Checked, CheckedKind, check};
use llmhost_sandbox::InspectedProvider;
use serde_json::{Value, json};

use super::options;
use crate::app;
use crate::failure::Failure;
use crate::view::style;

/// Says what a provider is.
pub(super) fn show(uses: &str, found: &InspectedProvider, as_json: bool) -> Result<(), Failure> {
    let checked = check(&found.described).map_err(|reason| {
        let help = "Every run refuses it. The provider's author must correct this.";
        Failure::plugin(LoadError::BadDescription { uses: uses.to_owned(), reason, crash: None }, help)
    })?;
    app::print(&if as_json { in_json(uses, found, &checked) } else { in_words(uses, found, &checked) });
    Ok(())
}

fn in_json(uses: &str, found: &InspectedProvider, checked: &Checked) -> String {
    let kind = |(name, kind): (&String, &CheckedKind)| {
        let outputs = kind.doc.outputs.iter().map(|output| {
            let described = json!({
                "description": output.description, "identity": output.identity, "sensitive": output.sensitive,
            });
            (output.name.clone(), described)
        });
        let described = json!({
            "summary": kind.doc.summary,
            "spec_schema": kind.schema.schema(),
            "immutable": kind.doc.immutable,
            "unique": kind.doc.unique,
            "outputs": outputs.collect::<serde_json::Map<_, _>>(),
        });
        (name.clone(), described)
    };
    let all = json!({
        "provider": uses,
        "sha256": found.sha256,
        "summary": found.described.summary,
        "sends_requests": found.asks,
        "makes_connections": found.connects,
        "config_schema": checked.config.schema(),
        "kinds": checked.kinds.iter().map(kind).collect::<serde_json::Map<String, Value>>(),
    });
    serde_json::to_string_pretty(&all).expect("plain data") + "\n"
}

fn in_words(uses: &str, found: &InspectedProvider, checked: &Checked) -> String {
    let (name, faint) = (style::NAME, style::FAINT);
    let mut text = String::new();
    let _ = writeln!(text, "{name}{uses}{name:#}: {}", plain(&found.described.summary));
    let _ = writeln!(text, "{faint}sha256 {}{faint:#}\n", found.sha256);
    let _ = writeln!(text, "{name}a provider{name:#}, for [providers.NAME]");
    if found.asks {
        let _ = writeln!(text, "  it sends HTTP requests: grant them like http:GET,POST https://HOST/PATH");
    }
    if found.connects {
        let _ = writeln!(text, "  it makes TCP connections: grant them like tcp:HOST:PORT");
    }
    let _ = writeln!(text, "\n{name}with{name:#}");
    text += &options(checked.config.schema());
    for (kind, checked) in &checked.kinds {
        let _ = writeln!(text, "\n{name}kind {kind}{name:#}: {}", plain(&checked.doc.summary));
        text += &options(checked.schema.schema());
        for (what, fields) in [("cannot be changed in place", &checked.doc.immutable), ("name it", &checked.doc.unique)]
        {
            if !fields.is_empty() {
                let _ = writeln!(text, "  {faint}{what}: {}{faint:#}", plain(&fields.join(", ")));
            }
        }
        for output in &checked.doc.outputs {
            let words = [(output.identity, "identity"), (output.sensitive, "sensitive")];
            let words: Vec<&str> = words.into_iter().filter_map(|(is, word)| is.then_some(word)).collect();
            let of = if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) };
            let (output, description) = (plain(&output.name), plain(&output.description));
            let _ = writeln!(text, "  output {name}{output}{name:#}{of}  {description}");
        }
    }
    text
}
