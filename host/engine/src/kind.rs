//! What the engine asks of a kind of resource. The engine knows no AWS: kinds are handed to it.

mod error;
mod fields;
pub(crate) mod sample;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::byproduct::{Byproduct, Foreseen};
use crate::names::ResourceAddress;
use crate::run::{ADDRESS_TAG, PIPELINE_TAG};
use crate::state::State;
use crate::world::{Hints, World};
pub use error::{ErrorClass, OpError};
pub(crate) use fields::fields_of;
pub use sample::{Sampled, unique};

/// Named outputs of a resource, for example `{"id": "vpc-1"}`.
pub type Outputs = Map<String, Value>;

/// One kind of resource: its spec, how two specs compare, and the calls behind it.
///
/// `create` makes the bare thing in one call that cannot be repeated; `configure` brings
/// everything else about it in line and can be repeated at will. So a run that dies between the
/// two leaves a resource that the next run finishes, not one that it does not know.
#[async_trait]
pub trait Kind: Send + Sync + 'static {
    /// What a plugin declares, in canonical form. Serialised into plan and state.
    type Spec: Serialize + DeserializeOwned + Clone + Send + Sync;

    /// `interface.resource`, as in WIT: `ec2.subnet`.
    const NAME: &'static str;
    /// IAM actions that all of its operations together need.
    const ACTIONS: &'static [&'static str];
    /// Top-level fields of the spec that cannot be changed in place.
    const IMMUTABLE: &'static [&'static str];
    /// Top-level fields that together name the resource, or its place: only one resource has them
    /// at a time. None: any number can exist side by side.
    const UNIQUE: &'static [&'static str] = &[];
    /// Whether the same create, sent again, makes a second resource: the service knows neither a client token nor a
    /// unique name. What an interrupted create made is looked for until the service would show it.
    const REPEATS: bool = false;
    /// Whether resources can clash though their [`UNIQUE`](Self::UNIQUE) fields differ: address ranges.
    const BY_RANGE: bool = false;
    /// Top-level fields that refer to others by name alone. A successor under the same name serves as
    /// well as the one that was there. A reference in any other field is to that very resource, and
    /// is lost with it: an attachment, a principal.
    const BY_NAME: &'static [&'static str] = &[];
    /// Top-level fields whose references do not keep what they name from being deleted.
    const LOOSE: &'static [&'static str] = &[];
    /// Top-level fields that say nothing about the resource itself, such as where a file lies on
    /// this machine. A difference there is no change.
    const ASIDE: &'static [&'static str] = &[];
    /// Top-level fields that are worked out from the others: nothing for a person to read.
    const DERIVED: &'static [&'static str] = &[];
    /// Outputs that identify the resource: a spec that holds one depends on it.
    const IDENTITIES: &'static [&'static str];

    /// Whether an output identifies the resource, where not all of those that do have names that are known here.
    fn is_identity(&self, output: &str) -> bool {
        Self::IDENTITIES.contains(&output)
    }

    /// Whether an update in place may change an output.
    fn is_volatile(&self, output: &str) -> bool {
        Self::VOLATILE.contains(&output)
    }

    /// What differs within a field that can be changed in place and cannot be changed itself: JSON pointers into the
    /// spec.
    fn replacing(&self, _old: &Self::Spec, _new: &Self::Spec) -> Vec<String> {
        Vec::new()
    }

    /// What differs and can be changed in place or not, which the service decides: JSON pointers into the spec.
    fn may_replace(&self, _old: &Self::Spec, _new: &Self::Spec) -> Vec<String> {
        Vec::new()
    }

    /// Whether it makes things by itself that no plugin declares.
    const MAKES: bool = false;
    /// Places in the spec (JSON pointers) below which the handle of a secret may stand: nothing there is
    /// shown by the service to those who may look at the resource.
    const SECRETS: &'static [&'static str] = &[];
    /// Outputs that an update in place may change: unknown in a plan that updates it.
    const VOLATILE: &'static [&'static str] = &[];
    /// Whether [`follow`](Self::follow) does anything.
    const FOLLOWS: bool = false;

    /// Fills in what the plugin left to the host (tags, contents of folders) and checks what can
    /// be checked without AWS and without looking at other resources. Strings may hold unknown
    /// tokens ([`crate::unknown`]).
    fn complete(&self, spec: &mut Self::Spec, context: &DeclareContext<'_>) -> Result<(), String>;

    /// Takes what the plugin left open from the resources declared so far: the version of its cluster, for a node
    /// group that states none.
    fn follow(&self, _spec: &mut Self::Spec, _declared: &dyn Neighbours) {}

    /// Whether a resource can be changed in place from one spec to another. What the service is known to refuse is
    /// refused when the run is planned, before anything begins.
    fn check_change(&self, _old: &Self::Spec, _new: &Self::Spec) -> Result<(), String> {
        Ok(())
    }

    /// Checks the spec against the other resources of the pipeline: overlaps, ranges.
    fn check(&self, _address: &ResourceAddress, _spec: &Self::Spec, _declared: &dyn Neighbours) -> Result<(), String> {
        Ok(())
    }

    /// Resources declared so far that must come before this one though no value says so.
    fn after(&self, _spec: &Self::Spec, _declared: &dyn Neighbours) -> Vec<ResourceAddress> {
        Vec::new()
    }

    /// Outputs that the spec alone tells, known before the resource exists.
    fn foreknown(&self, _spec: &Self::Spec) -> Outputs {
        Outputs::new()
    }

    /// Further outputs that are known before the resource exists, where its account is: ARNs. A plan
    /// shows them; what the service answers counts.
    fn predicted(&self, _spec: &Self::Spec, _scope: &Scope<'_>) -> Outputs {
        Outputs::new()
    }

    /// A value such as this output will have, for a plugin that is held to its plan before anything is applied
    /// ([`Sampled`]). It has the form of the real one. Nothing where the form depends on more than the spec.
    fn sample(&self, _output: &str, _spec: &Self::Spec, _sampled: &Sampled<'_>) -> Option<Value> {
        None
    }

    /// Whether a successor with the spec `new` can only be created when the one with the spec `old`
    /// is gone. By default: where both have the same [`UNIQUE`](Self::UNIQUE) fields.
    fn clashes(&self, old: &Self::Spec, new: &Self::Spec) -> bool {
        let unique = |spec| crate::registry::unique_of(&serde_json::to_value(spec).unwrap_or_default(), Self::UNIQUE);
        unique(old).is_some_and(|old| unique(new) == Some(old))
    }

    /// The spec without its references to a resource that is about to be deleted, so that it can be:
    /// a role without the policy. `identities` are that resource's identity outputs. `None` where
    /// nothing refers to it, or where it cannot be let go of.
    fn without(&self, _spec: &Self::Spec, _identities: &[String]) -> Option<Self::Spec> {
        None
    }

    /// What two specs are compared by: the same for specs that mean the same, such as policies
    /// whose statements stand in another order. By default the spec itself.
    fn comparable(&self, spec: &Self::Spec) -> Value {
        serde_json::to_value(spec).unwrap_or_default()
    }

    /// What its operations need to be allowed, narrowed to what the spec names.
    fn permissions(&self, _spec: &Self::Spec, _scope: &Scope<'_>) -> Vec<Permission> {
        vec![Permission::new(Self::ACTIONS, ["*".to_owned()])]
    }

    /// What a change of a resource that exists interrupts, in one sentence about it: "rolls its nodes: …". Shown
    /// in the plan. Specs may hold unknown tokens: a field that becomes known only later counts as changed.
    fn interrupts(&self, _old: &Self::Spec, _new: &Self::Spec, _how: ChangeKind) -> Option<String> {
        None
    }

    /// Makes the resource: one call, with the intent's token and tags where AWS takes them.
    async fn create(&self, spec: &Self::Spec, intent: &Intent, progress: &dyn Progress) -> Result<Created, OpError>;

    /// Brings everything that `create` did not set in line with the spec, waits until the
    /// resource can be used, and returns outputs to add to those of `create`. `was` is the spec
    /// in the state, absent after a create.
    async fn configure(
        &self,
        id: &str,
        spec: &Self::Spec,
        was: Option<&Self::Spec>,
        progress: &dyn Progress,
    ) -> Result<Outputs, OpError>;

    /// What AWS says now, or nothing where the resource is gone. `spec` is the one in the state:
    /// fields that AWS does not tell are taken from it.
    async fn read(&self, id: &str, spec: &Self::Spec) -> Result<Option<Observed<Self::Spec>>, OpError>;

    /// Looks for what a create with this intent made, where its result was never recorded.
    async fn find(&self, spec: &Self::Spec, intent: &Intent) -> Result<Option<Created>, OpError>;

    /// The ids of what has all of these tags, whoever made it; nothing where things of this kind are
    /// not looked for by tags, for they have none, or are known by the name that the spec has.
    async fn by_tags(&self, _tags: &BTreeMap<String, String>) -> Result<Option<Vec<String>>, OpError> {
        Ok(None)
    }

    /// The id, where the spec alone determines it: what is known by a name or by its place. It may hold
    /// unknown tokens, as the spec may.
    fn id_of(&self, _spec: &Self::Spec) -> Option<String> {
        None
    }

    /// The ids of what has the name or the place that the spec states, whoever made it: at most one can
    /// have it, and whoever is second is refused. Nothing where this kind is not looked for in this way.
    /// An id that is given need not exist any more; `read` says.
    async fn by_place(&self, spec: &Self::Spec) -> Result<Option<Vec<String>>, OpError> {
        Ok(self.id_of(spec).map(|id| vec![id]))
    }

    /// A spec that says nothing but the name of a resource that somebody else made, so that [`read`](Self::read) can
    /// look at it ([`crate::look_up`]). `name` may be its id. Nothing where resources of this kind are not looked up.
    fn blank(&self, _name: &str) -> Option<Self::Spec> {
        None
    }

    /// The attributes of a resource that somebody else made, for look-ups; nothing where there is none of this id. By
    /// default the fields of the spec and the outputs that [`read`](Self::read) gives.
    async fn attributes(&self, id: &str) -> Result<Option<Outputs>, OpError> {
        let Some(blank) = self.blank(id) else { return Ok(None) };
        let Some(seen) = self.read(id, &blank).await? else { return Ok(None) };
        let mut attributes = match serde_json::to_value(&seen.spec) {
            Ok(Value::Object(fields)) => fields,
            _ => Outputs::new(),
        };
        attributes.retain(|name, value| !value.is_null() && !Self::DERIVED.contains(&name.as_str()));
        attributes.extend(seen.outputs);
        Ok(Some(attributes))
    }

    /// The ids of what has this name, for look-ups. Nothing where resources of this kind have no name of their own:
    /// their `Name` tag counts. By default the id that a blank spec of this name has.
    async fn called(&self, name: &str) -> Result<Option<Vec<String>>, OpError> {
        Ok(self.blank(name).and_then(|spec| self.id_of(&spec)).map(|id| vec![id]))
    }

    /// Whose a resource is, by the tags in its spec. Nothing where resources of this kind carry no tags.
    fn marks(&self, spec: &Self::Spec) -> Option<Marks> {
        Marks::of_tags(&serde_json::to_value(spec).ok()?)
    }

    /// What deleting it would meet: what it made by itself, and what would refuse. Looks, and
    /// changes nothing. `going` are the resources that would be deleted as well.
    async fn foresee(&self, _id: &str, _spec: &Self::Spec, _going: &dyn Neighbours) -> Result<Foreseen, OpError> {
        Ok(Foreseen::default())
    }

    /// Called before anything that depends on it is deleted, where [`MAKES`](Self::MAKES) says so:
    /// the last time that it can be asked to take back what it made by itself. What it does not
    /// take back is for `delete`.
    async fn release(&self, _id: &str, _spec: &Self::Spec, _progress: &dyn Progress) {}

    /// Deletes it and waits until it is gone, and with it what it made by itself. Already gone is
    /// success.
    async fn delete(&self, id: &str, spec: &Self::Spec, progress: &dyn Progress) -> Result<(), OpError>;
}

/// What the host knows while a resource is declared.
#[derive(Clone, Copy)]
pub struct DeclareContext<'a> {
    /// The resource.
    pub address: &'a ResourceAddress,
    /// Tags of the pipeline and of the host, to be put under the spec's own.
    pub tags: &'a BTreeMap<String, String>,
    /// The pipeline's region.
    pub region: &'a str,
    /// The folder of the pipeline file; relative paths start there.
    pub base: &'a Path,
    /// The folder of the published pipeline that the step stands in, where it does: its files are there.
    pub within: Option<&'a Path>,
    /// The step's `with` table: what the user wrote.
    pub config: &'a Value,
}

impl DeclareContext<'_> {
    /// A file or folder that the user named.
    ///
    /// # Errors
    ///
    /// A published pipeline names something outside its folder.
    pub fn file(&self, path: &Path) -> Result<PathBuf, String> {
        let whole = self.base.join(path);
        let leaves = path.components().any(|part| matches!(part, Component::ParentDir));
        match self.within {
            Some(root) if leaves || !whole.starts_with(root) => Err(format!(
                "{} is not in the folder of the published pipeline, which reads files of its own alone",
                path.display()
            )),
            _ => Ok(whole),
        }
    }

    /// Whether this very text stands in the step's `with` table: what the user named there, a
    /// plugin may reach.
    pub fn is_named(&self, text: &str) -> bool {
        fn mentions(value: &Value, text: &str) -> bool {
            match value {
                Value::String(found) => found == text,
                Value::Array(items) => items.iter().any(|item| mentions(item, text)),
                Value::Object(fields) => fields.values().any(|field| mentions(field, text)),
                _ => false,
            }
        }
        mentions(self.config, text)
    }
}

/// Where a pipeline's resources live, as far as it is known.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The pipeline's name.
    pub pipeline: &'a str,
    /// Its region.
    pub region: &'a str,
    /// The account, or `*`.
    pub account: &'a str,
}

/// Actions that must be allowed on some resources.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Permission {
    /// IAM actions: `eks:CreateCluster`.
    pub actions: Vec<String>,
    /// ARNs, with `*` where a part is not known.
    pub resources: Vec<String>,
    /// Which of them a destroy needs.
    #[serde(skip)]
    pub to_destroy: ToDestroy,
    /// Whether EC2's actions are not narrowed to region and account: some take no ARN, or one without a region.
    #[serde(skip)]
    pub as_is: bool,
}

/// Which actions of a permission a destroy needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ToDestroy {
    /// Those that look or take something away, by their names.
    #[default]
    ByName,
    /// All of them.
    All,
    /// None of them.
    None,
}

impl Permission {
    /// These actions on these resources.
    pub fn new(actions: &[&str], resources: impl IntoIterator<Item = String>) -> Self {
        let actions = actions.iter().map(|action| (*action).to_owned()).collect();
        Self { actions, resources: resources.into_iter().collect(), to_destroy: ToDestroy::ByName, as_is: false }
    }

    /// The same, needed to destroy as well.
    #[must_use]
    pub fn to_destroy(self) -> Self {
        Self { to_destroy: ToDestroy::All, ..self }
    }

    /// The same, not needed to destroy.
    #[must_use]
    pub fn to_run_alone(self) -> Self {
        Self { to_destroy: ToDestroy::None, ..self }
    }

    /// The same, on those resources in every service.
    #[must_use]
    pub fn as_is(self) -> Self {
        Self { as_is: true, ..self }
    }
}

/// The resources declared so far, for rules that look beyond one spec.
pub trait Neighbours: Sync {
    /// The resource that one of these strings identifies: an identity output or its token.
    fn by_identity(&self, value: &str) -> Option<Neighbour>;
    /// All of one kind, in the order of declaration.
    fn of_kind(&self, kind: &str) -> Vec<Neighbour>;
}

/// A declared resource.
#[derive(Debug, Clone)]
pub struct Neighbour {
    /// Where it stands.
    pub address: ResourceAddress,
    /// Its canonical spec.
    pub spec: Arc<Value>,
}

/// The order of a replacement. It is decided for each change, by what the change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReplaceOrder {
    /// The successor is created, users move to it, and then the old one is deleted.
    CreateFirst,
    /// Both cannot exist at a time: their names or ranges clash. What hangs on the old one is deleted
    /// or lets go of it, then the old one is deleted, then its successor is created.
    DeleteFirst,
}

/// Whose a resource is, by what llmhost wrote on it: tags, or the annotations of a Kubernetes object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    /// The pipeline that made it.
    pub pipeline: Option<String>,
    /// Its address there, when that pipeline last ran.
    pub address: Option<String>,
}

impl Marks {
    /// The marks among the tags of a spec; nothing where it has no tags.
    fn of_tags(spec: &Value) -> Option<Self> {
        let tags = spec.get("tags")?.as_object()?;
        let tag = |key: &str| tags.get(key).and_then(Value::as_str).map(str::to_owned);
        Some(Self { pipeline: tag(PIPELINE_TAG), address: tag(ADDRESS_TAG) })
    }
}

/// How a resource that exists is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// In place.
    Update,
    /// By another one that takes its place.
    Replace(ReplaceOrder),
}

/// A create that is about to happen, recorded before the call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Intent {
    /// The resource.
    pub address: ResourceAddress,
    /// Unique to this operation; at most 64 ASCII characters, as AWS wants client tokens.
    pub token: String,
}

impl Intent {
    /// Tells the instance that this intent makes from every other at its address, whatever its id: a
    /// role that is deleted and created again has the same name and ARN, and is another role.
    pub fn generation(&self) -> String {
        let from = self.token.len().saturating_sub(12);
        self.token.get(from..).unwrap_or(&self.token).to_owned()
    }
}

/// What a create gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Created {
    /// AWS's id, or what stands for one.
    pub id: String,
    /// Outputs known so far.
    pub outputs: Outputs,
}

/// A resource as AWS shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed<S> {
    /// In the form of the spec, so that the two can be compared.
    pub spec: S,
    /// Its outputs.
    pub outputs: Outputs,
}

/// Where a long operation says how far it is.
pub trait Progress: Send + Sync {
    /// `done` of `total` units; `total` 0 where it is not known.
    fn report(&self, message: &str, done: u64, total: u64);

    /// As `report`, of an upload or a download: `done` of `total` bytes.
    fn transferred(&self, message: &str, done: u64, total: u64) {
        self.report(message, done, total);
    }

    /// Something that a person should read, and not only see pass by.
    fn note(&self, _message: &str) {}

    /// Something that the resource made by itself was removed; or stays, where it says why.
    fn byproduct(&self, _byproduct: Byproduct) {}
}

/// What only the outside can tell, asked once and then kept in the state: zone names, account.
#[async_trait]
pub trait Facts: Send + Sync {
    /// `key` is `interface.name`, with `/argument` where it has one: `ec2.availability-zone/0`.
    async fn look_up(&self, key: &str) -> Result<String, OpError>;

    /// The world of everything that is asked and made here. Known without a call, so its account is not.
    async fn world(&self) -> World;

    /// What the resources of a state that names no world tell of theirs: ids that carry a region or an
    /// account.
    fn told_by(&self, _state: &State) -> Hints {
        Hints::default()
    }

    /// As `look_up`, where the answers to other keys of the same fact are known: an answer that must not be
    /// given twice, such as the zone of a network, is none of these.
    async fn look_up_beside(&self, key: &str, _others: &BTreeSet<String>) -> Result<String, OpError> {
        self.look_up(key).await
    }

    /// Whether the answer is a choice that holds for everybody ([`crate::lock`]), beyond one state.
    fn is_locked(&self, _key: &str) -> bool {
        false
    }

    /// A value such as the answer will be, as [`Kind::sample`] gives one of an output.
    fn sample(&self, _key: &str, _sampled: &Sampled<'_>) -> Option<String> {
        None
    }

    /// IAM actions that the look-up needs.
    fn actions(&self, _key: &str) -> &'static [&'static str] {
        &[]
    }
}
