//! Graphs that take a past and give a new present, one token longer.
//!
//! Such a graph has one length for all rows of a run. Prompts run one after another. Answers step
//! together behind padding that the mask hides, where the graph lets them: whether it does, a first
//! run shows, in which two rows of different lengths must get what each gets alone.

use std::borrow::Cow;
use std::ops::Range;

use half::f16;
use half::slice::HalfFloatSliceExt;
use ort::session::{Session, SessionInputValue};
use ort::value::{DynTensor, DynTensorValueType, DynValue, Tensor};

use super::group::{Group, beginning, gathered, partition, tensor, tokens_of};
use super::{CacheSize, Decoder, Row, positions, wide};
use crate::engine::error::RequestError;
use crate::engine::speculate::WIDEST;
use crate::model::{CacheType, DecoderLayout, POSITIONS, asked};

/// A decoder whose cache moves through the graph.
pub(in crate::engine) struct PlainDecoder {
    session: Session,
    layout: DecoderLayout,
    /// Keys and values of each slot that is in no group, `[1, heads, tokens, size]`; empty before the first run.
    past: Vec<Vec<DynTensor>>,
    groups: Vec<Group>,
    /// Whether answers may step together.
    batches: bool,
    /// Whether several tokens may be read behind a past.
    chunks: bool,
    logits: Vec<f32>,
}

type Inputs<'a> = Vec<(Cow<'a, str>, SessionInputValue<'a>)>;

impl PlainDecoder {
    pub(in crate::engine) fn new(session: Session, layout: DecoderLayout, size: CacheSize) -> Self {
        let logits = vec![0.0; size.slots.max(WIDEST) * layout.vocabulary];
        let past = (0..size.slots).map(|_| Vec::new()).collect();
        let mut decoder = Self { session, layout, past, groups: Vec::new(), batches: false, chunks: true, logits };
        decoder.chunks = !decoder.layout.cache_branch || decoder.prove(|decoder| decoder.reads_chunks(size.context));
        decoder.batches = size.slots > 1 && decoder.prove(|decoder| decoder.steps_together(size.context));
        tracing::debug!(together = decoder.batches, chunks = decoder.chunks, "how this graph runs");
        decoder
    }

    /// A property of the graph that is not read from it but tried out. A graph that fails fails again in the warm-up.
    fn prove(&mut self, property: impl FnOnce(&mut Self) -> Result<bool, RequestError>) -> bool {
        let proven = property(self).unwrap_or_else(|error| {
            tracing::debug!(%error, "a first run failed");
            false
        });
        self.past.iter_mut().for_each(Vec::clear);
        self.groups.clear();
        proven
    }

    /// Tokens to try a graph with.
    fn samples(&self, count: usize) -> Vec<u32> {
        let vocabulary = u32::try_from(self.layout.vocabulary).unwrap_or(u32::MAX);
        (0..).take(count).map(|place: u32| (place * 31 + 7) % vocabulary).collect()
    }

    /// Whether a prompt in two pieces gives what it gives in one. Graphs with `use_cache_branch` may be traced for a single
    /// token behind the past.
    fn reads_chunks(&mut self, context: usize) -> Result<bool, RequestError> {
        let tokens = self.samples(12.min(context));
        self.prefill(0, 0, &tokens, true)?;
        let whole = self.logits(0).to_vec();
        let (first, rest) = tokens.split_at(tokens.len() / 2);
        self.prefill(0, 0, first, false)?;
        self.prefill(0, first.len(), rest, true)?;
        Ok(self.is_close(&whole, 0))
    }

    /// Whether two rows of different lengths get what each gets alone.
    fn steps_together(&mut self, context: usize) -> Result<bool, RequestError> {
        const STEPS: usize = 2;
        let lengths = [3, 35.min(context.saturating_sub(STEPS))];
        if lengths[0] + 2 > lengths[1] {
            return Ok(false);
        }
        let row = |slot: usize, step: usize| Row { slot, cached: lengths[slot] + step, token: 7 + step as u32 };
        let tokens = self.samples(lengths[1]);
        let mut alone = Vec::new();
        for (slot, length) in lengths.iter().enumerate() {
            self.prefill(slot, 0, &tokens[..*length], false)?;
            for step in 0..STEPS {
                self.decode(&[row(slot, step)], &[])?;
                alone.push(self.logits(0).to_vec());
            }
        }
        for (slot, length) in lengths.iter().enumerate() {
            self.prefill(slot, 0, &tokens[..*length], false)?;
        }
        for step in 0..STEPS {
            self.step_groups(&[row(0, step), row(1, step)])?;
            if !(0..2).all(|slot| self.is_close(&alone[slot * STEPS + step], slot)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a row of the logits is what was expected, but for the order in which sums are taken.
    fn is_close(&self, expected: &[f32], row: usize) -> bool {
        let tolerance = match self.layout.logits_type {
            CacheType::F32 => 1e-3,
            CacheType::F16 => 1e-2,
        };
        let (low, high) =
            expected.iter().fold((f32::MAX, f32::MIN), |(low, high), one| (low.min(*one), high.max(*one)));
        let found = &self.logits[row * expected.len()..(row + 1) * expected.len()];
        // What is no number is not close.
        expected.iter().zip(found).all(|(expected, found)| (expected - found).abs() <= tolerance * (high - low))
    }

    /// The inputs but for the cache. Each of `rows` is the tokens it holds before those of `ids`; the
    /// mask is as wide as the longest, and ends with the row. Logits of the last `wanted` of each are read.
    fn inputs<'a>(layout: &DecoderLayout, ids: Vec<i64>, rows: &[usize], wanted: usize) -> ort::Result<Inputs<'a>> {
        let (count, width) = (rows.len(), ids.len() / rows.len());
        let held = rows.iter().copied().max().unwrap_or(0);
        let total = held + width;
        let mut mask = vec![1i64; count * total];
        for (row, tokens) in mask.chunks_exact_mut(total).zip(rows) {
            row[..held - tokens].fill(0);
        }
        let mut inputs: Inputs<'_> = vec![
            ("input_ids".into(), Tensor::from_array(([count, width], ids))?.into()),
            ("attention_mask".into(), Tensor::from_array(([count, total], mask))?.into()),
        ];
        if layout.position_ids {
            let places: Vec<i64> = rows.iter().flat_map(|tokens| positions(*tokens, width)).collect();
            inputs.push(("position_ids".into(), Tensor::from_array(([count, width], places))?.into()));
        }
        if let Some(least) = layout.positions {
            let mut places: Vec<(usize, usize)> = (0..count)
                .flat_map(|row| (width - wanted.clamp(1, width)..width).map(move |place| (row, place)))
                .collect();
            // More than are read stand in front of those that are. Steps of one token take a single row as it is.
            while width > 1 && places.len() < least {
                places.insert(0, places[0]);
            }
            inputs.push((POSITIONS.into(), asked(&places)?.into()));
        }
        if let Some(shape) = &layout.logits_to_keep {
            let one = Tensor::from_array((shape.as_slice(), vec![1i64]))?;
            inputs.push(("num_logits_to_keep".into(), one.into()));
        }
        if layout.cache_branch {
            inputs.push(("use_cache_branch".into(), Tensor::from_array(([1], vec![held > 0]))?.into()));
        }
        Ok(inputs)
    }

    /// Runs one slot and puts the last tokens' logits into rows.
    fn run(&mut self, slot: usize, start: usize, ids: Vec<i64>, rows: Range<usize>) -> Result<(), RequestError> {
        if start > 0 && ids.len() > 1 && !self.chunks {
            let count = ids.len();
            for (place, id) in ids.into_iter().enumerate() {
                let row = (rows.end + place).checked_sub(count).filter(|row| rows.contains(row));
                self.run(slot, start + place, vec![id], row.map_or(0..0, |row| row..row + 1))?;
            }
            return Ok(());
        }
        self.leave_group(slot, if start == 0 { 0 } else { usize::MAX })?;
        let mut past = std::mem::take(&mut self.past[slot]);
        if past.is_empty() || start == 0 {
            past = self.layout.cache.iter().map(|_| tensor(&self.layout, 1, 0)).collect::<ort::Result<_>>()?;
        }
        let held = past.first().map_or(0, tokens_of);
        if held != start {
            return Err(RequestError::Failed(format!("the cache holds {held} tokens where {start} are needed")));
        }
        let mut inputs = Self::inputs(&self.layout, ids, &[start], rows.len())?;
        for (names, tensor) in self.layout.cache.iter().zip(past) {
            inputs.push((names.past.as_str().into(), tensor.into()));
        }
        let mut outputs = self.session.run(inputs)?;
        for names in &self.layout.cache {
            let present = outputs.remove(&names.present).ok_or_else(|| lost(&names.present))?;
            self.past[slot].push(present.downcast::<DynTensorValueType>()?);
        }
        if !rows.is_empty() {
            let vocabulary = self.layout.vocabulary;
            let target = &mut self.logits[rows.start * vocabulary..rows.end * vocabulary];
            take_end(outputs.get("logits").ok_or_else(|| lost("logits"))?, self.layout.logits_type, target)?;
        }
        Ok(())
    }

    /// Tokens of a slot, wherever they are.
    fn held(&self, slot: usize) -> usize {
        let row = self.groups.iter().find_map(|group| group.rows[group.row_of(slot)?]);
        row.map_or_else(|| self.past[slot].first().map_or(0, tokens_of), |(_, held)| held)
    }

    /// Makes a slot's tokens its own again, the first `tokens` of them where it holds more.
    fn leave_group(&mut self, slot: usize, tokens: usize) -> ort::Result<()> {
        for group in &mut self.groups {
            let Some(row) = group.row_of(slot) else { continue };
            let held = group.rows[row].map_or(0, |(_, held)| held);
            let own = match tokens.min(held) {
                0 => Vec::new(),
                tokens => group.extract(&self.layout, row, tokens)?,
            };
            self.past[slot] = own;
            group.rows[row] = None;
        }
        self.groups.retain(|group| group.rows.iter().any(Option::is_some));
        Ok(())
    }

    /// Puts the rows into groups, and takes everyone else out of them.
    fn form_groups(&mut self, rows: &[Row]) -> Result<(), RequestError> {
        let mut grouped: Vec<usize> = self.groups.iter().filter_map(Group::slots).flatten().collect();
        grouped.sort_unstable();
        let whole = self.groups.iter().all(|group| group.rows.iter().all(Option::is_some));
        if whole && grouped.iter().copied().eq(rows.iter().map(|row| row.slot)) {
            return Ok(());
        }
        let wanted = partition(&rows.iter().map(|row| row.cached).collect::<Vec<_>>());
        let slots = |group: &Vec<usize>| group.iter().map(|place| rows[*place].slot).collect::<Vec<_>>();
        let leaving: Vec<usize> =
            self.groups.iter().flat_map(|group| &group.rows).filter_map(|row| Some((*row)?.0)).collect();
        for slot in leaving.into_iter().filter(|slot| rows.iter().all(|row| row.slot != *slot)) {
            self.leave_group(slot, usize::MAX)?;
        }
        for group in wanted {
            if self.groups.iter().any(|there| there.slots().is_some_and(|there| there == slots(&group))) {
                continue;
            }
            let members: Vec<Row> = group.iter().map(|place| rows[*place]).collect();
            let formed = self.gather(&members)?;
            for row in &members {
                self.leave_group(row.slot, 0)?;
                self.past[row.slot].clear();
            }
            self.groups.push(formed);
        }
        Ok(())
    }

    /// The rows' tokens in tensors together.
    fn gather(&self, rows: &[Row]) -> Result<Group, RequestError> {
        let place = |slot: usize| self.groups.iter().find_map(|group| Some((group, group.row_of(slot)?)));
        let lengths: Vec<usize> = rows.iter().map(|row| row.cached).collect();
        for row in rows {
            let held = self.held(row.slot);
            if held != row.cached {
                let text = format!("the cache holds {held} tokens where {} are needed", row.cached);
                return Err(RequestError::Failed(text));
            }
        }
        let of = |buffer: usize, row: usize| match place(rows[row].slot) {
            Some((group, at)) => (&group.tensors[buffer], at),
            None => (&self.past[rows[row].slot][buffer], 0),
        };
        let buffers = 0..self.layout.cache.len();
        let tensors = buffers.map(|buffer| gathered(&self.layout, &lengths, |row| of(buffer, row)));
        Ok(Group {
            tensors: tensors.collect::<ort::Result<_>>()?,
            rows: rows.iter().map(|row| Some((row.slot, row.cached))).collect(),
            width: lengths.iter().copied().max().unwrap_or(0),
        })
    }

    /// One token for each row, in groups.
    fn step_groups(&mut self, rows: &[Row]) -> Result<(), RequestError> {
        self.form_groups(rows)?;
        let vocabulary = self.layout.vocabulary;
        for group in &mut self.groups {
            let members: Vec<(usize, usize)> = group.rows.iter().flatten().copied().collect();
            let places = members.iter().map(|(slot, _)| rows.iter().position(|row| row.slot == *slot));
            let places: Vec<usize> = places.collect::<Option<_>>().expect("groups are formed of these rows");
            let lengths: Vec<usize> = members.iter().map(|(_, tokens)| *tokens).collect();
            if let Some((place, held)) =
                places.iter().zip(&lengths).find(|(place, held)| rows[**place].cached != **held)
            {
                let needed = rows[*place].cached;
                return Err(RequestError::Failed(format!("the cache holds {held} tokens where {needed} are needed")));
            }
            let ids = wide(places.iter().map(|place| rows[*place].token));
            let mut inputs = Self::inputs(&self.layout, ids, &lengths, 1)?;
            // The group's width is that of its longest row, as gathered.
            for (names, tensor) in self.layout.cache.iter().zip(&group.tensors) {
                inputs.push((names.past.as_str().into(), tensor.into()));
            }
            let mut outputs = self.session.run(inputs)?;
            let mut presents = Vec::with_capacity(self.layout.cache.len());
            for names in &self.layout.cache {
                let present = outputs.remove(&names.present).ok_or_else(|| lost(&names.present))?;
                presents.push(present.downcast::<DynTensorValueType>()?);
            }
            let mut all = vec![0.0; members.len() * vocabulary];
            take_end(outputs.get("logits").ok_or_else(|| lost("logits"))?, self.layout.logits_type, &mut all)?;
            for (place, logits) in places.iter().zip(all.chunks_exact(vocabulary)) {
                self.logits[place * vocabulary..(place + 1) * vocabulary].copy_from_slice(logits);
            }
            group.tensors = presents;
            group.width += 1;
            group.rows.iter_mut().flatten().for_each(|(_, tokens)| *tokens += 1);
        }
        Ok(())
    }
}

fn lost(name: &str) -> RequestError {
    RequestError::Failed(format!("the model gave no output '{name}'"))
}

/// Takes the last numbers of the logits over.
fn take_end(logits: &DynValue, kind: CacheType, target: &mut [f32]) -> Result<(), RequestError> {
    match kind {
        CacheType::F32 => target.copy_from_slice(end(logits.try_extract_tensor::<f32>()?.1, target.len())?),
        CacheType::F16 => end(logits.try_extract_tensor::<f16>()?.1, target.len())?.convert_to_f32_slice(target),
    }
    Ok(())
}

/// The last rows of logits.
fn end<T>(logits: &[T], wanted: usize) -> Result<&[T], RequestError> {
    let start = logits.len().checked_sub(wanted);
    start.map(|start| &logits[start..]).ok_or_else(|| RequestError::Failed("the model gave no logits".to_owned()))
}

impl Decoder for PlainDecoder {
    fn prefill(&mut self, slot: usize, start: usize, tokens: &[u32], last: bool) -> Result<(), RequestError> {
        self.run(slot, start, wide(tokens.iter().copied()), 0..usize::from(last))
    }

    fn decode(&mut self, rows: &[Row], _lengths: &[usize]) -> Result<(), RequestError> {
        if self.batches && rows.len() > 1 {
            return self.step_groups(rows);
        }
        for (place, row) in rows.iter().enumerate() {
            self.run(row.slot, row.cached, wide([row.token]), place..place + 1)?;
        }
        Ok(())
    }

    fn widest(&self) -> usize {
        if self.layout.last_only || !self.chunks { 1 } else { WIDEST }
    }

    fn verify(&mut self, slot: usize, start: usize, tokens: &[u32]) -> Result<(), RequestError> {
        self.run(slot, start, wide(tokens.iter().copied()), 0..tokens.len())
    }

    fn logits(&mut self, row: usize) -> &mut [f32] {
        let vocabulary = self.layout.vocabulary;
        &mut self.logits[row * vocabulary..(row + 1) * vocabulary]
    }

    fn share(&mut self, from: usize, to: usize, tokens: usize) -> Result<bool, RequestError> {
        let group = self.groups.iter().find_map(|group| Some((group, group.row_of(from)?)));
        let held = self.held(from);
        if held < tokens || (from == to && held == tokens) {
            return Ok(held == tokens);
        }
        let past = match group {
            Some((group, row)) => group.extract(&self.layout, row, tokens)?,
            None => {
                let first = |tensor| beginning(&self.layout, tensor, tokens);
                self.past[from].iter().map(first).collect::<ort::Result<_>>()?
            }
        };
        self.leave_group(to, 0)?;
        self.past[to] = past;
        Ok(true)
    }

    fn release(&mut self, slot: usize, keep: usize) -> Result<(), RequestError> {
        if keep == 0 {
            self.leave_group(slot, 0)?;
            self.past[slot].clear();
        } else if keep < self.held(slot) {
            self.share(slot, slot, keep)?;
        }
        Ok(())
    }

    fn wants_dense_rows(&self) -> bool {
        false
    }

    fn session(&mut self) -> &mut Session {
        &mut self.session
    }
}

#[cfg(test)]
#[path = "plain_tests.rs"]
mod tests;
