//! Training against the formulas of its gradients, planted directions, and the laws of a training that is interrupted.

use compexp_core::random::Random;
use compexp_run::training::STATE_FILE;
use ndarray::{ArrayView4, Axis};

use super::*;

/// Positions `(n, width)` as a layer.
fn source(values: &Array2<f32>) -> ArrayView4<'_, f32> {
    values.view().insert_axis(Axis(2)).insert_axis(Axis(3))
}

fn go_on(_: Progress<'_, EpochRow>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn layer(values: &Array2<f32>) -> Layer {
    Layer::read(&source(values)).unwrap()
}

fn trained(values: &Array2<f32>, config: &TrainConfig) -> Outcome {
    train(&layer(values), config, None, go_on).unwrap()
}

fn noise(rows: usize, columns: usize, seed: u64) -> Array2<f32> {
    let mut random = Random::new(seed, 0u64, 0);
    Array2::from_shape_fn((rows, columns), |_| random.near_normal())
}

/// Random directions with norm 1, and positions that are sums of two of them with weights from 0.5 to 1.5, about a centre.
fn planted(n: usize, width: usize, directions: usize) -> (Array2<f32>, Array2<f32>) {
    let mut dictionary = noise(directions, width, 1);
    for mut row in dictionary.rows_mut() {
        let norm = row.dot(&row).sqrt();
        row /= norm;
    }
    let mut random = Random::new(2, 0u64, 0);
    let mut x = Array2::from_elem((n, width), 0.3);
    for mut row in x.rows_mut() {
        for at in random.shuffled(directions).into_iter().take(2) {
            row.scaled_add(random.between(0.5, 1.5), &dictionary.row(at));
        }
    }
    (dictionary, x)
}

/// The share of planted directions to which some decoder row has a cosine above 0.9.
fn found(dictionary: &Array2<f32>, decoder: &[f32]) -> f64 {
    let width = dictionary.ncols();
    let near = dictionary.rows().into_iter().filter(|direction| {
        let cosine = |row: &[f32]| row.iter().zip(*direction).map(|(a, b)| a * b).sum::<f32>();
        decoder.chunks_exact(width).any(|row| cosine(row) > 0.9)
    });
    near.count() as f64 / dictionary.nrows() as f64
}

#[test]
fn planted_directions_are_learnt() {
    let (dictionary, x) = planted(3000, 20, 24);
    let config = TrainConfig { epochs: 25, batch: 64, learning_rate: 5e-3, ..TrainConfig::new(24, 2) };
    let learnt = trained(&x, &config);
    let mean = layer_mean(&source(&x)).unwrap();
    let untrained = Sae::untrained(&mean, 24, Kind::TopK(2), 0).unwrap();
    let before = measure(&untrained, &x).unwrap().explained.unwrap();
    let (after, share) = (learnt.measured.explained.unwrap(), found(&dictionary, &learnt.weights.decoder));
    assert!(before < 0.6 && after > 0.9, "explained {before} before, {after} after");
    assert!(found(&dictionary, &untrained.decoder) < 0.2 && share > 0.8, "{share} of the directions are found");
    assert_eq!(learnt.measured.positions, 3000);
    assert!(learnt.measured.active > 1.5 && learnt.measured.active <= 2.0, "{:?}", learnt.measured);
    // The last epoch, as it went, is nearly what the last weights do.
    let last = learnt.curves[24];
    assert!((1.0 - last.unexplained - after).abs() < 0.02, "{last:?}, {after}");
    for row in learnt.weights.decoder.chunks_exact(20) {
        assert!((row.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);
    }
}

#[test]
fn a_frozen_decoder_keeps_its_bits_while_the_rest_learns() {
    let (_, x) = planted(500, 12, 16);
    let config = TrainConfig { epochs: 4, batch: 50, seed: 5, freeze_decoder: true, ..TrainConfig::new(32, 3) };
    let (frozen, start) = (trained(&x, &config), Sae::untrained(&[0.0; 12], 32, Kind::TopK(3), 5).unwrap());
    let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&frozen.weights.decoder), bits(&start.decoder));
    let free = trained(&x, &TrainConfig { freeze_decoder: false, ..config });
    assert_ne!(free.weights.decoder, frozen.weights.decoder);
    let transposed: Vec<f32> = (0..12).flat_map(|i| start.decoder.iter().skip(i).step_by(12).copied()).collect();
    assert_ne!(frozen.weights.encoder, transposed);
    assert!(frozen.curves[3].unexplained < frozen.curves[0].unexplained, "{:?}", frozen.curves);
    assert!(free.measured.explained > frozen.measured.explained);
}

/// Weights by name, f64, row-major.
struct Gradients {
    encoder: Array2<f64>,
    encoder_bias: Vec<f64>,
    decoder: Array2<f64>,
    decoder_bias: Vec<f64>,
}

/// The unexplained share and the gradients by the formulas that one writes by hand, in f64.
fn by_hand(weights: &Weights, x: &Array2<f32>, k: usize, variance: f64, dead: &[bool]) -> (f64, Gradients) {
    let (d_in, d_sae) = (weights.decoder_bias.len(), weights.encoder_bias.len());
    let wide = |values: &[f32], shape: (usize, usize)| {
        Array2::from_shape_vec(shape, values.iter().map(|x| f64::from(*x)).collect()).unwrap()
    };
    let (encoder, decoder) = (wide(&weights.encoder, (d_in, d_sae)), wide(&weights.decoder, (d_sae, d_in)));
    let mut g = Gradients {
        encoder: Array2::zeros((d_in, d_sae)),
        encoder_bias: vec![0.0; d_sae],
        decoder: Array2::zeros((d_sae, d_in)),
        decoder_bias: vec![0.0; d_in],
    };
    let scale = 1.0 / (x.nrows() as f64 * variance);
    let mut unexplained = 0.0;
    for row in x.rows() {
        let centred: Vec<f64> =
            row.iter().zip(&weights.decoder_bias).map(|(x, b)| f64::from(*x) - f64::from(*b)).collect();
        let pre: Vec<f64> = (0..d_sae)
            .map(|l| (0..d_in).map(|i| centred[i] * encoder[(i, l)]).sum::<f64>() + f64::from(weights.encoder_bias[l]))
            .collect();
        let chosen = |k: usize, among: &dyn Fn(usize) -> bool| {
            let mut order: Vec<usize> = (0..d_sae).filter(|l| among(*l) && pre[*l] > 0.0).collect();
            order.sort_by(|a, b| pre[*b].total_cmp(&pre[*a]));
            order.truncate(k);
            order
        };
        let (main, revived) = (chosen(k, &|_| true), chosen(64, &|l| dead[l]));
        let decoded =
            |of: &[usize]| (0..d_in).map(|i| of.iter().map(|l| pre[*l] * decoder[(*l, i)]).sum()).collect::<Vec<f64>>();
        let error: Vec<f64> = centred.iter().zip(decoded(&main)).map(|(x, y)| x - y).collect();
        unexplained += scale * error.iter().map(|e| e * e).sum::<f64>();
        let rest: Vec<f64> = error.iter().zip(decoded(&revived)).map(|(e, y)| e - y).collect();
        let mut back = vec![0.0; d_sae];
        for (of, error, weight) in [(&main, &error, 1.0), (&revived, &rest, 1.0 / 32.0)] {
            for l in of {
                for i in 0..d_in {
                    let of_decoded = -2.0 * weight * scale * error[i];
                    back[*l] += of_decoded * decoder[(*l, i)];
                    g.decoder[(*l, i)] += of_decoded * pre[*l];
                }
            }
        }
        for i in 0..d_in {
            // The bias is added to what is decoded, and subtracted from the input.
            g.decoder_bias[i] += -2.0 * scale * error[i];
            for l in 0..d_sae {
                g.encoder[(i, l)] += back[l] * centred[i];
                g.decoder_bias[i] -= back[l] * encoder[(i, l)];
            }
        }
        g.encoder_bias.iter_mut().zip(&back).for_each(|(g, back)| *g += back);
    }
    for (mut gradient, row) in g.decoder.rows_mut().into_iter().zip(decoder.rows()) {
        let along = gradient.dot(&row);
        gradient.scaled_add(-along, &row);
    }
    (unexplained, g)
}

#[test]
fn gradients_are_those_of_the_formulas() {
    let x = noise(9, 6, 3);
    let config = TrainConfig { seed: 4, ..TrainConfig::new(10, 3) };
    let layer = layer(&x);
    let training = Training::new(&layer, &config).unwrap();
    // Away from the start, so that every path counts; the decoder's rows keep norm 1.
    let moved = |var: &Var, seed| {
        let dims = var.dims().to_vec();
        let change = noise(var.elem_count(), 1, seed).into_raw_vec_and_offset().0;
        let change = (Tensor::from_vec(change, dims, &Device::Cpu).unwrap() * 0.2).unwrap();
        var.set(&(var.as_detached_tensor() + change).unwrap()).unwrap();
    };
    moved(&training.vars.encoder, 5);
    moved(&training.vars.encoder_bias, 6);
    moved(&training.vars.decoder_bias, 7);
    let weights = training.weights().unwrap();
    let tensor = Tensor::from_vec(x.iter().copied().collect::<Vec<_>>(), (9, 6), &Device::Cpu).unwrap();
    for (dead, freeze_decoder) in [(&[][..], false), (&[1, 4, 9], false), (&[1, 4, 9], true)] {
        let dead: Vec<bool> = (0..10).map(|latent| dead.contains(&latent)).collect();
        let step = Step { k: 3, variance: layer.variance, dead: &dead, freeze_decoder };
        let taken = step.run(&training.vars, &tensor).unwrap();
        let (unexplained, expected) = by_hand(&weights, &x, 3, layer.variance, &dead);
        assert!((taken.unexplained - unexplained).abs() < 1e-5 * unexplained);
        let of = |values: &Array2<f64>| values.iter().copied().collect::<Vec<_>>();
        let all = [
            ("W_enc", &training.vars.encoder, of(&expected.encoder)),
            ("b_enc", &training.vars.encoder_bias, expected.encoder_bias.clone()),
            ("W_dec", &training.vars.decoder, of(&expected.decoder)),
            ("b_dec", &training.vars.decoder_bias, expected.decoder_bias.clone()),
        ];
        for (name, var, expected) in all {
            let Some(gradient) = taken.gradients.get(var) else {
                assert!(freeze_decoder && name == "W_dec", "{name} has no gradient");
                continue;
            };
            assert!(!(freeze_decoder && name == "W_dec"));
            let gradient = gradient.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let largest = expected.iter().fold(1e-3f64, |most, x| most.max(x.abs()));
            for (at, (found, expected)) in gradient.iter().zip(&expected).enumerate() {
                let off = (f64::from(*found) - expected).abs();
                assert!(off < 1e-5 * largest, "{name}, {at}: found {found}, expected {expected}");
            }
        }
    }
}

#[test]
fn latents_that_never_fired_are_dead_and_learn_from_the_error() {
    // More latents than the few directions need: at the start, many never are among the greatest.
    let (_, x) = planted(400, 8, 6);
    let config = TrainConfig { epochs: 12, batch: 40, ..TrainConfig::new(64, 1) };
    let outcome = trained(&x, &config);
    assert!(outcome.curves[0].dead > 0, "{:?}", outcome.curves);
    assert!(outcome.curves.iter().all(|row| row.dead <= 64));
    let layer = layer(&x);
    let mut training = Training::new(&layer, &config).unwrap();
    assert_eq!((training.batch(), training.steps(), training.limit()), (40, 10, 2));
    for step in 0..3 {
        assert!(!training.dead().contains(&true), "step {step}");
        training.step(At { step, epoch: 0, batch: step as usize }).unwrap();
    }
    let idle = training.idle.iter().filter(|idle| **idle == 3).count();
    assert_eq!(training.dead().iter().filter(|dead| **dead).count(), idle);
    assert!(idle > 0 && idle < 64, "{idle}");
}

#[test]
fn the_result_is_the_same_on_any_number_of_threads_and_another_for_another_seed() {
    let x = noise(600, 64, 8);
    let config = TrainConfig { epochs: 2, batch: 200, ..TrainConfig::new(128, 8) };
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| trained(&x, &config))
    };
    let (one, three) = (on(1), on(3));
    assert_eq!((one.weights.clone(), one.curves), (three.weights, three.curves));
    assert_ne!(one.weights, trained(&x, &TrainConfig { seed: 1, ..config }).weights);
}

#[test]
fn an_interrupted_training_ends_with_the_bits_of_one_that_was_not() {
    let (_, x) = planted(130, 8, 6);
    for freeze_decoder in [false, true] {
        // Dead latents early, so that the state of each counts.
        let config = TrainConfig { epochs: 5, batch: 20, freeze_decoder, ..TrainConfig::new(40, 1) };
        let whole = trained(&x, &config);
        assert!(whole.finished && whole.curves.len() == 5 && whole.curves[0].dead > 0);
        let folder = tempfile::tempdir().unwrap();
        for stop_after in [2, 7, 1, 3] {
            let mut steps = 0;
            let part = train(&layer(&x), &config, Some(folder.path()), |progress| {
                steps += usize::from(matches!(progress, Progress::Step { .. }));
                if steps == stop_after { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            assert!(!part.unwrap().finished);
        }
        let rest = train(&layer(&x), &config, Some(folder.path()), go_on).unwrap();
        assert!(rest.finished);
        assert_eq!((&rest.weights, &rest.curves), (&whole.weights, &whole.curves));
        let again = train(&layer(&x), &config, Some(folder.path()), |_| panic!("nothing is left to do")).unwrap();
        assert_eq!(again.weights, whole.weights);
    }
}

#[test]
fn a_state_of_another_training_is_refused() {
    let ((_, x), (_, mut other)) = (planted(60, 8, 6), planted(60, 8, 6));
    other[(3, 2)] += 1e-3;
    let config = TrainConfig { epochs: 2, batch: 20, ..TrainConfig::new(16, 2) };
    let folder = tempfile::tempdir().unwrap();
    let stop = |_: Progress<'_, EpochRow>| ControlFlow::Break(());
    train(&layer(&x), &config, Some(folder.path()), stop).unwrap();
    let refused = |x: &Array2<f32>, config: &TrainConfig| {
        train(&layer(x), config, Some(folder.path()), stop).unwrap_err().to_string()
    };
    for (x, config) in [
        (&other, config.clone()),
        (&x, TrainConfig { seed: 1, ..config.clone() }),
        (&x, TrainConfig { freeze_decoder: true, ..config.clone() }),
        (&x, TrainConfig { latents: 17, ..config.clone() }),
        // The schedule of the rate depends on it.
        (&x, TrainConfig { epochs: 3, ..config.clone() }),
    ] {
        let message = refused(x, &config);
        assert!(message.contains("found one of another training") && message.contains("start anew"), "{message}");
    }
    train(&layer(&x), &TrainConfig { save_every: Some(1), ..config.clone() }, Some(folder.path()), stop).unwrap();
    let path = folder.path().join(STATE_FILE);
    let mut state = std::fs::read(&path).unwrap();
    let last = state.len() - 1;
    state[last] ^= 1;
    std::fs::write(&path, &state).unwrap();
    assert!(refused(&x, &config).contains("found other bytes than were written"));
    std::fs::write(&path, &state[..last / 2]).unwrap();
    assert!(refused(&x, &config).contains(STATE_FILE));
}

#[test]
fn what_cannot_be_learnt_from_is_refused() {
    let (_, x) = planted(20, 4, 6);
    let good = TrainConfig { epochs: 1, ..TrainConfig::new(8, 2) };
    let with = |change: fn(&mut TrainConfig)| {
        let mut config = good.clone();
        change(&mut config);
        train(&layer(&x), &config, None, |_| panic!("no step")).unwrap_err().to_string()
    };
    assert_eq!(with(|c| c.k = 9), "k of the autoencoder: found 9, expected from 1 to the number of latents, 8");
    assert!(with(|c| c.k = 0).contains("found 0"));
    assert!(with(|c| c.latents = 0).contains("found 2, expected from 1 to the number of latents, 0"));
    assert!(with(|c| c.learning_rate = f32::NAN).starts_with("learning rate: found NaN"));
    assert!(with(|c| c.batch = 0).contains("batches of 0"));
    assert!(with(|c| c.epochs = 0).contains("0 epochs"));
    assert!(with(|c| c.save_every = Some(0)).contains("saving every Some(0)"));
    let refused = |source: &dyn ActivationSource| Layer::read(source).err().map_or(String::new(), |e| e.to_string());
    for at in [(0, 0), (19, 3)] {
        for value in [f32::NAN, f32::NEG_INFINITY] {
            let mut bad = x.clone();
            bad[at] = value;
            let message = refused(&source(&bad));
            assert!(message.contains(&format!("unit {} on example {}", at.1, at.0)), "{message}");
        }
    }
    for (rows, width) in [(0, 4), (1, 4), (4, 0)] {
        let message = refused(&source(&Array2::zeros((rows, width))));
        assert!(message.contains(&format!("found {rows} rows of {width} values at 1 positions")), "{message}");
    }
    assert!(refused(&source(&Array2::from_elem((9, 4), 0.1))).contains("found equal rows"));
    let maps = ndarray::Array4::<f32>::zeros((5, 4, 2, 3));
    let message = refused(&maps.view());
    assert!(message.contains("at 6 positions, expected at least 2 rows [rows, width], no maps"), "{message}");
    let wild = TrainConfig { learning_rate: 1e30, epochs: 9, batch: 5, ..good.clone() };
    let message = train(&layer(&x), &wild, None, go_on).unwrap_err().to_string();
    assert!(message.contains("lower the learning rate"), "{message}");
}

#[test]
fn the_rate_falls_over_the_last_steps() {
    let config = TrainConfig { learning_rate: 1.0, ..TrainConfig::new(2, 1) };
    let rates: Vec<f32> = (0..100).map(|step| config.rate(step, 100)).collect();
    assert!(rates[..=70].iter().all(|rate| *rate == 1.0), "{rates:?}");
    assert!((rates[85] - 0.5).abs() < 1e-6 && (rates[99] - 1.0 / 30.0).abs() < 1e-6, "{rates:?}");
}

#[test]
fn saved_weights_are_read_back_as_the_same_autoencoder() {
    let (_, x) = planted(80, 8, 6);
    let outcome = trained(&x, &TrainConfig { epochs: 2, batch: 20, ..TrainConfig::new(16, 3) });
    let folder = tempfile::tempdir().unwrap();
    outcome.weights.save(folder.path()).unwrap();
    let (read, direct) = (Sae::open(folder.path()).unwrap(), outcome.weights.sae());
    assert_eq!((read.kind(), read.d_in(), read.d_sae()), (&Kind::TopK(3), 8, 16));
    let latents = read.encode(x.view()).unwrap();
    assert_eq!(latents, direct.encode(x.view()).unwrap());
    assert_eq!(read.decode(&latents).unwrap(), direct.decode(&latents).unwrap());
    let missing = outcome.weights.save(&folder.path().join("nowhere")).unwrap_err().to_string();
    assert!(missing.contains("nowhere"), "{missing}");
}
