//! The LSTM in training: what a forward pass leaves behind, and the gradients from it.
//!
//! Backwards, each step takes one product for the states before it; the gradients of the weights come from one product
//! each over all steps at the end, in which equal inputs count once. Sums run over steps in a fixed order.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::model::activation::tanh;
use crate::model::lstm::Direction;
use crate::model::steps::{Sequences, Steps};
use compexp_kernels::gemm::{Epilogue, Left, Packed, add_transposed_product, product, product_parallel, rows_per_task};

/// A forward pass in one direction; its memory serves the next one too. Values are `(positions, ...)` in the order of
/// [`Steps`].
#[derive(Debug, Default)]
pub(super) struct Tape {
    steps: Steps,
    /// `(rows, 4 hidden)`
    projected: Vec<f32>,
    /// `(positions, 4 hidden)`: the gates, and in the end their gradients before their functions.
    gates: Vec<f32>,
    /// `(positions, hidden)`
    h: Vec<f32>,
    /// `(positions, hidden)`
    c: Vec<f32>,
    packed: Packed,
}

/// The gradients of one direction's weights, from [`Tape::backward`].
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct DirectionGradients {
    /// `(4 hidden, inputs)`
    pub(super) weight_ih: Vec<f32>,
    /// `(4 hidden, hidden)`
    pub(super) weight_hh: Vec<f32>,
    /// `(4 hidden,)`, of either bias.
    pub(super) bias: Vec<f32>,
}

/// Columns `column..column + hidden` of a `(sequences, stride)` matrix.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns {
    pub(super) column: usize,
    pub(super) stride: usize,
}

impl Tape {
    /// Runs the sequences and writes their final states to columns of `finals`.
    pub(super) fn forward(
        &mut self,
        direction: &Direction,
        sequences: &Sequences,
        inputs: &[f32],
        finals: &mut [f32],
        to: Columns,
    ) {
        let hidden = direction.hidden();
        self.steps = direction.steps(sequences);
        direction.project(inputs, &mut self.projected);
        let positions = sequences.steps();
        self.gates.resize(positions * 4 * hidden, 0.0);
        self.h.resize(positions * hidden, 0.0);
        self.c.resize(positions * hidden, 0.0);
        for t in 0..self.steps.count() {
            let at = self.steps.at(t);
            let states = at.start * hidden..at.end * hidden;
            let (h_before, h) = self.h.split_at_mut(states.start);
            let (c_before, c) = self.c.split_at_mut(states.start);
            let before = (t > 0).then(|| {
                let from = self.steps.at(t - 1).start * hidden;
                (&h_before[from..from + states.len()], &c_before[from..from + states.len()])
            });
            direction.step(
                &self.projected,
                &self.steps.rows[at.clone()],
                before,
                &mut self.gates[at.start * 4 * hidden..at.end * 4 * hidden],
                (&mut h[..states.len()], &mut c[..states.len()]),
            );
            for place in self.steps.at(t + 1).len()..at.len() {
                let to = self.steps.order[place] * to.stride + to.column;
                finals[to..to + hidden].copy_from_slice(&h[place * hidden..][..hidden]);
            }
        }
    }

    /// From the gradients of the final states, the same columns as those of the forward pass, to those of the weights,
    /// which are set, and of the inputs, which are added to. `weights` are the direction's, `inputs (rows, n_inputs)`
    /// those of the forward pass.
    pub(super) fn backward(
        &mut self,
        weights: Weights<'_>,
        inputs: &[f32],
        d_finals: &[f32],
        from: Columns,
        d_inputs: &mut [f32],
    ) -> DirectionGradients {
        let Weights { hidden, n_inputs, weight_ih, weight_hh } = weights;
        let wide = 4 * hidden;
        let steps = &self.steps;
        let width = steps.at(0).len();
        let mut dh = vec![0.0; width * hidden];
        let mut dc = vec![0.0; width * hidden];
        for (&sequence, dh) in steps.order.iter().zip(dh.chunks_exact_mut(hidden)) {
            dh.copy_from_slice(&d_finals[sequence * from.stride + from.column..][..hidden]);
        }
        self.packed.set_rows(wide, hidden, |i| &weight_hh[i * hidden..][..hidden]);
        for t in (0..steps.count()).rev() {
            let at = steps.at(t);
            let n = at.len();
            let chunk = rows_per_task(n);
            let before = (t > 0).then(|| &self.c[steps.at(t - 1).start * hidden..][..n * hidden]);
            self.gates[at.start * wide..at.end * wide]
                .par_chunks_mut(chunk * wide)
                .zip(self.c[at.start * hidden..at.end * hidden].par_chunks(chunk * hidden))
                .zip(dh[..n * hidden].par_chunks_mut(chunk * hidden))
                .zip(dc[..n * hidden].par_chunks_mut(chunk * hidden))
                .enumerate()
                .for_each(|(task, (((gates, c), dh), dc))| {
                    let before = before.map(|c| &c[task * chunk * hidden..][..dc.len()]);
                    Arch::new().dispatch(Cells { gates, c, before, dh, dc, hidden });
                    if t > 0 {
                        product(Left::Rows(gates), &self.packed, dh, Epilogue::default());
                    }
                });
        }

        let by_row = self.sums_by_row(inputs.len() / n_inputs, wide);
        let mut gradients = DirectionGradients {
            weight_ih: vec![0.0; wide * n_inputs],
            weight_hh: vec![0.0; wide * hidden],
            bias: vec![0.0; wide],
        };
        for row in by_row.chunks_exact(wide) {
            gradients.bias.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
        }
        self.packed.set_rows(wide, n_inputs, |i| &weight_ih[i * n_inputs..][..n_inputs]);
        product_parallel(&by_row, &self.packed, d_inputs, Epilogue::ADD);
        self.packed.set_rows(by_row.len() / wide, n_inputs, |i| &inputs[i * n_inputs..][..n_inputs]);
        add_transposed_product(&by_row, wide, &self.packed, &mut gradients.weight_ih);
        let before = self.steps.before();
        let h = &self.h;
        self.packed.set_rows(before.len(), hidden, |i| &h[before[i] * hidden..][..hidden]);
        add_transposed_product(&self.gates[width * wide..], wide, &self.packed, &mut gradients.weight_hh);
        gradients
    }

    /// The gates' gradients summed over the positions of each input row, `(rows, wide)`, in the order of positions.
    fn sums_by_row(&self, n_rows: usize, wide: usize) -> Vec<f32> {
        let mut positions = vec![Vec::new(); n_rows];
        for (position, &row) in self.steps.rows.iter().enumerate() {
            positions[row as usize].push(position);
        }
        let mut sums = vec![0.0; n_rows * wide];
        sums.par_chunks_exact_mut(wide).zip(&positions).for_each(|(sums, positions)| {
            for &position in positions {
                sums.iter_mut().zip(&self.gates[position * wide..][..wide]).for_each(|(sum, x)| *sum += x);
            }
        });
        sums
    }
}

/// The weights of a direction as they are trained.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weights<'a> {
    pub(super) hidden: usize,
    pub(super) n_inputs: usize,
    /// `(4 hidden, n_inputs)`
    pub(super) weight_ih: &'a [f32],
    /// `(4 hidden, hidden)`
    pub(super) weight_hh: &'a [f32],
}

/// One step back through the cells of some sequences, compiled for the best instructions found at run time.
struct Cells<'a> {
    /// `(n, 4 hidden)`: the gates become their gradients before their functions.
    gates: &'a mut [f32],
    c: &'a [f32],
    /// The cell states of the step before; zeros where there is none.
    before: Option<&'a [f32]>,
    dh: &'a [f32],
    /// Of the states after, and then of those before.
    dc: &'a mut [f32],
    hidden: usize,
}

impl WithSimd for Cells<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let n = self.hidden;
        let states = self.c.chunks_exact(n).zip(self.dh.chunks_exact(n)).zip(self.dc.chunks_exact_mut(n));
        for (x, (gates, ((c, dh), dc))) in self.gates.chunks_exact_mut(4 * n).zip(states).enumerate() {
            let (i, rest) = gates.split_at_mut(n);
            let (f, rest) = rest.split_at_mut(n);
            let (g, o) = rest.split_at_mut(n);
            // Loops of few slices each, as in the forward pass.
            for ((o, dc), (c, dh)) in o.iter_mut().zip(&mut *dc).zip(c.iter().zip(dh)) {
                let tanh = tanh(*c);
                *dc += dh * *o * (1.0 - tanh * tanh);
                *o = dh * tanh * *o * (1.0 - *o);
            }
            for ((i, g), dc) in i.iter_mut().zip(g).zip(&*dc) {
                let (di, dg) = (dc * *g, dc * *i);
                *i = di * *i * (1.0 - *i);
                *g = dg * (1.0 - *g * *g);
            }
            match self.before {
                Some(before) => {
                    for ((f, dc), before) in f.iter_mut().zip(dc).zip(&before[x * n..][..n]) {
                        let df = *dc * before;
                        *dc *= *f;
                        *f = df * *f * (1.0 - *f);
                    }
                }
                None => f.fill(0.0),
            }
        }
    }
}

#[cfg(test)]
#[path = "tape_tests.rs"]
mod tests;
