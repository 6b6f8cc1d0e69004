//! The sizes of residual networks, which are trained and of which those of basic blocks (such as ResNet-18) are random before
//! training.
//!
//! He et al., "Deep Residual Learning for Image Recognition" (2016); names and numbers are torchvision's.

use std::collections::BTreeMap;

use candle_core::Tensor;

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
                all.push(BlockSizes { name, c_in, c_out, stride });
                c_in = c_out;
            }
        }
        all
    }
}

/// The parts of a basic block.
pub(crate) struct BlockSizes {
    pub(crate) name: String,
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
