//! Policy documents, compared by what they mean.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};

use crate::aws::limits;

/// A policy document in one form: statements are a list, and so is whatever may be one value or a
/// list. Order is kept as written; [`comparable`](Document::comparable) does away with it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub(in crate::aws) struct Document(Value);

/// Keys of a statement that hold one text or a list of them.
const LISTS: [&str; 4] = ["Action", "NotAction", "Resource", "NotResource"];
const PRINCIPALS: [&str; 2] = ["Principal", "NotPrincipal"];

impl Document {
    /// Reads a document, or says what is wrong with it.
    pub(in crate::aws) fn new(raw: Value) -> Result<Self, String> {
        let Value::Object(raw) = raw else { return Err("a policy document must be a JSON object".to_owned()) };
        let mut document = Map::new();
        document.insert("Version".to_owned(), raw.get("Version").cloned().unwrap_or_else(|| json!("2012-10-17")));
        let statements = match raw.get("Statement") {
            Some(Value::Array(all)) if !all.is_empty() => all.clone(),
            Some(one @ Value::Object(_)) => vec![one.clone()],
            _ => return Err("a policy document needs at least one Statement".to_owned()),
        };
        let statements = statements.into_iter().map(statement).collect::<Result<Vec<_>, _>>()?;
        document.insert("Statement".to_owned(), Value::Array(statements));
        for (key, value) in raw {
            match key.as_str() {
                "Version" | "Statement" => {}
                "Id" => drop(document.insert(key, value)),
                other => return Err(format!("a policy document has no key '{other}'")),
            }
        }
        Ok(Self(Value::Object(document)))
    }

    /// One that allows nothing.
    pub(super) fn nobody() -> Value {
        json!({ "Statement": [{ "Effect": "Deny", "Action": "*", "Resource": "*" }] })
    }

    /// Reads the text that IAM gives: percent-encoded JSON.
    pub(super) fn observed(text: &str) -> Option<Self> {
        serde_json::from_str(&decode(text)).ok().and_then(|raw| Self::new(raw).ok())
    }

    /// Its characters as IAM counts them. What is not known yet counts as none.
    pub(in crate::aws) fn length(&self) -> usize {
        limits::counted(&self.text())
    }

    /// Checks that IAM takes all of its characters: a tab, line ends, and what Latin-1 can print.
    pub(super) fn check_characters(&self) -> Result<(), String> {
        let text = self.text();
        match text.chars().find(|c| !matches!(c, '\t' | '\n' | '\r' | ' '..='\u{ff}')) {
            Some(bad) => Err(format!("the policy document has the character '{bad}', which IAM does not allow there")),
            None => Ok(()),
        }
    }

    /// The text to send: with a list of one as that one, for IAM counts every character.
    pub(super) fn text(&self) -> String {
        let mut value = self.0.clone();
        for statement in value["Statement"].as_array_mut().into_iter().flatten() {
            shorten(statement);
        }
        value.to_string()
    }

    /// Checks that a trust policy's conditions speak of the OIDC provider that it trusts, and name
    /// an account: a policy for another cluster lets nobody in, and one without `sub` everybody.
    pub(super) fn check_federation(&self) -> Result<(), String> {
        for statement in self.0["Statement"].as_array().into_iter().flatten() {
            let providers = statement["Principal"]["Federated"].as_array().into_iter().flatten();
            for provider in providers.filter_map(Value::as_str) {
                let Some((_, issuer)) = provider.split_once(":oidc-provider/") else { continue };
                let operators = statement["Condition"].as_object().into_iter().flat_map(Map::values);
                let keys: Vec<&str> =
                    operators.filter_map(Value::as_object).flat_map(Map::keys).map(String::as_str).collect();
                if issuer.contains("<<") || keys.iter().any(|key| key.contains("<<")) {
                    continue;
                }
                let other = keys.iter().find_map(|key| key.strip_suffix(":sub").or_else(|| key.strip_suffix(":aud")));
                if let Some(other) = other.filter(|other| *other != issuer) {
                    return Err(format!(
                        "the trust policy trusts the OIDC provider {issuer} and its condition names {other}: it is for \
                         another cluster"
                    ));
                }
                if !keys.iter().any(|key| key.ends_with(":sub")) {
                    return Err(format!(
                        "the trust policy trusts {issuer} without a condition on {issuer}:sub, so every service account of the \
                         cluster could assume the role"
                    ));
                }
            }
        }
        Ok(())
    }

    /// The same for every document that means the same: nothing depends on order, or on the two
    /// ways to write an account.
    pub(in crate::aws) fn comparable(&self) -> Value {
        let mut value = self.0.clone();
        for statement in value["Statement"].as_array_mut().into_iter().flatten() {
            sort(statement);
        }
        if let Some(statements) = value["Statement"].as_array_mut() {
            statements.sort_by_key(Value::to_string);
            statements.dedup();
        }
        value
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let raw = match Value::deserialize(deserializer)? {
            Value::String(text) => serde_json::from_str(&text)
                .map_err(|error| Error::custom(format!("the policy document is not JSON: {error}")))?,
            other => other,
        };
        Self::new(raw).map_err(Error::custom)
    }
}

fn statement(raw: Value) -> Result<Value, String> {
    let Value::Object(raw) = raw else { return Err("a Statement must be an object".to_owned()) };
    let mut statement = Map::new();
    for (key, value) in raw {
        let value = match key.as_str() {
            "Sid" if value == "" => continue,
            "Sid" => value,
            "Effect" if value == "Allow" || value == "Deny" => value,
            "Effect" => return Err(format!("Effect is {value}; it must be Allow or Deny")),
            list if LISTS.contains(&list) => Value::Array(texts(list, value)?),
            who if PRINCIPALS.contains(&who) => principal(value)?,
            "Condition" => condition(value)?,
            other => return Err(format!("a Statement has no key '{other}'")),
        };
        statement.insert(key, value);
    }
    if !statement.contains_key("Effect") {
        return Err("a Statement has no Effect".to_owned());
    }
    if !["Action", "NotAction"].iter().any(|key| statement.contains_key(*key)) {
        return Err("a Statement has no Action".to_owned());
    }
    Ok(Value::Object(statement))
}

fn texts(key: &str, value: Value) -> Result<Vec<Value>, String> {
    match value {
        text @ Value::String(_) => Ok(vec![text]),
        Value::Array(all) if !all.is_empty() && all.iter().all(Value::is_string) => Ok(all),
        _ => Err(format!("{key} must be a string or a list of strings")),
    }
}

fn principal(value: Value) -> Result<Value, String> {
    match value {
        // Everybody, in its other spelling.
        Value::String(text) if text == "*" => Ok(json!({ "AWS": ["*"] })),
        Value::Object(kinds) => {
            let kinds = kinds.into_iter().map(|(kind, who)| Ok((kind.clone(), Value::Array(texts(&kind, who)?))));
            Ok(Value::Object(kinds.collect::<Result<_, String>>()?))
        }
        _ => Err("Principal must be \"*\" or an object".to_owned()),
    }
}

fn condition(value: Value) -> Result<Value, String> {
    let wrong = || "Condition must be an object of objects".to_owned();
    let Value::Object(operators) = value else { return Err(wrong()) };
    let mut condition = Map::new();
    for (operator, keys) in operators {
        let Value::Object(keys) = keys else { return Err(wrong()) };
        let keys = keys.into_iter().map(|(key, values)| {
            let values = match values {
                Value::Array(all) => all,
                one => vec![one],
            };
            // `true` and `"true"` are the same to IAM.
            let text = |value: Value| match value {
                Value::String(_) => value,
                other => Value::String(other.to_string()),
            };
            (key, Value::Array(values.into_iter().map(text).collect()))
        });
        condition.insert(operator, Value::Object(keys.collect()));
    }
    Ok(Value::Object(condition))
}

/// Writes every list of one text in a statement as the text.
fn shorten(value: &mut Value) {
    match value {
        Value::Array(items) if items.len() == 1 => *value = items.remove(0),
        Value::Object(fields) => fields.values_mut().for_each(shorten),
        _ => {}
    }
}

/// Sorts every list in a statement, and its keys.
fn sort(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.iter_mut().for_each(sort);
            items.sort_by_key(Value::to_string);
            items.dedup();
        }
        Value::Object(fields) => {
            let mut sorted: BTreeMap<String, Value> = std::mem::take(fields).into_iter().collect();
            sorted.values_mut().for_each(sort);
            *fields = sorted.into_iter().collect();
        }
        Value::String(text) => {
            if let Some(account) = account_of_root(text) {
                *text = account.to_owned();
            }
        }
        _ => {}
    }
}

/// The account of `arn:aws:iam::123456789012:root`, of any partition: IAM turns an account's number into
/// that ARN.
fn account_of_root(text: &str) -> Option<&str> {
    let (partition, rest) = text.strip_prefix("arn:")?.split_once(":iam::")?;
    let account = rest.strip_suffix(":root")?;
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    (is_account && llmhost_partitions::named(partition).is_some()).then_some(account)
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let hex = (byte == b'%').then(|| {
            let mut ahead = rest.clone();
            let digits = [ahead.next()?, ahead.next()?];
            u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()
        });
        match hex.flatten() {
            Some(decoded) => {
                bytes.push(decoded);
                rest.nth(1);
            }
            None => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(raw: Value) -> Document {
        Document::new(raw).expect("a document")
    }

    #[test]
    fn documents_that_mean_the_same_compare_as_the_same() {
        let one = document(json!({ "Version": "2012-10-17", "Statement": {
            "Sid": "", "Effect": "Allow", "Principal": { "AWS": "123456789012" }, "Action": "sts:AssumeRole",
            "Condition": { "Bool": { "aws:MultiFactorAuthPresent": true } } } }));
        let other = document(json!({ "Statement": [{
            "Condition": { "Bool": { "aws:MultiFactorAuthPresent": ["true"] } }, "Action": ["sts:AssumeRole"],
            "Principal": { "AWS": ["arn:aws:iam::123456789012:root"] }, "Effect": "Allow" }] }));
        assert_eq!(one.comparable(), other.comparable());
        for (root, same) in
            [("arn:aws-cn:iam::123456789012:root", true), ("arn:aws-cn:iam::123456789012:user/root", false)]
        {
            let there = document(
                json!({ "Statement": [{ "Effect": "Allow", "Principal": { "AWS": root }, "Action": "sts:AssumeRole" }] }),
            );
            let sent = document(
                json!({ "Statement": [{ "Effect": "Allow", "Principal": { "AWS": "123456789012" }, "Action": "sts:AssumeRole" }] }),
            );
            assert_eq!(there.comparable() == sent.comparable(), same, "{root}");
        }
        let reads = |actions: Value| {
            document(json!({ "Statement": [{ "Effect": "Allow", "Action": actions, "Resource": "*" }] }))
        };
        assert_eq!(
            reads(json!(["s3:GetObject", "s3:ListBucket"])).comparable(),
            reads(json!(["s3:ListBucket", "s3:GetObject"])).comparable()
        );
        assert_ne!(reads(json!(["s3:GetObject"])).comparable(), reads(json!(["s3:*"])).comparable());
    }

    #[test]
    fn what_iam_gives_back_reads_as_what_was_sent() {
        let sent = document(
            json!({ "Statement": [{ "Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::b/é%" }] }),
        );
        let encoded: String = sent.text().bytes().map(|byte| format!("%{byte:02X}")).collect();
        assert_eq!(Document::observed(&encoded), Some(sent.clone()));
        assert_eq!(Document::observed("not json"), None);
    }

    #[test]
    fn a_trust_policy_names_an_account_of_the_cluster_that_it_trusts() {
        let trust = |keys: Value| {
            let provider = "arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/A";
            document(json!({ "Statement": [{ "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
                "Principal": { "Federated": provider }, "Condition": { "StringEquals": keys } }] }))
        };
        let of = |id: &str, what: &str| format!("oidc.eks.us-east-1.amazonaws.com/id/{id}:{what}");
        assert_eq!(trust(json!({ of("A", "sub"): "x", of("A", "aud"): "y" })).check_federation(), Ok(()));
        let other = trust(json!({ of("B", "sub"): "x" })).check_federation().expect_err("another cluster");
        assert!(other.contains("another cluster"), "{other}");
        let open = trust(json!({ of("A", "aud"): "y" })).check_federation().expect_err("everybody");
        assert!(open.contains("every service account"), "{open}");
    }

    #[test]
    fn what_is_no_policy_is_refused_with_a_reason() {
        for (raw, part) in [
            (json!([]), "JSON object"),
            (json!({}), "at least one Statement"),
            (json!({ "Statement": [{ "Action": "s3:*" }] }), "Effect"),
            (json!({ "Statement": [{ "Effect": "allow", "Action": "s3:*" }] }), "Allow or Deny"),
            (json!({ "Statement": [{ "Effect": "Allow" }] }), "Action"),
            (json!({ "Statement": [{ "Effect": "Allow", "Action": 5 }] }), "list of strings"),
            (json!({ "Statement": [{ "Effect": "Allow", "Actions": "s3:*" }] }), "no key 'Actions'"),
        ] {
            let reason = Document::new(raw).expect_err(part);
            assert!(reason.contains(part), "{reason}");
        }
    }
}
