//! Graphs with GroupQueryAttention: past and present are one buffer, bound once and never copied.
//!
//! A step runs over neighbouring slots. Prompts are read one slot at a time, in chunks: padding
//! them to a common length would compute what nobody wants. Answers take one token each, so they
//! share a step; a slot in between that has no token to add gets a dummy at the place where its
//! next token will be written over it.

use std::collections::HashMap;

use half::f16;
use half::slice::HalfFloatSliceExt;
use ort::memory::MemoryInfo;
use ort::session::{IoBinding, Session};
use ort::value::Tensor;

use super::cache::Cache;
use super::{Decoder, Row, positions, view, wide};
use crate::engine::error::RequestError;
use crate::engine::memory::Pages;
use crate::engine::speculate::WIDEST;
use crate::model::{CacheType, DecoderLayout, POSITIONS, asked};
use crate::runtime::Provider;

/// A decoder whose cache stays in place.
pub(in crate::engine) struct SharedDecoder {
    // Bindings hold tensors over the cache and the logits, so they go first.
    bindings: HashMap<(usize, usize), IoBinding>,
    session: Session,
    layout: DecoderLayout,
    cache: Cache,
    /// Logits as the graph writes them, on the host.
    raw: Pages,
    raw_rows: usize,
    /// Bytes of them that the last run wrote.
    written: usize,
    /// The rows of them that the last run was for.
    found: Vec<usize>,
    /// Logits of the rows that are read, as numbers to work with.
    logits: Vec<f32>,
    /// Tokens of one slot in a run that wants the logits of all, at most.
    widest: usize,
    context: usize,
}

/// The place of a cache, for [`SharedDecoder::new`].
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct CacheSize {
    pub(in crate::engine) slots: usize,
    pub(in crate::engine) context: usize,
    /// Tokens of a prompt in one run, at most.
    pub(in crate::engine) chunk: usize,
}

/// Bytes of logits that stay taken between runs: more are only written by long prompts that have to run whole.
const KEPT_LOGITS: usize = 256 << 20;

impl SharedDecoder {
    pub(in crate::engine) fn new(
        session: Session,
        layout: DecoderLayout,
        provider: Provider,
        gpu: i32,
        size: CacheSize,
    ) -> ort::Result<Self> {
        let cache = Cache::new(&session, &layout, provider, gpu, size.slots, size.context)?;
        let raw_rows = size.slots.max(if layout.last_only { 1 } else { size.chunk.max(2) });
        let raw = Pages::new(raw_rows * layout.vocabulary * layout.logits_type.bytes())
            .ok_or_else(|| ort::Error::new("the system gives no memory for the logits"))?;
        let widest = if layout.last_only { 1 } else { raw_rows.min(WIDEST) };
        let logits = vec![0.0; size.slots.max(widest) * layout.vocabulary];
        let (bindings, found) = (HashMap::new(), Vec::new());
        let context = size.context;
        Ok(Self { bindings, session, layout, cache, raw, raw_rows, written: 0, found, logits, widest, context })
    }

    /// One run over `count` slots from `first`. `ids` are `[count, width]`, the lengths those of
    /// each slot with its new tokens. `wanted` are the rows and places whose logits are read, for [`Self::take`].
    fn run(
        &mut self,
        (first, count): (usize, usize),
        ids: Vec<i64>,
        lengths: &[usize],
        wanted: Vec<(usize, usize)>,
    ) -> Result<(), RequestError> {
        let width = ids.len() / count;
        let total = lengths.iter().copied().max().unwrap_or(1);
        let mut mask = vec![0i64; count * total];
        let mut places = Vec::with_capacity(ids.len());
        for (row, length) in mask.chunks_exact_mut(total).zip(lengths) {
            row[..*length].fill(1);
            places.extend(positions(length - width, width));
        }
        let (rows, given) = match self.layout.positions {
            Some(_) => (1, wanted.len()),
            None if self.layout.last_only => (count, 1),
            None => (count, width),
        };
        let place = |at: usize, (row, place): (usize, usize)| match self.layout.positions {
            Some(_) => at,
            None => row * given + place.min(given - 1),
        };
        self.found = wanted.iter().enumerate().map(|(at, wanted)| place(at, *wanted)).collect();
        self.raw.release(KEPT_LOGITS..std::mem::take(&mut self.written));
        self.written = rows * given * self.layout.vocabulary * self.layout.logits_type.bytes();
        let logits = self.raw_logits(rows, given)?;
        let asked = self.layout.positions.map(|_| asked(&wanted)).transpose()?;
        let binding = self.binding(first, count)?;
        if let Some(asked) = asked {
            binding.bind_input(POSITIONS, &asked)?;
        }
        binding.bind_input("input_ids", &Tensor::from_array(([count, width], ids))?)?;
        binding.bind_input("attention_mask", &Tensor::from_array(([count, total], mask))?)?;
        if self.layout.position_ids {
            let binding = self.binding(first, count)?;
            binding.bind_input("position_ids", &Tensor::from_array(([count, width], places))?)?;
        }
        let binding = self.binding(first, count)?;
        binding.bind_output("logits", logits)?;
        let binding = &self.bindings[&(first, count)];
        view::run(&mut self.session, binding)?;
        Ok(())
    }

    /// One run over one slot that wants the logits of every token.
    fn run_each(&mut self, slot: usize, start: usize, tokens: &[u32]) -> Result<(), RequestError> {
        let wanted = (0..tokens.len()).map(|place| (0, place)).collect();
        self.run((slot, 1), wide(tokens.iter().copied()), &[start + tokens.len()], wanted)
    }

    fn raw_logits(&self, count: usize, width: usize) -> ort::Result<ort::value::DynTensor> {
        let rows = count * width;
        assert!(rows <= self.raw_rows, "a run gives no more rows of logits than there is room for");
        let (vocabulary, kind) = (self.layout.vocabulary, self.layout.logits_type);
        let bytes = rows * vocabulary * kind.bytes();
        // SAFETY: the pages hold that many rows, and outlive the bindings, which are dropped first.
        unsafe {
            view::over(&MemoryInfo::default(), self.raw.as_ptr(), bytes, &[count, width, vocabulary], kind.element())
        }
    }

    /// The binding of these slots; made once, because it has two entries a layer and side.
    fn binding(&mut self, first: usize, count: usize) -> ort::Result<&mut IoBinding> {
        if !self.bindings.contains_key(&(first, count)) {
            let mut binding = self.session.create_binding()?;
            for (buffer, names) in self.layout.cache.iter().enumerate() {
                binding.bind_input(names.past.as_str(), &self.cache.rows(buffer, first, count)?)?;
                binding.bind_output(names.present.as_str(), self.cache.rows(buffer, first, count)?)?;
            }
            if let Some(shape) = &self.layout.logits_to_keep {
                binding.bind_input("num_logits_to_keep", &Tensor::from_array((shape.as_slice(), vec![1i64]))?)?;
            }
            self.bindings.insert((first, count), binding);
        }
        Ok(self.bindings.get_mut(&(first, count)).expect("just made"))
    }

    /// Takes the logits of one of those that were wanted over as row `to` of those to work with.
    fn take(&mut self, wanted: usize, to: usize) {
        let (vocabulary, from) = (self.layout.vocabulary, self.found[wanted]);
        let target = &mut self.logits[to * vocabulary..(to + 1) * vocabulary];
        match self.layout.logits_type {
            CacheType::F32 => {
                // SAFETY: the row lies within the pages, and the run that wrote it is over.
                let row = unsafe {
                    std::slice::from_raw_parts(self.raw.as_ptr().cast::<f32>().add(from * vocabulary), vocabulary)
                };
                target.copy_from_slice(row);
            }
            CacheType::F16 => {
                // SAFETY: as above.
                let row = unsafe {
                    std::slice::from_raw_parts(self.raw.as_ptr().cast::<f16>().add(from * vocabulary), vocabulary)
                };
                row.convert_to_f32_slice(target);
            }
        }
    }
}

impl Decoder for SharedDecoder {
    fn prefill(&mut self, slot: usize, start: usize, tokens: &[u32], last: bool) -> Result<(), RequestError> {
        // A graph that takes positions is asked for one at least. A token alone is computed as it is in a step.
        let copies = self.layout.positions.unwrap_or(1).min(tokens.len());
        let wanted = vec![(0, tokens.len().saturating_sub(1)); copies];
        self.run((slot, 1), wide(tokens.iter().copied()), &[start + tokens.len()], wanted)?;
        if last {
            self.take(0, 0);
        }
        Ok(())
    }

    fn prefill_each(
        &mut self,
        slot: usize,
        start: usize,
        tokens: &[u32],
        each: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<(), RequestError> {
        let pieces = if self.gives_each() { tokens.len().max(1) } else { 1 };
        for (piece, tokens) in tokens.chunks(pieces).enumerate() {
            let before = piece * pieces;
            self.run_each(slot, start + before, tokens)?;
            for row in 0..tokens.len() {
                self.take(row, 0);
                each(before + row, &self.logits[..self.layout.vocabulary]);
            }
        }
        Ok(())
    }

    fn gives_each(&self) -> bool {
        !self.layout.last_only
    }

    fn decode(&mut self, rows: &[Row], lengths: &[usize]) -> Result<(), RequestError> {
        let (Some(low), Some(high)) = (rows.first(), rows.last()) else { return Ok(()) };
        let (first, count) = (low.slot, high.slot - low.slot + 1);
        let mut ids = vec![0i64; count];
        let mut totals: Vec<usize> =
            lengths[first..first + count].iter().map(|length| (length + 1).min(self.context)).collect();
        for row in rows {
            ids[row.slot - first] = i64::from(row.token);
            totals[row.slot - first] = row.cached + 1;
        }
        let wanted = rows.iter().map(|row| (row.slot - first, 0)).collect();
        self.run((first, count), ids, &totals, wanted)?;
        (0..rows.len()).for_each(|row| self.take(row, row));
        Ok(())
    }

    fn widest(&self) -> usize {
        self.widest
    }

    /// Wrong tokens stay behind the slot's end, where the next ones are written over them.
    fn verify(&mut self, slot: usize, start: usize, tokens: &[u32]) -> Result<(), RequestError> {
        self.run_each(slot, start, tokens)?;
        (0..tokens.len()).for_each(|row| self.take(row, row));
        Ok(())
    }

    fn logits(&mut self, row: usize) -> &mut [f32] {
        let vocabulary = self.layout.vocabulary;
        &mut self.logits[row * vocabulary..(row + 1) * vocabulary]
    }

    fn share(&mut self, from: usize, to: usize, tokens: usize) -> Result<bool, RequestError> {
        Ok(self.cache.copy(from, to, tokens))
    }

    fn release(&mut self, slot: usize, keep: usize) -> Result<(), RequestError> {
        self.cache.release(slot, keep);
        Ok(())
    }

    fn wants_dense_rows(&self) -> bool {
        self.cache.on_host()
    }

    fn session(&mut self) -> &mut Session {
        &mut self.session
    }
}
