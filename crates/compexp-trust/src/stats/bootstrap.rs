//! The bootstrap over groups: how far a ratio of sums would differ on other groups of the same kind.

use crate::random::Purpose;
use compexp_core::random::Random;
use compexp_core::simd::vectorized;

use super::quantile;

/// Resamples.
const RESAMPLES: usize = 1000;

/// Ratios that are added up together: a numerator and a denominator each.
const TOGETHER: usize = 8;

/// The resamples of a number of groups: as many groups each, drawn with replacement. All ratios are computed on the same
/// ones, so that differences between ratios are resampled too.
pub struct Bootstrap {
    n_groups: usize,
    /// How often each group was drawn: `(RESAMPLES, n_groups)`.
    weights: Vec<u32>,
}

impl Bootstrap {
    /// Draws the resamples of `n_groups` groups, at least one.
    pub fn new(n_groups: usize, seed: u64) -> Self {
        let mut weights = vec![0; RESAMPLES * n_groups];
        for (resample, weights) in (0..).zip(weights.chunks_exact_mut(n_groups)) {
            let mut random = Random::new(seed, Purpose::Bootstrap, resample);
            for _ in 0..n_groups {
                weights[random.below(n_groups)] += 1;
            }
        }
        Self { n_groups, weights }
    }

    /// For each ratio, given by the numerator and denominator of every group, its value on every resample; 0 over 0 is 0.
    ///
    /// Sums are of integers below 2^53, and exact.
    pub fn ratios(&self, ratios: &[Vec<[u64; 2]>]) -> Vec<Vec<f64>> {
        let mut found = Vec::with_capacity(ratios.len());
        for together in ratios.chunks(TOGETHER) {
            // (n_groups, numerators and denominators)
            let mut columns = vec![[0.0; 2 * TOGETHER]; self.n_groups];
            for (i, ratio) in together.iter().enumerate() {
                for (column, [numerator, denominator]) in columns.iter_mut().zip(ratio) {
                    (column[2 * i], column[2 * i + 1]) = (*numerator as f64, *denominator as f64);
                }
            }
            let sums: Vec<_> = self.weights.chunks_exact(self.n_groups).map(|w| weighted(w, &columns)).collect();
            for i in 0..together.len() {
                let ratio = |s: &[f64; 2 * TOGETHER]| if s[2 * i] == 0.0 { 0.0 } else { s[2 * i] / s[2 * i + 1] };
                found.push(sums.iter().map(ratio).collect());
            }
        }
        found
    }
}

fn weighted(weights: &[u32], columns: &[[f64; 2 * TOGETHER]]) -> [f64; 2 * TOGETHER] {
    vectorized(
        #[inline(always)]
        || {
            let mut sums = [0.0; 2 * TOGETHER];
            for (weight, column) in weights.iter().zip(columns) {
                let weight = f64::from(*weight);
                for i in 0..2 * TOGETHER {
                    sums[i] += weight * column[i];
                }
            }
            sums
        },
    )
}

/// The 95% interval of resampled values: their 2.5% and 97.5% quantiles.
pub fn interval(values: &[f64]) -> [f64; 2] {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    [quantile(&sorted, 0.025), quantile(&sorted, 0.975)]
}

/// The standard deviation of resampled values, at least two.
pub fn standard_error(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn resampled_ratios_are_those_of_groups_written_down_one_by_one(
            groups in proptest::collection::vec((0u64..50, 0u64..90, 0u64..40), 1..40), seed in any::<u64>(), copies in 1usize..11,
        ) {
            // More ratios than are added up together: the same one with some groups left out.
            let ratios: Vec<Vec<[u64; 2]>> = (0..copies).map(|skip| {
                groups.iter().enumerate().map(|(g, (a, b, _))| if g % 11 == skip { [0, 0] } else { [*a, a + b] }).collect()
            }).collect();
            let found = Bootstrap::new(groups.len(), seed).ratios(&ratios);
            for (ratio, found) in ratios.iter().zip(&found) {
                prop_assert_eq!(found.len(), RESAMPLES);
                let mut naive = Vec::new();
                for resample in 0..RESAMPLES as u64 {
                    let mut random = Random::new(seed, Purpose::Bootstrap, resample);
                    let drawn: Vec<[u64; 2]> = (0..groups.len()).map(|_| ratio[random.below(groups.len())]).collect();
                    let (a, b) = (drawn.iter().map(|d| d[0]).sum::<u64>(), drawn.iter().map(|d| d[1]).sum::<u64>());
                    naive.push(if b == 0 { 0.0 } else { a as f64 / b as f64 });
                }
                prop_assert_eq!(found, &naive);
                // The interval leaves 25 of 1000 values on either side.
                let [low, high] = interval(found);
                prop_assert!(naive.iter().filter(|v| **v < low).count() <= 25);
                prop_assert!(naive.iter().filter(|v| **v <= low).count() >= 25);
                prop_assert!(naive.iter().filter(|v| **v > high).count() <= 25);
                prop_assert!(naive.iter().filter(|v| **v >= high).count() >= 25);
            }
        }
    }

    #[test]
    fn the_standard_error_of_a_mean_is_the_known_one() {
        // The mean of 400 zeros and ones in equal parts: 0.5 / sqrt(400).
        let ratio: Vec<[u64; 2]> = (0..400).map(|i| [i % 2, 1]).collect();
        let values = Bootstrap::new(400, 3).ratios(&[ratio]).remove(0);
        let found = standard_error(&values);
        assert!((found - 0.025).abs() < 0.002, "found {found}, expected 0.025");
        let [low, high] = interval(&values);
        assert!((low - 0.451).abs() < 0.008 && (high - 0.549).abs() < 0.008, "{low} to {high}");
    }
}
