//! One step of training up to the gradients: the network forward in training mode, and back by candle.

use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor};
use candle_nn::loss::cross_entropy;
use compexp_core::random::Stream;
use compexp_run::training::Score;
use rayon::prelude::*;

use super::Example;
use super::config::TrainConfig;
use crate::error::Result;
use crate::model::config::{Config, Kind};
use crate::model::network::{Masks, Network};
use crate::model::{best, sentences};
use crate::random::Purpose;
use crate::text::UNK;

/// What a step depends on besides the weights and the examples.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step<'a> {
    pub(super) model: &'a Config,
    pub(super) config: &'a TrainConfig,
    /// Whether the training examples hold a word once.
    pub(super) rare: &'a [bool],
    /// The number of the step, which determines its random numbers.
    pub(super) number: u64,
}

impl Step<'_> {
    /// The gradients of the mean cross entropy of `examples`; updates the running statistics of the batch norm.
    pub(super) fn run(self, network: &Network, examples: &[&Example]) -> Result<(Score, GradStore)> {
        let (n, device) = (examples.len(), network.device());
        let dropped = self.drop_words(examples);
        let all = dropped.iter().map(|(premise, _)| premise).chain(dropped.iter().map(|(_, hypothesis)| hypothesis));
        let (sequences, words) = sentences(all.map(Vec::as_slice), self.rare.len())?;
        let mut vectors = network.vectors(&words)?; // (words, embedding)
        if self.config.embedding_dropout > 0.0 && !words.is_empty() {
            vectors = (vectors * self.vector_mask(&words, device)?)?;
        }
        let encoded = network.encode(&sequences, &vectors)?; // (2 n, encoded)
        let (premises, hypotheses) = (encoded.narrow(0, 0, n)?, encoded.narrow(0, n, n)?);
        let (_, logits) = network.decide(&premises, &hypotheses, Some(&self.masks(n, device)?))?;
        let labels: Vec<u32> = examples.iter().map(|example| u32::from(example.label)).collect();
        let loss = cross_entropy(&logits, &Tensor::from_vec(labels, n, device)?)?;
        let gradients = loss.backward()?;

        let logits = logits.to_vec2::<f32>()?;
        let correct = logits.iter().zip(examples).filter(|(row, example)| best(row) == usize::from(example.label));
        let loss = f64::from(loss.to_scalar::<f32>()?) * n as f64;
        Ok((Score { loss, correct: correct.count(), examples: n }, gradients))
    }

    fn stream(self, purpose: Purpose) -> Stream {
        Stream::new(self.config.seed, purpose, self.number)
    }

    /// The examples' sentences with some words turned into the unknown one.
    fn drop_words(self, examples: &[&Example]) -> Vec<(Vec<u32>, Vec<u32>)> {
        let Self { config, rare, .. } = self;
        let stream = self.stream(Purpose::Words);
        let mut at = 0;
        let mut sentence = |words: &[u32]| -> Vec<u32> {
            let dropped = words.iter().enumerate().map(|(i, &word)| {
                let share = if rare[word as usize] { config.rare_word_dropout } else { config.word_dropout };
                if stream.unit(at + i as u64) < share { UNK } else { word }
            });
            let dropped = dropped.collect();
            at += words.len() as u64;
            dropped
        };
        examples.iter().map(|e| (sentence(&e.premise), sentence(&e.hypothesis))).collect()
    }

    /// Dropout of word vectors, `(words, embedding)`: the same values of a word's vector for all of its occurrences.
    fn vector_mask(self, words: &[u32], device: &Device) -> Result<Tensor> {
        let (stream, share, width) =
            (self.stream(Purpose::Embedding), self.config.embedding_dropout, self.model.embedding);
        let row = |&word: &u32| {
            let first = u64::from(word) * width as u64;
            (0..width as u64).map(move |i| keep(stream, share, first + i))
        };
        let mask: Vec<f32> = words.par_iter().flat_map_iter(row).collect();
        Ok(Tensor::from_vec(mask, (words.len(), width), device)?)
    }

    /// Dropout before and after the hidden layer, for `n` examples.
    fn masks(self, n: usize, device: &Device) -> Result<Masks> {
        let mask = |purpose: Purpose, width: usize| -> Result<Tensor> {
            let stream = self.stream(purpose);
            let values = (0..n * width).into_par_iter().map(|i| keep(stream, self.config.dropout, i as u64));
            Ok(Tensor::from_vec(values.collect::<Vec<_>>(), (n, width), device)?)
        };
        let hidden = (self.model.kind == Kind::Bowman).then(|| mask(Purpose::Hidden, self.model.features));
        Ok(Masks { joined: mask(Purpose::Joined, self.model.joined())?, hidden: hidden.transpose()? })
    }
}

/// 0 with probability `p`, else `1 / (1 - p)`: what dropout multiplies by. `p` is less than 1.
fn keep(stream: Stream, p: f32, at: u64) -> f32 {
    if stream.unit(at) < p { 0.0 } else { 1.0 / (1.0 - p) }
}

#[cfg(test)]
#[path = "step_tests.rs"]
mod tests;
