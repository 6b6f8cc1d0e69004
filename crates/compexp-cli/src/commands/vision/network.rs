//! Opens the network that the arguments name.

use std::path::Path;

use anyhow::Result;
use compexp_run::provenance::ImageInputs;
use compexp_vision::model::Model;
use compexp_vision::preprocess::Preprocess;

use crate::args::device::DeviceArg;
use crate::args::preprocess::PreprocessArg;
use crate::args::vision::NetworkArgs;
use crate::failure::Failure;
use crate::progress::Reporter;

/// Opens the network of a command's arguments. Warns of what the file does not state.
///
/// # Errors
/// The errors of the device and of [`Model::load`].
pub(super) fn load(args: &NetworkArgs, reporter: &Reporter) -> Result<Model> {
    open(&args.checkpoint, args.random_weights, args.device, reporter)
}

/// Opens the network that a run was made with; `checkpoint` is where its file is now.
///
/// # Errors
/// As [`load`].
pub(super) fn of_run(inputs: &ImageInputs, checkpoint: &Path, device: DeviceArg, reporter: &Reporter) -> Result<Model> {
    open(checkpoint, inputs.random_weights, device, reporter)
}

fn open(checkpoint: &Path, random: Option<u64>, device: DeviceArg, reporter: &Reporter) -> Result<Model> {
    let device = device.device.open()?;
    let model = match random {
        Some(seed) => Model::untrained(checkpoint, seed, &device)?,
        None => Model::load(checkpoint, &device)?,
    };
    if let Some(assumed) = model.assumed() {
        let way = "the metadata `compexp` of a safetensors file states it (docs/formats.md), and is lost when the weights are \
                   saved again without it";
        reporter.warn(&format!("{assumed}; if that is wrong, so are all results: {way}"));
    }
    Ok(model)
}

/// The error about a run that no network for images was probed for.
pub(super) fn of_another_command(run: &Path) -> Failure {
    Failure::new(format!("`{}`: found a run of another command, expected one of `compexp vision probe`", run.display()))
}

/// How a network's images are prepared.
pub(super) fn preprocess(arg: PreprocessArg) -> Preprocess {
    match arg {
        PreprocessArg::Reference => Preprocess::Reference,
        PreprocessArg::Imagenet => Preprocess::ImageNet,
    }
}
