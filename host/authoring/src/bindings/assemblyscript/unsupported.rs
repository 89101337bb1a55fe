//! What these bindings have no form for.

use wit_parser::{Function, FunctionKind, Resolve, TypeDefKind, WorldId, WorldItem, WorldKey};

/// Says what of a world cannot be written, where there is something.
pub(super) fn check(resolve: &Resolve, world: WorldId) -> Result<(), String> {
    let of = &resolve.worlds[world];
    let refuse = |what: &str| Err(format!("the bindings for AssemblyScript have no {what}"));
    for (_, ty) in resolve.types.iter() {
        match &ty.kind {
            TypeDefKind::Map(..) => return refuse("map"),
            TypeDefKind::Future(_) | TypeDefKind::Stream(_) => return refuse("future and no stream"),
            TypeDefKind::FixedLengthList(..) => return refuse("list of a fixed length"),
            TypeDefKind::Tuple(of) if of.types.is_empty() => return refuse("tuple of nothing"),
            TypeDefKind::Flags(of) if of.flags.len() > 32 => return refuse("flags with more than 32 bits"),
            _ => {}
        }
    }
    let mut functions: Vec<&Function> = Vec::new();
    for (key, item) in of.imports.iter().chain(&of.exports) {
        match (key, item) {
            (WorldKey::Name(name), WorldItem::Interface { .. }) => {
                return refuse(&format!("interface that the world itself has ('{name}')"));
            }
            (_, WorldItem::Interface { id, .. }) => functions.extend(resolve.interfaces[*id].functions.values()),
            (_, WorldItem::Function(function)) => functions.push(function),
            (_, WorldItem::Type { .. }) => {}
        }
    }
    for (key, item) in &of.exports {
        match item {
            WorldItem::Function(function) if !function.name.contains('-') => {}
            _ => return refuse(&format!("export of '{}'", resolve.name_world_key(key))),
        }
    }
    let is_async = |function: &&&Function| {
        matches!(
            function.kind,
            FunctionKind::AsyncFreestanding | FunctionKind::AsyncMethod(_) | FunctionKind::AsyncStatic(_)
        )
    };
    match functions.iter().find(is_async) {
        Some(function) => refuse(&format!("async function ('{}')", function.name)),
        None => Ok(()),
    }
}
