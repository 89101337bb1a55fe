//! The engine's tensors and the server's.

use llmhost_inference::Engine;
use llmhost_inference::engine::{self, ElementType, NamedTensor};

use super::failure;
use crate::{Datatype, Failure, Signature, Tensor, TensorInfo};

const TYPES: [(ElementType, Datatype); 13] = [
    (ElementType::Bool, Datatype::Bool),
    (ElementType::Uint8, Datatype::Uint8),
    (ElementType::Uint16, Datatype::Uint16),
    (ElementType::Uint32, Datatype::Uint32),
    (ElementType::Uint64, Datatype::Uint64),
    (ElementType::Int8, Datatype::Int8),
    (ElementType::Int16, Datatype::Int16),
    (ElementType::Int32, Datatype::Int32),
    (ElementType::Int64, Datatype::Int64),
    (ElementType::Bfloat16, Datatype::Bf16),
    (ElementType::Float16, Datatype::Fp16),
    (ElementType::Float32, Datatype::Fp32),
    (ElementType::Float64, Datatype::Fp64),
];

fn datatype(element: ElementType) -> Datatype {
    TYPES.iter().find(|(own, _)| *own == element).map(|(_, theirs)| *theirs).expect("the table has every type")
}

fn element(datatype: Datatype) -> ElementType {
    TYPES.iter().find(|(_, own)| *own == datatype).map(|(theirs, _)| *theirs).expect("the table has every type")
}

pub(super) fn signature(engine: &Engine) -> Signature {
    let info = |of: &engine::TensorInfo| TensorInfo {
        name: of.name.clone(),
        datatype: of.element.map(datatype),
        shape: of.shape.clone(),
    };
    Signature {
        inputs: engine.inputs().iter().map(info).collect(),
        outputs: engine.outputs().iter().map(info).collect(),
    }
}

pub(super) async fn infer(engine: &Engine, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, Failure> {
    if !engine.is_open() {
        let message = "this model's attention does not check the lengths in its inputs, so its graph does not \
                       accept requests; use /v1/completions";
        return Err(Failure::invalid(message, Some("model")));
    }
    let input =
        |of: Tensor| NamedTensor { name: of.name, element: element(of.datatype), shape: of.shape, data: of.data };
    let outputs = engine.run(inputs.into_iter().map(input).collect()).await.map_err(failure)?;
    let output =
        |of: NamedTensor| Tensor { name: of.name, datatype: datatype(of.element), shape: of.shape, data: of.data };
    Ok(outputs.into_iter().map(output).collect())
}
