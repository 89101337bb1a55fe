//! Writing what a plugin did into its case.

use std::path::PathBuf;

use serde_json::{Map, Value};
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table};

use crate::case::Case;
use crate::report::CaseReport;

/// Why a case could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {reason}", path.display())]
pub struct UpdateError {
    /// The case's file.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}

/// Makes what the plugin did what the case expects. Everything else of the file stays as it is.
pub fn update(case: &Case, report: &CaseReport) -> Result<(), UpdateError> {
    let failed = |reason: String| UpdateError { path: case.path.clone(), reason };
    let mut document: DocumentMut =
        case.source.parse().map_err(|error: toml_edit::TomlError| failed(error.to_string()))?;
    document.insert("expect", Item::Table(expectation(report)));
    let folder = case.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(".".as_ref());
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        std::io::Write::write_all(&mut file, document.to_string().as_bytes())?;
        if let Ok(old) = std::fs::metadata(&case.path) {
            file.as_file().set_permissions(old.permissions())?;
        }
        file.persist(&case.path)?;
        Ok(())
    };
    write().map_err(|error| failed(error.to_string()))
}

fn expectation(report: &CaseReport) -> Table {
    let seen = &report.seen;
    let mut expect = implicit();
    if let Some(failure) = &seen.failure {
        let mut table = Table::new();
        table.insert("code", toml_edit::value(failure.code.as_str()));
        table.insert("message", toml_edit::value(failure.message.as_str()));
        table.insert("during", toml_edit::value(failure.during.name()));
        expect.insert("failure", Item::Table(table));
        return expect;
    }
    let mut declarations = implicit();
    for (name, spec) in &seen.declared {
        declarations.insert(name, Item::Table(fields(spec.as_object())));
    }
    // Nothing is declared: that is expected, too.
    declarations.set_implicit(!seen.declared.is_empty());
    expect.insert("declarations", Item::Table(declarations));
    if let Some(outputs) = seen.outputs.as_ref().filter(|outputs| !outputs.is_empty()) {
        expect.insert("outputs", Item::Table(fields(Some(outputs))));
    }
    expect
}

fn implicit() -> Table {
    let mut table = Table::new();
    table.set_implicit(true);
    table
}

fn fields(object: Option<&Map<String, Value>>) -> Table {
    let mut table = Table::new();
    for (name, value) in object.into_iter().flatten() {
        if let Some(value) = toml(value) {
            table.insert(name, Item::Value(value));
        }
    }
    table
}

/// Nothing for what says nothing: `null`, an empty list.
fn toml(value: &Value) -> Option<toml_edit::Value> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole.into(),
            None => number.as_f64()?.into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) if items.is_empty() => return None,
        Value::Array(items) => toml_edit::Value::Array(items.iter().filter_map(toml).collect::<Array>()),
        Value::Object(fields) => {
            let fields = fields.iter().filter_map(|(name, value)| Some((name.as_str(), toml(value)?)));
            toml_edit::Value::InlineTable(fields.collect::<InlineTable>())
        }
    })
}
