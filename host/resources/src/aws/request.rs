//! `request.call`: one signed call to any AWS service, made once and recorded with its answer.

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use llmhost_engine::kind::{
    Created, DeclareContext, ErrorClass, Intent, Kind, Observed, OpError, Outputs, Permission, Progress, ReplaceOrder,
    Scope,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::clients::Aws;
use super::errors::{advice_for, by_answer};

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
            .map_err(|error| Error::custom(format!("parameters are no JSON object: {error}"))),
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
                "the answer of {}{} is a secret, and must enter neither a plugin nor the state",
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
                Err(format!("'{}' with version '{}' is no JSON target", json.target, json.version))
            }
            Protocol::Query(query) if !word(&query.action) || !word(&query.version) => {
                Err(format!("'{}' with version '{}' is no action", query.action, query.version))
            }
            Protocol::Query(_) if self.parameters.keys().any(|key| key == "Action" || key == "Version") => {
                Err("Action and Version are no parameters; state them in the protocol".to_owned())
            }
            Protocol::Rest(rest)
                if !["GET", "PUT", "POST", "PATCH", "DELETE", "HEAD"].contains(&rest.method.as_str())
                    || !rest.path.starts_with('/')
                    || rest.path.split('/').any(|part| part == "..")
                    || rest.path.chars().any(|c| c.is_whitespace() || c.is_control() || c == '#') =>
            {
                Err(format!("'{} {}' is no method and path", rest.method, rest.path))
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
                let pairs = fields.iter().map(|(key, value)| format!("{}={}", encode(key), encode(value)));
                pairs.collect::<Vec<_>>().join("&").into_bytes()
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

fn encode(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

impl Call {
    async fn send(&self, message: &Message) -> Result<String, OpError> {
        let operation = message.action();
        let wrong = |reason: String| OpError::local(&operation, reason);
        let unreachable =
            |reason: String| OpError { class: ErrorClass::Unreachable, ..OpError::local(&operation, reason) };
        let settings = &self.0.settings;
        let prefix = message.endpoint_prefix.as_ref().unwrap_or(&message.service);
        let suffix = if settings.region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let base = match &settings.endpoint_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("https://{prefix}.{}.{suffix}", settings.region),
        };
        let (url, body) = (format!("{base}{}", message.path()), message.body());
        let headers = message.headers();
        let identity = self.0.credentials(&operation).await?.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&settings.region)
            .name(&message.service)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| wrong(error.to_string()))?;
        let signable = SignableRequest::new(
            message.method(),
            url.as_str(),
            headers.iter().map(|(name, value)| (*name, value.as_str())),
            SignableBody::Bytes(&body),
        );
        let signed = signable.and_then(|signable| sign(signable, &params.into()));
        let (instructions, _) = signed.map_err(|error| wrong(error.to_string()))?.into_parts();
        let mut request = http::Request::builder().method(message.method()).uri(&url);
        for (name, value) in &headers {
            request = request.header(*name, value);
        }
        let mut request = request.body(Full::from(body)).map_err(|error| wrong(error.to_string()))?;
        instructions.apply_to_request_http1x(&mut request);

        let connector = hyper_rustls::HttpsConnectorBuilder::new().with_native_roots();
        let connector = connector.map_err(|error| wrong(error.to_string()))?.https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).build::<_, Full<bytes::Bytes>>(connector);
        let exchange = async {
            let answer = client.request(request).await.map_err(|error| unreachable(innermost(&error)))?;
            let (status, id) = (answer.status(), answer.headers().get("x-amzn-requestid").cloned());
            let body = Limited::new(answer.into_body(), LONGEST).collect().await;
            let body = body
                .map_err(|error| wrong(format!("the answer is unreadable, or longer than {LONGEST} bytes: {error}")))?;
            Ok((status, id, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
        };
        let (status, id, text) = tokio::time::timeout(settings.attempt_timeout, exchange)
            .await
            .map_err(|_| unreachable("no answer in time".to_owned()))??;
        if status.is_success() {
            return Ok(text);
        }
        let (code, said) = error_in(&text);
        let class = by_answer(code.as_deref(), status.as_u16());
        Err(OpError {
            operation: operation.clone(),
            message: said.unwrap_or_else(|| format!("the service answered with HTTP status {}", status.as_u16())),
            request_id: id.and_then(|id| id.to_str().ok().map(str::to_owned)),
            advice: advice_for(code.as_deref(), class),
            code,
            class,
        })
    }
}

fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source()).last().map(ToString::to_string).unwrap_or_default()
}

/// Code and message of an error, from JSON or XML.
fn error_in(text: &str) -> (Option<String>, Option<String>) {
    if let Ok(Value::Object(fields)) = serde_json::from_str(text) {
        let one = |names: [&str; 3]| names.iter().find_map(|name| fields.get(*name)?.as_str().map(str::to_owned));
        let code = one(["__type", "code", "Code"]).map(|code| code.rsplit('#').next().unwrap_or_default().to_owned());
        return (code, one(["message", "Message", "errorMessage"]));
    }
    let tag = |name: &str| {
        let from = text.find(&format!("<{name}>"))? + name.len() + 2;
        let to = from + text[from..].find(&format!("</{name}>"))?;
        Some(text[from..to].to_owned())
    };
    (tag("Code"), tag("Message"))
}

#[async_trait]
impl Kind for Call {
    type Spec = Spec;
    const NAME: &'static str = "request.call";
    const ACTIONS: &'static [&'static str] = &[];
    const IMMUTABLE: &'static [&'static str] = &["call"];
    const ASIDE: &'static [&'static str] = &["repeatable"];
    const REPLACE: ReplaceOrder = ReplaceOrder::DeleteFirst;
    const IDENTITIES: &'static [&'static str] = &["response"];

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
            Permission { actions: vec![action], resources: vec!["*".to_owned()] }
        };
        [Some(&spec.call), spec.undo.as_ref()].into_iter().flatten().map(permission).collect()
    }

    async fn create(&self, spec: &Spec, intent: &Intent, _: &dyn Progress) -> Result<Created, OpError> {
        let response = self.send(&spec.call).await?;
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
            "Look whether it happened. If it may be made again, set repeatable; else give the declaration another name."
                .to_owned(),
        );
        Err(error)
    }

    async fn delete(&self, _: &str, spec: &Spec, _: &dyn Progress) -> Result<(), OpError> {
        let Some(undo) = &spec.undo else { return Ok(()) };
        match self.send(undo).await {
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

    #[test]
    fn errors_are_read_from_json_and_from_xml() {
        for (text, code, said) in [
            (
                r#"{"__type":"com.amazonaws.ssm#ParameterNotFound","message":"gone"}"#,
                Some("ParameterNotFound"),
                Some("gone"),
            ),
            (
                "<E><Error><Code>NotFound</Code><Message>no topic</Message></Error></E>",
                Some("NotFound"),
                Some("no topic"),
            ),
            ("<html>", None, None),
        ] {
            assert_eq!(error_in(text), (code.map(str::to_owned), said.map(str::to_owned)), "{text}");
        }
    }
}
