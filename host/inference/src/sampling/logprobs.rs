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
        let largest = pick::largest(logits);
        let sum: f64 = logits.iter().map(|logit| f64::from((logit - largest).exp())).sum();
        Self { row: logits.to_vec(), norm: largest + sum.ln() as f32, top: top as usize }
    }

    pub(super) fn of(&self, chosen: u32) -> TokenLogprobs {
        let top = pick::likeliest(&self.row, self.top, f32::NEG_INFINITY);
        TokenLogprobs {
            chosen: self.row[chosen as usize] - self.norm,
            top: top.into_iter().map(|(logit, token)| (token, logit - self.norm)).collect(),
        }
    }
}
