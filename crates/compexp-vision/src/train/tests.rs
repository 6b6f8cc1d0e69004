//! Training against candle's automatic gradients, and the laws of a training that is interrupted.

use std::collections::BTreeMap;

use candle_core::DType;
use compexp_run::training::STATE_FILE;

use super::*;

fn small() -> Config {
    Config { stem: 8, kernel: 3, stride: 2, pool: false, widths: vec![8, 16], blocks: vec![1, 2] }
}

/// Images of three classes that differ by which of three stripes is bright.
fn images(n: usize, seed: u64) -> Images {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random::new(seed, Purpose::TrainScene, 0);
    let mut list = crate::eval::Labelled::default();
    for i in 0..n {
        let class = i % 3;
        let rgb: Vec<u8> = (0..12 * 12 * 3)
            .map(|at| 60 + random.below(60) as u8 + if at / 3 % 12 / 4 == class { 90 } else { 0 })
            .collect();
        let path = folder.path().join(format!("{i}.png"));
        let mut encoder = png::Encoder::new(std::fs::File::create(&path).unwrap(), 12, 12);
        encoder.set_color(png::ColorType::Rgb);
        encoder.write_header().unwrap().write_image_data(&rgb).unwrap();
        list.paths.push(path);
        list.classes.push(class);
    }
    Images::read(&list).unwrap()
}

fn settings() -> TrainConfig {
    TrainConfig { epochs: 3, batch: 8, shift: 1, flip: false, save_every: None, ..TrainConfig::default() }
}

fn setup<'a>(model: &'a Config, config: &'a TrainConfig, train: &'a Images, val: Option<&'a Images>) -> Setup<'a> {
    Setup { model, classes: 3, config, preprocess: Preprocess::Reference, train, val, device: &Device::Cpu }
}

/// Loss (mean) and gradients of all weights by candle's own operations in f64, of images `x (n, h, w, c)`.
fn plain(
    config: &Config,
    weights: &Weights,
    x: &Tensor,
    labels: &[usize],
    smoothing: f64,
) -> (f64, BTreeMap<String, Vec<f32>>) {
    let wide = |t: &Tensor| Var::from_tensor(&t.to_dtype(DType::F64).unwrap()).unwrap();
    let vars: BTreeMap<String, Var> = weights.iter().map(|(name, tensor)| (name.clone(), wide(tensor))).collect();
    let w = |name: String| vars[&name].as_tensor().clone();
    let unit = |x: &Tensor, conv: &str, norm: &str, stride: usize, padding: usize| {
        let y = x.conv2d(&w(format!("{conv}.weight")), padding, stride, 1, 1).unwrap();
        let mean = |t: &Tensor| t.mean_keepdim(0).unwrap().mean_keepdim(2).unwrap().mean_keepdim(3).unwrap();
        let centred = y.broadcast_sub(&mean(&y)).unwrap();
        let deviation = (mean(&centred.sqr().unwrap()) + 1e-5).unwrap().sqrt().unwrap();
        let part = |part: &str| w(format!("{norm}.{part}")).reshape((1, (), 1, 1)).unwrap();
        let y = centred.broadcast_div(&deviation).unwrap();
        y.broadcast_mul(&part("weight")).unwrap().broadcast_add(&part("bias")).unwrap()
    };
    let image = x.permute((0, 3, 1, 2)).unwrap().contiguous().unwrap().to_dtype(DType::F64).unwrap();
    let mut x = unit(&image, "conv1", "bn1", config.stride, config.kernel / 2).relu().unwrap();
    for block in config.all_blocks() {
        let p = &block.name;
        let y = unit(&x, &format!("{p}.conv1"), &format!("{p}.bn1"), block.stride, 1).relu().unwrap();
        let y = unit(&y, &format!("{p}.conv2"), &format!("{p}.bn2"), 1, 1);
        if block.projects() {
            x = unit(&x, &format!("{p}.downsample.0"), &format!("{p}.downsample.1"), block.stride, 0);
        }
        x = (x + y).unwrap().relu().unwrap();
    }
    let pooled = x.mean(3).unwrap().mean(2).unwrap();
    let logits = pooled.matmul(&w("fc.weight".into()).t().unwrap()).unwrap();
    let logits = logits.broadcast_add(&w("fc.bias".into())).unwrap();
    let total = logits.exp().unwrap().sum_keepdim(1).unwrap().log().unwrap();
    let log = logits.broadcast_sub(&total).unwrap();
    let target: Vec<f64> = labels
        .iter()
        .flat_map(|label| (0..3).map(move |c| smoothing / 3.0 + if c == *label { 1.0 - smoothing } else { 0.0 }))
        .collect();
    let target = Tensor::from_vec(target, (labels.len(), 3), &Device::Cpu).unwrap();
    let loss = ((log * target).unwrap().sum_all().unwrap() / -(labels.len() as f64)).unwrap();
    let gradients = loss.backward().unwrap();
    let all = vars.iter().filter_map(|(name, var)| {
        let values = gradients.get(var)?.flatten_all().unwrap().to_dtype(DType::F32).unwrap();
        Some((name.clone(), values.to_vec1().unwrap()))
    });
    (loss.to_scalar().unwrap(), all.collect())
}

#[test]
fn gradients_are_those_of_automatic_differentiation() {
    let data = images(7, 1);
    let config = settings();
    let wide = Config { stem: 16, kernel: 5, stride: 1, widths: vec![16, 32], blocks: vec![2, 1], pool: false };
    for model in [small(), wide] {
        let training = Training::new(setup(&model, &config, &data, None)).unwrap();
        let mut random = Random::new(3, Purpose::Weights, 99);
        for (name, shape) in &training.shapes {
            // Gains away from 0 and 1, so that every path counts.
            if name.contains("bn") || name.contains("downsample.1") {
                let values: Vec<f32> = (0..shape[0]).map(|_| random.between(0.5, 1.5)).collect();
                let values = Tensor::from_vec(values, shape.as_slice(), &Device::Cpu).unwrap();
                variable(&training.vars, name).unwrap().set(&values).unwrap();
            }
        }
        let chosen: Vec<usize> = (0..7).collect();
        let x = data.batch(&chosen, Preprocess::Reference, None).unwrap();
        let (loss, expected) = plain(&model, &training.weights().unwrap(), &x, data.classes(), 0.1);
        let (found_loss, score) = training.network.loss(&x, data.classes(), 0.1).unwrap();
        let found = found_loss.backward().unwrap();
        assert!((score.loss / 7.0 - loss).abs() < 1e-5 * loss, "{} {loss}", score.loss / 7.0);
        let names: Vec<_> = training.shapes.iter().map(|(name, _)| name).filter(|name| learnt(name)).collect();
        assert_eq!(expected.len(), names.len());
        for name in names {
            let gradient = found.get(&variable(&training.vars, name).unwrap()).unwrap();
            let expected = &expected[name];
            let largest = expected.iter().fold(1e-3, |m: f32, v| m.max(v.abs()));
            for (found, expected) in gradient.flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().zip(expected) {
                assert!((found - expected).abs() < 2e-4 * largest, "{name}: {found} {expected}");
            }
        }
    }
}

#[test]
fn a_training_learns_and_gives_the_same_bits_on_any_number_of_threads() {
    let (data, val) = (images(60, 1), images(30, 2));
    let (model, config) = (small(), TrainConfig { epochs: 6, ..settings() });
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let setup = setup(&model, &config, &data, Some(&val));
        pool.install(|| train(&setup, None, |_| ControlFlow::Continue(()))).unwrap()
    };
    let one = run(1);
    assert!(one.finished && one.curves.len() == 6);
    let last = one.curves[5];
    assert!(last.val_accuracy.unwrap() > 0.9 && last.train_loss < one.curves[0].train_loss, "{:?}", one.curves);
    let three = run(3);
    assert_eq!(one.curves, three.curves);
    assert_eq!(bits(&one.weights), bits(&three.weights));
    let other = TrainConfig { seed: 1, ..config.clone() };
    let other = train(&setup(&model, &other, &data, None), None, |_| ControlFlow::Continue(())).unwrap();
    assert_ne!(bits(&one.weights), bits(&other.weights));
}

fn bits(weights: &Weights) -> Vec<(String, Vec<u32>)> {
    let values =
        |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits).collect();
    weights.iter().map(|(name, tensor)| (name.clone(), values(tensor))).collect()
}

#[test]
fn an_interrupted_training_ends_with_the_bits_of_one_that_was_not() {
    let data = images(34, 1);
    let (model, config) = (small(), settings());
    let setup = setup(&model, &config, &data, None);
    let whole = train(&setup, None, |_| ControlFlow::Continue(())).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for stop_after in [2, 3, 1] {
        let mut steps = 0;
        let part = train(&setup, Some(folder.path()), |progress| {
            steps += usize::from(matches!(progress, Progress::Step { .. }));
            if steps == stop_after { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(!part.unwrap().finished);
    }
    let rest = train(&setup, Some(folder.path()), |_| ControlFlow::Continue(())).unwrap();
    assert!(rest.finished);
    assert_eq!(rest.curves, whole.curves);
    assert_eq!(bits(&rest.weights), bits(&whole.weights));
    let again = train(&setup, Some(folder.path()), |_| panic!("nothing is left to do")).unwrap();
    assert_eq!(bits(&again.weights), bits(&whole.weights));
}

#[test]
fn a_state_of_another_training_is_refused() {
    let (data, other_data) = (images(20, 1), images(20, 2));
    let (model, config) = (small(), settings());
    let folder = tempfile::tempdir().unwrap();
    let stop = |_: Progress<'_, EpochRow>| ControlFlow::Break(());
    train(&setup(&model, &config, &data, None), Some(folder.path()), stop).unwrap();
    let refused = |setup: Setup<'_>| train(&setup, Some(folder.path()), stop).unwrap_err().to_string();
    let (seed, wide) = (TrainConfig { seed: 9, ..config.clone() }, Config { widths: vec![8, 24], ..small() });
    for other in [
        setup(&model, &seed, &data, None),
        setup(&wide, &config, &data, None),
        setup(&model, &config, &other_data, None),
    ] {
        let message = refused(other);
        assert!(message.contains("found one of another training") && message.contains("start anew"), "{message}");
    }
    let path = folder.path().join(STATE_FILE);
    let state = std::fs::read(&path).unwrap();
    std::fs::write(&path, &state[..state.len() / 2]).unwrap();
    assert!(refused(setup(&model, &config, &data, None)).contains(STATE_FILE));
    let weights = Training::new(setup(&model, &config, &data, None)).unwrap().weights().unwrap();
    crate::model::save(&model, &weights, &path).unwrap();
    assert!(refused(setup(&model, &config, &data, None)).contains("found no `compexp-training`"));
}

#[test]
fn what_cannot_be_trained_is_refused() {
    let data = images(9, 1);
    let (model, config) = (small(), settings());
    let refused = |setup: Setup<'_>| train(&setup, None, |_| panic!("no step")).unwrap_err().to_string();
    let good = setup(&model, &config, &data, None);
    assert!(refused(Setup { classes: 1, ..good }).starts_with("classes of the images to learn from: found 1"));
    assert!(refused(Setup { classes: 4, ..good }).starts_with("images of class 3 to learn from: found 0"));
    assert!(refused(Setup { classes: 2, ..good }).starts_with("class of an image: found 2"));
    let pooled = Config { pool: true, ..small() };
    assert!(refused(Setup { model: &pooled, ..good }).starts_with("pooling of the network to train"));
    let empty = crate::eval::Labelled::default();
    assert!(Images::read(&empty).unwrap_err().to_string().contains("found 0"));
    let wild = TrainConfig { learning_rate: 1e30, warmup: 0.0, ..settings() };
    let error = train(&Setup { config: &wild, ..good }, None, |_| ControlFlow::Continue(())).unwrap_err().to_string();
    assert!(error.contains("lower the learning rate"), "{error}");
}

#[test]
fn a_saved_network_states_its_sizes_and_is_read_back() {
    let data = images(12, 1);
    let (model, config) = (small(), settings());
    let trained = train(&setup(&model, &config, &data, None), None, |_| ControlFlow::Continue(())).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    crate::model::save(&model, &trained.weights, &path).unwrap();
    let read = Model::load(&path, &Device::Cpu).unwrap();
    let direct = Model::new(&model, &trained.weights, &Device::Cpu).unwrap();
    let x = Tensor::ones((1, 3, 12, 12), DType::F32, &Device::Cpu).unwrap();
    let maps = |model: &Model| model.tap(&["layer2"]).unwrap().forward(&x).unwrap().maps.remove(0);
    assert_eq!(maps(&read).dims(), [1, 16, 3, 3]);
    let values = |t: Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(values(maps(&read)), values(maps(&direct)));
}
