//! From files to objects.

use llmhost_plugin::{Failure, FailureCode, invalid};
use serde_json::Value;

use crate::files::{Files, join, text_if_any};
use crate::kustomization::{self, FILES};
use crate::object::Object;

/// The objects of a file, a folder or a pattern.
pub(crate) fn path(files: &dyn Files, path: &str) -> Result<Vec<Object>, Failure> {
    if path.contains('*') {
        let folder = path.rsplit_once('/').map_or(".", |(folder, _)| folder);
        let found = files.entries(&join("", path))?;
        if found.is_empty() {
            return Err(invalid(format!("files: there is no file like {path}")));
        }
        let names = found.iter().map(|name| join(folder, name));
        return all(files, names);
    }
    if is_manifest(path) {
        return file(files, &join("", path));
    }
    let root = join("", path);
    if let Some(objects) = kustomization::folder(files, &root, &mut Vec::new())? {
        return Ok(objects);
    }
    let found = files.entries(&root).map_err(|failure| match failure.code {
        FailureCode::Invalid => {
            invalid(format!("{}; a file of manifests ends in .yaml, .yml or .json", failure.message))
        }
        _ => failure,
    })?;
    if let Some(name) = found.iter().find(|name| name.rsplit('/').next().is_some_and(|name| FILES.contains(&name))) {
        return Err(invalid(format!(
            "{} is below {root}, which has no kustomization itself: list the folders to use in files",
            join(&root, name)
        )));
    }
    let manifests: Vec<_> = found.iter().filter(|name| is_manifest(name)).map(|name| join(&root, name)).collect();
    if manifests.is_empty() {
        return Err(invalid(format!("files: the folder {root} has no .yaml, .yml or .json in it")));
    }
    all(files, manifests.into_iter())
}

fn all(files: &dyn Files, names: impl Iterator<Item = String>) -> Result<Vec<Object>, Failure> {
    let mut objects = Vec::new();
    for name in names {
        objects.extend(file(files, &name)?);
    }
    Ok(objects)
}

/// The objects of one file.
pub(crate) fn file(files: &dyn Files, path: &str) -> Result<Vec<Object>, Failure> {
    let name = path.rsplit('/').next().unwrap_or(path);
    if FILES.contains(&name) {
        let folder = path.rsplit_once('/').map_or(".", |(folder, _)| folder);
        return Err(invalid(format!("{path} is a kustomization: name its folder, {folder}")));
    }
    let Some(text) = text_if_any(files, path)? else {
        return Err(invalid(format!("there is no file {path} beside the pipeline file")));
    };
    let mut objects = Vec::new();
    for (line, value) in documents(path, &text)? {
        unfold(value, &format!("{path}:{line}"), &mut objects)?;
    }
    Ok(objects)
}

fn is_manifest(path: &str) -> bool {
    [".yaml", ".yml", ".json"].iter().any(|ending| path.ends_with(ending))
}

/// Takes lists apart.
fn unfold(value: Value, place: &str, objects: &mut Vec<Object>) -> Result<(), Failure> {
    let kind = value.get("kind").and_then(Value::as_str).unwrap_or_default();
    if !value.is_object() || kind.is_empty() {
        return Err(invalid(format!("{place}: this is no Kubernetes object: it has no kind")));
    }
    if kind.ends_with("List") && value.get("items").is_some_and(Value::is_array) {
        let Some(Value::Array(items)) = value.get("items").cloned() else { return Ok(()) };
        for (at, item) in items.into_iter().enumerate() {
            unfold(item, &format!("{place} (items[{at}])"), objects)?;
        }
        return Ok(());
    }
    let object = Object { value, place: place.to_owned() };
    if object.api_version().is_empty() || object.name().is_empty() {
        let lacks = if object.api_version().is_empty() { "apiVersion" } else { "metadata.name" };
        let more = match object.value.pointer("/metadata/generateName") {
            Some(_) => "; generateName gives another name in every run, so it cannot be declared",
            None => "",
        };
        return Err(invalid(format!("{place}: the {} has no {lacks}{more}", object.kind())));
    }
    objects.push(object);
    Ok(())
}

/// The documents of a text, each with the line that it begins in. Empty ones are left out.
pub(crate) fn documents(path: &str, text: &str) -> Result<Vec<(usize, Value)>, Failure> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut documents, mut begin, mut here) = (Vec::new(), 1, String::new());
    for (at, line) in text.split_inclusive('\n').enumerate() {
        let is_end =
            line.strip_prefix("---").is_some_and(|rest| rest.trim_start().is_empty() || rest.starts_with([' ', '\t']));
        if is_end {
            documents.extend(document(path, begin, &here)?);
            begin = at + 1;
            here.clear();
            // Something may stand behind it.
            here.push_str("   ");
            here.push_str(&line[3..]);
            continue;
        }
        here.push_str(line);
    }
    documents.extend(document(path, begin, &here)?);
    Ok(documents)
}

fn document(path: &str, begin: usize, text: &str) -> Result<Option<(usize, Value)>, Failure> {
    let blank = |line: &&str| line.trim().is_empty() || line.trim_start().starts_with('#') || line.starts_with('%');
    let first = begin + text.lines().take_while(blank).count();
    if text.lines().all(|line| blank(&line)) {
        return Ok(None);
    }
    // As Kubernetes reads YAML: 0644 is octal, and yes is true.
    let mut options = serde_saphyr::Options::default();
    options.legacy_octal_numbers = true;
    options.with_snippet = false;
    let value: Value = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let place = error.location().map(|at| format!(":{}:{}", at.line() as usize + begin - 1, at.column()));
        invalid(format!("{path}{}: {}", place.unwrap_or_default(), words(&error.to_string())))
    })?;
    Ok((!value.is_null()).then_some((first, value)))
}

/// An error's own words, without the place that stands before them already.
fn words(message: &str) -> String {
    let cut = message
        .rfind(" at line ")
        .filter(|at| message[*at..].chars().all(|c| c.is_ascii_alphanumeric() || " ,".contains(c)));
    let message = cut.map_or(message, |at| &message[..at]);
    message.rsplit_once("error: ").map_or(message, |(_, rest)| rest).trim().to_owned()
}
