//! Tensors over memory that belongs to somebody else, and a run that trusts them.
//!
//! The bindings copy a borrowed tensor when it is bound as an input (and that copy deadlocks), and
//! they wrap every output anew after each run. Neither suits a cache of sixty tensors that stay
//! where they are, so these few calls go to the C API.

use std::ffi::c_void;
use std::ptr::NonNull;

use ort::AsPointer;
use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::{IoBinding, NoSelectedOutputs, RunOptions, Session};
use ort::value::{DynTensor, TensorElementType};

/// Where memory is: on a GPU, or the host's.
pub(super) fn place(gpu: Option<i32>) -> ort::Result<MemoryInfo<'static>> {
    match gpu {
        None => Ok(MemoryInfo::default()),
        Some(gpu) => MemoryInfo::new(AllocationDevice::CUDA, gpu, AllocatorType::Device, MemoryType::Default),
    }
}

/// A tensor over foreign memory that bindings take as if it were owned.
///
/// # Safety
/// `data` must point to `bytes` bytes on the device of `info`, enough for the shape, and outlive
/// the tensor and every binding that it is bound to.
pub(super) unsafe fn over(
    info: &MemoryInfo<'_>,
    data: *mut u8,
    bytes: usize,
    shape: &[usize],
    element: TensorElementType,
) -> ort::Result<DynTensor> {
    let shape: Vec<i64> = shape.iter().map(|size| i64::try_from(*size).expect("sizes are small")).collect();
    let mut value = std::ptr::null_mut();
    // SAFETY: the caller vouches for the memory; the shape lives through the call.
    let status = unsafe {
        (ort::api().CreateTensorWithDataAsOrtValue)(
            info.ptr(),
            data.cast::<c_void>(),
            bytes,
            shape.as_ptr(),
            shape.len(),
            element.into(),
            &mut value,
        )
    };
    // SAFETY: a status just returned by the API.
    unsafe { ort::Error::result_from_status(status) }?;
    let value = NonNull::new(value).ok_or_else(|| ort::Error::new("no tensor came back"))?;
    // SAFETY: a tensor just made, owned by nobody else. It holds no allocation of its own, so the
    // allocator is only a token that the call asks for.
    Ok(unsafe { DynTensor::from_ptr(value, Some(&Allocator::default())) })
}

/// Runs a binding and leaves the outputs where they were bound.
pub(super) fn run(
    session: &mut Session,
    binding: &IoBinding,
    options: &RunOptions<NoSelectedOutputs>,
) -> ort::Result<()> {
    // SAFETY: both are alive; the session is borrowed mutably, as one run at a time demands.
    let status = unsafe { (ort::api().RunWithBinding)(session.ptr().cast_mut(), options.ptr(), binding.ptr()) };
    // SAFETY: a status just returned by the API.
    unsafe { ort::Error::result_from_status(status) }
}
