//! The layers of a ResNet in training mode, and back: maps are `(n, h, w, c)`, f32.
//!
//! Convolutions run through the kernels of [`compexp_kernels::conv`] in both directions; the gradient of a weight is a matrix
//! product too. Sums over images are taken image by image, or over a fixed number of images, in their order, so that no
//! result depends on the thread count.

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use crate::error::Result;
use compexp_kernels::conv::Conv;
use compexp_kernels::gemm::{Epilogue, Left, Packed, product};

/// Added to the variance in a batch norm.
const EPSILON: f64 = 1e-5;
/// Images whose share of a weight's gradient one thread sums.
const GROUP: usize = 4;
/// Floats of copied inputs that a thread works on at a time.
const BLOCK: usize = 1 << 16;

/// A batch of maps.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Maps {
    pub(super) n: usize,
    pub(super) h: usize,
    pub(super) w: usize,
    pub(super) c: usize,
    /// `(n, h, w, c)`.
    pub(super) data: Vec<f32>,
}

impl Maps {
    fn image(&self) -> usize {
        self.h * self.w * self.c
    }

    fn like(&self, data: Vec<f32>) -> Self {
        Self { data, ..*self }
    }
}

/// A convolution without bias; weights are `(c_out, c_in, kernel, kernel)`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Convolution {
    pub(super) c_in: usize,
    pub(super) c_out: usize,
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) padding: usize,
}

impl Convolution {
    pub(super) fn forward(&self, weight: &[f32], x: &Maps) -> Result<Maps> {
        let shape = (self.c_out, self.c_in, self.kernel, self.kernel);
        let conv = Conv::new(&Tensor::from_slice(weight, shape, &Device::Cpu)?, None, self.stride, self.padding)?;
        let x = Tensor::from_slice(&x.data, (x.n, x.h, x.w, x.c), &Device::Cpu)?.permute((0, 3, 1, 2))?;
        let y = conv.forward(&x, None, false)?.permute((0, 2, 3, 1))?; // (n, h_out, w_out, c_out)
        let (n, h, w, c) = y.dims4()?;
        Ok(Maps { n, h, w, c, data: y.flatten_all()?.to_vec1()? })
    }

    /// The gradient of the input of `h x w`: the convolution of the output's gradient, spread to stride 1, with the
    /// kernel turned around.
    pub(super) fn to_input(self, weight: &[f32], dy: &Maps, (h, w): (usize, usize)) -> Result<Maps> {
        let Self { c_in, c_out, kernel, stride, padding } = self;
        let area = kernel * kernel;
        let mut turned = vec![0.0; weight.len()]; // (c_in, c_out, kernel, kernel)
        for (o, of_output) in weight.chunks_exact(c_in * area).enumerate() {
            for (i, taps) in of_output.chunks_exact(area).enumerate() {
                let to = &mut turned[(i * c_out + o) * area..][..area];
                to.iter_mut().zip(taps.iter().rev()).for_each(|(to, tap)| *to = *tap);
            }
        }
        let back = Self { c_in: c_out, c_out: c_in, kernel, stride: 1, padding: kernel - 1 - padding };
        if stride == 1 {
            return back.forward(&turned, dy);
        }
        let (tall, wide) = (h + 2 * padding + 1 - kernel, w + 2 * padding + 1 - kernel);
        let mut spread = Maps { n: dy.n, h: tall, w: wide, c: c_out, data: vec![0.0; dy.n * tall * wide * c_out] };
        let size = spread.image();
        spread.data.par_chunks_mut(size).zip(dy.data.par_chunks(dy.image())).for_each(|(to, from)| {
            for (at, values) in from.chunks_exact(c_out).enumerate() {
                let (y, x) = (at / dy.w * stride, at % dy.w * stride);
                to[(y * wide + x) * c_out..][..c_out].copy_from_slice(values);
            }
        });
        back.forward(&turned, &spread)
    }

    /// The gradient of the weights.
    pub(super) fn to_weight(self, x: &Maps, dy: &Maps) -> Vec<f32> {
        let Self { c_in, c_out, kernel, .. } = self;
        let k = c_in * kernel * kernel;
        let groups: Vec<Vec<f32>> = x
            .data
            .par_chunks(GROUP * x.image())
            .zip(dy.data.par_chunks(GROUP * dy.image()))
            .map(|(xs, dys)| {
                let mut sum = vec![0.0; k * c_out]; // (k, c_out)
                for (image, gradient) in xs.chunks_exact(x.image()).zip(dys.chunks_exact(dy.image())) {
                    self.add_image(image, (x.h, x.w), gradient, (dy.h, dy.w), &mut sum);
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
        all
    }

    /// Adds one image's share of the weights' gradient, `(c_in, kernel, kernel, c_out)`.
    fn add_image(&self, x: &[f32], (h, w): (usize, usize), dy: &[f32], out: (usize, usize), sum: &mut [f32]) {
        let Self { c_in, c_out, kernel, stride, padding } = *self;
        let (tall, wide) = (h + 2 * padding, w + 2 * padding);
        // Channels first with their border, so that a tap's inputs lie in rows.
        let mut planes = vec![0.0; c_in * tall * wide];
        for (at, values) in x.chunks_exact(c_in).enumerate() {
            let to = (at / w + padding) * wide + at % w + padding;
            values.iter().enumerate().for_each(|(c, value)| planes[c * tall * wide + to] = *value);
        }
        let (h_out, w_out) = out;
        let rows = (BLOCK / (sum.len() / c_out * w_out)).clamp(1, h_out);
        let mut part = vec![0.0; sum.len()];
        let mut taps = Vec::new();
        for first in (0..h_out).step_by(rows) {
            let rows = rows.min(h_out - first);
            let positions = rows * w_out;
            taps.clear(); // (k, positions)
            for plane in planes.chunks_exact(tall * wide) {
                for (dy, dx) in (0..kernel * kernel).map(|tap| (tap / kernel, tap % kernel)) {
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
            let gradient = &dy[first * w_out * c_out..][..positions * c_out];
            let packed = Packed::from_fn(positions, c_out, |i, o| gradient[i * c_out + o]);
            product(Left::Direct(&taps), &packed, &mut part, Epilogue::default());
            sum.iter_mut().zip(&part).for_each(|(sum, part)| *sum += part);
        }
    }
}

/// What a batch norm found in a batch.
#[derive(Debug, Clone)]
pub(super) struct Moments {
    /// By channel.
    pub(super) mean: Vec<f64>,
    /// By channel, over all values and not one less.
    pub(super) variance: Vec<f64>,
}

/// For each channel the sums over all positions of the two values that `terms(element, channel)` gives; the element is
/// counted over the whole of `maps`.
fn sums(maps: &Maps, terms: impl Fn(usize, usize) -> [f64; 2] + Sync) -> [Vec<f64>; 2] {
    let (c, size) = (maps.c, maps.image());
    let images: Vec<[Vec<f64>; 2]> = (0..maps.n)
        .into_par_iter()
        .map(|image| {
            let mut sums = [vec![0.0; c], vec![0.0; c]];
            let [first, second] = &mut sums;
            for start in (image * size..(image + 1) * size).step_by(c) {
                for (channel, (first, second)) in first.iter_mut().zip(second.iter_mut()).enumerate() {
                    let [a, b] = terms(start + channel, channel);
                    *first += a;
                    *second += b;
                }
            }
            sums
        })
        .collect();
    let mut all = [vec![0.0; c], vec![0.0; c]];
    for image in &images {
        for (all, image) in all.iter_mut().zip(image) {
            all.iter_mut().zip(image).for_each(|(all, image)| *all += image);
        }
    }
    all
}

/// A batch norm in training mode, with the batch's own moments.
#[derive(Debug, Clone)]
pub(super) struct Norm {
    pub(super) moments: Moments,
    /// One over the deviation.
    inverse: Vec<f32>,
}

impl Norm {
    pub(super) fn of(y: &Maps) -> Self {
        let count = (y.n * y.h * y.w) as f64;
        let [sum, squares] = sums(y, |at, _| {
            let value = f64::from(y.data[at]);
            [value, value * value]
        });
        let mean: Vec<f64> = sum.iter().map(|sum| sum / count).collect();
        let variance: Vec<f64> =
            squares.iter().zip(&mean).map(|(squares, mean)| (squares / count - mean * mean).max(0.0)).collect();
        let inverse = variance.iter().map(|v| (1.0 / (v + EPSILON).sqrt()) as f32).collect();
        Self { moments: Moments { mean, variance }, inverse }
    }

    /// `norm(y) * gain + bias (+ residual)`, and its ReLU where asked for.
    pub(super) fn forward(&self, y: &Maps, gain: &[f32], bias: &[f32], residual: Option<&Maps>, relu: bool) -> Maps {
        let (c, size) = (y.c, y.image());
        let scale: Vec<f32> = gain.iter().zip(&self.inverse).map(|(gain, inverse)| gain * inverse).collect();
        let shift: Vec<f32> =
            (0..c).map(|i| (f64::from(bias[i]) - self.moments.mean[i] * f64::from(scale[i])) as f32).collect();
        let mut out = match residual {
            Some(residual) => residual.data.clone(),
            None => vec![0.0; y.data.len()],
        };
        out.par_chunks_mut(size).zip(y.data.par_chunks(size)).for_each(|(out, y)| {
            for (out, y) in out.chunks_exact_mut(c).zip(y.chunks_exact(c)) {
                for (i, (out, y)) in out.iter_mut().zip(y).enumerate() {
                    let value = *out + (y * scale[i] + shift[i]);
                    *out = if relu && value < 0.0 { 0.0 } else { value };
                }
            }
        });
        y.like(out)
    }

    /// The gradients of `y`, gain and bias from the one of the result, `dz`.
    pub(super) fn backward(&self, y: &Maps, gain: &[f32], dz: &Maps) -> (Maps, Vec<f32>, Vec<f32>) {
        let (c, size) = (y.c, y.image());
        let mean: Vec<f32> = self.moments.mean.iter().map(|m| *m as f32).collect();
        let normal = |at: usize, channel: usize| (y.data[at] - mean[channel]) * self.inverse[channel];
        let [to_bias, to_gain] = sums(y, |at, channel| {
            let dz = f64::from(dz.data[at]);
            [dz, dz * f64::from(normal(at, channel))]
        });
        let count = (y.n * y.h * y.w) as f64;
        let [bias, slope] =
            [&to_bias, &to_gain].map(|sums| -> Vec<f32> { sums.iter().map(|s| (s / count) as f32).collect() });
        let scale: Vec<f32> = gain.iter().zip(&self.inverse).map(|(gain, inverse)| gain * inverse).collect();
        let mut out = dz.data.clone();
        out.par_chunks_mut(size).zip(y.data.par_chunks(size)).for_each(|(out, y)| {
            for (out, y) in out.chunks_exact_mut(c).zip(y.chunks_exact(c)) {
                for (i, (out, y)) in out.iter_mut().zip(y).enumerate() {
                    let normal = (y - mean[i]) * self.inverse[i];
                    *out = scale[i] * (*out - bias[i] - normal * slope[i]);
                }
            }
        });
        let narrow = |sums: Vec<f64>| sums.into_iter().map(|s| s as f32).collect();
        (y.like(out), narrow(to_gain), narrow(to_bias))
    }
}

/// The gradient before a ReLU whose result is `z`, in place.
pub(super) fn through_relu(dz: &mut Maps, z: &Maps) {
    let size = z.image();
    dz.data.par_chunks_mut(size).zip(z.data.par_chunks(size)).for_each(|(dz, z)| {
        dz.iter_mut().zip(z).for_each(|(dz, z)| *dz = if *z > 0.0 { *dz } else { 0.0 });
    });
}

/// Adds `other`.
pub(super) fn add(to: &mut Maps, other: &Maps) {
    let size = to.image();
    to.data.par_chunks_mut(size).zip(other.data.par_chunks(size)).for_each(|(to, other)| {
        to.iter_mut().zip(other).for_each(|(to, other)| *to += other);
    });
}
