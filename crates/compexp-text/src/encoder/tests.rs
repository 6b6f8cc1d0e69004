//! Tests: layers against golden values, alone and among others, and models that are refused.

use std::path::{Path, PathBuf};

use compexp_checkpoint::{Tensor as Stored, Value, read};
use compexp_tests::files::{Scratch, safetensors};

use super::*;

/// A folder of `tests/golden/transformers`.
fn golden(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/transformers")).join(name)
}

fn open(name: &str) -> Encoder {
    Encoder::open(&golden(name), &Device::Cpu).unwrap()
}

fn taps(encoder: &Encoder) -> Vec<Tap> {
    encoder.layers().iter().map(|layer| layer.tap).collect()
}

fn stored<'a>(values: &'a Value, name: &str) -> &'a Stored {
    match values.get(name) {
        Some(Value::Tensor(tensor)) => tensor,
        other => panic!("{name}: {other:?}"),
    }
}

/// The largest difference between a layer's values and golden ones.
fn off(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(f, e)| (f - e).abs()).fold(0.0, f32::max)
}

fn bits(values: &[Vec<Array2<f32>>]) -> Vec<Vec<u32>> {
    values.iter().flatten().map(|array| array.iter().map(|x| x.to_bits()).collect()).collect()
}

const MODELS: [&str; 4] = ["bert", "gpt2", "neox", "neox-sequential"];

#[test]
fn layers_equal_those_of_the_package_transformers() {
    for model in MODELS {
        let encoder = open(model);
        let values = read(&golden(model).join("values.safetensors")).unwrap();
        let texts = ["short", "long"];
        let ids = texts.map(|text| {
            let ids = stored(&values, &format!("{text}.ids")).to_i64().unwrap();
            ids.into_iter().map(|id| id as u32).collect::<Vec<_>>()
        });
        let taps = taps(&encoder);
        assert_eq!(taps.len(), 6);
        let found = encoder.run(&ids, &taps).unwrap();
        for ((text, ids), found) in texts.iter().zip(&ids).zip(&found) {
            for (tap, found) in taps.iter().zip(found) {
                let expected = stored(&values, &format!("{text}.{tap}"));
                assert_eq!(found.dim(), (ids.len(), encoder.width(*tap)), "{model}, {text}, {tap}");
                let off = off(found.as_slice().unwrap(), &expected.to_f32());
                assert!(off < 2e-5, "{model}, {text}, {tap}: off by {off}");
            }
        }
    }
}

#[test]
fn a_text_gives_the_same_bits_among_others_and_on_any_number_of_threads() {
    let texts: Vec<Vec<u32>> =
        (0..70).map(|text| (0..text % 13).map(|token| (text * 7 + token * 11) % 40).collect()).collect();
    for model in MODELS {
        let encoder = open(model);
        let taps = taps(&encoder);
        let all = bits(&encoder.run(&texts, &taps).unwrap());
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert_eq!(pool.install(|| bits(&encoder.run(&texts, &taps).unwrap())), all, "{model}, {threads} threads");
        }
        for (text, ids) in texts.iter().enumerate() {
            let alone = bits(&encoder.run(&[ids], &taps).unwrap());
            assert_eq!(alone, all[text * taps.len()..][..taps.len()], "{model}, text {text}");
        }
        for (at, tap) in taps.iter().enumerate() {
            let alone = bits(&encoder.run(&texts[5..6], &[*tap]).unwrap());
            assert_eq!(alone[0], all[5 * taps.len() + at], "{model}, {tap}");
        }
    }
}

#[test]
fn what_follows_changes_nothing_in_decoders_and_something_in_encoders() {
    let ids = [1, 38, 5, 5, 12, 39, 0, 22, 17];
    for model in MODELS {
        let encoder = open(model);
        let taps = taps(&encoder);
        let run = |ids: &[u32]| encoder.run(&[ids], &taps).unwrap().remove(0);
        let whole = run(&ids);
        for first in 1..ids.len() {
            let equal = run(&ids[..first]).iter().zip(&whole).all(|(part, whole)| {
                part.iter().zip(whole.iter().take(part.len())).all(|(p, w)| p.to_bits() == w.to_bits())
            });
            assert_eq!(equal, model != "bert", "{model}, {first} tokens");
        }
    }
}

#[test]
fn minilm_equals_its_golden_values() {
    let Some(folder) = compexp_tests::data("minilm") else { return };
    let encoder = Encoder::open(&folder, &Device::Cpu).unwrap();
    let golden = read(&folder.join("golden.safetensors")).unwrap();
    let integers = |name: &str| stored(&golden, name).to_i64().unwrap();
    let (ids, mask, rows) = (integers("input_ids"), integers("attention_mask"), integers("rows"));
    let texts: Vec<Vec<u32>> = ids
        .chunks(75)
        .zip(mask.chunks(75))
        .map(|(ids, mask)| ids.iter().zip(mask).filter(|(_, mask)| **mask == 1).map(|(id, _)| *id as u32).collect())
        .collect();
    let names = [0, 3, 5].map(|layer| ["attn", "mlp", "resid"].map(|site| format!("{site}.{layer}"))).concat();
    let taps: Vec<Tap> = names.iter().map(|name| encoder.layer(name).unwrap().tap).collect();
    let found = encoder.run(&texts, &taps).unwrap();
    for (at, name) in names.iter().enumerate() {
        let row = |row: &[i64]| found[row[0] as usize][at].row(row[1] as usize).to_vec();
        let found: Vec<f32> = rows.chunks(2).flat_map(row).collect();
        let off = off(&found, &stored(&golden, name).to_f32());
        println!("{name}: largest difference {off:e}");
        assert!(off < 1e-4, "{name}: off by {off}");
    }
}

#[test]
fn layers_have_names_and_widths() {
    let encoder = open("gpt2");
    assert_eq!((encoder.positions(), encoder.vocabulary()), (12, 40));
    let names: Vec<_> = encoder.layers().iter().map(|layer| format!("{} {}", layer.tap, layer.width)).collect();
    assert_eq!(names, ["mlp.0 64", "resid.0 16", "attn.0 16", "mlp.1 64", "resid.1 16", "attn.1 16"]);
    let error = encoder.layer("mlp.2").unwrap_err().to_string();
    assert!(error.starts_with("unknown layer `mlp.2`: the layers are `mlp.0`, `resid.0`"), "{error}");
    let error = encoder.run(&[[1u32]], &[Tap { site: Site::Attn, layer: 9 }]).unwrap_err().to_string();
    assert!(error.starts_with("unknown layer `attn.9`"), "{error}");
}

#[test]
fn texts_that_the_model_cannot_take_are_refused() {
    let encoder = open("bert");
    let taps = taps(&encoder);
    let error = encoder.run(&[vec![1], vec![1; 13]], &taps).unwrap_err();
    assert!(matches!(error, Error::TooLong { text: 1, tokens: 13, positions: 12 }), "{error}");
    let error = encoder.run(&[vec![1, 40]], &taps).unwrap_err();
    assert!(matches!(error, Error::UnknownToken { text: 0, token: 1, id: 40, vocabulary: 40 }), "{error}");
    let empty = encoder.run(&[[0u32; 0]], &taps).unwrap();
    assert!(empty[0].iter().zip(&taps).all(|(array, tap)| array.dim() == (0, encoder.width(*tap))));
    assert!(encoder.run::<Vec<u32>>(&[], &taps).unwrap().is_empty());
}

/// Copies a golden model, and lets `change` alter a file.
fn changed(model: &str, file: &str, change: impl Fn(String) -> String) -> String {
    let scratch = Scratch::new();
    for entry in std::fs::read_dir(golden(model)).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, scratch.path(path.file_name().unwrap().to_str().unwrap())).unwrap();
    }
    let text = std::fs::read_to_string(golden(model).join(file)).unwrap();
    let other = change(text.clone());
    assert_ne!(other, text);
    scratch.write(file, other.as_bytes());
    Encoder::open(scratch.dir(), &Device::Cpu).err().expect("an error").to_string()
}

#[test]
fn settings_that_are_not_supported_are_named() {
    for (model, from, to, message) in [
        ("bert", "\"bert\"", "\"roberta\"", "model_type: found `roberta`, expected `bert`, `gpt2` or `gpt_neox`"),
        ("bert", "gelu_new", "silu", "hidden_act: found `silu`"),
        ("bert", "\"is_decoder\": false", "\"is_decoder\": true", "is_decoder: found true"),
        ("bert", "\"num_attention_heads\": 2", "\"num_attention_heads\": 3", "a width that the heads divide"),
        (
            "bert",
            "\"hidden_size\": 16",
            "\"hidden_size\": 18",
            "`embeddings.word_embeddings.weight`: found shape [40, 16]",
        ),
        (
            "bert",
            "\"num_hidden_layers\": 2",
            "\"num_hidden_layers\": 3",
            "`encoder.layer.2.attention.self.query.weight`",
        ),
        (
            "gpt2",
            "inverse_layer_idx\": false",
            "inverse_layer_idx\": true",
            "scale_attn_by_inverse_layer_idx: found true",
        ),
        ("neox", "\"default\"", "\"linear\"", "rope_parameters: found `linear`"),
        ("neox", "\"partial_rotary_factor\": 0.5", "\"partial_rotary_factor\": 1.5", "share 1.5 of a head of 8 values"),
    ] {
        let error = changed(model, "config.json", |text| text.replace(from, to));
        assert!(error.contains(message), "{model}, {to}: {error}");
    }
    let shard = "model-00002-of-00005.safetensors";
    for (to, message) in [("../x", "weight_map: found `../x`"), ("model-00001-of-00005.safetensors", "the tensor that")]
    {
        let error = changed("neox", "model.safetensors.index.json", |text| text.replace(shard, to));
        assert!(error.contains(message), "{to}: {error}");
    }
}

#[test]
fn weights_that_are_missing_or_not_finite_are_named() {
    let scratch = Scratch::new();
    std::fs::copy(golden("gpt2").join("config.json"), scratch.path("config.json")).unwrap();
    let error = || Encoder::open(scratch.dir(), &Device::Cpu).err().expect("an error").to_string();
    assert!(error().contains("weights: found neither `model.safetensors` nor"), "{}", error());
    let mut values = vec![0f32; 40 * 16];
    values[3] = f32::NAN;
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let write = |tensors: &[(&str, &str, &[usize], &[u8])]| scratch.write("model.safetensors", &safetensors(tensors));
    write(&[("x.weight", "F32", &[40, 16], &bytes)]);
    assert!(error().contains("tensor `wte.weight`: found none among 1: `x.weight`"), "{}", error());
    write(&[("a.wte.weight", "F32", &[40, 16], &bytes), ("b.wte.weight", "F32", &[40, 16], &bytes)]);
    assert!(error().contains("tensor `wte.weight`: found several"), "{}", error());
    write(&[("wte.weight", "F32", &[40, 16], &bytes)]);
    assert!(error().contains("tensor `wte.weight`: found NaN at element 3, expected finite values"), "{}", error());
}
