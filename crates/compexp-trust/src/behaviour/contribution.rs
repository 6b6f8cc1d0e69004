//! Which units push a class up, and which push it down, by three measures.
//!
//! | measure | value for a unit and a target |
//! |---|---|
//! | weight | the weight from the unit to the target |
//! | correlation | Pearson's r of the unit's feature and the target's value, over examples |
//! | overlap | IoU of the examples on which the unit fires and those on which the target's value is in its top quantile |
//!
//! A target is a class and its value the logit. Units of the layer above can be targets as well, by
//! [`Contributions::between`], position by position. Over all units and targets together, a unit below the 1% quantile of a
//! measure is an inhibitor of the target, a unit above the 99% quantile a contributor.

use ndarray::{Array2, ArrayView2};

use super::pairs::{Block, Pairs};
use crate::{Error, Result};

/// The shares of all values below which a unit inhibits, and above which it contributes.
const CUTS: [f64; 2] = [0.01, 0.99];

/// The role of a unit for a target, by one measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Above the 99% quantile.
    Contributor,
    /// Below the 1% quantile.
    Inhibitor,
    /// Between them, or not defined.
    Neither,
}

impl Role {
    /// Its name in tables; empty for [`Role::Neither`].
    pub fn name(self) -> &'static str {
        match self {
            Self::Contributor => "contributor",
            Self::Inhibitor => "inhibitor",
            Self::Neither => "",
        }
    }
}

/// One measure, for every unit and target.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// `(n_units, n_targets)`; NaN where the measure is not defined.
    pub values: Array2<f64>,
    /// The 1% and the 99% quantile of the values, interpolated; none where no value is defined.
    pub cuts: Option<[f64; 2]>,
}

impl Measure {
    /// A measure with its cuts.
    pub fn new(values: Array2<f64>) -> Self {
        let mut defined: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
        defined.sort_unstable_by(f64::total_cmp);
        let cut = |q: f64| {
            let at = q * (defined.len() - 1) as f64;
            let (low, high) = (defined[at.floor() as usize], defined[at.ceil() as usize]);
            low + (high - low) * at.fract()
        };
        Self { cuts: (!defined.is_empty()).then(|| CUTS.map(cut)), values }
    }

    /// The role of `unit` for `target`.
    pub fn role(&self, unit: usize, target: usize) -> Role {
        let value = self.values[[unit, target]];
        match self.cuts {
            Some([_, high]) if value > high => Role::Contributor,
            Some([low, _]) if value < low => Role::Inhibitor,
            _ => Role::Neither,
        }
    }
}

/// The three measures of the same units and targets.
#[derive(Clone, Debug, PartialEq)]
pub struct Contributions {
    /// The weight from unit to target.
    pub weight: Measure,
    /// Pearson's r; NaN if either side is constant.
    pub correlation: Measure,
    /// IoU of examples; NaN if neither side has any.
    pub overlap: Measure,
}

impl Contributions {
    /// Measures how units contribute to targets.
    ///
    /// `weights` is `(n_targets, n_units)`, `features` `(n_examples, n_units)`, `values` `(n_examples, n_targets)`; `fires`
    /// says on which examples each unit does. `top` is the share of examples that the top quantile of a target holds.
    ///
    /// # Errors
    /// `Error::Mismatch` if sizes differ, there are no examples, or `top` is not between 0 and 1.
    pub fn measure(
        weights: ArrayView2<'_, f32>,
        features: ArrayView2<'_, f32>,
        values: ArrayView2<'_, f64>,
        fires: &[Vec<bool>],
        top: f64,
    ) -> Result<Self> {
        let (n, n_units, n_targets) = (features.nrows(), features.ncols(), values.ncols());
        let sizes = [
            ("examples of the targets", values.nrows(), n),
            ("units of the weights", weights.ncols(), n_units),
            ("targets of the weights", weights.nrows(), n_targets),
            ("units that fire or not", fires.len(), n_units),
            ("examples on which units fire or not", fires.first().map_or(n, Vec::len), n),
        ];
        for (what, found, expected) in sizes {
            if found != expected {
                return Err(Error::mismatch(what, found, expected));
            }
        }
        if n == 0 {
            return Err(Error::mismatch("examples to correlate over", n, "at least 1"));
        }
        if !(top > 0.0 && top < 1.0) {
            return Err(Error::mismatch("share of a top quantile", top, "more than 0 and less than 1"));
        }
        let mut tops = Array2::from_elem(values.dim(), false);
        for (mut top_of, values) in tops.columns_mut().into_iter().zip(values.columns()) {
            let cut = top_cut(values.iter().copied(), top);
            top_of.assign(&values.map(|v| *v > cut));
        }
        let fires = Array2::from_shape_fn(features.dim(), |(example, unit)| fires[unit][example]);
        let mut pairs = Pairs::new(n_units, n_targets);
        let units = Block { values: features.map(|v| f64::from(*v)), high: fires };
        pairs.add(units, Block { values: values.to_owned(), high: tops });
        Ok(Self::new(weights.t().map(|w| f64::from(*w)), pairs.correlation(), pairs.overlap()))
    }

    /// The measures of these values, each `(n_units, n_targets)`, with their cuts.
    pub(super) fn new(weight: Array2<f64>, correlation: Array2<f64>, overlap: Array2<f64>) -> Self {
        let [weight, correlation, overlap] = [weight, correlation, overlap].map(Measure::new);
        Self { weight, correlation, overlap }
    }

    /// The measures with their names.
    pub fn all(&self) -> [(&'static str, &Measure); 3] {
        [("weight", &self.weight), ("correlation", &self.correlation), ("overlap", &self.overlap)]
    }
}

/// The value that at most a share of `top` is strictly greater than.
fn top_cut(values: impl Iterator<Item = f64>, top: f64) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let above = (top * sorted.len() as f64).floor() as usize;
    sorted[sorted.len() - 1 - above.min(sorted.len() - 1)]
}

#[cfg(test)]
mod tests {
    use ndarray::arr2;

    use super::*;

    /// Ten examples; unit 0 is the first target's value, unit 1 its opposite, unit 2 constant.
    fn ten() -> (Array2<f32>, Array2<f64>, Vec<Vec<bool>>) {
        let value = |i: usize| [3.0, 1.0, 4.0, 1.5, 5.0, 9.0, 2.0, 6.0, 5.5, 3.5][i];
        let features = Array2::from_shape_fn((10, 3), |(i, u)| [value(i), 10.0 - 2.0 * value(i), 7.0][u] as f32);
        let values = Array2::from_shape_fn((10, 2), |(i, t)| [value(i), (i % 2) as f64][t]);
        let fires = (0..3).map(|u| (0..10).map(|i| u == 2 || (value(i) > 5.2) == (u == 0)).collect()).collect();
        (features, values, fires)
    }

    #[test]
    fn measures_are_as_defined() {
        let (features, values, fires) = ten();
        let weights = arr2(&[[0.5, -1.0, 0.0], [1.5, 2.0, 0.25]]);
        let all = Contributions::measure(weights.view(), features.view(), values.view(), &fires, 0.3).unwrap();
        assert_eq!(all.weight.values, arr2(&[[0.5, 1.5], [-1.0, 2.0], [0.0, 0.25]]));
        let r = &all.correlation.values;
        assert!((r[[0, 0]] - 1.0).abs() < 1e-12 && (r[[1, 0]] + 1.0).abs() < 1e-6, "{r}");
        assert!(r[[2, 0]].is_nan() && r[[2, 1]].is_nan());
        // Over the parity: the covariance by hand.
        let (odd, even): (f64, f64) = (1.0 + 1.5 + 9.0 + 6.0 + 3.5, 3.0 + 4.0 + 5.0 + 2.0 + 5.5);
        let mean = (odd + even) / 10.0;
        let square: f64 = values.column(0).iter().map(|v| (v - mean).powi(2)).sum();
        let by_hand = (0.5 * odd - 0.5 * even) / (square * 2.5).sqrt();
        assert!((r[[0, 1]] - by_hand).abs() < 1e-12, "{} and {by_hand}", r[[0, 1]]);
        // The top 30% of the first target are 9, 6 and 5.5, where unit 0 fires; unit 1 fires on the others.
        let o = &all.overlap.values;
        assert_eq!([o[[0, 0]], o[[1, 0]], o[[2, 0]]], [1.0, 0.0, 0.3]);
    }

    #[test]
    fn at_most_the_top_share_is_above_the_cut() {
        for (top, above) in [(0.05, 0), (0.1, 1), (0.25, 2), (0.5, 5), (0.99, 9)] {
            let cut = top_cut((0..10).map(f64::from), top);
            assert_eq!((0..10).filter(|v| f64::from(*v) > cut).count(), above, "{top}");
        }
        assert_eq!(top_cut([1.0, 2.0, 2.0, 2.0].into_iter(), 0.5), 2.0, "none of equal ones is above");
    }

    #[test]
    fn roles_are_beyond_the_quantiles_over_all_pairs() {
        let mut values = Array2::from_shape_fn((20, 10), |(u, t)| (u * 10 + t) as f64);
        values[[3, 3]] = f64::NAN;
        let measure = Measure::new(values);
        let [low, high] = measure.cuts.unwrap();
        assert!((low - 1.98).abs() < 1e-9 && (high - 197.02).abs() < 1e-9, "{low} {high}");
        let roles = |role: Role| -> Vec<(usize, usize)> {
            let all = (0..20).flat_map(|u| (0..10).map(move |t| (u, t)));
            all.filter(|(u, t)| measure.role(*u, *t) == role).collect()
        };
        assert_eq!(roles(Role::Contributor), [(19, 8), (19, 9)]);
        assert_eq!(roles(Role::Inhibitor), [(0, 0), (0, 1)]);
        assert_eq!(Measure::new(Array2::from_elem((1, 2), f64::NAN)).role(0, 1), Role::Neither);
    }

    #[test]
    fn sizes_that_differ_are_refused() {
        let (features, values, fires) = ten();
        let weights = Array2::zeros((2, 3));
        let measure = |w: &Array2<f32>, v: &Array2<f64>, f: &[Vec<bool>], top| {
            Contributions::measure(w.view(), features.view(), v.view(), f, top).map_err(|e| e.to_string())
        };
        assert!(measure(&weights, &values, &fires, 0.3).is_ok());
        let e = measure(&Array2::zeros((2, 4)), &values, &fires, 0.3).unwrap_err();
        assert!(e.contains("units of the weights") && e.contains("found 4, expected 3"), "{e}");
        assert!(measure(&weights, &Array2::zeros((9, 2)), &fires, 0.3).is_err());
        assert!(measure(&weights, &values, &fires[1..], 0.3).is_err());
        assert!(measure(&weights, &values, &fires, 0.0).is_err());
    }
}
