//! Where a step puts Kubernetes objects: the part of a `with` table that steps have in common.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::{Failure, Options, invalid, kube};

/// Where Kubernetes objects go, where it is not the EKS cluster that the step names.
#[derive(Deserialize, JsonSchema, Clone)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Elsewhere {
    /// A context of a kubeconfig.
    Kubeconfig(Kubeconfig),
    /// A folder beside the pipeline file that gets the manifests, one YAML file an object, for clusters that are fed from a repository.
    Manifests(String),
}

/// A context of a kubeconfig.
#[derive(Deserialize, JsonSchema, Clone)]
#[serde(deny_unknown_fields)]
pub struct Kubeconfig {
    /// Path of the file; the standard one where it is absent.
    #[serde(default)]
    pub path: Option<String>,
    /// Name of the context.
    pub context: String,
}

/// Applies the objects of a step.
pub struct Applier {
    target: kube::Target,
    wait_minutes: u32,
}

/// How one object is applied.
#[derive(Clone, Copy, Default)]
pub struct How {
    /// Manage an object that is there already.
    pub adopt: bool,
    /// Wait until it is rolled out.
    pub wait: bool,
}

impl Applier {
    /// For the EKS cluster of this name, or elsewhere.
    pub fn new(cluster: Option<&str>, elsewhere: Option<&Elsewhere>, wait_minutes: u32) -> Result<Self, Failure> {
        let target = match (elsewhere, cluster) {
            (Some(Elsewhere::Kubeconfig(file)), _) => {
                kube::Target::Kubeconfig(kube::Kubeconfig { path: file.path.clone(), context: file.context.clone() })
            }
            (Some(Elsewhere::Manifests(folder)), _) => kube::Target::Folder(folder.clone()),
            (None, Some(cluster)) => kube::Target::Eks(cluster.to_owned()),
            (None, None) => return Err(invalid("state cluster, or where else the objects go (target)")),
        };
        Ok(Self { target, wait_minutes })
    }

    /// Where the objects go.
    pub fn target(&self) -> &kube::Target {
        &self.target
    }

    /// Declares an object.
    pub fn apply(&self, name: &str, manifest: &Value, how: How) -> Result<kube::Object, Failure> {
        let spec = kube::ObjectSpec {
            target: self.target.clone(),
            manifest: manifest.to_string(),
            adopt: how.adopt,
            force_conflicts: false,
            wait: how.wait,
            wait_minutes: self.wait_minutes,
        };
        kube::Object::declare(name, &spec, &Options::default())
    }
}
