//! The pipeline file: read with every problem in one report, each with its place.

mod check;
mod conditions;
mod defaults;
mod environments;
pub(crate) mod existing;
mod families;
mod file;
mod file_schema;
mod given;
mod head;
mod ignored;
mod modules;
mod moved;
mod others;
mod packages;
mod placements;
mod providers;
mod reader;
mod rules;
mod scalars;
mod schema;
mod secrets;
mod step;
mod steps;
mod targets;
mod template;
mod trust;
mod types;
mod values;
mod var_file;
mod vars;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::diagnostic::{Diagnostic, Diagnostics, Files};
use crate::graph::StepGraph;
use crate::names::{ResourceAddress, StepName};
use crate::placement::Placement;
use crate::plugin::OutputDoc;
use crate::secret::Secret;
pub use existing::Existing;
pub use file_schema::{file_schema, move_definitions};
pub use given::{Given, Kept};
pub use ignored::{FieldPath, Ignored};
pub use moved::Moved;
pub(crate) use others::OwnOutput;
pub use others::{Other, OtherOutputs, Others};
pub use packages::{Packages, used_files};
pub use providers::Provider;
pub use schema::{BadSchema, ConfigSchema};
pub use step::Step;
use template::Template;
pub use trust::{Trust, Trusted};

/// A pipeline file that was read without problems. Variables and the environment are in place;
/// references to outputs of steps are not.
#[derive(Debug)]
pub struct Pipeline {
    /// The file, as the user named it.
    pub path: PathBuf,
    /// Its folder, absolute. Relative paths of the file start there.
    pub base: PathBuf,
    /// Its text.
    pub source: String,
    /// It, and the pipeline files that are steps of it.
    pub files: Files,
    /// Its name: the rules of step names.
    pub name: String,
    /// The environment of the file that is meant.
    pub environment: Option<String>,
    /// Whether a variable or the environment gives the name, or a part of it: another name is another
    /// environment then.
    pub is_name_given: bool,
    /// Region of everything that it makes.
    pub region: String,
    /// Where the file says so.
    pub region_span: Range<usize>,
    /// Tags for everything that it makes.
    pub tags: BTreeMap<String, String>,
    /// Where its state is kept, where the file says so, and where it does.
    pub state: Option<(String, Range<usize>)>,
    /// What variables were given beside the file, secret ones left out.
    pub given: BTreeMap<String, Value>,
    /// The names of secret variables that were given a value.
    pub given_secrets: BTreeSet<String>,
    /// Its secrets, by name.
    pub secrets: BTreeMap<String, Secret>,
    /// Its steps, in the order of the file.
    pub steps: Vec<Step>,
    /// What brings kinds of resources of its own, in the order of the file.
    pub providers: Vec<Provider>,
    /// Whose signatures its plugins have to carry.
    pub trust: Trust,
    /// Other pipelines whose outputs it may read, by what it calls them.
    others: BTreeMap<String, Other>,
    /// What it gives.
    outputs: BTreeMap<String, Template>,
    /// What is called otherwise from now on.
    pub moved: Vec<Moved>,
    /// What exists already, in an order in which each can be looked up.
    pub existing: Vec<Existing>,
    /// The folders of steps that are not in the first file.
    bases: HashMap<StepName, PathBuf>,
    /// The folders of published pipelines that steps stand in.
    roots: HashMap<StepName, PathBuf>,
    /// Steps whose calls do not go where the pipeline's go.
    placed: HashMap<StepName, Placement>,
    graph: StepGraph,
}

impl Pipeline {
    /// Reads a file. `vars` come from the command line; `env` gives environment variables.
    pub fn load(
        path: &Path,
        vars: &[(String, String)],
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Diagnostics> {
        Self::load_given(path, &Given { vars: vars.to_owned(), ..Given::default() }, env)
    }

    /// As `load`, with values from files and from a saved plan, too.
    pub fn load_given(path: &Path, given: &Given, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, Diagnostics> {
        file::load(path, given, env)
    }

    /// The text at a JSON pointer into a step's `with` table, where it refers to other steps: as it stands in the
    /// file, variables replaced.
    pub(crate) fn written(&self, step: &StepName, pointer: &str) -> Option<String> {
        self.steps.iter().find(|known| known.name == *step)?.written(pointer)
    }

    /// The folder that relative paths of a step start at: that of the file in which the step stands.
    pub fn base_of(&self, step: &StepName) -> &Path {
        self.bases.get(step).unwrap_or(&self.base)
    }

    /// Whether what exists is looked up, by the file or by a plugin that is granted just that.
    pub fn looks_up(&self) -> bool {
        let is_granted = |step: &Step| step.allow.iter().any(|grant| grant.ends_with(":existing"));
        !self.existing.is_empty() || self.steps.iter().any(is_granted)
    }

    /// The outputs that something in the file refers to.
    pub(crate) fn needs(&self) -> impl Iterator<Item = (&StepName, &str)> {
        let of_outputs = self.outputs.values().flat_map(Template::references);
        let of_outputs = of_outputs.map(|reference| (&reference.step, reference.output.as_str()));
        let of_steps = self.steps.iter().flat_map(Step::needs);
        of_steps.chain(self.existing.iter().flat_map(Existing::needs)).chain(of_outputs)
    }

    /// What exists already that a step uses, by its number.
    pub(crate) fn existing_of(&self, step: usize) -> BTreeSet<StepName> {
        let needs = self.steps[step].needs().map(|(name, _)| name);
        needs.filter(|name| self.existing.iter().any(|one| one.name == **name)).cloned().collect()
    }

    /// The fields of a resource whose differences are no change.
    pub(crate) fn ignored(&self, address: &ResourceAddress) -> Vec<FieldPath> {
        let step = self.steps.iter().find(|step| step.name == *address.step());
        step.into_iter().flat_map(|step| &step.ignored).filter_map(|ignored| ignored.path_in(address)).collect()
    }

    /// The folder of the published pipeline that a step stands in: what it names by a path is in it.
    pub fn root_of(&self, step: &StepName) -> Option<&Path> {
        self.roots.get(step).map(PathBuf::as_path)
    }

    /// Where the calls of a step go, as far as that is not where the pipeline's go.
    pub fn placement_of(&self, step: &StepName) -> Option<&Placement> {
        self.placed.get(step)
    }

    /// The region of a step's resources.
    pub fn region_of(&self, step: &StepName) -> &str {
        self.placement_of(step).unwrap_or(&Placement::OWN).region_in(&self.region)
    }

    /// What a fact that a step asks for is kept under.
    pub(crate) fn fact_key(&self, step: &StepName, key: &str) -> String {
        self.placement_of(step).map_or_else(|| key.to_owned(), |placement| placement.fact_key(key))
    }

    /// The placements of all steps.
    pub fn placements(&self) -> impl Iterator<Item = (&StepName, &Placement)> {
        self.steps.iter().map(|step| (&step.name, &step.placement))
    }

    /// Every region that the file names, and where.
    pub fn regions(&self) -> impl Iterator<Item = (&str, &Range<usize>)> {
        let of_steps = self.steps.iter().map(|step| (&step.placement, &step.region_span));
        let placed = of_steps.chain(self.existing.iter().map(|one| (&one.placement, &one.region_span)));
        let placed = placed.filter_map(|(placement, span)| Some((placement.region.as_deref()?, span.as_ref()?)));
        std::iter::once((self.region.as_str(), &self.region_span)).chain(placed)
    }

    /// The graph of its steps.
    pub fn graph(&self) -> StepGraph {
        self.graph.clone()
    }

    /// Problems of this file, in the order of their places.
    pub fn diagnostics(&self, problems: Vec<Diagnostic>) -> Diagnostics {
        file::diagnostics(self.files.clone(), problems)
    }

    /// Where a step says something of one of these keys of its `with` table; its `uses`, where it
    /// says nothing of any.
    pub fn place_of(&self, step: &StepName, keys: &[&str]) -> Option<Range<usize>> {
        let step = self.steps.iter().find(|known| known.name == *step)?;
        let place = keys.iter().find_map(|key| step.with.key_span(&[], key));
        Some(place.unwrap_or_else(|| step.uses_span.clone()))
    }

    /// Grants of kinds that no provider has. `known` are the names of all kinds there are.
    pub(crate) fn unknown_grants(&self, known: &[&str]) -> Vec<Diagnostic> {
        self.steps.iter().flat_map(|step| step.unknown_grants(&self.providers, known)).collect()
    }

    /// Checks references against what the plugins promise to return.
    pub fn check_outputs<'a>(&self, outputs_of: impl Fn(&StepName) -> Option<&'a [OutputDoc]>) -> Vec<Diagnostic> {
        check::outputs(&self.steps, &self.outputs, outputs_of)
    }

    /// Checks references against the form of outputs, where a step's options tell it.
    pub(crate) fn check_parts(&self, form: impl Fn(&Step) -> Option<Value>) -> Vec<Diagnostic> {
        let by_name: HashMap<&StepName, &Step> = self.steps.iter().map(|step| (&step.name, step)).collect();
        check::parts(&self.steps, &self.outputs, |name| form(by_name.get(name)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_the_text_of_references_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pipeline.toml");
        let text = r#"
            [pipeline]
            name = "test"
            region = "us-east-1"
            [vars.office]
            default = "10.0.0.0/8"
            [steps.a]
            uses = "vpc"
            [steps.b]
            uses = "vpc"
            [steps.b.with]
            plain = ["x", "${vars.office}", "${a.id}", "arn:${a.id}/${vars.office}"]
            whole = "${a.ids}"
            "a/b~c" = { deep = "${a.by.key[0]}" }
        "#;
        std::fs::write(&path, text).expect("a file");
        let pipeline = Pipeline::load(&path, &[], &|_| None).expect("a pipeline");
        let step = "b".parse().expect("a name");
        for (pointer, written) in [
            ("/plain/0", None),
            ("/plain/1", None),
            ("/plain/2", Some("${a.id}")),
            ("/plain/3", Some("arn:${a.id}/10.0.0.0/8")),
            ("/plain/4", None),
            ("/plain/2/0", Some("${a.id}/0")),
            ("/plain/3/0", None),
            ("/plain", None),
            ("/whole", Some("${a.ids}")),
            ("/whole/1", Some("${a.ids}/1")),
            ("/a~1b~0c/deep", Some("${a.by.key[0]}")),
            ("/nothing", None),
            ("", None),
            ("plain/2", None),
        ] {
            assert_eq!(pipeline.written(&step, pointer).as_deref(), written, "{pointer}");
        }
        assert_eq!(pipeline.written(&"c".parse().expect("a name"), "/plain/2"), None);
    }
}
