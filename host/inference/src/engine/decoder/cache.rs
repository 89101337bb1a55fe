//! The key/value cache: a buffer for each layer's keys and values, `[slots, heads, context, size]`.
//!
//! The slot is the outermost dimension, so any run of neighbouring slots is a tensor of its own.
//! On the host the buffers are address space: memory is taken by the page where a token is written,
//! and given back when a slot's tokens go. So every slot may have the whole context.

use ort::memory::MemoryInfo;
use ort::value::DynTensor;

use super::view;
use crate::engine::memory::{self, Pages};
use crate::model::{DecoderLayout, FloatType};

/// Where a slot's tokens lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The tensors: a run is over rows of one tier.
    pub(super) tier: usize,
    pub(super) row: usize,
}

/// Memory for keys and values that stay where they are.
pub(super) trait Store: Send {
    /// Makes room for so many tokens of a slot. Its first `kept` ones stay.
    fn hold(&mut self, slot: usize, tokens: usize, kept: usize) -> ort::Result<()>;

    /// Where a slot is that holds tokens.
    fn place(&self, slot: usize) -> Place;

    /// Tokens that a row of a tier has places for.
    fn places(&self, tier: usize) -> usize;

    /// Whose place that is.
    fn slot_at(&self, place: Place) -> usize;

    /// Moves slots of a tier, which step together, closer to each other.
    fn bring_together(&mut self, tier: usize, slots: &[usize]) -> ort::Result<()>;

    /// A tensor over neighbouring rows of one buffer.
    fn rows(&self, tier: usize, buffer: usize, first: usize, count: usize) -> ort::Result<DynTensor>;

    /// Copies the first tokens of a slot to another one. False where that cannot be.
    fn copy(&mut self, from: usize, to: usize, tokens: usize) -> ort::Result<bool>;

    /// Gives the memory of a slot's tokens back, but for the first ones.
    fn release(&mut self, slot: usize, keep: usize) -> ort::Result<()>;

    /// Whether the owner has to keep slots together that step together.
    fn wants_dense_rows(&self) -> bool;
}

/// The buffers of a processor.
pub(super) struct Cache {
    buffers: Vec<*mut u8>,
    info: MemoryInfo<'static>,
    heads: usize,
    /// Tokens that a slot has places for: the context, or more where a head's part has to end with a page.
    places: usize,
    head_size: usize,
    kind: FloatType,
    pages: Pages,
}

/// Tokens of a slot's buffer on the host, so that every head's part begins with a page.
pub(in crate::engine) fn places(context: usize, token_bytes: usize) -> usize {
    let page = memory::page_size();
    // The largest power of two in a token's bytes; a page has no other factor.
    let shared = 1 << token_bytes.trailing_zeros().min(page.trailing_zeros());
    context.next_multiple_of(page / shared)
}

// SAFETY: the pointers lead into `pages`, which this value owns.
unsafe impl Send for Cache {}

impl Cache {
    /// Reserves the buffers. Nothing is taken until it is written.
    pub(super) fn new(layout: &DecoderLayout, slots: usize, context: usize) -> ort::Result<Self> {
        let places = places(context, layout.head_size * layout.cache_type.bytes());
        let shape = [slots, layout.heads, places, layout.head_size];
        let bytes = shape.iter().product::<usize>() * layout.cache_type.bytes();
        let count = layout.cache.len();
        let pages =
            Pages::new(bytes * count).ok_or_else(|| ort::Error::new("the system gives no memory for the cache"))?;
        // SAFETY: every offset lies within the pages.
        let buffers = (0..count).map(|place| unsafe { pages.as_ptr().add(place * bytes) }).collect();
        let (heads, head_size, kind) = (layout.heads, layout.head_size, layout.cache_type);
        Ok(Self { buffers, info: MemoryInfo::default(), heads, places, head_size, kind, pages })
    }

    fn row_bytes(&self) -> usize {
        self.heads * self.places * self.head_size * self.kind.bytes()
    }
}

impl Store for Cache {
    fn hold(&mut self, _slot: usize, _tokens: usize, _kept: usize) -> ort::Result<()> {
        Ok(())
    }

    fn place(&self, slot: usize) -> Place {
        Place { tier: 0, row: slot }
    }

    fn places(&self, _tier: usize) -> usize {
        self.places
    }

    fn slot_at(&self, place: Place) -> usize {
        place.row
    }

    fn bring_together(&mut self, _tier: usize, _slots: &[usize]) -> ort::Result<()> {
        Ok(())
    }

    fn rows(&self, _tier: usize, buffer: usize, first: usize, count: usize) -> ort::Result<DynTensor> {
        let row = self.row_bytes();
        let shape = [count, self.heads, self.places, self.head_size];
        // SAFETY: the slots lie within the buffer, and the owner drops all bindings before the cache.
        unsafe {
            view::over(&self.info, self.buffers[buffer].add(first * row), count * row, &shape, self.kind.element())
        }
    }

    fn copy(&mut self, from: usize, to: usize, tokens: usize) -> ort::Result<bool> {
        if from == to {
            return Ok(true);
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
        Ok(true)
    }

    fn release(&mut self, slot: usize, keep: usize) -> ort::Result<()> {
        let (row, head) = (self.row_bytes(), self.row_bytes() / self.heads);
        let kept = keep.min(self.places) * self.head_size * self.kind.bytes();
        for buffer in &self.buffers {
            for place in 0..self.heads {
                let start = *buffer as usize - self.pages.as_ptr() as usize + slot * row + place * head;
                self.pages.release(start + kept..start + head);
            }
        }
        Ok(())
    }

    fn wants_dense_rows(&self) -> bool {
        true
    }
}
