//! From photographs and a checkpoint to a run, on the data folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::{compexp, fails, json, ok, run};

/// The small Broden folder, the checkpoint and the class list.
pub(crate) fn data() -> Option<[PathBuf; 3]> {
    let broden = compexp_tests::data("miniplaces-broden-mini")?;
    let checkpoint = compexp_tests::data("places/resnet18_miniplaces.pth.tar")?;
    Some([broden, checkpoint, compexp_tests::data("places/categories.txt")?])
}

pub(crate) fn args([broden, checkpoint, classes]: &[PathBuf; 3], out: &str) -> String {
    format!(
        "vision probe --broden {} --checkpoint {} --classes {} --preprocess imagenet --layer layer4 --length 3 --beam 5 \
         --out {out}",
        broden.display(),
        checkpoint.display(),
        classes.display(),
    )
}

/// The files of two runs are the same, to the byte.
fn assert_same(dir: &Path, a: &str, b: &str) {
    let names = |run: &str| {
        let mut names: Vec<_> = fs::read_dir(dir.join(run)).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(a), names(b));
    for name in names(a) {
        let [one, other] = [a, b].map(|run| fs::read(dir.join(run).join(&name)).unwrap());
        assert!(one == other, "{name:?} differs");
    }
}

#[test]
fn photographs_are_explained_and_a_killed_run_goes_on() {
    let Some(data) = data() else { return };
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let out = ok(dir, &args(&data, "whole"));
    assert!(out.contains("512 units on 120 examples of 4,096 positions"), "{out}");
    assert!(out.contains("accuracy 37.50%: 45 of 120 examples"), "{out}");
    let summary = json(&dir.join("whole/summary.json"));
    assert_eq!((&summary["accuracy"]["known"], &summary["by_status"]["explained"]), (&120.into(), &512.into()));
    let predictions = fs::read_to_string(dir.join("whole/predictions.csv")).unwrap();
    let correct = predictions.lines().filter(|line| line.ends_with(",true")).count();
    assert_eq!((predictions.lines().count(), correct), (121, 45));
    let example = fs::read_to_string(dir.join("whole/examples.csv")).unwrap();
    let image = example.lines().nth(1).unwrap().split(',').nth(1).unwrap();
    let root = json(&dir.join("whole/config.json"))["paths"]["image_root"].as_str().unwrap().to_owned();
    assert!(Path::new(&root).join(image).is_file(), "{root} / {image}");

    // Killed when some images are done; other batches and threads make no difference.
    let slow = format!("{} --batch 1 --threads 1", args(&data, "killed"));
    let mut child = compexp(dir, &slow).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let partial = dir.join("killed/activations.npy.partial");
    let started = Instant::now();
    while fs::metadata(&partial).map_or(0, |m| m.len()) < 200_000 {
        assert!(started.elapsed() < Duration::from_secs(120), "the run never got so far");
        assert!(child.try_wait().unwrap().is_none(), "the run is over before it could be killed");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(partial.exists() && !dir.join("killed/explanations.json").exists());
    let refused = fails(dir, 1, &format!("{} --min-activations 9", args(&data, "killed")));
    assert!(refused.contains("`search.min_activations` (--min-activations): found 0, asked for 9"), "{refused}");
    let done = run(dir, &args(&data, "killed"));
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(done.err.contains("activations: going on after "), "{}", done.err);
    assert_same(dir, "whole", "killed");

    let again = run(dir, &args(&data, "killed"));
    assert!(again.code == 0 && again.out.contains("`killed` is up to date"), "{}{}", again.out, again.err);

    // Another search uses the activations that are there.
    let done = run(dir, &format!("{} --units 0-4 --force", args(&data, "killed")));
    assert!(done.code == 0 && done.err.contains("activations: all are there"), "{}", done.err);
    let scored = ok(dir, "eval sky --run killed --json");
    let scored: serde_json::Value = serde_json::from_str(&scored).unwrap();
    assert_eq!(scored["units"].as_array().unwrap().len(), 5);
}

#[test]
fn explain_takes_the_activations_that_probe_left() {
    let Some(data) = data() else { return };
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    ok(dir, &args(&data, "probed"));
    let broden = data[0].display();
    ok(dir, &format!("explain --broden {broden} --activations probed/activations.npy --beam 5 --out explained"));
    for name in ["explanations.csv", "thresholds.npy", "exemplars.json", "exemplars.npy", "examples.csv"] {
        let [one, other] = ["probed", "explained"].map(|run| fs::read(dir.join(run).join(name)).unwrap());
        assert!(one == other, "{name} differs");
    }
    let only = format!("explain --broden {broden} --activations probed/activations.npy --categories color --units 0");
    ok(dir, &format!("{only} --out colors"));
    let config = &json(&dir.join("colors/config.json"))["config"];
    assert_eq!(config["inputs"]["annotations"]["categories"], serde_json::json!(["color"]));
    let formula = json(&dir.join("colors/explanations.json"))["units"][0]["formula"].as_str().unwrap().to_owned();
    assert!(formula.contains("-c") && !formula.contains("-s"), "{formula}");
    let e = fails(dir, 1, &format!("explain --broden {broden} --activations probed/logits.npy --categories x --out y"));
    assert!(e.contains("a column for the category `x`"), "{e}");
}

#[test]
fn accuracy_is_measured_on_a_list() {
    let Some([broden, checkpoint, _]) = data() else { return };
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    fs::write(dir.join("list.txt"), "miniplaces/train_abbey_00000001.jpg 0\nminiplaces/train_abbey_00000002.jpg 1\n")
        .unwrap();
    let args = format!(
        "vision eval list.txt --checkpoint {} --preprocess imagenet --root {}/images",
        checkpoint.display(),
        broden.display()
    );
    let text = ok(dir, &args);
    assert!(text.starts_with("top-1  50.00%  1 of 2 images\ntop-5  "), "{text}");
    let value: serde_json::Value = serde_json::from_str(&ok(dir, &format!("{args} --json"))).unwrap();
    assert_eq!((&value["images"], &value["top1"]["share"]), (&2.into(), &0.5.into()));
    fs::write(dir.join("list.txt"), "a.jpg 100\n").unwrap();
    let e = fails(dir, 1, &args);
    assert!(e.contains("`list.txt`: line 1: found class `100`"), "{e}");
}

#[test]
fn a_probe_that_cannot_be_is_refused() {
    let Some(data) = data() else { return };
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let all = args(&data, "run");
    let e = fails(dir, 2, &format!("{all} --units 512"));
    assert!(e.contains("expected units below 512"), "{e}");
    let e = fails(dir, 2, &all.replace("--layer layer4", "--layer layer5"));
    assert!(e.contains("unknown layer `layer5`: the layers are"), "{e}");
    fs::write(dir.join("classes.txt"), "abbey\nyard\n").unwrap();
    let e = fails(dir, 1, &all.replace(&data[2].display().to_string(), "classes.txt"));
    assert!(e.contains("classes in `classes.txt`: found 2, expected 100"), "{e}");
    let e = fails(dir, 1, &all.replace(&data[1].display().to_string(), "classes.txt"));
    assert!(e.contains("classes.txt"), "{e}");
    assert!(!dir.join("run").exists());
}
