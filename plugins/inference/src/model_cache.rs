//! What replicas share of the model.

use llmhost_plugin::{Failure, invalid};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::check;
use crate::config::{Config, Server};
use crate::container::user;

/// Where Mountpoint's file system is in the container.
pub(crate) const MOUNTED: &str = "/models";

/// What replicas share of the model.
#[derive(Deserialize, JsonSchema, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ModelCache {
    /// Nothing, unless cache.storage_class names a volume that several pods can use.
    #[default]
    None,
    /// A folder of the node's disk, /var/lib/llmhost/NAMESPACE: the first pod of a node fetches, those after it find the model there.
    Node,
    /// The bucket itself, read as files by the Mountpoint for Amazon S3 CSI driver (the add-on aws-mountpoint-s3-csi-driver).
    Mountpoint,
}

/// Bucket and prefix of an `s3://` address; the prefix ends with a slash, or is empty.
fn address(config: &Config) -> Option<(&str, String)> {
    let (bucket, prefix) = config.model.as_deref()?.strip_prefix("s3://")?.split_once('/').unwrap_or_default();
    let prefix = prefix.trim_matches('/');
    (!bucket.is_empty()).then(|| (bucket, if prefix.is_empty() { String::new() } else { format!("{prefix}/") }))
}

/// Refuses what cannot be shared.
pub(crate) fn check(config: &Config) -> Result<(), Failure> {
    if config.model_cache != ModelCache::None && config.cache.storage_class.is_some() {
        return Err(invalid("model_cache and cache.storage_class both set the place of the model; keep one of them"));
    }
    if config.model_cache != ModelCache::Mountpoint {
        return Ok(());
    }
    let model = config.model.as_deref().unwrap_or_default();
    if model.contains("<<") {
        return Err(invalid(
            "model_cache = \"mountpoint\" names its volume after the model, and model is known only after apply; set the bucket \
             as a literal string, or run the step that creates it first",
        ));
    }
    match address(config) {
        Some(_) => Ok(()),
        None => Err(invalid("model_cache = \"mountpoint\" needs the model's address: model = \"s3://bucket/prefix\"")),
    }
}

/// What the server is told to load.
pub(crate) fn model(config: &Config) -> &str {
    match config.model_cache {
        ModelCache::Mountpoint => MOUNTED,
        _ => config.model.as_deref().unwrap_or_default(),
    }
}

/// The volume of the cache, and that of the model where it is mounted.
pub(crate) fn volumes(config: &Config) -> Vec<Value> {
    let cache = match (config.model_cache, &config.cache.storage_class) {
        (ModelCache::Node, _) => {
            let path = format!("/var/lib/llmhost/{}", config.namespace);
            json!({ "name": "cache", "hostPath": { "path": path, "type": "DirectoryOrCreate" } })
        }
        (_, Some(_)) => json!({ "name": "cache", "persistentVolumeClaim": { "claimName": config.claim_name() } }),
        (_, None) => json!({ "name": "cache", "emptyDir": { "sizeLimit": format!("{}Gi", config.cache.size_gib) } }),
    };
    let mounted = mounted_name(config)
        .map(|name| json!({ "name": "model", "persistentVolumeClaim": { "claimName": name, "readOnly": true } }));
    std::iter::once(cache).chain(mounted).collect()
}

/// Where the model's volume goes in the container.
pub(crate) fn mount(config: &Config) -> Option<Value> {
    let is_mounted = config.model_cache == ModelCache::Mountpoint;
    is_mounted.then(|| json!({ "name": "model", "mountPath": MOUNTED, "readOnly": true }))
}

/// What gives a new folder of the node to the server's user: the kubelet makes it root's.
pub(crate) fn owner(config: &Config) -> Option<Value> {
    let user = user(config).filter(|user| *user != 0 && config.model_cache == ModelCache::Node)?;
    let path = &config.cache.path;
    Some(json!({
        "name": "cache-owner", "image": config.image, "command": ["chown", format!("{user}:{user}"), path],
        "resources": { "requests": { "cpu": "10m", "memory": "16Mi" }, "limits": { "memory": "64Mi" } },
        "securityContext": {
            "runAsUser": 0, "runAsGroup": 0, "runAsNonRoot": false, "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"], "add": ["CHOWN"] },
        },
        "volumeMounts": [{ "name": "cache", "mountPath": path }],
    }))
}

/// Volumes cannot change what they hold, so another model has another volume. FNV-1a: it has to differ where they do, and
/// nothing else.
fn mounted_name(config: &Config) -> Option<String> {
    let (bucket, prefix) = address(config).filter(|_| config.model_cache == ModelCache::Mountpoint)?;
    let text = format!("{bucket}\n{prefix}\n{}", config.service_account.as_deref().unwrap_or_default());
    let digest = text.bytes().fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    Some(format!("{}-model-{digest:08x}", config.name))
}

/// The volume with the model's objects and the claim that the pods have of it, with their names in the step.
pub(crate) fn objects(config: &Config) -> Vec<(String, Value)> {
    let (Some(name), Some((bucket, prefix))) = (mounted_name(config), address(config)) else { return Vec::new() };
    // Volumes belong to no namespace.
    let volume = format!("{}-{name}", config.namespace);
    let mut metadata = config.metadata(&volume);
    metadata.as_object_mut().map(|fields| fields.remove("namespace")).unwrap_or_default();
    // The pods are not root, and what the driver mounts is root's.
    let mut options = vec!["read-only".to_owned(), "allow-other".to_owned()];
    if !prefix.is_empty() {
        options.push(format!("prefix {prefix}"));
    }
    let digest = name.rsplit('-').next().unwrap_or_default();
    let source = if config.service_account.is_some() { "pod" } else { "driver" };
    let (modes, storage) = (json!(["ReadOnlyMany"]), format!("{}Gi", config.cache.size_gib));
    let persistent = json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata,
        "spec": {
            "accessModes": modes, "capacity": { "storage": storage }, "storageClassName": "",
            "persistentVolumeReclaimPolicy": "Retain", "mountOptions": options,
            "claimRef": { "namespace": config.namespace, "name": name },
            "csi": {
                "driver": "s3.csi.aws.com", "volumeHandle": volume,
                // With the pods' own role the volume shows what they may read, and no more.
                "volumeAttributes": { "bucketName": bucket, "authenticationSource": source },
            },
        },
    });
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": config.metadata(&name),
        "spec": {
            "accessModes": modes, "storageClassName": "", "volumeName": volume,
            "resources": { "requests": { "storage": storage } },
        },
    });
    vec![(format!("model-volume-{digest}"), persistent), (format!("model-claim-{digest}"), claim)]
}

/// Whether a custom server's model is this step's to know.
pub(crate) fn takes_model(config: &Config) -> bool {
    config.model_cache == ModelCache::Mountpoint || matches!(check::server(config), Ok(Server::Llmhost))
}
