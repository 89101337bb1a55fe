//! Holding a run to the world that its state belongs to.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::kind::OpError;
use crate::names::{ResourceAddress, StepName};
use crate::placement::Placement;
use crate::plan::{Action, Plan};
use crate::registry::Registry;
use crate::state::{ACCOUNT, Change, Placed, State, StateError, StateStore};
use crate::world::{Difference, Hints, Part, World};

/// Why a run did not begin: a state belongs to one world, and so do the resources of each step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorldError {
    /// Nobody says whose credentials these are.
    #[error("cannot tell which account the credentials{} belong to: {error}", of_step(.step.as_ref()))]
    Unknown {
        /// The step that they are for, where it has its own.
        step: Option<StepName>,
        /// Why.
        #[source]
        error: OpError,
    },
    /// What the state holds is elsewhere.
    #[error("the state belongs to another place: {}", listed(.0))]
    Differs(Vec<Difference>),
    /// What a step made is elsewhere.
    #[error("the resources of step {step} are in another place: {}", listed(.differences))]
    StepDiffers {
        /// The step.
        step: StepName,
        /// In what.
        differences: Vec<Difference>,
    },
    /// The state could not be written.
    #[error(transparent)]
    State(#[from] StateError),
}

fn of_step(step: Option<&StepName>) -> String {
    step.map(|step| format!(" of step {step}")).unwrap_or_default()
}

fn listed(differences: &[Difference]) -> String {
    differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl WorldError {
    /// What to do about it.
    pub fn advice(&self) -> String {
        match self {
            Self::Unknown { error, .. } => error.advice().to_owned(),
            Self::State(error) => error.advice().unwrap_or_default().to_owned(),
            Self::Differs(differences) => advice(differences),
            Self::StepDiffers { step, differences } => step_advice(step, differences),
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
            None => "Remove --endpoint-url, and AWS_ENDPOINT_URL of the environment.".to_owned(),
        });
    }
    if differences.iter().all(|difference| difference.part == Part::Endpoint) {
        advice.push(
            "Where the same account and region have only got another address (a VPC endpoint, a proxy), llmhost state \
             pin FILE, with the new --endpoint-url, verifies that and accepts it."
                .to_owned(),
        );
    }
    advice.push(
        "To create the pipeline in a second place as well, give it a state of its own: another name in [pipeline], or \
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

/// The same for one step.
fn step_advice(step: &StepName, differences: &[Difference]) -> String {
    let mut advice = vec!["Nothing was changed.".to_owned()];
    for Difference { part, state, .. } in differences {
        match (part, state) {
            (Part::Account, Some(account)) => {
                advice.push(format!(
                    "Give step {step} the profile or assume_role again that leads to the account {account}."
                ));
            }
            (Part::Region, Some(region)) => {
                advice.push(format!("Set region = \"{region}\" again in [steps.{step}]."));
            }
            (Part::Endpoint, Some(url)) => advice.push(format!("Use --endpoint-url {url}.")),
            (Part::Endpoint, None) => {
                advice.push("Remove --endpoint-url, and AWS_ENDPOINT_URL of the environment.".to_owned());
            }
            _ => {}
        }
    }
    advice.push(format!(
        "To move the step, destroy it where it is first, with the file as it was (llmhost destroy FILE --target {step}); \
         then change the file, and run it."
    ));
    advice.join(" ")
}

/// Refuses a state of another world, as far as it can be told without a call. What only looks at the
/// state and at the file (`asks` is false) takes an endpoint that it was not given for the state's: it
/// asks none.
pub async fn check_world(registry: &Registry, state: &State, asks: bool) -> Result<(), WorldError> {
    let registry = &*registry.with_steps_of(state);
    if state.resources.is_empty() {
        return Ok(());
    }
    let is_minded =
        |here: &World, difference: &Difference| asks || here.endpoint.is_some() || difference.part != Part::Endpoint;
    let here = registry.facts().world().await;
    let mut differences = known(registry, state).differences(&here);
    differences.retain(|difference| is_minded(&here, difference));
    refuse(differences)?;
    for (step, known) in placed(registry, state) {
        let here = registry.of(step).facts().world().await;
        let mut differences = known.differences(&here);
        differences.retain(|difference| is_minded(&here, difference));
        refuse_step(step, differences)?;
    }
    Ok(())
}

/// Refuses a state of another world or account. Writes nothing.
pub(super) async fn same_world(registry: &Registry, state: &State) -> Result<(), WorldError> {
    look(registry, state, state.resources.is_empty() || asks_aws(registry, state.resources.keys())).await.map(drop)
}

/// As above, and pins the state to this world where it is new here, or older than pins. Where nothing
/// asks AWS (`asks_aws`), nobody needs credentials for it.
pub(super) async fn enter(registry: &Registry, store: &dyn StateStore, asks_aws: bool) -> Result<(), WorldError> {
    let state = store.snapshot();
    let worlds = look(registry, &state, asks_aws).await?;
    let here = worlds.own;
    let account = here.account.clone();
    if state.world.as_ref() != Some(&here) {
        store.record(Change::World { world: here }).await?;
    }
    if let Some(value) = account.filter(|account| store.fact(ACCOUNT).as_ref() != Some(account)) {
        store.record(Change::Fact { key: ACCOUNT.to_owned(), value }).await?;
    }
    // Before anything is made there: whoever deletes it may not have the file any more.
    for (step, placed) in worlds.steps {
        if state.placements.get(&step) != placed.as_ref() {
            store.record(Change::StepPlaced { step, placed }).await?;
        }
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

/// The worlds of this run for a state to be pinned to anew: they have to be the same ones in all but the
/// endpoint. Whether what the state holds is found there is for the caller to make sure of
/// ([`super::drift_at`]).
pub async fn repinned(registry: &Registry, state: &State) -> Result<Vec<Change>, WorldError> {
    let registry = &*registry.with_steps_of(state);
    let others = |differences: Vec<Difference>| -> Vec<Difference> {
        differences.into_iter().filter(|difference| difference.part != Part::Endpoint).collect()
    };
    let known = known(registry, state);
    let mut world = registry.facts().world().await;
    refuse(others(known.differences(&world)))?;
    world.account = Some(account(registry).await?);
    refuse(others(known.differences(&world)))?;
    let mut changes = vec![Change::World { world }];
    for (step, known) in placed(registry, state) {
        let there = registry.of(step);
        let mut world = there.facts().world().await;
        world.account = Some(account_of(there, step).await?);
        refuse_step(step, others(known.differences(&world)))?;
        let placed = (!there.placement().is_own()).then(|| Placed { placement: there.placement().clone(), world });
        changes.push(Change::StepPlaced { step: step.clone(), placed });
    }
    Ok(changes)
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

/// The worlds of a run.
struct Worlds {
    own: World,
    /// Of steps that have, or had, a placement of their own.
    steps: BTreeMap<StepName, Option<Placed>>,
}

/// Whether any of these asks AWS.
pub(super) fn asks_aws<'a>(registry: &Registry, mut all: impl Iterator<Item = &'a ResourceAddress>) -> bool {
    all.any(|address| registry.asks_aws(address))
}

/// The worlds of this run with their accounts, if the state belongs to them.
async fn look(registry: &Registry, state: &State, asks_aws: bool) -> Result<Worlds, WorldError> {
    let mut own = registry.facts().world().await;
    let known = if state.resources.is_empty() { Hints::default() } else { known(registry, state) };
    // Before anybody is asked: the question itself would go to the wrong place.
    refuse(known.differences(&own))?;
    for (step, known) in placed(registry, state) {
        refuse_step(step, known.differences(&registry.of(step).facts().world().await))?;
    }
    own.account = match asks_aws {
        true => Some(account(registry).await?),
        false => state.world.as_ref().and_then(|world| world.account.clone()),
    };
    refuse(known.differences(&own))?;

    let mut accounts: HashMap<&Placement, String> = HashMap::new();
    let mut steps = BTreeMap::new();
    for (step, there) in registry.placed_steps() {
        let account = match accounts.get(there.placement()) {
            Some(account) => account.clone(),
            None => account_of(there, step).await?,
        };
        accounts.insert(there.placement(), account.clone());
        let world = World { account: Some(account), ..there.facts().world().await };
        steps.insert(step.clone(), Some(Placed { placement: there.placement().clone(), world }));
    }
    for (step, known) in placed(registry, state) {
        let here = steps.get(step).and_then(|placed| Some(&placed.as_ref()?.world)).unwrap_or(&own);
        refuse_step(step, known.differences(here))?;
    }
    for step in state.placements.keys().filter(|step| registry.of(step).placement().is_own()) {
        steps.insert(step.clone(), None);
    }
    Ok(Worlds { own, steps })
}

/// Steps that have resources and that have, or had, a placement of their own, with what is known of where those are.
fn placed<'a>(registry: &'a Registry, state: &'a State) -> BTreeMap<&'a StepName, Hints> {
    let here = registry.placed_steps().map(|(step, _)| step);
    let steps: BTreeSet<_> = here.chain(state.placements.keys()).collect();
    if steps.is_empty() {
        return BTreeMap::new();
    }
    let holding: BTreeSet<_> = state.resources.keys().map(ResourceAddress::step).collect();
    let known = |step| match state.placements.get(step) {
        Some(placed) => Hints::from(&placed.world),
        None => known(registry, state),
    };
    steps.into_iter().filter(|step| holding.contains(step)).map(|step| (step, known(step))).collect()
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

fn refuse_step(step: &StepName, differences: Vec<Difference>) -> Result<(), WorldError> {
    if differences.is_empty() { Ok(()) } else { Err(WorldError::StepDiffers { step: step.clone(), differences }) }
}

/// The account that a plan changes something in; none where it asks AWS for nothing.
pub(super) async fn account_of_plan(registry: &Registry, plan: &Plan) -> Result<Option<String>, WorldError> {
    let changed = plan.resources.iter().filter(|(_, resource)| resource.action != Action::Keep);
    match asks_aws(registry, changed.map(|(address, _)| address)) {
        true => account(registry).await.map(Some),
        false => Ok(None),
    }
}

/// The account that the credentials belong to.
pub(super) async fn account(registry: &Registry) -> Result<String, WorldError> {
    let account = registry.facts().look_up(ACCOUNT).await;
    account.map_err(|error| WorldError::Unknown { step: None, error })
}

async fn account_of(registry: &Registry, step: &StepName) -> Result<String, WorldError> {
    let account = registry.facts().look_up(ACCOUNT).await;
    account.map_err(|error| WorldError::Unknown { step: Some(step.clone()), error })
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
