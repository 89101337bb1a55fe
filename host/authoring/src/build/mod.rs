//! From a project to WebAssembly.

mod assemblyscript;
mod c;
mod go;
mod javascript;
mod lines;
mod python;
mod rust;

use std::path::{Path, PathBuf};

use wit_component::{StringEncoding, embed_component_metadata};

use crate::{AuthoringError, Language, Project, Tell, bindings, wit};

/// What was built: a component, or a core module that says its world.
#[derive(Debug)]
#[non_exhaustive]
pub struct Built {
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Builds a project; what is needed for it and can be installed is installed.
pub fn build(project: &Project, tell: Tell<'_>) -> Result<Built, AuthoringError> {
    let made = match project.language {
        Language::Rust => rust::build(project, tell)?,
        language => {
            let wit = wit::Folder::open(project)?;
            bindings::write(project, &wit)?;
            match language {
                Language::JavaScript => javascript::build(project, tell)?,
                Language::TypeScript => javascript::build_typed(project, tell)?,
                Language::AssemblyScript => assemblyscript::build(project, &wit, tell)?,
                Language::Python => python::build(project, tell)?,
                Language::Go => go::build(project, &wit, tell)?,
                _ => c::build(project, tell)?,
            }
        }
    };
    let bytes = std::fs::read(&made).map_err(|error| AuthoringError::io(&made, &error))?;
    Ok(Built { bytes })
}

/// The files of a kind below a folder, in order.
fn sources(folder: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>, AuthoringError> {
    let mut found = Vec::new();
    let mut left = vec![folder.to_owned()];
    while let Some(next) = left.pop() {
        let entries = std::fs::read_dir(&next).map_err(|error| AuthoringError::io(&next, &error))?;
        for path in entries.flatten().map(|entry| entry.path()) {
            let is_one = path.extension().is_some_and(|of| extensions.iter().any(|extension| of == *extension));
            if path.is_dir() {
                left.push(path);
            } else if is_one {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Writes a module that says which world it is of, so that it can be made a component.
fn write_with_world(path: &Path, mut module: Vec<u8>, wit: &wit::Folder) -> Result<(), AuthoringError> {
    embed_component_metadata(&mut module, &wit.resolve, wit.world, StringEncoding::UTF8)
        .map_err(|error| AuthoringError::Wit(format!("{error:#}")))?;
    std::fs::write(path, module).map_err(|error| AuthoringError::io(path, &error))
}

/// The folder for what is made on the way.
fn work(project: &Project) -> Result<PathBuf, AuthoringError> {
    let work = project.work();
    std::fs::create_dir_all(&work).map_err(|error| AuthoringError::io(&work, &error))?;
    Ok(work)
}
