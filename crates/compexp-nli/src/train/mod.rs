//! Training of classifiers: from examples to weights, the same for a seed with any number of threads, and with or
//! without interruptions.
//!
//! A step runs the network of [`crate::model`] in training mode and back by candle; random numbers are the project's own.

pub mod config;
mod step;
mod trainee;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;

use candle_core::Device;
use compexp_core::random::Stream;
use compexp_files::ContentHash;
use compexp_run::training::{self, Plan, Row};
use serde::{Deserialize, Serialize};

pub use compexp_run::training::STATE_FILE;
pub use config::{Schedule, TrainConfig};

use crate::error::{Error, Result};
use crate::model::config::{EMBEDDING, NORM};
use crate::model::{Classifier, Config, Model, Pair, Weights};
use crate::random::Purpose;
use crate::text::WordTable;
use trainee::Training;

/// The best model so far, in the folder of a training.
pub const BEST_FILE: &str = "best.safetensors";

/// A sentence pair with its label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// The first sentence as word numbers.
    pub premise: Vec<u32>,
    /// The second sentence as word numbers.
    pub hypothesis: Vec<u32>,
    /// Its class.
    pub label: u8,
}

/// The inputs of a training.
#[derive(Debug, Clone, Copy)]
pub struct Setup<'a> {
    /// The sizes of the classifier.
    pub model: &'a Config,
    /// The settings.
    pub config: &'a TrainConfig,
    /// The words.
    pub words: &'a WordTable,
    /// Vectors that words begin with, of the embedding's size; other words begin with random ones.
    pub vectors: Option<&'a HashMap<String, Vec<f32>>>,
    /// The examples for training.
    pub train: &'a [Example],
    /// The examples that decide which epoch is the best.
    pub dev: &'a [Example],
    /// Where it runs. On the CPU the result is the same to the bit on every run; a GPU may add in another order.
    pub device: &'a Device,
}

/// One epoch of a training: a row of its curves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpochRow {
    /// From 1.
    pub epoch: usize,
    /// Learning rate.
    pub rate: f32,
    /// Mean cross entropy over the epoch, in training mode, as it went.
    pub train_loss: f64,
    /// Share of correct labels in the same.
    pub train_accuracy: f64,
    /// Share of correct labels among the held-out examples after the epoch, in evaluation mode.
    pub dev_accuracy: f64,
}

impl Row for EpochRow {
    const COLUMNS: &'static str = "epoch,learning_rate,train_loss,train_accuracy,dev_accuracy";

    fn csv(&self) -> String {
        let Self { epoch, rate, train_loss, train_accuracy, dev_accuracy } = self;
        format!("{epoch},{rate},{train_loss},{train_accuracy},{dev_accuracy}")
    }

    fn worth(&self) -> Option<f64> {
        Some(self.dev_accuracy)
    }
}

/// News of a training.
pub type Progress<'a> = training::Progress<'a, EpochRow>;

/// The result of a training.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The model of the best epoch; the present one if no epoch is done.
    pub model: Model,
    /// The best epoch, from 1.
    pub best_epoch: Option<usize>,
    /// One row per epoch.
    pub curves: Vec<EpochRow>,
    /// Whether the training ended, by its epochs or its patience; false if `progress` stopped it.
    pub finished: bool,
}

/// Trains a classifier.
///
/// If a `folder` is given, it holds the best model ([`BEST_FILE`]), the curves and the state ([`STATE_FILE`]). A
/// training with the same setup continues from them, and its result is the same to the bit as without an interruption.
/// `progress` is called for every step and epoch, and stops the training by [`ControlFlow::Break`]; the state is then
/// saved.
///
/// # Errors
/// [`compexp_core::Error::Mismatch`] if a setting or an example is outside its range, or if the loss is not a number;
/// [`compexp_files::Error::Format`] if the state in the folder is damaged or belongs to another setup;
/// [`compexp_files::Error::Io`] if it cannot be read or written; [`Error::Candle`] if the device fails.
pub fn train(
    setup: &Setup<'_>,
    folder: Option<&Path>,
    progress: impl FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Outcome> {
    let Setup { model, config, words, vectors, .. } = *setup;
    check(setup)?;
    let weights = initial_weights(model, words, vectors, config.seed)?;
    let fingerprint = fingerprint(setup, &weights)?;
    let plan = Plan { fingerprint, epochs: config.epochs, save_every: config.save_every, folder };
    let mut trainee = Training::new(*setup, &weights)?;
    let training::Outcome { curves, best, finished } = training::train(&mut trainee, &plan, progress)?;
    Ok(Outcome { model: trainee.into_model()?, best_epoch: best.map(|best| best + 1), curves, finished })
}

/// The share of examples whose label a model on this device gives the highest logit.
///
/// # Errors
/// [`compexp_core::Error::Mismatch`] if a weight is missing, superfluous, or of another size, or if a word number is
/// not in the table.
pub fn accuracy(model: &Model, examples: &[Example], device: &Device) -> Result<f64> {
    let pairs: Vec<_> = examples.iter().map(|e| Pair { premise: &e.premise, hypothesis: &e.hypothesis }).collect();
    let found = Classifier::on(model, device)?.predict(&pairs)?;
    let correct = found.iter().zip(examples).filter(|(found, e)| **found == e.label).count();
    Ok(correct as f64 / examples.len().max(1) as f64)
}

/// Initial weights as PyTorch draws them: normal word vectors; all other weights uniform within the root of the inverse
/// number of inputs, for an LSTM of the inverse hidden size.
///
/// # Errors
/// [`compexp_core::Error::Mismatch`] if a size is out of its range, or if a given vector has another size than the
/// embedding or is not finite.
pub fn initial_weights(
    model: &Config,
    words: &WordTable,
    vectors: Option<&HashMap<String, Vec<f32>>>,
    seed: u64,
) -> Result<Weights> {
    model.check()?;
    let mut weights = Weights::new();
    for (round, (name, shape)) in model.shapes(words.len()).into_iter().enumerate() {
        let stream = Stream::new(seed, Purpose::Weights, round as u64);
        let n: usize = shape.iter().product();
        let inputs = if name.starts_with("encoder.rnn") {
            model.hidden
        } else if name == "mlp.0.weight" || name == "mlp.0.bias" {
            model.joined()
        } else {
            model.probed()
        };
        let bound = 1.0 / (inputs as f32).sqrt();
        let values = match name.as_str() {
            EMBEDDING => (0..n as u64).map(|i| stream.normal(i)).collect(),
            name if name == NORM[0] || name == NORM[3] => vec![1.0; n],
            name if NORM.contains(&name) => vec![0.0; n],
            _ => (0..n as u64).map(|i| stream.within(bound, i)).collect(),
        };
        weights.insert(name, values);
    }
    if let (Some(vectors), Some(embedding)) = (vectors, weights.get_mut(EMBEDDING)) {
        for (word, row) in words.words().iter().zip(embedding.chunks_exact_mut(model.embedding)) {
            let Some(vector) = vectors.get(word) else { continue };
            if vector.len() != row.len() || vector.iter().any(|v| !v.is_finite()) {
                let found = format!("{} values", vector.len());
                let expected = format!("{} finite ones", row.len());
                return Err(Error::mismatch(format!("vector of `{word}`"), found, expected));
            }
            row.copy_from_slice(vector);
        }
    }
    Ok(weights)
}

/// A hash of everything that determines the result of a training.
fn fingerprint(setup: &Setup<'_>, initial: &Weights) -> Result<String> {
    // The time of saving and the end do not change the training before them, so a training may be continued for longer.
    let mut config = TrainConfig { save_every: None, patience: None, ..setup.config.clone() };
    if !matches!(config.schedule, Schedule::Cosine { .. }) {
        config.epochs = 0;
    }
    let settings = serde_json::to_vec(&(setup.model, config, setup.words.words()))
        .map_err(|e| Error::mismatch("settings of a training", e, "JSON"))?;
    let vectors: Vec<u8> = initial[EMBEDDING].iter().flat_map(|v| v.to_le_bytes()).collect();
    let mut hash = ContentHash::new("nli training");
    hash.field("settings", &settings).field("vectors", &vectors);
    for (name, examples) in [("train", setup.train), ("dev", setup.dev)] {
        let mut bytes = Vec::new();
        for example in examples {
            for words in [&example.premise, &example.hypothesis] {
                bytes.extend((words.len() as u64).to_le_bytes());
                bytes.extend(words.iter().flat_map(|w| w.to_le_bytes()));
            }
            bytes.push(example.label);
        }
        hash.field(name, &bytes);
    }
    Ok(hash.finish())
}

fn check(setup: &Setup<'_>) -> Result<()> {
    let Setup { model, config, words, train, dev, .. } = *setup;
    model.check()?;
    config.check()?;
    if train.len() < 2 || dev.is_empty() {
        let found = format!("{} to learn from and {} held out", train.len(), dev.len());
        return Err(Error::mismatch("examples of a training", found, "at least 2 and 1"));
    }
    for (name, examples) in [("training", train), ("held-out", dev)] {
        for (i, example) in examples.iter().enumerate() {
            if usize::from(example.label) >= model.classes {
                let expected = format!("less than {}; leave out examples without a label", model.classes);
                return Err(Error::mismatch(format!("label of {name} example {i}"), example.label, expected));
            }
            let mut numbers = example.premise.iter().chain(&example.hypothesis);
            if let Some(word) = numbers.find(|&&word| word as usize >= words.len()) {
                let expected = format!("less than {}, the number of words", words.len());
                return Err(Error::mismatch(format!("word number in {name} example {i}"), word, expected));
            }
        }
    }
    Ok(())
}

/// The numbers below `n` in random order (Fisher and Yates); the element of a place follows from the stream's number at
/// that place.
fn shuffled(stream: Stream, n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        order.swap(i, stream.below(i + 1, i as u64));
    }
    order
}

/// The epoch's batches; if one example is left over, it joins the batch before.
fn batches(order: &[usize], size: usize) -> Vec<&[usize]> {
    let mut batches: Vec<_> = order.chunks(size).collect();
    if batches.len() > 1 && batches.last().is_some_and(|batch| batch.len() == 1) {
        batches.pop();
        let from = (batches.len() - 1) * size;
        batches.pop();
        batches.push(&order[from..]);
    }
    batches
}

/// The words that occur once in the examples.
fn rare_words(n_words: usize, examples: &[Example]) -> Vec<bool> {
    let mut counts = vec![0u32; n_words];
    for &word in examples.iter().flat_map(|e| e.premise.iter().chain(&e.hypothesis)) {
        counts[word as usize] += 1;
    }
    counts.into_iter().map(|count| count == 1).collect()
}

#[cfg(test)]
mod tests;
