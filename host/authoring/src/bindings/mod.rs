//! What a language's compiler reads in the place of WIT.

pub(crate) mod c;
pub(crate) mod go;
pub(crate) mod rust;
mod typescript;

use crate::{AuthoringError, Language, Project, wit};

/// Writes the bindings of a project into its folder `bindings`, where its language has some that are written beforehand.
pub(crate) fn write(project: &Project, wit: &wit::Folder) -> Result<(), AuthoringError> {
    let folder = project.folder.join("bindings");
    match project.language {
        Language::C | Language::Cpp | Language::Zig => c::write(&folder, wit),
        Language::Go => go::write(&folder, project, wit),
        Language::JavaScript | Language::TypeScript => {
            crate::create::write(&folder.join("llmhost.d.ts"), typescript::declarations(&wit.resolve, wit.world))
        }
        Language::Rust | Language::Python => Ok(()),
    }
}
