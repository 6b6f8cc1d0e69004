//! A ResNet in training mode: a step forward and back.

use std::collections::BTreeMap;

use super::layers::{Convolution, Maps, Norm, add, through_relu};
use crate::error::{Error, Result};
use crate::resnet::Config;

/// Weights by name, in PyTorch's layout.
pub(super) type Values = BTreeMap<String, Vec<f32>>;

/// The share of a batch's moments in the running ones.
const MOMENTUM: f64 = 0.1;

/// A convolution with the batch norm behind it.
#[derive(Debug, Clone)]
struct Unit {
    conv: Convolution,
    conv_name: String,
    norm_name: String,
}

#[derive(Debug, Clone)]
struct Block {
    first: Unit,
    second: Unit,
    shortcut: Option<Unit>,
}

/// The layers of a network.
#[derive(Debug, Clone)]
pub(super) struct Network {
    stem: Unit,
    blocks: Vec<Block>,
    classes: usize,
}

/// What a step found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Score {
    /// The sum of the images' losses.
    pub(super) loss: f64,
    /// Images whose class had the highest logit.
    pub(super) correct: usize,
}

/// What a unit needs on the way back.
struct Tape {
    y: Maps,
    norm: Norm,
}

/// What a block needs on the way back, beside its input and output.
struct BlockTape {
    first: Tape,
    middle: Maps,
    second: Tape,
    shortcut: Option<Tape>,
}

impl Network {
    /// The network of checked sizes, without a pooling.
    pub(super) fn new(config: &Config, classes: usize) -> Self {
        let unit = |name: &str, norm: &str, c_in, c_out, kernel: usize, stride| Unit {
            conv: Convolution { c_in, c_out, kernel, stride, padding: kernel / 2 },
            conv_name: format!("{name}.weight"),
            norm_name: norm.to_owned(),
        };
        let blocks = config.all_blocks().into_iter().map(|block| {
            let (p, c_in, c_out, stride) = (&block.name, block.c_in, block.c_out, block.stride);
            let shortcut = || unit(&format!("{p}.downsample.0"), &format!("{p}.downsample.1"), c_in, c_out, 1, stride);
            Block {
                first: unit(&format!("{p}.conv1"), &format!("{p}.bn1"), c_in, c_out, 3, stride),
                second: unit(&format!("{p}.conv2"), &format!("{p}.bn2"), c_out, c_out, 3, 1),
                shortcut: block.projects().then(shortcut),
            }
        });
        let blocks = blocks.collect();
        Self { stem: unit("conv1", "bn1", 3, config.stem, config.kernel, config.stride), blocks, classes }
    }

    /// Runs a batch forward and back: the loss is the mean cross entropy with `smoothing` of the labels. Gives the
    /// gradient of every weight, and moves the running moments in `weights`.
    ///
    /// # Errors
    /// Those of the convolutions: images that are too small.
    pub(super) fn step(
        &self,
        weights: &mut Values,
        images: Maps,
        labels: &[usize],
        smoothing: f32,
    ) -> Result<(Score, Values)> {
        let mut gradients = Values::new();
        let (stem, first) = self.stem.forward(weights, &images, None, true)?;
        let mut inputs = vec![first];
        let mut tapes = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            let (tape, out) = block.forward(weights, &inputs[inputs.len() - 1])?;
            tapes.push(tape);
            inputs.push(out);
        }
        let Some(last) = inputs.pop() else { return Err(Error::mismatch("blocks of a network", 0, "at least 1")) };
        let (score, to_last) = self.head(weights, &last, labels, smoothing, &mut gradients);
        let (mut dz, mut z) = (to_last, last);
        for (block, tape) in self.blocks.iter().zip(&tapes).rev() {
            let Some(input) = inputs.pop() else { break };
            through_relu(&mut dz, &z);
            dz = block.backward(weights, &input, tape, dz, &mut gradients)?;
            z = input;
        }
        through_relu(&mut dz, &z);
        let to_y = self.stem.to_y(weights, &stem, &dz, &mut gradients);
        gradients.insert(self.stem.conv_name.clone(), self.stem.conv.to_weight(&images, &to_y));
        Ok((score, gradients))
    }

    /// Mean over positions, the last layer, and the loss; gives the gradient of `x`.
    fn head(
        &self,
        weights: &Values,
        x: &Maps,
        labels: &[usize],
        smoothing: f32,
        gradients: &mut Values,
    ) -> (Score, Maps) {
        let (c, positions, classes) = (x.c, x.h * x.w, self.classes);
        let (weight, bias) = (&weights["fc.weight"], &weights["fc.bias"]);
        let mut to_weight = vec![0.0; weight.len()];
        let mut to_bias = vec![0.0; classes];
        let mut to_x = vec![0.0; x.data.len()];
        let mut score = Score { loss: 0.0, correct: 0 };
        let images = x.data.chunks_exact(positions * c).zip(to_x.chunks_exact_mut(positions * c));
        for ((image, to_image), &label) in images.zip(labels) {
            let mut pooled = vec![0.0f32; c];
            for values in image.chunks_exact(c) {
                pooled.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            }
            pooled.iter_mut().for_each(|sum| *sum /= positions as f32);
            let dot = |row: &[f32]| row.iter().zip(&pooled).map(|(w, x)| w * x).sum::<f32>();
            let logits: Vec<f32> = weight.chunks_exact(c).zip(bias).map(|(row, bias)| dot(row) + bias).collect();
            let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let total: f32 = logits.iter().map(|l| (l - most).exp()).sum();
            score.correct += usize::from(logits.iter().position(|l| *l == most) == Some(label));
            let mut to_pooled = vec![0.0; c];
            for (class, logit) in logits.iter().enumerate() {
                let likely = (logit - most).exp() / total;
                let target = smoothing / classes as f32 + if class == label { 1.0 - smoothing } else { 0.0 };
                score.loss -= f64::from(target) * f64::from(logit - most - total.ln());
                let to_logit = (likely - target) / x.n as f32;
                to_bias[class] += to_logit;
                let rows = weight[class * c..].iter().zip(&mut to_weight[class * c..]);
                for ((w, to_w), (x, to_x)) in rows.zip(pooled.iter().zip(&mut to_pooled)) {
                    *to_w += to_logit * x;
                    *to_x += to_logit * w;
                }
            }
            for values in to_image.chunks_exact_mut(c) {
                values.iter_mut().zip(&to_pooled).for_each(|(to, from)| *to = from / positions as f32);
            }
        }
        gradients.insert("fc.weight".into(), to_weight);
        gradients.insert("fc.bias".into(), to_bias);
        (score, Maps { data: to_x, ..*x })
    }
}

impl Block {
    fn forward(&self, weights: &mut Values, x: &Maps) -> Result<(BlockTape, Maps)> {
        let (first, middle) = self.first.forward(weights, x, None, true)?;
        let (shortcut, skipped) = match &self.shortcut {
            Some(unit) => {
                let (tape, out) = unit.forward(weights, x, None, false)?;
                (Some(tape), Some(out))
            }
            None => (None, None),
        };
        let (second, out) = self.second.forward(weights, &middle, Some(skipped.as_ref().unwrap_or(x)), true)?;
        Ok((BlockTape { first, middle, second, shortcut }, out))
    }

    /// The gradient of the input from the one before the last ReLU.
    fn backward(&self, weights: &Values, x: &Maps, tape: &BlockTape, dz: Maps, gradients: &mut Values) -> Result<Maps> {
        let mut to_middle = self.second.backward(weights, &tape.middle, &tape.second, &dz, gradients)?;
        through_relu(&mut to_middle, &tape.middle);
        let mut to_x = self.first.backward(weights, x, &tape.first, &to_middle, gradients)?;
        match (&self.shortcut, &tape.shortcut) {
            (Some(unit), Some(tape)) => add(&mut to_x, &unit.backward(weights, x, tape, &dz, gradients)?),
            _ => add(&mut to_x, &dz),
        }
        Ok(to_x)
    }
}

impl Unit {
    fn norm(&self, part: &str) -> String {
        format!("{}.{part}", self.norm_name)
    }

    fn forward(&self, weights: &mut Values, x: &Maps, residual: Option<&Maps>, relu: bool) -> Result<(Tape, Maps)> {
        let y = self.conv.forward(&weights[&self.conv_name], x)?;
        let norm = Norm::of(&y);
        let out = norm.forward(&y, &weights[&self.norm("weight")], &weights[&self.norm("bias")], residual, relu);
        let count = (y.n * y.h * y.w) as f64;
        // PyTorch keeps the variance that a sample says of its origin.
        let unbiased = count / (count - 1.0).max(1.0);
        for (part, found, factor) in
            [("running_mean", &norm.moments.mean, 1.0), ("running_var", &norm.moments.variance, unbiased)]
        {
            let running = weights.get_mut(&self.norm(part)).into_iter().flatten();
            running.zip(found).for_each(|(running, found)| {
                *running = (f64::from(*running) * (1.0 - MOMENTUM) + MOMENTUM * factor * found) as f32;
            });
        }
        Ok((Tape { y, norm }, out))
    }

    /// The gradient of the convolution's result from the one of the batch norm's.
    fn to_y(&self, weights: &Values, tape: &Tape, dz: &Maps, gradients: &mut Values) -> Maps {
        let (to_y, to_gain, to_bias) = tape.norm.backward(&tape.y, &weights[&self.norm("weight")], dz);
        gradients.insert(self.norm("weight"), to_gain);
        gradients.insert(self.norm("bias"), to_bias);
        to_y
    }

    fn backward(&self, weights: &Values, x: &Maps, tape: &Tape, dz: &Maps, gradients: &mut Values) -> Result<Maps> {
        let to_y = self.to_y(weights, tape, dz, gradients);
        gradients.insert(self.conv_name.clone(), self.conv.to_weight(x, &to_y));
        self.conv.to_input(&weights[&self.conv_name], &to_y, (x.h, x.w))
    }
}
