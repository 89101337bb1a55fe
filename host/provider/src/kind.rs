//! A kind of resource that a provider brings, as the engine knows kinds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use llmhost_engine::byproduct::Foreseen;
use llmhost_engine::kind::{
    ChangeKind, Created, DeclareContext, ErrorClass, Intent, Marks, Neighbours, Observed, OpError, Outputs, Permission,
    Progress, Sampled, Scope,
};
use llmhost_engine::names::{ResourceAddress, StepName};
use llmhost_engine::pipeline::ConfigSchema;
use llmhost_engine::plan::{Comparison, compare};
use llmhost_engine::plugin::LogLevel;
use llmhost_engine::registry::DynKind;
use llmhost_engine::secret::masked_value;
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use crate::call::{Fault, Operation};
use crate::describe::{CheckedKind, ID};
use crate::keep;
use crate::provider::{Call, Log, Made, Provider};

pub use crate::call::Pace;

/// A kind that a provider brings.
pub struct ProviderKind {
    provider: Arc<dyn Provider>,
    config: Arc<Value>,
    /// `dns`
    of: StepName,
    /// `dns.record`
    name: &'static str,
    /// `record`
    kind: String,
    schema: Arc<ConfigSchema>,
    fields: Option<&'static [&'static str]>,
    immutable: &'static [&'static str],
    unique: &'static [&'static str],
    identities: &'static [&'static str],
    volatile: &'static [&'static str],
    sensitive: &'static [&'static str],
    secrets: &'static [&'static str],
    outputs: BTreeSet<String>,
    /// What its calls of AWS need IAM to allow.
    calls: &'static [&'static str],
    pace: Pace,
}

/// The calls of one operation.
struct Work<'a> {
    kind: &'a ProviderKind,
    /// `dns.record:create`
    name: String,
    log: Log,
}

/// What a provider writes.
struct Heard(mpsc::UnboundedReceiver<(LogLevel, String)>);

impl Heard {
    /// Makes calls, and passes on what the provider writes meanwhile.
    async fn during<T>(mut self, progress: Option<&dyn Progress>, calls: impl Future<Output = T>) -> T {
        let pass_on = |(level, message): (LogLevel, String)| match (level, progress) {
            (LogLevel::Info, Some(progress)) => progress.report(&message, 0, 0),
            (LogLevel::Warn, Some(progress)) => progress.note(&message),
            _ => tracing::debug!("a provider: {message}"),
        };
        let mut calls = std::pin::pin!(calls);
        let done = loop {
            tokio::select! {
                biased;
                Some(line) = self.0.recv() => pass_on(line),
                done = &mut calls => break done,
            }
        };
        while let Ok(line) = self.0.try_recv() {
            pass_on(line);
        }
        done
    }
}

impl ProviderKind {
    /// A kind of the provider that the file calls `of`. `config` is its `with` table, checked.
    pub fn new(of: &StepName, provider: &Arc<dyn Provider>, config: &Arc<Value>, checked: CheckedKind) -> Self {
        let CheckedKind { doc, schema, secrets } = checked;
        let names = |is: fn(&crate::OutputDoc) -> bool| doc.outputs.iter().filter(move |output| is(output));
        let whole = schema.schema();
        let is_closed = whole.get("additionalProperties") == Some(&Value::Bool(false));
        let properties = whole.get("properties").and_then(Value::as_object).filter(|_| is_closed);
        Self {
            provider: Arc::clone(provider),
            config: Arc::clone(config),
            of: of.clone(),
            name: keep::text(&format!("{of}.{}", doc.name)),
            fields: properties.map(|properties| keep::list(properties.keys().map(String::as_str))),
            immutable: keep::list(doc.immutable.iter().map(String::as_str)),
            unique: keep::list(doc.unique.iter().map(String::as_str)),
            identities: keep::list([ID].into_iter().chain(names(|output| output.identity).map(|o| o.name.as_str()))),
            // What an update leaves as it is, nobody knows but of those.
            volatile: keep::list(names(|output| !output.identity).map(|output| output.name.as_str())),
            sensitive: keep::list(names(|output| output.sensitive).map(|output| output.name.as_str())),
            secrets: keep::list(secrets.iter().map(String::as_str)),
            outputs: doc.outputs.iter().map(|output| output.name.clone()).collect(),
            kind: doc.name,
            schema,
            calls: &[],
            pace: Pace::default(),
        }
    }

    /// With these actions of AWS, which its provider was granted.
    #[must_use]
    pub fn calling(self, actions: &[String]) -> Self {
        Self { calls: keep::list(actions.iter().map(String::as_str)), ..self }
    }

    /// The schema of its specs.
    pub(crate) fn schema(&self) -> &Arc<ConfigSchema> {
        &self.schema
    }

    /// The names of its outputs, without `id`.
    pub(crate) fn outputs(&self) -> &BTreeSet<String> {
        &self.outputs
    }

    /// With another pace of attempts.
    #[must_use]
    pub fn at_pace(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    /// Begins a piece of work, and says where what the provider writes meanwhile is heard.
    fn work(&self, verb: &str) -> (Work<'_>, Heard) {
        let (said, lines) = mpsc::unbounded_channel();
        let log: Log = Arc::new(move |level, message| _ = said.send((level, message.to_owned())));
        (Work { kind: self, name: format!("{}:{verb}", self.name), log }, Heard(lines))
    }

    /// A spec with the defaults of its schema, and every number in one form: languages that have one type of numbers write 1 as 1.0.
    fn filled(&self, spec: Value) -> Value {
        plain(self.schema.filled(&spec).unwrap_or(spec))
    }
}

impl Work<'_> {
    fn call(&self) -> Call<'_> {
        Call { config: &self.kind.config, kind: &self.kind.kind, log: &self.log }
    }

    fn operation(&self) -> Operation<'_> {
        Operation { provider: self.kind.of.as_str(), name: &self.name }
    }

    fn outputs(&self, id: &str, text: &str) -> Result<Outputs, Fault> {
        self.operation().outputs(id, text, &self.kind.outputs, self.kind.sensitive)
    }

    fn made(&self, made: Made) -> Result<Created, Fault> {
        let id = self.operation().id(made.id)?;
        Ok(Created { outputs: self.outputs(&id, &made.outputs)?, id })
    }

    async fn try_create(&self, spec: &Value, token: &str) -> Result<Created, Fault> {
        let made = self.kind.provider.create(self.call(), spec, token).await;
        self.made(made.map_err(|error| self.operation().fault(error))?)
    }

    async fn try_find(&self, spec: &Value, token: &str) -> Result<Option<Created>, Fault> {
        let found = self.kind.provider.find(self.call(), spec, token).await;
        found.map_err(|error| self.operation().fault(error))?.map(|made| self.made(made)).transpose()
    }

    /// Makes a resource once, whatever happens to answers: after a failure that leaves open whether it was made, it is
    /// looked for first.
    async fn create(&self, spec: &Value, token: &str) -> Result<Created, OpError> {
        let (mut attempt, mut open) = (1, false);
        loop {
            let fault = match self.try_create(spec, token).await {
                Ok(created) => return Ok(created),
                Err(fault) => fault,
            };
            open |= fault.is_open();
            if open && fault.error.class != ErrorClass::Interrupted {
                match self.try_find(spec, token).await {
                    Ok(Some(found)) if fault.passes || fault.error.class == ErrorClass::Conflict => return Ok(found),
                    // The call may have made it, and what it said of it cannot be used: that is told.
                    Ok(_) => {}
                    Err(_) => return Err(left_open(fault.error)),
                }
            }
            if !fault.passes || attempt >= self.kind.pace.attempts {
                return Err(if open { left_open(fault.error) } else { fault.error });
            }
            self.operation().wait(&fault, attempt, self.kind.pace).await?;
            attempt += 1;
        }
    }

    async fn read(&self, id: &str, spec: &Value) -> Result<Option<Observed<Value>>, Fault> {
        let seen = match self.kind.provider.read(self.call(), id, spec).await {
            Ok(seen) => seen,
            Err(error) => {
                let fault = self.operation().fault(error);
                return if fault.error.class == ErrorClass::NotFound { Ok(None) } else { Err(fault) };
            }
        };
        let Some(seen) = seen else { return Ok(None) };
        if seen.id != id {
            let (asked, given) = (crate::describe::shown(id), crate::describe::shown(&seen.id));
            return Err(self.operation().nonsense(&format!("the resource '{given}', and was asked for '{asked}'")));
        }
        let there = Value::Object(self.operation().object("a spec", &seen.spec)?);
        let there = self.kind.filled(there);
        if let Some(problem) = self.kind.schema.check_spec("the spec", &there).into_iter().next() {
            let what = format!("a spec that does not match its own schema of {}: {problem}", self.kind.name);
            return Err(self.operation().nonsense(&what));
        }
        Ok(Some(Observed { spec: masked_value(there), outputs: self.outputs(id, &seen.outputs)? }))
    }

    async fn update(&self, id: &str, old: &Value, new: &Value) -> Result<Outputs, Fault> {
        let outputs = self.kind.provider.update(self.call(), id, old, new).await;
        self.outputs(id, &outputs.map_err(|error| self.operation().fault(error))?)
    }

    async fn delete(&self, id: &str, spec: &Value) -> Result<(), Fault> {
        let deleted = self.kind.provider.delete(self.call(), id, spec).await;
        match deleted.map_err(|error| self.operation().fault(error)) {
            Err(fault) if fault.error.class == ErrorClass::NotFound => Ok(()),
            other => other,
        }
    }
}

/// The value with whole numbers for those that are.
fn plain(value: Value) -> Value {
    /// Up to here every whole number has a form of its own as f64.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < EXACT => Value::from(float as i64),
            _ => Value::Number(number),
        },
        Value::Array(items) => items.into_iter().map(plain).collect(),
        Value::Object(fields) => fields.into_iter().map(|(key, field)| (key, plain(field))).collect(),
        other => other,
    }
}

/// The error as one that leaves open whether the resource was made, so that the next run looks for it.
fn left_open(error: OpError) -> OpError {
    const LOOKS: &str = "the next run looks for it";
    let advice = match error.advice() {
        told if told.contains(LOOKS) => told.to_owned(),
        told => format!("{}. The resource may exist: {LOOKS}.", told.trim_end_matches('.')),
    };
    let class = match error.class {
        open @ (ErrorClass::Service | ErrorClass::Unreachable | ErrorClass::Interrupted) => open,
        _ => ErrorClass::Service,
    };
    OpError { class, advice: Some(advice), ..error }
}

#[async_trait]
impl DynKind for ProviderKind {
    fn name(&self) -> &'static str {
        self.name
    }

    fn actions(&self) -> &'static [&'static str] {
        self.calls
    }

    fn fields(&self) -> Option<&'static [&'static str]> {
        self.fields
    }

    fn immutable(&self) -> &'static [&'static str] {
        self.immutable
    }

    fn unique(&self, spec: &Value) -> Option<Value> {
        let values = self.unique.iter().map(|field| spec.get(field).cloned().unwrap_or_default());
        (!self.unique.is_empty()).then(|| values.collect())
    }

    fn unique_fields(&self) -> &'static [&'static str] {
        self.unique
    }

    fn by_range(&self) -> bool {
        false
    }

    fn by_name(&self) -> &'static [&'static str] {
        &[]
    }

    fn loose(&self) -> &'static [&'static str] {
        &[]
    }

    fn clashes(&self, old: &Value, new: &Value) -> bool {
        self.unique(old).is_some_and(|old| self.unique(new) == Some(old))
    }

    fn without(&self, _: &Value, _: &[String]) -> Option<Value> {
        None
    }

    fn is_identity(&self, output: &str) -> bool {
        self.identities.contains(&output)
    }

    fn is_volatile(&self, output: &str) -> bool {
        self.volatile.contains(&output)
    }

    fn derived(&self) -> &'static [&'static str] {
        &[]
    }

    fn sensitive(&self) -> &'static [&'static str] {
        self.sensitive
    }

    fn permissions(&self, _: &Value, _: &Scope<'_>) -> Vec<Permission> {
        let all = ["*".to_owned()];
        self.calls.iter().map(|action| Permission::new(&[*action], all.clone())).collect()
    }

    fn secrets(&self) -> &'static [&'static str] {
        self.secrets
    }

    fn complete(&self, raw: Value, _: &DeclareContext<'_>) -> Result<Value, String> {
        if !raw.is_object() {
            return Err("its spec is not a JSON object".to_owned());
        }
        let spec = self.filled(raw);
        match &self.schema.check_spec("the spec", &spec)[..] {
            [] => Ok(spec),
            problems => Err(problems.join("; ")),
        }
    }

    fn follow(&self, spec: Value, _: &dyn Neighbours) -> Result<Value, String> {
        Ok(spec)
    }

    fn check_change(&self, _: &Value, _: &Value) -> Result<(), String> {
        Ok(())
    }

    fn check(&self, _: &ResourceAddress, _: &Value, _: &dyn Neighbours) -> Result<(), String> {
        Ok(())
    }

    fn after(&self, _: &Value, _: &dyn Neighbours) -> Vec<ResourceAddress> {
        Vec::new()
    }

    fn foreknown(&self, _: &Value) -> Outputs {
        Map::new()
    }

    fn predicted(&self, _: &Value, _: &Scope<'_>) -> Outputs {
        Map::new()
    }

    fn sample(&self, _: &str, _: &Value, _: &Sampled<'_>) -> Option<Value> {
        None
    }

    fn compare(&self, old: &Value, new: &Value) -> Comparison {
        if old == new { Comparison::default() } else { compare(old, new, self.immutable) }
    }

    fn interrupts(&self, _: &Value, _: &Value, _: ChangeKind) -> Option<String> {
        None
    }

    async fn create(&self, spec: &Value, intent: &Intent, progress: &dyn Progress) -> Result<Created, OpError> {
        let (work, heard) = self.work("create");
        heard.during(Some(progress), work.create(spec, &intent.token)).await
    }

    async fn configure(
        &self,
        id: &str,
        spec: &Value,
        was: Option<&Value>,
        progress: &dyn Progress,
    ) -> Result<Outputs, OpError> {
        // What was just created is as its spec says.
        let Some(was) = was else { return Ok(Outputs::new()) };
        let (work, heard) = self.work("update");
        let update = work.operation().repeat(self.pace, || work.update(id, was, spec).boxed());
        heard.during(Some(progress), update).await
    }

    async fn read(&self, id: &str, spec: &Value) -> Result<Option<Observed<Value>>, OpError> {
        let (work, heard) = self.work("read");
        heard.during(None, work.operation().repeat(self.pace, || work.read(id, spec).boxed())).await
    }

    async fn find(&self, spec: &Value, intent: &Intent) -> Result<Option<Created>, OpError> {
        let (work, heard) = self.work("find");
        heard.during(None, work.operation().repeat(self.pace, || work.try_find(spec, &intent.token).boxed())).await
    }

    async fn by_tags(&self, _: &BTreeMap<String, String>) -> Result<Option<Vec<String>>, OpError> {
        Ok(None)
    }

    fn id_of(&self, _: &Value) -> Option<String> {
        None
    }

    async fn by_place(&self, _: &Value) -> Result<Option<Vec<String>>, OpError> {
        Ok(None)
    }

    fn blank(&self, _: &str) -> Option<Value> {
        None
    }

    async fn attributes(&self, _: &str) -> Result<Option<Outputs>, OpError> {
        Ok(None)
    }

    async fn called(&self, _: &str) -> Result<Option<Vec<String>>, OpError> {
        Ok(None)
    }

    fn marks(&self, _: &Value) -> Option<Marks> {
        None
    }

    fn makes(&self) -> bool {
        false
    }

    fn repeats(&self) -> bool {
        false
    }

    async fn foresee(&self, _: &str, _: &Value, _: &dyn Neighbours) -> Result<Foreseen, OpError> {
        Ok(Foreseen::default())
    }

    async fn release(&self, _: &str, _: &Value, _: &dyn Progress) {}

    async fn delete(&self, id: &str, spec: &Value, progress: &dyn Progress) -> Result<(), OpError> {
        let (work, heard) = self.work("delete");
        heard.during(Some(progress), work.operation().repeat(self.pace, || work.delete(id, spec).boxed())).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::plain;

    #[test]
    fn a_number_has_one_form() {
        assert_eq!(plain(json!({ "a": [1.0, 1.5, -2.0, 1e300], "b": 7 })), json!({ "a": [1, 1.5, -2, 1e300], "b": 7 }));
    }
}
