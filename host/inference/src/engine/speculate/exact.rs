//! Whether a graph gives the same logits for a token alone and for one of several.
//!
//! The order of additions differs, which shows in the last bits. Kernels may differ by more: ONNX Runtime
//! multiplies by weights of 4 bits on the processor otherwise for one row than for several. Then answers
//! depend on how many tokens ran together, and a request with a seed is not guessed for.

use crate::engine::decoder::{Decoder, Row};
use crate::engine::error::RequestError;

/// Tokens that are run in both ways.
const TOKENS: usize = 4;
/// Differences up to this part of the logits' range are rounding, that of 16-bit floats included.
const ROUNDING: f32 = 1.0 / 256.0;

/// Compares both ways in the first slot, which is free, as all others are.
pub(in crate::engine) fn exact(
    decoder: &mut dyn Decoder,
    (slots, context): (usize, usize),
    token: u32,
    vocabulary: usize,
) -> Result<bool, RequestError> {
    let width = decoder.widest().min(TOKENS).min(context.saturating_sub(2));
    if width < 2 {
        return Ok(true);
    }
    // Spread over the vocabulary, whatever they mean.
    let tokens: Vec<u32> = (1..=width).filter_map(|at| u32::try_from(vocabulary * at / (width + 1)).ok()).collect();
    decoder.prefill(0, 0, &[token, token], false)?;
    let mut single = Vec::new();
    let mut lengths = vec![0; slots];
    for (cached, token) in (2..).zip(&tokens) {
        lengths[0] = cached;
        decoder.decode(&[Row { slot: 0, cached, token: *token }], &lengths)?;
        single.push(decoder.logits(0).to_vec());
    }
    decoder.share(0, 0, 2)?;
    decoder.verify(0, 2, &tokens)?;
    let mut worst = 0.0_f32;
    for (row, single) in single.iter().enumerate() {
        let (low, high) = single.iter().fold((f32::MAX, f32::MIN), |(low, high), one| (low.min(*one), high.max(*one)));
        let differs = |(one, other): (&f32, &f32)| (one - other).abs() / (high - low).max(f32::EPSILON);
        worst = single.iter().zip(decoder.logits(row).iter()).map(differs).fold(worst, f32::max);
    }
    tracing::debug!(worst, "logits of several tokens in a run beside those of single steps");
    Ok(worst <= ROUNDING)
}
