//! What a provider exports, and calling it.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker, Val};
use wasmtime::{Engine, Store};

use super::served::{Import, KINDS};
use super::{check, values};
use crate::state::State;

/// The package of what a provider exports, and the interface.
const PACKAGE: &str = "llmhost:provider";
const INTERFACE: &str = "kinds";
/// The version that this host calls; others with the same beginning are compatible.
const VERSION: &str = "0.2.";

/// A component of the world `provider`, ready to be instantiated.
pub(crate) struct Kinds {
    instance: InstancePre<State>,
    functions: Vec<(&'static str, ComponentExportIndex)>,
}

/// What a call is given, in order: texts all of them.
pub(crate) type Arguments = Vec<String>;

impl Kinds {
    /// Looks for what a provider exports; nothing where a component is no provider.
    pub(crate) fn of(component: &Component, engine: &Engine, linker: &Linker<State>) -> Option<Result<Self, String>> {
        let ty = component.component_type();
        let is_own = |name: &&str| {
            let import = Import::parse(name);
            (import.package, import.interface) == (PACKAGE, INTERFACE)
        };
        let name = ty.exports(engine).map(|(name, _)| name).find(is_own)?;
        Some(Self::exported_as(name, component, linker))
    }

    fn exported_as(name: &str, component: &Component, linker: &Linker<State>) -> Result<Self, String> {
        if !Import::parse(name).version.starts_with(VERSION) {
            return Err(format!(
                "it exports '{name}', and this version of llmhost calls {VERSION}x; build it against that version, or use \
                 another llmhost"
            ));
        }
        let gone = || format!("its export '{name}' is missing");
        let (_, interface) = component.get_export(None, name).ok_or_else(gone)?;
        let mut functions = Vec::with_capacity(KINDS.len());
        for wanted in KINDS {
            let (item, index) = component
                .get_export(Some(&interface), wanted.name)
                .ok_or_else(|| format!("its '{name}' has no '{}'", wanted.name))?;
            let ComponentItem::ComponentFunc(of) = item else {
                return Err(format!("'{}' of its '{name}' is not a function", wanted.name));
            };
            check::function(wanted, &of).map_err(|why| format!("'{}' of its '{name}' {why}", wanted.name))?;
            functions.push((wanted.name, index));
        }
        let instance = linker.instantiate_pre(component).map_err(|error| format!("{error:#}"))?;
        Ok(Self { instance, functions })
    }

    /// Makes an instance and calls one of its functions.
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        store: &mut Store<State>,
        function: &str,
        arguments: &Arguments,
    ) -> wasmtime::Result<T> {
        let gone = || wasmtime::format_err!("its export '{function}' is missing");
        let (_, index) = self.functions.iter().find(|(name, _)| *name == function).ok_or_else(gone)?;
        let instance = self.instance.instantiate_async(&mut *store).await?;
        let called = instance.get_func(&mut *store, index).ok_or_else(gone)?;
        let arguments: Vec<Val> = arguments.iter().map(|text| Val::String(text.clone())).collect();
        let mut results = [Val::Bool(false)];
        called.call_async(&mut *store, &arguments, &mut results).await?;
        Ok(serde_json::from_value(values::json(&results[0])?)?)
    }
}

/// What a provider says of itself, in the form of [`values::json`].
#[derive(Deserialize)]
pub(crate) struct Description {
    pub(crate) summary: String,
    pub(crate) config_schema: String,
    pub(crate) kinds: Vec<Kind>,
}

#[derive(Deserialize)]
pub(crate) struct Kind {
    pub(crate) name: String,
    pub(crate) summary: String,
    pub(crate) spec_schema: String,
    pub(crate) immutable: Vec<String>,
    pub(crate) unique: Vec<String>,
    pub(crate) outputs: Vec<Output>,
}

#[derive(Deserialize)]
pub(crate) struct Output {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) identity: bool,
    pub(crate) sensitive: bool,
}

#[derive(Deserialize)]
pub(crate) struct Created {
    pub(crate) id: String,
    pub(crate) outputs: String,
}

#[derive(Deserialize)]
pub(crate) struct Observed {
    pub(crate) id: String,
    pub(crate) spec: String,
    pub(crate) outputs: String,
}

#[derive(Deserialize)]
pub(crate) struct Error {
    pub(crate) class: Class,
    pub(crate) code: Option<String>,
    pub(crate) message: String,
    pub(crate) advice: Option<String>,
}

#[derive(Deserialize)]
pub(crate) enum Class {
    NotFound,
    Conflict,
    Denied,
    Quota,
    Throttled,
    Invalid,
    Service,
    Unreachable,
}
