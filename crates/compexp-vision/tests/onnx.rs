//! ONNX graphs of the data folder (`COMPEXP_DATA`) against what PyTorch computed with the same networks, and files that
//! cannot be run.
#![cfg(feature = "onnx")]

use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use compexp_tests::data;
use compexp_vision::model::{Model, Options};
use compexp_vision::network::Tokens;
use rten_onnx::onnx::ModelProto;
use safetensors::{Dtype, SafeTensors};

fn tensor(file: &SafeTensors<'_>, name: &str) -> Tensor {
    let found = file.tensor(name).unwrap();
    let bytes = found.data();
    let values: Vec<f32> = match found.dtype() {
        Dtype::F16 => {
            let half: Vec<half::f16> = bytes.chunks_exact(2).map(|b| half::f16::from_le_bytes([b[0], b[1]])).collect();
            half.into_iter().map(half::f16::to_f32).collect()
        }
        Dtype::F32 => bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect(),
        other => panic!("{name}: {other:?}"),
    };
    Tensor::from_vec(values, found.shape(), &Device::Cpu).unwrap()
}

fn off(found: &Tensor, expected: &Tensor) -> f32 {
    let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(found.elem_count(), expected.elem_count(), "{:?} and {:?}", found.dims(), expected.dims());
    flat(found).iter().zip(flat(expected)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

const LITE0: [&str; 3] = [
    "/_blocks.3/act_1/Clip_output_0",
    "/_blocks.8/_project_conv/Conv_output_0",
    "/_blocks.15/_project_conv/Conv_output_0",
];

#[test]
fn inner_tensors_and_logits_of_a_graph_are_those_of_pytorch() {
    let (Some(path), Some(golden)) =
        (data("networks/efficientnet-lite0.onnx"), data("networks/efficientnet-lite0.golden.safetensors"))
    else {
        return;
    };
    let bytes = std::fs::read(golden).unwrap();
    let golden = SafeTensors::deserialize(&bytes).unwrap();
    let model = Model::load(&path, &Device::Cpu).unwrap();
    assert_eq!((model.classes(), model.image_size()), (1000, Some((224, 224))));
    let images = tensor(&golden, "input");
    let output = model.tap(&LITE0).unwrap().forward(&images).unwrap();
    for (name, maps) in LITE0.iter().zip(&output.maps).chain([(&"logits", &output.logits)]) {
        let expected = tensor(&golden, name);
        assert_eq!(maps.dims(), expected.dims(), "{name}");
        let far = off(maps, &expected);
        assert!(far < 1e-4, "{name}: off by {far}");
    }
    // An image alone, and by the name of the operator, and on other numbers of threads: the same bits.
    let operator = "/_blocks.15/_project_conv/Conv";
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let alone = pool.install(|| model.tap(&[operator]).unwrap().forward(&images.narrow(0, 2, 1).unwrap()).unwrap());
        assert_eq!(off(&alone.maps[0], &output.maps[2].narrow(0, 2, 1).unwrap()), 0.0);
        assert_eq!(off(&alone.logits, &output.logits.narrow(0, 2, 1).unwrap()), 0.0);
    }
}

#[test]
fn graphs_with_tokens_and_groups_are_those_of_pytorch() {
    for (folder, tokens) in [("resnext", Tokens::default()), ("vit", Tokens { grid: Some((4, 4)), skip: 1 })] {
        let Some(path) = data(&format!("networks/{folder}/model.onnx")) else { return };
        let at = path.parent().unwrap();
        let bytes = std::fs::read(at.join("golden.safetensors")).unwrap();
        let golden = SafeTensors::deserialize(&bytes).unwrap();
        let names: serde_json::Value = serde_json::from_slice(&std::fs::read(at.join("model.json")).unwrap()).unwrap();
        let model = Model::open(&path, &Options { tokens, ..Options::default() }, &Device::Cpu).unwrap();
        let images = tensor(&golden, "input");
        let mut compared = 0;
        for module in golden.names() {
            let tensor_name = names["tensor_of_module"].get(module).and_then(|name| name.as_str());
            let Some(name) = tensor_name.filter(|_| module != "input" && !module.starts_with("logits")) else {
                continue;
            };
            let output = model.tap(&[name]).unwrap().forward(&images).unwrap();
            let expected = tensor(&golden, module);
            let expected = match *expected.dims() {
                [n, all, c] => {
                    let patches = expected.narrow(1, 1, all - 1).unwrap().transpose(1, 2).unwrap();
                    patches.contiguous().unwrap().reshape((n, c, 4, 4)).unwrap()
                }
                _ => expected,
            };
            assert_eq!(output.maps[0].dims(), expected.dims(), "{folder}: {module}");
            let far = off(&output.maps[0], &expected);
            assert!(far < 1e-4, "{folder}: {module} off by {far}");
            assert!(off(&output.logits, &tensor(&golden, "logits")) < 1e-4, "{folder}: logits");
            compared += 1;
        }
        assert!(compared >= 5, "{folder}: {compared} modules of {names}");
    }
}

#[test]
fn tensors_of_a_graph_are_listed_with_their_shapes() {
    let Some(path) = data("networks/vit/model.onnx") else { return };
    let model = Model::load(&path, &Device::Cpu).unwrap();
    let all = model.shapes(64, 64).unwrap();
    let kinds: Vec<&str> = all.iter().map(|(layer, _)| layer.kind.as_str()).collect();
    assert!(kinds.contains(&"LayerNormalization") && kinds.contains(&"Conv"), "{kinds:?}");
    assert!(all.iter().any(|(_, shape)| *shape == [17, 88]), "{all:?}");
    let name = all.iter().find(|(_, shape)| *shape == [17, 88]).unwrap().0.name.clone();
    let images = Tensor::zeros((2, 3, 64, 64), candle_core::DType::F32, &Device::Cpu).unwrap();
    let error = model.tap(&[&name]).unwrap().forward(&images).unwrap_err().to_string();
    assert!(error.contains("[1, 17, 88]") && error.contains("--grid 4x4 --skip-tokens 1"), "{error}");
    let tokens = Tokens { grid: Some((3, 4)), skip: 1 };
    let model = Model::open(&path, &Options { tokens, ..Options::default() }, &Device::Cpu).unwrap();
    let error = model.tap(&[&name]).unwrap().forward(&images).unwrap_err().to_string();
    assert!(error.contains("expected 1 + 3 x 4 tokens"), "{error}");
}

/// A copy of a small graph, changed.
fn changed(folder: &Path, name: &str, change: impl FnOnce(&mut ModelProto)) -> Option<PathBuf> {
    let bytes = std::fs::read(data("networks/resnext/model.onnx")?).unwrap();
    let mut model = ModelProto::parse_buf(&bytes).unwrap();
    change(&mut model);
    let path = folder.join(name);
    std::fs::write(&path, model.write_buf().unwrap()).unwrap();
    Some(path)
}

#[test]
fn graphs_that_cannot_be_run_are_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let error = |path: &Path| Model::load(path, &Device::Cpu).unwrap_err().to_string();
    let Some(path) = changed(at, "operator.onnx", |model| {
        model.graph.as_mut().unwrap().node[3].op_type = Some("Frobnicate".into());
    }) else {
        return;
    };
    let e = error(&path);
    assert!(e.contains("operator.onnx`: ONNX: ") && e.contains("Frobnicate"), "{e}");

    let whole = std::fs::read(data("networks/resnext/model.onnx").unwrap()).unwrap();
    for cut in [0, 1, 100, whole.len() / 2, whole.len() - 1] {
        let path = at.join("cut.onnx");
        std::fs::write(&path, &whole[..cut]).unwrap();
        let e = error(&path);
        assert!(e.contains("cut.onnx"), "{cut}: {e}");
    }

    let channels = changed(at, "grey.onnx", |model| {
        let input =
            model.graph.as_mut().unwrap().input.iter_mut().find(|i| i.name.as_deref() == Some("image")).unwrap();
        let shape = input.r#type.as_mut().unwrap().tensor_type.as_mut().unwrap().shape.as_mut().unwrap();
        shape.dim[1].dim_value = Some(1);
    });
    assert!(error(&channels.unwrap()).contains("found 1 channels, expected 3"));
    let outside = changed(at, "outside.onnx", |model| {
        let weight = &mut model.graph.as_mut().unwrap().initializer[0];
        weight.data_location = Some(rten_onnx::onnx::DataLocation::EXTERNAL);
        let entry = |key: &str, value: &str| rten_onnx::onnx::StringStringEntryProto {
            key: Some(key.into()),
            value: Some(value.into()),
        };
        weight.external_data = vec![entry("location", "../secret"), entry("offset", "0"), entry("length", "4")];
    });
    assert!(error(&outside.unwrap()).contains("found a path out of the folder"));

    let model = Model::load(&data("networks/resnext/model.onnx").unwrap(), &Device::Cpu).unwrap();
    let e = model.tap(&["layer9"]).unwrap_err().to_string();
    assert!(e.starts_with("unknown layer `layer9`: the layers are "), "{e}");
    let zeros = |side: usize| Tensor::zeros((1, 3, side, side), candle_core::DType::F32, &Device::Cpu).unwrap();
    let Some(lite) = data("networks/efficientnet-lite0.onnx") else { return };
    let lite = Model::load(&lite, &Device::Cpu).unwrap();
    let e = lite.tap(&[LITE0[2]]).unwrap().forward(&zeros(128)).unwrap_err().to_string();
    assert!(e.contains("found 128 x 128, expected 224 x 224") && e.contains("--resize"), "{e}");
    let random = Options { random: Some(1), ..Options::default() };
    let e = Model::open(&data("networks/resnext/model.onnx").unwrap(), &random, &Device::Cpu).unwrap_err().to_string();
    assert!(e.contains("--random-weights of an ONNX file"), "{e}");
}
