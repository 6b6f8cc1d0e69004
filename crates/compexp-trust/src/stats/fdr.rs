//! False discovery rates.

/// Benjamini and Hochberg's adjusted p-values (1995): for each test the smallest rate of false discoveries at which it is
/// still one of the discoveries. `p` in any order; the result is in the same order.
///
/// ```
/// use compexp_trust::stats::fdr::benjamini_hochberg;
///
/// let q = benjamini_hochberg(&[0.01, 0.04, 0.03]);
/// assert_eq!(q, [0.03, 0.04, 0.04]);
/// ```
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut q = vec![1.0; p.len()];
    let mut least = 1.0_f64;
    for (rank, i) in order.iter().enumerate().rev() {
        // No larger p may have a smaller q.
        least = least.min(p[*i] * p.len() as f64 / (rank + 1) as f64);
        q[*i] = least;
    }
    q
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(p: &[f64], expected: &[f64]) {
        close(&benjamini_hochberg(p), expected);
    }

    fn close(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "found {found}, expected {expected}");
        }
    }

    #[test]
    fn a_table_worked_by_hand() {
        // p x 5 / rank: 0.05, 0.05, 0.0667, 0.05, 0.9; then the least from the right.
        check(&[0.01, 0.02, 0.04, 0.04, 0.9], &[0.05, 0.05, 0.05, 0.05, 0.9]);
        // In another order, with a p whose rate is above 1.
        check(&[0.9, 0.001, 0.3, 0.8], &[0.9, 0.004, 0.6, 0.9]);
        check(&[1.0, 1.0], &[1.0, 1.0]);
        check(&[], &[]);
    }

    #[test]
    fn the_example_of_the_paper() {
        // Benjamini and Hochberg (1995), section 3.2: 15 tests, of which 4 are discoveries at 0.05.
        let p = [
            0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528,
            0.7590, 1.0,
        ];
        let q = benjamini_hochberg(&p);
        assert_eq!(q.iter().filter(|q| **q < 0.05).count(), 4, "{q:?}");
        close(&q[..4], &[0.0015, 0.003, 0.0095, 0.035_625]);
        close(&q[5..8], &[0.0298 * 15.0 / 7.0, 0.0298 * 15.0 / 7.0, 0.0645]);
    }
}
