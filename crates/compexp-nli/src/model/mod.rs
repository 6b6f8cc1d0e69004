//! Classifiers of sentence pairs: word vectors, an LSTM for each sentence, and a decision from the two sentence vectors.
//!
//! [`Model`] is what a file holds, [`Classifier`] the same laid out for use, in evaluation mode: batch norm by its
//! running statistics, no dropout.
//!
//! A pair's result is the same bits whatever other pairs are given with it, and however many threads there are.

pub(crate) mod activation;
pub mod config;
pub mod file;
mod head;
pub mod lstm;
pub(crate) mod matrix;
pub mod steps;
pub mod vocabulary;

use rayon::prelude::*;

pub use config::{Config, Kind};
pub use file::{Model, Weights};
pub use vocabulary::{PADDING, UNKNOWN, Vocabulary};

use crate::error::{Error, Result};
use config::{EMBEDDING, HIDDEN, NORM, lstm_names};
use lstm::{DirectionWeights, Lstm};
use matrix::{Packed, product_parallel};
use steps::Sequences;

/// What PyTorch adds to a variance before it divides by its root.
pub(crate) const EPSILON: f32 = 1e-5;

/// Pairs that go through the network together.
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
    vocabulary: Vocabulary,
    /// `(words, embedding)`
    embedding: Vec<f32>,
    lstm: Lstm,
    norm: Norm,
    hidden: Option<Linear>,
    last: Linear,
}

#[derive(Debug, Clone)]
struct Norm {
    mean: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
}

#[derive(Debug, Clone)]
struct Linear {
    weight: Packed,
    bias: Vec<f32>,
}

impl Classifier {
    /// Lays out a model's weights.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] where the weights are not those of its sizes.
    pub fn new(model: &Model) -> Result<Self> {
        let Model { config, vocabulary, weights } = model;
        config.check()?;
        file::check_weights(&config.shapes(vocabulary.len()), weights)?;
        let linear = |[weight, bias]: [&str; 2], k: usize, n: usize| Linear {
            weight: Packed::transposed(k, n, &weights[weight]),
            bias: weights[bias].clone(),
        };
        let [weight, bias, mean, var] = NORM.map(|name| &weights[name]);
        let (joined, probed) = (config.joined(), config.probed());
        Ok(Self {
            config: config.clone(),
            vocabulary: vocabulary.clone(),
            embedding: weights[EMBEDDING].clone(),
            lstm: lstm_of(config, weights)?,
            norm: Norm {
                mean: mean.clone(),
                scale: weight.iter().zip(var).map(|(w, v)| w / (v + EPSILON).sqrt()).collect(),
                shift: bias.clone(),
            },
            hidden: (config.kind == Kind::Bowman).then(|| linear(HIDDEN, joined, probed)),
            last: linear(config.last(), probed, config.classes),
        })
    }

    /// The sizes.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The words.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// Logits, features and sentence vectors of any number of pairs.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] where a word number is not one of the vocabulary's.
    pub fn forward(&self, pairs: &[Pair<'_>]) -> Result<Output> {
        let (classes, probed, encoded) = (self.config.classes, self.config.probed(), self.config.encoded());
        let n = pairs.len();
        let mut output = Output {
            logits: vec![0.0; n * classes],
            features: vec![0.0; n * probed],
            premises: vec![0.0; n * encoded],
            hypotheses: vec![0.0; n * encoded],
        };
        // Pairs of similar lengths go together, so that no short one waits for a long one.
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by_key(|&i| (pairs[i].premise.len(), pairs[i].hypothesis.len()));
        for chunk in order.chunks(BATCH) {
            let batch: Vec<_> = chunk.iter().map(|&i| pairs[i]).collect();
            let part = self.batch(&batch)?;
            for (k, &i) in chunk.iter().enumerate() {
                for (to, from, size) in [
                    (&mut output.logits, &part.logits, classes),
                    (&mut output.features, &part.features, probed),
                    (&mut output.premises, &part.premises, encoded),
                    (&mut output.hypotheses, &part.hypotheses, encoded),
                ] {
                    to[i * size..][..size].copy_from_slice(&from[k * size..][..size]);
                }
            }
        }
        Ok(output)
    }

    /// The label with the highest logit for each pair, the first of equal ones.
    ///
    /// # Errors
    /// Those of [`Self::forward`].
    pub fn predict(&self, pairs: &[Pair<'_>]) -> Result<Vec<u8>> {
        let logits = self.forward(pairs)?.logits;
        Ok(logits.chunks_exact(self.config.classes).map(|row| best(row) as u8).collect())
    }

    fn batch(&self, pairs: &[Pair<'_>]) -> Result<Output> {
        let (classes, probed, encoded) = (self.config.classes, self.config.probed(), self.config.encoded());
        let (sequences, words) = sentences(pairs, self.vocabulary.len())?;
        let inputs = gather(&self.embedding, self.config.embedding, &words);
        let mut premises = self.lstm.forward(&sequences, &inputs)?; // (2 n, encoded)
        let hypotheses = premises.split_off(pairs.len() * encoded);

        let mut joined = join(&self.config, &premises, &hypotheses); // (n, joined)
        let products = (self.config.kind == Kind::Minimal).then(|| joined.clone());
        let Norm { mean, scale, shift } = &self.norm;
        for row in joined.chunks_exact_mut(self.config.joined()) {
            for (x, (m, (a, b))) in row.iter_mut().zip(mean.iter().zip(scale.iter().zip(shift))) {
                *x = (*x - m) * a + b;
            }
        }
        let mut logits = vec![0.0; pairs.len() * classes];
        let features = match (&self.hidden, products) {
            (Some(hidden), _) => {
                let mut features = vec![0.0; pairs.len() * probed];
                hidden.apply(&joined, &mut features);
                features.iter_mut().for_each(|x| *x = relu(*x));
                self.last.apply(&features, &mut logits);
                features
            }
            (None, products) => {
                self.last.apply(&joined, &mut logits);
                products.unwrap_or_default()
            }
        };
        Ok(Output { logits, features, premises, hypotheses })
    }
}

impl Linear {
    fn apply(&self, x: &[f32], out: &mut [f32]) {
        product_parallel(x, &self.weight, out, false);
        add_bias(out, &self.bias);
    }
}

/// The index of the greatest value, the first of equal ones.
pub(crate) fn best(row: &[f32]) -> usize {
    (1..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best })
}

/// Negative values become 0; NaN stays, so that a broken model is seen at the end.
pub(crate) fn relu(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

pub(crate) fn add_bias(out: &mut [f32], bias: &[f32]) {
    for row in out.chunks_exact_mut(bias.len()) {
        row.iter_mut().zip(bias).for_each(|(x, b)| *x += b);
    }
}

pub(crate) fn lstm_of(config: &Config, weights: &Weights) -> Result<Lstm> {
    let directions: Vec<_> = (0..config.directions())
        .map(|direction| {
            let [weight_ih, weight_hh, bias_ih, bias_hh] = lstm_names(direction).map(|name| weights[&name].as_slice());
            DirectionWeights { weight_ih, weight_hh, bias_ih, bias_hh }
        })
        .collect();
    Lstm::new(config.embedding, config.hidden, &directions)
}

/// All premises, then all hypotheses, in numbers of the distinct words, and these.
pub(crate) fn sentences(pairs: &[Pair<'_>], n_words: usize) -> Result<(Sequences, Vec<u32>)> {
    let all = pairs.iter().map(|p| p.premise).chain(pairs.iter().map(|p| p.hypothesis));
    let (sequences, words) = Sequences::new(all).distinct();
    match words.last() {
        Some(&word) if word as usize >= n_words => {
            let expected = format!("less than {n_words}, the size of the vocabulary");
            Err(Error::mismatch("number of a word", word, expected))
        }
        _ => Ok((sequences, words)),
    }
}

/// Rows `rows` of a `(_, width)` matrix.
pub(crate) fn gather(matrix: &[f32], width: usize, rows: &[u32]) -> Vec<f32> {
    let mut out = vec![0.0; rows.len() * width];
    out.par_chunks_exact_mut(width)
        .zip(rows)
        .for_each(|(to, &row)| to.copy_from_slice(&matrix[row as usize * width..][..width]));
    out
}

/// What becomes of the sentence vectors, `(n, joined)`.
pub(crate) fn join(config: &Config, premises: &[f32], hypotheses: &[f32]) -> Vec<f32> {
    let width = config.encoded();
    let mut joined = Vec::with_capacity(premises.len() / width * config.joined());
    for (p, h) in premises.chunks_exact(width).zip(hypotheses.chunks_exact(width)) {
        if config.kind == Kind::Bowman {
            joined.extend_from_slice(p);
            joined.extend_from_slice(h);
            joined.extend(p.iter().zip(h).map(|(p, h)| p - h));
        }
        joined.extend(p.iter().zip(h).map(|(p, h)| p * h));
    }
    joined
}

#[cfg(test)]
mod tests;
