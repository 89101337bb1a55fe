//! Grants with a pattern: which resource types, and which calls, a plugin may declare.
//!
//! `cloud-control:AWS::SQS::*`, `request:ssm:GetParameter Name=/prod/*` and `resource:dns.record` name more than an
//! interface, so they are held against every declaration, not against imports.

use std::sync::Arc;

use async_trait::async_trait;
use llmhost_engine::look_up::Query;
use llmhost_engine::names::ResourceAddress;
use llmhost_engine::plugin::{Capabilities, Failure, FileEntry, LogLevel};
use serde_json::Value;

use crate::wit::is_built_in;

/// Interfaces whose grants carry a pattern, each with an example.
pub(crate) const SCOPED: [(&str, &str); 3] = [
    ("cloud-control", "cloud-control:AWS::SQS::Queue"),
    (REQUEST, "request:ssm:GetParameter Name=/prod/*"),
    (RESOURCE, "resource:dns.record"),
];

/// Grants of calls of AWS.
pub(crate) const REQUEST: &str = "request";
/// Grants of kinds that providers bring.
pub(crate) const RESOURCE: &str = "resource";

/// The interface of a grant, where its grants carry a pattern.
pub(crate) fn interface_of(grant: &str) -> Option<&'static str> {
    let interface = grant.split(':').next()?;
    SCOPED.iter().map(|(scoped, _)| *scoped).find(|scoped| *scoped == interface)
}

/// Whether a grant covers some of what a plugin says it needs: the resource type, or the call with some parameters.
pub(crate) fn may_cover(grant: &str, need: &str) -> bool {
    let Some(interface) = interface_of(need) else { return false };
    if interface_of(grant) != Some(interface) {
        return false;
    }
    let pattern = |text: &str| text.split_once(':').map(|(_, pattern)| pattern.to_owned()).unwrap_or_default();
    let (grant, need) = (pattern(grant), pattern(need));
    match interface {
        "cloud-control" => return matches(&grant, &need),
        RESOURCE => return covers_kind(&grant, &need),
        _ => {}
    }
    match (Request::parse(&grant), Request::parse(&need)) {
        (Some(grant), Some(need)) => grant.service == need.service && matches(grant.action, need.action),
        _ => false,
    }
}

/// Whether a grant is one with a pattern, and a good one; what is wrong with it if not.
pub(crate) fn check(grant: &str) -> Option<Result<(), String>> {
    let (interface, pattern) = grant.split_once(':').unwrap_or((grant, ""));
    let (_, example) = SCOPED.iter().find(|(scoped, _)| *scoped == interface)?;
    let good = match interface {
        "cloud-control" => {
            let parts: Vec<&str> = pattern.split("::").collect();
            let part = |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '*');
            // Which service has to be said.
            parts.len() == 3 && parts.iter().all(part) && !parts[..2].iter().any(|part| part.contains('*'))
        }
        RESOURCE => {
            let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
            pattern.split('.').count() <= 2 && pattern.split('.').all(|part| !part.is_empty() && part.chars().all(good))
        }
        _ => Request::parse(pattern).is_some(),
    };
    Some(if good { Ok(()) } else { Err(format!("'{grant}' does not name what it grants; write it as {example}")) })
}

/// `ssm:GetParameter Name=/prod/*`, in parts.
struct Request<'a> {
    service: &'a str,
    action: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> Request<'a> {
    fn parse(pattern: &'a str) -> Option<Self> {
        let (service, rest) = pattern.split_once(':')?;
        let mut words = rest.split_whitespace();
        let first = words.next()?;
        let is_method = ["GET", "PUT", "POST", "PATCH", "DELETE", "HEAD"].contains(&first);
        let action = if is_method {
            let path = words.next().filter(|path| path.starts_with('/'))?;
            &rest[..rest.find(path)? + path.len()]
        } else {
            first
        };
        let parameters = words.map(|word| word.split_once('=')).collect::<Option<Vec<_>>>()?;
        let named = !service.is_empty() && !service.contains('*') && !action.is_empty();
        (named && parameters.iter().all(|(key, _)| !key.is_empty())).then_some(Self { service, action, parameters })
    }

    /// Whether this grant covers a call.
    fn covers(&self, service: &str, action: &str, parameters: &Value) -> bool {
        self.service == service
            && matches(self.action, action)
            && self.parameters.iter().all(|(key, pattern)| match &parameters[*key] {
                Value::String(text) => matches(pattern, text),
                Value::Array(items) => {
                    !items.is_empty()
                        && items.iter().all(|item| item.as_str().is_some_and(|text| matches(pattern, text)))
                }
                Value::Null => false,
                other => matches(pattern, &other.to_string()),
            })
    }
}

/// Whether a grant is of a kind, or of all kinds of its provider.
fn covers_kind(grant: &str, kind: &str) -> bool {
    kind == grant || kind.split_once('.').is_some_and(|(of, _)| of == grant)
}

/// Whether a text is what a pattern says; `*` stands for any run of characters.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut rest = rest;
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

/// What a declaration would need granted, where none of `allow` covers it.
fn refusal(kind: &str, spec: &Value, allow: &[String]) -> Option<String> {
    match kind {
        "cloud-control.entity" => {
            let wanted = spec["type_name"].as_str().unwrap_or_default();
            let mut patterns = allow.iter().filter_map(|grant| grant.strip_prefix("cloud-control:"));
            (!patterns.any(|pattern| matches(pattern, wanted))).then(|| format!("cloud-control:{wanted}"))
        }
        "request.call" => {
            let mut messages = [&spec["call"], &spec["undo"]].into_iter().filter(|message| !message.is_null());
            messages.find_map(|message| refused_call(message, allow))
        }
        kind if !kind.split_once('.').is_some_and(|(of, _)| is_built_in(of)) => {
            let mut granted = allow.iter().filter_map(|grant| grant.strip_prefix(RESOURCE)?.strip_prefix(':'));
            (!granted.any(|grant| covers_kind(grant, kind))).then(|| format!("{RESOURCE}:{kind}"))
        }
        _ => None,
    }
}

/// What a call of AWS would need granted, where none of `allow` covers it.
pub(crate) fn refused_call(message: &Value, allow: &[String]) -> Option<String> {
    let (service, action, parameters) = call(message);
    let mut grants = allow.iter().filter_map(|grant| Request::parse(grant.strip_prefix(REQUEST)?.strip_prefix(':')?));
    let covered = grants.any(|grant| grant.covers(&service, &action, &parameters));
    (!covered).then(|| format!("{REQUEST}:{service}:{action}"))
}

/// Service, action and parameters of a message, in WIT's form.
fn call(message: &Value) -> (String, String, Value) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let protocol = &message["protocol"];
    let action = if let Some(json) = protocol.get("Json") {
        text(&json["target"]).rsplit('.').next().unwrap_or_default().to_owned()
    } else if let Some(query) = protocol.get("Query") {
        text(&query["action"])
    } else {
        let rest = &protocol["Rest"];
        format!("{} {}", text(&rest["method"]), text(&rest["path"]))
    };
    // What is no JSON is refused by the kind itself.
    let parameters = serde_json::from_str(&text(&message["parameters"])).unwrap_or(Value::Null);
    (text(&message["service"]), action, parameters)
}

/// A host that refuses what was not granted.
pub(crate) struct Scoped {
    pub(crate) host: Arc<dyn Capabilities>,
    pub(crate) allow: Arc<[String]>,
}

#[async_trait]
impl Capabilities for Scoped {
    fn declare(&self, kind: &str, name: &str, spec: Value, after: &[String]) -> Result<ResourceAddress, Failure> {
        if let Some(grant) = refusal(kind, &spec, &self.allow) {
            let text = format!("{kind} '{name}' needs a grant that the step does not have: allow = [\"{grant}\"]");
            return Err(Failure::refused(text));
        }
        self.host.declare(kind, name, spec, after)
    }

    async fn output(&self, address: &ResourceAddress, output: &str) -> Result<Value, Failure> {
        self.host.output(address, output).await
    }

    async fn existing(&self, query: &Query, attribute: &str) -> Result<Vec<Value>, Failure> {
        self.host.existing(query, attribute).await
    }

    async fn fact(&self, key: &str) -> Result<String, Failure> {
        self.host.fact(key).await
    }

    async fn list_files(&self, folder: &str) -> Result<Vec<FileEntry>, Failure> {
        self.host.list_files(folder).await
    }

    async fn read_file(&self, file: &str, start: u64, most: u32) -> Result<Vec<u8>, Failure> {
        self.host.read_file(file, start, most).await
    }

    fn region(&self) -> &str {
        self.host.region()
    }

    fn written(&self, pointer: &str) -> Option<String> {
        self.host.written(pointer)
    }

    fn is_known(&self, text: &str) -> bool {
        self.host.is_known(text)
    }

    fn log(&self, level: LogLevel, message: &str) {
        self.host.log(level, message);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_star_stands_for_any_run() {
        for (pattern, text, same) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("/prod/*", "/prod/db/password", true),
            ("/prod/*", "/production", false),
            ("*.json", "a.json", true),
            ("a*b*c", "a-b-b-c", true),
            ("ab*b", "ab", false),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, text), same, "{pattern} {text}");
        }
    }

    #[test]
    fn grants_say_what_they_grant_or_are_refused() {
        for good in [
            "cloud-control:AWS::SQS::Queue",
            "cloud-control:AWS::SQS::*",
            "request:ssm:GetParameter",
            "request:ssm:Get* Name=/prod/*",
            "request:lambda:GET /2015-03-31/functions/*",
            "resource:dns",
            "resource:my_dns.a-record",
        ] {
            assert_eq!(check(good), Some(Ok(())), "{good}");
        }
        for bad in [
            "cloud-control",
            "cloud-control:entity",
            "cloud-control:*",
            "cloud-control:AWS::*::*",
            "request",
            "request:call",
            "request:*:*",
            "request:ssm:",
            "request:lambda:GET",
            "request:ssm:GetParameter Name",
            "resource",
            "resource:",
            "resource:dns.",
            "resource:dns.record.x",
            "resource:dns.*",
        ] {
            assert!(matches!(check(bad), Some(Err(_))), "{bad}");
        }
        assert_eq!(check("ec2:vpc"), None);
    }

    #[test]
    fn a_declaration_is_held_against_the_patterns() {
        let queue = json!({ "type_name": "AWS::SQS::Queue" });
        let allow = |grants: &[&str]| grants.iter().map(|grant| (*grant).to_owned()).collect::<Vec<_>>();
        assert_eq!(refusal("cloud-control.entity", &queue, &allow(&["cloud-control:AWS::SQS::*"])), None);
        let other = refusal("cloud-control.entity", &queue, &allow(&["cloud-control:AWS::SNS::Topic"]));
        assert_eq!(other.as_deref(), Some("cloud-control:AWS::SQS::Queue"));
        let message = |name: &str| {
            json!({ "service": "ssm", "protocol": { "Json": { "target": "AmazonSSM.GetParameter", "version": "1.1" } },
                    "parameters": json!({ "Name": name }).to_string() })
        };
        let grants = allow(&["request:ssm:GetParameter Name=/prod/*"]);
        let call = |name: &str| json!({ "call": message(name), "undo": null });
        assert_eq!(refusal("request.call", &call("/prod/x"), &grants), None);
        assert!(refusal("request.call", &call("/secret/x"), &grants).is_some());
        let undo = json!({ "call": message("/prod/x"), "undo": message("/secret/x") });
        assert!(refusal("request.call", &undo, &grants).is_some());
        assert!(refusal("request.call", &call("/prod/x"), &[]).is_some());
    }
    #[test]
    fn kinds_of_providers_are_granted_by_name_or_all_together() {
        let allow = |grants: &[&str]| grants.iter().map(|grant| (*grant).to_owned()).collect::<Vec<_>>();
        for (grants, missing) in [
            (&[][..], Some("resource:dns.record")),
            (&["resource:dns.record"], None),
            (&["resource:dns"], None),
            (&["resource:dns.zone", "resource:dn", "resource:dns.recor"], Some("resource:dns.record")),
        ] {
            assert_eq!(refusal("dns.record", &json!({}), &allow(grants)).as_deref(), missing, "{grants:?}");
        }
        assert_eq!(refusal("ec2.vpc", &json!({}), &[]), None, "what imports tell is not for here");
        assert!(
            may_cover("resource:dns", "resource:dns.record") && !may_cover("resource:dns.zone", "resource:dns.record")
        );
    }
}
