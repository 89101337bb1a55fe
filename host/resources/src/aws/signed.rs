//! A signed call to a service that has no client here.

use std::time::{Duration, SystemTime};

use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use llmhost_engine::kind::{ErrorClass, OpError};

use super::budget::before_retry;
use super::clients::Aws;
use super::codes::advice;
use super::errors::by_answer;

/// How often a call is made at most.
const ATTEMPTS: u32 = 6;

/// What is sent.
pub(crate) struct Signed<'a> {
    /// `ssm:GetParameter`.
    pub(crate) operation: &'a str,
    /// The name it is signed with.
    pub(crate) service: &'a str,
    /// First label of the host name.
    pub(crate) prefix: &'a str,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether it may be made again when nobody knows whether it was.
    pub(crate) repeatable: bool,
    /// Answers longer than this are refused.
    pub(crate) longest: usize,
    /// How long one attempt may take.
    pub(crate) timeout: Duration,
}

impl Signed<'_> {
    fn may_repeat(&self, class: ErrorClass) -> bool {
        match class {
            ErrorClass::Throttled => true,
            ErrorClass::Unreachable | ErrorClass::Service => self.repeatable,
            _ => false,
        }
    }
}

/// Fields of a query as a body.
pub(crate) fn form<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let pairs = fields.into_iter().map(|(key, value)| format!("{}={}", encode(key), encode(value)));
    pairs.collect::<Vec<_>>().join("&").into_bytes()
}

fn encode(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// Makes the call and gives the text of its answer. Throttled calls did nothing and are made again;
/// those without an answer only where that does no harm.
pub(crate) async fn call(aws: &Aws, signed: &Signed<'_>) -> Result<String, OpError> {
    let mut pause = Duration::from_millis(500);
    let mut attempt = 1;
    loop {
        match once(aws, signed).await {
            Err(error) if attempt < ATTEMPTS && signed.may_repeat(error.class) => {
                before_retry(&error, pause).await?;
                pause = (pause * 2).min(Duration::from_secs(20));
                attempt += 1;
            }
            other => return other,
        }
    }
}

async fn once(aws: &Aws, signed: &Signed<'_>) -> Result<String, OpError> {
    let wrong = |reason: String| OpError::local(signed.operation, reason);
    let unreachable =
        |reason: String| OpError { class: ErrorClass::Unreachable, ..OpError::local(signed.operation, reason) };
    let region = &aws.settings.region;
    let base = match aws.endpoint().await {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => format!("https://{}", llmhost_partitions::of(region).host(signed.prefix, region)),
    };
    let url = format!("{base}{}", signed.path);
    let identity = aws.credentials(signed.operation).await?.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(signed.service)
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| wrong(error.to_string()))?;
    let signable = SignableRequest::new(
        signed.method,
        url.as_str(),
        signed.headers.iter().map(|(name, value)| (*name, value.as_str())),
        SignableBody::Bytes(&signed.body),
    );
    let signature = signable.and_then(|signable| sign(signable, &params.into()));
    let (instructions, _) = signature.map_err(|error| wrong(error.to_string()))?.into_parts();
    let mut request = http::Request::builder().method(signed.method).uri(&url);
    for (name, value) in &signed.headers {
        request = request.header(*name, value);
    }
    let mut request = request.body(Full::from(signed.body.clone())).map_err(|error| wrong(error.to_string()))?;
    instructions.apply_to_request_http1x(&mut request);

    let connector = hyper_rustls::HttpsConnectorBuilder::new().with_native_roots();
    let connector = connector.map_err(|error| wrong(error.to_string()))?.https_or_http().enable_http1().build();
    let client = Client::builder(TokioExecutor::new()).build::<_, Full<bytes::Bytes>>(connector);
    let exchange = async {
        let answer = client.request(request).await.map_err(|error| unreachable(innermost(&error)))?;
        let (status, id) = (answer.status(), answer.headers().get("x-amzn-requestid").cloned());
        let body = Limited::new(answer.into_body(), signed.longest).collect().await;
        let body = body.map_err(|error| match error.is::<LengthLimitError>() {
            true => wrong(format!("the answer is longer than {} bytes", signed.longest)),
            false => unreachable(format!("the response ended early: {error}")),
        })?;
        Ok((status, id, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
    };
    let (status, id, text) = tokio::time::timeout(signed.timeout, exchange)
        .await
        .map_err(|_| unreachable("no answer in time".to_owned()))??;
    if status.is_success() {
        return Ok(text);
    }
    let (code, said) = error_in(&text);
    let class = by_answer(code.as_deref(), status.as_u16());
    let message = said.unwrap_or_else(|| format!("the service answered with HTTP status {}", status.as_u16()));
    Err(OpError {
        operation: signed.operation.to_owned(),
        request_id: id.and_then(|id| id.to_str().ok().map(str::to_owned)),
        advice: advice(code.as_deref(), class, signed.operation, &message),
        message,
        code,
        class,
    })
}

fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source()).last().map(ToString::to_string).unwrap_or_default()
}

/// Code and message of an error, from JSON or XML.
pub(super) fn error_in(text: &str) -> (Option<String>, Option<String>) {
    if let Ok(serde_json::Value::Object(fields)) = serde_json::from_str(text) {
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

#[cfg(test)]
mod tests {
    use super::*;

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
