//! The step's `with` table.

use llmhost_plugin::Elsewhere;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// Kubernetes objects of manifest files.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Files, folders and patterns such as k8s/*.yaml, beside the pipeline file. Of a folder, every .yaml, .yml and .json in it and below it; one with a kustomization.yaml is taken as that says.
    #[schemars(length(min = 1))]
    pub(crate) files: Vec<String>,
    /// Folders and files that kustomizations refer to, where files does not name them, too: bases.
    #[serde(default)]
    #[expect(dead_code, reason = "that they are named here lets the plugin read them")]
    bases: Vec<String>,
    /// Name of the EKS cluster.
    #[serde(default)]
    pub(crate) cluster: Option<String>,
    /// Where the objects go, where it is not an EKS cluster.
    #[serde(default)]
    pub(crate) target: Option<Elsewhere>,
    /// Namespace of objects that state none.
    #[serde(default)]
    pub(crate) namespace: Option<String>,
    /// Make the namespace.
    #[serde(default)]
    pub(crate) create_namespace: bool,
    /// Changes of objects, in this order, after everything that files say.
    #[serde(default)]
    pub(crate) patches: Vec<Patch>,
    /// Kinds of custom objects that belong to no namespace, where neither their name nor a definition among the files says so: Widget.example.org.
    #[serde(default)]
    pub(crate) cluster_wide: Vec<String>,
    /// Manage objects that are there already.
    #[serde(default)]
    pub(crate) adopt: bool,
    /// Take over fields that others manage.
    #[serde(default)]
    pub(crate) force_conflicts: bool,
    /// Wait until everything is rolled out.
    #[serde(default = "yes")]
    pub(crate) wait: bool,
    /// Wait until Jobs have ended, too.
    #[serde(default)]
    pub(crate) wait_for_jobs: bool,
    /// How long one object may take.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 1440))]
    pub(crate) wait_minutes: u32,
}

/// A change of objects.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Patch {
    /// Which objects are changed.
    pub(crate) target: Target,
    /// A table is merged into the object: null removes a field, and lists of containers, variables, volumes and ports are merged by their names. A list is a JSON patch (RFC 6902).
    pub(crate) patch: Value,
}

/// Which objects to change. What is not set matches every object; .* in a name matches any text.
#[derive(Deserialize, JsonSchema, Default, Clone)]
#[serde(deny_unknown_fields)]
pub(crate) struct Target {
    /// API group, such as apps.
    #[serde(default)]
    pub(crate) group: Option<String>,
    /// API version, such as v1.
    #[serde(default)]
    pub(crate) version: Option<String>,
    /// Kind.
    #[serde(default)]
    pub(crate) kind: Option<String>,
    /// Name.
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// Namespace.
    #[serde(default)]
    pub(crate) namespace: Option<String>,
    /// Labels, as app=web,tier=front.
    #[serde(default, rename = "labelSelector", alias = "label_selector")]
    pub(crate) label_selector: Option<String>,
}

fn yes() -> bool {
    true
}

fn ten() -> u32 {
    10
}
