//! The Gaussian error linear unit, exact and approximate.

use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};
use rayon::prelude::*;

use crate::activation::{exp, tanh};
use crate::error::Result;
use crate::simd::{Simd, WithSimd, dispatch};
use crate::storage::{are_ours, floats};

/// Values of a thread's task.
const TASK: usize = 1 << 13;

/// `x / 2 * (1 + erf(x / √2))` of every value, with an error of at most 2e-7 of `max(1, |x|)` in f32 on the CPU; candle's own
/// operation otherwise.
///
/// # Errors
/// [`crate::Error::Candle`] for dtypes without this operation.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    apply(x, Gelu::Exact)
}

/// `x / 2 * (1 + tanh(√(2 / π) * (x + 0.044715 x³)))` of every value: GPT-2's `gelu_new`, with the error of [`gelu`].
///
/// # Errors
/// As [`gelu`].
pub fn gelu_tanh(x: &Tensor) -> Result<Tensor> {
    apply(x, Gelu::Tanh)
}

fn apply(x: &Tensor, form: Gelu) -> Result<Tensor> {
    if are_ours(&[x]) {
        return Ok(x.contiguous()?.apply_op1_no_bwd(&form)?);
    }
    Ok(match form {
        Gelu::Exact => x.gelu_erf()?,
        Gelu::Tanh => x.gelu()?,
    })
}

#[derive(Clone, Copy)]
enum Gelu {
    Exact,
    Tanh,
}

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let mut out = floats(storage, layout)?.to_vec();
        out.par_chunks_mut(TASK).for_each(|values| dispatch(Run { values, form: *self }));
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
}

/// One task, compiled for the best instructions found at run time.
struct Run<'a> {
    values: &'a mut [f32],
    form: Gelu,
}

impl WithSimd for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        const SCALE: f32 = 0.797_884_6; // √(2 / π)
        match self.form {
            Gelu::Exact => {
                for x in self.values {
                    *x = 0.5 * *x * (1.0 + erf(*x * std::f32::consts::FRAC_1_SQRT_2));
                }
            }
            Gelu::Tanh => {
                for x in self.values {
                    *x = 0.5 * *x * (1.0 + tanh(SCALE * (0.044_715 * *x * *x).mul_add(*x, *x)));
                }
            }
        }
    }
}

/// The error function, to 2e-7: Abramowitz and Stegun (1964), 7.1.26. It has no branch, so that compilers turn it into vector
/// instructions, in which it takes a fraction of the time of candle's.
#[inline(always)]
fn erf(x: f32) -> f32 {
    let size = x.abs();
    let t = 1.0 / size.mul_add(0.327_591_1, 1.0);
    let mut p = 1.061_405_4f32;
    p = p.mul_add(t, -1.453_152_1);
    p = p.mul_add(t, 1.421_413_8);
    p = p.mul_add(t, -0.284_496_74);
    p = p.mul_add(t, 0.254_829_6);
    (-(p * t)).mul_add(exp(-(size * size)), 1.0).copysign(x)
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;

    #[test]
    fn both_forms_are_candles_in_double_precision() {
        let x = Tensor::arange(-20_000f32, 20_000f32, &Device::Cpu).unwrap();
        let x = (x * 1e-3).unwrap();
        let wide = x.to_dtype(DType::F64).unwrap();
        let values = |x: Tensor| x.to_dtype(DType::F64).unwrap().to_vec1::<f64>().unwrap();
        for (found, expected) in [(gelu(&x), gelu(&wide)), (gelu_tanh(&x), gelu_tanh(&wide))] {
            let (found, expected) = (values(found.unwrap()), values(expected.unwrap()));
            for ((found, expected), x) in found.into_iter().zip(expected).zip(values(x.clone())) {
                assert!((found - expected).abs() <= 2e-7 * x.abs().max(1.0), "{x}: found {found}, expected {expected}");
            }
        }
    }

    #[test]
    fn nan_stays() {
        let x = Tensor::from_slice(&[f32::NAN, 0.0], 2, &Device::Cpu).unwrap();
        for y in [gelu(&x).unwrap(), gelu_tanh(&x).unwrap()] {
            let y = y.to_vec1::<f32>().unwrap();
            assert!(y[0].is_nan() && y[1] == 0.0, "{y:?}");
        }
    }
}
