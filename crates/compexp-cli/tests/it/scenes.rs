//! Painted scenes: from a seed to a network and what its units have learnt.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::{compexp, fails, json, ok, run};

pub(crate) const TRAIN: &str =
    "vision train learn/list.txt --val probe/list.txt --widths 8,16 --blocks 1 --epochs 2 --batch 16";

pub(crate) fn paint(dir: &Path) {
    let out = ok(dir, "vision paint --out learn --images 48 --split train --seed 3");
    assert!(out.starts_with("48 scenes of 12 kinds in `learn`\n"), "{out}");
    ok(dir, "vision paint --out probe --images 24");
}

#[test]
fn scenes_are_painted_learnt_and_explained() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    paint(dir);
    let out = ok(dir, &format!("{TRAIN} --out net"));
    assert!(
        out.contains("of 24 images are classified right") && out.contains("network in `net/model.safetensors`"),
        "{out}"
    );
    let rows = json(&dir.join("net/curves.json"));
    assert_eq!((rows.as_array().map(Vec::len), &rows[1]["epoch"]), (Some(2), &2.into()));
    let table = fs::read_to_string(dir.join("net/curves.csv")).unwrap();
    assert!(table.starts_with("epoch,learning_rate,train_loss,train_accuracy,val_accuracy\n1,"), "{table}");
    assert_eq!(table.lines().count(), 3);

    let network = "--checkpoint net/model.safetensors";
    let accuracy = ok(dir, &format!("vision eval probe/list.txt {network} --json"));
    let accuracy: serde_json::Value = serde_json::from_str(&accuracy).unwrap();
    assert_eq!(accuracy["top1"]["share"], rows[1]["val_accuracy"]);
    let probe = format!("vision probe --broden probe {network} --classes probe/classes.txt --layer layer2 --out run");
    let out = ok(dir, &probe);
    assert!(out.contains("16 units on 24 examples of 3,136 positions"), "{out}");
    let summary = json(&dir.join("run/summary.json"));
    assert_eq!(summary["accuracy"]["known"], 24);
}

#[test]
fn a_killed_training_of_a_network_goes_on_to_the_same_bytes() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    paint(dir);
    let long = format!("{TRAIN} --save-every 1").replace("--epochs 2", "--epochs 6");
    ok(dir, &format!("{long} --out whole"));
    let mut child = compexp(dir, &format!("{long} --threads 1 --out killed"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(300);
    while !dir.join("killed/training.safetensors").exists() {
        assert!(Instant::now() < deadline, "no state appeared");
        assert!(child.try_wait().unwrap().is_none(), "the training is over before it could be killed");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!dir.join("killed/model.safetensors").exists(), "killed too late");
    let done = run(dir, &format!("{long} --out killed"));
    assert!(done.code == 0 && done.err.contains("training: going on in epoch"), "{}{}", done.out, done.err);
    for name in ["model.safetensors", "curves.csv", "curves.json", "training.safetensors"] {
        let [one, other] = ["whole", "killed"].map(|run| fs::read(dir.join(run).join(name)).unwrap());
        assert!(one == other, "{name} differs");
    }
    let refused = fails(dir, 1, &format!("{long} --seed 9 --out killed"));
    assert!(refused.contains("one of another training"), "{refused}");
}

#[test]
fn what_cannot_be_painted_or_trained_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    paint(dir);
    fs::create_dir(dir.join("mine")).unwrap();
    fs::write(dir.join("mine/notes.txt"), "keep").unwrap();
    let e = fails(dir, 1, "vision paint --out mine");
    assert!(e.contains("no `scenes.json` among them") && dir.join("mine/notes.txt").is_file(), "{e}");
    fails(dir, 2, "vision paint --out new --images 0");

    let images: Vec<String> =
        fs::read_to_string(dir.join("learn/list.txt")).unwrap().lines().map(String::from).collect();
    let list = |lines: &[String]| fs::write(dir.join("learn/some.txt"), lines.join("\n")).unwrap();
    let train = |code| fails(dir, code, "vision train learn/some.txt --out net");
    list(&[]);
    assert!(train(1).contains("list of images: found no lines"));
    list(&[images[0].clone(), images[12].clone()]);
    assert!(train(1).contains("classes of the images to learn from: found 1, expected at least 2"));
    list(&[images[0].clone(), images[2].clone()]);
    assert!(train(1).contains("images of class 1 to learn from: found 0"));
    fs::copy(dir.join("learn/images/scenes/000001_color.png"), dir.join("learn/small.png")).unwrap();
    list(&[images[0].clone(), "small.png 1".into()]);
    let e = train(1);
    assert!(e.contains("small.png") && e.contains("found 56 x 56, expected 112 x 112"), "{e}");
    list(&[images[0].clone(), "none.png 1".into()]);
    assert!(train(1).contains("none.png"));
    list(&images[..4]);
    let e = fails(dir, 1, "vision train learn/some.txt --val probe/list.txt --out net");
    assert!(e.contains("class `4`, expected a number from 0 to 3"), "{e}");
    fails(dir, 2, "vision train learn/some.txt --batch 1 --out net");
    fails(dir, 2, "vision train learn/some.txt --out -");
}
