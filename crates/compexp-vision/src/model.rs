//! A network from a checkpoint or an ONNX file.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use compexp_checkpoint::Value;
use compexp_files::AtomicFile;
pub use compexp_kernels::DeviceName;
use compexp_trust::behaviour::Head;
use safetensors::tensor::{Dtype, TensorView, serialize};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::initial::{LastGain, initial_weights, random_weights};
use crate::network::{Family, LayerName, Network, Output, Reads, Shape, Tapped as Steps, Tokens};
use crate::recognise::{looks_like, network_name, recognise};
use crate::resnet::{Config, Weights};

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

/// What a checkpoint does not say, and how it is read. The default leaves all to the checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// The entry of the checkpoint that holds the weights, such as `model_ema`.
    pub entry: Option<String>,
    /// The family, where the weights leave doubt.
    pub family: Option<Family>,
    /// The heads of a transformer's attention.
    pub heads: Option<usize>,
    /// Where the tokens of an ONNX graph lie in an image.
    pub tokens: Tokens,
    /// The seed of random weights in place of the checkpoint's, which follow from it ([`initial_weights`]): the network before
    /// any training.
    pub random: Option<u64>,
}

/// A network on a device, ready to run.
#[derive(Debug, Clone)]
pub struct Model {
    network: Inner,
    name: String,
    device: Device,
    assumed: Option<String>,
}

#[derive(Debug, Clone)]
enum Inner {
    Steps(Box<Network>),
    #[cfg(feature = "onnx")]
    Onnx(Box<crate::onnx::Onnx>),
}

/// A network with layers tapped.
#[derive(Debug)]
pub struct Tapped<'a>(TappedInner<'a>);

#[derive(Debug)]
enum TappedInner<'a> {
    Steps(Steps<'a>),
    #[cfg(feature = "onnx")]
    Onnx(&'a crate::onnx::Onnx, Vec<String>),
}

impl Tapped<'_> {
    /// Runs `images (n, 3, h, w)`, f32 and scaled as the network expects, as [`Steps::forward`] describes it. In an ONNX file,
    /// a layer is a tensor of the graph.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] if images do not have 3 channels, are empty, or of a size that the network does not
    /// take; [`Error::Onnx`] if an operator of a graph fails.
    pub fn forward(&self, images: &Tensor) -> Result<Output> {
        match &self.0 {
            TappedInner::Steps(tapped) => tapped.forward(images),
            #[cfg(feature = "onnx")]
            TappedInner::Onnx(network, tensors) => network.run(images, tensors),
        }
    }
}

impl Model {
    /// Reads a network from a checkpoint of any format that `compexp_checkpoint` knows ([`Self::open`]).
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn load(checkpoint: &Path, device: &Device) -> Result<Self> {
        Self::open(checkpoint, &Options::default(), device)
    }

    /// Reads a network from a checkpoint of any format that `compexp_checkpoint` knows. Its family follows from the names of
    /// its weights; its sizes are those that a file of [`save`] states, else follow from their shapes ([`Config::of`]). A file
    /// `*.onnx` is read as an ONNX graph, which runs on the CPU.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if the file cannot be read, [`Error::Architecture`] if it holds a network of no family that is
    /// known, [`compexp_files::Error::Format`] if its weights do not fit the family;
    /// [`compexp_core::Error::Mismatch`] if the heads of a transformer are not known or do not fit.
    pub fn open(checkpoint: &Path, options: &Options, device: &Device) -> Result<Self> {
        if is_onnx(checkpoint) {
            return Self::open_onnx(checkpoint, options, device);
        }
        let file = compexp_checkpoint::read(checkpoint)?;
        let stated = stated_sizes(checkpoint, &file)?;
        let entry = options.entry.as_deref();
        let state = compexp_checkpoint::state_dict_at(file, entry).map_err(|e| e.in_file(checkpoint))?;
        let mut weights = Weights::new();
        for (name, tensor) in state.tensors {
            let values = Tensor::from_vec(tensor.to_f32(), tensor.shape, &Device::Cpu)?;
            weights.insert(name, values);
        }
        let (mut weights, family) = recognise(weights);
        let wrong = |e: Error| match e {
            Error::Weight { name, found, expected } => {
                Error::format(checkpoint, format!("weight `{name}`"), found, expected)
            }
            other => other,
        };
        let Some(family) = options.family.or(family) else {
            return Err(match looks_like(&weights) {
                Some(kind) => Error::Architecture { path: checkpoint.to_owned(), kind: kind.to_owned() },
                // The error about what the most common network has and this one has not.
                None => match Network::new(Family::ResNet, &Shape::default(), &weights, device) {
                    Ok(_) => Error::mismatch("network", "none of a known family", "a ResNet"),
                    Err(e) => wrong(e),
                },
            });
        };
        let mut shape = Shape { config: None, heads: options.heads };
        let mut assumed = None;
        if family == Family::ResNet {
            let config = stated.clone().unwrap_or_else(|| Config::of(&weights));
            // The first convolution of networks for photographs is the same in all of them.
            if stated.is_none() && config.kernel != Config::default().kernel {
                let pool = if config.pool { "a max pooling after it" } else { "no pooling after it" };
                let Config { kernel, stride, .. } = config;
                assumed = Some(format!(
                    "`{}` does not state how its first convolution ({kernel} x {kernel}) moves: stride {stride} and {pool} \
                     are assumed",
                    checkpoint.display()
                ));
            }
            shape.config = Some(config);
        }
        let network = Network::new(family, &shape, &weights, device).map_err(wrong)?;
        let name = network_name(family, &weights);
        let network = match options.random {
            Some(seed) => {
                let basic = shape.config.as_ref().filter(|_| !weights.contains_key("layer1.0.conv3.weight"));
                weights = match basic {
                    Some(config) => initial_weights(config, network.classes(), seed, LastGain::One)?,
                    None => random_weights(&weights, seed)?,
                };
                Network::new(family, &shape, &weights, device)?
            }
            None => network,
        };
        Ok(Self { network: Inner::Steps(Box::new(network)), name, device: device.clone(), assumed })
    }

    #[cfg(feature = "onnx")]
    fn open_onnx(path: &Path, options: &Options, device: &Device) -> Result<Self> {
        let refuse = |option: &str, why: &str| Err(Error::mismatch(option, path.display(), why));
        if options.random.is_some() {
            return refuse("--random-weights of an ONNX file", "a checkpoint: the weights are part of the graph");
        }
        if options.entry.is_some() || options.family.is_some() || options.heads.is_some() {
            return refuse("entry, --arch or --heads of an ONNX file", "none of them: the graph says all");
        }
        if !device.is_cpu() {
            return refuse("--device of an ONNX file", "the CPU, where graphs run");
        }
        let network = Inner::Onnx(Box::new(crate::onnx::Onnx::open(path, options.tokens)?));
        Ok(Self { network, name: "an ONNX graph".to_owned(), device: device.clone(), assumed: None })
    }

    #[cfg(not(feature = "onnx"))]
    fn open_onnx(path: &Path, _: &Options, _: &Device) -> Result<Self> {
        let hint = "build compexp with its feature `onnx`".to_owned();
        Err(Error::Onnx { path: path.to_owned(), problem: "this build reads no ONNX files".to_owned(), hint })
    }

    /// A residual network of basic blocks from weights.
    ///
    /// # Errors
    /// `Error::Weight` if a weight is missing, superfluous, of another shape, or not finite; `Error::Mismatch` if
    /// `config` describes no network ([`Network::new`]).
    pub fn new(config: &Config, weights: &Weights, device: &Device) -> Result<Self> {
        let shape = Shape { config: Some(config.clone()), heads: None };
        let network = Network::new(Family::ResNet, &shape, weights, device)?;
        let (network, name) = (Inner::Steps(Box::new(network)), network_name(Family::ResNet, weights));
        Ok(Self { network, name, device: device.clone(), assumed: None })
    }

    /// What the network is, such as "ResNet-50".
    pub fn name(&self) -> &str {
        &self.name
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

    /// The steps of a network that is no ONNX graph.
    fn steps(&self) -> Option<&Network> {
        match &self.network {
            Inner::Steps(network) => Some(network),
            #[cfg(feature = "onnx")]
            Inner::Onnx(_) => None,
        }
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        match &self.network {
            Inner::Steps(network) => network.classes(),
            #[cfg(feature = "onnx")]
            Inner::Onnx(network) => network.classes(),
        }
    }

    /// Rows and columns of the images, if only images of one size can be run.
    pub fn image_size(&self) -> Option<(usize, usize)> {
        match &self.network {
            Inner::Steps(network) => network.image_size(),
            #[cfg(feature = "onnx")]
            Inner::Onnx(network) => network.image_size(),
        }
    }

    /// All layers that can be tapped, in the order in which they are computed. Of an ONNX graph they are the outputs of all
    /// operators, of which some may have no values for an image ([`Self::shapes`] leaves those out).
    pub fn layers(&self) -> Vec<LayerName> {
        match &self.network {
            Inner::Steps(network) => network.layers(),
            #[cfg(feature = "onnx")]
            Inner::Onnx(network) => network.layers(),
        }
    }

    /// Every layer with its shape for an image of `height x width`: units, rows and columns, or what an ONNX graph has in
    /// place of them (`[tokens, units]`, `[units]`); from a run of the network.
    ///
    /// # Errors
    /// As [`Tapped::forward`].
    pub fn shapes(&self, height: usize, width: usize) -> Result<Vec<(LayerName, Vec<usize>)>> {
        #[cfg(feature = "onnx")]
        if let Inner::Onnx(network) = &self.network {
            return network.shapes(height, width);
        }
        let layers = self.layers();
        let names: Vec<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
        let image = Tensor::zeros((1, 3, height, width), DType::F32, &self.device)?;
        let maps = self.tap(&names)?.forward(&image)?.maps;
        let shapes: Vec<Vec<usize>> = maps.iter().map(|maps| maps.dims()[1..].to_vec()).collect();
        Ok(layers.into_iter().zip(shapes).collect())
    }

    /// The last layer, with these names of its classes.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] if the names are more or fewer than the classes, or the last layer of an ONNX graph is
    /// asked for.
    pub fn head(&self, classes: Vec<String>) -> Result<Head> {
        let steps =
            self.steps().ok_or_else(|| Error::mismatch("last layer", "that of an ONNX graph", "a checkpoint's"))?;
        steps.head(classes)
    }

    /// Whether the last layer reads the mean of this layer's maps, as far as that is known: of an ONNX graph it is not.
    pub fn feeds_head(&self, layer: &str) -> bool {
        self.steps().is_some_and(|steps| steps.feeds_head(layer))
    }

    /// How a stage or block reads the layer before it, by its first convolution, or the convolution of this name; none
    /// for other layers, and of an ONNX graph.
    ///
    /// # Errors
    /// [`Error::Candle`] if a tensor operation fails.
    pub fn reads(&self, layer: &str) -> Result<Option<Reads>> {
        self.steps().map_or(Ok(None), |steps| steps.reads(layer))
    }

    /// The network with `layers` tapped; its [`Tapped::forward`] gives their maps and the logits.
    ///
    /// # Errors
    /// [`Error::UnknownLayer`], with the names of all layers, if the network has no such layer.
    pub fn tap(&self, layers: &[&str]) -> Result<Tapped<'_>> {
        Ok(Tapped(match &self.network {
            Inner::Steps(network) => TappedInner::Steps(network.tap(layers)?),
            #[cfg(feature = "onnx")]
            Inner::Onnx(network) => {
                let tensors = layers.iter().map(|layer| network.tensor(layer)).collect::<Result<_>>()?;
                TappedInner::Onnx(network, tensors)
            }
        }))
    }
}

/// Whether a file is taken for an ONNX graph, by its name.
fn is_onnx(path: &Path) -> bool {
    path.extension().is_some_and(|end| end.eq_ignore_ascii_case("onnx"))
}

/// The sizes of a residual network that the metadata of a file of [`save`] states.
fn stated_sizes(checkpoint: &Path, file: &Value) -> Result<Option<Config>> {
    let field = || format!("metadata `{ENTRY}`");
    let Some(text) = file.get("__metadata__").and_then(|m| m.get(ENTRY)).and_then(Value::as_str) else {
        return Ok(None);
    };
    let header = serde_json::from_str::<Header>(text)
        .map_err(|e| Error::format(checkpoint, field(), e.to_string(), format!("the sizes of a ResNet: {FORM}")))?;
    if header.version != VERSION {
        let found = format!("version {}", header.version);
        return Err(Error::format(checkpoint, field(), found, format!("version {VERSION}")));
    }
    Ok(Some(header.config))
}
