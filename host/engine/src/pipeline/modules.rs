//! Pipelines that are steps of others: `uses = "./network.toml"`.
//!
//! Their steps become steps of the pipeline, `network.vpc`. What is given to them takes the place of their variables,
//! and their outputs take the place of references to them.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use super::file::{Empty, Entries, Read, Reader, parsed};
use super::packages;
use super::reader::{Item, Problems, Table, entries, table};
use super::step::Step;
use super::template::{Node, OutputName, Reference, Template};
use super::values::{Scope, plain_key};
use super::{existing, moved, vars};
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::names::StepName;
use crate::placement::Placement;
use crate::plugin::Limits;

/// Pipelines within pipelines; more is a circle that no path tells.
const DEEPEST: usize = 16;

/// Outputs that repeat outputs of others multiply.
const MOST_FOLLOWED: usize = 250_000;

/// Where a file is.
pub(super) struct Folder<'a> {
    /// Its folder, absolute.
    pub(super) base: &'a Path,
    /// The same from the folder of the first file.
    pub(super) shown: &'a Path,
    /// The folder of the published pipeline that it is part of.
    pub(super) root: Option<&'a Path>,
}

impl Folder<'_> {
    /// Notes where steps are, and finds the plugins that they name by a path.
    pub(super) fn place(&self, read: &mut Read, problems: &mut Problems) {
        for step in &mut read.steps {
            if let Some(root) = self.root {
                read.roots.insert(step.name.clone(), root.to_owned());
            }
            if (step.uses.contains('/') || step.uses.ends_with(".wasm")) && !step.uses.contains("://") {
                self.holds(&step.uses, &step.uses_span, problems);
                let path = plain(&self.shown.join(&step.uses));
                step.uses =
                    if path.is_absolute() { path.display().to_string() } else { format!("./{}", path.display()) };
            }
            read.bases.insert(step.name.clone(), self.base.to_owned());
        }
    }
}

impl Folder<'_> {
    /// Whether a path stays in the published pipeline.
    fn holds(&self, path: &str, span: &Range<usize>, problems: &mut Problems) -> bool {
        let leaves = self.root.is_some_and(|root| packages::leaves(root, self.base, path));
        if leaves {
            let message = format!("{path} is not in the folder of the published pipeline");
            problems.add("outside", span.clone(), message, "leads outside");
            problems.help("a published pipeline uses files that are published with it alone");
        }
        !leaves
    }
}

/// What a step that is a pipeline gives.
#[derive(Default)]
pub(super) struct Module {
    outputs: BTreeMap<String, Template>,
    /// Whether it was read: what is missing is said otherwise.
    is_whole: bool,
}

/// Reads the pipeline that a step is, into the one that it is part of.
pub(super) fn read(
    reader: &Reader<'_>,
    step: Step,
    folder: &Folder<'_>,
    above: &[PathBuf],
    into: &mut Read,
    problems: &mut Problems,
) {
    let module = inner(reader, &step, folder, above, problems).map(|read| {
        let Read { mut steps, moved, mut existing, bases, roots, entries, outputs, modules, .. } = read;
        let place = |inner: &mut Placement, span: &mut Option<_>| {
            if inner.region.is_none() {
                span.clone_from(&step.region_span);
            }
            *inner = inner.within(&step.placement);
        };
        for one in &mut existing {
            place(&mut one.placement, &mut one.region_span);
        }
        for inner in &mut steps {
            place(&mut inner.placement, &mut inner.region_span);
            inner.protect |= step.protect;
            inner.ignored.extend(step.ignored.iter().cloned());
            inner.after.extend(step.after.iter().cloned());
        }
        into.steps.extend(steps);
        into.moved.extend(moved);
        into.existing.extend(existing);
        into.bases.extend(bases);
        into.roots.extend(roots);
        into.entries.extend(entries);
        into.modules.extend(modules);
        Module { outputs, is_whole: true }
    });
    into.modules.insert(step.name, module.unwrap_or_default());
}

fn inner(
    reader: &Reader<'_>,
    step: &Step,
    folder: &Folder<'_>,
    above: &[PathBuf],
    problems: &mut Problems,
) -> Option<Read> {
    let at = || step.uses_span.clone();
    let published = match reader.published(&step.uses) {
        Ok(published) => published,
        Err((message, help)) => {
            problems.add("unfetched", at(), message, "this pipeline");
            problems.help(help);
            return None;
        }
    };
    if published.is_some() && (!step.allow.is_empty() || step.limits != Limits::default()) {
        problems.add(
            "unknown-key",
            at(),
            "allow and limits are for plugins, and this is a pipeline".to_owned(),
            "a pipeline",
        );
        problems.help("remove them: the author of that pipeline sets what its plugins may use");
    }
    if published.is_none() && !folder.holds(&step.uses, &step.uses_span, problems) {
        return None;
    }
    let within = published.as_deref().and_then(Path::parent).or(folder.root);
    let (path, shown) = match &published {
        Some(file) => (plain(file), plain(file)),
        None => (plain(&folder.base.join(&step.uses)), plain(&folder.shown.join(&step.uses))),
    };
    if above.contains(&path) || above.len() >= DEEPEST {
        let message = match above.contains(&path) {
            true => format!("{} uses itself", shown.display()),
            false => format!("pipelines are used within each other at most {DEEPEST} times"),
        };
        problems.add("cycle", at(), message, "used here");
        problems.help("a pipeline can use other pipelines, and none of them can use it");
        return None;
    }
    let source = match reader.text(&path, &shown) {
        Ok(source) => source,
        Err(found) => {
            for problem in found.problems {
                problems.add(problem.code, at(), problem.message, "this file");
                problems.help(match problem.code {
                    "unreadable" => "paths start at the folder of the file in which the step is".to_owned(),
                    _ => problem.help.unwrap_or_default(),
                });
            }
            return None;
        }
    };
    let start = source.len() - source.trim_start_matches('\n').len();
    let root = parsed(&source, start, problems)?;
    let known = [
        "pipeline",
        "env",
        "vars",
        "existing",
        "steps",
        "outputs",
        "moved",
        "secrets",
        "pipelines",
        "providers",
        "trust",
    ];
    let top = Table::new("the file", start..start, root.get_ref(), &known, problems);
    for (key, help) in [
        ("secrets", "declare a variable, and give it the secret in the step's with: \"${secrets.name}\""),
        ("pipelines", "declare a variable, and give it the output in the step's with: \"${pipeline.name.output}\""),
        ("providers", "write it in the file that is run; its steps can use the providers of that file"),
        ("trust", "write it in the file that is run"),
    ] {
        if let Some((key, _)) = top.get(key) {
            let message = format!("a pipeline that is a step has no [{}] of its own", key.name);
            problems.add("unknown-key", key.span.clone(), message, "not known here");
            problems.help(help);
        }
    }
    let entries = Entries::of(&top, problems);
    let (names, existing, empty) = (entries.names(), existing::names(&top), Empty::default());
    let is_published = within.is_some();
    let scope = Scope {
        steps: &names,
        existing: &existing,
        within: Some(&step.name),
        is_published,
        ..empty.scope(&source, reader.env)
    };
    let vars = vars::inputs(top.get("vars").map(|(_, item)| item), step, &scope, problems);
    let scope = Scope { vars: &vars, ..scope };
    let (base, beside) = (path.parent().unwrap_or(folder.base), shown.parent().unwrap_or(Path::new("")));
    let above = [above, std::slice::from_ref(&path)].concat();
    Some(reader.steps(&top, &entries, &scope, &Folder { base, shown: beside, root: within }, &above, problems))
}

/// `[outputs]`: what a pipeline gives to the one that uses it.
pub(super) fn outputs(
    item: Option<Item<'_>>,
    scope: &Scope<'_>,
    problems: &mut Problems,
) -> BTreeMap<String, Template> {
    let declared = item.and_then(|item| table("outputs", item, problems)).map(entries).unwrap_or_default();
    let declared = declared.into_iter().map(|(key, item)| {
        let name = plain_key(&key, "the name of an output", problems);
        if name.contains(['.', '[', ']']) {
            problems.add("bad-name", key.span, format!("an output cannot be called '{name}'"), "not a name");
            problems.help("a reference could not distinguish it from a part of an output; do not use '.', '[' or ']'");
        }
        (name, scope.template(item, problems))
    });
    declared.collect()
}

/// Puts outputs of pipelines in the place of references to them, and their steps in the place of their names.
pub(super) fn link(read: &mut Read, problems: &mut Problems) {
    let modules = Modules { all: std::mem::take(&mut read.modules), count: Cell::new(0) };
    if !modules.all.is_empty() {
        let whole: Vec<StepName> = read.steps.iter().map(|step| step.name.clone()).collect();
        for step in &mut read.steps {
            let given = |reference: &_, within: &[_], problems: &mut _| modules.given(reference, within, problems);
            if let Some(with) = step.with.linked(&given, &[], problems) {
                step.with = with;
            }
            let is_module = |name: &str| name.parse().is_ok_and(|name: StepName| modules.all.contains_key(&name));
            let all = |(name, span): (String, Range<usize>)| match is_module(&name) {
                true => {
                    let inner = whole.iter().filter(|inner| inner.is_part_of(&name));
                    inner.map(|inner| (inner.as_str().to_owned(), span.clone())).collect()
                }
                false => vec![(name, span)],
            };
            step.after = std::mem::take(&mut step.after).into_iter().flat_map(all).collect();
        }
    }
    let own = std::mem::take(&mut read.outputs).into_iter().map(|(name, output)| {
        let given = |reference: &_, within: &[_], problems: &mut _| modules.given(reference, within, problems);
        let linked = output.linked(&given, &[], problems);
        (name, linked.unwrap_or(output))
    });
    read.outputs = own.collect();
    read.moved = moved::spread(std::mem::take(&mut read.moved), &read.steps);
}

/// Every step that is a pipeline.
struct Modules {
    all: BTreeMap<StepName, Module>,
    /// References that were followed.
    count: Cell<usize>,
}

impl Modules {
    /// What stands for a reference to an output of a pipeline; nothing where it is one to a step's. Nothing within after
    /// a problem.
    fn given(&self, reference: &Reference, within: &[OutputName], problems: &mut Problems) -> Option<Option<Template>> {
        let module = self.all.get(&reference.step)?;
        let Some(found) = module.outputs.get(&reference.output).and_then(|output| output.at(&reference.path)) else {
            if module.is_whole {
                problems.0.push(missing(module, reference));
            }
            return Some(None);
        };
        let own = (reference.step.clone(), reference.output.clone());
        if within.contains(&own) {
            let message = format!("{} refers to itself", reference.text());
            problems.0.push(reference.problem("cycle", message, "in a cycle"));
            return Some(None);
        }
        self.count.set(self.count.get() + 1);
        if self.count.get() > MOST_FOLLOWED {
            // Said once: whatever comes after it is too much as well.
            if self.count.get() == MOST_FOLLOWED + 1 {
                let message =
                    format!("outputs of pipelines refer to outputs of others more than {MOST_FOLLOWED} times");
                problems.0.push(reference.problem("too-large", message, "too many"));
            }
            return Some(None);
        }
        let found = Template { span: reference.span.clone(), ..found };
        let within = [within, &[own]].concat();
        Some(found.linked(&|reference, within, problems| self.given(reference, within, problems), &within, problems))
    }
}

fn missing(module: &Module, reference: &Reference) -> Diagnostic {
    if module.outputs.contains_key(&reference.output) {
        let message = format!("{} does not exist: the output has no such part", reference.text());
        return reference.problem("unknown-output", message, "not there");
    }
    let message = format!("step '{}' has no output '{}'", reference.step.family(), reference.output);
    let names = module.outputs.keys().map(String::as_str);
    let help = match did_you_mean(&reference.output, names.clone()) {
        Some(near) => format!("did you mean '{near}'?"),
        None if module.outputs.is_empty() => "its file has no [outputs]".to_owned(),
        None => format!("it has {}", names.collect::<Vec<_>>().join(", ")),
    };
    Diagnostic { help: Some(help), ..reference.problem("unknown-output", message, "not an output") }
}

/// A path without `.` and `..`, as far as it tells.
pub(super) fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(plain.components().next_back(), Some(Component::Normal(_))) => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

/// The options that a step gives, by name.
pub(super) fn inputs(step: &Step) -> Vec<(&str, &Range<usize>, &Template)> {
    match &step.with.node {
        Node::Table(fields) => fields.iter().map(|field| (field.key.as_str(), &field.span, &field.value)).collect(),
        _ => Vec::new(),
    }
}
