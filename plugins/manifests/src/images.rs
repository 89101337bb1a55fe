//! The images of containers.

use llmhost_plugin::{Failure, invalid};
use serde::Deserialize;
use serde_json::Value;

use crate::object::Object;

/// What becomes of an image.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Image {
    name: String,
    #[serde(default)]
    new_name: Option<String>,
    #[serde(default)]
    new_tag: Option<Value>,
    #[serde(default)]
    digest: Option<String>,
}

/// Gives containers their new images.
pub(crate) fn set(objects: &mut [Object], images: &[Image], place: &str) -> Result<(), Failure> {
    for image in images {
        let tag = match &image.new_tag {
            None => None,
            Some(Value::String(tag)) => Some(tag.clone()),
            Some(other) => {
                let text =
                    format!("{place}: images: the newTag {other} of {} is not a string: put it in quotes", image.name);
                return Err(invalid(text));
            }
        };
        for object in objects.iter_mut() {
            visit(&mut object.value, &mut |text| {
                let (name, old_tag, old_digest) = parts(text);
                if name != image.name {
                    return;
                }
                let mut new = image.new_name.as_deref().unwrap_or(name).to_owned();
                // A digest takes the place of a tag, and a tag that of a digest.
                let (tag, digest) = match (&tag, &image.digest) {
                    (None, None) => (old_tag.map(str::to_owned), old_digest.map(str::to_owned)),
                    (tag, digest) => (tag.clone(), digest.clone()),
                };
                tag.iter().for_each(|tag| new += &format!(":{tag}"));
                digest.iter().for_each(|digest| new += &format!("@{digest}"));
                *text = new;
            });
        }
    }
    Ok(())
}

/// Name, tag and digest of an image.
fn parts(image: &str) -> (&str, Option<&str>, Option<&str>) {
    let (rest, digest) = match image.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (image, None),
    };
    // A registry's port is no tag.
    match rest.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag), digest),
        _ => (rest, None, digest),
    }
}

fn visit(value: &mut Value, change: &mut dyn FnMut(&mut String)) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                if matches!(key.as_str(), "containers" | "initContainers" | "ephemeralContainers") {
                    for container in value.as_array_mut().into_iter().flatten() {
                        if let Some(Value::String(text)) = container.get_mut("image") {
                            change(text);
                        }
                    }
                }
                visit(value, change);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| visit(item, change)),
        _ => {}
    }
}
