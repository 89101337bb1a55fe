//! `tcp`: connections of a provider.

use wasmtime::component::{LinkerInstance, ResourceAny, ResourceType, Val};
use wasmtime::{StoreContextMut, bail};

use super::link::{give, handle};
use super::outgoing::result;
use crate::provider::{self, Connection};
use crate::state::State;

/// Defines the resource.
pub(super) fn resource(at: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    let drop = |mut store: StoreContextMut<'_, State>, handle| store.data_mut().forget::<Connection>(handle);
    at.resource("connection", ResourceType::host::<Connection>(), drop)
}

/// Defines one of its functions.
pub(super) fn function(at: &mut LinkerInstance<'_, State>, export: &str) -> wasmtime::Result<()> {
    let what = export.to_owned();
    at.func_new_async(export, move |mut store: StoreContextMut<'_, State>, ty, params, results| {
        let what = what.clone();
        Box::new(async move {
            let run = store.data().run.clone();
            let given = match (what.as_str(), params) {
                ("[static]connection.connect", [Val::String(host), Val::U16(port)]) => {
                    match provider::connect(&run, host, *port).await? {
                        Ok(connection) => {
                            let handle = store.data_mut().hold(connection)?;
                            Ok(Some(Val::Resource(ResourceAny::try_from_resource(handle, &mut store)?)))
                        }
                        Err(refused) => Err(refused),
                    }
                }
                ("[method]connection.start-tls", [_]) => {
                    let this = handle(&mut store, &params[..1])?;
                    provider::start_tls(&run, store.data_mut().held(&this)?).await?.map(|()| None)
                }
                ("[method]connection.write", [_, Val::List(bytes)]) => {
                    let bytes = self::bytes(bytes)?;
                    let this = handle(&mut store, &params[..1])?;
                    provider::write(&run, store.data_mut().held(&this)?, &bytes).await?.map(|()| None)
                }
                ("[method]connection.read", [_, Val::U32(most)]) => {
                    let this = handle(&mut store, &params[..1])?;
                    let read = provider::read(&run, store.data_mut().held(&this)?, *most).await?;
                    read.map(|bytes| Some(Val::List(bytes.into_iter().map(Val::U8).collect())))
                }
                _ => bail!("it is called with other types than it was linked with"),
            };
            give(results, result(given, &ty)?)
        })
    })
}

fn bytes(values: &[Val]) -> wasmtime::Result<Vec<u8>> {
    let byte = |value: &Val| match value {
        Val::U8(byte) => Ok(*byte),
        _ => bail!("it takes bytes"),
    };
    values.iter().map(byte).collect()
}
