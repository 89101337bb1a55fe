//! Named tensors in, named tensors out: any ONNX model.

use ort::memory::Allocator;
use ort::session::{Session, SessionInputValue};
use ort::value::{DynTensor, DynTensorValueType, DynValue, Outlet, TensorElementType, ValueType};
use serde::{Deserialize, Serialize};

use super::error::RequestError;

/// What a tensor's elements are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names are the types' own")]
pub enum ElementType {
    Float16,
    Float32,
    Float64,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Bool,
}

/// A tensor with a name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NamedTensor {
    /// The input's or output's name.
    pub name: String,
    /// What its elements are.
    pub element: ElementType,
    /// Its dimensions; none for a single number.
    pub shape: Vec<usize>,
    /// Its elements, little endian, the last dimension closest together.
    pub data: Vec<u8>,
}

/// An input or output of a graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TensorInfo {
    /// Its name.
    pub name: String,
    /// What its elements are; `None` for what is no tensor or of a kind that cannot be handed over.
    pub element: Option<ElementType>,
    /// Its dimensions; `None` where one is free.
    pub shape: Vec<Option<usize>>,
}

impl TensorInfo {
    pub(super) fn of(outlet: &Outlet) -> Self {
        let (element, shape) = match outlet.dtype() {
            ValueType::Tensor { ty, shape, .. } => {
                (ElementType::of(*ty), shape.iter().map(|size| usize::try_from(*size).ok()).collect())
            }
            _ => (None, Vec::new()),
        };
        Self { name: outlet.name().to_owned(), element, shape }
    }
}

impl ElementType {
    /// Bytes of one element.
    pub fn bytes(self) -> usize {
        match self {
            Self::Int8 | Self::Uint8 | Self::Bool => 1,
            Self::Float16 | Self::Int16 | Self::Uint16 => 2,
            Self::Float32 | Self::Int32 | Self::Uint32 => 4,
            Self::Float64 | Self::Int64 | Self::Uint64 => 8,
        }
    }

    const TABLE: [(Self, TensorElementType); 12] = [
        (Self::Float16, TensorElementType::Float16),
        (Self::Float32, TensorElementType::Float32),
        (Self::Float64, TensorElementType::Float64),
        (Self::Int8, TensorElementType::Int8),
        (Self::Int16, TensorElementType::Int16),
        (Self::Int32, TensorElementType::Int32),
        (Self::Int64, TensorElementType::Int64),
        (Self::Uint8, TensorElementType::Uint8),
        (Self::Uint16, TensorElementType::Uint16),
        (Self::Uint32, TensorElementType::Uint32),
        (Self::Uint64, TensorElementType::Uint64),
        (Self::Bool, TensorElementType::Bool),
    ];

    fn to_ort(self) -> TensorElementType {
        Self::TABLE.iter().find(|(own, _)| *own == self).map(|(_, theirs)| *theirs).expect("the table has every type")
    }

    fn of(theirs: TensorElementType) -> Option<Self> {
        Self::TABLE.iter().find(|(_, other)| *other == theirs).map(|(own, _)| *own)
    }
}

/// Runs a session.
pub(super) fn run(session: &mut Session, inputs: &[NamedTensor]) -> Result<Vec<NamedTensor>, RequestError> {
    check_names(session, inputs)?;
    let inputs = inputs
        .iter()
        .map(|input| Ok((input.name.clone().into(), tensor(input)?.into())))
        .collect::<Result<Vec<(std::borrow::Cow<'_, str>, SessionInputValue<'_>)>, RequestError>>()?;
    let mut outputs = session.run(inputs)?;
    let names: Vec<String> = outputs.keys().map(str::to_owned).collect();
    names
        .into_iter()
        .map(|name| {
            let value = outputs.remove(&name).expect("one of its own names");
            named(name, value)
        })
        .collect()
}

/// Inputs of zeros, free dimensions taken as one, for a first run.
pub(super) fn zeros(session: &Session) -> Option<Vec<NamedTensor>> {
    let input = |outlet: &Outlet| {
        let TensorInfo { name, element, shape } = TensorInfo::of(outlet);
        let shape: Vec<usize> = shape.into_iter().map(|size| size.unwrap_or(1).max(1)).collect();
        let element = element?;
        let data = vec![0; shape.iter().product::<usize>() * element.bytes()];
        Some(NamedTensor { name, element, shape, data })
    };
    session.inputs().iter().map(input).collect()
}

fn check_names(session: &Session, inputs: &[NamedTensor]) -> Result<(), RequestError> {
    let known: Vec<&str> = session.inputs().iter().map(Outlet::name).collect();
    let invalid = |text: String| Err(RequestError::Invalid(text));
    if let Some(strange) = inputs.iter().find(|input| !known.contains(&input.name.as_str())) {
        return invalid(format!("the model has no input '{}'; it has {}", strange.name, known.join(", ")));
    }
    match known.iter().find(|name| !inputs.iter().any(|input| input.name == **name)) {
        Some(missing) => invalid(format!("the input '{missing}' is missing; the model takes {}", known.join(", "))),
        None => Ok(()),
    }
}

fn tensor(input: &NamedTensor) -> Result<DynTensor, RequestError> {
    let elements = input.shape.iter().try_fold(1usize, |all, size| all.checked_mul(*size));
    let wanted = elements.and_then(|count| count.checked_mul(input.element.bytes()));
    if wanted != Some(input.data.len()) {
        return Err(RequestError::Invalid(format!(
            "the input '{}' has {} bytes, and its shape {:?} of {:?} takes {}",
            input.name,
            input.data.len(),
            input.shape,
            input.element,
            wanted.map_or_else(|| "more than there are".to_owned(), |count| count.to_string())
        )));
    }
    if input.element == ElementType::Bool && input.data.iter().any(|byte| *byte > 1) {
        return Err(RequestError::Invalid(format!("the input '{}' holds a bool that is neither 0 nor 1", input.name)));
    }
    let mut tensor = DynTensor::new(&Allocator::default(), input.element.to_ort(), input.shape.as_slice())?;
    if !input.data.is_empty() {
        // SAFETY: a tensor on the host of exactly this many bytes, checked above.
        unsafe {
            let target = tensor.data_ptr_mut().cast::<u8>();
            std::ptr::copy_nonoverlapping(input.data.as_ptr(), target, input.data.len());
        }
    }
    Ok(tensor)
}

fn named(name: String, value: DynValue) -> Result<NamedTensor, RequestError> {
    let tensor = value
        .downcast::<DynTensorValueType>()
        .map_err(|_| RequestError::Failed(format!("the output '{name}' is no tensor")))?;
    let element = ElementType::of(*tensor.data_type())
        .ok_or_else(|| RequestError::Failed(format!("the output '{name}' has elements that cannot be handed on")))?;
    let shape: Vec<usize> = tensor.shape().iter().map(|size| usize::try_from(*size).unwrap_or(0)).collect();
    let bytes = shape.iter().product::<usize>() * element.bytes();
    let data = match bytes {
        0 => Vec::new(),
        // SAFETY: a run's outputs lie on the host, and this one has that many bytes.
        _ => unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast::<u8>(), bytes) }.to_vec(),
    };
    Ok(NamedTensor { name, element, shape, data })
}
