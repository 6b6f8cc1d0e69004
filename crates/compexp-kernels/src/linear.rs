//! A linear layer, `x · weightᵀ + bias`, whose rows are the same bits alone and among others.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp3, Device, Layout, Module, Result, Shape, Tensor, bail};

use crate::error;
use crate::gemm::{Epilogue, Packed, add_transposed_product, product_parallel};
use crate::values::{are_ours, values, with_values};

/// A linear layer. On the CPU in f32 it is one product with packed weights, forward and backward; elsewhere candle's
/// own operations.
///
/// candle's product rounds a row differently when the number of rows changes; this one does not.
#[derive(Debug, Clone)]
pub struct Linear {
    weight: Tensor,
    bias: Tensor,
    packed: Option<Arc<Packed>>,
}

impl Linear {
    /// A layer of `weight (outputs, inputs)` and `bias (outputs)`. Weights that are not trained are packed here, once;
    /// those of a variable, or of what is computed from one, are packed in each pass.
    ///
    /// # Errors
    /// [`error::Error::Mismatch`] where the shapes do not fit each other; [`error::Error::Candle`] where `weight` is no
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

/// The packed weights `(n, k)` of a layer, where they will not change.
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
        let (x, weight, bias) = (values(x, x_layout)?, values(weight, weight_layout)?, values(bias, bias_layout)?);
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
