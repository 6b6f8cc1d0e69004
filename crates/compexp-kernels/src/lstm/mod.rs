//! One layer of LSTM in one direction or both, forward and backward.
//!
//! Weights are in PyTorch's layout and gate order (input, forget, cell, output). The inputs of a whole batch go through
//! one matrix product, equal inputs once; each step then takes one product over the sequences that still run. The
//! result of a sequence is the same to the bit in any batch and with any number of threads.
//!
//! On the CPU in f32 the steps are one fused operation of candle with its own gradient; on other devices and in other
//! types they are candle's own operations.

mod plain;
mod recurrence;
mod steps;

use std::sync::Arc;

use candle_core::{Module, Tensor};

pub use steps::Sequences;

use crate::error::{Error, Result};
use crate::gemm::Packed;
use crate::linear::{Linear, packed_once};
use crate::storage::are_ours;
use recurrence::Recurrence;
use steps::Steps;

/// The weights of one direction, as PyTorch's `weight_ih_l0` and so on.
#[derive(Debug, Clone)]
pub struct DirectionWeights {
    /// `(4 hidden, inputs)`
    pub weight_ih: Tensor,
    /// `(4 hidden, hidden)`
    pub weight_hh: Tensor,
    /// `(4 hidden,)`
    pub bias_ih: Tensor,
    /// `(4 hidden,)`
    pub bias_hh: Tensor,
}

/// An LSTM. Weights that are variables may be trained; others are laid out for use once.
#[derive(Debug, Clone)]
pub struct Lstm {
    inputs: usize,
    hidden: usize,
    directions: Vec<Direction>,
}

#[derive(Debug, Clone)]
struct Direction {
    weights: DirectionWeights,
    /// For weights that are not trained: the input's layer and the packed hidden weights.
    ready: Option<(Linear, Arc<Packed>)>,
}

impl Lstm {
    /// An LSTM of these sizes: one direction's weights, or those of the forward and of the backward direction.
    ///
    /// # Errors
    /// [`Error::Mismatch`] if the number of directions is not 1 or 2, a size is 0, or a weight has another shape.
    pub fn new(inputs: usize, hidden: usize, directions: Vec<DirectionWeights>) -> Result<Self> {
        if !matches!(directions.len(), 1 | 2) {
            return Err(Error::mismatch("directions of an LSTM", directions.len(), "1 or 2"));
        }
        if inputs == 0 || hidden == 0 {
            return Err(Error::mismatch("sizes of an LSTM", format!("{inputs} to {hidden}"), "at least 1 each"));
        }
        let wide = 4 * hidden;
        let direction = |weights: DirectionWeights| {
            for (name, tensor, expected) in [
                ("weight_ih", &weights.weight_ih, &[wide, inputs][..]),
                ("weight_hh", &weights.weight_hh, &[wide, hidden]),
                ("bias_ih", &weights.bias_ih, &[wide]),
                ("bias_hh", &weights.bias_hh, &[wide]),
            ] {
                if tensor.dims() != expected {
                    let (found, expected) = (format!("{:?}", tensor.dims()), format!("{expected:?}"));
                    return Err(Error::mismatch(format!("shape of an LSTM's {name}"), found, expected));
                }
            }
            let ready = match packed_once(&weights.weight_hh, wide, hidden)? {
                Some(packed) => Some((weights.input_layer()?, packed)),
                None => None,
            };
            Ok(Direction { weights, ready })
        };
        let directions = directions.into_iter().map(direction).collect::<Result<_>>()?;
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
    /// by side, the backward one after reading its sequence from its own end. The indices of the sequences are rows of
    /// `inputs (rows, inputs)`. The final state of an empty sequence is zero.
    ///
    /// # Errors
    /// [`Error::Mismatch`] if `inputs` have another shape, or a sequence needs a row that is not there;
    /// [`Error::Candle`] if the device fails.
    pub fn forward(&self, sequences: &Sequences, inputs: &Tensor) -> Result<Tensor> {
        let (rows, width) = inputs.dims2()?;
        if width != self.inputs {
            let (found, expected) = (format!("{:?}", inputs.dims()), format!("[_, {}]", self.inputs));
            return Err(Error::mismatch("shape of an LSTM's input", found, expected));
        }
        sequences.check(rows)?;
        if sequences.steps() == 0 {
            return Ok(Tensor::zeros((sequences.len(), self.outputs()), inputs.dtype(), inputs.device())?);
        }
        let finals = self.directions.iter().enumerate().map(|(index, direction)| {
            let steps = Steps::new(sequences, index == 1);
            direction.forward(steps, inputs)
        });
        Ok(Tensor::cat(&finals.collect::<Result<Vec<_>>>()?, 1)?)
    }
}

impl DirectionWeights {
    /// `inputs · weight_ihᵀ + bias_ih + bias_hh`
    fn input_layer(&self) -> Result<Linear> {
        Linear::new(self.weight_ih.clone(), (&self.bias_ih + &self.bias_hh)?)
    }
}

impl Direction {
    /// The final states of one direction, `(sequences, hidden)`.
    fn forward(&self, steps: Steps, inputs: &Tensor) -> Result<Tensor> {
        let (layer, packed) = match &self.ready {
            Some((layer, packed)) => (layer.clone(), Some(packed.clone())),
            None => (self.weights.input_layer()?, None),
        };
        let projected = layer.forward(inputs)?; // (rows, 4 hidden)
        let weight_hh = &self.weights.weight_hh;
        if !are_ours(&[&projected, weight_hh]) {
            return Ok(plain::finals(&steps, &projected, weight_hh)?);
        }
        Ok(Recurrence::apply(steps, &projected, &weight_hh.contiguous()?, packed)?)
    }
}

#[cfg(test)]
mod gradient_tests;
#[cfg(test)]
mod tests;
