//! Batch norm in training mode, over maps with channels last, with the residual and the ReLU that follow it in a
//! residual network.
//!
//! Made from candle's own operations, a batch norm makes about thirty passes over its maps per step, on one thread.
//! Here there are six passes, shared by all threads. Sums are taken in f64, image by image and in their order, so that
//! no result depends on the thread count.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, CustomOp3, DType, Layout, Shape, Tensor, bail};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::storage::floats;

/// The moments of a batch.
#[derive(Debug, Clone)]
pub struct Moments {
    /// The mean of each channel, `(c,)`, f64.
    pub mean: Tensor,
    /// The variance of each channel, divided by n and not n - 1, `(c,)`, f64.
    pub variance: Tensor,
}

/// The settings of a batch norm.
#[derive(Debug, Clone, Copy)]
pub struct Norm {
    /// Added to the variance.
    pub epsilon: f64,
    /// Whether negative results become 0; NaN stays.
    pub relu: bool,
}

impl Norm {
    /// `relu((x - mean) / sqrt(variance + epsilon) * gain + bias + residual)` of `x (n, h, w, c)`, with the moments of this
    /// batch; the ReLU and the residual are optional. `gain` and `bias` are `(c,)`, the residual has the shape of `x`,
    /// all are f32. All four have gradients; the moments have none.
    ///
    /// # Errors
    /// [`Error::Mismatch`] if the batch is empty or a shape does not fit; [`Error::Candle`] for other dtypes.
    pub fn forward(
        self,
        x: &Tensor,
        gain: &Tensor,
        bias: &Tensor,
        residual: Option<&Tensor>,
    ) -> Result<(Tensor, Moments)> {
        let (_, _, _, c) = x.dims4()?;
        if x.elem_count() == 0 {
            return Err(Error::mismatch("maps of a batch norm", format!("{:?}", x.dims()), "at least one value"));
        }
        for (name, found) in [("gain", gain), ("bias", bias)] {
            if found.dims() != [c] {
                return Err(Error::mismatch(
                    format!("shape of a batch norm's {name}"),
                    format!("{:?}", found.dims()),
                    c,
                ));
            }
        }
        if let Some(residual) = residual.filter(|residual| residual.dims() != x.dims()) {
            let (found, expected) = (format!("{:?}", residual.dims()), format!("{:?}", x.dims()));
            return Err(Error::mismatch("shape of a batch norm's residual", found, expected));
        }
        if !x.device().is_cpu() {
            return self.on_device(x, gain, bias, residual);
        }
        let x = x.contiguous()?;
        let moments = x.apply_op1_no_bwd(&Measure)?; // (2, c), f64
        let [mean, variance] = [moments.get(0)?, moments.get(1)?];
        let inverse = |variance: f64| (1.0 / (variance + self.epsilon).sqrt()) as f32;
        let op = Op {
            mean: mean.to_vec1()?,
            inverse: variance.to_vec1()?.into_iter().map(inverse).collect(),
            relu: self.relu,
        };
        let affine = Tensor::stack(&[gain, bias], 0)?; // (2, c)
        let y = match residual {
            Some(residual) => x.apply_op3(&affine, &residual.contiguous()?, op)?,
            None => x.apply_op2(&affine, op)?,
        };
        Ok((y, Moments { mean, variance }))
    }

    /// The same with candle's own operations.
    fn on_device(
        self,
        x: &Tensor,
        gain: &Tensor,
        bias: &Tensor,
        residual: Option<&Tensor>,
    ) -> Result<(Tensor, Moments)> {
        let mean = x.mean_keepdim((0, 1, 2))?; // (1, 1, 1, c)
        let centred = x.broadcast_sub(&mean)?;
        let variance = centred.sqr()?.mean_keepdim((0, 1, 2))?;
        let mut y = centred.broadcast_div(&(&variance + self.epsilon)?.sqrt()?)?;
        y = y.broadcast_mul(gain)?.broadcast_add(bias)?;
        if let Some(residual) = residual {
            y = (y + residual)?;
        }
        let flat = |t: Tensor| t.detach().flatten_all()?.to_dtype(DType::F64);
        let moments = Moments { mean: flat(mean)?, variance: flat(variance)? };
        Ok((if self.relu { y.relu()? } else { y }, moments))
    }
}

/// For each channel the sums over all positions of the two values that `terms(element, channel)` gives, in f64.
fn sums(n: usize, image: usize, c: usize, terms: impl Fn(usize, usize) -> [f64; 2] + Sync) -> [Vec<f64>; 2] {
    let images: Vec<[Vec<f64>; 2]> = (0..n)
        .into_par_iter()
        .map(|i| {
            let mut sums = [vec![0.0; c], vec![0.0; c]];
            let [first, second] = &mut sums;
            for start in (i * image..(i + 1) * image).step_by(c) {
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

/// `x` to its means and variances, `(2, c)`, f64.
struct Measure;

impl CustomOp1 for Measure {
    fn name(&self) -> &'static str {
        "batch-norm-moments"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let (n, h, w, c) = layout.shape().dims4()?;
        let x = floats(x, layout)?;
        let count = (n * h * w) as f64;
        let [sum, squares] = sums(n, h * w * c, c, |at, _| {
            let value = f64::from(x[at]);
            [value, value * value]
        });
        let mut moments: Vec<f64> = sum.iter().map(|sum| sum / count).collect();
        for (channel, squares) in squares.iter().enumerate() {
            moments.push((squares / count - moments[channel] * moments[channel]).max(0.0));
        }
        Ok((CpuStorage::F64(moments), Shape::from((2, c))))
    }
}

/// `(x, affine (2, c), residual)` to the normed maps.
#[derive(Clone)]
struct Op {
    mean: Vec<f64>,
    /// One over the deviation.
    inverse: Vec<f32>,
    relu: bool,
}

impl Op {
    fn forward(
        &self,
        (x, layout): (&CpuStorage, &Layout),
        (affine, affine_layout): (&CpuStorage, &Layout),
        residual: Option<&[f32]>,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (_, h, w, c) = layout.shape().dims4()?;
        let (x, affine) = (floats(x, layout)?, floats(affine, affine_layout)?);
        let (gain, bias) = affine.split_at(c);
        let scale: Vec<f32> = gain.iter().zip(&self.inverse).map(|(gain, inverse)| gain * inverse).collect();
        let shift: Vec<f32> =
            (0..c).map(|i| (f64::from(bias[i]) - self.mean[i] * f64::from(scale[i])) as f32).collect();
        let mut out = residual.map_or_else(|| vec![0.0; x.len()], <[f32]>::to_vec);
        out.par_chunks_mut(h * w * c).zip(x.par_chunks(h * w * c)).for_each(|(out, x)| {
            for (out, x) in out.chunks_exact_mut(c).zip(x.chunks_exact(c)) {
                for (i, (out, x)) in out.iter_mut().zip(x).enumerate() {
                    let value = *out + (x * scale[i] + shift[i]);
                    *out = if self.relu && value < 0.0 { 0.0 } else { value };
                }
            }
        });
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    /// The gradients of `x`, of `affine`, and of the residual.
    fn backward(&self, x: &Tensor, affine: &Tensor, y: &Tensor, dy: &Tensor) -> candle_core::Result<[Tensor; 3]> {
        let mut dy = dy.contiguous()?;
        if self.relu {
            dy = dy.apply_op2_no_bwd(y, &ThroughRelu)?;
        }
        let sums = x.apply_op2_no_bwd(&dy, &ToAffine(self))?; // (2, c), f64
        let dx = x.apply_op3_no_bwd(&dy, affine, &ToInput(self, &sums.to_vec2()?))?;
        Ok([dx, sums.to_dtype(DType::F32)?, dy])
    }
}

impl CustomOp2 for Op {
    fn name(&self) -> &'static str {
        "batch-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        affine: &CpuStorage,
        affine_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        self.forward((x, layout), (affine, affine_layout), None)
    }

    fn bwd(
        &self,
        x: &Tensor,
        affine: &Tensor,
        y: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let [dx, affine, _] = self.backward(x, affine, y, dy)?;
        Ok((Some(dx), Some(affine)))
    }
}

impl CustomOp3 for Op {
    fn name(&self) -> &'static str {
        "batch-norm-residual"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        affine: &CpuStorage,
        affine_layout: &Layout,
        residual: &CpuStorage,
        residual_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        self.forward((x, layout), (affine, affine_layout), Some(floats(residual, residual_layout)?))
    }

    fn bwd(
        &self,
        x: &Tensor,
        affine: &Tensor,
        _: &Tensor,
        y: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [dx, affine, residual] = self.backward(x, affine, y, dy)?;
        Ok((Some(dx), Some(affine), Some(residual)))
    }
}

/// `(dy, y)` to the gradient before a ReLU whose result is `y`.
struct ThroughRelu;

impl CustomOp2 for ThroughRelu {
    fn name(&self) -> &'static str {
        "relu-backward"
    }

    fn cpu_fwd(
        &self,
        dy: &CpuStorage,
        dy_layout: &Layout,
        y: &CpuStorage,
        y_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (dy, y) = (floats(dy, dy_layout)?, floats(y, y_layout)?);
        let mut out = vec![0.0; dy.len()];
        out.par_chunks_mut(CHUNK).zip(dy.par_chunks(CHUNK).zip(y.par_chunks(CHUNK))).for_each(|(out, (dy, y))| {
            for (out, (dy, y)) in out.iter_mut().zip(dy.iter().zip(y)) {
                *out = if *y > 0.0 { *dy } else { 0.0 };
            }
        });
        Ok((CpuStorage::F32(out), dy_layout.shape().clone()))
    }
}

/// Values that a thread works on at a time.
const CHUNK: usize = 1 << 14;

/// `(x, dy)` to the gradients of gain and bias, `(2, c)`, f64.
struct ToAffine<'a>(&'a Op);

impl CustomOp2 for ToAffine<'_> {
    fn name(&self) -> &'static str {
        "batch-norm-to-affine"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        dy: &CpuStorage,
        dy_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (n, h, w, c) = layout.shape().dims4()?;
        let (x, dy) = (floats(x, layout)?, floats(dy, dy_layout)?);
        let mean: Vec<f32> = self.0.mean.iter().map(|m| *m as f32).collect();
        let [gain, bias] = sums(n, h * w * c, c, |at, channel| {
            let normal = (x[at] - mean[channel]) * self.0.inverse[channel];
            let dy = f64::from(dy[at]);
            [dy * f64::from(normal), dy]
        });
        Ok((CpuStorage::F64([gain, bias].concat()), Shape::from((2, c))))
    }
}

/// `(x, dy, affine)` to the gradient of `x`, by the gradients of gain and bias.
struct ToInput<'a>(&'a Op, &'a [Vec<f64>]);

impl CustomOp3 for ToInput<'_> {
    fn name(&self) -> &'static str {
        "batch-norm-to-input"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        dy: &CpuStorage,
        dy_layout: &Layout,
        affine: &CpuStorage,
        affine_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (n, h, w, c) = layout.shape().dims4()?;
        let (x, dy, affine) = (floats(x, layout)?, floats(dy, dy_layout)?, floats(affine, affine_layout)?);
        let Self(Op { mean, inverse, .. }, [to_gain, to_bias]) = self else { bail!("gradients of gain and bias") };
        let count = (n * h * w) as f64;
        let share = |sums: &[f64]| -> Vec<f32> { sums.iter().map(|sum| (sum / count) as f32).collect() };
        let (slope, level) = (share(to_gain), share(to_bias));
        let mean: Vec<f32> = mean.iter().map(|m| *m as f32).collect();
        let scale: Vec<f32> = affine.iter().zip(inverse).map(|(gain, inverse)| gain * inverse).collect();
        let mut out = dy.to_vec();
        out.par_chunks_mut(h * w * c).zip(x.par_chunks(h * w * c)).for_each(|(out, x)| {
            for (out, x) in out.chunks_exact_mut(c).zip(x.chunks_exact(c)) {
                for (i, (out, x)) in out.iter_mut().zip(x).enumerate() {
                    let normal = (x - mean[i]) * inverse[i];
                    *out = scale[i] * (*out - level[i] - normal * slope[i]);
                }
            }
        });
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
}

#[cfg(test)]
mod tests;
