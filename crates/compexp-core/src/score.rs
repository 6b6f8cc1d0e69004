//! Scores: how well a formula's mask matches a unit's.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// The sizes, in positions, from which every score follows. All are below 2^63.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The universe: all positions.
    pub universe: u64,
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

    /// Whether the formula has one value on the whole universe. A formula that is true everywhere is no explanation: its
    /// IoU is the firing rate of the unit, whatever the unit does.
    #[inline(always)]
    pub fn is_constant(self) -> bool {
        self.formula == 0 || self.formula == self.universe
    }

    /// The share of the universe on which the unit fires, in [0, 1]: the IoU of the formula that is true everywhere. 0 in
    /// an empty universe.
    pub fn firing_rate(self) -> f64 {
        if self.unit == 0 { 0.0 } else { self.unit as f64 / self.universe as f64 }
    }

    /// How much more often the unit fires where the formula is true than anywhere: precision over firing rate, at least 0,
    /// and 1 for masks that are independent. None where the formula is true nowhere, or the unit never fires.
    pub fn lift(self) -> Option<f64> {
        let expected = u128::from(self.formula) * u128::from(self.unit);
        (expected > 0).then(|| (u128::from(self.both) * u128::from(self.universe)) as f64 / expected as f64)
    }

    /// The Matthews correlation coefficient (MCC) of the two masks, in [-1, 1]: Pearson's r of two binary variables. None
    /// where a mask is empty, or is the whole universe.
    #[inline]
    pub fn mcc(self) -> Option<f64> {
        let Self { universe, formula, unit, both } = self;
        let (variances, excess) = if universe < 1 << 31 {
            // Products of two sizes fit in 64 bits, which is many times as fast as 128.
            let variance = |n: u64| (n * (universe - n)) as f64;
            let product = |a: u64, b: u64| (a * b) as i64;
            (variance(formula) * variance(unit), (product(both, universe) - product(formula, unit)) as f64)
        } else {
            let variance = |n: u64| (u128::from(n) * u128::from(universe - n)) as f64;
            (variance(formula) * variance(unit), self.excess() as f64)
        };
        (variances > 0.0).then(|| excess / variances.sqrt())
    }

    /// The covariance of the two masks, times the square of the universe.
    fn excess(self) -> i128 {
        let product = |a: u64, b: u64| i128::from(a) * i128::from(b);
        product(self.both, self.universe) - product(self.formula, self.unit)
    }

    /// Compares two MCCs exactly; one that is not defined counts as 0.
    fn compare_mcc(self, other: Self) -> Ordering {
        let (a, b) = (self.mcc().unwrap_or(0.0), other.mcc().unwrap_or(0.0));
        // Their errors are below 1e-15: nearly all comparisons end here.
        if (a - b).abs() > 1e-14 { a.total_cmp(&b) } else { self.compare_mcc_squares(other) }
    }

    /// The same by squares in whole numbers, in 512 bits: N|N| / D with N the excess and D the product of the variances.
    fn compare_mcc_squares(self, other: Self) -> Ordering {
        let sign = |c: Self| if c.mcc().is_some() { c.excess().signum() } else { 0 };
        let (a, b) = (sign(self), sign(other));
        if a != b || a == 0 {
            return a.cmp(&b);
        }
        let of = |n: u64, universe: u64| u128::from(n) * u128::from(universe - n);
        let product = |square: Self, variances: Self| {
            let excess = square.excess().unsigned_abs();
            let Self { universe, formula, unit, .. } = variances;
            product_of([excess, excess, of(formula, universe), of(unit, universe)])
        };
        let (left, right) = (product(self, other), product(other, self));
        // Most significant digits first. Below 0 the larger square is the smaller correlation.
        if a > 0 { left.iter().rev().cmp(right.iter().rev()) } else { right.iter().rev().cmp(left.iter().rev()) }
    }
}

/// The product of four numbers, in digits of 64 bits, the least significant first.
fn product_of(factors: [u128; 4]) -> [u64; 8] {
    let mut product = [0u64; 8];
    product[0] = 1;
    for factor in factors {
        let mut next = [0u64; 8];
        for (at, digit) in [factor as u64, (factor >> 64) as u64].into_iter().enumerate() {
            let mut carry = 0u128;
            for i in 0..8 - at {
                let sum = u128::from(product[i]) * u128::from(digit) + u128::from(next[i + at]) + carry;
                next[i + at] = sum as u64;
                carry = sum >> 64;
            }
        }
        product = next;
    }
    product
}

/// What a search maximises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// Intersection over union.
    #[default]
    Iou,
    /// The Matthews correlation coefficient of the two masks. Unlike IoU it is 0 for masks that are independent, however
    /// often the unit fires.
    Mcc,
    /// Intersection over the formula's mask: how much of it the unit covers.
    Precision,
    /// Recall: intersection over the unit's mask, the share of it that the formula covers.
    Recall,
    /// Twice the intersection over the sum of both masks: the harmonic mean of precision and recall.
    F1,
}

/// A metric as what a scan of candidates compares with a cut.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    /// Intersection times `numerator`, over `unit`, `formula` and `both` times the sizes of these masks.
    Fraction { numerator: f64, unit: f64, formula: f64, both: f64 },
    /// The Matthews correlation coefficient.
    Correlation,
}

impl Metric {
    /// The score: between 0 and 1, or between -1 and 1 for [`Metric::Mcc`]; 0 where it is not defined.
    pub fn of(self, c: Counts) -> f64 {
        match self {
            Self::Mcc => c.mcc().unwrap_or(0.0),
            _ => match self.fraction(c) {
                (0, _) => 0.0,
                (numerator, denominator) => numerator as f64 / denominator as f64,
            },
        }
    }

    /// Compares the scores of two counts exactly: as fractions, multiplied crosswise. What is not defined counts as 0.
    #[inline(always)]
    pub fn compare(self, a: Counts, b: Counts) -> Ordering {
        if self == Self::Mcc {
            return a.compare_mcc(b);
        }
        let ((n, d), (m, e)) = (self.fraction(a), self.fraction(b));
        match (n, m) {
            (0, 0) => Ordering::Equal,
            (0, _) => Ordering::Less,
            (_, 0) => Ordering::Greater,
            _ => (u128::from(n) * u128::from(e)).cmp(&(u128::from(m) * u128::from(d))),
        }
    }

    /// The score as numerator and denominator; for MCC those of the IoU.
    #[inline(always)]
    fn fraction(self, c: Counts) -> (u64, u64) {
        match self {
            Self::Iou | Self::Mcc => (c.both, c.union()),
            Self::Precision => (c.both, c.formula),
            Self::Recall => (c.both, c.unit),
            Self::F1 => (2 * c.both, c.formula + c.unit),
        }
    }

    pub(crate) fn form(self) -> Form {
        let (numerator, unit, formula, both) = match self {
            Self::Mcc => return Form::Correlation,
            Self::Iou => (1.0, 1.0, 1.0, -1.0),
            Self::Precision => (1.0, 0.0, 1.0, 0.0),
            Self::Recall => (1.0, 1.0, 0.0, 0.0),
            Self::F1 => (2.0, 1.0, 1.0, 0.0),
        };
        Form::Fraction { numerator, unit, formula, both }
    }

    /// The name in options and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Iou => "iou",
            Self::Mcc => "mcc",
            Self::Precision => "precision",
            Self::Recall => "recall",
            Self::F1 => "f1",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Sizes in a universe of 20 positions.
    fn counts([formula, unit, both]: [u64; 3]) -> Counts {
        Counts { universe: 20, formula, unit, both }
    }

    #[test]
    fn scores_name_their_sides() {
        let c = counts([8, 5, 4]);
        assert_eq!(Metric::Iou.of(c), 4.0 / 9.0);
        assert_eq!(Metric::Precision.of(c), 0.5, "of the formula's mask");
        assert_eq!(Metric::Recall.of(c), 0.8, "of the unit's mask");
        assert_eq!(Metric::F1.of(c), 8.0 / 13.0);
        assert_eq!((c.firing_rate(), c.lift()), (0.25, Some(2.0)));
        assert_eq!(Metric::Precision.of(counts([0, 5, 0])), 0.0);
        assert_eq!(counts([0, 5, 0]).lift(), None);
    }

    #[test]
    fn counts_near_two_to_the_forty_are_compared_exactly() {
        // (k + 1) / (2k + 3) is greater than k / (2k + 1), by less than an f64 can tell.
        let k: u64 = 1 << 40;
        let better = Counts { universe: 8 * k, formula: k + 4, unit: 2 * k, both: k + 1 };
        let worse = Counts { universe: 8 * k, formula: k + 1, unit: 2 * k, both: k };
        assert_eq!(Metric::Iou.of(better), Metric::Iou.of(worse), "in f64 they are equal");
        for metric in [Metric::Iou, Metric::F1] {
            assert_eq!(metric.compare(better, worse), Ordering::Greater, "{metric:?}");
            assert_eq!(metric.compare(worse, better), Ordering::Less, "{metric:?}");
            assert_eq!(metric.compare(worse, worse), Ordering::Equal, "{metric:?}");
        }
        // One hit more of 2^40, in formulas of one size.
        let (more, less) = (Counts { both: k - 1, ..worse }, Counts { both: k - 2, ..worse });
        assert!((Metric::Mcc.of(more) - Metric::Mcc.of(less)).abs() < 1e-11);
        assert_eq!(Metric::Mcc.compare(more, less), Ordering::Greater);
        let near = Counts { universe: 1 << 62, formula: 1 << 61, unit: 1 << 61, both: (1 << 60) + 1 };
        assert_eq!(Metric::Mcc.compare(near, Counts { both: 1 << 60, ..near }), Ordering::Greater);
        assert_eq!(Metric::Mcc.compare(Counts { both: (1 << 60) - 1, ..near }, near), Ordering::Less);
    }

    #[test]
    fn what_is_not_defined_is_zero() {
        let [none, empty, some] = [[0, 0, 0], [0, 5, 0], [8, 5, 4]].map(counts);
        for metric in [Metric::Iou, Metric::Mcc, Metric::Precision, Metric::Recall, Metric::F1] {
            for zero in [none, empty] {
                assert_eq!(metric.compare(zero, some), Ordering::Less, "{metric:?}");
                assert_eq!(metric.compare(some, zero), Ordering::Greater, "{metric:?}");
                assert_eq!(metric.compare(zero, none), Ordering::Equal, "{metric:?}");
            }
        }
        assert_eq!([counts([20, 5, 5]), counts([8, 20, 8]), empty].map(Counts::mcc), [None; 3]);
    }

    #[test]
    fn forms_are_the_fractions() {
        let c = counts([8, 5, 4]);
        for metric in [Metric::Iou, Metric::Precision, Metric::Recall, Metric::F1] {
            let (f, (n, d)) = (metric.form(), metric.fraction(c));
            let Form::Fraction { numerator, unit, formula, both } = f else { panic!("{metric:?} is a fraction") };
            assert_eq!(numerator * 4.0, n as f64, "{metric:?}");
            assert_eq!(unit * 5.0 + formula * 8.0 + both * 4.0, d as f64, "{metric:?}");
        }
    }

    /// Two masks of a few positions.
    fn masks() -> impl Strategy<Value = Vec<(bool, bool)>> {
        proptest::collection::vec(any::<(bool, bool)>(), 1..24)
    }

    fn of_masks(masks: &[(bool, bool)]) -> Counts {
        let count = |on: &dyn Fn(&(bool, bool)) -> bool| masks.iter().filter(|m| on(m)).count() as u64;
        Counts {
            universe: masks.len() as u64,
            formula: count(&|m| m.0),
            unit: count(&|m| m.1),
            both: count(&|m| m.0 && m.1),
        }
    }

    proptest! {
        #[test]
        fn mcc_is_pearson_s_r_and_lift_a_ratio_of_shares(masks in masks()) {
            let c = of_masks(&masks);
            let n = masks.len() as f64;
            let values = |of: fn(&(bool, bool)) -> bool| -> Vec<f64> { masks.iter().map(|m| f64::from(u8::from(of(m)))).collect() };
            let (x, y) = (values(|m| m.0), values(|m| m.1));
            let mean = |v: &[f64]| v.iter().sum::<f64>() / n;
            let (mx, my) = (mean(&x), mean(&y));
            let sum = |a: &[f64], ma: f64, b: &[f64], mb: f64| -> f64 { a.iter().zip(b).map(|(a, b)| (a - ma) * (b - mb)).sum() };
            let (xx, yy, xy) = (sum(&x, mx, &x, mx), sum(&y, my, &y, my), sum(&x, mx, &y, my));
            match c.mcc() {
                Some(mcc) => prop_assert!((mcc - xy / (xx * yy).sqrt()).abs() < 1e-12),
                None => prop_assert!(xx < 1e-12 || yy < 1e-12),
            }
            if let Some(lift) = c.lift() {
                let fires = masks.iter().filter(|m| m.0 && m.1).count() as f64 / masks.iter().filter(|m| m.0).count() as f64;
                prop_assert!((lift - fires / my).abs() < 1e-12);
            }
        }

        #[test]
        fn mccs_are_compared_as_the_squares_of_small_fractions(a in masks(), b in masks()) {
            let (a, b) = (of_masks(&a), of_masks(&b));
            let fraction = |c: Counts| -> (i128, i128) {
                let [n, f, u, i] = [c.universe, c.formula, c.unit, c.both].map(i128::from);
                let (excess, variances) = (i * n - f * u, f * (n - f) * u * (n - u));
                if variances == 0 { (0, 1) } else { (excess * excess.abs(), variances) }
            };
            let ((n, d), (m, e)) = (fraction(a), fraction(b));
            prop_assert_eq!(Metric::Mcc.compare(a, b), (n * e).cmp(&(m * d)));
            prop_assert_eq!(a.compare_mcc_squares(b), (n * e).cmp(&(m * d)));
        }

        #[test]
        fn both_widths_of_arithmetic_give_the_same_bits(n in 2u64..1 << 31, a in 0.0f64..1.0, b in 0.0f64..1.0, c in 0.0f64..1.0) {
            let of = |share: f64, most: u64| (share * most as f64) as u64;
            let (formula, unit) = (of(a, n), of(b, n));
            let both = of(c, formula.min(unit)).max((formula + unit).saturating_sub(n));
            let counts = Counts { universe: n, formula, unit, both };
            let variance = |part: u64| (u128::from(part) * u128::from(n - part)) as f64;
            let wide = counts.excess() as f64 / (variance(formula) * variance(unit)).sqrt();
            prop_assert_eq!(counts.mcc().map(f64::to_bits), Some(wide.to_bits()).filter(|_| wide.is_finite()));
        }

        #[test]
        fn products_are_those_of_smaller_numbers(a in any::<u64>(), b in any::<u64>()) {
            let product = product_of([a.into(), b.into(), 1, 1]);
            let whole = u128::from(a) * u128::from(b);
            prop_assert_eq!(product, [whole as u64, (whole >> 64) as u64, 0, 0, 0, 0, 0, 0]);
            prop_assert_eq!(product_of([whole, 1, whole, 1]), product_of([a.into(), a.into(), b.into(), b.into()]));
        }
    }
}
