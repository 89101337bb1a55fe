//! Graphs that take a past and give a new present, one token longer.
//!
//! Such a graph has one length for all rows of a batch, so requests run one after another, each
//! with its own past. Right, and slower: the attention operator of the other layout is worth an
//! export.

use std::borrow::Cow;
use std::ops::Range;

use half::f16;
use half::slice::HalfFloatSliceExt;
use ort::memory::Allocator;
use ort::session::{Session, SessionInputValue};
use ort::value::{DynTensor, DynTensorValueType, Tensor};

use super::{Decoder, Row, positions, wide};
use crate::engine::error::RequestError;
use crate::engine::speculate::WIDEST;
use crate::model::{CacheType, DecoderLayout};

/// A decoder whose cache moves through the graph.
pub(in crate::engine) struct PlainDecoder {
    session: Session,
    layout: DecoderLayout,
    /// Keys and values of each slot, `[1, heads, tokens, size]`; empty before the first run.
    past: Vec<Vec<DynTensor>>,
    logits: Vec<f32>,
}

impl PlainDecoder {
    pub(in crate::engine) fn new(session: Session, layout: DecoderLayout, slots: usize) -> Self {
        let logits = vec![0.0; slots.max(WIDEST) * layout.vocabulary];
        Self { session, layout, past: (0..slots).map(|_| Vec::new()).collect(), logits }
    }

    /// Runs one slot and puts the last tokens' logits into rows.
    fn run(&mut self, slot: usize, start: usize, ids: Vec<i64>, rows: Range<usize>) -> Result<(), RequestError> {
        let width = ids.len();
        let mut past = std::mem::take(&mut self.past[slot]);
        if past.is_empty() || start == 0 {
            past = self.layout.cache.iter().map(|_| self.empty(0)).collect::<ort::Result<_>>()?;
        }
        let held = past.first().map_or(0, tokens_of);
        if held != start {
            return Err(RequestError::Failed(format!("the cache holds {held} tokens where {start} are needed")));
        }
        let mut inputs: Vec<(Cow<'_, str>, SessionInputValue<'_>)> = vec![
            ("input_ids".into(), Tensor::from_array(([1, width], ids))?.into()),
            ("attention_mask".into(), Tensor::from_array(([1, start + width], vec![1i64; start + width]))?.into()),
        ];
        if self.layout.position_ids {
            let places: Vec<i64> = positions(start, width).collect();
            inputs.push(("position_ids".into(), Tensor::from_array(([1, width], places))?.into()));
        }
        for (names, tensor) in self.layout.cache.iter().zip(past) {
            inputs.push((names.past.as_str().into(), tensor.into()));
        }
        let mut outputs = self.session.run(inputs)?;
        let lost = |name: &str| RequestError::Failed(format!("the model gave no output '{name}'"));
        for names in &self.layout.cache {
            let present = outputs.remove(&names.present).ok_or_else(|| lost(&names.present))?;
            self.past[slot].push(present.downcast::<DynTensorValueType>()?);
        }
        if !rows.is_empty() {
            let vocabulary = self.layout.vocabulary;
            let target = &mut self.logits[rows.start * vocabulary..rows.end * vocabulary];
            let wanted = target.len();
            let logits = outputs.get("logits").ok_or_else(|| lost("logits"))?;
            match self.layout.logits_type {
                CacheType::F32 => target.copy_from_slice(end(logits.try_extract_tensor::<f32>()?.1, wanted)?),
                CacheType::F16 => end(logits.try_extract_tensor::<f16>()?.1, wanted)?.convert_to_f32_slice(target),
            }
        }
        Ok(())
    }

    fn empty(&self, tokens: usize) -> ort::Result<DynTensor> {
        let shape = [1, self.layout.heads, tokens, self.layout.head_size];
        DynTensor::new(&Allocator::default(), self.layout.cache_type.element(), shape)
    }

    /// The first tokens of a tensor, as a tensor of its own.
    fn beginning(&self, source: &DynTensor, tokens: usize) -> ort::Result<DynTensor> {
        let mut target = self.empty(tokens)?;
        let token = self.layout.head_size * self.layout.cache_type.bytes();
        let held = tokens_of(source);
        let (from, to) = (source.data_ptr().cast::<u8>(), target.data_ptr_mut().cast::<u8>());
        for head in 0..self.layout.heads {
            // SAFETY: both are tensors on the host with this many heads, of `held` and of `tokens`
            // tokens, and the caller asks for no more than are held.
            unsafe {
                std::ptr::copy_nonoverlapping(
                    from.add(head * held * token),
                    to.add(head * tokens * token),
                    tokens * token,
                );
            }
        }
        Ok(target)
    }
}

/// The last rows of logits.
fn end<T>(logits: &[T], wanted: usize) -> Result<&[T], RequestError> {
    let start = logits.len().checked_sub(wanted);
    start.map(|start| &logits[start..]).ok_or_else(|| RequestError::Failed("the model gave no logits".to_owned()))
}

fn tokens_of(tensor: &DynTensor) -> usize {
    tensor.shape().get(2).map_or(0, |tokens| usize::try_from(*tokens).unwrap_or(0))
}

impl Decoder for PlainDecoder {
    fn prefill(&mut self, slot: usize, start: usize, tokens: &[u32], last: bool) -> Result<(), RequestError> {
        self.run(slot, start, wide(tokens.iter().copied()), 0..usize::from(last))
    }

    fn decode(&mut self, rows: &[Row], _lengths: &[usize]) -> Result<(), RequestError> {
        for (place, row) in rows.iter().enumerate() {
            self.run(row.slot, row.cached, wide([row.token]), place..place + 1)?;
        }
        Ok(())
    }

    fn widest(&self) -> usize {
        if self.layout.last_only { 1 } else { WIDEST }
    }

    fn verify(&mut self, slot: usize, start: usize, tokens: &[u32]) -> Result<(), RequestError> {
        self.run(slot, start, wide(tokens.iter().copied()), 0..tokens.len())
    }

    fn logits(&mut self, row: usize) -> &mut [f32] {
        let vocabulary = self.layout.vocabulary;
        &mut self.logits[row * vocabulary..(row + 1) * vocabulary]
    }

    fn share(&mut self, from: usize, to: usize, tokens: usize) -> Result<bool, RequestError> {
        let held = self.past[from].first().map_or(0, tokens_of);
        if held < tokens {
            return Ok(false);
        }
        if from != to || held > tokens {
            let past =
                self.past[from].iter().map(|tensor| self.beginning(tensor, tokens)).collect::<ort::Result<_>>()?;
            self.past[to] = past;
        }
        Ok(true)
    }

    fn release(&mut self, slot: usize, keep: usize) -> Result<(), RequestError> {
        match keep {
            0 => self.past[slot].clear(),
            _ => _ = self.share(slot, slot, keep)?,
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
