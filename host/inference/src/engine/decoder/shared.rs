//! Graphs with GroupQueryAttention: past and present are one buffer, bound once and never copied.
//!
//! A step runs over neighbouring slots. Prompts are read one slot at a time, in chunks: padding
//! them to a common length would compute what nobody wants. Answers take one token each, so they
//! share a step; a slot in between that has no token to add gets a dummy at the place where its
//! next token will be written over it. Where the cache has tiers ([`tiers`](super::tiers)), each makes a run
//! of its own.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ort::session::{IoBinding, NoSelectedOutputs, RunOptions, Session};
use ort::value::Tensor;

use super::cache::{Cache, Place, Store};
use super::logits::Logits;
use super::steps::Steps;
use super::tiers::{Memory, TieredCache, Tiers};
use super::{Decoder, Row, positions, view, wide};
use crate::engine::error::RequestError;
use crate::engine::speculate::WIDEST;
use crate::model::{DecoderLayout, LIKELIEST_LOGITS, LIKELIEST_TOKENS, Lengths, POSITIONS, asked};
use crate::runtime::{Gpu, Provider, unrecorded};

/// A decoder whose cache stays in place.
pub(in crate::engine) struct SharedDecoder {
    // Bindings hold tensors over the cache and the logits, so they go first.
    bindings: HashMap<Span, IoBinding>,
    /// Steps with tensors of their own, where those are used.
    steps: Option<Steps>,
    /// How all other runs are run.
    unrecorded: RunOptions<NoSelectedOutputs>,
    session: Session,
    layout: DecoderLayout,
    cache: Box<dyn Store>,
    logits: Logits,
    /// The rows of them that the last step was for.
    found: Vec<usize>,
    /// Logits of a row that is read, as numbers to work with.
    row: Vec<f32>,
    /// Tokens of one slot in a run that wants the logits of all, at most.
    widest: usize,
    slots: usize,
    context: usize,
}

/// Neighbouring rows of a tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Span {
    pub(super) tier: usize,
    pub(super) first: usize,
    pub(super) count: usize,
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
    /// Whether steps have tensors of their own, which a GPU needs to record them.
    pub(in crate::engine) own_tensors: bool,
}

impl SharedDecoder {
    pub(in crate::engine) fn new(
        session: Session,
        layout: DecoderLayout,
        provider: Provider,
        gpu: i32,
        size: CacheSize,
    ) -> ort::Result<Self> {
        let on_gpu = match provider {
            Provider::Cpu => None,
            Provider::Cuda => Some((Gpu::new(gpu).map_err(ort::Error::new)?, gpu)),
        };
        let tiers = size.tiers.map_or(1, |tiers| tiers.places().len());
        let cache: Box<dyn Store> = match (&on_gpu, size.tiers) {
            (None, None) => Box::new(Cache::new(&layout, size.slots, size.context)?),
            (None, Some(tiers)) => Box::new(TieredCache::new(&layout, Memory::Host, size.slots, tiers)?),
            (Some((gpu, index)), tiers) => {
                let tiers = tiers.unwrap_or(Tiers::new(size.context));
                Box::new(TieredCache::new(&layout, Memory::Gpu(Arc::clone(gpu), *index), size.slots, tiers)?)
            }
        };
        let widest = if layout.last_only { 1 } else { size.slots.max(size.chunk).clamp(2, WIDEST) };
        let rows = (tiers * size.slots).max(if layout.last_only { 1 } else { size.chunk.max(2) });
        let steps = size.own_tensors.then(|| Steps::new(on_gpu.clone()));
        let logits = Logits::new(&layout, on_gpu, rows)?;
        let row = vec![0.0; layout.vocabulary];
        let (slots, context) = (size.slots, size.context);
        let mut decoder = Self {
            bindings: HashMap::new(),
            steps: None,
            unrecorded: unrecorded()?,
            session,
            layout,
            cache,
            logits,
            found: Vec::new(),
            row,
            widest,
            slots,
            context,
        };
        if let Some(steps) = steps {
            decoder.use_steps(steps);
        }
        Ok(decoder)
    }

    /// Uses steps with tensors of their own where they give what others give.
    fn use_steps(&mut self, steps: Steps) {
        let proven = self.try_steps(None).and_then(|expected| self.try_steps(Some((steps, expected))));
        if let Err(error) = proven {
            tracing::warn!(%error, "steps are not recorded: each of their operators is launched by itself");
            self.steps = None;
        }
    }

    /// The logits of some steps, compared with those that are expected. Leaves no memory held, also where it fails.
    fn try_steps(&mut self, with: Option<(Steps, Vec<Vec<f32>>)>) -> Result<Vec<Vec<f32>>, RequestError> {
        let tried = self.some_steps(with);
        let released = (0..self.slots.min(2)).try_for_each(|slot| self.release(slot, 0));
        tried.and_then(|found| released.map(|()| found))
    }

    /// The logits of some steps, one and two rows at a time.
    fn some_steps(&mut self, with: Option<(Steps, Vec<Vec<f32>>)>) -> Result<Vec<Vec<f32>>, RequestError> {
        /// The first is run, the second recorded, and those behind it are played.
        const STEPS: usize = 5;
        const LENGTHS: [usize; 2] = [3, 6];
        let (steps, expected) = with.map_or((None, None), |(steps, expected)| (Some(steps), Some(expected)));
        self.steps = steps;
        let rows = if LENGTHS[1] + STEPS < self.context { self.slots.min(2) } else { 0 };
        let token = |place: usize| u32::try_from(place * 31 % self.layout.vocabulary).unwrap_or(0);
        let tokens: Vec<u32> = (1..=LENGTHS[1] + STEPS).map(token).collect();
        let mut found = Vec::new();
        for count in 1..=rows {
            for slot in 0..count {
                self.prefill(slot, 0, &tokens[..LENGTHS[slot]], false)?;
            }
            for step in 0..STEPS {
                let row = |slot: usize| {
                    let cached = LENGTHS[slot] + step;
                    Row { slot, cached, token: tokens[cached] }
                };
                self.decode(&(0..count).map(row).collect::<Vec<_>>(), &vec![0; self.slots])?;
                for slot in 0..count {
                    let row = self.logits(slot).to_vec();
                    if let Some(expected) = expected.as_ref().map(|expected| &expected[found.len()])
                        && !self.layout.logits_type.is_close(expected, &row)
                    {
                        let text = "steps with tensors of their own give other logits".to_owned();
                        return Err(RequestError::Failed(text));
                    }
                    found.push(row);
                }
            }
        }
        Ok(found)
    }

    /// One run over neighbouring rows. `ids` are `[count, width]`, the lengths those of each row with its
    /// new tokens. `wanted` are the rows and places whose logits are read. These go behind the first `behind` rows
    /// of logits; gives which they are.
    fn run(
        &mut self,
        span: Span,
        ids: Vec<i64>,
        lengths: &[usize],
        wanted: &[(usize, usize)],
        behind: usize,
    ) -> Result<Vec<usize>, RequestError> {
        let count = span.count;
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
        let place = |(at, (row, place)): (usize, &(usize, usize))| match self.layout.positions {
            Some(_) => behind + at,
            None => behind + row * given + (*place).min(given - 1),
        };
        let found = wanted.iter().enumerate().map(place).collect();
        let asked = self.layout.positions.map(|_| asked(wanted)).transpose()?;
        let position_ids = self.layout.position_ids;
        let mut binding = match self.bindings.remove(&span) {
            Some(binding) => binding,
            None => self.new_binding(span)?,
        };
        if let Some(asked) = asked {
            binding.bind_input(POSITIONS, &asked)?;
        }
        binding.bind_input("input_ids", &Tensor::from_array(([count, width], ids))?)?;
        binding.bind_input("attention_mask", &Tensor::from_array(([count, total], mask))?)?;
        if position_ids {
            binding.bind_input("position_ids", &Tensor::from_array(([count, width], places))?)?;
        }
        self.bind_logits(&mut binding, behind, [rows, given])?;
        // It has two entries a layer and side, so it is kept.
        let binding = self.bindings.entry(span).insert_entry(binding);
        view::run(&mut self.session, binding.get(), &self.unrecorded)?;
        self.logits.arrived(behind, rows * given)?;
        Ok(found)
    }

    /// One run over tokens of one slot, whose logits are wanted at these places.
    fn run_slot(&mut self, slot: usize, start: usize, tokens: &[u32], wanted: &[usize]) -> Result<(), RequestError> {
        self.logits.begin();
        self.cache.hold(slot, start + tokens.len(), start)?;
        let Place { tier, row } = self.cache.place(slot);
        let (span, length) = (Span { tier, first: row, count: 1 }, start + tokens.len());
        let wanted: Vec<(usize, usize)> = wanted.iter().map(|place| (0, *place)).collect();
        self.found = self.run(span, wide(tokens.iter().copied()), &[length], &wanted, 0)?;
        Ok(())
    }

    fn new_binding(&self, span: Span) -> ort::Result<IoBinding> {
        let Span { tier, first, count } = span;
        let mut binding = self.session.create_binding()?;
        for (buffer, names) in self.layout.cache.iter().enumerate() {
            binding.bind_input(names.past.as_str(), &self.cache.rows(tier, buffer, first, count)?)?;
            binding.bind_output(names.present.as_str(), self.cache.rows(tier, buffer, first, count)?)?;
        }
        if let Some(shape) = &self.layout.logits_to_keep {
            binding.bind_input("num_logits_to_keep", &Tensor::from_array((shape.as_slice(), vec![1i64]))?)?;
        }
        Ok(binding)
    }

    /// One token for each of neighbouring rows, in tensors of the step's own.
    fn run_step(&mut self, span: Span, ids: &[i64], lengths: &[usize], behind: usize) -> Result<(), RequestError> {
        if !self.steps.as_ref().is_some_and(|steps| steps.has(span)) {
            let mut binding = self.new_binding(span)?;
            let by_positions = self.layout.positions.is_some();
            self.bind_logits(&mut binding, behind, if by_positions { [1, span.count] } else { [span.count, 1] })?;
            // Rotary tables end with the context.
            let width = self.cache.places(span.tier).min(self.context);
            let steps = self.steps.as_mut().expect("only called where there are some");
            steps.add(span, binding, width, (self.layout.position_ids, by_positions))?;
        }
        let step = self.steps.as_mut().expect("as above").ready(span, ids, lengths)?;
        view::run(&mut self.session, &step.binding, &step.options)?;
        Ok(self.logits.arrived(behind, span.count)?)
    }

    fn bind_logits(&mut self, binding: &mut IoBinding, behind: usize, shape: [usize; 2]) -> ort::Result<()> {
        binding.bind_output("logits", self.logits.tensor(behind, shape)?)?;
        if let Some((tokens, logits)) = self.logits.likeliest_tensors(behind, shape).transpose()? {
            binding.bind_output(LIKELIEST_TOKENS, tokens)?;
            binding.bind_output(LIKELIEST_LOGITS, logits)?;
        }
        Ok(())
    }

    /// One token for each of the rows of a tier, given in order. Their logits are those that follow `behind`
    /// others, with a row for each that lies between; gives which they are.
    fn step_tier(
        &mut self,
        tier: usize,
        rows: &[(usize, Row)],
        lengths: &[usize],
        behind: usize,
    ) -> Result<Vec<usize>, RequestError> {
        let (first, last) = (rows[0].0, rows[rows.len() - 1].0);
        let span = Span { tier, first, count: last - first + 1 };
        let mut ids = vec![0i64; span.count];
        let passed_over = |row: usize| lengths[self.cache.slot_at(Place { tier, row })];
        let mut totals: Vec<usize> = (first..=last).map(|row| (passed_over(row) + 1).min(self.context)).collect();
        for (place, row) in rows {
            ids[place - first] = i64::from(row.token);
            totals[place - first] = row.cached + 1;
        }
        match self.steps.as_ref().is_some_and(|steps| steps.may_have(span)) {
            true => {
                self.run_step(span, &ids, &totals, behind)?;
                Ok(rows.iter().map(|(place, _)| behind + place - first).collect())
            }
            false => {
                let wanted: Vec<(usize, usize)> = rows.iter().map(|(place, _)| (place - first, 0)).collect();
                self.run(span, ids, &totals, &wanted, behind)
            }
        }
    }
}

impl Decoder for SharedDecoder {
    fn prefill(&mut self, slot: usize, start: usize, tokens: &[u32], _last: bool) -> Result<(), RequestError> {
        // A graph that takes positions is asked for one at least. A token alone is computed as it is in a step.
        let copies = self.layout.positions.unwrap_or(1).min(tokens.len());
        self.run_slot(slot, start, tokens, &vec![tokens.len().saturating_sub(1); copies])
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
            self.verify(slot, start + before, tokens)?;
            for row in 0..tokens.len() {
                each(before + row, self.logits(row));
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
        self.logits.begin();
        self.found = vec![0; rows.len()];
        for (tier, slots) in tiers {
            let behind = tier * self.slots;
            self.cache.bring_together(tier, &slots)?;
            let of_tier = rows.iter().filter(|row| slots.contains(&row.slot));
            let mut members: Vec<(usize, Row)> = of_tier.map(|row| (self.cache.place(row.slot).row, *row)).collect();
            members.sort_unstable_by_key(|(place, _)| *place);
            // Where what a row gives depends on the run, nobody is passed over: the owner knows slots, and not rows.
            let together = matches!(self.layout.lengths, Lengths::Any) || self.cache.wants_dense_rows();
            for part in members.chunk_by(|(row, _), (next, _)| together || row + 1 == *next) {
                let behind = behind + part[0].0 - members[0].0;
                let found = self.step_tier(tier, part, lengths, behind)?;
                for ((_, row), found) in part.iter().zip(found) {
                    let to = rows.iter().position(|other| other.slot == row.slot).expect("one of the rows");
                    self.found[to] = found;
                }
            }
        }
        Ok(())
    }

    fn widest(&self) -> usize {
        self.widest
    }

    /// Wrong tokens stay behind the slot's end, where the next ones are written over them.
    fn verify(&mut self, slot: usize, start: usize, tokens: &[u32]) -> Result<(), RequestError> {
        self.run_slot(slot, start, tokens, &(0..tokens.len()).collect::<Vec<_>>())
    }

    fn logits(&mut self, row: usize) -> &mut [f32] {
        self.logits.read(self.found[row], &mut self.row);
        &mut self.row
    }

    fn likeliest(&mut self, row: usize) -> Option<Vec<(f32, u32)>> {
        self.logits.likeliest(self.found[row])
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

#[cfg(test)]
#[path = "shared_tests.rs"]
mod tests;
