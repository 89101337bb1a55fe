//! Folders with a `kustomization.yaml`: the part of kustomize that changes objects.

use llmhost_plugin::{Failure, FailureCode, invalid};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::config::Target;
use crate::files::{Files, join, text_if_any};
use crate::images::{self, Image};
use crate::labels::{self, Where};
use crate::object::Object;
use crate::scope::Scopes;
use crate::{names, patch, read};

/// What the file is called.
pub(crate) const FILES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Fields that kustomize has and this does not, with what to do.
const REFUSED: [(&str, &str); 16] = [
    ("bases", "write them under resources"),
    ("patchesStrategicMerge", "write them under patches"),
    ("patchesJson6902", "write them under patches"),
    ("components", "write what they change as patches"),
    ("configMapGenerator", "write the ConfigMap as a file"),
    ("secretGenerator", "write a Secret whose stringData a patch of the step fills in"),
    ("generatorOptions", "there are no generators"),
    ("generators", "there are no generators"),
    ("transformers", "write what they change as patches"),
    ("validators", "remove them"),
    ("helmCharts", "use a step of the plugin helm"),
    ("helmChartInflationGenerator", "use a step of the plugin helm"),
    ("replacements", "write the values as patches"),
    ("vars", "write the values as patches"),
    ("configurations", "write what they change as patches"),
    ("openapi", "remove it"),
];

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Kustomization {
    resources: Vec<String>,
    patches: Vec<Patch>,
    namespace: Option<String>,
    name_prefix: String,
    name_suffix: String,
    common_labels: Map<String, Value>,
    labels: Vec<Labels>,
    common_annotations: Map<String, Value>,
    images: Vec<Image>,
    replicas: Vec<Replicas>,
}

/// What a kustomization may say, as far as this understands it.
const KNOWN: [&str; 15] = [
    "apiVersion",
    "kind",
    "metadata",
    "buildMetadata",
    "sortOptions",
    "resources",
    "patches",
    "namespace",
    "namePrefix",
    "nameSuffix",
    "commonLabels",
    "labels",
    "commonAnnotations",
    "images",
    "replicas",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    patch: Option<String>,
    #[serde(default)]
    target: Option<Target>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Labels {
    pairs: Map<String, Value>,
    #[serde(default)]
    include_selectors: bool,
    #[serde(default)]
    include_templates: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Replicas {
    name: String,
    count: u64,
}

/// The objects of a folder's kustomization; nothing where it has none. `above` are the folders that lead here.
pub(crate) fn folder(files: &dyn Files, folder: &str, above: &mut Vec<String>) -> Result<Option<Vec<Object>>, Failure> {
    let Some((path, text)) = find(files, folder)? else { return Ok(None) };
    if above.iter().any(|earlier| earlier == folder) {
        return Err(invalid(format!("{path}: the kustomizations of {} refer to each other", above.join(", "))));
    }
    let kustomization = parse(&path, &text)?;
    above.push(folder.to_owned());
    let mut objects = Vec::new();
    for resource in &kustomization.resources {
        objects.extend(of_resource(files, folder, resource, &path, above)?);
    }
    above.pop();
    for (at, one) in kustomization.patches.iter().enumerate() {
        change(files, folder, &mut objects, one, &format!("{path}: patches[{at}]"))?;
    }
    let Kustomization { namespace, name_prefix, name_suffix, .. } = &kustomization;
    if let Some(namespace) = namespace {
        let scopes = Scopes::of(&[], &objects);
        names::into_namespace(&mut objects, namespace, &scopes);
    }
    if !name_prefix.is_empty() || !name_suffix.is_empty() {
        names::rename(&mut objects, name_prefix, name_suffix);
    }
    if !kustomization.common_labels.is_empty() {
        let everywhere = Where { selectors: true, templates: true };
        labels::label(&mut objects, &kustomization.common_labels, everywhere);
    }
    for some in &kustomization.labels {
        let places = Where { selectors: some.include_selectors, templates: some.include_templates };
        labels::label(&mut objects, &some.pairs, places);
    }
    if !kustomization.common_annotations.is_empty() {
        labels::annotate(&mut objects, &kustomization.common_annotations);
    }
    for replicas in &kustomization.replicas {
        // The name is that of before it was changed, or the one that it has now.
        let named = format!("{name_prefix}{}{name_suffix}", replicas.name);
        if !labels::scale(&mut objects, &named, replicas.count) {
            return Err(invalid(format!("{path}: replicas: no workload is called {}", replicas.name)));
        }
    }
    images::set(&mut objects, &kustomization.images, &path)?;
    Ok(Some(objects))
}

fn find(files: &dyn Files, folder: &str) -> Result<Option<(String, String)>, Failure> {
    for name in FILES {
        let path = join(folder, name);
        if let Some(text) = text_if_any(files, &path)? {
            return Ok(Some((path, text)));
        }
    }
    Ok(None)
}

fn parse(path: &str, text: &str) -> Result<Kustomization, Failure> {
    let mut documents = read::documents(path, text)?;
    let (Some((_, value)), true) = (documents.pop(), documents.is_empty()) else {
        return Err(invalid(format!("{path}: a kustomization is one table")));
    };
    let Value::Object(fields) = &value else { return Err(invalid(format!("{path}: a kustomization is a table"))) };
    if fields.get("kind").is_some_and(|kind| kind == "Component") {
        return Err(invalid(format!(
            "{path}: it is a Component, which is not supported: write what it changes as patches"
        )));
    }
    if let Some(key) = fields.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        let help = REFUSED.iter().find(|(name, _)| name == key).map(|(_, help)| *help);
        let help = help.map_or_else(|| format!("it is none of {}", KNOWN[5..].join(", ")), str::to_owned);
        return Err(invalid(format!("{path}: {key} is not supported: {help}")));
    }
    // An empty field is one that is not there.
    let stated = fields.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.clone(), value.clone()));
    of_value(Value::Object(stated.collect()), path)
}

fn of_value<T: DeserializeOwned>(value: Value, path: &str) -> Result<T, Failure> {
    serde_json::from_value(value).map_err(|error| invalid(format!("{path}: {error}")))
}

fn of_resource(
    files: &dyn Files,
    here: &str,
    resource: &str,
    path: &str,
    above: &mut Vec<String>,
) -> Result<Vec<Object>, Failure> {
    if resource.contains("://")
        || resource.contains("?ref=")
        || resource.starts_with("github.com/")
        || resource.starts_with("git@")
    {
        let text = format!("{path}: resources: {resource} would be fetched: copy it beside the pipeline file");
        return Err(invalid(text));
    }
    let place = join(here, resource);
    let unnamed = |failure: Failure| match failure.code {
        FailureCode::Refused if failure.message.contains("is not named") => {
            invalid(format!("{path}: resources: {resource} is not in what the step names: add bases = [\"{place}\"]"))
        }
        _ => failure,
    };
    let name = place.rsplit('/').next().unwrap_or(&place);
    if [".yaml", ".yml", ".json"].iter().any(|ending| name.ends_with(ending)) {
        return read::file(files, &place).map_err(unnamed);
    }
    match folder(files, &place, above).map_err(unnamed)? {
        Some(objects) => Ok(objects),
        None => Err(invalid(format!("{path}: resources: there is no kustomization in {place}, and no such file"))),
    }
}

fn change(files: &dyn Files, here: &str, objects: &mut Vec<Object>, one: &Patch, place: &str) -> Result<(), Failure> {
    let (from, text) = match (&one.path, &one.patch) {
        (Some(path), None) => {
            let path = join(here, path);
            let text = text_if_any(files, &path)?;
            (path.clone(), text.ok_or_else(|| invalid(format!("{place}: there is no file {path}")))?)
        }
        (None, Some(patch)) => (place.to_owned(), patch.clone()),
        _ => return Err(invalid(format!("{place}: state path or patch"))),
    };
    for (_, value) in read::documents(&from, &text)? {
        let own = Target::of(&value);
        let Some(target) = one.target.as_ref().or(own.as_ref()) else {
            return Err(invalid(format!("{place}: target is not stated, and the patch does not name its object")));
        };
        // What it says of itself changes nothing where a target says what is meant.
        let value = match (value, &one.target) {
            (Value::Object(mut fields), Some(_)) => {
                ["apiVersion", "kind"].iter().for_each(|key| _ = fields.remove(*key));
                if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
                    metadata.remove("name");
                    metadata.remove("namespace");
                }
                Value::Object(fields)
            }
            (value, _) => value,
        };
        patch::apply(objects, target, &value, place, None)?;
    }
    Ok(())
}
