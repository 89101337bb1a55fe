//! Rebuilding a lost state: what exists of a pipeline, found by its tags, its names and its places.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::{Engine, enter, facts, protect};
use super::ImportError;
use crate::kind::OpError;
use crate::names::ResourceAddress;
use crate::plan::{FieldChange, Summary};
use crate::state::{Change, StateStore};

/// What exists of a pipeline and is not in its state. Nothing has been changed yet.
#[derive(Debug, Serialize)]
pub struct Survey {
    /// What can be taken in, in the order of the plan: what others depend on comes first.
    pub found: Vec<Found>,
    /// What is declared and cannot be taken in.
    pub missing: Vec<Missing>,
    /// What carries the pipeline's tags, and is neither declared nor in the state.
    pub strays: Vec<Stray>,
    /// Facts that are recorded with it: those that existing resources tell, and those that were asked for.
    pub facts: BTreeMap<String, String>,
    /// How many resources are in the state already.
    pub known: usize,
    /// What the next run would do when this is taken in.
    pub then: Summary,
    #[serde(skip)]
    pub(super) changes: Vec<Change>,
}

/// A resource that can be taken in.
#[derive(Debug, Serialize)]
pub struct Found {
    /// Where it is declared.
    pub address: ResourceAddress,
    /// Its id.
    pub id: String,
    /// How it was found.
    #[serde(flatten)]
    pub how: How,
    /// In what it differs from its declaration; the next run shows it, and brings it in line.
    pub differs: Vec<FieldChange>,
}

impl Found {
    /// Whether the next run would replace it.
    pub fn would_be_replaced(&self) -> bool {
        self.differs.iter().any(|field| field.replaces)
    }
}

/// How a resource was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum How {
    /// It carries the pipeline's tags with this very address.
    Tags,
    /// It carries the pipeline's tags with another address, and is what this address declares.
    Content {
        /// The address in its tags.
        was: Option<String>,
    },
    /// It has the declared name or place, and the pipeline's tags where its kind has any.
    Name,
}

/// A declared resource that cannot be taken in.
#[derive(Debug, Serialize)]
pub struct Missing {
    /// Where it is declared.
    pub address: ResourceAddress,
    /// Why.
    #[serde(flatten)]
    pub why: Why,
}

/// Why a declared resource cannot be taken in.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Why {
    /// There is none.
    NotThere,
    /// Resources of its kind have neither tags nor a name to find them by.
    NotLookedFor,
    /// It depends on others that were not found.
    Waits {
        /// These.
        on: Vec<ResourceAddress>,
    },
    /// Several could be it.
    Ambiguous {
        /// Their ids.
        ids: Vec<String>,
    },
    /// It is in the state under another address.
    Known {
        /// That one.
        holder: ResourceAddress,
        /// Its id.
        id: String,
    },
    /// Another pipeline's tags are on it.
    Claimed {
        /// Its id.
        id: String,
        /// That pipeline.
        pipeline: String,
    },
    /// Something has its name and does not carry the pipeline's tags.
    Unmarked {
        /// Its id.
        id: String,
    },
    /// It is declared otherwise, in fields that cannot be changed: taken over, it would be replaced.
    Otherwise {
        /// Its id.
        id: String,
    },
    /// It cannot be read.
    Unread {
        /// Why.
        error: OpError,
    },
}

impl Why {
    /// Whether it is simply not there, so that the next run creates it.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::NotThere | Self::NotLookedFor | Self::Waits { .. })
    }
}

/// What carries the pipeline's tags, and is neither declared nor in the state.
#[derive(Debug, Serialize)]
pub struct Stray {
    /// Its kind.
    pub kind: &'static str,
    /// Its id.
    pub id: String,
    /// The address in its tags, where it is known.
    pub address: Option<String>,
}

impl Survey {
    /// Takes in what was found. Each change is recorded by itself: what an interruption leaves is a state
    /// with some of the resources in it, and another survey finds the others.
    pub async fn take_in(&self, engine: &Engine, store: &dyn StateStore) -> Result<(), ImportError> {
        enter(engine.registry(), store, true).await?;
        for (key, value) in &self.facts {
            facts::pin(engine.registry(), engine.lock.as_deref(), key, value)?;
            facts::record(store, key, value).await?;
        }
        for change in &self.changes {
            store.record(change.clone()).await?;
        }
        Ok(protect::remember(engine.pipeline(), store).await?)
    }
}
