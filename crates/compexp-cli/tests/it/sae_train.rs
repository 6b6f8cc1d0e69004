//! `compexp sae train`: planted directions, the files of a training, and a training that is killed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use compexp_files::write_npy;
use compexp_text::Sae;
use serde_json::{Value, json};

use crate::{Numbers, compexp, fails, json as read_json, ok};

const WIDTH: usize = 8;

/// Rows that have one or two of 8 values, in `x.npy`.
fn layer(rows: usize) -> (tempfile::TempDir, PathBuf) {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_owned();
    let mut numbers = Numbers(3);
    let mut values = vec![0.25_f32; rows * WIDTH];
    for row in values.chunks_exact_mut(WIDTH) {
        for _ in 0..2 {
            row[numbers.below(WIDTH as u64) as usize] += 0.5 + numbers.below(100) as f32 / 100.0;
        }
    }
    write_npy(&dir.join("x.npy"), &[rows, WIDTH], &values).unwrap();
    (temp, dir)
}

const TRAIN: &str = "sae train --activations x.npy --latents 16 --k 2 --batch 50 --lr 0.01 --epochs 12";

/// The files of a training by name, but for the state.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let read = |name: &str| (name.to_owned(), fs::read(dir.join(name)).unwrap());
    ["cfg.json", "sae_weights.safetensors", "training.json", "curves.csv", "curves.svg"].map(read).into()
}

#[test]
fn a_trained_autoencoder_is_read_by_the_other_commands() {
    let (_temp, dir) = layer(600);
    let text = ok(&dir, &format!("{TRAIN} --out sae --threads 1"));
    assert!(text.starts_with("16 latents explain 0.") && text.contains("autoencoder in `sae`"), "{text}");
    let config = read_json(&dir.join("sae/cfg.json"));
    for (field, expected) in [
        ("architecture", json!("topk")),
        ("d_in", json!(8)),
        ("d_sae", json!(16)),
        ("k", json!(2)),
        ("dtype", json!("float32")),
        ("apply_b_dec_to_input", json!(true)),
    ] {
        assert_eq!(config[field], expected, "{field}");
    }
    let sae = Sae::open(&dir.join("sae")).unwrap();
    assert_eq!((sae.d_in(), sae.d_sae()), (8, 16));
    let curves = fs::read_to_string(dir.join("sae/curves.csv")).unwrap();
    assert_eq!(curves.lines().next(), Some("epoch,learning_rate,unexplained_variance,dead_latents"));
    assert_eq!(curves.lines().count(), 13);

    // The frozen control explains less; both are what `sae encode` computes.
    let value = |args: &str| serde_json::from_str::<Value>(&ok(&dir, args)).unwrap();
    let frozen = value(&format!("{TRAIN} --freeze-decoder --out frozen --json"));
    let explained = |name: &str| {
        let record = read_json(&dir.join(name).join("training.json"));
        record["result"]["variance_explained"].as_f64().unwrap()
    };
    assert!(explained("sae") > 0.9 && explained("frozen") < explained("sae") - 0.1, "{}", explained("sae"));
    assert_eq!(frozen["variance_explained"], explained("frozen"));
    let sizes = ["latents", "k", "rows", "epochs"].map(|field| frozen[field].as_u64().unwrap());
    assert_eq!(sizes, [16, 2, 600, 12]);
    let encoded = value("sae encode --sae frozen --activations x.npy --out latents.safetensors --json");
    assert_eq!(encoded["architecture"], "topk");
    let active = encoded["values"].as_f64().unwrap() / 600.0;
    assert!((frozen["active"].as_f64().unwrap() - active).abs() < 1e-12);

    // A second time, and with other threads, the bytes are the same.
    ok(&dir, &format!("{TRAIN} --out again --threads 3"));
    assert_eq!(files(&dir.join("again")), files(&dir.join("sae")));
    let said = crate::run(&dir, &format!("{TRAIN} --out again"));
    assert!(said.code == 0 && !said.err.contains("epoch 1"), "{}", said.err);
    assert_eq!(files(&dir.join("again")), files(&dir.join("sae")));
}

#[test]
fn a_killed_training_goes_on_to_the_same_bytes() {
    let (_temp, dir) = layer(4000);
    let train = format!("{TRAIN} --epochs 40 --save-every 7").replace("--epochs 12 ", "");
    ok(&dir, &format!("{train} --out whole"));
    let mut child = compexp(&dir, &format!("{train} --out killed")).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while !dir.join("killed/curves.csv").exists() {
        assert!(start.elapsed() < Duration::from_secs(120), "no epoch in two minutes");
        assert!(child.try_wait().unwrap().is_none(), "the training is over before it could be killed");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!dir.join("killed/cfg.json").exists(), "killed too late");
    ok(&dir, &format!("{train} --out killed"));
    assert_eq!(files(&dir.join("killed")), files(&dir.join("whole")));
    let e = fails(&dir, 1, &format!("{} --out killed", train.replace("--lr 0.01", "--lr 0.02")));
    assert!(e.contains("another training"), "{e}");
}

#[test]
fn what_cannot_be_learnt_from_is_refused() {
    let (_temp, dir) = layer(40);
    let write = |name: &str, shape: &[usize], values: &[f32]| write_npy(&dir.join(name), shape, values).unwrap();
    let mut values: Vec<f32> = (0..40).map(|i| i as f32).collect();
    write("maps.npy", &[5, 2, 2, 2], &values);
    write("one.npy", &[1, 40], &values);
    write("none.npy", &[0, 8], &[]);
    values[13] = f32::NAN;
    write("nan.npy", &[5, 8], &values);
    write("equal.npy", &[5, 8], &[0.5; 40]);
    let bytes = fs::read(dir.join("x.npy")).unwrap();
    fs::write(dir.join("cut.npy"), &bytes[..bytes.len() - 9]).unwrap();
    for (name, expected) in [
        ("nan.npy", "unit 5 on example 1"),
        ("maps.npy", "at 4 positions, expected at least 2 rows [rows, width], no maps"),
        ("one.npy", "found 1 rows"),
        ("none.npy", "none.npy"),
        ("equal.npy", "found equal rows"),
        ("cut.npy", "cut.npy"),
        ("nowhere.npy", "nowhere.npy"),
    ] {
        let e = fails(&dir, 1, &TRAIN.replace("x.npy", name).replace("sae train", "sae train --out new"));
        assert!(e.contains(expected), "{name}: {e}");
        assert!(!dir.join("new").exists(), "{name}");
    }
    let e = fails(&dir, 2, "sae train --activations x.npy --latents 4 --k 5 --out new");
    assert!(e.contains("--k: found 5, expected at most --latents, 4"), "{e}");
    assert!(!dir.join("new").exists());
}
