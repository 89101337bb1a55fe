//! `request.call`: one signed call to any AWS service, made once and recorded with its answer.

use std::sync::Arc;

use async_trait::async_trait;
use llmhost_engine::kind::{
    Created, DeclareContext, ErrorClass, Intent, Kind, Observed, OpError, Outputs, Permission, Progress, Scope,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::clients::Aws;
use super::signed::{self, Signed, form};

/// A signed call.
pub(super) struct Call(pub(super) Arc<Aws>);

/// Answers longer than this are refused: they would go into the state.
const LONGEST: usize = 256 << 10;

/// Actions whose answer is a secret: it would enter the plugin and the state.
const SECRETS: [&str; 16] = [
    "secretsmanager:GetSecretValue",
    "secretsmanager:BatchGetSecretValue",
    "secretsmanager:GetRandomPassword",
    "sts:AssumeRole",
    "sts:AssumeRoleWithSAML",
    "sts:AssumeRoleWithWebIdentity",
    "sts:GetFederationToken",
    "sts:GetSessionToken",
    "iam:CreateAccessKey",
    "iam:CreateServiceSpecificCredential",
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyPair",
    "ecr:GetAuthorizationToken",
    "cognito-identity:GetCredentialsForIdentity",
    "rds:GenerateDbAuthToken",
];

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Spec {
    call: Message,
    /// The call that undoes it, made when it is deleted.
    undo: Option<Message>,
    /// Whether it may be made again when nobody knows whether it was.
    repeatable: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Message {
    /// The name it is signed with: `ssm`.
    service: String,
    /// First label of the host name, where it is not the service's.
    endpoint_prefix: Option<String>,
    protocol: Protocol,
    /// A JSON object: the body, or the fields of the query.
    #[serde(deserialize_with = "object")]
    parameters: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Protocol {
    #[serde(alias = "Json")]
    Json(Json),
    #[serde(alias = "Query")]
    Query(Query),
    #[serde(alias = "Rest")]
    Rest(Rest),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Json {
    /// `AmazonSSM.GetParameter`.
    target: String,
    /// `1.0` or `1.1`.
    version: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Query {
    /// `PublishBatch`.
    action: String,
    /// `2010-03-31`.
    version: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Rest {
    /// `GET`.
    method: String,
    /// `/2015-03-31/functions`, encoded.
    path: String,
}

/// Reads WIT's text, or the object that the state holds.
fn object<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    use serde::de::Error;
    match Value::deserialize(deserializer)? {
        Value::String(text) if text.is_empty() => Ok(Map::new()),
        Value::String(text) => serde_json::from_str(&text)
            .map_err(|error| Error::custom(format!("parameters are not a JSON object: {error}"))),
        Value::Object(fields) => Ok(fields),
        _ => Err(Error::custom("parameters must be a JSON object")),
    }
}

impl Message {
    /// `ssm:GetParameter`.
    fn action(&self) -> String {
        let action = match &self.protocol {
            Protocol::Json(json) => json.target.rsplit('.').next().unwrap_or_default().to_owned(),
            Protocol::Query(query) => query.action.clone(),
            Protocol::Rest(rest) => format!("{} {}", rest.method, rest.path),
        };
        format!("{}:{action}", self.service)
    }

    fn check(&self) -> Result<(), String> {
        let decrypts =
            self.service == "ssm" && self.parameters.get("WithDecryption").is_some_and(|with| *with != false);
        if decrypts || SECRETS.contains(&self.action().as_str()) {
            return Err(format!(
                "the answer of {}{} is a secret, which must not reach a plugin or the state",
                self.action(),
                if decrypts { " with decryption" } else { "" },
            ));
        }
        let label = |text: &str| {
            let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
            !text.is_empty() && text.chars().all(good) && !text.starts_with('.') && !text.contains("..")
        };
        let prefix = self.endpoint_prefix.as_ref();
        if !label(&self.service) || !prefix.is_none_or(|prefix| label(prefix)) {
            return Err(format!("'{}' is not the name of a service, such as ssm", prefix.unwrap_or(&self.service)));
        }
        let word =
            |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        match &self.protocol {
            Protocol::Json(json) if !word(&json.target) || !["1.0", "1.1"].contains(&json.version.as_str()) => {
                Err(format!("'{}' with version '{}' is not a JSON target", json.target, json.version))
            }
            Protocol::Query(query) if !word(&query.action) || !word(&query.version) => {
                Err(format!("'{}' with version '{}' is not an action", query.action, query.version))
            }
            Protocol::Query(_) if self.parameters.keys().any(|key| key == "Action" || key == "Version") => {
                Err("Action and Version are not parameters; set them in the protocol".to_owned())
            }
            Protocol::Rest(rest)
                if !["GET", "PUT", "POST", "PATCH", "DELETE", "HEAD"].contains(&rest.method.as_str())
                    || !rest.path.starts_with('/')
                    || rest.path.split('/').any(|part| part == "..")
                    || rest.path.chars().any(|c| c.is_whitespace() || c.is_control() || c == '#') =>
            {
                Err(format!("'{} {}' is not a method and a path", rest.method, rest.path))
            }
            _ => Ok(()),
        }
    }

    fn method(&self) -> &str {
        if let Protocol::Rest(rest) = &self.protocol { &rest.method } else { "POST" }
    }

    fn path(&self) -> &str {
        if let Protocol::Rest(rest) = &self.protocol { &rest.path } else { "/" }
    }

    fn headers(&self) -> Vec<(&'static str, String)> {
        match &self.protocol {
            Protocol::Json(json) => vec![
                ("content-type", format!("application/x-amz-json-{}", json.version)),
                ("x-amz-target", json.target.clone()),
            ],
            Protocol::Query(_) => vec![("content-type", "application/x-www-form-urlencoded; charset=utf-8".to_owned())],
            Protocol::Rest(_) => vec![("content-type", "application/json".to_owned())],
        }
    }

    fn body(&self) -> Vec<u8> {
        match &self.protocol {
            Protocol::Json(_) => Value::Object(self.parameters.clone()).to_string().into_bytes(),
            Protocol::Rest(_) if self.parameters.is_empty() => Vec::new(),
            Protocol::Rest(_) => Value::Object(self.parameters.clone()).to_string().into_bytes(),
            Protocol::Query(query) => {
                let mut fields =
                    vec![("Action".to_owned(), query.action.clone()), ("Version".to_owned(), query.version.clone())];
                self.parameters.iter().for_each(|(key, value)| flatten(key, value, &mut fields));
                form(fields.iter().map(|(key, value)| (key.as_str(), value.as_str())))
            }
        }
    }
}

/// The query protocol's way to write lists and structures: `Name.member.1`.
fn flatten(key: &str, value: &Value, fields: &mut Vec<(String, String)>) {
    match value {
        Value::Object(parts) => parts.iter().for_each(|(name, part)| flatten(&format!("{key}.{name}"), part, fields)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| flatten(&format!("{key}.member.{}", at + 1), item, fields));
        }
        Value::String(text) => fields.push((key.to_owned(), text.clone())),
        Value::Null => {}
        other => fields.push((key.to_owned(), other.to_string())),
    }
}

/// Makes a call that a provider was granted. `message` is in WIT's form.
pub async fn call(aws: &Aws, message: &Value) -> Result<String, OpError> {
    let name = message["service"].as_str().unwrap_or_default();
    let mut message: Message =
        serde_json::from_value(message.clone()).map_err(|error| OpError::local(name, error.to_string()))?;
    message.check().map_err(|reason| OpError::local(&message.action(), reason))?;
    let mut parameters = Value::Object(std::mem::take(&mut message.parameters));
    crate::secrets::reveal(aws, &mut parameters).await?;
    if let Value::Object(parameters) = parameters {
        message.parameters = parameters;
    }
    send(aws, &message).await
}

async fn send(aws: &Aws, message: &Message) -> Result<String, OpError> {
    let operation = message.action();
    let signed = Signed {
        operation: &operation,
        service: &message.service,
        prefix: message.endpoint_prefix.as_ref().unwrap_or(&message.service),
        method: message.method(),
        path: message.path(),
        headers: message.headers(),
        body: message.body(),
        repeatable: false,
        longest: LONGEST,
        timeout: aws.settings.attempt_timeout,
    };
    signed::call(aws, &signed).await
}

#[async_trait]
impl Kind for Call {
    type Spec = Spec;
    const NAME: &'static str = "request.call";
    const ACTIONS: &'static [&'static str] = &[];
    const IMMUTABLE: &'static [&'static str] = &["call"];
    const ASIDE: &'static [&'static str] = &["repeatable"];
    const IDENTITIES: &'static [&'static str] = &["response"];

    /// Always: what the call made is not known here, so the old one goes first.
    fn clashes(&self, _old: &Spec, _new: &Spec) -> bool {
        true
    }

    fn complete(&self, spec: &mut Spec, _: &DeclareContext<'_>) -> Result<(), String> {
        spec.call.check()?;
        spec.undo.as_ref().map_or(Ok(()), |undo| undo.check().map_err(|reason| format!("undo: {reason}")))
    }

    fn permissions(&self, spec: &Spec, _: &Scope<'_>) -> Vec<Permission> {
        let permission = |message: &Message| {
            // The action of a call by path is known to its service alone.
            let action = match message.protocol {
                Protocol::Rest(_) => format!("{}:*", message.service),
                _ => message.action(),
            };
            Permission::new(&[action.as_str()], ["*".to_owned()])
        };
        [Some(&spec.call), spec.undo.as_ref()].into_iter().flatten().map(permission).collect()
    }

    async fn create(&self, spec: &Spec, intent: &Intent, _: &dyn Progress) -> Result<Created, OpError> {
        let response = send(&self.0, &spec.call).await?;
        Ok(Created { id: intent.token.clone(), outputs: super::outputs([("response", response.as_str())]) })
    }

    async fn configure(&self, _: &str, _: &Spec, _: Option<&Spec>, _: &dyn Progress) -> Result<Outputs, OpError> {
        Ok(Outputs::new())
    }

    /// A call that was made stays made.
    async fn read(&self, _: &str, spec: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
        Ok(Some(Observed { spec: spec.clone(), outputs: Outputs::new() }))
    }

    /// Nobody can tell whether a call was made; who can bear it twice says so.
    async fn find(&self, spec: &Spec, _: &Intent) -> Result<Option<Created>, OpError> {
        if spec.repeatable {
            return Ok(None);
        }
        let mut error =
            OpError::local(&spec.call.action(), "an earlier run may have made this call, and was interrupted");
        error.class = ErrorClass::Conflict;
        error.advice = Some(
            "Check whether it happened. If it can be repeated, set repeatable; otherwise give the declaration another \
             name, or remove it from the state: llmhost state rm."
                .to_owned(),
        );
        Err(error)
    }

    async fn delete(&self, _: &str, spec: &Spec, _: &dyn Progress) -> Result<(), OpError> {
        let Some(undo) = &spec.undo else { return Ok(()) };
        match send(&self.0, undo).await {
            Err(error) if error.class == ErrorClass::NotFound => Ok(()),
            other => other.map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(protocol: Value, parameters: Value) -> Message {
        let raw = json!({ "service": "sns", "endpoint_prefix": null, "protocol": protocol, "parameters": parameters });
        serde_json::from_value(raw).expect("a message")
    }

    #[test]
    fn a_query_is_written_as_its_protocol_wants() {
        let query = message(
            json!({ "Query": { "action": "Publish", "version": "2010-03-31" } }),
            json!({ "A": { "b": [1, "x y"] }, "n": null }),
        );
        assert_eq!(
            String::from_utf8(query.body()).expect("text"),
            "Action=Publish&Version=2010-03-31&A.b.member.1=1&A.b.member.2=x%20y"
        );
        assert_eq!(query.action(), "sns:Publish");
        let smuggled =
            message(json!({ "Query": { "action": "Publish", "version": "1" } }), json!({ "Action": "DeleteTopic" }));
        assert!(smuggled.check().is_err());
    }

    #[test]
    fn hosts_targets_and_paths_cannot_be_bent() {
        for raw in [
            json!({ "service": "ssm.evil.example/", "endpoint_prefix": null, "protocol": { "Json": { "target": "A.B", "version": "1.1" } }, "parameters": {} }),
            json!({ "service": "ssm", "endpoint_prefix": "x@evil", "protocol": { "Json": { "target": "A.B", "version": "1.1" } }, "parameters": {} }),
            json!({ "service": "ssm", "endpoint_prefix": null, "protocol": { "Json": { "target": "A.B\r\nX: y", "version": "1.1" } }, "parameters": {} }),
            json!({ "service": "s3", "endpoint_prefix": null, "protocol": { "Rest": { "method": "GET", "path": "/a/../b" } }, "parameters": {} }),
            json!({ "service": "s3", "endpoint_prefix": null, "protocol": { "Rest": { "method": "TRACE", "path": "/" } }, "parameters": {} }),
        ] {
            let message: Message = serde_json::from_value(raw.clone()).expect("a message");
            assert!(message.check().is_err(), "{raw}");
        }
    }
}
