//! Holds a plugin to its plan before anything is applied.
//!
//! A plugin that decides by a value that is not known while planning declares one thing in the plan and another
//! when it is applied. Applying refuses that, but by then other steps have made their resources. So a step that has
//! seen an unknown value runs once more while it is planned, against a host that gives samples in place of the
//! unknown values, and has to do the same.

mod difference;
mod samples;
mod session;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use indexmap::{IndexMap, IndexSet};
use serde_json::Value;

use self::difference::differences;
use self::samples::{Choice, Samples};
use self::session::ProbeSession;
use super::common::Common;
use super::decide::Known;
use super::files::Files;
use super::{Engine, StepConfig};
use crate::names::{ResourceAddress, StepName};
use crate::pipeline::FieldPath;
use crate::plugin::{Capabilities, PluginError};
use crate::state::State;
use crate::unknown;
pub(super) use difference::fields;
pub use difference::{DecidesByUnknown, Difference};

/// How many unknown values are tried one at a time.
const MOST_TRIED: usize = 48;

/// What a step did while it was planned.
pub(super) struct Planned<'a> {
    pub(super) step: usize,
    pub(super) name: &'a StepName,
    pub(super) config: &'a StepConfig,
    pub(super) resources: &'a IndexMap<ResourceAddress, Known>,
    pub(super) outputs: &'a Value,
    /// Tokens that it has seen.
    pub(super) given: &'a IndexSet<String>,
    /// Tokens that it asked about, whether they are known.
    pub(super) asked_about: HashSet<String>,
    /// What it has read: the further run gets the same.
    pub(super) files: Arc<Files>,
}

/// Runs the plugin of a step again, as if everything were known. Gives what it does otherwise.
pub(super) async fn probe(
    engine: &Engine,
    common: &Arc<Common>,
    state: &Arc<State>,
    planned: Planned<'_>,
) -> Option<Box<DecidesByUnknown>> {
    let tokens = planned.given;
    if tokens.is_empty() {
        return None;
    }
    let known = planned.resources.iter().map(|(address, known)| (address.clone(), known.outputs.clone()));
    let ignored = planned.resources.iter().filter(|(_, known)| !known.ignored.is_empty());
    let ignored =
        ignored.map(|(address, known)| (address.clone(), (known.ignored.clone(), known.planned.spec.clone())));
    let probe = Probe {
        engine,
        common,
        state,
        known: Arc::new(known.collect()),
        ignored: Arc::new(ignored.collect()),
        written: Arc::new(planned.config.written.clone()),
        left: Arc::new(left(engine, common, state, &planned)),
        planned,
    };
    probe.run(tokens).await
}

/// Tokens that have no sample: those whose form nobody knows, where the plugin asks first or the schema of its
/// options takes no guess, and those whose sample the schema refuses.
fn left(engine: &Engine, common: &Arc<Common>, state: &Arc<State>, planned: &Planned<'_>) -> HashSet<String> {
    let tokens = planned.given;
    let samples = |choice| Samples::new(Arc::clone(common), Arc::clone(state), choice, Arc::default());
    let fits = |choice| {
        let config = samples(choice).fill(&planned.config.written);
        engine.schemas[planned.step].check_resolved(&engine.pipeline.steps[planned.step], &config).is_empty()
    };
    let all = samples(Choice::All);
    let aware = tokens
        .iter()
        .filter(|token| planned.asked_about.contains(*token) && all.get(token).is_some_and(|sample| sample.is_guess));
    let mut left: HashSet<String> = aware.cloned().collect();
    if !fits(Choice::All) {
        left.extend(tokens.iter().filter(|token| !fits(Choice::Only((*token).clone()))).cloned());
    }
    left
}

struct Probe<'a> {
    engine: &'a Engine,
    common: &'a Arc<Common>,
    state: &'a Arc<State>,
    planned: Planned<'a>,
    known: Arc<HashMap<ResourceAddress, crate::kind::Outputs>>,
    ignored: Arc<HashMap<ResourceAddress, (Vec<FieldPath>, Value)>>,
    written: Arc<Value>,
    left: Arc<HashSet<String>>,
}

impl Probe<'_> {
    async fn run(&self, tokens: &IndexSet<String>) -> Option<Box<DecidesByUnknown>> {
        let samples = self.samples(Choice::All);
        let is_guess: HashMap<&String, bool> =
            tokens.iter().filter_map(|token| Some((token, samples.get(token)?.is_guess))).collect();
        if is_guess.is_empty() {
            return None;
        }
        let mut found = self.attempt(Choice::All).await;
        if found.is_empty() {
            return None;
        }
        let mut candidates: Vec<&String> = is_guess.keys().copied().collect();
        candidates.sort_by_key(|token| tokens.get_index_of(*token));
        if is_guess.values().any(|is_guess| *is_guess) {
            let faithful = self.attempt(Choice::Faithful).await;
            if !faithful.is_empty() {
                candidates.retain(|token| !is_guess[token]);
                found = faithful;
            } else if found.iter().any(Difference::is_failure) {
                // The real value may have the form that the plugin asks for.
                return None;
            }
        }
        // What takes as long as it may is not done again and again.
        let is_endless = found.iter().any(|found| matches!(found, Difference::Fails(PluginError::LimitHit { .. })));
        for token in candidates.iter().take(if is_endless { 0 } else { MOST_TRIED }) {
            let alone = self.attempt(Choice::Only((*token).clone())).await;
            if !alone.is_empty() {
                return Some(self.told(vec![unknown::words(token)], alone));
            }
        }
        Some(self.told(candidates.iter().map(|token| unknown::words(token)).collect(), found))
    }

    fn told(&self, unknown: Vec<String>, differences: Vec<Difference>) -> Box<DecidesByUnknown> {
        Box::new(DecidesByUnknown { unknown, differences })
    }

    fn samples(&self, choice: Choice) -> Samples {
        Samples::new(Arc::clone(self.common), Arc::clone(self.state), choice, Arc::clone(&self.left))
    }

    /// Runs the plugin with some of the values known.
    async fn attempt(&self, choice: Choice) -> Vec<Difference> {
        let samples = self.samples(choice);
        let config = samples.fill(self.planned.config.given());
        let session = Arc::new(ProbeSession {
            common: Arc::new(self.common.beside(self.planned.name)),
            state: Arc::clone(self.state),
            step: self.planned.name.clone(),
            written: Arc::clone(&self.written),
            known: Arc::clone(&self.known),
            ignored: Arc::clone(&self.ignored),
            samples,
            seen: Mutex::default(),
            files: Arc::clone(&self.planned.files),
        });
        let host: Arc<dyn Capabilities> = Arc::clone(&session) as _;
        // Not traced: a trace holds what the run was made of.
        let result = self.engine.plugins[self.planned.step].run(&config, host).await;
        let result = result.map(|outputs| session.samples.restore(outputs));
        let seen = std::mem::take(&mut *session.seen());
        differences(self.planned.resources, self.planned.outputs, seen, result)
    }
}
