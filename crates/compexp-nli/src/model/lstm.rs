//! One layer of LSTM on the CPU, in one direction or both.
//!
//! Weights are in PyTorch's layout and gate order (input, forget, cell, output). The inputs of a whole batch go through
//! one matrix product, equal inputs once; each step then takes one product over the sequences that still run, shared
//! between the threads by rows. A sequence's result is the same bits whatever others are in the batch and however many
//! threads there are.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::activation::{sigmoid, tanh};
use super::steps::{Sequences, Steps};
use crate::error::{Error, Result};
use compexp_kernels::gemm::{Epilogue, Left, Packed, product, product_parallel, rows_per_task};

/// The weights of one direction, f32, row-major, as PyTorch's `weight_ih_l0` and so on.
#[derive(Debug, Clone, Copy)]
pub struct DirectionWeights<'a> {
    /// `(4 hidden, inputs)`
    pub weight_ih: &'a [f32],
    /// `(4 hidden, hidden)`
    pub weight_hh: &'a [f32],
    /// `(4 hidden,)`
    pub bias_ih: &'a [f32],
    /// `(4 hidden,)`
    pub bias_hh: &'a [f32],
}

/// An LSTM with its weights laid out for use.
#[derive(Debug, Clone)]
pub struct Lstm {
    inputs: usize,
    hidden: usize,
    pub(crate) directions: Vec<Direction>,
}

/// One direction with its weights packed.
#[derive(Debug, Clone)]
pub(crate) struct Direction {
    hidden: usize,
    reversed: bool,
    ih: Packed,
    hh: Packed,
    /// The sum of both.
    bias: Vec<f32>,
}

impl Lstm {
    /// An LSTM of these sizes: one direction's weights, or those of the forward and of the backward direction.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] for another number of directions, a size of 0, or weights of another length.
    pub fn new(inputs: usize, hidden: usize, directions: &[DirectionWeights<'_>]) -> Result<Self> {
        if !matches!(directions.len(), 1 | 2) {
            return Err(Error::mismatch("directions of an LSTM", directions.len(), "1 or 2"));
        }
        if inputs == 0 || hidden == 0 {
            return Err(Error::mismatch("sizes of an LSTM", format!("{inputs} to {hidden}"), "at least 1 each"));
        }
        let direction = |(index, weights): (usize, &DirectionWeights<'_>)| {
            for (name, values, expected) in [
                ("weight_ih", weights.weight_ih, 4 * hidden * inputs),
                ("weight_hh", weights.weight_hh, 4 * hidden * hidden),
                ("bias_ih", weights.bias_ih, 4 * hidden),
                ("bias_hh", weights.bias_hh, 4 * hidden),
            ] {
                if values.len() != expected {
                    return Err(Error::mismatch(format!("values of an LSTM's {name}"), values.len(), expected));
                }
            }
            Ok(Direction {
                hidden,
                reversed: index == 1,
                ih: Packed::transposed(inputs, 4 * hidden, weights.weight_ih),
                hh: Packed::transposed(hidden, 4 * hidden, weights.weight_hh),
                bias: weights.bias_ih.iter().zip(weights.bias_hh).map(|(a, b)| a + b).collect(),
            })
        };
        let directions = directions.iter().enumerate().map(direction).collect::<Result<_>>()?;
        Ok(Self { inputs, hidden, directions })
    }

    /// Values of an input row.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Values of a final state: hidden size times directions.
    pub fn outputs(&self) -> usize {
        self.hidden * self.directions.len()
    }

    /// The final hidden state of every sequence, `(sequences, outputs)`, in their order; those of both directions side
    /// by side, the backward one after reading its sequence from its own end. `inputs (rows, inputs)` are what the
    /// sequences' indices mean. An empty sequence ends where it begins, in zeros.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] where `inputs` are no whole rows, or a sequence needs one that is not there.
    pub fn forward(&self, sequences: &Sequences, inputs: &[f32]) -> Result<Vec<f32>> {
        self.check(sequences, inputs)?;
        let mut finals = vec![0.0; sequences.len() * self.outputs()];
        for (index, direction) in self.directions.iter().enumerate() {
            let steps = Steps::new(sequences, direction.reversed);
            direction.forward(&steps, inputs, &mut finals, index * self.hidden, self.outputs());
        }
        Ok(finals)
    }

    /// Refuses what [`Self::forward`] refuses.
    pub(crate) fn check(&self, sequences: &Sequences, inputs: &[f32]) -> Result<()> {
        if !inputs.len().is_multiple_of(self.inputs) {
            let expected = format!("whole rows of {}", self.inputs);
            return Err(Error::mismatch("values of an LSTM's input", inputs.len(), expected));
        }
        sequences.check(inputs.len() / self.inputs)
    }
}

impl Direction {
    pub(crate) fn hidden(&self) -> usize {
        self.hidden
    }

    pub(crate) fn steps(&self, sequences: &Sequences) -> Steps {
        Steps::new(sequences, self.reversed)
    }

    /// `inputs · weight_ihᵀ + biases`, `(rows, 4 hidden)`.
    pub(crate) fn project(&self, inputs: &[f32], projected: &mut Vec<f32>) {
        let (wide, rows) = (4 * self.hidden, inputs.len() / self.ih.k());
        projected.resize(rows * wide, 0.0);
        projected.par_chunks_mut(wide).for_each(|row| row.copy_from_slice(&self.bias));
        product_parallel(inputs, &self.ih, projected, Epilogue::ADD);
    }

    /// Writes the final states to columns `column..` of `finals (sequences, stride)`.
    fn forward(&self, steps: &Steps, inputs: &[f32], finals: &mut [f32], column: usize, stride: usize) {
        let hidden = self.hidden;
        let mut projected = Vec::new();
        self.project(inputs, &mut projected);
        let width = steps.at(0).len();
        let mut gates = vec![0.0; width * 4 * hidden];
        let mut before = State { h: vec![0.0; width * hidden], c: vec![0.0; width * hidden] };
        let mut now = before.clone();
        for t in 0..steps.count() {
            let positions = steps.at(t);
            let (n, next) = (positions.len(), steps.at(t + 1).len());
            self.step(
                &projected,
                &steps.rows[positions],
                (t > 0).then_some((&before.h[..n * hidden], &before.c[..n * hidden])),
                &mut gates[..n * 4 * hidden],
                (&mut now.h[..n * hidden], &mut now.c[..n * hidden]),
            );
            for place in next..n {
                let to = steps.order[place] * stride + column;
                finals[to..to + hidden].copy_from_slice(&now.h[place * hidden..][..hidden]);
            }
            std::mem::swap(&mut before, &mut now);
        }
    }

    /// One step of the first `rows.len()` sequences: from `before`, their hidden and cell states, zeros where `None`, to
    /// `after`. `gates (n, 4 hidden)` are left as they are after their functions.
    pub(crate) fn step(
        &self,
        projected: &[f32],
        rows: &[u32],
        before: Option<(&[f32], &[f32])>,
        gates: &mut [f32],
        after: (&mut [f32], &mut [f32]),
    ) {
        let (hidden, wide) = (self.hidden, 4 * self.hidden);
        let chunk = rows_per_task(rows.len());
        let run = |task: usize, (rows, gates, h, c): (&[u32], &mut [f32], &mut [f32], &mut [f32])| {
            for (&row, gates) in rows.iter().zip(gates.chunks_exact_mut(wide)) {
                gates.copy_from_slice(&projected[row as usize * wide..][..wide]);
            }
            let states = task * chunk * hidden..(task * chunk + rows.len()) * hidden;
            let before = before.map(|(h, c)| (&h[states.clone()], &c[states]));
            if let Some((h, _)) = before {
                product(Left::Rows(h), &self.hh, gates, Epilogue::ADD);
            }
            Arch::new().dispatch(Cells { gates, before: before.map(|(_, c)| c), h, c, hidden });
        };
        let (h, c) = after;
        rows.par_chunks(chunk)
            .zip(gates.par_chunks_mut(chunk * wide))
            .zip(h.par_chunks_mut(chunk * hidden))
            .zip(c.par_chunks_mut(chunk * hidden))
            .enumerate()
            .for_each(|(task, (((rows, gates), h), c))| run(task, (rows, gates, h, c)));
    }
}

#[derive(Clone)]
struct State {
    h: Vec<f32>,
    c: Vec<f32>,
}

/// The gates' functions and the new states of some sequences, compiled for the best instructions found at run time.
struct Cells<'a> {
    /// `(n, 4 hidden)`
    gates: &'a mut [f32],
    /// The cell states of the step before, `(n, hidden)`; zeros where there is none.
    before: Option<&'a [f32]>,
    h: &'a mut [f32],
    c: &'a mut [f32],
    hidden: usize,
}

impl WithSimd for Cells<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        match self.before {
            Some(before) => self.c.copy_from_slice(before),
            None => self.c.fill(0.0),
        }
        let states = self.h.chunks_exact_mut(self.hidden).zip(self.c.chunks_exact_mut(self.hidden));
        for (gates, (h, c)) in self.gates.chunks_exact_mut(4 * self.hidden).zip(states) {
            cell(gates, h, c);
        }
    }
}

/// `c = f c + i g`, `h = o tanh(c)` of one sequence; `gates` become the functions of what they are.
#[inline(always)]
fn cell(gates: &mut [f32], h: &mut [f32], c: &mut [f32]) {
    let n = h.len();
    let (i_f, rest) = gates.split_at_mut(2 * n);
    let (g, o) = rest.split_at_mut(n);
    // Loops of few slices each: compilers turn them into vector instructions, and one loop over six of them not.
    i_f.iter_mut().for_each(|x| *x = sigmoid(*x));
    g.iter_mut().for_each(|x| *x = tanh(*x));
    o.iter_mut().for_each(|x| *x = sigmoid(*x));
    let (i, f) = i_f.split_at(n);
    for (c, ((i, f), g)) in c.iter_mut().zip(i.iter().zip(f).zip(&*g)) {
        *c = f.mul_add(*c, i * g);
    }
    for ((h, c), o) in h.iter_mut().zip(&*c).zip(&*o) {
        *h = o * tanh(*c);
    }
}

#[cfg(test)]
#[path = "lstm_tests.rs"]
mod tests;
