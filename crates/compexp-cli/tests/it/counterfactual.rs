//! From a run to counterfactuals.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use compexp_core::formula::Formula;

use crate::{fails, json, ok, scene};

/// Pairs whose class is decided by a word of the hypothesis.
fn table(n: usize) -> String {
    let (things, verbs) = (["dog", "cat", "man", "child"], ["runs", "sits", "eats"]);
    let mut text = String::from("label\tpremise\thypothesis\n");
    for i in 0..n {
        let thing = things[i / 3 % 4];
        let label = ["entailment", "neutral", "contradiction", "contradiction"][i / 3 % 4];
        writeln!(text, "{label}\ta {} is there\tthe {thing} {}", things[i % 4], verbs[i % 3]).unwrap();
    }
    text
}

fn classifier(dir: &Path) {
    fs::write(dir.join("train.tsv"), table(240)).unwrap();
    fs::write(dir.join("dev.tsv"), table(72)).unwrap();
    let train = "nli train --train train.tsv --dev dev.tsv --tokenized --hidden 8 --embedding-size 6 --units 10 --batch 8 \
                 --lr 0.01 --seed 3 --epochs 8 --out model";
    ok(dir, train);
}

const PROBE: &str = "nli probe --pairs dev.tsv --tokenized --features words,overlap --checkpoint \
                     model/model.safetensors --min-activations 3 --length 2";

#[test]
fn sentences_are_edited_and_both_files_and_messages_say_what_came_of_it() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    classifier(dir);
    ok(dir, &format!("{PROBE} --out run"));
    let out = ok(dir, "nli counterfactual run --auto 3");
    assert!(out.contains("difference [95%]") && out.contains("tables in `run/counterfactuals`"), "{out}");
    assert!(out.contains("formulas made true: ") && out.contains("formulas made false: "), "{out}");
    let record = json(&dir.join("run/counterfactuals/counterfactuals.json"));
    assert_eq!((&record["version"], &record["kind"]), (&1.into(), &"nli".into()));
    let cases = record["cases"].as_array().unwrap();
    for direction in ["fulfil", "break"] {
        let of = cases.iter().filter(|case| case["direction"] == direction).count();
        assert!((1..=3).contains(&of), "{of} to {direction}: {record}");
    }
    // q is over the cases of both directions: the largest p is its own q, and the least at most n times as large.
    let of = |name: &str| cases.iter().map(|case| case[name].as_f64().unwrap()).collect::<Vec<_>>();
    let (p, q) = (of("p"), of("q"));
    let largest = (0..p.len()).max_by(|a, b| p[*a].total_cmp(&p[*b])).unwrap();
    assert_eq!(q[largest], p[largest], "{p:?} {q:?}");
    assert!(p.iter().zip(&q).all(|(p, q)| p <= q && *q <= p * cases.len() as f64 + 1e-12), "{p:?} {q:?}");
    assert!(out.contains("q < 0.05 in "), "{out}");
    for case in cases {
        let few = case["effect"]["examples"].as_u64().unwrap() < 20;
        let bounds = ["low", "high"].map(|bound| case["effect"]["success"][bound].is_null());
        assert_eq!(bounds, [few; 2], "{case}");
    }
    let edits = rows(&dir.join("run/counterfactuals/edits.csv"));
    let trials: u64 = cases.iter().map(|case| case["effect"]["tested"]["trials"].as_u64().unwrap()).sum();
    assert_eq!(edits.len() as u64, trials);
    for edit in &edits {
        let [edited, control] = ["edited", "control"].map(|column| {
            let mut texts = [edit["premise"].clone(), edit["hypothesis"].clone()];
            texts[usize::from(edit["side"] == "hypothesis")] = unmarked(&edit[column]);
            texts
        });
        let found = [[edit["premise"].clone(), edit["hypothesis"].clone()], edited, control]
            .map(|texts| holds(&edit["formula"], &texts));
        let is_true = edit["direction"] == "break";
        assert_eq!(found, [is_true, !is_true, is_true], "{edit:?}");
    }
    for case in cases {
        let (tested, control) = (&case["effect"]["tested"], &case["effect"]["control"]);
        let sum = |t: &serde_json::Value| {
            ["success", "partial", "failure"].iter().map(|o| t[*o].as_u64().unwrap()).sum::<u64>()
        };
        assert_eq!(
            (sum(tested), sum(control)),
            (tested["trials"].as_u64().unwrap(), tested["trials"].as_u64().unwrap())
        );
        let class = if case["direction"] == "break" { "from" } else { "to" };
        assert!(case[class].is_string() && case[if class == "to" { "from" } else { "to" }].is_null(), "{case}");
        for edit in case["edits"].as_array().unwrap() {
            let marked = format!("[{}]", edit["word"].as_str().unwrap());
            let edited = format!("{} {}", edit["edited_premise"], edit["edited_hypothesis"]);
            assert!(edited.contains(&marked), "{edit}");
        }
    }
    cases_have_the_measures_of_the_run(dir);

    // A second time, and with one thread, to the byte.
    ok(dir, "nli counterfactual run --auto 3 --threads 1 --out again");
    for name in ["cases.csv", "edits.csv", "counterfactuals.json"] {
        let [one, other] =
            ["run/counterfactuals", "again"].map(|folder| fs::read(dir.join(folder).join(name)).unwrap());
        assert!(one == other, "{name} differs");
    }

    // One direction gives the same cases as both; q is over the cases of a command.
    ok(dir, "nli counterfactual run --auto 3 --direction break --out broken");
    let [both, broken] = ["run/counterfactuals", "broken"].map(|folder| rows(&dir.join(folder).join("cases.csv")));
    let without = |rows: &[Row]| {
        let broken = rows.iter().filter(|row| row["direction"] == "break").cloned();
        broken
            .map(|row| row.into_iter().filter(|(column, _)| !["case", "q"].contains(&&**column)).collect::<Row>())
            .collect::<Vec<_>>()
    };
    assert_eq!(without(&both), without(&broken));

    let e = fails(dir, 1, "nli counterfactual run --unit 99");
    assert!(e.contains("--unit 99: the run has no formula of it"), "{e}");
    let unit = cases[0]["unit"].as_u64().unwrap();
    let e = fails(dir, 2, &format!("nli counterfactual run --unit {unit} --to maybe"));
    assert!(e.contains("the model has no such class") && e.contains("entailment, neutral, contradiction"), "{e}");
    let e = fails(dir, 1, "nli counterfactual run --checkpoint dev.tsv");
    assert!(e.contains("found another file than the checkpoint of the run"), "{e}");
    let e = fails(dir, 1, "vision counterfactual run");
    assert!(e.contains("found a run of `compexp nli probe`, expected one of `compexp vision probe`"), "{e}");
    assert!(e.contains("hint: give it to `compexp nli counterfactual`"), "{e}");
    crate::as_earlier(&dir.join("run"));
    fs::remove_file(dir.join("run/logits.npy")).unwrap();
    let e = fails(dir, 1, "nli counterfactual run");
    assert!(e.contains("no logits.npy") && e.contains("hint: make one with `compexp nli probe"), "{e}");
    // A layer that the decision is not made from; and the head of the run before it is gone.
    ok(dir, &format!("{PROBE} --layer encodings --out run --force"));
    assert!(!dir.join("run/head.json").exists());
    let e = fails(dir, 1, "nli counterfactual run");
    assert!(e.contains("no head.json: the run is of the layer `encodings`") && e.contains("--layer features"), "{e}");
}

type Row = BTreeMap<String, String>;

fn rows(path: &Path) -> Vec<Row> {
    let mut table = csv::Reader::from_path(path).unwrap();
    table.deserialize().map(Result::unwrap).collect()
}

/// An edited sentence without the brackets around the word that came into it; of one that was deleted nothing is left.
fn unmarked(text: &str) -> String {
    let words = text.split(' ').map(|word| word.trim_matches(['[', ']'])).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// Whether a formula of words and overlap is true of a premise and a hypothesis, by their text alone.
fn holds(formula: &str, texts: &[String; 2]) -> bool {
    let (formula, vocabulary) = Formula::read(formula).unwrap();
    let [premise, hypothesis] = texts.each_ref().map(|text| text.split(' ').collect::<BTreeSet<_>>());
    let both = premise.intersection(&hypothesis).count() as f64;
    let one = premise.symmetric_difference(&hypothesis).count() as f64;
    formula.holds(&|atom| {
        assert!(!atom.neighbors, "the run has no vectors");
        let name = vocabulary.name(atom.concept);
        match name.rsplit_once(':').unwrap() {
            ("pre:tok", word) => premise.contains(word),
            ("hyp:tok", word) => hypothesis.contains(word),
            ("oth:overlap", share) => 100.0 * both > share[7..].parse::<f64>().unwrap() * (one + 1e-5),
            other => panic!("{other:?}"),
        }
    })
}

fn cases_have_the_measures_of_the_run(dir: &Path) {
    let number = |row: &Row, column: &str| row[column].parse::<f64>().ok();
    let measured = rows(&dir.join("run/contributions.csv"));
    let cases = rows(&dir.join("run/counterfactuals/cases.csv"));
    for case in &cases {
        let class = if case["to"].is_empty() { &case["from"] } else { &case["to"] };
        let row = measured.iter().find(|row| row["unit"] == case["unit"] && row["target"] == *class).unwrap();
        for column in ["weight", "correlation", "overlap"] {
            assert_eq!(number(case, column), number(row, column), "{column} of {case:?}");
        }
    }
    assert!(cases.iter().any(|case| !case["correlation"].is_empty()), "{cases:?}");
    // The weight is of the last layer, which every such run has.
    crate::as_earlier(&dir.join("run"));
    fs::rename(dir.join("run/contributions.csv"), dir.join("contributions.csv")).unwrap();
    ok(dir, "nli counterfactual run --auto 3 --out unmeasured");
    fs::rename(dir.join("contributions.csv"), dir.join("run/contributions.csv")).unwrap();
    for (without, with) in rows(&dir.join("unmeasured/cases.csv")).iter().zip(&cases) {
        assert_eq!((without["correlation"].as_str(), without["overlap"].as_str()), ("", ""));
        assert_eq!((&without["weight"], &without["difference"]), (&with["weight"], &with["difference"]));
    }
}

#[test]
fn another_models_activations_have_no_predictions() {
    let (_temp, dir) = scene();
    ok(&dir, "explain --probe probe --activations acts.npy --positive --out run");
    for kind in ["vision", "nli"] {
        let e = fails(&dir, 1, &format!("{kind} counterfactual run"));
        assert!(e.contains("found a run of `compexp explain`") && e.contains(&format!("`compexp {kind} probe")), "{e}");
    }
    let e = fails(&dir, 2, "vision counterfactual run --sizes 0.2,1.5");
    assert!(e.contains("a segment cannot be larger than the image"), "{e}");
}

#[test]
fn segments_are_pasted_into_photographs() {
    let Some(broden) = compexp_tests::data("miniplaces-broden-mini") else { return };
    let Some(checkpoint) = compexp_tests::data("places/resnet18_miniplaces.pth.tar") else { return };
    let Some(classes) = compexp_tests::data("places/categories.txt") else { return };
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let probe = format!(
        "vision probe --broden {} --checkpoint {} --classes {} --preprocess imagenet --beam 5",
        broden.display(),
        checkpoint.display(),
        classes.display()
    );
    ok(dir, &format!("{probe} --out run"));
    let head = json(&dir.join("run/head.json"));
    assert_eq!(head["classes"].as_array().unwrap().len(), 100);
    let few = "--images 2 --segments 1 --grid 2 --sizes 0.1";
    let out = ok(dir, &format!("vision counterfactual run --auto 2 {few}"));
    assert!(out.contains("2 cases: success"), "{out}");
    let record = json(&dir.join("run/counterfactuals/counterfactuals.json"));
    assert_eq!((&record["version"], &record["kind"]), (&1.into(), &"vision".into()));
    let answers = &record["cases"][0]["best"]["answers"];
    for kind in ["before", "after", "control"] {
        let picture = dir.join("run/counterfactuals").join(answers[kind]["picture"].as_str().unwrap());
        assert!(fs::read(picture).unwrap().starts_with(b"\x89PNG"), "{kind}");
    }
    let places = fs::read_to_string(dir.join("run/counterfactuals/placements.csv")).unwrap();
    assert_eq!(places.lines().count(), 1 + 2 * 4);
    ok(dir, &format!("vision counterfactual run --auto 2 {few} --batch 3 --threads 1 --out again"));
    for name in ["cases.csv", "placements.csv", "case-001-after.png"] {
        let [one, other] =
            ["run/counterfactuals", "again"].map(|folder| fs::read(dir.join(folder).join(name)).unwrap());
        assert!(one == other, "{name} differs");
    }
    let case = &record["cases"][0];
    let chosen =
        format!("vision counterfactual run --unit {} --to {} {few}", case["unit"], case["to"].as_str().unwrap());
    let e = fails(dir, 1, &format!("{chosen} --concept nothing"));
    assert!(e.contains("--concept nothing: the probe set has no concept of this name"), "{e}");
    let predicted: BTreeSet<String> =
        rows(&dir.join("run/predictions.csv")).into_iter().map(|mut row| row.remove("predicted").unwrap()).collect();
    let classes = head["classes"].as_array().unwrap().iter().map(|class| class.as_str().unwrap());
    let never = classes.into_iter().find(|class| !predicted.contains(*class) && case["to"] != **class).unwrap();
    let e = fails(dir, 1, &format!("{chosen} --class {never}"));
    let takes = format!("`: images that the network takes for `{never}`, rightly where that is known: found 0");
    assert!(e.contains(&takes) && e.contains("hint: `compexp show run --unit"), "{e}");
    let e = fails(dir, 1, &format!("{chosen} --sizes 1").replace("--sizes 0.1", ""));
    assert!(e.contains("fit into the image at 1 of its area") && e.contains("--sizes choose"), "{e}");
    ok(dir, &format!("{probe} --layer layer3 --units 0-3 --out lower"));
    let e = fails(dir, 1, "vision counterfactual lower");
    assert!(e.contains("no head.json: the run is of the layer `layer3`"), "{e}");
}
