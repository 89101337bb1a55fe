//! New names and namespaces of objects, and of what refers to them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::object::Object;
use crate::scope::Scopes;

/// Kinds whose names are given by what they are.
const FIXED: [&str; 3] = ["Namespace", "CustomResourceDefinition", "APIService"];

/// Puts every object that belongs to a namespace into this one.
pub(crate) fn into_namespace(objects: &mut [Object], namespace: &str, scopes: &Scopes) {
    let (accounts, services) = (named(objects, "ServiceAccount"), named(objects, "Service"));
    let is_ours = |all: &[(String, String)], reference: &Value| {
        let text = |key: &str| reference[key].as_str().unwrap_or_default();
        all.iter().any(|(of, name)| name == text("name") && (text("namespace").is_empty() || of == text("namespace")))
    };
    for object in objects.iter_mut() {
        if object.kind() == "Namespace" {
            object.set_metadata("name", json!(namespace));
            continue;
        }
        if !scopes.is_wide(object) {
            object.set_namespace(namespace);
        }
        visit(&mut object.value, &mut |key, value| match key {
            "subjects" => {
                for subject in value.as_array_mut().into_iter().flatten() {
                    let is_ours = subject["name"] == "default" || is_ours(&accounts, subject);
                    if subject["kind"] == "ServiceAccount" && is_ours {
                        subject["namespace"] = json!(namespace);
                    }
                }
            }
            // Of webhooks, and of an APIService.
            "service" if value.get("namespace").is_some() && is_ours(&services, value) => {
                value["namespace"] = json!(namespace);
            }
            _ => {}
        });
    }
}

/// Namespaces and names of the objects of a kind.
fn named(objects: &[Object], kind: &str) -> Vec<(String, String)> {
    let of_kind = objects.iter().filter(|object| object.kind() == kind);
    of_kind.map(|object| (object.namespace().unwrap_or("default").to_owned(), object.name().to_owned())).collect()
}

/// Puts something before and behind the names of objects, and of what refers to them.
pub(crate) fn rename(objects: &mut [Object], prefix: &str, suffix: &str) {
    let accounts = named(objects, "ServiceAccount");
    let mut new: BTreeMap<(String, String), String> = BTreeMap::new();
    for object in objects.iter_mut().filter(|object| !FIXED.contains(&object.kind())) {
        let name = format!("{prefix}{}{suffix}", object.name());
        new.insert((object.kind().to_owned(), object.name().to_owned()), name.clone());
        object.set_metadata("name", json!(name));
    }
    let renamed = |kind: &str, value: &mut Value| {
        let name = value.as_str().and_then(|name| new.get(&(kind.to_owned(), name.to_owned())));
        if let Some(name) = name.cloned() {
            *value = json!(name);
        }
    };
    let inside = |kind: &str, value: &mut Value, field: &str| {
        value.get_mut(field).into_iter().for_each(|name| renamed(kind, name));
    };
    let by_kind = |value: &mut Value| {
        let kind = value["kind"].as_str().unwrap_or_default().to_owned();
        inside(&kind, value, "name");
    };
    for object in objects.iter_mut() {
        visit(&mut object.value, &mut |key, value| match key {
            "serviceAccountName" | "serviceAccount" => renamed("ServiceAccount", value),
            "priorityClassName" => renamed("PriorityClass", value),
            "storageClassName" => renamed("StorageClass", value),
            "ingressClassName" => renamed("IngressClass", value),
            "volumeName" => renamed("PersistentVolume", value),
            "serviceName" => renamed("Service", value),
            "secretName" => renamed("Secret", value),
            "configMap" | "configMapRef" | "configMapKeyRef" => inside("ConfigMap", value, "name"),
            "secret" | "secretRef" | "secretKeyRef" => inside("Secret", value, "name"),
            "persistentVolumeClaim" => inside("PersistentVolumeClaim", value, "claimName"),
            "service" => inside("Service", value, "name"),
            "imagePullSecrets" | "secrets" => {
                value.as_array_mut().into_iter().flatten().for_each(|secret| inside("Secret", secret, "name"));
            }
            "scaleTargetRef" | "roleRef" => by_kind(value),
            "subjects" => {
                // One of the same name in another namespace is another one.
                let is_ours = |subject: &&mut Value| {
                    let (of, name) = (subject["namespace"].as_str().unwrap_or_default(), &subject["name"]);
                    accounts.iter().any(|account| *name == account.1 && (of.is_empty() || of == account.0))
                };
                value.as_array_mut().into_iter().flatten().filter(is_ours).for_each(by_kind);
            }
            _ => {}
        });
    }
}

/// Calls for every field of a value, outer ones first.
fn visit(value: &mut Value, of: &mut dyn FnMut(&str, &mut Value)) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                of(key, value);
                visit(value, of);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| visit(item, of)),
        _ => {}
    }
}
