//! Holding a run to the world that its state belongs to.

use std::sync::Arc;

use crate::kind::OpError;
use crate::registry::Registry;
use crate::state::{ACCOUNT, Change, State, StateError, StateStore};
use crate::world::{Difference, Hints, Part, World};

/// Why a run did not begin: a state belongs to one world.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorldError {
    /// Nobody says whose credentials these are.
    #[error("cannot tell which account the credentials belong to: {0}")]
    Unknown(#[source] OpError),
    /// What the state holds is elsewhere.
    #[error("the state belongs to another place: {}", listed(.0))]
    Differs(Vec<Difference>),
    /// The state could not be written.
    #[error(transparent)]
    State(#[from] StateError),
}

fn listed(differences: &[Difference]) -> String {
    differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl WorldError {
    /// What to do about it.
    pub fn advice(&self) -> String {
        match self {
            Self::Unknown(error) => error.advice().to_owned(),
            Self::State(error) => error.advice().unwrap_or_default().to_owned(),
            Self::Differs(differences) => advice(differences),
        }
    }
}

/// How to go back, and how to go elsewhere on purpose.
fn advice(differences: &[Difference]) -> String {
    let mut advice = vec!["Nothing was changed, and what the state holds was not looked for here.".to_owned()];
    let of = |part| differences.iter().find(|difference| difference.part == part);
    if let Some(Difference { state: Some(account), .. }) = of(Part::Account) {
        advice.push(format!("Use credentials of the account {account}."));
    }
    let region = of(Part::Region).and_then(|difference| difference.state.as_ref());
    if let Some(region) = region {
        advice.push(format!("Set region = \"{region}\" again in [pipeline]."));
    }
    if let Some(endpoint) = of(Part::Endpoint) {
        advice.push(match &endpoint.state {
            Some(url) => format!("Use --endpoint-url {url}."),
            None => "Leave out --endpoint-url, and AWS_ENDPOINT_URL of the environment.".to_owned(),
        });
    }
    if differences.iter().all(|difference| difference.part == Part::Endpoint) {
        advice.push(
            "Where the same account and region have only got another address (a VPC endpoint, a proxy), llmhost state \
             pin FILE, with the new --endpoint-url, makes sure of that and takes it."
                .to_owned(),
        );
    }
    advice.push(
        "To make the pipeline in a second place as well, give it a state of its own: another name in [pipeline], or \
         another --state."
            .to_owned(),
    );
    if region.is_some() {
        advice.push(
            "To move it, set the old region again and destroy it there; then change the region, and run it.".to_owned(),
        );
    }
    advice.join(" ")
}

/// Refuses a state of another world, as far as it can be told without a call. What only looks at the
/// state and at the file (`asks` is false) takes an endpoint that it was not given for the state's: it
/// asks none.
pub async fn check_world(registry: &Registry, state: &State, asks: bool) -> Result<(), WorldError> {
    if state.resources.is_empty() {
        return Ok(());
    }
    let here = registry.facts().world().await;
    let mut differences = known(registry, state).differences(&here);
    if !asks && here.endpoint.is_none() {
        differences.retain(|difference| difference.part != Part::Endpoint);
    }
    refuse(differences)
}

/// Refuses a state of another world or account. Writes nothing.
pub(super) async fn same_world(registry: &Registry, state: &State) -> Result<(), WorldError> {
    look(registry, state).await.map(drop)
}

/// As above, and pins the state to this world where it is new here, or older than pins.
pub(super) async fn enter(registry: &Registry, store: &dyn StateStore) -> Result<(), WorldError> {
    let state = store.snapshot();
    let here = look(registry, &state).await?;
    let account = here.account.clone();
    if state.world.as_ref() != Some(&here) {
        store.record(Change::World { world: here }).await?;
    }
    if let Some(value) = account.filter(|account| store.fact(ACCOUNT).as_ref() != Some(account)) {
        store.record(Change::Fact { key: ACCOUNT.to_owned(), value }).await?;
    }
    Ok(())
}

/// Pins a state that is older than pins, where a run changes nothing and so asks nobody for its account.
pub(super) async fn note(registry: &Registry, store: &dyn StateStore) -> Result<(), WorldError> {
    let state = store.snapshot();
    if state.world.is_some() || state.resources.is_empty() {
        return Ok(());
    }
    let (here, known) = (registry.facts().world().await, known(registry, &state));
    refuse(known.differences(&here))?;
    store.record(Change::World { world: World { account: known.account, ..here } }).await?;
    Ok(())
}

/// The world of this run for a state to be pinned to anew: it has to be the same one in all but the
/// endpoint. Whether what the state holds is found there is for the caller to make sure of
/// ([`super::drift_at`]).
pub async fn repinned(registry: &Registry, state: &State) -> Result<World, WorldError> {
    let others = |here: &World| {
        let differences = known(registry, state).differences(here);
        refuse(differences.into_iter().filter(|difference| difference.part != Part::Endpoint).collect())
    };
    let mut here = registry.facts().world().await;
    others(&here)?;
    here.account = Some(account(registry).await?);
    others(&here)?;
    Ok(here)
}

/// The state as a plan in this world has to see it: where it holds nothing, and was pinned elsewhere,
/// what was asked there says nothing of here.
pub(super) async fn as_seen_from(registry: &Registry, state: &Arc<State>) -> Arc<State> {
    if !state.resources.is_empty() || (state.facts.is_empty() && state.outputs.is_empty()) {
        return Arc::clone(state);
    }
    let here = registry.facts().world().await;
    if state.world.as_ref().is_some_and(|world| world.is_place_of(&here)) {
        return Arc::clone(state);
    }
    let mut seen = State::clone(state);
    seen.enter(here);
    Arc::new(seen)
}

/// This world with its account, if the state belongs to it.
async fn look(registry: &Registry, state: &State) -> Result<World, WorldError> {
    let mut here = registry.facts().world().await;
    let known = if state.resources.is_empty() { Hints::default() } else { known(registry, state) };
    // Before anybody is asked: the question itself would go to the wrong place.
    refuse(known.differences(&here))?;
    here.account = Some(account(registry).await?);
    refuse(known.differences(&here))?;
    Ok(here)
}

/// What a state tells of its world: what it is pinned to, or else what its resources tell. An account
/// that is known as a fact was asked for by versions that pinned nothing else.
fn known(registry: &Registry, state: &State) -> Hints {
    let mut known = match &state.world {
        Some(world) => Hints::from(world),
        None => registry.facts().told_by(state),
    };
    known.account = state.account().cloned().or(known.account);
    known
}

fn refuse(differences: Vec<Difference>) -> Result<(), WorldError> {
    if differences.is_empty() { Ok(()) } else { Err(WorldError::Differs(differences)) }
}

/// The account that the credentials belong to.
pub(super) async fn account(registry: &Registry) -> Result<String, WorldError> {
    registry.facts().look_up(ACCOUNT).await.map_err(WorldError::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_is_said_of_each_part_and_never_one_that_destroys_here() {
        let difference = |part, state: Option<&str>, here: Option<&str>| {
            let [state, here] = [state, here].map(|text| text.map(str::to_owned));
            Difference { part, state, here }
        };
        let region = difference(Part::Region, Some("us-east-1"), Some("eu-west-1"));
        let account = difference(Part::Account, Some("1"), Some("2"));
        let endpoint = difference(Part::Endpoint, Some("http://a"), None);
        for (differences, said, not_said) in [
            (
                vec![region.clone()],
                &["region is us-east-1", "eu-west-1", "region = \"us-east-1\"", "To move it"][..],
                "pin",
            ),
            (vec![account], &["account is 1", "is 2", "credentials of the account 1", "--state"], "To move it"),
            (
                vec![endpoint.clone()],
                &["endpoint is http://a", "AWS's own", "--endpoint-url http://a", "state pin"],
                "To move it",
            ),
            (vec![region, endpoint], &["region", "endpoint", "--endpoint-url http://a"], "state pin"),
        ] {
            let error = WorldError::Differs(differences);
            let text = format!("{error} {}", error.advice());
            assert!(said.iter().all(|part| text.contains(part)), "{text}");
            assert!(!text.contains(not_said), "{text}");
        }
    }
}
