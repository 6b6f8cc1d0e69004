//! Opens the network that the arguments name.

use std::path::Path;

use anyhow::Result;
use compexp_vision::model::{Model, default_device};
use compexp_vision::preprocess::Preprocess;

use crate::args::preprocess::PreprocessArg;

/// Opens a checkpoint on the device that this program was built for.
///
/// # Errors
/// The errors of the device and of [`Model::load`].
pub(super) fn load(checkpoint: &Path) -> Result<Model> {
    Ok(Model::load(checkpoint, &default_device()?)?)
}

/// How a network's images are prepared.
pub(super) fn preprocess(arg: PreprocessArg) -> Preprocess {
    match arg {
        PreprocessArg::Reference => Preprocess::Reference,
        PreprocessArg::Imagenet => Preprocess::ImageNet,
    }
}
