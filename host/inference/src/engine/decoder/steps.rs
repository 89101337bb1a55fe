//! Steps of answers whose tensors are the same ones each time, so that a GPU can play a recorded step again.
//!
//! A recorded run reads and writes where it did when it was recorded, in tensors of those shapes. So a step
//! over so many rows of a tier has inputs of its own, as wide as the rows are long, which are changed in place;
//! past and present lie where they always do, and logits have a place for each tier. On a processor the
//! same tensors are used for tests, and nothing is recorded.

use std::collections::HashMap;
use std::sync::Arc;

use ort::session::{IoBinding, NoSelectedOutputs, RunOptions};
use ort::value::{DynTensor, TensorElementType};

use super::shared::Span;
use super::view;
use crate::model::POSITIONS;
use crate::runtime::{Address, Block, Gpu, Pinned, recorded};

/// Different steps that are recorded, at most: each takes memory of the GPU.
const MOST: usize = 256;

/// The steps that were made ready.
pub(super) struct Steps {
    gpu: Option<(Arc<Gpu>, i32)>,
    all: HashMap<Span, Step>,
}

/// A step over neighbouring rows.
pub(super) struct Step {
    // It holds tensors over the inputs, so it goes first.
    pub(super) binding: IoBinding,
    pub(super) options: RunOptions<NoSelectedOutputs>,
    inputs: Inputs,
}

/// What a step reads beside the cache.
struct Inputs {
    ids: Numbers,
    mask: Numbers,
    positions: Option<Numbers>,
    /// The rows whose logits are wanted: all. Written once.
    _asked: Option<Numbers>,
    /// Tokens of each row that the mask shows.
    shown: Vec<usize>,
}

impl Steps {
    pub(super) fn new(gpu: Option<(Arc<Gpu>, i32)>) -> Self {
        Self { gpu, all: HashMap::new() }
    }

    /// A step that is ready, or may be made so.
    pub(super) fn may_have(&self, span: Span) -> bool {
        self.all.contains_key(&span) || self.all.len() < MOST
    }

    pub(super) fn has(&self, span: Span) -> bool {
        self.all.contains_key(&span)
    }

    /// Makes a step ready, whose binding has all but these inputs. The mask is `width` tokens wide.
    pub(super) fn add(
        &mut self,
        span: Span,
        mut binding: IoBinding,
        width: usize,
        (positions, asked): (bool, bool),
    ) -> ort::Result<()> {
        let gpu = self.gpu.as_ref();
        let numbers = |width: usize| Numbers::new(gpu, [span.count, width]);
        let (ids, mask) = (numbers(1)?, numbers(width)?);
        let positions = positions.then(|| numbers(1)).transpose()?;
        binding.bind_input("input_ids", &ids.tensor()?)?;
        binding.bind_input("attention_mask", &mask.tensor()?)?;
        if let Some(positions) = &positions {
            binding.bind_input("position_ids", &positions.tensor()?)?;
        }
        let asked = asked.then(|| numbers(2)).transpose()?.map(|mut asked| {
            asked.values().chunks_exact_mut(2).zip(0..).for_each(|(place, row)| place[0] = row);
            asked.send()?;
            binding.bind_input(POSITIONS, &asked.tensor()?)?;
            Ok::<_, ort::Error>(asked)
        });
        let options = recorded(self.all.len() + 1)?;
        let inputs = Inputs { ids, mask, positions, _asked: asked.transpose()?, shown: vec![0; span.count] };
        self.all.insert(span, Step { binding, options, inputs });
        Ok(())
    }

    /// A step with these tokens, one for each row; the lengths are those of the rows with them.
    pub(super) fn ready(&mut self, span: Span, ids: &[i64], lengths: &[usize]) -> ort::Result<&Step> {
        let step = self.all.get_mut(&span).ok_or_else(|| ort::Error::new("a step that was not made ready"))?;
        step.inputs.write(ids, lengths)?;
        Ok(step)
    }
}

impl Inputs {
    fn write(&mut self, ids: &[i64], lengths: &[usize]) -> ort::Result<()> {
        self.ids.values().copy_from_slice(ids);
        self.ids.send()?;
        if let Some(positions) = &mut self.positions {
            for (position, length) in positions.values().iter_mut().zip(lengths) {
                *position = i64::try_from(length - 1).expect("positions are small");
            }
            positions.send()?;
        }
        let width = self.mask.shape[1];
        for ((row, shown), length) in self.mask.values().chunks_exact_mut(width).zip(&mut self.shown).zip(lengths) {
            // Mostly one more.
            let (from, to, value) = if length > shown { (*shown, *length, 1) } else { (*length, *shown, 0) };
            row[from..to].fill(value);
            *shown = *length;
        }
        self.mask.send()
    }
}

/// Whole numbers that a run reads where they are, and that are changed from here.
struct Numbers {
    shape: [usize; 2],
    memory: Place,
}

enum Place {
    Host(Vec<i64>),
    Gpu { memory: Block, host: Pinned, gpu: Arc<Gpu>, index: i32 },
}

impl Numbers {
    fn new(gpu: Option<&(Arc<Gpu>, i32)>, shape: [usize; 2]) -> ort::Result<Self> {
        let count = shape[0] * shape[1];
        let memory = match gpu {
            None => Place::Host(vec![0; count]),
            Some((gpu, index)) => {
                let made = || {
                    let (memory, host) = (Block::new(gpu, count * size_of::<i64>())?, Pinned::new(gpu, count)?);
                    Ok(Place::Gpu { memory, host, gpu: Arc::clone(gpu), index: *index })
                };
                made().map_err(|error: String| ort::Error::new(error))?
            }
        };
        Ok(Self { shape, memory })
    }

    fn tensor(&self) -> ort::Result<DynTensor> {
        let bytes = self.shape[0] * self.shape[1] * size_of::<i64>();
        let (start, gpu) = match &self.memory {
            Place::Host(numbers) => (numbers.as_ptr() as Address, None),
            Place::Gpu { memory, index, .. } => (memory.start(), Some(*index)),
        };
        let info = view::place(gpu)?;
        // SAFETY: that many numbers, which never move, and outlive the step's binding.
        unsafe { view::over(&info, start as *mut u8, bytes, &self.shape, TensorElementType::Int64) }
    }

    fn values(&mut self) -> &mut [i64] {
        match &mut self.memory {
            Place::Host(numbers) => numbers,
            Place::Gpu { host, .. } => host.numbers(),
        }
    }

    /// Brings them to where they are read.
    fn send(&mut self) -> ort::Result<()> {
        let Place::Gpu { memory, host, gpu, .. } = &mut self.memory else { return Ok(()) };
        let numbers = host.numbers();
        // SAFETY: there is memory for all of them.
        let sent = unsafe { gpu.send(numbers.as_ptr().cast(), memory.start(), size_of_val(numbers)) };
        sent.map_err(ort::Error::new)
    }
}
