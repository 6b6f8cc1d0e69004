//! A classifier in training: its weights as variables, their optimizer and running average, and the best of them.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Device, Storage, Tensor, Var};
use candle_nn::VarBuilder;
use compexp_core::random::Stream;
use compexp_kernels::adam::{Adam, BLOCK, Params};
use compexp_run::training::{At, Score, Stored, Trainee, Values};
use rayon::prelude::*;

use super::step::Step;
use super::{BEST_FILE, EpochRow, Setup, accuracy, batches, rare_words, shuffled};
use crate::error::{Error, Result};
use crate::model::config::{EMBEDDING, NORM};
use crate::model::network::Network;
use crate::model::{Config, Model, Weights};
use crate::random::Purpose;

/// The weights by name, as variables on a device. (candle-nn's `VarMap` gives them in another order in every run.)
pub(super) type Variables = BTreeMap<String, Var>;

/// A running training.
pub(super) struct Training<'a> {
    setup: Setup<'a>,
    /// For each word, whether it occurs once in the examples.
    rare: Vec<bool>,
    vars: Variables,
    /// Names of the weights that are trained, in the optimizer's order.
    trained: Vec<String>,
    network: Network,
    adam: Adam,
    /// The weights' running average; empty if there is none.
    mean: Weights,
    /// The weights that the classifier would have at the end of the last epoch.
    present: Weights,
    /// The weights of the best epoch; empty before the first epoch ends.
    best: Weights,
    /// The examples' order in an epoch.
    order: Option<(usize, Vec<usize>)>,
}

impl<'a> Training<'a> {
    /// A new training, from these weights.
    pub(super) fn new(setup: Setup<'a>, weights: &Weights) -> Result<Self> {
        let Setup { model, config, words, train, device, .. } = setup;
        let vars = variables(model, words.len(), weights, device)?;
        let trained = |name: &str| !NORM[2..].contains(&name) && (!config.freeze_embedding || name != EMBEDDING);
        let trained: Vec<_> = vars.keys().filter(|name| trained(name)).cloned().collect();
        let params = Params { betas: config.betas, epsilon: config.epsilon, clip: config.clip };
        let adam = Adam::new(trained.iter().map(|name| vars[name].clone()), params)?;
        Ok(Self {
            rare: rare_words(words.len(), train),
            network: network(model, words.len(), &vars, config.freeze_embedding)?,
            mean: if config.averaging > 0.0 { weights.clone() } else { Weights::new() },
            present: Weights::new(),
            best: Weights::new(),
            order: None,
            setup,
            vars,
            trained,
            adam,
        })
    }

    /// The classifier of the best epoch; the present one if no epoch is done.
    pub(super) fn into_model(self) -> Result<Model> {
        let weights = if self.best.is_empty() { self.present()? } else { self.best };
        Ok(model(&self.setup, weights))
    }

    /// The weights that a classifier would have now.
    fn present(&self) -> Result<Weights> {
        if self.mean.is_empty() { values(self.vars.iter()) } else { Ok(self.mean.clone()) }
    }

    /// Moves the running average towards the weights, `kept` being its own share.
    fn average(&mut self, kept: f32) -> Result<()> {
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
        self.trained.iter().zip(self.adam.moments()).map(|(name, moments)| (name, [&moments.first, &moments.second]))
    }
}

impl Trainee for Training<'_> {
    type Row = EpochRow;
    type Error = Error;

    fn steps(&self, _: usize) -> usize {
        let order: Vec<usize> = (0..self.setup.train.len()).collect();
        batches(&order, self.setup.config.batch).len()
    }

    fn step(&mut self, at: At) -> Result<Score> {
        let Setup { model, config, train, .. } = self.setup;
        if self.order.as_ref().is_none_or(|(epoch, _)| *epoch != at.epoch) {
            let stream = Stream::new(config.seed, Purpose::Order, at.epoch as u64);
            self.order = Some((at.epoch, shuffled(stream, train.len())));
        }
        let order = self.order.as_ref().map_or(&[][..], |(_, order)| order);
        let examples: Vec<_> = batches(order, config.batch)[at.batch].iter().map(|&i| &train[i]).collect();
        let step = Step { model, config, rare: &self.rare, number: at.step };
        let (score, gradients) = step.run(&self.network, &examples)?;
        self.adam.step(&gradients, at.step + 1, config.rate(at.epoch))?;
        self.average(config.kept(at.step + 1))?;
        Ok(score)
    }

    fn row(&mut self, epoch: usize, score: Score) -> Result<EpochRow> {
        let model = model(&self.setup, self.present()?);
        let row = EpochRow {
            epoch: epoch + 1,
            rate: self.setup.config.rate(epoch),
            train_loss: score.loss / score.examples as f64,
            train_accuracy: score.correct as f64 / score.examples as f64,
            dev_accuracy: accuracy(&model, self.setup.dev, self.setup.device)?,
        };
        self.present = model.weights;
        Ok(row)
    }

    fn keep(&mut self) {
        self.best = std::mem::take(&mut self.present);
    }

    fn kept_file(&self) -> Option<&'static str> {
        Some(BEST_FILE)
    }

    fn write_kept(&self, path: &Path) -> Result<()> {
        model(&self.setup, self.best.clone()).save(path)
    }

    fn is_over(&self, curves: &[EpochRow], best: Option<usize>) -> bool {
        match (self.setup.config.patience, best) {
            (Some(patience), Some(best)) => curves.len() - (best + 1) >= patience.max(1),
            _ => false,
        }
    }

    fn values(&self) -> Result<Values> {
        let [first, second] = [0, 1].map(|which| values(self.moments().map(|(name, vars)| (name, vars[which]))));
        let groups = [
            ("weights", values(self.vars.iter())?),
            ("mean", self.mean.clone()),
            ("first", first?),
            ("second", second?),
            ("best", self.best.clone()),
        ];
        let named = |(group, weights): (&'static str, Weights)| {
            weights.into_iter().map(move |(name, values)| (format!("{group}/{name}"), values))
        };
        Ok(groups.into_iter().flat_map(named).collect())
    }

    fn restore(&mut self, values: &mut Stored<'_>, kept: bool) -> Result<()> {
        let mut set = |group: &str, name: &str, var: &Var| -> Result<()> {
            let values = values.take(&format!("{group}/{name}"), var.elem_count())?;
            Ok(var.set(&Tensor::from_vec(values, var.shape(), var.device())?)?)
        };
        self.vars.iter().try_for_each(|(name, var)| set("weights", name, var))?;
        for (name, [first, second]) in self.moments() {
            set("first", name, first)?;
            set("second", name, second)?;
        }
        for (name, mean) in &mut self.mean {
            *mean = values.take(&format!("mean/{name}"), mean.len())?;
        }
        if kept {
            let mut best = |(name, var): (&String, &Var)| {
                Ok((name.clone(), values.take(&format!("best/{name}"), var.elem_count())?))
            };
            self.best = self.vars.iter().map(&mut best).collect::<Result<_>>()?;
        }
        Ok(())
    }
}

/// Weights as variables on a device.
pub(super) fn variables(model: &Config, n_words: usize, weights: &Weights, device: &Device) -> Result<Variables> {
    let shapes = model.shapes(n_words).into_iter();
    shapes
        .map(|(name, shape)| {
            let var = Var::from_slice(&weights[&name], shape, device)?;
            Ok((name, var))
        })
        .collect()
}

/// The network of these weights, which follows them as they change; frozen word vectors have no gradient.
pub(super) fn network(model: &Config, n_words: usize, vars: &Variables, frozen: bool) -> Result<Network> {
    let tensor = |(name, var): (&String, &Var)| {
        let fixed = frozen && name == EMBEDDING;
        (name.clone(), if fixed { var.as_detached_tensor() } else { var.as_tensor().clone() })
    };
    let device = vars.values().next().map_or(&Device::Cpu, |var| var.device());
    Network::new(model, n_words, &VarBuilder::from_tensors(vars.iter().map(tensor).collect(), DType::F32, device))
}

/// The values of variables.
fn values<'a>(vars: impl Iterator<Item = (&'a String, &'a Var)>) -> Result<Weights> {
    vars.map(|(name, var)| Ok((name.clone(), var.flatten_all()?.to_vec1()?))).collect()
}

fn model(setup: &Setup<'_>, weights: Weights) -> Model {
    Model { config: setup.model.clone(), words: setup.words.clone(), weights }
}
