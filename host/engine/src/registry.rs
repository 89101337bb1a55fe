//! The kinds of resources that a host can make, behind one object-safe face.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde::Serialize;
use serde_json::Value;

use crate::byproduct::Foreseen;
use crate::config_check::ConfigCheck;
use crate::kind::fields_of;
use crate::kind::{
    ChangeKind, Created, DeclareContext, Facts, Intent, Kind, Marks, Neighbours, Observed, OpError, Outputs,
    Permission, Progress, Sampled, Scope,
};
use crate::names::{ResourceAddress, StepName};
use crate::placement::{self, Placement};
use crate::plan::{Comparison, compare};
use crate::secret::{hide_output, masked_error, masked_outputs, masked_value};
use crate::state::State;

/// A [`Kind`] whose spec is JSON. Every `Kind` is one. What comes back from a service is masked
/// ([`crate::secret`]): it may repeat what it was sent.
#[async_trait]
pub trait DynKind: Send + Sync {
    /// [`Kind::NAME`].
    fn name(&self) -> &'static str;
    /// [`Kind::ACTIONS`].
    fn actions(&self) -> &'static [&'static str];
    /// The top-level fields of its specs, stated or not; nothing where any can be.
    fn fields(&self) -> Option<&'static [&'static str]>;
    /// [`Kind::IMMUTABLE`].
    fn immutable(&self) -> &'static [&'static str];
    /// The values of the [`Kind::UNIQUE`] fields.
    fn unique(&self, spec: &Value) -> Option<Value>;
    /// [`Kind::UNIQUE`].
    fn unique_fields(&self) -> &'static [&'static str];
    /// [`Kind::BY_RANGE`].
    fn by_range(&self) -> bool;
    /// [`Kind::BY_NAME`].
    fn by_name(&self) -> &'static [&'static str];
    /// [`Kind::LOOSE`].
    fn loose(&self) -> &'static [&'static str];
    /// [`Kind::clashes`].
    fn clashes(&self, old: &Value, new: &Value) -> bool;
    /// [`Kind::without`].
    fn without(&self, spec: &Value, identities: &[String]) -> Option<Value>;
    /// [`Kind::is_identity`].
    fn is_identity(&self, output: &str) -> bool;
    /// [`Kind::is_volatile`].
    fn is_volatile(&self, output: &str) -> bool;
    /// See [`Kind::DERIVED`].
    fn derived(&self) -> &'static [&'static str];
    /// Outputs whose values are kept out of everything that is shown.
    fn sensitive(&self) -> &'static [&'static str] {
        &[]
    }
    /// [`Kind::permissions`].
    fn permissions(&self, spec: &Value, scope: &Scope<'_>) -> Vec<Permission>;
    /// [`Kind::SECRETS`].
    fn secrets(&self) -> &'static [&'static str];
    /// Reads what a plugin declared and gives its canonical form.
    fn complete(&self, raw: Value, context: &DeclareContext<'_>) -> Result<Value, String>;
    /// [`Kind::follow`].
    fn follow(&self, spec: Value, declared: &dyn Neighbours) -> Result<Value, String>;
    /// [`Kind::check_change`].
    fn check_change(&self, old: &Value, new: &Value) -> Result<(), String>;
    /// [`Kind::check`].
    fn check(&self, address: &ResourceAddress, spec: &Value, declared: &dyn Neighbours) -> Result<(), String>;
    /// [`Kind::after`].
    fn after(&self, spec: &Value, declared: &dyn Neighbours) -> Vec<ResourceAddress>;
    /// [`Kind::foreknown`].
    fn foreknown(&self, spec: &Value) -> Outputs;
    /// [`Kind::predicted`].
    fn predicted(&self, spec: &Value, scope: &Scope<'_>) -> Outputs;
    /// [`Kind::sample`].
    fn sample(&self, output: &str, spec: &Value, sampled: &Sampled<'_>) -> Option<Value>;
    /// Compares two canonical specs.
    fn compare(&self, old: &Value, new: &Value) -> Comparison;
    /// [`Kind::interrupts`].
    fn interrupts(&self, old: &Value, new: &Value, how: ChangeKind) -> Option<String>;
    /// [`Kind::create`].
    async fn create(&self, spec: &Value, intent: &Intent, progress: &dyn Progress) -> Result<Created, OpError>;
    /// [`Kind::configure`].
    async fn configure(
        &self,
        id: &str,
        spec: &Value,
        was: Option<&Value>,
        progress: &dyn Progress,
    ) -> Result<Outputs, OpError>;
    /// [`Kind::read`].
    async fn read(&self, id: &str, spec: &Value) -> Result<Option<Observed<Value>>, OpError>;
    /// [`Kind::find`].
    async fn find(&self, spec: &Value, intent: &Intent) -> Result<Option<Created>, OpError>;
    /// [`Kind::by_tags`].
    async fn by_tags(&self, tags: &BTreeMap<String, String>) -> Result<Option<Vec<String>>, OpError>;
    /// [`Kind::id_of`].
    fn id_of(&self, spec: &Value) -> Option<String>;
    /// [`Kind::by_place`].
    async fn by_place(&self, spec: &Value) -> Result<Option<Vec<String>>, OpError>;
    /// [`Kind::blank`].
    fn blank(&self, name: &str) -> Option<Value>;
    /// [`Kind::attributes`].
    async fn attributes(&self, id: &str) -> Result<Option<Outputs>, OpError>;
    /// [`Kind::called`].
    async fn called(&self, name: &str) -> Result<Option<Vec<String>>, OpError>;
    /// [`Kind::marks`].
    fn marks(&self, spec: &Value) -> Option<Marks>;
    /// [`Kind::MAKES`].
    fn makes(&self) -> bool;
    /// [`Kind::REPEATS`].
    fn repeats(&self) -> bool;
    /// [`Kind::foresee`].
    async fn foresee(&self, id: &str, spec: &Value, going: &dyn Neighbours) -> Result<Foreseen, OpError>;
    /// [`Kind::release`].
    async fn release(&self, id: &str, spec: &Value, progress: &dyn Progress);
    /// [`Kind::delete`].
    async fn delete(&self, id: &str, spec: &Value, progress: &dyn Progress) -> Result<(), OpError>;
}

#[async_trait]
impl<K: Kind> DynKind for K {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn actions(&self) -> &'static [&'static str] {
        K::ACTIONS
    }

    fn fields(&self) -> Option<&'static [&'static str]> {
        fields_of::<K::Spec>()
    }

    fn immutable(&self) -> &'static [&'static str] {
        K::IMMUTABLE
    }

    fn unique(&self, spec: &Value) -> Option<Value> {
        unique_of(spec, K::UNIQUE)
    }

    fn unique_fields(&self) -> &'static [&'static str] {
        K::UNIQUE
    }

    fn by_range(&self) -> bool {
        K::BY_RANGE
    }

    fn by_name(&self) -> &'static [&'static str] {
        K::BY_NAME
    }

    fn loose(&self) -> &'static [&'static str] {
        K::LOOSE
    }

    fn clashes(&self, old: &Value, new: &Value) -> bool {
        match (from_json::<K>(old), from_json::<K>(new)) {
            (Ok(old), Ok(new)) => Kind::clashes(self, &old, &new),
            // What cannot be read may be in the way.
            _ => true,
        }
    }

    fn without(&self, spec: &Value, identities: &[String]) -> Option<Value> {
        to_json(&Kind::without(self, &from_json::<K>(spec).ok()?, identities)?).ok()
    }

    fn is_identity(&self, output: &str) -> bool {
        Kind::is_identity(self, output)
    }

    fn is_volatile(&self, output: &str) -> bool {
        Kind::is_volatile(self, output)
    }

    fn derived(&self) -> &'static [&'static str] {
        K::DERIVED
    }

    fn secrets(&self) -> &'static [&'static str] {
        K::SECRETS
    }

    fn permissions(&self, spec: &Value, scope: &Scope<'_>) -> Vec<Permission> {
        match from_json::<K>(spec) {
            Ok(spec) => Kind::permissions(self, &spec, scope),
            Err(_) => vec![Permission::new(K::ACTIONS, ["*".to_owned()])],
        }
    }

    fn complete(&self, raw: Value, context: &DeclareContext<'_>) -> Result<Value, String> {
        let mut spec: K::Spec = serde_json::from_value(raw).map_err(|error| error.to_string())?;
        Kind::complete(self, &mut spec, context)?;
        to_json(&spec).map_err(|error| error.to_string())
    }

    fn follow(&self, spec: Value, declared: &dyn Neighbours) -> Result<Value, String> {
        if !K::FOLLOWS {
            return Ok(spec);
        }
        let mut spec: K::Spec = serde_json::from_value(spec).map_err(|error| error.to_string())?;
        Kind::follow(self, &mut spec, declared);
        to_json(&spec).map_err(|error| error.to_string())
    }

    fn check_change(&self, old: &Value, new: &Value) -> Result<(), String> {
        match (from_json::<K>(old), from_json::<K>(new)) {
            (Ok(old), Ok(new)) => Kind::check_change(self, &old, &new),
            // What cannot be read is said where it is used.
            _ => Ok(()),
        }
    }

    fn check(&self, address: &ResourceAddress, spec: &Value, declared: &dyn Neighbours) -> Result<(), String> {
        Kind::check(self, address, &from_json::<K>(spec).map_err(|error| error.message)?, declared)
    }

    fn after(&self, spec: &Value, declared: &dyn Neighbours) -> Vec<ResourceAddress> {
        from_json::<K>(spec).map(|spec| Kind::after(self, &spec, declared)).unwrap_or_default()
    }

    fn foreknown(&self, spec: &Value) -> Outputs {
        from_json::<K>(spec).map(|spec| Kind::foreknown(self, &spec)).unwrap_or_default()
    }

    fn predicted(&self, spec: &Value, scope: &Scope<'_>) -> Outputs {
        from_json::<K>(spec).map(|spec| Kind::predicted(self, &spec, scope)).unwrap_or_default()
    }

    fn sample(&self, output: &str, spec: &Value, sampled: &Sampled<'_>) -> Option<Value> {
        Kind::sample(self, output, &from_json::<K>(spec).ok()?, sampled)
    }

    fn compare(&self, old: &Value, new: &Value) -> Comparison {
        if old == new {
            return Comparison::default();
        }
        let read = [old, new].map(|spec| (spec, from_json::<K>(spec).ok()));
        let [old, new] = read.each_ref().map(|(spec, read)| match read {
            Some(read) => Kind::comparable(self, read),
            None => Value::clone(spec),
        });
        let mut compared = compare(&old, &new, K::IMMUTABLE);
        compared.fields.retain(|field| !K::ASIDE.contains(&field.path.as_str()));
        if let [(_, Some(old)), (_, Some(new))] = &read {
            compared.mark_replacing(&Kind::replacing(self, old, new));
        }
        compared
    }

    fn interrupts(&self, old: &Value, new: &Value, how: ChangeKind) -> Option<String> {
        // A spec of another version says nothing.
        let (old, new) = (from_json::<K>(old).ok()?, from_json::<K>(new).ok()?);
        Kind::interrupts(self, &old, &new, how)
    }

    async fn create(&self, spec: &Value, intent: &Intent, progress: &dyn Progress) -> Result<Created, OpError> {
        let created = Kind::create(self, &from_json::<K>(spec)?, intent, progress).await.map_err(masked_error)?;
        Ok(Created { outputs: masked_outputs(created.outputs), ..created })
    }

    async fn configure(
        &self,
        id: &str,
        spec: &Value,
        was: Option<&Value>,
        progress: &dyn Progress,
    ) -> Result<Outputs, OpError> {
        let was = was.map(from_json::<K>).transpose()?;
        let outputs = Kind::configure(self, id, &from_json::<K>(spec)?, was.as_ref(), progress).await;
        outputs.map(masked_outputs).map_err(masked_error)
    }

    async fn read(&self, id: &str, spec: &Value) -> Result<Option<Observed<Value>>, OpError> {
        let read = Kind::read(self, id, &from_json::<K>(spec)?).await.map_err(masked_error)?;
        let Some(Observed { spec, outputs }) = read else { return Ok(None) };
        let spec = to_json(&spec).map_err(|error| OpError::local("read", error.to_string()))?;
        Ok(Some(Observed { spec: masked_value(spec), outputs: masked_outputs(outputs) }))
    }

    async fn find(&self, spec: &Value, intent: &Intent) -> Result<Option<Created>, OpError> {
        let found = Kind::find(self, &from_json::<K>(spec)?, intent).await.map_err(masked_error)?;
        Ok(found.map(|found| Created { outputs: masked_outputs(found.outputs), ..found }))
    }

    async fn by_tags(&self, tags: &BTreeMap<String, String>) -> Result<Option<Vec<String>>, OpError> {
        Kind::by_tags(self, tags).await
    }

    fn id_of(&self, spec: &Value) -> Option<String> {
        Kind::id_of(self, &from_json::<K>(spec).ok()?)
    }

    async fn by_place(&self, spec: &Value) -> Result<Option<Vec<String>>, OpError> {
        Kind::by_place(self, &from_json::<K>(spec)?).await
    }

    fn blank(&self, name: &str) -> Option<Value> {
        to_json(&Kind::blank(self, name)?).ok()
    }

    async fn attributes(&self, id: &str) -> Result<Option<Outputs>, OpError> {
        Ok(Kind::attributes(self, id).await.map_err(masked_error)?.map(masked_outputs))
    }

    async fn called(&self, name: &str) -> Result<Option<Vec<String>>, OpError> {
        Kind::called(self, name).await
    }

    fn marks(&self, spec: &Value) -> Option<Marks> {
        Kind::marks(self, &from_json::<K>(spec).ok()?)
    }

    fn repeats(&self) -> bool {
        K::REPEATS
    }

    fn makes(&self) -> bool {
        K::MAKES
    }

    async fn foresee(&self, id: &str, spec: &Value, going: &dyn Neighbours) -> Result<Foreseen, OpError> {
        Kind::foresee(self, id, &from_json::<K>(spec)?, going).await
    }

    async fn release(&self, id: &str, spec: &Value, progress: &dyn Progress) {
        // A spec that cannot be read is said when the resource itself is deleted.
        if let Ok(spec) = from_json::<K>(spec) {
            Kind::release(self, id, &spec, progress).await;
        }
    }

    async fn delete(&self, id: &str, spec: &Value, progress: &dyn Progress) -> Result<(), OpError> {
        Kind::delete(self, id, &from_json::<K>(spec)?, progress).await.map_err(masked_error)
    }
}

/// The values of the fields that name a resource, where there are such fields.
pub(crate) fn unique_of(spec: &Value, fields: &[&str]) -> Option<Value> {
    let values = fields.iter().map(|field| spec.get(field).cloned().unwrap_or_default());
    (!fields.is_empty()).then(|| values.collect())
}

fn to_json(spec: &impl Serialize) -> serde_json::Result<Value> {
    serde_json::to_value(spec)
}

fn from_json<K: Kind>(spec: &Value) -> Result<K::Spec, OpError> {
    serde::Deserialize::deserialize(spec).map_err(|error| {
        let mut error = OpError::local("read the state", format!("not a spec of {}: {error}", K::NAME));
        error.advice = Some("The state was made by another version of llmhost; use that one.".to_owned());
        error
    })
}

/// The kinds of resources that a host can make, and where it asks for facts: for the pipeline, and for the steps that
/// have a placement of their own.
#[derive(Clone)]
pub struct Registry {
    kinds: BTreeMap<&'static str, Arc<dyn DynKind>>,
    /// Those that are the same in every placement: they do not go by AWS.
    everywhere: Vec<Arc<dyn DynKind>>,
    facts: Arc<dyn Facts>,
    placement: Placement,
    elsewhere: Option<Arc<Elsewhere>>,
    checks: BTreeMap<&'static str, Arc<dyn ConfigCheck>>,
    /// Steps whose placement is known; nothing where it is the pipeline's.
    steps: BTreeMap<StepName, Option<Arc<Registry>>>,
}

/// Kinds that make their resources elsewhere. Those of one placement are made once: they share clients.
struct Elsewhere {
    make: Box<dyn Fn(&Placement) -> Registry + Send + Sync>,
    made: Mutex<BTreeMap<Placement, Arc<Registry>>>,
}

impl Registry {
    /// A registry without kinds.
    pub fn new(facts: Arc<dyn Facts>) -> Self {
        Self {
            kinds: BTreeMap::new(),
            everywhere: Vec::new(),
            facts,
            placement: Placement::default(),
            elsewhere: None,
            checks: BTreeMap::new(),
            steps: BTreeMap::new(),
        }
    }

    /// Adds a kind.
    #[must_use]
    pub fn with(self, kind: impl Kind) -> Self {
        self.with_dyn(Arc::new(kind))
    }

    /// As `with`, for a kind that stands in for another.
    #[must_use]
    pub fn with_dyn(mut self, kind: Arc<dyn DynKind>) -> Self {
        self.kinds.insert(kind.name(), kind);
        self
    }

    /// Adds kinds that are the same for steps of every placement. To be added before placements are known.
    #[must_use]
    pub fn with_everywhere(self, kinds: impl IntoIterator<Item = Arc<dyn DynKind>>) -> Self {
        kinds.into_iter().fold(self, |mut registry, kind| {
            registry.everywhere.push(Arc::clone(&kind));
            registry.with_dyn(kind)
        })
    }

    /// Whether a resource asks AWS: one of a kind of the host's own, or of a provider that makes calls of AWS.
    pub fn asks_aws(&self, address: &ResourceAddress) -> bool {
        let brought = self.everywhere.iter().find(|kind| kind.name() == address.kind());
        brought.is_none_or(|kind| !kind.actions().is_empty())
    }

    /// Says who makes the kinds of a placement.
    #[must_use]
    pub fn with_elsewhere(self, make: impl Fn(&Placement) -> Registry + Send + Sync + 'static) -> Self {
        let elsewhere = Elsewhere { make: Box::new(make), made: Mutex::default() };
        Self { elsewhere: Some(Arc::new(elsewhere)), ..self }
    }

    /// The same with the placements of steps. What is known of a step already counts: what a file says is told before
    /// what a state says.
    #[must_use]
    pub fn placed<'a>(&self, steps: impl IntoIterator<Item = (&'a StepName, &'a Placement)>) -> Arc<Self> {
        let mut placed = self.clone();
        for (step, placement) in steps.into_iter().filter(|(step, _)| !self.steps.contains_key(*step)) {
            let registry = (!placement.is_own()).then(|| self.elsewhere(placement)).flatten();
            placed.steps.insert(step.clone(), registry);
        }
        Arc::new(placed)
    }

    /// As `placed`, with the steps of a state: those that are no longer in the file have the placement that they had.
    /// Sensitive outputs that the state holds are not shown from then on.
    #[must_use]
    pub fn with_steps_of(&self, state: &State) -> Arc<Self> {
        self.hide_sensitive(state);
        self.placed(state.placements.iter().map(|(step, placed)| (step, &placed.placement)))
    }

    fn elsewhere(&self, placement: &Placement) -> Option<Arc<Self>> {
        let elsewhere = self.elsewhere.as_ref()?;
        let mut made = elsewhere.made.lock().expect("no panic under this lock");
        let make = || {
            let made = (elsewhere.make)(placement).with_everywhere(self.everywhere.iter().cloned());
            Arc::new(Self { placement: placement.clone(), ..made })
        };
        Some(Arc::clone(made.entry(placement.clone()).or_insert_with(make)))
    }

    /// The kinds and facts of a placement.
    pub fn at(&self, placement: &Placement) -> Arc<Self> {
        let elsewhere = (!placement.is_own()).then(|| self.elsewhere(placement)).flatten();
        elsewhere.unwrap_or_else(|| Arc::new(self.clone()))
    }

    /// The kinds and facts of a step.
    pub fn of(&self, step: &StepName) -> &Self {
        self.steps.get(step).and_then(Option::as_deref).unwrap_or(self)
    }

    /// Where its resources are made, where that is not where the pipeline's are.
    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    /// The steps that have a placement of their own.
    pub fn placed_steps(&self) -> impl Iterator<Item = (&StepName, &Self)> {
        self.steps.iter().filter_map(|(step, registry)| Some((step, &**registry.as_ref()?)))
    }

    /// It, and those of all other placements of its steps, each once.
    pub fn each(&self) -> Vec<&Self> {
        let mut others: Vec<&Self> = self.placed_steps().map(|(_, registry)| registry).collect();
        others.sort_by(|one, other| one.placement.cmp(&other.placement));
        others.dedup_by(|one, other| one.placement == other.placement);
        others.insert(0, self);
        others
    }

    /// Adds a check of options.
    #[must_use]
    pub fn with_check(mut self, name: &'static str, check: impl ConfigCheck + 'static) -> Self {
        self.checks.insert(name, Arc::new(check));
        self
    }

    /// The check of options with this name.
    pub(crate) fn check(&self, name: &str) -> Option<&Arc<dyn ConfigCheck>> {
        self.checks.get(name)
    }

    /// The kind of this name, for resources of the pipeline's own placement.
    pub fn kind(&self, name: &str) -> Option<&Arc<dyn DynKind>> {
        self.kinds.get(name)
    }

    /// The kind of a resource, where its step makes it.
    pub fn kind_of(&self, address: &ResourceAddress) -> Option<&Arc<dyn DynKind>> {
        self.of(address.step()).kind(address.kind())
    }

    /// All kinds, by name.
    pub fn kinds(&self) -> impl Iterator<Item = &Arc<dyn DynKind>> {
        self.kinds.values()
    }

    /// Keeps the sensitive outputs of what a state holds out of everything that is shown.
    pub fn hide_sensitive(&self, state: &State) {
        for (address, instance) in state.instances() {
            let names = self.kind_of(address).map(|kind| kind.sensitive()).unwrap_or_default();
            names.iter().filter_map(|name| instance.outputs.get(*name)).for_each(hide_output);
        }
    }

    /// Where facts are asked for.
    pub fn facts(&self) -> &Arc<dyn Facts> {
        &self.facts
    }

    /// Whom to ask for a fact by its key in a state, and the fact.
    pub fn facts_by_key<'a>(&self, key: &'a str) -> (&Arc<dyn Facts>, &'a str) {
        let (fact, placement) = placement::parts_of_key(key);
        if placement.is_empty() {
            return (&self.facts, fact);
        }
        let is_there = |registry: &Self| registry.placement.to_string() == placement;
        let registry = self.each().into_iter().find(|registry| is_there(registry));
        (&registry.unwrap_or(self).facts, fact)
    }
}
