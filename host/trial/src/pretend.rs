//! Kinds of resources whose plans are real and whose calls are not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use llmhost_engine::byproduct::Foreseen;
use llmhost_engine::kind::{
    self, ChangeKind, Created, DeclareContext, ErrorClass, Facts, Intent, Marks, Neighbours, Observed, OpError,
    Outputs, Permission, Progress, Sampled, Scope,
};
use llmhost_engine::names::ResourceAddress;
use llmhost_engine::plan::Comparison;
use llmhost_engine::plugin::FailureCode;
use llmhost_engine::registry::{DynKind, Registry};
use llmhost_engine::world::World;
use serde_json::Value;

use crate::case::{Case, Refusal};
use crate::given::GivenKind;
use crate::watch::Watch;

/// The account of a case.
pub(crate) const ACCOUNT: &str = "123456789012";

/// Who answers the calls of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// Nobody: answers are made up.
    Pretended,
    /// Whatever the kinds of resources talk to, such as an emulator.
    Real,
}

/// The kinds that a case runs with.
pub(crate) fn registry(kinds: &Registry, case: &Arc<Case>, watch: &Arc<Watch>, provider: Provider) -> Registry {
    let facts = PretendedFacts { real: Arc::clone(kinds.facts()), case: Arc::clone(case), provider };
    kinds.kinds().fold(Registry::new(Arc::new(facts)).with(GivenKind), |registry, real| {
        let (real, case, watch) = (Arc::clone(real), Arc::clone(case), Arc::clone(watch));
        registry.with_dyn(Arc::new(Pretended { real, case, watch, provider }))
    })
}

struct PretendedFacts {
    real: Arc<dyn Facts>,
    case: Arc<Case>,
    provider: Provider,
}

impl PretendedFacts {
    fn scope(&self) -> Scope<'_> {
        Scope { pipeline: "test", region: &self.case.content.region, account: ACCOUNT }
    }
}

#[async_trait]
impl Facts for PretendedFacts {
    async fn look_up(&self, key: &str) -> Result<String, OpError> {
        self.look_up_beside(key, &BTreeSet::new()).await
    }

    async fn look_up_beside(&self, key: &str, others: &BTreeSet<String>) -> Result<String, OpError> {
        if let Some(stated) = self.case.content.facts.get(key) {
            return Ok(stated.clone());
        }
        if self.provider == Provider::Real {
            return self.real.look_up_beside(key, others).await;
        }
        let sampled = Sampled { unique: &kind::unique(key), scope: self.scope() };
        self.real.sample(key, &sampled).ok_or_else(|| {
            let mut error = OpError::local("look up", format!("the case does not set the fact '{key}'"));
            error.advice = Some(format!("Set it in the case: [facts], \"{key}\" = \"…\"."));
            error
        })
    }

    async fn world(&self) -> World {
        match self.provider {
            Provider::Real => self.real.world().await,
            Provider::Pretended => World { account: Some(ACCOUNT.to_owned()), ..self.real.world().await },
        }
    }

    fn sample(&self, key: &str, sampled: &Sampled<'_>) -> Option<String> {
        self.case.content.facts.get(key).cloned().or_else(|| self.real.sample(key, sampled))
    }
}

struct Pretended {
    real: Arc<dyn DynKind>,
    case: Arc<Case>,
    watch: Arc<Watch>,
    provider: Provider,
}

impl Pretended {
    fn refusal(&self, address: &ResourceAddress) -> Option<&Refusal> {
        self.case.content.fail.get(&short(address))
    }

    /// What the provider would answer: what the case states, what the spec tells, and otherwise something of the
    /// right form.
    fn answer(&self, spec: &Value, address: &ResourceAddress) -> Created {
        let scope = Scope { pipeline: "test", region: &self.case.content.region, account: ACCOUNT };
        let unique = kind::unique(&short(address));
        let sampled = Sampled { unique: &unique, scope };
        let sample = |output: &str| self.real.sample(output, spec, &sampled);
        let mut outputs = self.real.foreknown(spec);
        outputs.extend(self.real.predicted(spec, &scope));
        for output in self.watch.asked_of(address) {
            let made_up = || sample(&output).unwrap_or_else(|| Value::String(format!("{output}-{unique}")));
            let value = outputs.get(&output).cloned().unwrap_or_else(made_up);
            outputs.insert(output, value);
        }
        outputs.extend(self.case.content.outputs.get(&short(address)).cloned().unwrap_or_default());
        let id = self.real.id_of(spec).or_else(|| sample("id")?.as_str().map(str::to_owned));
        Created { id: id.unwrap_or_else(|| format!("{}-{unique}", address.name())), outputs }
    }
}

/// `kind/name`, as a case names a resource.
pub(crate) fn short(address: &ResourceAddress) -> String {
    format!("{}/{}", address.kind(), address.name())
}

fn refused(refusal: &Refusal, address: &ResourceAddress) -> OpError {
    let code = refusal.code;
    let message = refusal.message.clone().unwrap_or_else(|| format!("the case lets it fail: {}", code.name()));
    OpError {
        operation: format!("create {}", short(address)),
        code: None,
        message,
        request_id: None,
        class: class(code),
        advice: None,
    }
}

/// The sort of error of a call that a plugin sees as this code.
fn class(code: FailureCode) -> ErrorClass {
    match code {
        FailureCode::Invalid => ErrorClass::Invalid,
        FailureCode::Denied => ErrorClass::Denied,
        FailureCode::Exists => ErrorClass::Conflict,
        FailureCode::NotFound => ErrorClass::NotFound,
        FailureCode::Quota => ErrorClass::Quota,
        FailureCode::Capacity => ErrorClass::Capacity,
        FailureCode::Throttled => ErrorClass::Throttled,
        FailureCode::Unavailable => ErrorClass::Service,
        FailureCode::Interrupted => ErrorClass::Interrupted,
        FailureCode::Refused | FailureCode::Failed => ErrorClass::Local,
    }
}

#[async_trait]
impl DynKind for Pretended {
    fn name(&self) -> &'static str {
        self.real.name()
    }

    fn actions(&self) -> &'static [&'static str] {
        self.real.actions()
    }

    fn fields(&self) -> Option<&'static [&'static str]> {
        self.real.fields()
    }

    fn immutable(&self) -> &'static [&'static str] {
        self.real.immutable()
    }

    fn unique(&self, spec: &Value) -> Option<Value> {
        self.real.unique(spec)
    }

    fn unique_fields(&self) -> &'static [&'static str] {
        self.real.unique_fields()
    }

    fn by_range(&self) -> bool {
        self.real.by_range()
    }

    fn by_name(&self) -> &'static [&'static str] {
        self.real.by_name()
    }

    fn loose(&self) -> &'static [&'static str] {
        self.real.loose()
    }

    fn clashes(&self, old: &Value, new: &Value) -> bool {
        self.real.clashes(old, new)
    }

    fn without(&self, spec: &Value, identities: &[String]) -> Option<Value> {
        self.real.without(spec, identities)
    }

    fn is_identity(&self, output: &str) -> bool {
        self.real.is_identity(output)
    }

    fn is_volatile(&self, output: &str) -> bool {
        self.real.is_volatile(output)
    }

    fn derived(&self) -> &'static [&'static str] {
        self.real.derived()
    }

    fn permissions(&self, spec: &Value, scope: &Scope<'_>) -> Vec<Permission> {
        self.real.permissions(spec, scope)
    }

    fn secrets(&self) -> &'static [&'static str] {
        self.real.secrets()
    }

    fn complete(&self, raw: Value, context: &DeclareContext<'_>) -> Result<Value, String> {
        self.real.complete(raw, context)
    }

    fn follow(&self, spec: Value, declared: &dyn Neighbours) -> Result<Value, String> {
        self.real.follow(spec, declared)
    }

    fn check_change(&self, old: &Value, new: &Value) -> Result<(), String> {
        self.real.check_change(old, new)
    }

    fn check(&self, address: &ResourceAddress, spec: &Value, declared: &dyn Neighbours) -> Result<(), String> {
        self.real.check(address, spec, declared)
    }

    fn after(&self, spec: &Value, declared: &dyn Neighbours) -> Vec<ResourceAddress> {
        self.real.after(spec, declared)
    }

    fn foreknown(&self, spec: &Value) -> Outputs {
        self.real.foreknown(spec)
    }

    fn predicted(&self, spec: &Value, scope: &Scope<'_>) -> Outputs {
        self.real.predicted(spec, scope)
    }

    fn sample(&self, output: &str, spec: &Value, sampled: &Sampled<'_>) -> Option<Value> {
        self.real.sample(output, spec, sampled)
    }

    fn compare(&self, old: &Value, new: &Value) -> Comparison {
        self.real.compare(old, new)
    }

    fn interrupts(&self, old: &Value, new: &Value, how: ChangeKind) -> Option<String> {
        self.real.interrupts(old, new, how)
    }

    async fn create(&self, spec: &Value, intent: &Intent, progress: &dyn Progress) -> Result<Created, OpError> {
        match (self.refusal(&intent.address), self.provider) {
            (Some(refusal), _) => Err(refused(refusal, &intent.address)),
            (None, Provider::Real) => self.real.create(spec, intent, progress).await,
            (None, Provider::Pretended) => Ok(self.answer(spec, &intent.address)),
        }
    }

    async fn configure(
        &self,
        id: &str,
        spec: &Value,
        was: Option<&Value>,
        progress: &dyn Progress,
    ) -> Result<Outputs, OpError> {
        match self.provider {
            Provider::Real => self.real.configure(id, spec, was, progress).await,
            Provider::Pretended => Ok(Outputs::new()),
        }
    }

    async fn read(&self, id: &str, spec: &Value) -> Result<Option<Observed<Value>>, OpError> {
        match self.provider {
            Provider::Real => self.real.read(id, spec).await,
            Provider::Pretended => Ok(None),
        }
    }

    async fn find(&self, spec: &Value, intent: &Intent) -> Result<Option<Created>, OpError> {
        match self.provider {
            Provider::Real => self.real.find(spec, intent).await,
            Provider::Pretended => Ok(None),
        }
    }

    async fn by_tags(&self, tags: &BTreeMap<String, String>) -> Result<Option<Vec<String>>, OpError> {
        match self.provider {
            Provider::Real => self.real.by_tags(tags).await,
            Provider::Pretended => Ok(None),
        }
    }

    fn id_of(&self, spec: &Value) -> Option<String> {
        self.real.id_of(spec)
    }

    async fn by_place(&self, spec: &Value) -> Result<Option<Vec<String>>, OpError> {
        match self.provider {
            Provider::Real => self.real.by_place(spec).await,
            Provider::Pretended => Ok(None),
        }
    }

    fn blank(&self, name: &str) -> Option<Value> {
        self.real.blank(name)
    }

    async fn attributes(&self, id: &str) -> Result<Option<Outputs>, OpError> {
        match self.provider {
            Provider::Real => self.real.attributes(id).await,
            Provider::Pretended => Ok(None),
        }
    }

    async fn called(&self, name: &str) -> Result<Option<Vec<String>>, OpError> {
        match self.provider {
            Provider::Real => self.real.called(name).await,
            Provider::Pretended => Ok(None),
        }
    }

    fn marks(&self, spec: &Value) -> Option<Marks> {
        self.real.marks(spec)
    }

    fn makes(&self) -> bool {
        self.provider == Provider::Real && self.real.makes()
    }

    fn repeats(&self) -> bool {
        self.real.repeats()
    }

    async fn foresee(&self, id: &str, spec: &Value, going: &dyn Neighbours) -> Result<Foreseen, OpError> {
        match self.provider {
            Provider::Real => self.real.foresee(id, spec, going).await,
            Provider::Pretended => Ok(Foreseen::default()),
        }
    }

    async fn release(&self, id: &str, spec: &Value, progress: &dyn Progress) {
        if self.provider == Provider::Real {
            self.real.release(id, spec, progress).await;
        }
    }

    async fn delete(&self, id: &str, spec: &Value, progress: &dyn Progress) -> Result<(), OpError> {
        match self.provider {
            Provider::Real => self.real.delete(id, spec, progress).await,
            Provider::Pretended => Ok(()),
        }
    }
}
