//! `kube.object`

mod order;
mod waiting;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PropagationPolicy};
use kube::core::discovery::Scope as ApiScope;
use llmhost_engine::byproduct::{Byproduct, Foreseen};
use llmhost_engine::kind::{
    ChangeKind, Created, DeclareContext, ErrorClass, Intent, Kind, Marks, Neighbours, Observed, OpError, Outputs,
    Permission, Progress as Report, Sampled, Scope,
};
use llmhost_engine::names::ResourceAddress;
use llmhost_engine::run::PIPELINE_TAG;
use llmhost_engine::{secret, wait};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::clusters::is_unknown_kind;
use super::errors::{Described, is_ending};
use super::folder;
use super::interrupts;
use super::manifest::{self, ADOPTED, INTENT, Identity};
use super::{names, quantities};
use crate::aws::policy::Arns;
use crate::aws::tags::foreign;
use crate::aws::{Aws, blank, outputs};
use crate::secrets;

/// Who applies: the name in `managedFields`.
const MANAGER: &str = "llmhost";

/// How long a namespace that is going away is waited for before an object in it is given up.
const ENDING: Duration = Duration::from_secs(2 * 60);
const PAUSE: Duration = Duration::from_secs(2);

/// An object of the Kubernetes API, by server-side apply.
pub(crate) struct Object(pub(crate) Arc<Aws>);

/// Where objects go.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Target {
    /// The EKS cluster of this name.
    #[serde(alias = "Eks")]
    Eks(String),
    /// A context of a kubeconfig.
    #[serde(alias = "Kubeconfig")]
    Kubeconfig(KubeconfigFile),
    /// A folder of manifests.
    #[serde(alias = "Folder")]
    Folder(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct KubeconfigFile {
    /// The standard one where it is absent.
    pub(super) path: Option<String>,
    pub(super) context: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spec {
    target: Target,
    #[serde(deserialize_with = "object")]
    manifest: Map<String, Value>,
    /// Take over an object that is there already.
    adopt: bool,
    /// Take over fields that others manage.
    force_conflicts: bool,
    /// Wait until it has become what it says.
    wait: bool,
    wait_minutes: u32,
    /// Which object the manifest speaks of.
    #[serde(default)]
    object: Identity,
    /// What cannot be changed in place.
    #[serde(default)]
    fixed: Map<String, Value>,
    /// Where a folder is on this machine.
    #[serde(default)]
    path: PathBuf,
}

/// Reads WIT's text, or the object that the state holds.
fn object<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    use serde::de::Error;
    match Value::deserialize(deserializer)? {
        Value::String(text) => serde_json::from_str(&text)
            .map_err(|error| Error::custom(format!("the manifest is not a JSON object: {error}"))),
        Value::Object(fields) => Ok(fields),
        _ => Err(Error::custom("the manifest must be a JSON object")),
    }
}

/// An object's own place in a cluster.
struct At {
    api: Api<DynamicObject>,
    client: kube::Client,
}

impl Spec {
    fn id(&self) -> String {
        let group = if self.object.group.is_empty() { String::new() } else { format!(".{}", self.object.group) };
        let namespace = self.object.namespace.as_deref().unwrap_or("-");
        format!("{}{group}/{namespace}/{}", self.object.kind, self.object.name)
    }

    fn file(&self) -> Option<PathBuf> {
        matches!(self.target, Target::Folder(_)).then(|| folder::file(&self.path, &self.object))
    }

    /// What is said of an object that stays when its declaration goes. A file in a folder goes: whoever applies the folder
    /// reads the annotation there.
    fn kept(&self) -> Option<Byproduct> {
        let is_kept = self.file().is_none() && manifest::is_kept(&json!(self.manifest));
        is_kept.then(|| {
            let name = [self.object.namespace.as_deref().unwrap_or_default(), &self.object.name].join("/");
            let what = Byproduct::new(&self.object.kind, name.trim_start_matches('/'), "");
            what.kept("it has the annotation helm.sh/resource-policy: keep")
        })
    }

    /// Whether this declaration left what is there when it went: by its marks, and by the annotation that has it stay.
    fn left(&self, there: &Value) -> bool {
        let stated = json!(self.manifest);
        let is_same = |key| mark(&stated, key).is_some_and(|stated| mark(there, key) == Some(stated));
        manifest::is_kept(there) && is_same(manifest::PIPELINE) && is_same(manifest::ADDRESS)
    }

    fn operation(&self, verb: &str) -> String {
        format!("kube:{verb} {}", self.object)
    }
}

impl Object {
    /// Where the object lives; nothing where the cluster is gone.
    async fn at(&self, spec: &Spec) -> Result<Option<At>, OpError> {
        let clusters = &self.0.kubernetes;
        let Some(client) = clusters.client(&self.0, &spec.target).await? else { return Ok(None) };
        let gvk = manifest::gvk(&spec.manifest, &spec.object);
        let (resource, capabilities) = clusters.kind(&client, &spec.target, &gvk).await?;
        let api = match (&capabilities.scope, &spec.object.namespace) {
            (ApiScope::Namespaced, Some(namespace)) => Api::namespaced_with(client.clone(), namespace, &resource),
            (ApiScope::Namespaced, None) => Api::namespaced_with(client.clone(), "default", &resource),
            (ApiScope::Cluster, None) => Api::all_with(client.clone(), &resource),
            (ApiScope::Cluster, Some(namespace)) => {
                let message = format!("a {} has no namespace, and the manifest sets {namespace}", gvk.kind);
                let mut error = OpError::local(&spec.operation("apply"), message);
                error.class = ErrorClass::Invalid;
                return Err(error);
            }
        };
        Ok(Some(At { api, client }))
    }

    /// As [`at`](Self::at), and nothing also where the cluster no longer knows the kind: objects go
    /// with their cluster, and custom objects with their definition.
    async fn at_if_any(&self, spec: &Spec) -> Result<Option<At>, OpError> {
        match self.at(spec).await {
            Err(error) if is_unknown_kind(&error) => Ok(None),
            other => other,
        }
    }

    /// As [`at`](Self::at), for those who cannot go on without the cluster.
    async fn there(&self, spec: &Spec) -> Result<At, OpError> {
        self.at(spec).await?.ok_or_else(|| {
            let name = if let Target::Eks(name) = &spec.target { name.as_str() } else { "it" };
            let mut error = OpError::local(&spec.operation("apply"), format!("there is no cluster '{name}'"));
            error.class = ErrorClass::NotFound;
            error.advice = Some(
                "The cluster must exist before resources are created in it. Check its name in the file, the region and the \
                 account. If another pipeline or step creates it, run that first. If it was deleted, 'llmhost run \
                 --refresh' creates the resources of this pipeline again."
                    .to_owned(),
            );
            error
        })
    }

    async fn look(&self, at: &At, spec: &Spec) -> Result<Option<Value>, OpError> {
        let found = at.api.get_opt(&spec.object.name).await.described(&spec.operation("get"))?;
        found.map(|found| json_of(&found, &spec.operation("get"))).transpose()
    }

    async fn apply(&self, at: &At, spec: &Spec, marks: &[(&str, &str)], dry_run: bool) -> Result<Value, OpError> {
        let operation = spec.operation("apply");
        let mut manifest = revealed(&self.0, spec).await?;
        for (key, value) in marks {
            manifest::annotate(&mut manifest, "annotations", key, value);
        }
        let mut params = PatchParams::apply(MANAGER);
        params.force = spec.force_conflicts || dry_run;
        params.dry_run = dry_run;
        let (name, patch) = (&spec.object.name, Patch::Apply(Value::Object(manifest)));
        let (began, patience) = (Instant::now(), self.0.rollout_patience(spec.wait_minutes).min(ENDING));
        loop {
            match at.api.patch(name, &params, &patch).await.described(&operation) {
                Err(error) if is_ending(&error) && !dry_run && began.elapsed() + PAUSE < patience => {
                    wait::pause(&operation, PAUSE).await?;
                }
                applied => return json_of(&applied?, &operation),
            }
        }
    }
}

/// The manifest with the values of its secrets.
async fn revealed(aws: &Aws, spec: &Spec) -> Result<Map<String, Value>, OpError> {
    let mut manifest = Value::Object(spec.manifest.clone());
    secrets::reveal(aws, &mut manifest).await?;
    match manifest {
        Value::Object(fields) => Ok(fields),
        _ => Ok(Map::new()),
    }
}

fn json_of(object: &DynamicObject, operation: &str) -> Result<Value, OpError> {
    serde_json::to_value(object).map_err(|error| OpError::local(operation, error.to_string()))
}

fn mark<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object["metadata"]["annotations"].get(key)?.as_str()
}

/// What llmhost wrote beside the manifest, and has to go on writing.
fn marks(object: Option<&Value>) -> Vec<(&'static str, String)> {
    let kept = [INTENT, ADOPTED].into_iter();
    kept.filter_map(|key| Some((key, mark(object?, key)?.to_owned()))).collect()
}

fn known(spec: &Spec, object: Option<&Value>) -> Outputs {
    let uid = object.and_then(|object| object["metadata"]["uid"].as_str()).map(str::to_owned);
    let uid = uid.unwrap_or_else(|| spec.id());
    let namespace = spec.object.namespace.as_deref().unwrap_or_default();
    outputs([("name", spec.object.name.as_str()), ("namespace", namespace), ("uid", uid.as_str())])
}

/// An object without what changes with every write.
fn bare(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for key in ["managedFields", "resourceVersion", "generation", "creationTimestamp"] {
            metadata.remove(key);
        }
    }
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    object
}

#[async_trait]
impl Kind for Object {
    type Spec = Spec;
    const NAME: &'static str = "kube.object";
    const ACTIONS: &'static [&'static str] = &["eks:DescribeCluster"];
    const IMMUTABLE: &'static [&'static str] = &["target", "object", "fixed"];
    const ASIDE: &'static [&'static str] = &["adopt", "force_conflicts", "wait", "wait_minutes", "path"];
    const DERIVED: &'static [&'static str] = &["object", "fixed", "path"];
    const SECRETS: &'static [&'static str] = &["/manifest/stringData"];
    const UNIQUE: &'static [&'static str] = &["target", "object"];
    /// Objects name each other, and AWS's resources, by name.
    const BY_NAME: &'static [&'static str] = &["manifest", "object", "fixed"];
    const IDENTITIES: &'static [&'static str] = &["uid"];

    fn complete(&self, spec: &mut Spec, context: &DeclareContext<'_>) -> Result<(), String> {
        let named = |what: &str, text: &str| match context.is_named(text) {
            true => Ok(()),
            false => Err(format!(
                "the {what} '{text}' is not named in the step's 'with' table, so the plugin may not use it"
            )),
        };
        match &spec.target {
            Target::Eks(name) => named("cluster", name)?,
            Target::Kubeconfig(file) => {
                named("kubeconfig context", &file.context)?;
                file.path.iter().try_for_each(|path| named("kubeconfig", path))?;
            }
            Target::Folder(folder) => {
                named("folder", folder)?;
                if context.within.is_some() {
                    return Err("a published pipeline has no folder to write to; use a cluster".to_owned());
                }
                spec.path = context.base.join(folder);
            }
        }
        spec.object = manifest::identity(&spec.manifest)?;
        if !secret::named(&json!(spec.manifest)).is_empty() {
            if spec.object.kind != "Secret" || !spec.object.group.is_empty() {
                return Err(format!(
                    "a secret is allowed only in a Secret, below stringData, not in a {}",
                    spec.object.kind
                ));
            }
            if matches!(spec.target, Target::Folder(_)) {
                return Err("everyone who can read the folder of manifests could read the secret".to_owned());
            }
        }
        names::check_object(&spec.object.group, &spec.object.kind, &spec.object.name)?;
        spec.object.namespace.iter().try_for_each(|name| names::dns_label("metadata.namespace", name))?;
        names::check_marks(&spec.manifest)?;
        quantities::check(&spec.manifest)?;
        spec.fixed = manifest::fixed(&spec.manifest, &spec.object);
        let pipeline = context.tags.get(PIPELINE_TAG).map(String::as_str).unwrap_or_default();
        manifest::mark(&mut spec.manifest, pipeline, &context.address.to_string());
        if matches!(spec.target, Target::Eks(_)) {
            manifest::tag_balancer(&mut spec.manifest, &spec.object, context.tags);
        }
        Ok(())
    }

    /// `cluster/v1/Service/namespace/name`, with `-` for a namespace where there is none.
    fn blank(&self, name: &str) -> Option<Spec> {
        let (cluster, rest) = name.split_once('/')?;
        let mut parts: Vec<&str> = rest.split('/').collect();
        let (name, namespace, kind) = (parts.pop()?, parts.pop()?, parts.pop()?);
        let mut metadata = json!({ "name": name });
        if namespace != "-" {
            metadata["namespace"] = namespace.into();
        }
        let manifest = json!({ "apiVersion": parts.join("/"), "kind": kind, "metadata": metadata });
        let object = manifest::identity(manifest.as_object()?).ok()?;
        blank(json!({
            "target": { "eks": cluster }, "manifest": manifest, "object": object, "adopt": false, "force_conflicts": false,
            "wait": false, "wait_minutes": 0,
        }))
    }

    /// The object as the API server has it. What is in a Secret is nobody's to read here.
    async fn attributes(&self, id: &str) -> Result<Option<Outputs>, OpError> {
        let refused = |message: String, advice: &str| {
            let mut error = OpError::local("kube:get", message);
            (error.class, error.advice) = (ErrorClass::Invalid, Some(advice.to_owned()));
            error
        };
        let Some(spec) = Kind::blank(self, id) else {
            let advice = "Write it as CLUSTER/API_VERSION/KIND/NAMESPACE/NAME: platform/v1/Service/kube-system/kube-dns, with - for objects \
                          without a namespace.";
            return Err(refused(format!("'{id}' does not say which object is intended"), advice));
        };
        if spec.object.kind == "Secret" && spec.object.group.is_empty() {
            return Err(refused(
                format!("'{id}' is a Secret"),
                "Its contents cannot be read: mount it into the pods that need it.",
            ));
        }
        let Some(at) = self.at_if_any(&spec).await? else { return Ok(None) };
        let there = self.look(&at, &spec).await?.filter(|there| there["metadata"].get("deletionTimestamp").is_none());
        Ok(there.and_then(|there| {
            let mut attributes = there.as_object()?.clone();
            attributes.extend(known(&spec, Some(&there)));
            Some(attributes)
        }))
    }

    fn after(&self, spec: &Spec, declared: &dyn Neighbours) -> Vec<ResourceAddress> {
        order::after(spec, declared)
    }

    fn interrupts(&self, old: &Spec, new: &Spec, how: ChangeKind) -> Option<String> {
        // Manifests in a folder are applied by somebody else.
        if new.file().is_some() {
            return None;
        }
        interrupts::interrupts(&old.object.kind, &old.manifest, &new.manifest, how)
    }

    fn foreknown(&self, spec: &Spec) -> Outputs {
        let mut known = known(spec, None);
        known.remove("uid");
        known
    }

    fn marks(&self, spec: &Spec) -> Option<Marks> {
        let manifest = json!(spec.manifest);
        let of = |key: &str| mark(&manifest, key).map(str::to_owned);
        Some(Marks { pipeline: of(manifest::PIPELINE), address: of(manifest::ADDRESS) })
    }

    fn permissions(&self, spec: &Spec, scope: &Scope<'_>) -> Vec<Permission> {
        match &spec.target {
            Target::Eks(name) => {
                let mut all = vec![Permission::new(Self::ACTIONS, [scope.arn("eks", &format!("cluster/{name}"))])];
                all.extend(secrets::permissions(&self.0, &json!(spec.manifest), scope));
                all
            }
            _ => Vec::new(),
        }
    }

    fn id_of(&self, spec: &Spec) -> Option<String> {
        Some(spec.id())
    }

    fn sample(&self, output: &str, _: &Spec, sampled: &Sampled<'_>) -> Option<Value> {
        (output == "uid").then(|| sampled.uuid().into())
    }

    async fn create(&self, spec: &Spec, intent: &Intent, _: &dyn Report) -> Result<Created, OpError> {
        let operation = spec.operation("create");
        let taken = |what: &str| {
            let mut error = OpError::local(&operation, format!("{what} already exists"));
            error.class = ErrorClass::Conflict;
            error.advice = Some(
                "Set adopt = true to manage the fields that the file sets, and to keep the object when the pipeline is \
                 destroyed; or choose another name."
                    .to_owned(),
            );
            error
        };
        if let Some(path) = spec.file() {
            if !spec.adopt && folder::read(&path)?.is_some_and(|there| there != spec.manifest) {
                return Err(taken(&path.display().to_string()));
            }
            folder::write(&path, &spec.manifest)?;
            return Ok(Created { id: spec.id(), outputs: known(spec, None) });
        }
        let at = self.there(spec).await?;
        let there = self.look(&at, spec).await?;
        let mark = match &there {
            Some(there) if mark(there, INTENT) == Some(&intent.token) => (INTENT, intent.token.as_str()),
            Some(there) if spec.left(there) => (INTENT, intent.token.as_str()),
            Some(_) if !spec.adopt => return Err(taken(&spec.object.to_string())),
            Some(_) => (ADOPTED, "true"),
            None => (INTENT, intent.token.as_str()),
        };
        let applied = self.apply(&at, spec, &[mark], false).await?;
        Ok(Created { id: spec.id(), outputs: known(spec, Some(&applied)) })
    }

    async fn configure(
        &self,
        _: &str,
        spec: &Spec,
        was: Option<&Spec>,
        report: &dyn Report,
    ) -> Result<Outputs, OpError> {
        if let Some(path) = spec.file() {
            folder::write(&path, &spec.manifest)?;
            return Ok(known(spec, None));
        }
        let at = self.there(spec).await?;
        let there = self.look(&at, spec).await?;
        let mut applied = there.clone();
        if there.is_none() || was.is_none_or(|was| was.manifest != spec.manifest) {
            let kept = marks(there.as_ref());
            let kept: Vec<(&str, &str)> = kept.iter().map(|(key, value)| (*key, value.as_str())).collect();
            applied = Some(self.apply(&at, spec, &kept, false).await?);
        }
        if spec.wait {
            self.rolled_out(spec, report).await?;
        }
        Ok(known(spec, applied.as_ref()))
    }

    /// Compared by the server: where applying the manifest again would change nothing, the object
    /// is as declared, however the server writes its fields.
    async fn read(&self, _: &str, spec: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
        if let Some(path) = spec.file() {
            let there = folder::read(&path)?;
            return Ok(there.map(|manifest| {
                let seen = Spec { manifest, ..spec.clone() };
                Observed { outputs: known(spec, None), spec: seen }
            }));
        }
        let Some(at) = self.at_if_any(spec).await? else { return Ok(None) };
        let Some(there) = self.look(&at, spec).await? else { return Ok(None) };
        if there["metadata"].get("deletionTimestamp").is_some() {
            return Ok(None);
        }
        let kept = marks(Some(&there));
        let kept: Vec<(&str, &str)> = kept.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let outputs = known(spec, Some(&there));
        let mut seen = spec.clone();
        let would_be = self.apply(&at, spec, &kept, true).await?;
        if bare(would_be) != bare(there.clone()) {
            let mut there = there;
            manifest::show_string_data(&mut there, &spec.manifest, &revealed(&self.0, spec).await?);
            if let Value::Object(manifest) = manifest::projected(&Value::Object(spec.manifest.clone()), &there) {
                seen.manifest = manifest;
            }
        }
        Ok(Some(Observed { spec: seen, outputs }))
    }

    async fn find(&self, spec: &Spec, intent: &Intent) -> Result<Option<Created>, OpError> {
        if let Some(path) = spec.file() {
            let there = folder::read(&path)?.filter(|there| *there == spec.manifest);
            return Ok(there.map(|_| Created { id: spec.id(), outputs: known(spec, None) }));
        }
        let Some(at) = self.at_if_any(spec).await? else { return Ok(None) };
        let found = self.look(&at, spec).await?;
        let ours = found.filter(|object| {
            mark(object, INTENT) == Some(&intent.token) || (spec.adopt && mark(object, ADOPTED).is_some())
        });
        Ok(ours.map(|object| Created { id: spec.id(), outputs: known(spec, Some(&object)) }))
    }

    async fn foresee(&self, _: &str, spec: &Spec, _: &dyn Neighbours) -> Result<Foreseen, OpError> {
        Ok(Foreseen { byproducts: spec.kept().into_iter().collect(), refusal: None })
    }

    async fn delete(&self, _: &str, spec: &Spec, report: &dyn Report) -> Result<(), OpError> {
        let operation = spec.operation("delete");
        if let Some(path) = spec.file() {
            return folder::remove(&path);
        }
        let Some(at) = self.at_if_any(spec).await? else { return Ok(()) };
        let Some(there) = self.look(&at, spec).await? else { return Ok(()) };
        if let Some(kept) = spec.kept() {
            report.byproduct(kept);
            return Ok(());
        }
        if mark(&there, ADOPTED).is_some() {
            // It was there before: only what this pipeline stated is taken back.
            let mut nothing = Map::new();
            for key in ["apiVersion", "kind"] {
                nothing.insert(key.to_owned(), spec.manifest.get(key).cloned().unwrap_or_default());
            }
            let mut metadata = json!({ "name": spec.object.name });
            if let Some(namespace) = &spec.object.namespace {
                metadata["namespace"] = json!(namespace);
            }
            nothing.insert("metadata".to_owned(), metadata);
            let params = PatchParams::apply(MANAGER);
            let released = at.api.patch(&spec.object.name, &params, &Patch::Apply(&Value::Object(nothing))).await;
            return released.described(&operation).map(drop);
        }
        let (stated, found) = (json!(spec.manifest), mark(&there, manifest::PIPELINE));
        if let Some(pipeline) = mark(&stated, manifest::PIPELINE).filter(|pipeline| found != Some(*pipeline)) {
            let address = mark(&stated, manifest::ADDRESS).unwrap_or_default();
            let stated = format!("annotation {} = {pipeline}", manifest::PIPELINE);
            return Err(foreign(&operation, &spec.object.to_string(), &stated, found, address));
        }
        let params =
            DeleteParams { propagation_policy: Some(PropagationPolicy::Foreground), ..DeleteParams::default() };
        match at.api.delete(&spec.object.name, &params).await.described(&operation) {
            Err(error) if error.class == ErrorClass::NotFound => return Ok(()),
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        self.went(spec, report).await
    }
}
