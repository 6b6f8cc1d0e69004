//! Adam (Kingma and Ba, 2015), as PyTorch computes it, for all weights at once.

use rayon::prelude::*;

use super::config::TrainConfig;
use super::network::Gradients;
use crate::model::Weights;
use crate::model::config::EMBEDDING;

/// Elements that a thread updates at a time, and over which parts of a norm are summed: fixed, so that a sum does not
/// depend on the threads.
pub(super) const BLOCK: usize = 1 << 14;

/// The running means of gradients and of their squares, by weight.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Moments {
    pub(super) first: Weights,
    pub(super) second: Weights,
}

#[derive(Clone, Copy)]
struct Rates {
    betas: [f32; 2],
    epsilon: f32,
    /// The learning rate over the first moment's bias correction.
    rate: f32,
    /// The root of the second moment's bias correction.
    root: f32,
    /// What gradients are multiplied by.
    scale: f32,
}

impl Moments {
    /// Zeros for the weights that are trained.
    pub(super) fn new(weights: &Weights, trained: impl Fn(&str) -> bool) -> Self {
        let zeros: Weights = weights
            .iter()
            .filter(|(name, _)| trained(name))
            .map(|(name, values)| (name.clone(), vec![0.0; values.len()]))
            .collect();
        Self { first: zeros.clone(), second: zeros }
    }

    /// Update number `step`, counted from 1, of the weights that have moments.
    pub(super) fn update(
        &mut self,
        config: &TrainConfig,
        rate: f32,
        step: u64,
        weights: &mut Weights,
        gradients: &Gradients,
    ) {
        let correction = |beta: f32| 1.0 - f64::from(beta).powi(i32::try_from(step).unwrap_or(i32::MAX));
        let rates = Rates {
            betas: config.betas,
            epsilon: config.epsilon,
            rate: (f64::from(rate) / correction(config.betas[0])) as f32,
            root: correction(config.betas[1]).sqrt() as f32,
            scale: config.clip.map_or(1.0, |clip| scale(clip, norm(gradients, self.first.contains_key(EMBEDDING)))),
        };
        for ((name, first), second) in self.first.iter_mut().zip(self.second.values_mut()) {
            let Some(values) = weights.get_mut(name) else { continue };
            if name == EMBEDDING {
                rows(rates, values, first, second, gradients);
            } else if let Some(gradient) = gradients.others.get(name) {
                let blocks = values.par_chunks_mut(BLOCK).zip(gradient.par_chunks(BLOCK));
                let moments = first.par_chunks_mut(BLOCK).zip(second.par_chunks_mut(BLOCK));
                blocks.zip(moments).for_each(|((values, gradient), (m, v))| rates.apply(values, gradient, m, v));
            }
        }
    }
}

/// Updates word vectors; those without a gradient move on by their moments, as dense gradients of zero would do.
fn rows(rates: Rates, values: &mut [f32], first: &mut [f32], second: &mut [f32], gradients: &Gradients) {
    let Gradients { words, vectors, .. } = gradients;
    if words.is_empty() {
        return;
    }
    let width = vectors.len() / words.len();
    let zeros = vec![0.0; width];
    values
        .par_chunks_exact_mut(width)
        .zip(first.par_chunks_exact_mut(width).zip(second.par_chunks_exact_mut(width)))
        .enumerate()
        .with_min_len(64)
        .for_each(|(word, (values, (m, v)))| match words.binary_search(&(word as u32)) {
            Ok(at) => rates.apply(values, &vectors[at * width..][..width], m, v),
            Err(_) => rates.apply(values, &zeros, m, v),
        });
}

impl Rates {
    fn apply(self, values: &mut [f32], gradient: &[f32], m: &mut [f32], v: &mut [f32]) {
        let [one, two] = self.betas;
        for (m, v, g) in m.iter_mut().zip(v.iter_mut()).zip(gradient).map(|((m, v), g)| (m, v, g * self.scale)) {
            *m += (1.0 - one) * (g - *m);
            *v = two * *v + (1.0 - two) * (g * g);
        }
        for (x, (m, v)) in values.iter_mut().zip(m.iter().zip(v.iter())) {
            *x -= self.rate * (m / (v.sqrt() / self.root + self.epsilon));
        }
    }
}

/// What brings a norm down to `clip`, as PyTorch's `clip_grad_norm_`.
fn scale(clip: f32, norm: f64) -> f32 {
    (f64::from(clip) / (norm + 1e-6)).min(1.0) as f32
}

/// The norm of all gradients together.
fn norm(gradients: &Gradients, with_words: bool) -> f64 {
    let words = with_words.then_some(&gradients.vectors);
    let squares = |values: &Vec<f32>| -> f64 {
        let parts: Vec<f64> =
            values.par_chunks(BLOCK).map(|block| block.iter().map(|&x| f64::from(x) * f64::from(x)).sum()).collect();
        parts.iter().sum()
    };
    gradients.others.values().chain(words).map(squares).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup() -> (Weights, Gradients) {
        let weights = Weights::from([
            (EMBEDDING.to_owned(), vec![0.1, 0.2, 0.3, 0.4]),
            ("mlp.bias".to_owned(), vec![1.0, -1.0]),
            ("bn.running_mean".to_owned(), vec![0.5]),
        ]);
        let gradients = Gradients {
            words: vec![1],
            vectors: vec![3.0, 0.0],
            others: Weights::from([("mlp.bias".to_owned(), vec![-4.0, 1e-3])]),
        };
        (weights, gradients)
    }

    #[test]
    fn updates_equal_the_published_formula() {
        let (mut weights, gradients) = setup();
        let mut moments = Moments::new(&weights, |name| !name.starts_with("bn."));
        let config = TrainConfig::default();
        let sequence: [f64; 3] = [-4.0, -4.0, 0.0];
        let (mut x, mut m, mut v) = (1.0f64, 0.0f64, 0.0f64);
        for (step, g) in sequence.into_iter().enumerate() {
            let mut now = Gradients { others: gradients.others.clone(), ..Gradients::default() };
            now.others.get_mut("mlp.bias").unwrap()[0] = g as f32;
            moments.update(&config, 0.01, step as u64 + 1, &mut weights, &now);
            (m, v) = (0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g);
            let t = step as i32 + 1;
            x -= 0.01 * (m / (1.0 - 0.9f64.powi(t))) / ((v / (1.0 - 0.999f64.powi(t))).sqrt() + 1e-8);
            assert!((f64::from(weights["mlp.bias"][0]) - x).abs() < 1e-6, "step {t}: {weights:?}, expected {x}");
        }
        assert_eq!(weights["bn.running_mean"], [0.5]);
    }

    #[test]
    fn words_without_a_gradient_move_by_their_moments_alone() {
        let (mut weights, mut gradients) = setup();
        let mut moments = Moments::new(&weights, |name| !name.starts_with("bn."));
        let config = TrainConfig::default();
        moments.update(&config, 0.01, 1, &mut weights, &gradients);
        assert_eq!(weights[EMBEDDING][..2], [0.1, 0.2]);
        assert!((weights[EMBEDDING][2] - 0.29).abs() < 1e-6);
        let before = weights.clone();
        (gradients.words, gradients.vectors) = (vec![0], vec![0.0, 1.0]);
        moments.update(&config, 0.01, 2, &mut weights, &gradients);
        assert!(weights[EMBEDDING][2] < before[EMBEDDING][2] && weights[EMBEDDING][1] < before[EMBEDDING][1]);
    }

    #[test]
    fn gradients_are_clipped_by_their_common_norm() {
        let (_, gradients) = setup();
        assert!((norm(&gradients, true) - 5.0).abs() < 1e-6 && (norm(&gradients, false) - 4.0).abs() < 1e-6);
        assert!((scale(1.0, 5.0) - 0.2).abs() < 1e-6);
        assert_eq!(scale(10.0, 5.0), 1.0);
    }
}
