//! Graphs that were changed to take positions, as callers see them: without.

use ort::session::Session;

use super::error::RequestError;
use super::tensors::{self, ElementType, NamedTensor, TensorInfo};
use crate::model::{Layout, POSITIONS};

const LOGITS: &str = "logits";

/// The inputs and outputs that the graph's file has.
pub(super) fn outside(session: &Session, layout: &Layout) -> (Vec<TensorInfo>, Vec<TensorInfo>) {
    let mut inputs: Vec<TensorInfo> = session.inputs().iter().map(TensorInfo::of).collect();
    let mut outputs: Vec<TensorInfo> = session.outputs().iter().map(TensorInfo::of).collect();
    if matches!(layout, Layout::Decoder(layout) if layout.positions.is_some()) {
        inputs.retain(|input| input.name != POSITIONS);
        for logits in outputs.iter_mut().filter(|output| output.name == LOGITS) {
            // Batch and tokens.
            logits.shape[..2].fill(None);
        }
    }
    (inputs, outputs)
}

/// Runs a language model for a caller, who gets the logits of every token.
pub(super) fn run(session: &mut Session, inputs: &[NamedTensor]) -> Result<Vec<NamedTensor>, RequestError> {
    if !session.inputs().iter().any(|input| input.name() == POSITIONS) {
        return tensors::run(session, inputs, None);
    }
    let ids = inputs.iter().find(|input| input.name == "input_ids");
    let (rows, width) = ids.and_then(shape_of).unwrap_or((0, 0));
    let places = (0..rows).flat_map(|row| (0..width).map(move |place| [row as i64, place as i64]));
    let data: Vec<u8> = places.flatten().flat_map(i64::to_le_bytes).collect();
    let shape = vec![data.len() / 16, 2];
    let all = NamedTensor { name: POSITIONS.to_owned(), element: ElementType::Int64, shape, data };
    let mut outputs = tensors::run(session, inputs, Some(&all))?;
    for logits in outputs.iter_mut().filter(|output| output.name == LOGITS) {
        if let [_, _, vocabulary] = logits.shape[..] {
            logits.shape = vec![rows, width, vocabulary];
        }
    }
    Ok(outputs)
}

/// Rows and tokens, where as many tokens are there as the shape says. What else is wrong, the run says.
fn shape_of(ids: &NamedTensor) -> Option<(usize, usize)> {
    let [rows, width] = ids.shape[..] else { return None };
    let bytes = rows.checked_mul(width)?.checked_mul(ids.element.bytes())?;
    (bytes == ids.data.len()).then_some((rows, width))
}
