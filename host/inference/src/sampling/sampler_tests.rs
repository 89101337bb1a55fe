use super::*;

fn params(temperature: f32) -> SamplingParams {
    SamplingParams { temperature, seed: Some(11), ..SamplingParams::default() }
}

fn draws(params: &SamplingParams, logits: &[f32], count: usize) -> Vec<u32> {
    let mut sampler = Sampler::new(params.clone(), &[], None);
    (0..count).map(|_| sampler.sample(&mut logits.to_vec()).expect("numbers").id).collect()
}

/// Logits of 10 tokens with the probabilities 0.4, 0.3, 0.2, and 0.1 among the rest.
fn known() -> Vec<f32> {
    [0.4, 0.3, 0.2].into_iter().chain(std::iter::repeat_n(0.1 / 7.0, 7)).map(|p: f32| p.ln()).collect()
}

#[test]
fn draws_follow_the_probabilities() {
    let counted = draws(&params(1.0), &known(), 20_000);
    for (token, expected) in [(0, 0.4), (1, 0.3), (2, 0.2)] {
        let share = counted.iter().filter(|id| **id == token).count() as f64 / 20_000.0;
        assert!((share - expected).abs() < 0.015, "{token}: {share}");
    }
}

#[test]
fn limits_keep_what_they_should() {
    let base = params(1.0);
    for (params, most) in [
        (SamplingParams { top_k: 2, ..base.clone() }, 1),
        (SamplingParams { top_p: 0.69, ..base.clone() }, 1),
        (SamplingParams { top_p: 0.71, ..base.clone() }, 2),
        (SamplingParams { min_p: 0.6, ..base.clone() }, 1),
        (SamplingParams { top_k: 3, top_p: 0.4, ..base.clone() }, 0),
        (SamplingParams { top_k: 1, ..base.clone() }, 0),
        (SamplingParams { temperature: 0.01, ..base.clone() }, 0),
        (SamplingParams { temperature: 0.0, ..base.clone() }, 0),
    ] {
        let largest = draws(&params, &known(), 500).into_iter().max();
        assert_eq!(largest, Some(most), "{params:?}");
    }
}

#[test]
fn a_seed_repeats_and_another_differs() {
    let one = draws(&params(1.0), &known(), 50);
    assert_eq!(one, draws(&params(1.0), &known(), 50));
    assert_ne!(one, draws(&SamplingParams { seed: Some(12), ..params(1.0) }, &known(), 50));
}

#[test]
fn logprobs_are_of_the_raw_logits() {
    let params = SamplingParams { logprobs: Some(2), logit_bias: vec![(5, 50.0)], ..SamplingParams::default() };
    let sampled = Sampler::new(params, &[], None).sample(&mut known()).expect("numbers");
    let logprobs = sampled.logprobs.expect("asked for");
    assert_eq!(sampled.id, 5);
    assert!((logprobs.chosen - (0.1f32 / 7.0).ln()).abs() < 1e-4);
    assert_eq!(logprobs.top.iter().map(|(token, _)| *token).collect::<Vec<_>>(), [0, 1]);
    assert!((logprobs.top[0].1 - 0.4f32.ln()).abs() < 1e-4);
}

struct Only(u32);

impl TokenMask for Only {
    fn apply(&mut self, logits: &mut [f32]) -> Result<(), String> {
        for (token, logit) in (0u32..).zip(logits) {
            if token != self.0 {
                *logit = f32::NEG_INFINITY;
            }
        }
        Ok(())
    }

    fn accept(&mut self, token: u32) -> Result<bool, String> {
        Ok(token == self.0)
    }
}

#[test]
fn a_mask_rules_over_everything() {
    for temperature in [0.0, 1.0] {
        let mut sampler = Sampler::new(params(temperature), &[], Some(Box::new(Only(7))));
        let sampled = sampler.sample(&mut known()).expect("numbers");
        assert_eq!((sampled.id, sampled.last), (7, true));
        let mut sampler = Sampler::new(params(temperature), &[], Some(Box::new(Only(70))));
        assert!(matches!(sampler.sample(&mut known()), Err(SampleError::NotANumber)));
    }
}
