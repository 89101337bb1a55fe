//! Modules for AssemblyScript, which has no generator of its own: for each interface its types and functions, over
//! the component model's canonical ABI.
//!
//! `runtime.ts` is what they share; `entry.ts`, which is compiled, exports what the host calls and calls the plugin.

mod flat;
mod functions;
mod memory;
mod names;
mod source;
mod types;
mod unsupported;

use std::collections::BTreeSet;
use std::path::Path;

use wit_parser::{Function, Resolve, SizeAlign, TypeDefKind, TypeId, WorldId, WorldItem, WorldKey};

use self::source::Module;
use crate::{AuthoringError, create, wit};

const RUNTIME: &str = include_str!("runtime.ts");

/// Writes the modules, and takes away those of before: of what is not imported any more nothing may be left.
pub(crate) fn write(folder: &Path, wit: &wit::Folder) -> Result<(), AuthoringError> {
    create::remove(folder)?;
    for (path, text) in generate(&wit.resolve, wit.world)? {
        create::write(&folder.join(path), text)?;
    }
    Ok(())
}

/// The files by their paths below the folder.
fn generate(resolve: &Resolve, world: WorldId) -> Result<Vec<(String, String)>, AuthoringError> {
    unsupported::check(resolve, world).map_err(AuthoringError::Wit)?;
    let mut sizes = SizeAlign::default();
    sizes.fill(resolve);
    let of = &resolve.worlds[world];
    // Every plugin may write to the log.
    let mut imports = of.imports.keys().map(|key| resolve.name_world_key(key));
    let log = imports.find(|import| import.starts_with("llmhost:plugin/log@")).unwrap_or_default();
    let mut files =
        vec![("runtime.ts".to_owned(), RUNTIME.replace("{{log}}", &log) + &types::tuples(lengths(resolve)))];

    // What the world names and imports itself is a module too.
    let root = Module::new(resolve, &sizes, "world".to_owned());
    let mut own = String::new();
    for (key, item) in &of.imports {
        match item {
            WorldItem::Interface { id, .. } => {
                let module = Module::new(resolve, &sizes, names::of_interface(resolve, *id));
                let interface = &resolve.interfaces[*id];
                let import = resolve.name_world_key(key);
                let text = interface_text(&module, &import, &interface.types, interface.functions.values());
                files.push((format!("{}.ts", module.path), module.file(&text)));
            }
            WorldItem::Type { id, .. } => root.define(&mut own, &key_name(resolve, key), *id),
            WorldItem::Function(function) => root.free(&mut own, "$root", function),
        }
    }
    files.push(("world.ts".to_owned(), root.file(&own)));

    let entry = Module::new(resolve, &sizes, "entry".to_owned());
    let mut text =
        "import * as plugin from '../assembly/plugin'\n\nexport { cabi_realloc } from './runtime'\n\n".to_owned();
    for item in of.exports.values() {
        if let WorldItem::Function(function) = item {
            entry.export(&mut text, function);
        }
    }
    files.push(("entry.ts".to_owned(), entry.file(&text)));
    Ok(files)
}

fn key_name(resolve: &Resolve, key: &WorldKey) -> String {
    match key {
        WorldKey::Name(name) => name.clone(),
        WorldKey::Interface(_) => resolve.name_world_key(key),
    }
}

fn interface_text<'a>(
    module: &Module<'_>,
    import: &str,
    types: impl IntoIterator<Item = (&'a String, &'a TypeId)>,
    functions: impl Iterator<Item = &'a Function> + Clone,
) -> String {
    let mut text = String::new();
    for (name, id) in types {
        module.define(&mut text, name, *id);
        if matches!(module.resolve.types[*id].kind, TypeDefKind::Resource) {
            let own: Vec<_> = functions.clone().filter(|function| function.kind.resource() == Some(*id)).collect();
            module.resource(&mut text, import, *id, &own);
        }
    }
    for function in functions.filter(|function| function.kind.resource().is_none()) {
        module.free(&mut text, import, function);
    }
    text
}

/// The lengths of all tuples that there are. Pairs are there in any case, for a plugin's own use.
fn lengths(resolve: &Resolve) -> BTreeSet<usize> {
    let length = |kind: &TypeDefKind| match kind {
        TypeDefKind::Tuple(of) => Some(of.types.len()),
        _ => None,
    };
    resolve.types.iter().filter_map(|(_, ty)| length(&ty.kind)).chain([2]).filter(|length| *length > 0).collect()
}

#[cfg(test)]
mod tests;
