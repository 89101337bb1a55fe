//! The search for what exists of a pipeline. Plans are made again and again with what was found so far,
//! because what is known by the id of another can be recognised only when that other is found: a subnet's
//! `vpc_id` is known once the VPC is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::StreamExt;
use indexmap::IndexMap;
use serde_json::Value;

use super::super::world::account;
use super::super::{Engine, PIPELINE_TAG, facts, ignored, same_world};
use super::survey::{Found, How, Missing, Stray, Survey, Why};
use super::{ImportError, instance, uncertain};
use crate::kind::{Observed, OpError};
use crate::names::ResourceAddress;
use crate::placement::Placement;
use crate::plan::{Action, Comparison, Plan, PlannedResource};
use crate::registry::{DynKind, Registry};
use crate::state::{ACCOUNT, Change, State, StateStore};
use crate::tags;
use crate::unknown::{self, Source};

/// Looks for everything that a pipeline declares and its state does not have. Reads, and changes nothing.
pub async fn survey(engine: &Engine, store: &dyn StateStore) -> Result<Survey, ImportError> {
    search(engine, store, false).await
}

/// As [`survey`], and of what nobody's tags claim what has the names, places and `Name` tags that the pipeline declares:
/// somebody else made it, and the pipeline may take it over.
pub async fn adoptable(engine: &Engine, store: &dyn StateStore) -> Result<Survey, ImportError> {
    search(engine, store, true).await
}

async fn search(engine: &Engine, store: &dyn StateStore, adopts: bool) -> Result<Survey, ImportError> {
    let mut state = store.snapshot();
    same_world(engine.registry(), &state).await?;
    state.facts.insert(ACCOUNT.to_owned(), account(engine.registry()).await?);
    let plan = engine.plan_to_import(&Arc::new(state.clone())).await?;
    let tagged = tagged(engine, &plan, &state).await?;
    let known = state.facts.clone();
    let (taken, missing) = (IndexMap::new(), BTreeMap::new());
    let mut search = Search { engine, adopts, state, plan, tagged, taken, missing, known };
    while search.round().await? {}
    search.settle().await
}

/// A kind, and where its resources are looked for.
type TaggedKind = (Placement, &'static str);

struct Search<'a> {
    engine: &'a Engine,
    /// Whether what carries no pipeline's tags is taken, too.
    adopts: bool,
    /// The state with what was found so far.
    state: State,
    plan: Plan,
    /// What carries the pipeline's tags, by kind.
    tagged: BTreeMap<TaggedKind, Vec<Tagged>>,
    taken: IndexMap<ResourceAddress, Taken>,
    /// Why an address was not found when it was last looked for.
    missing: BTreeMap<ResourceAddress, Why>,
    /// Facts that the state had before.
    known: BTreeMap<String, String>,
}

/// Something that carries the pipeline's tags.
struct Tagged {
    id: String,
    /// The address in its tags.
    address: Option<String>,
    /// What it is; absent where nothing of its kind is declared.
    seen: Option<Observed<Value>>,
}

struct Taken {
    id: String,
    how: How,
    seen: Observed<Value>,
}

/// What an open address may be, by its content.
struct Match {
    address: ResourceAddress,
    ids: Vec<String>,
    /// Whether nothing else could be it, and it could be nothing else.
    is_certain: bool,
}

/// What looking for one address gave.
enum Outcome {
    Found { id: String, how: How, seen: Observed<Value> },
    Not(Why),
}

impl From<OpError> for Outcome {
    fn from(error: OpError) -> Self {
        Self::Not(Why::Unread { error })
    }
}

impl Search<'_> {
    /// One step of the search; false when there is nothing more to find.
    async fn round(&mut self) -> Result<bool, ImportError> {
        if self.each_address(false).await? || self.by_content() || self.ask_facts().await? {
            self.plan = self.engine.plan_to_import(&Arc::new(self.state.clone())).await?;
            return Ok(true);
        }
        // What is left depends on something that does not exist. It may exist all the same.
        let more = self.each_address(true).await?;
        if more {
            self.plan = self.engine.plan_to_import(&Arc::new(self.state.clone())).await?;
        }
        Ok(more)
    }

    /// What is declared, and neither in the state nor found so far: what the next run would create.
    fn open(&self) -> impl Iterator<Item = (&ResourceAddress, &PlannedResource)> {
        self.plan.resources.iter().filter(|(address, _)| self.is_open(address))
    }

    fn is_open(&self, address: &ResourceAddress) -> bool {
        let planned = self.plan.resources.get(address);
        planned.is_some_and(|planned| planned.action == Action::Create) && !self.state.resources.contains_key(address)
    }

    /// Addresses that a spec needs the outputs of, and that were not found so far.
    fn waits_on(&self, spec: &Value) -> Vec<ResourceAddress> {
        let mut on = BTreeSet::new();
        unknown::each_token(spec, &mut |source| {
            if let Source::Output(address, _) = source
                && self.is_open(&address)
            {
                on.insert(address);
            }
        });
        on.into_iter().collect()
    }

    /// Looks for each open address by its tags or its name; those that wait for others only when
    /// `anyway`. Whether something was found.
    async fn each_address(&mut self, anyway: bool) -> Result<bool, ImportError> {
        let search: &Self = self;
        let ready = search.open().filter(|(_, planned)| anyway || search.waits_on(&planned.spec).is_empty());
        let looks =
            ready.map(|(address, planned)| async move { (address.clone(), search.look(address, planned).await) });
        let looks: Vec<_> = looks.collect();
        let mut outcomes: Vec<(ResourceAddress, Outcome)> =
            futures::stream::iter(looks).buffer_unordered(search.engine.parallelism.max(1)).collect().await;
        outcomes.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut found = false;
        for (address, outcome) in outcomes {
            match outcome {
                Outcome::Found { id, how, seen } => found |= self.take(&address, id, how, seen),
                Outcome::Not(why) => _ = self.missing.insert(address, why),
            }
        }
        Ok(found)
    }

    /// What carries the pipeline's tags and could be at an address: it is of the same kind, in the same place.
    fn tagged_like(&self, address: &ResourceAddress) -> Option<&Vec<Tagged>> {
        let registry = self.engine.registry().of(address.step());
        self.tagged.get(&(registry.placement().clone(), registry.kind(address.kind())?.name()))
    }

    async fn look(&self, address: &ResourceAddress, planned: &PlannedResource) -> Outcome {
        let Some(kind) = self.engine.registry().kind_of(address) else { return Outcome::Not(Why::NotLookedFor) };
        match self.tagged_like(address) {
            Some(tagged) => match self.by_tags(address, planned, &**kind, tagged) {
                Outcome::Not(Why::NotThere) if self.adopts => self.of_others(planned, &**kind).await,
                other => other,
            },
            None => self.by_name(planned, &**kind).await,
        }
    }

    /// What somebody else made and has the declared name, place, or `Name` tag.
    async fn of_others(&self, planned: &PlannedResource, kind: &dyn DynKind) -> Outcome {
        let on = self.waits_on(&planned.spec);
        if !on.is_empty() {
            return Outcome::Not(Why::Waits { on });
        }
        match self.by_name(planned, kind).await {
            Outcome::Not(Why::NotThere | Why::NotLookedFor) => {}
            other => return other,
        }
        let Some(name) = planned.spec.get("tags").and_then(|tags| tags.get("Name")).and_then(Value::as_str) else {
            return Outcome::Not(Why::NotThere);
        };
        match kind.by_tags(&BTreeMap::from([("Name".to_owned(), name.to_owned())])).await {
            Ok(ids) => self.one_of(ids.unwrap_or_default(), planned, kind).await,
            Err(error) => error.into(),
        }
    }

    /// Among what carries the pipeline's tags, the one with this address.
    fn by_tags(
        &self,
        address: &ResourceAddress,
        planned: &PlannedResource,
        kind: &dyn DynKind,
        tagged: &[Tagged],
    ) -> Outcome {
        let own = address.to_string();
        let named = tagged.iter().filter(|one| one.address.as_ref() == Some(&own));
        let mut all: Vec<(&Tagged, &Observed<Value>)> =
            named.filter_map(|one| Some((one, one.seen.as_ref()?))).collect();
        if all.len() > 1 {
            // A predecessor that waits to be deleted has the same tags as its successor.
            let fits = |(_, seen): &(&Tagged, &Observed<Value>)| !compared(kind, seen, planned).replaces();
            all.sort_by_key(|one| !fits(one));
            let fitting = all.iter().filter(|one| fits(one)).count();
            if fitting != 1 {
                return Outcome::Not(Why::Ambiguous { ids: all.iter().map(|(one, _)| one.id.clone()).collect() });
            }
        }
        match all.first() {
            Some((one, seen)) => self.accept(one.id.clone(), How::Tags, (*seen).clone(), planned, kind),
            None => Outcome::Not(Why::NotThere),
        }
    }

    /// What has the declared name or place.
    async fn by_name(&self, planned: &PlannedResource, kind: &dyn DynKind) -> Outcome {
        if kind.id_of(&planned.spec).is_some_and(|id| unknown::is_unknown(&id)) {
            return Outcome::Not(Why::Waits { on: self.waits_on(&planned.spec) });
        }
        let ids = match kind.by_place(&planned.spec).await {
            Ok(Some(ids)) => ids,
            Ok(None) => return Outcome::Not(Why::NotLookedFor),
            Err(error) => return error.into(),
        };
        self.one_of(ids, planned, kind).await
    }

    /// The one of these that may be taken.
    async fn one_of(&self, ids: Vec<String>, planned: &PlannedResource, kind: &dyn DynKind) -> Outcome {
        let mut all = Vec::new();
        for id in ids {
            match kind.read(&id, &planned.spec).await {
                Ok(Some(seen)) => all.push((id, seen)),
                Ok(None) => {}
                Err(error) => return error.into(),
            }
        }
        if all.len() > 1 {
            return Outcome::Not(Why::Ambiguous { ids: all.into_iter().map(|(id, _)| id).collect() });
        }
        let Some((id, seen)) = all.pop() else { return Outcome::Not(Why::NotThere) };
        let Some(marks) = kind.marks(&seen.spec) else { return self.accept(id, How::Name, seen, planned, kind) };
        match marks.pipeline {
            Some(pipeline) if pipeline == self.plan.pipeline => self.accept(id, How::Name, seen, planned, kind),
            Some(pipeline) => Outcome::Not(Why::Claimed { id, pipeline }),
            None if self.adopts && compared(kind, &seen, planned).replaces() => Outcome::Not(Why::Otherwise { id }),
            None if self.adopts => self.accept(id, How::Name, seen, planned, kind),
            None => Outcome::Not(Why::Unmarked { id }),
        }
    }

    /// Takes what was found, unless it can be told only later that it is the declared one.
    fn accept(
        &self,
        id: String,
        how: How,
        seen: Observed<Value>,
        planned: &PlannedResource,
        kind: &dyn DynKind,
    ) -> Outcome {
        let all = kind.compare(&seen.spec, &planned.spec);
        let fixed = all.fields.iter().filter(|field| field.replaces).filter_map(|field| field.new.as_ref());
        let on: BTreeSet<_> = fixed.flat_map(|value| self.waits_on(value)).collect();
        if on.is_empty() {
            return Outcome::Found { id, how, seen };
        }
        Outcome::Not(Why::Waits { on: on.into_iter().collect() })
    }

    /// Matches what carries the pipeline's tags with an address that is not declared (any more) to the open
    /// addresses that declare just that. Whether something was found.
    fn by_content(&mut self) -> bool {
        let mut any = false;
        for Match { address, ids, is_certain } in self.matches() {
            let mut all = self.tagged_like(&address).into_iter().flatten();
            let one = all.find(|one| is_certain && ids.contains(&one.id));
            match one.and_then(|one| Some((one.id.clone(), one.address.clone(), one.seen.clone()?))) {
                Some((id, was, seen)) => any |= self.take(&address, id, How::Content { was }, seen),
                None => _ = self.missing.insert(address, Why::Ambiguous { ids }),
            }
        }
        any
    }

    /// What could be whose, kind by kind.
    fn matches(&self) -> Vec<Match> {
        let mut matches = Vec::new();
        for ((placement, name), tagged) in &self.tagged {
            let registry = self.engine.registry();
            let Some(kind) = registry.kind(name) else { continue };
            let is_there = |address: &ResourceAddress| registry.of(address.step()).placement() == placement;
            let open: Vec<_> =
                self.open().filter(|(address, _)| address.kind() == *name && is_there(address)).collect();
            let free: Vec<_> = tagged.iter().filter(|one| self.is_free(placement, name, one)).collect();
            // What is the same but for its address wins over what could be made the same.
            for is_close in [false, true] {
                let fits = |one: &Tagged, planned: &PlannedResource| {
                    one.seen.as_ref().is_some_and(|seen| self.fits(&**kind, seen, planned, is_close))
                };
                let of = |(address, planned): &(&ResourceAddress, &PlannedResource)| {
                    let fitting: Vec<&&Tagged> = free.iter().filter(|one| fits(one, planned)).collect();
                    let is_shared = |one: &Tagged| open.iter().filter(|(_, other)| fits(one, other)).count() > 1;
                    let ids: Vec<String> = fitting.iter().map(|one| one.id.clone()).collect();
                    let is_certain = matches!(fitting.as_slice(), [one] if !is_shared(one));
                    Match { address: (*address).clone(), ids, is_certain }
                };
                let found: Vec<_> = open.iter().map(of).filter(|found| !found.ids.is_empty()).collect();
                if is_close || found.iter().any(|found| found.is_certain) {
                    matches.extend(found);
                    break;
                }
            }
        }
        matches
    }

    /// Whether something that carries the pipeline's tags is nobody's: its address is not declared.
    fn is_free(&self, placement: &Placement, kind: &str, one: &Tagged) -> bool {
        let declared = one.address.as_ref().and_then(|text| text.parse::<ResourceAddress>().ok());
        let declared = declared
            .filter(|address| self.plan.resources.get(address).is_some_and(|planned| planned.action != Action::Delete));
        declared.is_none() && holder(self.engine.registry(), &self.state, (placement, kind), &one.id).is_none()
    }

    /// Whether something is what an address declares. By default only its address tag may be another one;
    /// when `is_close`, all that can be changed in place may be, and something that cannot has to be the same.
    fn fits(&self, kind: &dyn DynKind, seen: &Observed<Value>, planned: &PlannedResource, is_close: bool) -> bool {
        if !self.waits_on(&planned.spec).is_empty() {
            return false;
        }
        let compared = compared(kind, seen, planned);
        match is_close {
            true => !compared.replaces() && !kind.immutable().is_empty(),
            false => compared.fields.iter().all(|field| field.path == "tags.llmhost:address"),
        }
    }

    /// Takes something as what an address declares, and with it the facts that it tells.
    fn take(&mut self, address: &ResourceAddress, id: String, how: How, seen: Observed<Value>) -> bool {
        let placement = self.engine.registry().of(address.step()).placement();
        if let Some(other) = holder(self.engine.registry(), &self.state, (placement, address.kind()), &id) {
            self.missing.insert(address.clone(), Why::Known { holder: other.clone(), id });
            return false;
        }
        let Some(planned) = self.plan.resources.get(address) else { return false };
        for (key, value) in facts::told(&planned.spec, &seen.spec) {
            self.state.facts.entry(key).or_insert(value);
        }
        let Some(kind) = self.engine.registry().kind_of(address) else { return false };
        let instance = instance(&**kind, address, id.clone(), seen.clone(), planned);
        self.state.apply(Change::Current { address: address.clone(), instance });
        self.missing.remove(address);
        self.taken.insert(address.clone(), Taken { id, how, seen });
        true
    }

    /// Asks for the facts that nothing that exists tells. Whether there were any.
    async fn ask_facts(&mut self) -> Result<bool, ImportError> {
        let open: BTreeSet<String> = self.open().flat_map(|(_, planned)| facts::unknown_in(&planned.spec)).collect();
        let unknown: Vec<String> = open.into_iter().filter(|key| !self.state.facts.contains_key(key)).collect();
        for key in &unknown {
            let value = facts::ask(self.engine.registry(), key, &self.state.facts).await?;
            self.state.facts.insert(key.clone(), value);
        }
        Ok(!unknown.is_empty())
    }

    /// Reads what was found once more, as it is declared now that everything is known, and says what taking
    /// it in changes.
    async fn settle(mut self) -> Result<Survey, ImportError> {
        let reads = self.taken.iter().map(|(address, taken)| {
            let (kind, planned) = (self.engine.registry().kind_of(address), self.plan.resources.get(address));
            async move {
                let (kind, planned) = (kind?, planned?);
                let seen = kind.read(&taken.id, &planned.spec).await;
                let mut seen = seen.ok().flatten().unwrap_or_else(|| taken.seen.clone());
                tags::leave_others(&mut seen.spec, &[&planned.spec]);
                let declared = ignored::as_there(self.engine, address, &planned.spec, &seen.spec);
                let differs = kind.compare(&seen.spec, &declared).fields;
                let mut instance = instance(&**kind, address, taken.id.clone(), seen, planned);
                if differs.is_empty() && !unknown::any_unknown(&declared) {
                    instance.spec = declared;
                }
                let found = Found { address: address.clone(), id: taken.id.clone(), how: taken.how.clone(), differs };
                Some((found, instance))
            }
        });
        let reads: Vec<_> = reads.collect();
        let read: Vec<_> = futures::stream::iter(reads).buffered(self.engine.parallelism.max(1)).collect().await;
        let mut found: Vec<(Found, crate::state::Instance)> = read.into_iter().flatten().collect();
        for (one, instance) in &found {
            let (address, instance) = (one.address.clone(), instance.clone());
            self.state.apply(Change::Current { address, instance });
        }
        let plan = self.engine.plan_to_import(&Arc::new(self.state.clone())).await?;
        // What the lock file says is a fact of the state as well, as a run records it.
        for key in &plan.facts {
            if let Some(value) = self.engine.lock.as_ref().and_then(|lock| lock.fact(key)) {
                self.state.facts.entry(key.clone()).or_insert(value);
            }
        }
        found.sort_by_key(|(one, _)| plan.resources.get_index_of(&one.address));
        let mut changes = Vec::new();
        for (one, instance) in &mut found {
            if let Some(planned) = plan.resources.get(&one.address) {
                instance.depends_on.clone_from(&planned.depends_on);
                instance.bound = self.state.generations(&planned.depends_on);
            }
            changes.push(Change::Current { address: one.address.clone(), instance: instance.clone() });
        }
        changes.extend(super::users(&self.state, &plan, &found.iter().map(|(one, _)| &one.address).collect()));
        let whole = plan.steps.iter().filter(|step| !unknown::any_unknown(&step.outputs));
        let fresh = whole.filter(|step| self.state.outputs.get(&step.name) != Some(&step.outputs));
        changes.extend(fresh.map(|step| Change::StepDone {
            step: step.name.clone(),
            outputs: step.outputs.clone(),
            sensitive: step.sensitive.clone(),
        }));
        let facts = self.state.facts.iter().filter(|(key, value)| self.known.get(*key) != Some(value));
        Ok(Survey {
            missing: self.missing(),
            strays: self.strays(),
            facts: facts.map(|(key, value)| (key.clone(), value.clone())).collect(),
            known: self.state.resources.len() - found.len(),
            then: plan.summary(),
            found: found.into_iter().map(|(found, _)| found).collect(),
            changes,
        })
    }

    fn missing(&self) -> Vec<Missing> {
        let open = self.open().map(|(address, planned)| {
            let on = self.waits_on(&planned.spec);
            let waits = if on.is_empty() { Why::NotThere } else { Why::Waits { on } };
            Missing { address: address.clone(), why: self.missing.get(address).cloned().unwrap_or(waits) }
        });
        open.collect()
    }

    fn strays(&self) -> Vec<Stray> {
        let registry = self.engine.registry();
        let mut strays: Vec<Stray> = Vec::new();
        for ((placement, kind), all) in &self.tagged {
            for one in all.iter().filter(|one| holder(registry, &self.state, (placement, kind), &one.id).is_none()) {
                // Two roles may see the same account.
                if !strays.iter().any(|known| (known.kind, &known.id) == (*kind, &one.id)) {
                    strays.push(Stray { kind, id: one.id.clone(), address: one.address.clone() });
                }
            }
        }
        strays
    }
}

/// Who has an id in a state, be it current or waiting to be deleted.
fn holder<'a>(
    registry: &Registry,
    state: &'a State,
    (placement, kind): (&Placement, &str),
    id: &str,
) -> Option<&'a ResourceAddress> {
    let of_kind = state.resources.iter().filter(|(address, _)| address.kind() == kind);
    // Clusters and groups of two regions may have the same name.
    let of_kind = of_kind.filter(|(address, _)| registry.of(address.step()).placement() == placement);
    let mut has = of_kind.filter(|(_, record)| record.current.iter().chain(&record.deposed).any(|one| one.id == id));
    has.next().map(|(address, _)| address)
}

/// In what something differs from a declaration, as far as that is known.
fn compared(kind: &dyn DynKind, seen: &Observed<Value>, planned: &PlannedResource) -> Comparison {
    let mut all = kind.compare(&seen.spec, &planned.spec);
    all.fields.retain(|field| !uncertain(field));
    all
}

/// Everything that carries the pipeline's tags and is not in the state, of the kinds that are looked for by tags.
async fn tagged(engine: &Engine, plan: &Plan, state: &State) -> Result<BTreeMap<TaggedKind, Vec<Tagged>>, ImportError> {
    let tags = BTreeMap::from([(PIPELINE_TAG.to_owned(), plan.pipeline.clone())]);
    let (tags, registry) = (&tags, engine.registry());
    let each = registry.each().into_iter();
    let of_kind = each.flat_map(|there| there.kinds().map(move |kind| (there.placement(), kind)));
    let of_kind = of_kind.map(|(placement, kind)| async move {
        let Some(ids) = kind.by_tags(tags).await? else { return Ok(None) };
        let declared = plan.resources.iter().find(|(address, planned)| {
            address.kind() == kind.name()
                && planned.action != Action::Delete
                && registry.of(address.step()).placement() == placement
        });
        let mut all = Vec::new();
        for id in ids.into_iter().filter(|id| holder(registry, state, (placement, kind.name()), id).is_none()) {
            let Some((_, planned)) = declared else {
                all.push(Tagged { id, address: None, seen: None });
                continue;
            };
            // Tags are listed for a while of what is gone already.
            let Some(seen) = kind.read(&id, &planned.spec).await? else { continue };
            let address = kind.marks(&seen.spec).and_then(|marks| marks.address);
            all.push(Tagged { id, address, seen: Some(seen) });
        }
        Ok::<_, OpError>(Some(((placement.clone(), kind.name()), all)))
    });
    let of_kind: Vec<_> = of_kind.collect();
    let found: Vec<_> = futures::stream::iter(of_kind).buffered(engine.parallelism.max(1)).collect().await;
    let found: Vec<_> = found.into_iter().collect::<Result<_, OpError>>()?;
    Ok(found.into_iter().flatten().collect())
}
