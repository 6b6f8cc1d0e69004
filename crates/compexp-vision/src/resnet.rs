//! Residual networks of basic blocks (such as ResNet-18). The values of any one layer can be *tapped*: returned with
//! the logits.
//!
//! He et al., "Deep Residual Learning for Image Recognition" (2016); names and numbers are torchvision's. Batch norm is
//! folded into the convolution before it, except where the tapped layer lies between the two.

mod layers;

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use compexp_checkpoint::absent;
use compexp_kernels::conv::{Conv, max_pool};
use compexp_trust::behaviour::Head;
use layers::{Layer, Part};
use ndarray::{Array2, ArrayView2};

use crate::error::{Error, Result};

/// Added to the variance in a batch norm.
pub(crate) const EPSILON: f64 = 1e-5;

/// A network's weights by name, f32 on the CPU; names as torchvision's, without a `module.` prefix.
pub type Weights = BTreeMap<String, Tensor>;

/// The sizes of a network. The number of classes is that of its weights.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Config {
    /// Channels after the first convolution.
    pub stem: usize,
    /// Rows and columns of the first convolution's kernel, an odd number.
    pub kernel: usize,
    /// Its stride.
    pub stride: usize,
    /// Whether a max pooling that halves the image follows it.
    pub pool: bool,
    /// Channels of each stage; every stage but the first halves the image.
    pub widths: Vec<usize>,
    /// Blocks of each stage.
    pub blocks: Vec<usize>,
}

impl Default for Config {
    /// ResNet-18.
    fn default() -> Self {
        Self { stem: 64, kernel: 7, stride: 2, pool: true, widths: vec![64, 128, 256, 512], blocks: vec![2; 4] }
    }
}

/// The limit of [`Config::of`] for stages, and for blocks in a stage. Weights with larger numbers belong to another
/// kind of network.
const MOST: usize = 1000;

impl Config {
    /// The sizes of a network, from the names and shapes of its `weights`. Sizes that these do not determine are those
    /// of ResNet-18, so the error about a network of another kind names the first weight that is missing.
    ///
    /// If the first kernel is 7 x 7, stride 2 and a pooling after it are assumed; if it is smaller, neither, as in
    /// networks for small images. Shapes do not determine this, so a file of [`crate::model::save`] records it.
    pub fn of(weights: &Weights) -> Self {
        let dims = |name: &str| weights.get(name).map(Tensor::dims).filter(|dims| dims.len() == 4);
        let width = |stage: usize, block: usize| dims(&format!("layer{stage}.{block}.conv1.weight")).map(|d| d[0]);
        let (Some(conv), Some(_)) = (dims("conv1.weight"), width(1, 0)) else { return Self::default() };
        let (mut widths, mut blocks) = (Vec::new(), Vec::new());
        while let Some(channels) = width(widths.len() + 1, 0).filter(|_| widths.len() < MOST) {
            widths.push(channels);
            blocks.push((1..=MOST).take_while(|block| width(widths.len(), *block).is_some()).count() + 1);
        }
        let photographs = conv[2] >= 7;
        Self { stem: conv[0], kernel: conv[2], stride: 1 + usize::from(photographs), pool: photographs, widths, blocks }
    }

    /// Every weight a network of `classes` classes has, with its shape.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] if `widths` and `blocks` differ in length, the kernel is even, or a size is 0.
    pub fn weights(&self, classes: usize) -> Result<Vec<(String, Vec<usize>)>> {
        let sizes = [&[self.stem, self.stride, self.kernel % 2, classes][..], &self.widths, &self.blocks].concat();
        if self.widths.len() != self.blocks.len() || self.widths.is_empty() || sizes.contains(&0) {
            let found = format!("{} classes, {self:?}", classes);
            return Err(Error::mismatch(
                "sizes of a ResNet",
                found,
                "as many widths as blocks, an odd kernel, and no size of 0",
            ));
        }
        let mut all = Vec::new();
        let mut unit = |conv: String, norm: String, shape: [usize; 4]| {
            all.push((format!("{conv}.weight"), shape.to_vec()));
            for part in ["weight", "bias", "running_mean", "running_var"] {
                all.push((format!("{norm}.{part}"), vec![shape[0]]));
            }
        };
        unit("conv1".into(), "bn1".into(), [self.stem, 3, self.kernel, self.kernel]);
        for block in self.all_blocks() {
            let (p, c_in, c_out) = (&block.name, block.c_in, block.c_out);
            unit(format!("{p}.conv1"), format!("{p}.bn1"), [c_out, c_in, 3, 3]);
            unit(format!("{p}.conv2"), format!("{p}.bn2"), [c_out, c_out, 3, 3]);
            if block.projects() {
                unit(format!("{p}.downsample.0"), format!("{p}.downsample.1"), [c_out, c_in, 1, 1]);
            }
        }
        let features = self.widths.last().copied().unwrap_or(self.stem);
        all.push(("fc.weight".into(), vec![classes, features]));
        all.push(("fc.bias".into(), vec![classes]));
        Ok(all)
    }

    /// The blocks in order.
    pub(crate) fn all_blocks(&self) -> Vec<BlockSizes> {
        let mut c_in = self.stem;
        let mut all = Vec::new();
        for (stage, (&c_out, &blocks)) in self.widths.iter().zip(&self.blocks).enumerate() {
            for block in 0..blocks {
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                let name = format!("layer{}.{block}", stage + 1);
                all.push(BlockSizes { name, stage, last: block + 1 == blocks, c_in, c_out, stride });
                c_in = c_out;
            }
        }
        all
    }
}

/// The parts of a basic block.
pub(crate) struct BlockSizes {
    pub(crate) name: String,
    stage: usize,
    /// Whether it ends its stage.
    last: bool,
    pub(crate) c_in: usize,
    pub(crate) c_out: usize,
    pub(crate) stride: usize,
}

impl BlockSizes {
    /// Whether the shortcut has a convolution.
    pub(crate) fn projects(&self) -> bool {
        self.stride != 1 || self.c_in != self.c_out
    }
}

/// A convolution and the batch norm after it.
#[derive(Debug, Clone)]
struct Unit {
    /// Convolution and batch norm in one.
    folded: Conv,
    /// The convolution's own weights.
    weight: Tensor,
    /// The batch norm is `x * scale + shift`, each `(1, c, 1, 1)`.
    scale: Tensor,
    shift: Tensor,
    stride: usize,
    padding: usize,
}

#[derive(Debug, Clone)]
struct Block {
    first: Unit,
    second: Unit,
    shortcut: Option<Unit>,
}

/// The weights between a layer and the layer that it reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Reads {
    /// The names of the layer that it reads.
    pub from: Vec<String>,
    /// The weights of its convolution, averaged over the kernel, `(units, units of the layer that it reads)`.
    pub weights: Array2<f32>,
}

/// A residual network on a device.
#[derive(Debug, Clone)]
pub struct ResNet {
    stem: Unit,
    pool: bool,
    blocks: Vec<Block>,
    /// The last layer, as a 1 x 1 convolution: its result for an image is then the same in any batch.
    fc: Conv,
    /// The same layer's weights `(classes, features)` and bias, as a run stores them.
    head: (Vec<f32>, Vec<f32>),
    classes: usize,
    layers: Vec<(String, Layer)>,
}

impl ResNet {
    /// A network of `config`'s sizes from `weights`. Counters of batches (`num_batches_tracked`) are left out.
    ///
    /// # Errors
    /// [`Error::Weight`] naming the first weight that is missing, superfluous, of another shape, or not finite;
    /// [`compexp_core::Error::Mismatch`] if `config` describes no network.
    pub fn new(config: &Config, weights: &Weights, device: &Device) -> Result<Self> {
        let weight = |name: &str| {
            weights.get(name).ok_or_else(|| Error::Weight {
                name: name.into(),
                found: absent(weights.keys()),
                expected: "a weight of this name, as torchvision's ResNets of basic blocks have".into(),
            })
        };
        let classes = weight("fc.weight")?.dims().first().copied().unwrap_or(0);
        let expected: BTreeMap<String, Vec<usize>> = config.weights(classes)?.into_iter().collect();
        for (name, shape) in &expected {
            check(name, weight(name)?, shape)?;
        }
        let counter = |name: &str| name.ends_with(".num_batches_tracked");
        if let Some(name) = weights.keys().find(|name| !expected.contains_key(*name) && !counter(name)) {
            return Err(Error::Weight {
                name: name.clone(),
                found: format!("shape {:?}", weights[name].dims()),
                expected: "no weight of this name; is the checkpoint of another architecture?".into(),
            });
        }
        let unit = |conv: &str, norm: &str, stride, padding| Unit::new(weights, conv, norm, stride, padding, device);
        let mut blocks = Vec::new();
        for block in config.all_blocks() {
            let (p, stride) = (&block.name, block.stride);
            let shortcut =
                block.projects().then(|| unit(&format!("{p}.downsample.0"), &format!("{p}.downsample.1"), stride, 0));
            blocks.push(Block {
                first: unit(&format!("{p}.conv1"), &format!("{p}.bn1"), stride, 1)?,
                second: unit(&format!("{p}.conv2"), &format!("{p}.bn2"), 1, 1)?,
                shortcut: shortcut.transpose()?,
            });
        }
        let head = (weight("fc.weight")?.flatten_all()?.to_vec1()?, weight("fc.bias")?.to_vec1()?);
        let (fc, bias) = (weight("fc.weight")?.to_device(device)?, weight("fc.bias")?.to_device(device)?);
        let fc = Conv::new(&fc.reshape((classes, (), 1, 1))?, Some(&bias), 1, 0)?;
        let stem = unit("conv1", "bn1", config.stride, config.kernel / 2)?;
        Ok(Self { stem, pool: config.pool, blocks, fc, head, classes, layers: layers::all(config) })
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The names of all layers that can be tapped, in the order in which they are computed.
    pub fn layers(&self) -> impl Iterator<Item = &str> {
        self.layers.iter().map(|(name, _)| name.as_str())
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

    /// Whether the last layer reads the mean of this layer's maps: the output of the last stage, and that mean itself.
    pub fn feeds_head(&self, layer: &str) -> bool {
        let last = Layer::Block(self.blocks.len() - 1, Part::Output);
        self.layers.iter().any(|(name, at)| name == layer && (*at == last || *at == Layer::AvgPool))
    }

    /// How a stage or block reads the layer before it, by its first convolution, or the convolution of this name; none for
    /// other layers.
    ///
    /// # Errors
    /// [`Error::Candle`] if a tensor operation fails.
    pub fn reads(&self, layer: &str) -> Result<Option<Reads>> {
        let names = [format!("{layer}.0.conv1"), format!("{layer}.conv1"), layer.to_owned()];
        let found = names.iter().find_map(|name| self.layers.iter().find(|(n, _)| n == name));
        let (unit, before) = match found {
            Some((_, Layer::Block(0, Part::Conv1))) if self.pool => (&self.blocks[0].first, vec![Layer::MaxPool]),
            Some((_, Layer::Block(0, Part::Conv1))) => (&self.blocks[0].first, vec![Layer::Relu]),
            Some((_, Layer::Block(i, Part::Conv1))) => {
                (&self.blocks[*i].first, vec![Layer::Block(i - 1, Part::Output)])
            }
            // The layer that it reads has no name. Apart from batch norm and ReLU, it is one of these.
            Some((_, Layer::Block(i, Part::Conv2))) => {
                (&self.blocks[*i].second, vec![Layer::Block(*i, Part::Conv1), Layer::Block(*i, Part::Norm1)])
            }
            _ => return Ok(None),
        };
        let means = unit.weight.flatten_from(2)?.mean(2)?; // (c_out, c_in)
        let (to, from) = means.dims2()?;
        let weights = Array2::from_shape_vec((to, from), means.flatten_all()?.to_vec1()?);
        let weights = weights.map_err(|e| Error::mismatch("weights of a convolution", e, "outputs x inputs"))?;
        let from = self.layers.iter().filter(|(_, at)| before.contains(at)).map(|(name, _)| name.clone()).collect();
        Ok(Some(Reads { from, weights }))
    }

    /// The network with `layer` tapped.
    ///
    /// # Errors
    /// [`Error::UnknownLayer`], with the names of all layers, if the network has no such layer.
    pub fn tap(&self, layer: &str) -> Result<Tapped<'_>> {
        let Some((_, layer)) = self.layers.iter().find(|(name, _)| name == layer) else {
            return Err(Error::UnknownLayer { name: layer.into(), valid: self.layers().map(String::from).collect() });
        };
        let unit = match *layer {
            Layer::StemConv => Some(&self.stem),
            Layer::Block(block, Part::Conv1) => Some(&self.blocks[block].first),
            Layer::Block(block, Part::Conv2) => Some(&self.blocks[block].second),
            Layer::Block(block, Part::ShortcutConv) => self.blocks[block].shortcut.as_ref(),
            _ => None,
        };
        let bare = unit.map(|unit| Conv::new(&unit.weight, None, unit.stride, unit.padding)).transpose()?;
        Ok(Tapped { network: self, layer: *layer, bare })
    }
}

fn check(name: &str, weight: &Tensor, shape: &[usize]) -> Result<()> {
    let wrong = |found: String, expected: String| Err(Error::Weight { name: name.into(), found, expected });
    if weight.dims() != shape {
        return wrong(format!("shape {:?}", weight.dims()), format!("shape {shape:?}"));
    }
    let values = weight.flatten_all()?.to_vec1::<f32>()?;
    if let Some(value) = values.iter().find(|value| !value.is_finite()) {
        return wrong(format!("the value {value}"), "finite values; the checkpoint is damaged".into());
    }
    match values.iter().find(|&&value| value < 0.0).filter(|_| name.ends_with(".running_var")) {
        Some(value) => wrong(format!("the value {value}"), "variances of at least 0".into()),
        None => Ok(()),
    }
}

impl Unit {
    /// From checked weights.
    fn new(weights: &Weights, conv: &str, norm: &str, stride: usize, padding: usize, device: &Device) -> Result<Self> {
        let values = |part: &str| weights[&format!("{norm}.{part}")].to_vec1::<f32>();
        let (gain, bias, mean, variance) =
            (values("weight")?, values("bias")?, values("running_mean")?, values("running_var")?);
        let channels = gain.len();
        // In f64, rounded once.
        let scale: Vec<f64> =
            gain.iter().zip(&variance).map(|(&g, &v)| f64::from(g) / (f64::from(v) + EPSILON).sqrt()).collect();
        let shift: Vec<f32> =
            (0..channels).map(|c| (f64::from(bias[c]) - f64::from(mean[c]) * scale[c]) as f32).collect();
        let weight = &weights[&format!("{conv}.weight")];
        let mut folded = weight.flatten_all()?.to_vec1::<f32>()?;
        let per_channel = folded.len() / channels;
        for (row, &scale) in folded.chunks_exact_mut(per_channel).zip(&scale) {
            row.iter_mut().for_each(|w| *w = (f64::from(*w) * scale) as f32);
        }
        let folded = Tensor::from_vec(folded, weight.shape(), device)?;
        let scale: Vec<f32> = scale.into_iter().map(|s| s as f32).collect();
        let shift = Tensor::from_vec(shift, (1, channels, 1, 1), device)?;
        Ok(Self {
            folded: Conv::new(&folded, Some(&shift.flatten_all()?), stride, padding)?,
            weight: weight.to_device(device)?,
            scale: Tensor::from_vec(scale, (1, channels, 1, 1), device)?,
            shift,
            stride,
            padding,
        })
    }
}

/// The result of a network for a batch.
#[derive(Debug, Clone)]
pub struct Output {
    /// The tapped layer, `(n, units, h, w)`; h = w = 1 for `avgpool` and `fc`.
    pub maps: Tensor,
    /// `(n, classes)`.
    pub logits: Tensor,
}

/// A network with one layer tapped.
#[derive(Debug)]
pub struct Tapped<'a> {
    network: &'a ResNet,
    layer: Layer,
    /// The convolution without its batch norm, if the convolution is the tapped layer.
    bare: Option<Conv>,
}

impl Tapped<'_> {
    /// Runs `images (n, 3, h, w)`, f32 and scaled as the network expects. The result for an image does not depend on
    /// its batch (on the CPU).
    ///
    /// The maps are the output of the module of that name, as a forward hook of PyTorch sees it: of a convolution
    /// before its batch norm, of a batch norm before the ReLU, of a block or a stage after its last ReLU.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] if images do not have 3 channels, or are empty.
    pub fn forward(&self, images: &Tensor) -> Result<Output> {
        let network = self.network;
        let mut tapped = None;
        let mut tap = |layer: Layer, x: &Tensor| {
            if layer == self.layer {
                tapped = Some(x.clone());
            }
        };
        let mut x = self.unit(&network.stem, images, None, true, [Layer::StemConv, Layer::StemNorm], &mut tap)?;
        tap(Layer::Relu, &x);
        if network.pool {
            x = max_pool(&x)?;
            tap(Layer::MaxPool, &x);
        }
        for (i, block) in network.blocks.iter().enumerate() {
            let at = |part| Layer::Block(i, part);
            let shortcut = match &block.shortcut {
                Some(unit) => {
                    let names = [at(Part::ShortcutConv), at(Part::ShortcutNorm)];
                    self.unit(unit, &x, None, false, names, &mut tap)?
                }
                None => x.clone(),
            };
            let y = self.unit(&block.first, &x, None, true, [at(Part::Conv1), at(Part::Norm1)], &mut tap)?;
            let names = [at(Part::Conv2), at(Part::Norm2)];
            x = self.unit(&block.second, &y, Some(&shortcut), true, names, &mut tap)?;
            tap(at(Part::Output), &x);
        }
        let pooled = x.mean_keepdim((2, 3))?; // (n, features, 1, 1)
        tap(Layer::AvgPool, &pooled);
        let logits = network.fc.forward(&pooled, None, false)?; // (n, classes, 1, 1)
        tap(Layer::Fc, &logits);
        let Some(maps) = tapped else {
            return Err(Error::mismatch("tapped layer", format!("{:?}", self.layer), "a layer of this network"));
        };
        Ok(Output { maps, logits: logits.flatten_from(1)? })
    }

    /// One convolution with its batch norm, residual and ReLU; `names` are the layers before those two.
    fn unit(
        &self,
        unit: &Unit,
        x: &Tensor,
        residual: Option<&Tensor>,
        relu: bool,
        names: [Layer; 2],
        tap: &mut impl FnMut(Layer, &Tensor),
    ) -> Result<Tensor> {
        if !names.contains(&self.layer) {
            return Ok(unit.folded.forward(x, residual, relu)?);
        }
        let mut y = match &self.bare {
            Some(bare) => {
                let y = bare.forward(x, None, false)?;
                tap(names[0], &y);
                y.broadcast_mul(&unit.scale)?.broadcast_add(&unit.shift)?
            }
            None => unit.folded.forward(x, None, false)?,
        };
        tap(names[1], &y);
        if let Some(residual) = residual {
            y = (y + residual)?;
        }
        Ok(if relu { y.relu()? } else { y })
    }
}

#[cfg(test)]
mod tests;
