//! Penalties for tokens that occurred, and logit bias.
//!
//! Only tokens that occurred are touched, so the cost grows with the text and not with the
//! vocabulary.

use std::collections::HashMap;

use super::params::SamplingParams;

/// Tokens of one request, counted.
#[derive(Debug, Clone, Default)]
pub(super) struct Penalties {
    /// How often each token was generated; 0 for those of the prompt alone.
    counts: HashMap<u32, u32>,
    active: bool,
}

impl Penalties {
    pub(super) fn new(params: &SamplingParams, prompt: &[u32]) -> Self {
        let repeats = params.repetition_penalty != 1.0;
        let active = repeats || params.presence_penalty != 0.0 || params.frequency_penalty != 0.0;
        let counts = if repeats { prompt.iter().map(|token| (*token, 0)).collect() } else { HashMap::new() };
        Self { counts, active }
    }

    pub(super) fn add(&mut self, token: u32) {
        if self.active {
            *self.counts.entry(token).or_default() += 1;
        }
    }

    /// Whether every row of logits stays as it is.
    pub(super) fn change_nothing(&self, params: &SamplingParams) -> bool {
        !self.active && params.logit_bias.is_empty()
    }

    pub(super) fn apply(&self, params: &SamplingParams, logits: &mut [f32]) {
        for (token, bias) in &params.logit_bias {
            if let Some(logit) = logits.get_mut(*token as usize) {
                *logit += bias;
            }
        }
        for (token, count) in &self.counts {
            let Some(logit) = logits.get_mut(*token as usize) else { continue };
            *logit = match *logit > 0.0 {
                true => *logit / params.repetition_penalty,
                false => *logit * params.repetition_penalty,
            };
            if *count > 0 {
                *logit -= params.presence_penalty + params.frequency_penalty * *count as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_penalty_touches_what_it_should() {
        let params = SamplingParams {
            repetition_penalty: 2.0,
            presence_penalty: 0.5,
            frequency_penalty: 0.25,
            logit_bias: vec![(3, 1.0), (99, 1.0)],
            ..SamplingParams::default()
        };
        let mut penalties = Penalties::new(&params, &[0, 1]);
        penalties.add(1);
        penalties.add(1);
        penalties.add(2);
        let mut logits = [4.0, 4.0, -4.0, 4.0];
        penalties.apply(&params, &mut logits);
        // Prompt only; prompt and twice generated; generated once; biased.
        assert_eq!(logits, [2.0, 2.0 - 1.0, -8.0 - 0.75, 5.0]);
    }
}
