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
pub mod steps;

use std::collections::HashMap;

use rayon::prelude::*;

pub use config::{Config, Kind};
pub use file::{Model, WORDS_FILE, Weights};

use crate::error::{Error, Result};
use crate::text::WordTable;
use compexp_kernels::gemm::{Epilogue, Packed, product_parallel};
use config::{EMBEDDING, HIDDEN, NORM, lstm_names};
use lstm::{DirectionWeights, Lstm};
use steps::Sequences;

/// What PyTorch adds to a variance before it divides by its root.
pub(crate) const EPSILON: f32 = 1e-5;

/// Pairs that go through the network together, and half of the sentences that do.
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
        let Model { config, words, weights } = model;
        config.check()?;
        file::check_weights(&config.shapes(words.len()), weights)?;
        let linear = |[weight, bias]: [&str; 2], k: usize, n: usize| Linear {
            weight: Packed::transposed(k, n, &weights[weight]),
            bias: weights[bias].clone(),
        };
        let [weight, bias, mean, var] = NORM.map(|name| &weights[name]);
        let (joined, probed) = (config.joined(), config.probed());
        Ok(Self {
            config: config.clone(),
            words: words.clone(),
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
    pub fn words(&self) -> &WordTable {
        &self.words
    }

    /// Logits, features and sentence vectors of any number of pairs. A sentence that is there more than once goes through
    /// the LSTM once.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] where a word number is not one of the table's.
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
        let vectors = self.encode(&distinct)?; // (distinct, encoded)
        let mut output = Output::default();
        for chunk in sides.chunks(BATCH) {
            let side = |side: usize| chunk.iter().map(|places| places[side]).collect::<Vec<_>>();
            let [premises, hypotheses] = [0, 1].map(|at| gather(&vectors, self.config.encoded(), &side(at)));
            let (features, logits) = self.decide(&premises, &hypotheses);
            output.logits.extend(logits);
            output.features.extend(features);
            output.premises.extend(premises);
            output.hypotheses.extend(hypotheses);
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

    /// The vectors of sentences, `(sentences, encoded)`.
    fn encode(&self, all: &[&[u32]]) -> Result<Vec<f32>> {
        let encoded = self.config.encoded();
        let mut vectors = vec![0.0; all.len() * encoded];
        // Sentences of similar lengths go together, so that no short one waits for a long one.
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.sort_by_key(|&i| all[i].len());
        for chunk in order.chunks(2 * BATCH) {
            let (sequences, words) = sentences(chunk.iter().map(|&i| all[i]), self.words.len())?;
            let inputs = gather(&self.embedding, self.config.embedding, &words);
            let found = self.lstm.forward(&sequences, &inputs)?;
            for (&i, vector) in chunk.iter().zip(found.chunks_exact(encoded)) {
                vectors[i * encoded..][..encoded].copy_from_slice(vector);
            }
        }
        Ok(vectors)
    }

    /// Features and logits of pairs of sentence vectors.
    fn decide(&self, premises: &[f32], hypotheses: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let n = premises.len() / self.config.encoded();
        let mut joined = join(&self.config, premises, hypotheses); // (n, joined)
        let products = (self.config.kind == Kind::Minimal).then(|| joined.clone());
        let Norm { mean, scale, shift } = &self.norm;
        for row in joined.chunks_exact_mut(self.config.joined()) {
            for (x, (m, (a, b))) in row.iter_mut().zip(mean.iter().zip(scale.iter().zip(shift))) {
                *x = (*x - m) * a + b;
            }
        }
        let mut logits = vec![0.0; n * self.config.classes];
        let features = match (&self.hidden, products) {
            (Some(hidden), _) => {
                let mut features = vec![0.0; n * self.config.probed()];
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
        (features, logits)
    }
}

impl Linear {
    fn apply(&self, x: &[f32], out: &mut [f32]) {
        product_parallel(x, &self.weight, out, Epilogue::default());
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
