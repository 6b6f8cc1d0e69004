//! A trained ResNet-18 from the data folder (`COMPEXP_DATA`) against what PyTorch computed with it.

use std::cell::RefCell;
use std::path::PathBuf;

use candle_core::{Device, Tensor};
use compexp_kernels::conv::channels_first;
use compexp_tests::data;
use compexp_vision::Error;
use compexp_vision::eval::{Labelled, evaluate};
use compexp_vision::extract::{Block, Extract};
use compexp_vision::framing::Framing;
use compexp_vision::model::Model;
use compexp_vision::photo::Photo;
use compexp_vision::preprocess::{Preparation, Preprocess};
use safetensors::SafeTensors;

const IMAGENET: Preparation =
    Preparation { framing: Framing { resize: None, crop: None }, preprocess: Preprocess::ImageNet };

fn model() -> Option<Model> {
    Some(Model::load(&data("places/resnet18_miniplaces.pth.tar")?, &Device::Cpu).unwrap())
}

/// A tensor of the golden file, with its shape.
fn golden(file: &SafeTensors<'_>, name: &str) -> (Vec<usize>, Vec<f32>) {
    let tensor = file.tensor(name).unwrap();
    assert_eq!(tensor.dtype(), safetensors::Dtype::F32, "{name}");
    let values = tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    (tensor.shape().to_vec(), values)
}

/// The photographs of the validation set in a folder that lives as long as the result.
fn photographs() -> Option<(tempfile::TempDir, PathBuf)> {
    let (images, list) = (data("places/val2000.tar")?, data("places/val2000.txt")?);
    let folder = tempfile::tempdir().unwrap();
    tar::Archive::new(std::fs::File::open(images).unwrap()).unpack(folder.path()).unwrap();
    let copy = folder.path().join("list.txt");
    std::fs::copy(list, &copy).unwrap();
    Some((folder, copy))
}

#[test]
fn layers_and_logits_are_those_of_pytorch() {
    let (Some(model), Some(path)) = (model(), data("places/golden_eval.safetensors")) else { return };
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let (shape, input) = golden(&file, "input");
    let images = Tensor::from_vec(input, shape, &Device::Cpu).unwrap();
    for layer in ["layer3", "layer4"] {
        let output = model.tap(&[layer]).unwrap().forward(&images).unwrap();
        let maps = channels_first(&output.maps[0]).unwrap();
        for (name, found, bound) in [(layer, &maps, 2e-5), ("logits", &output.logits, 2e-5)] {
            let (shape, expected) = golden(&file, name);
            assert_eq!(found.dims(), shape, "{name}");
            let found = found.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let error = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            println!(
                "{name}: largest difference {error:e}, largest value {}",
                expected.iter().fold(0f32, |a, b| a.max(b.abs()))
            );
            assert!(error < bound, "{name}: largest difference {error:e}");
        }
    }
}

#[test]
fn photographs_are_classified_as_well_as_by_pytorch() {
    let (Some(model), Some((_folder, list))) = (model(), photographs()) else { return };
    let Some(path) = data("places/golden_eval.safetensors") else { return };
    let images = Labelled::read(&list, None, model.classes()).unwrap();
    assert_eq!(images.paths.len(), 2000);
    let accuracy = evaluate(&model, &images, IMAGENET, 32, &|_, _| ()).unwrap();
    let (top1, top5) = (accuracy.top1 as f64 / 20.0, accuracy.top5 as f64 / 20.0);
    assert!((top1 - 36.85).abs() <= 0.5, "top-1 {top1}%");
    assert!((top5 - 68.55).abs() <= 1.0, "top-5 {top5}%");

    let bytes = std::fs::read(path).unwrap();
    let (_, logits) = golden(&SafeTensors::deserialize(&bytes).unwrap(), "logits_val2000");
    let best = |row: &[f32]| (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
    let same =
        logits.chunks_exact(100).zip(&accuracy.predicted).filter(|(row, predicted)| best(row) == **predicted).count();
    println!("top-1 {top1}%, top-5 {top5}%, {same} of 2000 predictions as PyTorch's");
    assert!(same >= 1960, "{same} of 2000 predictions agree; decoders of JPEG differ by a grey level or so");
}

#[test]
fn extraction_is_resumable_and_the_same_in_any_batch() {
    let (Some(model), Some((_folder, list))) = (model(), photographs()) else { return };
    let images = Labelled::read(&list, None, model.classes()).unwrap().paths;
    let mut images: Vec<Photo> = images.into_iter().map(Photo::stored).collect();
    images.truncate(21);
    let run = |images: &[Photo], batch, start_at| {
        let (mut maps, mut logits, mut firsts) = (Vec::new(), Vec::new(), Vec::new());
        let told = RefCell::new(Vec::new());
        let extract = Extract { layers: &["layer4.1.conv2"], preparation: IMAGENET, batch, start_at };
        let sink = &mut |block: Block<'_>| {
            assert_eq!(block.maps[0].shape[1..], [512, 4, 4]);
            firsts.push(block.first);
            maps.extend(block.maps[0].values.iter().map(|v| v.to_bits()));
            logits.extend(block.logits.iter().map(|v| v.to_bits()));
            Ok(())
        };
        extract.run(&model, images, sink, &|done, total| told.borrow_mut().push((done, total))).unwrap();
        (maps, logits, firsts, told.into_inner())
    };
    let (maps, logits, firsts, told) = run(&images, 8, 0);
    assert_eq!(firsts, [0, 8, 16]);
    assert_eq!(told, [(0, 21), (8, 21), (16, 21), (21, 21)]);
    assert_eq!(maps.len(), 21 * 512 * 16);
    let (other_maps, other_logits, ..) = run(&images, 5, 0);
    assert!(other_maps == maps && other_logits == logits, "a batch of 5 gives other bits than one of 8");
    let (rest, rest_logits, firsts, told) = run(&images, 8, 13);
    assert_eq!((firsts, told), (vec![13], vec![(13, 21), (21, 21)]));
    assert!(rest == maps[13 * 512 * 16..] && rest_logits == logits[13 * 100..], "a resumed run gives other bits");
    assert!(run(&images, 8, 21).2.is_empty());
}

#[test]
fn what_cannot_be_extracted_is_named() {
    let (Some(model), Some((_folder, list))) = (model(), photographs()) else { return };
    let images = Labelled::read(&list, None, model.classes()).unwrap().paths;
    let mut images: Vec<Photo> = images.into_iter().map(Photo::stored).collect();
    images.truncate(4);
    let base = Extract { layers: &["layer4"], preparation: IMAGENET, batch: 2, start_at: 0 };
    let run = |extract: Extract<'_>, images: &[Photo]| {
        let mut blocks = 0;
        let sink = &mut |_: Block<'_>| {
            blocks += 1;
            Ok(())
        };
        let result = extract.run(&model, images, sink, &|_, _| ());
        (result.unwrap_err(), blocks)
    };
    assert!(matches!(run(Extract { layers: &["layer5"], ..base }, &images).0, Error::UnknownLayer { .. }));
    assert!(run(Extract { batch: 0, ..base }, &images).0.to_string().contains("batch size: found 0"));
    assert!(run(Extract { start_at: 5, ..base }, &images).0.to_string().contains("found 5, expected at most 4"));
    std::fs::write(&images[3].path, b"no image").unwrap();
    let (error, blocks) = run(base, &images);
    assert!(error.to_string().contains(&images[3].path.display().to_string()), "{error}");
    assert_eq!(blocks, 1, "batches before the broken image are kept");
    let error = Model::load(&images[3].path, &Device::Cpu).unwrap_err();
    assert!(matches!(error, Error::Checkpoint(_)), "{error}");
}
