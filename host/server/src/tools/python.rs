//! Calls as Python: `[weather(city="Paris", days=2)]`.

use serde_json::{Map, Value};

/// Deeper than any schema goes.
const MOST_DEPTH: usize = 64;

/// The calls of a text: their names, and their arguments as JSON. `None` where it is something else.
pub(super) fn calls(text: &str) -> Option<Vec<(String, String)>> {
    let text = text.trim();
    let text = text.strip_prefix('[').unwrap_or(text);
    let mut rest = text.strip_suffix(']').unwrap_or(text);
    let mut calls = Vec::new();
    while !rest.trim().is_empty() {
        let name = word(&mut rest)?;
        let mut arguments = Map::new();
        eat(&mut rest, '(').then_some(())?;
        while !eat(&mut rest, ')') {
            let key = word(&mut rest)?;
            eat(&mut rest, '=').then_some(())?;
            arguments.insert(key, value(&mut rest, 0)?);
            eat(&mut rest, ',');
        }
        calls.push((name, Value::Object(arguments).to_string()));
        eat(&mut rest, ',');
    }
    (!calls.is_empty()).then_some(calls)
}

fn eat(rest: &mut &str, letter: char) -> bool {
    match rest.trim_start().strip_prefix(letter) {
        Some(behind) => {
            *rest = behind;
            true
        }
        None => false,
    }
}

fn word(rest: &mut &str) -> Option<String> {
    let text = rest.trim_start();
    let fits = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '.' | '-' | '+');
    let end = text.find(|letter| !fits(letter)).unwrap_or(text.len());
    *rest = &text[end..];
    (end > 0).then(|| text[..end].to_owned())
}

fn value(rest: &mut &str, depth: usize) -> Option<Value> {
    if depth > MOST_DEPTH {
        return None;
    }
    if let Some(quote) = ['"', '\''].into_iter().find(|quote| eat(rest, *quote)) {
        return string(rest, quote).map(Value::String);
    }
    for (open, close) in [('[', ']'), ('(', ')')] {
        if eat(rest, open) {
            let mut list = Vec::new();
            while !eat(rest, close) {
                list.push(value(rest, depth + 1)?);
                eat(rest, ',');
            }
            return Some(list.into());
        }
    }
    if eat(rest, '{') {
        let mut object = Map::new();
        while !eat(rest, '}') {
            let quote = ['"', '\''].into_iter().find(|quote| eat(rest, *quote))?;
            let key = string(rest, quote)?;
            eat(rest, ':').then_some(())?;
            object.insert(key, value(rest, depth + 1)?);
            eat(rest, ',');
        }
        return Some(object.into());
    }
    match word(rest)?.as_str() {
        "True" | "true" => Some(true.into()),
        "False" | "false" => Some(false.into()),
        "None" | "null" => Some(Value::Null),
        number => serde_json::from_str(number).ok(),
    }
}

/// A string behind its first quote.
fn string(rest: &mut &str, quote: char) -> Option<String> {
    let mut text = String::new();
    let mut letters = rest.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => match letters.next()?.1 {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                'r' => text.push('\r'),
                same @ ('\\' | '"' | '\'') => text.push(same),
                other => text.extend(['\\', other]),
            },
            _ if letter == quote => {
                *rest = &rest[at + letter.len_utf8()..];
                return Some(text);
            }
            _ => text.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn literals_of_every_kind_become_json() {
        let text = r#"[f(a="x\n\"]", b='y', c=[1, -2.5, True], d={"k": (None,)}), g()]"#;
        let found = calls(text).expect("calls");
        assert_eq!((found[0].0.as_str(), found[1].clone()), ("f", ("g".to_owned(), "{}".to_owned())));
        let arguments: Value = serde_json::from_str(&found[0].1).expect("JSON");
        assert_eq!(arguments, json!({ "a": "x\n\"]", "b": "y", "c": [1, -2.5, true], "d": { "k": [null] } }));
        for other in ["", "[]", "[f(", "[f(a)]", "[f(a=b)]", "f", "[1, 2]"] {
            assert_eq!(calls(other), None, "{other}");
        }
        assert_eq!(calls(&format!("f(a={}", "[".repeat(100_000))), None);
    }
}
