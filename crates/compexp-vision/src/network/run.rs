//! Runs the steps of a network.

use candle_core::Tensor;
use compexp_kernels::attention::attention;
use compexp_kernels::conv::{Conv, channels_first, gelu, max_pool, scale_shift};

use super::Network;
use super::plan::{Action, actions};
use super::step::Op;
use crate::error::{Error, Result};

/// Added to the variance in a layer norm of torchvision's transformers.
const LAYER_EPSILON: f32 = 1e-6;

/// The result of a network for a batch.
#[derive(Debug, Clone)]
pub struct Output {
    /// The tapped layers in their order, `(n, units, h, w)` each; h = w = 1 for layers with one value an image.
    pub maps: Vec<Tensor>,
    /// `(n, classes)`.
    pub logits: Tensor,
}

/// A network with layers tapped.
#[derive(Debug)]
pub struct Tapped<'a> {
    network: &'a Network,
    layers: Vec<usize>,
    actions: Vec<Action>,
    /// For each step: the convolution without its batch norm, if the convolution is tapped.
    bare: Vec<Option<Conv>>,
}

impl<'a> Tapped<'a> {
    pub(super) fn new(network: &'a Network, layers: Vec<usize>) -> Result<Self> {
        let bare = |step: usize| match &network.steps[step].op {
            Op::Conv { weight, bias, stride, padding, groups, .. }
                if layers.contains(&step) && network.folded_norm(step).is_some() =>
            {
                Ok(Some(Conv::grouped(weight, bias.as_ref(), *stride, *padding, *groups)?))
            }
            _ => Ok(None),
        };
        let bare = (0..network.steps.len()).map(bare).collect::<Result<_>>()?;
        Ok(Self { network, actions: actions(network, &layers), layers, bare })
    }

    /// Runs `images (n, 3, h, w)`, f32 and scaled as the network expects. The result for an image does not depend on
    /// its batch (on the CPU), and not on the other layers that are tapped.
    ///
    /// The maps are the output of the module of that name, as a forward hook of PyTorch sees it: of a convolution
    /// before its batch norm, of a batch norm before the ReLU, of a block or a stage after its last ReLU. Tokens are placed
    /// as the patches that they stand for; the class token is left out.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] if images do not have 3 channels, are empty, or of a size that the network does not
    /// take.
    pub fn forward(&self, images: &Tensor) -> Result<Output> {
        let network = self.network;
        let (_, channels, height, width) = images.dims4()?;
        if channels != 3 {
            return Err(Error::mismatch("channels of the images", channels, 3));
        }
        if let Some(size) = network.image
            && size != (height, width)
        {
            return Err(super::other_size((height, width), size));
        }
        let mut values: Vec<Option<Tensor>> = vec![None; network.steps.len()];
        let mut maps: Vec<Option<Tensor>> = vec![None; self.layers.len()];
        values[0] = Some(images.clone());
        for action in &self.actions {
            let inputs = self.network.steps[action.step].inputs.iter();
            let inputs: Vec<&Tensor> = inputs.map(|&input| value(&values, input)).collect::<Result<_>>()?;
            if let Some(bare) = &self.bare[action.step] {
                self.keep(action.step, &bare.forward(inputs[0], None, false)?, &mut maps)?;
            }
            let residual = action.residual.map(|step| value(&values, step)).transpose()?;
            let y = match &network.convs[action.step] {
                Some(conv) => conv.forward(inputs[0], residual, action.relu)?,
                None => run(&network.steps[action.step].op, &inputs, action.relu)?,
            };
            self.keep(action.end, &y, &mut maps)?;
            values[action.end] = Some(y);
            action.last_used.iter().for_each(|&step| values[step] = None);
        }
        let logits = value(&values, network.steps.len() - 1)?.flatten_from(1)?;
        let maps = maps.into_iter().zip(&self.layers).map(|(map, layer)| {
            map.ok_or_else(|| Error::mismatch("tapped layer", layer, "a layer that the network computes"))
        });
        Ok(Output { maps: maps.collect::<Result<_>>()?, logits })
    }

    /// Keeps a value if its layer is tapped.
    fn keep(&self, step: usize, value: &Tensor, maps: &mut [Option<Tensor>]) -> Result<()> {
        for (map, _) in maps.iter_mut().zip(&self.layers).filter(|(_, layer)| **layer == step) {
            *map = Some(if self.network.steps[step].tokens { patches(value)? } else { value.clone() });
        }
        Ok(())
    }
}

fn value(values: &[Option<Tensor>], step: usize) -> Result<&Tensor> {
    values[step].as_ref().ok_or_else(|| Error::mismatch("value of a step", "none", "one that was computed before"))
}

/// Tokens `(n, c, 1 + side², 1)` without the class token, at the places of their patches: `(n, c, side, side)`.
fn patches(tokens: &Tensor) -> Result<Tensor> {
    let (n, c, all, _) = tokens.dims4()?;
    let side = (all - 1).isqrt();
    let rows = rows(&tokens.narrow(2, 1, all - 1)?)?; // (n, side², 1, c)
    Ok(rows.reshape((n, side, side, c))?.permute((0, 3, 1, 2))?)
}

/// `x (n, c, h, w)` as `(n, h, w, c)`, contiguous.
fn rows(x: &Tensor) -> Result<Tensor> {
    Ok(x.permute((0, 2, 3, 1))?.contiguous()?)
}

/// A value `(n, h, w, c)` as `(n, c, h, w)`.
fn back(rows: &Tensor) -> Result<Tensor> {
    Ok(rows.permute((0, 3, 1, 2))?)
}

/// A step that is no convolution.
fn run(op: &Op, inputs: &[&Tensor], relu: bool) -> Result<Tensor> {
    let Some(&x) = inputs.first() else { return Err(Error::mismatch("inputs of a step", 0, "at least 1")) };
    Ok(match op {
        Op::Image | Op::Conv { .. } => x.clone(),
        Op::Norm { scale, shift } => {
            let [scale, shift] = [scale, shift].map(|all| all.iter().map(|x| *x as f32).collect::<Vec<_>>());
            scale_shift(x, &scale, &shift, relu)?
        }
        Op::Relu => back(&rows(x)?.relu()?)?,
        Op::Gelu => gelu(x)?,
        Op::Add => back(&(rows(x)? + rows(inputs[1])?)?)?,
        Op::Concat => {
            let all: Vec<Tensor> = inputs.iter().map(|x| rows(x)).collect::<Result<_>>()?;
            back(&Tensor::cat(&all, 3)?)?
        }
        Op::MaxPool(window) => max_pool(x, *window)?,
        Op::MeanPool => channels_first(x)?.avg_pool2d(2)?,
        Op::Adaptive(side) => adaptive(&adaptive(x, 3, *side)?, 2, *side)?,
        Op::Mean => x.mean_keepdim((2, 3))?, // (n, c, 1, 1)
        Op::Flatten => channels_first(x)?.flatten_from(1)?.unsqueeze(2)?.unsqueeze(3)?, // (n, c h w, 1, 1)
        Op::Tokens { class, positions } => {
            let (n, c, h, w) = x.dims4()?;
            let patches = rows(x)?.reshape((n, h * w, c))?;
            let all = Tensor::cat(&[&class.expand((n, 1, c))?.contiguous()?, &patches], 1)?;
            back(&all.broadcast_add(positions)?.unsqueeze(2)?)? // (n, c, tokens, 1)
        }
        Op::ClassToken => x.narrow(2, 0, 1)?,
        Op::LayerNorm { weight, bias } => back(&candle_nn::ops::layer_norm(&rows(x)?, weight, bias, LAYER_EPSILON)?)?,
        Op::Attention { heads } => back(&attention(&rows(x)?.squeeze(2)?, *heads)?.unsqueeze(2)?)?,
    })
}

/// Means of `side` windows along the axis `dim`, which may overlap.
fn adaptive(x: &Tensor, dim: usize, side: usize) -> Result<Tensor> {
    let size = x.dim(dim)?;
    if size == side {
        return Ok(x.clone());
    }
    let mean = |i: usize| {
        let (first, end) = (i * size / side, ((i + 1) * size).div_ceil(side));
        x.narrow(dim, first, end - first)?.mean_keepdim(dim)
    };
    let means: Vec<Tensor> = (0..side).map(mean).collect::<candle_core::Result<_>>()?;
    Ok(Tensor::cat(&means, dim)?)
}
