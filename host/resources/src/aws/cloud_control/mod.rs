//! `cloud-control.entity`: any resource type that the Cloud Control API knows.

mod options;
mod types;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_cloudcontrol::types::{HandlerErrorCode, Operation as Verb, OperationStatus, ProgressEvent};
use futures::FutureExt;
use llmhost_aws_types::Type;
use llmhost_engine::kind::{
    Created, DeclareContext, ErrorClass, Intent, Kind, Observed, OpError, Outputs, Permission, Progress, Sampled, Scope,
};
use llmhost_engine::pointer::escaped;
use llmhost_engine::secret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub(super) use options::ResourceTypes;

use crate::aws::clients::Aws;
use crate::aws::errors::{Operation, gone_is_none};
use crate::aws::policy::Arns;
use crate::aws::wait::{self, is_passing, until};
use crate::secrets::reveal;

/// A resource of any type.
pub(in crate::aws) struct Entity(pub(in crate::aws) Arc<Aws>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::aws) struct Spec {
    /// `AWS::SQS::Queue`.
    type_name: String,
    /// Properties by the type's schema, those of `create_only` left out.
    #[serde(deserialize_with = "object")]
    properties: Map<String, Value>,
    /// Names of the properties that cannot be changed once it is made, of types that nobody here knows.
    #[serde(default)]
    create_only: Vec<String>,
    /// Those properties: another value makes another resource.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    fixed: BTreeMap<String, Value>,
    /// The pipeline's tags, where the type has tags; those that are stated stay among the properties.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
    /// Not held against the table of types: the type or a property is newer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unchecked: bool,
    wait_minutes: u32,
}

/// Reads WIT's text, or the object that the state holds.
fn object<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    use serde::de::Error;
    match Value::deserialize(deserializer)? {
        Value::String(text) => serde_json::from_str(&text)
            .map_err(|error| Error::custom(format!("properties are not a JSON object: {error}"))),
        Value::Object(fields) => Ok(fields),
        _ => Err(Error::custom("properties must be a JSON object")),
    }
}

impl Spec {
    /// What Cloud Control is told at the creation.
    fn desired(&self) -> Map<String, Value> {
        let mut all = self.properties.clone();
        all.extend(self.fixed.iter().map(|(key, value)| (key.clone(), value.clone())));
        if let Some(of) = self.of() {
            types::add_tags(&of, &mut all, &self.tags);
        }
        all
    }

    /// The type, where it is known.
    fn of(&self) -> Option<Arc<Type>> {
        types::known(&self.type_name, self.unchecked).ok().flatten()
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
            return Err(uncertain(OpError::local(operation, "the response has no request")));
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
            Err(not_updatable(error))
        }
        _ => Ok(None),
    }
}

/// Says what to do about a property that cannot be changed: the table of types did not know it.
fn not_updatable(error: OpError) -> OpError {
    if !error.code.as_deref().is_some_and(|code| code.starts_with("NotUpdatable")) {
        return error;
    }
    let advice =
        "A property that changed can be set only when the resource is created. To replace the resource, give it \
                  another name in the file, or, in a plugin of your own, list the property in create-only."
            .to_owned();
    OpError { advice: Some(advice), ..error }
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

fn known(id: &str, spec: &Spec, properties: Option<&Map<String, Value>>) -> Outputs {
    let text = properties.map_or_else(|| "{}".to_owned(), |all| Value::Object(all.clone()).to_string());
    let mut outputs = crate::aws::outputs([("identifier", id), ("properties", text.as_str())]);
    if let (Some(of), Some(properties)) = (spec.of(), properties) {
        outputs.extend(types::attributes(&of, properties));
    }
    outputs
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

/// A top-level property as a JSON pointer.
fn pointer(key: &str) -> String {
    format!("/{}", escaped(key))
}

/// The changes that lead from one object to the other, as a JSON Patch of its top level.
fn patch(from: &Map<String, Value>, to: &Map<String, Value>) -> Vec<Value> {
    let gone = from.keys().filter(|key| !to.contains_key(*key));
    let gone = gone.map(|key| json!({ "op": "remove", "path": pointer(key) }));
    let new = to.iter().filter(|(key, value)| from.get(*key) != Some(value));
    // Adding a member that is there replaces it.
    gone.chain(new.map(|(key, value)| json!({ "op": "add", "path": pointer(key), "value": value }))).collect()
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
    const ASIDE: &'static [&'static str] = &["create_only", "wait_minutes", "unchecked"];
    const IDENTITIES: &'static [&'static str] = &["identifier"];
    const VOLATILE: &'static [&'static str] = &["properties"];
    const BY_NAME: &'static [&'static str] = &["properties"];
    const SECRETS: &'static [&'static str] = &["/properties"];

    /// Each type has attributes of its own; those with such names say which resource it is.
    fn is_identity(&self, output: &str) -> bool {
        output == "identifier"
            || ["Arn", "Id", "Name", "Url", "Uri", "Endpoint"].iter().any(|end| output.ends_with(end))
    }

    fn is_volatile(&self, output: &str) -> bool {
        output != "attribute_names" && !self.is_identity(output)
    }

    /// Where the type is not known, always: which property is its name is not known either, so the old one goes first.
    fn clashes(&self, old: &Spec, new: &Spec) -> bool {
        match new.of().filter(|_| old.type_name == new.type_name) {
            Some(of) => types::clash(&of, &old.properties, &new.properties),
            None => old.type_name == new.type_name,
        }
    }

    fn replacing(&self, old: &Spec, new: &Spec) -> Vec<String> {
        let Some(of) = new.of().filter(|_| old.type_name == new.type_name) else { return Vec::new() };
        let [old, new] = [old, new].map(|spec| types::in_order(&of, &spec.properties));
        of.replaces(&old, &new).into_iter().map(|pointer| format!("/properties{pointer}")).collect()
    }

    fn may_replace(&self, old: &Spec, new: &Spec) -> Vec<String> {
        let Some(of) = new.of().filter(|_| old.type_name == new.type_name) else { return Vec::new() };
        let [old, new] = [old, new].map(|spec| types::in_order(&of, &spec.properties));
        of.may_replace(&old, &new).into_iter().map(|pointer| format!("/properties{pointer}")).collect()
    }

    fn comparable(&self, spec: &Spec) -> Value {
        let mut value = serde_json::to_value(spec).unwrap_or_default();
        if let Some(of) = spec.of() {
            value["properties"] = types::in_order(&of, &spec.properties);
        }
        value
    }

    fn foreknown(&self, spec: &Spec) -> Outputs {
        let names = spec.of().map_or_else(|| Value::from("[]"), |of| types::attribute_names(&of));
        Outputs::from_iter([("attribute_names".to_owned(), names)])
    }

    fn id_of(&self, spec: &Spec) -> Option<String> {
        types::identifier(&*spec.of()?, &spec.properties)
    }

    fn complete(&self, spec: &mut Spec, context: &DeclareContext<'_>) -> Result<(), String> {
        let of = types::known(&spec.type_name, spec.unchecked).map_err(|(what, help)| format!("{what} {help}"))?;
        let Some(of) = of else {
            if let Some((place, name)) = secret::places(&Value::Object(spec.properties.clone())).pop() {
                return Err(format!("the secret '{name}' is not allowed at {place}: AWS may show that property"));
            }
            for key in &spec.create_only {
                if let Some(value) = spec.properties.remove(key) {
                    spec.fixed.insert(key.clone(), value);
                }
            }
            return Ok(());
        };
        let problems = types::problems(&of, &spec.properties);
        if !problems.is_empty() {
            return Err(types::words(&of, &problems));
        }
        spec.tags = types::own_tags(&of, &spec.properties, context.tags);
        Ok(())
    }

    fn permissions(&self, spec: &Spec, _: &Scope<'_>) -> Vec<Permission> {
        let mut all = vec![Permission::new(Self::ACTIONS, ["*".to_owned()])];
        all.extend(types::handlers_permissions(&spec.type_name, spec.of().as_deref()));
        all
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
            ("identifier", _) => {
                let of = spec.of()?;
                let part = |name: &&str| match spec.properties.get(*name) {
                    Some(stated) => stated.as_str().map(str::to_owned),
                    None => of.sample_attribute(name)?.as_str().map(str::to_owned),
                };
                let parts = of.primary_identifier().iter().map(part).collect::<Option<Vec<String>>>()?;
                Some(parts.join("|").into())
            }
            ("properties", _) => None,
            // What is stated is no secret of AWS.
            (attribute, _) if spec.properties.get(attribute).is_some_and(Value::is_string) => {
                spec.properties.get(attribute).cloned()
            }
            (attribute, _) => {
                let sample = spec.of()?.sample_attribute(attribute)?;
                Some(sample.as_str().map_or_else(|| sample.to_string(), str::to_owned).into())
            }
        }
    }

    async fn create(&self, spec: &Spec, intent: &Intent, progress: &dyn Progress) -> Result<Created, OpError> {
        let operation = "cloudformation:CreateResource";
        let request = self.0.cloud_control().await.create_resource().type_name(&spec.type_name);
        let mut desired = Value::Object(spec.desired());
        reveal(&self.0, &mut desired).await?;
        let request = request.desired_state(desired.to_string()).client_token(&intent.token);
        let answer = request.send().await.operation(operation)?;
        let id = self.done(answer.progress_event, spec.wait_minutes, progress).await?;
        let id = id.ok_or_else(|| uncertain(OpError::local(operation, "the response has no identifier")))?;
        Ok(Created { outputs: known(&id, spec, None), id })
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
            let (of, before, mut wanted) = (spec.of(), was.desired(), spec.desired());
            if let Some(of) = &of {
                let own = wanted.clone();
                types::keep_others(of, &mut wanted, &there, &[&before, &own]);
            }
            let is_ours = |key: &str| before.contains_key(key) || wanted.contains_key(key);
            let ours: Map<String, Value> = there.into_iter().filter(|(key, _)| is_ours(key)).collect();
            let mut changes = patch(&ours, &wanted);
            if !changes.is_empty() {
                // What AWS does not show, it has lost when it applies the patch to what it shows.
                if let Some(of) = &of {
                    let again = types::sent_again(of, &wanted).filter(|key| ours.contains_key(*key));
                    changes.extend(again.map(|key| json!({ "op": "add", "path": pointer(key), "value": wanted[key] })));
                }
                let mut changes = Value::from(changes);
                reveal(&self.0, &mut changes).await?;
                let request = self.0.cloud_control().await.update_resource().type_name(&spec.type_name).identifier(id);
                let answer = request.patch_document(changes.to_string()).send().await;
                let answer = answer.operation("cloudformation:UpdateResource").map_err(not_updatable)?;
                self.done(answer.progress_event, spec.wait_minutes, progress).await?;
            }
        }
        Ok(known(id, spec, self.look(&spec.type_name, id).await?.as_ref()))
    }

    async fn read(&self, id: &str, spec: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
        let Some(mut there) = self.look(&spec.type_name, id).await? else { return Ok(None) };
        let outputs = known(id, spec, Some(&there));
        let mut seen = spec.clone();
        let of = spec.of();
        if let Some(of) = &of {
            seen.tags = types::own_tags(of, &spec.properties, &types::tags(of, &there));
            types::leave_others(of, &mut there, &[&spec.properties]);
        }
        seen.properties = spec
            .properties
            .iter()
            // What a type takes and never tells, such as a password, counts as it was stated.
            .map(|(key, value)| (key.clone(), projected(value, there.get(key)).unwrap_or_else(|| value.clone())))
            .map(|(key, value)| match of.as_ref().zip(spec.properties.get(&key)) {
                Some((of, stated)) if of.same_at(&pointer(&key), stated, &value) => (key, stated.clone()),
                _ => (key, value),
            })
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
