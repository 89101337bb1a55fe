//! What a language's compiler reads in the place of WIT.

mod assemblyscript;
pub(crate) mod c;
pub(crate) mod go;
pub(crate) mod javascript;
pub(crate) mod python;
pub(crate) mod rust;
mod typescript;

use std::path::Path;

use crate::{AuthoringError, Language, Project, Uses, World, wit};

/// Writes the bindings of a project into its folder `bindings`, where its language has some that are written beforehand.
pub(crate) fn write(project: &Project, wit: &wit::Folder) -> Result<(), AuthoringError> {
    let folder = project.folder.join("bindings");
    match project.language {
        Language::C | Language::Cpp | Language::Zig => c::write(&folder, wit),
        Language::Go => go::write_sdk(&folder.join("plugin"), &wit.resolve, wit.world),
        Language::JavaScript | Language::TypeScript => javascript::write_sdk(&project.folder, &wit.resolve, wit.world),
        Language::Python => python::write_sdk(&folder),
        Language::AssemblyScript => assemblyscript::write(&folder, wit),
        Language::Rust => Ok(()),
    }
}

/// Writes what the SDK of a language has of every interface, into the folder from which the SDK is packed. That of
/// Python's is made of componentize-py's bindings.
pub fn interfaces(language: Language, sdk: &Path) -> Result<(), AuthoringError> {
    let of = |world: &World| wit::Catalog::read()?.cut(world)?.parse();
    let step = World::Step(Uses::all()?);
    match language {
        Language::JavaScript => {
            let (resolve, world) = of(&step)?;
            javascript::write_interfaces(sdk, &resolve, world)
        }
        Language::Go => [step, World::Provider].iter().try_for_each(|one| {
            let (resolve, world) = of(one)?;
            go::write_interfaces(sdk, one.name(), &resolve, world)
        }),
        _ => Ok(()),
    }
}
