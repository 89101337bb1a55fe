//! The SDK for Rust, as a crate in the project: no registry needs to have it.

use std::path::Path;

use toml::{Table, Value};

use crate::{AuthoringError, carried, create};

/// The versions that the SDK and the built-in plugins are tested with. Cargo leaves out what the project does not use.
pub(crate) fn lock() -> String {
    workspace_file("Cargo.lock").to_owned()
}

fn workspace_file(name: &str) -> &'static str {
    carried::RUST_WORKSPACE.iter().find(|(path, _)| *path == name).map_or("", |(_, text)| text)
}

/// Writes the SDK with the WIT that it is made of.
pub(crate) fn write_sdk(project: &Path) -> Result<(), AuthoringError> {
    let folder = project.join("sdk/llmhost-plugin");
    for (path, text) in carried::RUST_SDK {
        let text = if *path == "Cargo.toml" { manifest(text)? } else { (*text).to_owned() };
        create::write(&folder.join(path), text)?;
    }
    for (path, text) in carried::WIT {
        create::write(&folder.join("wit").join(path), text)?;
    }
    Ok(())
}

/// The SDK's manifest without a workspace to take things from.
fn manifest(text: &str) -> Result<String, AuthoringError> {
    let read = |text: &str| toml::from_str::<Table>(text).map_err(|error| AuthoringError::Wit(error.to_string()));
    let (mut own, workspace) = (read(text)?, read(workspace_file("Cargo.toml"))?);
    let shared = |table: &str| workspace.get("workspace").and_then(|all| all.get(table)).and_then(Value::as_table);
    for table in ["package", "dependencies"] {
        let (Some(own), Some(shared)) = (own.get_mut(table).and_then(Value::as_table_mut), shared(table)) else {
            continue;
        };
        for (key, value) in own.iter_mut() {
            if value.get("workspace").and_then(Value::as_bool) == Some(true) {
                let Some(of) = shared.get(key) else { continue };
                *value = of.clone();
            }
        }
    }
    own.remove("lints");
    toml::to_string(&own).map_err(|error| AuthoringError::Wit(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sdk_stands_on_its_own() {
        let folder = tempfile::tempdir().expect("a folder");
        write_sdk(folder.path()).expect("it can be written");
        let sdk = folder.path().join("sdk/llmhost-plugin");
        let manifest = std::fs::read_to_string(sdk.join("Cargo.toml")).expect("it is there");
        assert!(!manifest.contains("workspace"), "{manifest}");
        let library = std::fs::read_to_string(sdk.join("src/lib.rs")).expect("it is there");
        let paths: Vec<&str> = library.split('"').filter(|part| part.starts_with("wit/")).collect();
        assert!(!paths.is_empty() && paths.iter().all(|path| sdk.join(path).is_dir()), "{paths:?}");
    }
}
