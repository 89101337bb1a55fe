//! Looking ahead: what deletions would meet, asked before any of them is done.

use std::collections::HashSet;
use std::sync::Arc;

use futures::StreamExt;
use serde::Serialize;

use crate::byproduct::{Byproduct, Foreseen, Refusal};
use crate::kind::{Neighbour, Neighbours, OpError};
use crate::names::ResourceAddress;
use crate::registry::Registry;
use crate::state::{Instance, State};

/// What deletions would meet.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Foresight {
    /// What the resources made by themselves.
    pub byproducts: Vec<(ResourceAddress, Byproduct)>,
    /// What would not be deleted, and why.
    pub refusals: Vec<(ResourceAddress, OpError)>,
    /// What is protected on purpose. Nothing may be deleted before that is taken off.
    pub protected: Vec<(ResourceAddress, OpError)>,
    /// Where nobody could look. The deletion is tried all the same.
    pub unseen: Vec<(ResourceAddress, OpError)>,
}

impl Foresight {
    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.byproducts.is_empty() && self.refusals.is_empty() && self.protected.is_empty() && self.unseen.is_empty()
    }
}

/// Asks every resource that would be deleted (`going`) what that would meet, `parallelism` at a
/// time. Nothing is changed.
pub(super) async fn foresee(
    registry: &Registry,
    state: &State,
    going: &HashSet<ResourceAddress>,
    parallelism: usize,
) -> Foresight {
    let neighbours = &Going { state, going };
    let records = state.resources.iter().filter(|(address, _)| going.contains(*address));
    let instances = records.flat_map(|(address, record)| {
        let all = record.current.iter().chain(&record.deposed);
        all.map(move |instance| (address, instance))
    });
    let looks = instances.filter_map(|(address, instance)| {
        let kind = registry.kind_of(address)?;
        Some(async move { (address, kind.foresee(&instance.id, &instance.spec, neighbours).await) })
    });
    let mut all: Vec<_> = futures::stream::iter(looks).buffer_unordered(parallelism.max(1)).collect().await;
    all.sort_by_key(|(address, _)| *address);
    let mut foresight = Foresight::default();
    for (address, looked) in all {
        match looked {
            Ok(Foreseen { byproducts, refusal }) => {
                foresight.byproducts.extend(byproducts.into_iter().map(|byproduct| (address.clone(), byproduct)));
                match refusal {
                    Some(Refusal::Stays(error)) => foresight.refusals.push((address.clone(), error)),
                    Some(Refusal::Protected(error)) => foresight.protected.push((address.clone(), error)),
                    None => {}
                }
            }
            Err(error) => foresight.unseen.push((address.clone(), error)),
        }
    }
    foresight
}

/// The resources of a state that would be deleted together.
struct Going<'a> {
    state: &'a State,
    going: &'a HashSet<ResourceAddress>,
}

impl Going<'_> {
    fn all(&self) -> impl Iterator<Item = (&ResourceAddress, &Instance)> {
        let records = self.state.resources.iter().filter(|(address, _)| self.going.contains(*address));
        records.filter_map(|(address, record)| Some((address, record.current.as_ref()?)))
    }
}

impl Neighbours for Going<'_> {
    fn by_identity(&self, value: &str) -> Option<Neighbour> {
        let found = self.all().find(|(_, instance)| instance.outputs.values().any(|output| output == value));
        found.map(neighbour)
    }

    fn of_kind(&self, kind: &str) -> Vec<Neighbour> {
        self.all().filter(|(address, _)| address.kind() == kind).map(neighbour).collect()
    }
}

fn neighbour((address, instance): (&ResourceAddress, &Instance)) -> Neighbour {
    Neighbour { address: address.clone(), spec: Arc::new(instance.spec.clone()) }
}
