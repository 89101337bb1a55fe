//! What a destroy would do, known before it begins.

use std::collections::HashSet;

use serde::Serialize;

use super::foresight::{self, Foresight};
use super::select::Selection;
use super::{WorldError, same_world};
use crate::graph::Dag;
use crate::names::{ResourceAddress, StepName};
use crate::pipeline::Pipeline;
use crate::registry::Registry;
use crate::state::{ResourceRecord, State};

/// What a destroy would do.
#[derive(Debug, Default, Serialize)]
pub struct Destruction {
    /// What goes, users before what they use.
    pub resources: Vec<Doomed>,
    /// What cannot go, because something that stays uses it.
    pub held: Vec<Holding>,
    /// A step that stays, and one that goes and whose outputs it has been given.
    pub stranded: Vec<(StepName, StepName)>,
    /// What the deletions would meet.
    #[serde(flatten)]
    pub foresight: Foresight,
}

/// A resource that goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Doomed {
    /// The resource.
    pub address: ResourceAddress,
    /// Its id, and those of predecessors that wait to be deleted. None where nobody knows whether it
    /// was made: then it is looked for.
    pub ids: Vec<String>,
}

/// Something that is used by what stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Holding {
    /// What is used.
    pub used: ResourceAddress,
    /// By what.
    pub by: ResourceAddress,
}

impl Destruction {
    /// Looks at everything that a destroy of these steps would delete. Changes nothing. Refused
    /// in another world than the state's: there, everything would look gone.
    pub async fn foresee(
        pipeline: &Pipeline,
        registry: &Registry,
        state: &State,
        selection: &Selection,
        parallelism: usize,
    ) -> Result<Self, WorldError> {
        let going: Vec<_> =
            state.resources.iter().filter(|(address, _)| !selection.leaves_out(address.step())).collect();
        if going.is_empty() {
            return Ok(Self::default());
        }
        let registry = &*registry.with_steps_of(state);
        same_world(registry, state).await?;
        let addresses: HashSet<_> = going.iter().map(|(address, _)| (*address).clone()).collect();
        Ok(Self {
            foresight: foresight::foresee(registry, state, &addresses, parallelism).await,
            held: held(state, &addresses),
            stranded: stranded(pipeline, state, selection),
            resources: in_order(&going).into_iter().map(doomed).collect(),
        })
    }
}

fn doomed((address, record): (&ResourceAddress, &ResourceRecord)) -> Doomed {
    let instances = record.current.iter().chain(&record.deposed);
    Doomed { address: address.clone(), ids: instances.map(|instance| instance.id.clone()).collect() }
}

/// Users before what they use. A state that says that two use each other is the deletion's trouble.
fn in_order<'a>(going: &[(&'a ResourceAddress, &'a ResourceRecord)]) -> Vec<(&'a ResourceAddress, &'a ResourceRecord)> {
    let at = |address: &ResourceAddress| going.binary_search_by_key(&address, |(address, _)| *address).ok();
    let needs: Vec<Vec<usize>> = going.iter().map(|(_, record)| record.depends_on().filter_map(at).collect()).collect();
    match Dag::new(&needs) {
        Ok(dag) => dag.order().iter().rev().map(|&at| going[at]).collect(),
        Err(_) => going.iter().rev().copied().collect(),
    }
}

fn held(state: &State, going: &HashSet<ResourceAddress>) -> Vec<Holding> {
    let staying = state.resources.iter().filter(|(address, _)| !going.contains(*address));
    let uses = staying.flat_map(|(by, record)| record.depends_on().map(move |used| (used, by)));
    let mut held: Vec<Holding> = uses
        .filter(|(used, _)| going.contains(*used))
        .map(|(used, by)| Holding { used: used.clone(), by: by.clone() })
        .collect();
    held.dedup();
    held
}

fn stranded(pipeline: &Pipeline, state: &State, selection: &Selection) -> Vec<(StepName, StepName)> {
    let graph = pipeline.graph();
    let staying = graph.order().iter().copied().filter(|&step| {
        let name = graph.name(step);
        selection.leaves_out(name) && state.outputs.contains_key(name)
    });
    let pairs = staying.flat_map(|step| graph.needs(step).into_iter().map(move |needed| (step, needed)));
    let gone = pairs.filter(|&(_, needed)| !selection.leaves_out(graph.name(needed)));
    gone.map(|(step, needed)| (graph.name(step).clone(), graph.name(needed).clone())).collect()
}
