//! Graphs with GroupQueryAttention: past and present are one buffer, bound once and never copied.
//!
//! A step runs over neighbouring slots. Prompts are read one slot at a time, in chunks: padding
//! them to a common length would compute what nobody wants. Answers take one token each, so they
//! share a step; a slot in between that has no token to add gets a dummy at the place where its
//! next token will be written over it. Where the cache has tiers ([`tiers`](super::tiers)), each makes a run
//! of its own.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use ort::memory::MemoryInfo;
use ort::session::{IoBinding, Session};
use ort::value::Tensor;

use super::cache::{Cache, Place, Store};
use super::tiers::{Memory, TieredCache, Tiers};
use super::{Decoder, Row, positions, view, wide};
use crate::engine::error::RequestError;
use crate::engine::memory::Pages;
use crate::engine::numbers;
use crate::engine::speculate::WIDEST;
use crate::model::DecoderLayout;
use crate::runtime::{Gpu, Provider};

/// A decoder whose cache stays in place.
pub(in crate::engine) struct SharedDecoder {
    // Bindings hold tensors over the cache and the logits, so they go first.
    bindings: HashMap<Span, IoBinding>,
    session: Session,
    layout: DecoderLayout,
    cache: Box<dyn Store>,
    /// Logits as the graph writes them, on the host.
    raw: Pages,
    raw_rows: usize,
    /// Bytes of them that the last run wrote.
    written: usize,
    /// Logits of the rows that are read, as numbers to work with.
    logits: Vec<f32>,
    /// Tokens of one slot in a run that wants the logits of all, at most.
    widest: usize,
    context: usize,
}

/// Neighbouring rows of a tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Span {
    tier: usize,
    first: usize,
    count: usize,
}

/// The place of a cache, for [`SharedDecoder::new`].
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct CacheSize {
    pub(in crate::engine) slots: usize,
    pub(in crate::engine) context: usize,
    /// Tokens of a prompt in one run, at most.
    pub(in crate::engine) chunk: usize,
    /// Slots grow from row to row of these lengths, where memory does not come by the page.
    pub(in crate::engine) tiers: Option<Tiers>,
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
        let cache: Box<dyn Store> = match (provider, size.tiers) {
            (Provider::Cpu, None) => Box::new(Cache::new(&layout, size.slots, size.context)?),
            (Provider::Cpu, Some(tiers)) => Box::new(TieredCache::new(&layout, Memory::Host, size.slots, tiers)?),
            (Provider::Cuda, tiers) => {
                let memory = Memory::Gpu(Gpu::new(gpu).map_err(ort::Error::new)?, gpu);
                let tiers = tiers.unwrap_or(Tiers::new(size.context));
                Box::new(TieredCache::new(&layout, memory, size.slots, tiers)?)
            }
        };
        let raw_rows = size.slots.max(if layout.last_only { 1 } else { size.chunk });
        let raw = Pages::new(raw_rows * layout.vocabulary * layout.logits_type.bytes())
            .ok_or_else(|| ort::Error::new("the system gives no memory for the logits"))?;
        let widest = if layout.last_only { 1 } else { raw_rows.min(WIDEST) };
        let logits = vec![0.0; size.slots.max(widest) * layout.vocabulary];
        let bindings = HashMap::new();
        Ok(Self { bindings, session, layout, cache, raw, raw_rows, written: 0, logits, widest, context: size.context })
    }

    /// One run over neighbouring rows. `ids` are `[count, width]`, the lengths those of each row with its
    /// new tokens; the logits go behind the first `behind` rows of them.
    fn run(&mut self, span: Span, ids: Vec<i64>, lengths: &[usize], behind: usize) -> Result<(), RequestError> {
        let count = span.count;
        let width = ids.len() / count;
        let total = lengths.iter().copied().max().unwrap_or(1);
        let mut mask = vec![0i64; count * total];
        let mut places = Vec::with_capacity(ids.len());
        for (row, length) in mask.chunks_exact_mut(total).zip(lengths) {
            row[..*length].fill(1);
            places.extend(positions(length - width, width));
        }
        let given = if self.layout.last_only { 1 } else { width };
        let row = self.layout.vocabulary * self.layout.logits_type.bytes();
        if behind == 0 {
            self.raw.release(KEPT_LOGITS..std::mem::take(&mut self.written));
        }
        self.written = (behind + count * given) * row;
        let logits = self.raw_logits(behind, count, given)?;
        let binding = self.binding(span)?;
        binding.bind_input("input_ids", &Tensor::from_array(([count, width], ids))?)?;
        binding.bind_input("attention_mask", &Tensor::from_array(([count, total], mask))?)?;
        if self.layout.position_ids {
            let binding = self.binding(span)?;
            binding.bind_input("position_ids", &Tensor::from_array(([count, width], places))?)?;
        }
        let binding = self.binding(span)?;
        binding.bind_output("logits", logits)?;
        let binding = &self.bindings[&span];
        view::run(&mut self.session, binding)?;
        Ok(())
    }

    /// One run over tokens of one slot.
    fn run_slot(&mut self, slot: usize, start: usize, tokens: &[u32]) -> Result<(), RequestError> {
        self.cache.hold(slot, start + tokens.len(), start)?;
        let Place { tier, row } = self.cache.place(slot);
        self.run(Span { tier, first: row, count: 1 }, wide(tokens.iter().copied()), &[start + tokens.len()], 0)
    }

    fn raw_logits(&self, behind: usize, count: usize, width: usize) -> ort::Result<ort::value::DynTensor> {
        let rows = count * width;
        assert!(behind + rows <= self.raw_rows, "a run gives no more rows of logits than there is room for");
        let (vocabulary, kind) = (self.layout.vocabulary, self.layout.logits_type);
        let row = vocabulary * kind.bytes();
        // SAFETY: the pages hold that many rows, and outlive the bindings, which are dropped first.
        unsafe {
            let start = self.raw.as_ptr().add(behind * row);
            view::over(&MemoryInfo::default(), start, rows * row, &[count, width, vocabulary], kind.element())
        }
    }

    /// The binding of these rows; made once, because it has two entries a layer and side.
    fn binding(&mut self, span: Span) -> ort::Result<&mut IoBinding> {
        if !self.bindings.contains_key(&span) {
            let Span { tier, first, count } = span;
            let mut binding = self.session.create_binding()?;
            for (buffer, names) in self.layout.cache.iter().enumerate() {
                binding.bind_input(names.past.as_str(), &self.cache.rows(tier, buffer, first, count)?)?;
                binding.bind_output(names.present.as_str(), self.cache.rows(tier, buffer, first, count)?)?;
            }
            if let Some(shape) = &self.layout.logits_to_keep {
                binding.bind_input("num_logits_to_keep", &Tensor::from_array((shape.as_slice(), vec![1i64]))?)?;
            }
            self.bindings.insert(span, binding);
        }
        Ok(self.bindings.get_mut(&span).expect("just made"))
    }

    /// One token for each of the rows of a tier, given in order. Their logits are those that follow `behind`
    /// others, with a row for each that lies between; gives the rows of the run.
    fn step_tier(
        &mut self,
        tier: usize,
        rows: &[(usize, Row)],
        lengths: &[usize],
        behind: usize,
    ) -> Result<Range<usize>, RequestError> {
        let (first, last) = (rows[0].0, rows[rows.len() - 1].0);
        let span = Span { tier, first, count: last - first + 1 };
        let mut ids = vec![0i64; span.count];
        let passed_over = |row: usize| lengths[self.cache.slot_at(Place { tier, row })];
        let mut totals: Vec<usize> = (first..=last).map(|row| (passed_over(row) + 1).min(self.context)).collect();
        for (place, row) in rows {
            ids[place - first] = i64::from(row.token);
            totals[place - first] = row.cached + 1;
        }
        self.run(span, ids, &totals, behind)?;
        Ok(first..last + 1)
    }

    /// Takes a row of the graph's logits over as row `to` of those to work with.
    fn take(&mut self, from: usize, to: usize) {
        let vocabulary = self.layout.vocabulary;
        let target = &mut self.logits[to * vocabulary..(to + 1) * vocabulary];
        let kind = self.layout.logits_type;
        // SAFETY: the row lies within the pages, and the run that wrote it is over.
        unsafe { numbers::widen(kind, self.raw.as_ptr().add(from * vocabulary * kind.bytes()), target) };
    }
}

impl Decoder for SharedDecoder {
    fn prefill(&mut self, slot: usize, start: usize, tokens: &[u32], last: bool) -> Result<(), RequestError> {
        self.run_slot(slot, start, tokens)?;
        if last {
            self.take(if self.layout.last_only { 0 } else { tokens.len() - 1 }, 0);
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
            self.prefill(slot, start + before, tokens, false)?;
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
        for row in rows {
            self.cache.hold(row.slot, row.cached + 1, row.cached)?;
        }
        let mut tiers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for row in rows {
            tiers.entry(self.cache.place(row.slot).tier).or_default().push(row.slot);
        }
        let mut behind = 0;
        for (tier, slots) in tiers {
            self.cache.bring_together(tier, &slots)?;
            let of_tier = rows.iter().filter(|row| slots.contains(&row.slot));
            let mut members: Vec<(usize, Row)> = of_tier.map(|row| (self.cache.place(row.slot).row, *row)).collect();
            members.sort_unstable_by_key(|(place, _)| *place);
            let span = self.step_tier(tier, &members, lengths, behind)?;
            for (place, row) in &members {
                let to = rows.iter().position(|other| other.slot == row.slot).expect("one of the rows");
                self.take(behind + place - span.start, to);
            }
            behind += span.len();
        }
        Ok(())
    }

    fn widest(&self) -> usize {
        self.widest
    }

    /// Wrong tokens stay behind the slot's end, where the next ones are written over them.
    fn verify(&mut self, slot: usize, start: usize, tokens: &[u32]) -> Result<(), RequestError> {
        self.run_slot(slot, start, tokens)?;
        (0..tokens.len()).for_each(|row| self.take(row, row));
        Ok(())
    }

    fn logits(&mut self, row: usize) -> &mut [f32] {
        let vocabulary = self.layout.vocabulary;
        &mut self.logits[row * vocabulary..(row + 1) * vocabulary]
    }

    fn share(&mut self, from: usize, to: usize, tokens: usize) -> Result<bool, RequestError> {
        Ok(self.cache.copy(from, to, tokens)?)
    }

    fn release(&mut self, slot: usize, keep: usize) -> Result<(), RequestError> {
        Ok(self.cache.release(slot, keep)?)
    }

    fn wants_dense_rows(&self) -> bool {
        self.cache.wants_dense_rows()
    }

    fn session(&mut self) -> &mut Session {
        &mut self.session
    }
}
