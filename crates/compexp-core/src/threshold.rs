//! Thresholds: the activation above which a unit counts as firing.
//!
//! Quantiles are exact: as many of each unit's largest values are kept as the quantile needs, and the order statistics are
//! read from them. The values kept on two machines can be merged.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::activation::{ActivationSource, check_finite};
use crate::error::{Error, Result};

/// How a unit's threshold is chosen. A position is a hit if its activation is strictly greater.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdRule {
    /// The top fraction of all values of the unit's low-resolution maps, in (0, 1), interpolated linearly in f64.
    TopQuantile(f64),
    /// As `TopQuantile`, computed like `numpy.quantile` (numpy 2.4) of f32 values and a Python float: the index in f64, the
    /// interpolation in f32.
    TopQuantileF32(f64),
    /// The threshold 0: the unit fires where its activation is positive.
    Positive,
}

/// The place of a quantile among sorted values: the index below it, and the fraction of the way to the next.
#[derive(Clone, Copy, Debug)]
struct Place {
    below: usize,
    way: f64,
}

impl ThresholdRule {
    fn place(self, n: usize) -> Option<Place> {
        let last = n - 1;
        let top = match self {
            Self::Positive => return None,
            Self::TopQuantile(top) | Self::TopQuantileF32(top) => top,
        };
        let index = last as f64 * (1.0 - top);
        if index >= last as f64 {
            Some(Place { below: last, way: 0.0 })
        } else {
            Some(Place { below: index as usize, way: index.fract() })
        }
    }

    fn interpolate(self, below: f32, above: f32, way: f64) -> f64 {
        match self {
            Self::Positive => 0.0,
            Self::TopQuantile(_) => {
                let (a, b) = (f64::from(below), f64::from(above));
                if way < 0.5 { a + (b - a) * way } else { b - (b - a) * (1.0 - way) }
            }
            Self::TopQuantileF32(_) => {
                let step = above - below;
                f64::from(if way < 0.5 { below + step * way as f32 } else { above - step * (1.0 - way) as f32 })
            }
        }
    }

    /// Whether the rule can be used on so many values of a unit.
    pub(crate) fn check_for(self, n_values: usize) -> Result<()> {
        self.check()?;
        match n_values {
            0 => Err(Error::mismatch("values of a unit", 0, "at least one")),
            _ => Ok(()),
        }
    }

    /// The threshold of a unit with `n` values, of which all but `values` are 0.
    pub(crate) fn of_sparse(self, values: &[f32], n: usize) -> f64 {
        let Some(place) = self.place(n) else { return 0.0 };
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f32::total_cmp);
        let (negative, zeros) = (sorted.partition_point(|v| *v < 0.0), n.saturating_sub(sorted.len()));
        let at = |rank: usize| match rank {
            rank if rank < negative => sorted[rank],
            rank if rank < negative + zeros => 0.0,
            rank => sorted.get(rank - zeros).copied().unwrap_or(0.0),
        };
        self.interpolate(at(place.below), at((place.below + 1).min(n - 1)), place.way)
    }

    fn check(self) -> Result<()> {
        match self {
            Self::TopQuantile(top) | Self::TopQuantileF32(top) if !(top > 0.0 && top < 1.0) => {
                Err(Error::mismatch("quantile", top, "the share of values above the threshold, between 0 and 1"))
            }
            _ => Ok(()),
        }
    }
}

/// Computes thresholds from activations that arrive in blocks, in any order.
pub struct ThresholdBuilder {
    rule: ThresholdRule,
    n_values: usize,
    place: Option<Place>,
    units: Vec<Largest>,
}

impl ThresholdBuilder {
    /// A builder for `n_units` units with `n_values` values each, counted over all blocks and machines.
    ///
    /// # Errors
    /// [`Error::Mismatch`] if `n_values` is 0, or if the quantile is not between 0 and 1.
    pub fn new(rule: ThresholdRule, n_units: usize, n_values: usize) -> Result<Self> {
        rule.check_for(n_values)?;
        let place = rule.place(n_values);
        let keep = place.map_or(0, |p| n_values - p.below);
        let units = (0..n_units).map(|_| Largest { keep, floor: f32::NEG_INFINITY, values: Vec::new() }).collect();
        Ok(Self { rule, n_values, place, units })
    }

    /// Adds a block of finite activations, `(n, n_units, positions)`.
    pub fn add(&mut self, block: &[f32], positions: usize) {
        let stride = self.units.len() * positions;
        if self.place.is_none() || stride == 0 {
            return;
        }
        self.units.par_iter_mut().enumerate().for_each(|(u, unit)| {
            for example in block.chunks_exact(stride) {
                unit.extend(&example[u * positions..][..positions]);
            }
        });
    }

    /// Adds the values of another builder of the same rule and size.
    ///
    /// # Errors
    /// [`Error::Mismatch`] if the two were made for different rules or sizes.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        let key = |b: &Self| (format!("{:?}", b.rule), b.units.len(), b.n_values);
        if key(self) != key(other) {
            return Err(Error::mismatch(
                "threshold gathering to merge",
                format!("{:?}", key(other)),
                format!("{:?}", key(self)),
            ));
        }
        for (a, b) in self.units.iter_mut().zip(&other.units) {
            a.extend(&b.values);
        }
        Ok(())
    }

    /// The threshold of every unit.
    ///
    /// # Errors
    /// [`Error::Mismatch`] if fewer values were added than [`ThresholdBuilder::new`] was given.
    pub fn finish(self) -> Result<Vec<f64>> {
        let Some(place) = self.place else { return Ok(vec![0.0; self.units.len()]) };
        let (rule, expected) = (self.rule, self.n_values - place.below);
        self.units
            .into_par_iter()
            .map(|mut unit| {
                unit.shrink();
                if unit.values.len() < expected {
                    return Err(Error::mismatch("values gathered for a threshold", unit.values.len(), expected));
                }
                unit.values.sort_unstable_by(f32::total_cmp);
                let below = unit.values[0];
                let above = *unit.values.get(1).unwrap_or(&below);
                Ok(rule.interpolate(below, above, place.way))
            })
            .collect()
    }
}

/// The `keep` largest of the values seen so far, among at most twice as many.
struct Largest {
    keep: usize,
    /// Values up to this one can no longer change the result.
    floor: f32,
    values: Vec<f32>,
}

impl Largest {
    fn extend(&mut self, values: &[f32]) {
        for v in values {
            if *v > self.floor {
                self.values.push(*v);
            }
        }
        if self.values.len() >= 2 * self.keep + 256 {
            self.shrink();
        }
    }

    fn shrink(&mut self) {
        if self.values.len() > self.keep {
            let (_, kth, _) = self.values.select_nth_unstable_by(self.keep - 1, |a, b| b.total_cmp(a));
            self.floor = *kth;
            self.values.truncate(self.keep);
        }
    }
}

/// The threshold of each unit; reads all activations once. Calls `progress` with the number of examples done.
///
/// # Errors
/// [`Error::NotFinite`] if an activation is NaN or infinite, under every rule; [`Error::Mismatch`] if there are no units or
/// no values, or if the quantile is not between 0 and 1. [`Error::Source`] if the source cannot be
/// read.
pub fn thresholds(source: &dyn ActivationSource, rule: ThresholdRule, progress: &dyn Fn(usize)) -> Result<Vec<f64>> {
    let (n, n_units, positions) = (source.n_examples(), source.n_units(), source.grid().positions());
    let mut builder = ThresholdBuilder::new(rule, n_units, n * positions)?;
    for_each_block(source, |first, block| {
        check_finite(block, first, n_units, positions)?;
        builder.add(block, positions);
        progress(first + block.len() / (n_units * positions));
        Ok(())
    })?;
    builder.finish()
}

/// Reads all activations in order, in blocks of some megabytes; calls `f` with the first example of each block and the block.
pub(crate) fn for_each_block(
    source: &dyn ActivationSource,
    mut f: impl FnMut(usize, &[f32]) -> Result<()>,
) -> Result<()> {
    let (n, stride) = (source.n_examples(), source.n_units() * source.grid().positions());
    if stride == 0 {
        return Err(Error::mismatch("values of an example's activations", 0, "at least one unit and one position"));
    }
    let examples = ((1 << 21) / stride).clamp(1, 1024);
    let mut block = vec![0.0; examples.min(n) * stride];
    for first in (0..n).step_by(examples) {
        let block = &mut block[..examples.min(n - first) * stride];
        source.read(first, block)?;
        f(first, block)?;
    }
    Ok(())
}

/// The largest f32 that is not above `threshold`. An f32 is greater than this cut if and only if it is greater than
/// `threshold`.
pub(crate) fn cut(threshold: f64) -> f32 {
    let nearest = threshold as f32;
    if f64::from(nearest) > threshold { nearest.next_down() } else { nearest }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array4, ArrayView4};
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[f32], rule: ThresholdRule) -> f64 {
        let view = ArrayView4::from_shape((values.len(), 1, 1, 1), values).unwrap();
        thresholds(&view, rule, &|_| ()).unwrap()[0]
    }

    #[test]
    fn interpolates_between_order_statistics() {
        let values = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert_eq!(of(&values, ThresholdRule::TopQuantile(0.5)), 3.0);
        assert_eq!(of(&values, ThresholdRule::TopQuantile(0.1)), 4.6);
        assert_eq!(of(&values, ThresholdRule::Positive), 0.0);
        assert_eq!(of(&[7.0], ThresholdRule::TopQuantile(0.1)), 7.0);
    }

    #[test]
    fn non_finite_activations_are_named() {
        let mut a = Array4::<f32>::zeros((3, 2, 2, 2));
        a[[2, 1, 0, 1]] = f32::NAN;
        let e = thresholds(&a.view(), ThresholdRule::Positive, &|_| ()).unwrap_err();
        assert!(matches!(e, Error::NotFinite { unit: 1, example: 2, .. }), "{e}");
        a[[2, 1, 0, 1]] = f32::NEG_INFINITY;
        assert!(thresholds(&a.view(), ThresholdRule::TopQuantile(0.5), &|_| ()).is_err());
    }

    #[test]
    fn quantiles_outside_the_unit_interval_are_refused() {
        for q in [0.0, 1.0, -0.1, f64::NAN] {
            assert!(ThresholdBuilder::new(ThresholdRule::TopQuantile(q), 1, 10).is_err(), "{q}");
        }
    }

    proptest! {
        #[test]
        fn blocks_and_merging_change_nothing(
            values in proptest::collection::vec(-100i32..100, 1..2000), top in 0.001f64..0.999, cut in 0usize..2000,
        ) {
            let values: Vec<f32> = values.into_iter().map(|v| v as f32 / 7.0).collect();
            let cut = cut.min(values.len());
            let rule = ThresholdRule::TopQuantile(top);
            let mut sorted = values.clone();
            sorted.sort_by(f32::total_cmp);
            let index = (values.len() - 1) as f64 * (1.0 - top);
            let (a, b) = (sorted[index as usize], sorted[(index as usize + 1).min(values.len() - 1)]);
            let new = || ThresholdBuilder::new(rule, 1, values.len()).unwrap();
            let (mut left, mut right) = (new(), new());
            for v in values[..cut].chunks(13) {
                left.add(v, 1);
            }
            right.add(&values[cut..], 1);
            left.merge(&right).unwrap();
            let found = left.finish().unwrap();
            prop_assert_eq!(found[0], rule.interpolate(a, b, index.fract()));
        }

        #[test]
        fn the_cut_divides_floats_as_the_threshold_does(t in any::<f64>().prop_filter("in range", |t| t.abs() < 1e30), v in any::<f32>()) {
            prop_assert_eq!(v > cut(t), f64::from(v) > t);
        }
    }
}
