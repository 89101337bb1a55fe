//! Labels and annotations that every object gets, and replicas.

use serde_json::{Map, Value, json};

use crate::object::Object;

/// Where labels are put, beside the object itself.
#[derive(Clone, Copy)]
pub(crate) struct Where {
    pub(crate) selectors: bool,
    pub(crate) templates: bool,
}

/// Gives every object these labels.
pub(crate) fn label(objects: &mut [Object], labels: &Map<String, Value>, places: Where) {
    for object in objects.iter_mut() {
        add(&mut object.value, &["metadata", "labels"], labels, true);
        if !object.is_built_in() {
            continue;
        }
        let kind = object.kind().to_owned();
        if places.templates || places.selectors {
            for path in templates(&kind) {
                add(&mut object.value, path, labels, true);
            }
            if kind == "StatefulSet" {
                for claim in array(&mut object.value, &["spec", "volumeClaimTemplates"]) {
                    add(claim, &["metadata", "labels"], labels, true);
                }
            }
        }
        if places.selectors {
            for (path, is_made) in selectors(&kind) {
                add(&mut object.value, path, labels, *is_made);
            }
        }
    }
}

/// Gives every object these annotations, and the pods of workloads as well.
pub(crate) fn annotate(objects: &mut [Object], annotations: &Map<String, Value>) {
    for object in objects.iter_mut() {
        add(&mut object.value, &["metadata", "annotations"], annotations, true);
        let kind = object.kind().to_owned();
        let paths = if object.is_built_in() { templates(&kind) } else { &[] };
        for path in paths {
            let path: Vec<&str> = path[..path.len() - 1].iter().copied().chain(["annotations"]).collect();
            add(&mut object.value, &path, annotations, true);
        }
    }
}

/// Sets how many replicas a workload has; gives whether there is one.
pub(crate) fn scale(objects: &mut [Object], name: &str, count: u64) -> bool {
    let mut is_found = false;
    for object in objects.iter_mut() {
        let is_one = ["Deployment", "ReplicaSet", "StatefulSet", "ReplicationController"].contains(&object.kind());
        if is_one && object.name() == name && object.value["spec"].is_object() {
            object.value["spec"]["replicas"] = json!(count);
            is_found = true;
        }
    }
    is_found
}

fn templates(kind: &str) -> &'static [&'static [&'static str]] {
    match kind {
        "Deployment" | "ReplicaSet" | "DaemonSet" | "StatefulSet" | "Job" | "ReplicationController" => {
            &[&["spec", "template", "metadata", "labels"]]
        }
        "CronJob" => &[
            &["spec", "jobTemplate", "metadata", "labels"],
            &["spec", "jobTemplate", "spec", "template", "metadata", "labels"],
        ],
        _ => &[],
    }
}

/// Selectors of a kind, and whether they are made where there is none.
fn selectors(kind: &str) -> &'static [(&'static [&'static str], bool)] {
    match kind {
        "Service" | "ReplicationController" => &[(&["spec", "selector"], true)],
        "Deployment" | "ReplicaSet" | "DaemonSet" | "StatefulSet" => &[(&["spec", "selector", "matchLabels"], true)],
        "Job" | "PodDisruptionBudget" | "PersistentVolumeClaim" => &[(&["spec", "selector", "matchLabels"], false)],
        "CronJob" => &[(&["spec", "jobTemplate", "spec", "selector", "matchLabels"], false)],
        "NetworkPolicy" => &[(&["spec", "podSelector", "matchLabels"], false)],
        _ => &[],
    }
}

/// Puts entries into a table below others. Where it is not made, it has to be there.
fn add(value: &mut Value, path: &[&str], entries: &Map<String, Value>, is_made: bool) {
    let Some(fields) = value.as_object_mut() else { return };
    let Some((first, rest)) = path.split_first() else {
        fields.extend(entries.clone());
        return;
    };
    if !is_made && !fields.contains_key(*first) {
        return;
    }
    let next = fields.entry((*first).to_owned()).or_insert_with(|| json!({}));
    if next.is_null() {
        *next = json!({});
    }
    add(next, rest, entries, is_made);
}

fn array<'a>(value: &'a mut Value, path: &[&str]) -> impl Iterator<Item = &'a mut Value> {
    let found = path.iter().try_fold(value, |value, part| value.get_mut(*part));
    found.and_then(Value::as_array_mut).into_iter().flatten()
}
