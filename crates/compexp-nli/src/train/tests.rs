//! Trainings of a small task: learnt, repeated, interrupted.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::model::Kind;

/// Pairs labelled by whether the hypothesis' word is in the premise (0), is the other word of one that is (2), or
/// neither (1).
fn task(seed: u64, n: usize) -> Vec<Example> {
    let stream = Stream::new(seed, Purpose::Order, 99);
    let example = |i: u64| {
        let pick = |k: u64, n: u64| (stream.bits(100 * i + k) % n) as u32;
        let premise: Vec<u32> = (0..1 + u64::from(pick(0, 3))).map(|k| 2 + 2 * pick(10 + k, 4)).collect();
        let label = pick(1, 3) as u8;
        let there = premise[pick(2, premise.len() as u64) as usize];
        let absent: Vec<u32> = (0..4).map(|k| 2 + 2 * k).filter(|word| !premise.contains(word)).collect();
        let word = match label {
            0 => there,
            1 => absent[pick(3, absent.len() as u64) as usize],
            _ => there + 1,
        };
        Example { premise, hypothesis: vec![10; pick(4, 3) as usize].into_iter().chain([word]).collect(), label }
    };
    (0..n as u64).map(example).collect()
}

#[test]
fn orders_never_change() {
    assert_eq!(shuffled(Stream::new(7, Purpose::Order, 3), 10), [2, 4, 9, 7, 6, 5, 0, 8, 3, 1]);
}

struct Case {
    model: Config,
    config: TrainConfig,
    words: WordTable,
    train: Vec<Example>,
    dev: Vec<Example>,
}

impl Case {
    fn new() -> Self {
        Self {
            model: Config {
                kind: Kind::Bowman,
                embedding: 8,
                hidden: 12,
                bidirectional: true,
                features: 16,
                classes: 3,
            },
            config: TrainConfig {
                seed: 4,
                epochs: 3,
                batch: 16,
                dropout: 0.1,
                word_dropout: 0.05,
                embedding_dropout: 0.05,
                averaging: 0.8,
                clip: Some(1.0),
                schedule: Schedule::Decay { from: 2, factor: 0.5 },
                save_every: Some(3),
                ..TrainConfig::default()
            },
            words: WordTable::from_tokens(["w2", "w3", "w4", "w5", "w6", "w7", "w8", "w9", "w10"]),
            train: task(1, 161),
            dev: task(2, 60),
        }
    }

    fn setup(&self) -> Setup<'_> {
        let Self { model, config, words, train, dev } = self;
        Setup { model, config, words, vectors: None, train, dev, device: &Device::Cpu }
    }
}

fn run(case: &Case, folder: Option<&Path>) -> Result<Outcome> {
    train(&case.setup(), folder, |_| ControlFlow::Continue(()))
}

#[test]
fn a_small_task_is_learnt() {
    let mut case = Case::new();
    case.train = task(1, 1500);
    case.dev = task(2, 300);
    case.config = TrainConfig { epochs: 25, batch: 25, learning_rate: 5e-3, dropout: 0.05, ..TrainConfig::default() };
    let outcome = run(&case, None).unwrap();
    let best = outcome.curves[outcome.best_epoch.unwrap() - 1];
    assert!(best.dev_accuracy > 0.95, "{:?}", outcome.curves);
    assert!(outcome.curves[24].train_loss < 0.3 * outcome.curves[0].train_loss, "{:?}", outcome.curves);
    assert_eq!(accuracy(&outcome.model, &case.dev, &Device::Cpu).unwrap(), best.dev_accuracy);
    assert!(outcome.finished && outcome.curves.len() == 25);
}

#[test]
fn a_killed_training_goes_on_to_the_result_of_an_unbroken_one() {
    let case = Case::new();
    let expected = run(&case, None).unwrap();
    let folder = tempfile::tempdir().unwrap();
    // Killed (here by a panic, which saves nothing) in the first epoch before and after a saved state, in a later one,
    // and as an epoch ends; then stopped in good order.
    let mut left = vec![2, 5, 9, 16];
    let mut deaths = 0;
    while let Some(after) = left.pop() {
        let mut steps = 0;
        let died = catch_unwind(AssertUnwindSafe(|| {
            train(&case.setup(), Some(folder.path()), |_| {
                steps += 1;
                assert!(steps < after, "killed");
                ControlFlow::Continue(())
            })
        }));
        deaths += usize::from(died.is_err());
    }
    assert!(deaths >= 3, "died {deaths} times");
    let mut steps = 0;
    let stopped = train(&case.setup(), Some(folder.path()), |_| {
        steps += 1;
        if steps == 1 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(!stopped.unwrap().finished);
    let found = run(&case, Some(folder.path())).unwrap();
    assert_eq!(found, expected);
    assert_eq!(Model::load(&folder.path().join(BEST_FILE)).unwrap(), expected.model);
    // A finished training stays as it is.
    assert_eq!(run(&case, Some(folder.path())).unwrap(), expected);
}

#[test]
fn threads_and_repetition_change_nothing_and_seeds_do() {
    let mut case = Case::new();
    let with = |case: &Case, threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run(case, None).unwrap())
    };
    let expected = with(&case, 1);
    for threads in [1, 2, 5] {
        assert_eq!(with(&case, threads), expected, "{threads} threads");
    }
    case.config.seed += 1;
    assert_ne!(with(&case, 1).model, expected.model);
}

#[test]
fn patience_ends_a_training_and_the_best_epoch_is_kept() {
    let mut case = Case::new();
    case.config = TrainConfig { epochs: 50, patience: Some(2), learning_rate: 1e-7, ..case.config };
    let outcome = run(&case, None).unwrap();
    let best = outcome.best_epoch.unwrap();
    assert!(outcome.finished && outcome.curves.len() == best + 2, "{:?}", outcome.curves);
    let accuracies: Vec<_> = outcome.curves.iter().map(|row| row.dev_accuracy).collect();
    assert!(accuracies[best..].iter().all(|a| *a <= accuracies[best - 1]));
}

#[test]
fn an_average_follows_the_weights_of_every_step() {
    let case = Case::new();
    let folder = tempfile::tempdir().unwrap();
    // Stopped after every step, the state holds that step's weights.
    let mut expected = initial_weights(&case.model, &case.words, None, case.config.seed).unwrap();
    for step in 1..=25u64 {
        let mut steps = 0;
        while steps == 0 {
            // An epoch's end is news too.
            let stop = |news: Progress<'_>| {
                steps += usize::from(matches!(news, Progress::Step { .. }));
                ControlFlow::Break(())
            };
            train(&case.setup(), Some(folder.path()), stop).unwrap();
        }
        let file = compexp_checkpoint::read(&folder.path().join(STATE_FILE)).unwrap();
        let state = compexp_checkpoint::state_dict(file).unwrap();
        let values = |group: &str, name: &str| state.get(&format!("{group}/{name}")).unwrap().to_f32();
        let kept = f64::from(case.config.averaging).min((1 + step) as f64 / (10 + step) as f64);
        for (name, mean) in &mut expected {
            for (mean, value) in mean.iter_mut().zip(values("weights", name)) {
                *mean = (kept * f64::from(*mean) + (1.0 - kept) * f64::from(value)) as f32;
            }
            let found = values("mean", name);
            let distance = mean.iter().zip(found).map(|(a, b)| (*a - b).abs()).fold(0.0, f32::max);
            assert!(distance < 1e-5, "step {step}, `{name}`: off by {distance}");
        }
        assert_ne!(values("mean", "mlp.3.bias"), values("weights", "mlp.3.bias"));
    }
}

#[test]
fn given_vectors_are_where_words_begin_and_frozen_ones_stay() {
    let mut case = Case::new();
    case.config.freeze_embedding = true;
    let vectors = HashMap::from([("w3".to_owned(), vec![0.5; 8])]);
    let setup = Setup { vectors: Some(&vectors), ..case.setup() };
    let outcome = train(&setup, None, |_| ControlFlow::Continue(())).unwrap();
    let embedding = &outcome.model.weights[EMBEDDING];
    assert_eq!(embedding[24..32], [0.5; 8]);
    assert_eq!(embedding, &initial_weights(&case.model, &case.words, Some(&vectors), 4).unwrap()[EMBEDDING]);
    let short = HashMap::from([("w3".to_owned(), vec![0.5; 7])]);
    let error = train(&Setup { vectors: Some(&short), ..case.setup() }, None, |_| ControlFlow::Continue(()));
    assert!(error.unwrap_err().to_string().contains("`w3`: found 7 values, expected 8"));
}

#[test]
fn another_training_does_not_go_on_in_the_folder_and_a_longer_one_does() {
    let mut case = Case::new();
    let folder = tempfile::tempdir().unwrap();
    run(&case, Some(folder.path())).unwrap();
    case.config.epochs = 4;
    assert_eq!(run(&case, Some(folder.path())).unwrap(), run(&case, None).unwrap());
    case.train[3].label ^= 1;
    let error = run(&case, Some(folder.path())).unwrap_err().to_string();
    assert!(error.contains("another training") && error.contains("another folder"), "{error}");
    std::fs::write(folder.path().join(STATE_FILE), b"{}").unwrap();
    assert!(matches!(run(&case, Some(folder.path())), Err(Error::File(compexp_files::Error::Format { .. }))));
}

#[test]
fn examples_outside_the_model_are_refused() {
    let refused = |change: fn(&mut Case)| {
        let mut case = Case::new();
        change(&mut case);
        run(&case, None).unwrap_err().to_string()
    };
    assert!(refused(|c| c.train[5].label = 3).contains("label of training example 5: found 3, expected less than 3"));
    assert!(refused(|c| c.dev[1].premise.push(11)).contains("word number in held-out example 1: found 11"));
    assert!(refused(|c| c.dev.clear()).contains("0 held out"));
    assert!(refused(|c| c.config.learning_rate = 1e30).contains("loss of the training"));
}

#[test]
fn a_single_example_left_over_joins_the_batch_before() {
    let order: Vec<usize> = (0..7).collect();
    assert_eq!(batches(&order, 3), [&[0, 1, 2][..], &[3, 4, 5, 6]]);
    assert_eq!(batches(&order, 4), [&[0, 1, 2, 3][..], &[4, 5, 6]]);
    assert_eq!(batches(&order[..4], 3), [&[0, 1, 2, 3][..]]);
}
