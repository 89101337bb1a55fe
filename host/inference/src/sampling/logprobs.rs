//! Log-probabilities of tokens, from the logits as the model gave them.

use serde::Serialize;

use super::pick;

/// Log-probabilities at one place of the answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TokenLogprobs {
    /// Of the token that was chosen.
    pub chosen: f32,
    /// The likeliest tokens, likeliest first.
    pub top: Vec<(u32, f32)>,
}

impl TokenLogprobs {
    /// Those of a token in a row of logits, which is left as it is; `None` where the row has no finite number.
    pub(crate) fn of(logits: &[f32], token: u32, top: u32) -> Option<Self> {
        let norm = norm(logits);
        norm.is_finite().then(|| read(logits, norm, token, top as usize))
    }
}

/// Logarithm of the sum of exponentials.
fn norm(logits: &[f32]) -> f32 {
    let largest = pick::largest(logits);
    let sum: f64 = logits.iter().map(|logit| f64::from((logit - largest).exp())).sum();
    largest + sum.ln() as f32
}

fn read(logits: &[f32], norm: f32, token: u32, top: usize) -> TokenLogprobs {
    let top = pick::likeliest(logits, top, f32::NEG_INFINITY);
    TokenLogprobs {
        chosen: logits[token as usize] - norm,
        top: top.into_iter().map(|(logit, token)| (token, logit - norm)).collect(),
    }
}

/// The raw row, kept while the penalties change the working copy.
#[derive(Debug)]
pub(super) struct RawLogits {
    row: Vec<f32>,
    /// Logarithm of the sum of exponentials.
    norm: f32,
    top: usize,
}

impl RawLogits {
    pub(super) fn keep(logits: &[f32], top: u32) -> Self {
        Self { row: logits.to_vec(), norm: norm(logits), top: top as usize }
    }

    pub(super) fn of(&self, chosen: u32) -> TokenLogprobs {
        read(&self.row, self.norm, chosen, self.top)
    }
}
