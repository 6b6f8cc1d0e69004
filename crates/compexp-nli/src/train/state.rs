//! A training that can be taken up again where it was.
//!
//! The file is safetensors: the groups `weights/`, `mean/` (their running average), `first/` and `second/` (Adam's moments)
//! and `best/`, and the entry
//! `compexp-training` of the metadata with everything else. Random numbers need no place in it: they follow from the
//! seed and the number of the step.

use std::collections::HashMap;
use std::path::Path;

use compexp_checkpoint::{Value, read, state_dict};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::EpochRow;
use super::adam::{BLOCK, Moments};
use crate::error::{Error, Result};
use crate::model::Weights;
use crate::model::file::write_tensors;

/// The entry of the metadata.
const ENTRY: &str = "compexp-training";

/// Where a training is, without its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) version: u32,
    /// Hash of everything the training was made from.
    pub(super) fingerprint: String,
    /// Steps done.
    pub(super) step: u64,
    /// The epoch that is under way, from 0, and its steps done.
    pub(super) epoch: usize,
    pub(super) batch: usize,
    /// Sums over the epoch's examples so far.
    pub(super) loss: f64,
    pub(super) correct: usize,
    pub(super) curves: Vec<EpochRow>,
    /// Index of the best epoch.
    pub(super) best: Option<usize>,
}

/// Everything a training needs to go on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct State {
    pub(super) place: Place,
    pub(super) weights: Weights,
    /// Their running average; empty where there is none.
    pub(super) mean: Weights,
    pub(super) moments: Moments,
    /// Those of the best epoch, empty before the first.
    pub(super) best: Weights,
}

impl State {
    /// The weights that a classifier would have now.
    pub(super) fn present(&self) -> &Weights {
        if self.mean.is_empty() { &self.weights } else { &self.mean }
    }

    /// Moves the running average towards the weights, `kept` being its own share.
    pub(super) fn average(&mut self, kept: f32) {
        for (name, mean) in &mut self.mean {
            let blocks = mean.par_chunks_mut(BLOCK).zip(self.weights[name].par_chunks(BLOCK));
            blocks.for_each(|(mean, values)| {
                mean.iter_mut().zip(values).for_each(|(mean, value)| *mean += (1.0 - kept) * (value - *mean));
            });
        }
    }

    /// Writes the state; the file is whole or absent.
    pub(super) fn save(&self, path: &Path) -> Result<()> {
        let place =
            serde_json::to_string(&self.place).map_err(|e| Error::mismatch("state of a training", e, "JSON"))?;
        let groups = [
            ("weights", &self.weights),
            ("mean", &self.mean),
            ("first", &self.moments.first),
            ("second", &self.moments.second),
            ("best", &self.best),
        ];
        let tensors: Vec<_> = groups
            .into_iter()
            .flat_map(|(group, weights)| weights.iter().map(move |(name, v)| (format!("{group}/{name}"), [v.len()], v)))
            .collect();
        let tensors = tensors.iter().map(|(name, shape, values)| (name.as_str(), &shape[..], values.as_slice()));
        write_tensors(path, tensors, HashMap::from([(ENTRY.to_owned(), place)]))
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
            let expected = format!("settings, vectors and examples of the training that began here; {hint}");
            return Err(Error::format(path, "state of a training", "one of another training", expected));
        }
        if place.curves.len() != place.epoch || place.best.is_some_and(|best| best >= place.epoch) {
            let found = format!("{} rows of curves, best {:?}", place.curves.len(), place.best);
            return Err(Error::format(path, "state of a training", found, format!("{} epochs; {hint}", place.epoch)));
        }
        let tensors = state_dict(file)?;
        let fill = |group: &str, weights: &mut Weights| -> Result<()> {
            for (name, values) in weights {
                *values = tensors.require(&format!("{group}/{name}"), &[values.len()])?.to_f32();
            }
            Ok(())
        };
        fill("weights", &mut self.weights)?;
        fill("mean", &mut self.mean)?;
        fill("first", &mut self.moments.first)?;
        fill("second", &mut self.moments.second)?;
        if place.best.is_some() {
            self.best = self.weights.clone();
            fill("best", &mut self.best)?;
        }
        self.place = place;
        Ok(())
    }
}
