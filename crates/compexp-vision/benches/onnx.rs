//! EfficientNet-Lite0 from an ONNX file: our calls, an image on a thread each, beside `rten` alone, which is called in a loop
//! with all threads for one image after the other.
//!
//! `COMPEXP_DATA=... cargo bench -p compexp-vision --bench onnx`.

use std::hint::black_box;

use candle_core::{DType, Device, Tensor};
use compexp_vision::model::Model;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rten::{ModelOptions, Value};
use rten_tensor::NdTensor;

const BATCH: usize = 8;
const LAYER: &str = "/_blocks.15/_project_conv/Conv_output_0";

fn onnx(criterion: &mut Criterion) {
    let Some(path) = compexp_tests::data("networks/efficientnet-lite0.onnx") else { return };
    let model = Model::load(&path, &Device::Cpu).expect("a network");
    let tapped = model.tap(&[LAYER]).expect("a layer");
    let images = Tensor::ones((BATCH, 3, 224, 224), DType::F32, &Device::Cpu).expect("images");
    let mut options = ModelOptions::with_all_ops();
    options.prepack_weights(true);
    let alone = options.load(std::fs::read(&path).expect("a file")).expect("a graph");
    let outputs = [alone.find_node(LAYER).expect("a tensor"), alone.output_ids()[0]];
    let image: Value = NdTensor::full([1, 3, 224, 224], 1.0f32).into();

    let mut group = criterion.benchmark_group("EfficientNet-Lite0, 8 images of 224 x 224");
    group.throughput(Throughput::Elements(BATCH as u64)).sample_size(20);
    group.bench_function("compexp", |bencher| {
        bencher.iter(|| tapped.forward(black_box(&images)).expect("a forward pass"));
    });
    group.bench_function("rten alone", |bencher| {
        bencher.iter(|| {
            for _ in 0..BATCH {
                let inputs = vec![(alone.input_ids()[0], (&image).into())];
                black_box(alone.run(inputs, &outputs, None).expect("a forward pass"));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, onnx);
criterion_main!(benches);
