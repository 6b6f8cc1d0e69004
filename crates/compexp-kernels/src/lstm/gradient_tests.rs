//! The LSTM's gradients against candle's automatic ones, in f64.

use candle_core::{DType, Device, Tensor, Var};
use compexp_core::random::Stream;

use super::*;
use crate::model::lstm::{DirectionWeights, Lstm};
use crate::random::Purpose;

struct Case {
    inputs: usize,
    hidden: usize,
    x: Vec<f32>,
    /// Input, hidden, and two biases.
    weights: [Vec<f32>; 4],
    /// The gradient of each final state.
    d_finals: Vec<f32>,
    sequences: Vec<Vec<u32>>,
}

fn case(inputs: usize, hidden: usize) -> Case {
    let stream = Stream::new(5, Purpose::Weights, 0);
    let mut at = 0;
    let mut noise = |n: usize| -> Vec<f32> {
        at += n as u64;
        (0..n).map(|i| stream.within(0.7, at + i as u64 * 1000)).collect()
    };
    let n_rows = 6;
    let sequences: Vec<Vec<u32>> = vec![vec![0, 3, 0, 5], vec![], vec![2], vec![1, 1, 4, 0, 2, 5, 3], vec![4, 2]];
    let wide = 4 * hidden;
    Case {
        inputs,
        hidden,
        x: noise(n_rows * inputs),
        weights: [noise(wide * inputs), noise(wide * hidden), noise(wide), noise(wide)],
        d_finals: noise(sequences.len() * hidden),
        sequences,
    }
}

/// Gradients of `sum(finals * d_finals)`: inputs, then the four weights.
fn automatic(case: &Case, reversed: bool) -> candle_core::Result<Vec<Vec<f64>>> {
    let (inputs, hidden) = (case.inputs, case.hidden);
    let var = |values: &[f32], shape: &[usize]| {
        let values: Vec<f64> = values.iter().map(|&v| f64::from(v)).collect();
        Var::from_vec(values, shape, &Device::Cpu)
    };
    let [ih, hh, b1, b2] = &case.weights;
    let wide = 4 * hidden;
    let vars = [
        var(&case.x, &[case.x.len() / inputs, inputs])?,
        var(ih, &[wide, inputs])?,
        var(hh, &[wide, hidden])?,
        var(b1, &[wide])?,
        var(b2, &[wide])?,
    ];
    let [x, ih, hh, b1, b2] = &vars;
    let mut loss = Tensor::zeros((), DType::F64, &Device::Cpu)?;
    for (s, sequence) in case.sequences.iter().enumerate() {
        let mut h = Tensor::zeros((1, hidden), DType::F64, &Device::Cpu)?;
        let mut c = h.clone();
        let mut rows = sequence.clone();
        if reversed {
            rows.reverse();
        }
        for row in rows {
            let input = x.narrow(0, row as usize, 1)?.matmul(&ih.t()?)?;
            let gates = (input + h.matmul(&hh.t()?)?)?.broadcast_add(b1)?.broadcast_add(b2)?;
            let gate = |i: usize| gates.narrow(1, i * hidden, hidden);
            let [i, f, o] = [0, 1, 3].map(|i| gate(i).and_then(|g| candle_nn::ops::sigmoid(&g)));
            c = ((f? * c)? + (i? * gate(2)?.tanh()?)?)?;
            h = (o? * c.tanh()?)?;
        }
        let d: Vec<f64> = case.d_finals[s * hidden..][..hidden].iter().map(|&d| f64::from(d)).collect();
        loss = (loss + (h * Tensor::from_vec(d, (1, hidden), &Device::Cpu)?)?.sum_all()?)?;
    }
    let gradients = loss.backward()?;
    vars.iter().map(|v| gradients.get(v).expect("a gradient").flatten_all()?.to_vec1()).collect()
}

#[test]
fn gradients_equal_automatic_ones() {
    for (inputs, hidden) in [(1, 1), (4, 3), (9, 17)] {
        for reversed in [false, true] {
            let case = case(inputs, hidden);
            let [weight_ih, weight_hh, bias_ih, bias_hh] = case.weights.each_ref().map(Vec::as_slice);
            let weights = DirectionWeights { weight_ih, weight_hh, bias_ih, bias_hh };
            let lstm = Lstm::new(inputs, hidden, &[weights, weights]).unwrap();
            let sequences = Sequences::new(case.sequences.iter().map(Vec::as_slice));
            // The columns of one direction among those of both.
            let columns = Columns { column: usize::from(reversed) * hidden, stride: 2 * hidden };
            let mut finals = vec![0.0; sequences.len() * 2 * hidden];
            let mut d_finals = finals.clone();
            for (to, from) in d_finals.chunks_exact_mut(2 * hidden).zip(case.d_finals.chunks_exact(hidden)) {
                to[columns.column..][..hidden].copy_from_slice(from);
            }
            let mut tape = Tape::default();
            // Twice, as memory is used again.
            for _ in 0..2 {
                tape.forward(&lstm.directions[usize::from(reversed)], &sequences, &case.x, &mut finals, columns);
                let expected = lstm.forward(&sequences, &case.x).unwrap();
                for (f, e) in finals.chunks_exact(2 * hidden).zip(expected.chunks_exact(2 * hidden)) {
                    assert_eq!(f[columns.column..][..hidden], e[columns.column..][..hidden]);
                }
                let weights = Weights { hidden, n_inputs: inputs, weight_ih, weight_hh };
                let mut d_inputs = vec![0.0; case.x.len()];
                let found = tape.backward(weights, &case.x, &d_finals, columns, &mut d_inputs);
                let found = [&d_inputs, &found.weight_ih, &found.weight_hh, &found.bias, &found.bias];
                let expected = automatic(&case, reversed).unwrap();
                for (what, (found, expected)) in found.iter().zip(&expected).enumerate() {
                    assert_eq!(found.len(), expected.len());
                    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
                        assert!((f64::from(*f) - e).abs() < 3e-6, "{hidden}, gradient {what}, {i}: {f}, expected {e}");
                    }
                }
            }
        }
    }
}
