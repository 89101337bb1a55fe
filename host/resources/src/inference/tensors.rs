//! `inference.tensors`

use std::sync::Arc;

use async_trait::async_trait;
use llmhost_engine::kind::{
    Created, DeclareContext, Intent, Kind, Observed, OpError, Outputs, Permission, Progress, Scope,
};
use llmhost_inference::engine::NamedTensor;
use llmhost_inference::{Engine, RequestError};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Models, failed};
use crate::aws::outputs;

/// What a model makes of tensors.
pub(super) struct Tensors(pub(super) Arc<Models>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Spec {
    /// The model's id.
    model: String,
    inputs: Vec<Tensor>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Tensor {
    name: String,
    shape: Vec<u32>,
    /// Row by row.
    numbers: Vec<f64>,
}

const OPERATION: &str = "inference:run";
/// Of all inputs, and of all outputs. More would make the state a database.
const MOST_NUMBERS: usize = 65_536;

impl Spec {
    /// The inputs in the types that the model takes.
    fn inputs(&self, engine: &Engine) -> Result<Vec<NamedTensor>, RequestError> {
        let one = |tensor: &Tensor| {
            let known = engine.inputs().iter().find(|known| known.name == tensor.name);
            let element = known.and_then(|known| known.element).ok_or_else(|| {
                let names: Vec<&str> = engine.inputs().iter().map(|known| known.name.as_str()).collect();
                let text = format!("the model has no input '{}'; it has {}", tensor.name, names.join(", "));
                RequestError::Invalid(text)
            })?;
            let shape = tensor.shape.iter().map(|size| *size as usize).collect();
            NamedTensor::of_numbers(tensor.name.clone(), element, shape, &tensor.numbers)
        };
        self.inputs.iter().map(one).collect()
    }
}

#[async_trait]
impl Kind for Tensors {
    type Spec = Spec;
    const NAME: &'static str = "inference.tensors";
    const ACTIONS: &'static [&'static str] = &[];
    const IMMUTABLE: &'static [&'static str] = &[];
    const IDENTITIES: &'static [&'static str] = &["outputs"];
    const VOLATILE: &'static [&'static str] = &["outputs"];

    fn complete(&self, spec: &mut Spec, _: &DeclareContext<'_>) -> Result<(), String> {
        match spec.inputs.iter().map(|tensor| tensor.numbers.len()).sum::<usize>() {
            0..=MOST_NUMBERS => Ok(()),
            count => Err(format!("inputs have {count} numbers; up to {MOST_NUMBERS} are allowed")),
        }
    }

    fn permissions(&self, _: &Spec, _: &Scope<'_>) -> Vec<Permission> {
        Vec::new()
    }

    async fn create(&self, _: &Spec, intent: &Intent, _: &dyn Progress) -> Result<Created, OpError> {
        Ok(Created { id: intent.address.to_string(), outputs: Outputs::new() })
    }

    async fn configure(
        &self,
        _: &str,
        spec: &Spec,
        _: Option<&Spec>,
        progress: &dyn Progress,
    ) -> Result<Outputs, OpError> {
        let engine = self.0.engine(&spec.model, progress).await?;
        let said = |error: RequestError| failed(OPERATION, &error);
        let made = engine.run(spec.inputs(&engine).map_err(said)?).await.map_err(said)?;
        let count: usize = made.iter().map(|tensor| tensor.shape.iter().product::<usize>()).sum();
        if count > MOST_NUMBERS {
            let text = format!("the outputs have {count} numbers; up to {MOST_NUMBERS} are allowed");
            return Err(said(RequestError::Invalid(text)));
        }
        let all: Map<String, Value> = made
            .into_iter()
            .map(|tensor| {
                let numbers = tensor.numbers();
                (tensor.name, json!({ "shape": tensor.shape, "numbers": numbers }))
            })
            .collect();
        Ok(outputs([("outputs", Value::Object(all).to_string().as_str())]))
    }

    async fn read(&self, _: &str, spec: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
        Ok(Some(Observed { spec: spec.clone(), outputs: Outputs::new() }))
    }

    async fn find(&self, _: &Spec, _: &Intent) -> Result<Option<Created>, OpError> {
        Ok(None)
    }

    async fn delete(&self, _: &str, _: &Spec, _: &dyn Progress) -> Result<(), OpError> {
        Ok(())
    }
}
