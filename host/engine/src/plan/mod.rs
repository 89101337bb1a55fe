//! Specs against state: what a run will change, what is shown of it, and what apply is held to.

mod diff;
mod differences;
#[cfg(test)]
pub(crate) mod example;
mod lines;
mod short;
mod show;
pub(crate) mod words;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use indexmap::IndexMap;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use serde_json::Value;

pub use diff::{Comparison, FieldChange, compare};
pub(crate) use diff::{departing, departing_outputs};
pub use short::show_short;
pub use show::show;
pub use words::{TextStyle, plain};

use crate::kind::{Outputs, ReplaceOrder};
use crate::names::{ResourceAddress, StepName};
use crate::pipeline::FieldPath;
use crate::placement::Placement;
use crate::run::{ADDRESS_ANNOTATION, ADDRESS_TAG, PIPELINE_ANNOTATION, PIPELINE_TAG};
use crate::secret::without_sensitive;
use crate::unknown::{self, Source};

/// What a run will do, step by step.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Plan {
    /// The pipeline's name.
    pub pipeline: String,
    /// What exists already and the file uses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub existing: Vec<PlannedExisting>,
    /// Every step of the file, in an order in which they can run.
    pub steps: Vec<PlannedStep>,
    /// Every resource that is declared or in the state; declared ones first, in order.
    pub resources: IndexMap<ResourceAddress, PlannedResource>,
    /// What is called otherwise from now on. The state changes, and nothing in the cloud.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub moves: Vec<Move>,
    /// Steps that stay as they are, whatever the file says of them.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub left_out: BTreeSet<StepName>,
    /// Fields that stay as they are, whatever the file says of them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub ignored: BTreeMap<ResourceAddress, Vec<FieldPath>>,
    /// Keys of the facts that plugins asked for.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub facts: BTreeSet<String>,
}

/// A resource that exists, or several, that steps of a plan use. The run reads it and does not change it.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedExisting {
    /// What references call it: `existing.network`.
    pub name: StepName,
    /// `ec2.vpc`
    pub kind: String,
    /// The ids of what was found; nothing where nobody has looked.
    pub ids: Option<Vec<String>>,
    /// What the state keeps the answer under.
    #[serde(skip)]
    pub(crate) key: Option<String>,
    /// The attributes that the file uses, of each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<Outputs>,
}

impl PlannedExisting {
    /// What it is, for people: `ec2.vpc vpc-1 (exists)`.
    pub(crate) fn words(&self) -> String {
        let kind = &self.kind;
        match self.ids.as_deref() {
            None => format!("{kind}, not looked up"),
            Some([]) => format!("{kind}, none found"),
            Some([one]) => format!("{kind} {one}, exists"),
            Some([one, rest @ ..]) => format!("{kind} {one} and {} more, exist", rest.len()),
        }
    }
}

/// A step or a resource that is called otherwise and stays what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Move {
    /// A step, with everything in it.
    Step {
        /// As it was called.
        from: StepName,
        /// As it is called.
        to: StepName,
    },
    /// One resource.
    Resource {
        /// As it was called.
        from: ResourceAddress,
        /// As it is called.
        to: ResourceAddress,
    },
}

/// One step of a plan.
#[derive(Debug, Clone)]
pub struct PlannedStep {
    /// Its name.
    pub name: StepName,
    /// The plugin, as the file has it.
    pub uses: String,
    /// Where its calls go, as far as that is not where the pipeline's go.
    pub placement: Placement,
    /// Steps that must come before, in the order of the file.
    pub depends_on: Vec<StepName>,
    /// Outputs, with unknown tokens where only applying can tell.
    pub outputs: Value,
    /// Which of them are not to be shown.
    pub sensitive: BTreeSet<String>,
    /// SHA-256 of each file that the plan was made of, by its path; of a folder's names and sizes, by its path with a slash.
    pub files: BTreeMap<String, String>,
}

impl PlannedStep {
    /// What stands beside its name: `vpc in us-east-1`.
    pub fn about(&self) -> Cow<'_, str> {
        match self.placement.is_own() {
            true => Cow::Borrowed(&self.uses),
            false => Cow::Owned(format!("{} {}", self.uses, self.placement)),
        }
    }
}

/// As it is shown: a sensitive output has a mask.
impl Serialize for PlannedStep {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { name, uses, placement, depends_on, outputs, sensitive, files } = self;
        let mut fields = serializer.serialize_struct("PlannedStep", 6)?;
        fields.serialize_field("name", name)?;
        fields.serialize_field("uses", uses)?;
        match placement.is_own() {
            true => fields.skip_field("placement")?,
            false => fields.serialize_field("placement", placement)?,
        }
        fields.serialize_field("depends_on", depends_on)?;
        match sensitive.is_empty() {
            true => fields.serialize_field("outputs", outputs)?,
            false => fields.serialize_field("outputs", &without_sensitive(outputs, sensitive))?,
        }
        match files.is_empty() {
            true => fields.skip_field("files")?,
            false => fields.serialize_field("files", files)?,
        }
        fields.end()
    }
}

/// One resource of a plan.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedResource {
    /// What will happen to it.
    pub action: Action,
    /// The canonical spec that was declared (for a deletion: the one in the state).
    pub spec: Value,
    /// Field by field, for updates and replacements.
    pub changes: Vec<FieldChange>,
    /// Resources that must be there before it and gone after it.
    pub depends_on: Vec<ResourceAddress>,
    /// Ids of replaced predecessors that are still there and will be deleted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub leftovers: Vec<String>,
    /// The resource that has the name or place that this one needs. It gives it up in this plan, and
    /// does so before this one is created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub takes_over: Option<ResourceAddress>,
    /// Whether an earlier run began to create or update it and did not finish.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unfinished: bool,
    /// Whether the one that is there is made anew because its deletion was begun, and may have been done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub was_going: bool,
    /// Why the one that is there has to be made anew: it came up broken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
    /// What the change interrupts, in one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interrupts: Option<String>,
    /// Top-level fields of the spec that are not shown: they follow from the others.
    #[serde(skip)]
    pub derived: &'static [&'static str],
}

impl PlannedResource {
    /// One with an action and a spec, and nothing else to say of it.
    pub fn new(action: Action, spec: Value) -> Self {
        Self {
            action,
            spec,
            changes: Vec::new(),
            depends_on: Vec::new(),
            leftovers: Vec::new(),
            takes_over: None,
            unfinished: false,
            was_going: false,
            broken: None,
            interrupts: None,
            derived: &[],
        }
    }

    /// Whether nothing changes but its name, or the pipeline's, which its tags hold.
    pub fn only_moves(&self) -> bool {
        let is_in = |path: &str, holder: &str, keys: [&str; 2]| {
            keys.iter().filter_map(|key| path.strip_suffix(key)).any(|rest| rest.ends_with(holder))
        };
        let is_address = |change: &FieldChange| {
            // One that was taken away behind llmhost's back is brought back, and nothing moved.
            change.old.is_some()
                && change.new.is_some()
                && (
                    // Not those of instances: a change of these replaces them.
                    change.path.starts_with("tags.") && is_in(&change.path, "tags.", [ADDRESS_TAG, PIPELINE_TAG])
                        || is_in(&change.path, ".annotations.", [ADDRESS_ANNOTATION, PIPELINE_ANNOTATION])
                )
        };
        let is_plain = !self.unfinished && self.broken.is_none() && self.interrupts.is_none();
        self.action == Action::Update && is_plain && !self.changes.is_empty() && self.changes.iter().all(is_address)
    }
}

/// What will happen to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Action {
    /// Nothing: it is as declared.
    Keep,
    /// It will be made.
    Create,
    /// It was created but never finished, or its creation was never recorded: it will be brought in line.
    Finish,
    /// It will be changed in place, or an update that did not finish will be completed.
    Update,
    /// It will be made anew.
    Replace {
        /// Which of the two comes first.
        order: ReplaceOrder,
    },
    /// It will be deleted.
    Delete,
}

impl Action {
    /// Whether it sends the spec: everything but keeping and deleting.
    pub fn is_applied(self) -> bool {
        !matches!(self, Self::Keep | Self::Delete)
    }

    /// Whether it loses something: deletions and replacements.
    pub fn is_destructive(self) -> bool {
        matches!(self, Self::Replace { .. } | Self::Delete)
    }
}

/// How many resources of a plan meet which fate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Created, or finished.
    pub create: usize,
    /// Updated in place.
    pub update: usize,
    /// Replaced.
    pub replace: usize,
    /// Deleted.
    pub delete: usize,
    /// Kept as they are.
    pub keep: usize,
    /// Kept, too; the tags with their address and the pipeline's name follow.
    #[serde(skip_serializing_if = "is_none")]
    pub moved: usize,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // What serde calls.
fn is_none(count: &usize) -> bool {
    *count == 0
}

impl Summary {
    /// Counts the fates of resources. Predecessors that an earlier run left are deletions.
    pub(crate) fn of<'a>(resources: impl IntoIterator<Item = &'a PlannedResource>) -> Self {
        let mut summary = Self::default();
        for resource in resources {
            summary.count(resource);
            summary.delete += resource.leftovers.len();
        }
        summary
    }

    /// Counts one resource.
    pub(crate) fn count(&mut self, planned: &PlannedResource) {
        *match planned.action {
            _ if planned.only_moves() => &mut self.moved,
            Action::Keep => &mut self.keep,
            Action::Create | Action::Finish => &mut self.create,
            Action::Update => &mut self.update,
            Action::Replace { .. } => &mut self.replace,
            Action::Delete => &mut self.delete,
        } += 1;
    }

    /// Everything but what is kept.
    pub fn changes(&self) -> usize {
        self.create + self.update + self.replace + self.delete
    }

    /// How many operations it takes: a replacement is a creation and a deletion.
    pub fn calls(&self) -> usize {
        self.operations() + self.replace
    }

    /// Everything that calls somebody.
    pub fn operations(&self) -> usize {
        self.changes() + self.moved
    }
}

impl Plan {
    /// Whether it changes nothing, neither in the cloud nor in the state.
    pub fn is_empty(&self) -> bool {
        self.summary().operations() == 0 && self.moves.is_empty()
    }

    /// How many of its changes interrupt something.
    pub fn interruptions(&self) -> usize {
        self.resources.values().filter(|resource| resource.interrupts.is_some()).count()
    }

    /// Outputs of resources that are, whole, sensitive outputs of steps.
    pub(crate) fn sensitive_sources(&self) -> HashMap<ResourceAddress, BTreeSet<String>> {
        let mut sources: HashMap<_, BTreeSet<String>> = HashMap::new();
        for step in &self.steps {
            for text in step.sensitive.iter().filter_map(|name| step.outputs.get(name)?.as_str()) {
                if let Some(Source::Output(address, name)) = unknown::whole(text) {
                    sources.entry(address).or_default().insert(name.to_owned());
                }
            }
        }
        sources
    }

    /// Counts the fates.
    pub fn summary(&self) -> Summary {
        Summary::of(self.resources.values())
    }
}
