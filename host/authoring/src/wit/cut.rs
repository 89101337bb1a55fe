//! Takes out of an interface what a plugin does not use.

use std::collections::{BTreeSet, HashSet};

use wit_parser::{Function, Handle, Interface, InterfaceId, Resolve, Type, TypeDefKind, TypeId};

/// The part of the interface that a function belongs to, as grants name it: its resource, or the word that the
/// documentation of the interface's functions gives (`` Grant: `ec2:describe` ``).
pub(super) fn part(resolve: &Resolve, of: &Interface, function: &Function) -> Option<String> {
    match function.kind.resource() {
        Some(resource) => resolve.types[resource].name.clone(),
        None => grant(function).or_else(|| of.functions.values().filter(|other| is_plain(other)).find_map(grant)),
    }
}

fn is_plain(function: &Function) -> bool {
    function.kind.resource().is_none()
}

/// The word in its documentation.
fn grant(function: &Function) -> Option<String> {
    let (_, grant) = function.docs.contents.as_deref()?.split_once("Grant: `")?;
    Some(grant.split('`').next()?.split_once(':')?.1.to_owned())
}

/// Leaves the functions of these parts, and the types that they need.
pub(super) fn interface(resolve: &mut Resolve, id: InterfaceId, parts: &BTreeSet<&str>) {
    let of = &resolve.interfaces[id];
    let keeps = |function: &Function| part(resolve, of, function).is_some_and(|part| parts.contains(part.as_str()));
    let kept: Vec<String> =
        of.functions.iter().filter(|(_, function)| keeps(function)).map(|(name, _)| name.clone()).collect();
    let mut needed = HashSet::new();
    for name in &kept {
        let function = &of.functions[name];
        let types = function.params.iter().map(|param| param.ty).chain(function.result);
        types.for_each(|ty| need(resolve, ty, &mut needed));
        needed.extend(function.kind.resource());
    }
    let of = &mut resolve.interfaces[id];
    of.functions.retain(|name, _| kept.contains(name));
    of.types.retain(|_, id| needed.contains(id));
}

fn need(resolve: &Resolve, ty: Type, needed: &mut HashSet<TypeId>) {
    let Type::Id(id) = ty else { return };
    if !needed.insert(id) {
        return;
    }
    let mut also = |ty: &Type| need(resolve, *ty, needed);
    match &resolve.types[id].kind {
        TypeDefKind::Record(record) => record.fields.iter().for_each(|field| also(&field.ty)),
        TypeDefKind::Variant(variant) => variant.cases.iter().filter_map(|case| case.ty.as_ref()).for_each(also),
        TypeDefKind::Tuple(tuple) => tuple.types.iter().for_each(also),
        TypeDefKind::Handle(Handle::Own(resource) | Handle::Borrow(resource)) => also(&Type::Id(*resource)),
        TypeDefKind::Result(result) => [&result.ok, &result.err].into_iter().flatten().for_each(also),
        TypeDefKind::Map(key, value) => [key, value].into_iter().for_each(also),
        TypeDefKind::Option(ty)
        | TypeDefKind::List(ty)
        | TypeDefKind::FixedLengthList(ty, _)
        | TypeDefKind::Type(ty)
        | TypeDefKind::Future(Some(ty))
        | TypeDefKind::Stream(Some(ty)) => also(ty),
        TypeDefKind::Resource
        | TypeDefKind::Flags(_)
        | TypeDefKind::Enum(_)
        | TypeDefKind::Future(None)
        | TypeDefKind::Stream(None)
        | TypeDefKind::Unknown => {}
    }
}
