//! Arguments as Gemma writes them: an object whose keys are bare and whose strings stand between marks.

use serde_json::{Map, Value};

const QUOTES: [&str; 2] = ["<|\"|>", "<escape>"];
/// Deeper than any schema goes.
const MOST_DEPTH: usize = 64;

/// The arguments as JSON; `None` where they are not written so. JSON itself is taken too.
pub(super) fn arguments(text: &str) -> Option<String> {
    if let Ok(Value::Object(object)) = serde_json::from_str(text) {
        return Some(Value::Object(object).to_string());
    }
    let mut rest = text;
    let value = value(&mut rest, 0)?;
    (rest.trim().is_empty() && value.is_object()).then(|| value.to_string())
}

fn eat(rest: &mut &str, mark: &str) -> bool {
    match rest.trim_start().strip_prefix(mark) {
        Some(behind) => {
            *rest = behind;
            true
        }
        None => false,
    }
}

fn value(rest: &mut &str, depth: usize) -> Option<Value> {
    if depth > MOST_DEPTH {
        return None;
    }
    if let Some(quote) = QUOTES.into_iter().find(|quote| eat(rest, quote)) {
        let (text, behind) = rest.split_once(quote)?;
        *rest = behind;
        return Some(text.into());
    }
    if eat(rest, "{") {
        let mut object = Map::new();
        while !eat(rest, "}") {
            let key = match QUOTES.into_iter().find(|quote| eat(rest, quote)) {
                Some(quote) => {
                    let (key, behind) = rest.split_once(quote)?;
                    *rest = behind;
                    eat(rest, ":").then_some(key)?
                }
                None => {
                    let (key, behind) = rest.split_once(':')?;
                    *rest = behind;
                    key.trim()
                }
            };
            object.insert(key.to_owned(), value(rest, depth + 1)?);
            eat(rest, ",");
        }
        return Some(object.into());
    }
    if eat(rest, "[") {
        let mut list = Vec::new();
        while !eat(rest, "]") {
            list.push(value(rest, depth + 1)?);
            eat(rest, ",");
        }
        return Some(list.into());
    }
    let end = rest.find([',', '}', ']']).unwrap_or(rest.len());
    let word = rest[..end].trim();
    *rest = &rest[end..];
    (!word.is_empty()).then(|| serde_json::from_str(word).unwrap_or_else(|_| word.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_of_every_kind_become_json() {
        let text = "{a:<|\"|>x, {y}<|\"|>,b:[1,true,{c:<|\"|><|\"|>}],d:null,e:{}}";
        let found: Value = serde_json::from_str(&arguments(text).expect("arguments")).expect("JSON");
        assert_eq!(found, json!({ "a": "x, {y}", "b": [1, true, { "c": "" }], "d": null, "e": {} }));
        assert_eq!(arguments("{a:<escape>b<escape>}").as_deref(), Some("{\"a\":\"b\"}"));
        assert_eq!(arguments("{a:<|\"|>b"), None);
        assert_eq!(arguments(&"{a:".repeat(100_000)), None);
    }
}
