//! Ties what components import to the engine's capabilities.

use std::sync::Arc;

use llmhost_engine::look_up::Query;
use llmhost_engine::plugin::{Failure, FileEntry, LogLevel};
use serde_json::{Map, Value, json};
use wasmtime::StoreContextMut;
use wasmtime::bail;
use wasmtime::component::types::{ComponentFunc, Type};
use wasmtime::component::{Linker, LinkerInstance, Resource, ResourceAny, ResourceType, Val};

use super::served::{self, Function, Import, RELEASED};
use super::{connections, outgoing, proofs, values};
use crate::limits;
use crate::state::{Declared, State};

/// Adds all that this host serves, in every released version, to a linker. That a component's own types are served is
/// for [`check`](super::check) to say.
pub(crate) fn add_to(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    for released in RELEASED {
        for name in released.interfaces {
            let import = Import { package: released.package, interface: name, version: released.version };
            let mut at = linker.instance(&import.to_string())?;
            let interface = served::interface(name).expect("what is released is in the table");
            for resource in interface.resources() {
                let drop = |mut store: StoreContextMut<'_, State>, handle| store.data_mut().forget::<Declared>(handle);
                at.resource(resource, ResourceType::host::<Declared>(), drop)?;
            }
            match *name {
                "tcp" => connections::resource(&mut at)?,
                "scram" => proofs::resource(&mut at)?,
                _ => {}
            }
            for has in interface.functions {
                function(&mut at, name, has)?;
            }
        }
    }
    Ok(())
}

/// Defines one function.
fn function(at: &mut LinkerInstance<'_, State>, interface: &str, has: &'static Function) -> wasmtime::Result<()> {
    let export = has.name;
    match (interface, export) {
        (served::ANY, "[static]any.declare") => return at.func_new(export, declare_any),
        (served::ANY, "[method]any.output") => return output_as_json(at, export),
        ("http", "send") => return outgoing::send(at, export),
        ("aws", "call") => return outgoing::call_aws(at, export),
        ("wait", "pause") => return outgoing::pause(at, export),
        ("tcp", _) => return connections::function(at, export),
        ("scram", _) => return proofs::function(at, export),
        _ => {}
    }
    if let Some(resource) = export.strip_prefix("[static]").and_then(|name| name.strip_suffix(".declare")) {
        let kind = format!("{interface}.{resource}");
        return at.func_new(export, move |store, ty, params, results| declare(store, &ty, &kind, has, params, results));
    }
    if let Some((_, output)) = export.strip_prefix("[method]").and_then(|name| name.split_once('.')) {
        if output == "address" {
            return at.func_new(export, |mut store, _, params, results| {
                let handle = handle(&mut store, params)?;
                give(results, Val::String(store.data_mut().address(handle)?))
            });
        }
        if output == "attribute" {
            // Which outputs there are depends on the resource's type.
            return at.func_new_async(export, move |mut store, ty, params, results| {
                Box::new(async move {
                    let [Val::Resource(_), Val::String(name)] = params else { bail!("an attribute has a name") };
                    let name = name.clone();
                    let handle = handle(&mut store, &params[..1])?;
                    let text = store.data_mut().output(handle, &name).await?;
                    give(results, result(text.map(Val::String), &ty)?)
                })
            });
        }
        let output: Arc<str> = output.replace('-', "_").into();
        return at.func_new_async(export, move |mut store, ty, params, results| {
            let output = Arc::clone(&output);
            Box::new(async move {
                let handle = handle(&mut store, params)?;
                let text = store.data_mut().output(handle, &output).await?;
                give(results, result(text.map(Val::String), &ty)?)
            })
        });
    }
    if let Some(key) = fact(interface, export) {
        return at.func_new_async(export, move |mut store, ty, params, results| {
            Box::new(async move {
                let key = match params {
                    [Val::U32(argument)] => format!("{key}/{argument}"),
                    [Val::String(argument)] => format!("{key}/{argument}"),
                    _ => key.to_owned(),
                };
                let text = store.data_mut().fact(&key).await;
                give(results, result(text.map(Val::String), &ty)?)
            })
        });
    }
    if export == "existing" {
        let interface = interface.to_owned();
        return at.func_new_async(export, move |mut store, ty, params, results| {
            let query = query(&interface, params);
            Box::new(async move {
                let (query, attribute) = query?;
                let found = store.data_mut().existing(&query, &attribute).await;
                let list = |found: Vec<String>| Val::List(found.into_iter().map(Val::String).collect());
                give(results, result(found.map(list), &ty)?)
            })
        });
    }
    if interface == "files" {
        return at.func_new_async(export, move |mut store, ty, params, results| {
            Box::new(async move {
                let read = files(store.data_mut(), export, params).await?;
                give(results, result(read, &ty)?)
            })
        });
    }
    let answer: fn(&State, &[Val]) -> Option<Val> = match (interface, export) {
        ("sts", "region") => |state, _| Some(Val::String(state.region_name().to_owned())),
        ("sts", "partition") => |state, _| Some(Val::String(state.partition_of_region().id.to_owned())),
        ("sts", "service-principal") => |state, params| match params {
            [Val::String(service)] => Some(Val::String(state.partition_of_region().service_principal(service))),
            _ => None,
        },
        ("sts", "web-identity-audiences") => |state, _| {
            let audiences = state.partition_of_region().web_identity_audiences.iter();
            Some(Val::List(audiences.map(|audience| Val::String(audience.to_string())).collect()))
        },
        ("file", "written") => |state, params| match params {
            [Val::String(pointer)] => {
                let text = state.text_in_file(pointer);
                Some(Val::Option(text.map(|text| Box::new(Val::String(text)))))
            }
            _ => None,
        },
        ("values", "is-known") => |state, params| match params {
            [Val::String(text)] => Some(Val::Bool(state.is_known(text))),
            _ => None,
        },
        ("log", "write") => {
            return at.func_new(export, |store, _, params, _| match params {
                [Val::Enum(level), Val::String(message)] => {
                    store.data().log(loudness(level), message);
                    Ok(())
                }
                _ => bail!("a message is a level and a string"),
            });
        }
        _ => bail!("the host has no code for it"),
    };
    at.func_new(export, move |store, _, params, results| match answer(store.data(), params) {
        Some(value) => give(results, value),
        None => bail!("it is called with other types than it was linked with"),
    })
}

/// What the functions of `files` give.
async fn files(state: &mut State, export: &str, params: &[Val]) -> wasmtime::Result<Result<Val, Failure>> {
    let entry = |entry: FileEntry| {
        let fields = [("path", Val::String(entry.path)), ("size", Val::U64(entry.size))];
        Val::Record(fields.map(|(name, value)| (name.to_owned(), value)).into())
    };
    Ok(match (export, params) {
        ("entries", [Val::String(folder)]) => {
            state.list_files(folder).await.map(|entries| Val::List(entries.into_iter().map(entry).collect()))
        }
        ("text", [Val::String(file)]) => state.text_of_file(file).await.map(Val::String),
        ("read", [Val::String(file), Val::U64(start), Val::U32(most)]) => {
            let bytes = state.read_file(file, *start, *most).await;
            bytes.map(|bytes| Val::List(bytes.into_iter().map(Val::U8).collect()))
        }
        _ => bail!("it is called with other types than it was linked with"),
    })
}

/// What a plugin looks up, and the attribute that it wants.
fn query(interface: &str, params: &[Val]) -> wasmtime::Result<(Query, String)> {
    let [Val::String(kind), which, Val::String(attribute)] = params else {
        bail!("a look-up is a kind, a selector, and an attribute")
    };
    let mut which = values::json(which)?;
    let pairs = |value: Value| -> Map<String, Value> {
        let pairs: Vec<(String, String)> = serde_json::from_value(value).unwrap_or_default();
        pairs.into_iter().map(|(key, value)| (key, Value::String(value))).collect()
    };
    let query = json!({
        "kind": format!("{interface}.{kind}"), "id": which["id"], "name": which["name"], "all": which["all"],
        "tags": pairs(which["tags"].take()), "where": pairs(which["attributes"].take()),
    });
    Ok((serde_json::from_value(query)?, attribute.clone()))
}

fn loudness(level: &str) -> LogLevel {
    match level {
        "debug" => LogLevel::Debug,
        "warn" => LogLevel::Warn,
        _ => LogLevel::Info,
    }
}

/// The key of what only the outside can tell.
fn fact(interface: &str, export: &str) -> Option<&'static str> {
    match (interface, export) {
        ("ec2", "availability-zone") => Some("ec2.availability-zone"),
        ("ec2", "zone-name") => Some("ec2.zone-name"),
        ("eks", "newest-version") => Some("eks.newest-version"),
        ("sts", "account-id") => Some("sts.account-id"),
        _ => None,
    }
}

fn declare(
    mut store: StoreContextMut<'_, State>,
    ty: &ComponentFunc,
    kind: &str,
    has: &Function,
    params: &[Val],
    results: &mut [Val],
) -> wasmtime::Result<()> {
    let [Val::String(name), spec, options] = params else { bail!("a declaration is a name, a spec and options") };
    let after = values::json(options)?["after"].take();
    let after: Vec<String> = serde_json::from_value(after)?;
    let mut spec = values::json(spec)?;
    has.params.iter().skip(1).take(1).for_each(|(_, shape)| values::complete(&mut spec, shape));
    let declared = store.data_mut().declare(kind, name, spec, &after)?;
    let handle = match declared {
        Ok(resource) => Ok(Val::Resource(ResourceAny::try_from_resource(resource, &mut store)?)),
        Err(failure) => Err(failure),
    };
    give(results, result(handle, ty)?)
}

/// Declares a resource of a kind that a provider brings.
fn declare_any(
    mut store: StoreContextMut<'_, State>,
    ty: ComponentFunc,
    params: &[Val],
    results: &mut [Val],
) -> wasmtime::Result<()> {
    let [Val::String(kind), Val::String(name), Val::String(spec), options] = params else {
        bail!("a declaration is a kind, a name, a spec and options")
    };
    let after: Vec<String> = serde_json::from_value(values::json(options)?["after"].take())?;
    let of = kind.split_once('.').map_or("", |(of, _)| of);
    let kind_is_good = !of.is_empty() && !served::is_built_in(of);
    let declared = match serde_json::from_str::<Value>(spec) {
        Ok(spec) if kind_is_good => store.data_mut().declare(kind, name, spec, &after)?,
        Ok(_) => Err(Failure::invalid(format!(
            "'{}' is not a kind of a provider; its name is like dns.record, with the provider's name in the \
                pipeline file",
            limits::cut(kind, 80)
        ))),
        Err(error) => Err(Failure::invalid(format!("the spec of {kind} '{name}' is not JSON: {error}"))),
    };
    let handle = match declared {
        Ok(resource) => Ok(Val::Resource(ResourceAny::try_from_resource(resource, &mut store)?)),
        Err(failure) => Err(failure),
    };
    give(results, result(handle, &ty)?)
}

/// The outputs of such a resource: what they are is not known here.
fn output_as_json(at: &mut LinkerInstance<'_, State>, export: &str) -> wasmtime::Result<()> {
    at.func_new_async(export, |mut store: StoreContextMut<'_, State>, ty, params, results| {
        Box::new(async move {
            let [Val::Resource(_), Val::String(output)] = params else { bail!("it takes the name of an output") };
            let handle = handle(&mut store, &params[..1])?;
            let value = store.data_mut().output_value(handle, output).await?;
            give(results, result(value.map(|value| Val::String(value.to_string())), &ty)?)
        })
    })
}

/// The resource that a method is called on: its first parameter, and the only one in `params`.
pub(super) fn handle<T: 'static>(
    store: &mut StoreContextMut<'_, State>,
    params: &[Val],
) -> wasmtime::Result<Resource<T>> {
    match params {
        [Val::Resource(handle)] => handle.try_into_resource(store),
        _ => bail!("a method takes its resource"),
    }
}

pub(super) fn give(results: &mut [Val], value: Val) -> wasmtime::Result<()> {
    match results {
        [result] => *result = value,
        _ => bail!("it gives one value"),
    }
    Ok(())
}

/// A result of the type that the component has.
fn result(given: Result<Val, Failure>, ty: &ComponentFunc) -> wasmtime::Result<Val> {
    Ok(Val::Result(match given {
        Ok(value) => Ok(Some(Box::new(value))),
        Err(failure) => {
            let Some(Type::Result(of)) = ty.results().next() else { bail!("it gives a result") };
            let Some(ty) = of.err() else { bail!("its result has a failure") };
            Err(Some(Box::new(values::lower(&failure, &ty)?)))
        }
    }))
}
