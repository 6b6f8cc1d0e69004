//! Training of residual networks: from labelled images to weights, the same for a seed whatever the thread count, and the
//! same whether or not it was interrupted.
//!
//! A step runs the network forward and back through the kernels of [`compexp_kernels::conv`]; candle's automatic gradients stand
//! beside them in the tests.

pub mod config;
mod images;
mod layers;
mod network;
mod state;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::path::Path;

use candle_core::{Device, Tensor};
use compexp_core::random::Random;
use compexp_files::ContentHash;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use config::TrainConfig;
pub use images::Images;

use crate::error::{Error, Result};
use crate::model::Model;
use crate::preprocess::Preprocess;
use crate::random::Purpose;
use crate::resnet::{Config, Weights};
use network::{Network, Values};
use state::{Place, State};

/// The state of a training, in its folder.
pub const STATE_FILE: &str = "training.safetensors";

/// Images that are classified at once.
const BATCH: usize = 64;

/// What a training is made from.
#[derive(Debug, Clone, Copy)]
pub struct Setup<'a> {
    /// The sizes of the network, which MUST have no pooling.
    pub model: &'a Config,
    /// The classes, numbered from 0.
    pub classes: usize,
    /// The settings.
    pub config: &'a TrainConfig,
    /// How pixels are scaled.
    pub preprocess: Preprocess,
    /// The images to learn from; there MUST be some of each class.
    pub train: &'a Images,
    /// Images that are classified after each epoch; they decide nothing.
    pub val: Option<&'a Images>,
}

/// One epoch of a training: a row of its curves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpochRow {
    /// From 1.
    pub epoch: usize,
    /// Learning rate of its last step.
    pub rate: f32,
    /// Mean cross entropy over the epoch with smoothed labels, in training mode, as it went.
    pub train_loss: f64,
    /// Share of correct classes in the same.
    pub train_accuracy: f64,
    /// Share of correct classes among [`Setup::val`] after the epoch, in evaluation mode.
    pub val_accuracy: Option<f64>,
}

/// News of a training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Progress<'a> {
    /// A step is done.
    Step {
        /// The epoch, from 1.
        epoch: usize,
        /// Steps of the epoch that are done.
        done: usize,
        /// Steps of an epoch.
        steps: usize,
    },
    /// An epoch is done.
    Epoch(&'a EpochRow),
}

/// The result of a training.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The weights after the last step.
    pub weights: Weights,
    /// One row an epoch.
    pub curves: Vec<EpochRow>,
    /// Whether all epochs are done; false where `progress` stopped it.
    pub finished: bool,
}

/// Trains a network.
///
/// Where a `folder` is given, it holds the state ([`STATE_FILE`]), from which a training of the same setup goes on, with
/// the result it would have had without a break, to the bit. `progress` is told of every step and epoch, and stops the
/// training by [`ControlFlow::Break`]; the state is saved then.
///
/// # Errors
/// [`compexp_core::Error::Mismatch`] for settings, sizes and classes outside their ranges, and a loss that is no number;
/// [`compexp_files::Error::Format`] and [`Error::Checkpoint`] for a folder whose state is damaged or of another setup;
/// [`compexp_files::Error::Io`] where it cannot be written.
pub fn train(
    setup: &Setup<'_>,
    folder: Option<&Path>,
    mut progress: impl FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Outcome> {
    let Setup { config, train, .. } = *setup;
    check(setup)?;
    let mut state = fresh(setup)?;
    if let Some(folder) = folder {
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        let path = folder.join(STATE_FILE);
        if path.try_exists().map_err(Error::io("read", &path))? {
            state.load(&path)?;
        }
    }
    let save = |state: &State| folder.map_or(Ok(()), |folder| state.save(&folder.join(STATE_FILE)));
    let network = Network::new(setup.model, setup.classes);
    let steps = train.len() / config.batch + usize::from(train.len() % config.batch >= 2);
    let all_steps = (steps * config.epochs) as u64;

    while state.place.epoch < config.epochs {
        let epoch = state.place.epoch;
        let order = Random::new(config.seed, Purpose::Order, epoch as u64).shuffled(train.len());
        let seen = |steps: usize| (steps * config.batch).min(order.len());
        while state.place.batch < steps {
            let chosen = &order[seen(state.place.batch)..seen(state.place.batch + 1)];
            let images = train.batch(chosen, setup.preprocess, Some((config, epoch as u64)));
            let labels: Vec<usize> = chosen.iter().map(|&image| train.classes()[image]).collect();
            let (score, gradients) = network.step(&mut state.weights, images, &labels, config.smoothing)?;
            let place = &mut state.place;
            let rate = config.rate((epoch * steps + place.batch) as u64, all_steps);
            place.batch += 1;
            place.loss += score.loss;
            place.correct += score.correct;
            if !score.loss.is_finite() {
                let found = format!("{} at step {} of epoch {}", score.loss, place.batch, epoch + 1);
                return Err(Error::mismatch("loss of the training", found, "a number; lower the learning rate"));
            }
            descend(config, rate, &mut state.weights, &mut state.momentum, &gradients);
            let done = state.place.batch;
            let stop = progress(Progress::Step { epoch: epoch + 1, done, steps }).is_break();
            if stop || config.save_every.is_some_and(|every| (done as u64).is_multiple_of(every)) {
                save(&state)?;
            }
            if stop {
                return outcome(setup, state);
            }
        }
        let count = seen(steps) as f64;
        let val_accuracy = setup.val.map(|val| accuracy(setup, &state.weights, val)).transpose()?;
        let place = &mut state.place;
        let row = EpochRow {
            epoch: epoch + 1,
            rate: config.rate(((epoch + 1) * steps) as u64 - 1, all_steps),
            train_loss: place.loss / count,
            train_accuracy: place.correct as f64 / count,
            val_accuracy,
        };
        place.curves.push(row);
        (place.epoch, place.batch, place.loss, place.correct) = (epoch + 1, 0, 0.0, 0);
        save(&state)?;
        if progress(Progress::Epoch(&row)).is_break() {
            break;
        }
    }
    outcome(setup, state)
}

fn outcome(setup: &Setup<'_>, state: State) -> Result<Outcome> {
    let finished = state.place.epoch >= setup.config.epochs;
    Ok(Outcome { weights: tensors(setup, &state.weights)?, curves: state.place.curves, finished })
}

/// Nesterov's step, as PyTorch takes it.
fn descend(config: &TrainConfig, rate: f32, weights: &mut Values, momentum: &mut Values, gradients: &Values) {
    for (name, momentum) in momentum {
        let (Some(weights), Some(gradients)) = (weights.get_mut(name), gradients.get(name)) else { continue };
        let decay = if decays(name) { config.weight_decay } else { 0.0 };
        for ((w, m), g) in weights.iter_mut().zip(momentum).zip(gradients) {
            let gradient = g + decay * *w;
            *m = config.momentum * *m + gradient;
            *w -= rate * (gradient + config.momentum * *m);
        }
    }
}

/// Whether a weight is that of a convolution or of the last layer.
fn decays(name: &str) -> bool {
    name == "fc.weight" || name.ends_with("downsample.0.weight") || name.contains("conv")
}

/// The share of images that a network in evaluation mode classifies right.
fn accuracy(setup: &Setup<'_>, weights: &Values, images: &Images) -> Result<f64> {
    let model = Model::new(setup.model, &tensors(setup, weights)?, &Device::Cpu)?;
    let tapped = model.tap("fc")?;
    let mut correct = 0;
    for chosen in (0..images.len()).collect::<Vec<_>>().chunks(BATCH) {
        let batch = images.batch(chosen, setup.preprocess, None);
        let x = Tensor::from_vec(batch.data, (batch.n, batch.h, batch.w, 3), &Device::Cpu)?.permute((0, 3, 1, 2))?;
        let logits = tapped.forward(&x)?.logits.to_vec2::<f32>()?;
        let most = |row: &[f32]| row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let right = logits
            .iter()
            .zip(chosen)
            .filter(|(row, image)| row.iter().position(|logit| *logit == most(row)) == Some(images.classes()[**image]));
        correct += right.count();
    }
    Ok(correct as f64 / images.len().max(1) as f64)
}

fn tensors(setup: &Setup<'_>, weights: &Values) -> Result<Weights> {
    let mut all = Weights::new();
    for (name, shape) in setup.model.weights(setup.classes)? {
        let tensor = Tensor::from_slice(&weights[&name], shape, &Device::Cpu)?;
        all.insert(name, tensor);
    }
    Ok(all)
}

/// Initial weights: normal with the variance of He et al. (2015) over a convolution's outputs, the last layer uniform
/// within the root of the inverse number of inputs, and the gain of each block's last batch norm 0, so that a block
/// begins as its shortcut (Goyal et al., 2017).
fn fresh(setup: &Setup<'_>) -> Result<State> {
    let mut weights = Values::new();
    for (round, (name, shape)) in setup.model.weights(setup.classes)?.into_iter().enumerate() {
        let mut random = Random::new(setup.config.seed, Purpose::Weights, round as u64);
        let n: usize = shape.iter().product();
        let values = if shape.len() == 4 {
            let deviation = (2.0 / (shape[0] * shape[2] * shape[3]) as f32).sqrt();
            (0..n).map(|_| random.near_normal() * deviation).collect()
        } else if name == "fc.weight" {
            let bound = 1.0 / (shape[1] as f32).sqrt();
            (0..n).map(|_| random.between(-bound, bound)).collect()
        } else if name.ends_with(".bn2.weight") || name.ends_with("bias") || name.ends_with("running_mean") {
            vec![0.0; n]
        } else {
            vec![1.0; n]
        };
        weights.insert(name, values);
    }
    let trained = weights.iter().filter(|(name, _)| !name.contains(".running_"));
    let momentum = trained.map(|(name, values)| (name.clone(), vec![0.0; values.len()])).collect();
    let place = Place {
        version: 1,
        fingerprint: fingerprint(setup)?,
        epoch: 0,
        batch: 0,
        loss: 0.0,
        correct: 0,
        curves: Vec::new(),
    };
    Ok(State { place, weights, momentum })
}

/// A hash of all that decides what a training learns.
fn fingerprint(setup: &Setup<'_>) -> Result<String> {
    // When a state is saved does not change what is learnt.
    let config = TrainConfig { save_every: None, ..setup.config.clone() };
    let settings = serde_json::to_vec(&(setup.model, setup.classes, config, setup.preprocess))
        .map_err(|e| Error::mismatch("settings of a training", e, "JSON"))?;
    let mut hash = ContentHash::new("vision training");
    hash.field("settings", &settings);
    for (name, images) in [("train", Some(setup.train)), ("val", setup.val)] {
        let Some(images) = images else { continue };
        let (height, width, rgb) = images.bytes();
        let each: Vec<String> = rgb
            .par_iter()
            .map(|rgb| {
                let mut hash = ContentHash::new("image");
                hash.field("rgb", rgb);
                hash.finish()
            })
            .collect();
        hash.field(name, format!("{height} {width} {:?} {each:?}", images.classes()).as_bytes());
    }
    Ok(hash.finish())
}

fn check(setup: &Setup<'_>) -> Result<()> {
    setup.config.check()?;
    setup.model.weights(setup.classes)?;
    if setup.model.pool {
        return Err(Error::mismatch("pooling of the network to train", "a max pooling", "none"));
    }
    if setup.classes < 2 {
        let expected = "at least 2; there is nothing to tell apart otherwise";
        return Err(Error::mismatch("classes of the images to learn from", setup.classes, expected));
    }
    if setup.train.len() < 2 {
        return Err(Error::mismatch("images to learn from", setup.train.len(), "at least 2"));
    }
    for class in 0..setup.classes {
        if !setup.train.classes().contains(&class) {
            let expected = format!("some of each of the classes 0 to {}", setup.classes - 1);
            return Err(Error::mismatch(format!("images of class {class} to learn from"), 0, expected));
        }
    }
    let all = setup.val.into_iter().chain([setup.train]).flat_map(Images::classes);
    if let Some(&class) = all.into_iter().find(|class| **class >= setup.classes) {
        return Err(Error::mismatch("class of an image", class, format!("less than {}", setup.classes)));
    }
    Ok(())
}
