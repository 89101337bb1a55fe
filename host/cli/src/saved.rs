//! Plans in a file: what was shown is what is done, or nothing.
//!
//! The file holds what the plan was made from, by digest: the pipeline file, the variables, the
//! state, and the plan itself. A later run makes the plan again, which costs next to nothing, and
//! goes on only where all of it is the same. So the file needs no trust: it can only be refused.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use llmhost_engine::pipeline::Pipeline;
use llmhost_engine::plan::Plan;
use llmhost_engine::state::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::args::Run;
use crate::failure::Failure;
use crate::private;

/// What the file begins with; then come the format's version and the digest of the rest.
const MAGIC: &str = "llmhost-plan";
const VERSION: u32 = 1;
/// A plan of ten thousand resources has a few megabytes.
const MOST_BYTES: u64 = 1 << 30;

/// What was saved.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Saved {
    /// The pipeline file, absolute.
    pub(crate) file: PathBuf,
    /// Variables of the command line.
    pub(crate) vars: Vec<(String, String)>,
    /// Steps that the run is about, and steps that it is not about.
    pub(crate) only: Vec<String>,
    pub(crate) exclude: Vec<String>,
    /// Whether what is there was read first.
    pub(crate) refresh: bool,
    /// Digests of what the plan was made from, and of the plan.
    source: String,
    state: String,
    plan: String,
    /// The plan, for whoever looks into the file.
    shown: Value,
}

impl Saved {
    /// What is to be saved of a plan.
    pub(crate) fn of(pipeline: &Pipeline, args: &Run, state: &State, plan: &Plan) -> Self {
        let file = std::path::absolute(&pipeline.path).unwrap_or_else(|_| pipeline.path.clone());
        Self {
            file,
            vars: args.file.vars.clone(),
            only: args.steps.only.clone(),
            exclude: args.steps.exclude.clone(),
            refresh: args.refresh,
            source: digest(pipeline.source.as_bytes()),
            state: digest_of(state),
            plan: digest_of(plan),
            shown: serde_json::to_value(plan).expect("a plan is JSON"),
        }
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
            help: "Nothing was changed. Make it again: llmhost run FILE --dry-run --out PLAN".to_owned(),
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
            Some(version) if version > VERSION => {
                return Err(refused(format!("has version {version}; this llmhost reads {VERSION}")));
            }
            _ => return Err(refused("is damaged: its first line is none of a plan".to_owned())),
        }
        if words.next() != Some(digest(body).as_str()) {
            return Err(refused("is damaged: its checksum is wrong".to_owned()));
        }
        let saved = serde_json::from_slice(body).map_err(|error| refused(format!("is damaged: {error}")))?;
        Ok(Some(saved))
    }

    /// Refuses where something has changed since the plan was shown.
    pub(crate) fn check_file(&self, pipeline: &Pipeline) -> Result<(), Failure> {
        match digest(pipeline.source.as_bytes()) == self.source {
            true => Ok(()),
            false => Err(moved_on(&format!("{} is another file than then", pipeline.path.display()))),
        }
    }

    /// As above, of the state.
    pub(crate) fn check_state(&self, state: &State) -> Result<(), Failure> {
        match digest_of(state) == self.state {
            true => Ok(()),
            false => Err(moved_on("the state has moved on: somebody has run the pipeline, or it is another state")),
        }
    }

    /// As above, of the plan itself: plugins, versions and variables of the environment are in it.
    pub(crate) fn check_plan(&self, plan: &Plan) -> Result<(), Failure> {
        match digest_of(plan) == self.plan {
            true => Ok(()),
            false => Err(moved_on("the plan would be another one: a plugin or the environment has changed")),
        }
    }
}

fn begins_like_one(mut file: std::fs::File) -> bool {
    let mut start = [0; MAGIC.len()];
    std::io::Read::read_exact(&mut file, &mut start).is_ok() && start == *MAGIC.as_bytes()
}

fn moved_on(what: &str) -> Failure {
    Failure::Other {
        message: format!("the saved plan is no longer what would be done: {what}"),
        help: "Nothing was changed. Make a new plan, and look at it: llmhost run FILE --dry-run --out PLAN".to_owned(),
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
