//! Tests: latents against golden values and formulas, files that are refused, and the controls.

use std::path::Path;

use candle_core::Device;
use compexp_checkpoint::{Value, read};
use compexp_core::random::Random;
use compexp_tests::files::{Scratch, npy, npz, safetensors};
use ndarray::{Array1, Slice, array};

use super::*;
use crate::align::ModelTokenizer;
use crate::encoder::Encoder;

fn tensor(values: &Value, name: &str) -> (Vec<f32>, Vec<usize>) {
    match values.get(name) {
        Some(Value::Tensor(tensor)) => (tensor.to_f32(), tensor.shape.clone()),
        other => panic!("{name}: {other:?}"),
    }
}

fn matrix(values: &Value, name: &str) -> Array2<f32> {
    let (values, shape) = tensor(values, name);
    Array2::from_shape_vec((shape[0], shape[1]), values).unwrap()
}

fn noise(rows: usize, columns: usize, seed: u64) -> Array2<f32> {
    let mut random = Random::new(seed, 0u64, 0);
    Array2::from_shape_fn((rows, columns), |_| random.between(-1.0, 1.0))
}

fn dense(rows: &SparseRows, width: usize) -> Array2<f32> {
    let mut out = Array2::zeros((rows.len(), width));
    for (row, (latents, values)) in rows.iter().enumerate() {
        assert!(latents.is_sorted_by(|a, b| a < b), "row {row}: {latents:?}");
        latents.iter().zip(values).for_each(|(latent, value)| out[(row, *latent as usize)] = *value);
    }
    out
}

#[test]
fn five_autoencoders_give_the_golden_latents() {
    let Some(folder) = compexp_tests::data("latents") else { return };
    let golden = read(&folder.join("golden.safetensors")).unwrap();
    let x = matrix(&golden, "x");
    for (name, sae, d_sae) in [
        ("topk", "sae", 768),
        ("frozen", "sae-frozen", 768),
        ("random", "sae-random", 768),
        ("jumprelu", "sae-jumprelu", 64),
        ("standard", "sae-standard", 64),
    ] {
        let sae = Sae::open(&folder.join(sae)).unwrap();
        assert_eq!((sae.d_in(), sae.d_sae()), (384, d_sae), "{name}");
        let found = dense(&sae.encode(x.view()).unwrap(), d_sae);
        let mut most = 0f32;
        for (at, (found, expected)) in found.iter().zip(&matrix(&golden, name)).enumerate() {
            assert_eq!(*found > 0.0, *expected > 0.0, "{name}, value {at}: found {found}, expected {expected}");
            most = most.max((found - expected).abs() / expected.max(1.0));
        }
        println!("{name}: largest difference {most:e}");
        assert!(most < 1e-5, "{name}: off by {most}");
    }
}

#[test]
fn a_sentence_encoder_and_an_autoencoder_give_the_entries_of_the_cache() {
    let (Some(latents), Some(minilm)) = (compexp_tests::data("latents"), compexp_tests::data("minilm")) else { return };
    let cache = latents.join("cache/encoder.layer.3");
    // (context, position, latent) with the value.
    let mut expected = std::collections::HashMap::new();
    let mut texts: Vec<Vec<u32>> = Vec::new();
    for first in [0, 256, 512] {
        let split = TensorFiles(cache.join(format!("{first}_{}.safetensors", first + 255)));
        let values = split.f32("activations");
        for (place, value) in split.u32("locations").chunks(3).zip(values) {
            expected.insert((place[0] as usize, place[1] as usize, place[2] + first), value);
        }
        texts = split
            .i32("tokens")
            .chunks(64)
            .map(|ids| ids.iter().map(|id| *id as u32).filter(|id| *id != 0).collect())
            .collect();
    }
    assert_eq!((expected.len(), texts.len()), (167_840, 544));
    let encoder = Encoder::open(&minilm, &Device::Cpu).unwrap();
    let layer = encoder.layer("resid.3").unwrap();
    let sae = Sae::open(&latents.join("sae")).unwrap();
    sae.expect_width("resid.3", layer.width).unwrap();
    let (mut entries, mut missing, mut most) = (0, 0, 0f32);
    for (context, values) in encoder.run(&texts, &[layer.tap]).unwrap().into_iter().enumerate() {
        let rows = sae.encode(values[0].view()).unwrap();
        for (position, (latents, values)) in rows.iter().enumerate() {
            for (latent, value) in latents.iter().zip(values) {
                entries += 1;
                match expected.get(&(context, position, *latent)) {
                    Some(expected) => most = most.max((value - expected).abs() / expected),
                    None => missing += 1,
                }
            }
        }
    }
    println!("{entries} entries, {missing} not in the cache, largest relative difference {most:e}");
    // Ties that rounding decides, and values near 1e-5, which the cache leaves out.
    assert!(missing <= 30 && expected.len().abs_diff(entries) <= 60, "{entries} entries, {missing} not in the cache");
    assert!(most < 1e-3, "off by {most}");
}

struct TensorFiles(PathBuf);

impl TensorFiles {
    fn open(&self, name: &str) -> compexp_files::TensorFile {
        compexp_files::TensorFile::open(format!("{}#{name}", self.0.display())).unwrap()
    }

    fn f32(&self, name: &str) -> Vec<f32> {
        let file = self.open(name);
        let mut out = vec![0.0; file.elements()];
        file.read_f32(0, &mut out).unwrap();
        out
    }

    fn u32(&self, name: &str) -> Vec<u32> {
        let file = self.open(name);
        let mut out = vec![0; file.elements()];
        file.read_u32(0, &mut out).unwrap();
        out
    }

    fn i32(&self, name: &str) -> Vec<i32> {
        let file = self.open(name);
        let mut out = vec![0; file.elements()];
        file.read_i32(0, &mut out).unwrap();
        out
    }
}

const D_IN: usize = 3;
const D_SAE: usize = 4;

/// Tensors: name, shape, values.
type Weights = Vec<(&'static str, Vec<usize>, Vec<f32>)>;

/// The weights of a small autoencoder.
fn weights(seed: u64) -> Weights {
    let values = |rows, columns, seed| noise(rows, columns, seed).into_raw_vec_and_offset().0;
    vec![
        ("W_enc", vec![D_IN, D_SAE], values(D_IN, D_SAE, seed)),
        ("b_enc", vec![D_SAE], values(1, D_SAE, seed + 1)),
        ("W_dec", vec![D_SAE, D_IN], values(D_SAE, D_IN, seed + 2)),
        ("b_dec", vec![D_IN], values(1, D_IN, seed + 3)),
        ("threshold", vec![D_SAE], vec![0.3, -0.5, 0.0, 0.6]),
    ]
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Writes a folder of SAELens with this `cfg.json`, of which `change` may alter the weights.
fn folder(scratch: &Scratch, config: &str, change: impl Fn(&mut Weights)) {
    let mut all = weights(5);
    change(&mut all);
    let all: Vec<_> = all.iter().map(|(name, shape, values)| (*name, shape, bytes(values))).collect();
    let tensors: Vec<_> = all.iter().map(|(name, shape, bytes)| (*name, "F32", &shape[..], &bytes[..])).collect();
    scratch.write("sae_weights.safetensors", &safetensors(&tensors));
    scratch.write("cfg.json", config.as_bytes());
}

/// The latents by the formulas, in f64.
fn by_formula(x: &Array2<f32>, subtract: bool, fires: impl Fn(&[f64], usize) -> bool) -> Array2<f64> {
    let weights = weights(5);
    let get = |name: &str| &weights.iter().find(|entry| entry.0 == name).unwrap().2;
    Array2::from_shape_fn((x.nrows(), D_SAE), |(row, latent)| {
        let pre: Vec<f64> = (0..D_SAE)
            .map(|j| {
                let term = |i: usize| {
                    let bias = if subtract { f64::from(get("b_dec")[i]) } else { 0.0 };
                    (f64::from(x[(row, i)]) - bias) * f64::from(get("W_enc")[i * D_SAE + j])
                };
                (0..D_IN).map(term).sum::<f64>() + f64::from(get("b_enc")[j])
            })
            .collect();
        if fires(&pre, latent) { pre[latent].max(0.0) } else { 0.0 }
    })
}

fn close(found: &Array2<f32>, expected: &Array2<f64>) {
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let equal = (f64::from(*found) - expected).abs() < 1e-6 && (*found > 0.0) == (*expected > 0.0);
        assert!(equal, "value {at}: found {found}, expected {expected}");
    }
}

const THRESHOLDS: [f64; D_SAE] = [0.3f32 as f64, -0.5, 0.0, 0.6f32 as f64];

#[test]
fn each_kind_follows_its_formula() {
    let x = (noise(150, D_IN, 9) * 2.0).to_owned();
    let scratch = Scratch::new();
    let open = |config: &str| {
        folder(&scratch, config, |_| ());
        let sae = Sae::open(scratch.dir()).unwrap();
        dense(&sae.encode(x.view()).unwrap(), D_SAE)
    };
    let rank = |pre: &[f64], at: usize| pre.iter().filter(|value| **value > pre[at]).count();
    let found = open(r#"{"architecture": "standard", "d_in": 3, "d_sae": 4, "apply_b_dec_to_input": true}"#);
    close(&found, &by_formula(&x, true, |_, _| true));
    let found = open(r#"{"d_in": 3, "d_sae": 4, "activation_fn_str": "relu", "normalize_activations": false}"#);
    close(&found, &by_formula(&x, true, |_, _| true));
    let found = open(r#"{"architecture": "topk", "k": 2, "d_in": 3, "d_sae": 4, "apply_b_dec_to_input": false}"#);
    close(&found, &by_formula(&x, false, |pre, at| rank(pre, at) < 2));
    let old = r#"{"d_in": 3, "d_sae": 4, "activation_fn_str": "topk", "activation_fn_kwargs": {"k": 1}}"#;
    close(&open(old), &by_formula(&x, true, |pre, at| rank(pre, at) < 1));
    let found = open(r#"{"architecture": "jumprelu", "d_in": 3, "d_sae": 4, "normalize_activations": "none"}"#);
    close(&found, &by_formula(&x, true, |pre, at| pre[at] > THRESHOLDS[at]));
}

#[test]
fn an_archive_of_gemma_scope_is_read_stored_and_compressed() {
    let x = noise(20, D_IN, 9);
    let scratch = Scratch::new();
    let arrays: Vec<_> =
        weights(5).iter().map(|(name, shape, values)| (*name, npy("<f4", false, shape, &bytes(values)))).collect();
    let arrays: Vec<_> = arrays.iter().map(|(name, bytes)| (*name, &bytes[..])).collect();
    for compressed in [false, true] {
        let path = scratch.write("params.npz", &npz(&arrays, compressed));
        for path in [&path, scratch.dir()] {
            let sae = Sae::open(path).unwrap();
            assert!(matches!(sae.kind(), Kind::JumpRelu(_)));
            let found = dense(&sae.encode(x.view()).unwrap(), D_SAE);
            close(&found, &by_formula(&x, false, |pre, at| pre[at] > THRESHOLDS[at]));
        }
    }
    scratch.write("params.npz", &npz(&arrays[..4], false));
    let error = Sae::open(scratch.dir()).err().unwrap().to_string();
    assert!(error.contains("array name: found `threshold`"), "{error}");
}

#[test]
fn what_is_not_supported_or_broken_is_named() {
    let scratch = Scratch::new();
    let error = |config: &str, change: &dyn Fn(&mut Weights)| {
        folder(&scratch, config, change);
        Sae::open(scratch.dir()).err().expect("an error").to_string()
    };
    for (entry, message) in [
        (r#""architecture": "gated""#, "architecture: found `gated`, expected `standard`, `topk` or `jumprelu`"),
        (r#""activation_fn": "tanh-relu""#, "activation_fn: found `tanh-relu`"),
        (
            r#""normalize_activations": "expected_average_only_in""#,
            "normalize_activations: found `expected_average_only_in`",
        ),
        (r#""normalize_activations": true"#, "normalize_activations: found `true`"),
        (r#""reshape_activations": "hook_z""#, "reshape_activations: found `hook_z`"),
        (r#""hook_point": "blocks.3.attn.hook_z""#, "reshape_activations: found `hook_z`"),
        (
            r#""architecture": "topk", "k": 2, "rescale_acts_by_decoder_norm": true"#,
            "rescale_acts_by_decoder_norm: found true",
        ),
        (r#""finetuning_scaling_factor": true"#, "finetuning_scaling_factor: found true"),
        (r#""architecture": "topk""#, "k: found nothing, expected a number from 1 to d_sae, 4"),
        (r#""architecture": "topk", "k": 5"#, "k: found 5"),
    ] {
        let error = error(&format!(r#"{{"d_in": 3, "d_sae": 4, {entry}}}"#), &|_| ());
        assert!(error.contains(message), "{error}");
    }
    let plain = r#"{"d_in": 3, "d_sae": 4}"#;
    let found = error(plain, &|all| all[2].2[7] = f32::NAN);
    assert!(found.contains("tensor `W_dec`: found NaN at element 7, expected finite values"), "{found}");
    let found = error(plain, &|all| drop(all.remove(3)));
    assert!(found.contains("tensor name: found `b_dec`"), "{found}");
    let found = error(r#"{"d_in": 4, "d_sae": 3}"#, &|_| ());
    assert!(found.contains("tensor `W_enc`: found shape [3, 4], expected shape [4, 3]"), "{found}");
    let found = error(r#"{"d_in": 0, "d_sae": 4}"#, &|_| ());
    assert!(found.contains("tensor `W_enc`: found shape [0, 4]"), "{found}");
    let found = Sae::open(Path::new(scratch.dir()).join("none").as_path()).err().unwrap().to_string();
    assert!(found.contains("none"), "{found}");
    let empty = Scratch::new();
    let found = Sae::open(empty.dir()).err().unwrap().to_string();
    assert!(found.contains("sparse autoencoder: found none of its files"), "{found}");
}

#[test]
fn activations_of_another_width_or_not_finite_are_refused() {
    let sae = Sae::untrained(&[0.0; 3], 4, Kind::Standard, 1).unwrap();
    let error = sae.encode(noise(2, 4, 1).view()).unwrap_err().to_string();
    assert_eq!(error, "width of activations: found 4, expected 3, the input of the sparse autoencoder");
    let error = sae.expect_width("mlp.3", 4).unwrap_err().to_string();
    assert!(error.starts_with("width of the layer `mlp.3`: found 4, expected 3, which"), "{error}");
    let mut x = noise(200, 3, 1);
    x[(150, 2)] = f32::NAN;
    let error = sae.encode(x.view()).unwrap_err();
    let expected = |e: &Error| matches!(e, Error::Core(compexp_core::Error::NotFinite { unit: 2, example: 150, value }) if value.is_nan());
    assert!(expected(&error), "{error}");
    let mut other = SparseRows::default();
    other.push([(4, 1.0)]);
    let error = sae.decode(&other).unwrap_err().to_string();
    assert_eq!(error, "latent: found 4, expected one below 4");
}

#[test]
fn a_position_has_the_same_latents_alone_and_on_any_number_of_threads() {
    let x = noise(300, 40, 3);
    let sae = Sae::untrained(&[0.1; 40], 70, Kind::TopK(5), 1).unwrap();
    let all = sae.encode(x.view()).unwrap();
    let decoded = sae.decode(&all).unwrap();
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (rows, again) = pool.install(|| (sae.encode(x.view()).unwrap(), sae.decode(&all).unwrap()));
        assert!(rows == all && again == decoded, "{threads} threads");
    }
    for row in (0..300).step_by(7) {
        let alone = sae.encode(x.slice_axis(Axis(0), Slice::from(row..=row))).unwrap();
        assert_eq!(alone.row(0), all.row(row), "row {row}");
    }
    assert_eq!((all.len(), all.entries(), all.row(300)), (300, 1500, (&[][..], &[][..])));
}

#[test]
fn equal_values_at_the_border_fire_from_the_first() {
    let parts = Parts {
        encoder: &[2.0, 1.0, 2.0, 2.0],
        encoder_bias: vec![0.0; 4],
        decoder: vec![1.0; 4],
        decoder_bias: vec![0.0],
        kind: Kind::TopK(2),
        subtract: true,
    };
    let rows = Sae::new(parts).encode(array![[1.0], [-1.0]].view()).unwrap();
    assert_eq!(rows.row(0), (&[0, 2][..], &[2.0, 2.0][..]));
    assert_eq!(rows.row(1), (&[][..], &[][..]));
}

#[test]
fn decoded_rows_and_the_fraction_explained_follow_their_formulas() {
    let (n, d_in, d_sae) = (90, 6, 11);
    let x = noise(n, d_in, 3) + 2.0;
    let sae = Sae::untrained(&[2.0; 6], d_sae, Kind::TopK(3), 4).unwrap();
    let rows = sae.encode(x.view()).unwrap();
    let decoded = sae.decode(&rows).unwrap();
    let latents = dense(&rows, d_sae).mapv(f64::from);
    let decoder = Array2::from_shape_vec((d_sae, d_in), sae.decoder.clone()).unwrap().mapv(f64::from);
    let expected = latents.dot(&decoder) + 2.0;
    let wide = x.mapv(f64::from);
    assert!(decoded.iter().zip(&expected).all(|(found, expected)| (f64::from(*found) - expected).abs() < 1e-6));
    let mean = wide.mean_axis(Axis(0)).unwrap();
    let rest = (&wide - &decoded.mapv(f64::from)).mapv(|x| x * x).sum();
    let fraction = 1.0 - rest / (&wide - &mean).mapv(|x| x * x).sum();
    let mut explained = ExplainedVariance::default();
    for first in [0, 30, 60] {
        let part = |of: &Array2<f32>| of.slice_axis(Axis(0), Slice::from(first..first + 30)).to_owned();
        explained.add(part(&x).view(), part(&decoded).view()).unwrap();
    }
    let found = explained.fraction().unwrap();
    assert!((found - fraction).abs() < 1e-10, "found {found}, expected {fraction}");
    assert!(explained.add(noise(2, 5, 1).view(), noise(2, 5, 1).view()).is_err());
    let mut none = ExplainedVariance::default();
    assert_eq!(none.fraction(), None);
    none.add(array![[0.1f32], [0.1], [0.1]].view(), array![[0.0], [0.0], [0.0]].view()).unwrap();
    assert_eq!(none.fraction(), None);
}

#[test]
fn an_untrained_autoencoder_has_unit_decoder_rows_and_their_transpose() {
    let center: Vec<f32> = (0..8).map(|i| i as f32).collect();
    let sae = Sae::untrained(&center, 20, Kind::Standard, 7).unwrap();
    let decoder = Array2::from_shape_vec((20, 8), sae.decoder.clone()).unwrap();
    for row in decoder.rows() {
        assert!((row.dot(&row) - 1.0).abs() < 1e-6);
    }
    // Encoding `center + direction` gives the cosines of all directions with it.
    let x = Array1::from(center.clone()) + decoder.row(3);
    let rows = sae.encode(x.insert_axis(Axis(0)).view()).unwrap();
    let expected = decoder.dot(&decoder.row(3)).mapv(|x| f64::from(x.max(0.0))).insert_axis(Axis(0));
    for (found, expected) in dense(&rows, 20).iter().zip(&expected) {
        assert!((f64::from(*found) - expected).abs() < 1e-5, "found {found}, expected {expected}");
    }
    let other = |seed| Sae::untrained(&center, 20, Kind::Standard, seed).unwrap().decoder;
    assert!(other(7) == sae.decoder && other(8) != sae.decoder);
    for kind in [Kind::TopK(0), Kind::TopK(21), Kind::JumpRelu(vec![0.0; 19])] {
        assert!(Sae::untrained(&center, 20, kind, 1).is_err());
    }
    assert!(
        Sae::untrained(&[], 20, Kind::Standard, 1).is_err() && Sae::untrained(&center, 0, Kind::Standard, 1).is_err()
    );
}

#[test]
fn a_rotation_keeps_all_products_and_changes_the_axes() {
    let width = 50;
    let x = noise(30, width, 2);
    let rotation = Rotation::new(width, 5);
    let turned = rotation.rotate(x.view()).unwrap();
    let (before, after) = (x.dot(&x.t()), turned.dot(&turned.t()));
    assert!(before.iter().zip(&after).all(|(before, after)| (before - after).abs() < 1e-4));
    let matrix = rotation.rotate(Array2::eye(width).view()).unwrap();
    assert!(matrix.iter().all(|x| x.abs() < 0.75), "an axis stays");
    let transposed = matrix.t().dot(&matrix);
    assert!(transposed.indexed_iter().all(|((i, j), x)| (x - f32::from(u8::from(i == j))).abs() < 1e-5));
    assert_eq!(Rotation::new(width, 5).rotate(x.t().to_owned().t()).unwrap(), turned);
    assert_ne!(Rotation::new(width, 6).rotate(x.view()).unwrap(), turned);
    assert!(rotation.rotate(noise(2, 49, 1).view()).is_err());
}

#[test]
fn the_texts_of_the_cache_are_those_of_the_treebank_in_model_tokens() {
    let (Some(latents), Some(sentences), Some(tokenizer)) =
        (compexp_tests::data("latents"), sentences(), compexp_tests::data("minilm/tokenizer.json"))
    else {
        return;
    };
    let tokenizer = ModelTokenizer::open(&tokenizer).unwrap();
    let numbers = TensorFiles(latents.join("words.npz")).i32("context_sentence");
    let cached = TensorFiles(latents.join("cache/encoder.layer.3/0_255.safetensors")).i32("tokens");
    assert_eq!((sentences.len(), numbers.len()), (3905, 544));
    for (number, cached) in numbers.iter().zip(cached.chunks(64)) {
        let tokens = tokenizer.tokens(&sentences[*number as usize].1).unwrap();
        let cached: Vec<u32> = cached.iter().map(|id| *id as u32).filter(|id| *id != 0).collect();
        assert_eq!(tokens.ids, cached, "sentence {number}");
        assert!(tokenizer.names(0, &cached).is_ok());
    }
}

/// The sentences of the treebank: the number of their document, and their text.
fn sentences() -> Option<Vec<(usize, String)>> {
    let bytes = std::fs::read(compexp_tests::data("ud-ewt/ewt.conllu.gz")?).unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(&bytes[..]), &mut text).unwrap();
    let mut documents = 0;
    let sentence = |line: &str| {
        documents += usize::from(line.starts_with("# newdoc id"));
        line.strip_prefix("# text = ").map(|text| (documents - 1, text.to_owned()))
    };
    Some(text.lines().filter_map(sentence).collect())
}

#[test]
fn the_variance_of_held_out_words_is_explained_as_the_makers_say() {
    let (Some(latents), Some(minilm), Some(sentences)) =
        (compexp_tests::data("latents"), compexp_tests::data("minilm"), sentences())
    else {
        return;
    };
    let tokenizer = ModelTokenizer::open(&minilm.join("tokenizer.json")).unwrap();
    let encoder = Encoder::open(&minilm, &Device::Cpu).unwrap();
    let tap = encoder.layer("resid.3").unwrap().tap;
    // Sentences of other documents are left empty.
    let ids = |(document, text): &(usize, String)| match document % 10 {
        9 => tokenizer.tokens(text).unwrap().ids,
        _ => Vec::new(),
    };
    let texts: Vec<Vec<u32>> = sentences.iter().map(ids).collect();
    let values = encoder.run(&texts, &[tap]).unwrap();
    let words = TensorFiles(latents.join("words.npz"));
    let places = words.i32("sentence").into_iter().zip(words.i32("position"));
    let places = places.filter(|(sentence, _)| !texts[*sentence as usize].is_empty());
    let rows: Vec<_> = places.map(|(sentence, at)| values[sentence as usize][0].row(at as usize)).collect();
    let x = ndarray::stack(Axis(0), &rows).unwrap();
    assert_eq!(x.dim(), (5881, 384));
    let fraction = |sae: &Sae| {
        let mut explained = ExplainedVariance::default();
        explained.add(x.view(), sae.decode(&sae.encode(x.view()).unwrap()).unwrap().view()).unwrap();
        explained.fraction().unwrap()
    };
    for (name, expected) in [("sae", 0.727), ("sae-frozen", 0.203), ("sae-random", 0.187)] {
        let found = fraction(&Sae::open(&latents.join(name)).unwrap());
        println!("{name}: fraction of variance explained {found:.4}");
        assert!((found - expected).abs() < 0.0006, "{name}: found {found}, expected {expected}");
    }
    // Other random weights, of the same recipe as `sae-random`.
    let mean = x.mean_axis(Axis(0)).unwrap().to_vec();
    let found = fraction(&Sae::untrained(&mean, 768, Kind::TopK(16), 1).unwrap());
    println!("untrained: fraction of variance explained {found:.4}");
    assert!((found - 0.187).abs() < 0.02, "untrained: found {found}");
}
