//! What a run is given for the variables of its file, and which of several values counts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::environments::Environment;
use super::packages::Packages;
use super::reader::Problems;
use super::values::Scope;
use super::var_file::{self, Entry};
use crate::diagnostic::Diagnostic;

/// What the environment variables of variables begin with.
const PREFIX: &str = "LLMHOST_VAR_";

/// Values beside those of the file and of the environment.
#[derive(Clone, Default)]
pub struct Given {
    /// Names and texts of the command line; the last of a name counts.
    pub vars: Vec<(String, String)>,
    /// Files with values; the last that has a name counts.
    pub files: Vec<PathBuf>,
    /// What a saved plan was made with. It counts before everything else.
    pub kept: Option<Kept>,
    /// The environment of the file that is meant, where there are such.
    pub environment: Option<String>,
    /// Who fetches published pipelines.
    pub packages: Option<Arc<dyn Packages>>,
}

/// What a saved plan holds of the variables that it was made with.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// The values.
    pub values: BTreeMap<String, Value>,
    /// Secret variables, whose values it does not hold: they are to be given again.
    pub secrets: BTreeSet<String>,
}

/// A value that a variable was given.
pub(super) struct Told<'a> {
    pub(super) from: Origin<'a>,
    pub(super) said: Said<'a>,
}

/// A value as it was given.
pub(super) enum Said<'a> {
    /// A text, to be read by the variable's type.
    Text(String),
    /// A value with a type of its own.
    Value(&'a Value),
}

/// Where a value comes from, as messages name it.
#[derive(Clone, Copy)]
pub(super) enum Origin<'a> {
    Flag(&'a str),
    Environment(&'a str),
    /// A line of a file.
    Place(&'a str),
    Plan,
    Default(&'a str),
}

impl fmt::Display for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "--var {name}"),
            Self::Environment(name) => write!(f, "{PREFIX}{name}"),
            Self::Place(place) => f.write_str(place),
            Self::Plan => f.write_str("the saved plan"),
            Self::Default(name) => write!(f, "default of [vars.{name}]"),
        }
    }
}

/// Everything that may give a variable its value, read.
pub(super) struct Sources<'a> {
    given: &'a Given,
    files: Vec<Vec<Entry>>,
    /// What the environment of the file says.
    overlay: Vec<Entry>,
    env: &'a dyn Fn(&str) -> Option<String>,
}

impl<'a> Sources<'a> {
    pub(super) fn read(given: &'a Given, env: &'a dyn Fn(&str) -> Option<String>) -> Result<Self, Diagnostic> {
        let files = given.files.iter().map(|path| var_file::read(path)).collect::<Result<_, _>>()?;
        Ok(Self { given, files, overlay: Vec::new(), env })
    }

    /// The environment of the file that is meant.
    pub(super) fn environment(&self) -> Option<&'a str> {
        self.given.environment.as_deref()
    }

    /// With the values of that environment, which count before defaults alone.
    pub(super) fn with_environment(
        self,
        found: Option<&Environment<'_>>,
        scope: &Scope<'_>,
        problems: &mut Problems,
    ) -> Self {
        let entry = |(name, value), place: &str| Entry { name, value, place: place.to_owned() };
        let overlay = found.into_iter().flat_map(|found| {
            let place = format!("[env.{}]", found.name);
            found.values(scope, problems).into_iter().map(move |one| entry(one, &place)).collect::<Vec<_>>()
        });
        Self { overlay: overlay.collect(), ..self }
    }

    /// Every value that a variable was given, the one that counts first.
    pub(super) fn of<'s>(&'s self, name: &'s str) -> Vec<Told<'s>> {
        let mut told = Vec::new();
        let kept = self.given.kept.as_ref().and_then(|kept| kept.values.get(name));
        told.extend(kept.map(|value| Told { from: Origin::Plan, said: Said::Value(value) }));
        let flags = self.given.vars.iter().rev().filter(|(known, _)| known == name);
        told.extend(flags.map(|(_, text)| Told { from: Origin::Flag(name), said: Said::Text(text.clone()) }));
        let entries = self.files.iter().rev().flatten().filter(|entry| entry.name == name);
        told.extend(entries.map(|entry| Told { from: Origin::Place(&entry.place), said: Said::Value(&entry.value) }));
        let text = (self.env)(&format!("{PREFIX}{name}"));
        told.extend(text.map(|text| Told { from: Origin::Environment(name), said: Said::Text(text) }));
        let entries = self.overlay.iter().filter(|entry| entry.name == name);
        told.extend(entries.map(|entry| Told { from: Origin::Place(&entry.place), said: Said::Value(&entry.value) }));
        told
    }

    /// Every name that was given on purpose, with where. The environment is shared with other pipelines.
    pub(super) fn names(&self) -> Vec<(&str, Origin<'_>)> {
        let flags = self.given.vars.iter().map(|(name, _)| (name.as_str(), Origin::Flag(name)));
        let files = self
            .files
            .iter()
            .flatten()
            .chain(&self.overlay)
            .map(|entry| (entry.name.as_str(), Origin::Place(&entry.place)));
        flags.chain(files).collect()
    }

    /// Whether a saved plan was made with a value that it does not hold.
    pub(super) fn is_to_be_given_again(&self, name: &str) -> bool {
        self.given.kept.as_ref().is_some_and(|kept| kept.secrets.contains(name))
    }
}
