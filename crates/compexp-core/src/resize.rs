//! Bilinear resizing of float maps, equal to Pillow's `Image.resize(..., BILINEAR)` to the bit, and the same fused with
//! thresholding.
//!
//! Equality matters because a strict `>` decides on each value. Pillow resizes rows first, to f32, then columns; both
//! sums run in f64 in the order of the inputs; on reduction the triangle widens with the scale.

use std::ops::Range;

use crate::probe::Grid;
use crate::simd::vectorized;

/// Resizes maps of one size to another.
pub struct Resizer {
    from: Grid,
    to: Grid,
    rows: Axis,
    columns: Axis,
}

/// One axis: for every output the inputs that contribute, and their weights.
struct Axis {
    /// The longest run of inputs of any output.
    stride: usize,
    weights: Vec<f64>,
    segments: Vec<Segment>,
}

/// Consecutive outputs to which the same inputs contribute.
#[derive(Clone, Debug)]
struct Segment {
    outputs: Range<usize>,
    inputs: Range<usize>,
}

impl Axis {
    fn new(n_in: usize, n_out: usize) -> Self {
        let scale = n_in as f64 / n_out as f64;
        let support = scale.max(1.0);
        let mut taps: Vec<(Range<usize>, Vec<f64>)> = Vec::with_capacity(n_out);
        for output in 0..n_out {
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
            // Inputs of no weight add nothing to a sum of finite terms.
            let skip = weights.iter().take_while(|w| **w == 0.0).count();
            let keep = weights.len() - weights[skip..].iter().rev().take_while(|w| **w == 0.0).count();
            taps.push((first + skip..first + keep, weights[skip..keep].to_vec()));
        }
        let stride = taps.iter().map(|(inputs, _)| inputs.len()).max().unwrap_or(0);
        let mut axis = Self { stride, weights: vec![0.0; stride * n_out], segments: Vec::new() };
        for (output, (inputs, weights)) in taps.into_iter().enumerate() {
            axis.weights[output * stride..][..weights.len()].copy_from_slice(&weights);
            match axis.segments.last_mut() {
                Some(s) if s.inputs == inputs => s.outputs.end = output + 1,
                _ => axis.segments.push(Segment { outputs: output..output + 1, inputs }),
            }
        }
        axis
    }

    fn weights_of(&self, output: usize, n: usize) -> &[f64] {
        &self.weights[output * self.stride..][..n]
    }
}

impl Resizer {
    /// A resizer between two sizes, each at least 1 x 1.
    pub fn new(from: Grid, to: Grid) -> Self {
        Self { from, to, rows: Axis::new(from.height, to.height), columns: Axis::new(from.width, to.width) }
    }

    /// Resizes one map, row by row: from `(height, width)` of the one size to that of the other.
    pub fn resize(&self, map: &[f32], out: &mut [f32]) {
        let mut strip = vec![0.0; self.from.height * self.to.width];
        for (row, out) in map.chunks_exact(self.from.width).zip(strip.chunks_exact_mut(self.to.width)) {
            for segment in &self.columns.segments {
                self.widen(row, segment, &mut out[segment.outputs.clone()]);
            }
        }
        for segment in &self.rows.segments {
            for y in segment.outputs.clone() {
                let weights = self.rows.weights_of(y, segment.inputs.len());
                for x in 0..self.to.width {
                    let column = segment.inputs.clone().zip(weights);
                    let sum: f64 = column.fold(0.0, |s, (r, w)| s + f64::from(strip[r * self.to.width + x]) * w);
                    out[y * self.to.width + x] = sum as f32;
                }
            }
        }
    }

    /// Resizes one input row over the outputs of a segment.
    #[inline(always)]
    fn widen(&self, row: &[f32], segment: &Segment, out: &mut [f32]) {
        let inputs = &row[segment.inputs.clone()];
        for (x, o) in segment.outputs.clone().zip(out) {
            let weights = self.columns.weights_of(x, inputs.len());
            *o = inputs.iter().zip(weights).fold(0.0, |s, (v, w)| s + f64::from(*v) * w) as f32;
        }
    }

    /// Calls `hit` for every run of outputs in which some are greater than `cut`: the position of the run's first
    /// output, and a bit for each of up to 64 outputs from there on.
    ///
    /// The outputs that depend on the same inputs form a block. An output is a weighted mean of its inputs, and rounding
    /// to f32 is monotone, so that no output of a block exceeds its largest input nor falls below its smallest: only
    /// blocks with inputs on both sides of the cut are resized at all.
    pub fn hits(&self, map: &[f32], cut: f32, strip: &mut Vec<f32>, hit: impl FnMut(usize, u64)) {
        vectorized(|| self.hits_inlined(map, cut, strip, hit));
    }

    #[inline(always)]
    fn hits_inlined(&self, map: &[f32], cut: f32, strip: &mut Vec<f32>, mut hit: impl FnMut(usize, u64)) {
        for rows in &self.rows.segments {
            for columns in &self.columns.segments {
                let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
                for r in rows.inputs.clone() {
                    for v in &map[r * self.from.width..][columns.inputs.clone()] {
                        low = low.min(*v);
                        high = high.max(*v);
                    }
                }
                if high <= cut {
                    continue;
                }
                let width = columns.outputs.len();
                if low <= cut {
                    strip.clear();
                    strip.resize(rows.inputs.len() * width, 0.0);
                    for (r, out) in rows.inputs.clone().zip(strip.chunks_exact_mut(width)) {
                        self.widen(&map[r * self.from.width..][..self.from.width], columns, out);
                    }
                }
                for y in rows.outputs.clone() {
                    let weights = self.rows.weights_of(y, rows.inputs.len());
                    for first in (0..width).step_by(64) {
                        let n = (width - first).min(64);
                        let bits = if low > cut {
                            u64::MAX >> (64 - n)
                        } else {
                            above(&strip[first..], width, n, weights, cut)
                        };
                        if bits != 0 {
                            hit(y * self.to.width + columns.outputs.start + first, bits);
                        }
                    }
                }
            }
        }
    }
}

/// A bit for each of `n` columns of `strip` whose weighted sum is greater than `cut`.
#[inline(always)]
fn above(strip: &[f32], width: usize, n: usize, weights: &[f64], cut: f32) -> u64 {
    let mut sums = [0.0f64; 64];
    let sums = &mut sums[..n];
    for (row, w) in strip.chunks(width).zip(weights) {
        for (s, v) in sums.iter_mut().zip(row) {
            *s += f64::from(*v) * w;
        }
    }
    sums.iter().enumerate().fold(0, |bits, (i, s)| bits | u64::from(*s as f32 > cut) << i)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grid(height: usize, width: usize) -> Grid {
        Grid { height, width }
    }

    #[test]
    fn golden_maps_of_pillow() {
        let bytes =
            std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/numeric/pil_resize.safetensors"))
                .unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        for (input, output) in [
            ("in_4x4", "out_4x4_to_64x64"),
            ("in_7x7", "out_7x7_to_112x112"),
            ("in_3x5", "out_3x5_to_h10_w20"),
            ("in_64x64", "out_64x64_to_24x24"),
        ] {
            let (i, o) = (file.tensor(input).unwrap(), file.tensor(output).unwrap());
            let (from, to) = (grid(i.shape()[1], i.shape()[2]), grid(o.shape()[1], o.shape()[2]));
            let maps: Vec<f32> = bytemuck::allocation::pod_collect_to_vec(i.data());
            let expected: Vec<f32> = bytemuck::allocation::pod_collect_to_vec(o.data());
            let resizer = Resizer::new(from, to);
            let mut found = vec![0.0; to.positions()];
            for (n, (map, expected)) in maps.chunks(from.positions()).zip(expected.chunks(to.positions())).enumerate() {
                resizer.resize(map, &mut found);
                let differing = found.iter().zip(expected).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
                assert_eq!(differing, 0, "{output}, map {n}");
            }
        }
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
