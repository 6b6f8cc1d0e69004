//! ResNet-18 at 224 x 224, batch 8, forward.
//!
//! `cargo bench -p compexp-vision --bench network`.

use std::hint::black_box;

use candle_core::{Device, Tensor};
use compexp_vision::model::Model;
use compexp_vision::resnet::{Config, Weights};
use criterion::{Criterion, criterion_group, criterion_main};

const BATCH: usize = 8;

/// Values in -0.5..0.5 that look random.
fn noise(shape: &[usize]) -> Tensor {
    let mut state = 1u64;
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
        })
        .collect();
    Tensor::from_vec(values, shape, &Device::Cpu).expect("a shape that fits its values")
}

fn network(criterion: &mut Criterion) {
    let config = Config::default();
    let shapes = config.weights(365).expect("a network");
    let weights: Weights = shapes
        .into_iter()
        .map(|(name, shape)| {
            let weight = noise(&shape);
            let weight = if name.ends_with("running_var") { weight.abs().expect("absolute values") } else { weight };
            (name, weight)
        })
        .collect();
    let model = Model::new(&config, &weights, &Device::Cpu).expect("a network of these weights");
    let tapped = model.tap(&["layer4"]).expect("layer4");
    let images = noise(&[BATCH, 3, 224, 224]);
    criterion.bench_function("ResNet-18 forward, 224 x 224, batch 8", |bencher| {
        bencher.iter(|| tapped.forward(black_box(&images)).expect("a forward pass"));
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = network
}
criterion_main!(benches);
