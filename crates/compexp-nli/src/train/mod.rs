//! Training of classifiers: from examples to weights, the same for a seed whatever the thread count, and the same
//! whether or not it was interrupted.
//!
//! A step runs the network of [`crate::model`] in training mode and back by its own gradients, which are fused over the
//! steps of the LSTM; candle's automatic ones stand beside them in the tests.

mod adam;
pub mod config;
mod network;
mod state;
mod tape;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;

use compexp_core::random::Stream;
use compexp_files::ContentHash;
use serde::{Deserialize, Serialize};

pub use config::{Schedule, TrainConfig};

use crate::error::{Error, Result};
use crate::model::config::{EMBEDDING, NORM};
use crate::model::{Classifier, Config, Model, Pair, Weights};
use crate::random::Purpose;
use crate::text::WordTable;
use adam::Moments;
use network::{Network, Step};
use state::{Place, State};

/// The best model so far, in the folder of a training.
pub const BEST_FILE: &str = "best.safetensors";

/// The state of a training, in its folder.
pub const STATE_FILE: &str = "training.safetensors";

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

/// What a training is made from.
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
    /// The examples to learn from.
    pub train: &'a [Example],
    /// The examples that decide which epoch is the best.
    pub dev: &'a [Example],
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
        /// Mean loss of the epoch so far.
        loss: f64,
    },
    /// An epoch is done.
    Epoch(&'a EpochRow),
}

/// The result of a training.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The model of the best epoch; the present one where no epoch is done.
    pub model: Model,
    /// The best epoch, from 1.
    pub best_epoch: Option<usize>,
    /// One row an epoch.
    pub curves: Vec<EpochRow>,
    /// Whether it came to its end, by its epochs or its patience; false where `progress` stopped it.
    pub finished: bool,
}

/// Trains a classifier.
///
/// Where a `folder` is given, it holds the best model ([`BEST_FILE`]) and the state ([`STATE_FILE`]), from which a
/// training of the same setup goes on, with the result it would have had without a break, to the bit. `progress` is told
/// of every step and epoch, and stops the training by [`ControlFlow::Break`]; the state is saved then.
///
/// # Errors
/// [`compexp_core::Error::Mismatch`] for settings and examples outside their ranges; [`compexp_files::Error::Format`] and [`Error::Checkpoint`] for
/// a folder whose state is damaged or of another setup; [`Error::Core`] and [`compexp_files::Error::Io`] where it cannot be written.
pub fn train(
    setup: &Setup<'_>,
    folder: Option<&Path>,
    mut progress: impl FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Outcome> {
    let Setup { model, config, words, train, dev, .. } = *setup;
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
    let rare = rare_words(words.len(), train);
    let mut network = Network::default();
    let mut finished = true;

    'epochs: while state.place.epoch < config.epochs && !patience_is_over(config, &state.place) {
        let epoch = state.place.epoch;
        let order = shuffled(Stream::new(config.seed, Purpose::Order, epoch as u64), train.len());
        let batches = batches(&order, config.batch);
        while let Some(batch) = batches.get(state.place.batch) {
            let examples: Vec<_> = batch.iter().map(|&i| &train[i]).collect();
            let step = Step { model, config, rare: &rare, number: state.place.step };
            let (score, gradients) = network.step(step, &mut state.weights, &examples)?;
            let place = &mut state.place;
            place.step += 1;
            place.batch += 1;
            place.loss += score.loss;
            place.correct += score.correct;
            state.moments.update(config, config.rate(epoch), place.step, &mut state.weights, &gradients);
            let number = place.step;
            state.average(config.kept(number));
            let place = &state.place;
            let seen: usize = batches[..place.batch].iter().map(|batch| batch.len()).sum();
            let loss = place.loss / seen as f64;
            if !loss.is_finite() {
                let found = format!("{loss} at step {} of epoch {}", place.batch, epoch + 1);
                let expected = "a finite number; lower the learning rate or clip the gradients";
                return Err(Error::mismatch("loss of the training", found, expected));
            }
            let news = Progress::Step { epoch: epoch + 1, done: place.batch, steps: batches.len(), loss };
            let stop = progress(news).is_break();
            if stop || config.save_every.is_some_and(|every| place.step.is_multiple_of(every)) {
                save(&state)?;
            }
            if stop {
                finished = false;
                break 'epochs;
            }
        }

        let present = Model { config: model.clone(), words: words.clone(), weights: state.present().clone() };
        let place = &mut state.place;
        let row = EpochRow {
            epoch: epoch + 1,
            rate: config.rate(epoch),
            train_loss: place.loss / train.len() as f64,
            train_accuracy: place.correct as f64 / train.len() as f64,
            dev_accuracy: accuracy(&present, dev)?,
        };
        place.curves.push(row);
        if place.best.is_none_or(|best| row.dev_accuracy > place.curves[best].dev_accuracy) {
            place.best = Some(epoch);
            if let Some(folder) = folder {
                present.save(&folder.join(BEST_FILE))?;
            }
            state.best = present.weights;
        }
        (place.epoch, place.batch, place.loss, place.correct) = (epoch + 1, 0, 0.0, 0);
        save(&state)?;
        if progress(Progress::Epoch(&row)).is_break() {
            finished = state.place.epoch >= config.epochs || patience_is_over(config, &state.place);
            break;
        }
    }

    let weights = if state.place.best.is_some() { &state.best } else { state.present() }.clone();
    let place = state.place;
    let model = Model { config: model.clone(), words: words.clone(), weights };
    Ok(Outcome { model, best_epoch: place.best.map(|best| best + 1), curves: place.curves, finished })
}

/// The share of examples whose label a model gives the highest logit.
///
/// # Errors
/// [`compexp_core::Error::Mismatch`] where the model's weights are not those of its sizes, or a word number is not one of its table.
pub fn accuracy(model: &Model, examples: &[Example]) -> Result<f64> {
    let pairs: Vec<_> = examples.iter().map(|e| Pair { premise: &e.premise, hypothesis: &e.hypothesis }).collect();
    let found = Classifier::new(model)?.predict(&pairs)?;
    let correct = found.iter().zip(examples).filter(|(found, e)| **found == e.label).count();
    Ok(correct as f64 / examples.len().max(1) as f64)
}

/// Initial weights as PyTorch draws them: normal word vectors, and what follows uniform within the root of the inverse
/// number of inputs; for an LSTM, of its hidden size.
///
/// # Errors
/// [`compexp_core::Error::Mismatch`] for sizes out of their ranges, and where a given vector has another size than the embedding or is
/// not finite.
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

fn fresh(setup: &Setup<'_>) -> Result<State> {
    let Setup { model, config, words, vectors, .. } = *setup;
    let weights = initial_weights(model, words, vectors, config.seed)?;
    let fixed = |name: &str| NORM[2..].contains(&name) || (config.freeze_embedding && name == EMBEDDING);
    let moments = Moments::new(&weights, |name| !fixed(name));
    let place = Place {
        version: 1,
        fingerprint: fingerprint(setup, &weights)?,
        step: 0,
        epoch: 0,
        batch: 0,
        loss: 0.0,
        correct: 0,
        curves: Vec::new(),
        best: None,
    };
    let mean = if config.averaging > 0.0 { weights.clone() } else { Weights::new() };
    Ok(State { place, weights, mean, moments, best: Weights::new() })
}

/// A hash of all that decides what a training learns.
fn fingerprint(setup: &Setup<'_>, initial: &Weights) -> Result<String> {
    // When a state is saved and when to stop do not change what is learnt until then: a training may be prolonged.
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

/// The numbers below `n` in random order (Fisher and Yates); what goes to a place follows from the stream's number there.
fn shuffled(stream: Stream, n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        order.swap(i, stream.below(i + 1, i as u64));
    }
    order
}

/// The epoch's batches; one example left over joins the batch before.
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

fn patience_is_over(config: &TrainConfig, place: &Place) -> bool {
    match (config.patience, place.best) {
        (Some(patience), Some(best)) => place.epoch - (best + 1) >= patience.max(1),
        _ => false,
    }
}

/// Which words the examples hold once.
fn rare_words(n_words: usize, examples: &[Example]) -> Vec<bool> {
    let mut counts = vec![0u32; n_words];
    for &word in examples.iter().flat_map(|e| e.premise.iter().chain(&e.hypothesis)) {
        counts[word as usize] += 1;
    }
    counts.into_iter().map(|count| count == 1).collect()
}

#[cfg(test)]
mod tests;
