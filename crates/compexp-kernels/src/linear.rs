//! A linear layer, `x · weightᵀ + bias`, whose rows do not depend on each other, to the bit.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp3, Device, Layout, Module, Result, Shape, Tensor, bail};

use crate::error;
use crate::gemm::{Epilogue, Packed, add_transposed_product, product_parallel};
use crate::storage::{are_ours, floats, with_values};

/// A linear layer. On the CPU in f32 it is one product with packed weights, forward and backward; otherwise it uses
/// candle's own operations.
///
/// A row's result does not depend on the number of rows, which candle's product does not promise.
#[derive(Debug, Clone)]
pub struct Linear {
    weight: Tensor,
    bias: Tensor,
    packed: Option<Arc<Packed>>,
}

impl Linear {
    /// A layer of `weight (outputs, inputs)` and `bias (outputs)`. Weights that are not trained are packed here, once;
    /// weights of a variable, or computed from one, are packed in each pass.
    ///
    /// # Errors
    /// [`error::Error::Mismatch`] if the shapes do not fit each other; [`error::Error::Candle`] if `weight` is no
    /// matrix.
    pub fn new(weight: Tensor, bias: Tensor) -> error::Result<Self> {
        let (n, k) = weight.dims2()?;
        if bias.dims() != [n] {
            let found = format!("{:?}", bias.dims());
            return Err(error::Error::mismatch("shape of a linear layer's bias", found, format!("[{n}]")));
        }
        let packed = packed_once(&weight, n, k)?;
        Ok(Self { weight, bias, packed })
    }

    /// `(outputs, inputs)`
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// `(outputs,)`
    pub fn bias(&self) -> &Tensor {
        &self.bias
    }
}

impl Module for Linear {
    /// From `(rows, inputs)` to `(rows, outputs)`.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let Self { weight, bias, packed } = self;
        if !are_ours(&[x, weight, bias]) {
            return x.matmul(&weight.t()?)?.broadcast_add(bias);
        }
        x.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, Product { packed: packed.clone() })
    }
}

/// The packed weights `(n, k)` of a layer, if they will not change.
pub(crate) fn packed_once(weight: &Tensor, n: usize, k: usize) -> Result<Option<Arc<Packed>>> {
    if weight.track_op() || !are_ours(&[weight]) {
        return Ok(None);
    }
    with_values(weight, |values| Ok(Some(Arc::new(Packed::transposed(k, n, values)))))
}

/// The product as an operation of candle.
struct Product {
    packed: Option<Arc<Packed>>,
}

impl CustomOp3 for Product {
    fn name(&self) -> &'static str {
        "packed-linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (rows, k) = x_layout.shape().dims2()?;
        let (n, inputs) = weight_layout.shape().dims2()?;
        if k != inputs {
            bail!("inputs of a linear layer: found shape {:?}, expected [_, {inputs}]", [rows, k]);
        }
        let (x, weight, bias) = (floats(x, x_layout)?, floats(weight, weight_layout)?, floats(bias, bias_layout)?);
        let mut out = vec![0.0; rows * n];
        let epilogue = Epilogue { bias: Some(bias), ..Epilogue::default() };
        match &self.packed {
            Some(packed) => product_parallel(x, packed, &mut out, epilogue),
            None => product_parallel(x, &Packed::transposed(k, n, weight), &mut out, epilogue),
        }
        Ok((CpuStorage::F32(out), Shape::from((rows, n))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let ((rows, k), n) = (x.dims2()?, bias.dim(0)?);
        with_values(gradient, |d| {
            let mut packed = Packed::default();
            let d_x = if x.track_op() {
                let mut d_x = vec![0.0; rows * k];
                with_values(weight, |weight| {
                    packed.set_rows(n, k, |i| &weight[i * k..][..k]);
                    product_parallel(d, &packed, &mut d_x, Epilogue::default());
                    Ok(())
                })?;
                Some(Tensor::from_vec(d_x, (rows, k), &Device::Cpu)?)
            } else {
                None
            };
            let d_weight = if weight.track_op() {
                let mut d_weight = vec![0.0; n * k];
                with_values(x, |x| {
                    packed.set_rows(rows, k, |i| &x[i * k..][..k]);
                    add_transposed_product(d, n, &packed, &mut d_weight);
                    Ok(())
                })?;
                Some(Tensor::from_vec(d_weight, (n, k), &Device::Cpu)?)
            } else {
                None
            };
            let d_bias = if bias.track_op() {
                let mut d_bias = vec![0.0; n];
                for row in d.chunks_exact(n.max(1)) {
                    d_bias.iter_mut().zip(row).for_each(|(sum, d)| *sum += d);
                }
                Some(Tensor::from_vec(d_bias, n, &Device::Cpu)?)
            } else {
                None
            };
            Ok((d_x, d_weight, d_bias))
        })
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Var};

    use super::*;
    use crate::noise;

    fn values(tensor: &Tensor) -> Vec<f64> {
        tensor.flatten_all().unwrap().to_dtype(DType::F64).unwrap().to_vec1().unwrap()
    }

    /// The result of a layer with variables of this type, and the gradients of input, weight and bias of a sum of it.
    fn run(
        (rows, k, n): (usize, usize, usize),
        dtype: DType,
        forward: impl Fn(&Tensor, &Tensor, &Tensor) -> Tensor,
    ) -> Vec<Vec<f64>> {
        let shapes: [&[usize]; 3] = [&[rows, k], &[n, k], &[n]];
        let vars = shapes.map(|shape| Var::from_tensor(&noise(shape, 1).to_dtype(dtype).unwrap()).unwrap());
        let y = forward(&vars[0], &vars[1], &vars[2]);
        // A gradient that is not contiguous.
        let weights = noise(&[n, rows], 4).to_dtype(dtype).unwrap();
        let gradients = (y.t().unwrap() * weights).unwrap().sum_all().unwrap().backward().unwrap();
        std::iter::once(&y).chain(vars.iter().map(|var| gradients.get(var).unwrap())).map(values).collect()
    }

    #[test]
    fn results_and_gradients_equal_candles() {
        for shape in [(1, 1, 1), (7, 5, 3), (20, 700, 70), (33, 64, 130)] {
            let ours = |x: &Tensor, weight: &Tensor, bias: &Tensor| {
                Linear::new(weight.clone(), bias.clone()).unwrap().forward(x).unwrap()
            };
            let expected = run(shape, DType::F64, |x, weight, bias| {
                x.matmul(&weight.t().unwrap()).unwrap().broadcast_add(bias).unwrap()
            });
            // Rounding grows with the number of terms of a sum.
            let terms = shape.0.max(shape.1).max(shape.2) as f64;
            for (dtype, epsilon) in [(DType::F32, f64::from(f32::EPSILON)), (DType::F64, f64::EPSILON)] {
                let tolerance = (4.0 * terms + 80.0) * epsilon;
                for (what, (found, expected)) in run(shape, dtype, ours).iter().zip(&expected).enumerate() {
                    let off = found.iter().zip(expected).map(|(f, e)| (f - e).abs()).fold(0.0, f64::max);
                    assert_eq!(found.len(), expected.len());
                    assert!(off < tolerance, "{shape:?}, {dtype:?}, value {what}: off by {off}");
                }
            }
        }
    }

    #[test]
    fn a_row_is_the_same_bits_alone_among_others_and_with_any_number_of_threads() {
        let (rows, k, n) = (37, 1100, 65);
        let x = noise(&[rows, k], 1);
        let layer = Linear::new(noise(&[n, k], 2), noise(&[n], 3)).unwrap();
        let run = |threads: usize, x: &Tensor| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| values(&layer.forward(x).unwrap()))
        };
        let all = run(1, &x);
        for threads in [2, 3, 7] {
            assert_eq!(run(threads, &x), all, "{threads} threads");
        }
        for row in 0..rows {
            assert_eq!(run(2, &x.narrow(0, row, 1).unwrap()), all[row * n..][..n], "row {row}");
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let error = Linear::new(noise(&[3, 4], 1), noise(&[4], 2)).unwrap_err().to_string();
        assert!(error.contains("bias: found [4], expected [3]"), "{error}");
        let layer = Linear::new(noise(&[3, 4], 1), noise(&[3], 2)).unwrap();
        let error = layer.forward(&noise(&[2, 5], 3)).unwrap_err().to_string();
        assert!(error.contains("found shape [2, 5], expected [_, 4]"), "{error}");
    }
}
