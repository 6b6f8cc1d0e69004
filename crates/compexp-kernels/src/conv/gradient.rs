//! Convolutions with gradients, for training.
//!
//! The gradient of the input is a convolution too, so it runs through the same kernels; the gradient of the weights is a
//! matrix product over positions. Sums over images are taken over a fixed number of images in their order, so that no
//! result depends on the thread count.

use candle_core::{CpuStorage, CustomOp2, Layout, Shape, Tensor};
use rayon::prelude::*;

use super::{Kernel, Sizes};
use crate::error::{Error, Result};
use crate::gemm::{Epilogue, Left, Packed, product};
use crate::storage::floats;

/// Images whose share of a weight's gradient one thread sums.
const GROUP: usize = 4;
/// Floats of copied inputs that a thread works on at a time.
const BLOCK: usize = 1 << 16;

/// The convolution of `x (n, h, w, c_in)` by `weight (c_out, c_in, kernel, kernel)`, both f32, with the same stride and
/// zero padding along both axes: `(n, h_out, w_out, c_out)`. Both have gradients. On other devices than the CPU candle's
/// own `conv2d` runs.
///
/// # Errors
/// [`Error::Mismatch`] if `x` has other channels or is smaller than the kernel, for a stride of 0, a kernel that is
/// not square, and a padding of the kernel's size or more; [`Error::Candle`] for other dtypes.
pub fn conv2d_channels_last(x: &Tensor, weight: &Tensor, stride: usize, padding: usize) -> Result<Tensor> {
    let sizes = Sizes::new(weight, stride, padding)?;
    let (kh, kw) = sizes.kernel;
    if kh != kw {
        let expected = "as many rows as columns";
        return Err(Error::mismatch("kernel of a convolution with gradients", format!("{kh} x {kw}"), expected));
    }
    if padding >= kh {
        let expected = format!("less than the kernel's size, {kh}");
        return Err(Error::mismatch("padding of a convolution with gradients", padding, expected));
    }
    let (_, h, w, c) = x.dims4()?;
    sizes.check(c, h, w)?;
    if !x.device().is_cpu() {
        let y = x.permute((0, 3, 1, 2))?.contiguous()?.conv2d(weight, padding, stride, 1, 1)?;
        return Ok(y.permute((0, 2, 3, 1))?.contiguous()?);
    }
    Ok(x.contiguous()?.apply_op2(&weight.contiguous()?, Convolution(sizes))?)
}

/// `(x, weight)` to `y`.
struct Convolution(Sizes);

impl CustomOp2 for Convolution {
    fn name(&self) -> &'static str {
        "conv2d-channels-last"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (n, h, w, _) = x_layout.shape().dims4()?;
        let kernel = Kernel::new(self.0, floats(weight, weight_layout)?);
        let out = kernel.run(self.0, floats(x, x_layout)?, n, (h, w), Epilogue::default());
        let (h_out, w_out) = self.0.out_size(h, w);
        Ok((CpuStorage::F32(out), Shape::from((n, h_out, w_out, self.0.c_out))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let dy = dy.contiguous()?;
        let (_, h, w, _) = x.dims4()?;
        // Training images need no gradient.
        let dx = x.track_op().then(|| dy.apply_op2_no_bwd(weight, &ToInput(self.0, (h, w)))).transpose()?;
        let dw = weight.track_op().then(|| x.apply_op2_no_bwd(&dy, &ToWeight(self.0))).transpose()?;
        Ok((dx, dw))
    }
}

/// `(dy, weight)` to the gradient of an input of this height and width: the convolution of `dy`, spread to stride 1, with
/// the kernel turned around.
struct ToInput(Sizes, (usize, usize));

impl CustomOp2 for ToInput {
    fn name(&self) -> &'static str {
        "conv2d-channels-last-to-input"
    }

    fn cpu_fwd(
        &self,
        dy: &CpuStorage,
        dy_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let Self(Sizes { c_in, c_out, kernel: (side, _), stride, padding, .. }, (h, w)) = *self;
        let (n, h_out, w_out, _) = dy_layout.shape().dims4()?;
        let (dy, weight) = (floats(dy, dy_layout)?, floats(weight, weight_layout)?);
        let area = side * side;
        let mut turned = vec![0.0; weight.len()]; // (c_in, c_out, kernel, kernel)
        for (o, of_output) in weight.chunks_exact(c_in * area).enumerate() {
            for (i, taps) in of_output.chunks_exact(area).enumerate() {
                let to = &mut turned[(i * c_out + o) * area..][..area];
                to.iter_mut().zip(taps.iter().rev()).for_each(|(to, tap)| *to = *tap);
            }
        }
        let back =
            Sizes { c_in: c_out, c_out: c_in, kernel: (side, side), stride: 1, padding: side - 1 - padding, groups: 1 };
        let kernel = Kernel::new(back, &turned);
        let out = if stride == 1 {
            kernel.run(back, dy, n, (h_out, w_out), Epilogue::default())
        } else {
            let (tall, wide) = (h + 2 * padding + 1 - side, w + 2 * padding + 1 - side);
            let mut spread = vec![0.0; n * tall * wide * c_out]; // (n, tall, wide, c_out)
            let images = spread.par_chunks_mut(tall * wide * c_out).zip(dy.par_chunks(h_out * w_out * c_out));
            images.for_each(|(to, from)| {
                for (at, values) in from.chunks_exact(c_out).enumerate() {
                    let (y, x) = (at / w_out * stride, at % w_out * stride);
                    to[(y * wide + x) * c_out..][..c_out].copy_from_slice(values);
                }
            });
            kernel.run(back, &spread, n, (tall, wide), Epilogue::default())
        };
        Ok((CpuStorage::F32(out), Shape::from((n, h, w, c_in))))
    }
}

/// `(x, dy)` to the gradient of the weights.
struct ToWeight(Sizes);

impl CustomOp2 for ToWeight {
    fn name(&self) -> &'static str {
        "conv2d-channels-last-to-weight"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        dy: &CpuStorage,
        dy_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let Sizes { c_in, c_out, kernel: (side, _), .. } = self.0;
        let ((_, h, w, _), (_, h_out, w_out, _)) = (x_layout.shape().dims4()?, dy_layout.shape().dims4()?);
        let (x, dy) = (floats(x, x_layout)?, floats(dy, dy_layout)?);
        let (k, image, result) = (c_in * side * side, h * w * c_in, h_out * w_out * c_out);
        let groups: Vec<Vec<f32>> = x
            .par_chunks(GROUP * image)
            .zip(dy.par_chunks(GROUP * result))
            .map(|(xs, dys)| {
                let mut sum = vec![0.0; k * c_out]; // (k, c_out)
                for (x, dy) in xs.chunks_exact(image).zip(dys.chunks_exact(result)) {
                    self.add_image(x, (h, w), dy, (h_out, w_out), &mut sum);
                }
                sum
            })
            .collect();
        let mut all = vec![0.0; k * c_out]; // (c_out, k)
        for group in groups {
            for (i, row) in group.chunks_exact(c_out).enumerate() {
                row.iter().enumerate().for_each(|(o, value)| all[o * k + i] += value);
            }
        }
        Ok((CpuStorage::F32(all), Shape::from((c_out, c_in, side, side))))
    }
}

impl ToWeight {
    /// Adds one image's share of the weights' gradient, `(c_in, kernel, kernel, c_out)`.
    fn add_image(
        &self,
        x: &[f32],
        (h, w): (usize, usize),
        dy: &[f32],
        (h_out, w_out): (usize, usize),
        sum: &mut [f32],
    ) {
        let Sizes { c_in, c_out, kernel: (side, _), stride, padding, .. } = self.0;
        let (tall, wide) = (h + 2 * padding, w + 2 * padding);
        // Channels first with their border, so that a tap's inputs lie in rows.
        let mut planes = vec![0.0; c_in * tall * wide];
        for (at, values) in x.chunks_exact(c_in).enumerate() {
            let to = (at / w + padding) * wide + at % w + padding;
            values.iter().enumerate().for_each(|(c, value)| planes[c * tall * wide + to] = *value);
        }
        let rows = (BLOCK / (sum.len() / c_out * w_out)).clamp(1, h_out);
        let mut part = vec![0.0; sum.len()];
        let mut taps = Vec::new();
        let mut packed = Packed::default();
        for first in (0..h_out).step_by(rows) {
            let rows = rows.min(h_out - first);
            let positions = rows * w_out;
            taps.clear(); // (k, positions)
            for plane in planes.chunks_exact(tall * wide) {
                for (dy, dx) in (0..side * side).map(|tap| (tap / side, tap % side)) {
                    for y in first..first + rows {
                        let row = &plane[(y * stride + dy) * wide + dx..];
                        if stride == 1 {
                            taps.extend_from_slice(&row[..w_out]);
                        } else {
                            taps.extend(row.iter().step_by(stride).take(w_out));
                        }
                    }
                }
            }
            let dy = &dy[first * w_out * c_out..][..positions * c_out];
            packed.set_rows(positions, c_out, |i| &dy[i * c_out..][..c_out]);
            product(Left::Direct(&taps), &packed, &mut part, Epilogue::default());
            sum.iter_mut().zip(&part).for_each(|(sum, part)| *sum += part);
        }
    }
}
