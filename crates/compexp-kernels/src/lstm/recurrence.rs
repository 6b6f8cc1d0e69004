//! The steps of an LSTM as one operation of candle, f32 on the CPU.
//!
//! Forward, each step takes one product over the sequences that still run. Backward, each step takes one product for the
//! states before it; the gradient of the weights comes from one product over all steps at the end. Sums run over steps
//! in a fixed order.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp2, Device, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::steps::Steps;
use crate::activation::{sigmoid, tanh};
use crate::gemm::{Epilogue, Left, Packed, add_transposed_product, product, rows_per_task};
use crate::simd::{Simd, WithSimd, dispatch};
use crate::storage::{floats, with_values};

/// From `projected (rows, 4 hidden)`, what the input rows add to the gates, and `weight_hh (4 hidden, hidden)` to the
/// final states `(sequences, hidden)`, in the sequences' order.
pub(super) struct Recurrence {
    steps: Steps,
    packed: Option<Arc<Packed>>,
    /// Whether a backward pass may follow.
    keeps: bool,
    /// The values that the forward pass kept for it. The first backward pass takes them; another one runs forward
    /// again.
    tape: Mutex<Option<Tape>>,
}

/// A forward pass. Values are `(positions, ...)` in the order of [`Steps`], if the pass was kept.
struct Tape {
    /// `(positions, 4 hidden)`: the gates, and in the end their gradients before their functions.
    gates: Vec<f32>,
    /// `(positions, hidden)`
    h: Vec<f32>,
    /// `(positions, hidden)`
    c: Vec<f32>,
}

impl Recurrence {
    /// `packed` are the weights laid out already.
    pub(super) fn apply(
        steps: Steps,
        projected: &Tensor,
        weight_hh: &Tensor,
        packed: Option<Arc<Packed>>,
    ) -> Result<Tensor> {
        let keeps = projected.track_op() || weight_hh.track_op();
        projected.apply_op2(weight_hh, Self { steps, packed, keeps, tape: Mutex::new(None) })
    }

    /// The final states, and the pass that computed them.
    fn run(&self, projected: &[f32], weight_hh: &[f32], hidden: usize, keeps: bool) -> Result<(Vec<f32>, Tape)> {
        let own;
        let packed = match &self.packed {
            Some(packed) => packed.as_ref(),
            None => {
                own = Packed::transposed(hidden, 4 * hidden, weight_hh);
                &own
            }
        };
        let steps = &self.steps;
        let width = steps.at(0).len();
        // If nothing is kept, gates are overwritten in each step, and states in every second step.
        let (gates, states) = if keeps { (steps.rows.len(), steps.rows.len()) } else { (width, 2 * width) };
        let mut tape =
            Tape { gates: vec![0.0; gates * 4 * hidden], h: vec![0.0; states * hidden], c: vec![0.0; states * hidden] };
        let place = |t: usize| if keeps { steps.at(t).start } else { t % 2 * width };
        let mut finals = vec![0.0; steps.order.len() * hidden];
        for t in 0..steps.count() {
            let positions = steps.at(t);
            let n = positions.len();
            let to = place(t) * hidden..(place(t) + n) * hidden;
            let from = t.checked_sub(1).map_or(to.end..to.end, |t| place(t) * hidden..(place(t) + n) * hidden);
            let first = if keeps { positions.start * 4 * hidden } else { 0 };
            let ([h, h_before], [c, c_before]) =
                (disjoint(&mut tape.h, [to.clone(), from.clone()])?, disjoint(&mut tape.c, [to, from])?);
            Step { projected, packed, hidden }.run(
                &steps.rows[positions],
                (t > 0).then_some((&*h_before, &*c_before)),
                &mut tape.gates[first..first + n * 4 * hidden],
                (&mut *h, c),
            );
            for place in steps.at(t + 1).len()..n {
                finals[steps.order[place] * hidden..][..hidden].copy_from_slice(&h[place * hidden..][..hidden]);
            }
        }
        Ok((finals, tape))
    }
}

/// Two disjoint ranges of values.
fn disjoint(values: &mut [f32], ranges: [std::ops::Range<usize>; 2]) -> Result<[&mut [f32]; 2]> {
    values.get_disjoint_mut(ranges).map_err(|e| candle_core::Error::Msg(format!("states of an LSTM's steps: {e}")))
}

impl CustomOp2 for Recurrence {
    fn name(&self) -> &'static str {
        "lstm-recurrence"
    }

    fn cpu_fwd(
        &self,
        projected: &CpuStorage,
        projected_layout: &Layout,
        weight_hh: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, hidden) = weight_layout.shape().dims2()?;
        let (projected, weight_hh) = (floats(projected, projected_layout)?, floats(weight_hh, weight_layout)?);
        let (finals, tape) = self.run(projected, weight_hh, hidden, self.keeps)?;
        if self.keeps {
            *self.tape.lock().unwrap_or_else(PoisonError::into_inner) = Some(tape);
        }
        Ok((CpuStorage::F32(finals), Shape::from((self.steps.order.len(), hidden))))
    }

    fn bwd(
        &self,
        projected: &Tensor,
        weight_hh: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (rows, wide) = projected.dims2()?;
        let hidden = wide / 4;
        let kept = self.tape.lock().unwrap_or_else(PoisonError::into_inner).take();
        with_values(weight_hh, |weight| {
            let mut tape = match kept {
                Some(tape) => tape,
                None => with_values(projected, |projected| Ok(self.run(projected, weight, hidden, true)?.1))?,
            };
            with_values(gradient, |d_finals| {
                tape.gates_back(&self.steps, weight, d_finals, hidden);
                Ok(())
            })?;
            let d_projected = tape.sums_by_row(&self.steps, rows, wide);
            let d_weight = tape.weight_back(&self.steps, hidden);
            Ok((
                Some(Tensor::from_vec(d_projected, (rows, wide), &Device::Cpu)?),
                Some(Tensor::from_vec(d_weight, (wide, hidden), &Device::Cpu)?),
            ))
        })
    }
}

impl Tape {
    /// From the gradients of the final states `(sequences, hidden)` to those of the gates before their functions, which
    /// take the place of the gates.
    fn gates_back(&mut self, steps: &Steps, weight_hh: &[f32], d_finals: &[f32], hidden: usize) {
        let wide = 4 * hidden;
        let width = steps.at(0).len();
        let mut dh = vec![0.0; width * hidden];
        let mut dc = vec![0.0; width * hidden];
        for (&sequence, dh) in steps.order.iter().zip(dh.chunks_exact_mut(hidden)) {
            dh.copy_from_slice(&d_finals[sequence * hidden..][..hidden]);
        }
        let mut packed = Packed::default();
        packed.set_rows(wide, hidden, |i| &weight_hh[i * hidden..][..hidden]);
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
                    dispatch(CellsBack { gates, c, before, dh, dc, hidden });
                    if t > 0 {
                        product(Left::Rows(gates), &packed, dh, Epilogue::default());
                    }
                });
        }
    }

    /// The gates' gradients summed over the positions of each input row, `(rows, wide)`, in the order of positions.
    fn sums_by_row(&self, steps: &Steps, n_rows: usize, wide: usize) -> Vec<f32> {
        let mut positions = vec![Vec::new(); n_rows];
        for (position, &row) in steps.rows.iter().enumerate() {
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

    /// The gradient of the weights, `(4 hidden, hidden)`, from those of the gates.
    fn weight_back(&self, steps: &Steps, hidden: usize) -> Vec<f32> {
        let wide = 4 * hidden;
        let before = steps.before();
        let mut packed = Packed::default();
        packed.set_rows(before.len(), hidden, |i| &self.h[before[i] * hidden..][..hidden]);
        let mut d_weight = vec![0.0; wide * hidden];
        add_transposed_product(&self.gates[steps.at(0).len() * wide..], wide, &packed, &mut d_weight);
        d_weight
    }
}

/// What one step forward needs besides the states.
struct Step<'a> {
    projected: &'a [f32],
    packed: &'a Packed,
    hidden: usize,
}

impl Step<'_> {
    /// One step of the first `rows.len()` sequences: from `before`, their hidden and cell states, zeros if `None`, to
    /// `after`. Afterwards `gates (n, 4 hidden)` hold the results of their functions.
    fn run(&self, rows: &[u32], before: Option<(&[f32], &[f32])>, gates: &mut [f32], after: (&mut [f32], &mut [f32])) {
        let (hidden, wide) = (self.hidden, 4 * self.hidden);
        let chunk = rows_per_task(rows.len());
        let run = |task: usize, (rows, gates, h, c): (&[u32], &mut [f32], &mut [f32], &mut [f32])| {
            for (&row, gates) in rows.iter().zip(gates.chunks_exact_mut(wide)) {
                gates.copy_from_slice(&self.projected[row as usize * wide..][..wide]);
            }
            let states = task * chunk * hidden..(task * chunk + rows.len()) * hidden;
            let before = before.map(|(h, c)| (&h[states.clone()], &c[states]));
            if let Some((h, _)) = before {
                product(Left::Rows(h), self.packed, gates, Epilogue::ADD);
            }
            dispatch(Cells { gates, before: before.map(|(_, c)| c), h, c, hidden });
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

/// The gates' functions and the new states of some sequences, compiled for the best instructions found at run time.
struct Cells<'a> {
    /// `(n, 4 hidden)`
    gates: &'a mut [f32],
    /// The cell states of the step before, `(n, hidden)`; zeros if there is none.
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

/// `c = f c + i g`, `h = o tanh(c)` of one sequence; `gates` are replaced by their functions.
#[inline(always)]
fn cell(gates: &mut [f32], h: &mut [f32], c: &mut [f32]) {
    let n = h.len();
    let (i_f, rest) = gates.split_at_mut(2 * n);
    let (g, o) = rest.split_at_mut(n);
    // Loops of few slices each: compilers turn them into vector instructions, but not one loop over six slices.
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

/// One step back through the cells of some sequences, compiled for the best instructions found at run time.
struct CellsBack<'a> {
    /// `(n, 4 hidden)`: the gates become their gradients before their functions.
    gates: &'a mut [f32],
    c: &'a [f32],
    /// The cell states of the step before; zeros if there is none.
    before: Option<&'a [f32]>,
    dh: &'a [f32],
    /// The gradients of the states after the step, and then of those before it.
    dc: &'a mut [f32],
    hidden: usize,
}

impl WithSimd for CellsBack<'_> {
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
