//! Makes a project, and writes its WIT anew.

use std::path::{Path, PathBuf};

use crate::{AuthoringError, Language, Project, Tell, Uses, bindings, carried, names, wit};

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

/// Makes a project called `name` in `folder`, which must be empty or not be there yet. The step that it starts from
/// declares a bucket, so `s3:bucket` is used whatever else is.
pub fn create(name: &str, language: Language, uses: &Uses, folder: &Path) -> Result<Created, AuthoringError> {
    names::check(name)?;
    is_empty(folder)?;
    let folder = &std::path::absolute(folder).map_err(|error| AuthoringError::io(folder, &error))?;
    let output = format!("{name}.wasm");
    let project =
        Project { folder: folder.to_owned(), name: name.to_owned(), language, uses: uses.with(EXAMPLE), output };
    let mut files = Vec::new();
    let fill = |text: &str| text.replace("{{name}}", name).replace("{{crate}}", &name.replace('-', "_"));
    for (path, text) in carried::TEMPLATES {
        let Some((of, path)) = path.split_once('/') else { continue };
        let is_shared = of == "common" || of == "clike" && matches!(language, Language::C | Language::Cpp);
        if is_shared || of == language.name() {
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
    wit::Catalog::read()?.cut(&project.uses)?.write(&folder)?;
    bindings::write(project, &wit::Folder::open(project)?)
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
