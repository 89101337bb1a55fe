//! Writes the table: `make-aws-types VERSIONS SPEC.json FOLDER-OF-CFNLINT FOLDER-OF-C7N OUT`. `cargo
//! xtask aws-types` gets the sources and calls it.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a developer calls it at a terminal")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use llmhost_aws_types::{Sources, make};
use serde_json::Value;

/// Whose schema counts where regions have different ones: the region that gets types first.
const FIRST: &str = "us-east-1";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.as_slice() {
        [versions, spec, schemas, handlers, out] => {
            run(versions, Path::new(spec), Path::new(schemas), Path::new(handlers), Path::new(out))
        }
        _ => Err("usage: make-aws-types VERSIONS SPEC.json FOLDER-OF-CFNLINT FOLDER-OF-C7N OUT".to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn run(versions: &str, spec: &Path, cfnlint: &Path, c7n: &Path, out: &Path) -> Result<(), String> {
    let spec = json(spec)?;
    let folder = cfnlint.join("data/schemas");
    let places = places(&folder.join("providers"))?;
    let mut schemas = BTreeMap::new();
    let mut regions = BTreeMap::new();
    for (name, files) in places {
        let file = files.get(FIRST).or_else(|| files.values().next()).ok_or("a type without a schema")?;
        let mut schema = json(&folder.join("resources").join(format!("{file}.json")))?;
        let patches = folder.join("patches/extensions/all").join(name.to_lowercase().replace("::", "_"));
        add_values(&mut schema, &patches.join("smithy.json"))?;
        schemas.insert(name.clone(), schema);
        regions.insert(name, files.into_keys().collect());
    }
    let handlers = with_handlers(&c7n.join("data"))?;
    let made = make(&Sources { versions, spec: &spec, schemas: &schemas, handlers: &handlers, regions: &regions })?;
    std::fs::write(out, &made.bytes).map_err(|error| format!("cannot write {}: {error}", out.display()))?;
    made.notes.iter().for_each(|note| println!("{note}"));
    println!("{} kB from {versions}", made.bytes.len().div_ceil(1000));
    Ok(())
}

/// Adds the allowed values of the services' own models, which are not in every schema: of a JSON Patch, the lines
/// that add an `enum`.
fn add_values(schema: &mut Value, patch: &Path) -> Result<(), String> {
    if !patch.is_file() {
        return Ok(());
    }
    let patch = json(patch)?;
    for change in patch.as_array().into_iter().flatten() {
        let path = change["path"].as_str().unwrap_or_default();
        if let Some(place) = path.strip_suffix("/enum").and_then(|above| schema.pointer_mut(above)?.as_object_mut()) {
            place.entry("enum").or_insert_with(|| change["value"].clone());
        }
    }
    Ok(())
}

/// The file of each type's schema in each region. A file a region lists them as
/// `"AWS::SQS::Queue": "0123456789abcdef",`.
fn places(folder: &Path) -> Result<BTreeMap<String, BTreeMap<String, String>>, String> {
    let mut places: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let entries = std::fs::read_dir(folder).map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    let files = entries.flatten().map(|entry| entry.path());
    for path in files.filter(|path| path.extension().is_some_and(|ending| ending == "py")) {
        let region = path.file_stem().unwrap_or_default().to_string_lossy().replace('_', "-");
        for line in read(&path)?.lines() {
            let parts: Vec<&str> = line.split('"').collect();
            if let [_, name, ": ", file, _] = parts.as_slice() {
                places.entry((*name).to_owned()).or_default().insert(region.clone(), (*file).to_owned());
            }
        }
    }
    if places.is_empty() { Err(format!("{} lists no types", folder.display())) } else { Ok(places) }
}

/// The schemas in a folder, by the type that each names. Other files are there too.
fn with_handlers(folder: &Path) -> Result<BTreeMap<String, Value>, String> {
    let mut schemas = BTreeMap::new();
    let entries = std::fs::read_dir(folder).map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    let files = entries.flatten().map(|entry| entry.path());
    for path in files.filter(|path| path.extension().is_some_and(|ending| ending == "json")) {
        let schema = json(&path)?;
        if let Some(name) = schema["typeName"].as_str().map(str::to_owned) {
            schemas.insert(name, schema);
        }
    }
    if schemas.is_empty() { Err(format!("{} has no schemas", folder.display())) } else { Ok(schemas) }
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

fn json(path: &Path) -> Result<Value, String> {
    serde_json::from_str(&read(path)?).map_err(|error| format!("{} is not JSON: {error}", path.display()))
}
