//! One vector from those of a text's tokens.

use crate::model::PoolingKind;

/// The vector of a text whose tokens have `rows`, `[tokens, size]`: those of `kinds`, joined.
pub(super) fn pool(kinds: &[PoolingKind], rows: &[f32], size: usize) -> Vec<f32> {
    kinds.iter().flat_map(|kind| one(*kind, rows, size)).collect()
}

fn one(kind: PoolingKind, rows: &[f32], size: usize) -> Vec<f32> {
    let tokens = rows.chunks_exact(size);
    let count = tokens.len().max(1) as f32;
    match kind {
        PoolingKind::First => rows.get(..size).unwrap_or_default().to_vec(),
        PoolingKind::Last => tokens.last().unwrap_or_default().to_vec(),
        PoolingKind::Max => {
            let mut vector = vec![f32::NEG_INFINITY; size];
            for row in tokens {
                vector.iter_mut().zip(row).for_each(|(most, number)| *most = most.max(*number));
            }
            vector
        }
        PoolingKind::Mean => sum(rows, size, |_| 1.0 / count),
        PoolingKind::MeanSqrtLength => sum(rows, size, |_| 1.0 / count.sqrt()),
        // The weights are 1, 2, 3 and so on; `count * (count + 1) / 2` is their sum.
        PoolingKind::WeightedMean => sum(rows, size, |place| 2.0 * (place + 1) as f32 / (count * (count + 1.0))),
    }
}

/// The sum of the rows, each times its weight.
fn sum(rows: &[f32], size: usize, weight: impl Fn(usize) -> f32) -> Vec<f32> {
    let mut vector = vec![0.0; size];
    for (place, row) in rows.chunks_exact(size).enumerate() {
        let weight = weight(place);
        vector.iter_mut().zip(row).for_each(|(sum, number)| *sum += number * weight);
    }
    vector
}

/// Gives a vector the length one.
pub(super) fn normalise(vector: &mut [f32]) {
    let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|number| *number /= length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pooling_takes_what_its_name_says() {
        let rows = [1.0, 10.0, 3.0, 0.0, 5.0, 2.0];
        let root = 3.0_f32.sqrt();
        for (kind, expected) in [
            (PoolingKind::First, [1.0, 10.0]),
            (PoolingKind::Max, [5.0, 10.0]),
            (PoolingKind::Mean, [3.0, 4.0]),
            (PoolingKind::MeanSqrtLength, [9.0 / root, 12.0 / root]),
            (PoolingKind::WeightedMean, [22.0 / 6.0, 16.0 / 6.0]),
            (PoolingKind::Last, [5.0, 2.0]),
        ] {
            let found = pool(&[kind], &rows, 2);
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{kind:?}: {found:?}");
        }
        assert_eq!(pool(&[PoolingKind::First, PoolingKind::Last], &rows, 2), [1.0, 10.0, 5.0, 2.0]);
        let mut vector = [3.0, 4.0];
        normalise(&mut vector);
        assert_eq!(vector, [0.6, 0.8]);
    }
}
