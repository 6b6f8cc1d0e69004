//! A training that can be taken up again where it was.
//!
//! The file is safetensors: the groups `weights/` and `momentum/`, and the entry `compexp-training` of the metadata with
//! everything else. Random numbers need no place in it: they follow from the seed, the epoch and the image.

use std::path::Path;

use candle_core::{Device, Tensor};
use compexp_checkpoint::{Value, read, state_dict};
use serde::{Deserialize, Serialize};

use super::EpochRow;
use super::network::Values;
use crate::error::{Error, Result};
use crate::model::write_tensors;

/// The entry of the metadata.
const ENTRY: &str = "compexp-training";

/// Where a training is, without its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) version: u32,
    /// Hash of everything the training was made from.
    pub(super) fingerprint: String,
    /// The epoch that is under way, from 0, and its steps done.
    pub(super) epoch: usize,
    pub(super) batch: usize,
    /// Sums over the epoch's images so far.
    pub(super) loss: f64,
    pub(super) correct: usize,
    pub(super) curves: Vec<EpochRow>,
}

/// Everything a training needs to go on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct State {
    pub(super) place: Place,
    pub(super) weights: Values,
    pub(super) momentum: Values,
}

impl State {
    /// Writes the state; the file is whole or absent.
    pub(super) fn save(&self, path: &Path) -> Result<()> {
        let place =
            serde_json::to_string(&self.place).map_err(|e| Error::mismatch("state of a training", e, "JSON"))?;
        let mut tensors = Vec::new();
        for (group, values) in [("weights", &self.weights), ("momentum", &self.momentum)] {
            for (name, values) in values {
                tensors.push((format!("{group}/{name}"), Tensor::from_slice(values, values.len(), &Device::Cpu)?));
            }
        }
        write_tensors(path, tensors.iter().map(|(name, tensor)| (name.clone(), tensor)), (ENTRY, place))
    }

    /// Reads a state into the form of `self`, a fresh one, and refuses one of another training.
    pub(super) fn load(&mut self, path: &Path) -> Result<()> {
        let hint = "remove it, or give another folder, to start anew";
        let file = read(path)?;
        let text = file.get("__metadata__").and_then(|m| m.get(ENTRY)).and_then(Value::as_str);
        let text = text.ok_or_else(|| {
            Error::format(path, "metadata", format!("no `{ENTRY}`"), format!("a training's state; {hint}"))
        })?;
        let place: Place = serde_json::from_str(text).map_err(|e| {
            Error::format(path, format!("metadata `{ENTRY}`"), e.to_string(), format!("a place; {hint}"))
        })?;
        if place.version != self.place.version || place.fingerprint != self.place.fingerprint {
            let expected = format!("the settings and images of the training that began here; {hint}");
            return Err(Error::format(path, "state of a training", "one of another training", expected));
        }
        if place.curves.len() != place.epoch {
            let found = format!("{} rows of curves", place.curves.len());
            return Err(Error::format(path, "state of a training", found, format!("{} epochs; {hint}", place.epoch)));
        }
        let tensors = state_dict(file)?;
        for (group, all) in [("weights", &mut self.weights), ("momentum", &mut self.momentum)] {
            for (name, values) in all {
                *values = tensors.require(&format!("{group}/{name}"), &[values.len()])?.to_f32();
            }
        }
        self.place = place;
        Ok(())
    }
}
