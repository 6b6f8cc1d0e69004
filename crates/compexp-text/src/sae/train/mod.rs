//! Training of TopK autoencoders: from the activations of a layer to weights, the same for a seed with any number of threads,
//! and with or without interruptions.
//!
//! It starts from [`Sae::untrained`] and minimises the squared error of the reconstruction by Adam. Latents that have not fired
//! for a while learn from the error that the others leave. Decoder rows keep norm 1. A step runs on candle's automatic
//! gradients, on the CPU. The loop, the state and the curves are those of [`compexp_run::training`]. All activations are in
//! memory.

mod step;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::path::Path;

use candle_core::{Device, Tensor, Var};
use compexp_core::ActivationSource;
use compexp_core::random::Random;
use compexp_files::ContentHash;
use compexp_kernels::adam::{Adam, Params};
use compexp_run::training::{self, At, Plan, Row, Score, Stored, Trainee, Values};
use ndarray::{Array2, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use compexp_run::training::Progress;

use super::control::Purpose;
use super::{ExplainedVariance, Kind, Sae, Weights, layer_mean};
use crate::error::{Error, Result};
use step::{Step, Vars};

/// A latent is dead after this share of an epoch in which it did not fire.
const DEAD_AFTER: f64 = 0.2;

/// In this share of all steps, the last ones, the learning rate falls in a straight line to 0.
const FALL: f64 = 0.3;

/// Positions that are measured or hashed at once.
const BLOCK: usize = 4096;

/// The settings of a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// The number of latents.
    pub latents: usize,
    /// How many of them fire at a position, at most.
    pub k: usize,
    /// Decides the initial directions and the order of positions.
    pub seed: u64,
    /// Passes over the positions.
    pub epochs: usize,
    /// Positions of a step, or all if there are fewer; those that are left over at the end of an epoch are not seen in it.
    pub batch: usize,
    /// Adam's rate; over the last 30% of all steps it falls in a straight line to 0.
    pub learning_rate: f32,
    /// Whether decoder rows stay at their random directions.
    pub freeze_decoder: bool,
    /// Steps between two saved states within an epoch; if `None`, a state is saved only at the end of each epoch.
    pub save_every: Option<u64>,
}

impl TrainConfig {
    /// The usual settings.
    pub fn new(latents: usize, k: usize) -> Self {
        Self {
            latents,
            k,
            seed: 0,
            epochs: 20,
            batch: 512,
            learning_rate: 2e-3,
            freeze_decoder: false,
            save_every: None,
        }
    }

    /// The learning rate of a step, counted from 0, of `steps` in all.
    pub fn rate(&self, step: u64, steps: u64) -> f32 {
        let left = steps.saturating_sub(step) as f64 / (FALL * steps as f64);
        (f64::from(self.learning_rate) * left.min(1.0)) as f32
    }

    fn check(&self) -> Result<()> {
        let Self { latents, k, epochs, batch, learning_rate, save_every, .. } = *self;
        if !(1..=latents).contains(&k) {
            let expected = format!("from 1 to the number of latents, {latents}");
            return Err(Error::mismatch("k of the autoencoder", k, expected));
        }
        if !(f32::MIN_POSITIVE..f32::INFINITY).contains(&learning_rate) {
            return Err(Error::mismatch("learning rate", learning_rate, "a number above 0"));
        }
        if epochs == 0 || batch == 0 || save_every == Some(0) {
            let found = format!("{epochs} epochs, batches of {batch}, saving every {save_every:?}");
            return Err(Error::mismatch("training", found, "at least 1 epoch, 1 position a step, and 1 step to save"));
        }
        Ok(())
    }
}

/// One epoch of a training: a row of its curves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpochRow {
    /// From 1.
    pub epoch: usize,
    /// Learning rate of its last step.
    pub rate: f32,
    /// The share of variance that the reconstruction left unexplained over the epoch, as it went.
    pub unexplained: f64,
    /// Latents that had not fired for long at its end.
    pub dead: usize,
}

impl Row for EpochRow {
    const COLUMNS: &'static str = "epoch,learning_rate,unexplained_variance,dead_latents";

    fn csv(&self) -> String {
        format!("{},{},{},{}", self.epoch, self.rate, self.unexplained, self.dead)
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
    /// What these weights do on the positions of the training.
    pub measured: Measured,
}

/// What an autoencoder does on positions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// The number of positions.
    pub positions: usize,
    /// The fraction of variance explained; `None` where there is no variance.
    pub explained: Option<f64>,
    /// The mean number of latents that fire at a position.
    pub active: f64,
    /// Latents that fire at no position.
    pub silent: usize,
}

/// Trains an autoencoder.
///
/// If a `folder` is given, it holds the state and the curves ([`compexp_run::training`]). A training with the same settings
/// and activations continues from them, and its result is the same to the bit as without an interruption. `progress` is
/// called for every step and epoch, and stops the training by [`ControlFlow::Break`]; the state is then saved.
///
/// # Errors
/// [`compexp_core::Error::Mismatch`] if a setting is outside its range, or the loss is not a number;
/// [`compexp_files::Error::Format`] if the state in the folder is damaged or belongs to another training;
/// [`compexp_files::Error::Io`] if it cannot be written.
pub fn train(
    layer: &Layer,
    config: &TrainConfig,
    folder: Option<&Path>,
    progress: impl FnMut(Progress<'_, EpochRow>) -> ControlFlow<()>,
) -> Result<Outcome> {
    config.check()?;
    let mut training = Training::new(layer, config)?;
    let TrainConfig { epochs, save_every, .. } = *config;
    let plan = Plan { fingerprint: layer.fingerprint(config)?, epochs, save_every, folder };
    let training::Outcome { curves, finished, .. } = training::train(&mut training, &plan, progress)?;
    let weights = training.weights()?;
    let measured = measure(&weights.sae(), &layer.values)?;
    Ok(Outcome { weights, curves, finished, measured })
}

/// The positions to learn from.
pub struct Layer {
    /// `(n, d_in)`.
    values: Array2<f32>,
    mean: Vec<f32>,
    /// The mean squared distance from the mean.
    variance: f64,
}

impl Layer {
    /// Reads a layer with one position an example into memory.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] if it has maps, fewer than two rows or no variance;
    /// [`compexp_core::Error::NotFinite`] for a value that is NaN or infinite; [`compexp_core::Error::Source`] if it cannot be
    /// read.
    pub fn read(source: &dyn ActivationSource) -> Result<Self> {
        let (n, width, maps) = (source.n_examples(), source.n_units(), source.grid().positions());
        if maps != 1 || n < 2 || width == 0 {
            let found = format!("{n} rows of {width} values at {maps} positions");
            return Err(Error::mismatch("activations to learn from", found, "at least 2 rows [rows, width], no maps"));
        }
        let mean = layer_mean(source)?; // refuses what is not finite
        let mut values = Array2::zeros((n, width));
        for (block, mut out) in values.axis_chunks_iter_mut(Axis(0), BLOCK).enumerate() {
            if let Some(out) = out.as_slice_mut() {
                source.read(block * BLOCK, out)?;
            }
        }
        let (mut apart, mut squares) = (0.0, 0.0);
        for row in values.rows() {
            for (x, mean) in row.iter().zip(&mean) {
                apart += (f64::from(*x) - f64::from(*mean)).powi(2);
                squares += f64::from(*x).powi(2);
            }
        }
        // Rounding leaves something of equal rows.
        if apart <= 1e-12 * squares {
            return Err(Error::mismatch("activations to learn from", "equal rows", "rows that differ"));
        }
        Ok(Self { values, mean, variance: apart / n as f64 })
    }

    fn n(&self) -> usize {
        self.values.nrows()
    }

    /// A hash of everything that determines the result of a training.
    fn fingerprint(&self, config: &TrainConfig) -> Result<String> {
        // The time of saving does not change the result.
        let config = TrainConfig { save_every: None, ..config.clone() };
        let settings = serde_json::to_vec(&config).map_err(|e| Error::mismatch("settings of a training", e, "JSON"))?;
        let mut hash = ContentHash::new("training of a sparse autoencoder");
        // A training that began with other arithmetic does not continue.
        hash.field("arithmetic", b"1").field("settings", &settings);
        hash.field("shape", format!("{:?}", self.values.dim()).as_bytes());
        let blocks: Vec<_> = self.values.axis_chunks_iter(Axis(0), BLOCK).collect();
        let of_block = |block: &ndarray::ArrayView2<'_, f32>| {
            let bytes: Vec<u8> = block.iter().flat_map(|x| x.to_le_bytes()).collect();
            ContentHash::new("activations").field("block", &bytes).finish()
        };
        let hashes: Vec<String> = blocks.par_iter().map(of_block).collect();
        hashes.iter().for_each(|block| {
            hash.field("block", block.as_bytes());
        });
        Ok(hash.finish())
    }
}

/// An autoencoder that is trained.
struct Training<'a> {
    layer: &'a Layer,
    config: &'a TrainConfig,
    vars: Vars,
    /// Of the weights that are learnt, in the order of [`Self::named`].
    adam: Adam,
    /// Steps since each latent fired.
    idle: Vec<u32>,
    /// The epoch whose order of positions this is.
    order: (usize, Vec<usize>),
}

impl<'a> Training<'a> {
    fn new(layer: &'a Layer, config: &'a TrainConfig) -> Result<Self> {
        let TrainConfig { latents, k, seed, .. } = *config;
        let start = Sae::untrained(&layer.mean, latents, Kind::TopK(k), seed)?;
        let width = layer.mean.len();
        let decoder = Tensor::from_slice(&start.decoder, (latents, width), &Device::Cpu)?;
        let vars = Vars {
            encoder: Var::from_tensor(&decoder.t()?.contiguous()?)?,
            encoder_bias: Var::from_slice(&start.encoder_bias, latents, &Device::Cpu)?,
            decoder: Var::from_tensor(&decoder)?,
            decoder_bias: Var::from_slice(&start.decoder_bias, width, &Device::Cpu)?,
        };
        let learnt = named(&vars).into_iter().filter(|(name, _)| learns(config, name)).map(|(_, var)| var.clone());
        let adam = Adam::new(learnt, Params::default())?;
        Ok(Self { layer, config, vars, adam, idle: vec![0; latents], order: (usize::MAX, Vec::new()) })
    }

    /// Positions of a step.
    fn batch(&self) -> usize {
        self.config.batch.min(self.layer.n())
    }

    /// The steps of every epoch.
    fn steps(&self) -> usize {
        self.layer.n() / self.batch()
    }

    /// Steps without firing after which a latent is dead.
    fn limit(&self) -> u32 {
        (DEAD_AFTER * self.layer.n() as f64 / self.batch() as f64) as u32
    }

    fn dead(&self) -> Vec<bool> {
        self.idle.iter().map(|idle| *idle > self.limit()).collect()
    }

    fn weights(&self) -> Result<Weights> {
        let Vars { encoder, encoder_bias, decoder, decoder_bias } = &self.vars;
        Ok(Weights {
            encoder: encoder.flatten_all()?.to_vec1()?,
            encoder_bias: encoder_bias.to_vec1()?,
            decoder: decoder.flatten_all()?.to_vec1()?,
            decoder_bias: decoder_bias.to_vec1()?,
            k: self.config.k,
        })
    }

    /// The variables of a state, with the names that they have there.
    fn saved(&self) -> Vec<(String, &Var)> {
        let all = named(&self.vars);
        let learnt = all.iter().filter(|(name, _)| learns(self.config, name)).zip(self.adam.moments());
        let moments = learnt
            .flat_map(|((name, _), of)| [(format!("first/{name}"), &of.first), (format!("second/{name}"), &of.second)]);
        all.iter().map(|(name, var)| (format!("weights/{name}"), *var)).chain(moments).collect()
    }
}

/// The variables by the names of their tensors in a file.
fn named(vars: &Vars) -> [(&'static str, &Var); 4] {
    let Vars { encoder, encoder_bias, decoder, decoder_bias } = vars;
    [("W_enc", encoder), ("b_enc", encoder_bias), (DECODER, decoder), ("b_dec", decoder_bias)]
}

const DECODER: &str = "W_dec";

fn learns(config: &TrainConfig, name: &str) -> bool {
    !config.freeze_decoder || name != DECODER
}

impl Trainee for Training<'_> {
    type Row = EpochRow;
    type Error = Error;

    fn steps(&self, _: usize) -> usize {
        self.steps()
    }

    fn step(&mut self, at: At) -> Result<Score> {
        let (n, batch, config) = (self.layer.n(), self.batch(), self.config);
        if self.order.0 != at.epoch {
            self.order = (at.epoch, Random::new(config.seed, Purpose::Order as u64, at.epoch as u64).shuffled(n));
        }
        let chosen = &self.order.1[at.batch * batch..][..batch];
        let x = self.layer.values.select(Axis(0), chosen);
        let x = Tensor::from_vec(x.into_raw_vec_and_offset().0, (batch, self.layer.mean.len()), &Device::Cpu)?;
        let dead = self.dead();
        let step =
            Step { k: config.k, variance: self.layer.variance, dead: &dead, freeze_decoder: config.freeze_decoder };
        let taken = step.run(&self.vars, &x)?;
        let all_steps = (self.steps() * config.epochs) as u64;
        self.adam.step(&taken.gradients, at.step + 1, config.rate(at.step, all_steps))?;
        if !config.freeze_decoder {
            let rows = self.vars.decoder.as_detached_tensor();
            self.vars.decoder.set(&rows.broadcast_div(&rows.sqr()?.sum_keepdim(1)?.sqrt()?)?)?;
        }
        // More is as dead, and a state holds small numbers exactly.
        let most = self.limit() + 1;
        for (idle, fired) in self.idle.iter_mut().zip(&taken.fired) {
            *idle = if *fired { 0 } else { (*idle + 1).min(most) };
        }
        Ok(Score { loss: taken.unexplained * batch as f64, correct: 0, examples: batch })
    }

    fn row(&mut self, epoch: usize, score: Score) -> Result<EpochRow> {
        let steps = self.steps();
        Ok(EpochRow {
            epoch: epoch + 1,
            rate: self.config.rate(((epoch + 1) * steps) as u64 - 1, (steps * self.config.epochs) as u64),
            unexplained: score.loss / score.examples as f64,
            dead: self.dead().iter().filter(|dead| **dead).count(),
        })
    }

    fn values(&self) -> Result<Values> {
        let values = |(name, var): (String, &Var)| Ok((name, var.flatten_all()?.to_vec1()?));
        let mut all: Values = self.saved().into_iter().map(values).collect::<Result<_>>()?;
        all.insert("idle".into(), self.idle.iter().map(|idle| *idle as f32).collect());
        Ok(all)
    }

    fn restore(&mut self, values: &mut Stored<'_>, _: bool) -> Result<()> {
        for (name, var) in self.saved() {
            let values = values.take(&name, var.elem_count())?;
            var.set(&Tensor::from_vec(values, var.shape(), &Device::Cpu)?)?;
        }
        let idle = values.take("idle", self.config.latents)?;
        self.idle = idle.into_iter().map(|idle| idle as u32).collect();
        Ok(())
    }
}

/// What an autoencoder does on positions `(n, d_in)`.
fn measure(sae: &Sae, values: &Array2<f32>) -> Result<Measured> {
    let mut variance = ExplainedVariance::default();
    let (mut entries, mut fires) = (0, vec![false; sae.d_sae()]);
    for block in values.axis_chunks_iter(Axis(0), BLOCK) {
        let latents = sae.encode(block)?;
        variance.add(block, sae.decode(&latents)?.view())?;
        entries += latents.entries();
        latents.iter().flat_map(|(latents, _)| latents).for_each(|latent| fires[*latent as usize] = true);
    }
    Ok(Measured {
        positions: values.nrows(),
        explained: variance.fraction(),
        active: entries as f64 / values.nrows().max(1) as f64,
        silent: fires.iter().filter(|fires| !**fires).count(),
    })
}
