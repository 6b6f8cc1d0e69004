//! The steps of an LSTM in candle's own operations, for devices and types that the fused operation does not support.

use candle_core::{Result, Tensor};

use super::steps::Steps;

/// The final states `(sequences, hidden)` from `projected (rows, 4 hidden)`, in the sequences' order.
pub(super) fn finals(steps: &Steps, projected: &Tensor, weight_hh: &Tensor) -> Result<Tensor> {
    let (hidden, device) = (weight_hh.dim(1)?, projected.device());
    let rows = Tensor::from_slice(&steps.rows, steps.rows.len(), device)?;
    let projected = projected.index_select(&rows, 0)?; // (positions, 4 hidden)
    let weight = weight_hh.t()?;
    let mut done = Vec::new(); // from the shortest sequences to the longest
    let empty = steps.order.len() - steps.at(0).len();
    if empty > 0 {
        done.push(Tensor::zeros((empty, hidden), projected.dtype(), device)?);
    }
    let mut before: Option<(Tensor, Tensor)> = None;
    for t in 0..steps.count() {
        let (at, next) = (steps.at(t), steps.at(t + 1).len());
        let n = at.len();
        let mut gates = projected.narrow(0, at.start, n)?;
        if let Some((h, _)) = &before {
            gates = (gates + h.matmul(&weight)?)?;
        }
        let gate = |i: usize| gates.narrow(1, i * hidden, hidden)?.contiguous();
        let [i, f, o] = [0, 1, 3].map(|i| gate(i).and_then(|gate| sigmoid(&gate)));
        let mut c = (i? * gate(2)?.tanh()?)?; // (n, hidden)
        if let Some((_, before)) = before {
            c = (c + (f? * before)?)?;
        }
        let h = (o? * c.tanh()?)?;
        if next < n {
            done.push(h.narrow(0, next, n - next)?);
        }
        before = Some((h.narrow(0, 0, next)?, c.narrow(0, 0, next)?));
    }
    done.reverse();
    let mut places = vec![0u32; steps.order.len()];
    steps.order.iter().enumerate().for_each(|(place, &sequence)| places[sequence] = place as u32);
    Tensor::cat(&done, 0)?.index_select(&Tensor::from_vec(places, steps.order.len(), device)?, 0)
}

fn sigmoid(x: &Tensor) -> Result<Tensor> {
    (x.neg()?.exp()? + 1.0)?.recip()
}
