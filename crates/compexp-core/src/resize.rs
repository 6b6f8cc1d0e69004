//! Bilinear resizing of float maps, equal to Pillow's `Image.resize(..., BILINEAR)` to the bit; also fused with
//! thresholding.
//!
//! Equality to the bit matters because each value is compared with a strict `>`. Pillow resizes rows first, to f32,
//! then columns. Both sums run in f64 in the order of the inputs. When a map gets smaller, the triangle filter widens
//! with the scale.

use std::ops::Range;

use crate::probe::Grid;
use crate::simd::vectorized;

/// Outputs of a row that are computed at once: a multiple of every vector register's width.
pub(crate) const LANES: usize = 16;

/// Resizes maps of one size to another.
pub struct Resizer {
    from: Grid,
    to: Grid,
    rows: Vec<Rows>,
    columns: Vec<Columns>,
}

/// Consecutive rows of the output to which the same rows of the input contribute.
struct Rows {
    outputs: Range<usize>,
    inputs: Range<usize>,
    /// The weights of the inputs, output by output.
    weights: Vec<f64>,
}

/// Up to [`LANES`] consecutive columns of the output to which the same columns of the input contribute.
struct Columns {
    outputs: Range<usize>,
    inputs: Range<usize>,
    /// The weights of the outputs, input by input; 0 after the last output.
    weights: Vec<[f64; LANES]>,
}

/// For every output of an axis the inputs that contribute, and their weights, as Pillow computes them.
fn taps(n_in: usize, n_out: usize) -> Vec<(Range<usize>, Vec<f64>)> {
    let scale = n_in as f64 / n_out as f64;
    let support = scale.max(1.0);
    let of_output = |output: usize| {
        let center = (output as f64 + 0.5) * scale;
        let first = (center - support + 0.5).max(0.0) as usize;
        let end = ((center + support + 0.5) as usize).min(n_in);
        let triangle = |input: usize| {
            let distance = ((input as f64 - center + 0.5) * (1.0 / support)).abs();
            if distance < 1.0 { 1.0 - distance } else { 0.0 }
        };
        let mut weights: Vec<f64> = (first..end).map(triangle).collect();
        let total: f64 = weights.iter().sum();
        for w in &mut weights {
            *w /= total;
        }
        // Inputs with weight 0 add nothing to a sum of finite terms.
        let skip = weights.iter().take_while(|w| **w == 0.0).count();
        let keep = weights.len() - weights[skip..].iter().rev().take_while(|w| **w == 0.0).count();
        (first + skip..first + keep, weights[skip..keep].to_vec())
    };
    (0..n_out).map(of_output).collect()
}

impl Resizer {
    /// A resizer between two sizes, each at least 1 x 1.
    pub fn new(from: Grid, to: Grid) -> Self {
        let mut rows: Vec<Rows> = Vec::new();
        for (output, (inputs, weights)) in taps(from.height, to.height).into_iter().enumerate() {
            match rows.last_mut() {
                Some(r) if r.inputs == inputs => {
                    r.outputs.end = output + 1;
                    r.weights.extend(weights);
                }
                _ => rows.push(Rows { outputs: output..output + 1, inputs, weights }),
            }
        }
        let mut columns: Vec<Columns> = Vec::new();
        for (output, (inputs, weights)) in taps(from.width, to.width).into_iter().enumerate() {
            if columns.last().is_none_or(|c| c.inputs != inputs || c.outputs.len() == LANES) {
                let none = vec![[0.0; LANES]; inputs.len()];
                columns.push(Columns { outputs: output..output, inputs, weights: none });
            }
            if let Some(c) = columns.last_mut() {
                let lane = c.outputs.len();
                c.outputs.end = output + 1;
                c.weights.iter_mut().zip(weights).for_each(|(lanes, w)| lanes[lane] = w);
            }
        }
        Self { from, to, rows, columns }
    }

    /// Resizes one map: from `(height, width)` of the first size, row by row, to that of the second.
    pub fn resize(&self, map: &[f32], out: &mut [f32]) {
        let mut strips = Vec::new();
        for rows in &self.rows {
            for columns in &self.columns {
                self.widen(map, rows, columns, &mut strips);
                for (y, weights) in rows.each() {
                    let sums = sum(&strips, weights);
                    let row = &mut out[y * self.to.width..][columns.outputs.clone()];
                    row.iter_mut().zip(sums).for_each(|(o, s)| *o = s as f32);
                }
            }
        }
    }

    /// Resizes the rows of the input that a block depends on, each to the block's columns: the values of f32, as f64.
    #[inline(always)]
    fn widen(&self, map: &[f32], rows: &Rows, columns: &Columns, strips: &mut Vec<[f64; LANES]>) {
        strips.clear();
        for r in rows.inputs.clone() {
            let inputs = &map[r * self.from.width..][columns.inputs.clone()];
            let mut sums = [0.0; LANES];
            for (v, weights) in inputs.iter().zip(&columns.weights) {
                for i in 0..LANES {
                    sums[i] += f64::from(*v) * weights[i];
                }
            }
            strips.push(sums.map(|s| f64::from(s as f32)));
        }
    }

    /// Calls `hit` for every run of outputs in which some are greater than `cut`: the position of the run's first
    /// output, and a bit for each of the outputs from there on. `strips` is scratch memory.
    ///
    /// The outputs that depend on the same inputs form a block. An output is a weighted mean of its inputs, and rounding
    /// to f32 is monotone, so no output of a block is above its largest input or below its smallest. Only blocks with
    /// inputs on both sides of the cut are resized.
    pub(crate) fn hits(&self, map: &[f32], cut: f32, strips: &mut Vec<[f64; LANES]>, hit: impl FnMut(usize, u64)) {
        vectorized(
            #[inline(always)]
            || self.hits_inlined(map, cut, strips, hit),
        );
    }

    #[inline(always)]
    fn hits_inlined(&self, map: &[f32], cut: f32, strips: &mut Vec<[f64; LANES]>, mut hit: impl FnMut(usize, u64)) {
        for rows in &self.rows {
            for columns in &self.columns {
                let (mut any, mut all) = (false, true);
                for r in rows.inputs.clone() {
                    for v in &map[r * self.from.width..][columns.inputs.clone()] {
                        any |= *v > cut;
                        all &= *v > cut;
                    }
                }
                if !any {
                    continue;
                }
                let whole = u64::MAX >> (64 - columns.outputs.len());
                if !all {
                    self.widen(map, rows, columns, strips);
                }
                for (y, weights) in rows.each() {
                    let bits = if all { whole } else { above(&sum(strips, weights), cut) & whole };
                    if bits != 0 {
                        hit(y * self.to.width + columns.outputs.start, bits);
                    }
                }
            }
        }
    }
}

impl Rows {
    /// The outputs, each with the weights of its inputs.
    #[inline(always)]
    fn each(&self) -> impl Iterator<Item = (usize, &[f64])> {
        self.outputs.clone().zip(self.weights.chunks_exact(self.inputs.len()))
    }
}

/// A weighted sum of strips.
#[inline(always)]
fn sum(strips: &[[f64; LANES]], weights: &[f64]) -> [f64; LANES] {
    let mut sums = [0.0; LANES];
    for (strip, w) in strips.iter().zip(weights) {
        for i in 0..LANES {
            sums[i] += strip[i] * w;
        }
    }
    sums
}

/// A bit for each value that is greater than `cut` once it is rounded to f32.
#[inline(always)]
fn above(values: &[f64; LANES], cut: f32) -> u64 {
    let mut bits = 0u32;
    for (i, v) in values.iter().enumerate() {
        bits |= u32::from(*v as f32 > cut) << i;
    }
    u64::from(bits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grid(height: usize, width: usize) -> Grid {
        Grid { height, width }
    }

    proptest! {
        #[test]
        fn hits_are_the_resized_values_above_the_cut(
            h in 1usize..6, w in 1usize..6, to_h in 1usize..20, to_w in 1usize..150,
            values in proptest::collection::vec(-3i32..4, 36), cut in -3i32..4, scale in prop_oneof![Just(1.0f32), Just(0.1)],
        ) {
            let map: Vec<f32> = values[..h * w].iter().map(|v| *v as f32 * scale).collect();
            let (to, cut) = (grid(to_h, to_w), cut as f32 * scale);
            let resizer = Resizer::new(grid(h, w), to);
            let mut resized = vec![0.0; to.positions()];
            resizer.resize(&map, &mut resized);
            let expected: Vec<bool> = resized.iter().map(|v| *v > cut).collect();
            let mut found = vec![false; to.positions()];
            resizer.hits(&map, cut, &mut Vec::new(), |first, bits| {
                for i in (0..64).filter(|i| bits >> i & 1 == 1) {
                    assert!(!found[first + i], "each position once");
                    found[first + i] = true;
                }
            });
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn the_same_size_changes_nothing(values in proptest::collection::vec(-1e6f32..1e6, 12)) {
            let mut out = vec![0.0; 12];
            Resizer::new(grid(3, 4), grid(3, 4)).resize(&values, &mut out);
            prop_assert_eq!(out, values);
        }
    }
}
