//! A ResNet in training mode, on candle's automatic gradients.
//!
//! Maps are `(n, h, w, c)`. On the CPU convolutions and batch norms are those of `compexp_kernels`, on other devices
//! candle's own.

use candle_core::{D, DType, Device, Tensor, Var};
use candle_nn::{Linear, Module, VarBuilder, VarMap};
use compexp_kernels::conv::conv2d_channels_last;
use compexp_kernels::norm::{Moments, Norm};
use compexp_run::training::Score;

use crate::error::{Error, Result};
use crate::resnet::{Config, EPSILON};

/// The weight of a batch's moments in the running moments.
const MOMENTUM: f64 = 0.1;

/// A convolution with the batch norm behind it.
struct Unit {
    weight: Tensor,
    stride: usize,
    padding: usize,
    gain: Tensor,
    bias: Tensor,
    running_mean: Var,
    running_variance: Var,
}

struct Block {
    first: Unit,
    second: Unit,
    shortcut: Option<Unit>,
}

/// The layers of a network, over the variables of a [`VarMap`].
pub(super) struct Network {
    stem: Unit,
    blocks: Vec<Block>,
    fc: Linear,
    classes: usize,
    device: Device,
}

impl Network {
    /// The network of checked sizes, without a pooling, over the variables of `vars`, which holds all of them.
    ///
    /// # Errors
    /// [`Error::Candle`] if a variable has another shape; [`Error::Weight`] if one is missing.
    pub(super) fn new(config: &Config, classes: usize, vars: &VarMap, device: &Device) -> Result<Self> {
        let unit = |conv: &str, norm: &str, c_in: usize, c_out: usize, kernel: usize, stride: usize| {
            let all = VarBuilder::from_varmap(vars, DType::F32, device);
            Ok::<_, Error>(Unit {
                weight: all.pp(conv).get((c_out, c_in, kernel, kernel), "weight")?,
                stride,
                padding: kernel / 2,
                gain: all.pp(norm).get(c_out, "weight")?,
                bias: all.pp(norm).get(c_out, "bias")?,
                running_mean: variable(vars, &format!("{norm}.running_mean"))?,
                running_variance: variable(vars, &format!("{norm}.running_var"))?,
            })
        };
        let mut blocks = Vec::new();
        for block in config.all_blocks() {
            let (p, c_in, c_out, stride) = (&block.name, block.c_in, block.c_out, block.stride);
            let shortcut = || unit(&format!("{p}.downsample.0"), &format!("{p}.downsample.1"), c_in, c_out, 1, stride);
            blocks.push(Block {
                first: unit(&format!("{p}.conv1"), &format!("{p}.bn1"), c_in, c_out, 3, stride)?,
                second: unit(&format!("{p}.conv2"), &format!("{p}.bn2"), c_out, c_out, 3, 1)?,
                shortcut: block.projects().then(shortcut).transpose()?,
            });
        }
        let stem = unit("conv1", "bn1", 3, config.stem, config.kernel, config.stride)?;
        let features = config.widths.last().copied().unwrap_or(config.stem);
        let fc = candle_nn::linear(features, classes, VarBuilder::from_varmap(vars, DType::F32, device).pp("fc"))?;
        Ok(Self { stem, blocks, fc, classes, device: device.clone() })
    }

    /// Runs a batch forward: the mean cross entropy with `smoothing` of the labels, from which candle goes back to all
    /// weights. Moves the running moments.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] for images that are too small.
    pub(super) fn loss(&self, images: &Tensor, labels: &[usize], smoothing: f32) -> Result<(Tensor, Score)> {
        let mut x = self.stem.forward(images, None, true)?;
        for block in &self.blocks {
            x = block.forward(&x)?;
        }
        let pooled = x.mean((1, 2))?; // (n, features)
        let logits = self.fc.forward(&pooled)?; // (n, classes)
        let rows = logits.to_vec2::<f32>()?;
        let correct = rows.iter().zip(labels).filter(|(row, label)| best(row) == Some(**label)).count();
        let spread = smoothing / self.classes as f32;
        let targets = labels.iter().flat_map(|label| {
            (0..self.classes).map(move |class| spread + if class == *label { 1.0 - smoothing } else { 0.0 })
        });
        let targets = Tensor::from_iter(targets, &self.device)?.reshape((labels.len(), self.classes))?;
        let log = candle_nn::ops::log_softmax(&logits, D::Minus1)?;
        let loss = ((log * targets)?.sum_all()? * (-1.0 / labels.len() as f64))?;
        let sum = f64::from(loss.to_scalar::<f32>()?) * labels.len() as f64;
        Ok((loss, Score { loss: sum, correct, examples: labels.len() }))
    }
}

/// The first of the largest logits; none if one is no number.
pub(super) fn best(logits: &[f32]) -> Option<usize> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    logits.iter().position(|logit| *logit == most)
}

/// A variable by its name.
pub(super) fn variable(vars: &VarMap, name: &str) -> Result<Var> {
    let all = vars.data().lock().map_err(|_| Error::mismatch("variables of a training", "a broken lock", "a lock"))?;
    all.get(name).cloned().ok_or_else(|| Error::Weight {
        name: name.into(),
        found: "nothing".into(),
        expected: "a variable of the network".into(),
    })
}

impl Block {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.first.forward(x, None, true)?;
        match &self.shortcut {
            Some(unit) => self.second.forward(&y, Some(&unit.forward(x, None, false)?), true),
            None => self.second.forward(&y, Some(x), true),
        }
    }
}

impl Unit {
    fn forward(&self, x: &Tensor, residual: Option<&Tensor>, relu: bool) -> Result<Tensor> {
        let y = conv2d_channels_last(x, &self.weight, self.stride, self.padding)?;
        let count = (y.elem_count() / y.dim(D::Minus1)?) as f64;
        let norm = Norm { epsilon: EPSILON, relu };
        let (out, Moments { mean, variance }) = norm.forward(&y, &self.gain, &self.bias, residual)?;
        // PyTorch stores the unbiased variance (divided by n - 1).
        let unbiased = count / (count - 1.0).max(1.0);
        for (running, found, factor) in [(&self.running_mean, mean, 1.0), (&self.running_variance, variance, unbiased)]
        {
            let kept = (running.as_detached_tensor().to_dtype(DType::F64)? * (1.0 - MOMENTUM))?;
            running.set(&(kept + (found * (MOMENTUM * factor))?)?.to_dtype(DType::F32)?)?;
        }
        Ok(out)
    }
}
