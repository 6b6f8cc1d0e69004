//! Operations on every value of channels-last images: a scale and a shift a channel, and GELU.

use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};
use rayon::prelude::*;

use super::layout::channels_last;
use crate::error::{Error, Result};
use crate::simd::{Simd, WithSimd, dispatch};
use crate::storage::floats;

/// Values that a task works on at least.
const TASK: usize = 1 << 13;

/// `x * scale + shift` of `x (n, c, h, w)`, with a scale and a shift for each channel, and then a ReLU if `relu` is set: a
/// batch norm in evaluation. The result is channels last in memory on the CPU.
///
/// # Errors
/// [`Error::Mismatch`] if there are not `c` scales and shifts; [`Error::Candle`] for dtypes other than f32.
pub fn scale_shift(x: &Tensor, scale: &[f32], shift: &[f32], relu: bool) -> Result<Tensor> {
    let (_, c, _, _) = x.dims4()?;
    if scale.len() != c || shift.len() != c {
        let found = format!("{} and {}", scale.len(), shift.len());
        return Err(Error::mismatch("scales and shifts of channels", found, format!("{c} of each")));
    }
    if !x.device().is_cpu() {
        let part = |values: &[f32]| Tensor::from_slice(values, (1, c, 1, 1), x.device());
        let y = x.broadcast_mul(&part(scale)?)?.broadcast_add(&part(shift)?)?;
        return Ok(if relu { y.relu()? } else { y });
    }
    Ok(channels_last(x)?.apply_op1_no_bwd(&ScaleShift { scale, shift, relu })?.permute((0, 3, 1, 2))?)
}

struct ScaleShift<'a> {
    scale: &'a [f32],
    shift: &'a [f32],
    relu: bool,
}

impl CustomOp1 for ScaleShift<'_> {
    fn name(&self) -> &'static str {
        "scale-shift-channels-last"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let mut out = floats(storage, layout)?.to_vec();
        let rows = (TASK / self.scale.len().max(1)).max(1) * self.scale.len();
        if !out.is_empty() {
            out.par_chunks_mut(rows).for_each(|values| dispatch(Rows { of: self, values }));
        }
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
}

struct Rows<'a> {
    of: &'a ScaleShift<'a>,
    values: &'a mut [f32],
}

impl WithSimd for Rows<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let ScaleShift { scale, shift, relu } = *self.of;
        for row in self.values.chunks_exact_mut(scale.len()) {
            for ((value, scale), shift) in row.iter_mut().zip(scale).zip(shift) {
                let y = *value * scale + shift;
                *value = if relu && y < 0.0 { 0.0 } else { y };
            }
        }
    }
}

/// The Gaussian error linear unit of every value, by the error function: `x / 2 * (1 + erf(x / √2))`. f32 on the CPU; candle's
/// own operation, which takes one thread there, on other devices.
///
/// # Errors
/// [`Error::Candle`] for dtypes other than f32.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    if !x.device().is_cpu() {
        return Ok(x.gelu_erf()?);
    }
    Ok(crate::gelu::gelu(&channels_last(x)?)?.permute((0, 3, 1, 2))?)
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;
    use crate::noise;

    fn close(found: &Tensor, expected: &Tensor) {
        let off = (found.to_dtype(DType::F64).unwrap() - expected).unwrap().abs().unwrap();
        let off = off.flatten_all().unwrap().max(0).unwrap().to_scalar::<f64>().unwrap();
        assert!(off < 1e-6, "off by {off}");
    }

    #[test]
    fn a_scale_and_a_shift_are_those_of_the_channel() {
        let x = noise(&[2, 5, 3, 4], 1);
        let [scale, shift] = [2, 3].map(|seed| noise(&[5], seed).to_vec1::<f32>().unwrap());
        let wide = |values: &[f32]| {
            Tensor::from_slice(values, (1, 5, 1, 1), &Device::Cpu).unwrap().to_dtype(DType::F64).unwrap()
        };
        let plain = x.to_dtype(DType::F64).unwrap().broadcast_mul(&wide(&scale)).unwrap();
        let plain = plain.broadcast_add(&wide(&shift)).unwrap();
        close(&scale_shift(&x, &scale, &shift, false).unwrap(), &plain);
        close(&scale_shift(&x, &scale, &shift, true).unwrap(), &plain.relu().unwrap());
        assert!(scale_shift(&x, &scale[1..], &shift, true).is_err());
    }

    #[test]
    fn gelu_is_candles_in_double_precision() {
        let x = (noise(&[2, 7, 5, 3], 1) * 6.0).unwrap();
        close(&gelu(&x).unwrap(), &x.to_dtype(DType::F64).unwrap().gelu_erf().unwrap());
    }
}
