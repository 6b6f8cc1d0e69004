//! A training that can be taken up again where it was.
//!
//! The file is safetensors: the groups `weights/`, `mean/` (their running average), `first/` and `second/` (Adam's moments)
//! and `best/`, and the entry
//! `compexp-training` of the metadata with everything else. Random numbers need no place in it: they follow from the
//! seed and the number of the step.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::{DType, Device, Storage, Tensor, Var};
use candle_nn::{Optimizer, VarBuilder};
use compexp_checkpoint::{Value, read, state_dict};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::EpochRow;
use super::adam::{Adam, BLOCK, Params};
use crate::error::{Error, Result};
use crate::model::file::write_tensors;
use crate::model::network::Network;
use crate::model::{Config, Weights};

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
#[derive(Debug)]
pub(super) struct State {
    pub(super) place: Place,
    /// The weights by name, as variables on the device.
    vars: BTreeMap<String, Var>,
    /// Names of the weights that are trained, in the optimizer's order.
    trained: Vec<String>,
    pub(super) adam: Adam,
    /// The weights' running average; empty where there is none.
    pub(super) mean: Weights,
    /// Those of the best epoch, empty before the first.
    pub(super) best: Weights,
}

impl State {
    /// A state at the beginning of a training from `weights` of these shapes, of which those named by `trained` are.
    pub(super) fn new(
        place: Place,
        (weights, shapes): (&Weights, &[(String, Vec<usize>)]),
        trained: impl Fn(&str) -> bool,
        (params, averages): (Params, bool),
        device: &Device,
    ) -> Result<Self> {
        let var = |(name, shape): &(String, Vec<usize>)| {
            Ok((name.clone(), Var::from_slice(&weights[name], shape.as_slice(), device)?))
        };
        let vars: BTreeMap<_, _> = shapes.iter().map(var).collect::<Result<_>>()?;
        let trained: Vec<_> = vars.keys().filter(|name| trained(name)).cloned().collect();
        let adam = Adam::new(trained.iter().map(|name| vars[name].clone()).collect(), params)?;
        let mean = if averages { weights.clone() } else { Weights::new() };
        Ok(Self { place, vars, trained, adam, mean, best: Weights::new() })
    }

    /// The network of the weights, which follows them as they change.
    pub(super) fn network(&self, config: &Config, n_words: usize) -> Result<Network> {
        let fixed = |name: &str| !self.trained.iter().any(|trained| trained == name) && !name.starts_with("bn.");
        // The batch norm changes its running statistics itself, and needs them as variables.
        let tensor = |(name, var): (&String, &Var)| {
            (name.clone(), if fixed(name) { var.as_detached_tensor() } else { var.as_tensor().clone() })
        };
        let tensors = self.vars.iter().map(tensor).collect();
        let device = self.vars.values().next().map_or(&Device::Cpu, |var| var.device());
        Network::new(config, n_words, &VarBuilder::from_tensors(tensors, DType::F32, device))
    }

    /// The weights by name.
    #[cfg(test)]
    pub(super) fn vars(&self) -> impl Iterator<Item = (&String, &Var)> {
        self.vars.iter()
    }

    /// The weights as they are.
    pub(super) fn weights(&self) -> Result<Weights> {
        values(self.vars.iter().map(|(name, var)| (name, var)))
    }

    /// The weights that a classifier would have now.
    pub(super) fn present(&self) -> Result<Weights> {
        if self.mean.is_empty() { self.weights() } else { Ok(self.mean.clone()) }
    }

    /// Moves the running average towards the weights, `kept` being its own share.
    pub(super) fn average(&mut self, kept: f32) -> Result<()> {
        for (name, mean) in &mut self.mean {
            let tensor = self.vars[name].to_device(&Device::Cpu)?;
            let (storage, _) = tensor.storage_and_layout();
            let Storage::Cpu(storage) = &*storage else { continue };
            let blocks = mean.par_chunks_mut(BLOCK).zip(storage.as_slice::<f32>()?.par_chunks(BLOCK));
            blocks.for_each(|(mean, values)| {
                mean.iter_mut().zip(values).for_each(|(mean, value)| *mean += (1.0 - kept) * (value - *mean));
            });
        }
        Ok(())
    }

    /// The means of the gradients and of their squares, by weight.
    fn moments(&self) -> impl Iterator<Item = (&String, [&Var; 2])> {
        self.trained.iter().zip(&self.adam.moments).map(|(name, moments)| (name, [&moments.first, &moments.second]))
    }

    /// Writes the state; the file is whole or absent.
    pub(super) fn save(&self, path: &Path) -> Result<()> {
        let place =
            serde_json::to_string(&self.place).map_err(|e| Error::mismatch("state of a training", e, "JSON"))?;
        let weights = self.weights()?;
        let [first, second] = [0, 1].map(|which| values(self.moments().map(|(name, vars)| (name, vars[which]))));
        let (first, second) = (first?, second?);
        let groups =
            [("weights", &weights), ("mean", &self.mean), ("first", &first), ("second", &second), ("best", &self.best)];
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
        let set = |group: &str, name: &str, var: &Var| -> Result<()> {
            let values = tensors.require(&format!("{group}/{name}"), &[var.elem_count()])?.to_f32();
            Ok(var.set(&Tensor::from_vec(values, var.shape(), var.device())?)?)
        };
        self.vars.iter().try_for_each(|(name, var)| set("weights", name, var))?;
        for (name, [first, second]) in self.moments() {
            set("first", name, first)?;
            set("second", name, second)?;
        }
        fill("mean", &mut self.mean)?;
        if place.best.is_some() {
            self.best = self.weights()?;
            fill("best", &mut self.best)?;
        }
        self.adam.steps = place.step;
        self.place = place;
        Ok(())
    }
}

/// The values of variables.
fn values<'a>(vars: impl Iterator<Item = (&'a String, &'a Var)>) -> Result<Weights> {
    vars.map(|(name, var)| Ok((name.clone(), var.flatten_all()?.to_vec1()?))).collect()
}
