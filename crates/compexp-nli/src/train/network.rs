//! One step of training up to the gradients: the whole network forward in training mode, and back.

use compexp_core::random::Stream;
use rayon::prelude::*;

use super::Example;
use super::config::TrainConfig;
use super::tape::{Columns, Tape, Weights as DirectionOf};
use crate::error::Result;
use crate::model::config::{Config, EMBEDDING, HIDDEN, Kind, NORM, lstm_names};
use crate::model::{EPSILON, Weights, add_bias, best, gather, join, lstm_of, relu, sentences};
use crate::random::Purpose;
use crate::text::UNK;
use compexp_kernels::gemm::{Epilogue, Packed, add_transposed_product, product_parallel};

/// Share of a batch's statistics in the running ones, PyTorch's.
const MOMENTUM: f32 = 0.1;

/// What a step learns from its examples.
#[derive(Debug, Default)]
pub(super) struct Gradients {
    /// The words with a gradient, ascending.
    pub(super) words: Vec<u32>,
    /// Their vectors' gradients, `(words, embedding)`.
    pub(super) vectors: Vec<f32>,
    /// Those of all other weights.
    pub(super) others: Weights,
}

/// The result of a step's forward pass.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Score {
    /// The sum of the examples' losses.
    pub(super) loss: f64,
    /// Examples whose label has the highest logit.
    pub(super) correct: usize,
}

/// Memory that steps share.
#[derive(Debug, Default)]
pub(super) struct Network {
    tapes: [Tape; 2],
    packed: Packed,
}

/// What a step depends on besides the weights and the examples.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step<'a> {
    pub(super) model: &'a Config,
    pub(super) config: &'a TrainConfig,
    /// Whether the training examples hold a word once.
    pub(super) rare: &'a [bool],
    /// The number of the step, of which its random numbers are.
    pub(super) number: u64,
}

impl Network {
    /// The gradients of the mean cross entropy of `examples`; updates the running statistics of the batch norm.
    pub(super) fn step(
        &mut self,
        step: Step<'_>,
        weights: &mut Weights,
        examples: &[&Example],
    ) -> Result<(Score, Gradients)> {
        let Step { model, config, number, .. } = step;
        let stream = |purpose: Purpose| Stream::new(config.seed, purpose, number);
        let n = examples.len();
        let (encoded, joined, probed) = (model.encoded(), model.joined(), model.probed());

        // Forward.
        let dropped = drop_words(step, examples);
        let all = dropped.iter().map(|(premise, _)| premise).chain(dropped.iter().map(|(_, hypothesis)| hypothesis));
        let (sequences, words) = sentences(all.map(Vec::as_slice), weights[EMBEDDING].len() / model.embedding)?;
        let mut inputs = gather(&weights[EMBEDDING], model.embedding, &words); // (words, embedding)
        drop_vectors(stream(Purpose::Embedding), config.embedding_dropout, &words, &mut inputs);
        let lstm = lstm_of(model, weights)?;
        let mut premises = vec![0.0; 2 * n * encoded];
        let columns = |d: usize| Columns { column: d * model.hidden, stride: encoded };
        for (d, (direction, tape)) in lstm.directions.iter().zip(&mut self.tapes).enumerate() {
            tape.forward(direction, &sequences, &inputs, &mut premises, columns(d));
        }
        let hypotheses = premises.split_off(n * encoded);
        let mut x = join(model, &premises, &hypotheses); // (n, joined)
        let roots = normalize(&mut x, weights);
        let mut y = x.clone();
        let [scale, shift] = [&weights[NORM[0]], &weights[NORM[1]]];
        for row in y.chunks_exact_mut(joined) {
            row.iter_mut().zip(scale.iter().zip(shift)).for_each(|(y, (a, b))| *y = *y * a + b);
        }
        let keep_joined = |i: usize| keep(stream(Purpose::Joined), config.dropout, i as u64);
        let keep_hidden = |i: usize| keep(stream(Purpose::Hidden), config.dropout, i as u64);
        multiply(&mut y, keep_joined);
        let hidden = (model.kind == Kind::Bowman).then(|| {
            let mut features = self.linear(&y, weights, HIDDEN, joined, probed);
            features.iter_mut().for_each(|v| *v = relu(*v));
            multiply(&mut features, keep_hidden);
            features
        });
        let last = hidden.as_ref().unwrap_or(&y);
        let mut logits = self.linear(last, weights, model.last(), probed, model.classes);
        let score = cross_entropy(&mut logits, model.classes, examples);

        // Backward: `logits` are their gradients now.
        let mut gradients = Gradients { words, ..Gradients::default() };
        let mut d = self.linear_back(last, &logits, weights, model.last(), &mut gradients.others);
        if let Some(features) = hidden {
            // A kept value is positive where the ReLU let it through.
            multiply(&mut d, keep_hidden);
            d.iter_mut().zip(&features).for_each(|(d, &f)| *d = if f > 0.0 { *d } else { 0.0 });
            d = self.linear_back(&y, &d, weights, HIDDEN, &mut gradients.others);
        }
        multiply(&mut d, keep_joined);
        normalize_back(&mut d, &x, &roots, weights, &mut gradients.others);
        let d_finals = join_back(model, &d, &premises, &hypotheses); // (2 n, encoded)
        gradients.vectors = vec![0.0; inputs.len()];
        for (index, tape) in self.tapes.iter_mut().enumerate().take(model.directions()) {
            let names = lstm_names(index);
            let (weight_ih, weight_hh) = (&weights[&names[0]], &weights[&names[1]]);
            let direction = DirectionOf { hidden: model.hidden, n_inputs: model.embedding, weight_ih, weight_hh };
            let found = tape.backward(direction, &inputs, &d_finals, columns(index), &mut gradients.vectors);
            let found = [found.weight_ih, found.weight_hh, found.bias.clone(), found.bias];
            gradients.others.extend(names.into_iter().zip(found));
        }
        drop_vectors(stream(Purpose::Embedding), config.embedding_dropout, &gradients.words, &mut gradients.vectors);
        Ok((score, gradients))
    }

    /// `x (_, k) · weightᵀ + bias`, `(_, n)`.
    fn linear(&mut self, x: &[f32], weights: &Weights, [weight, bias]: [&str; 2], k: usize, n: usize) -> Vec<f32> {
        self.packed.set_transposed(k, n, &weights[weight]);
        let mut out = vec![0.0; x.len() / k * n];
        product_parallel(x, &self.packed, &mut out, Epilogue::default());
        add_bias(&mut out, &weights[bias]);
        out
    }

    /// The gradient of `x` in [`Self::linear`] from that of its result; those of weight and bias are put to the others.
    fn linear_back(
        &mut self,
        x: &[f32],
        d: &[f32],
        weights: &Weights,
        [weight, bias]: [&str; 2],
        gradients: &mut Weights,
    ) -> Vec<f32> {
        let n = weights[bias].len();
        let k = weights[weight].len() / n;
        self.packed.set_rows(x.len() / k, k, |i| &x[i * k..][..k]);
        let mut d_weight = vec![0.0; n * k];
        add_transposed_product(d, n, &self.packed, &mut d_weight);
        gradients.insert(weight.to_owned(), d_weight);
        let mut d_bias = vec![0.0; n];
        for row in d.chunks_exact(n) {
            d_bias.iter_mut().zip(row).for_each(|(sum, d)| *sum += d);
        }
        gradients.insert(bias.to_owned(), d_bias);
        self.packed.set_rows(n, k, |i| &weights[weight][i * k..][..k]);
        let mut d_x = vec![0.0; x.len()];
        product_parallel(d, &self.packed, &mut d_x, Epilogue::default());
        d_x
    }
}

/// The examples' sentences with some words turned into the unknown one.
fn drop_words(step: Step<'_>, examples: &[&Example]) -> Vec<(Vec<u32>, Vec<u32>)> {
    let Step { config, rare, number, .. } = step;
    let stream = Stream::new(config.seed, Purpose::Words, number);
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

/// 0 with probability `p`, else `1 / (1 - p)`: what dropout multiplies by. `p` is less than 1.
fn keep(stream: Stream, p: f32, at: u64) -> f32 {
    if stream.unit(at) < p { 0.0 } else { 1.0 / (1.0 - p) }
}

/// Dropout of rows that belong to words: the same values of a word's row every time.
fn drop_vectors(stream: Stream, share: f32, words: &[u32], rows: &mut [f32]) {
    if share > 0.0 && !words.is_empty() {
        let width = rows.len() / words.len();
        rows.par_chunks_exact_mut(width).zip(words).for_each(|(row, &word)| {
            let first = u64::from(word) * width as u64;
            row.iter_mut().enumerate().for_each(|(i, x)| *x *= keep(stream, share, first + i as u64));
        });
    }
}

fn multiply(values: &mut [f32], factor: impl Fn(usize) -> f32) {
    values.iter_mut().enumerate().for_each(|(i, value)| *value *= factor(i));
}

/// Brings every column of `x (n, joined)` to mean 0 and variance 1 and updates the running statistics; gives the roots of
/// the variances.
fn normalize(x: &mut [f32], weights: &mut Weights) -> Vec<f32> {
    let width = weights[NORM[0]].len();
    let n = (x.len() / width) as f64;
    let mut sums = vec![0.0f64; width];
    for row in x.chunks_exact(width) {
        sums.iter_mut().zip(row).for_each(|(sum, &v)| *sum += f64::from(v));
    }
    let means: Vec<f32> = sums.iter().map(|sum| (sum / n) as f32).collect();
    sums.fill(0.0);
    for row in x.chunks_exact_mut(width) {
        for (v, (sum, mean)) in row.iter_mut().zip(sums.iter_mut().zip(&means)) {
            *v -= mean;
            *sum += f64::from(*v * *v);
        }
    }
    let roots: Vec<f32> = sums.iter().map(|sum| ((sum / n) as f32 + EPSILON).sqrt()).collect();
    for row in x.chunks_exact_mut(width) {
        row.iter_mut().zip(&roots).for_each(|(v, root)| *v /= root);
    }
    // The running variance is the unbiased one, as in PyTorch.
    let unbiased = sums.iter().map(|sum| (sum / (n - 1.0).max(1.0)) as f32);
    let mut update = |name: &str, values: &mut dyn Iterator<Item = f32>| {
        if let Some(running) = weights.get_mut(name) {
            running.iter_mut().zip(values).for_each(|(r, v)| *r += MOMENTUM * (v - *r));
        }
    };
    update(NORM[2], &mut means.iter().copied());
    update(NORM[3], &mut unbiased.into_iter());
    roots
}

/// From the gradient of the batch norm's result to that of its input, in place; `x` is the normalised input.
fn normalize_back(d: &mut [f32], x: &[f32], roots: &[f32], weights: &Weights, gradients: &mut Weights) {
    let width = roots.len();
    let n = (x.len() / width) as f32;
    let (mut d_scale, mut d_shift) = (vec![0.0f32; width], vec![0.0f32; width]);
    for (d, x) in d.chunks_exact(width).zip(x.chunks_exact(width)) {
        d_shift.iter_mut().zip(d).for_each(|(sum, d)| *sum += d);
        d_scale.iter_mut().zip(d.iter().zip(x)).for_each(|(sum, (d, x))| *sum += d * x);
    }
    let scale = &weights[NORM[0]];
    for (d, x) in d.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
        for j in 0..width {
            d[j] = scale[j] / roots[j] * (d[j] - (d_shift[j] + x[j] * d_scale[j]) / n);
        }
    }
    gradients.insert(NORM[0].to_owned(), d_scale);
    gradients.insert(NORM[1].to_owned(), d_shift);
}

/// The gradients of all premises' vectors, then of all hypotheses'.
fn join_back(model: &Config, d: &[f32], premises: &[f32], hypotheses: &[f32]) -> Vec<f32> {
    let width = model.encoded();
    let mut d_finals = vec![0.0; 2 * premises.len()];
    let (d_premises, d_hypotheses) = d_finals.split_at_mut(premises.len());
    let vectors = premises.chunks_exact(width).zip(hypotheses.chunks_exact(width));
    let to = d_premises.chunks_exact_mut(width).zip(d_hypotheses.chunks_exact_mut(width));
    for ((d, (p, h)), (dp, dh)) in d.chunks_exact(model.joined()).zip(vectors).zip(to) {
        let product = &d[d.len() - width..];
        for j in 0..width {
            (dp[j], dh[j]) = (product[j] * h[j], product[j] * p[j]);
            if model.kind == Kind::Bowman {
                dp[j] += d[j] + d[2 * width + j];
                dh[j] += d[width + j] - d[2 * width + j];
            }
        }
    }
    d_finals
}

/// The sum of losses and the number of correct labels; `logits` become the gradients of the mean loss.
fn cross_entropy(logits: &mut [f32], classes: usize, examples: &[&Example]) -> Score {
    let n = examples.len() as f32;
    let mut score = Score::default();
    for (row, example) in logits.chunks_exact_mut(classes).zip(examples) {
        let label = usize::from(example.label);
        let highest = best(row);
        score.correct += usize::from(highest == label);
        let top = row[highest];
        let sum: f64 = row.iter().map(|&x| f64::from(x - top).exp()).sum();
        score.loss += sum.ln() - f64::from(row[label] - top);
        for (class, x) in row.iter_mut().enumerate() {
            let share = (f64::from(*x - top).exp() / sum) as f32;
            *x = (share - f32::from(u8::from(class == label))) / n;
        }
    }
    score
}

#[cfg(test)]
#[path = "network_tests.rs"]
mod tests;
