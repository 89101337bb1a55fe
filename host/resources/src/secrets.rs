//! Where the values of secrets are read, and where they take the place of their handles.

use std::collections::{BTreeMap, BTreeSet};

use llmhost_engine::kind::{ErrorClass, OpError, Permission, Scope};
use llmhost_engine::plan::Plan;
use llmhost_engine::secret::{self, Secret, SecretSource};
use llmhost_engine::unknown::{self, Piece, Source};
use serde_json::{Value, json};

use crate::aws::Aws;
use crate::aws::policy::Arns;
use crate::aws::signed::{self, Signed};

/// A Kubernetes Secret holds a MiB at most, and so does no secret of AWS.
const LONGEST: usize = 1 << 20;

/// Reads every secret that a plan is about to send, so that one that is missing is told before
/// anything is begun.
pub async fn check(aws: &Aws, plan: &Plan) -> Result<(), OpError> {
    let sent = plan.resources.values().filter(|planned| planned.action.is_applied());
    let names: BTreeSet<String> = sent.flat_map(|planned| secret::named(&planned.spec)).collect();
    for name in names {
        value(aws, &name).await?;
    }
    Ok(())
}

/// The value of a secret, for who sends it somewhere else. It is kept out of everything that is said from then on.
pub async fn secret_value(aws: &Aws, name: &str) -> Result<String, OpError> {
    value(aws, name).await
}

/// Puts values in the place of their handles.
pub(crate) async fn reveal(aws: &Aws, value: &mut Value) -> Result<(), OpError> {
    let mut values = BTreeMap::new();
    for name in secret::named(value) {
        let read = self::value(aws, &name).await?;
        values.insert(name, read);
    }
    if !values.is_empty() {
        fill(value, &values);
    }
    Ok(())
}

/// What reading the secrets in a spec needs to be allowed.
pub(crate) fn permissions(aws: &Aws, spec: &Value, scope: &Scope<'_>) -> Vec<Permission> {
    let named = secret::named(spec);
    let sources = named.iter().filter_map(|name| Some(&aws.settings.secrets.get(name)?.source));
    let needed = sources.filter_map(|source| match source {
        SecretSource::Parameter(name) => {
            let arn = scope.arn("ssm", &format!("parameter/{}", name.trim_start_matches('/')));
            Some(Permission::new(&["ssm:GetParameter"], [arn]))
        }
        SecretSource::SecretsManager(name) => {
            // AWS adds six characters to the name.
            let arn = match name.starts_with("arn:") {
                true => name.clone(),
                false => scope.arn("secretsmanager", &format!("secret:{name}-*")),
            };
            Some(Permission::new(&["secretsmanager:GetSecretValue"], [arn]))
        }
        SecretSource::Env(_) | SecretSource::File(_) => None,
    });
    needed.collect()
}

fn fill(value: &mut Value, values: &BTreeMap<String, String>) {
    match value {
        Value::String(text) if unknown::is_opaque(text) => {
            let pieces = unknown::pieces(text).map(|piece| match piece {
                Piece::Text(text) => text.to_owned(),
                Piece::Token(Source::Secret { name, .. }) => values.get(name).cloned().unwrap_or_default(),
                Piece::Token(Source::Fact(key)) => unknown::fact(key),
                Piece::Token(Source::Output(address, output)) => unknown::output(&address, output),
            });
            *text = pieces.collect();
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, values)),
        Value::Object(fields) => fields.values_mut().for_each(|field| fill(field, values)),
        _ => {}
    }
}

/// The value of a secret, read once.
async fn value(aws: &Aws, name: &str) -> Result<String, OpError> {
    let aws = aws.home();
    let mut read = aws.secrets.lock().await;
    if let Some(value) = read.get(name) {
        return Ok(value.clone());
    }
    let Some(secret) = aws.settings.secrets.get(name) else {
        let message = format!("secret '{name}' is not in the file");
        return Err(wrong(name, message, &format!("Declare it: [secrets.{name}]")));
    };
    let value = match aws.settings.placeholder_secrets {
        true => format!("emulated-{name}"),
        false => read_from(aws, name, secret).await?,
    };
    secret::hide(&value);
    read.insert(name.to_owned(), value.clone());
    Ok(value)
}

async fn read_from(aws: &Aws, name: &str, secret: &Secret) -> Result<String, OpError> {
    let (value, place) = match &secret.source {
        SecretSource::Env(variable) => {
            let value = std::env::var(variable).map_err(|error| {
                let message = format!("secret '{name}': the environment variable {variable}: {error}");
                wrong(name, message, &format!("Set {variable} where llmhost runs."))
            })?;
            (value, format!("the environment variable {variable}"))
        }
        SecretSource::File(path) => {
            let text = std::fs::metadata(path).and_then(|about| match about.len() <= LONGEST as u64 {
                true => std::fs::read_to_string(path),
                false => Err(std::io::Error::other(format!("it has more than {LONGEST} bytes"))),
            });
            let text = text.map_err(|error| {
                let message = format!("secret '{name}': cannot read {}: {error}", path.display());
                wrong(name, message, "Paths start at the folder of the pipeline file.")
            })?;
            let text = text.strip_suffix('\n').map(|text| text.strip_suffix('\r').unwrap_or(text)).unwrap_or(&text);
            (text.to_owned(), path.display().to_string())
        }
        SecretSource::Parameter(parameter) => {
            let asked = json!({ "Name": parameter, "WithDecryption": true });
            let answer = ask(aws, "ssm", "AmazonSSM.GetParameter", &asked).await?;
            (text_at(&answer, "/Parameter/Value"), format!("the parameter {parameter}"))
        }
        SecretSource::SecretsManager(id) => {
            let answer =
                ask(aws, "secretsmanager", "secretsmanager.GetSecretValue", &json!({ "SecretId": id })).await?;
            (text_at(&answer, "/SecretString"), format!("the secret {id} (its SecretString)"))
        }
    };
    if value.len() < secret::SHORTEST {
        let message = format!("secret '{name}': {place} has fewer than {} characters", secret::SHORTEST);
        return Err(wrong(name, message, "It is too short to mask in logs. Is it the right one?"));
    }
    Ok(value)
}

fn text_at(answer: &Value, at: &str) -> String {
    answer.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned()
}

async fn ask(aws: &Aws, service: &str, target: &str, body: &Value) -> Result<Value, OpError> {
    let operation = format!("{service}:{}", target.rsplit('.').next().unwrap_or_default());
    let signed = Signed {
        operation: &operation,
        service,
        prefix: service,
        method: "POST",
        path: "/",
        headers: vec![("content-type", "application/x-amz-json-1.1".to_owned()), ("x-amz-target", target.to_owned())],
        body: body.to_string().into_bytes(),
        repeatable: true,
        longest: LONGEST,
        timeout: aws.settings.attempt_timeout,
    };
    let answer = signed::call(aws, &signed).await?;
    serde_json::from_str(&answer).map_err(|_| {
        let message = "the answer is not JSON".to_owned();
        OpError { class: ErrorClass::Service, ..OpError::local(&operation, message) }
    })
}

fn wrong(name: &str, message: String, advice: &str) -> OpError {
    let mut error = OpError::local(&format!("read the secret {name}"), message);
    error.advice = Some(advice.to_owned());
    error
}
