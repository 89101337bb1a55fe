//! Files with values of variables: `name = value` in TOML, or a JSON object in a file that ends with `.json`.

use std::fmt::Display;
use std::io::Read;
use std::path::Path;

use serde_json::Value;
use toml::de::DeTable;

use super::file::MOST_BYTES;
use super::reader::{Problems, entries};
use super::values::constant;
use crate::diagnostic::Diagnostic;

/// The value that a file has for a variable.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) value: Value,
    /// `prod.toml:3`
    pub(super) place: String,
}

/// Reads one. What stands in it may be secret: the problem says where it is, and shows nothing of the file.
pub(super) fn read(path: &Path) -> Result<Vec<Entry>, Diagnostic> {
    let shown = path.display();
    let text = text(path).map_err(|reason| bad(format!("cannot read the file of variables {shown}: {reason}"), HOW))?;
    let is_json = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
    if is_json { json(&text, &shown) } else { toml(&text, &shown) }
}

const HOW: &str = "--var-file takes a TOML file with lines such as env = \"prod\", or a .json file with an object";

fn bad(message: String, help: &str) -> Diagnostic {
    Diagnostic { code: "var-file", message, span: None, label: String::new(), help: Some(help.to_owned()) }
}

/// The whole file; it may be a pipe, which has no size.
fn text(path: &Path) -> Result<String, String> {
    if path.is_dir() {
        return Err("it is a folder".to_owned());
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(format!("it has more than {MOST_BYTES} bytes"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let line = line(error.as_bytes(), error.utf8_error().valid_up_to());
        format!("it is not UTF-8: line {line} has bytes that are no character")
    })
}

fn toml(text: &str, shown: &dyn Display) -> Result<Vec<Entry>, Diagnostic> {
    let place = |at: usize| format!("{shown}:{}", line(text.as_bytes(), at));
    let root = DeTable::parse(text).map_err(|error| {
        let at = error.span().unwrap_or_default().start;
        bad(format!("{}: this is not TOML: {}", place(at), error.message()), HOW)
    })?;
    let read = |(key, item): (super::reader::Key<'_>, super::reader::Item<'_>)| {
        let mut problems = Problems::default();
        let value = constant(item, &mut problems);
        match problems.0.into_iter().next() {
            None => Ok(Entry { name: key.name.to_owned(), value, place: place(key.span.start) }),
            Some(problem) => {
                let at = problem.span.map_or(key.span.start, |span| span.start);
                let message = format!("{}: '{}' has no value: {}", place(at), key.name, problem.message);
                Err(bad(message, problem.help.as_deref().unwrap_or(HOW)))
            }
        }
    };
    entries(root.get_ref()).into_iter().map(read).collect()
}

fn json(text: &str, shown: &dyn Display) -> Result<Vec<Entry>, Diagnostic> {
    let place = |at: usize| format!("{shown}:{}", line(text.as_bytes(), at));
    let value: Value = serde_json::from_str(text).map_err(|error| {
        // The place stands before the message already.
        let (whole, end) = (error.to_string(), format!(" at line {} column {}", error.line(), error.column()));
        let reason = whole.strip_suffix(&end).unwrap_or(&whole);
        bad(format!("{shown}:{}: this is not JSON: {reason}", error.line().max(1)), HOW)
    })?;
    let Value::Object(mut values) = value else {
        return Err(bad(format!("{shown}:1: this is not a JSON object"), HOW));
    };
    let mut read = Vec::new();
    for (name, at) in keys(text) {
        let Some(value) = values.remove(&name) else {
            return Err(bad(format!("{}: '{name}' has a value above already", place(at)), "keep one of the two"));
        };
        if has_null(&value) {
            let message = format!("{}: '{name}' is null, which is not a value", place(at));
            return Err(bad(message, "remove the key"));
        }
        read.push(Entry { name, value, place: place(at) });
    }
    Ok(read)
}

/// The keys of the outermost object of a text that is JSON, each with where it begins.
fn keys(text: &str) -> Vec<(String, usize)> {
    let byte = |at: usize| text.as_bytes().get(at).copied();
    let (mut at, mut depth, mut found) = (0, 0_usize, Vec::new());
    let mut latest = 0..0;
    while let Some(now) = byte(at) {
        match now {
            b'"' => {
                let start = at;
                at += 1;
                while byte(at).is_some_and(|byte| byte != b'"') {
                    at += if byte(at) == Some(b'\\') { 2 } else { 1 };
                }
                latest = start..at + 1;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b':' if depth == 1 => {
                let name = text.get(latest.clone()).and_then(|name| serde_json::from_str(name).ok());
                found.extend(name.map(|name| (name, latest.start)));
            }
            _ => {}
        }
        at += 1;
    }
    found
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(fields) => fields.values().any(has_null),
        _ => false,
    }
}

/// The line that a byte is in.
fn line(text: &[u8], at: usize) -> usize {
    text.iter().take(at).filter(|&&byte| byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn given(name: &str, text: &str) -> Result<Vec<(String, Value, String)>, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        let own = format!("{}/", folder.path().display());
        match read(&path) {
            Ok(entries) => {
                Ok(entries.into_iter().map(|one| (one.name, one.value, one.place.replace(&own, ""))).collect())
            }
            Err(problem) => Err(problem.message.replace(&own, "")),
        }
    }

    #[test]
    fn values_have_the_types_of_their_format_and_a_line() {
        let toml = "# of prod\nenv = \"prod\"\n\nzones = 3\nids = [\n  \"a\",\n]\n[labels]\nx = 1.5\n";
        let json =
            "{\n \"env\": \"prod\", \"zones\": 3,\n \"ids\": [\"a\"],\n\n \"labels\": {\"x\": 1.5, \"\\\"}:\": \"{\"}}";
        let entry = |name: &str, value: Value, place: &str| (name.to_owned(), value, place.to_owned());
        assert_eq!(
            given("v.toml", toml).expect("good"),
            [
                entry("env", json!("prod"), "v.toml:2"),
                entry("zones", json!(3), "v.toml:4"),
                entry("ids", json!(["a"]), "v.toml:5"),
                entry("labels", json!({"x": 1.5}), "v.toml:8"),
            ]
        );
        assert_eq!(
            given("v.json", json).expect("good"),
            [
                entry("env", json!("prod"), "v.json:2"),
                entry("zones", json!(3), "v.json:2"),
                entry("ids", json!(["a"]), "v.json:3"),
                entry("labels", json!({"x": 1.5, "\"}:": "{"}), "v.json:5"),
            ]
        );
        assert_eq!(given("v.toml", "").expect("good"), []);
        assert_eq!(given("v.JSON", "{}").expect("good"), []);
    }

    #[test]
    fn what_is_wrong_has_a_line_and_no_word_of_the_file() {
        for (name, text, message) in [
            ("v.toml", "a = 1\nb = \"planted", "v.toml:2: this is not TOML: "),
            ("v.toml", "a = 1\na = 2", "v.toml:2: this is not TOML: duplicate key"),
            ("v.toml", "a = 1\nb = [\n 2020-01-01]", "v.toml:3: 'b' has no value: a date"),
            ("v.toml", "a = inf", "v.toml:1: 'a' has no value: infinity"),
            ("v.json", "{\n\"a\": \"planted\"\n\"b\": 1}", "v.json:3: this is not JSON: expected `,` or `}`"),
            ("v.json", "{\"a\": 1,\n\"a\": 2}", "v.json:2: 'a' has a value above already"),
            ("v.json", "{\"a\": 1,\n\"b\": [null]}", "v.json:2: 'b' is null"),
            ("v.json", "[1]", "v.json:1: this is not a JSON object"),
            ("v.json", "", "v.json:1: this is not JSON: EOF"),
        ] {
            let found = given(name, text).expect_err(text);
            assert!(found.starts_with(message), "{text}: {found}");
            assert!(!found.contains("planted"), "{found}");
        }
        let missing = read(Path::new("/no/such/file.toml")).expect_err("missing").message;
        assert!(missing.contains("/no/such/file.toml: No such file"), "{missing}");
        assert!(read(&std::env::temp_dir()).expect_err("a folder").message.ends_with("it is a folder"));
    }
}
