//! `s3.folder`

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use llmhost_engine::kind::{
    Created, DeclareContext, Intent, Kind, Neighbours, Observed, OpError, Outputs, Permission, Progress, Sampled, Scope,
};
use llmhost_engine::names::ResourceAddress;
use llmhost_engine::unknown;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::files::{self, File};
use super::{empty, globs, unfinished, upload};
use crate::aws::clients::Aws;
use crate::aws::errors::{Operation, gone_is_none};
use crate::aws::policy::Arns;

/// Whether all keys with one prefix have the other one, too.
fn within(inner: &str, outer: &str) -> bool {
    outer.is_empty() || inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The files of a local folder as objects.
pub(in crate::aws) struct Folder(pub(in crate::aws) Arc<Aws>);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::aws) struct Spec {
    bucket: String,
    prefix: String,
    source: String,
    /// Patterns of files that are left out.
    #[serde(default)]
    exclude: Vec<String>,
    /// Filled in by the host: a plugin does not see files.
    #[serde(default)]
    files: BTreeMap<String, File>,
    /// Where `source` is on this machine.
    #[serde(default)]
    path: PathBuf,
}

impl Spec {
    fn key(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}/{name}", self.prefix) }
    }

    fn uri(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.prefix)
    }
}

fn known(spec: &Spec) -> Outputs {
    let all = [("uri", spec.uri()), ("digest", files::digest(&spec.files))];
    all.map(|(key, value)| (key.to_owned(), Value::from(value))).into_iter().collect()
}

impl Folder {
    /// Deletes the objects of these files, and what was sent of those that never were whole.
    async fn delete_files(&self, spec: &Spec, names: &[&String]) -> Result<(), OpError> {
        let keys: BTreeSet<String> = names.iter().map(|name| spec.key(name)).collect();
        unfinished::abort_all(&self.0, &spec.bucket, &keys).await?;
        for batch in names.chunks(1000) {
            let objects = batch.iter().filter_map(|name| empty::identifier(&spec.key(name), None)).collect();
            match empty::delete(&self.0, &spec.bucket, objects).await {
                Err(error) if error.class == llmhost_engine::kind::ErrorClass::NotFound => return Ok(()),
                other => other?,
            }
        }
        Ok(())
    }

    /// The object of a file, where there is one: its size and the sum that its uploader wrote down.
    async fn look(&self, spec: &Spec, name: &str) -> Result<Option<File>, OpError> {
        let request = self.0.s3().await.head_object().bucket(&spec.bucket).key(spec.key(name));
        let Some(found) = gone_is_none(request.send().await.operation("s3:HeadObject"))? else { return Ok(None) };
        let sha256 = found.metadata().and_then(|all| all.get(upload::SUM)).cloned().unwrap_or_default();
        Ok(Some(File { size: found.content_length().unwrap_or(0).unsigned_abs(), sha256 }))
    }
}

#[async_trait]
impl Kind for Folder {
    type Spec = Spec;
    const NAME: &'static str = "s3.folder";
    const ACTIONS: &'static [&'static str] = &[
        "s3:PutObject",
        "s3:GetObject",
        "s3:DeleteObject",
        "s3:ListBucket",
        "s3:ListBucketMultipartUploads",
        "s3:ListMultipartUploadParts",
        "s3:AbortMultipartUpload",
    ];
    const IMMUTABLE: &'static [&'static str] = &["bucket", "prefix"];
    const ASIDE: &'static [&'static str] = &["path"];
    const UNIQUE: &'static [&'static str] = &["bucket", "prefix"];
    const IDENTITIES: &'static [&'static str] = &["uri"];

    fn permissions(&self, spec: &Spec, scope: &Scope<'_>) -> Vec<Permission> {
        let bucket = scope.bucket(&spec.bucket);
        let objects = match spec.prefix.as_str() {
            "" => format!("{bucket}/*"),
            prefix => format!("{bucket}/{prefix}/*"),
        };
        let (own, of_objects): (Vec<&str>, Vec<&str>) =
            Self::ACTIONS.iter().partition(|action| action.contains("Bucket"));
        vec![Permission::new(&own, [bucket]), Permission::new(&of_objects, [objects])]
    }

    fn complete(&self, spec: &mut Spec, context: &DeclareContext<'_>) -> Result<(), String> {
        if spec.prefix.starts_with('/') || spec.prefix.ends_with('/') || spec.prefix.contains("//") {
            let plain: Vec<&str> = spec.prefix.split('/').filter(|part| !part.is_empty()).collect();
            return Err(format!(
                "prefix '{}' must not start or end with a slash, nor have two in a row; write '{}'",
                spec.prefix,
                plain.join("/")
            ));
        }
        if spec.prefix.len() > 512 {
            return Err("prefix is longer than 512 bytes".to_owned());
        }
        spec.exclude.iter().try_for_each(|pattern| globs::check(pattern))?;
        spec.path = files::allowed(&spec.source, context)?;
        spec.files = files::list(&spec.path, &spec.exclude)?;
        Ok(())
    }

    /// An object has one source: two folders that put the same key into a bucket would undo each other's work.
    fn check(&self, address: &ResourceAddress, spec: &Spec, declared: &dyn Neighbours) -> Result<(), String> {
        // Each pair is looked at twice; the one that comes later by name says it.
        for other in declared.of_kind(Self::NAME).into_iter().filter(|other| other.address < *address) {
            let Ok(that) = serde_json::from_value::<Spec>(Value::clone(&other.spec)) else { continue };
            if that.bucket != spec.bucket || !(within(&that.prefix, &spec.prefix) || within(&spec.prefix, &that.prefix))
            {
                continue;
            }
            let theirs: BTreeSet<String> = that.files.keys().map(|name| that.key(name)).collect();
            if let Some(key) = spec.files.keys().map(|name| spec.key(name)).find(|key| theirs.contains(key)) {
                return Err(format!(
                    "the object {key} has two sources: the folder '{}' (prefix '{}') and the folder '{}' (prefix '{}') of {}; \
                     change a prefix, or exclude the file from one of them",
                    spec.source, spec.prefix, that.source, that.prefix, other.address
                ));
            }
        }
        Ok(())
    }

    /// What is uploaded counts, and not which patterns left the rest out.
    fn comparable(&self, spec: &Spec) -> Value {
        serde_json::to_value(Spec { exclude: Vec::new(), ..spec.clone() }).unwrap_or_default()
    }

    fn foreknown(&self, spec: &Spec) -> Outputs {
        let mut all = known(spec);
        if unknown::is_unknown(&spec.bucket) {
            all.remove("uri");
        }
        all
    }

    fn id_of(&self, spec: &Spec) -> Option<String> {
        Some(spec.uri())
    }

    fn sample(&self, output: &str, spec: &Spec, sampled: &Sampled<'_>) -> Option<Value> {
        Some(match output {
            "digest" => sampled.unique.repeat(4)[..64].into(),
            _ => spec.uri().into(),
        })
    }

    /// There is nothing to make: a folder in S3 is its objects, and `configure` sends those.
    async fn create(&self, spec: &Spec, _: &Intent, _: &dyn Progress) -> Result<Created, OpError> {
        Ok(Created { id: spec.uri(), outputs: known(spec) })
    }

    async fn configure(
        &self,
        _: &str,
        spec: &Spec,
        was: Option<&Spec>,
        progress: &dyn Progress,
    ) -> Result<Outputs, OpError> {
        let mut send = Vec::new();
        for (name, file) in &spec.files {
            let there = match was {
                Some(was) => was.files.get(name) == Some(file),
                // A run that died may have sent it already.
                None => self.look(spec, name).await?.as_ref() == Some(file),
            };
            if !there {
                send.push(upload::Upload { path: spec.path.join(name), key: spec.key(name), file: file.clone() });
            }
        }
        upload::all(&self.0, &spec.bucket, send, progress).await?;
        let gone: Vec<_> =
            was.into_iter().flat_map(|was| was.files.keys()).filter(|name| !spec.files.contains_key(*name)).collect();
        self.delete_files(spec, &gone).await?;
        Ok(Outputs::new())
    }

    async fn read(&self, id: &str, spec: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
        let mut seen = Spec { files: BTreeMap::new(), ..spec.clone() };
        for name in spec.files.keys() {
            if let Some(file) = self.look(spec, name).await? {
                seen.files.insert(name.clone(), file);
            }
        }
        tracing::debug!(id, found = seen.files.len(), "looked at a folder");
        Ok((!seen.files.is_empty()).then(|| Observed { outputs: known(&seen), spec: seen }))
    }

    async fn find(&self, spec: &Spec, _: &Intent) -> Result<Option<Created>, OpError> {
        Ok(Some(Created { id: spec.uri(), outputs: known(spec) }))
    }

    async fn delete(&self, _: &str, spec: &Spec, _: &dyn Progress) -> Result<(), OpError> {
        self.delete_files(spec, &spec.files.keys().collect::<Vec<_>>()).await
    }
}
