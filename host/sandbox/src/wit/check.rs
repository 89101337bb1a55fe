//! Holds the types that a component was compiled with against those that this host knows.
//!
//! They need not be the same. A component compiled before a field was added lacks it; one compiled after has a field
//! that this host would have to drop, and is refused.

use llmhost_engine::plugin::FailureCode;
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::{ComponentFunc, ComponentItem, Type};

use super::served::{self, Function, Import, Shape};

/// Whether this host can serve the types that a component's imports of llmhost have; what its types have and this host does
/// not know, if not. That the interfaces themselves are served was asked before.
pub(crate) fn imports(component: &Component, engine: &Engine) -> Result<(), String> {
    for (name, item) in component.component_type().imports(engine) {
        let import = Import::parse(name);
        let ComponentItem::ComponentInstance(instance) = &item.ty else { continue };
        let Some(interface) = served::interface(import.interface).filter(|_| import.is_own()) else { continue };
        for (export, item) in instance.exports(engine) {
            let ComponentItem::ComponentFunc(of) = &item.ty else { continue };
            let spoken = export.split_once(']').map_or(export, |(_, name)| name);
            let Some(has) = interface.functions.iter().find(|function| function.name == export) else {
                return Err(format!(
                    "it imports '{spoken}' of '{name}', which this version of llmhost does not have; use a newer llmhost"
                ));
            };
            function(has, of).map_err(|why| {
                format!(
                    "its '{spoken}' of '{name}' {why}; use a newer llmhost, or build the plugin against the interfaces of this \
                     one"
                )
            })?;
        }
    }
    Ok(())
}

/// Whether a function of a component is one that this host can serve; where it is not, if not.
pub(super) fn function(has: &Function, of: &ComponentFunc) -> Result<(), String> {
    let params = of.params();
    if params.len() != has.params.len() {
        return Err(format!("takes {} parameters, and not {}", params.len(), has.params.len()));
    }
    for ((name, shape), (_, ty)) in has.params.iter().zip(params) {
        fits(shape, &ty, name)?;
    }
    match (has.result, of.results().next()) {
        (None, None) => Ok(()),
        (Some(shape), Some(ty)) => fits(shape, &ty, "its result"),
        (has, _) => Err(format!("gives {}", if has.is_some() { "nothing" } else { "something" })),
    }
}

/// Whether values of a component's type are values of ours. `at` says where it stands.
pub(super) fn fits(shape: &Shape, ty: &Type, at: &str) -> Result<(), String> {
    match (shape, ty) {
        (Shape::Bool, Type::Bool) | (Shape::Text, Type::String) | (Shape::Handle, Type::Own(_) | Type::Borrow(_)) => {
            Ok(())
        }
        (Shape::Number(name), ty) if number(ty) == Some(name) => Ok(()),
        (Shape::List(shape), Type::List(list)) => fits(shape, &list.ty(), at),
        (Shape::Option(shape), Type::Option(option)) => fits(shape, &option.ty(), at),
        (Shape::Tuple(shapes), Type::Tuple(tuple)) if shapes.len() == tuple.types().len() => {
            shapes.iter().zip(tuple.types()).try_for_each(|(shape, ty)| fits(shape, &ty, at))
        }
        (Shape::Record(fields), Type::Record(record)) => {
            for field in record.fields() {
                let inner = format!("{at}.{}", field.name);
                match fields.iter().find(|(name, _)| *name == field.name) {
                    Some((_, shape)) => fits(shape, &field.ty, &inner)?,
                    None => return Err(format!("has '{inner}', which this version of llmhost does not know")),
                }
            }
            let lacks = |name: &str| record.fields().all(|field| field.name != name);
            match fields.iter().find(|(name, shape)| lacks(name) && !may_lack(shape)) {
                Some((name, _)) => Err(format!("lacks '{at}.{name}'")),
                None => Ok(()),
            }
        }
        (Shape::Variant(cases), Type::Variant(variant)) => variant.cases().try_for_each(|case| {
            let inner = format!("{at}.{}", case.name);
            match (cases.iter().find(|(name, _)| *name == case.name), &case.ty) {
                (Some((_, None)), None) => Ok(()),
                (Some((_, Some(shape))), Some(ty)) => fits(shape, ty, &inner),
                _ => Err(format!("has '{inner}', which this version of llmhost does not know")),
            }
        }),
        (Shape::Enum(cases), Type::Enum(of)) => match of.names().find(|name| !cases.contains(name)) {
            Some(name) => Err(format!("has '{at}.{name}', which this version of llmhost does not know")),
            None => Ok(()),
        },
        (Shape::Result(ok, err), Type::Result(of)) => {
            for (shape, ty) in [(ok, of.ok()), (err, of.err())] {
                match (shape, ty) {
                    (Some(shape), Some(ty)) => fits(shape, &ty, at)?,
                    (None, None) => {}
                    _ => return Err(format!("has another type in '{at}'")),
                }
            }
            Ok(())
        }
        (Shape::Failure, ty) => failure(ty, at),
        _ => Err(format!("has another type in '{at}'")),
    }
}

/// Whether a field may be missing in types that are older than it. What is added later is one of these.
fn may_lack(shape: &Shape) -> bool {
    matches!(shape, Shape::Option(_) | Shape::List(_) | Shape::Bool)
}

/// A failure as any version has it: a case with a text for each code, or a record. A plugin may know fewer codes, or more.
fn failure(ty: &Type, at: &str) -> Result<(), String> {
    let good = match ty {
        Type::Variant(variant) => {
            let texts = variant.cases().all(|case| matches!(case.ty, Some(Type::String)));
            texts && variant.cases().any(|case| case.name == FailureCode::Failed.name())
        }
        Type::Record(record) => record.fields().all(|field| match (field.name, &field.ty) {
            ("message", Type::String) => true,
            ("code", Type::Enum(codes)) => codes.names().any(|name| name == FailureCode::Failed.name()),
            _ => false,
        }),
        _ => false,
    };
    if good { Ok(()) } else { Err(format!("has a failure of another type in '{at}'")) }
}

fn number(ty: &Type) -> Option<&'static str> {
    Some(match ty {
        Type::U8 => "u8",
        Type::S8 => "s8",
        Type::U16 => "u16",
        Type::S16 => "s16",
        Type::U32 => "u32",
        Type::S32 => "s32",
        Type::U64 => "u64",
        Type::S64 => "s64",
        Type::Float32 => "f32",
        Type::Float64 => "f64",
        Type::Char => "char",
        _ => return None,
    })
}
