//! A network from a checkpoint file.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use candle_core::{Device, Tensor};
use compexp_checkpoint::Value;
use compexp_files::AtomicFile;
pub use compexp_kernels::DeviceName;
use compexp_trust::behaviour::Head;
use safetensors::tensor::{Dtype, TensorView, serialize};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::initial::{LastGain, initial_weights};
use crate::recognise::looks_like;
use crate::resnet::{Config, Reads, ResNet, Tapped, Weights};

/// The entry of a file's metadata that states the sizes of its network.
const ENTRY: &str = "compexp";
const VERSION: u32 = 1;

/// What that entry looks like, for errors.
const FORM: &str = r#"`{"version": 1, "config": {"stem": 4, "kernel": 3, "stride": 2, "pool": false, "widths": [4, 8], "blocks": [1, 1]}}`"#;

#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    config: Config,
}

/// Writes the weights of a network with its sizes as safetensors that [`Model::load`] reads.
///
/// # Errors
/// [`compexp_files::Error::Io`]; [`Error::Candle`] for weights that are not f32.
pub fn save(config: &Config, weights: &Weights, path: &Path) -> Result<()> {
    let header = serde_json::to_string(&Header { version: VERSION, config: config.clone() })
        .map_err(|e| Error::mismatch("sizes of a ResNet", e, "JSON"))?;
    write_tensors(path, weights.iter().map(|(name, tensor)| (name.clone(), tensor)), (ENTRY, header))
}

/// Writes f32 tensors and one entry of metadata as safetensors.
pub(crate) fn write_tensors<'a>(
    path: &Path,
    tensors: impl Iterator<Item = (String, &'a Tensor)>,
    (entry, text): (&str, String),
) -> Result<()> {
    let mut all = Vec::new();
    for (name, tensor) in tensors {
        let values = tensor.flatten_all()?.to_vec1::<f32>()?;
        let bytes: Vec<u8> = values.into_iter().flat_map(f32::to_le_bytes).collect();
        all.push((name, tensor.dims().to_vec(), bytes));
    }
    let fail = |e: safetensors::SafeTensorError| Error::io("write", path)(std::io::Error::other(e));
    let mut views = Vec::new();
    for (name, shape, bytes) in &all {
        views.push((name, TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(fail)?));
    }
    let bytes = serialize(views, Some(HashMap::from([(entry.to_owned(), text)]))).map_err(fail)?;
    let mut file = AtomicFile::create(path)?;
    file.write_all(&bytes).map_err(Error::io("write", path))?;
    Ok(file.commit()?)
}

/// A network on a device, ready to run.
#[derive(Debug, Clone)]
pub struct Model {
    network: ResNet,
    device: Device,
    assumed: Option<String>,
}

impl Model {
    /// Reads a ResNet of basic blocks from a checkpoint of any format that `compexp_checkpoint` knows. Its sizes are
    /// those that a file of [`save`] states, else follow from its weights ([`Config::of`]).
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if the file cannot be read, [`Error::Architecture`] if it holds a known network of another kind,
    /// [`compexp_files::Error::Format`] if it holds anything else.
    pub fn load(checkpoint: &Path, device: &Device) -> Result<Self> {
        Self::read(checkpoint, None, device)
    }

    /// The network of a checkpoint before any training: of its sizes, with random weights that follow from `seed`
    /// ([`initial_weights`]).
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn untrained(checkpoint: &Path, seed: u64, device: &Device) -> Result<Self> {
        Self::read(checkpoint, Some(seed), device)
    }

    fn read(checkpoint: &Path, random: Option<u64>, device: &Device) -> Result<Self> {
        let file = compexp_checkpoint::read(checkpoint)?;
        let entry = file.get("__metadata__").and_then(|m| m.get(ENTRY)).and_then(Value::as_str);
        let header = entry.map(serde_json::from_str::<Header>).transpose();
        let header = header.map_err(|e| {
            Error::format(
                checkpoint,
                format!("metadata `{ENTRY}`"),
                e.to_string(),
                format!("the sizes of a ResNet: {FORM}"),
            )
        })?;
        if let Some(header) = header.as_ref().filter(|header| header.version != VERSION) {
            let found = format!("version {}", header.version);
            return Err(Error::format(checkpoint, format!("metadata `{ENTRY}`"), found, format!("version {VERSION}")));
        }
        let state = compexp_checkpoint::state_dict(file).map_err(|e| e.in_file(checkpoint))?;
        let mut weights = Weights::new();
        for (name, tensor) in state.tensors {
            let values = Tensor::from_vec(tensor.to_f32(), tensor.shape, &Device::Cpu)?;
            weights.insert(name, values);
        }
        let stated = header.map(|header| header.config);
        let config = stated.clone().unwrap_or_else(|| Config::of(&weights));
        let assumed = stated.is_none().then(|| {
            let pool = if config.pool { "a max pooling after it" } else { "no pooling after it" };
            let Config { kernel, stride, .. } = config;
            format!(
                "`{}` does not state how its first convolution ({kernel} x {kernel}) moves: stride {stride} and {pool} are \
                 assumed",
                checkpoint.display()
            )
        });
        // The first convolution of networks for photographs, which is the same in all of them.
        let assumed = assumed.filter(|_| config.kernel != Config::default().kernel);
        let made = Self::new(&config, &weights, device).and_then(|model| match random {
            Some(seed) => Self::new(&config, &initial_weights(&config, model.classes(), seed, LastGain::One)?, device),
            None => Ok(model),
        });
        made.map(|model| Self { assumed, ..model }).map_err(|e| match (looks_like(&weights), e) {
            (Some(kind), Error::Weight { .. } | Error::Core(_)) => {
                Error::Architecture { path: checkpoint.to_owned(), kind }
            }
            (_, Error::Weight { name, found, expected }) => {
                Error::format(checkpoint, format!("weight `{name}`"), found, expected)
            }
            (_, other) => other,
        })
    }

    /// A network from weights.
    ///
    /// # Errors
    /// `Error::Weight` if a weight is missing, superfluous, of another shape, or not finite; `Error::Mismatch` if
    /// `config` describes no network ([`ResNet::new`]).
    pub fn new(config: &Config, weights: &Weights, device: &Device) -> Result<Self> {
        Ok(Self { network: ResNet::new(config, weights, device)?, device: device.clone(), assumed: None })
    }

    /// What the file does not state and other networks of such weights have otherwise, in a sentence: the stride and the
    /// pooling of the first convolution, unless that is the usual one of 7 x 7.
    pub fn assumed(&self) -> Option<&str> {
        self.assumed.as_deref()
    }

    /// The device that the network runs on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.network.classes()
    }

    /// The names of all layers that can be tapped, in the order in which they are computed.
    pub fn layers(&self) -> impl Iterator<Item = &str> {
        self.network.layers()
    }

    /// The last layer, with these names of its classes.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] if the names are more or fewer than the classes.
    pub fn head(&self, classes: Vec<String>) -> Result<Head> {
        self.network.head(classes)
    }

    /// Whether the last layer reads the mean of this layer's maps.
    pub fn feeds_head(&self, layer: &str) -> bool {
        self.network.feeds_head(layer)
    }

    /// How a stage or block reads the layer before it, by its first convolution, or the convolution of this name; none
    /// for other layers.
    ///
    /// # Errors
    /// [`Error::Candle`] if a tensor operation fails.
    pub fn reads(&self, layer: &str) -> Result<Option<Reads>> {
        self.network.reads(layer)
    }

    /// The network with `layer` tapped; its [`Tapped::forward`] gives the layer's maps and the logits.
    ///
    /// # Errors
    /// [`Error::UnknownLayer`], with the names of all layers, if the network has no such layer.
    pub fn tap(&self, layer: &str) -> Result<Tapped<'_>> {
        self.network.tap(layer)
    }
}
