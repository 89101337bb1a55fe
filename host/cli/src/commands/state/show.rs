//! `llmhost state list` and `show`.

use std::fmt::Write;

use llmhost_engine::names::ResourceAddress;
use llmhost_engine::plan::plain;
use llmhost_engine::state::{Instance, ResourceRecord};
use serde::Serialize;
use serde_json::Value;

use super::{known, read};
use crate::app;
use crate::args::{StateList, StateShow};
use crate::commands::status;
use crate::failure::Failure;
use crate::view::style;

/// A resource as programs read it.
#[derive(Serialize)]
struct Listed<'a> {
    address: &'a ResourceAddress,
    #[serde(flatten)]
    record: &'a ResourceRecord,
}

/// Every resource with its id.
pub(super) async fn list(args: StateList) -> Result<(), Failure> {
    let state = read(&args.at).await?;
    if !args.json {
        app::print(&status::resources(&state));
        return Ok(());
    }
    let id = |record: &ResourceRecord| record.current.as_ref().map(|current| current.id.clone());
    let all =
        state.resources.iter().map(|(address, record)| serde_json::json!({ "address": address, "id": id(record) }));
    print_json(&all.collect::<Vec<Value>>());
    Ok(())
}

/// Everything about one resource.
pub(super) async fn show(args: StateShow) -> Result<(), Failure> {
    let state = read(&args.at).await?;
    let address = &known(&state, &args.address)?;
    let record = &state.resources[address];
    if args.json {
        print_json(&Listed { address, record });
    } else {
        app::print(&text(address, record));
    }
    Ok(())
}

fn print_json(value: &impl Serialize) {
    let text = serde_json::to_string_pretty(value).expect("a state is plain data");
    app::print(&(text + "\n"));
}

fn text(address: &ResourceAddress, record: &ResourceRecord) -> String {
    let (name, warn) = (style::NAME, style::WARN);
    let mut text = format!("{name}{address}{name:#}\n");
    if let Some(pending) = &record.pending {
        let token = plain(&pending.intent.token);
        let _ = writeln!(text, "  {warn}its creation did not finish{warn:#}; the next run searches for it by {token}");
    }
    record.current.iter().for_each(|current| instance(&mut text, current));
    for old in &record.deposed {
        let _ = writeln!(text, "  {warn}waits to be deleted{warn:#}");
        instance(&mut text, old);
    }
    text
}

fn instance(text: &mut String, instance: &Instance) {
    let warn = style::WARN;
    let _ = writeln!(text, "  id: {}", plain(&instance.id));
    if instance.unfinished {
        let _ = writeln!(text, "  {warn}unfinished{warn:#}: the next run finishes it");
    }
    if let Some(reason) = &instance.broken {
        let _ = writeln!(text, "  {warn}broken{warn:#}: {}; the next run replaces it", plain(reason));
    }
    fields(text, "outputs", instance.outputs.iter());
    fields(text, "spec", instance.spec.as_object().into_iter().flatten());
    if !instance.depends_on.is_empty() {
        let _ = writeln!(text, "  depends on:");
        instance.depends_on.iter().for_each(|used| _ = writeln!(text, "    {used}"));
    }
}

fn fields<'a>(text: &mut String, title: &str, fields: impl Iterator<Item = (&'a String, &'a Value)>) {
    for (at, (key, value)) in fields.enumerate() {
        if at == 0 {
            let _ = writeln!(text, "  {title}:");
        }
        let _ = writeln!(text, "    {} = {}", plain(key), plain(&value.to_string()));
    }
}
