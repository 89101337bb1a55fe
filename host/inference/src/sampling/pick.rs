//! Choosing among a vocabulary of logits without sorting it.
//!
//! A vocabulary has 50,000 to 250,000 tokens and the probability sits in a few dozen. So the few
//! are found first, by a threshold that most tokens fail, and only they are sorted.

/// The largest logit; NaN counts as nothing.
pub(super) fn largest(logits: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let chunks = logits.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, logit) in lanes.iter_mut().zip(chunk) {
            *lane = if *logit > *lane { *logit } else { *lane };
        }
    }
    lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |most, logit| if *logit > most { *logit } else { most })
}

/// The first token that has the largest logit.
pub(super) fn argmax(logits: &[f32]) -> Option<u32> {
    let most = largest(logits);
    if !most.is_finite() {
        return None;
    }
    logits.iter().position(|logit| *logit == most).and_then(|place| u32::try_from(place).ok())
}

/// Whether `a` comes before `b`: larger first, then the smaller token.
pub(super) fn before(a: (f32, u32), b: (f32, u32)) -> std::cmp::Ordering {
    b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
}

/// The `count` likeliest tokens that reach `floor`, likeliest first.
pub(super) fn likeliest(logits: &[f32], count: usize, floor: f32) -> Vec<(f32, u32)> {
    let mut best: Vec<(f32, u32)> = Vec::with_capacity(2 * count + 1);
    if count == 0 {
        return best;
    }
    let mut bar = floor;
    for (token, logit) in (0u32..).zip(logits) {
        // False for NaN too.
        if *logit >= bar {
            best.push((*logit, token));
            // Twice the count are collected, then cut to the count: sorting stays rare.
            if best.len() > 2 * count {
                best.select_nth_unstable_by(count - 1, |a, b| before(*a, *b));
                best.truncate(count);
                bar = best.iter().fold(f32::INFINITY, |least, (logit, _)| least.min(*logit));
            }
        }
    }
    best.sort_unstable_by(|a, b| before(*a, *b));
    best.truncate(count);
    best
}

/// The smallest set of the likeliest tokens that together have the share `top_p` of all that reach
/// `floor`, likeliest first, with weights `exp((logit - most) / temperature)`.
pub(super) fn nucleus(logits: &[f32], top_p: f32, floor: f32, temperature: f32) -> Vec<(f32, u32)> {
    let most = largest(logits);
    let weight = |logit: f32| ((logit - most) / temperature).exp();
    let all: f64 = logits.iter().filter(|logit| **logit >= floor).map(|logit| f64::from(weight(*logit))).sum();
    let wanted = all * f64::from(top_p);
    // Tokens below the cut are rarer than those above it, so if those above suffice, they are the set.
    let mut depth = 4.0;
    loop {
        let cut = (most - temperature * depth).max(floor);
        let mut best: Vec<(f32, u32)> =
            (0u32..).zip(logits).filter(|(_, logit)| **logit >= cut).map(|(token, logit)| (*logit, token)).collect();
        best.sort_unstable_by(|a, b| before(*a, *b));
        if let Some(end) = reach(&best, wanted, weight) {
            best.truncate(end);
            return best;
        }
        if cut <= floor || !cut.is_finite() || best.len() == logits.len() {
            return best;
        }
        depth *= 2.0;
    }
}

/// How many of the first tokens reach the wanted weight.
pub(super) fn reach(tokens: &[(f32, u32)], wanted: f64, weight: impl Fn(f32) -> f32) -> Option<usize> {
    let mut sum = 0.0;
    tokens
        .iter()
        .position(|(logit, _)| {
            sum += f64::from(weight(*logit));
            sum >= wanted
        })
        .map(|place| place + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(count: usize) -> Vec<f32> {
        let mut state = 7u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 24) as f32
        };
        (0..count).map(|_| next() * 20.0 - 10.0).collect()
    }

    fn sorted(logits: &[f32]) -> Vec<(f32, u32)> {
        let mut all: Vec<_> = (0u32..).zip(logits).map(|(token, logit)| (*logit, token)).collect();
        all.sort_by(|a, b| before(*a, *b));
        all
    }

    #[test]
    fn the_few_are_those_that_a_sort_would_give() {
        let logits = noise(5003);
        let all = sorted(&logits);
        assert_eq!(argmax(&logits), Some(all[0].1));
        for count in [1, 2, 40, 5003, 9000] {
            assert_eq!(likeliest(&logits, count, f32::NEG_INFINITY), all[..count.min(5003)], "{count}");
        }
        assert!(likeliest(&logits, 50, 9.9).iter().all(|(logit, _)| *logit >= 9.9));
        for (top_p, temperature) in [(0.1, 1.0), (0.9, 0.7), (0.999, 2.0), (1.0, 50.0)] {
            let weight = |logit: f32| ((logit - all[0].0) / temperature).exp();
            let total: f64 = logits.iter().map(|logit| f64::from(weight(*logit))).sum();
            let end = reach(&all, total * f64::from(top_p), weight).unwrap_or(all.len());
            let got = nucleus(&logits, top_p, f32::NEG_INFINITY, temperature).len();
            assert!(got.abs_diff(end) <= 1, "{top_p} {temperature}: {got} and {end}");
        }
    }

    #[test]
    fn ties_and_rubbish_are_settled() {
        assert_eq!(argmax(&[1.0, 3.0, 3.0]), Some(1));
        assert_eq!(likeliest(&[3.0, 1.0, 3.0], 1, f32::NEG_INFINITY), [(3.0, 0)]);
        assert_eq!(argmax(&[f32::NAN, 2.0]), Some(1));
        assert_eq!(argmax(&[f32::NAN; 3]), None);
        assert_eq!(argmax(&[f32::NEG_INFINITY; 3]), None);
        assert_eq!(argmax(&[]), None);
    }
}
