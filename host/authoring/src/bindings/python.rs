//! The SDK for Python, as a package in the project: no registry needs to have it.

use std::path::Path;

use crate::{AuthoringError, carried, create};

/// Writes the package without the modules of the interfaces: those the build makes of componentize-py's bindings.
pub(crate) fn write_sdk(folder: &Path) -> Result<(), AuthoringError> {
    write(folder, "llmhost_plugin/")
}

/// Writes what builds a plugin into the folder, and gives the name of its module.
pub(crate) fn write_build(folder: &Path) -> Result<&'static str, AuthoringError> {
    write(folder, "llmhost_plugin_build/")?;
    Ok("llmhost_plugin_build")
}

fn write(folder: &Path, package: &str) -> Result<(), AuthoringError> {
    let of = carried::PYTHON_SDK.iter().filter(|(path, _)| path.starts_with(package));
    of.into_iter().try_for_each(|(path, text)| create::write(&folder.join(path), text))
}
