//! Correlation of paired values: Pearson's and Spearman's, with intervals and significance.

use serde::{Deserialize, Serialize};
use statrs::function::beta::beta_reg;

/// The 97.5% quantile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// How far two quantities go together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Correlation {
    /// The number of pairs.
    pub n: usize,
    /// The coefficient, from -1 to 1.
    pub r: f64,
    /// The 95% confidence interval; none for fewer than four pairs.
    pub interval: Option<[f64; 2]>,
    /// The chance of a coefficient as far from 0, were the quantities unrelated (two-sided, by Student's t).
    pub p: f64,
}

/// Pearson's product-moment correlation; its interval by Fisher's transform. None for fewer than three pairs, or where
/// one of the quantities does not vary.
pub fn pearson(pairs: &[(f64, f64)]) -> Option<Correlation> {
    Correlation::new(pairs, |_| 1.0)
}

/// Spearman's rank correlation, ties by their mean rank. Its interval is by Fisher's transform with the variance of Bonett
/// and Wright (2000), (1 + r^2 / 2) / (n - 3). None as for [`pearson`].
pub fn spearman(pairs: &[(f64, f64)]) -> Option<Correlation> {
    let x = ranks(&pairs.iter().map(|p| p.0).collect::<Vec<_>>());
    let y = ranks(&pairs.iter().map(|p| p.1).collect::<Vec<_>>());
    let ranked: Vec<(f64, f64)> = x.into_iter().zip(y).collect();
    Correlation::new(&ranked, |r| 1.0 + r * r / 2.0)
}

impl Correlation {
    /// `variance` is that of Fisher's transform, times n - 3.
    fn new(pairs: &[(f64, f64)], variance: impl Fn(f64) -> f64) -> Option<Self> {
        let n = pairs.len();
        let (x, y): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        let r = coefficient(&x, &y)?;
        let interval = (n > 3).then(|| {
            let reach = Z * (variance(r) / (n - 3) as f64).sqrt();
            [-reach, reach].map(|d| (r.atanh() + d).tanh())
        });
        // Student's t of r has n - 2 degrees of freedom; df / (df + t^2) is 1 - r^2.
        let beyond = (1.0 - r) * (1.0 + r);
        let p = if beyond > 0.0 { beta_reg((n - 2) as f64 / 2.0, 0.5, beyond) } else { 0.0 };
        Some(Self { n, r, interval, p })
    }
}

/// Pearson's coefficient. None for fewer than three values, or where one of the quantities does not vary.
pub(super) fn coefficient(x: &[f64], y: &[f64]) -> Option<f64> {
    // Asked of the values: deviations from a rounded mean need not be 0.
    let varies = |values: &[f64]| values.iter().any(|v| *v != values[0]);
    if x.len() < 3 || !varies(x) || !varies(y) {
        return None;
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mx, my) = (mean(x), mean(y));
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in x.iter().zip(y) {
        let (x, y) = (x - mx, y - my);
        (xy, xx, yy) = (xy + x * y, xx + x * x, yy + y * y);
    }
    Some((xy / (xx.sqrt() * yy.sqrt())).clamp(-1.0, 1.0))
}

/// The places of values, the smallest value first.
pub(super) fn ascending(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    order
}

/// The rank of each value from 1, equal values sharing their mean rank.
fn ranks(values: &[f64]) -> Vec<f64> {
    ranks_of(values, &ascending(values))
}

/// The same for the values at the places in `order`, in which they ascend; 0 for the others.
pub(super) fn ranks_of(values: &[f64], order: &[usize]) -> Vec<f64> {
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for equal in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let rank = before as f64 + (equal.len() + 1) as f64 / 2.0;
        equal.iter().for_each(|i| ranks[*i] = rank);
        before += equal.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `make_golden.py` beside the file got from scipy.
    #[derive(serde::Deserialize)]
    struct Golden {
        name: String,
        x: Vec<f64>,
        y: Vec<f64>,
        pearson: [f64; 4],
        spearman: [f64; 4],
    }

    #[test]
    fn coefficients_intervals_and_p_are_scipys() {
        let text = include_str!("../../../../tests/golden/statistics/correlation.json");
        let cases: Vec<Golden> = serde_json::from_str(text).unwrap();
        assert!(cases.len() >= 6);
        for case in cases {
            let pairs: Vec<(f64, f64)> = case.x.into_iter().zip(case.y).collect();
            for (kind, found, expected) in
                [("pearson", pearson(&pairs), case.pearson), ("spearman", spearman(&pairs), case.spearman)]
            {
                let found = found.unwrap();
                let [low, high] = found.interval.unwrap();
                for (what, found, expected) in
                    [("r", found.r, expected[0]), ("low", low, expected[1]), ("high", high, expected[2])]
                {
                    assert!((found - expected).abs() < 1e-12, "{} {kind} {what}: {found} {expected}", case.name);
                }
                // scipy gives 0 for what is below the normal numbers.
                let near = (found.p - expected[3]).abs() <= 1e-9 * expected[3] + f64::MIN_POSITIVE;
                assert!(near, "{} {kind} p: {} {}", case.name, found.p, expected[3]);
            }
        }
    }

    #[test]
    fn what_does_not_vary_has_no_correlation() {
        let constant = [(0.1, 1.0), (0.1, 2.0), (0.1, 3.0)];
        assert_eq!((pearson(&constant), spearman(&constant)), (None, None));
        assert_eq!(pearson(&[(1.0, 2.0), (2.0, 3.0)]), None);
    }

    #[test]
    fn perfect_correlations_are_certain() {
        let line = [(1.0, 2.0), (2.0, 4.0), (3.0, 6.0), (4.0, 8.0)];
        let found = pearson(&line).unwrap();
        let [low, high] = found.interval.unwrap();
        assert!(found.r > 1.0 - 1e-12 && found.p < 1e-12 && low > 1.0 - 1e-9 && high <= 1.0, "{found:?}");
        assert_eq!(pearson(&line[..3]).unwrap().interval, None);
    }

    #[test]
    fn equal_values_share_their_mean_rank() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [3.5, 1.0, 3.5, 2.0]);
    }
}
