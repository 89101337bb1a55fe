//! One request's sampler: the steps in their order, and the random numbers.

use std::hash::{BuildHasher, Hasher, RandomState};

use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::error::SampleError;
use super::logprobs::{RawLogits, TokenLogprobs};
use super::params::SamplingParams;
use super::penalties::Penalties;
use super::pick;

/// Says which tokens may come next: a grammar, or anything else that forbids.
pub trait TokenMask: Send {
    /// Sets the logits of forbidden tokens to minus infinity.
    fn apply(&mut self, logits: &mut [f32]) -> Result<(), String>;

    /// Takes the chosen token. True where nothing may follow it.
    fn accept(&mut self, token: u32) -> Result<bool, String>;
}

/// A chosen token.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampled {
    /// The token.
    pub id: u32,
    /// Its log-probabilities, where they were asked for.
    pub logprobs: Option<TokenLogprobs>,
    /// The mask allows nothing behind it.
    pub last: bool,
}

/// Chooses the tokens of one request.
pub struct Sampler {
    pub(super) params: SamplingParams,
    pub(super) penalties: Penalties,
    pub(super) mask: Option<Box<dyn TokenMask>>,
    random: Pcg64Mcg,
}

impl std::fmt::Debug for Sampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sampler").field("params", &self.params).field("masked", &self.mask.is_some()).finish()
    }
}

impl Sampler {
    /// A sampler for a request with this prompt.
    pub fn new(params: SamplingParams, prompt: &[u32], mask: Option<Box<dyn TokenMask>>) -> Self {
        let penalties = Penalties::new(&params, prompt);
        // The standard library's hash keys are the system's random numbers.
        let seed = params.seed.unwrap_or_else(|| RandomState::new().build_hasher().finish());
        Self { params, penalties, mask, random: Pcg64Mcg::seed_from_u64(seed) }
    }

    /// Whether the likeliest token is chosen each time.
    pub fn greedy(&self) -> bool {
        self.params.temperature == 0.0
    }

    /// Whether the request asks for the same answer each time.
    pub fn seeded(&self) -> bool {
        self.params.seed.is_some()
    }

    /// Chooses a token. Changes the logits.
    pub fn sample(&mut self, logits: &mut [f32]) -> Result<Sampled, SampleError> {
        let raw = self.params.logprobs.map(|top| RawLogits::keep(logits, top));
        if let Some(mask) = &mut self.mask {
            mask.apply(logits).map_err(SampleError::Grammar)?;
        }
        self.penalties.apply(&self.params, logits);
        let id = match self.params.temperature {
            0.0 => pick::argmax(logits).ok_or(SampleError::NotANumber)?,
            _ => self.draw(logits)?,
        };
        self.penalties.add(id);
        let last = match &mut self.mask {
            Some(mask) => mask.accept(id).map_err(SampleError::Grammar)?,
            None => false,
        };
        Ok(Sampled { id, logprobs: raw.map(|raw| raw.of(id)), last })
    }

    fn draw(&mut self, logits: &[f32]) -> Result<u32, SampleError> {
        let SamplingParams { temperature, top_k, top_p, .. } = self.params;
        let most = pick::largest(logits);
        if !most.is_finite() {
            return Err(SampleError::NotANumber);
        }
        let (floor, share) = (self.floor(most), self.share());
        match (top_k, top_p) {
            (0, 1.0) => Ok(draw_any(logits, floor, |logit| ((logit - most) / temperature).exp(), share)),
            // A nucleus is cut already.
            (0, _) => draw_from(&pick::nucleus(logits, top_p, floor, temperature), most, temperature, share),
            _ => self.draw_of(pick::likeliest(logits, top_k as usize, floor), most, share),
        }
    }

    /// What the likeliest token's logit says of the least that is allowed.
    pub(super) fn floor(&self, most: f32) -> f32 {
        let SamplingParams { temperature, min_p, .. } = self.params;
        if min_p > 0.0 { most + temperature * min_p.ln() } else { f32::MIN }
    }

    /// Draws from the likeliest tokens, likeliest first, that together have the share `top_p`.
    pub(super) fn draw_of(&self, mut kept: Vec<(f32, u32)>, most: f32, share: f64) -> Result<u32, SampleError> {
        let SamplingParams { temperature, top_p, .. } = self.params;
        let weight = |logit: f32| ((logit - most) / temperature).exp();
        if top_p != 1.0 {
            let all: f64 = kept.iter().map(|(logit, _)| f64::from(weight(*logit))).sum();
            if let Some(end) = pick::reach(&kept, all * f64::from(top_p), weight) {
                kept.truncate(end);
            }
        }
        draw_from(&kept, most, temperature, share)
    }

    /// A number above 0 and at most 1. One is drawn for each token, whatever the settings.
    pub(super) fn share(&mut self) -> f64 {
        ((self.random.next_u64() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }
}

/// Draws from tokens, likeliest first.
fn draw_from(kept: &[(f32, u32)], most: f32, temperature: f32, share: f64) -> Result<u32, SampleError> {
    let weight = |logit: f32| ((logit - most) / temperature).exp();
    let all: f64 = kept.iter().map(|(logit, _)| f64::from(weight(*logit))).sum();
    let place = pick::reach(kept, all * share, weight).unwrap_or(kept.len());
    kept.get(place.saturating_sub(1)).map(|(_, token)| *token).ok_or(SampleError::NotANumber)
}

/// Draws from all tokens that reach the floor, in the order of the vocabulary.
fn draw_any(logits: &[f32], floor: f32, weight: impl Fn(f32) -> f32, share: f64) -> u32 {
    let weights: Vec<f32> = logits.iter().map(|logit| if *logit >= floor { weight(*logit) } else { 0.0 }).collect();
    let wanted = weights.iter().map(|weight| f64::from(*weight)).sum::<f64>() * share;
    let (mut sum, mut last) = (0.0, 0);
    for (token, weight) in (0u32..).zip(weights) {
        if weight > 0.0 {
            (sum, last) = (sum + f64::from(weight), token);
            if sum >= wanted {
                break;
            }
        }
    }
    last
}

#[cfg(test)]
#[path = "sampler_tests.rs"]
mod tests;
