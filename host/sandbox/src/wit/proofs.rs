//! `scram`: proofs of passwords.

use wasmtime::component::{LinkerInstance, ResourceAny, ResourceType, Val};
use wasmtime::{StoreContextMut, bail};

use super::link::{give, handle};
use super::outgoing::result;
use crate::provider::{self, Proof};
use crate::state::State;

/// Defines the resource.
pub(super) fn resource(at: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    let drop = |mut store: StoreContextMut<'_, State>, handle| store.data_mut().forget::<Proof>(handle);
    at.resource("exchange", ResourceType::host::<Proof>(), drop)
}

/// Defines one of its functions.
pub(super) fn function(at: &mut LinkerInstance<'_, State>, export: &str) -> wasmtime::Result<()> {
    let what = export.to_owned();
    at.func_new_async(export, move |mut store: StoreContextMut<'_, State>, ty, params, results| {
        let what = what.clone();
        Box::new(async move {
            let run = store.data().run.clone();
            let text = |text: String| Some(Val::String(text));
            let given = match (what.as_str(), params) {
                ("[static]exchange.begin", [Val::String(user), Val::String(password)]) => {
                    match provider::begin(&run, user, password).await {
                        Ok(proof) => {
                            let handle = store.data_mut().hold(proof)?;
                            Ok(Some(Val::Resource(ResourceAny::try_from_resource(handle, &mut store)?)))
                        }
                        Err(refused) => Err(refused),
                    }
                }
                ("[method]exchange.client-first", [_]) => {
                    let this = handle(&mut store, &params[..1])?;
                    provider::client_first(store.data_mut().held(&this)?).map(text)
                }
                ("[method]exchange.client-final", [_, Val::String(server_first)]) => {
                    let this = handle(&mut store, &params[..1])?;
                    let proof = store.data_mut().held(&this)?;
                    provider::client_final(&run, proof, server_first.clone()).await.map(text)
                }
                ("[method]exchange.verify", [_, Val::String(server_final)]) => {
                    let this = handle(&mut store, &params[..1])?;
                    provider::verify(&run, store.data_mut().held(&this)?, server_final).map(|()| None)
                }
                ("verifier", [Val::String(password)]) => provider::verifier(&run, password).await.map(text),
                _ => bail!("it is called with other types than it was linked with"),
            };
            give(results, result(given, &ty)?)
        })
    })
}
