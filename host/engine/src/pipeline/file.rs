//! The file as a whole: `[pipeline]`, `[vars]`, `[secrets]`, `[steps]`, `[trust]`.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::Value;
use toml::Spanned;
use toml::de::DeTable;

use super::environments;
use super::existing::{self, Existing};
use super::families::{self, Families};
use super::given::{Given, Sources};
use super::head::{self, Head};
use super::modules::{self, Folder, Module};
use super::moved::{self, Moved};
use super::others::{self, Other};
use super::packages::{self, Packages};
use super::providers::{self, Provider};
use super::reader::{Item, Key, Problems, Table, entries, table};
use super::template::Template;
use super::trust::{self, Trust};
use super::values::Scope;
use super::vars::{self, Vars};
use super::{Pipeline, Step, check, secrets, steps};
use crate::diagnostic::{Diagnostic, Diagnostics, Files};
use crate::names::StepName;
use crate::secret::Secret;

/// A pipeline file is written by hand; anything larger is a mistake.
pub(super) const MOST_BYTES: u64 = 16 << 20;

/// With files within files there is no other limit.
const MOST_STEPS: usize = 20_000;

pub(super) fn load(path: &Path, given: &Given, env: &dyn Fn(&str) -> Option<String>) -> Result<Pipeline, Diagnostics> {
    let source = read(path)?;
    let mut problems = Problems::default();
    let base = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let base = std::path::absolute(base).unwrap_or_else(|_| base.to_owned());
    let reader = Reader::new(path, &source, env, given.packages.as_deref());
    let sources = Sources::read(given, env);
    let read = sources.map(|sources| reader.pipeline(&source, &base, sources, &mut problems));
    let files = reader.into_files();
    // Without its values, every other problem may be none.
    let read = read.map_err(|problem| diagnostics(files.clone(), vec![problem]))?;
    let Some(mut read) = read else { return Err(diagnostics(files, problems.0)) };
    modules::link(&mut read, &mut problems);
    moved::check(&read.moved, &read.steps, &read.entries, &mut problems);
    match check::graph(&read.steps) {
        Ok(graph) if problems.0.is_empty() => {
            let Read {
                head: Head { name, environment, is_name_given, region: (region, region_span), tags, state },
                given,
                given_secrets,
                secrets,
                steps,
                providers,
                trust,
                moved,
                existing,
                bases,
                roots,
                others,
                outputs,
                ..
            } = read;
            let path = path.to_owned();
            let placed = steps.iter().filter(|step| !step.placement.is_own());
            let placed = placed.map(|step| (step.name.clone(), step.placement.clone())).collect();
            Ok(Pipeline {
                path,
                base,
                source,
                files,
                name,
                environment,
                is_name_given,
                region,
                region_span,
                tags,
                state,
                given,
                given_secrets,
                secrets,
                steps,
                providers,
                trust,
                others,
                outputs,
                moved,
                existing,
                bases,
                roots,
                placed,
                graph,
            })
        }
        graph => {
            // Names that are missing make circles where there is none.
            problems.0.extend(graph.err().into_iter().flatten());
            Err(diagnostics(files, problems.0))
        }
    }
}

/// Problems in the order of their places.
pub(super) fn diagnostics(files: Files, mut problems: Vec<Diagnostic>) -> Diagnostics {
    problems.sort_by_key(|problem| problem.span.as_ref().map_or((0, 0), |span| (span.start, span.end)));
    Diagnostics { files, problems: once(problems) }
}

/// Each problem once: the steps of an entry that is repeated have the same one in the same place.
fn once(problems: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut found: Vec<(Diagnostic, String, usize)> = Vec::new();
    for problem in problems {
        let message = without_keys(&problem.message);
        let is_same = |(first, words, _): &&mut (Diagnostic, String, usize)| {
            (first.code, &first.span) == (problem.code, &problem.span) && *words == message
        };
        // They stand beside each other, but for others of the same place.
        match found.iter_mut().rev().take_while(|(first, ..)| first.span == problem.span).find(is_same) {
            Some((first, _, more)) => *more += usize::from(first.message != problem.message),
            None => found.push((problem, message, 0)),
        }
    }
    let told = |(mut problem, _, more): (Diagnostic, String, usize)| {
        if more > 0 {
            let steps = if more == 1 { "step" } else { "steps" };
            problem.message += &format!(" (the same in {more} more {steps})");
        }
        problem
    };
    found.into_iter().map(told).collect()
}

/// A message with `team` for every `team:a`.
fn without_keys(message: &str) -> String {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let mut parts = message.split(':');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let key = part.find(|c: char| !is_name(c)).unwrap_or(part.len());
        if key == 0 || !text.ends_with(is_name) {
            text.push(':');
            text.push_str(part);
        } else {
            text.push_str(&part[key..]);
        }
    }
    text
}

pub(super) fn read(path: &Path) -> Result<String, Diagnostics> {
    let fail = |code, message: String, help: &str| {
        let help = Some(help.to_owned());
        let problem = Diagnostic { code, message, span: None, label: String::new(), help };
        diagnostics(Files::new(path, ""), vec![problem])
    };
    let shown = path.display();
    let unreadable = |error: std::io::Error| {
        fail(
            "unreadable",
            format!("cannot read {shown}: {error}"),
            "give the path of a pipeline file, such as pipeline.toml",
        )
    };
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(fail("unreadable", format!("{shown} is a folder"), "give the path of a pipeline file in it"));
    }
    if metadata.len() > MOST_BYTES {
        let message = format!("{shown} has {} bytes; at most {MOST_BYTES} are read", metadata.len());
        return Err(fail("too-large", message, "is this the right file?"));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at].iter().filter(|&&byte| byte == b'\n').count() + 1;
        let message = format!("{shown} is not UTF-8: byte {at}, in line {line}, is no character");
        fail("not-utf8", message, "save it as UTF-8 text")
    })
}

/// Reads a pipeline file and those that it uses.
pub(super) struct Reader<'a> {
    pub(super) env: &'a dyn Fn(&str) -> Option<String>,
    /// The first file, as the user named it, and by its path on this machine.
    named: PathBuf,
    first: PathBuf,
    files: RefCell<Files>,
    /// The text of each file that is a step, by its path on this machine.
    texts: RefCell<HashMap<PathBuf, Rc<str>>>,
    /// How many steps were read so far.
    count: Cell<usize>,
    packages: Option<&'a dyn Packages>,
    trust: RefCell<Trust>,
    /// What is known of each address that may be a published pipeline's.
    published: RefCell<HashMap<String, Published>>,
}

/// A published pipeline's file, nothing where an address is a plugin's, or why it cannot be had.
type Published = Result<Option<PathBuf>, (String, String)>;

/// What a file says, with the steps of those that it uses.
#[derive(Default)]
pub(super) struct Read {
    head: Head,
    given: BTreeMap<String, Value>,
    given_secrets: BTreeSet<String>,
    secrets: BTreeMap<String, Secret>,
    others: BTreeMap<String, Other>,
    pub(super) steps: Vec<Step>,
    providers: Vec<Provider>,
    trust: Trust,
    pub(super) moved: Vec<Moved>,
    /// The folders of steps that are not in the first file.
    pub(super) bases: HashMap<StepName, PathBuf>,
    /// The folders of published pipelines that steps stand in.
    pub(super) roots: HashMap<StepName, PathBuf>,
    /// What it gives to the file that uses it.
    pub(super) outputs: BTreeMap<String, Template>,
    /// The names of the entries that steps come from, of those that are switched off, too.
    pub(super) entries: Vec<StepName>,
    /// What exists already, in an order in which each can be looked up.
    pub(super) existing: Vec<Existing>,
    /// What each step that is a pipeline gives.
    pub(super) modules: BTreeMap<StepName, Module>,
}

impl<'a> Reader<'a> {
    fn new(
        path: &Path,
        source: &str,
        env: &'a dyn Fn(&str) -> Option<String>,
        packages: Option<&'a dyn Packages>,
    ) -> Self {
        let files = RefCell::new(Files::new(path, source));
        Self {
            env,
            named: path.to_owned(),
            first: modules::plain(&std::path::absolute(path).unwrap_or_else(|_| path.to_owned())),
            files,
            texts: RefCell::default(),
            count: Cell::default(),
            packages,
            trust: RefCell::default(),
            published: RefCell::default(),
        }
    }

    fn into_files(self) -> Files {
        self.files.into_inner()
    }

    /// The text of a file that a step names, so far to the right that its places are those of the pipeline.
    /// A file is read once, however many steps it is.
    pub(super) fn text(&self, path: &Path, shown: &Path) -> Result<Rc<str>, Diagnostics> {
        if let Some(known) = self.texts.borrow().get(path) {
            return Ok(Rc::clone(known));
        }
        let mut text = read(path)?;
        // A mark at the beginning is one there alone.
        if text.starts_with('\u{feff}') {
            text.replace_range(..'\u{feff}'.len_utf8(), "   ");
        }
        // As the user can find it.
        let shown = self.named.parent().unwrap_or(Path::new("")).join(shown);
        let start = self.files.borrow_mut().add(shown, text.as_str().into());
        let text: Rc<str> = ("\n".repeat(start) + &text).into();
        self.texts.borrow_mut().insert(path.to_owned(), Rc::clone(&text));
        Ok(text)
    }

    /// The file of a published pipeline.
    pub(super) fn published(&self, uses: &str) -> Published {
        let Some(packages) = self.packages.filter(|_| packages::may_be_pipeline(uses)) else { return Ok(None) };
        if let Some(known) = self.published.borrow().get(uses) {
            return known.clone();
        }
        let found = packages.pipeline(uses, &self.trust.borrow());
        self.published.borrow_mut().insert(uses.to_owned(), found.clone());
        found
    }

    /// Counts steps; says whether there are too many.
    fn are_too_many(&self, more: usize) -> bool {
        self.count.set(self.count.get().saturating_add(more));
        self.count.get() > MOST_STEPS
    }

    /// Reads the first file: variables first, for what they are stands in everything else.
    fn pipeline(&self, source: &str, base: &Path, sources: Sources<'_>, problems: &mut Problems) -> Option<Read> {
        let root = parsed(source, 0, problems)?;
        let known = [
            "pipeline",
            "env",
            "vars",
            "secrets",
            "pipelines",
            "providers",
            "existing",
            "steps",
            "outputs",
            "trust",
            "moved",
        ];
        let top = Table::new("the file", 0..0, root.get_ref(), &known, problems);
        let entries = Entries::of(&top, problems);
        let (names, existing, empty) = (entries.names(), existing::names(&top), Empty::default());
        let scope = Scope { steps: &names, existing: &existing, ..empty.scope(source, self.env) };
        let environment = environments::read(top.get("env").map(|(_, item)| item), sources.environment(), problems);
        let sources = sources.with_environment(environment.as_ref(), &scope, problems);
        let Vars { values, given, given_secrets } =
            vars::read(top.get("vars").map(|(_, item)| item), &sources, &scope, problems);
        let vars = values.into_iter().map(|(name, value)| (name, Template::plain(value))).collect();
        let scope = Scope { vars: &vars, ..scope };
        let mut head = head::read(&top, environment.as_ref(), &scope, problems);
        // Each environment has a name; none of them is an old one of another.
        head.is_name_given |= top.get("env").is_some();
        let secrets = secrets::read(top.get("secrets").map(|(_, item)| item), base, &scope, problems);
        let others = others::read(top.get("pipelines").map(|(_, item)| item), &scope, problems);
        let declared: Vec<String> = others.keys().cloned().collect();
        let scope = Scope { secrets: &secrets, others: &declared, ..scope };
        let providers = providers::read(top.get("providers").map(|(_, item)| item), base, &scope, problems);
        let folder = Folder { base, shown: Path::new(""), root: None };
        // Before what is published is fetched.
        let trust = trust::read(top.get("trust").map(|(_, item)| item), problems);
        self.trust.replace(trust.clone());
        let mut read = self.steps(&top, &entries, &scope, &folder, std::slice::from_ref(&self.first), problems);
        read.trust = trust;
        Some(Read { head, given, given_secrets, secrets, others, providers, ..read })
    }

    /// Reads the steps of a file, and the files that they are.
    pub(super) fn steps(
        &self,
        top: &Table<'_>,
        entries: &Entries<'_>,
        scope: &Scope<'_>,
        folder: &Folder<'_>,
        above: &[PathBuf],
        problems: &mut Problems,
    ) -> Read {
        let families = |scope: &Scope<'_>, problems: &mut Problems| -> Families {
            let read =
                |(key, item): &(Key<'_>, Item<'_>)| (key.name.to_owned(), families::read(key, item, scope, problems));
            entries.0.iter().map(read).collect()
        };
        // The values of one may refer to steps of another: first the keys alone.
        let keys = families(scope, &mut Problems::default());
        let families = families(&Scope { families: &keys, ..*scope }, problems);
        let scope = &Scope { families: &families, ..*scope };
        let all = entries.0.iter().flat_map(|(key, item)| steps::read(key, item, scope, problems));
        let (inner, steps): (Vec<Step>, Vec<Step>) =
            all.partition(|step| steps::is_pipeline(&step.uses) || !matches!(self.published(&step.uses), Ok(None)));
        let names = entries.names().into_iter().filter_map(|name| scope.named(StepName::single(name).ok()?).ok());
        let mut read = Read { steps, entries: names.collect(), ..Read::default() };
        read.existing = existing::read(top.get("existing").map(|(_, item)| item), scope, problems);
        if scope.within.is_some() {
            folder.place(&mut read, problems);
        }
        self.are_too_many(read.steps.len());
        for step in inner {
            // Files that use each other several times multiply.
            if self.are_too_many(1) {
                let message = format!("the pipeline has more than {MOST_STEPS} steps");
                problems.add("too-large", step.uses_span.clone(), message, "too many");
                problems.help("repeated files inside repeated files multiply; is one of them repeated by mistake?");
                return read;
            }
            modules::read(self, step, folder, above, &mut read, problems);
        }
        read.outputs = modules::outputs(top.get("outputs").map(|(_, item)| item), scope, problems);
        read.moved.extend(moved::read(top.get("moved").map(|(_, item)| item), scope.within, problems));
        read
    }
}

/// The entries of `[steps]`.
pub(super) struct Entries<'a>(Vec<(Key<'a>, Item<'a>)>);

impl<'a> Entries<'a> {
    pub(super) fn of(top: &Table<'a>, problems: &mut Problems) -> Self {
        let steps = top.get("steps").and_then(|(_, item)| table("steps", item, problems)).map(entries);
        Self(steps.unwrap_or_default())
    }

    pub(super) fn names(&self) -> Vec<&'a str> {
        self.0.iter().map(|(key, _)| key.name).collect()
    }
}

/// A scope in which there is nothing but the environment.
#[derive(Default)]
pub(super) struct Empty {
    families: Families,
    vars: BTreeMap<String, Template>,
    secrets: BTreeMap<String, Secret>,
    others: Vec<String>,
}

impl Empty {
    pub(super) fn scope<'a>(&'a self, source: &'a str, env: &'a dyn Fn(&str) -> Option<String>) -> Scope<'a> {
        let Self { families, vars, secrets, others } = self;
        Scope {
            source,
            steps: &[],
            families,
            each: None,
            within: None,
            is_published: false,
            vars,
            secrets,
            existing: &[],
            others,
            env,
        }
    }
}

/// The table of a file; nothing where it is none. Its text begins at `start`.
pub(super) fn parsed<'a>(source: &'a str, start: usize, problems: &mut Problems) -> Option<Spanned<DeTable<'a>>> {
    let (root, errors) = DeTable::parse_recoverable(source);
    if errors.is_empty() {
        return Some(root);
    }
    let before = problems.0.len();
    for error in errors {
        let span = error.span().unwrap_or(start..start);
        problems.add("syntax", span, error.message(), "here");
    }
    if let Some(other) = other_format(source) {
        // What TOML's parser says of it helps nobody.
        problems.0.truncate(before + 1);
        problems.help(format!(
            "this reads like {other}, and a pipeline file is TOML: [pipeline], then name = \"…\" and region = \
             \"us-east-1\" on lines of their own"
        ));
    }
    // What else would be said of a half-read file is mostly noise.
    None
}

/// The format that a file seems to have that is no TOML.
fn other_format(source: &str) -> Option<&'static str> {
    let mut lines = source.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let first = lines.next()?;
    let is_key = |key: &str| !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    match first.split_once(':') {
        _ if first.starts_with('{') => Some("JSON"),
        _ if first == "---" => Some("YAML"),
        Some((key, _)) if is_key(key) => Some("YAML"),
        _ => None,
    }
}
