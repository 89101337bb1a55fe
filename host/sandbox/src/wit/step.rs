//! What a plugin exports, and calling it.

use llmhost_engine::plugin::{Failure, OutputDoc, ValueType};
use serde_json::Value;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentExportIndex, Func, InstancePre, Linker, Val};
use wasmtime::{Store, bail};

use super::served::{DESCRIBE, Function, RUN};
use super::{check, values};
use crate::state::State;

/// A component of the world `step`, ready to be instantiated.
pub(crate) struct Step {
    instance: InstancePre<State>,
    describe: ComponentExportIndex,
    run: ComponentExportIndex,
}

/// What a plugin says of itself, not looked at yet. A plugin of an earlier version lacks what came later.
pub(crate) struct Described {
    pub(crate) summary: String,
    pub(crate) config_schema: String,
    pub(crate) outputs: Vec<OutputDoc>,
    pub(crate) needs: Vec<String>,
}

impl Step {
    /// Looks for what a plugin exports.
    pub(crate) fn of(component: &Component, linker: &Linker<State>) -> Result<Self, String> {
        let export = |wanted: &Function| {
            let (item, index) = component
                .get_export(None, wanted.name)
                .ok_or_else(|| format!("it does not export '{}'", wanted.name))?;
            let ComponentItem::ComponentFunc(of) = item else {
                return Err(format!("its export '{}' is not a function", wanted.name));
            };
            check::function(wanted, &of).map_err(|why| format!("its export '{}' {why}", wanted.name))?;
            Ok(index)
        };
        let (describe, run) = (export(&DESCRIBE)?, export(&RUN)?);
        let instance = linker.instantiate_pre(component).map_err(|error| format!("{error:#}"))?;
        Ok(Self { instance, describe, run })
    }

    /// Makes an instance.
    pub(crate) async fn enter(&self, store: &mut Store<State>) -> wasmtime::Result<Entered> {
        let instance = self.instance.instantiate_async(&mut *store).await?;
        let mut export = |index: &ComponentExportIndex| {
            instance.get_func(&mut *store, index).ok_or_else(|| wasmtime::format_err!("an export is missing"))
        };
        Ok(Entered { describe: export(&self.describe)?, run: export(&self.run)? })
    }
}

/// An instance of a plugin.
pub(crate) struct Entered {
    describe: Func,
    run: Func,
}

impl Entered {
    pub(crate) async fn describe(&self, store: &mut Store<State>) -> wasmtime::Result<Described> {
        let mut results = [Val::Bool(false)];
        self.describe.call_async(&mut *store, &[], &mut results).await?;
        let mut described = values::json(&results[0])?;
        let text = |value: &mut Value| value.as_str().unwrap_or_default().to_owned();
        let list = |value: &mut Value| value.as_array_mut().map(std::mem::take).unwrap_or_default();
        let outputs = list(&mut described["outputs"]).into_iter().map(|mut output| OutputDoc {
            name: text(&mut output["name"]),
            description: text(&mut output["description"]),
            value_type: value_type(&output["value_type"]),
            sensitive: output["sensitive"].as_bool().unwrap_or_default(),
        });
        Ok(Described {
            summary: text(&mut described["summary"]),
            config_schema: text(&mut described["config_schema"]),
            outputs: outputs.collect(),
            needs: list(&mut described["needs"]).iter_mut().map(text).collect(),
        })
    }

    pub(crate) async fn run(
        &self,
        store: &mut Store<State>,
        config: &str,
    ) -> wasmtime::Result<Result<String, Failure>> {
        let mut results = [Val::Bool(false)];
        self.run.call_async(&mut *store, &[Val::String(config.to_owned())], &mut results).await?;
        let [result] = results;
        Ok(match result {
            Val::Result(Ok(Some(text))) => match *text {
                Val::String(text) => Ok(text),
                other => bail!("'run' gave {other:?}"),
            },
            Val::Result(Err(Some(failure))) => Err(values::failure(&failure)),
            other => bail!("'run' gave {other:?}"),
        })
    }
}

fn value_type(value: &Value) -> Option<ValueType> {
    let name = value.as_str()?.to_ascii_lowercase();
    ValueType::ALL.into_iter().find(|of| of.name() == name)
}
