//! How the units of one layer contribute to the units of the next, position by position.
//!
//! The maps of both layers are reduced to the smaller of the two sizes by the mean over each window. Each position of each
//! example then counts as an example does for contributions to classes: correlation is over the values there, and a unit
//! fires there if any value of the window is above its threshold.

use std::ops::Range;

use compexp_core::activation::{ActivationSource, check_finite};
use compexp_core::probe::Grid;
use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use super::contribution::Contributions;
use super::pairs::{Block, Pairs};
use crate::{Error, Result};

/// Positions that are in memory at once, about.
const BLOCK: usize = 4096;

/// Some units of a layer.
pub struct Layer<'a> {
    /// The layer's activations.
    pub source: &'a dyn ActivationSource,
    /// The units, each with the value above which it fires.
    pub units: &'a [(usize, f64)],
}

impl Contributions {
    /// Measures how the units of `below` contribute to the units of `above`; `weights` is `(units of above, units of below)`.
    ///
    /// Reads both layers once, a block of examples at a time.
    ///
    /// # Errors
    /// `Error::Mismatch` if the layers are not of the same examples, there are none, or the weights are of other units;
    /// those of the sources, and [`Error::NotFinite`].
    pub fn between(weights: ArrayView2<'_, f32>, below: &Layer<'_>, above: &Layer<'_>) -> Result<Self> {
        let n = above.source.n_examples();
        for (what, found, expected) in [
            ("examples of the layer below", below.source.n_examples(), n),
            ("units of the weights", weights.nrows(), above.units.len()),
            ("units below of the weights", weights.ncols(), below.units.len()),
        ] {
            if found != expected {
                return Err(Error::mismatch(what, found, expected));
            }
        }
        if n == 0 {
            return Err(Error::mismatch("examples to correlate over", n, "at least 1"));
        }
        let (a, b) = (above.source.grid(), below.source.grid());
        let to = Grid { height: a.height.min(b.height), width: a.width.min(b.width) };
        let mut pairs = Pairs::new(below.units.len(), above.units.len());
        let size = BLOCK.div_ceil(to.positions()).min(n);
        for first in (0..n).step_by(size) {
            let examples = size.min(n - first);
            pairs.add(below.read(first, examples, to)?, above.read(first, examples, to)?);
        }
        let weights = weights.t().map(|w| f64::from(*w));
        Ok(Self::new(weights, pairs.correlation(), pairs.overlap()))
    }
}

impl Layer<'_> {
    /// The values of `n` examples at the size `to`, a row a position.
    fn read(&self, first: usize, n: usize, to: Grid) -> Result<Block> {
        let (n_units, from, columns) = (self.source.n_units(), self.source.grid(), self.units.len());
        if let Some((unit, _)) = self.units.iter().find(|(unit, _)| *unit >= n_units) {
            return Err(Error::mismatch("unit of a layer", unit, format!("less than {n_units}")));
        }
        let per_example = n_units * from.positions();
        let mut values = vec![0.0; n * per_example];
        self.source.read(first, &mut values)?;
        check_finite(&values, first, n_units, from.positions())?;
        let windows = windows(from, to);
        let rows: Vec<Vec<(f64, bool)>> = values
            .par_chunks(per_example)
            .map(|example| {
                let maps = || self.units.iter().map(|(unit, t)| (&example[unit * from.positions()..], t));
                windows.iter().flat_map(|w| maps().map(|(map, t)| pool(map, w, *t))).collect()
            })
            .collect();
        let shape = (n * windows.len(), columns);
        let whole = "one value a position and unit";
        let rows = || rows.iter().flatten();
        Ok(Block {
            values: Array2::from_shape_vec(shape, rows().map(|(mean, _)| *mean).collect()).expect(whole),
            high: Array2::from_shape_vec(shape, rows().map(|(_, high)| *high).collect()).expect(whole),
        })
    }
}

/// The mean of a window of a map, and whether any value in it is above the threshold.
fn pool(map: &[f32], window: &[usize], threshold: f64) -> (f64, bool) {
    let values = || window.iter().map(|at| f64::from(map[*at]));
    (values().sum::<f64>() / window.len() as f64, values().any(|v| v > threshold))
}

/// The places of a map that fall on each position of a smaller one: whole rows and columns, shared by two positions where
/// the sizes do not divide.
fn windows(from: Grid, to: Grid) -> Vec<Vec<usize>> {
    let ranges = |from: usize, to: usize| -> Vec<Range<usize>> {
        (0..to).map(|i| i * from / to..((i + 1) * from).div_ceil(to)).collect()
    };
    let (rows, columns) = (ranges(from.height, to.height), ranges(from.width, to.width));
    let window = |r: &Range<usize>, c: &Range<usize>| {
        r.clone().flat_map(|y| c.clone().map(move |x| y * from.width + x)).collect()
    };
    rows.iter().flat_map(|r| columns.iter().map(move |c| window(r, c))).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::{Array4, Axis};

    use super::*;

    /// Maps that look random, the same every time, rectified.
    fn maps(n: usize, units: usize, [h, w]: [usize; 2], seed: u64) -> Array4<f32> {
        let mut state = seed;
        Array4::from_shape_simple_fn((n, units, h, w), || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 40) as f32 / (1 << 22) as f32 - 2.0).max(0.0)
        })
    }

    /// Which of `n` places fall on place `i` of `m`: those that cover some of it, on an axis of length 1.
    fn covers(n: usize, m: usize, i: usize) -> Vec<usize> {
        (0..n).filter(|k| k * m < (i + 1) * n && (k + 1) * m > i * n).collect()
    }

    /// A unit's pooled values, and where it fires, over all examples and positions of the smaller size.
    fn dense(maps: &Array4<f32>, unit: usize, threshold: f64, [h, w]: [usize; 2]) -> (Vec<f64>, Vec<bool>) {
        let (n, _, height, width) = maps.dim();
        let mut all = (Vec::new(), Vec::new());
        for (example, y, x) in (0..n).flat_map(|e| (0..h).flat_map(move |y| (0..w).map(move |x| (e, y, x)))) {
            let mut found = Vec::new();
            for row in covers(height, h, y) {
                found.extend(
                    covers(width, w, x).into_iter().map(|column| f64::from(maps[[example, unit, row, column]])),
                );
            }
            all.0.push(found.iter().sum::<f64>() / found.len() as f64);
            all.1.push(found.iter().any(|v| *v > threshold));
        }
        all
    }

    fn pearson(a: &[f64], b: &[f64]) -> f64 {
        let n = a.len() as f64;
        let (ma, mb) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
        let sum = |f: &dyn Fn(f64, f64) -> f64| a.iter().zip(b).map(|(a, b)| f(a - ma, b - mb)).sum::<f64>();
        sum(&|a, b| a * b) / (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt()
    }

    #[test]
    fn layers_agree_with_a_dense_oracle_at_every_size() {
        // The usual case, one that does not divide, a smaller layer below, and one value an example.
        for (small, large, n) in
            [([2, 2], [4, 4], 1500), ([3, 2], [7, 5], 40), ([4, 4], [2, 3], 40), ([1, 1], [3, 3], 40)]
        {
            let size = [small[0].min(large[0]), small[1].min(large[1])];
            let (above, mut below) = (maps(n, 4, small, 1), maps(n, 6, large, 2));
            below.index_axis_mut(Axis(1), 1).fill(0.75);
            let (own, lower) = ([(3, 0.5), (0, 0.75)], [(5, 0.25), (1, 1.0), (2, 1.5), (0, 0.0)]);
            let weights = Array2::from_shape_fn((2, 4), |(t, u)| (10 * t + u) as f32);
            let (a, b) = (above.view(), below.view());
            let [a, b] = [Layer { source: &a, units: &own }, Layer { source: &b, units: &lower }];
            let found = Contributions::between(weights.view(), &b, &a).unwrap();
            assert_eq!(found.weight.values[[2, 1]], 12.0);
            for (t, (target, cut)) in own.iter().enumerate() {
                let (values, high) = dense(&above, *target, *cut, size);
                for (u, (unit, cut)) in lower.iter().enumerate() {
                    let (own_values, fires) = dense(&below, *unit, *cut, size);
                    let (r, overlap) = (found.correlation.values[[u, t]], found.overlap.values[[u, t]]);
                    let name = format!("{small:?} and {large:?}, units {unit} and {target}");
                    match u {
                        1 => assert!(r.is_nan(), "{name}: constant"),
                        _ => assert!((r - pearson(&own_values, &values)).abs() < 1e-9, "{name}: {r}"),
                    }
                    let count =
                        |f: fn(bool, bool) -> bool| fires.iter().zip(&high).filter(|(a, b)| f(**a, **b)).count();
                    let iou = count(|a, b| a && b) as f64 / count(|a, b| a || b) as f64;
                    assert_eq!(overlap, iou, "{name}");
                }
            }
        }
    }

    #[test]
    fn what_one_layer_computes_from_the_other_is_found() {
        // The target is a sum of two units' maps, position by position: means over an example would hardly differ.
        let below = maps(60, 5, [4, 4], 7);
        let above = Array4::from_shape_fn((60, 1, 4, 4), |(e, _, y, x)| below[[e, 1, y, x]] - below[[e, 4, y, x]]);
        let units: Vec<(usize, f64)> = (0..5).map(|u| (u, 1.0)).collect();
        let (a, b) = (above.view(), below.view());
        let [a, b] = [Layer { source: &a, units: &[(0, 1.0)] }, Layer { source: &b, units: &units }];
        let r = Contributions::between(Array2::zeros((1, 5)).view(), &b, &a).unwrap().correlation.values;
        assert!(r[[1, 0]] > 0.6 && r[[4, 0]] < -0.6 && [0, 2, 3].iter().all(|u| r[[*u, 0]].abs() < 0.15), "{r}");
    }

    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        let (above, below) = (maps(700, 40, [2, 2], 1), maps(700, 70, [4, 4], 2));
        let units = |n: usize| (0..n).map(|u| (u, 1.0)).collect::<Vec<_>>();
        let (own, lower) = (units(40), units(70));
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let (a, b) = (above.view(), below.view());
            let [a, b] = [Layer { source: &a, units: &own }, Layer { source: &b, units: &lower }];
            pool.install(|| Contributions::between(Array2::zeros((40, 70)).view(), &b, &a).unwrap())
        };
        assert_eq!(run(1), run(3));
    }

    #[test]
    fn layers_that_do_not_belong_together_are_refused() {
        let (above, below) = (maps(3, 2, [1, 1], 1), maps(3, 2, [2, 2], 2));
        let between = |above: &Array4<f32>, below: &Array4<f32>, lower: &[(usize, f64)], shape| {
            let (a, b) = (above.view(), below.view());
            let [a, b] = [Layer { source: &a, units: &[(0, 1.0)] }, Layer { source: &b, units: lower }];
            Contributions::between(Array2::zeros(shape).view(), &b, &a).map_err(|e| e.to_string())
        };
        assert!(between(&above, &below, &[(1, 1.0)], (1, 1)).is_ok());
        let e = between(&above, &maps(4, 2, [2, 2], 2), &[(1, 1.0)], (1, 1)).unwrap_err();
        assert!(e.contains("examples of the layer below: found 4, expected 3"), "{e}");
        let e = between(&above, &below, &[(2, 1.0)], (1, 1)).unwrap_err();
        assert!(e.contains("unit of a layer: found 2, expected less than 2"), "{e}");
        let e = between(&above, &below, &[(1, 1.0)], (1, 2)).unwrap_err();
        assert!(e.contains("units below of the weights: found 2, expected 1"), "{e}");
        let mut broken = below.clone();
        broken[[2, 0, 1, 1]] = f32::NAN;
        let e = between(&above, &broken, &[(1, 1.0)], (1, 1)).unwrap_err();
        assert!(e.contains("unit 0 on example 2 is NaN"), "{e}");
    }
}
