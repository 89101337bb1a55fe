//! Memory of an NVIDIA GPU, by the management library that comes with the driver.

use std::ffi::{c_int, c_uint, c_ulonglong, c_void};

use serde::Serialize;

/// Bytes of a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct GpuMemory {
    /// All there is.
    pub total: usize,
    /// Taken by nobody.
    pub free: usize,
}

#[repr(C)]
#[derive(Default)]
struct NvmlMemory {
    total: c_ulonglong,
    free: c_ulonglong,
    used: c_ulonglong,
}

/// Memory of a GPU by its index. `None` without the library or the GPU.
pub fn gpu_memory(index: i32) -> Option<GpuMemory> {
    let index = c_uint::try_from(index).ok()?;
    // SAFETY: the driver's management library; the functions have the types of its header nvml.h.
    unsafe {
        let library = libloading::Library::new("libnvidia-ml.so.1").ok()?;
        let init = library.get::<unsafe extern "C" fn() -> c_int>(b"nvmlInit_v2").ok()?;
        let shutdown = library.get::<unsafe extern "C" fn() -> c_int>(b"nvmlShutdown").ok()?;
        let handle = library
            .get::<unsafe extern "C" fn(c_uint, *mut *mut c_void) -> c_int>(b"nvmlDeviceGetHandleByIndex_v2")
            .ok()?;
        let info = library
            .get::<unsafe extern "C" fn(*mut c_void, *mut NvmlMemory) -> c_int>(b"nvmlDeviceGetMemoryInfo")
            .ok()?;
        if init() != 0 {
            return None;
        }
        let (mut device, mut memory) = (std::ptr::null_mut(), NvmlMemory::default());
        let found = handle(index, &mut device) == 0 && info(device, &mut memory) == 0;
        shutdown();
        let bytes = |count: c_ulonglong| usize::try_from(count).ok();
        found.then_some(GpuMemory { total: bytes(memory.total)?, free: bytes(memory.free)? })
    }
}
