//! The bootstrap over groups: how far what follows from sums would differ on other groups of the same kind.

use crate::random::Purpose;
use compexp_core::random::Random;
use compexp_core::simd::vectorized;

use super::quantile;

/// Resamples.
pub(super) const RESAMPLES: usize = 1000;

/// Quantities that are added up together.
const TOGETHER: usize = 16;

/// The resamples of a number of groups: as many groups each, drawn with replacement. All sums are computed on the same ones,
/// so that differences between what follows from them are resampled too.
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
            draw(weights, seed, resample);
        }
        Self { n_groups, weights }
    }

    /// For each resample, how often it has each group.
    pub fn weights(&self) -> impl Iterator<Item = &[u32]> {
        self.weights.chunks_exact(self.n_groups)
    }

    /// For each quantity, given for every group, its sum on every resample. Sums are of integers below 2^53, and exact.
    pub fn sums(&self, quantities: &[&[u64]]) -> Vec<Vec<f64>> {
        let mut found = Vec::with_capacity(quantities.len());
        for together in quantities.chunks(TOGETHER) {
            // (n_groups, quantities)
            let mut columns = vec![[0.0; TOGETHER]; self.n_groups];
            for (i, quantity) in together.iter().enumerate() {
                for (column, value) in columns.iter_mut().zip(*quantity) {
                    column[i] = *value as f64;
                }
            }
            let sums: Vec<_> = self.weights().map(|w| weighted(w, &columns)).collect();
            found.extend((0..together.len()).map(|i| sums.iter().map(|s| s[i]).collect::<Vec<f64>>()));
        }
        found
    }

    /// For each ratio, given by the numerator and denominator of every group, its value on every resample; 0 over 0 is 0.
    pub fn ratios(&self, ratios: &[Vec<[u64; 2]>]) -> Vec<Vec<f64>> {
        let columns: Vec<Vec<u64>> = ratios
            .iter()
            .flat_map(|ratio| [0, 1].map(|side| ratio.iter().map(|of_group| of_group[side]).collect()))
            .collect();
        let sums = self.sums(&columns.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let ratio = |(n, d): (&f64, &f64)| if *n == 0.0 { 0.0 } else { n / d };
        sums.chunks_exact(2).map(|pair| pair[0].iter().zip(&pair[1]).map(ratio).collect()).collect()
    }
}

/// Counts into `weights`, which are 0, how often a resample has each group.
pub(super) fn draw(weights: &mut [u32], seed: u64, resample: u64) {
    let mut random = Random::new(seed, Purpose::Bootstrap, resample);
    for _ in 0..weights.len() {
        weights[random.below(weights.len())] += 1;
    }
}

fn weighted(weights: &[u32], columns: &[[f64; TOGETHER]]) -> [f64; TOGETHER] {
    vectorized(
        #[inline(always)]
        || {
            let mut sums = [0.0; TOGETHER];
            for (weight, column) in weights.iter().zip(columns) {
                let weight = f64::from(*weight);
                for i in 0..TOGETHER {
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
        fn resampled_sums_are_those_of_groups_written_down_one_by_one(
            groups in proptest::collection::vec(0u64..50, 1..40), seed in any::<u64>(), copies in 1usize..21,
        ) {
            // More quantities than are added up together: the same one with some groups left out.
            let quantities: Vec<Vec<u64>> = (0..copies).map(|skip| {
                groups.iter().enumerate().map(|(g, a)| if g % 21 == skip { 0 } else { *a }).collect()
            }).collect();
            let slices: Vec<&[u64]> = quantities.iter().map(Vec::as_slice).collect();
            let found = Bootstrap::new(groups.len(), seed).sums(&slices);
            for (quantity, found) in quantities.iter().zip(&found) {
                prop_assert_eq!(found.len(), RESAMPLES);
                let mut naive = Vec::new();
                for resample in 0..RESAMPLES as u64 {
                    let mut random = Random::new(seed, Purpose::Bootstrap, resample);
                    naive.push((0..groups.len()).map(|_| quantity[random.below(groups.len())]).sum::<u64>() as f64);
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
        let ones: Vec<u64> = (0..400).map(|i| i % 2).collect();
        let sums = Bootstrap::new(400, 3).sums(&[&ones]).remove(0);
        let values: Vec<f64> = sums.iter().map(|sum| sum / 400.0).collect();
        let found = standard_error(&values);
        assert!((found - 0.025).abs() < 0.002, "found {found}, expected 0.025");
        let [low, high] = interval(&values);
        assert!((low - 0.451).abs() < 0.008 && (high - 0.549).abs() < 0.008, "{low} to {high}");
    }
}
