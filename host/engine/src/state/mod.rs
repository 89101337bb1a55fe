//! What exists, as far as this pipeline made it: a readable document and the journal since.
//!
//! Two stores keep it: [`LocalStore`] in a folder, [`BucketStore`] in a bucket that a team shares.
//! Document, lines and the half that is in memory are the same in both.

mod bucket;
mod change;
mod cost;
mod document;
mod error;
mod line;
mod local;
mod memory;
mod recovered;
mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use bucket::{Answer, Bucket, BucketError, BucketStore, LeaseSettings, Object, Only, Shown};
pub use change::Change;
pub use cost::Cost;
pub use error::StateError;
pub use local::LocalStore;
pub use recovered::Recovered;
pub use store::StateStore;

use crate::kind::{Intent, Outputs};
use crate::names::{ResourceAddress, StepName};
use crate::placement::Placement;
use crate::registry::DynKind;
use crate::secret;
use crate::world::World;

/// The fact that names the account.
pub(crate) const ACCOUNT: &str = "sts.account-id";

/// Where the resources of a step live, where that is not where those of the pipeline live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placed {
    /// How to get there.
    pub placement: Placement,
    /// Where that is.
    pub world: World,
}

/// Everything a run must remember. Small: ids, specs, outputs, edges.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The pipeline it belongs to.
    pub pipeline: String,
    /// What that was called before, where it was renamed: what is left of a journal may say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was_called: Option<String>,
    /// The world that its resources live in; absent in states of older versions, which are pinned by the
    /// next run. Steps that have a placement of their own have their worlds in `placements`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub world: Option<World>,
    /// Steps whose resources are made elsewhere, as the file had it when they were last applied.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub placements: BTreeMap<StepName, Placed>,
    /// What was asked of the outside once and is kept: zone names, the account.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
    /// Every resource.
    #[serde(default)]
    pub resources: BTreeMap<ResourceAddress, ResourceRecord>,
    /// Steps whose resources are not to be deleted, as the file had it when it was last applied.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub protected: BTreeSet<StepName>,
    /// Outputs of every step that finished.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<StepName, Value>,
    /// Which of them are not to be shown, as the plugins had it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sensitive: BTreeMap<StepName, BTreeSet<String>>,
    /// What the file itself gives: its `[outputs]`, as of the last run that ended well.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub file_outputs: BTreeMap<String, Value>,
    /// Which of them are not to be shown.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub sensitive_file_outputs: BTreeSet<String>,
    /// Where it is kept now, where it was moved away from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_to: Option<String>,
}

impl State {
    /// Whether it says nothing of any resource or step: what is lost with it is nothing.
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.outputs.is_empty() && self.file_outputs.is_empty()
    }

    /// Keeps the outputs that are sensitive out of everything that is shown from now on.
    pub fn hide_sensitive(&self) {
        for (step, names) in &self.sensitive {
            let outputs = self.outputs.get(step);
            names.iter().filter_map(|name| outputs?.get(name)).for_each(secret::hide_output);
        }
        let own = self.sensitive_file_outputs.iter().filter_map(|name| self.file_outputs.get(name));
        own.for_each(secret::hide_output);
    }

    /// The file's own outputs, with a mask for those that are sensitive.
    pub fn shown_file_outputs(&self) -> BTreeMap<String, Value> {
        let mask = |(name, value): (&String, &Value)| match self.sensitive_file_outputs.contains(name) {
            true => (name.clone(), Value::from(secret::SENSITIVE_MASK)),
            false => (name.clone(), value.clone()),
        };
        self.file_outputs.iter().map(mask).collect()
    }

    /// The outputs of every step, with a mask for those that are sensitive.
    pub fn shown_outputs(&self) -> Vec<(StepName, Value)> {
        let shown = |(step, outputs): (&StepName, &Value)| match self.sensitive.get(step) {
            Some(sensitive) => (step.clone(), secret::without_sensitive(outputs, sensitive)),
            None => (step.clone(), outputs.clone()),
        };
        self.outputs.iter().map(shown).collect()
    }

    /// The account that its resources live in, where somebody asked.
    pub fn account(&self) -> Option<&String> {
        let pinned = self.world.as_ref().and_then(|world| world.account.as_ref());
        // Versions that pinned no world kept the account as a fact.
        pinned.or_else(|| self.facts.get(ACCOUNT))
    }
}

impl State {
    /// The account that the resources of a step live in, where somebody asked.
    pub fn account_of(&self, step: &StepName) -> Option<&String> {
        match self.placements.get(step) {
            Some(placed) => placed.world.account.as_ref(),
            None => self.account(),
        }
    }

    /// Whether a step has resources.
    pub fn holds(&self, step: &StepName) -> bool {
        self.resources.keys().any(|address| address.step() == step)
    }

    /// The generations of the current instances of these resources, where they are known.
    pub fn generations(&self, of: &[ResourceAddress]) -> BTreeMap<ResourceAddress, String> {
        let current = |address| Some(self.resources.get(address)?.current.as_ref()?.generation.clone());
        let known = of.iter().filter_map(|address| Some((address.clone(), current(address)?)));
        known.filter(|(_, generation)| !generation.is_empty()).collect()
    }

    /// Every resource that has a current instance.
    pub fn instances(&self) -> impl Iterator<Item = (&ResourceAddress, &Instance)> {
        self.resources.iter().filter_map(|(address, record)| Some((address, record.current.as_ref()?)))
    }

    /// Every spec that a run may have to act on, with its address: of what is there, what replaced instances had, what
    /// an update was leaving behind, and what was being created.
    pub fn specs(&self) -> impl Iterator<Item = (&ResourceAddress, &Value)> {
        self.resources.iter().flat_map(|(address, record)| {
            let instances = record.current.iter().chain(&record.deposed);
            let specs = instances.flat_map(|instance| std::iter::once(&instance.spec).chain(&instance.was));
            specs.chain(record.pending.iter().map(|pending| &pending.spec)).map(move |spec| (address, spec))
        })
    }
}

impl Instance {
    /// The values that identify it, among its outputs.
    pub(crate) fn identities(&self, kind: &dyn DynKind) -> Vec<String> {
        let named = self.outputs.iter().filter(|(name, _)| kind.is_identity(name));
        let texts = named.filter_map(|(_, value)| value.as_str()).filter(|text| !text.is_empty());
        texts.map(str::to_owned).collect()
    }
}

/// What is known of one resource.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceRecord {
    /// The one that counts; absent while a create has not been recorded, or after a replaced
    /// resource was deleted and before its successor was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<Instance>,
    /// A create that was about to happen and whose result was never recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
    /// Predecessors that wait to be deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deposed: Vec<Instance>,
}

impl ResourceRecord {
    /// What anything of it uses.
    pub fn depends_on(&self) -> impl Iterator<Item = &ResourceAddress> {
        let made = self.current.iter().chain(&self.deposed).map(|instance| &instance.depends_on);
        made.chain(self.pending.iter().map(|pending| &pending.depends_on)).flatten()
    }
}

/// A resource that exists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    /// AWS's id, or what stands for one.
    pub id: String,
    /// The canonical spec it was last brought in line with (or is being made with).
    pub spec: Value,
    /// Its outputs.
    #[serde(default)]
    pub outputs: Outputs,
    /// Resources that must be gone after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<ResourceAddress>,
    /// Which instance it is: [`Intent::generation`](crate::kind::Intent::generation) of the create that
    /// made it, or of its import. Empty in states of older versions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub generation: String,
    /// The generations of the instances that it refers to. Where one is another now, what referred to
    /// it has lost it, though the text is the same.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bound: BTreeMap<ResourceAddress, String>,
    /// Made, but not yet brought in line: the next run finishes it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unfinished: bool,
    /// What it was in line with before the update that did not end: of an unfinished one that was
    /// finished before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<Value>,
    /// Its deletion was begun, and how that ended is not known: it may be gone, or half gone. Whoever wants it there makes
    /// it anew.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub going: bool,
    /// Made, but it came up broken, and why: the next run makes it anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
}

impl Instance {
    /// Whether it was finished once, and an update of it has not ended since.
    pub fn is_half_updated(&self) -> bool {
        self.unfinished && self.was.is_some()
    }
}

/// A create that was about to happen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pending {
    /// Its token, for finding what it made.
    pub intent: Intent,
    /// The spec it was made with.
    pub spec: Value,
    /// When it was begun, in seconds since 1970 (UTC); 0 of states that do not say.
    #[serde(default)]
    pub begun: u64,
    /// See [`Instance::bound`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bound: BTreeMap<ResourceAddress, String>,
    /// Id of the predecessor that made room for it, which counts again where nothing is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// Resources that must be gone after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<ResourceAddress>,
}

impl Pending {
    /// What [`Pending::begun`] is for one that begins now.
    pub(crate) fn now() -> u64 {
        unix(SystemTime::now())
    }

    /// How long ago it was begun, to the second. Nothing where another machine's clock is ahead of this one's.
    pub(crate) fn age(&self) -> Duration {
        Duration::from_secs(Self::now().saturating_sub(self.begun))
    }
}

/// Seconds since 1970 (UTC).
pub(crate) fn unix(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}
