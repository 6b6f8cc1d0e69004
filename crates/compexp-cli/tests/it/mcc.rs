//! Searches by the Matthews correlation coefficient, from the command line.

use std::fs;

use compexp_files::write_npy;
use serde_json::Value;

use crate::{Numbers, feature_probe, json, ok, run};

/// 2,000 examples with 6 features. Unit 0 fires on 60% of those that have feature 0 and not 1, and on 30% of the others;
/// unit 1 on everything; unit 2 on 50% of those with feature 2, and on nothing else.
fn frequent() -> (tempfile::TempDir, std::path::PathBuf) {
    let (temp, probe) = feature_probe();
    let dir = temp.path().to_owned();
    let mut random = Numbers(5);
    let mut share = |percent: u64| random.below(100) < percent;
    let (mut features, mut activations) = (Vec::new(), Vec::new());
    for _ in 0..2000 {
        let row: Vec<bool> = [20, 30, 10, 60, 70, 80].map(&mut share).into();
        let fires = share(if row[0] && !row[1] { 60 } else { 30 });
        activations.extend([fires, true, row[2] && share(50)].map(|on| if on { 1.0_f32 } else { -1.0 }));
        features.extend(row);
    }
    write_npy(&probe.join("features.npy"), &[2000, 6], &features).unwrap();
    write_npy(&dir.join("acts.npy"), &[2000, 3], &activations).unwrap();
    (temp, dir)
}

const ARGS: &str = "explain --probe probe --activations acts.npy -n 2";

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn frequent_noisy_units_are_explained_by_mcc_and_not_by_iou() {
    let (_temp, dir) = frequent();
    let out = ok(&dir, &format!("{ARGS} --out by-iou"));
    assert!(out.contains("units fire so often that no single concept has an IoU above the firing rate"), "{out}");
    assert!(out.contains("search with --metric mcc"), "{out}");
    let units = |run: &str| json(&dir.join(run).join("explanations.json"))["units"].clone();
    assert_ne!(units("by-iou")[0]["formula"], "(f0 AND (NOT f1))");

    for (run, mode) in [("by-mcc", ""), ("exact", "--mode exact")] {
        let out = ok(&dir, &format!("{ARGS} --metric mcc {mode} --out {run}"));
        assert!(!out.contains("--metric mcc"), "{out}");
        assert!(out.contains("explained 2, uncorrelated 1"), "{out}");
        let units = units(run);
        assert_eq!(units[0]["formula"], "(f0 AND (NOT f1))", "{run}");
        assert_eq!(units[2]["formula"], "f2", "{run}");
        assert_eq!((&units[1]["status"], &units[1]["formula"]), (&"uncorrelated".into(), &Value::Null));
        assert_eq!(
            (number(&units[1]["firing_rate"]), &units[1]["mcc"], &units[1]["lift"]),
            (1.0, &Value::Null, &Value::Null)
        );
        // The same numbers from the counts.
        for unit in [&units[0], &units[2]] {
            let [i, f, u] = ["intersection", "formula_area", "unit_area"].map(|field| number(&unit[field]));
            let n = 2000.0;
            assert_eq!(number(&unit["firing_rate"]), u / n);
            assert!((number(&unit["lift"]) - (i / f) / (u / n)).abs() < 1e-12);
            let mcc = (i / n - f / n * u / n) / (f / n * (1.0 - f / n) * u / n * (1.0 - u / n)).sqrt();
            assert!((number(&unit["mcc"]) - mcc).abs() < 1e-12 && unit["score"] == unit["mcc"], "{unit}");
            assert_eq!(unit["chance_corrected"], Value::Null, "there are no draws");
            assert_eq!(unit["by_length"][1]["mcc"], unit["mcc"]);
        }
    }
    let optimal = &units("exact")[0]["optimal"];
    assert_eq!((&optimal["certified"], &optimal["upper_bound"]), (&true.into(), &units("exact")[0]["mcc"]));
    let shown = ok(&dir, "show exact --unit 0");
    assert!(shown.contains("no formula of up to 2 concepts has a higher MCC"), "{shown}");
    let listed = ok(&dir, "show by-mcc");
    assert!(listed.lines().nth(1).is_some_and(|line| line.trim_start().starts_with("2 ")), "by MCC: {listed}");
    let text = fs::read_to_string(dir.join("exact/explanations.csv")).unwrap();
    assert!(text.lines().next().unwrap().ends_with("iou_1,iou_2,firing_rate,lift,mcc,chance_corrected,mcc_1,mcc_2"));
    let evaluated = ok(&dir, "eval f2 --run by-mcc --unit 2 --json");
    let evaluated: Value = serde_json::from_str(&evaluated).unwrap();
    assert_eq!(evaluated["units"][0]["mcc"], units("by-mcc")[2]["mcc"]);
}

#[test]
fn evidence_is_of_the_metric_that_was_searched() {
    let (_temp, dir) = frequent();
    let out = ok(&dir, &format!("{ARGS} --metric mcc --null-draws 50 --holdout 0.4 --out run"));
    assert!(out.contains("held out"), "{out}");
    let unit = &json(&dir.join("run/explanations.json"))["units"][0];
    let chance = &unit["significance"]["by_length"][1];
    let (mcc, median) = (number(&unit["mcc"]), number(&chance["metric_median"]));
    assert!(median > 0.0 && median < 0.15 && median < number(&chance["median"]), "{chance}");
    assert!((number(&unit["chance_corrected"]) - (mcc - median) / (1.0 - median)).abs() < 1e-12, "{unit}");
    assert!(number(&unit["significance"]["p"]) < 0.02 && number(&chance["step_p"]) < 0.3, "{unit}");
    let held_out = &unit["holdout"]["mcc"];
    assert!((number(&held_out["value"]) + number(&held_out["drop"]) - mcc).abs() < 1e-12, "{held_out}");
    let shown = ok(&dir, "show run --unit 0");
    let header = "MCC by length, by chance, and on held-out examples\n  length     MCC  chance 50%       p  step p  held-out  95% interval\n";
    assert!(shown.contains(header), "{shown}");
    let row = format!("       2  {mcc:.4}      {median:.4}  ");
    assert!(shown.contains(&row) && shown.contains(&format!("{:.4}  ", number(&held_out["value"]))), "{row} {shown}");
    let auto = ok(&dir, &format!("{ARGS} --null-draws auto --units 0 --out auto"));
    assert!(auto.contains("(200 draws)"), "{auto}");
    assert_eq!(json(&dir.join("auto/config.json"))["config"]["trust"]["null_draws"], 200);
}

#[test]
fn runs_that_were_searched_by_mcc_are_compared_by_it() {
    let (_temp, dir) = frequent();
    ok(&dir, &format!("{ARGS} --metric mcc --out run"));
    ok(&dir, "diff run run");
    let path = dir.join("baseline.json");
    ok(&dir, "diff baseline.json run --update");
    let mut baseline = json(&path);
    assert_eq!(ok(&dir, "diff baseline.json run").lines().last(), Some("same 3: no drift"));
    baseline["units"][0]["iou"] = 0.5.into();
    fs::write(&path, baseline.to_string()).unwrap();
    ok(&dir, "diff baseline.json run");
    baseline["units"][0]["mcc"] = 0.9.into();
    fs::write(&path, baseline.to_string()).unwrap();
    let done = run(&dir, "diff baseline.json run --json diff.json");
    let told = json(&dir.join("diff.json"));
    assert_eq!((&told["score"], &told["units"][0]["base"]["mcc"]), (&"mcc".into(), &0.9.into()));
    assert!(done.out.contains("MCC  formula") && done.out.contains("0  MCC moved  base  0.9000"), "{}", done.out);
    assert!(done.code == 3 && done.out.contains("same 2, MCC moved 1: drift"), "{} {}", done.code, done.out);
}
