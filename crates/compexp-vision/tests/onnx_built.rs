//! ONNX graphs that are built here: images in either order of axes, batches of any or of a fixed size, against sums by hand; and files
//! that cannot be run.
#![cfg(feature = "onnx")]

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use compexp_vision::model::Model;
use rten_onnx::onnx::{
    AttributeProto, AttributeType, DataType, Dimension, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    TensorProto, TensorShapeProto, TypeProto, TypeProtoTensor, ValueInfoProto,
};

/// Rows and columns of the images.
const SIZE: (usize, usize) = (4, 5);
/// Units of the convolution, and classes.
const UNITS: usize = 6;

/// A size of an axis, or none for any.
type Axis = Option<usize>;

fn info(name: &str, axes: &[Axis]) -> ValueInfoProto {
    let dim = |axis: &Axis| Dimension {
        dim_value: axis.map(|n| n as i64),
        dim_param: axis.is_none().then(|| "n".to_owned()),
    };
    let shape = TensorShapeProto { dim: axes.iter().map(dim).collect() };
    let tensor = TypeProtoTensor { elem_type: Some(DataType::FLOAT), shape: Some(shape) };
    ValueInfoProto { name: Some(name.into()), r#type: Some(TypeProto { tensor_type: Some(tensor), sequence: None }) }
}

fn node(kind: &str, inputs: &[&str], output: &str, ints: &[(&str, &[i64])]) -> NodeProto {
    let attribute = |(name, ints): &(&str, &[i64])| AttributeProto {
        name: Some((*name).into()),
        ints: ints.to_vec(),
        r#type: Some(AttributeType::INTS),
        ..AttributeProto::default()
    };
    NodeProto {
        name: Some(format!("/{output}/{kind}")),
        op_type: Some(kind.into()),
        input: inputs.iter().map(|name| (*name).to_owned()).collect(),
        output: vec![output.into()],
        attribute: ints.iter().map(attribute).collect(),
        ..NodeProto::default()
    }
}

fn weights(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
    TensorProto {
        name: Some(name.into()),
        dims: dims.to_vec(),
        data_type: Some(DataType::FLOAT),
        raw_data: Some(RefCell::new(values.iter().flat_map(|v| v.to_le_bytes()).collect())),
        ..TensorProto::default()
    }
}

/// The weights of the convolution, `(UNITS, 3)`, and its biases.
fn convolution() -> (Vec<f32>, Vec<f32>) {
    let wave = |at: usize| ((at * 37 % 23) as f32 - 11.0) / 8.0;
    ((0..3 * UNITS).map(wave).collect(), (0..UNITS).map(|unit| wave(unit + 5) / 2.0).collect())
}

/// A convolution of 1 x 1 with a ReLU, `maps`, whose means are the logits.
fn graph(batch: Axis, channels_last: bool) -> ModelProto {
    let (weight, bias) = convolution();
    let (height, width) = SIZE;
    let (image, mut nodes) = match channels_last {
        false => ([batch, Some(3), Some(height), Some(width)], vec![]),
        true => (
            [batch, Some(height), Some(width), Some(3)],
            vec![node("Transpose", &["image"], "planes", &[("perm", &[0, 3, 1, 2])])],
        ),
    };
    let planes = if channels_last { "planes" } else { "image" };
    nodes.extend([
        node("Conv", &[planes, "weight", "bias"], "sums", &[("kernel_shape", &[1, 1])]),
        node("Relu", &["sums"], "maps", &[]),
        node("GlobalAveragePool", &["maps"], "means", &[]),
        node("Flatten", &["means"], "logits", &[]),
    ]);
    let graph = GraphProto {
        node: nodes,
        initializer: vec![
            weights("weight", &[UNITS as i64, 3, 1, 1], &weight),
            weights("bias", &[UNITS as i64], &bias),
        ],
        input: vec![info("image", &image)],
        output: vec![info("logits", &[batch, Some(UNITS)])],
        ..GraphProto::default()
    };
    ModelProto {
        ir_version: Some(8),
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto { domain: Some(String::new()), version: Some(17) }],
        ..ModelProto::default()
    }
}

fn written(folder: &Path, name: &str, model: &ModelProto) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, model.write_buf().unwrap()).unwrap();
    path
}

/// The pixel of an image at a channel and a position.
fn pixel(image: usize, channel: usize, at: usize) -> f32 {
    ((image * 101 + channel * 31 + at * 7) % 29) as f32 / 10.0 - 1.4
}

fn images(n: usize) -> Tensor {
    let positions = SIZE.0 * SIZE.1;
    let of = |i: usize| pixel(i / positions / 3, i / positions % 3, i % positions);
    Tensor::from_vec((0..n * 3 * positions).map(of).collect::<Vec<f32>>(), (n, 3, SIZE.0, SIZE.1), &Device::Cpu)
        .unwrap()
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn near(found: &[f32], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((f64::from(*found) - expected).abs() < 1e-5, "{what}: value {at} is {found}, expected {expected}");
    }
}

#[test]
fn batches_and_orders_of_axes_change_no_value() {
    let folder = tempfile::tempdir().unwrap();
    let (weight, bias) = convolution();
    let positions = SIZE.0 * SIZE.1;
    const N: usize = 7; // no multiple of the batches
    let (mut maps, mut logits) = (Vec::new(), Vec::new());
    for image in 0..N {
        for unit in 0..UNITS {
            let sum = |at: usize| {
                let products = (0..3).map(|c| f64::from(weight[3 * unit + c]) * f64::from(pixel(image, c, at)));
                (f64::from(bias[unit]) + products.sum::<f64>()).max(0.0)
            };
            let values: Vec<f64> = (0..positions).map(sum).collect();
            logits.push(values.iter().sum::<f64>() / positions as f64);
            maps.extend(values);
        }
    }
    assert!(maps.contains(&0.0) && maps.iter().any(|v| *v > 0.0));
    let all = images(N);
    let mut first: Option<(Vec<f32>, Vec<f32>)> = None;
    for channels_last in [false, true] {
        for batch in [None, Some(1), Some(3), Some(4), Some(16)] {
            let what = format!("batch of {batch:?}, channels last: {channels_last}");
            let path = written(folder.path(), "net.onnx", &graph(batch, channels_last));
            let model = Model::load(&path, &Device::Cpu).unwrap_or_else(|e| panic!("{what}: {e}"));
            assert_eq!((model.classes(), model.image_size()), (UNITS, Some(SIZE)), "{what}");
            let output = model.tap(&["maps", "/sums/Conv"]).unwrap().forward(&all).unwrap();
            assert_eq!(output.maps[0].dims(), [N, UNITS, SIZE.0, SIZE.1], "{what}");
            assert_eq!(output.logits.dims(), [N, UNITS], "{what}");
            let (found_maps, found_logits) = (flat(&output.maps[0]), flat(&output.logits));
            near(&found_maps, &maps, &what);
            near(&found_logits, &logits, &what);
            assert!(flat(&output.maps[1]).iter().any(|v| *v < 0.0), "{what}: before the ReLU");
            let alone = model.tap(&["maps"]).unwrap().forward(&all.narrow(0, 5, 1).unwrap()).unwrap();
            near(&flat(&alone.logits), &logits[5 * UNITS..6 * UNITS], &what);
            let shapes = model.shapes(SIZE.0, SIZE.1).unwrap();
            let shape = shapes.iter().find(|(layer, _)| layer.name == "maps").map(|(_, shape)| shape.clone());
            assert_eq!(shape, Some(vec![UNITS, SIZE.0, SIZE.1]), "{what}");
            let (maps, logits) = first.get_or_insert((found_maps.clone(), found_logits.clone()));
            assert!(*maps == found_maps && *logits == found_logits, "{what}: other bits than one image at a time");
        }
    }
}

#[test]
fn a_graph_of_a_fixed_batch_whose_output_has_no_stated_shape_has_its_classes() {
    let folder = tempfile::tempdir().unwrap();
    for batch in [None, Some(4)] {
        let mut model = graph(batch, true);
        model.graph.as_mut().unwrap().output[0].r#type = None;
        let path = written(folder.path(), "net.onnx", &model);
        assert_eq!(Model::load(&path, &Device::Cpu).unwrap().classes(), UNITS, "{batch:?}");
    }
}

#[test]
fn what_cannot_be_run_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let error = |path: &Path| Model::load(path, &Device::Cpu).unwrap_err().to_string();
    let good = written(at, "good.onnx", &graph(Some(2), false));
    let whole = std::fs::read(&good).unwrap();
    for cut in [0, 1, whole.len() / 3, whole.len() / 2, whole.len() - 1] {
        let path = at.join("cut.onnx");
        std::fs::write(&path, &whole[..cut]).unwrap();
        let e = error(&path);
        assert!(e.contains("cut.onnx`: ONNX: "), "cut at {cut}: {e}");
    }
    let mut unknown = graph(None, false);
    unknown.graph.as_mut().unwrap().node[1].op_type = Some("Frobnicate".into());
    let e = error(&written(at, "operator.onnx", &unknown));
    assert!(e.contains("operator.onnx`: ONNX: ") && e.contains("Frobnicate"), "{e}");
    let mut two = graph(None, false);
    two.graph.as_mut().unwrap().input.push(info("mask", &[None, Some(1)]));
    let e = error(&written(at, "two.onnx", &two));
    assert!(e.contains("found 2 inputs (`image`, `mask`), expected one, of images"), "{e}");
    let mut text = graph(None, false);
    text.graph.as_mut().unwrap().input[0] = info("image", &[None, Some(128)]);
    let e = error(&written(at, "text.onnx", &text));
    assert!(e.contains("input `image`: found no 4 axes"), "{e}");

    let model = Model::load(&good, &Device::Cpu).unwrap();
    let e = model.tap(&["layer9"]).unwrap_err().to_string();
    assert!(e.starts_with("unknown layer `layer9`: the layers are sums, maps, means, logits"), "{e}");
    let other = Tensor::zeros((1, 3, 8, 8), candle_core::DType::F32, &Device::Cpu).unwrap();
    let e = model.tap(&["maps"]).unwrap().forward(&other).unwrap_err().to_string();
    assert!(e.contains("found 8 x 8, expected 4 x 5") && e.contains("--resize"), "{e}");
}
