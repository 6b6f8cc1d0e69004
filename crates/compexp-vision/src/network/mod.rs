//! Networks for images: a list of steps whose values have the names of PyTorch's modules. The values of any layers can be
//! *tapped*: returned with the logits.
//!
//! The families ([`Family`]) read their sizes from the weights, so that a narrow network is the same code as a wide one.
//! In evaluation a batch norm is folded into the convolution before it. The value of a convolution that is tapped is computed
//! apart, so that no value depends on which layers are tapped.

mod build;
mod families;
mod plan;
mod run;
mod step;

use candle_core::{Device, Tensor};
use compexp_kernels::conv::Conv;
use compexp_trust::behaviour::Head;
use ndarray::{Array2, ArrayView2};

pub(crate) use build::{At, Builder, Moves};
pub use families::Family;
pub use run::{Output, Tapped};
pub use step::Kind;
use step::{Op, Step};

use crate::error::{Error, Result};
use crate::resnet::{Config, Weights};

/// The weights between a layer and the layer that it reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Reads {
    /// The names of the layer that it reads.
    pub from: Vec<String>,
    /// The weights of its convolution, averaged over the kernel, `(units, units of the layer that it reads)`.
    pub weights: Array2<f32>,
}

/// A layer of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerName {
    /// The name of its module; in an ONNX graph, of its tensor.
    pub name: String,
    /// What it is: a [`Kind`], or the operator of an ONNX graph.
    pub kind: String,
}

/// How the positions of tokens lie in an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Rows and columns of the patches.
    pub grid: Option<(usize, usize)>,
    /// Tokens before those of the patches, such as a class token.
    pub skip: usize,
}

/// What the weights of a network do not determine.
#[derive(Debug, Clone, Default)]
pub struct Shape {
    /// The sizes of a residual network that its weights do not determine.
    pub config: Option<Config>,
    /// The heads of attention, which weights do not determine.
    pub heads: Option<usize>,
}

/// A network on a device.
#[derive(Debug, Clone)]
pub struct Network {
    steps: Vec<Step>,
    /// For each step that is a convolution: with the batch norm after it folded in.
    convs: Vec<Option<Conv>>,
    /// The one step that reads a step's value; none where several do.
    only_readers: Vec<Option<usize>>,
    /// The names of modules with the steps whose values they have, in the order in which they are computed.
    names: Vec<(String, usize, Kind)>,
    /// The weights and the bias of the last layer, as a run stores them.
    head: (Vec<f32>, Vec<f32>),
    classes: usize,
    /// Rows and columns of the images, if only images of one size can be run.
    image: Option<(usize, usize)>,
}

impl Network {
    /// A network of `family` from `weights`. Counters of batches (`num_batches_tracked`) are left out.
    ///
    /// # Errors
    /// [`Error::Weight`] naming the first weight that is missing, superfluous, of another shape, or not finite;
    /// [`compexp_core::Error::Mismatch`] if `shape` describes no network.
    pub fn new(family: Family, shape: &Shape, weights: &Weights, device: &Device) -> Result<Self> {
        let (builder, side) = families::build(family, shape, weights, device)?;
        let image = side.map(|side| (side, side));
        builder.all_used()?;
        let Builder { steps, names, .. } = builder;
        let mut readers = vec![Vec::new(); steps.len()];
        for (i, step) in steps.iter().enumerate() {
            step.inputs.iter().for_each(|&input| readers[input].push(i));
        }
        let only = |readers: Vec<usize>| if let [only] = readers[..] { Some(only) } else { None };
        let only_readers: Vec<Option<usize>> = readers.into_iter().map(only).collect();
        let Some(Step { op: Op::Conv { weight, bias: Some(bias), .. }, .. }) = steps.last() else {
            return Err(Error::mismatch("last step of a network", "another layer", "a linear layer"));
        };
        let head = (weight.flatten_all()?.to_vec1()?, bias.to_vec1()?);
        let classes = head.1.len();
        let mut network = Self { steps, convs: Vec::new(), only_readers, names, head, classes, image };
        network.convs = (0..network.steps.len()).map(|step| network.conv(step)).collect::<Result<_>>()?;
        for step in &mut network.steps {
            // The weights are in `convs` now; those of a linear layer are not needed otherwise, and may be large.
            if let Op::Conv { weight, linear: true, .. } = &mut step.op {
                *weight = Tensor::zeros((1, 1, 1, 1), weight.dtype(), &Device::Cpu)?;
            }
        }
        Ok(network)
    }

    /// The batch norm that is folded into the convolution `step`.
    fn folded_norm(&self, step: usize) -> Option<usize> {
        let norm = self.only_readers[step].filter(|&norm| matches!(self.steps[norm].op, Op::Norm { .. }));
        norm.filter(|_| matches!(self.steps[step].op, Op::Conv { .. }))
    }

    fn only_reader(&self, step: usize) -> Option<usize> {
        self.only_readers[step]
    }

    /// The convolution `step` with its batch norm; none for other steps.
    fn conv(&self, step: usize) -> Result<Option<Conv>> {
        let Op::Conv { weight, bias, stride, padding, groups, .. } = &self.steps[step].op else { return Ok(None) };
        let Some(Op::Norm { scale, shift }) = self.folded_norm(step).map(|norm| &self.steps[norm].op) else {
            return Ok(Some(Conv::grouped(weight, bias.as_ref(), *stride, *padding, *groups)?));
        };
        let device = weight.device();
        let mut folded = weight.flatten_all()?.to_vec1::<f32>()?;
        let per_channel = folded.len() / scale.len().max(1);
        // In f64, rounded once.
        for (row, scale) in folded.chunks_exact_mut(per_channel.max(1)).zip(scale) {
            row.iter_mut().for_each(|w| *w = (f64::from(*w) * scale) as f32);
        }
        let shift: Vec<f32> = match bias {
            Some(bias) => {
                let bias = bias.to_vec1::<f32>()?;
                let moved = shift.iter().zip(scale).zip(bias);
                moved.map(|((shift, scale), bias)| (shift + f64::from(bias) * scale) as f32).collect()
            }
            None => shift.iter().map(|shift| *shift as f32).collect(),
        };
        let folded = Tensor::from_vec(folded, weight.shape(), device)?;
        let shift = Tensor::from_vec(shift, scale.len(), device)?;
        Ok(Some(Conv::grouped(&folded, Some(&shift), *stride, *padding, *groups)?))
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Rows and columns of the images, if only images of one size can be run.
    pub fn image_size(&self) -> Option<(usize, usize)> {
        self.image
    }

    /// All layers that can be tapped, in the order in which they are computed.
    pub fn layers(&self) -> Vec<LayerName> {
        self.names.iter().map(|(name, _, kind)| LayerName { name: name.clone(), kind: kind.to_string() }).collect()
    }

    /// The last layer, with these names of its classes.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] if the names are more or fewer than the classes.
    pub fn head(&self, classes: Vec<String>) -> Result<Head> {
        let (weights, bias) = &self.head;
        let weights = ArrayView2::from_shape((self.classes, weights.len() / self.classes), weights)
            .map_err(|e| Error::mismatch("weights of the last layer", e, "classes x features"))?;
        Ok(Head::new(classes, weights.to_owned(), bias.clone())?)
    }

    fn step_of(&self, layer: &str) -> Option<usize> {
        self.names.iter().find(|(name, ..)| name == layer).map(|(_, step, _)| *step)
    }

    /// Whether the last layer reads the mean of this layer's maps: the layer before a mean over all positions, and what the
    /// last layer reads itself.
    pub fn feeds_head(&self, layer: &str) -> bool {
        let Some(step) = self.step_of(layer) else { return false };
        let last = self.steps.last().and_then(|step| step.inputs.first()).copied().unwrap_or(0);
        let before = match self.steps[last].op {
            Op::Mean => self.steps[last].inputs.first().copied(),
            _ => None,
        };
        step == last || Some(step) == before
    }

    /// How a stage or block reads the layer before it, by its first convolution, or the convolution of this name; none for
    /// other layers.
    ///
    /// # Errors
    /// [`Error::Candle`] if a tensor operation fails.
    pub fn reads(&self, layer: &str) -> Result<Option<Reads>> {
        let names = [format!("{layer}.0.conv1"), format!("{layer}.conv1"), layer.to_owned()];
        let Some(step) = names.iter().find_map(|name| self.step_of(name)) else { return Ok(None) };
        let Op::Conv { weight, groups, linear: false, .. } = &self.steps[step].op else { return Ok(None) };
        let means = weight.flatten_from(2)?.mean(2)?; // (c_out, c_in / groups)
        let (to, in_group) = means.dims2()?;
        let means = means.flatten_all()?.to_vec1::<f32>()?;
        let weights = Array2::from_shape_fn((to, in_group * groups), |(to_unit, from)| {
            let group = to_unit / (to / groups);
            let within = from.checked_sub(group * in_group).filter(|at| *at < in_group);
            within.map_or(0.0, |at| means[to_unit * in_group + at])
        });
        // The layer that it reads may have no name. Apart from batch norm and ReLU, it is one of those before it then.
        let named = |at: usize| self.names.iter().any(|(_, step, _)| *step == at);
        let mut read = Vec::new();
        let mut before = self.steps[step].inputs.first().copied();
        while let Some(at) = before {
            read.push(at);
            before = match self.steps[at].op {
                Op::Relu if !named(at) => self.steps[at].inputs.first().copied(),
                Op::Norm { .. } => self.steps[at].inputs.first().copied(),
                _ => None,
            };
        }
        let from =
            self.names.iter().filter(|(_, step, _)| read.contains(step)).map(|(name, ..)| name.clone()).collect();
        Ok(Some(Reads { from, weights }))
    }

    /// The network with `layers` tapped.
    ///
    /// # Errors
    /// [`Error::UnknownLayer`], with the names of all layers, if the network has no such layer.
    pub fn tap(&self, layers: &[&str]) -> Result<Tapped<'_>> {
        let step = |layer: &&str| {
            self.step_of(layer).ok_or_else(|| Error::UnknownLayer {
                name: (*layer).into(),
                valid: self.names.iter().map(|(name, ..)| name.clone()).collect(),
            })
        };
        Tapped::new(self, layers.iter().map(step).collect::<Result<_>>()?)
    }
}

/// The error about images of another size than the only one that a network takes.
pub(crate) fn other_size((height, width): (usize, usize), (rows, columns): (usize, usize)) -> Error {
    let found = format!("{height} x {width}");
    let hint = match rows == columns {
        true => format!("give --resize {rows} --crop {rows}"),
        false => "--resize and --crop make squares: bring the images to this size first".to_owned(),
    };
    Error::mismatch(
        "size of the images",
        found,
        format!("{rows} x {columns}, the only size that this network takes: {hint}"),
    )
}

#[cfg(test)]
mod tests;
