//! The key/value cache: a buffer for each layer's keys and values, `[slots, heads, context, size]`.
//!
//! The slot is the outermost dimension, so any run of neighbouring slots is a tensor of its own.
//! On the host the buffers are address space: memory is taken by the page where a token is written,
//! and given back when a slot's tokens go. So every slot may have the whole context.

use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::Session;
use ort::value::DynTensor;

use super::view;
use crate::engine::memory::{self, Pages};
use crate::model::{CacheType, DecoderLayout};
use crate::runtime::Provider;

/// The buffers.
pub(super) struct Cache {
    buffers: Vec<*mut u8>,
    info: MemoryInfo<'static>,
    heads: usize,
    /// Tokens that a slot has places for: the context, or more where a head's part has to end with a page.
    places: usize,
    head_size: usize,
    kind: CacheType,
    memory: Memory,
}

enum Memory {
    Host(Pages),
    Device { _tensors: Vec<DynTensor> },
}

/// Tokens of a slot's buffer on the host, so that every head's part begins with a page.
pub(in crate::engine) fn places(context: usize, token_bytes: usize) -> usize {
    let page = memory::page_size();
    // The largest power of two in a token's bytes; a page has no other factor.
    let shared = 1 << token_bytes.trailing_zeros().min(page.trailing_zeros());
    context.next_multiple_of(page / shared)
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
        let places = match provider {
            Provider::Cpu => places(context, layout.head_size * layout.cache_type.bytes()),
            Provider::Cuda => context,
        };
        let shape = [slots, layout.heads, places, layout.head_size];
        let bytes = shape.iter().product::<usize>() * layout.cache_type.bytes();
        let count = layout.cache.len();
        let (buffers, info, memory) = match provider {
            Provider::Cpu => {
                let pages = Pages::new(bytes * count)
                    .ok_or_else(|| ort::Error::new("the system gives no memory for the cache"))?;
                // SAFETY: every offset lies within the pages.
                let buffers = (0..count).map(|place| unsafe { pages.as_ptr().add(place * bytes) }).collect();
                (buffers, MemoryInfo::default(), Memory::Host(pages))
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
        let (heads, head_size, kind) = (layout.heads, layout.head_size, layout.cache_type);
        Ok(Self { buffers, info, heads, places, head_size, kind, memory })
    }

    /// A tensor over neighbouring slots of one buffer.
    pub(super) fn rows(&self, buffer: usize, first: usize, count: usize) -> ort::Result<DynTensor> {
        let row = self.row_bytes();
        let shape = [count, self.heads, self.places, self.head_size];
        // SAFETY: the slots lie within the buffer, and the owner drops all bindings before the cache.
        unsafe {
            view::over(&self.info, self.buffers[buffer].add(first * row), count * row, &shape, self.kind.element())
        }
    }

    /// Copies the first tokens of a slot to another one. False where the memory is not the host's.
    pub(super) fn copy(&mut self, from: usize, to: usize, tokens: usize) -> bool {
        if !self.on_host() || from == to {
            return from == to;
        }
        let (row, head) = (self.row_bytes(), self.row_bytes() / self.heads);
        let bytes = tokens.min(self.places) * self.head_size * self.kind.bytes();
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

    /// Gives the memory of a slot's tokens back, but for the first ones. A device keeps its memory.
    pub(super) fn release(&mut self, slot: usize, keep: usize) {
        let (row, head) = (self.row_bytes(), self.row_bytes() / self.heads);
        let kept = keep.min(self.places) * self.head_size * self.kind.bytes();
        let Memory::Host(pages) = &mut self.memory else { return };
        for buffer in &self.buffers {
            for place in 0..self.heads {
                let start = *buffer as usize - pages.as_ptr() as usize + slot * row + place * head;
                pages.release(start + kept..start + head);
            }
        }
    }

    pub(super) fn on_host(&self) -> bool {
        matches!(self.memory, Memory::Host(_))
    }

    fn row_bytes(&self) -> usize {
        self.heads * self.places * self.head_size * self.kind.bytes()
    }
}
