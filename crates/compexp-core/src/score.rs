//! Scores: how well a formula's mask matches a unit's.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// The sizes, in positions, from which every score follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The formula's mask.
    pub formula: u64,
    /// The unit's mask.
    pub unit: u64,
    /// Their intersection.
    pub both: u64,
}

impl Counts {
    /// The size of the union.
    pub fn union(self) -> u64 {
        self.formula + self.unit - self.both
    }
}

/// What a search maximises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// Intersection over union.
    #[default]
    Iou,
    /// Precision: intersection over the formula's mask, the share of it that the unit covers.
    Precision,
    /// Recall: intersection over the unit's mask, the share of it that the formula covers.
    Recall,
    /// Twice the intersection over the sum of both masks: the harmonic mean of precision and recall.
    F1,
}

/// A metric as a fraction of two linear forms in the counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    pub(crate) numerator: f64,
    pub(crate) unit: f64,
    pub(crate) formula: f64,
    pub(crate) both: f64,
}

impl Metric {
    /// The score as an exact fraction, numerator and denominator; 0 over 0 counts as 0.
    #[inline(always)]
    pub fn fraction(self, c: Counts) -> (u64, u64) {
        match self {
            Self::Iou => (c.both, c.union()),
            Self::Precision => (c.both, c.formula),
            Self::Recall => (c.both, c.unit),
            Self::F1 => (2 * c.both, c.formula + c.unit),
        }
    }

    /// The score, between 0 and 1.
    pub fn of(self, counts: Counts) -> f64 {
        let (numerator, denominator) = self.fraction(counts);
        if numerator == 0 { 0.0 } else { numerator as f64 / denominator as f64 }
    }

    /// Compares the scores of two counts exactly: as fractions, multiplied crosswise in 128 bits. 0 over 0 counts as 0.
    #[inline(always)]
    pub fn compare(self, a: Counts, b: Counts) -> Ordering {
        let ((n, d), (m, e)) = (self.fraction(a), self.fraction(b));
        match (n, m) {
            (0, 0) => Ordering::Equal,
            (0, _) => Ordering::Less,
            (_, 0) => Ordering::Greater,
            _ => (u128::from(n) * u128::from(e)).cmp(&(u128::from(m) * u128::from(d))),
        }
    }

    pub(crate) fn form(self) -> Form {
        let (numerator, unit, formula, both) = match self {
            Self::Iou => (1.0, 1.0, 1.0, -1.0),
            Self::Precision => (1.0, 0.0, 1.0, 0.0),
            Self::Recall => (1.0, 1.0, 0.0, 0.0),
            Self::F1 => (2.0, 1.0, 1.0, 0.0),
        };
        Form { numerator, unit, formula, both }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_name_their_sides() {
        let c = Counts { formula: 8, unit: 5, both: 4 };
        assert_eq!(Metric::Iou.of(c), 4.0 / 9.0);
        assert_eq!(Metric::Precision.of(c), 0.5, "of the formula's mask");
        assert_eq!(Metric::Recall.of(c), 0.8, "of the unit's mask");
        assert_eq!(Metric::F1.of(c), 8.0 / 13.0);
        let empty = Counts { formula: 0, unit: 5, both: 0 };
        assert_eq!(Metric::Precision.of(empty), 0.0);
    }

    #[test]
    fn counts_near_two_to_the_forty_are_compared_exactly() {
        // (k + 1) / (2k + 3) is greater than k / (2k + 1), by less than an f64 can tell.
        let k: u64 = 1 << 40;
        let better = Counts { formula: k + 4, unit: 2 * k, both: k + 1 };
        let worse = Counts { formula: k + 1, unit: 2 * k, both: k };
        assert_eq!(Metric::Iou.of(better), Metric::Iou.of(worse), "in f64 they are equal");
        for metric in [Metric::Iou, Metric::F1] {
            assert_eq!(metric.compare(better, worse), Ordering::Greater, "{metric:?}");
            assert_eq!(metric.compare(worse, better), Ordering::Less, "{metric:?}");
            assert_eq!(metric.compare(worse, worse), Ordering::Equal, "{metric:?}");
        }
    }

    #[test]
    fn zero_over_zero_is_zero() {
        let [none, empty, some] =
            [[0, 0, 0], [0, 5, 0], [8, 5, 4]].map(|[formula, unit, both]| Counts { formula, unit, both });
        for metric in [Metric::Iou, Metric::Precision, Metric::Recall, Metric::F1] {
            for zero in [none, empty] {
                assert_eq!(metric.compare(zero, some), Ordering::Less, "{metric:?}");
                assert_eq!(metric.compare(some, zero), Ordering::Greater, "{metric:?}");
                assert_eq!(metric.compare(zero, none), Ordering::Equal, "{metric:?}");
            }
        }
    }

    #[test]
    fn forms_are_the_fractions() {
        let c = Counts { formula: 8, unit: 5, both: 4 };
        for metric in [Metric::Iou, Metric::Precision, Metric::Recall, Metric::F1] {
            let (f, (n, d)) = (metric.form(), metric.fraction(c));
            assert_eq!(f.numerator * 4.0, n as f64, "{metric:?}");
            assert_eq!(f.unit * 5.0 + f.formula * 8.0 + f.both * 4.0, d as f64, "{metric:?}");
        }
    }
}
