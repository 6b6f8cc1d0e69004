//! Opens the network that the arguments name.

use std::path::Path;

use anyhow::Result;
use compexp_vision::model::{Model, default_device};
use compexp_vision::preprocess::Preprocess;

use crate::args::preprocess::PreprocessArg;
use crate::progress::Reporter;

/// Opens a checkpoint on the device that this program was built for. Warns of what the file does not state.
///
/// # Errors
/// The errors of the device and of [`Model::load`].
pub(super) fn load(checkpoint: &Path, reporter: &Reporter) -> Result<Model> {
    let model = Model::load(checkpoint, &default_device()?)?;
    if let Some(assumed) = model.assumed() {
        let way = "the metadata `compexp` of a safetensors file states it (docs/formats.md), and is lost when the weights are \
                   saved again without it";
        reporter.warn(&format!("{assumed}; if that is wrong, so are all results: {way}"));
    }
    Ok(model)
}

/// How a network's images are prepared.
pub(super) fn preprocess(arg: PreprocessArg) -> Preprocess {
    match arg {
        PreprocessArg::Reference => Preprocess::Reference,
        PreprocessArg::Imagenet => Preprocess::ImageNet,
    }
}
