//! The one form of a pipeline file: a space around `=`, a blank line before each step, no indentation of keys, and lists that
//! are too long for a line with an entry on each.

use toml_edit::{Array, Decor, DocumentMut, InlineTable, Item, Table, Value};

/// Longer lines are broken at the entries of a list.
const WIDTH: usize = 120;

/// The document's text in the form.
pub(super) fn text(document: &mut DocumentMut) -> String {
    let mut is_first = true;
    table(document.as_table_mut(), &mut is_first, 1);
    let end = lines(document.trailing().as_str().unwrap_or_default(), false);
    let text = document.to_string();
    let body = text.strip_suffix(document.trailing().as_str().unwrap_or_default()).unwrap_or(&text).trim_end();
    let end = end.trim_end();
    match (body.is_empty(), end.is_empty()) {
        (true, true) => String::new(),
        (true, false) => format!("{}\n", end.trim_start()),
        (false, true) => format!("{body}\n"),
        (false, false) => format!("{body}\n{end}\n"),
    }
}

/// The comments of a text, sorted: each from its `#` to the end of its line. What a text in quotes holds is
/// told apart by the parser, which gives them out as decoration.
pub(super) fn comments(text: &str) -> Option<Vec<String>> {
    let document: DocumentMut = text.parse().ok()?;
    let mut all = Vec::new();
    table_comments(document.as_table(), &mut all);
    all.extend(of(document.trailing().as_str()));
    all.sort();
    Some(all)
}

fn of(raw: Option<&str>) -> Vec<String> {
    let lines = raw.unwrap_or_default().lines();
    lines.filter_map(|line| line.find('#').map(|at| line[at..].trim_end().to_owned())).collect()
}

fn decor_comments(decor: &Decor, all: &mut Vec<String>) {
    all.extend(of(decor.prefix().and_then(|raw| raw.as_str())));
    all.extend(of(decor.suffix().and_then(|raw| raw.as_str())));
}

fn table_comments(table: &Table, all: &mut Vec<String>) {
    decor_comments(table.decor(), all);
    for (name, item) in table {
        if let Some(key) = table.key(name) {
            decor_comments(key.leaf_decor(), all);
        }
        match item {
            Item::Table(inner) => table_comments(inner, all),
            Item::ArrayOfTables(tables) => tables.iter().for_each(|inner| table_comments(inner, all)),
            Item::Value(value) => value_comments(value, all),
            Item::None => {}
        }
    }
}

fn value_comments(value: &Value, all: &mut Vec<String>) {
    decor_comments(value.decor(), all);
    match value {
        Value::Array(array) => {
            array.iter().for_each(|inner| value_comments(inner, all));
            all.extend(of(array.trailing().as_str()));
        }
        Value::InlineTable(table) => {
            for (name, inner) in table {
                if let Some(key) = table.key(name) {
                    decor_comments(key.leaf_decor(), all);
                }
                value_comments(inner, all);
            }
            all.extend(of(table.trailing().as_str()));
        }
        _ => {}
    }
}

/// The tables in a table, whose names have so many parts.
fn table(table: &mut Table, is_first: &mut bool, parts: usize) {
    let mut is_first_key = !table.is_dotted();
    for (mut key, item) in table.iter_mut() {
        match item {
            Item::Value(value) => {
                let raw = key.leaf_decor().prefix().and_then(|raw| raw.as_str()).unwrap_or_default();
                let prefix = lines(raw, is_first_key);
                *is_first = false;
                is_first_key = false;
                let name = key.get().len();
                let decor = key.leaf_decor_mut();
                decor.set_prefix(prefix);
                decor.set_suffix(" ");
                let comment = comment(value.decor());
                form(value, name + 3, 0);
                value.decor_mut().set_prefix(" ");
                value.decor_mut().set_suffix(comment);
            }
            Item::Table(inner) => {
                if !inner.is_dotted() && !inner.is_implicit() {
                    header(inner, is_first, parts);
                }
                if inner.is_dotted() {
                    is_first_key = false;
                }
                self::table(inner, is_first, parts + 1);
            }
            Item::ArrayOfTables(tables) => {
                for inner in tables.iter_mut() {
                    header(inner, is_first, parts);
                    self::table(inner, is_first, parts + 1);
                }
            }
            Item::None => {}
        }
    }
}

/// What stands before and behind a table's name. [steps.NAME.with] may follow its step without a blank line.
fn header(table: &mut Table, is_first: &mut bool, parts: usize) {
    let raw = table.decor().prefix().and_then(|raw| raw.as_str()).unwrap_or_default();
    let prefix = lines(raw, *is_first);
    let prefix = if *is_first || parts > 2 || prefix.starts_with('\n') { prefix } else { format!("\n{prefix}") };
    *is_first = false;
    let comment = comment(table.decor());
    table.decor_mut().set_prefix(prefix);
    table.decor_mut().set_suffix(comment);
}

/// The comment behind something, two spaces from it.
fn comment(decor: &Decor) -> String {
    let raw = decor.suffix().and_then(|raw| raw.as_str()).unwrap_or_default().trim();
    if raw.is_empty() { String::new() } else { format!("  {raw}") }
}

/// Comments before something: no indentation, and one blank line where there were several; none at the start.
fn lines(raw: &str, is_start: bool) -> String {
    let mut text = String::new();
    let mut was_blank = is_start;
    // The last piece is the indentation of what follows.
    let pieces: Vec<&str> = raw.split('\n').collect();
    for piece in &pieces[..pieces.len() - 1] {
        let piece = piece.trim();
        if !(piece.is_empty() && was_blank) {
            text += piece;
            text.push('\n');
        }
        was_blank = piece.is_empty();
    }
    let last = pieces[pieces.len() - 1].trim();
    if !last.is_empty() {
        text += last;
        text.push('\n');
    }
    text
}

/// A value that begins in this column, within lists so deep.
fn form(value: &mut Value, column: usize, deep: usize) {
    match value {
        Value::Array(array) if !has_comments(array) => list(array, column, deep),
        Value::InlineTable(table) if !has_lines(table) => inline(table, column, deep),
        // What has comments within stays as it was written.
        _ => {}
    }
}

fn list(array: &mut Array, column: usize, deep: usize) {
    let had_lines = array.len() > 1
        && array
            .iter()
            .any(|value| value.decor().prefix().and_then(|raw| raw.as_str()).is_some_and(|raw| raw.contains('\n')));
    for value in array.iter_mut() {
        form(value, 4 * (deep + 1), deep + 1);
    }
    flat(array);
    let is_long = array.len() > 1 && column + array.to_string().trim().len() > WIDTH;
    if !(had_lines || is_long) {
        return;
    }
    let indentation = "    ".repeat(deep + 1);
    for value in array.iter_mut() {
        value.decor_mut().set_prefix(format!("\n{indentation}"));
        value.decor_mut().set_suffix("");
    }
    array.set_trailing(format!("\n{}", "    ".repeat(deep)));
    array.set_trailing_comma(true);
}

fn flat(array: &mut Array) {
    for (at, value) in array.iter_mut().enumerate() {
        value.decor_mut().set_prefix(if at == 0 { "" } else { " " });
        value.decor_mut().set_suffix("");
    }
    array.set_trailing("");
    array.set_trailing_comma(false);
}

fn inline(table: &mut InlineTable, column: usize, deep: usize) {
    let count = table.len();
    table.set_trailing("");
    for (at, (mut key, value)) in table.iter_mut().enumerate() {
        key.leaf_decor_mut().set_prefix(" ");
        key.leaf_decor_mut().set_suffix(" ");
        form(value, column, deep);
        value.decor_mut().set_prefix(" ");
        value.decor_mut().set_suffix(if at + 1 == count { " " } else { "" });
    }
}

fn has_comments(array: &Array) -> bool {
    let mut all = Vec::new();
    array.iter().for_each(|value| value_comments(value, &mut all));
    all.extend(of(array.trailing().as_str()));
    !all.is_empty()
}

/// Whether a table within a line has several, or keys with dots, whose parts are told apart by their spaces.
fn has_lines(table: &InlineTable) -> bool {
    table.to_string().trim().contains('\n')
        || table.iter().any(|(_, value)| value.as_inline_table().is_some_and(InlineTable::is_dotted))
}
