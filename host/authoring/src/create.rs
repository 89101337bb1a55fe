//! Makes a project, and writes its WIT anew.

use std::path::{Path, PathBuf};

use crate::{AuthoringError, Language, Project, Tell, Uses, World, bindings, carried, names, wit};

/// What the step of every template declares.
const EXAMPLE: &str = "s3:bucket";

/// A project that was made.
#[derive(Debug)]
#[non_exhaustive]
pub struct Created {
    /// The project.
    pub project: Project,
    /// Its files, from its folder.
    pub files: Vec<String>,
}

/// Makes a project called `name` in `folder`, which must be empty or not be there yet. The step that a plugin starts from
/// declares a bucket, so `s3:bucket` is used whatever else is.
pub fn create(name: &str, language: Language, world: &World, folder: &Path) -> Result<Created, AuthoringError> {
    names::check(name)?;
    let shared = match world {
        World::Step(_) => "common/",
        World::Provider => "provider/common/",
    };
    let own = match world {
        World::Step(_) => format!("{}/", language.name()),
        World::Provider => format!("provider/{}/", language.name()),
    };
    if !carried::TEMPLATES.iter().any(|(path, _)| path.starts_with(&own)) {
        return Err(AuthoringError::NoProvider { language: language.name(), languages: languages_of_providers() });
    }
    is_empty(folder)?;
    let folder = &std::path::absolute(folder).map_err(|error| AuthoringError::io(folder, &error))?;
    let world = match world {
        World::Step(uses) => World::Step(uses.with(EXAMPLE)),
        World::Provider => World::Provider,
    };
    let output = format!("{name}.wasm");
    let project = Project { folder: folder.to_owned(), name: name.to_owned(), language, world, output };
    let is_clike = matches!(language, Language::C | Language::Cpp);
    let mut files = Vec::new();
    let fill = |text: &str| text.replace("{{name}}", name).replace("{{crate}}", &name.replace('-', "_"));
    for (path, text) in carried::TEMPLATES {
        let inside = path.strip_prefix(shared).or_else(|| path.strip_prefix(&own));
        let inside = inside.or_else(|| path.strip_prefix("any/"));
        if let Some(path) = inside.or_else(|| path.strip_prefix("clike/").filter(|_| is_clike)) {
            files.push((path.replace("gitignore", ".gitignore"), fill(text)));
        }
    }
    files.push(("llmhost-plugin.toml".to_owned(), project.text()));
    if language == Language::Rust {
        files.push(("Cargo.lock".to_owned(), bindings::rust::lock()));
    }
    files.sort();
    for (path, text) in &files {
        write(&folder.join(path), text)?;
    }
    refresh_files(&project)?;
    Ok(Created { project, files: files.into_iter().map(|(path, _)| path).collect() })
}

/// Writes the WIT of a project anew, and what is made of it, for these interfaces or for those of the project file.
pub fn refresh(project: &mut Project, uses: Option<Uses>, tell: Tell<'_>) -> Result<(), AuthoringError> {
    if let Some(uses) = uses {
        project.write_uses(uses)?;
    }
    refresh_files(project)?;
    let what = if project.language == Language::Rust { "sdk/llmhost-plugin" } else { "wit" };
    tell(&format!("Wrote {}.", project.folder.join(what).display()));
    Ok(())
}

fn refresh_files(project: &Project) -> Result<(), AuthoringError> {
    // Rust's imports are what it calls, so its SDK has every interface.
    if project.language == Language::Rust {
        return bindings::rust::write_sdk(&project.folder);
    }
    let folder = project.folder.join("wit");
    wit::Catalog::read()?.cut(&project.world)?.write(&folder)?;
    bindings::write(project, &wit::Folder::open(project)?)
}

/// The languages that have a template of a provider.
fn languages_of_providers() -> String {
    let has = |name: &str| carried::TEMPLATES.iter().any(|(path, _)| path.starts_with(&format!("provider/{name}/")));
    let names = Language::ALL.iter().map(|language| language.name());
    names.filter(|name| has(name)).collect::<Vec<_>>().join(", ")
}

fn is_empty(folder: &Path) -> Result<(), AuthoringError> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(AuthoringError::io(folder, &error)),
        Ok(entries) => entries,
    };
    match entries.flatten().map(|entry| entry.file_name()).find(|name| name != ".git") {
        None => Ok(()),
        Some(entry) => Err(AuthoringError::NotEmpty {
            folder: folder.display().to_string(),
            entry: entry.to_string_lossy().into_owned(),
        }),
    }
}

/// Writes a file with the folders above it.
pub(crate) fn write(path: &Path, text: impl AsRef<[u8]>) -> Result<(), AuthoringError> {
    let parent = path.parent().map(PathBuf::from).unwrap_or_default();
    std::fs::create_dir_all(&parent).map_err(|error| AuthoringError::io(&parent, &error))?;
    // What is as it should be keeps its time, by which tools tell what is new.
    if std::fs::read(path).is_ok_and(|there| there == text.as_ref()) {
        return Ok(());
    }
    std::fs::write(path, text).map_err(|error| AuthoringError::io(path, &error))
}

/// Takes away a folder with everything in it, where it is there.
pub(crate) fn remove(folder: &Path) -> Result<(), AuthoringError> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(AuthoringError::io(folder, &error)),
        _ => Ok(()),
    }
}
