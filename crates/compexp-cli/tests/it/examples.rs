//! The scripts in `examples`, where Python has what they import.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use compexp_vision::image::Image;

use crate::{json, ok};

/// The path of a script of the folder `examples`.
fn script(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples")).join(name)
}

/// Runs Python in a folder, and fails where the script fails.
fn python(python: &Path, dir: &Path, name: &str, arguments: &[&str]) {
    let done = Command::new(python).current_dir(dir).arg(script(name)).args(arguments).output().unwrap();
    assert!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn numpy_alone_writes_what_explain_reads() {
    let Some(path) = compexp_tests::python("numpy") else { return };
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    python(&path, dir, "activations.py", &[]);
    ok(dir, "explain --probe probe --activations activations.npy --quantile 0.1 --length 1 --out run");
    let units = &json(&dir.join("run/explanations.json"))["units"];
    assert_eq!(units[0]["formula"], "water", "the unit that looks for water");
}

#[test]
fn a_resnet_50_is_explained_on_labelled_photographs() {
    let Some(path) = compexp_tests::python("numpy, PIL, torch, torchvision") else { return };
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    for folder in ["photos", "labels"] {
        fs::create_dir(dir.join(folder)).unwrap();
    }
    for number in 0..4 {
        let photo =
            Image { height: 64, width: 64, rgb: (0..64 * 64 * 3).map(|i| (i * (number + 3) % 251) as u8).collect() };
        // 1 on the left, 2 on the right, as grey values.
        let label = |i: usize| if i / 3 % 64 < 32 { 1 } else { 2 };
        let labels = Image { height: 64, width: 64, rgb: (0..64 * 64 * 3).map(label).collect() };
        fs::write(dir.join(format!("photos/{number}.png")), photo.to_png().unwrap()).unwrap();
        fs::write(dir.join(format!("labels/{number}.png")), labels.to_png().unwrap()).unwrap();
    }
    fs::write(dir.join("concepts.txt"), "left\nright\n").unwrap();
    python(&path, dir, "pytorch_resnet50.py", &["photos", "labels", "concepts.txt", "--random"]);
    ok(dir, "explain --probe probe --activations layer4.npy --units-expected 2048 --units 0-9 --out run");
    assert!(ok(dir, "concepts probe").contains("left"));
    ok(dir, "report run --image-root photos");
    assert!(fs::read_dir(dir.join("run/report/images")).unwrap().count() > 0);
}

#[test]
fn neurons_of_a_transformer_are_explained_on_tokens() {
    let Some(path) = compexp_tests::python("numpy, torch, transformers") else { return };
    let Some(model) = compexp_tests::data("minilm/tokenizer.json") else { return };
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let sentences = "A dog runs in the park .\nTwo dogs run on the beach .\nNobody sleeps in 2020 .\n".repeat(4);
    fs::write(dir.join("sentences.txt"), sentences).unwrap();
    python(&path, dir, "transformer_tokens.py", &["sentences.txt", model.parent().unwrap().to_str().unwrap(), "0"]);
    ok(dir, "explain --probe tokens --activations layer0.npy --quantile 0.05 --metric mcc --units 0-9 --out run");
    assert!(ok(dir, "concepts tokens").contains("word:dog"));
    assert!(ok(dir, "show run --unit 0").contains("["), "texts mark the token");
}
