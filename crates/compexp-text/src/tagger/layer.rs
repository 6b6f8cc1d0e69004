//! The layers of the tagger's network: maxout of three pieces with layer normalisation, and the linear output.
//!
//! Products have their own kernel. It takes the maximum of the three pieces while they are in registers, and reads the
//! window of a word without a copy. A general matrix product would write three times the outputs and read a copy of
//! three times the inputs.

use pulp::{Arch, Simd, WithSimd};

/// The pieces of a maxout unit; fixed, because the kernel keeps them in registers.
pub(crate) const PIECES: usize = 3;

/// `layernorm(max over pieces of (W x + b))`.
pub(crate) struct Maxout {
    inputs: usize,
    outputs: usize,
    /// Outputs in a panel: one SIMD register's.
    lanes: usize,
    /// `(panels, inputs, PIECES, lanes)`, zero beyond the outputs.
    weights: Vec<f32>,
    /// `(panels, PIECES, lanes)`.
    bias: Vec<f32>,
    gain: Vec<f32>,
    shift: Vec<f32>,
}

impl Maxout {
    /// A layer of `weights` `(outputs, PIECES, inputs)`, `bias` `(outputs, PIECES)`, and the normalisation's `gain` and
    /// `shift` `(outputs,)`.
    pub(crate) fn new(inputs: usize, weights: &[f32], bias: &[f32], gain: Vec<f32>, shift: Vec<f32>) -> Self {
        struct Lanes;
        impl WithSimd for Lanes {
            type Output = usize;
            #[inline(always)]
            fn with_simd<S: Simd>(self, _: S) -> usize {
                S::F32_LANES
            }
        }
        let outputs = gain.len();
        assert!(
            weights.len() == outputs * PIECES * inputs && bias.len() == outputs * PIECES,
            "shapes of a maxout layer"
        );
        let lanes = Arch::new().dispatch(Lanes);
        let panels = outputs.div_ceil(lanes);
        let mut packed = vec![0.0; panels * inputs * PIECES * lanes];
        let mut packed_bias = vec![0.0; panels * PIECES * lanes];
        for output in 0..outputs {
            let (panel, lane) = (output / lanes, output % lanes);
            for piece in 0..PIECES {
                packed_bias[(panel * PIECES + piece) * lanes + lane] = bias[output * PIECES + piece];
                for input in 0..inputs {
                    packed[((panel * inputs + input) * PIECES + piece) * lanes + lane] =
                        weights[(output * PIECES + piece) * inputs + input];
                }
            }
        }
        Self { inputs, outputs, lanes, weights: packed, bias: packed_bias, gain, shift }
    }

    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    /// For the `i`-th of `starts`, the layer's output for the inputs that begin there in `x`, in row `i` of `out`:
    /// `(starts.len(), outputs)`. A row does not depend on the other rows.
    pub(crate) fn run(&self, x: &[f32], starts: &[usize], out: &mut [f32]) {
        assert_eq!(out.len(), starts.len() * self.outputs, "shapes of a maxout layer");
        Arch::new().dispatch(Run { layer: self, x, starts, out });
    }
}

struct Run<'a> {
    layer: &'a Maxout,
    x: &'a [f32],
    starts: &'a [usize],
    out: &'a mut [f32],
}

impl WithSimd for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        // 8 rows of 3 pieces and the 3 weights leave room for the input in 32 registers, 4 rows do so in 16.
        if S::REGISTER_COUNT >= 32 {
            self.blocks::<S, 8>(simd);
        } else {
            self.blocks::<S, 4>(simd);
        }
        for row in self.out.chunks_exact_mut(self.layer.outputs) {
            normalise(row, &self.layer.gain, &self.layer.shift);
        }
    }
}

impl Run<'_> {
    #[inline(always)]
    fn blocks<S: Simd, const ROWS: usize>(&mut self, simd: S) {
        let n = self.starts.len();
        let mut row = 0;
        while row + ROWS <= n {
            self.block::<S, ROWS>(simd, row);
            row += ROWS;
        }
        if ROWS == 8 && row + 4 <= n {
            self.block::<S, 4>(simd, row);
            row += 4;
        }
        if row + 2 <= n {
            self.block::<S, 2>(simd, row);
            row += 2;
        }
        while row < n {
            self.block::<S, 1>(simd, row);
            row += 1;
        }
    }

    /// Rows `row..row + ROWS` of the output, before normalisation.
    #[inline(always)]
    fn block<S: Simd, const ROWS: usize>(&mut self, simd: S, row: usize) {
        let Maxout { inputs, outputs, lanes, .. } = *self.layer;
        assert_eq!(lanes, S::F32_LANES, "weights are packed for this processor");
        let x: [&[f32]; ROWS] = std::array::from_fn(|r| &self.x[self.starts[row + r]..][..inputs]);
        let panels = self.layer.weights.chunks_exact(inputs * PIECES * lanes);
        for (panel, (weights, bias)) in panels.zip(self.layer.bias.chunks_exact(PIECES * lanes)).enumerate() {
            let (weights, _) = S::as_simd_f32s(weights);
            let (bias, _) = S::as_simd_f32s(bias);
            let bias: [S::f32s; PIECES] = std::array::from_fn(|p| bias[p]);
            let mut sums = [bias; ROWS];
            for (i, weights) in weights.chunks_exact(PIECES).enumerate() {
                let weights: [S::f32s; PIECES] = std::array::from_fn(|p| weights[p]);
                for r in 0..ROWS {
                    let input = simd.splat_f32s(x[r][i]);
                    for p in 0..PIECES {
                        sums[r][p] = simd.mul_add_e_f32s(input, weights[p], sums[r][p]);
                    }
                }
            }
            let first = panel * lanes;
            let count = lanes.min(outputs - first);
            for (r, [a, b, c]) in sums.into_iter().enumerate() {
                let best = simd.max_f32s(simd.max_f32s(a, b), c);
                let out = &mut self.out[(row + r) * outputs + first..][..count];
                match S::as_mut_simd_f32s(out) {
                    ([whole], []) => *whole = best,
                    _ => simd.partial_store_f32s(out, best),
                }
            }
        }
    }
}

/// Layer normalisation of one row: mean 0 and variance 1 (plus 1e-8), then gain and shift.
#[inline(always)]
fn normalise(row: &mut [f32], gain: &[f32], shift: &[f32]) {
    let n = row.len() as f32;
    let mean = sum(row, |v| v) / n;
    let variance = sum(row, |v| (v - mean) * (v - mean)) / n + 1e-8;
    let scale = 1.0 / variance.sqrt();
    for ((v, gain), shift) in row.iter_mut().zip(gain).zip(shift) {
        *v = (*v - mean) * scale * gain + shift;
    }
}

/// A sum in 16 interleaved parts on every processor, so that the result is the same on all.
#[inline(always)]
fn sum(row: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut parts = [0.0f32; 16];
    let (chunks, rest) = row.as_chunks::<16>();
    for chunk in chunks {
        for (part, &v) in parts.iter_mut().zip(chunk) {
            *part += f(v);
        }
    }
    parts.iter().sum::<f32>() + rest.iter().map(|&v| f(v)).sum::<f32>()
}

/// The output layer: the label with the highest score.
pub(crate) struct Output {
    labels: usize,
    /// `(inputs, labels)`.
    weights: Vec<f32>,
    bias: Vec<f32>,
}

impl Output {
    /// A layer of `weights` `(labels, inputs)` and `bias` `(labels,)`.
    pub(crate) fn new(weights: &[f32], bias: Vec<f32>) -> Self {
        let labels = bias.len();
        let inputs = weights.len() / labels;
        let transposed = (0..inputs).flat_map(|i| (0..labels).map(move |l| weights[l * inputs + i])).collect();
        Self { labels, weights: transposed, bias }
    }

    /// The label of the highest score, the first of equal ones. `scores` is scratch memory.
    pub(crate) fn best(&self, x: &[f32], scores: &mut Vec<f32>) -> usize {
        scores.clear();
        scores.extend_from_slice(&self.bias);
        Arch::new().dispatch(|| {
            for (&x, weights) in x.iter().zip(self.weights.chunks_exact(self.labels)) {
                for (score, &weight) in scores.iter_mut().zip(weights) {
                    *score += x * weight;
                }
            }
        });
        let mut best = 0;
        for (label, score) in scores.iter().enumerate() {
            if *score > scores[best] {
                best = label;
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers with a long period, exact in f32.
    fn numbers(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 37 + seed * 11) % 101) as f32 / 64.0 - 0.75).collect()
    }

    #[test]
    fn a_layer_is_the_normalised_maximum_of_three_products() {
        for (inputs, outputs) in [(5, 3), (288, 96), (7, 40)] {
            let (w, b) = (numbers(outputs * 3 * inputs, 1), numbers(outputs * 3, 2));
            let (gain, shift) = (numbers(outputs, 3), numbers(outputs, 4));
            let layer = Maxout::new(inputs, &w, &b, gain.clone(), shift.clone());
            let x = numbers(inputs + 40, 5);
            let starts: Vec<usize> = (0..23).map(|i| (i * 7) % 40).collect();
            let mut out = vec![0.0; starts.len() * outputs];
            layer.run(&x, &starts, &mut out);
            for (i, &start) in starts.iter().enumerate() {
                let best: Vec<f64> = (0..outputs)
                    .map(|o| {
                        let piece = |p: usize| {
                            let row = &w[(o * 3 + p) * inputs..][..inputs];
                            let product = row.iter().zip(&x[start..]).map(|(&a, &b)| f64::from(a) * f64::from(b));
                            product.sum::<f64>() + f64::from(b[o * 3 + p])
                        };
                        piece(0).max(piece(1)).max(piece(2))
                    })
                    .collect();
                let mean = best.iter().sum::<f64>() / outputs as f64;
                let variance = best.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / outputs as f64 + 1e-8;
                for o in 0..outputs {
                    let expected = (best[o] - mean) / variance.sqrt() * f64::from(gain[o]) + f64::from(shift[o]);
                    let found = f64::from(out[i * outputs + o]);
                    assert!(
                        (found - expected).abs() < 1e-4,
                        "{inputs} {outputs} row {i}: {found}, expected {expected}"
                    );
                }
                let mut alone = vec![0.0; outputs];
                layer.run(&x, &[start], &mut alone);
                assert_eq!(alone, out[i * outputs..][..outputs], "row {i} computed alone");
            }
        }
    }

    #[test]
    fn the_first_of_the_best_labels_wins() {
        let output = Output::new(&[1.0, 0.0, 0.0, 1.0, 1.0, 0.0], vec![0.0, 0.5, 0.0]);
        let mut scores = Vec::new();
        assert_eq!(output.best(&[2.0, 0.0], &mut scores), 0);
        assert_eq!(output.best(&[2.0, 3.0], &mut scores), 1);
    }
}
