//! Classifiers of sentence pairs: word vectors, an LSTM for each sentence, and a decision from the two sentence
//! vectors.
//!
//! [`Model`] is the content of a file. [`Classifier`] is the same, prepared for use in evaluation mode: batch norm with
//! its running statistics, no dropout.
//!
//! The result of a pair is the same to the bit with any other pairs and any number of threads.

pub mod config;
pub mod file;
mod head;
pub(crate) mod network;

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
pub use compexp_kernels::DeviceName;
use compexp_kernels::lstm::Sequences;

pub use config::{Config, Kind};
pub use file::{Model, WORDS_FILE, Weights};

use crate::error::{Error, Result};
use crate::text::WordTable;
use network::Network;

/// The number of pairs that the network computes together, and half of the number of sentences.
const BATCH: usize = 128;

/// Two sentences as word numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair<'a> {
    /// The first sentence.
    pub premise: &'a [u32],
    /// The second sentence.
    pub hypothesis: &'a [u32],
}

/// What a classifier computes for `n` pairs, in their order, row-major.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Output {
    /// `(n, classes)`, before the softmax.
    pub logits: Vec<f32>,
    /// `(n, probed)`: after the ReLU, or the product of the sentence vectors for [`Kind::Minimal`].
    pub features: Vec<f32>,
    /// `(n, encoded)`: the premises' vectors.
    pub premises: Vec<f32>,
    /// `(n, encoded)`: the hypotheses' vectors.
    pub hypotheses: Vec<f32>,
}

/// A classifier ready for use.
#[derive(Debug, Clone)]
pub struct Classifier {
    config: Config,
    words: WordTable,
    network: Network,
}

impl Classifier {
    /// Lays out a model's weights on the CPU.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] if a weight is missing, superfluous, or of another size.
    pub fn new(model: &Model) -> Result<Self> {
        Self::on(model, &Device::Cpu)
    }

    /// Lays out a model's weights on a device.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] if a weight is missing, superfluous, or of another size; [`Error::Candle`] if
    /// the device fails.
    pub fn on(model: &Model, device: &Device) -> Result<Self> {
        let Model { config, words, weights } = model;
        config.check()?;
        let shapes = config.shapes(words.len());
        file::check_weights(&shapes, weights)?;
        let tensor = |(name, shape): (String, Vec<usize>)| {
            let tensor = Tensor::from_slice(&weights[&name], shape, device)?;
            Ok((name, tensor))
        };
        let tensors = shapes.into_iter().map(tensor).collect::<Result<_>>()?;
        let network = Network::new(config, words.len(), &VarBuilder::from_tensors(tensors, DType::F32, device))?;
        Ok(Self { config: config.clone(), words: words.clone(), network })
    }

    /// The sizes.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The words.
    pub fn words(&self) -> &WordTable {
        &self.words
    }

    /// Logits, features and sentence vectors of any number of pairs. The LSTM encodes each distinct sentence once.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] if a word number is not in the table.
    pub fn forward(&self, pairs: &[Pair<'_>]) -> Result<Output> {
        let mut places: HashMap<&[u32], u32> = HashMap::new();
        let mut distinct: Vec<&[u32]> = Vec::new();
        let mut place = |sentence| {
            *places.entry(sentence).or_insert_with(|| {
                distinct.push(sentence);
                distinct.len() as u32 - 1
            })
        };
        let sides: Vec<[u32; 2]> = pairs.iter().map(|pair| [place(pair.premise), place(pair.hypothesis)]).collect();
        if pairs.is_empty() {
            return Ok(Output::default());
        }
        let (vectors, rows) = self.encode(&distinct)?;
        let mut output = Output::default();
        for chunk in sides.chunks(BATCH) {
            let side = |side: usize| -> Result<Tensor> {
                let rows: Vec<u32> = chunk.iter().map(|places| rows[places[side] as usize]).collect();
                Ok(vectors.index_select(&Tensor::from_vec(rows, chunk.len(), vectors.device())?, 0)?)
            };
            let (premises, hypotheses) = (side(0)?, side(1)?);
            let (features, logits) = self.network.decide(&premises, &hypotheses, None)?;
            append(&mut output.logits, &logits)?;
            append(&mut output.features, &features)?;
            append(&mut output.premises, &premises)?;
            append(&mut output.hypotheses, &hypotheses)?;
        }
        Ok(output)
    }

    /// The label with the highest logit for each pair; among equal logits, the first.
    ///
    /// # Errors
    /// The errors of [`Self::forward`].
    pub fn predict(&self, pairs: &[Pair<'_>]) -> Result<Vec<u8>> {
        let logits = self.forward(pairs)?.logits;
        Ok(logits.chunks_exact(self.config.classes).map(|row| best(row) as u8).collect())
    }

    /// The vectors of sentences, `(sentences, encoded)`, and the row of each.
    fn encode(&self, all: &[&[u32]]) -> Result<(Tensor, Vec<u32>)> {
        // Sentences of similar lengths are computed together, so that short ones do not wait for long ones.
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.sort_by_key(|&i| all[i].len());
        let mut rows = vec![0; all.len()];
        order.iter().zip(0..).for_each(|(&i, row)| rows[i] = row);
        let vectors = order.chunks(2 * BATCH).map(|chunk| {
            let (sequences, words) = sentences(chunk.iter().map(|&i| all[i]), self.words.len())?;
            self.network.encode(&sequences, &self.network.vectors(&words)?)
        });
        Ok((Tensor::cat(&vectors.collect::<Result<Vec<_>>>()?, 0)?, rows))
    }
}

/// Adds a tensor's values to `all`.
fn append(all: &mut Vec<f32>, tensor: &Tensor) -> Result<()> {
    all.extend(tensor.flatten_all()?.to_vec1::<f32>()?);
    Ok(())
}

/// The index of the greatest value, the first of equal ones.
pub(crate) fn best(row: &[f32]) -> usize {
    (1..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best })
}

/// Sentences in numbers of their distinct words, and these.
pub(crate) fn sentences<'a>(all: impl IntoIterator<Item = &'a [u32]>, n_words: usize) -> Result<(Sequences, Vec<u32>)> {
    let (sequences, words) = Sequences::new(all).distinct();
    match words.last() {
        Some(&word) if word as usize >= n_words => {
            let expected = format!("less than {n_words}, the number of words");
            Err(Error::mismatch("number of a word", word, expected))
        }
        _ => Ok((sequences, words)),
    }
}

#[cfg(test)]
mod tests;
