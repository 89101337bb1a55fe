//! Pieces of unknown tokens: what is left where a plugin cut one.

use indexmap::IndexSet;
use serde_json::Value;

use crate::unknown::{self, Piece};

/// The shortest piece that holds an end of a token.
const END: usize = 4;
/// The shortest piece from the middle of one. It goes beyond the address, which plugins and errors name as well.
const MIDDLE: usize = 12;
/// Longer texts, and more tokens, are not searched: an error is being told.
const LONGEST: usize = 4096;
const MOST: usize = 64;

/// What to add to an error about a text that holds a piece of a token.
pub(crate) fn note(value: &Value, tokens: &IndexSet<String>) -> Option<String> {
    let token = in_value(value, tokens)?;
    Some(format!(
        "It contains part of an unknown value: {}. A plugin cannot cut a value that is known only after apply",
        unknown::words(token)
    ))
}

/// An error with that note, where the value or its own text holds a piece.
pub(crate) fn noted(error: String, value: &Value, tokens: &IndexSet<String>) -> String {
    if tokens.is_empty() {
        return error;
    }
    let found = note(value, tokens).or_else(|| note(&Value::String(error.clone()), tokens));
    match found {
        Some(note) => format!("{}. {note}", error.trim_end_matches('.')),
        None => error,
    }
}

fn in_value<'a>(value: &Value, tokens: &'a IndexSet<String>) -> Option<&'a str> {
    match value {
        Value::String(text) => in_text(text, tokens),
        Value::Array(items) => items.iter().find_map(|item| in_value(item, tokens)),
        Value::Object(fields) => {
            fields.iter().find_map(|(key, field)| in_text(key, tokens).or_else(|| in_value(field, tokens)))
        }
        _ => None,
    }
}

/// The token of which a text holds the longest piece, but not all.
fn in_text<'a>(text: &str, tokens: &'a IndexSet<String>) -> Option<&'a str> {
    let rest = unknown::pieces(text).filter_map(|piece| match piece {
        Piece::Text(text) if text.len() >= END => Some(text),
        _ => None,
    });
    let found = rest.flat_map(|rest| {
        let rest = &rest.as_bytes()[..rest.len().min(LONGEST)];
        tokens.iter().take(MOST).filter_map(move |token| Some((piece(rest, token.as_bytes())?, token.as_str())))
    });
    // Of pieces of the same length, the first: the end of a token is that of others, too.
    found.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, token)| token)
}

/// The length of the longest piece of a token in a text that cannot be there by chance.
fn piece(text: &[u8], token: &[u8]) -> Option<usize> {
    // lengths[i]: how long the run is that ends at this byte of the text and at byte i of the token.
    let mut lengths = vec![0; token.len() + 1];
    let mut longest = 0;
    for byte in text {
        for at in (1..=token.len()).rev() {
            lengths[at] = if token[at - 1] == *byte { lengths[at - 1] + 1 } else { 0 };
            let (from, length) = (at - lengths[at], lengths[at]);
            let has_end = (from == 0 || at == token.len()) && length >= END;
            let is_long = length >= MIDDLE && token[from..at].contains(&b'#');
            if length > longest && length < token.len() && (has_end || is_long) {
                longest = length;
            }
        }
    }
    (longest > 0).then_some(longest)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_piece_of_a_token_is_told_from_text_that_is_none() {
        let (vpc, zone) = ("<<net/ec2.vpc/main#id>>".to_owned(), unknown::fact("ec2.availability-zone/0"));
        let tokens: IndexSet<String> = [vpc.clone(), zone.clone()].into();
        for (text, of) in [
            ("bb-n#id>>".to_owned(), Some(&vpc)),
            ("<<net/ec".to_owned(), Some(&vpc)),
            ("x-ec2.vpc/main#i".to_owned(), Some(&vpc)),
            ("-zone/0>>".to_owned(), Some(&zone)),
            (format!("{zone}<<net"), Some(&vpc)),
            (format!("a {vpc} b {zone}"), None),
            ("net/main".to_owned(), None),
            ("of net/ec2.vpc/main".to_owned(), None),
            ("<<<>>>".to_owned(), None),
            ("cat <<EOF".to_owned(), None),
            ("ec2.vpc".to_owned(), None),
            (String::new(), None),
        ] {
            let found = in_value(&json!({ "a": [1, { "b": text }] }), &tokens);
            assert_eq!(found, of.map(String::as_str), "{text}");
        }
    }

    #[test]
    fn an_error_says_which_value_was_cut() {
        let tokens: IndexSet<String> = ["<<net/ec2.vpc/main#id>>".to_owned()].into();
        let error = "'bb-n#id>>' is not a bucket name".to_owned();
        let told = noted(error.clone(), &Value::Null, &tokens);
        assert_eq!(
            told,
            "'bb-n#id>>' is not a bucket name. It contains part of an unknown value: the output 'id' of \
                net/ec2.vpc/main. A plugin cannot cut a value that is known only after apply"
        );
        assert_eq!(noted(error.clone(), &Value::Null, &IndexSet::new()), error);
        assert_eq!(noted("no".to_owned(), &json!("plain"), &tokens), "no");
    }
}
