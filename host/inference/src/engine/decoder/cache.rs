//! The key/value cache: a buffer for each layer's keys and values, `[slots, heads, context, size]`.
//!
//! The slot is the outermost dimension, so any run of neighbouring slots is a tensor of its own.

use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::Session;
use ort::value::DynTensor;

use super::view;
use crate::engine::memory::Pages;
use crate::model::{CacheType, DecoderLayout};
use crate::runtime::Provider;

/// The buffers.
pub(super) struct Cache {
    buffers: Vec<*mut u8>,
    info: MemoryInfo<'static>,
    heads: usize,
    context: usize,
    head_size: usize,
    kind: CacheType,
    on_host: bool,
    _memory: Memory,
}

enum Memory {
    Host { _pages: Pages },
    Device { _tensors: Vec<DynTensor> },
}

// SAFETY: the pointers lead into `memory`, which this value owns.
unsafe impl Send for Cache {}

impl Cache {
    /// Reserves the buffers. On the host nothing is taken until it is written.
    pub(super) fn new(
        session: &Session,
        layout: &DecoderLayout,
        provider: Provider,
        gpu: i32,
        slots: usize,
        context: usize,
    ) -> ort::Result<Self> {
        let shape = [slots, layout.heads, context, layout.head_size];
        let bytes = shape.iter().product::<usize>() * layout.cache_type.bytes();
        let bytes = bytes.next_multiple_of(4096);
        let count = layout.cache.len();
        let (buffers, info, memory) = match provider {
            Provider::Cpu => {
                let pages = Pages::new(bytes * count)
                    .ok_or_else(|| ort::Error::new("the system gives no memory for the cache"))?;
                // SAFETY: every offset lies within the pages.
                let buffers = (0..count).map(|place| unsafe { pages.as_ptr().add(place * bytes) }).collect();
                (buffers, MemoryInfo::default(), Memory::Host { _pages: pages })
            }
            Provider::Cuda => {
                let info = || MemoryInfo::new(AllocationDevice::CUDA, gpu, AllocatorType::Device, MemoryType::Default);
                let allocator = Allocator::new(session, info()?)?;
                let mut tensors = (0..count)
                    .map(|_| DynTensor::new(&allocator, layout.cache_type.element(), shape))
                    .collect::<ort::Result<Vec<_>>>()?;
                let buffers = tensors.iter_mut().map(|tensor| tensor.data_ptr_mut().cast()).collect();
                (buffers, info()?, Memory::Device { _tensors: tensors })
            }
        };
        let on_host = provider == Provider::Cpu;
        let (heads, head_size, kind) = (layout.heads, layout.head_size, layout.cache_type);
        Ok(Self { buffers, info, heads, context, head_size, kind, on_host, _memory: memory })
    }

    /// A tensor over neighbouring slots of one buffer.
    pub(super) fn rows(&self, buffer: usize, first: usize, count: usize) -> ort::Result<DynTensor> {
        let row = self.row_bytes();
        let shape = [count, self.heads, self.context, self.head_size];
        // SAFETY: the slots lie within the buffer, and the owner drops all bindings before the cache.
        unsafe {
            view::over(&self.info, self.buffers[buffer].add(first * row), count * row, &shape, self.kind.element())
        }
    }

    /// Copies the first tokens of a slot to another one. False where the memory is not the host's.
    pub(super) fn copy(&mut self, from: usize, to: usize, tokens: usize) -> bool {
        if !self.on_host || from == to {
            return from == to;
        }
        let (row, head) = (self.row_bytes(), self.row_bytes() / self.heads);
        let bytes = tokens.min(self.context) * self.head_size * self.kind.bytes();
        for buffer in &self.buffers {
            for place in 0..self.heads {
                // SAFETY: both lie within the buffer, in different rows, and no run is under way.
                unsafe {
                    let source = buffer.add(from * row + place * head);
                    let target = buffer.add(to * row + place * head);
                    std::ptr::copy_nonoverlapping(source, target, bytes);
                }
            }
        }
        true
    }

    pub(super) fn on_host(&self) -> bool {
        self.on_host
    }

    fn row_bytes(&self) -> usize {
        self.heads * self.context * self.head_size * self.kind.bytes()
    }
}
