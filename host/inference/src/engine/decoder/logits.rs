//! Logits as the graph writes them, where it runs; and the rows of them that are read.
//!
//! On a GPU a row comes to the host only where somebody reads it whole. Beside them lie the likeliest tokens of
//! each row, where the graph finds those: a few, which come to the host after each run.

use std::sync::Arc;

use ort::value::{DynTensor, TensorElementType};

use super::view;
use crate::engine::memory::Pages;
use crate::model::{DecoderLayout, FloatType, LIKELIEST, widen};
use crate::runtime::{Block, Gpu, Reserved};

/// Bytes of a token and of its logit.
const TOKEN_AND_LOGIT: usize = size_of::<i64>() + size_of::<f32>();
/// Bytes of logits that stay taken between runs: more are only written by long prompts that have to run whole.
const KEPT: usize = 256 << 20;

/// What the last run wrote.
pub(super) struct Logits {
    place: Where,
    vocabulary: usize,
    kind: FloatType,
    /// Rows that there is room for.
    rows: usize,
    /// Bytes that were written since the last release.
    written: usize,
    few: Option<Few>,
}

enum Where {
    Host(Pages),
    Gpu { memory: Reserved, gpu: Arc<Gpu>, index: i32, row: Vec<u8> },
}

/// Logits and tokens, so many for each row.
struct Few {
    logits: Vec<f32>,
    tokens: Vec<i64>,
    /// Where the graph writes both, tokens first, if not here.
    memory: Option<Block>,
}

impl Few {
    /// Bytes in front of the logits.
    fn logits_at(&self) -> usize {
        self.tokens.len() * size_of::<i64>()
    }
}

impl Logits {
    pub(super) fn new(layout: &DecoderLayout, gpu: Option<(Arc<Gpu>, i32)>, rows: usize) -> ort::Result<Self> {
        let bytes = layout.vocabulary * layout.logits_type.bytes();
        let few = layout.likeliest.then(|| {
            let block = |(gpu, _): &(Arc<Gpu>, i32)| Block::new(gpu, rows * LIKELIEST * TOKEN_AND_LOGIT);
            let memory = gpu.as_ref().map(block).transpose().map_err(ort::Error::new)?;
            Ok::<_, ort::Error>(Few { logits: vec![0.0; rows * LIKELIEST], tokens: vec![0; rows * LIKELIEST], memory })
        });
        let few = few.transpose()?;
        let place = match gpu {
            None => Where::Host(
                Pages::new(rows * bytes).ok_or_else(|| ort::Error::new("the system gives no memory for the logits"))?,
            ),
            Some((gpu, index)) => {
                let memory = Reserved::new(&gpu, rows * bytes, bytes).map_err(ort::Error::new)?;
                Where::Gpu { memory, gpu, index, row: vec![0; bytes] }
            }
        };
        Ok(Self { place, vocabulary: layout.vocabulary, kind: layout.logits_type, rows, written: 0, few })
    }

    fn gpu(&self) -> Option<i32> {
        match &self.place {
            Where::Host(_) => None,
            Where::Gpu { index, .. } => Some(*index),
        }
    }

    fn row_bytes(&self) -> usize {
        self.vocabulary * self.kind.bytes()
    }

    /// Gives memory back that is not needed at each step.
    pub(super) fn begin(&mut self) {
        if let Where::Host(pages) = &mut self.place {
            pages.release(KEPT..std::mem::take(&mut self.written));
        }
    }

    /// A tensor over as many rows as its shape has, behind the first `behind` of them.
    pub(super) fn tensor(&mut self, behind: usize, [count, width]: [usize; 2]) -> ort::Result<DynTensor> {
        let (rows, bytes) = (count * width, self.row_bytes());
        assert!(behind + rows <= self.rows, "a run gives no more rows of logits than there is room for");
        let start = match &mut self.place {
            Where::Host(pages) => pages.as_ptr(),
            Where::Gpu { memory, .. } => {
                if memory.held() < (behind + rows) * bytes {
                    memory.resize((behind + rows) * bytes).map_err(ort::Error::new)?;
                }
                memory.start() as *mut u8
            }
        };
        let info = view::place(self.gpu())?;
        let (shape, element) = ([count, width, self.vocabulary], self.kind.element());
        // SAFETY: there is memory for that many rows, and it outlives the bindings, which are dropped first.
        unsafe { view::over(&info, start.wrapping_add(behind * bytes), rows * bytes, &shape, element) }
    }

    /// Tensors over the likeliest tokens of the same rows, and over their logits.
    pub(super) fn likeliest_tensors(
        &mut self,
        behind: usize,
        [count, width]: [usize; 2],
    ) -> Option<ort::Result<(DynTensor, DynTensor)>> {
        let info = match view::place(self.gpu()) {
            Ok(info) => info,
            Err(error) => return Some(Err(error)),
        };
        let few = self.few.as_mut()?;
        let (rows, shape) = (count * width, [count, width, LIKELIEST]);
        let first = behind * LIKELIEST;
        let (tokens, logits) = match &few.memory {
            None => (few.tokens.as_mut_ptr().cast::<u8>(), few.logits.as_mut_ptr().cast::<u8>()),
            Some(memory) => (memory.start() as *mut u8, (memory.start() as *mut u8).wrapping_add(few.logits_at())),
        };
        let over = |start: *mut u8, bytes: usize, element| {
            assert!(behind + rows <= self.rows, "rows that there is room for");
            // SAFETY: both have that many numbers, never move, and outlive the bindings.
            unsafe { view::over(&info, start.wrapping_add(first * bytes), rows * LIKELIEST * bytes, &shape, element) }
        };
        let tokens = over(tokens, size_of::<i64>(), TensorElementType::Int64);
        let logits = over(logits, size_of::<f32>(), TensorElementType::Float32);
        Some(tokens.and_then(|tokens| Ok((tokens, logits?))))
    }

    /// A run has written rows: takes the likeliest tokens of them over.
    pub(super) fn arrived(&mut self, behind: usize, rows: usize) -> ort::Result<()> {
        self.written = self.written.max((behind + rows) * self.row_bytes());
        let (Where::Gpu { gpu, .. }, Some(few)) = (&self.place, &mut self.few) else { return Ok(()) };
        let (first, logits_at) = (behind * LIKELIEST, few.logits_at());
        let Some(memory) = &few.memory else { return Ok(()) };
        let part = first..first + rows * LIKELIEST;
        let (tokens, logits) = (&mut few.tokens[part.clone()], &mut few.logits[part]);
        // SAFETY: the parts are as long on both sides.
        unsafe {
            let from = memory.start() + (first * size_of::<i64>()) as u64;
            gpu.fetch(from, tokens.as_mut_ptr().cast(), size_of_val(tokens)).map_err(ort::Error::new)?;
            let from = memory.start() + (logits_at + first * size_of::<f32>()) as u64;
            gpu.fetch(from, logits.as_mut_ptr().cast(), size_of_val(logits)).map_err(ort::Error::new)
        }
    }

    /// Reads a row.
    pub(super) fn read(&mut self, row: usize, target: &mut [f32]) {
        let bytes = self.row_bytes();
        assert!((row + 1) * bytes <= self.written && target.len() == self.vocabulary, "a row that was written");
        let start = match &mut self.place {
            Where::Host(pages) => pages.as_ptr().wrapping_add(row * bytes),
            Where::Gpu { memory, gpu, row: host, .. } => {
                // SAFETY: the row has memory on the GPU, and as many bytes on the host.
                let fetched = unsafe { gpu.fetch(memory.start() + (row * bytes) as u64, host.as_mut_ptr(), bytes) };
                if let Err(error) = fetched {
                    tracing::error!(error, "logits could not be read from the GPU");
                    // No number: the sampler says so to the request.
                    return target.fill(f32::NAN);
                }
                host.as_mut_ptr()
            }
        };
        // SAFETY: a whole row, and the run that wrote it is over.
        unsafe { widen(self.kind, start, target) };
    }

    /// The likeliest tokens of a row with their logits.
    pub(super) fn likeliest(&self, row: usize) -> Option<Vec<(f32, u32)>> {
        let few = self.few.as_ref()?;
        let part = row * LIKELIEST..(row + 1) * LIKELIEST;
        let both = few.logits[part.clone()].iter().zip(&few.tokens[part]);
        both.map(|(logit, token)| Some((*logit, u32::try_from(*token).ok()?))).collect()
    }
}
