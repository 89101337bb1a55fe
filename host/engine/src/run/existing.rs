//! What exists already, looked up before anything is planned.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use futures::future::join_all;
use serde_json::{Map, Value};

use super::common::Common;
use super::report::{Reason, StepFailure};
use crate::kind::{OpError, Outputs};
use crate::look_up::{self, Query, StandIns};
use crate::names::StepName;
use crate::pipeline::existing::{in_columns, unlooked};
use crate::pipeline::{Existing, Pipeline};
use crate::plan::PlannedExisting;
use crate::state::{Change, State, StateError, StateStore};
use crate::unknown;

/// Who answers look-ups. An answer holds for the plan and for its apply.
#[derive(Default)]
pub(crate) struct LookUps {
    /// Whether AWS is asked; if not, the state's last answer counts.
    asks: bool,
    /// Who makes what would be looked up.
    stand_ins: Option<Arc<dyn StandIns>>,
    answers: Mutex<BTreeMap<String, Arc<Vec<Outputs>>>>,
}

impl LookUps {
    /// Asks AWS, or has stand-ins made.
    pub(super) fn asking(stand_ins: Option<Arc<dyn StandIns>>) -> Self {
        Self { asks: true, stand_ins, answers: Mutex::default() }
    }

    /// The answer to a query; nothing where nobody is asked and the state has none.
    async fn answer(
        &self,
        common: &Common,
        state: &State,
        query: &Query,
    ) -> Result<Option<Arc<Vec<Outputs>>>, OpError> {
        let key = query.key();
        if let Some(known) = self.answers.lock().expect("no panic under this lock").get(&key) {
            return Ok(Some(Arc::clone(known)));
        }
        if !self.asks {
            let recorded = state.facts.get(&key).and_then(|text| serde_json::from_str(text).ok());
            return Ok(recorded.map(Arc::new));
        }
        let found = match &self.stand_ins {
            Some(stand_ins) => stood_in(common, &**stand_ins, query).await?,
            None => look_up::look_up(&common.registry, query, &common.pipeline.name).await?,
        };
        let found = Arc::new(found);
        self.answers.lock().expect("no panic under this lock").insert(key, Arc::clone(&found));
        Ok(Some(found))
    }
}

/// Makes what a query would find, and reads it.
async fn stood_in(common: &Common, stand_ins: &dyn StandIns, query: &Query) -> Result<Vec<Outputs>, OpError> {
    let registry = common.registry.at(&query.placement);
    let kind = registry.kind(&query.kind);
    let kind = kind.ok_or_else(|| look_up::refused(format!("there is no kind {}", query.kind), ""))?;
    let mut found = Vec::new();
    for id in stand_ins.make(query).await? {
        found.extend(look_up::read(&**kind, &id).await?);
    }
    Ok(found)
}

/// An attribute of each resource that a plugin looks up; nothing where nobody knows. What is found of it is added to
/// `seen`.
pub(super) async fn attribute(
    common: &Common,
    state: &State,
    step: &StepName,
    query: &Query,
    attribute: &str,
    seen: &Mutex<Vec<PlannedExisting>>,
) -> Result<Option<Vec<Value>>, OpError> {
    // A plugin looks where its step makes things.
    let placement = common.pipeline.placement_of(step);
    let query = &Query { placement: placement.cloned().unwrap_or_default(), ..query.clone() };
    let is_known = !unknown::any_unknown(&serde_json::to_value(query).unwrap_or_default());
    let answer = if is_known { common.look_ups.answer(common, state, query).await? } else { None };
    let key = query.key();
    let mut seen = seen.lock().expect("no panic under this lock");
    let at = seen.iter().position(|one| one.key.as_ref() == Some(&key)).unwrap_or_else(|| {
        let ids =
            answer.as_ref().map(|rows| rows.iter().filter_map(|row| row["id"].as_str().map(str::to_owned)).collect());
        let found = answer.iter().flat_map(|rows| rows.iter()).map(|row| only(row, "id")).collect();
        seen.push(PlannedExisting { name: step.clone(), kind: query.kind.clone(), ids, key: Some(key), found });
        seen.len() - 1
    });
    let Some(rows) = answer else { return Ok(None) };
    let mut values = Vec::with_capacity(rows.len());
    for (row, kept) in rows.iter().zip(&mut seen[at].found) {
        match row.get(attribute) {
            Some(value) => {
                kept.insert(attribute.to_owned(), value.clone());
                values.push(value.clone());
            }
            // What the state kept, nobody has asked for.
            None if !common.look_ups.asks => return Ok(None),
            None => return Err(look_up::unknown_attribute(&query.kind, attribute, row)),
        }
    }
    Ok(Some(values))
}

/// The token of an attribute that a plugin looks up and nobody knows.
pub(super) fn token(query: &Query, attribute: &str) -> String {
    unknown::fact(&format!("existing/{}/{}.{attribute}", query.kind, crate::kind::unique(&query.key())))
}

fn only(row: &Outputs, name: &str) -> Outputs {
    row.iter().filter(|(key, _)| *key == name).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// What was looked up, for the steps and for the plan.
pub(super) struct LookedUp {
    /// What references to each are replaced by.
    pub(super) outputs: HashMap<StepName, Value>,
    pub(super) planned: Vec<PlannedExisting>,
}

/// Looks everything up that the file names as existing.
pub(super) async fn look_up(common: &Common, state: &State) -> Result<LookedUp, Vec<StepFailure>> {
    let wanted = wanted(&common.pipeline);
    let mut done = LookedUp { outputs: HashMap::new(), planned: Vec::new() };
    let mut open: Vec<&Existing> = common.pipeline.existing.iter().collect();
    while !open.is_empty() {
        let is_ready = |one: &&Existing| one.needs().all(|(need, _)| !open.iter().any(|open| open.name == *need));
        let (ready, rest): (Vec<_>, Vec<_>) = open.iter().copied().partition(is_ready);
        let looks = ready.iter().map(|one| {
            let wanted = wanted.get(&one.name);
            one_of(common, state, one, wanted, &done.outputs)
        });
        let looks = join_all(looks).await;
        let mut failures = Vec::new();
        for (one, looked) in ready.iter().zip(looks) {
            match looked {
                Ok((value, planned)) => {
                    done.outputs.insert(one.name.clone(), value);
                    done.planned.push(planned);
                }
                Err(reason) => failures.push(StepFailure { step: one.name.clone(), address: None, reason }),
            }
        }
        if !failures.is_empty() {
            return Err(failures);
        }
        // The file was refused where some wait for each other.
        open = rest;
    }
    Ok(done)
}

async fn one_of(
    common: &Common,
    state: &State,
    one: &Existing,
    wanted: Option<&BTreeSet<String>>,
    outputs: &HashMap<StepName, Value>,
) -> Result<(Value, PlannedExisting), Reason> {
    let look_ups = &common.look_ups;
    let query = one.query(|name| outputs.get(name));
    let words = |problems: Vec<crate::diagnostic::Diagnostic>| {
        Reason::Config(problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>().join("; "))
    };
    let query = query.map_err(words)?;
    let mut planned = PlannedExisting {
        name: one.name.clone(),
        kind: one.kind.clone(),
        ids: None,
        key: query.as_ref().map(Query::key),
        found: Vec::new(),
    };
    let answer = match &query {
        Some(query) => look_ups.answer(common, state, query).await.map_err(Reason::Operation)?,
        None => None,
    };
    let Some(answer) = answer else { return Ok((unlooked(&one.name, one.all), planned)) };
    // Of what others own, no more is kept than what the file uses.
    let mut names = wanted.cloned().unwrap_or_default();
    names.insert("id".to_owned());
    let mut rows = Vec::with_capacity(answer.len());
    for row in &*answer {
        let mut kept = Map::new();
        for name in &names {
            match row.get(name) {
                Some(value) => _ = kept.insert(name.clone(), value.clone()),
                // One of several may lack what others have; and what the state kept, nobody has asked for.
                None if one.all || !look_ups.asks => {}
                None => return Err(Reason::Operation(look_up::unknown_attribute(&one.kind, name, row))),
            }
        }
        rows.push(kept);
    }
    if one.all
        && look_ups.asks
        && let Some(row) = answer.first()
        && let Some(name) = names.iter().find(|name| answer.iter().all(|row| !row.contains_key(*name)))
    {
        return Err(Reason::Operation(look_up::unknown_attribute(&one.kind, name, row)));
    }
    planned.ids = Some(rows.iter().filter_map(|row| row["id"].as_str().map(str::to_owned)).collect());
    planned.found.clone_from(&rows);
    let value = match (one.all, rows.into_iter().next()) {
        (false, Some(mut row)) => {
            for name in &names {
                let unknown = || Value::String(unknown::fact(&format!("{}.{name}", one.name)));
                row.entry(name.clone()).or_insert_with(unknown);
            }
            Value::Object(row)
        }
        (_, _) => in_columns(&planned.found, &names),
    };
    Ok((value, planned))
}

/// The attributes that the file uses of each.
fn wanted(pipeline: &Pipeline) -> HashMap<StepName, BTreeSet<String>> {
    let mut wanted: HashMap<StepName, BTreeSet<String>> = HashMap::new();
    for (name, output) in pipeline.needs() {
        if pipeline.existing.iter().any(|one| one.name == *name) {
            wanted.entry(name.clone()).or_default().insert(output.to_owned());
        }
    }
    wanted
}

/// Keeps the answers in the state, for plans that ask nobody.
pub(super) async fn remember(existing: &[PlannedExisting], store: &dyn StateStore) -> Result<(), StateError> {
    let state = store.snapshot();
    for one in existing.iter().filter(|one| one.ids.is_some()) {
        let Some(key) = &one.key else { continue };
        let value = serde_json::to_string(&one.found).expect("it is JSON");
        if state.facts.get(key) != Some(&value) {
            store.record(Change::Fact { key: key.clone(), value }).await?;
        }
    }
    Ok(())
}
