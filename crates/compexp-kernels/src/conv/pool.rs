//! Max pooling over channels-last images.

use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};
use rayon::prelude::*;

use super::layout::channels_last;
use crate::error::{Error, Result};
use crate::simd::{Simd, WithSimd, dispatch};
use crate::storage::floats;

/// The maximum of every window of 3 x 3 of `x (n, c, h, w)`, f32, with stride 2 and a border that is below every value
/// (NaN is the maximum): `(n, c, (h + 1) / 2, (w + 1) / 2)`, channels last in memory on the CPU.
///
/// On other devices the border is 0, which is the same after a ReLU, the only place where a ResNet pools.
///
/// # Errors
/// [`Error::Mismatch`] if images are empty.
pub fn max_pool(x: &Tensor) -> Result<Tensor> {
    let (_, _, h, w) = x.dims4()?;
    if h == 0 || w == 0 {
        return Err(Error::mismatch("size of a pooled image", format!("{h} x {w}"), "at least 1 x 1"));
    }
    if !x.device().is_cpu() {
        let padded = x.contiguous()?.pad_with_zeros(2, 1, 1)?.pad_with_zeros(3, 1, 1)?;
        return Ok(padded.max_pool2d_with_stride(3, 2)?);
    }
    Ok(channels_last(x)?.apply_op1_no_bwd(&MaxPool)?.permute((0, 3, 1, 2))?)
}

struct MaxPool;

impl CustomOp1 for MaxPool {
    fn name(&self) -> &'static str {
        "max-pool-channels-last"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let (n, h, w, c) = layout.shape().dims4()?;
        let x = floats(storage, layout)?;
        let (h_out, w_out) = (h.div_ceil(2), w.div_ceil(2));
        let mut out = vec![f32::NEG_INFINITY; n * h_out * w_out * c];
        if !out.is_empty() {
            out.par_chunks_mut(w_out * c).enumerate().for_each(|(row, out)| {
                let (image, y) = (row / h_out, row % h_out);
                for y in (2 * y).saturating_sub(1)..(2 * y + 2).min(h) {
                    let x = &x[(image * h + y) * w * c..][..w * c];
                    dispatch(Row { x, w, c, out: &mut *out });
                }
            });
        }
        Ok((CpuStorage::F32(out), Shape::from((n, h_out, w_out, c))))
    }
}

/// Raises a row of outputs to the maxima of one row of inputs.
struct Row<'a> {
    x: &'a [f32],
    w: usize,
    c: usize,
    out: &'a mut [f32],
}

impl WithSimd for Row<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { x, w, c, out } = self;
        for (at, out) in out.chunks_exact_mut(c).enumerate() {
            for at in (2 * at).saturating_sub(1)..(2 * at + 2).min(w) {
                for (out, &value) in out.iter_mut().zip(&x[at * c..][..c]) {
                    *out = if value > *out || value.is_nan() { value } else { *out };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn windows_at_the_border_hold_what_is_inside_of_the_image() {
        for (h, w) in [(1, 1), (2, 3), (5, 4), (7, 7)] {
            let values: Vec<f32> = (0..2 * 3 * h * w).map(|i| ((i * 37) % 101) as f32 - 120.0).collect();
            let x = Tensor::from_vec(values.clone(), (2, 3, h, w), &Device::Cpu).unwrap();
            let found = max_pool(&x).unwrap();
            let (h_out, w_out) = ((h - 1) / 2 + 1, (w - 1) / 2 + 1);
            assert_eq!(found.dims(), [2, 3, h_out, w_out]);
            let found = found.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            for (i, found) in found.into_iter().enumerate() {
                let (plane, y, column) = (i / (h_out * w_out), i / w_out % h_out, i % w_out);
                let mut expected = f32::NEG_INFINITY;
                for (dy, dx) in (0..9).map(|k| (k / 3, k % 3)) {
                    let (y, x) = ((2 * y + dy).wrapping_sub(1), (2 * column + dx).wrapping_sub(1));
                    if y < h && x < w {
                        expected = expected.max(values[plane * h * w + y * w + x]);
                    }
                }
                assert_eq!(found, expected, "{h} x {w}, output {i}");
            }
        }
    }
}
