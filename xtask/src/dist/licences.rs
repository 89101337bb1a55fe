//! The licences of the Rust packages that are compiled into the program. The Go modules of the `helm` plugin are not read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::repository;

/// A package that is compiled in.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Package {
    name: String,
    version: String,
    licence: String,
    texts: Vec<String>,
}

/// One text: every package with its licence, then every licence's text once, with the packages that have it.
pub(super) fn all(machine: &str) -> Result<String, String> {
    let mut packages = compiled_in("Cargo.toml", machine)?;
    packages.extend(compiled_in("plugins/Cargo.toml", "wasm32-unknown-unknown")?);
    let unknown: Vec<_> = packages.iter().filter(|one| one.licence.is_empty() && one.texts.is_empty()).collect();
    if let [first, ..] = unknown[..] {
        return Err(format!("{} {} states no licence, so a release must not have it", first.name, first.version));
    }
    Ok(text(&packages))
}

fn text(packages: &BTreeSet<Package>) -> String {
    let mut text = "llmhost is licensed under the Apache License 2.0. It contains these Rust packages:\n\n".to_owned();
    let mut by_text: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for package in packages {
        let Package { name, version, licence, texts } = package;
        text += &format!("{name} {version}: {licence}\n");
        for one in texts {
            by_text.entry(one).or_default().push(format!("{name} {version}"));
        }
    }
    for (licence, of) in by_text {
        text += &format!("\n{}\n{}\n\n{licence}\n", "-".repeat(78), of.join(", "));
    }
    text
}

/// What the packages of this workspace depend on to run, from outside of it.
fn compiled_in(manifest: &str, machine: &str) -> Result<BTreeSet<Package>, String> {
    let mut cargo = Command::new("cargo");
    cargo.args(["metadata", "--format-version", "1", "--locked", "--filter-platform", machine, "--manifest-path"]);
    let output = cargo
        .arg(repository().join(manifest))
        .output()
        .map_err(|error| format!("cannot start cargo metadata: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo metadata of {manifest}: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    let metadata: Value =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata of {manifest}: {error}"))?;
    let needed = needed(&metadata);
    let packages = list(&metadata["packages"])
        .filter(|package| needed.contains(package["id"].as_str().unwrap_or_default()) && !package["source"].is_null());
    packages.map(read).collect()
}

/// The ids of what is compiled in: dependencies that are neither for tests nor for build scripts.
fn needed(metadata: &Value) -> BTreeSet<&str> {
    let nodes: BTreeMap<&str, &Value> =
        list(&metadata["resolve"]["nodes"]).filter_map(|node| Some((node["id"].as_str()?, node))).collect();
    let is_shipped = |id: &str| !id.contains("/xtask#") && !id.contains("/examples/");
    let mut open: Vec<&str> =
        list(&metadata["workspace_members"]).filter_map(Value::as_str).filter(|id| is_shipped(id)).collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        for dependency in nodes.get(id).into_iter().flat_map(|node| list(&node["deps"])) {
            let mut kinds = list(&dependency["dep_kinds"]);
            if kinds.any(|kind| kind["kind"].is_null()) {
                open.extend(dependency["pkg"].as_str());
            }
        }
    }
    seen
}

fn read(package: &Value) -> Result<Package, String> {
    let field = |name: &str| package[name].as_str().unwrap_or_default().to_owned();
    let folder = Path::new(package["manifest_path"].as_str().unwrap_or_default()).parent().unwrap_or(Path::new("."));
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", folder.display());
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        let is_licence =
            ["LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE"].iter().any(|word| name.starts_with(word));
        if is_licence && path.is_file() {
            let bytes = fs::read(&path).map_err(failed)?;
            texts.push(String::from_utf8_lossy(&bytes).replace('\r', "").trim().to_owned());
        }
    }
    texts.sort();
    Ok(Package { name: field("name"), version: field("version"), licence: field("license"), texts })
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_that_is_compiled_in_has_a_licence() {
        let text = all("x86_64-unknown-linux-gnu").unwrap();
        let has = |name: &str| text.lines().any(|line| line.starts_with(&format!("{name} ")));
        assert!(has("wasmtime") && has("aws-sdk-ec2") && has("wit-bindgen"), "{}", &text[..2000]);
        // For tests and build scripts only.
        assert!(!has("insta") && !has("proptest"), "packages for tests are not compiled in");
        assert!(text.contains("Permission is hereby granted, free of charge"));
    }
}
