//! Plans in a file: what was shown is what is done, or nothing.
//!
//! The file holds what the plan was made from, by digest: the pipeline file, the variables, the
//! state, and the plan itself, and where it was to be applied. A later run makes the plan again, which
//! costs next to nothing, and goes on only where all of it is the same. So the file needs no trust: it
//! can only be refused. Nothing in it depends on where the checkout lies: a plan that was made in one
//! is applied in another.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use llmhost_engine::pipeline::{Kept, Pipeline};
use llmhost_engine::plan::Plan;
use llmhost_engine::secret::shown;
use llmhost_engine::state::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::app;
use crate::args::Run;
use crate::failure::Failure;
use crate::private;

/// What the file begins with; then come the format's version and the digest of the rest.
const MAGIC: &str = "llmhost-plan";
const VERSION: u32 = 3;
/// A plan of ten thousand resources has a few megabytes.
const MOST_BYTES: u64 = 1 << 30;

/// What was saved.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Saved {
    /// The pipeline's name, and its file as it was named then.
    pipeline: String,
    file: PathBuf,
    /// The variables that were given a value, wherever it came from, and the names of secret ones.
    vars: BTreeMap<String, Value>,
    /// The environment of the file.
    #[serde(default)]
    pub(crate) environment: Option<String>,
    secret_vars: BTreeSet<String>,
    /// Steps that the run is about, and steps that it is not about.
    pub(crate) only: Vec<String>,
    pub(crate) exclude: Vec<String>,
    /// Whether what is there was read first.
    pub(crate) refresh: bool,
    /// Where it is to be applied, and where its state is kept.
    world: World,
    /// What it was told of other pipelines: a digest of each value, by the reference to it.
    #[serde(default)]
    others: BTreeMap<String, String>,
    /// Digests of what the plan was made from, and of the plan.
    source: String,
    state: String,
    plan: String,
    /// The plan, for whoever looks into the file; secret variables and sensitive outputs have a mask.
    shown: Value,
}

/// Where a plan is to be applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct World {
    pub(crate) region: String,
    /// The address that calls go to instead of AWS, or `emulator`.
    pub(crate) endpoint: Option<String>,
    /// The bucket that the state is kept in; a folder is told by what it holds.
    pub(crate) state: Option<String>,
}

impl Saved {
    /// What is to be saved of a plan.
    pub(crate) fn of(
        pipeline: &Pipeline,
        args: &Run,
        world: World,
        others: &BTreeMap<String, Value>,
        state: &State,
        plan: &Plan,
    ) -> Self {
        Self {
            pipeline: pipeline.name.clone(),
            file: as_named(&pipeline.path),
            world,
            vars: pipeline.given.clone(),
            environment: pipeline.environment.clone(),
            secret_vars: pipeline.given_secrets.clone(),
            only: args.steps.only.clone(),
            exclude: args.steps.exclude.clone(),
            refresh: args.refresh,
            others: others.iter().map(|(reference, value)| (reference.clone(), digest_of(value))).collect(),
            source: digest(pipeline.source.as_bytes()),
            state: digest_of(state),
            plan: digest_of(&portable(plan, &pipeline.base)),
            shown: masked(portable(plan, &pipeline.base)),
        }
    }

    /// The variables that it was made with.
    pub(crate) fn variables(&self) -> Kept {
        Kept { values: self.vars.clone(), secrets: self.secret_vars.clone() }
    }

    /// Writes it into a file that only its owner reads.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        let body = serde_json::to_vec(self).expect("it is JSON");
        let text = format!("{MAGIC} {VERSION} {}\n", digest(&body));
        let written = private::create(path).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.write_all(&body)?;
            file.sync_all()
        });
        written.map_err(|error| {
            let message = format!("cannot write the plan to {}: {error}", path.display());
            Failure::Other { message, help: "Choose another file with --out.".to_owned(), status: 1 }
        })
    }

    /// Reads a saved plan; nothing where the file is none.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, Failure> {
        // What is wrong with a pipeline file is said by whoever reads it as one.
        let is_plan = std::fs::File::open(path).ok().is_some_and(begins_like_one);
        if !is_plan {
            return Ok(None);
        }
        let shown = path.display();
        let refused = |what: String| Failure::Other {
            message: format!("the saved plan {shown} {what}"),
            help: "Nothing was changed. Create it again: llmhost run FILE --dry-run --out PLAN".to_owned(),
            status: 2,
        };
        let size = std::fs::metadata(path).map(|found| found.len()).unwrap_or_default();
        if size > MOST_BYTES {
            return Err(refused(format!("has {size} bytes; at most {MOST_BYTES} are read")));
        }
        let bytes = std::fs::read(path).map_err(|error| refused(format!("cannot be read: {error}")))?;
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
        let (head, body) = (String::from_utf8_lossy(&bytes[..end]), bytes.get(end + 1..).unwrap_or_default());
        let mut words = head.split(' ').skip(1);
        match words.next().and_then(|version| version.parse::<u32>().ok()) {
            Some(VERSION) => {}
            Some(version) if version > 0 => {
                return Err(refused(format!("has version {version}; this llmhost reads {VERSION}")));
            }
            _ => return Err(refused("is damaged: its first line is not that of a plan".to_owned())),
        }
        if words.next() != Some(digest(body).as_str()) {
            return Err(refused("is damaged: its checksum is wrong".to_owned()));
        }
        let saved = serde_json::from_slice(body).map_err(|error| refused(format!("is damaged: {error}")))?;
        Ok(Some(saved))
    }

    /// The pipeline file in this checkout: by its path of then, from the working folder or from the plan's own;
    /// the first with the same text, else the first that is there.
    pub(crate) fn pipeline_file(&self, plan: &Path) -> Result<PathBuf, Failure> {
        let beside = plan.parent().unwrap_or(Path::new(""));
        let name = self.file.file_name().map(PathBuf::from).unwrap_or_default();
        let mut candidates = vec![self.file.clone(), beside.join(&self.file), name.clone(), beside.join(&name)];
        candidates.retain(|path| path.is_file());
        let same = candidates.iter().find(|path| std::fs::read(path).is_ok_and(|text| digest(&text) == self.source));
        same.or(candidates.first()).cloned().ok_or_else(|| Failure::Other {
            message: format!(
                "the saved plan is for the pipeline '{}', and its file {} is not here",
                self.pipeline,
                self.file.display()
            ),
            help: "Nothing was changed. Run it in a checkout that has the file, in the same folder as before."
                .to_owned(),
            status: 1,
        })
    }

    /// Refuses where something has changed since the plan was shown.
    pub(crate) fn check_file(&self, pipeline: &Pipeline) -> Result<(), Failure> {
        if pipeline.name != self.pipeline {
            let path = pipeline.path.display();
            return Err(foreign("pipeline", &self.pipeline, &format!("{path} is '{}'", pipeline.name)));
        }
        match digest(pipeline.source.as_bytes()) == self.source {
            true => Ok(()),
            false => Err(stale(&format!("{} has changed since the plan was created", pipeline.path.display()))),
        }
    }

    /// Refuses to apply a plan elsewhere than where it was made for.
    pub(crate) fn check_world(&self, here: &World) -> Result<(), Failure> {
        let of = |place: &Option<String>, none: &str| place.clone().unwrap_or_else(|| none.to_owned());
        let pairs = [
            ("region", self.world.region.clone(), here.region.clone()),
            ("endpoint", of(&self.world.endpoint, "AWS"), of(&here.endpoint, "AWS")),
            ("state", of(&self.world.state, "a folder"), of(&here.state, "a folder")),
        ];
        match pairs.into_iter().find(|(_, then, now)| then != now) {
            Some((what, then, now)) => Err(foreign(what, &then, &format!("this run uses '{now}'"))),
            None => Ok(()),
        }
    }

    /// As above, of the outputs of other pipelines.
    pub(crate) fn check_others(&self, others: &BTreeMap<String, Value>) -> Result<(), Failure> {
        for (reference, then) in &self.others {
            if others.get(reference).is_none_or(|now| digest_of(now) != *then) {
                return Err(stale(&format!("${{{reference}}} has changed: that pipeline was run after the plan")));
            }
        }
        Ok(())
    }

    /// As above, of the state.
    pub(crate) fn check_state(&self, state: &State) -> Result<(), Failure> {
        match digest_of(state) == self.state {
            true => Ok(()),
            false => Err(stale("the state has changed: the pipeline was run after the plan, or this is another state")),
        }
    }

    /// As above, of the plan itself: plugins, versions and variables of the environment are in it.
    pub(crate) fn check_plan(&self, plan: &Plan, pipeline: &Pipeline) -> Result<(), Failure> {
        match digest_of(&portable(plan, &pipeline.base)) == self.plan {
            true => Ok(()),
            false => {
                Err(stale("a plugin, a file that it reads, a secret variable, or an environment variable has changed"))
            }
        }
    }
}

/// The pipeline file as it is found again in another checkout: from the working folder, where it is below it.
fn as_named(path: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).to_owned()
}

/// A plan without the folder of its pipeline file: paths below that are told from there.
fn portable(plan: &Plan, base: &Path) -> Value {
    fn walk(value: &mut Value, base: &Path) {
        match value {
            Value::String(text) => {
                if let Some(below) = Path::new(text).strip_prefix(base).ok().and_then(Path::to_str) {
                    *text = below.to_owned();
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| walk(item, base)),
            Value::Object(fields) => fields.values_mut().for_each(|field| walk(field, base)),
            _ => {}
        }
    }
    let mut plan = serde_json::to_value(plan).expect("a plan is JSON");
    if !base.as_os_str().is_empty() {
        walk(&mut plan, base);
    }
    // Published pipelines lie in the cache folder, which is another one elsewhere, by their digests.
    if let Some(cache) = app::cache_dir() {
        walk(&mut plan, &cache);
    }
    plan
}

/// A value as it may be shown.
fn masked(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(shown(&text).into_owned()),
        Value::Array(items) => items.into_iter().map(masked).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(key, field)| (shown(&key).into_owned(), masked(field))).collect()
        }
        other => other,
    }
}

fn begins_like_one(mut file: std::fs::File) -> bool {
    let mut start = [0; MAGIC.len()];
    std::io::Read::read_exact(&mut file, &mut start).is_ok() && start == *MAGIC.as_bytes()
}

fn stale(what: &str) -> Failure {
    Failure::Other {
        message: format!("Saved plan is stale: {what}"),
        help: "Nothing was changed. Create a new plan and review it: llmhost run FILE --dry-run --out PLAN".to_owned(),
        status: 1,
    }
}

fn foreign(what: &str, then: &str, now: &str) -> Failure {
    Failure::Other {
        message: format!("Saved plan was made for the {what} '{then}', and {now}"),
        help: "Nothing was changed. Apply it in the place that it was created for, or create a plan for this place."
            .to_owned(),
        status: 1,
    }
}

fn digest_of(value: &impl Serialize) -> String {
    digest(&serde_json::to_vec(value).expect("it is JSON"))
}

fn digest(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        write!(text, "{byte:02x}").expect("a string takes any text");
    }
    text
}
