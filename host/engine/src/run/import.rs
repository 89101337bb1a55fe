//! Taking a resource that exists into the state, as if the pipeline had made it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Engine, PlanError, WorldError, enter};
use crate::diagnostic::did_you_mean;
use crate::kind::OpError;
use crate::names::ResourceAddress;
use crate::plan::{Action, FieldChange};
use crate::registry::DynKind;
use crate::state::{Change, Instance, StateError, StateStore};
use crate::unknown;

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
    #[error("{address} is in the state already, as {id}")]
    Known {
        /// The resource.
        address: ResourceAddress,
        /// What stands for it.
        id: String,
    },
    /// Another resource of the pipeline is this one.
    #[error("{id} is in the state already, as {address}")]
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
    /// The next run would delete it, and make another.
    #[error("{address} is declared otherwise, in fields that cannot be changed: the next run would replace {id}")]
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

/// Takes a resource that exists in as the one that is declared at an address.
pub async fn import(
    engine: &Engine,
    store: &dyn StateStore,
    address: &ResourceAddress,
    existing: &Existing,
) -> Result<Import, ImportError> {
    let state = std::sync::Arc::new(store.snapshot());
    let plan = engine.plan(&state).await?;
    let planned = plan.resources.get(address).filter(|planned| planned.action != Action::Delete);
    let Some(planned) = planned else {
        let names: Vec<String> = plan.resources.keys().map(ToString::to_string).collect();
        let near = did_you_mean(&address.to_string(), names.iter().map(String::as_str)).map(str::to_owned);
        return Err(ImportError::NotDeclared { address: address.clone(), near });
    };
    if let Some(record) = state.resources.get(address) {
        let id = record.current.as_ref().map_or("something whose making did not end", |current| &current.id);
        return Err(ImportError::Known { address: address.clone(), id: id.to_owned() });
    }
    let kind = engine.registry().kind(address.kind()).expect("it was planned");
    enter(engine.registry(), store).await?;
    let id = match existing {
        Existing::Id(id) => id.clone(),
        Existing::Tags(tags) => by_tags(&**kind, tags, &planned.spec).await?,
    };
    let id = id.as_str();
    let same = |(other, record): &(&ResourceAddress, &crate::state::ResourceRecord)| {
        other.kind() == address.kind() && record.current.as_ref().is_some_and(|current| current.id == id)
    };
    if let Some((other, _)) = state.resources.iter().find(same) {
        return Err(ImportError::Taken { address: other.clone(), id: id.to_owned() });
    }
    let seen = kind
        .read(id, &planned.spec)
        .await?
        .ok_or_else(|| ImportError::Nothing { kind: address.kind().to_owned(), id: id.to_owned() })?;
    let compared = kind.compare(&seen.spec, &planned.spec);
    if compared.replaces() {
        let fields = compared.fields.into_iter().filter(|field| field.replaces).collect();
        let first = planned.depends_on.iter().filter(|needed| !state.resources.contains_key(*needed));
        let (first, address) = (first.cloned().collect(), address.clone());
        return Err(ImportError::WouldReplace { address, id: id.to_owned(), fields, first });
    }
    let mut outputs = seen.outputs;
    if !unknown::any_unknown(&planned.spec) {
        outputs.extend(kind.foreknown(&planned.spec));
    }
    let instance = Instance {
        id: id.to_owned(),
        was: Some(seen.spec.clone()),
        spec: seen.spec,
        outputs,
        depends_on: planned.depends_on.clone(),
        generation: super::hands::intent(address).generation(),
        bound: state.generations(&planned.depends_on),
        // Brought in line by the next run, whatever cannot be read of it included.
        unfinished: true,
        broken: None,
    };
    store.record(Change::Current { address: address.clone(), instance }).await?;
    Ok(Import { address: address.clone(), id: id.to_owned(), differs: compared.fields })
}
