//! Named tensors in, named tensors out: any ONNX model.

use half::{bf16, f16};
use ort::memory::Allocator;
use ort::session::{Session, SessionInputValue};
use ort::value::{DynTensor, DynTensorValueType, DynValue, Outlet, TensorElementType, ValueType};
use serde::{Deserialize, Serialize};

use super::error::RequestError;

/// 2^53: beyond it, not every whole number is one of 64-bit floating point.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// What a tensor's elements are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names are the types' own")]
pub enum ElementType {
    Bfloat16,
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

impl NamedTensor {
    /// A tensor of plain numbers. Fails where a number is not one of the elements, or where there are
    /// more or fewer than the shape says.
    pub fn of_numbers(
        name: String,
        element: ElementType,
        shape: Vec<usize>,
        numbers: &[f64],
    ) -> Result<Self, RequestError> {
        let count = shape.iter().try_fold(1_usize, |count, size| count.checked_mul(*size));
        if count != Some(numbers.len()) {
            let text = format!("'{name}' has {} numbers, which are not those of the shape {shape:?}", numbers.len());
            return Err(RequestError::Invalid(text));
        }
        let mut data = Vec::with_capacity(numbers.len() * element.bytes());
        for number in numbers {
            element.write(*number, &mut data).ok_or_else(|| {
                RequestError::Invalid(format!("'{name}' takes elements of {element:?}, and {number} is none"))
            })?;
        }
        Ok(Self { name, element, shape, data })
    }

    /// Its elements as plain numbers; whole ones are exact up to 2^53.
    pub fn numbers(&self) -> Vec<f64> {
        self.data.chunks_exact(self.element.bytes()).map(|bytes| self.element.read(bytes)).collect()
    }
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
            Self::Bfloat16 | Self::Float16 | Self::Int16 | Self::Uint16 => 2,
            Self::Float32 | Self::Int32 | Self::Uint32 => 4,
            Self::Float64 | Self::Int64 | Self::Uint64 => 8,
        }
    }

    /// Appends a number; nothing where it is none of these elements.
    fn write(self, number: f64, to: &mut Vec<u8>) -> Option<()> {
        macro_rules! whole {
            ($type:ty) => {{
                let cast = number as $type;
                // The other way round it is the same only where nothing was lost.
                (cast as f64 == number && number.abs() <= EXACT).then(|| to.extend(cast.to_le_bytes()))
            }};
        }
        match self {
            Self::Bfloat16 => to.extend(bf16::from_f64(number).to_le_bytes()),
            Self::Float16 => to.extend(f16::from_f64(number).to_le_bytes()),
            Self::Float32 => to.extend((number as f32).to_le_bytes()),
            Self::Float64 => to.extend(number.to_le_bytes()),
            Self::Bool if number == 0.0 || number == 1.0 => to.push(u8::from(number == 1.0)),
            Self::Bool => return None,
            Self::Int8 => return whole!(i8),
            Self::Int16 => return whole!(i16),
            Self::Int32 => return whole!(i32),
            Self::Int64 => return whole!(i64),
            Self::Uint8 => return whole!(u8),
            Self::Uint16 => return whole!(u16),
            Self::Uint32 => return whole!(u32),
            Self::Uint64 => return whole!(u64),
        }
        Some(())
    }

    fn read(self, bytes: &[u8]) -> f64 {
        macro_rules! number {
            ($type:ty) => {
                <$type>::from_le_bytes(bytes.try_into().expect("as many bytes as it has"))
            };
        }
        match self {
            Self::Bfloat16 => number!(bf16).to_f64(),
            Self::Float16 => number!(f16).to_f64(),
            Self::Float32 => number!(f32).into(),
            Self::Float64 => number!(f64),
            Self::Bool | Self::Uint8 => number!(u8).into(),
            Self::Int8 => number!(i8).into(),
            Self::Int16 => number!(i16).into(),
            Self::Int32 => number!(i32).into(),
            Self::Int64 => number!(i64) as f64,
            Self::Uint16 => number!(u16).into(),
            Self::Uint32 => number!(u32).into(),
            Self::Uint64 => number!(u64) as f64,
        }
    }

    const TABLE: [(Self, TensorElementType); 13] = [
        (Self::Bfloat16, TensorElementType::Bfloat16),
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

/// Runs a session. `own` is an input that callers know nothing of.
pub(super) fn run(
    session: &mut Session,
    inputs: &[NamedTensor],
    own: Option<&NamedTensor>,
) -> Result<Vec<NamedTensor>, RequestError> {
    check_names(session, inputs, own)?;
    let inputs = inputs
        .iter()
        .chain(own)
        .map(|input| Ok((input.name.clone().into(), tensor(input)?.into())))
        .collect::<Result<Vec<(std::borrow::Cow<'_, str>, SessionInputValue<'_>)>, RequestError>>()?;
    let options = crate::runtime::unrecorded()?;
    let mut outputs = session.run_with_options(inputs, &options)?;
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

fn check_names(session: &Session, inputs: &[NamedTensor], own: Option<&NamedTensor>) -> Result<(), RequestError> {
    let names = session.inputs().iter().map(Outlet::name);
    let known: Vec<&str> = names.filter(|name| own.is_none_or(|own| own.name != *name)).collect();
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
        .map_err(|_| RequestError::Failed(format!("the output '{name}' is not a tensor")))?;
    let element = ElementType::of(*tensor.data_type())
        .ok_or_else(|| RequestError::Failed(format!("the output '{name}' has elements that cannot be passed on")))?;
    let shape: Vec<usize> = tensor.shape().iter().map(|size| usize::try_from(*size).unwrap_or(0)).collect();
    let bytes = shape.iter().product::<usize>() * element.bytes();
    let data = match bytes {
        0 => Vec::new(),
        // SAFETY: a run's outputs lie on the host, and this one has that many bytes.
        _ => unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast::<u8>(), bytes) }.to_vec(),
    };
    Ok(NamedTensor { name, element, shape, data })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_elements_and_elements_numbers() {
        for (element, good, bad) in [
            (ElementType::Bfloat16, vec![0.5, -2.0, f64::from(2.0_f32.powi(100))], vec![]),
            (ElementType::Float16, vec![0.5, -2.0], vec![]),
            (ElementType::Float32, vec![0.5, f64::INFINITY], vec![]),
            (ElementType::Float64, vec![0.1], vec![]),
            (ElementType::Bool, vec![0.0, 1.0], vec![2.0, 0.5, f64::NAN]),
            (ElementType::Int8, vec![-128.0, 127.0], vec![128.0, 0.5, f64::NAN]),
            (ElementType::Int16, vec![-3.0], vec![40_000.0]),
            (ElementType::Int32, vec![-2_147_483_648.0], vec![3e9]),
            (ElementType::Int64, vec![-EXACT, EXACT], vec![1e17, f64::INFINITY]),
            (ElementType::Uint8, vec![255.0], vec![256.0, -1.0]),
            (ElementType::Uint16, vec![65_535.0], vec![-1.0]),
            (ElementType::Uint32, vec![4_294_967_295.0], vec![-0.5]),
            (ElementType::Uint64, vec![EXACT], vec![-1.0, 1e300]),
        ] {
            let made = NamedTensor::of_numbers("x".into(), element, vec![good.len()], &good).expect("they fit");
            assert_eq!(made.numbers(), good, "{element:?}");
            for number in bad {
                let error =
                    NamedTensor::of_numbers("x".into(), element, vec![], &[number]).expect_err("it does not fit");
                assert!(error.to_string().contains("is none"), "{element:?}: {error}");
            }
        }
        let error = NamedTensor::of_numbers("x".into(), ElementType::Bool, vec![2, usize::MAX], &[1.0]);
        assert!(error.expect_err("too few").to_string().contains("'x' has 1 numbers"));
    }
}
