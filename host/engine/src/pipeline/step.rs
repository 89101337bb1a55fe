//! One step of the file.

use std::ops::Range;
use std::path::Path;

use serde_json::Value;

use super::ignored::Ignored;
use super::providers::{self, Provider};
use super::schema::BadSchema;
use super::template::Template;
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::lock::PluginChange;
use crate::names::StepName;
use crate::placement::Placement;
use crate::plugin::{Limits, LoadError};

/// One step of the file.
#[derive(Debug)]
pub struct Step {
    /// Its name.
    pub name: StepName,
    /// The plugin: `vpc`, `./my.wasm`, `oci://ghcr.io/acme/x:1.0`.
    pub uses: String,
    /// Grants: `ec2:vpc`, or `ec2` for all of an interface.
    pub allow: Vec<String>,
    /// Limits of its sandbox.
    pub limits: Limits,
    /// Whether nothing that it made may be deleted or replaced.
    pub protect: bool,
    /// Fields of its resources in which what is there may differ from the file.
    pub ignored: Vec<Ignored>,
    /// Where its calls go, as far as that is not where the pipeline's go.
    pub placement: Placement,
    pub(super) region_span: Option<Range<usize>>,
    pub(super) after: Vec<(String, Range<usize>)>,
    pub(super) with: Template,
    pub(super) uses_span: Range<usize>,
    pub(super) allow_spans: Vec<Range<usize>>,
}

impl Step {
    /// The `with` table with the outputs of other steps in place.
    pub fn resolve<'a>(&self, outputs: impl Fn(&StepName) -> Option<&'a Value>) -> Result<Value, Vec<Diagnostic>> {
        let mut problems = Vec::new();
        let value = self.with.resolve(&outputs, &mut problems);
        if problems.is_empty() { Ok(value) } else { Err(problems) }
    }

    /// The `with` table, with null where it refers to other steps.
    pub(crate) fn with_outline(&self) -> Value {
        self.with.outline()
    }

    /// The outputs that it refers to.
    pub(crate) fn needs(&self) -> impl Iterator<Item = (&StepName, &str)> {
        self.with.references().into_iter().map(|reference| (&reference.step, reference.output.as_str()))
    }

    /// The text at a JSON pointer into the `with` table, where it refers to other steps: as it stands in the file,
    /// variables replaced.
    pub(super) fn written(&self, pointer: &str) -> Option<String> {
        self.with.written(pointer)
    }

    /// What a plugin that could not be loaded means for the file.
    pub fn load_problem(&self, error: &LoadError) -> Diagnostic {
        load_problem(&self.used(), error)
    }

    /// What it means for the file that its plugin is not the one that the lock file pins.
    pub(crate) fn lock_problem(&self, change: &PluginChange, file: &Path) -> Diagnostic {
        lock_problem(&self.used(), change, file)
    }

    /// Its grants of kinds that no provider has. `known` are the names of all kinds there are.
    pub(super) fn unknown_grants(&self, providers: &[Provider], known: &[&str]) -> Vec<Diagnostic> {
        providers::unknown_grants(&self.allow, &self.allow_spans, providers, known)
    }

    fn used(&self) -> Uses<'_> {
        Uses { uses: &self.uses, allow: &self.allow, uses_span: &self.uses_span, allow_spans: &self.allow_spans }
    }

    /// What a plugin's broken schema means for the file.
    pub fn schema_problem(&self, error: &BadSchema) -> Diagnostic {
        Diagnostic {
            code: "plugin",
            message: format!("the plugin {} describes its options wrongly: {error}", self.uses),
            span: Some(self.uses_span.clone()),
            label: "this plugin".to_owned(),
            help: Some("the plugin's author must correct this".to_owned()),
        }
    }
}

/// A component that the file uses, and what it grants it.
pub(super) struct Uses<'a> {
    pub(super) uses: &'a str,
    pub(super) allow: &'a [String],
    pub(super) uses_span: &'a Range<usize>,
    pub(super) allow_spans: &'a [Range<usize>],
}

/// What a component that could not be loaded means for the file.
pub(super) fn load_problem(used: &Uses<'_>, error: &LoadError) -> Diagnostic {
    let at_uses = |help: Option<String>| Diagnostic {
        code: "plugin",
        message: error.to_string(),
        span: Some(used.uses_span.clone()),
        label: "this plugin".to_owned(),
        help,
    };
    match error {
        LoadError::UnknownBuiltin { name, known } => {
            let near = did_you_mean(name, known.iter().map(String::as_str));
            let all = || format!("there are {}; a plugin of your own is a path such as ./my.wasm", known.join(", "));
            at_uses(Some(near.map_or_else(all, |near| format!("did you mean '{near}'?"))))
        }
        LoadError::AbsentBuiltin { help, .. } => at_uses(Some(help.clone())),
        LoadError::UnknownGrant { grant, known } => {
            let at = used.allow.iter().position(|allowed| allowed == grant);
            let near = did_you_mean(grant, known.iter().map(String::as_str));
            Diagnostic {
                code: "unknown-grant",
                message: error.to_string(),
                span: Some(at.map_or_else(|| used.uses_span.clone(), |at| used.allow_spans[at].clone())),
                label: "grants nothing".to_owned(),
                help: Some(near.map_or_else(
                    || format!("grants are {}", known.join(", ")),
                    |near| format!("did you mean '{near}'?"),
                )),
            }
        }
        LoadError::BadGrant { grant, .. } => {
            let at = used.allow.iter().position(|allowed| allowed == grant);
            Diagnostic {
                code: "unknown-grant",
                message: error.to_string(),
                span: Some(at.map_or_else(|| used.uses_span.clone(), |at| used.allow_spans[at].clone())),
                label: "grants nothing".to_owned(),
                help: Some(match grant.starts_with("tcp:") {
                    true => "write it like tcp:db.example.com:5432".to_owned(),
                    false => "write it like http:GET,POST https://api.example.com/v1/*".to_owned(),
                }),
            }
        }
        LoadError::NothingGranted { example, .. } => at_uses(Some(format!(
            "its documentation should say what to grant it; if you trust it with that, write allow = [\"{example}\"]"
        ))),
        LoadError::NotGranted { missing, unsaid, .. } => {
            let mut all = used.allow.to_vec();
            all.extend(missing.iter().cloned());
            let all: Vec<_> = all.iter().map(|grant| format!("\"{grant}\"")).collect();
            let mut help = match missing.is_empty() {
                true => "its documentation should say what to grant it".to_owned(),
                false => format!("if you trust it with that, write allow = [{}]", all.join(", ")),
            };
            for interface in unsaid {
                let (what, form) = match *interface {
                    "resource" => ("kinds of providers", "resource:PROVIDER.KIND"),
                    "request" => ("calls", "request:SERVICE:ACTION"),
                    _ => ("resource types", "cloud-control:AWS::SERVICE::TYPE"),
                };
                help += &format!("; it does not say which {what} it uses '{interface}' for: grant each as {form}");
            }
            at_uses(Some(help))
        }
        LoadError::Unfetched { help, .. } => at_uses(Some(help.clone())),
        LoadError::Unreadable { .. } => at_uses(Some("paths start at the folder of the pipeline file".to_owned())),
        LoadError::BadDescription { crash: Some(crash), .. } => at_uses(Some(crash.advice.clone())),
        _ => at_uses(None),
    }
}

/// What it means for the file that a component is not the one that the lock file pins.
pub(super) fn lock_problem(used: &Uses<'_>, change: &PluginChange, file: &Path) -> Diagnostic {
    Diagnostic {
        code: "locked-plugin",
        message: format!("the plugin {} is not as llmhost.lock pins it: {}", used.uses, change.words().join("; ")),
        span: Some(used.uses_span.clone()),
        label: "this plugin".to_owned(),
        help: Some(format!("if that is intended, accept it: llmhost lock {} --accept", file.display())),
    }
}
