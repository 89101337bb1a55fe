//! Whether a changed graph gives the logits that the unchanged one gives.
//!
//! Asked for all positions of one row in their order, what was put in changes nothing, so such a run is one of the unchanged
//! graph, but for a rounding where a processor computes 16-bit floats in 32 bits; and a second copy of the weights is not needed. What is asked for one by one, twice, in another order and of
//! several rows is compared with it.

use std::borrow::Cow;

use half::f16;
use half::slice::HalfFloatSliceExt;
use ort::memory::Allocator;
use ort::session::{Session, SessionInputValue};
use ort::value::{DynTensor, Tensor, TensorElementType};

use super::POSITIONS;
use crate::model::{CacheType, DecoderLayout};

/// Tokens of a row.
const TOKENS: usize = 9;
/// Differences up to this part of the logits' range are rounding, that of 16-bit floats included.
const ROUNDING: f32 = 1.0 / 256.0;

/// Tries a session whose graph takes positions. Gives how many rows a run has to ask for, at least, so that the logits are
/// those of a run that asks for many: kernels may multiply a single row otherwise, with other roundings.
pub(crate) fn trial(session: &mut Session, layout: &DecoderLayout) -> Result<usize, String> {
    let mut run = |rows: &[&[i64]], wanted: &[(usize, usize)]| logits(session, layout, rows, wanted);
    let vocabulary = i64::try_from(layout.vocabulary).unwrap_or(i64::MAX);
    let tokens: Vec<i64> = (0..2 * TOKENS as i64).map(|place| (place * 31 + 7) % vocabulary).collect();
    let (first, second) = tokens.split_at(TOKENS);
    let all: Vec<(usize, usize)> = (0..TOKENS).map(|place| (0, place)).collect();
    let (one, other) = (run(&[first], &all)?, run(&[second], &all)?);
    let row = |of: &[f32], at: usize| of[at * layout.vocabulary..(at + 1) * layout.vocabulary].to_vec();
    let last = TOKENS - 1;
    let [alone, twice] = [1, 2].map(|count| {
        let found = run(&[first], &vec![(0, last); count])?;
        Ok::<f32, String>(difference(&row(&one, last), &row(&found, count - 1)))
    });
    let (alone, twice) = (alone?, twice?);
    let rows = if twice < alone { 2 } else { 1 };
    let mixed = run(&[first, second], &[(1, last), (0, 3), (1, 0), (0, last)])?;
    let expected = [row(&other, last), row(&one, 3), row(&other, 0), row(&one, last)];
    let mixed = expected.iter().enumerate().map(|(at, expected)| difference(expected, &row(&mixed, at)));
    let worst = mixed.fold(alone.min(twice), f32::max);
    tracing::debug!(alone, twice, worst, "logits at positions beside those of a whole run");
    match worst <= ROUNDING {
        true => Ok(rows),
        false => Err(format!("logits at positions differ by {worst} of their range")),
    }
}

/// The largest difference, in parts of the range. Of what is no number, infinite.
pub(super) fn difference(expected: &[f32], found: &[f32]) -> f32 {
    let (low, high) = expected.iter().fold((f32::MAX, f32::MIN), |(low, high), one| (low.min(*one), high.max(*one)));
    let differs = |(one, other): (&f32, &f32)| match (one - other).abs() / (high - low).max(f32::MIN_POSITIVE) {
        part if part.is_nan() => f32::INFINITY,
        part => part,
    };
    expected.iter().zip(found).map(differs).fold(0.0, f32::max)
}

/// One run over rows of the same length, with nothing in the cache.
pub(super) fn logits(
    session: &mut Session,
    layout: &DecoderLayout,
    rows: &[&[i64]],
    wanted: &[(usize, usize)],
) -> Result<Vec<f32>, String> {
    let words = |error: ort::Error| error.message().to_owned();
    let (count, width) = (rows.len(), TOKENS);
    let whole = |numbers: Vec<i64>| Tensor::from_array(([count, width], numbers)).map_err(words);
    let mut inputs: Vec<(Cow<'_, str>, SessionInputValue<'_>)> = vec![
        ("input_ids".into(), whole(rows.concat())?.into()),
        ("attention_mask".into(), whole(vec![1; count * width])?.into()),
    ];
    if session.inputs().iter().any(|input| input.name() == POSITIONS) {
        inputs.push((POSITIONS.into(), asked(wanted).map_err(words)?.into()));
    }
    if layout.position_ids {
        let places = rows.iter().flat_map(|_| 0..width as i64).collect();
        inputs.push(("position_ids".into(), whole(places)?.into()));
    }
    if layout.cache_branch {
        inputs.push(("use_cache_branch".into(), Tensor::from_array(([1], vec![false])).map_err(words)?.into()));
    }
    let kind = match layout.cache_type {
        CacheType::F32 => TensorElementType::Float32,
        CacheType::F16 => TensorElementType::Float16,
    };
    for names in &layout.cache {
        let shape = [count, layout.heads, 0, layout.head_size];
        let past = DynTensor::new(&Allocator::default(), kind, shape).map_err(words)?;
        inputs.push((names.past.as_str().into(), past.into()));
    }
    let outputs = session.run(inputs).map_err(words)?;
    let logits = outputs.get("logits").ok_or("it gave no logits")?;
    let found = match layout.logits_type {
        CacheType::F32 => logits.try_extract_tensor::<f32>().map_err(words)?.1.to_vec(),
        CacheType::F16 => logits.try_extract_tensor::<f16>().map_err(words)?.1.to_f32_vec(),
    };
    match found.len() == wanted.len() * layout.vocabulary {
        true => Ok(found),
        false => Err(format!("it gave {} logits for {} positions", found.len(), wanted.len())),
    }
}

/// What [`POSITIONS`] is given.
pub(crate) fn asked(wanted: &[(usize, usize)]) -> ort::Result<Tensor<i64>> {
    let number = |place: usize| i64::try_from(place).expect("places are small");
    let numbers: Vec<i64> = wanted.iter().flat_map(|(row, place)| [number(*row), number(*place)]).collect();
    Tensor::from_array(([wanted.len(), 2], numbers))
}
