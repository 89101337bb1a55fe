//! Where a state is kept: a folder, or a bucket. Both are stores to the engine.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use llmhost_engine::diagnostic::Diagnostic;
use llmhost_engine::pipeline::Pipeline;
use llmhost_engine::state::{Bucket, BucketStore, LeaseSettings, LocalStore, Recovered, State, StateError, StateStore};
use llmhost_resources::{Aws, AwsSettings, StateAddress, state_bucket};

use crate::failure::Failure;

/// Where a state is kept, as it is written.
#[derive(Debug, Clone)]
pub(crate) enum StatePlace {
    Folder(PathBuf),
    S3(StateAddress),
}

impl FromStr for StatePlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            _ if text.is_empty() => Err("it is empty; use a folder, or s3://bucket/prefix".to_owned()),
            // On the command line nobody replaces it, and every environment would have the same state.
            _ if text.contains("${") => Err("it contains '${': references work only in the pipeline file".to_owned()),
            Some(("s3", _)) => Ok(Self::S3(text.parse()?)),
            // A folder with a colon in its name is written ./like:this.
            Some((scheme, rest)) if rest.starts_with("//") => {
                Err(format!("'{scheme}://' is not supported; use a folder, or s3://bucket/prefix"))
            }
            _ => Ok(Self::Folder(PathBuf::from(text))),
        }
    }
}

/// As it is written on a command line, from whatever folder.
impl fmt::Display for StatePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => {
                let whole = folder.canonicalize().or_else(|_| std::path::absolute(folder));
                write!(f, "{}", whole.as_ref().unwrap_or(folder).display())
            }
            Self::S3(address) => write!(f, "{address}"),
        }
    }
}

impl StatePlace {
    /// Where the command line wants it, or the pipeline file, or beside that.
    pub(crate) fn of(pipeline: &Pipeline, told: Option<&Self>, usual: &Path) -> Result<Self, Failure> {
        match (told, &pipeline.state) {
            (Some(told), _) => Ok(told.clone()),
            (None, None) => Ok(Self::Folder(usual.to_owned())),
            (None, Some((text, span))) => match text.parse() {
                Ok(Self::Folder(folder)) => Ok(Self::Folder(pipeline.base.join(folder))),
                Ok(bucket) => Ok(bucket),
                Err(message) => Err(Failure::File(pipeline.diagnostics(vec![Diagnostic {
                    code: "bad-state",
                    message,
                    span: Some(span.clone()),
                    label: "not a place for a state".to_owned(),
                    help: Some("write it like s3://bucket/prefix, or use a folder".to_owned()),
                }]))),
            },
        }
    }

    /// The place, reached with a pipeline's credentials.
    pub(crate) fn keep(&self, settings: &AwsSettings) -> Keep {
        match self {
            Self::Folder(folder) => Keep::Folder(folder.clone()),
            Self::S3(address) => {
                let mut settings = settings.clone();
                if let Some(region) = address.region() {
                    region.clone_into(&mut settings.region);
                }
                Keep::Bucket(state_bucket(Arc::new(Aws::new(settings)), address.clone()))
            }
        }
    }
}

/// Where a state is kept, within reach.
pub(crate) enum Keep {
    Folder(PathBuf),
    Bucket(Arc<dyn Bucket>),
}

impl Keep {
    /// The state as it is, without a lock and without writing anything.
    pub(crate) async fn read(&self, pipeline: &str) -> Result<State, StateError> {
        match self {
            Self::Folder(folder) => LocalStore::read(folder, pipeline),
            Self::Bucket(bucket) => BucketStore::read(&**bucket, pipeline).await,
        }
    }

    /// Opens the state and keeps others out.
    pub(crate) async fn open(
        &self,
        pipeline: &str,
        command: &str,
        ttl: Duration,
    ) -> Result<(Arc<dyn StateStore>, Vec<Recovered>), StateError> {
        Ok(match self {
            Self::Folder(folder) => {
                let (store, notes) = LocalStore::open(folder, pipeline, command)?;
                (Arc::new(store), notes)
            }
            Self::Bucket(bucket) => {
                let lease = LeaseSettings { command: command.to_owned(), ttl, by_force: false };
                let (store, notes) = BucketStore::open(Arc::clone(bucket), pipeline, lease).await?;
                (Arc::new(store), notes)
            }
        })
    }

    /// Who holds the state, in words.
    pub(crate) async fn holder(&self) -> Result<Option<String>, StateError> {
        match self {
            Self::Folder(folder) => LocalStore::holder(folder),
            Self::Bucket(bucket) => BucketStore::holder(&**bucket).await,
        }
    }

    /// How it is called.
    pub(crate) fn address(&self) -> String {
        match self {
            Self::Folder(folder) => folder.display().to_string(),
            Self::Bucket(bucket) => bucket.address(""),
        }
    }
}
