//! `show`, `analyze` and `eval`.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::{fails, ok, scene};

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn show_lists_units_best_first_or_by_number() {
    let (_temp, dir) = scene();
    ok(&dir, "explain --probe probe --activations acts.npy --positive --length 1 --out run");
    // Alone, water has 8 of 12 hits on unit 0, and sky 3 of 6 on unit 2.
    let expected = "\
unit     IoU     MCC  lift   fires  formula
   0  0.6667  0.7071  2.00  33.33%  water
   2  0.5000  0.6547  4.00  12.50%  sky
   1  0.0000       -     -   0.00%  - silent
";
    assert_eq!(ok(&dir, "show run"), expected);
    let by_number = ok(&dir, "show run --sort unit --limit 2");
    let units: Vec<_> = by_number.lines().skip(1).map(|line| line.trim().split(' ').next().unwrap()).collect();
    assert_eq!(units, ["0", "1"]);
    let json = value(&ok(&dir, "show run --json --limit 1"));
    assert_eq!((&json["units"][0]["formula"], json["units"].as_array().unwrap().len()), (&"water".into(), 1));
    assert_eq!(json["universe"]["positions"], 4);
    let by_lift = ok(&dir, "show run --sort lift --limit 1");
    assert!(by_lift.ends_with("   2  0.5000  0.6547  4.00  12.50%  sky\n"), "{by_lift}");
    let e = fails(&dir, 2, "show run --unit 7");
    assert!(e.contains("--unit: found 7, expected a unit of the run: 0-2"), "{e}");
}

#[test]
fn names_of_concepts_are_compared_by_word_vectors() {
    let (_temp, dir) = scene();
    fs::write(dir.join("vectors.txt"), "water 3 4\nnight 5 0\n").unwrap();
    let explain = "explain --probe probe --activations acts.npy --positive --length 2";
    ok(&dir, &format!("{explain} --out plain"));
    ok(&dir, &format!("{explain} --vectors vectors.txt --out run"));
    let similarity = |run: &str| -> Vec<String> {
        let table = fs::read_to_string(dir.join(run).join("relations.csv")).unwrap();
        let of_two = |line: &&str| line.contains("water,") && line.contains("night,");
        table.lines().filter(of_two).map(|line| line.rsplit(',').next().unwrap().to_owned()).collect()
    };
    let found: Vec<f64> = similarity("run").iter().map(|v| v.parse().unwrap()).collect();
    assert!(found.len() == 1 && (found[0] - 0.6).abs() < 1e-6, "{found:?}");
    assert_eq!(similarity("plain"), [""]);
    let config = |run: &str| value(&fs::read_to_string(dir.join(run).join("config.json")).unwrap());
    assert_eq!(config("run")["config"]["inputs"]["name_vectors"].as_str().unwrap().len(), 64);
    assert_eq!(config("plain")["config"]["inputs"]["name_vectors"], Value::Null);
    assert!(config("run")["paths"]["vectors"].as_str().unwrap().ends_with("vectors.txt"));
    let formulas = |run: &str| fs::read_to_string(dir.join(run).join("explanations.csv")).unwrap();
    assert_eq!(formulas("run"), formulas("plain"));
    // Nothing of the probe set is another.
    ok(&dir, "diff plain run");
    fs::write(dir.join("vectors.txt"), "water 3 4\nnight 5 1\n").unwrap();
    let e = fails(&dir, 1, &format!("{explain} --vectors vectors.txt --out run"));
    assert!(e.contains("name_vectors"), "{e}");
}

#[test]
fn kinds_are_compared_with_labels_of_people() {
    let (_temp, dir) = scene();
    ok(&dir, "explain --probe probe --activations acts.npy --positive --length 2 --out run");
    assert_eq!(value(&ok(&dir, "analyze run --json"))["agreement"], Value::Null);
    fs::write(dir.join("mine.csv"), "unit,label\n0,specialised\n2,single\n").unwrap();
    let text = ok(&dir, "analyze run --labels mine.csv");
    assert!(
        text.contains("Cohen's kappa of 2 labels and the kinds found: 0.000 (50.0% alike, 50.0% by chance)"),
        "{text}"
    );
    let found = value(&ok(&dir, "analyze run --labels mine.csv --json"))["agreement"].clone();
    assert_eq!((&found["n"], &found["observed"], &found["kappa"]), (&2.into(), &0.5.into(), &0.0.into()));
    fs::write(dir.join("mine.csv"), "unit,label\n1,single\n").unwrap();
    let e = fails(&dir, 1, "analyze run --labels mine.csv");
    assert!(e.contains("mine.csv`: unit 1: found no formula in the run"), "{e}");
}

#[test]
fn the_readme_shows_what_its_commands_print() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let (_, block) = readme.split_once("$ compexp show runs/example\n").unwrap();
    let (table, _) = block.split_once("```").unwrap();
    let temp = tempfile::tempdir().unwrap();
    let run = temp.path().join("run");
    let run = run.display();
    let explain = "explain --probe data/example --activations data/example/activations.npy --quantile 0.1";
    assert!(readme.contains(&format!("$ compexp {explain} --out runs/example\n")));
    ok(root, &format!("{explain} --out {run}"));
    assert_eq!(ok(root, &format!("show {run}")), table);
}

#[test]
fn the_readme_shows_a_unit_of_sentence_pairs_as_its_command_prints_it() {
    let Some(data) = compexp_tests::data("snli/bowman.pth") else { return };
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).unwrap();
    let (_, block) = readme.split_once("$ compexp nli probe ").unwrap();
    let (command, table) = block.split_once("\n$ compexp show runs/pairs\n").unwrap();
    let (table, _) = table.split_once("```").unwrap();
    let temp = tempfile::tempdir().unwrap();
    let run = temp.path().join("run");
    let command = command.replace("\\\n", "").replace("runs/pairs", run.to_str().unwrap());
    // The files of the README are those of the data folder.
    let folder = data.parent().unwrap();
    ok(folder, &format!("nli probe {command}"));
    assert_eq!(ok(folder, &format!("show {}", run.display())), table);
}

#[test]
fn show_tells_everything_about_a_unit() {
    let (_temp, dir) = scene();
    ok(&dir, "explain --probe probe --activations acts.npy --positive --length 2 --keep-beams --out run");
    let text = ok(&dir, "show run --unit 0");
    for part in [
        "unit 0: (water AND (NOT night))",
        "IoU           1.0000  8 of 8 positions",
        "firing rate   0.3333",
        "MCC           1.0000",
        "lift          3.00 ",
        "precision     1.0000",
        "unit area     8 positions, 33.333% of all",
        "fires above   0",
        "       1  0.6667  0.7071  water",
        "       2  1.0000  1.0000  (water AND (NOT night))",
        "beam of step 1, 2 of 2",
        "examples on which the unit fires most",
        "    2.000     2        2     2  0",
        "near misses, all of the formula but one literal: the unit fires on 0 of 2\n  maximum  example\n    0.000  4\n",
    ] {
        assert!(text.contains(part), "{part:?} in\n{text}");
    }
    let json = value(&ok(&dir, "show run --unit 0 --json"));
    assert_eq!(json["unit"]["by_length"][1]["iou"], 1.0);
    assert_eq!(
        (&json["exemplars"][0]["name"], &json["exemplars"][0]["exemplar"]["areas"][2]),
        (&"0".into(), &2.into())
    );
}

#[test]
fn eval_measures_any_formula() {
    let (_temp, dir) = scene();
    let run = |args: &str| value(&ok_args(&dir, "sky AND NOT water", &format!("{args} --json")));
    let area = run("--probe probe");
    assert_eq!((&area["formula"], &area["formula_area"]), (&"(sky AND (NOT water))".into(), &3.into()));
    assert_eq!(
        (&area["length"], &area["units"], &area["universe"]["cells"]),
        (&2.into(), &Value::Array(vec![]), &6.into())
    );
    let all = run("--probe probe --activations acts.npy --positive");
    let units: Vec<_> = all["units"].as_array().unwrap().iter().map(|u| u["unit"].as_u64().unwrap()).collect();
    assert_eq!(units, [2, 0, 1]);
    assert_eq!((&all["units"][0]["iou"], &all["units"][0]["intersection"]), (&1.0.into(), &3.into()));
    let masks = run("--probe probe --masks masks.npy --unit 2");
    assert_eq!((&masks["units"][0], masks["units"].as_array().unwrap().len()), (&all["units"][0], 1));

    ok(&dir, "explain --probe probe --activations acts.npy --positive --units 1-2 --out run");
    let of_run = run("--run run");
    let units: Vec<_> = of_run["units"].as_array().unwrap().iter().map(|u| u["unit"].as_u64().unwrap()).collect();
    assert_eq!((units, &of_run["units"][0]), (vec![2, 1], &all["units"][0]));
    let text = ok_args(&dir, "water", "--run run --limit 1");
    assert!(text.starts_with("water: 12 positions, 50.000% of all\n") && text.lines().count() == 3, "{text}");
}

#[test]
fn eval_refuses_inputs_that_changed_since_the_run() {
    let (_temp, dir) = scene();
    ok(&dir, "explain --probe probe --activations acts.npy --positive --out run");
    let name = dir.join("probe/layers.npy");
    let mut layers = fs::read(&name).unwrap();
    *layers.last_mut().unwrap() = 3;
    fs::write(&name, layers).unwrap();
    let e = fails(&dir, 1, "eval water --run run");
    assert!(e.contains("hash of the annotations: found") && e.contains("hint: they have changed since"), "{e}");
}

/// `compexp eval FORMULA args`, with blanks in the formula.
fn ok_args(dir: &Path, formula: &str, args: &str) -> String {
    let done = crate::finished(crate::compexp(dir, &format!("eval {args}")).arg(formula).output().unwrap());
    assert_eq!(done.code, 0, "{formula} {args}: {}", done.err);
    done.out
}

#[test]
fn a_run_is_analyzed_without_its_inputs() {
    let (_temp, dir) = scene();
    ok(&dir, "explain --probe probe --activations acts.npy --positive --length 2 --out run");
    fs::remove_dir_all(dir.join("probe")).unwrap();
    fs::remove_file(dir.join("acts.npy")).unwrap();
    let text = ok(&dir, "analyze run --out figures");
    assert!(text.lines().any(|l| l.starts_with("units searched ") && l.ends_with(" 3")), "{text}");
    let value = value(&ok(&dir, "analyze run --json"));
    assert_eq!(value["version"], 1);
    let quantity = |id: &str| {
        let all = value["quantities"].as_array().unwrap();
        all.iter().find(|q| q["id"] == id).unwrap_or_else(|| panic!("{id}: {value}"))["value"].clone()
    };
    for (id, expected) in [("examples", 6.0), ("explained", 2.0), ("mean_iou_length_2", 1.0), ("kind_specialised", 1.0)]
    {
        assert_eq!(quantity(id), expected, "{id}");
    }
    let csv = fs::read_to_string(dir.join("figures/iou_by_length.csv")).unwrap();
    assert!(csv.lines().last().unwrap().starts_with("2,2,1.0,1.0,"), "{csv}");
    assert!(fs::read_to_string(dir.join("figures/iou_by_length.svg")).unwrap().starts_with("<svg "));
    assert!(!dir.join("figures/accuracy_by_iou.svg").exists(), "the run has no predictions");

    fails(&dir, 2, "analyze run --out -");
    fs::remove_file(dir.join("run/activity.npy")).unwrap();
    assert!(fails(&dir, 1, "analyze run").contains("activity.npy"));
}
