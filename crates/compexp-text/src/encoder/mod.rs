//! Transformers: the values of their layers at each token of a text.
//!
//! BERT, GPT-2 and GPT-NeoX (Pythia) are read from a folder of Hugging Face. All arithmetic is f32.
//!
//! # Invariants
//! - The values of a text do not depend, to the bit, on the texts beside it or on the number of threads (on the CPU).
//! - Texts are not padded.

mod config;
mod families;
mod network;
mod tap;
#[cfg(test)]
mod tests;
mod weights;

use std::ops::Range;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use ndarray::{Array2, Axis, Slice};
use rayon::prelude::*;

use crate::error::{Error, Result};
use config::Config;
use network::{Batch, Network};
pub use tap::{Site, Tap};
use weights::Weights;

/// Tokens of a pass: the weights of a layer are read once for them. More would push the neurons' values out of the cache.
const TOKENS: usize = 192;

/// A transformer without its head.
pub struct Encoder {
    config: Config,
    network: Network,
    device: Device,
}

/// A layer that can be tapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Its place; printed, it is the layer's name.
    pub tap: Tap,
    /// Its units.
    pub width: usize,
}

impl Encoder {
    /// Opens a folder with `config.json` and `model.safetensors`, or shards with `model.safetensors.index.json`. Weights are
    /// f32, f16 or bf16 and are computed with as f32. Names may have a prefix such as `bert.`; weights of heads are left out.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`], [`Error::Checkpoint`] if a file cannot be read; [`compexp_files::Error::Format`] if the
    /// model is of another family, a setting is not supported, or a weight is missing, of another shape, or not finite.
    pub fn open(folder: &Path, device: &Device) -> Result<Self> {
        let config = Config::read(folder)?;
        let weights = Weights::read(folder, config.family.first())?;
        let network = families::build(&config, weights, device)?;
        Ok(Self { config, network, device: device.clone() })
    }

    /// The files of a model folder that [`Self::open`] reads.
    ///
    /// # Errors
    /// As [`Self::open`], for files that are not there.
    pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
        let mut files = vec![config::path(folder)];
        files.extend(weights::files(folder)?);
        Ok(files)
    }

    /// All layers, in the order of the blocks.
    pub fn layers(&self) -> Vec<Layer> {
        let taps = (0..self.config.layers).flat_map(|layer| Site::ALL.map(|site| Tap { site, layer }));
        taps.map(|tap| Layer { tap, width: self.width(tap) }).collect()
    }

    /// The layer of this name: `mlp.3`, `resid.0`, `attn.5`.
    ///
    /// # Errors
    /// [`Error::UnknownLayer`] if there is none; the error lists those there are.
    pub fn layer(&self, name: &str) -> Result<Layer> {
        let layers = self.layers();
        layers.iter().find(|layer| layer.tap.to_string() == name).cloned().ok_or_else(|| Error::UnknownLayer {
            name: name.to_owned(),
            valid: layers.iter().map(|layer| layer.tap.to_string()).collect(),
        })
    }

    /// The most tokens that a text may have, special tokens included.
    pub fn positions(&self) -> usize {
        self.config.positions
    }

    /// The numbers of the tokens are below this.
    pub fn vocabulary(&self) -> usize {
        self.config.vocabulary
    }

    /// Runs the model on texts, given as the numbers of their tokens, special tokens included. The result has for each text, and
    /// in it for each tap, the values `(tokens, width)`, f32. No block above the highest tap is computed.
    ///
    /// All values are in memory at once: give as many texts as fit.
    ///
    /// # Errors
    /// [`Error::TooLong`] and [`Error::UnknownToken`] name the first text that the model cannot take; [`Error::UnknownLayer`] if
    /// a tap is in no block; [`Error::Candle`] if the device fails.
    pub fn run<T: AsRef<[u32]> + Sync>(&self, texts: &[T], taps: &[Tap]) -> Result<Vec<Vec<Array2<f32>>>> {
        for (text, ids) in texts.iter().enumerate() {
            self.check(text, ids.as_ref())?;
        }
        for tap in taps.iter().filter(|tap| tap.layer >= self.config.layers) {
            self.layer(&tap.to_string())?;
        }
        let groups = groups(texts.iter().map(|ids| ids.as_ref().len()));
        let run = |group: &Range<usize>| self.run_group(&texts[group.clone()], taps);
        let results: Vec<Vec<Vec<Array2<f32>>>> = if self.device.is_cpu() {
            groups.par_iter().map(run).collect::<Result<_>>()?
        } else {
            groups.iter().map(run).collect::<Result<_>>()?
        };
        Ok(results.into_iter().flatten().collect())
    }

    /// Refuses a text that the model cannot take.
    fn check(&self, text: usize, ids: &[u32]) -> Result<()> {
        let Config { positions, vocabulary, .. } = self.config;
        if ids.len() > positions {
            return Err(Error::TooLong { text, tokens: ids.len(), positions });
        }
        match ids.iter().position(|id| *id as usize >= vocabulary) {
            Some(token) => Err(Error::UnknownToken { text, token, id: ids[token], vocabulary }),
            None => Ok(()),
        }
    }

    /// The values of texts that are computed together.
    fn run_group<T: AsRef<[u32]>>(&self, texts: &[T], taps: &[Tap]) -> Result<Vec<Vec<Array2<f32>>>> {
        let mut batch = Batch { ids: Vec::new(), texts: Vec::new() };
        let mut rows = Vec::with_capacity(texts.len());
        for ids in texts {
            let first = batch.ids.len();
            batch.ids.extend(ids.as_ref());
            rows.push(first..batch.ids.len());
        }
        batch.texts = rows.iter().filter(|rows| !rows.is_empty()).cloned().collect();
        if batch.ids.is_empty() {
            let empty = || taps.iter().map(|tap| Array2::zeros((0, self.width(*tap)))).collect();
            return Ok(texts.iter().map(|_| empty()).collect());
        }
        let values = self.network.forward(&batch, taps, &self.device)?;
        let values = values.iter().map(array).collect::<Result<Vec<_>>>()?;
        let part = |rows: &Range<usize>| {
            let of = |all: &Array2<f32>| all.slice_axis(Axis(0), Slice::from(rows.clone())).to_owned();
            values.iter().map(of).collect()
        };
        Ok(rows.iter().map(part).collect())
    }

    fn width(&self, tap: Tap) -> usize {
        match tap.site {
            Site::Mlp => self.config.inner,
            Site::Resid | Site::Attn => self.config.width,
        }
    }
}

/// The texts of each pass: as many in order as have no more than [`TOKENS`] together, or one that is longer.
fn groups(lens: impl Iterator<Item = usize>) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    let mut tokens = 0;
    for (text, len) in lens.enumerate() {
        match groups.last_mut() {
            Some(last) if tokens + len <= TOKENS => last.end = text + 1,
            _ => {
                groups.push(text..text + 1);
                tokens = 0;
            }
        }
        tokens += len;
    }
    groups
}

/// The values of a matrix.
fn array(x: &Tensor) -> Result<Array2<f32>> {
    let dims = x.dims2()?;
    let values = x.flatten_all()?.to_vec1()?;
    Array2::from_shape_vec(dims, values).map_err(|e| Error::mismatch("shape of a layer's values", e, "a matrix"))
}
