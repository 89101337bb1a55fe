//! The NVIDIA driver's own calls that are needed beside ONNX Runtime: address space that memory is put
//! under by need, copies between places of the GPU, and what the GPU can do.
//!
//! The functions and types are those of the driver's header cuda.h, which keeps them from version to
//! version. ONNX Runtime works in the device's primary context, and so do these calls.

use std::ffi::{c_int, c_uint, c_void};
use std::sync::Arc;

use libloading::Library;

use super::device::DRIVER;

/// An address on a GPU.
pub(crate) type Address = u64;
type Handle = u64;

/// A GPU, with its primary context.
#[derive(Debug)]
pub(crate) struct Gpu {
    library: Library,
    device: c_int,
    context: *mut c_void,
}

// SAFETY: a context may be made current in any thread, and the driver locks what threads share.
unsafe impl Send for Gpu {}
// SAFETY: as above.
unsafe impl Sync for Gpu {}

#[repr(C)]
#[derive(Default)]
struct Location {
    kind: c_uint,
    id: c_int,
}

/// `CUmemAllocationProp`.
#[repr(C)]
struct Properties {
    kind: c_uint,
    handle_types: c_uint,
    location: Location,
    win32: *mut c_void,
    compression: u8,
    rdma: u8,
    usage: u16,
    reserved: [u8; 4],
}

/// `CUmemAccessDesc`.
#[repr(C)]
struct Access {
    location: Location,
    flags: c_uint,
}

/// `CUDA_MEMCPY2D_v2`.
#[repr(C)]
struct Copy2d {
    from_x: usize,
    from_y: usize,
    from_kind: c_uint,
    from_host: *const c_void,
    from: Address,
    from_array: *mut c_void,
    from_pitch: usize,
    to_x: usize,
    to_y: usize,
    to_kind: c_uint,
    to_host: *mut c_void,
    to: Address,
    to_array: *mut c_void,
    to_pitch: usize,
    width: usize,
    height: usize,
}

/// Strips of equal width, each a pitch after the one before it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Strips {
    pub(crate) from: Address,
    pub(crate) from_pitch: usize,
    pub(crate) to: Address,
    pub(crate) to_pitch: usize,
    pub(crate) width: usize,
    pub(crate) count: usize,
}

const DEVICE: c_uint = 1;
const PINNED: c_uint = 1;
const READ_WRITE: c_uint = 3;
const MEMORY_OF_DEVICE: c_uint = 2;
const MAJOR: c_int = 75;
const MINOR: c_int = 76;

/// Calls a function of the driver, which gives 0 where all went well.
macro_rules! call {
    ($gpu:expr, $name:literal, $kinds:ty, $($argument:expr),*) => {{
        // SAFETY: the function has this type in cuda.h, and the arguments live through the call.
        unsafe {
            let function = $gpu.get::<$kinds>($name).map_err(|_| missing($name))?;
            match function($($argument),*) {
                0 => Ok(()),
                code => Err(format!("{} failed with {code}", words($name))),
            }
        }
    }};
}

fn words(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

fn missing(name: &[u8]) -> String {
    format!("the NVIDIA driver has no {}; a newer one is needed", words(name))
}

impl Gpu {
    /// The GPU of an index, as ONNX Runtime counts them. Errors are reasons, in words.
    pub(crate) fn new(index: i32) -> Result<Arc<Self>, String> {
        // SAFETY: the driver's library, by the name under which every CUDA program loads it.
        let library = unsafe { Library::new(DRIVER) }.map_err(|error| super::check::loader_words(&error))?;
        let (mut device, mut context) = (0, std::ptr::null_mut());
        call!(library, b"cuInit", unsafe extern "C" fn(c_uint) -> c_int, 0)?;
        call!(library, b"cuDeviceGet", unsafe extern "C" fn(*mut c_int, c_int) -> c_int, &mut device, index)?;
        type Retain = unsafe extern "C" fn(*mut *mut c_void, c_int) -> c_int;
        call!(library, b"cuDevicePrimaryCtxRetain", Retain, &mut context, device)?;
        Ok(Arc::new(Self { library, device, context }))
    }

    /// Its compute capability: (8, 0) for an A100.
    pub(crate) fn capability(&self) -> Result<(i32, i32), String> {
        type Attribute = unsafe extern "C" fn(*mut c_int, c_int, c_int) -> c_int;
        let (mut major, mut minor) = (0, 0);
        call!(self.library, b"cuDeviceGetAttribute", Attribute, &mut major, MAJOR, self.device)?;
        call!(self.library, b"cuDeviceGetAttribute", Attribute, &mut minor, MINOR, self.device)?;
        Ok((major, minor))
    }

    fn enter(&self) -> Result<(), String> {
        call!(self.library, b"cuCtxSetCurrent", unsafe extern "C" fn(*mut c_void) -> c_int, self.context)
    }

    fn properties(&self) -> Properties {
        let location = Location { kind: DEVICE, id: self.device };
        let (win32, compression, rdma, usage, reserved) = (std::ptr::null_mut(), 0, 0, 0, [0; 4]);
        Properties { kind: PINNED, handle_types: 0, location, win32, compression, rdma, usage, reserved }
    }

    /// Copies strips of memory of this GPU, and waits until they are there.
    pub(crate) fn copy(&self, all: &[Strips]) -> Result<(), String> {
        self.enter()?;
        for strips in all.iter().filter(|strips| strips.width > 0 && strips.count > 0) {
            let copy = Copy2d {
                from_x: 0,
                from_y: 0,
                from_kind: MEMORY_OF_DEVICE,
                from_host: std::ptr::null(),
                from: strips.from,
                from_array: std::ptr::null_mut(),
                from_pitch: strips.from_pitch,
                to_x: 0,
                to_y: 0,
                to_kind: MEMORY_OF_DEVICE,
                to_host: std::ptr::null_mut(),
                to: strips.to,
                to_array: std::ptr::null_mut(),
                to_pitch: strips.to_pitch,
                width: strips.width,
                height: strips.count,
            };
            type Copy = unsafe extern "C" fn(*const Copy2d) -> c_int;
            call!(self.library, b"cuMemcpy2DUnaligned_v2", Copy, &copy)?;
        }
        // Copies within a device return before they are done, and ONNX Runtime's stream waits for none of them.
        call!(self.library, b"cuCtxSynchronize", unsafe extern "C" fn() -> c_int,)
    }

    /// Copies memory of the host to this GPU.
    ///
    /// # Safety
    /// There must be `bytes` bytes at both.
    pub(crate) unsafe fn send(&self, from: *const u8, to: Address, bytes: usize) -> Result<(), String> {
        self.enter()?;
        type Send = unsafe extern "C" fn(Address, *const c_void, usize) -> c_int;
        call!(self.library, b"cuMemcpyHtoD_v2", Send, to, from.cast(), bytes)
    }

    /// Copies memory of this GPU to the host.
    ///
    /// # Safety
    /// There must be `bytes` bytes at both.
    pub(crate) unsafe fn fetch(&self, from: Address, to: *mut u8, bytes: usize) -> Result<(), String> {
        self.enter()?;
        type Fetch = unsafe extern "C" fn(*mut c_void, Address, usize) -> c_int;
        call!(self.library, b"cuMemcpyDtoH_v2", Fetch, to.cast(), from, bytes)
    }
}

/// Memory of a GPU.
#[derive(Debug)]
pub(crate) struct Block {
    gpu: Arc<Gpu>,
    start: Address,
}

impl Block {
    pub(crate) fn new(gpu: &Arc<Gpu>, bytes: usize) -> Result<Self, String> {
        gpu.enter()?;
        let mut start = 0;
        type Allocate = unsafe extern "C" fn(*mut Address, usize) -> c_int;
        call!(gpu.library, b"cuMemAlloc_v2", Allocate, &mut start, bytes.max(1))?;
        Ok(Self { gpu: Arc::clone(gpu), start })
    }

    pub(crate) fn start(&self) -> Address {
        self.start
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let free = |all: &Self| {
            all.gpu.enter()?;
            call!(all.gpu.library, b"cuMemFree_v2", unsafe extern "C" fn(Address) -> c_int, all.start)
        };
        if let Err(error) = free(self) {
            tracing::warn!(error, "memory of the GPU could not be given back");
        }
    }
}

/// Numbers on the host whose pages stay where they are, so that the GPU reads them itself.
#[derive(Debug)]
pub(crate) struct Pinned {
    gpu: Arc<Gpu>,
    start: *mut i64,
    count: usize,
}

// SAFETY: plain memory, owned by this value.
unsafe impl Send for Pinned {}

impl Pinned {
    /// So many zeros.
    pub(crate) fn new(gpu: &Arc<Gpu>, count: usize) -> Result<Self, String> {
        gpu.enter()?;
        let (mut start, bytes) = (std::ptr::null_mut(), count.max(1) * size_of::<i64>());
        type Allocate = unsafe extern "C" fn(*mut *mut c_void, usize, c_uint) -> c_int;
        call!(gpu.library, b"cuMemHostAlloc", Allocate, &mut start, bytes, 0)?;
        // SAFETY: as many bytes as were just given.
        unsafe { start.cast::<u8>().write_bytes(0, bytes) };
        Ok(Self { gpu: Arc::clone(gpu), start: start.cast(), count })
    }

    pub(crate) fn numbers(&mut self) -> &mut [i64] {
        // SAFETY: so many numbers, all of which were written, borrowed as this value is.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.count) }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        type Free = unsafe extern "C" fn(*mut c_void) -> c_int;
        let free = |all: &Self| {
            all.gpu.enter()?;
            call!(all.gpu.library, b"cuMemFreeHost", Free, all.start.cast())
        };
        if let Err(error) = free(self) {
            tracing::warn!(error, "pinned memory could not be given back");
        }
    }
}

/// Address space on a GPU, whose first bytes have memory.
#[derive(Debug)]
pub(crate) struct Reserved {
    gpu: Arc<Gpu>,
    start: Address,
    length: usize,
    /// Bytes of each piece of memory.
    chunk: usize,
    pieces: Vec<Handle>,
}

impl Reserved {
    /// Address space without memory, which comes in pieces of about `piece` bytes.
    pub(crate) fn new(gpu: &Arc<Gpu>, length: usize, piece: usize) -> Result<Self, String> {
        gpu.enter()?;
        let (mut granule, mut start) = (0usize, 0);
        type Granularity = unsafe extern "C" fn(*mut usize, *const Properties, c_uint) -> c_int;
        let properties = gpu.properties();
        call!(gpu.library, b"cuMemGetAllocationGranularity", Granularity, &mut granule, &properties, 0)?;
        let granule = granule.max(1);
        let chunk = (piece / granule).max(1) * granule;
        let length = length.next_multiple_of(chunk);
        type Reserve = unsafe extern "C" fn(*mut Address, usize, usize, Address, u64) -> c_int;
        call!(gpu.library, b"cuMemAddressReserve", Reserve, &mut start, length, 0, 0, 0)?;
        Ok(Self { gpu: Arc::clone(gpu), start, length, chunk, pieces: Vec::new() })
    }

    pub(crate) fn start(&self) -> Address {
        self.start
    }

    /// Bytes that have memory.
    pub(crate) fn held(&self) -> usize {
        self.pieces.len() * self.chunk
    }

    /// Puts memory under the first `bytes`, and takes it from what comes behind them.
    pub(crate) fn resize(&mut self, bytes: usize) -> Result<(), String> {
        let wanted = bytes.min(self.length).div_ceil(self.chunk);
        if wanted == self.pieces.len() {
            return Ok(());
        }
        self.gpu.enter()?;
        while self.pieces.len() > wanted {
            self.drop_last()?;
        }
        while self.pieces.len() < wanted {
            self.add()?;
        }
        Ok(())
    }

    fn add(&mut self) -> Result<(), String> {
        let (gpu, chunk) = (&self.gpu, self.chunk);
        let (properties, mut handle) = (gpu.properties(), 0);
        type Create = unsafe extern "C" fn(*mut Handle, usize, *const Properties, u64) -> c_int;
        call!(gpu.library, b"cuMemCreate", Create, &mut handle, chunk, &properties, 0)?;
        let at = self.start + (self.pieces.len() * chunk) as Address;
        type Map = unsafe extern "C" fn(Address, usize, usize, Handle, u64) -> c_int;
        if let Err(error) = call!(gpu.library, b"cuMemMap", Map, at, chunk, 0, handle, 0) {
            self.give_back(handle)?;
            return Err(error);
        }
        self.pieces.push(handle);
        let access = Access { location: Location { kind: DEVICE, id: self.gpu.device }, flags: READ_WRITE };
        type Allow = unsafe extern "C" fn(Address, usize, *const Access, usize) -> c_int;
        let allowed = call!(self.gpu.library, b"cuMemSetAccess", Allow, at, chunk, &access, 1);
        if allowed.is_err() {
            self.drop_last()?;
        }
        allowed
    }

    fn drop_last(&mut self) -> Result<(), String> {
        let Some(handle) = self.pieces.pop() else { return Ok(()) };
        let at = self.start + (self.pieces.len() * self.chunk) as Address;
        type Unmap = unsafe extern "C" fn(Address, usize) -> c_int;
        call!(self.gpu.library, b"cuMemUnmap", Unmap, at, self.chunk)?;
        self.give_back(handle)
    }

    fn give_back(&self, handle: Handle) -> Result<(), String> {
        call!(self.gpu.library, b"cuMemRelease", unsafe extern "C" fn(Handle) -> c_int, handle)
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let free = |all: &mut Self| {
            all.resize(0)?;
            type Free = unsafe extern "C" fn(Address, usize) -> c_int;
            call!(all.gpu.library, b"cuMemAddressFree", Free, all.start, all.length)
        };
        if let Err(error) = free(self) {
            tracing::warn!(error, "memory of the GPU could not be given back");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_driver_reads_is_laid_out_as_in_its_header() {
        assert_eq!((size_of::<Properties>(), size_of::<Access>(), size_of::<Copy2d>()), (32, 12, 128));
        assert_eq!(std::mem::offset_of!(Copy2d, from), 32);
        assert_eq!(std::mem::offset_of!(Copy2d, to), 88);
        assert_eq!(std::mem::offset_of!(Copy2d, height), 120);
    }

    #[test]
    fn a_machine_without_a_gpu_says_so() {
        if let Err(reason) = Gpu::new(0) {
            assert!(reason.contains("libcuda.so.1") || reason.contains("failed with"), "{reason}");
        }
    }
}
