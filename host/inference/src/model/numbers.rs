//! Floats of a graph as numbers to compute with: the one place that knows every element type.

use std::borrow::Cow;

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use ort::value::{DynValue, TensorElementType};

use super::layout::FloatType;

impl FloatType {
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::F32 => size_of::<f32>(),
            Self::F16 | Self::Bf16 => size_of::<f16>(),
        }
    }

    pub(crate) fn element(self) -> TensorElementType {
        match self {
            Self::F32 => TensorElementType::Float32,
            Self::F16 => TensorElementType::Float16,
            Self::Bf16 => TensorElementType::Bfloat16,
        }
    }

    /// The part of a row's range by which the order of additions may change a number.
    fn tolerance(self) -> f32 {
        match self {
            Self::F32 => 1e-3,
            Self::F16 => 1e-2,
            // Eight bits of fraction, where 16-bit floats have eleven.
            Self::Bf16 => 4e-2,
        }
    }

    /// The part of a row's range that rounding alone may change.
    pub(crate) fn rounding(self) -> f32 {
        match self {
            Self::F32 | Self::F16 => 1.0 / 256.0,
            Self::Bf16 => 1.0 / 64.0,
        }
    }

    /// Whether a row is what was expected, but for the order in which sums are taken. What is no number is not close.
    pub(crate) fn is_close(self, expected: &[f32], found: &[f32]) -> bool {
        let (low, high) =
            expected.iter().fold((f32::MAX, f32::MIN), |(low, high), one| (low.min(*one), high.max(*one)));
        let most = self.tolerance() * (high - low);
        expected.len() == found.len() && expected.iter().zip(found).all(|(one, other)| (one - other).abs() <= most)
    }
}

/// Reads numbers as 32-bit floats.
///
/// # Safety
/// `source` must point to as many numbers of this type as `target` has room for.
pub(crate) unsafe fn widen(kind: FloatType, source: *const u8, target: &mut [f32]) {
    let count = target.len();
    // SAFETY: the caller vouches for the memory.
    unsafe {
        match kind {
            FloatType::F32 => target.copy_from_slice(std::slice::from_raw_parts(source.cast(), count)),
            FloatType::F16 => std::slice::from_raw_parts(source.cast::<f16>(), count).convert_to_f32_slice(target),
            FloatType::Bf16 => std::slice::from_raw_parts(source.cast::<bf16>(), count).convert_to_f32_slice(target),
        }
    }
}

/// An output's numbers.
pub(crate) fn numbers_of(output: &DynValue, kind: FloatType) -> ort::Result<Cow<'_, [f32]>> {
    Ok(match kind {
        FloatType::F32 => output.try_extract_tensor::<f32>()?.1.into(),
        FloatType::F16 => output.try_extract_tensor::<f16>()?.1.to_f32_vec().into(),
        FloatType::Bf16 => output.try_extract_tensor::<bf16>()?.1.to_f32_vec().into(),
    })
}

/// Takes the last numbers of an output over.
pub(crate) fn take_end(output: &DynValue, kind: FloatType, target: &mut [f32]) -> ort::Result<()> {
    match kind {
        FloatType::F32 => target.copy_from_slice(end(output.try_extract_tensor::<f32>()?.1, target.len())?),
        FloatType::F16 => end(output.try_extract_tensor::<f16>()?.1, target.len())?.convert_to_f32_slice(target),
        FloatType::Bf16 => end(output.try_extract_tensor::<bf16>()?.1, target.len())?.convert_to_f32_slice(target),
    }
    Ok(())
}

fn end<T>(numbers: &[T], wanted: usize) -> ort::Result<&[T]> {
    let start = numbers.len().checked_sub(wanted);
    start.map(|start| &numbers[start..]).ok_or_else(|| ort::Error::new("the model gave fewer numbers than expected"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_gives_its_numbers() {
        let numbers = [0.5_f32, -2.0, 96.0, f32::NEG_INFINITY];
        let bytes = |kind| -> Vec<u8> {
            let of = |number: &f32| match kind {
                FloatType::F32 => number.to_le_bytes().to_vec(),
                FloatType::F16 => f16::from_f32(*number).to_le_bytes().to_vec(),
                FloatType::Bf16 => bf16::from_f32(*number).to_le_bytes().to_vec(),
            };
            numbers.iter().flat_map(of).collect()
        };
        for kind in [FloatType::F32, FloatType::F16, FloatType::Bf16] {
            let bytes = bytes(kind);
            assert_eq!(bytes.len(), numbers.len() * kind.bytes(), "{kind:?}");
            let mut found = [0.0; 4];
            // SAFETY: four numbers of this type, wherever they are: the tests' allocator aligns them.
            unsafe { widen(kind, bytes.as_ptr(), &mut found) };
            assert_eq!(found, numbers, "{kind:?}");
        }
    }
}
