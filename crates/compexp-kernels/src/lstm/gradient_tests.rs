//! The LSTM's gradients against candle's automatic ones through the same LSTM, one sequence at a time, in f64.

use candle_core::{DType, Device, Tensor, Var};

use super::*;

struct Case {
    inputs: usize,
    hidden: usize,
    x: Vec<f32>,
    /// Input, hidden, and two biases, of each direction.
    weights: Vec<[Vec<f32>; 4]>,
    /// The gradient of each final state, of both directions.
    d_finals: Vec<f32>,
    sequences: Vec<Vec<u32>>,
}

impl Case {
    fn new(inputs: usize, hidden: usize, directions: usize) -> Self {
        let mut state = 5u64;
        let mut noise = |n: usize| -> Vec<f32> {
            let mut next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                ((state >> 40) as f32 / (1u64 << 23) as f32 - 1.0) * 0.7
            };
            (0..n).map(|_| next()).collect()
        };
        let n_rows = 6;
        let sequences: Vec<Vec<u32>> = vec![vec![0, 3, 0, 5], vec![], vec![2], vec![1, 1, 4, 0, 2, 5, 3], vec![4, 2]];
        let wide = 4 * hidden;
        Self {
            inputs,
            hidden,
            x: noise(n_rows * inputs),
            weights: (0..directions)
                .map(|_| [noise(wide * inputs), noise(wide * hidden), noise(wide), noise(wide)])
                .collect(),
            d_finals: noise(sequences.len() * hidden * directions),
            sequences,
        }
    }

    /// The input and the weights as variables.
    fn vars(&self, dtype: DType) -> candle_core::Result<(Var, Vec<[Var; 4]>)> {
        let var = |values: &[f32], shape: &[usize]| {
            Var::from_tensor(&Tensor::from_slice(values, shape, &Device::Cpu)?.to_dtype(dtype)?)
        };
        let (inputs, hidden, wide) = (self.inputs, self.hidden, 4 * self.hidden);
        let weights = self.weights.iter().map(|[ih, hh, b1, b2]| {
            Ok([var(ih, &[wide, inputs])?, var(hh, &[wide, hidden])?, var(b1, &[wide])?, var(b2, &[wide])?])
        });
        Ok((var(&self.x, &[self.x.len() / inputs, inputs])?, weights.collect::<candle_core::Result<_>>()?))
    }

    /// The gradients of `sum(finals * d_finals)`: of the inputs, and of the four weights of each direction.
    fn gradients(
        &self,
        dtype: DType,
        finals: impl Fn(&Tensor, &[[Var; 4]]) -> candle_core::Result<Tensor>,
    ) -> candle_core::Result<Vec<Vec<f64>>> {
        let (x, weights) = self.vars(dtype)?;
        let finals = finals(&x, &weights)?;
        let d = Tensor::from_slice(&self.d_finals, finals.shape(), &Device::Cpu)?.to_dtype(dtype)?;
        let loss = (finals * d)?.sum_all()?;
        let found = loss.backward()?;
        // A second pass back through the same graph finds the same.
        let again = loss.backward()?;
        let values = |t: &Tensor| t.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>();
        let of = |v: &Var| -> candle_core::Result<_> {
            let [found, again] = [&found, &again].map(|store| store.get(v).expect("a gradient"));
            assert_eq!(values(found)?, values(again)?);
            values(found)
        };
        std::iter::once(&x).chain(weights.iter().flatten()).map(of).collect()
    }
}

/// The equations of torch.nn.LSTM's documentation in candle's operations, `(sequences, hidden · directions)`.
fn slow(case: &Case, x: &Tensor, weights: &[[Var; 4]]) -> candle_core::Result<Tensor> {
    let mut all = Vec::new();
    for (direction, [ih, hh, b1, b2]) in weights.iter().enumerate() {
        let mut finals = Vec::new();
        for sequence in &case.sequences {
            let mut h = Tensor::zeros((1, case.hidden), x.dtype(), &Device::Cpu)?;
            let mut c = h.clone();
            let mut rows = sequence.clone();
            if direction == 1 {
                rows.reverse();
            }
            for row in rows {
                let input = x.narrow(0, row as usize, 1)?.matmul(&ih.t()?)?;
                let gates = (input + h.matmul(&hh.t()?)?)?.broadcast_add(b1)?.broadcast_add(b2)?;
                let gate = |i: usize| gates.narrow(1, i * case.hidden, case.hidden);
                let sigmoid = |x: Tensor| (x.neg()?.exp()? + 1.0)?.recip();
                let [i, f, o] = [0, 1, 3].map(|i| gate(i).and_then(sigmoid));
                c = ((f? * c)? + (i? * gate(2)?.tanh()?)?)?;
                h = (o? * c.tanh()?)?;
            }
            finals.push(h);
        }
        all.push(Tensor::cat(&finals, 0)?);
    }
    Tensor::cat(&all, 1)
}

#[test]
fn gradients_equal_automatic_ones() {
    for (inputs, hidden, directions) in [(1, 1, 1), (4, 3, 2), (9, 17, 1), (9, 17, 2)] {
        let case = Case::new(inputs, hidden, directions);
        let ours = |x: &Tensor, weights: &[[Var; 4]]| {
            let tensors = |[ih, hh, b1, b2]: &[Var; 4]| DirectionWeights {
                weight_ih: ih.as_tensor().clone(),
                weight_hh: hh.as_tensor().clone(),
                bias_ih: b1.as_tensor().clone(),
                bias_hh: b2.as_tensor().clone(),
            };
            let lstm = Lstm::new(inputs, hidden, weights.iter().map(tensors).collect()).expect("an LSTM");
            let sequences = Sequences::new(case.sequences.iter().map(Vec::as_slice));
            Ok(lstm.forward(&sequences, x).expect("final states"))
        };
        let expected = case.gradients(DType::F64, |x, weights| slow(&case, x, weights)).unwrap();
        // In f32 it is the fused operation, in f64 what other devices do.
        for (dtype, tolerance) in [(DType::F32, 3e-6), (DType::F64, 1e-12)] {
            let found = case.gradients(dtype, ours).unwrap();
            for (what, (found, expected)) in found.iter().zip(&expected).enumerate() {
                assert_eq!(found.len(), expected.len());
                for (i, (f, e)) in found.iter().zip(expected).enumerate() {
                    let name = format!("{inputs} to {hidden}, {directions} directions, {dtype:?}, gradient {what}");
                    assert!((f - e).abs() < tolerance, "{name}, {i}: {f}, expected {e}");
                }
            }
        }
    }
}
