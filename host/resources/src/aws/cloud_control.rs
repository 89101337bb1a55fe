//! `cloud-control.entity`: any resource type that the Cloud Control API knows.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_cloudcontrol::types::{HandlerErrorCode, Operation as Verb, OperationStatus, ProgressEvent};
use futures::FutureExt;
use llmhost_engine::kind::{
    Created, DeclareContext, ErrorClass, Intent, Kind, Observed, OpError, Outputs, Permission, Progress, Sampled, Scope,
};
use llmhost_engine::unknown;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::clients::Aws;
use super::errors::{Operation, gone_is_none};
use super::policy::Arns;
use super::wait::{self, is_passing, until};

/// A resource of any type.
pub(super) struct Entity(pub(super) Arc<Aws>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Spec {
    /// `AWS::SQS::Queue`.
    type_name: String,
    /// Properties by the type's schema, those of `create_only` left out.
    #[serde(deserialize_with = "object")]
    properties: Map<String, Value>,
    /// Names of the properties that cannot be changed once it is made.
    create_only: Vec<String>,
    /// Those properties: another value makes another resource.
    #[serde(default)]
    fixed: BTreeMap<String, Value>,
    wait_minutes: u32,
}

/// Reads WIT's text, or the object that the state holds.
fn object<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    use serde::de::Error;
    match Value::deserialize(deserializer)? {
        Value::String(text) => serde_json::from_str(&text)
            .map_err(|error| Error::custom(format!("properties are no JSON object: {error}"))),
        Value::Object(fields) => Ok(fields),
        _ => Err(Error::custom("properties must be a JSON object")),
    }
}

impl Spec {
    /// What Cloud Control is told at the creation.
    fn desired(&self) -> Value {
        let mut all = self.properties.clone();
        all.extend(self.fixed.iter().map(|(key, value)| (key.clone(), value.clone())));
        Value::Object(all)
    }
}

impl Entity {
    async fn look(&self, kind: &str, id: &str) -> Result<Option<Map<String, Value>>, OpError> {
        let operation = "cloudformation:GetResource";
        let request = self.0.cloud_control().await.get_resource().type_name(kind).identifier(id);
        let Some(answer) = gone_is_none(request.send().await.operation(operation))? else { return Ok(None) };
        let text = answer.resource_description.and_then(|found| found.properties).unwrap_or_default();
        let read = serde_json::from_str(&text);
        read.map(Some).map_err(|error| OpError::local(operation, format!("its properties cannot be read: {error}")))
    }

    /// Waits for a request that was accepted, and gives the identifier that it speaks of. Where it
    /// cannot be asked how the request ended, it may have worked, whatever kept it from being asked.
    async fn done(
        &self,
        event: Option<ProgressEvent>,
        minutes: u32,
        progress: &dyn Progress,
    ) -> Result<Option<String>, OpError> {
        let operation = "cloudformation:GetResourceRequestStatus";
        let Some(event) = event else {
            return Err(uncertain(OpError::local(operation, "the answer names no request")));
        };
        if let Some(done) = outcome(&event)? {
            return Ok(done);
        }
        let token = event.request_token.unwrap_or_default();
        let token = &token;
        let ended = until(operation, wait::minutes(minutes), || {
            async move {
                let request = self.0.cloud_control().await.get_resource_request_status().request_token(token);
                let answer = match request.send().await.operation(operation) {
                    Ok(answer) => answer,
                    Err(error) if is_passing(&error) => return Err(error),
                    Err(error) => return Ok(Some(Err(uncertain(error)))),
                };
                let Some(event) = answer.progress_event else { return Ok(None) };
                progress.report(event.status_message().unwrap_or("waiting for Cloud Control"), 0, 0);
                Ok(outcome(&event).transpose())
            }
            .boxed()
        });
        ended.await?
    }
}

/// The error as one that leaves open whether the resource was made.
fn uncertain(error: OpError) -> OpError {
    OpError { class: ErrorClass::Unreachable, advice: Some(error.advice().to_owned()), ..error }
}

/// Nothing while it goes on, else the identifier it ended with.
fn outcome(event: &ProgressEvent) -> Result<Option<Option<String>>, OpError> {
    match event.operation_status() {
        Some(OperationStatus::Success) => Ok(Some(event.identifier().map(str::to_owned))),
        Some(OperationStatus::Failed | OperationStatus::CancelComplete) => {
            let verb = match event.operation() {
                Some(Verb::Update) => "UpdateResource",
                Some(Verb::Delete) => "DeleteResource",
                _ => "CreateResource",
            };
            let message = event.status_message().unwrap_or("it does not say why");
            let mut error = OpError::local(&format!("cloudformation:{verb}"), message);
            error.code = event.error_code().map(|code| code.as_str().to_owned());
            error.class = event.error_code().map_or(ErrorClass::Service, class);
            if event.error_code() == Some(&HandlerErrorCode::NotUpdatable) {
                error.advice = Some(
                    "A property that changed can be stated only when the resource is made. Name it in create-only, so \
                     that the resource is replaced."
                        .to_owned(),
                );
            }
            Err(error)
        }
        _ => Ok(None),
    }
}

/// Whether the request itself came to an end and made nothing, as against a call that was refused.
fn has_failed(error: &OpError) -> bool {
    let by_handler = error.code.as_deref().is_some_and(|code| HandlerErrorCode::values().contains(&code));
    by_handler && !matches!(error.class, ErrorClass::Unreachable | ErrorClass::Service)
}

fn class(code: &HandlerErrorCode) -> ErrorClass {
    match code {
        HandlerErrorCode::AlreadyExists | HandlerErrorCode::ResourceConflict => ErrorClass::Conflict,
        HandlerErrorCode::NotFound => ErrorClass::NotFound,
        HandlerErrorCode::AccessDenied | HandlerErrorCode::InvalidCredentials => ErrorClass::Denied,
        HandlerErrorCode::ServiceLimitExceeded => ErrorClass::Quota,
        HandlerErrorCode::Throttling => ErrorClass::Throttled,
        HandlerErrorCode::InvalidRequest | HandlerErrorCode::NotUpdatable => ErrorClass::Invalid,
        HandlerErrorCode::NetworkFailure => ErrorClass::Unreachable,
        _ => ErrorClass::Service,
    }
}

fn known(id: &str, properties: Option<&Map<String, Value>>) -> Outputs {
    let text = properties.map_or_else(|| "{}".to_owned(), |all| Value::Object(all.clone()).to_string());
    super::outputs([("identifier", id), ("properties", text.as_str())])
}

/// Of what is there, the parts that `stated` speaks of: a type's own defaults are no drift.
fn projected(stated: &Value, there: Option<&Value>) -> Option<Value> {
    match (stated, there?) {
        (Value::Object(stated), Value::Object(there)) => {
            let parts = stated.iter().filter_map(|(key, value)| Some((key.clone(), projected(value, there.get(key))?)));
            Some(Value::Object(parts.collect()))
        }
        (_, there) => Some(there.clone()),
    }
}

/// The changes that lead from one object to the other, as a JSON Patch of its top level.
fn patch(from: &Map<String, Value>, to: &Map<String, Value>) -> Vec<Value> {
    let path = |key: &str| format!("/{}", key.replace('~', "~0").replace('/', "~1"));
    let gone = from.keys().filter(|key| !to.contains_key(*key));
    let gone = gone.map(|key| json!({ "op": "remove", "path": path(key) }));
    let new = to.iter().filter(|(key, value)| from.get(*key) != Some(value));
    // Adding a member that is there replaces it.
    gone.chain(new.map(|(key, value)| json!({ "op": "add", "path": path(key), "value": value }))).collect()
}

#[async_trait]
impl Kind for Entity {
    type Spec = Spec;
    const NAME: &'static str = "cloud-control.entity";
    const ACTIONS: &'static [&'static str] = &[
        "cloudformation:CreateResource",
        "cloudformation:GetResource",
        "cloudformation:UpdateResource",
        "cloudformation:DeleteResource",
        "cloudformation:GetResourceRequestStatus",
    ];
    const IMMUTABLE: &'static [&'static str] = &["type_name", "fixed"];
    const ASIDE: &'static [&'static str] = &["create_only", "wait_minutes"];
    const IDENTITIES: &'static [&'static str] = &["identifier"];
    const VOLATILE: &'static [&'static str] = &["properties"];
    const BY_NAME: &'static [&'static str] = &["properties"];

    /// Always: which property is its name is not known here, so the old one goes first.
    fn clashes(&self, _old: &Spec, _new: &Spec) -> bool {
        true
    }

    fn complete(&self, spec: &mut Spec, context: &DeclareContext<'_>) -> Result<(), String> {
        let parts: Vec<&str> = spec.type_name.split("::").collect();
        let good = |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric());
        if parts.len() != 3 || !parts.iter().all(good) || unknown::is_unknown(&spec.type_name) {
            return Err(format!("'{}' is not a resource type such as AWS::SQS::Queue", spec.type_name));
        }
        for key in &spec.create_only {
            if let Some(value) = spec.properties.remove(key) {
                spec.fixed.insert(key.clone(), value);
            }
        }
        let _ = context;
        Ok(())
    }

    fn permissions(&self, spec: &Spec, _: &Scope<'_>) -> Vec<Permission> {
        // Cloud Control calls the service with its caller's permissions; which of them, each type's
        // schema says. The service's own prefix is as near as can be known without it.
        let service = spec.type_name.split("::").nth(1).unwrap_or_default().to_lowercase();
        let handler = format!("{service}:*");
        vec![Permission::new(Self::ACTIONS, ["*".to_owned()]), Permission::new(&[handler.as_str()], ["*".to_owned()])]
    }

    fn sample(&self, output: &str, spec: &Spec, sampled: &Sampled<'_>) -> Option<Value> {
        match (output, spec.type_name.as_str()) {
            ("identifier", "AWS::SNS::Topic") => {
                Some(sampled.scope.arn("sns", &format!("sample-{}", sampled.unique)).into())
            }
            ("identifier", "AWS::SQS::Queue") => {
                let Scope { region, account, .. } = sampled.scope;
                let host = llmhost_partitions::of(region).host("sqs", region);
                Some(format!("https://{host}/{account}/sample-{}", sampled.unique).into())
            }
            // Every type has properties and identifiers of its own.
            _ => None,
        }
    }

    async fn create(&self, spec: &Spec, intent: &Intent, progress: &dyn Progress) -> Result<Created, OpError> {
        let operation = "cloudformation:CreateResource";
        let request = self.0.cloud_control().await.create_resource().type_name(&spec.type_name);
        let request = request.desired_state(spec.desired().to_string()).client_token(&intent.token);
        let answer = request.send().await.operation(operation)?;
        let id = self.done(answer.progress_event, spec.wait_minutes, progress).await?;
        let id = id.ok_or_else(|| uncertain(OpError::local(operation, "the answer names no identifier")))?;
        Ok(Created { outputs: known(&id, None), id })
    }

    async fn configure(
        &self,
        id: &str,
        spec: &Spec,
        was: Option<&Spec>,
        progress: &dyn Progress,
    ) -> Result<Outputs, OpError> {
        if let Some(was) = was {
            let there = self.look(&spec.type_name, id).await?.unwrap_or_default();
            // Only what this pipeline stated before, or states now, is touched.
            let ours = there
                .into_iter()
                .filter(|(key, _)| was.properties.contains_key(key) || spec.properties.contains_key(key));
            let ours: Map<String, Value> = ours.collect();
            let changes = patch(&ours, &spec.properties);
            if !changes.is_empty() {
                let request = self.0.cloud_control().await.update_resource().type_name(&spec.type_name).identifier(id);
                let answer = request.patch_document(Value::from(changes).to_string()).send().await;
                let answer = answer.operation("cloudformation:UpdateResource")?;
                self.done(answer.progress_event, spec.wait_minutes, progress).await?;
            }
        }
        Ok(known(id, self.look(&spec.type_name, id).await?.as_ref()))
    }

    async fn read(&self, id: &str, spec: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
        let Some(there) = self.look(&spec.type_name, id).await? else { return Ok(None) };
        let outputs = known(id, Some(&there));
        let mut seen = spec.clone();
        seen.properties = spec
            .properties
            .iter()
            // What a type takes and never tells, such as a password, counts as it was stated.
            .map(|(key, value)| (key.clone(), projected(value, there.get(key)).unwrap_or_else(|| value.clone())))
            .collect();
        Ok(Some(Observed { spec: seen, outputs }))
    }

    /// Cloud Control keeps a client token for long enough: the same request gives the same answer.
    async fn find(&self, spec: &Spec, intent: &Intent) -> Result<Option<Created>, OpError> {
        struct Silent;
        impl Progress for Silent {
            fn report(&self, _: &str, _: u64, _: u64) {}
        }
        match self.create(spec, intent, &Silent).await {
            Ok(created) => Ok(Some(created)),
            Err(error) if error.class == ErrorClass::Conflict || has_failed(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn delete(&self, id: &str, spec: &Spec, progress: &dyn Progress) -> Result<(), OpError> {
        let request = self.0.cloud_control().await.delete_resource().type_name(&spec.type_name).identifier(id);
        let answer = match request.send().await.operation("cloudformation:DeleteResource") {
            Err(error) if error.class == ErrorClass::NotFound => return Ok(()),
            other => other?,
        };
        match self.done(answer.progress_event, spec.wait_minutes, progress).await {
            Err(error) if error.class == ErrorClass::NotFound => Ok(()),
            other => other.map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).expect("an object")
    }

    #[test]
    fn a_patch_touches_only_what_differs() {
        let from = map(json!({ "a": 1, "b/c": 2, "same": [1] }));
        let to = map(json!({ "a": 2, "same": [1], "new": {} }));
        assert_eq!(
            patch(&from, &to),
            [
                json!({ "op": "remove", "path": "/b~1c" }),
                json!({ "op": "add", "path": "/a", "value": 2 }),
                json!({ "op": "add", "path": "/new", "value": {} }),
            ]
        );
    }

    #[test]
    fn who_cannot_ask_how_a_request_ended_knows_nothing_and_hears_what_to_do() {
        let expired = OpError { class: ErrorClass::Expired, ..OpError::local("x:Y", "expired") };
        let said = expired.advice().to_owned();
        let error = uncertain(expired);
        assert_eq!((error.class, error.advice()), (ErrorClass::Unreachable, said.as_str()));
    }

    #[test]
    fn a_request_that_failed_made_nothing_and_a_call_that_was_refused_says_nothing_of_it() {
        for (code, class, failed) in [
            ("AccessDenied", ErrorClass::Denied, true),
            ("InvalidRequest", ErrorClass::Invalid, true),
            ("AccessDeniedException", ErrorClass::Denied, false),
            ("NotStabilized", ErrorClass::Service, false),
        ] {
            let error = OpError { class, code: Some(code.to_owned()), ..OpError::local("x:Y", "no") };
            assert_eq!(has_failed(&error), failed, "{code}");
        }
    }

    #[test]
    fn defaults_of_a_type_are_no_drift() {
        let stated = json!({ "Encryption": { "Key": "a" }, "Delay": 5 });
        let there = json!({ "Encryption": { "Key": "a", "Bucket": true }, "Delay": 6, "Arn": "x" });
        assert_eq!(projected(&stated, Some(&there)), Some(json!({ "Encryption": { "Key": "a" }, "Delay": 6 })));
    }
}
