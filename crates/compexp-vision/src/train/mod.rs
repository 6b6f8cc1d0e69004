//! Training of residual networks: from labelled images to weights, the same for a seed with any number of threads, and
//! with or without interruptions.
//!
//! A step runs on candle's automatic gradients; on the CPU convolutions and batch norms are the kernels of
//! `compexp_kernels`. The loop, the state and the curves are those of [`compexp_run::training`].

pub mod config;
mod images;
mod nesterov;
mod network;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::path::Path;

use candle_core::{Device, Tensor, Var};
use candle_nn::{Optimizer, VarMap};
use compexp_core::random::Random;
use compexp_files::ContentHash;
use compexp_run::training::{self, At, Plan, Row, Score, Stored, Trainee, Values};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use compexp_run::training::Progress;
pub use config::TrainConfig;
pub use images::Images;

use crate::error::{Error, Result};
use crate::initial::{LastGain, initial_weights};
use crate::model::Model;
use crate::preprocess::Preprocess;
use crate::random::Purpose;
use crate::resnet::{Config, Weights};
use nesterov::{Nesterov, NesterovConfig};
use network::{Network, best, variable};

/// Images that are classified at once.
const BATCH: usize = 64;

/// The inputs of a training.
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
    /// Images that are classified after each epoch; they do not change the training.
    pub val: Option<&'a Images>,
    /// Where the network runs.
    pub device: &'a Device,
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

impl Row for EpochRow {
    const COLUMNS: &'static str = "epoch,learning_rate,train_loss,train_accuracy,val_accuracy";

    fn csv(&self) -> String {
        let val = self.val_accuracy.map_or(String::new(), |accuracy| accuracy.to_string());
        format!("{},{},{},{},{val}", self.epoch, self.rate, self.train_loss, self.train_accuracy)
    }
}

/// The result of a training.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The weights after the last step.
    pub weights: Weights,
    /// One row per epoch.
    pub curves: Vec<EpochRow>,
    /// Whether all epochs are done; false if `progress` stopped the training.
    pub finished: bool,
}

/// Trains a network.
///
/// If a `folder` is given, it holds the state and the curves ([`compexp_run::training`]). A training with the same
/// setup continues from them, and on the CPU its result is the same to the bit as without an interruption. `progress`
/// is called for every step and epoch, and stops the training by [`ControlFlow::Break`]; the state is then saved.
///
/// # Errors
/// [`compexp_core::Error::Mismatch`] if a setting, size or class is outside its range, or if the loss is not a number;
/// [`compexp_files::Error::Format`] if the state in the folder is damaged or belongs to another setup;
/// [`compexp_files::Error::Io`] if it cannot be written.
pub fn train(
    setup: &Setup<'_>,
    folder: Option<&Path>,
    progress: impl FnMut(Progress<'_, EpochRow>) -> ControlFlow<()>,
) -> Result<Outcome> {
    check(setup)?;
    let mut training = Training::new(*setup)?;
    let TrainConfig { epochs, save_every, .. } = *setup.config;
    let plan = Plan { fingerprint: fingerprint(setup)?, epochs, save_every, folder };
    let training::Outcome { curves, finished, .. } = training::train(&mut training, &plan, progress)?;
    Ok(Outcome { weights: training.weights()?, curves, finished })
}

/// A network that is trained.
struct Training<'a> {
    setup: Setup<'a>,
    vars: VarMap,
    /// The names of all weights with their shapes.
    shapes: Vec<(String, Vec<usize>)>,
    network: Network,
    /// Of the weights that are learnt, in the order of [`Self::shapes`].
    optimizer: Nesterov,
    /// The epoch whose order of images this is.
    order: (usize, Vec<usize>),
}

/// Whether a weight is learnt; running moments are not.
fn learnt(name: &str) -> bool {
    !name.contains(".running_")
}

impl<'a> Training<'a> {
    fn new(setup: Setup<'a>) -> Result<Self> {
        let Setup { model, classes, config, device, .. } = setup;
        let shapes = model.weights(classes)?;
        let vars = VarMap::new();
        let mut learning = Vec::new();
        let weights = initial_weights(model, classes, config.seed, LastGain::Zero)?;
        for (name, _) in &shapes {
            let var = Var::from_tensor(&weights[name].to_device(device)?)?;
            if learnt(name) {
                learning.push(var.clone());
            }
            let mut all = vars
                .data()
                .lock()
                .map_err(|_| Error::mismatch("variables of a training", "a broken lock", "a lock"))?;
            all.insert(name.clone(), var);
        }
        let network = Network::new(model, classes, &vars, device)?;
        let optimizer = NesterovConfig {
            learning_rate: 0.0,
            momentum: config.momentum.into(),
            weight_decay: config.weight_decay.into(),
        };
        let optimizer = Nesterov::new(learning, optimizer)?;
        Ok(Self { setup, vars, shapes, network, optimizer, order: (usize::MAX, Vec::new()) })
    }

    /// The steps of every epoch.
    fn steps(&self) -> usize {
        let (images, batch) = (self.setup.train.len(), self.setup.config.batch);
        images / batch + usize::from(images % batch >= 2)
    }

    /// All weights, on the CPU.
    fn weights(&self) -> Result<Weights> {
        let on_cpu = |(name, _): &(String, _)| {
            let weight = variable(&self.vars, name)?.as_detached_tensor();
            Ok((name.clone(), weight.copy()?.to_device(&Device::Cpu)?))
        };
        self.shapes.iter().map(on_cpu).collect()
    }

    /// The variables of a state, with the names that they have there.
    fn saved(&self) -> Result<Vec<(String, Var)>> {
        let mut all = Vec::new();
        for (name, _) in &self.shapes {
            all.push((format!("weights/{name}"), variable(&self.vars, name)?));
        }
        let names = self.shapes.iter().map(|(name, _)| name).filter(|name| learnt(name));
        all.extend(names.zip(self.optimizer.momentum()).map(|(name, var)| (format!("momentum/{name}"), var.clone())));
        Ok(all)
    }
}

impl Trainee for Training<'_> {
    type Row = EpochRow;
    type Error = Error;

    fn steps(&self, _: usize) -> usize {
        self.steps()
    }

    fn step(&mut self, at: At) -> Result<Score> {
        let Setup { config, train, preprocess, device, .. } = self.setup;
        if self.order.0 != at.epoch {
            let order = Random::new(config.seed, Purpose::Order, at.epoch as u64).shuffled(train.len());
            self.order = (at.epoch, order);
        }
        let order = &self.order.1;
        let seen = |steps: usize| (steps * config.batch).min(order.len());
        let chosen = &order[seen(at.batch)..seen(at.batch + 1)];
        let images = train.batch(chosen, preprocess, Some((config, at.epoch as u64)))?.to_device(device)?;
        let labels: Vec<usize> = chosen.iter().map(|&image| train.classes()[image]).collect();
        let (loss, score) = self.network.loss(&images, &labels, config.smoothing)?;
        let all_steps = (self.steps() * config.epochs) as u64;
        self.optimizer.set_learning_rate(config.rate(at.step, all_steps).into());
        self.optimizer.backward_step(&loss)?;
        Ok(score)
    }

    fn row(&mut self, epoch: usize, score: Score) -> Result<EpochRow> {
        let (steps, config) = (self.steps(), self.setup.config);
        let count = score.examples as f64;
        Ok(EpochRow {
            epoch: epoch + 1,
            rate: config.rate(((epoch + 1) * steps) as u64 - 1, (steps * config.epochs) as u64),
            train_loss: score.loss / count,
            train_accuracy: score.correct as f64 / count,
            val_accuracy: self.setup.val.map(|val| accuracy(&self.setup, &self.weights()?, val)).transpose()?,
        })
    }

    fn values(&self) -> Result<Values> {
        let values = |(name, var): (String, Var)| Ok((name, var.flatten_all()?.to_vec1()?));
        self.saved()?.into_iter().map(values).collect()
    }

    fn restore(&mut self, values: &mut Stored<'_>, _: bool) -> Result<()> {
        for (name, var) in self.saved()? {
            let values = values.take(&name, var.elem_count())?;
            var.set(&Tensor::from_vec(values, var.shape(), self.setup.device)?)?;
        }
        Ok(())
    }
}

/// The share of images that a network in evaluation mode classifies right.
fn accuracy(setup: &Setup<'_>, weights: &Weights, images: &Images) -> Result<f64> {
    let model = Model::new(setup.model, weights, setup.device)?;
    let tapped = model.tap(&[])?;
    let mut correct = 0;
    for chosen in (0..images.len()).collect::<Vec<_>>().chunks(BATCH) {
        let x = images.batch(chosen, setup.preprocess, None)?.to_device(setup.device)?.permute((0, 3, 1, 2))?;
        let logits = tapped.forward(&x)?.logits.to_vec2::<f32>()?;
        let right = logits.iter().zip(chosen).filter(|(row, image)| best(row) == Some(images.classes()[**image]));
        correct += right.count();
    }
    Ok(correct as f64 / images.len().max(1) as f64)
}

/// A hash of everything that determines the result of a training.
fn fingerprint(setup: &Setup<'_>) -> Result<String> {
    // The time of saving does not change the result.
    let config = TrainConfig { save_every: None, ..setup.config.clone() };
    let settings = serde_json::to_vec(&(setup.model, setup.classes, config, setup.preprocess))
        .map_err(|e| Error::mismatch("settings of a training", e, "JSON"))?;
    let mut hash = ContentHash::new("vision training");
    // A training that began with other arithmetic does not continue.
    hash.field("arithmetic", b"2");
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
