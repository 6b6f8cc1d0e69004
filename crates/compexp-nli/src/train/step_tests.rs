//! The gradients of a whole step against finite differences, with everything dropped that can be.

use super::*;
use crate::model::config::NORM;
use crate::model::{Classifier, Model, Pair, Weights};
use crate::text::WordTable;
use crate::train::initial_weights;
use crate::train::trainee::{network, variables};

const WORDS: usize = 7;

fn words() -> WordTable {
    WordTable::from_tokens(["a", "b", "c", "d", "e"])
}

fn setup(kind: Kind, bidirectional: bool) -> (Config, Weights, Vec<Example>) {
    let model = Config { kind, embedding: 4, hidden: 3, bidirectional, features: 6, classes: 3 };
    let weights = initial_weights(&model, &words(), None, 3).unwrap();
    // Large weights, so that no gradient is too small to be seen.
    let weights =
        weights.into_iter().map(|(name, v)| (name, v.into_iter().map(|x| 1.5 * x + 0.05).collect())).collect();
    let example = |premise: &[u32], hypothesis: &[u32], label| Example {
        premise: premise.to_vec(),
        hypothesis: hypothesis.to_vec(),
        label,
    };
    let examples = vec![
        example(&[2, 3, 4], &[3, 3], 0),
        example(&[5], &[2, 6, 6, 4, 1], 1),
        example(&[], &[4], 2),
        example(&[6, 5, 2, 3], &[5, 2], 1),
        example(&[3, 6], &[6, 2, 3], 0),
    ];
    (model, weights, examples)
}

/// The mean loss, and the gradient of each weight that is trained.
fn run(model: &Config, config: &TrainConfig, weights: &Weights, examples: &[Example]) -> (f64, Weights) {
    let examples: Vec<_> = examples.iter().collect();
    let rare: Vec<_> = (0..WORDS).map(|i| i == 5).collect();
    let vars = variables(model, WORDS, weights, &Device::Cpu).unwrap();
    let step = Step { model, config, rare: &rare, number: 11 };
    let (score, gradients) = step.run(&network(model, WORDS, &vars, false).unwrap(), &examples).unwrap();
    let values = |var: &candle_core::Var| Some(gradients.get(var)?.flatten_all().unwrap().to_vec1().unwrap());
    let gradients = vars.iter().filter_map(|(name, var)| Some((name.clone(), values(var)?))).collect();
    (score.loss / examples.len() as f64, gradients)
}

#[test]
fn gradients_equal_finite_differences() {
    let dropping = TrainConfig {
        dropout: 0.2,
        word_dropout: 0.1,
        rare_word_dropout: 0.5,
        embedding_dropout: 0.2,
        ..TrainConfig::default()
    };
    let whole = TrainConfig { dropout: 0.0, ..TrainConfig::default() };
    for (kind, bidirectional) in [(Kind::Bowman, false), (Kind::Bowman, true), (Kind::Minimal, false)] {
        for config in [&dropping, &whole] {
            let (model, weights, examples) = setup(kind, bidirectional);
            let (_, gradients) = run(&model, config, &weights, &examples);
            let (mut checked, mut kinks) = (0, 0);
            for (name, values) in &weights {
                if NORM[2..].contains(&name.as_str()) {
                    continue;
                }
                assert_eq!(gradients[name].len(), values.len(), "{name}");
                for (i, &analytic) in gradients[name].iter().enumerate() {
                    let difference = |step: f32| {
                        let [above, below] = [step, -step].map(|step| {
                            let mut moved = weights.clone();
                            moved.get_mut(name).unwrap()[i] += step;
                            run(&model, config, &moved, &examples).0
                        });
                        (above - below) / (2.0 * f64::from(step))
                    };
                    let off = |step| (f64::from(analytic) - difference(step)).abs() / (1.0 + f64::from(analytic).abs());
                    // A step may cross a kink of the ReLU; shorter ones then need not, but are less exact.
                    if off(4e-3) > 2e-3 {
                        kinks += 1;
                        let off = off(5e-4).min(off(1.25e-4));
                        assert!(off < 3e-3, "{kind:?}, {bidirectional}: {name} {i} is off by {off}");
                    }
                    checked += 1;
                }
            }
            assert!(kinks * 10 <= checked, "{kinks} of {checked} gradients differ");
        }
    }
}

#[test]
fn running_statistics_follow_the_batches() {
    let (model, mut weights, examples) = setup(Kind::Minimal, false);
    weights.insert(NORM[2].to_owned(), vec![0.0; 3]);
    weights.insert(NORM[3].to_owned(), vec![1.0; 3]);
    let config = TrainConfig { dropout: 0.0, ..TrainConfig::default() };
    let step = Step { model: &model, config: &config, rare: &[false; WORDS], number: 0 };
    let batch: Vec<_> = examples.iter().collect();
    let now = Model { config: model.clone(), words: words(), weights: weights.clone() };
    let pairs: Vec<_> = examples.iter().map(|e| Pair { premise: &e.premise, hypothesis: &e.hypothesis }).collect();
    let features = Classifier::new(&now).unwrap().forward(&pairs).unwrap().features;
    let vars = variables(&model, WORDS, &weights, &Device::Cpu).unwrap();
    step.run(&network(&model, WORDS, &vars, false).unwrap(), &batch).unwrap();
    let running = |name: &str| vars[name].to_vec1::<f32>().unwrap();
    for (j, (mean_now, variance_now)) in running(NORM[2]).iter().zip(&running(NORM[3])).enumerate() {
        let column: Vec<_> = features.iter().skip(j).step_by(3).map(|&x| f64::from(x)).collect();
        let mean = column.iter().sum::<f64>() / 5.0;
        let variance = column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 4.0;
        assert!((f64::from(*mean_now) - 0.1 * mean).abs() < 1e-6);
        assert!((f64::from(*variance_now) - (0.9 + 0.1 * variance)).abs() < 1e-6);
    }
}

#[test]
fn dropout_keeps_the_mean() {
    let stream = Stream::new(7, Purpose::Hidden, 0);
    let kept: Vec<f32> = (0..100_000).map(|at| keep(stream, 0.1, at)).collect();
    assert!(kept.iter().all(|k| *k == 0.0 || *k == 1.0 / (1.0 - 0.1)));
    let mean = kept.iter().map(|k| f64::from(*k)).sum::<f64>() / 1e5;
    assert!((mean - 1.0).abs() < 0.005, "{mean}");
}
