//! Layers whose positions are the patches of images: shards of saev, and sparse ones with a grid.

use std::fs;
use std::path::Path;

use compexp_files::TensorFile;
use compexp_tests::files::safetensors;
use serde_json::{Value, json};

use crate::{fails, json as read_json, ok, scene};

/// What a run says of its units.
fn units(dir: &Path, run: &str) -> Value {
    read_json(&dir.join(run).join("explanations.json"))["units"].clone()
}

/// The values of `acts.npy` at an example, a unit and a position.
fn values(dir: &Path) -> impl Fn(usize, usize, usize) -> f32 {
    let tensor = TensorFile::open(dir.join("acts.npy")).unwrap();
    let mut values = vec![0.0; tensor.elements()];
    tensor.read_f32(0, &mut values).unwrap();
    move |example, unit, at| values[(example * 3 + unit) * 4 + at]
}

/// Writes them as a sparse file, whose rows are positions; only those above 0.
fn sparse(dir: &Path) {
    let value = values(dir);
    let (mut rows, mut units, mut found) = (Vec::new(), Vec::new(), Vec::new());
    for (example, at, unit) in (0..6).flat_map(|e| (0..4).flat_map(move |at| (0..3).map(move |unit| (e, at, unit)))) {
        let value = value(example, unit, at);
        if value > 0.0 {
            rows.extend((example as u32 * 4 + at as u32).to_le_bytes());
            units.extend((unit as u32).to_le_bytes());
            found.extend(value.to_le_bytes());
        }
    }
    let n = found.len() / 4;
    let shape: Vec<u8> = [24_i64, 3].iter().flat_map(|size| size.to_le_bytes()).collect();
    let bytes = safetensors(&[
        ("positions", "U32", &[n], &rows),
        ("units", "U32", &[n], &units),
        ("values", "F32", &[n], &found),
        ("shape", "I64", &[2], &shape),
    ]);
    fs::write(dir.join("sparse.safetensors"), bytes).unwrap();
}

/// Writes them as saev's shards `shards` of four examples, as block 5, with a class token and block 4 beside them.
fn shards(dir: &Path) {
    let value = values(dir);
    let folder = dir.join("shards");
    fs::create_dir(&folder).unwrap();
    for shard in 0..2 {
        let mut bytes = Vec::new();
        for example in shard * 4..shard * 4 + 4 {
            for (layer, token, unit) in
                (0..2).flat_map(|l| (0..5).flat_map(move |token| (0..3).map(move |unit| (l, token, unit))))
            {
                let is_given = layer == 1 && token > 0 && example < 6;
                let value = if is_given { value(example, unit, token - 1) } else { 99.0 };
                bytes.extend(value.to_le_bytes());
            }
        }
        fs::write(folder.join(format!("acts{shard:06}.bin")), bytes).unwrap();
    }
    let metadata = json!({
        "family": "clip", "ckpt": "none", "layers": [4, 5], "content_tokens_per_example": 4, "cls_token": true, "d_model": 3,
        "n_examples": 6, "max_tokens_per_shard": 40, "data": "", "dataset": "/none", "pixel_agg": "majority",
        "dtype": "float32", "protocol": "2.1",
    });
    fs::write(folder.join("metadata.json"), metadata.to_string()).unwrap();
    let index = json!([{ "name": "acts000000.bin", "n_examples": 4 }, { "name": "acts000001.bin", "n_examples": 2 }]);
    fs::write(folder.join("shards.json"), index.to_string()).unwrap();
}

#[test]
fn patches_are_explained_alike_in_every_form_of_their_values() {
    let (_temp, dir) = scene();
    sparse(&dir);
    shards(&dir);
    let explain = "explain --length 2";
    ok(&dir, &format!("{explain} --probe probe --activations acts.npy --positive --out dense"));
    ok(&dir, &format!("{explain} --probe probe --activations sparse.safetensors --grid 2x2 --out sparse"));
    ok(&dir, &format!("{explain} --probe probe --activations shards#5 --positive --out shards-run"));
    let expected = units(&dir, "dense");
    assert_eq!((&expected[0]["iou"], &expected[1]["status"]), (&1.0.into(), &"silent".into()), "{expected}");
    let of =
        |run: &str| units(&dir, run).as_array().unwrap().iter().map(|u| u["by_length"].clone()).collect::<Vec<_>>();
    for run in ["sparse", "shards-run"] {
        assert_eq!(of(run), of("dense"), "{run}");
        // The grid and the layer are read back from the run.
        let formula = ok(&dir, &format!("eval water --run {run} --unit 0 --json"));
        let expected = ok(&dir, "eval water --run dense --unit 0 --json");
        let iou = |text: &str| serde_json::from_str::<Value>(text).unwrap()["units"][0]["iou"].clone();
        assert_eq!(iou(&formula), iou(&expected), "{run}");
    }
    ok(&dir, "report sparse shards-run --out pages");

    // Labels of patches are a probe set: here those of water.
    let labels: Vec<u8> = (0..6).flat_map(|_| [1, 0, 1, 0]).collect();
    fs::write(dir.join("shards/labels.bin"), labels).unwrap();
    ok(&dir, &format!("{explain} --probe shards --activations shards#5 --positive --out labels"));
    let found = units(&dir, "labels");
    assert_eq!(found[0]["formula"], "1", "{found}");
    ok(&dir, "eval 1 --run labels --unit 0");
}

#[test]
fn patches_that_do_not_fit_are_refused() {
    let (_temp, dir) = scene();
    sparse(&dir);
    shards(&dir);
    for (code, args, message) in [
        (1, "sparse.safetensors", "found 24, expected 6, as many as are annotated"),
        (1, "sparse.safetensors --grid 4x1", "found 4 x 1, expected 2 x 2, as the annotations have"),
        (1, "sparse.safetensors --grid 5x1", "found 24, expected a multiple of 5"),
        (2, "acts.npy --grid 2x2", "--grid: is for --layout ntu, sparse layers and shards of saev"),
        (1, "shards", "a single layer, or the number of one after `#`"),
        (1, "shards#6", "layer: found `6`"),
        (1, "shards#5 --grid 3x1", "--grid 3x1"),
    ] {
        let e = fails(&dir, code, &format!("explain --probe probe --activations {args} --out run"));
        assert!(e.contains(message), "{args}: {e}");
        assert!(!dir.join("run").exists());
    }
}
