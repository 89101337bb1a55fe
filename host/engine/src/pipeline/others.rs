//! `[pipelines]`: other pipelines whose outputs this one reads, and never changes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde_json::{Map, Value};
use toml::de::DeValue;

use super::Pipeline;
use super::reader::{Item, Key, Problems, Table, entries, table};
use super::template::{Part, Reference};
use super::values::Scope;
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::names::StepName;
use crate::secret;
use crate::state::State;

/// What references begin with; in the engine, a pipeline's outputs are those of a step `pipeline.NAME`.
pub(super) const WORD: &str = "pipeline";

/// Another pipeline, as the file has it.
#[derive(Debug, Clone)]
pub struct Other {
    /// What references call it.
    pub name: String,
    /// Its file, which says its name and where its state is. Relative paths start at this pipeline's folder.
    pub file: Option<(String, Range<usize>)>,
    /// Where its state is; where both are there, this counts.
    pub state: Option<(String, Range<usize>)>,
    /// Its name, where no file says it.
    pub pipeline: Option<String>,
    /// The environment of its file.
    pub environment: Option<String>,
    /// Values of variables of its file.
    pub vars: BTreeMap<String, Value>,
    /// Where the file speaks of it.
    pub span: Range<usize>,
}

/// The outputs of another pipeline: its own, and those of its steps beside them.
#[derive(Debug, Clone, Default)]
pub struct OtherOutputs {
    outputs: Value,
    /// Paths of those that are not to be shown.
    sensitive: Vec<Vec<String>>,
}

/// What is known of other pipelines, by the step that stands for each.
pub type Others = BTreeMap<StepName, OtherOutputs>;

/// Reads them. Nothing is opened.
pub(super) fn read(item: Option<Item<'_>>, scope: &Scope<'_>, problems: &mut Problems) -> BTreeMap<String, Other> {
    let all = item.and_then(|item| table("pipelines", item, problems)).map(entries).unwrap_or_default();
    let read = |(key, item): (Key<'_>, Item<'_>)| Some((key.name.to_owned(), one(&key, item, scope, problems)?));
    all.into_iter().filter_map(read).collect()
}

fn one(key: &Key<'_>, item: Item<'_>, scope: &Scope<'_>, problems: &mut Problems) -> Option<Other> {
    if let Err(error) = StepName::single(key.name) {
        let message = error.to_string().replace("step name", "pipeline's name");
        problems.add("bad-name", key.span.clone(), message, "not a name");
        return None;
    }
    let found = table(&format!("pipelines.{}", key.name), item, problems)?;
    let what = format!("[pipelines.{}]", key.name);
    let known = ["file", "state", "name", "env", "vars", "description"];
    let found = Table::new(&what, key.span.clone(), found, &known, problems);
    found.description(problems);
    let mut setting = |key: &str| {
        let (_, item) = found.get(key)?;
        scope.setting(&found.called(key), item, problems)
    };
    let (file, state) = (setting("file"), setting("state"));
    let (pipeline, environment) = (setting("name"), setting("env"));
    let vars = found.get("vars").and_then(|(_, item)| match item.get_ref() {
        DeValue::Table(vars) => Some(entries(vars)),
        _ => table(&found.called("vars"), item, problems).map(entries),
    });
    let value = |(key, item): (Key<'_>, Item<'_>)| {
        let what = format!("{} of {what}", key.name);
        Some((key.name.to_owned(), scope.value(&what, item, problems)?))
    };
    let vars = vars.into_iter().flatten().filter_map(value).collect();
    if found.get("file").is_none() && found.get("state").is_none() {
        problems.add("missing-key", key.span.clone(), format!("{what} has neither 'file' nor 'state'"), "here");
        problems.help("add file = \"../network/pipeline.toml\", or state = \"s3://bucket/prefix\"");
    }
    let beside = [
        ("name", true, "the file says its name"),
        ("env", false, "an environment is one of a file"),
        ("vars", false, "variables are those of a file"),
    ];
    for (named, with_file, why) in beside {
        if let Some((key, _)) = found.get(named).filter(|_| found.get("file").is_some() == with_file) {
            let message = format!(
                "{} does not go with {}",
                found.called(named),
                if with_file { "'file'" } else { "'state' alone" }
            );
            problems.add("unknown-key", key.span.clone(), message, why);
            problems.help(if with_file { "take it out" } else { "name the pipeline's file, or take it out" });
        }
    }
    Some(Other {
        name: key.name.to_owned(),
        file,
        state,
        pipeline: pipeline.map(|(name, _)| name),
        environment: environment.map(|(name, _)| name),
        vars,
        span: key.span.clone(),
    })
}

impl Scope<'_> {
    /// `rest` of `${pipeline.rest}`.
    pub(super) fn other(&self, rest: &str, span: Range<usize>, problems: &mut Problems) -> Option<Reference> {
        let (name, output) = rest.split_once('.').unwrap_or((rest, ""));
        if !self.others.iter().any(|known| known == name) {
            problems.add("unknown-pipeline", span, format!("there is no pipeline '{name}'"), "not declared");
            let near = did_you_mean(name, self.others.iter().map(String::as_str));
            problems.help(match (near, self.within) {
                (Some(near), _) => format!("did you mean '{near}'?"),
                (None, None) => format!("declare it: [pipelines.{name}]"),
                (None, Some(_)) => {
                    "declare a variable here, and give it the output in the with of the step that uses this file"
                        .to_owned()
                }
            });
            return None;
        }
        let Some((output, path)) = super::targets::path(output) else {
            let message = format!("'${{{WORD}.{rest}}}' is not an output of a pipeline");
            problems.add("bad-reference", span, message, "here");
            problems.help(format!("write ${{{WORD}.{name}.output}}, or ${{{WORD}.{name}.step.output}}"));
            return None;
        };
        Some(Reference { span, step: step(name)?, output, path })
    }
}

/// The step that stands for a pipeline.
fn step(name: &str) -> Option<StepName> {
    format!("{WORD}.{name}").parse().ok()
}

impl OtherOutputs {
    /// Those that a state holds.
    pub fn of(state: &State) -> Self {
        let (mut outputs, mut sensitive) = (Map::new(), Vec::new());
        for (step, all) in &state.outputs {
            let path: Vec<&str> = step.as_str().split(['.', ':']).collect();
            let mut here = &mut outputs;
            for part in &path {
                let entry = here.entry((*part).to_owned()).or_insert_with(|| Value::Object(Map::new()));
                if !entry.is_object() {
                    *entry = Value::Object(Map::new());
                }
                here = entry.as_object_mut().expect("it was just made one");
            }
            here.extend(all.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
            let hidden = state.sensitive.get(step).into_iter().flatten();
            sensitive
                .extend(hidden.map(|name| path.iter().copied().chain([name.as_str()]).map(str::to_owned).collect()));
        }
        // What the file gives on purpose counts before a step of the same name.
        for (name, value) in &state.file_outputs {
            sensitive.retain(|path: &Vec<String>| path[0] != *name);
            outputs.insert(name.clone(), value.clone());
        }
        sensitive.extend(state.sensitive_file_outputs.iter().map(|name| vec![name.clone()]));
        Self { outputs: Value::Object(outputs), sensitive }
    }

    /// All of them, one table.
    pub(crate) fn value(&self) -> &Value {
        &self.outputs
    }

    /// Whether a reference is to something that is not to be shown.
    pub(super) fn is_sensitive(&self, reference: &Reference) -> bool {
        let path: Vec<&str> = keys(reference);
        let is_same = |hidden: &Vec<String>| hidden.iter().zip(&path).all(|(hidden, key)| hidden == key);
        self.sensitive.iter().any(is_same)
    }
}

/// The keys of a reference as far as there are no indexes.
fn keys(reference: &Reference) -> Vec<&str> {
    let keys = reference.path.iter().map_while(|part| match part {
        Part::Key(key) => Some(key.as_str()),
        Part::Index(_) => None,
    });
    std::iter::once(reference.output.as_str()).chain(keys).collect()
}

impl Pipeline {
    /// The other pipelines that it refers to, of those that it declares.
    pub fn others(&self) -> Vec<&Other> {
        let used: BTreeSet<&StepName> = self.to_others().map(|reference| &reference.step).collect();
        self.others.values().filter(|other| step(&other.name).is_some_and(|step| used.contains(&step))).collect()
    }

    /// What stands for another pipeline in [`Others`].
    pub fn other_step(other: &Other) -> StepName {
        step(&other.name).expect("its name was checked")
    }

    /// References to outputs that other pipelines do not have.
    pub fn check_others(&self, known: &Others) -> Vec<Diagnostic> {
        self.to_others().filter_map(|reference| missing(reference, known.get(&reference.step)?)).collect()
    }

    /// What each reference to another pipeline stands for, as it is written.
    pub fn other_values(&self, known: &Others) -> BTreeMap<String, Value> {
        let value = |reference: &Reference| {
            let all = known.get(&reference.step)?.value();
            let value = reference.path.iter().try_fold(all.get(&reference.output)?, |value, part| part.of(value))?;
            let text = reference.text();
            Some((text.trim_start_matches("${").trim_end_matches('}').to_owned(), value.clone()))
        };
        self.to_others().filter_map(value).collect()
    }

    fn to_others(&self) -> impl Iterator<Item = &Reference> {
        let steps = self.steps.iter().flat_map(|step| step.with.references());
        let own = self.outputs.values().flat_map(super::template::Template::references);
        steps.chain(own).filter(|reference| reference.step.as_str().starts_with("pipeline."))
    }
}

/// What is wrong with a reference to an output that is not there.
fn missing(reference: &Reference, known: &OtherOutputs) -> Option<Diagnostic> {
    let parts: Vec<Part> = std::iter::once(Part::Key(reference.output.clone())).chain(reference.path.clone()).collect();
    let mut here = known.value();
    for part in &parts {
        if let Some(next) = part.of(here) {
            here = next;
            continue;
        }
        let name = reference.step.as_str().trim_start_matches("pipeline.");
        let message = format!("{}: the pipeline '{name}' has no such output", reference.text());
        let names: Vec<&str> = here.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
        let near = match part {
            Part::Key(key) => did_you_mean(key, names.iter().copied()),
            Part::Index(_) => None,
        };
        let help = match (near, &names[..]) {
            (Some(near), _) => format!("did you mean '{near}'?"),
            (None, []) => {
                "its state has no output of that name; add it to its [outputs], and run that pipeline first".to_owned()
            }
            (None, names) => {
                format!("there are {}; add it to its [outputs], and run that pipeline first", names.join(", "))
            }
        };
        let problem = reference.problem("unknown-output", message, "not an output");
        return Some(Diagnostic { help: Some(help), ..problem });
    }
    None
}

/// An output of the file that is run.
pub(crate) struct OwnOutput {
    pub(crate) name: String,
    /// The step that it refers to first.
    pub(crate) step: Option<StepName>,
    /// Its value, or why there is none.
    pub(crate) value: Result<Value, String>,
    pub(crate) is_sensitive: bool,
}

impl Pipeline {
    /// What `[outputs]` of the file stand for.
    pub(crate) fn own_outputs<'a>(
        &self,
        outputs: impl Fn(&StepName) -> Option<&'a Value>,
        others: &Others,
        is_sensitive: impl Fn(&StepName, &str) -> bool,
    ) -> Vec<OwnOutput> {
        let own = self.outputs.iter().map(|(name, template)| {
            let references = template.references();
            let mut problems = Vec::new();
            let value = template.resolve(&outputs, &mut problems);
            let is_hidden = |reference: &&Reference| match others.get(&reference.step) {
                Some(other) => other.is_sensitive(reference),
                None => is_sensitive(&reference.step, &reference.output),
            };
            let text = value.to_string();
            OwnOutput {
                name: name.clone(),
                step: references.first().map(|reference| reference.step.clone()),
                is_sensitive: references.iter().any(is_hidden) || secret::shown(&text) != text,
                value: match problems.first() {
                    None => Ok(value),
                    Some(problem) => Err(problem.message.clone()),
                },
            }
        });
        own.collect()
    }

    /// The names of what the file gives in `[outputs]`.
    pub fn output_names(&self) -> impl Iterator<Item = &str> {
        self.outputs.keys().map(String::as_str)
    }
}
