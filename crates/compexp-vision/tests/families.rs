//! Narrow networks of every family from the data folder (`COMPEXP_DATA`), saved in the ways that people save them, against
//! what hooks of PyTorch saw.

use std::path::Path;

use candle_core::{Device, Tensor};
use compexp_kernels::conv::channels_first;
use compexp_tests::data;
use compexp_vision::Error;
use compexp_vision::model::{Model, Options};
use safetensors::SafeTensors;

fn tensor(file: &SafeTensors<'_>, name: &str) -> Tensor {
    let found = file.tensor(name).unwrap();
    assert_eq!(found.dtype(), safetensors::Dtype::F32, "{name}");
    let values = found.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    Tensor::from_vec::<_, f32>(values, found.shape(), &Device::Cpu).unwrap()
}

/// The largest difference.
fn off(found: &Tensor, expected: &Tensor) -> f32 {
    let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    flat(found).iter().zip(flat(expected)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// What a hook saw as the maps of a layer: `(n, c)` as 1 x 1 maps, tokens without the class token as a square.
fn as_maps(seen: &Tensor) -> Tensor {
    match *seen.dims() {
        [n, c] => seen.reshape((n, c, 1, 1)).unwrap(),
        [n, tokens, c] => {
            let side = (tokens - 1).isqrt();
            let patches = seen.narrow(1, 1, tokens - 1).unwrap().contiguous().unwrap();
            patches.reshape((n, side, side, c)).unwrap().permute((0, 3, 1, 2)).unwrap()
        }
        _ => seen.clone(),
    }
}

/// Compares every module of the golden file, each tapped alone and all at once.
fn check(folder: &Path, weights: &str, name: &str, options: &Options, logits: &str) {
    let model = Model::open(&folder.join(weights), options, &Device::Cpu).unwrap();
    assert_eq!(model.name(), name, "{weights}");
    let bytes = std::fs::read(folder.join("golden.safetensors")).unwrap();
    let golden = SafeTensors::deserialize(&bytes).unwrap();
    let images = tensor(&golden, "input");
    let modules = golden.names().into_iter().filter(|name| !name.starts_with("logits") && *name != "input");
    let modules: Vec<&str> = if logits == "logits" { modules.collect() } else { Vec::new() };
    let all = model.tap(&modules).unwrap().forward(&images).unwrap();
    let far = off(&all.logits, &tensor(&golden, logits));
    assert!(far < 1e-4, "{weights}: logits off by {far}");
    for (module, maps) in modules.iter().zip(&all.maps) {
        let expected = as_maps(&tensor(&golden, module));
        assert_eq!(maps.dims(), expected.dims(), "{weights}: {module}");
        let far = off(&channels_first(maps).unwrap(), &expected);
        assert!(far < 1e-4, "{weights}: {module} off by {far}");
        let alone = model.tap(&[module]).unwrap().forward(&images).unwrap();
        assert_eq!(off(&alone.maps[0], maps), 0.0, "{weights}: {module} alone");
        assert_eq!(off(&alone.logits, &all.logits), 0.0, "{weights}: logits with {module}");
    }
    // Every name can be tapped.
    let layers = model.layers();
    let names: Vec<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
    let mut unique = names.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), names.len(), "{names:?}");
    let output = model.tap(&names).unwrap().forward(&images.narrow(0, 1, 1).unwrap()).unwrap();
    assert_eq!(off(&output.logits, &all.logits.narrow(0, 1, 1).unwrap()), 0.0, "{weights}: one image alone");
    assert_eq!(output.maps.len(), names.len());
}

#[test]
fn modules_are_those_that_hooks_of_pytorch_saw() {
    let heads = Options { heads: Some(4), ..Options::default() };
    let ema = Options { entry: Some("model_ema".into()), ..Options::default() };
    let model = Options { entry: Some("model".into()), ..Options::default() };
    let default = Options::default();
    for (folder, weights, name, options, logits) in [
        ("bottleneck", "weights.pth", "ResNet-17", &default, "logits"),
        ("resnext", "weights.pth", "ResNeXt-17", &default, "logits"),
        ("resnext", "weights.pth", "ResNeXt-17", &model, "logits"),
        ("resnext", "weights.pth", "ResNeXt-17", &ema, "logits_of_model_ema"),
        ("vgg", "weights.pth", "VGG-13 with batch norm", &default, "logits"),
        ("vgg-plain", "weights.pth", "VGG-11", &default, "logits"),
        ("alexnet", "weights.pth", "AlexNet", &default, "logits"),
        ("alexnet", "weights_features_module.pth", "AlexNet", &default, "logits"),
        ("densenet", "weights.pth", "DenseNet-25", &default, "logits"),
        ("densenet", "weights_oldkeys.pth", "DenseNet-25", &default, "logits"),
        ("vit", "weights.pth", "ViT of 4 layers, patch 16", &heads, "logits"),
        ("vit", "weights_args.pth", "ViT of 4 layers, patch 16", &heads, "logits"),
    ] {
        let Some(file) = data(&format!("networks/{folder}/{weights}")) else { return };
        check(file.parent().unwrap(), weights, name, options, logits);
    }
}

#[test]
fn the_same_weights_saved_in_two_ways_give_the_same_bits() {
    for (one, other, heads) in [
        ("densenet/weights.pth", "densenet/weights_oldkeys.pth", None),
        ("vit/weights.pth", "vit/weights_args.pth", Some(4)),
    ] {
        let (Some(one), Some(other)) = (data(&format!("networks/{one}")), data(&format!("networks/{other}"))) else {
            return;
        };
        let options = Options { heads, ..Options::default() };
        let [one, other] = [one, other].map(|path| Model::open(&path, &options, &Device::Cpu).unwrap());
        let (height, width) = one.image_size().unwrap_or((64, 64));
        let images = Tensor::ones((1, 3, height, width), candle_core::DType::F32, &Device::Cpu).unwrap();
        let [one, other] = [one, other].map(|model| model.tap(&[]).unwrap().forward(&images).unwrap().logits);
        assert_eq!(off(&one, &other), 0.0);
    }
}

#[test]
fn what_weights_do_not_tell_is_asked_for() {
    let Some(vit) = data("networks/vit/weights.pth") else { return };
    let open = |options: &Options| Model::open(&vit, options, &Device::Cpu);
    let error = open(&Options::default()).unwrap_err().to_string();
    assert!(error.contains("found 40, expected a multiple of 64") && error.contains("--heads N"), "{error}");
    let error = open(&Options { heads: Some(3), ..Options::default() }).unwrap_err().to_string();
    assert_eq!(error, "--heads: found 3, expected a number that divides the width of 40");
    let model = open(&Options { heads: Some(4), ..Options::default() }).unwrap();
    assert_eq!(model.image_size(), Some((64, 64)));
    let images = Tensor::zeros((1, 3, 80, 64), candle_core::DType::F32, &Device::Cpu).unwrap();
    let error = model.tap(&["encoder.ln"]).unwrap().forward(&images).unwrap_err().to_string();
    assert!(error.starts_with("size of the images: found 80 x 64, expected 64 x 64") && error.contains("--resize 64"));
    let Some(resnext) = data("networks/resnext/weights.pth") else { return };
    let entry = |entry: &str| Options { entry: Some(entry.into()), ..Options::default() };
    let error = Model::open(&resnext, &entry("ema"), &Device::Cpu).unwrap_err().to_string();
    assert!(error.contains("expected one of `model`, `model_ema`"), "{error}");
}

#[test]
fn random_weights_follow_from_the_seed_and_give_other_logits() {
    for (folder, heads) in [("bottleneck", None), ("vgg", None), ("densenet", None), ("vit", Some(4))] {
        let Some(path) = data(&format!("networks/{folder}/weights.pth")) else { return };
        let logits = |random: Option<u64>| {
            let model = Model::open(&path, &Options { heads, random, ..Options::default() }, &Device::Cpu).unwrap();
            let (height, width) = model.image_size().unwrap_or((64, 64));
            let images = Tensor::ones((1, 3, height, width), candle_core::DType::F32, &Device::Cpu).unwrap();
            model.tap(&[]).unwrap().forward(&images).unwrap().logits
        };
        let (trained, first, again, second) = (logits(None), logits(Some(1)), logits(Some(1)), logits(Some(2)));
        assert_eq!(off(&first, &again), 0.0, "{folder}");
        assert!(off(&first, &second) > 0.0 && off(&first, &trained) > 0.0, "{folder}");
        assert!(first.flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().all(|x| x.is_finite()), "{folder}");
    }
}

#[test]
fn weights_of_another_patch_size_are_named() {
    let Some(vit) = data("networks/vit/weights.pth") else { return };
    // One patch more than the weights have positions for.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.safetensors");
    let state = compexp_checkpoint::state_dict(compexp_checkpoint::read(&vit).unwrap()).unwrap();
    let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = state
        .tensors
        .into_iter()
        .map(|(name, tensor)| {
            let mut values = tensor.to_f32();
            let mut shape = tensor.shape;
            if name == "encoder.pos_embedding" {
                shape[1] -= 1;
                values.truncate(shape.iter().product());
            }
            (name, shape, values.into_iter().flat_map(f32::to_le_bytes).collect())
        })
        .collect();
    let views = bytes.iter().map(|(name, shape, bytes)| {
        (name, safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes).unwrap())
    });
    std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    let options = Options { heads: Some(4), ..Options::default() };
    let error = Model::open(&path, &options, &Device::Cpu).unwrap_err();
    assert!(matches!(error, Error::File(_)), "{error}");
    let error = error.to_string();
    assert!(error.contains("encoder.pos_embedding") && error.contains("found 16 tokens"), "{error}");
}
