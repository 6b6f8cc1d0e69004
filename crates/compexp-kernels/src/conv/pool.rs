//! Max pooling over channels-last images.

use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};
use rayon::prelude::*;

use super::layout::channels_last;
use crate::error::{Error, Result};
use crate::simd::{Simd, WithSimd, dispatch};
use crate::storage::floats;

/// The windows of a pooling: square, at regular places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Rows and columns of a window.
    pub kernel: usize,
    /// From one window to the next.
    pub stride: usize,
    /// Rows and columns around the image that windows reach into, at most half of a window.
    pub padding: usize,
}

impl Window {
    /// Windows along an axis of `size` values.
    fn count(self, size: usize) -> usize {
        (size + 2 * self.padding - self.kernel) / self.stride + 1
    }

    /// What of an axis of `size` values lies in window `at`.
    fn inside(self, at: usize, size: usize) -> std::ops::Range<usize> {
        let first = at * self.stride;
        first.saturating_sub(self.padding)..(first + self.kernel - self.padding).min(size)
    }
}

/// The maximum of every window of `x (n, c, h, w)`, f32, with a border that is below every value (NaN is the maximum):
/// `(n, c, h_out, w_out)`, channels last in memory on the CPU. Windows that would leave the padded image are left out.
///
/// On other devices the border is 0, which is the same after a ReLU, where networks pool.
///
/// # Errors
/// [`Error::Mismatch`] if images are smaller than a window, or a padding is more than half of a window.
pub fn max_pool(x: &Tensor, window: Window) -> Result<Tensor> {
    let (_, _, h, w) = x.dims4()?;
    let Window { kernel, stride, padding } = window;
    if kernel == 0 || stride == 0 || 2 * padding > kernel {
        return Err(Error::mismatch(
            "windows of a pooling",
            format!("{window:?}"),
            "a padding of at most half a window",
        ));
    }
    if h == 0 || w == 0 || h + 2 * padding < kernel || w + 2 * padding < kernel {
        let expected = format!("at least 1 x 1, and {kernel} x {kernel} with the padding; give larger images");
        return Err(Error::mismatch("size of a pooled image", format!("{h} x {w}"), expected));
    }
    if !x.device().is_cpu() {
        let padded = x.contiguous()?.pad_with_zeros(2, padding, padding)?.pad_with_zeros(3, padding, padding)?;
        return Ok(padded.max_pool2d_with_stride(kernel, stride)?);
    }
    Ok(channels_last(x)?.apply_op1_no_bwd(&MaxPool(window))?.permute((0, 3, 1, 2))?)
}

struct MaxPool(Window);

impl CustomOp1 for MaxPool {
    fn name(&self) -> &'static str {
        "max-pool-channels-last"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let (n, h, w, c) = layout.shape().dims4()?;
        let x = floats(storage, layout)?;
        let (h_out, w_out) = (self.0.count(h), self.0.count(w));
        let mut out = vec![f32::NEG_INFINITY; n * h_out * w_out * c];
        if !out.is_empty() {
            out.par_chunks_mut(w_out * c).enumerate().for_each(|(row, out)| {
                let (image, y) = (row / h_out, row % h_out);
                for y in self.0.inside(y, h) {
                    let x = &x[(image * h + y) * w * c..][..w * c];
                    dispatch(Row { x, w, c, window: self.0, out: &mut *out });
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
    window: Window,
    out: &'a mut [f32],
}

impl WithSimd for Row<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { x, w, c, window, out } = self;
        for (at, out) in out.chunks_exact_mut(c).enumerate() {
            for at in window.inside(at, w) {
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
        let windows = [(3, 2, 1), (3, 2, 0), (2, 2, 0), (5, 1, 2), (1, 3, 0)];
        for (kernel, stride, padding) in windows {
            let window = Window { kernel, stride, padding };
            for (h, w) in [(1, 1), (2, 3), (5, 4), (7, 7)] {
                let values: Vec<f32> = (0..2 * 3 * h * w).map(|i| ((i * 37) % 101) as f32 - 120.0).collect();
                let x = Tensor::from_vec(values.clone(), (2, 3, h, w), &Device::Cpu).unwrap();
                if h + 2 * padding < kernel || w + 2 * padding < kernel {
                    assert!(max_pool(&x, window).is_err(), "{window:?}, {h} x {w}");
                    continue;
                }
                let found = max_pool(&x, window).unwrap();
                let out = |size: usize| (size + 2 * padding - kernel) / stride + 1;
                let (h_out, w_out) = (out(h), out(w));
                assert_eq!(found.dims(), [2, 3, h_out, w_out]);
                let found = found.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                for (i, found) in found.into_iter().enumerate() {
                    let (plane, y, column) = (i / (h_out * w_out), i / w_out % h_out, i % w_out);
                    let mut expected = f32::NEG_INFINITY;
                    for (dy, dx) in (0..kernel * kernel).map(|k| (k / kernel, k % kernel)) {
                        let y = (stride * y + dy).wrapping_sub(padding);
                        let x = (stride * column + dx).wrapping_sub(padding);
                        if y < h && x < w {
                            expected = expected.max(values[plane * h * w + y * w + x]);
                        }
                    }
                    assert_eq!(found, expected, "{window:?}, {h} x {w}, output {i}");
                }
            }
        }
        let x = Tensor::zeros((1, 1, 4, 4), candle_core::DType::F32, &Device::Cpu).unwrap();
        assert!(max_pool(&x, Window { kernel: 2, stride: 2, padding: 2 }).is_err());
    }
}
