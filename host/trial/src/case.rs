//! The file of a case.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use llmhost_engine::plugin::FailureCode;
use serde::Deserialize;
use serde_json::{Map, Value};

/// One case.
#[derive(Debug, Clone)]
pub struct Case {
    /// The name of its file, without the ending.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// Its text.
    pub source: String,
    pub(crate) content: Content,
}

/// Why a case cannot be run.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct CaseError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it, with the place.
    pub reason: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Content {
    /// One sentence.
    #[serde(default)]
    pub(crate) description: Option<String>,
    /// The region that the plugin is in.
    #[serde(default = "usual_region")]
    pub(crate) region: String,
    /// What the plugin is granted; what it says that it needs, where a case says nothing.
    #[serde(default)]
    pub(crate) allow: Option<Vec<String>>,
    /// The step's options. `${step.output}` is an output of `given`.
    #[serde(default)]
    pub(crate) with: toml::Table,
    /// Secrets that `with` refers to.
    #[serde(default)]
    pub(crate) secrets: Vec<String>,
    /// Outputs of other steps: unknown while the plugin plans, and these when it applies.
    #[serde(default)]
    pub(crate) given: IndexMap<String, IndexMap<String, Value>>,
    /// What only the provider can tell, such as the names of zones, by key.
    #[serde(default)]
    pub(crate) facts: BTreeMap<String, String>,
    /// What the provider answers for a resource, `kind/name`. Other outputs are made up.
    #[serde(default)]
    pub(crate) outputs: BTreeMap<String, Map<String, Value>>,
    /// Resources, `kind/name`, that cannot be created.
    #[serde(default)]
    pub(crate) fail: BTreeMap<String, Refusal>,
    /// What the plugin has to do.
    #[serde(default)]
    pub(crate) expect: Option<Expect>,
}

/// How a creation fails.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refusal {
    pub(crate) code: FailureCode,
    #[serde(default)]
    pub(crate) message: Option<String>,
}

/// What a plugin has to do.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    /// Exactly these resources, each with at least these fields.
    #[serde(default)]
    pub(crate) declarations: Option<IndexMap<String, Map<String, Value>>>,
    /// At least these outputs.
    #[serde(default)]
    pub(crate) outputs: Option<Map<String, Value>>,
    /// That it fails.
    #[serde(default)]
    pub(crate) failure: Option<ExpectedFailure>,
}

/// A failure that a case wants.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectedFailure {
    /// A failure code of WIT, `crashed` or `over-limit`.
    #[serde(default)]
    pub(crate) code: Option<String>,
    /// A part of the message.
    #[serde(default)]
    pub(crate) message: Option<String>,
    /// `plan` or `apply`; either, where the case does not state it.
    #[serde(default)]
    pub(crate) during: Option<During>,
}

/// When something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum During {
    Plan,
    Apply,
}

impl During {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Apply => "apply",
        }
    }
}

/// Codes that a failure can have: those of WIT, and what is worse.
pub(crate) const CRASHED: &str = "crashed";
pub(crate) const OVER_LIMIT: &str = "over-limit";

fn usual_region() -> String {
    "us-east-1".to_owned()
}

impl Case {
    /// Reads a case from its file.
    pub fn read(path: &Path) -> Result<Self, CaseError> {
        let bad = |reason: String| CaseError { path: path.to_owned(), reason };
        let source = std::fs::read_to_string(path).map_err(|error| bad(format!("cannot be read: {error}")))?;
        let content: Content = toml::from_str(&source).map_err(|error| bad(error.to_string().trim_end().to_owned()))?;
        let code = content.expect.as_ref().and_then(|expect| expect.failure.as_ref()?.code.as_deref());
        let known = || FailureCode::ALL.iter().map(|code| code.name()).chain([CRASHED, OVER_LIMIT]);
        if let Some(code) = code.filter(|code| !known().any(|known| known == *code)) {
            let all: Vec<_> = known().collect();
            return Err(bad(format!("expect.failure.code is '{code}'; it is one of {}", all.join(", "))));
        }
        if content.given.contains_key(STEP) {
            return Err(bad(format!("given.{STEP}: '{STEP}' is the name of the tested step; use another name")));
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, path: path.to_owned(), source, content })
    }

    /// What it shows, in its own words.
    pub fn description(&self) -> Option<&str> {
        self.content.description.as_deref()
    }

    /// What it grants, where it says so.
    pub fn allow(&self) -> Option<&[String]> {
        self.content.allow.as_deref()
    }

    /// The region it is in.
    pub fn region(&self) -> &str {
        &self.content.region
    }

    /// The pipeline file that it stands for.
    pub(crate) fn pipeline(&self, uses: &str, allow: &[String]) -> String {
        let content = &self.content;
        let mut steps = toml::Table::new();
        for name in content.given.keys() {
            let step = toml::Table::from_iter([("uses".to_owned(), toml::Value::from(GIVEN))]);
            steps.insert(name.clone(), step.into());
        }
        let allow: Vec<toml::Value> = allow.iter().map(|grant| toml::Value::from(grant.as_str())).collect();
        let step = toml::Table::from_iter([
            ("uses".to_owned(), toml::Value::from(uses)),
            ("allow".to_owned(), toml::Value::Array(allow)),
            ("with".to_owned(), content.with.clone().into()),
        ]);
        steps.insert(STEP.to_owned(), step.into());
        let pipeline = toml::Table::from_iter([
            ("name".to_owned(), toml::Value::from("test")),
            ("region".to_owned(), toml::Value::from(content.region.as_str())),
        ]);
        let mut file = toml::Table::from_iter([
            ("pipeline".to_owned(), toml::Value::from(pipeline)),
            ("steps".to_owned(), steps.into()),
        ]);
        if !content.secrets.is_empty() {
            let of_environment = |name: &String| {
                let source = toml::Table::from_iter([("env".to_owned(), toml::Value::from(name.as_str()))]);
                (name.clone(), toml::Value::from(source))
            };
            file.insert(
                "secrets".to_owned(),
                toml::Table::from_iter(content.secrets.iter().map(of_environment)).into(),
            );
        }
        file.to_string()
    }
}

/// The step that is tested.
pub(crate) const STEP: &str = "tested";
/// What steps use that only give outputs.
pub(crate) const GIVEN: &str = "given";
