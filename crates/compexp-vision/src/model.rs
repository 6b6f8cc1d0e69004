//! A network from a checkpoint file.

use std::path::Path;

use candle_core::{Device, Tensor};
use compexp_core::behaviour::Head;

use crate::error::{Error, Result};
use crate::resnet::{Config, ResNet, Tapped, Weights};

/// The device that this build is for: the first GPU with the feature `cuda` or `metal`, else the CPU.
///
/// # Errors
/// [`Error::Candle`] where there is no such GPU.
pub fn default_device() -> Result<Device> {
    Ok(if cfg!(feature = "cuda") {
        Device::new_cuda(0)?
    } else if cfg!(feature = "metal") {
        Device::new_metal(0)?
    } else {
        Device::Cpu
    })
}

/// A network on a device, ready to run.
#[derive(Debug, Clone)]
pub struct Model {
    network: ResNet,
    device: Device,
}

impl Model {
    /// Reads a ResNet-18 from a checkpoint of any format that `compexp_checkpoint` knows. The number of classes is that
    /// of its last layer.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] where the file cannot be read, [`compexp_core::Error::Format`] where it holds another network.
    pub fn load(checkpoint: &Path, device: &Device) -> Result<Self> {
        Self::load_with(&Config::default(), checkpoint, device)
    }

    /// As [`Model::load`], for a network of other sizes.
    ///
    /// # Errors
    /// As [`Model::load`]; [`compexp_core::Error::Mismatch`] for a `config` that makes no network.
    pub fn load_with(config: &Config, checkpoint: &Path, device: &Device) -> Result<Self> {
        let state =
            compexp_checkpoint::state_dict(compexp_checkpoint::read(checkpoint)?).map_err(|e| e.in_file(checkpoint))?;
        let mut weights = Weights::new();
        for (name, tensor) in state.tensors {
            let values = Tensor::from_vec(tensor.to_f32(), tensor.shape, &Device::Cpu)?;
            weights.insert(name, values);
        }
        Self::new(config, &weights, device).map_err(|e| match e {
            Error::Weight { name, found, expected } => {
                Error::format(checkpoint, format!("weight `{name}`"), found, expected)
            }
            other => other,
        })
    }

    /// A network from weights.
    ///
    /// # Errors
    /// Those of [`ResNet::new`].
    pub fn new(config: &Config, weights: &Weights, device: &Device) -> Result<Self> {
        Ok(Self { network: ResNet::new(config, weights, device)?, device: device.clone() })
    }

    /// The device that the network runs on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Classes that the network tells apart.
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
    /// [`compexp_core::Error::Mismatch`] where the names are more or fewer than the classes.
    pub fn head(&self, classes: Vec<String>) -> Result<Head> {
        self.network.head(classes)
    }

    /// Whether the last layer reads the mean of this layer's maps.
    pub fn feeds_head(&self, layer: &str) -> bool {
        self.network.feeds_head(layer)
    }

    /// The network with `layer` tapped; its [`Tapped::forward`] gives the layer's maps and the logits.
    ///
    /// # Errors
    /// [`Error::UnknownLayer`] with all names there are.
    pub fn tap(&self, layer: &str) -> Result<Tapped<'_>> {
        self.network.tap(layer)
    }
}
