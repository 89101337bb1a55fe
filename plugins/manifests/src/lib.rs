//! The `manifests` plugin: Kubernetes objects of YAML and JSON files, and of kustomizations.

mod config;
mod files;
mod images;
mod kustomization;
mod labels;
mod merge;
mod names;
mod object;
mod patch;
mod read;
mod scope;

use config::Config;
use files::Host;
use llmhost_plugin::{Applier, Failure, Names, Options, Output, Outputs, Plugin, invalid, kube, outputs};
use object::Object;
use scope::Scopes;
use serde_json::json;

struct Manifests;

impl Plugin for Manifests {
    type Config = Config;
    const SUMMARY: &'static str = "The Kubernetes objects of manifest files and kustomizations, made one by one.";
    const OUTPUTS: &'static [Output] = &[
        Output::array("objects", "What it makes, as Kind.namespace.name, in the order in which it is made"),
        Output::text("namespace", "Namespace of objects that state none, or null"),
    ];

    fn run(config: Config) -> Result<Outputs, Failure> {
        let applier = Applier::new(config.cluster.as_deref(), config.target.as_ref(), config.wait_minutes)?;
        let mut names = Names::new("object");
        let mut made = Vec::new();
        for object in objects(&config, &Host)? {
            let identity = object.identity();
            let name = names.take(&identity, &object.place)?;
            let is_job = object.kind() == "Job";
            let spec = kube::ObjectSpec {
                target: applier.target().clone(),
                manifest: object.value.to_string(),
                adopt: config.adopt,
                force_conflicts: config.force_conflicts,
                // Custom objects need their definitions.
                wait: object.is_definition() || (config.wait && (!is_job || config.wait_for_jobs)),
                wait_minutes: config.wait_minutes,
            };
            let declared = kube::Object::declare(&name, &spec, &Options::default());
            declared.map_err(|failure| {
                let message = format!("{identity} ({}): {}", object.place, failure.message);
                Failure { message, ..failure }
            })?;
            made.push(identity);
        }
        Ok(outputs! { "objects": made, "namespace": config.namespace })
    }
}

/// What the step makes, in the order in which it is made.
fn objects(config: &Config, files: &dyn files::Files) -> Result<Vec<Object>, Failure> {
    let mut objects = Vec::new();
    for path in &config.files {
        objects.extend(read::path(files, path)?);
    }
    let scopes = Scopes::of(&config.cluster_wide, &objects);
    let Config { namespace, .. } = config;
    for (at, change) in config.patches.iter().enumerate() {
        let place = format!("patches[{at}]");
        patch::apply(&mut objects, &change.target, &change.patch, &place, namespace.as_deref())?;
    }
    for object in &mut objects {
        object.tidy();
        match namespace {
            Some(namespace) if object.namespace().is_none() && !scopes.is_wide(object) => {
                object.set_namespace(namespace);
            }
            _ => {}
        }
    }
    if config.create_namespace {
        let Some(namespace) = namespace else {
            return Err(invalid("create_namespace creates the namespace: set namespace"));
        };
        let is_there = |object: &Object| object.kind() == "Namespace" && object.name() == namespace;
        if !objects.iter().any(is_there) {
            let value = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
            objects.push(Object { value, place: "create_namespace".to_owned() });
        }
    }
    // What others need comes first: the host orders by what was declared before.
    objects.sort_by_key(Object::rank);
    if objects.is_empty() {
        return Err(invalid("the files have no objects in them"));
    }
    Ok(objects)
}

llmhost_plugin::export!(Manifests);

#[cfg(test)]
mod tests;
