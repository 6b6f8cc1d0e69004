//! Builds the steps of a network from its weights, which are checked on the way.

use std::collections::BTreeSet;

use candle_core::{Device, Tensor};
use compexp_checkpoint::absent;
use compexp_kernels::conv::Window;

use super::step::{Kind, Op, Step};
use crate::error::{Error, Result};
use crate::resnet::{EPSILON, Weights};

/// The steps of a network in the making.
pub(crate) struct Builder<'a> {
    weights: &'a Weights,
    device: &'a Device,
    /// The kind of network, for errors: "ResNets".
    family: &'static str,
    used: BTreeSet<String>,
    pub(super) steps: Vec<Step>,
    pub(super) names: Vec<(String, usize, Kind)>,
}

/// The value of a step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At {
    pub(super) step: usize,
    /// Its channels.
    pub(crate) channels: usize,
}

/// How a convolution moves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moves {
    /// Rows and columns of its kernel.
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) padding: usize,
    /// Whether its channels may be in groups, whose number then follows from its weights.
    pub(crate) groups: bool,
}

impl Moves {
    /// Position by position.
    pub(crate) const POINT: Self = Self { kernel: 1, stride: 1, padding: 0, groups: false };

    /// A kernel of this size that keeps the size of the image at a stride of 1.
    pub(crate) fn same(kernel: usize, stride: usize) -> Self {
        Self { kernel, stride, padding: kernel / 2, groups: false }
    }
}

impl<'a> Builder<'a> {
    /// No steps yet but the images, of 3 channels.
    pub(crate) fn new(weights: &'a Weights, family: &'static str, device: &'a Device) -> (Self, At) {
        let image = Step { op: Op::Image, inputs: Vec::new(), tokens: false };
        let builder = Self { weights, device, family, used: BTreeSet::new(), steps: vec![image], names: Vec::new() };
        (builder, At { step: 0, channels: 3 })
    }

    /// Whether there is a weight of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.weights.contains_key(name)
    }

    /// The sizes of a weight; none if it is missing.
    pub(crate) fn dims(&self, name: &str) -> Option<&[usize]> {
        self.weights.get(name).map(Tensor::dims)
    }

    /// The error about a weight.
    pub(crate) fn wrong(&self, name: &str, found: impl Into<String>, expected: impl Into<String>) -> Error {
        Error::Weight { name: name.into(), found: found.into(), expected: expected.into() }
    }

    /// The weight of this name and these sizes, where `None` is any size of at least 1.
    ///
    /// # Errors
    /// [`Error::Weight`] if it is missing, has another shape, or is not finite.
    pub(crate) fn weight(&mut self, name: &str, shape: &[Option<usize>]) -> Result<Tensor> {
        let Some(weight) = self.weights.get(name) else {
            let expected = format!("a weight of this name, as torchvision's {} have", self.family);
            return Err(self.wrong(name, absent(self.weights.keys()), expected));
        };
        let dims = weight.dims();
        let fits = |(dim, wanted): (&usize, &Option<usize>)| wanted.map_or(*dim > 0, |wanted| *dim == wanted);
        if dims.len() != shape.len() || !dims.iter().zip(shape).all(fits) {
            let sizes: Vec<String> =
                shape.iter().map(|size| size.map_or("_".to_owned(), |size| size.to_string())).collect();
            let expected = format!("shape [{}]", sizes.join(", "));
            return Err(self.wrong(name, format!("shape {dims:?}"), expected));
        }
        let values = weight.flatten_all()?.to_vec1::<f32>()?;
        if let Some(value) = values.iter().find(|value| !value.is_finite()) {
            return Err(self.wrong(name, format!("the value {value}"), "finite values; the checkpoint is damaged"));
        }
        self.used.insert(name.to_owned());
        Ok(weight.clone())
    }

    fn step(&mut self, op: Op, inputs: &[At], channels: usize) -> At {
        let tokens = match op {
            Op::Tokens { .. } => true,
            Op::ClassToken => false,
            _ => inputs.iter().any(|at| self.steps[at.step].tokens),
        };
        let inputs = inputs.iter().map(|at| at.step).collect();
        self.steps.push(Step { op, inputs, tokens });
        At { step: self.steps.len() - 1, channels }
    }

    /// Gives a value the name of a module.
    pub(crate) fn name(&mut self, at: At, name: impl Into<String>, kind: Kind) {
        self.names.push((name.into(), at.step, kind));
    }

    /// A convolution with the weights `{name}.weight`, and `{name}.bias` if there is one, as the layer `name`.
    ///
    /// # Errors
    /// [`Error::Weight`], as all that read weights.
    pub(crate) fn conv(&mut self, x: At, name: &str, moves: Moves) -> Result<At> {
        let weight_name = format!("{name}.weight");
        let in_group = self.dims(&weight_name).and_then(|dims| dims.get(1)).copied().filter(|_| moves.groups);
        let groups = match in_group {
            Some(in_group) if in_group > 0 && x.channels.is_multiple_of(in_group) => x.channels / in_group,
            _ => 1,
        };
        let kernel = Some(moves.kernel);
        let weight = self.weight(&weight_name, &[None, Some(x.channels / groups), kernel, kernel])?;
        let channels = weight.dims()[0];
        if !channels.is_multiple_of(groups) {
            let expected = format!("outputs that {groups} groups of channels can share");
            return Err(self.wrong(&weight_name, format!("shape {:?}", weight.dims()), expected));
        }
        let bias_name = format!("{name}.bias");
        let bias = self.has(&bias_name).then(|| self.weight(&bias_name, &[Some(channels)])).transpose()?;
        let (weight, bias) = (self.on_device(weight)?, bias.map(|bias| self.on_device(bias)).transpose()?);
        let Moves { stride, padding, .. } = moves;
        let at = self.step(Op::Conv { weight, bias, stride, padding, groups, linear: false }, &[x], channels);
        self.name(at, name, Kind::Convolution);
        Ok(at)
    }

    /// A linear layer of these weights, `(outputs, inputs)` and `(outputs)`.
    pub(crate) fn linear(&mut self, x: At, weight: &str, bias: &str) -> Result<At> {
        let weight = self.weight(weight, &[None, Some(x.channels)])?;
        let outputs = weight.dims()[0];
        let bias = self.weight(bias, &[Some(outputs)])?;
        let (weight, bias) = (self.on_device(weight)?, self.on_device(bias)?);
        let weight = weight.reshape((outputs, x.channels, 1, 1))?;
        let op = Op::Conv { weight, bias: Some(bias), stride: 1, padding: 0, groups: 1, linear: true };
        Ok(self.step(op, &[x], outputs))
    }

    /// A linear layer as the layer `name`.
    pub(crate) fn named_linear(&mut self, x: At, name: &str) -> Result<At> {
        let at = self.linear(x, &format!("{name}.weight"), &format!("{name}.bias"))?;
        self.name(at, name, Kind::Linear);
        Ok(at)
    }

    /// A batch norm as the layer `name`. Its scale and shift are computed in f64.
    pub(crate) fn norm(&mut self, x: At, name: &str) -> Result<At> {
        let mut values = |part: &str| -> Result<Vec<f32>> {
            Ok(self.weight(&format!("{name}.{part}"), &[Some(x.channels)])?.to_vec1()?)
        };
        let (gain, bias) = (values("weight")?, values("bias")?);
        let (mean, variance) = (values("running_mean")?, values("running_var")?);
        if let Some(value) = variance.iter().find(|&&value| value < 0.0) {
            let name = format!("{name}.running_var");
            return Err(self.wrong(&name, format!("the value {value}"), "variances of at least 0"));
        }
        let scale: Vec<f64> =
            gain.iter().zip(&variance).map(|(&g, &v)| f64::from(g) / (f64::from(v) + EPSILON).sqrt()).collect();
        let shift = (0..x.channels).map(|c| f64::from(bias[c]) - f64::from(mean[c]) * scale[c]).collect();
        let at = self.step(Op::Norm { scale, shift }, &[x], x.channels);
        self.name(at, name, Kind::Norm);
        Ok(at)
    }

    /// A layer norm as the layer `name`.
    pub(crate) fn layer_norm(&mut self, x: At, name: &str) -> Result<At> {
        let [weight, bias] = ["weight", "bias"].map(|part| self.weight(&format!("{name}.{part}"), &[Some(x.channels)]));
        let (weight, bias) = (self.on_device(weight?)?, self.on_device(bias?)?);
        let at = self.step(Op::LayerNorm { weight, bias }, &[x], x.channels);
        self.name(at, name, Kind::Norm);
        Ok(at)
    }

    pub(crate) fn relu(&mut self, x: At) -> At {
        self.step(Op::Relu, &[x], x.channels)
    }

    pub(crate) fn gelu(&mut self, x: At) -> At {
        self.step(Op::Gelu, &[x], x.channels)
    }

    /// The sum of a residual and of `x`, whose last weights are those of `name`.
    ///
    /// # Errors
    /// [`Error::Weight`] if they differ in their channels.
    pub(crate) fn add(&mut self, x: At, residual: At, name: &str) -> Result<At> {
        if x.channels != residual.channels {
            let expected = format!("{}, the channels of the block's input", residual.channels);
            return Err(self.wrong(&format!("{name}.weight"), format!("{} outputs", x.channels), expected));
        }
        Ok(self.step(Op::Add, &[x, residual], x.channels))
    }

    pub(crate) fn concat(&mut self, all: &[At]) -> At {
        self.step(Op::Concat, all, all.iter().map(|at| at.channels).sum())
    }

    pub(crate) fn max_pool(&mut self, x: At, window: Window) -> At {
        self.step(Op::MaxPool(window), &[x], x.channels)
    }

    pub(crate) fn mean_pool(&mut self, x: At) -> At {
        self.step(Op::MeanPool, &[x], x.channels)
    }

    /// Means of `side` windows along each axis.
    pub(crate) fn adaptive(&mut self, x: At, side: usize) -> At {
        self.step(Op::Adaptive(side), &[x], x.channels)
    }

    pub(crate) fn mean(&mut self, x: At) -> At {
        self.step(Op::Mean, &[x], x.channels)
    }

    /// The values at `positions` as channels.
    pub(crate) fn flatten(&mut self, x: At, positions: usize) -> At {
        self.step(Op::Flatten, &[x], x.channels * positions)
    }

    /// Positions as tokens.
    pub(crate) fn tokens(&mut self, x: At, class: Tensor, positions: Tensor) -> Result<At> {
        let (class, positions) = (self.on_device(class)?, self.on_device(positions)?);
        Ok(self.step(Op::Tokens { class, positions }, &[x], x.channels))
    }

    pub(crate) fn class_token(&mut self, x: At) -> At {
        self.step(Op::ClassToken, &[x], x.channels)
    }

    /// Attention on `x`, which holds queries, keys and values.
    pub(crate) fn attention(&mut self, x: At, heads: usize) -> At {
        self.step(Op::Attention { heads }, &[x], x.channels / 3)
    }

    /// Refuses weights that no step has read. Counters of batches are left out.
    ///
    /// # Errors
    /// [`Error::Weight`] naming the first of them.
    pub(super) fn all_used(&self) -> Result<()> {
        let extra = |name: &&String| !self.used.contains(*name) && !name.ends_with(".num_batches_tracked");
        match self.weights.keys().find(extra) {
            Some(name) => {
                let expected = "no weight of this name; is the checkpoint of another architecture?";
                Err(self.wrong(name, format!("shape {:?}", self.weights[name].dims()), expected))
            }
            None => Ok(()),
        }
    }

    fn on_device(&self, weight: Tensor) -> Result<Tensor> {
        Ok(weight.to_device(self.device)?)
    }
}
