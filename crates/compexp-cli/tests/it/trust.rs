//! Significance, held-out scores and what is left out of formulas, from the command line.

use std::fs;
use std::path::Path;

use compexp_files::write_npy;
use serde_json::Value;

use crate::{Numbers, fails, feature_probe, json, ok};

/// 60 examples in groups of two, with 6 features: feature 5 is nested in feature 0. Unit 0 fires on features 0 and not 1,
/// unit 1 on nothing in particular, unit 2 never.
fn pairs() -> (tempfile::TempDir, std::path::PathBuf) {
    let (temp, probe) = feature_probe();
    let dir = temp.path().to_owned();
    let mut random = Numbers(9);
    let (mut features, mut activations) = (Vec::new(), Vec::new());
    let mut examples = String::from("name,group\n");
    for i in 0..60 {
        let mut row: Vec<bool> = (0..6).map(|_| random.below(2) == 0).collect();
        row[5] &= row[0];
        let sign = |on: bool| if on { 1.0_f32 } else { -1.0 };
        activations.extend([sign(row[0] && !row[1]), sign(random.below(3) == 0), -1.0]);
        features.extend(row);
        examples += &format!("pair {i},premise {}\n", i / 2);
    }
    write_npy(&probe.join("features.npy"), &[60, 6], &features).unwrap();
    write_npy(&dir.join("acts.npy"), &[60, 3], &activations).unwrap();
    fs::write(probe.join("examples.csv"), examples).unwrap();
    (temp, dir)
}

const ARGS: &str = "explain --probe probe --activations acts.npy -n 2";

fn units(dir: &Path, run: &str) -> Vec<Value> {
    json(&dir.join(run).join("explanations.json"))["units"].as_array().unwrap().clone()
}

#[test]
fn draws_tell_a_unit_from_chance() {
    let (_temp, dir) = pairs();
    let out = ok(&dir, &format!("{ARGS} --null-draws 40 --seed 3 --out run"));
    assert!(out.contains("of 2 units have q below 0.05 (40 draws)"), "{out}");
    let found = units(&dir, "run");
    let p: Vec<f64> = found[..2].iter().map(|u| u["significance"]["p"].as_f64().unwrap()).collect();
    assert!((p[0] - 1.0 / 41.0).abs() < 1e-12 && p[1] > 0.05, "{p:?}");
    assert_eq!(found[2].get("significance"), None, "a silent unit is not tested");
    let config = json(&dir.join("run/config.json"))["config"]["trust"].clone();
    assert_eq!(config, serde_json::json!({ "null_draws": 40, "holdout": null, "seed": 3 }));
    let csv = fs::read_to_string(dir.join("run/null.csv")).unwrap();
    assert!(csv.starts_with("unit,length,iou,draws,p,q,mean,median,q95,q99,max,step_p,metric_median\n0,1,"), "{csv}");
    assert_eq!(csv.lines().count(), 5);
    let shown = ok(&dir, "show run --unit 0");
    assert!(shown.contains("0 of 40 draws with the unit's maps on other examples match as well"), "{shown}");
    let header = "IoU by length and by chance\n  length     IoU  chance 50%  chance 95%       p  step p\n";
    assert!(shown.contains(header), "{shown}");
    assert!(shown.contains("  corrected     1.0000"), "{shown}");
    assert_eq!(found[0]["chance_corrected"], 1.0);
    assert!(!dir.join("run/holdout.csv").exists());

    ok(&dir, &format!("{ARGS} --null-draws 40 --seed 3 --threads 3 --out again"));
    assert_eq!(found, units(&dir, "again"));
    // Another run in the folder takes the tables of this one away.
    ok(&dir, &format!("{ARGS} --force --out run"));
    assert!(!dir.join("run/null.csv").exists());
}

#[test]
fn what_is_held_out_is_measured_beside_the_search() {
    let (_temp, dir) = pairs();
    let out = ok(&dir, &format!("{ARGS} --holdout 0.4 --null-draws 5 --out run"));
    let found = json(&dir.join("run/explanations.json"));
    let (seen, held_out) = (&found["universe"]["examples"], &found["held_out"]);
    assert_eq!(seen.as_u64().unwrap() + held_out["examples"].as_u64().unwrap(), 60);
    assert_eq!(2 * held_out["groups"].as_u64().unwrap(), held_out["examples"].as_u64().unwrap());
    assert!(
        out.contains(&format!("held out: {} examples in {} groups", held_out["examples"], held_out["groups"])),
        "{out}"
    );
    let unit = &found["units"][0];
    assert_eq!((&unit["formula"], &unit["iou"]), (&"(f0 AND (NOT f1))".into(), &1.0.into()));
    let holdout = &unit["holdout"];
    assert_eq!(
        (&holdout["iou"], &holdout["drop"], &holdout["suggested_length"]),
        (&1.0.into(), &0.0.into(), &2.into())
    );
    let areas = unit["unit_area"].as_u64().unwrap() + holdout["unit_area"].as_u64().unwrap();
    ok(&dir, &format!("{ARGS} --out whole"));
    assert_eq!(units(&dir, "whole")[0]["unit_area"], areas);
    let csv = fs::read_to_string(dir.join("run/holdout.csv")).unwrap();
    assert!(csv.contains("\n0,2,(f0 AND (NOT f1)),1,1,1,1,0,0,true,1,1,1,0\n"), "{csv}");
    let shown = ok(&dir, "show run --unit 0");
    assert!(shown.contains("held-out IoU  1.0000"), "{shown}");
    let header = "  length     IoU  chance 50%  chance 95%       p  step p  held-out  95% interval\n";
    assert!(shown.contains(&format!("IoU by length, by chance, and on held-out examples\n{header}")), "{shown}");
    // The examples of the run are those that the search saw.
    assert_eq!(
        fs::read_to_string(dir.join("run/examples.csv")).unwrap().lines().count() as u64,
        1 + seen.as_u64().unwrap()
    );
}

#[test]
fn literals_that_change_nothing_are_left_out_but_for_compat() {
    let (_temp, dir) = pairs();
    // f5 is nested in f0, so that `f0 OR f5` is f0.
    ok(&dir, "explain --probe probe --activations acts.npy -n 4 --out run");
    ok(&dir, "explain --probe probe --activations acts.npy -n 4 --compat --out compat");
    let (own, compat) = (&units(&dir, "run")[0], &units(&dir, "compat")[0]);
    assert_eq!(own["formula"], "(f0 AND (NOT f1))");
    assert_eq!(own["by_length"][3]["formula"], "(f0 AND (NOT f1))");
    assert_eq!(compat.get("vacuous"), None);
    assert_eq!(own["iou"], 1.0);
}

#[test]
fn draws_and_shares_that_make_no_sense_are_refused() {
    let (_temp, dir) = pairs();
    for draws in ["0", "1", "x"] {
        let err = fails(&dir, 2, &format!("{ARGS} --null-draws {draws} --out run"));
        assert!(err.contains("--null-draws"), "{err}");
    }
    for fraction in ["0", "1", "-0.5", "nan"] {
        let err = fails(&dir, 2, &format!("{ARGS} --holdout {fraction} --out run"));
        assert!(err.contains("expected a share between 0 and 1"), "{err}");
    }
    let refused = |args: &str, message: &str| {
        let err = fails(&dir, 1, &format!("{ARGS} {args}"));
        assert!(err.contains(message), "{err}");
    };
    refused("--holdout 0.000001 --out run", "examples held out: found 0, expected at least one of 60");
    assert!(!dir.join("run").exists(), "a refused run leaves nothing behind");
    ok(&dir, &format!("{ARGS} --out run"));
    let files = || {
        let entries = fs::read_dir(dir.join("run")).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| (path.clone(), fs::read(path).unwrap())).collect::<std::collections::BTreeMap<_, _>>()
    };
    let before = files();
    refused("--holdout 0.000001 --force --out run", "examples held out: found 0");
    fs::write(dir.join("probe/examples.csv"), "group\n".to_owned() + &"one\n".repeat(60)).unwrap();
    refused("--null-draws 5 --force --out run", "groups of examples that can change places: found 0 of 1");
    assert!(files() == before, "a refused run leaves the one that is there as it is");
}
