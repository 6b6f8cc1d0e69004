//! What units and targets have in common, gathered block by block, so that memory holds no more than a block.

use ndarray::{Array1, Array2, Axis};
use rayon::prelude::*;

/// Units that one task multiplies with all targets. A constant, so that sums are the same on any number of threads.
const TASK: usize = 32;

/// Values of one side, `(n, columns)`, and where they are high.
pub(super) struct Block {
    pub(super) values: Array2<f64>,
    pub(super) high: Array2<bool>,
}

/// Sums over all rows so far.
pub(super) struct Pairs {
    n: usize,
    units: Side,
    targets: Side,
    /// Of the products of what either side is above its mean, `(n_units, n_targets)`.
    products: Array2<f64>,
    /// Rows on which both are high.
    both: Array2<u64>,
}

/// The sums of each column of one side.
struct Side {
    mean: Array1<f64>,
    /// The squares of what values are above the mean.
    squares: Array1<f64>,
    /// The first value, as long as no other differs from it.
    constant: Vec<Option<f64>>,
    high: Vec<u64>,
}

impl Pairs {
    pub(super) fn new(n_units: usize, n_targets: usize) -> Self {
        Self {
            n: 0,
            units: Side::new(n_units),
            targets: Side::new(n_targets),
            products: Array2::zeros((n_units, n_targets)),
            both: Array2::zeros((n_units, n_targets)),
        }
    }

    /// Adds rows, which both sides have as many of.
    ///
    /// Means and sums of the block are joined with those so far (Chan, Golub and LeVeque, 1979): one pass over the data,
    /// and as exact as two.
    pub(super) fn add(&mut self, units: Block, targets: Block) {
        let rows = units.values.nrows();
        if rows == 0 {
            return;
        }
        let [(units, unit_bits), (targets, target_bits)] = [(units, &mut self.units), (targets, &mut self.targets)]
            .map(|(block, side)| {
                let bits = side.count(&block);
                (side.centered(block.values, self.n), bits)
            });
        let joined = (self.n * rows) as f64 / (self.n + rows) as f64;
        let tasks: Vec<_> = self.products.axis_chunks_iter_mut(Axis(0), TASK).enumerate().collect();
        tasks.into_par_iter().for_each(|(i, mut products)| {
            let own = i * TASK..i * TASK + products.nrows();
            products += &units.values.slice_axis(Axis(1), own.clone().into()).t().dot(&targets.values); // (TASK, n_targets)
            for (mut row, unit) in products.outer_iter_mut().zip(own) {
                row.scaled_add(units.step[unit] * joined, &targets.step);
            }
        });
        let both: Vec<_> = self.both.outer_iter_mut().collect();
        both.into_par_iter().zip(&unit_bits).for_each(|(row, unit)| {
            for (both, target) in row.into_iter().zip(&target_bits) {
                *both += unit.iter().zip(target).map(|(a, b)| u64::from((a & b).count_ones())).sum::<u64>();
            }
        });
        self.n += rows;
    }

    /// Pearson's r; NaN if either side is constant.
    pub(super) fn correlation(&self) -> Array2<f64> {
        Array2::from_shape_fn(self.products.dim(), |(u, t)| {
            if self.units.constant[u].is_some() || self.targets.constant[t].is_some() {
                return f64::NAN;
            }
            let lengths = self.units.squares[u].sqrt() * self.targets.squares[t].sqrt();
            (self.products[[u, t]] / lengths).clamp(-1.0, 1.0)
        })
    }

    /// IoU of the rows on which either is high; NaN if neither is high on any.
    pub(super) fn overlap(&self) -> Array2<f64> {
        Array2::from_shape_fn(self.both.dim(), |(u, t)| {
            let both = self.both[[u, t]];
            both as f64 / (self.units.high[u] + self.targets.high[t] - both) as f64
        })
    }
}

/// A block less its own mean, and how far that is from the mean so far.
struct Centered {
    values: Array2<f64>,
    step: Array1<f64>,
}

impl Side {
    fn new(columns: usize) -> Self {
        Self {
            mean: Array1::zeros(columns),
            squares: Array1::zeros(columns),
            constant: vec![None; columns],
            high: vec![0; columns],
        }
    }

    /// Counts what is high, and gives it as bits by column.
    fn count(&mut self, block: &Block) -> Vec<Vec<u64>> {
        let bits: Vec<Vec<u64>> = block.high.axis_iter(Axis(1)).map(|column| pack(column.iter().copied())).collect();
        for (high, bits) in self.high.iter_mut().zip(&bits) {
            *high += bits.iter().map(|word| u64::from(word.count_ones())).sum::<u64>();
        }
        bits
    }

    /// Joins a block to the `n` rows so far.
    fn centered(&mut self, mut values: Array2<f64>, n: usize) -> Centered {
        let rows = values.nrows() as f64;
        for (column, constant) in values.axis_iter(Axis(1)).zip(&mut self.constant) {
            let first = if n == 0 { column.first().copied() } else { *constant };
            *constant = first.filter(|first| column.iter().all(|v| v == first));
        }
        let mean = values.sum_axis(Axis(0)) / rows;
        values -= &mean;
        let step = &mean - &self.mean;
        let share = rows / (n as f64 + rows);
        self.squares += &values.map(|v| v * v).sum_axis(Axis(0));
        self.squares += &step.map(|d| d * d * n as f64 * share);
        self.mean.scaled_add(share, &step);
        Centered { values, step }
    }
}

fn pack(bits: impl Iterator<Item = bool>) -> Vec<u64> {
    let mut words = Vec::new();
    for (i, bit) in bits.enumerate() {
        if i % 64 == 0 {
            words.push(0);
        }
        words[i / 64] |= u64::from(bit) << (i % 64);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look random, the same every time; far from 0, so that sums of squares alone would lose their digits.
    fn values(n: usize, columns: usize, seed: usize) -> Array2<f64> {
        Array2::from_shape_fn((n, columns), |(i, c)| {
            let mixed = (i * 37 + c * 101 + seed * 13) * (i + 7 * c + 3) % 1009;
            1e6 + mixed as f64 + if c == 1 { 0.0 } else { (i % (c + 2)) as f64 * 200.0 }
        })
    }

    fn block(values: Array2<f64>) -> Block {
        let high = values.map(|v| *v > 1e6 + 800.0);
        Block { values, high }
    }

    /// Both measures by their definition.
    fn slow(a: &[f64], b: &[f64]) -> (f64, f64) {
        let n = a.len() as f64;
        let (ma, mb) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
        let sum = |f: &dyn Fn(f64, f64) -> f64| a.iter().zip(b).map(|(a, b)| f(a - ma, b - mb)).sum::<f64>();
        let high = |v: &f64| *v > 1e6 + 800.0;
        let count = |f: fn(bool, bool) -> bool| a.iter().zip(b).filter(|(a, b)| f(high(a), high(b))).count() as f64;
        let r = sum(&|a, b| a * b) / (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt();
        (r, count(|a, b| a && b) / count(|a, b| a || b))
    }

    #[test]
    fn blocks_of_any_size_come_to_the_definition() {
        let (n, n_units, n_targets) = (301, 70, 5);
        let (mut units, mut targets) = (values(n, n_units, 1), values(n, n_targets, 2));
        units.column_mut(3).fill(0.1);
        targets.column_mut(4).fill(1e6 + 900.0);
        for size in [n, 1, 64, 100] {
            let mut pairs = Pairs::new(n_units, n_targets);
            for from in (0..n).step_by(size) {
                let rows = |all: &Array2<f64>| all.slice_axis(Axis(0), (from..(from + size).min(n)).into()).to_owned();
                pairs.add(block(rows(&units)), block(rows(&targets)));
            }
            let (r, overlap) = (pairs.correlation(), pairs.overlap());
            for u in 0..n_units {
                for t in 0..n_targets {
                    let (by_hand, iou) = slow(&units.column(u).to_vec(), &targets.column(t).to_vec());
                    let (found, name) = (r[[u, t]], format!("blocks of {size}, {u} and {t}"));
                    match u == 3 || t == 4 {
                        true => assert!(found.is_nan(), "{name}: {found} of a constant"),
                        false => assert!((found - by_hand).abs() < 1e-9, "{name}: {found} and {by_hand}"),
                    }
                    assert_eq!(overlap[[u, t]].to_bits(), iou.to_bits(), "{name}");
                }
            }
        }
    }
}
