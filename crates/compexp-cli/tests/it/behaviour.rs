//! What units do to classes: contributions, and accuracy without units.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use compexp_files::write_npy;
use compexp_run::write_head;
use compexp_trust::behaviour::Head;
use ndarray::Array2;

use crate::nli::{TRAIN, tables};
use crate::{fails, json, ok, run, scene, scenes, vision};

const PROBE: &str = "nli probe --pairs dev.tsv --tokenized --features words,overlap --checkpoint model/model.safetensors \
                     --min-activations 3 --length 2 --beam 3";

const CONTRIBUTIONS: &str = "unit,target,weight,correlation,overlap,weight_role,correlation_role,overlap_role";

/// The rows of a table without quotes, after its header, which must be this.
fn rows(path: &Path, header: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some(header));
    lines.map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

fn number(field: &str) -> f64 {
    field.parse().unwrap_or_else(|e| panic!("`{field}`: {e}"))
}

#[test]
fn a_classifiers_units_are_taken_away() {
    let temp = tables();
    let dir = temp.path();
    ok(dir, &format!("{TRAIN} --epochs 6 --out model"));
    ok(dir, &format!("{PROBE} --out run"));

    // The weights are those of the last layer that the run keeps.
    let contributions = rows(&dir.join("run/contributions.csv"), CONTRIBUTIONS);
    assert_eq!(contributions.len(), 30);
    let head = compexp_run::read_head(&dir.join("run")).unwrap().unwrap();
    for (i, row) in contributions.iter().enumerate() {
        assert_eq!(row[0], (i / 3).to_string());
        assert_eq!(row[1], ["entailment", "neutral", "contradiction"][i % 3]);
        assert_eq!(number(&row[2]) as f32, head.weights[[i % 3, i / 3]]);
    }
    let greatest = contributions.iter().max_by(|a, b| number(&a[2]).total_cmp(&number(&b[2]))).unwrap();
    assert_eq!(greatest[5], "contributor");
    crate::as_earlier(&dir.join("run"));
    fs::remove_file(dir.join("run/contributions.csv")).unwrap();
    ok(dir, &format!("{PROBE} --out run"));
    assert!(dir.join("run/contributions.csv").is_file(), "a run that is up to date gets what it lacks");

    let out = ok(dir, "nli ablate run --every 1 --seeds 4");
    assert!(out.contains("with all 10 units") && out.contains("units whose ablation hurts"), "{out}");
    let curves =
        rows(&dir.join("run/ablation/ablation.csv"), "order,seed,fill,removed,accuracy,concerned,concerned_before");
    assert_eq!(curves.len(), 2 * (2 + 4) * 11, "two fills, two orders and four seeds");
    let accuracy = json(&dir.join("run/summary.json"))["accuracy"].clone();
    let share = accuracy["correct"].as_f64().unwrap() / accuracy["known"].as_f64().unwrap();
    let mut last = BTreeMap::new();
    for row in &curves {
        match row[3].as_str() {
            "0" => assert_eq!(number(&row[4]), share, "the last layer decides as the classifier did"),
            "10" => last.entry(row[2].clone()).or_insert_with(Vec::new).push(row[4].clone()),
            _ => {}
        }
    }
    for (fill, last) in last {
        assert!(last.len() == 6 && last.iter().all(|a| *a == last[0]), "without any unit no order matters: {fill}");
    }
    let effects = rows(
        &dir.join("run/ablation/effects.csv"),
        "unit,formula,iou,supports,supported_examples,greatest_weight,accuracy_change,supported_change,others_change,fill",
    );
    assert_eq!(effects.len(), 20);
    // The first unit of the order by IoU, alone, is the second step of that curve.
    let first = |order: &str, at: &str| {
        let row = curves.iter().find(|r| r[0] == order && r[2] == "zero" && r[3] == at).unwrap();
        number(&row[4])
    };
    let best = effects.iter().filter(|row| row[9] == "zero" && !row[2].is_empty()).fold(
        None,
        |best: Option<&Vec<String>>, row| match best {
            Some(b) if number(&b[2]) >= number(&row[2]) => best,
            _ => Some(row),
        },
    );
    assert!((first("iou", "1") - share - number(&best.unwrap()[6])).abs() < 1e-12);
    let summary = json(&dir.join("run/ablation/ablation.json"));
    assert_eq!((&summary["version"], &summary["accuracy"]), (&1.into(), &share.into()));
    assert_eq!(summary["support"].as_array().unwrap().len(), 6, "three measures, two fills");
    for figure in ["ablation_zero", "ablation_mean", "ablation_effects"] {
        assert!(fs::read_to_string(dir.join(format!("run/ablation/{figure}.svg"))).unwrap().starts_with("<svg"));
    }
    let bands = fs::read(dir.join("run/ablation/bands.csv")).unwrap();
    ok(dir, "nli ablate run --every 1 --seeds 4 --threads 1 --json");
    assert!(fs::read(dir.join("run/ablation/bands.csv")).unwrap() == bands, "threads and time make no difference");

    // Runs that cannot be ablated say what they lack, and which command makes it.
    ok(dir, &format!("{PROBE} --layer encodings --out encodings"));
    assert!(!dir.join("encodings/contributions.csv").exists());
    let e = fails(dir, 1, "nli ablate encodings");
    assert!(e.contains("found no head.json") && e.contains("this run is of the encodings"), "{e}");
    assert!(e.contains("`compexp nli probe --layer features`"), "{e}");

    let held_out = run(dir, &format!("{PROBE} --holdout 0.3 --out part"));
    assert!(held_out.code == 0 && held_out.err.contains("contributions: not measured"), "{}", held_out.err);
    let e = fails(dir, 1, "nli ablate part");
    assert!(e.contains("are held out") && e.contains("without --holdout"), "{e}");

    let classes = ["entailment", "neutral", "contradiction"].map(String::from).to_vec();
    let head = fs::read(dir.join("run/head.npy")).unwrap();
    write_head(&dir.join("run"), &Head::new(classes, Array2::zeros((3, 9)), vec![0.0; 3]).unwrap()).unwrap();
    let e = fails(dir, 1, "nli ablate run");
    assert!(e.contains("found 9, expected 10, as activations.npy has") && e.contains("--force"), "{e}");
    fs::write(dir.join("run/head.npy"), head).unwrap();

    let predictions = fs::read(dir.join("run/predictions.csv")).unwrap();
    fs::remove_file(dir.join("run/predictions.csv")).unwrap();
    let e = fails(dir, 1, "nli ablate run");
    assert!(e.contains("found no predictions.csv") && e.contains("`compexp vision probe --classes FILE`"), "{e}");
    fs::write(dir.join("run/predictions.csv"), predictions).unwrap();

    write_npy(&dir.join("run/activations.npy"), &[59, 10], &[0.0_f32; 590]).unwrap();
    let e = fails(dir, 1, "nli ablate run");
    assert!(e.contains("found 59, expected 60, as the run has"), "{e}");
    fs::remove_file(dir.join("run/activations.npy")).unwrap();
    let e = fails(dir, 1, "nli ablate run");
    assert!(e.contains("found no activations.npy") && e.contains("--force"), "{e}");
}

#[test]
fn activations_of_another_model_have_no_last_layer() {
    let (_temp, dir) = scene();
    ok(&dir, "explain --probe probe --activations acts.npy --positive --out run");
    for command in ["vision ablate", "nli ablate", "vision contributions"] {
        let e = fails(&dir, 1, &format!("{command} run"));
        assert!(e.contains("found no head.json") && e.contains("activations of another model"), "{e}");
    }
    let e = fails(&dir, 2, "vision contributions run --below run");
    assert!(e.contains("--checkpoint"), "{e}");
    let e = fails(&dir, 1, "vision contributions run --below run --checkpoint acts.npy");
    assert!(e.contains("found a run of another network than `acts.npy`"), "{e}");
    fails(&dir, 1, "vision ablate probe");
}

#[test]
fn a_class_is_drawn_down_the_layers() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    scenes::paint(dir);
    ok(dir, &format!("{} --out net", scenes::TRAIN));
    const NETWORK: &str = "--checkpoint net/model.safetensors";
    let probe = format!("vision probe --broden probe {NETWORK} --classes probe/classes.txt --length 2 --beam 3");
    for (layer, out) in [("layer1", "run1"), ("layer2 --contributions", "run2")] {
        ok(dir, &format!("{probe} --layer {layer} --out {out}"));
    }
    ok(dir, &format!("vision contributions run2 --below run1 {NETWORK}"));
    let path = dir.join("run2/contributions-below.csv");
    let found = rows(&path, CONTRIBUTIONS);
    assert_eq!(found.len(), 8 * 16);
    let strongest = |unit: &str| {
        let of = found.iter().filter(|row| row[1] == unit && !row[3].is_empty());
        of.max_by(|a, b| number(&a[3]).total_cmp(&number(&b[3]))).unwrap()
    };

    // With the run below, its formulas and the way to its units; without it, their numbers.
    let page = |report: &str, page: &str| fs::read_to_string(dir.join(report).join(page)).unwrap();
    ok(dir, "report run2 run1 --out both");
    let class = page("both", "run-1/classes/0.html");
    let unit = class.split("units/").nth(1).unwrap().split(".html").next().unwrap();
    let first = &strongest(unit)[0];
    let link = format!("href=\"../../run-2/units/{first}.html\"");
    assert!(class.contains("class=\"tree\"") && class.contains(&link) && !class.contains("Give the run"), "{class}");
    assert!(dir.join(format!("both/run-2/units/{first}.html")).is_file());
    let own = page("both", &format!("run-1/units/{unit}.html"));
    assert!(own.contains("Units of <code>layer1</code>") && own.contains(&link), "{own}");
    assert!(!page("both", &format!("run-2/units/{first}.html")).contains("Units of <code>"), "nothing is below it");
    ok(dir, "report run2");
    let alone = page("run2/report", "classes/0.html");
    assert!(alone.contains("Give the run of <code>layer1</code>") && !alone.contains("run-2/"), "{alone}");
    assert!(alone.contains(&format!("unit {first}</span>")), "{alone}");

    // What is broken says so, and what makes it anew.
    for run in ["run1", "run2"] {
        crate::as_earlier(&dir.join(run));
    }
    let good = fs::read_to_string(&path).unwrap();
    for (keep, expected) in [
        (good.len() - 2, "contributions-below.csv`: line"),
        (good.rfind("\n7,").unwrap() + 1, "rows: found 127, expected 128: 8 units of `layer1` by 16 of the run"),
    ] {
        fs::write(&path, &good[..keep]).unwrap();
        let e = fails(dir, 1, "report run2");
        assert!(e.contains(expected), "{e}");
    }
    fs::write(&path, good).unwrap();
    let json = dir.join("run2/contributions-below.json");
    let kept = fs::read(&json).unwrap();
    fs::remove_file(&json).unwrap();
    let e = fails(dir, 1, "report run2");
    assert!(e.contains("found no contributions-below.json") && e.contains("`compexp vision contributions RUN"), "{e}");
    fs::write(&json, kept).unwrap();

    // Layers that do not follow one another.
    for (run, below, expected) in [
        ("run1", "run2", "layer of `run2`: found `layer2`, expected `relu`, which `layer1` of `run1` reads"),
        ("run2", "run2", "layer of `run2`: found `layer2`, expected `layer1.0` or `layer1`"),
    ] {
        let e = fails(dir, 1, &format!("vision contributions {run} --below {below} {NETWORK}"));
        assert!(e.contains(expected) && e.contains("`compexp vision probe --layer"), "{e}");
    }

    // A class without images has a page, and no part in what is measured.
    let predictions = dir.join("run2/predictions.csv");
    let text = fs::read_to_string(&predictions).unwrap();
    let name = text.lines().nth(1).unwrap().split(',').nth(1).unwrap().to_owned();
    let without: String = text
        .lines()
        .map(|line| match line.split(',').nth(1) == Some(&name) {
            true => format!("{},,{},\n", line.split(',').next().unwrap(), line.split(',').nth(2).unwrap()),
            false => format!("{line}\n"),
        })
        .collect();
    fs::write(&predictions, without).unwrap();
    let out = ok(dir, "vision ablate run2 --seeds 2");
    assert!(out.contains("on 22 examples"), "{out}");
    ok(dir, "report run2");
    let classes = fs::read_to_string(dir.join("run2/head.json")).unwrap();
    let classes: serde_json::Value = serde_json::from_str(&classes).unwrap();
    let at = classes["classes"].as_array().unwrap().iter().position(|c| *c == name.as_str()).unwrap();
    let files =
        ["ablation/bands.csv", "ablation/effects.csv", "ablation/ablation_effects.svg"].map(|f| page("run2", f));
    let pages = [format!("classes/{at}.html"), "behaviour.html".into()].map(|f| page("run2/report", &f));
    for text in files.iter().chain(&pages) {
        assert!(!text.contains("NaN") && !text.contains(">inf"), "{text}");
    }
    fs::write(&predictions, text).unwrap();

    // Some examples are held out, and activations that are no numbers.
    let done = run(dir, &format!("{probe} --layer layer2 --contributions --holdout 0.3 --out part"));
    assert!(done.code == 0 && done.err.contains("contributions: not measured"), "{}", done.err);
    for command in ["contributions part", &format!("contributions part --below run1 {NETWORK}"), "ablate part"] {
        let e = fails(dir, 1, &format!("vision {command}"));
        assert!(e.contains("are held out") && e.contains("without --holdout"), "{e}");
    }
    ok(dir, "report part");
    let path = dir.join("run1/activations.npy");
    let mut bytes = fs::read(&path).unwrap();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    let e = fails(dir, 1, &format!("vision contributions run2 --below run1 {NETWORK}"));
    assert!(e.contains("`run1/activations.npy`: activation of unit 7 on example 23 is NaN"), "{e}");
    assert!(e.contains("--force"), "{e}");
}

#[test]
fn contributions_reach_from_layer_to_layer() {
    let Some(data) = vision::data() else { return };
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let short = |layer: &str, out: &str| {
        vision::args(&data, out).replace("layer4", layer).replace("--length 3 --beam 5", "--length 1 --beam 1")
    };
    let e = fails(dir, 2, &format!("{} --contributions", short("layer3", "run3")));
    assert!(e.contains("does not read `layer3`") && e.contains("`layer4`"), "{e}");
    ok(dir, &format!("{} --contributions", short("layer4", "run4")));
    assert_eq!(rows(&dir.join("run4/contributions.csv"), CONTRIBUTIONS).len(), 512 * 100);
    ok(dir, &short("layer3", "run3"));
    let e = fails(dir, 1, "vision ablate run3");
    assert!(e.contains("this run is of `layer3`") && e.contains("`compexp vision probe --layer layer4`"), "{e}");

    let checkpoint = data[1].display();
    let below =
        |run: &str, below: &str| format!("vision contributions {run} --below {below} --checkpoint {checkpoint}");
    ok(dir, &below("run4", "run3"));
    let found = rows(&dir.join("run4/contributions-below.csv"), CONTRIBUTIONS);
    assert_eq!(found.len(), 256 * 512);
    let contributors = found.iter().filter(|row| row[6] == "contributor").count();
    assert!(contributors > 1000, "about one in a hundred pairs: {contributors}");
    let e = fails(dir, 1, &below("run3", "run4"));
    assert!(e.contains("found `layer4`, expected `layer2.1` or `layer2`, which `layer3` of `run3` reads"), "{e}");
}
