//! A token out of the likeliest ones of a row, where the whole row would give the same.
//!
//! A device finds the likeliest tokens where the logits are, and only they have to come to the host. Greedy
//! answers and those with a `top_k` need no others. What looks at every token does: a grammar, log-probabilities,
//! penalties, `top_p` alone. Then nothing is chosen here, and no random number is drawn.

use super::error::SampleError;
use super::pick;
use super::sampler::{Sampled, Sampler};

impl Sampler {
    /// Chooses among the likeliest tokens of a row, given in any order; every other token is at most as likely as
    /// the least of them. Nothing where it takes the whole row to know.
    pub(crate) fn sample_few(&mut self, few: &[(f32, u32)]) -> Option<Result<Sampled, SampleError>> {
        let is_plain =
            self.mask.is_none() && self.params.logprobs.is_none() && self.penalties.change_nothing(&self.params);
        // What is no number has no order; then nobody knows what the device chose by.
        if !is_plain || few.iter().any(|(logit, _)| !logit.is_finite()) {
            return None;
        }
        // As likely ones may have been left out.
        let bar = few.iter().map(|(logit, _)| *logit).reduce(f32::min)?;
        let mut few: Vec<(f32, u32)> = few.iter().copied().filter(|(logit, _)| *logit > bar).collect();
        few.sort_unstable_by(|a, b| pick::before(*a, *b));
        let most = few.first()?.0;
        let id = match (self.params.temperature, self.params.top_k) {
            (0.0, _) => few.iter().filter(|(logit, _)| *logit == most).map(|(_, token)| *token).min()?,
            (_, 0) => return None,
            (_, top_k) => {
                let floor = self.floor(most);
                // All that reach the floor, or as many as are wanted, are among them.
                if few.len() < top_k as usize && floor <= bar {
                    return None;
                }
                few.retain(|(logit, _)| *logit >= floor);
                few.truncate(top_k as usize);
                let share = self.share();
                match self.draw_of(few, most, share) {
                    Ok(id) => id,
                    Err(error) => return Some(Err(error)),
                }
            }
        };
        self.penalties.add(id);
        Some(Ok(Sampled { id, logprobs: None, last: false }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::{SamplingParams, TokenMask};

    /// Rows with many equal numbers.
    fn row(seed: u64, levels: u64) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 33
        };
        (0..500).map(|_| (next() % levels) as f32 * 12.0 / levels as f32 - 6.0).collect()
    }

    #[test]
    fn a_few_give_what_the_whole_row_gives_or_nothing() {
        let base = SamplingParams { seed: Some(3), ..SamplingParams::default() };
        let with =
            |temperature, top_k, top_p, min_p| SamplingParams { temperature, top_k, top_p, min_p, ..base.clone() };
        for (params, levels, least) in [
            (with(0.0, 0, 1.0, 0.0), 1 << 20, 100),
            // Many share the first place, often more than there are few.
            (with(0.0, 0, 1.0, 0.0), 40, 80),
            (with(0.7, 20, 1.0, 0.0), 1 << 20, 100),
            (with(1.5, 20, 0.9, 0.0), 1 << 20, 100),
            (with(1.0, 20, 1.0, 0.05), 300, 80),
            (with(1.0, 40, 1.0, 0.0), 1 << 20, 0),
            (with(1.0, 40, 1.0, 0.5), 1 << 20, 50),
            (with(1.0, 0, 0.9, 0.0), 1 << 20, 0),
            (with(1.0, 0, 1.0, 0.0), 1 << 20, 0),
        ] {
            let (mut whole, mut few) =
                (Sampler::new(params.clone(), &[], None), Sampler::new(params.clone(), &[], None));
            let mut known = 0;
            for seed in 0..100 {
                let row = row(seed, levels);
                // In another order than the sampler's.
                let mut likeliest = pick::likeliest(&row, 32, f32::NEG_INFINITY);
                likeliest.reverse();
                let expected = whole.sample(&mut row.clone()).expect("numbers").id;
                let found = match few.sample_few(&likeliest) {
                    Some(found) => {
                        known += 1;
                        found.expect("numbers").id
                    }
                    None => few.sample(&mut row.clone()).expect("numbers").id,
                };
                assert_eq!(found, expected, "{params:?}, {seed}");
            }
            assert!(known >= least && (least > 0 || known == 0), "{params:?}: {known} of 100");
        }
    }

    #[test]
    fn what_looks_at_every_token_gets_the_whole_row() {
        struct Nothing;
        impl TokenMask for Nothing {
            fn apply(&mut self, _logits: &mut [f32]) -> Result<(), String> {
                Ok(())
            }
            fn accept(&mut self, _token: u32) -> Result<bool, String> {
                Ok(false)
            }
        }
        let few = [(3.0, 7), (2.0, 1), (1.0, 2)];
        let base = SamplingParams::default();
        let sample = |params: SamplingParams, few: &[(f32, u32)]| Sampler::new(params, &[7], None).sample_few(few);
        assert_eq!(sample(base.clone(), &few).expect("known").expect("numbers").id, 7);
        for params in [
            SamplingParams { logprobs: Some(0), ..base.clone() },
            SamplingParams { repetition_penalty: 1.5, ..base.clone() },
            SamplingParams { presence_penalty: 0.5, ..base.clone() },
            SamplingParams { frequency_penalty: 0.5, ..base.clone() },
            SamplingParams { logit_bias: vec![(2, 1.0)], ..base.clone() },
        ] {
            assert!(sample(params.clone(), &few).is_none(), "{params:?}");
        }
        assert!(Sampler::new(base.clone(), &[], Some(Box::new(Nothing))).sample_few(&few).is_none());
        for few in [
            &[][..],
            &[(1.0, 2)],
            &[(2.0, 5), (2.0, 9)],
            &[(f32::NAN, 1), (1.0, 2)],
            &[(1.0, 2), (f32::NEG_INFINITY, 3)],
        ] {
            assert!(sample(base.clone(), few).is_none(), "{few:?}");
        }
    }
}
