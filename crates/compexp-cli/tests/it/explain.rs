//! Runs from files, and the folders they leave.

use std::fs;

use compexp_files::write_npy;
use compexp_run::write_concepts;

use crate::{compexp, fails, finished, json, ok, run, scene};

const ARGS: &str = "explain --probe probe --activations acts.npy --positive --out run";

#[test]
fn a_layer_is_explained_and_every_file_is_there() {
    let (_temp, dir) = scene();
    let out = ok(&dir, &format!("{ARGS} --keep-beams"));
    assert!(out.contains("3 units on 6 examples of 4 positions"), "{out}");
    assert!(out.contains("explained 2, silent 1"), "{out}");
    assert!(out.contains("IoU of the explained: mean 1.0000, median 1.0000"), "{out}");
    assert!(out.contains("0  1.0000  1.0000  33.33%  (water AND (NOT night))"), "{out}");
    assert!(out.contains("2  1.0000  1.0000  12.50%  (sky AND (NOT water))"), "{out}");
    let mut names: Vec<_> = fs::read_dir(dir.join("run")).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    let expected = [
        "activity.npy",
        "ceilings.csv",
        "concepts.csv",
        "config.json",
        "examples.csv",
        "exemplars.json",
        "exemplars.npy",
        "explanations.csv",
        "explanations.json",
        "manifest.json",
        "relations.csv",
        "summary.json",
        "thresholds.npy",
    ];
    assert_eq!(names, expected);
    let found = json(&dir.join("run/explanations.json"));
    assert_eq!(found["universe"]["examples"], 6);
    let units = &found["units"];
    assert_eq!((&units[1]["status"], &units[1]["formula"]), (&"silent".into(), &serde_json::Value::Null));
    assert_eq!((&units[0]["unit_area"], &units[0]["threshold"]), (&8.into(), &0.0.into()));
    assert_eq!(units[0]["beams"].as_array().unwrap().len(), 3);
    assert_eq!(found["config"], json(&dir.join("run/config.json"))["config"]);
    let csv = fs::read_to_string(dir.join("run/explanations.csv")).unwrap();
    assert_eq!(csv.lines().count(), 4, "{csv}");
}

#[test]
fn masks_and_the_activations_they_come_from_give_the_same() {
    let (_temp, dir) = scene();
    ok(&dir, ARGS);
    ok(&dir, "explain --probe probe --masks masks.npy --out from_masks");
    let units = |run: &str| {
        let mut units = json(&dir.join(run).join("explanations.json"))["units"].clone();
        for unit in units.as_array_mut().unwrap() {
            unit["threshold"].take();
        }
        units
    };
    assert_eq!(units("run"), units("from_masks"));
    assert!(!dir.join("from_masks/thresholds.npy").exists());
}

#[test]
fn defaults_follow_the_shape_of_the_layer_and_the_kind_of_the_probe_set() {
    let (_temp, dir) = scene();
    let config = |run: &str| json(&dir.join(run).join("config.json"))["config"].clone();
    ok(&dir, "explain --probe probe --activations acts.npy --out maps");
    let maps = config("maps");
    assert_eq!(maps["threshold"]["top_quantile"], 0.005);
    let numbers = |c: &serde_json::Value| [c["search"]["length"].clone(), c["search"]["beam"].clone()];
    assert_eq!((numbers(&maps), &maps["search"]["task"]), ([3.into(), 10.into()], &"vision".into()));
    ok(&dir, "explain --probe probe --activations acts.npy --compat --out compat");
    assert_eq!(config("compat")["threshold"]["top_quantile_f32"], 0.005);

    fs::create_dir(dir.join("pairs")).unwrap();
    write_concepts(&dir.join("pairs"), &[]).unwrap();
    let features = [true, false, true, true, false, false, false, true];
    write_npy(&dir.join("pairs/features.npy"), &[4, 2], &features).unwrap();
    write_npy(&dir.join("pairs.npy"), &[4, 1], &[0.5_f32, 0.1, 0.0, -3.0]).unwrap();
    ok(&dir, "explain --probe pairs --activations pairs.npy --out pairs_run");
    let pairs = config("pairs_run");
    assert_eq!(pairs["threshold"], "positive");
    assert_eq!((numbers(&pairs), &pairs["search"]["task"]), ([5.into(), 10.into()], &"nli".into()));
    assert_eq!(json(&dir.join("pairs_run/explanations.json"))["units"][0]["formula"], "0");
}

#[test]
fn the_same_command_again_has_nothing_to_do() {
    let (_temp, dir) = scene();
    ok(&dir, ARGS);
    let path = dir.join("run/explanations.json");
    let written = fs::metadata(&path).unwrap().modified().unwrap();
    let out = ok(&dir, &format!("{ARGS} --threads 1"));
    assert!(out.starts_with("`run` is up to date"), "{out}");
    assert!(out.contains("(water AND (NOT night))"), "the summary is printed again: {out}");
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), written);
    let out = ok(&dir, &format!("{ARGS} --json"));
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&value["up_to_date"], &value["summary"]["by_status"]["silent"]), (&true.into(), &1.into()));
}

#[test]
fn another_configuration_is_refused_and_named_until_it_is_forced() {
    let (_temp, dir) = scene();
    ok(&dir, ARGS);
    let before = fs::read(dir.join("run/explanations.json")).unwrap();
    let e = fails(&dir, 1, &format!("{ARGS} --length 2 --penalty 0.9"));
    let expected = "error: `run` holds a run with other settings: `search.length` (--length): found 3, asked for 2; \
                    `search.penalty` (--penalty): found 1.0, asked for 0.9\n\
                    hint: name another folder with --out to keep both, replace the run in `run` with --force, or give the \
                    settings of that run\n";
    assert!(e.ends_with(expected), "{e}");
    assert_eq!(fs::read(dir.join("run/explanations.json")).unwrap(), before);

    let mut activations = fs::read(dir.join("acts.npy")).unwrap();
    *activations.last_mut().unwrap() ^= 1;
    fs::write(dir.join("acts.npy"), activations).unwrap();
    let e = fails(&dir, 1, ARGS);
    let input = "`inputs.activations.hash` (what that input holds): found ";
    assert!(e.contains(input), "the inputs are part of it: {e}");
    let e = fails(&dir, 1, "explain --probe probe --masks masks.npy --beam 5 --length 2 --keep-beams --out run");
    let named = [
        "settings: `keep_beams` (--keep-beams): found false, asked for true; `search.beam` (--beam): found 10, asked for 5;",
        "..., asked for nothing; and 2 more\n",
    ];
    assert!(named.iter().all(|part| e.contains(part)), "{e}");
    ok(&dir, &format!("{ARGS} --force"));
    assert!(ok(&dir, ARGS).contains("up to date"));
}

#[test]
fn inputs_may_move() {
    let (_temp, dir) = scene();
    ok(&dir, ARGS);
    fs::rename(dir.join("probe"), dir.join("elsewhere")).unwrap();
    let out = ok(&dir, "explain --probe elsewhere --activations acts.npy --positive --out run");
    assert!(out.contains("up to date"), "{out}");
    let paths = &json(&dir.join("run/config.json"))["paths"];
    assert!(paths["probe"].as_str().unwrap().ends_with("elsewhere"), "{paths}");
}

#[test]
fn a_run_that_failed_leaves_no_explanations_and_makes_way_for_the_next() {
    let (_temp, dir) = scene();
    let good = fs::read(dir.join("acts.npy")).unwrap();
    let mut bad = good.clone();
    let end = bad.len();
    bad[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(dir.join("acts.npy"), bad).unwrap();
    let e = fails(&dir, 1, ARGS);
    assert!(e.contains("activation of unit 2 on example 5 is NaN"), "{e}");
    assert!(!dir.join("run/explanations.json").exists());
    let e = fails(&dir, 1, "show run");
    assert!(e.contains("a run that is not complete"), "{e}");
    fs::write(dir.join("acts.npy"), good).unwrap();
    ok(&dir, ARGS);
}

#[test]
fn results_do_not_depend_on_threads() {
    let (_temp, dir) = scene();
    for threads in [1, 3] {
        ok(&dir, &format!("explain --probe probe --masks masks.npy --threads {threads} --out run{threads}"));
    }
    for name in ["explanations.json", "explanations.csv", "exemplars.json", "exemplars.npy", "config.json"] {
        let [one, three] = ["run1", "run3"].map(|run| fs::read(dir.join(run).join(name)).unwrap());
        assert!(one == three, "{name}");
    }
}

#[test]
fn only_the_units_asked_for_are_explained() {
    let (_temp, dir) = scene();
    ok(&dir, &format!("{ARGS} --units 2,0-0"));
    let found = json(&dir.join("run/explanations.json"));
    let units: Vec<_> = found["units"].as_array().unwrap().iter().map(|u| u["unit"].as_u64().unwrap()).collect();
    assert_eq!((units, &found["config"]["units"]), (vec![0, 2], &"0,2".into()));
}

#[test]
fn quiet_is_quiet_and_closed_pipes_are_no_failure() {
    let (_temp, dir) = scene();
    let done = run(&dir, &format!("{ARGS} --quiet"));
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    for args in ["show run", "show run --json", "show run --unit 0", "eval water --run run", ARGS, "explain --help"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = compexp(&dir, args).stdout(writer).output().unwrap();
        let done = finished(output);
        assert_eq!((done.code, done.err.contains("error")), (0, false), "{args}: {}", done.err);
    }
}

#[test]
fn an_exact_run_says_what_is_proven_and_what_the_concepts_could_do() {
    let (_temp, dir) = scene();
    ok(&dir, "explain --probe probe --masks masks.npy --length 3 --mode exact --out exact");
    ok(&dir, "explain --probe probe --masks masks.npy --length 3 --out beam");
    let units = |run: &str| json(&dir.join(run).join("explanations.json"))["units"].as_array().unwrap().clone();
    for (exact, beam) in units("exact").iter().zip(&units("beam")) {
        let number = |value: &serde_json::Value| value.as_f64().unwrap();
        assert!(number(&exact["iou"]) >= number(&beam["iou"]), "{exact} {beam}");
        assert_eq!(beam["optimal"], serde_json::Value::Null, "a beam proves nothing");
        assert_eq!(exact["ceiling"], beam["ceiling"]);
        if exact["status"] == "explained" {
            assert!(number(&exact["ceiling"]) >= number(&exact["iou"]), "{exact}");
            assert_eq!(exact["optimal"]["certified"], true, "{exact}");
            assert_eq!(exact["optimal"]["upper_bound"], exact["iou"], "{exact}");
            assert!(exact["by_length"].as_array().unwrap().iter().all(|l| l["certified"] == true), "{exact}");
        }
    }
    let ceilings = fs::read_to_string(dir.join("exact/ceilings.csv")).unwrap();
    assert!(ceilings.starts_with("unit,vocabulary,ceiling,cells,singleton_cells,informative\n0,all,"), "{ceilings}");
    let shown = ok(&dir, "show exact --unit 0");
    assert!(shown.contains("no formula of up to 3 concepts has a higher IoU"), "{shown}");
    assert!(shown.contains("ceiling"), "{shown}");
    assert!(
        shown.contains("  length     IoU     MCC  optimum  formula\n       1  0.6667  0.7071   proven  water\n"),
        "{shown}"
    );
    let table = ok(&dir, "show exact --sort unit");
    let first = "unit     IoU     MCC  lift  optimum   fires  formula\n   0  1.0000  1.0000  3.00   proven  33.33%  ";
    assert!(table.starts_with(first), "{table}");
    assert!(table.contains("\n   1  0.0000       -     -        -   0.00%  - silent\n"), "{table}");
    assert!(!ok(&dir, "show beam").contains("optimum"), "a beam proves nothing");
    let summary = json(&dir.join("exact/summary.json"))["optimal"].clone();
    assert_eq!(summary, serde_json::json!({ "units": 2, "certified": 2, "median_gap": null }));
    assert_eq!(json(&dir.join("beam/summary.json")).get("optimal"), None);
    ok(&dir, "explain --probe probe --masks masks.npy --mode exact --grammar full --out full");
    for (full, chains) in units("full").iter().zip(&units("exact")) {
        assert!(full["iou"].as_f64() >= chains["iou"].as_f64(), "{full} {chains}");
    }
}
