//! Small random networks against the same network written with candle's plain operations, nothing folded.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};

use crate::resnet::EPSILON;

use super::*;

fn of_config(config: &Config, weights: &Weights) -> Result<Network> {
    let shape = Shape { config: Some(config.clone()), heads: None };
    Network::new(Family::ResNet, &shape, weights, &Device::Cpu)
}

/// Every module's output by name, computed plainly in f64.
fn plain(config: &Config, weights: &Weights, images: &Tensor) -> BTreeMap<String, Tensor> {
    let mut seen = BTreeMap::new();
    let w = |name: String| weights[&name].to_dtype(DType::F64).unwrap();
    let norm = |x: &Tensor, name: &str| {
        let part = |part: &str| w(format!("{name}.{part}")).reshape((1, (), 1, 1)).unwrap();
        let deviation = (part("running_var") + EPSILON).unwrap().sqrt().unwrap();
        let x = x.broadcast_sub(&part("running_mean")).unwrap().broadcast_div(&deviation).unwrap();
        x.broadcast_mul(&part("weight")).unwrap().broadcast_add(&part("bias")).unwrap()
    };
    let unit = |seen: &mut BTreeMap<String, Tensor>, x: &Tensor, conv: &str, bn: &str, stride, padding| {
        let y = x.conv2d(&w(format!("{conv}.weight")), padding, stride, 1, 1).unwrap();
        seen.insert(conv.into(), y.clone());
        let y = norm(&y, bn);
        seen.insert(bn.into(), y.clone());
        y
    };
    let x = images.to_dtype(DType::F64).unwrap();
    let mut x = unit(&mut seen, &x, "conv1", "bn1", config.stride, config.kernel / 2).relu().unwrap();
    seen.insert("relu".into(), x.clone());
    if config.pool {
        let padded = x.pad_with_zeros(2, 1, 1).unwrap().pad_with_zeros(3, 1, 1).unwrap();
        x = padded.max_pool2d_with_stride(3, 2).unwrap();
        seen.insert("maxpool".into(), x.clone());
    }
    let mut c_in = config.stem;
    for (stage, (&c_out, &blocks)) in config.widths.iter().zip(&config.blocks).enumerate() {
        for block in 0..blocks {
            let p = format!("layer{}.{block}", stage + 1);
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            let y = unit(&mut seen, &x, &format!("{p}.conv1"), &format!("{p}.bn1"), stride, 1).relu().unwrap();
            let y = unit(&mut seen, &y, &format!("{p}.conv2"), &format!("{p}.bn2"), 1, 1);
            if stride != 1 || c_in != c_out {
                x = unit(&mut seen, &x, &format!("{p}.downsample.0"), &format!("{p}.downsample.1"), stride, 0);
                seen.insert(format!("{p}.downsample"), x.clone());
            }
            x = (x + y).unwrap().relu().unwrap();
            seen.insert(p, x.clone());
            c_in = c_out;
        }
        seen.insert(format!("layer{}", stage + 1), x.clone());
    }
    let pooled = x.mean_keepdim(3).unwrap().mean_keepdim(2).unwrap();
    seen.insert("avgpool".into(), pooled.clone());
    let fc = pooled.flatten_from(1).unwrap().matmul(&w("fc.weight".into()).t().unwrap()).unwrap();
    let fc = fc.broadcast_add(&w("fc.bias".into())).unwrap();
    seen.insert("fc".into(), fc.unsqueeze(2).unwrap().unsqueeze(3).unwrap());
    seen
}

fn noise(shape: &[usize], seed: u64) -> Tensor {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1;
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn random(config: &Config, classes: usize) -> Weights {
    let all = config.weights(classes).unwrap();
    let weights = all.into_iter().enumerate().map(|(i, (name, shape))| {
        let mut weight = noise(&shape, i as u64);
        if name.ends_with("running_var") {
            weight = weight.affine(0.4, 0.6).unwrap();
        } else if shape.len() == 4 {
            let fan_in: usize = shape[1..].iter().product();
            weight = weight.affine((3.0 / fan_in as f64).sqrt(), 0.0).unwrap();
        }
        (name, weight)
    });
    let mut weights: Weights = weights.collect();
    weights.insert("bn1.num_batches_tracked".into(), Tensor::new(7f32, &Device::Cpu).unwrap());
    weights
}

fn narrow() -> Config {
    Config { stem: 16, widths: vec![16, 32, 20], blocks: vec![1, 2, 1], ..Config::default() }
}

fn largest(t: &Tensor) -> f64 {
    t.abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar::<f64>().unwrap()
}

#[test]
fn every_layer_agrees_with_the_unfolded_network() {
    let small = Config { kernel: 3, stride: 1, pool: false, ..narrow() };
    for config in [narrow(), Config { stride: 2, ..small.clone() }, small] {
        check_layers(&config);
    }
}

fn check_layers(config: &Config) {
    let weights = random(config, 7);
    let network = of_config(config, &weights).unwrap();
    assert_eq!(network.classes(), 7);
    let images = noise(&[3, 3, 45, 38], 99);
    let expected = plain(config, &weights, &images);
    let mut names: Vec<String> = network.layers().into_iter().map(|layer| layer.name).collect();
    names.sort_unstable();
    assert!(names.iter().eq(expected.keys()), "{names:?}");
    for (name, expected_maps) in &expected {
        let output = network.tap(&[name]).unwrap().forward(&images).unwrap();
        let logits = output.logits.unsqueeze(2).unwrap().unsqueeze(3).unwrap();
        for (what, found, expected) in [("maps", &output.maps[0], expected_maps), ("logits", &logits, &expected["fc"])]
        {
            assert_eq!(found.dims(), expected.dims(), "{what} of {name}");
            let difference = (found.to_dtype(DType::F64).unwrap() - expected).unwrap();
            let found = largest(&difference) / largest(expected);
            assert!(found < 5e-6, "{what} of {name}: relative error {found}");
        }
    }
}

#[test]
fn an_image_gives_the_same_bits_in_any_batch() {
    let config = narrow();
    let network = of_config(&config, &random(&config, 5)).unwrap();
    let tapped = network.tap(&["layer2"]).unwrap();
    let images = noise(&[5, 3, 40, 40], 3);
    let bits = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits).collect();
    let whole = tapped.forward(&images).unwrap();
    for i in 0..5 {
        let alone = tapped.forward(&images.narrow(0, i, 1).unwrap()).unwrap();
        let pairs = [(&whole.maps[0], &alone.maps[0]), (&whole.logits, &alone.logits)];
        for (whole, alone) in pairs {
            let (whole, alone): (Vec<u32>, Vec<u32>) = (bits(&whole.narrow(0, i, 1).unwrap()), bits(alone));
            assert_eq!(whole, alone, "image {i}");
        }
    }
}

#[test]
fn the_head_gives_the_logits_from_the_mean_of_the_last_stage() {
    let config = narrow();
    let network = of_config(&config, &random(&config, 5)).unwrap();
    let images = noise(&[4, 3, 45, 38], 7);
    let head = network.head((0..5).map(|c| c.to_string()).collect()).unwrap();
    for layer in ["layer3", "layer3.0", "avgpool"] {
        assert!(network.feeds_head(layer), "{layer}");
        let output = network.tap(&[layer]).unwrap().forward(&images).unwrap();
        let (n, units, h, w) = output.maps[0].dims4().unwrap();
        let maps = output.maps[0].flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let maps = ndarray::Array4::from_shape_vec((n, units, h, w), maps).unwrap();
        let logits = head.logits(&compexp_trust::behaviour::Features::pool(&maps.view()).unwrap()).unwrap();
        let expected = output.logits.to_vec2::<f32>().unwrap().concat();
        for (found, expected) in logits.iter().zip(expected) {
            assert!((found - f64::from(expected)).abs() < 1e-5, "{layer}: {found} {expected}");
        }
    }
    assert!(!["conv1", "layer2", "layer3.0.conv2", "fc", "layer9"].iter().any(|layer| network.feeds_head(layer)));
    assert!(network.head(vec!["a".into()]).is_err());
}

#[test]
fn an_unknown_layer_is_answered_with_the_names_there_are() {
    let config = narrow();
    let network = of_config(&config, &random(&config, 5)).unwrap();
    let message = network.tap(&["layer4"]).unwrap_err().to_string();
    assert!(
        message.starts_with("unknown layer `layer4`: the layers are conv1, bn1, relu, maxpool, layer1.0."),
        "{message}"
    );
    assert!(message.contains(", layer2.0.downsample.0, ") && message.ends_with(", layer3, avgpool, fc"), "{message}");
}

#[test]
fn wrong_weights_are_named_with_both_shapes() {
    let config = narrow();
    let message = |change: &dyn Fn(&mut Weights)| {
        let mut weights = random(&config, 5);
        change(&mut weights);
        of_config(&config, &weights).unwrap_err().to_string()
    };
    let put = |weights: &mut Weights, name: &str, value: Tensor| drop(weights.insert(name.into(), value));
    let missing = message(&|w| drop(w.remove("layer2.1.bn2.bias")));
    assert!(missing.starts_with("weight `layer2.1.bn2.bias`: found none among "), "{missing}");
    let extra = message(&|w| put(w, "layer9.conv1.weight", noise(&[2, 2], 1)));
    assert!(extra.starts_with("weight `layer9.conv1.weight`: found shape [2, 2], expected no weight"), "{extra}");
    let shape = message(&|w| put(w, "layer1.0.conv1.weight", noise(&[16, 16, 1, 1], 1)));
    assert_eq!(shape, "weight `layer1.0.conv1.weight`: found shape [16, 16, 1, 1], expected shape [16, 16, 3, 3]");
    let nan = message(&|w| put(w, "bn1.weight", noise(&[16], 1).affine(f64::NAN, 0.0).unwrap()));
    assert!(nan.starts_with("weight `bn1.weight`: found the value NaN"), "{nan}");
    let negative = message(&|w| put(w, "bn1.running_var", noise(&[16], 1)));
    assert!(negative.contains("`bn1.running_var`: found the value -"), "{negative}");
    let scalar = message(&|w| put(w, "fc.weight", Tensor::new(1f32, &Device::Cpu).unwrap()));
    assert_eq!(scalar, "weight `fc.weight`: found shape [], expected shape [_, _]");
    let none = Config { blocks: vec![], ..narrow() };
    assert!(none.weights(3).is_err());
}

#[test]
fn sizes_follow_from_the_weights() {
    let small = Config { kernel: 3, stride: 1, pool: false, ..narrow() };
    for config in [narrow(), small, Config { widths: vec![8; 11], blocks: vec![1; 11], ..narrow() }] {
        assert_eq!(Config::of(&random(&config, 5)), config);
    }
    assert_eq!(Config::of(&Weights::new()), Config::default());
    let other = Weights::from([("conv1.weight".into(), noise(&[4], 1))]);
    assert_eq!(Config::of(&other), Config::default());
}

#[test]
fn images_that_cannot_be_run_are_refused() {
    let config = narrow();
    let network = of_config(&config, &random(&config, 5)).unwrap();
    let tapped = network.tap(&["fc"]).unwrap();
    for shape in [[1, 1, 40, 40], [1, 3, 0, 40]] {
        assert!(tapped.forward(&Tensor::zeros(&shape, DType::F32, &Device::Cpu).unwrap()).is_err(), "{shape:?}");
    }
    assert_eq!(tapped.forward(&noise(&[1, 3, 1, 1], 1)).unwrap().maps[0].dims(), [1, 5, 1, 1]);
}

#[test]
fn a_layer_reads_by_its_first_convolution() {
    let config = narrow();
    let weights = random(&config, 5);
    let network = of_config(&config, &weights).unwrap();
    for (layer, conv, before) in [
        ("layer1", "layer1.0.conv1", "maxpool"),
        ("layer2", "layer2.0.conv1", "layer1.0 layer1"),
        ("layer2.1", "layer2.1.conv1", "layer2.0"),
        ("layer2.0.conv1", "layer2.0.conv1", "layer1.0 layer1"),
        ("layer1.0.conv2", "layer1.0.conv2", "layer1.0.conv1 layer1.0.bn1"),
    ] {
        let weight = &weights[&format!("{conv}.weight")];
        let (to, from, h, w) = weight.dims4().unwrap();
        let values = weight.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let Reads { from: names, weights: found } = network.reads(layer).unwrap().unwrap();
        assert_eq!(names.join(" "), before, "{layer}");
        assert_eq!(found.dim(), (to, from), "{layer}");
        for (found, kernel) in found.iter().zip(values.chunks_exact(h * w)) {
            let mean = kernel.iter().map(|v| f64::from(*v)).sum::<f64>() / (h * w) as f64;
            assert!((f64::from(*found) - mean).abs() < 1e-6, "{layer}: {found} {mean}");
        }
    }
    for layer in ["fc", "avgpool", "layer2.0.bn1", "layer9"] {
        assert_eq!(network.reads(layer).unwrap(), None, "{layer}");
    }
}
