//! Taking resources that exist into the state, as if the pipeline had made them: one by its id or its tags,
//! or everything that carries the pipeline's tags ([`survey`]).

mod search;
mod survey;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Engine, PlanError, WorldError, enter, facts, ignored, same_world};
use crate::diagnostic::did_you_mean;
use crate::kind::{Observed, OpError};
use crate::names::ResourceAddress;
use crate::plan::{Action, FieldChange, Plan, PlannedResource};
use crate::registry::DynKind;
use crate::state::{Change, Instance, State, StateError, StateStore};
use crate::tags;
use crate::unknown::{self, Source};

pub use search::{adoptable, survey};
pub use survey::{Found, How, Missing, Stray, Survey, Why};

/// What was taken in.
#[derive(Debug)]
pub struct Import {
    /// The resource.
    pub address: ResourceAddress,
    /// Its id.
    pub id: String,
    /// In what it differs from its declaration; the next run brings it in line.
    pub differs: Vec<FieldChange>,
}

/// Why nothing was taken in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The pipeline cannot be planned.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The state belongs to another world.
    #[error(transparent)]
    World(#[from] WorldError),
    /// The state could not be written.
    #[error(transparent)]
    State(#[from] StateError),
    /// It could not be read.
    #[error(transparent)]
    Operation(#[from] OpError),
    /// The pipeline declares nothing of that name.
    #[error("the pipeline declares no {address}")]
    NotDeclared {
        /// What was asked for.
        address: ResourceAddress,
        /// An address that is declared and reads like it.
        near: Option<String>,
    },
    /// The state has it.
    #[error("{address} is already in the state, as {id}")]
    Known {
        /// The resource.
        address: ResourceAddress,
        /// What stands for it.
        id: String,
    },
    /// Another resource of the pipeline is this one.
    #[error("{id} is already in the state, as {address}")]
    Taken {
        /// The other one.
        address: ResourceAddress,
        /// Its id.
        id: String,
    },
    /// There is no such thing.
    #[error("there is no {kind} with the id {id}")]
    Nothing {
        /// The kind.
        kind: String,
        /// The id.
        id: String,
    },
    /// Nothing has the tags, or too much has.
    #[error("{} with the tags {}", counted(kind, ids), listed(tags))]
    ByTags {
        /// The kind.
        kind: String,
        /// What was looked for.
        tags: BTreeMap<String, String>,
        /// What has them.
        ids: Vec<String>,
    },
    /// Resources of this kind are not found by tags.
    #[error("{kind} is not looked for by tags")]
    NotByTags {
        /// The kind.
        kind: String,
    },
    /// It goes by a name or a place, and that is another one.
    #[error("{address} is declared as {declared}, and {given} was given")]
    OtherId {
        /// The resource.
        address: ResourceAddress,
        /// The id that was given.
        given: String,
        /// The id that the declaration makes.
        declared: String,
    },
    /// It goes by the id of something that is not in the state yet.
    #[error("{address} is known by what it depends on, which is not in the state yet")]
    First {
        /// The resource.
        address: ResourceAddress,
        /// What has to be imported before it.
        first: Vec<ResourceAddress>,
    },
    /// Another pipeline has it.
    #[error("{id} belongs to the pipeline '{pipeline}', by its tags{}", .at.as_ref().map(|at| format!(": {at}")).unwrap_or_default())]
    Claimed {
        /// Its id.
        id: String,
        /// That pipeline.
        pipeline: String,
        /// Its address there.
        at: Option<String>,
    },
    /// The next run would delete it, and make another.
    #[error(
        "{address} is declared with other values in fields that cannot be changed: the next run would replace {id}"
    )]
    WouldReplace {
        /// The resource.
        address: ResourceAddress,
        /// Its id.
        id: String,
        /// The fields that force it: as it is, and as declared.
        fields: Vec<FieldChange>,
        /// What it hangs on and is not in the state yet.
        first: Vec<ResourceAddress>,
    },
}

/// What a resource is found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Existing {
    /// Its id, as AWS has it.
    Id(String),
    /// All of these tags, which nothing else of its kind has.
    Tags(BTreeMap<String, String>),
}

/// `2 ec2.vpc` or `no ec2.vpc`.
fn counted(kind: &str, ids: &[String]) -> String {
    match ids {
        [] => format!("there is no {kind}"),
        ids => format!("there are {} {kind}: {},", ids.len(), ids.join(", ")),
    }
}

fn listed(tags: &BTreeMap<String, String>) -> String {
    tags.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(", ")
}

/// The id of the one that has these tags and is still there.
async fn by_tags(kind: &dyn DynKind, tags: &BTreeMap<String, String>, spec: &Value) -> Result<String, ImportError> {
    let name = || kind.name().to_owned();
    let found = kind.by_tags(tags).await?.ok_or_else(|| ImportError::NotByTags { kind: name() })?;
    let mut ids = Vec::new();
    for id in found {
        // Tags are told for a while of what is gone already.
        if kind.read(&id, spec).await?.is_some() {
            ids.push(id);
        }
    }
    match &*ids {
        [_] => Ok(ids.swap_remove(0)),
        _ => Err(ImportError::ByTags { kind: name(), tags: tags.clone(), ids }),
    }
}

/// Takes a resource that exists in as the one that is declared at an address. One that carries the tags of
/// another pipeline is refused, unless that is the one that it comes `from`.
pub async fn import(
    engine: &Engine,
    store: &dyn StateStore,
    address: &ResourceAddress,
    existing: &Existing,
    from: Option<&str>,
) -> Result<Import, ImportError> {
    let mut state = store.snapshot();
    let plan = plan(engine, &state).await?;
    let planned = declared(&plan, address)?;
    if let Some(record) = state.resources.get(address) {
        let id = record.current.as_ref().map_or("a resource whose creation did not finish", |current| &current.id);
        return Err(ImportError::Known { address: address.clone(), id: id.to_owned() });
    }
    let kind = engine.registry().kind_of(address).expect("it was planned");
    same_world(engine.registry(), &state).await?;
    let id = match existing {
        Existing::Id(id) => id.clone(),
        Existing::Tags(tags) => by_tags(&**kind, tags, &planned.spec).await?,
    };
    let id = id.as_str();
    let placement = |address: &ResourceAddress| engine.registry().of(address.step()).placement();
    let same = |(other, record): &(&ResourceAddress, &crate::state::ResourceRecord)| {
        other.kind() == address.kind()
            && placement(other) == placement(address)
            && record.current.as_ref().is_some_and(|current| current.id == id)
    };
    if let Some((other, _)) = state.resources.iter().find(same) {
        return Err(ImportError::Taken { address: other.clone(), id: id.to_owned() });
    }
    check_id(&**kind, address, planned, id)?;
    let nothing = || ImportError::Nothing { kind: address.kind().to_owned(), id: id.to_owned() };
    let seen = kind.read(id, &planned.spec).await?.ok_or_else(nothing)?;
    // What exists says what was chosen: the zone of a subnet, the version of a cluster. The rest is asked for.
    let mut new = facts::told(&planned.spec, &seen.spec);
    new.retain(|key, _| !state.facts.contains_key(key));
    state.facts.extend(new.clone());
    let asked: Vec<String> =
        facts::unknown_in(&planned.spec).into_iter().filter(|key| !new.contains_key(key)).collect();
    for key in asked {
        let value = facts::ask(engine.registry(), &key, &state.facts).await?;
        state.facts.insert(key.clone(), value.clone());
        new.insert(key, value);
    }
    let plan = self::plan(engine, &state).await?;
    let planned = declared(&plan, address)?;
    let mut seen = kind.read(id, &planned.spec).await?.ok_or_else(nothing)?;
    tags::leave_others(&mut seen.spec, &[&planned.spec]);
    let mine = kind.marks(&seen.spec).unwrap_or_default();
    if let Some(pipeline) = mine.pipeline.filter(|other| *other != plan.pipeline && Some(other.as_str()) != from) {
        return Err(ImportError::Claimed { id: id.to_owned(), pipeline, at: mine.address });
    }
    let differs = kind.compare(&seen.spec, &ignored::as_there(engine, address, &planned.spec, &seen.spec));
    if differs.replaces() {
        let fields = differs.fields.into_iter().filter(|field| field.replaces).collect();
        let first = planned.depends_on.iter().filter(|needed| !state.resources.contains_key(*needed));
        let (first, address) = (first.cloned().collect(), address.clone());
        return Err(ImportError::WouldReplace { address, id: id.to_owned(), fields, first });
    }
    enter(engine.registry(), store, true).await?;
    for (key, value) in &new {
        facts::pin(engine.registry(), engine.lock.as_deref(), key, value)?;
        facts::record(store, key, value).await?;
    }
    // Brought in line by the next run, whatever cannot be read of it included.
    let mut instance = instance(&**kind, address, id.to_owned(), seen, planned);
    instance.bound = state.generations(&planned.depends_on);
    (instance.unfinished, instance.was) = (true, Some(instance.spec.clone()));
    let change = Change::Current { address: address.clone(), instance };
    state.apply(change.clone());
    store.record(change).await?;
    for change in users(&state, &plan, &BTreeSet::from([address])) {
        store.record(change).await?;
    }
    Ok(Import { address: address.clone(), id: id.to_owned(), differs: differs.fields })
}

async fn plan(engine: &Engine, state: &State) -> Result<Plan, PlanError> {
    engine.plan_to_import(&std::sync::Arc::new(state.clone())).await
}

/// What a plan says of an address that is declared.
fn declared<'a>(plan: &'a Plan, address: &ResourceAddress) -> Result<&'a PlannedResource, ImportError> {
    let planned = plan.resources.get(address).filter(|planned| planned.action != Action::Delete);
    planned.ok_or_else(|| {
        let names: Vec<String> = plan.resources.keys().map(ToString::to_string).collect();
        let near = did_you_mean(&address.to_string(), names.iter().map(String::as_str)).map(str::to_owned);
        ImportError::NotDeclared { address: address.clone(), near }
    })
}

/// Refuses an id that is not the one of the declaration, where the declaration alone makes it.
fn check_id(
    kind: &dyn DynKind,
    address: &ResourceAddress,
    planned: &PlannedResource,
    given: &str,
) -> Result<(), ImportError> {
    let Some(declared) = kind.id_of(&planned.spec).filter(|declared| declared != given) else { return Ok(()) };
    let mut first = Vec::new();
    unknown::each_token(&Value::String(declared.clone()), &mut |source| {
        if let Source::Output(address, _) = source {
            first.push(address);
        }
    });
    match first.is_empty() {
        true => Err(ImportError::OtherId { address: address.clone(), given: given.to_owned(), declared }),
        false => Err(ImportError::First { address: address.clone(), first }),
    }
}

/// The instance of something that exists and is what a plan declares, bound to nothing yet.
fn instance(
    kind: &dyn DynKind,
    address: &ResourceAddress,
    id: String,
    seen: Observed<Value>,
    planned: &PlannedResource,
) -> Instance {
    let mut outputs = seen.outputs;
    outputs.extend(kind.foreknown(&seen.spec));
    Instance {
        id,
        spec: seen.spec,
        outputs,
        depends_on: planned.depends_on.clone(),
        generation: super::hands::intent(address).generation(),
        bound: BTreeMap::new(),
        unfinished: false,
        was: None,
        going: false,
        broken: None,
    }
}

/// What was in a state before these were taken in, and uses them: whoever forgets a resource takes it from those
/// that need it, too, and they would not go before it.
fn users(state: &State, plan: &Plan, taken: &BTreeSet<&ResourceAddress>) -> Vec<Change> {
    let mut changes = Vec::new();
    for (address, instance) in state.instances().filter(|(address, _)| !taken.contains(address)) {
        let Some(planned) = plan.resources.get(address) else { continue };
        let is_new = |used: &&ResourceAddress| taken.contains(used) && !instance.depends_on.contains(used);
        let new: Vec<ResourceAddress> = planned.depends_on.iter().filter(is_new).cloned().collect();
        if !new.is_empty() {
            let mut instance = instance.clone();
            instance.bound.extend(state.generations(&new));
            instance.depends_on.extend(new);
            changes.push(Change::Current { address: address.clone(), instance });
        }
    }
    changes
}

/// Whether a field that differs may be the same once everything is known.
fn uncertain(field: &FieldChange) -> bool {
    match (&field.old, &field.new) {
        (Some(old), Some(new)) => unknown::any_unknown(new) && unknown::matches(new, old),
        _ => false,
    }
}
