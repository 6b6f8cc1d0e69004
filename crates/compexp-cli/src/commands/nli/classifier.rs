//! Opens the classifier that the arguments name.

use std::path::Path;

use anyhow::Result;
use compexp_nli::model::{Classifier, Model};
use compexp_nli::train::initial_weights;

use crate::args::device::DeviceArg;

/// Reads a classifier's file and lays it out on a device; with the seed of `random` weights, before any training.
///
/// # Errors
/// The errors of the device, of [`Model::load`] and of [`Classifier::on`].
pub(super) fn load(checkpoint: &Path, random: Option<u64>, device: DeviceArg) -> Result<(Model, Classifier)> {
    let mut model = Model::load(checkpoint)?;
    if let Some(seed) = random {
        model.weights = initial_weights(&model.config, &model.words, None, seed)?;
    }
    let classifier = Classifier::on(&model, &device.device.open()?)?;
    Ok((model, classifier))
}
