//! JSON as Python's `json.dumps(value, ensure_ascii=False)` writes it.
//!
//! Chat templates put tool descriptions into prompts by `tojson`. Models were trained on Python's
//! spaces after commas and colons, so another writer's output would be another prompt.

use serde_json::Value;

/// Writes a value; `indent` as in Python.
pub(super) fn dumps(value: &Value, indent: Option<usize>) -> String {
    let mut text = String::new();
    write(value, indent, 0, &mut text);
    text
}

fn write(value: &Value, indent: Option<usize>, depth: usize, text: &mut String) {
    match value {
        Value::Array(list) => {
            let items = list.iter().map(|item| (None, item));
            members(items, ['[', ']'], indent, depth, text);
        }
        Value::Object(map) => {
            let items = map.iter().map(|(key, item)| (Some(key.as_str()), item));
            members(items, ['{', '}'], indent, depth, text);
        }
        other => text.push_str(&other.to_string()),
    }
}

fn members<'a>(
    items: impl ExactSizeIterator<Item = (Option<&'a str>, &'a Value)>,
    [open, close]: [char; 2],
    indent: Option<usize>,
    depth: usize,
    text: &mut String,
) {
    let empty = items.len() == 0;
    let line = |text: &mut String, depth: usize| {
        if let Some(width) = indent.filter(|_| !empty) {
            text.push('\n');
            text.extend(std::iter::repeat_n(' ', width * depth));
        }
    };
    text.push(open);
    for (place, (key, item)) in items.enumerate() {
        if place > 0 {
            text.push_str(if indent.is_some() { "," } else { ", " });
        }
        line(text, depth + 1);
        if let Some(key) = key {
            text.push_str(&Value::from(key).to_string());
            text.push_str(": ");
        }
        write(item, indent, depth + 1, text);
    }
    line(text, depth);
    text.push(close);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_python_writes() {
        let value = serde_json::json!({"a": [1, "zwölf <b>", null], "b": {}, "c": true});
        assert_eq!(dumps(&value, None), r#"{"a": [1, "zwölf <b>", null], "b": {}, "c": true}"#);
        let value = serde_json::json!({"a": [1, 2], "b": []});
        assert_eq!(dumps(&value, Some(2)), "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": []\n}");
    }
}
