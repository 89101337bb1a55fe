//! New names and namespaces of objects, and of what refers to them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::object::Object;
use crate::scope::Scopes;

/// Kinds whose names are given by what they are.
const FIXED: [&str; 3] = ["Namespace", "CustomResourceDefinition", "APIService"];

/// Puts every object that belongs to a namespace into this one.
pub(crate) fn into_namespace(objects: &mut [Object], namespace: &str, scopes: &Scopes) {
    let accounts: Vec<String> = named(objects, "ServiceAccount");
    let services: Vec<String> = named(objects, "Service");
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
                    let name = subject["name"].as_str().unwrap_or_default();
                    let is_ours = name == "default" || accounts.iter().any(|account| account == name);
                    if subject["kind"] == "ServiceAccount" && is_ours {
                        subject["namespace"] = json!(namespace);
                    }
                }
            }
            // Of webhooks, and of an APIService.
            "service" if value.get("namespace").is_some() => {
                let is_ours = services.iter().any(|service| value["name"] == *service);
                if is_ours {
                    value["namespace"] = json!(namespace);
                }
            }
            _ => {}
        });
    }
}

fn named(objects: &[Object], kind: &str) -> Vec<String> {
    objects.iter().filter(|object| object.kind() == kind).map(|object| object.name().to_owned()).collect()
}

/// Puts something before and behind the names of objects, and of what refers to them.
pub(crate) fn rename(objects: &mut [Object], prefix: &str, suffix: &str) {
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
            "subjects" => value.as_array_mut().into_iter().flatten().for_each(by_kind),
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
