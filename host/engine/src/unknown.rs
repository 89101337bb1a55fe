//! Unknown tokens: what a plugin gets in a plan for a value that only applying can tell.
//!
//! A token is plain ASCII (some languages' JSON writers escape the rest), names where the value
//! will come from, and may end up inside longer strings. `<<network/ec2.vpc/main#id>>` is the
//! output `id` of a resource, `<<fact:ec2.availability-zone/0>>` something to ask AWS.
//!
//! `<<secret:api_key>>` is the handle of a secret. It is written alike, and stays what it is: a plugin
//! gets nothing else when a plan is applied, and the state holds nothing else.

use std::ops::Range;

use indexmap::IndexSet;
use serde_json::Value;

use crate::names::ResourceAddress;

const OPEN: &str = "<<";
const CLOSE: &str = ">>";
const FACT: &str = "fact:";
const SECRET: &str = "secret:";

/// Where an unknown value will come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source<'a> {
    /// An output of a resource.
    Output(ResourceAddress, &'a str),
    /// A fact, by its key.
    Fact(&'a str),
    /// A secret. Its value takes the place of its handle in the call that needs it alone.
    Secret {
        /// Its name.
        name: &'a str,
        /// See [`crate::secret::Secret::version`].
        version: u32,
    },
}

/// The token for an output that is not known yet.
pub fn output(address: &ResourceAddress, output: &str) -> String {
    format!("{OPEN}{address}#{output}{CLOSE}")
}

/// The token for a fact that is not known yet.
pub fn fact(key: &str) -> String {
    format!("{OPEN}{FACT}{key}{CLOSE}")
}

/// The handle of a secret.
pub fn secret(name: &str, version: u32) -> String {
    let version = if version == 1 { String::new() } else { format!("/{version}") };
    format!("{OPEN}{SECRET}{name}{version}{CLOSE}")
}

/// The tokens in a text, in order.
pub fn tokens(text: &str) -> impl Iterator<Item = Source<'_>> {
    pieces(text).filter_map(|piece| match piece {
        Piece::Token(source) => Some(source),
        Piece::Text(_) => None,
    })
}

/// The handles of secrets in a text, in order: where each stands, in bytes, and which secret it is.
pub fn secret_places(text: &str) -> Vec<(Range<usize>, &str)> {
    let (mut at, mut found) = (0, Vec::new());
    while let Some(start) = text[at..].find(OPEN).map(|start| start + at) {
        match token_at(&text[start..]) {
            Some((source, length)) => {
                at = start + length;
                if let Source::Secret { name, .. } = source {
                    found.push((start..at, name));
                }
            }
            None => at = start + 1,
        }
    }
    found
}

/// Whether a text holds a token of something that is not known yet.
pub fn is_unknown(text: &str) -> bool {
    text.contains(OPEN) && tokens(text).any(|token| !matches!(token, Source::Secret { .. }))
}

/// Whether a text holds a token of any kind: what it will be, nobody can check here.
pub fn is_opaque(text: &str) -> bool {
    text.contains(OPEN) && tokens(text).next().is_some()
}

/// Whether the text is one token of something that is not known yet, and nothing else.
fn is_wholly_unknown(text: &str) -> bool {
    whole(text).is_some_and(|token| !matches!(token, Source::Secret { .. }))
}

/// Whether a token stands anywhere in a value.
pub fn any_unknown(value: &Value) -> bool {
    match value {
        Value::String(text) => is_unknown(text),
        Value::Array(items) => items.iter().any(any_unknown),
        Value::Object(map) => map.values().any(any_unknown),
        _ => false,
    }
}

/// Shows every token in a value to `each`, those of secrets included.
pub fn each_token(value: &Value, each: &mut dyn FnMut(Source<'_>)) {
    match value {
        Value::String(text) => tokens(text).for_each(each),
        Value::Array(items) => items.iter().for_each(|item| each_token(item, each)),
        Value::Object(map) => {
            for (key, value) in map {
                tokens(key).for_each(&mut *each);
                each_token(value, each);
            }
        }
        _ => {}
    }
}

/// The tokens of what is not known yet, as they stand in a value, each once.
pub(crate) fn unknowns(value: &Value) -> IndexSet<String> {
    let mut found = IndexSet::new();
    each_token(value, &mut |source| found.extend(unknown_token(&source)));
    found
}

/// The same of a text.
pub(crate) fn unknowns_in(text: &str) -> IndexSet<String> {
    tokens(text).filter_map(|source| unknown_token(&source)).collect()
}

fn unknown_token(source: &Source<'_>) -> Option<String> {
    match source {
        Source::Output(address, name) => Some(output(address, name)),
        Source::Fact(key) => Some(fact(key)),
        Source::Secret { .. } => None,
    }
}

/// What a token stands for, in words.
pub(crate) fn words(token: &str) -> String {
    match whole(token) {
        Some(Source::Output(address, output)) => format!("the output '{output}' of {address}"),
        Some(Source::Fact(key)) => format!("the fact {key}"),
        Some(Source::Secret { name, .. }) => format!("the secret '{name}'"),
        None => token.to_owned(),
    }
}

/// Whether `real` is what `planned` said, with each token standing for any text.
pub fn matches(planned: &Value, real: &Value) -> bool {
    match (planned, real) {
        (Value::String(planned), Value::String(real)) => text_matches(planned, real),
        (Value::Array(planned), Value::Array(real)) => {
            let in_order = || planned.iter().zip(real).all(|(p, r)| matches(p, r));
            planned.len() == real.len() && (in_order() || matches_as_set(planned, real))
        }
        (Value::Object(planned), Value::Object(real)) => {
            let field = |(key, p): (&String, &Value)| match real.get(key) {
                Some(r) => matches(p, r),
                // A condition of a policy has its issuer in the key.
                None => is_unknown(key) && real.iter().any(|(name, r)| text_matches(key, name) && matches(p, r)),
            };
            planned.len() == real.len() && planned.iter().all(field)
        }
        // A whole token stands for a value of any type.
        (Value::String(planned), _) => is_wholly_unknown(planned),
        _ => planned == real,
    }
}

/// Whether lists match in another order. A set is written in order, and what becomes known may
/// belong elsewhere in it; so this counts only where something was unknown.
fn matches_as_set(planned: &[Value], real: &[Value]) -> bool {
    let (mut unknown, known): (Vec<_>, Vec<_>) = planned.iter().partition(|value| any_unknown(value));
    if unknown.is_empty() {
        return false;
    }
    let mut rest: Vec<&Value> = real.iter().collect();
    let mut take = |wanted: &Value| {
        let at = rest.iter().position(|value| matches(wanted, value));
        at.map(|at| rest.swap_remove(at)).is_some()
    };
    // A whole token takes anything, so it comes last.
    unknown.sort_by_key(|value| value.as_str().is_some_and(is_wholly_unknown));
    known.into_iter().chain(unknown).all(&mut take)
}

/// The source, where the text is one token and nothing else.
pub fn whole(text: &str) -> Option<Source<'_>> {
    let mut pieces = pieces(text);
    match (pieces.next(), pieces.next()) {
        (Some(Piece::Token(source)), None) => Some(source),
        _ => None,
    }
}

/// A stretch of a text that may hold tokens.
pub enum Piece<'a> {
    /// As it stands.
    Text(&'a str),
    /// A token.
    Token(Source<'a>),
}

/// A text cut at its tokens.
pub fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut from = 0;
        while let Some(at) = rest[from..].find(OPEN).map(|at| at + from) {
            if let Some((source, length)) = token_at(&rest[at..]) {
                if at > 0 {
                    let before = &rest[..at];
                    rest = &rest[at..];
                    return Some(Piece::Text(before));
                }
                rest = &rest[length..];
                return Some(Piece::Token(source));
            }
            from = at + 1;
        }
        Some(Piece::Text(std::mem::take(&mut rest)))
    })
}

/// The token that `text` starts with, and its length in bytes.
fn token_at(text: &str) -> Option<(Source<'_>, usize)> {
    let inner = text.strip_prefix(OPEN)?;
    let end = inner.find(CLOSE)?;
    let inner = &inner[..end];
    let length = OPEN.len() + end + CLOSE.len();
    if let Some(key) = inner.strip_prefix(FACT) {
        return Some((Source::Fact(key), length));
    }
    if let Some(secret) = inner.strip_prefix(SECRET) {
        let (name, version) = secret.split_once('/').unwrap_or((secret, "1"));
        return Some((Source::Secret { name, version: version.parse().ok()? }, length));
    }
    let (address, output) = inner.split_once('#')?;
    Some((Source::Output(address.parse().ok()?, output), length))
}

fn text_matches(planned: &str, real: &str) -> bool {
    let mut rest = real;
    let mut gap = false;
    for piece in pieces(planned) {
        let handle;
        let piece = match piece {
            // It is the same in the end.
            Piece::Token(Source::Secret { name, version }) => {
                handle = secret(name, version);
                Piece::Text(&handle)
            }
            other => other,
        };
        match piece {
            Piece::Token(_) => gap = true,
            Piece::Text(text) if gap => match rest.find(text) {
                Some(at) => {
                    rest = &rest[at + text.len()..];
                    gap = false;
                }
                None => return false,
            },
            Piece::Text(text) => match rest.strip_prefix(text) {
                Some(after) => rest = after,
                None => return false,
            },
        }
    }
    gap || rest.is_empty()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn handles_of_secrets_are_found_where_they_stand() {
        let text = "a <<<secret:key>>, <<fact:x>> <<secret:other/2>>>> <<secret:key";
        let found = super::secret_places(text);
        let shown: Vec<_> = found.iter().map(|(at, name)| (&text[at.clone()], *name)).collect();
        assert_eq!(shown, [("<<secret:key>>", "key"), ("<<secret:other/2>>", "other")]);
    }

    use super::*;

    #[test]
    fn a_set_may_come_in_another_order_once_it_is_known() {
        let unknown = output(&vpc(), "id");
        for (planned, real, same) in [
            (json!([unknown, "b"]), json!(["b", "c"]), true),
            (json!([unknown, "b"]), json!(["a", "b"]), true),
            (json!([unknown, format!("arn:{unknown}"), "b"]), json!(["arn:x", "b", "x"]), true),
            (json!([unknown, "b"]), json!(["a", "c"]), false),
            (json!([unknown, "b"]), json!(["b"]), false),
            (json!(["a", "b"]), json!(["b", "a"]), false),
        ] {
            assert_eq!(matches(&planned, &real), same, "{planned} {real}");
        }
    }

    #[test]
    fn the_handle_of_a_secret_stays_what_it_is() {
        let (key, id) = (secret("key", 1), output(&vpc(), "id"));
        assert_eq!(whole(&key), Some(Source::Secret { name: "key", version: 1 }));
        assert_eq!(whole(&secret("key", 2)), Some(Source::Secret { name: "key", version: 2 }));
        assert!(is_opaque(&key) && !is_unknown(&key) && is_unknown(&format!("{key}{id}")));
        for (planned, real, same) in [
            (json!(key), json!(key), true),
            (json!(key), json!("another"), false),
            (json!(key), json!(secret("other", 1)), false),
            (json!(key), json!(secret("key", 2)), false),
            (json!(key), json!(["a"]), false),
            (json!(format!("{id} {key}")), json!(format!("vpc-1 {key}")), true),
            (json!(format!("{id} {key}")), json!("vpc-1 value"), false),
        ] {
            assert_eq!(matches(&planned, &real), same, "{planned} {real}");
        }
    }

    fn vpc() -> ResourceAddress {
        "network/ec2.vpc/main".parse().expect("an address")
    }

    #[test]
    fn a_token_is_found_alone_and_inside_a_longer_text() {
        let id = output(&vpc(), "id");
        assert_eq!(whole(&id), Some(Source::Output(vpc(), "id")));
        let text = format!("arn:{id}/x-{}", fact("sts.account-id"));
        let found: Vec<_> = tokens(&text).collect();
        assert_eq!(found, [Source::Output(vpc(), "id"), Source::Fact("sts.account-id")]);
        assert_eq!(whole(&text), None);
    }

    #[test]
    fn what_only_looks_like_a_token_is_text() {
        for text in ["<<", "<<>>", "a << b >> c", "<<no-address#id>>", "<<<", ">>"] {
            assert!(!is_unknown(text), "{text}");
        }
        assert!(is_unknown(&format!("<<x {}", output(&vpc(), "id"))));
    }

    #[test]
    fn a_real_value_matches_its_plan_with_tokens_as_wildcards() {
        let id = output(&vpc(), "id");
        for (planned, real, same) in [
            (json!({"vpc": id, "n": 1}), json!({"vpc": "vpc-1", "n": 1}), true),
            (json!({"vpc": id, "n": 1}), json!({"vpc": "vpc-1", "n": 2}), false),
            (json!({format!("{id}:sub"): "a"}), json!({"oidc.example/1:sub": "a"}), true),
            (json!({format!("{id}:sub"): "a"}), json!({"oidc.example/1:aud": "a"}), false),
            (json!(format!("a-{id}-z")), json!("a-anything-z"), true),
            (json!(format!("a-{id}-z")), json!("b-anything-z"), false),
            (json!(format!("a-{id}-z")), json!("a-anything-y"), false),
            (json!([id]), json!(["x", "y"]), false),
            (json!(id), json!(["x", "y"]), true),
            (json!("plain"), json!("plain"), true),
        ] {
            assert_eq!(matches(&planned, &real), same, "{planned} against {real}");
        }
    }
}
