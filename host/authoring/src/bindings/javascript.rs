//! The SDK for JavaScript and TypeScript, as a package in the project: no registry needs to have it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wit_parser::{Function, FunctionKind, Interface, Resolve, Type, TypeDefKind, WorldId, WorldItem};

use super::typescript::{self, lower, upper};
use crate::{AuthoringError, carried, create};

const GENERATED: &str = "// Generated from the WIT.\n";

/// The interface whose specs and outputs are JSON: the package has its own form of it.
const JSON: &str = "resources";
const JSON_TYPES: &str = "import type { Declare } from '../src/resources.js'\n\nexport type { Resource } from '../src/resources.js'\n\
                          export declare const declare: Declare\n";

/// Where the package is in a project: where every tool looks for it.
pub(crate) fn package(project: &Path) -> PathBuf {
    project.join("node_modules/llmhost-plugin")
}

/// Writes the package, with a module for each interface that the world imports.
pub(crate) fn write_sdk(project: &Path, resolve: &Resolve, world: WorldId) -> Result<(), AuthoringError> {
    let package = package(project);
    for (path, text) in carried::JAVASCRIPT_SDK {
        create::write(&package.join(path), text)?;
    }
    write_interfaces(&package, resolve, world)
}

/// Writes the modules of a world's interfaces, with their types, and takes away those of before.
pub(crate) fn write_interfaces(package: &Path, resolve: &Resolve, world: WorldId) -> Result<(), AuthoringError> {
    let folder = package.join("interfaces");
    let files = interfaces(resolve, world);
    for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
        if !files.contains_key(&*entry.file_name().to_string_lossy()) {
            std::fs::remove_file(entry.path()).map_err(|error| AuthoringError::io(&entry.path(), &error))?;
        }
    }
    files.iter().try_for_each(|(name, text)| create::write(&folder.join(name), text))
}

/// Lets the package find what it depends on, as npm would install it, and the plugin find zod. What the author has
/// installed stays.
pub(crate) fn link(project: &Path, packages: &Path) -> Result<(), AuthoringError> {
    let packages = packages.join("node_modules");
    symlink(&packages.join("zod"), &project.join("node_modules/zod"))?;
    symlink(&packages, &package(project).join("node_modules"))
}

fn symlink(to: &Path, from: &Path) -> Result<(), AuthoringError> {
    let failed = |error| AuthoringError::io(from, &error);
    match from.symlink_metadata() {
        Ok(there) if !there.is_symlink() || std::fs::read_link(from).is_ok_and(|there| there == to) => return Ok(()),
        Ok(_) => std::fs::remove_file(from).map_err(failed)?,
        Err(_) => {}
    }
    std::os::unix::fs::symlink(to, from).map_err(failed)
}

/// The modules by the names of their files.
fn interfaces(resolve: &Resolve, world: WorldId) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for (key, item) in &resolve.worlds[world].imports {
        let WorldItem::Interface { id, .. } = item else { continue };
        let interface = &resolve.interfaces[*id];
        let Some(name) = &interface.name else { continue };
        files.insert(format!("{name}.js"), module(resolve, interface, &resolve.name_world_key(key)));
        let types = if name == JSON { JSON_TYPES.to_owned() } else { typescript::declarations(resolve, *id) };
        files.insert(format!("{name}.d.ts"), format!("{GENERATED}{types}"));
    }
    files
}

/// What the host has, with declarations that are checked where the stack still says who made them.
fn module(resolve: &Resolve, interface: &Interface, id: &str) -> String {
    // Without a function there is nothing to import.
    if interface.functions.is_empty() {
        return format!("{GENERATED}export {{}}\n");
    }
    if interface.name.as_deref() == Some(JSON) {
        return format!(
            "{GENERATED}import {{ Any }} from '{id}'\nimport {{ declaresAny }} from '../src/resources.js'\n\n\
             export const declare = declaresAny(Any)\n"
        );
    }
    let declared: Vec<String> = interface.functions.values().filter_map(|f| checked(resolve, f)).collect();
    if declared.is_empty() {
        return format!("{GENERATED}export * from '{id}'\n");
    }
    // An export of its own stands before one of the same name that comes with `*`.
    format!(
        "{GENERATED}import * as host from '{id}'\nimport {{ declares }} from '../src/check.js'\n\nexport * from '{id}'\n{}",
        declared.concat()
    )
}

fn checked(resolve: &Resolve, function: &Function) -> Option<String> {
    let FunctionKind::Static(resource) = function.kind else { return None };
    let [_, spec, _] = function.params.as_slice() else { return None };
    let name = upper(resolve.types[resource].name.as_ref().filter(|_| function.name.ends_with(".declare"))?);
    Some(format!("export const {name} = declares(host.{name}, {})\n", shape(resolve, spec.ty)))
}

/// A type as `src/check.js` reads it.
fn shape(resolve: &Resolve, ty: Type) -> String {
    let Type::Id(id) = ty else { return format!("{:?}", plain(ty)) };
    let of = |ty: &Type| shape(resolve, *ty);
    let named = |(name, shape): (String, String)| format!("{name:?}:{shape}");
    match &resolve.types[id].kind {
        TypeDefKind::Type(ty) => of(ty),
        TypeDefKind::Option(ty) => format!("{{\"option\":{}}}", of(ty)),
        TypeDefKind::List(ty) => format!("{{\"list\":{}}}", of(ty)),
        TypeDefKind::Tuple(tuple) => {
            format!("{{\"tuple\":[{}]}}", tuple.types.iter().map(of).collect::<Vec<_>>().join(","))
        }
        TypeDefKind::Enum(cases) => {
            let cases = cases.cases.iter().map(|case| format!("{:?}", case.name));
            format!("{{\"enum\":[{}]}}", cases.collect::<Vec<_>>().join(","))
        }
        TypeDefKind::Record(record) => {
            let fields = record.fields.iter().map(|field| named((lower(&field.name), of(&field.ty))));
            format!("{{\"record\":{{{}}}}}", fields.collect::<Vec<_>>().join(","))
        }
        TypeDefKind::Variant(variant) => {
            let case = |ty: &Option<Type>| ty.as_ref().map_or_else(|| "null".to_owned(), of);
            let cases = variant.cases.iter().map(|one| named((one.name.clone(), case(&one.ty))));
            format!("{{\"variant\":{{{}}}}}", cases.collect::<Vec<_>>().join(","))
        }
        _ => format!("{:?}", plain(ty)),
    }
}

fn plain(ty: Type) -> &'static str {
    match ty {
        Type::Bool => "bool",
        Type::U8 => "u8",
        Type::U16 => "u16",
        Type::U32 => "u32",
        Type::U64 => "u64",
        Type::S8 => "s8",
        Type::S16 => "s16",
        Type::S32 => "s32",
        Type::S64 => "s64",
        Type::F32 => "f32",
        Type::F64 => "f64",
        Type::Char => "char",
        Type::String => "string",
        Type::ErrorContext | Type::Id(_) => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wit::Catalog;
    use crate::{Uses, World};

    fn files(uses: Uses) -> BTreeMap<String, String> {
        let (resolve, world) =
            Catalog::read().expect("good WIT").cut(&World::Step(uses)).expect("it can be cut").parse().expect("WIT");
        interfaces(&resolve, world)
    }

    #[test]
    fn a_declaration_is_checked_by_its_types_and_what_is_not_used_is_not_there() {
        let files = files(Uses::parse(&["s3:bucket", "sts"]).expect("they are there"));
        let s3 = &files["s3.js"];
        for part in [
            "import * as host from 'llmhost:aws-s3/s3@0.2.0'\n",
            "\nexport const Bucket = declares(host.Bucket, {\"record\":{\"bucket\":\"string\",\"blockPublicAccess\":\"bool\",",
            "\"encryption\":{\"variant\":{\"s3-managed\":null,\"kms\":\"string\"}},",
            "\"expireAfterDays\":{\"option\":\"u32\"}",
            "\"tags\":{\"list\":{\"tuple\":[\"string\",\"string\"]}}",
        ] {
            assert!(s3.contains(part), "{part} in\n{s3}");
        }
        assert!(!s3.contains("Folder"), "{s3}");
        assert!(files["types.js"].ends_with("export {}\n") && files["sts.js"].contains("export * from"), "{files:?}");
        assert!(!files.contains_key("ec2.js"));
    }

    #[test]
    fn resources_of_providers_are_declared_with_values_in_the_place_of_json() {
        let files = files(Uses::parse(&["resource:dns.record"]).expect("it is there"));
        let (module, types) = (&files["resources.js"], &files["resources.d.ts"]);
        assert!(module.contains("import { Any } from 'llmhost:resources/resources@0.2.0'\n"), "{module}");
        assert!(module.ends_with("export const declare = declaresAny(Any)\n"), "{module}");
        assert!(types.ends_with("export declare const declare: Declare\n"), "{types}");
        let own = crate::carried::JAVASCRIPT_SDK.iter().map(|(path, _)| *path);
        let own: Vec<&str> = own.filter(|path| path.starts_with("src/resources.")).collect();
        assert_eq!(own, ["src/resources.d.ts", "src/resources.js"]);
    }

    #[test]
    fn every_declaration_has_a_type_that_can_be_checked() {
        let files = files(Uses::all().expect("good WIT"));
        assert!(files.values().any(|text| text.contains("declares(host.Cluster")), "{:?}", files.keys());
        assert!(files.values().all(|text| !text.contains("\"unknown\"")), "{files:?}");
    }

    #[test]
    fn links_are_made_anew_and_what_the_author_installed_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let modules = folder.path().join("node_modules");
        std::fs::create_dir_all(modules.join("llmhost-plugin")).expect("a folder");
        for tools in ["old", "new"] {
            link(folder.path(), Path::new(tools)).expect("it can be linked");
        }
        assert_eq!(std::fs::read_link(modules.join("zod")).expect("a link"), Path::new("new/node_modules/zod"));
        std::fs::remove_file(modules.join("zod")).expect("it is there");
        std::fs::create_dir(modules.join("zod")).expect("a folder");
        link(folder.path(), Path::new("other")).expect("it can be linked");
        assert!(!modules.join("zod").is_symlink());
    }
}
