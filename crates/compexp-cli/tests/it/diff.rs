//! Comparisons of runs and baselines: what is printed and written, and the exit codes.

use std::fs;
use std::path::{Path, PathBuf};

use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::Value;

use crate::{compexp, fails, finished, json, ok, run, scene};

const EXPLAIN: &str = "explain --probe probe --activations acts.npy --positive --out run";

/// Changes the file of explanations of `run` into `name`.
fn altered(dir: &Path, name: &str, change: impl FnOnce(&mut Value)) -> PathBuf {
    let mut value = json(&dir.join("run/explanations.json"));
    change(&mut value);
    let path = dir.join(name);
    fs::write(&path, value.to_string()).unwrap();
    path
}

/// The test cases of a JUnit file: name, message of the failure, text of the failure.
fn cases(path: &Path) -> Vec<(String, Option<String>, String)> {
    let text = fs::read_to_string(path).unwrap();
    let mut reader = Reader::from_str(&text);
    let mut cases: Vec<(String, Option<String>, String)> = Vec::new();
    let (mut counted, mut inside) = (Vec::new(), false);
    loop {
        let attribute = |e: &quick_xml::events::BytesStart<'_>, key: &str| {
            let found = e.attributes().map(|a| a.unwrap()).find(|a| a.key.as_ref() == key)?;
            Some(quick_xml::escape::unescape(&found.value).unwrap().into_owned())
        };
        match reader.read_event().unwrap() {
            Event::Start(e) => match e.name().as_ref() {
                "testsuites" | "testsuite" => {
                    counted.push([attribute(&e, "tests"), attribute(&e, "failures")].map(|n| n.unwrap()));
                }
                "testcase" => cases.push((attribute(&e, "name").unwrap(), None, String::new())),
                "failure" => {
                    cases.last_mut().unwrap().1 = attribute(&e, "message");
                    inside = true;
                }
                _ => {}
            },
            Event::End(e) if e.name().as_ref() == "failure" => inside = false,
            Event::Text(text) if inside => {
                cases.last_mut().unwrap().2 += &text;
            }
            Event::GeneralRef(name) if inside => {
                let entity = format!("&{};", &*name);
                cases.last_mut().unwrap().2 += &quick_xml::escape::unescape(&entity).unwrap();
            }
            Event::Eof => break,
            _ => {}
        }
    }
    let failures = cases.iter().filter(|c| c.1.is_some()).count();
    assert_eq!(counted, vec![[cases.len().to_string(), failures.to_string()]; 2]);
    cases
}

#[test]
fn the_committed_baseline_is_what_the_example_gives() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let temp = tempfile::tempdir().unwrap();
    let out = temp.path().join("run").display().to_string();
    let example = "explain --probe data/example --activations data/example/activations.npy --quantile 0.1 --out";
    ok(&root, &format!("{example} {out}"));
    let printed = ok(&root, &format!("diff data/example/baseline.json {out} --iou-tolerance 0"));
    assert!(printed.ends_with("same 6: no drift\n"), "{printed}");
    assert!(!printed.contains("differ"), "{printed}");
}

#[test]
fn a_run_is_the_same_as_itself_its_file_and_its_baseline() {
    let (_temp, dir) = scene();
    ok(&dir, EXPLAIN);
    assert!(ok(&dir, "diff base.json run --update").contains("wrote `base.json`"));
    assert!(
        fs::metadata(dir.join("base.json")).unwrap().len()
            < fs::metadata(dir.join("run/explanations.json")).unwrap().len()
    );
    for base in ["run", "run/explanations.json", "base.json"] {
        for after in ["run", "run/explanations.json", "base.json"] {
            let out = ok(&dir, &format!("diff {base} {after} --iou-tolerance 0 --accuracy-tolerance 0"));
            assert!(out.ends_with("same 3: no drift\n"), "{base} and {after}: {out}");
        }
    }
}

#[test]
fn drift_exits_with_3_and_is_told_everywhere() {
    let (_temp, dir) = scene();
    ok(&dir, EXPLAIN);
    altered(&dir, "base.json", |v| {
        v["units"][0]["formula"] = "(\"a<&>'\\\"\" AND (NOT \"\\u{1b}\u{ffff}]]>\"))".into();
        v["units"][0]["iou"] = 0.25.into();
        v["units"][2]["formula"] = "(NOT ((NOT sky) OR water))".into();
    });
    let done = run(&dir, "diff base.json run --json d.json --junit d.xml");
    assert_eq!(done.code, 3, "{}{}", done.out, done.err);
    assert!(done.err.starts_with("drift: 1 formula changed\nhint: "), "{}", done.err);
    assert!(done.out.contains("0  formula changed  base  0.2500  (\"a<&>'\\\"\""), "{}", done.out);
    assert!(done.out.contains("run  1.0000  (water AND (NOT night))"), "{}", done.out);
    assert!(done.out.ends_with("same 1, equivalent 1, formula changed 1: drift\n"), "{}", done.out);
    let value = json(&dir.join("d.json"));
    assert_eq!((&value["version"], &value["drift"]), (&1.into(), &true.into()));
    assert_eq!((&value["units"][2]["verdict"], &value["units"][2]["drift"]), (&"equivalent".into(), &false.into()));
    let printed = run(&dir, "diff base.json run --json -");
    assert_eq!((serde_json::from_str::<Value>(&printed.out).unwrap(), printed.code), (value, 3));

    let cases = cases(&dir.join("d.xml"));
    let names: Vec<&str> = cases.iter().map(|c| &*c.0).collect();
    assert_eq!(names, ["probe set", "unit 0", "unit 1", "unit 2"]);
    assert_eq!(cases.iter().filter_map(|c| c.1.as_deref()).collect::<Vec<_>>(), ["formula changed"]);
    let expected =
        "base: IoU 0.2500 (\"a<&>'\\\"\" AND (NOT \"\\u{1b}\\u{ffff}]]>\"))\nrun: IoU 1.0000 (water AND (NOT night))";
    assert_eq!(cases[1].2, expected);
}

#[test]
fn tolerances_decide_what_is_drift() {
    let (_temp, dir) = scene();
    ok(&dir, EXPLAIN);
    altered(&dir, "near.json", |v| v["units"][0]["iou"] = 0.995.into());
    altered(&dir, "tie.json", |v| v["units"][0]["formula"] = "(water AND (NOT sky))".into());
    for (args, code) in [
        ("near.json run", 3),
        ("near.json run --iou-tolerance 0.01", 0),
        ("near.json run --allow 100%", 3),
        ("tie.json run", 3),
        ("tie.json run --allow 1", 0),
        ("tie.json run --allow 33%", 3),
        ("tie.json run --allow 34%", 0),
    ] {
        let done = run(&dir, &format!("diff {args}"));
        assert_eq!(done.code, code, "{args}: {}{}", done.out, done.err);
    }
    let out = ok(&dir, "diff tie.json run --allow 1 --junit tie.xml");
    assert!(out.contains("0  changed within tolerance  base  1.0000  (water AND (NOT sky))"), "{out}");
    assert!(out.ends_with("same 2, changed within tolerance 1 (1 allowed): no drift\n"), "{out}");
    assert!(cases(&dir.join("tie.xml")).iter().all(|c| c.1.is_none()));
}

#[test]
fn accuracies_of_summaries_and_baselines_are_compared() {
    let (_temp, dir) = scene();
    ok(&dir, EXPLAIN);
    crate::as_earlier(&dir.join("run"));
    let predictions = |correct: usize| {
        let mut summary = json(&dir.join("run/summary.json"));
        summary["accuracy"] = serde_json::json!({ "known": 100, "correct": correct });
        fs::write(dir.join("run/summary.json"), summary.to_string()).unwrap();
    };
    predictions(60);
    ok(&dir, "diff base.json run --update");
    predictions(62);
    let done = run(&dir, "diff base.json run --junit a.xml");
    assert_eq!((done.code, done.err.contains("drift: the accuracy moved")), (3, true), "{}", done.err);
    assert!(done.out.contains("60.00%") && done.out.contains("62.00%"), "{}", done.out);
    assert_eq!(cases(&dir.join("a.xml"))[1].1.as_deref(), Some("accuracy 60.00% in the base, 62.00% in the run"));
    ok(&dir, "diff base.json run --accuracy-tolerance 0.03");
    assert_eq!(run(&dir, "diff base.json run/explanations.json").code, 3, "the file alone has no accuracy");
}

#[test]
fn other_probe_sets_are_said_to_be_other_ones() {
    let (_temp, dir) = scene();
    ok(&dir, EXPLAIN);
    altered(&dir, "base.json", |v| {
        v["config"]["inputs"]["annotations"]["hash"] = "0123456789abcdef0123456789abcdef".into();
        v["config"]["compexp"] = "0.0.9".into();
    });
    let done = run(&dir, "diff base.json run --junit p.xml");
    assert_eq!(done.code, 3);
    assert!(
        done.out.contains("the probe sets differ: what was measured on one says nothing about the other"),
        "{}",
        done.out
    );
    assert!(done.out.contains("inputs.annotations.hash: \"01234567"), "{}", done.out);
    assert!(
        done.out.contains("other settings and inputs that differ\n  compexp: \"0.0.9\" in the base, "),
        "{}",
        done.out
    );
    assert!(done.err.contains("hint: compare with a run over the same probe set"), "{}", done.err);
    let case = &cases(&dir.join("p.xml"))[0];
    assert_eq!((&*case.0, case.1.as_deref()), ("probe set", Some("the probe sets differ")));
}

#[test]
fn units_that_differ_are_gained_and_lost_and_long_tables_are_cut() {
    let (_temp, dir) = scene();
    ok(&dir, EXPLAIN);
    ok(&dir, "explain --probe probe --activations acts.npy --positive --units 1-2 --out some");
    let done = run(&dir, "diff run some");
    assert_eq!((done.code, done.err.lines().next()), (3, Some("drift: 1 lost")));
    let done = run(&dir, "diff some run");
    assert_eq!((done.code, done.err.lines().next()), (3, Some("drift: 1 gained")));
    altered(&dir, "many.json", |v| {
        let units = (0..30).map(|i| {
            let mut unit = v["units"][0].clone();
            unit["unit"] = i.into();
            unit
        });
        v["units"] = units.collect();
    });
    let out = run(&dir, "diff many.json run").out;
    assert!(out.contains("\nand 9 more units\n"), "29 of 30 changed: {out}");
    assert!(!run(&dir, "diff many.json run --limit 30").out.contains("more units"));
}

#[test]
fn broken_files_exit_with_1_and_say_what_is_wrong() {
    let (_temp, dir) = scene();
    ok(&dir, EXPLAIN);
    let whole = fs::read_to_string(dir.join("run/explanations.json")).unwrap();
    fs::write(dir.join("cut.json"), &whole[..whole.len() / 2]).unwrap();
    fs::write(dir.join("bytes.json"), b"\xff\x00\x01").unwrap();
    fs::write(dir.join("nan.json"), whole.replace("\"iou\": 1.0", "\"iou\": NaN")).unwrap();
    fs::create_dir(dir.join("empty")).unwrap();
    altered(&dir, "old.json", |v| v["version"] = 0.into());
    altered(&dir, "null.json", |v| v["units"][0]["iou"] = Value::Null);
    altered(&dir, "two.json", |v| v["units"][1]["unit"] = 0.into());
    altered(&dir, "far.json", |v| v["units"][0]["iou"] = 1.5.into());
    altered(&dir, "formula.json", |v| v["units"][0]["formula"] = "water AND".into());
    altered(&dir, "deep.json", |v| v["units"][0]["formula"] = format!("water{}", " AND water".repeat(200_000)).into());
    for (name, message) in [
        ("none.json", "cannot open `none.json`"),
        ("empty", "no explanations.json"),
        ("cut.json", "`cut.json`: line"),
        ("bytes.json", "`bytes.json`: line 1"),
        ("nan.json", "`nan.json`: line"),
        ("old.json", "`old.json`: version: found 0, expected 1"),
        ("null.json", "invalid type: null, expected f64"),
        ("two.json", "records of unit 0 of the SIDE: found two or more, expected one"),
        ("far.json", "units[0].iou: found 1.5, expected a number from 0 to 1"),
        ("formula.json", "formula of unit 0 of the SIDE: found cannot read formula `water AND` at character 9"),
        ("deep.json", "at most 5000 words and parentheses"),
    ] {
        for (args, side) in [(format!("{name} run"), "base"), (format!("run {name}"), "run")] {
            let e = fails(&dir, 1, &format!("diff {args} --json out.json --junit out.xml"));
            assert!(e.contains(&message.replace("SIDE", side)) && e.contains(name), "{args}: {e}");
        }
        if name != "old.json" {
            fails(&dir, 1, &format!("diff new.json {name} --update"));
        }
    }
    for name in ["out.json", "out.xml", "new.json"] {
        assert!(!dir.join(name).exists(), "{name}");
    }
}

#[test]
fn updates_replace_baselines_and_nothing_else() {
    let (_temp, dir) = scene();
    ok(&dir, EXPLAIN);
    altered(&dir, "old.json", |v| v["version"] = 0.into());
    altered(&dir, "other.json", |v| v["units"][0]["formula"] = "water".into());
    let out = ok(&dir, "diff other.json run --update");
    assert!(out.contains("(water AND (NOT night))") && out.ends_with("wrote `other.json`\n"), "what changed: {out}");
    ok(&dir, "diff old.json run --update");
    for name in ["old.json", "other.json"] {
        ok(&dir, &format!("diff {name} run"));
    }
    fs::write(dir.join("notes.md"), "# Notes").unwrap();
    let e = fails(&dir, 1, "diff notes.md run --update");
    assert!(e.contains("expected a baseline, which may be replaced"), "{e}");
    assert_eq!(fs::read_to_string(dir.join("notes.md")).unwrap(), "# Notes");
    let e = fails(&dir, 2, "diff run run --update");
    assert!(e.contains("found the folder `run`, expected a file"), "{e}");
}

#[test]
fn wrong_arguments_of_diff_exit_with_2() {
    let (_temp, dir) = scene();
    for (args, message) in [
        ("run", "<RUN>"),
        ("a b --iou-tolerance x", "not a number"),
        ("a b --iou-tolerance nan", "expected a number from 0 to 1"),
        ("a b --iou-tolerance -0.1", "expected a number from 0 to 1"),
        ("a b --accuracy-tolerance 2", "expected a number from 0 to 1"),
        ("a b --allow -1", "unexpected argument"),
        ("a b --allow 0.5", "expected a number of units (`3`) or a share of them in percent (`1%`)"),
        ("a b --allow 101%", "expected a number of units"),
        ("a b --allow nan%", "expected a number of units"),
        ("a b --junit -", "--junit -: found standard output, expected a file"),
        ("a b --json x --junit x", "--json and --junit: found one file, expected two"),
        ("a b --update --junit x", "cannot be used with"),
    ] {
        let e = fails(&dir, 2, &format!("diff {args}"));
        assert!(e.contains(message), "{args}: {e}");
    }
    assert!(ok(&dir, "--help").contains("3 `diff` found drift"));
}

#[test]
fn a_closed_pipe_does_not_hide_drift() {
    let (_temp, dir) = scene();
    ok(&dir, EXPLAIN);
    altered(&dir, "base.json", |v| v["units"][0]["iou"] = 0.5.into());
    for (args, code) in [("diff base.json run", 3), ("diff base.json run --json -", 3), ("diff run run", 0)] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let done = finished(compexp(&dir, args).stdout(writer).output().unwrap());
        assert_eq!((done.code, done.err.contains("error")), (code, false), "{args}: {}", done.err);
    }
}

/// A treebank of 300 sentences of ten words in 100 documents, and 24 units of a model and of another one: each fires on one
/// form, but for a word in twenty. In the second model the first four units took over each other's form.
#[test]
fn units_that_stand_for_something_else_are_found_among_held_out_words() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let mut numbers = crate::Numbers(7);
    let mut text = String::new();
    let mut words = Vec::new();
    for i in 0..300 {
        if i % 3 == 0 {
            text += &format!("# newdoc id = d{}\n", i / 3);
        }
        text += &format!("# sent_id = s{i}\n");
        for at in 1..=10 {
            let form = numbers.below(24);
            words.push(form);
            text += &format!("{at}\tw{form}\tw{form}\tX\t_\t_\t0\troot\t_\t_\n");
        }
        text += "\n";
    }
    fs::write(dir.join("bank.conllu"), text).unwrap();
    let mut model = |name: &str, rule: &dyn Fn(u64) -> u64| {
        let fires = |on: bool, noise: u64| f32::from(u8::from(on != (noise == 0)));
        let values: Vec<f32> = words
            .iter()
            .flat_map(|form| (0..24).map(|unit| (*form == rule(unit), unit)).collect::<Vec<_>>())
            .map(|(on, _)| fires(on, numbers.below(if on { 10 } else { 200 })))
            .collect();
        compexp_files::write_npy(&dir.join(format!("{name}.npy")), &[words.len(), 24], &values).unwrap();
        let explain = "explain --tokens bank.conllu --families form --positive --length 2 --holdout 0.4";
        ok(dir, &format!("{explain} --activations {name}.npy --out {name}"));
        ok(dir, &format!("{} --activations {name}.npy --out {name}-all", explain.replace(" --holdout 0.4", "")));
    };
    model("base", &|unit| unit);
    model("tuned", &|unit| if unit < 4 { (unit + 1) % 4 } else { unit });
    let plain = run(dir, "diff base tuned --json -");
    let done = run(dir, "diff base tuned --drift --json -");
    assert_eq!((plain.code, done.code), (3, 3), "the exit code is that of the comparison: {}", done.err);
    let [plain, found] = [&plain.out, &done.out].map(|text| serde_json::from_str::<Value>(text).unwrap());
    assert!(plain["meaning"].is_null() && plain["units"] == found["units"]);
    let units = found["meaning"]["units"].as_array().unwrap();
    assert_eq!(units.len(), 24);
    let mut shifted: Vec<u64> =
        units.iter().filter(|u| u["q"].as_f64().unwrap() < 0.05).map(|u| u["unit"].as_u64().unwrap()).collect();
    shifted.sort_unstable();
    assert_eq!(shifted, [0, 1, 2, 3], "{units:#?}");
    // The greatest loss stands first, and the scores are those that `eval` counts for the whole of the words.
    assert!(units.windows(2).all(|pair| pair[0]["lost"].as_f64() >= pair[1]["lost"].as_f64()));
    assert!(units[..4].iter().all(|u| u["unit"].as_u64().unwrap() < 4 && u["lost"].as_f64().unwrap() > 0.3));
    let all: Value = serde_json::from_str(&run(dir, "diff base-all tuned-all --drift --json -").out).unwrap();
    assert!(all["meaning"]["held_out_groups"].is_null());
    let explanations = json(&dir.join("base-all/explanations.json"));
    for unit in all["meaning"]["units"].as_array().unwrap().iter().step_by(5) {
        assert!(unit["p"].is_null() && unit["q"].is_null());
        let number = unit["unit"].as_u64().unwrap();
        let formula = explanations["units"][number as usize]["formula"].as_str().unwrap();
        for (run, field) in [("base-all", "base_then"), ("tuned-all", "base_now")] {
            let mut eval = compexp(dir, &format!("eval --run {run} --unit {number} --json"));
            let output = eval.arg(formula).output().unwrap();
            let counted: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(counted["units"][0]["iou"], unit[field], "{field} of unit {number}");
        }
    }
    let table = run(dir, "diff base tuned --drift --limit 5");
    assert!(table.out.contains("4 of 24 units stand for something else"), "{}", table.out);
    let table = run(dir, "diff base-all tuned --drift");
    assert!(table.out.contains("no p, because the formulas were chosen on them"), "{}", table.out);

    // What it needs must be there.
    let same = run(dir, "diff base base --drift");
    assert!(same.code == 0 && same.out.contains("0 of 24 units stand for something else"), "{}{}", same.out, same.err);
    fails(dir, 2, "diff base tuned --drift --update");
    ok(
        dir,
        "explain --tokens bank.conllu --families form --min-count 130 --positive --activations base.npy --out fewer",
    );
    assert!(fails(dir, 1, "diff base fewer --drift").contains("expected the same probe set"));
    fs::copy(dir.join("base/explanations.json"), dir.join("baseline.json")).unwrap();
    assert!(run(dir, "diff baseline.json tuned --drift").err.contains("baseline.json"));
    fs::remove_file(dir.join("tuned.npy")).unwrap();
    assert!(fails(dir, 1, "diff base tuned --drift").contains("tuned.npy"));
}
