//! How to choose tokens, as a request says it.

use serde::{Deserialize, Serialize};

/// Sampling settings. The defaults choose greedily and change nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SamplingParams {
    /// 0 takes the likeliest token; above, differences between logits are divided by it.
    pub temperature: f32,
    /// Only so many of the likeliest tokens; 0 for all.
    pub top_k: u32,
    /// Only the likeliest tokens that together have this probability; 1 for all.
    pub top_p: f32,
    /// Only tokens at least so likely as this share of the likeliest; 0 for all.
    pub min_p: f32,
    /// Divides the positive and multiplies the negative logits of tokens that occurred, in the
    /// prompt too; 1 for none.
    pub repetition_penalty: f32,
    /// Taken off the logits of tokens that were generated.
    pub presence_penalty: f32,
    /// Taken off once for each time a token was generated.
    pub frequency_penalty: f32,
    /// Added to the logits of single tokens.
    pub logit_bias: Vec<(u32, f32)>,
    /// The same seed and request give the same tokens; without one each request draws its own.
    pub seed: Option<u64>,
    /// Log-probabilities of the chosen token and of so many of the likeliest.
    pub logprobs: Option<u32>,
}

impl Default for SamplingParams {
    fn default() -> Self {
        Self {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            logit_bias: Vec::new(),
            seed: None,
            logprobs: None,
        }
    }
}

/// A setting out of its range.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{name} is {value}, and must be {range}")]
pub struct ParamsError {
    name: &'static str,
    value: f32,
    range: &'static str,
}

/// Most log-probabilities a token.
const MOST_LOGPROBS: u32 = 100;

impl SamplingParams {
    /// Checks ranges; those of OpenAI's API where it has the setting.
    pub fn check(&self) -> Result<(), ParamsError> {
        let rules = [
            ("temperature", self.temperature, (0.0..=100.0).contains(&self.temperature), "between 0 and 100"),
            ("top_p", self.top_p, self.top_p > 0.0 && self.top_p <= 1.0, "above 0 and at most 1"),
            ("min_p", self.min_p, (0.0..=1.0).contains(&self.min_p), "between 0 and 1"),
            (
                "repetition_penalty",
                self.repetition_penalty,
                self.repetition_penalty > 0.0 && self.repetition_penalty <= 100.0,
                "above 0 and at most 100",
            ),
            ("presence_penalty", self.presence_penalty, self.presence_penalty.abs() <= 2.0, "between -2 and 2"),
            ("frequency_penalty", self.frequency_penalty, self.frequency_penalty.abs() <= 2.0, "between -2 and 2"),
        ];
        let bias = self.logit_bias.iter().map(|(_, bias)| *bias).find(|bias| !(-100.0..=100.0).contains(bias));
        let logprobs = self.logprobs.filter(|count| *count > MOST_LOGPROBS);
        match rules.into_iter().find(|(_, _, good, _)| !good) {
            Some((name, value, _, range)) => Err(ParamsError { name, value, range }),
            None if bias.is_some() => {
                let value = bias.unwrap_or_default();
                Err(ParamsError { name: "logit_bias", value, range: "between -100 and 100" })
            }
            None => match logprobs {
                Some(count) => Err(ParamsError { name: "logprobs", value: count as f32, range: "at most 100" }),
                None => Ok(()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_named() {
        let good = SamplingParams::default();
        assert_eq!(good.check(), Ok(()));
        for (params, name) in [
            (SamplingParams { temperature: -0.1, ..good.clone() }, "temperature"),
            (SamplingParams { temperature: f32::NAN, ..good.clone() }, "temperature"),
            (SamplingParams { top_p: 0.0, ..good.clone() }, "top_p"),
            (SamplingParams { min_p: 1.1, ..good.clone() }, "min_p"),
            (SamplingParams { repetition_penalty: 0.0, ..good.clone() }, "repetition_penalty"),
            (SamplingParams { presence_penalty: 2.5, ..good.clone() }, "presence_penalty"),
            (SamplingParams { logit_bias: vec![(1, f32::INFINITY)], ..good.clone() }, "logit_bias"),
            (SamplingParams { logprobs: Some(1000), ..good.clone() }, "logprobs"),
        ] {
            assert!(params.check().expect_err(name).to_string().starts_with(name));
        }
    }
}
