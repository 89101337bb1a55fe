//! What came of a case.

use std::path::PathBuf;
use std::time::Duration;

use llmhost_engine::crash::Crash;
use llmhost_engine::plugin::PluginError;
use llmhost_engine::run::{Reason, StepFailure};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::case::{CRASHED, During, OVER_LIMIT};
use crate::expect::Difference;
use crate::watch::Declared;

/// How a case ended, and what the plugin did.
#[derive(Debug, Serialize)]
pub struct CaseReport {
    /// Its name.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// What it shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether it passed, or why not.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// What the plugin wrote to its log, in order.
    pub log: Vec<String>,
    /// How long it took.
    #[serde(skip)]
    pub took: Duration,
    #[serde(skip)]
    pub(crate) seen: Seen,
}

/// How a case ended.
#[derive(Debug, Serialize)]
#[serde(tag = "result", content = "differences", rename_all = "lowercase")]
pub enum Verdict {
    /// The plugin did what the case expects.
    Passed,
    /// It did something else.
    Failed(Vec<Difference>),
}

impl CaseReport {
    /// What came of replaying a trace.
    pub fn of_trace(name: String, path: PathBuf, verdict: Verdict, took: Duration) -> Self {
        Self { name, path, description: None, verdict, log: Vec::new(), took, seen: Seen::default() }
    }

    /// Whether the plugin did what the case expects.
    pub fn passed(&self) -> bool {
        matches!(self.verdict, Verdict::Passed)
    }

    /// The crash of the plugin, where it crashed and the case did not expect that.
    pub fn crash(&self) -> Option<&Crash> {
        self.seen.failure.as_ref().filter(|_| !self.passed())?.crash.as_ref()
    }
}

/// What a plugin did.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// While it planned, with tokens for what is unknown.
    pub(crate) planned: Declared,
    /// Last: with the values.
    pub(crate) declared: Declared,
    pub(crate) planned_outputs: Option<Map<String, Value>>,
    pub(crate) outputs: Option<Map<String, Value>>,
    pub(crate) failure: Option<SeenFailure>,
}

/// How a plugin failed.
#[derive(Debug, Clone)]
pub(crate) struct SeenFailure {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) during: During,
    pub(crate) crash: Option<Crash>,
}

impl SeenFailure {
    pub(crate) fn of(failure: &StepFailure, during: During) -> Self {
        let (code, crash) = match &failure.reason {
            Reason::Plugin(PluginError::Trapped(crash)) => (CRASHED, Some(crash)),
            Reason::Plugin(PluginError::LimitHit { crash, .. }) => (OVER_LIMIT, Some(crash)),
            reason => (reason.code().name(), None),
        };
        let message = match &failure.address {
            Some(address) => format!("{}: {}", crate::pretend::short(address), failure.reason),
            None => failure.reason.to_string(),
        };
        Self { code: code.to_owned(), message, during, crash: crash.map(|crash| (**crash).clone()) }
    }
}
