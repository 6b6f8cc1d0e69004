//! `compexp sae check`: latents with planted meaning beside their controls.

use std::fs;
use std::path::{Path, PathBuf};

use compexp_files::write_npy;
use compexp_tests::files::safetensors;
use serde_json::{Value, json};

use crate::text::treebank;
use crate::{fails, json as read_json, ok, run};

const WIDTH: usize = 6;
const LATENTS: usize = 4;

/// An autoencoder: each latent reads one value of the layer, and gives it back.
fn sae(dir: &Path, name: &str, scale: f32) {
    let at = |i: usize| if i / LATENTS == i % LATENTS { scale } else { 0.0 };
    let bytes = |n: usize, f: &dyn Fn(usize) -> f32| (0..n).flat_map(|i| f(i).to_le_bytes()).collect::<Vec<u8>>();
    let encoder = bytes(WIDTH * LATENTS, &at);
    let decoder = bytes(WIDTH * LATENTS, &|i| if i / WIDTH == i % WIDTH { 1.0 / scale } else { 0.0 });
    let weights = safetensors(&[
        ("W_enc", "F32", &[WIDTH, LATENTS], &encoder),
        ("b_enc", "F32", &[LATENTS], &bytes(LATENTS, &|_| -0.5 * scale)),
        ("W_dec", "F32", &[LATENTS, WIDTH], &decoder),
        ("b_dec", "F32", &[WIDTH], &bytes(WIDTH, &|_| 0.0)),
    ]);
    fs::create_dir(dir.join(name)).unwrap();
    fs::write(dir.join(name).join("sae_weights.safetensors"), weights).unwrap();
    let config = json!({ "architecture": "standard", "d_in": WIDTH, "d_sae": LATENTS, "apply_b_dec_to_input": true });
    fs::write(dir.join(name).join("cfg.json"), config.to_string()).unwrap();
}

/// A treebank of 60 documents with a sentence of 6 words each, and a layer whose first four values say which of four words
/// a word is; the run of the layer is in `layer`. Returns the values.
fn planted() -> (tempfile::TempDir, PathBuf, Vec<f32>) {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_owned();
    let mut state = 1u64;
    let mut below = |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    let mut values = Vec::new();
    let sentences: Vec<(String, Vec<String>)> = (0..60)
        .map(|_| {
            let words: Vec<u64> = (0..6).map(|_| below(7)).collect();
            for word in &words {
                values.extend((0..WIDTH as u64).map(|at| f32::from(u8::from(at == *word)) + below(100) as f32 / 500.0));
            }
            let words: Vec<String> = words.iter().map(|word| format!("w{word}")).collect();
            (words.join(" "), words)
        })
        .collect();
    let borrowed: Vec<(&str, Vec<String>)> =
        sentences.iter().map(|(text, words)| (text.as_str(), words.clone())).collect();
    fs::write(dir.join("t.conllu"), treebank(&borrowed)).unwrap();
    write_npy(&dir.join("x.npy"), &[360, WIDTH], &values).unwrap();
    sae(&dir, "sae", 1.0);
    ok(&dir, "explain --tokens t.conllu --activations x.npy --length 1 --out layer");
    (temp, dir, values)
}

fn row<'a>(check: &'a Value, kind: &str) -> &'a Value {
    check["controls"].as_array().unwrap().iter().find(|row| row["kind"] == kind).unwrap()
}

#[test]
fn trained_latents_stand_out_from_controls() {
    let (_temp, dir, values) = planted();
    sae(&dir, "other", 2.0);
    let args = "sae check layer --sae sae --frozen other --seeds 2 --null-draws 9 --out check";
    let text = ok(&dir, args);
    assert!(text.lines().next().unwrap().contains("unexplained") && text.contains("intervals: 95%"), "{text}");
    let check = read_json(&dir.join("check/check.json"));
    assert_eq!((&check["holdout"], &check["null_draws"]), (&json!(0.3), &json!(9)));
    let (trained, untrained, rotated) = (row(&check, "trained"), row(&check, "untrained"), row(&check, "rotated"));
    assert_eq!((&trained["seeds"], &untrained["seeds"], &rotated["latents"]), (&json!(1), &json!(2), &json!(4)));
    // Every latent is one word, on words that the search did not see, too.
    assert_eq!(trained["mean_held_out"], 1.0);
    assert_eq!(trained["held_out"]["quantiles"][0], 1.0);
    assert!(trained["correlation"]["quantiles"][0].as_f64().unwrap() > 0.9);
    assert_eq!(trained["auprc"]["quantiles"][0], 1.0);
    for control in [untrained, rotated] {
        assert!(control["mean_held_out"].as_f64().unwrap() < 0.8, "{control}");
        let [difference, low, high] = [0, 1, 2].map(|i| control["below_first"][i].as_f64().unwrap());
        assert!(low <= difference && difference <= high && low > 0.05, "{control}");
    }
    // The scaled one is the same autoencoder.
    assert_eq!(row(&check, "frozen")["below_first"], json!([0.0, 0.0, 0.0]));
    assert_eq!(row(&check, "frozen")["formula"], trained["formula"]);

    // The variance that the trained latents leave, by hand: a latent gives back what is above 0.5, less that.
    let mean: Vec<f64> = (0..WIDTH)
        .map(|at| values.iter().skip(at).step_by(WIDTH).map(|v| f64::from(*v)).sum::<f64>() / 360.0)
        .collect();
    let (mut left, mut all) = (0.0, 0.0);
    for row in values.chunks(WIDTH) {
        for (at, value) in row.iter().enumerate() {
            let back = if at < LATENTS { (value - 0.5).max(0.0) } else { 0.0 };
            left += (f64::from(*value) - f64::from(back)).powi(2);
            all += (f64::from(*value) - mean[at]).powi(2);
        }
    }
    assert!((trained["unexplained_variance"].as_f64().unwrap() - left / all).abs() < 1e-5);

    // Each control is a run as `explain` makes it, and a second time all are there.
    ok(
        &dir,
        "explain --tokens t.conllu --activations check/trained.safetensors --length 1 --holdout 0.3 --null-draws 9 --out by-hand",
    );
    let [a, b] = ["check/trained", "by-hand"].map(|run| read_json(&dir.join(run).join("explanations.json")));
    assert_eq!(a, b);
    let svg = fs::read(dir.join("check/check.svg")).unwrap();
    let again = run(&dir, args);
    assert_eq!((again.code, again.out.lines().next()), (0, text.lines().next()), "{}", again.err);
    assert!(!again.err.contains("searches"), "{}", again.err);
    assert_eq!(read_json(&dir.join("check/check.json")), check);
    assert_eq!(fs::read(dir.join("check/check.svg")).unwrap(), svg);
}

#[test]
fn runs_and_autoencoders_that_do_not_fit_are_refused() {
    let (_temp, dir, _) = planted();
    ok(&dir, "sae encode --sae sae --activations x.npy --out latents.safetensors");
    ok(&dir, "explain --tokens t.conllu --activations latents.safetensors --out latents");
    let e = fails(&dir, 1, "sae check latents --sae sae --out check");
    assert!(e.contains("found no activations with a row for every word"), "{e}");
    let e = fails(&dir, 1, "sae check nowhere --sae sae --out check");
    assert!(e.contains("nowhere"), "{e}");
    fs::write(dir.join("sae/cfg.json"), json!({ "architecture": "standard", "d_in": 7, "d_sae": LATENTS }).to_string())
        .unwrap();
    let e = fails(&dir, 1, "sae check layer --sae sae --out check");
    assert!(e.contains("W_enc"), "{e}");
    fs::remove_dir_all(dir.join("sae")).unwrap();
    sae(&dir, "sae", 1.0);
    let e = fails(&dir, 1, "sae check layer --sae sae --holdout 0.0001 --out check");
    assert!(e.contains("examples held out"), "{e}");
    write_npy(&dir.join("x.npy"), &[360, WIDTH], &vec![0.5_f32; 360 * WIDTH]).unwrap();
    let e = fails(&dir, 1, "sae check layer --sae sae --out check");
    assert!(e.contains("hash of the activations"), "{e}");
    assert!(!dir.join("check").exists());
}
