//! Samples for the unknown values that a step has seen: put in place of tokens, and tokens put back.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::kind::{Sampled, Scope, sample};
use crate::run::common::Common;
use crate::state::State;
use crate::unknown::{self, Piece, Source};

/// A value that stands for an unknown one.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) value: Value,
    /// Whether nobody knows the form of the real value. What a plugin does with such a sample is no proof of what it
    /// does with the real value where it only refuses the sample.
    pub(super) is_guess: bool,
}

/// Which unknown values have samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Choice {
    /// All.
    All,
    /// Those whose form is known.
    Faithful,
    /// One, by its token.
    Only(String),
}

/// The samples of one run of a plugin.
pub(super) struct Samples {
    common: Arc<Common>,
    state: Arc<State>,
    choice: Choice,
    /// Tokens that stay what they are.
    left: Arc<HashSet<String>>,
    made: Mutex<IndexMap<String, Sample>>,
}

impl Samples {
    pub(super) fn new(common: Arc<Common>, state: Arc<State>, choice: Choice, left: Arc<HashSet<String>>) -> Self {
        Self { common, state, choice, left, made: Mutex::default() }
    }

    /// The sample for a token, where it has one.
    pub(super) fn get(&self, token: &str) -> Option<Sample> {
        self.at_depth(token, 0)
    }

    /// A value with samples in place of tokens.
    pub(super) fn fill(&self, value: &Value) -> Value {
        each_text(value, &|text| self.fill_text(text, 0))
    }

    /// A value with the tokens back in place of samples. Short samples stay: they may be texts of the plugin's own.
    pub(super) fn restore(&self, value: Value) -> Value {
        let mut known: Vec<(String, String)> = Vec::new();
        for (token, sample) in &*self.lock() {
            known.extend(sample.value.as_str().map(|text| (text.to_owned(), token.clone())));
        }
        known.retain(|(text, _)| text.contains(sample::MARK));
        // One may be part of another.
        known.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        if known.is_empty() {
            return value;
        }
        each_text(&value, &|text| {
            if !text.contains(sample::MARK) {
                return Value::String(text.to_owned());
            }
            Value::String(known.iter().fold(text.to_owned(), |text, (sample, token)| text.replace(sample, token)))
        })
    }

    fn fill_text(&self, text: &str, depth: usize) -> Value {
        if !unknown::is_unknown(text) {
            return Value::String(text.to_owned());
        }
        let sample = |source: &Source<'_>| self.at_depth(&token_of(source), depth);
        if let Some(sample) = unknown::whole(text).and_then(|source| sample(&source)) {
            return sample.value;
        }
        let mut filled = String::with_capacity(text.len());
        for piece in unknown::pieces(text) {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Token(source) => match sample(&source).map(|sample| sample.value) {
                    Some(Value::String(text)) => filled.push_str(&text),
                    Some(other) => filled.push_str(&other.to_string()),
                    None => filled.push_str(&token_of(&source)),
                },
            }
        }
        Value::String(filled)
    }

    fn at_depth(&self, token: &str, depth: usize) -> Option<Sample> {
        let is_chosen = match &self.choice {
            Choice::Only(only) => only == token,
            Choice::All | Choice::Faithful => true,
        };
        // The specs that samples are made from may hold tokens, and a plugin may have made them up.
        if !is_chosen || self.left.contains(token) || depth > 4 {
            return None;
        }
        if let Some(made) = self.lock().get(token) {
            return Some(made.clone());
        }
        let sample = self.make(token, depth);
        if sample.is_guess && matches!(self.choice, Choice::Faithful) {
            return None;
        }
        self.lock().insert(token.to_owned(), sample.clone());
        Some(sample)
    }

    fn make(&self, token: &str, depth: usize) -> Sample {
        let unique = sample::unique(token);
        let source = unknown::whole(token);
        let pipeline = &self.common.pipeline;
        // Of a fact, the region and the account of the pipeline are as good as others.
        let (region, account) = match &source {
            Some(Source::Output(address, _)) => {
                (pipeline.region_of(address.step()), self.state.account_of(address.step()))
            }
            _ => (pipeline.region.as_str(), self.state.account()),
        };
        let account = account.map_or(sample::ACCOUNT, String::as_str);
        let sampled = Sampled { unique: &unique, scope: Scope { pipeline: &pipeline.name, region, account } };
        let registry = &self.common.registry;
        let value = match source {
            Some(Source::Output(address, output)) => {
                let declared = self.common.book.spec(&address).map(|spec| Value::clone(&spec));
                let recorded = || Some(self.state.resources.get(&address)?.current.as_ref()?.spec.clone());
                let kind = registry.kind_of(&address);
                let spec = declared.or_else(recorded).unwrap_or_default();
                kind.and_then(|kind| kind.sample(output, &spec, &sampled))
            }
            Some(Source::Fact(key)) => {
                let (facts, key) = registry.facts_by_key(key);
                facts.sample(key, &sampled).map(Value::String)
            }
            Some(Source::Secret { .. }) | None => None,
        };
        match value {
            Some(value) => {
                Sample { value: each_text(&value, &|text| self.fill_text(text, depth + 1)), is_guess: false }
            }
            None => Sample { value: Value::String(format!("sample-{unique}")), is_guess: true },
        }
    }

    fn lock(&self) -> MutexGuard<'_, IndexMap<String, Sample>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn token_of(source: &Source<'_>) -> String {
    match source {
        Source::Output(address, output) => unknown::output(address, output),
        Source::Fact(key) => unknown::fact(key),
        Source::Secret { name, version } => unknown::secret(name, *version),
    }
}

/// A value with every text in it replaced, keys too.
fn each_text(value: &Value, replace: &dyn Fn(&str) -> Value) -> Value {
    match value {
        Value::String(text) => replace(text),
        Value::Array(items) => items.iter().map(|item| each_text(item, replace)).collect(),
        Value::Object(fields) => {
            let mut replaced = Map::with_capacity(fields.len());
            for (key, field) in fields {
                let key = match replace(key) {
                    Value::String(key) => key,
                    other => other.to_string(),
                };
                replaced.insert(key, each_text(field, replace));
            }
            Value::Object(replaced)
        }
        other => other.clone(),
    }
}
