//! From sentence pairs and a classifier to a run.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::{compexp, fails, finished, json, ok, run};

/// A table of `n` pairs whose label is decided by the hypothesis' words: what is in the premise, what is not, no.
fn table(n: usize, seed: usize) -> String {
    let things = ["dog", "cat", "man", "child", "bird", "horse"];
    let mut text = String::from("label\tpremise\thypothesis\n");
    for i in 0..n {
        let (a, b) = (things[(i * 7 + seed) % 6], things[(i * 5 + i / 6 + seed + 1) % 6]);
        let (label, hypothesis) = match (i + seed) % 3 {
            0 => ("entailment", format!("there is a {a}")),
            1 => ("neutral", format!("the {a} is old")),
            _ => ("contradiction", format!("no {a} is there")),
        };
        writeln!(text, "{label}\tA {a} and a {b} run\t{hypothesis}").unwrap();
    }
    text
}

/// A folder with train.tsv and dev.tsv.
pub(crate) fn tables() -> tempfile::TempDir {
    let temp = tempfile::tempdir().unwrap();
    fs::write(temp.path().join("train.tsv"), table(240, 0)).unwrap();
    fs::write(temp.path().join("dev.tsv"), table(60, 1)).unwrap();
    temp
}

pub(crate) const TRAIN: &str = "nli train --train train.tsv --dev dev.tsv --tokenized --hidden 8 --embedding-size 6 --units 10 \
                     --batch 8 --lr 0.01 --decay 1:1 --dropout 0.1 --word-dropout 0.1 --embedding-dropout 0.1 --averaging 0 \
                     --seed 3";

#[test]
fn a_small_classifier_is_trained_probed_and_asked() {
    let temp = tables();
    let dir = temp.path();
    let out = ok(dir, &format!("{TRAIN} --epochs 6 --out model"));
    assert!(out.contains("held-out pairs") && out.contains("classifier in `model/model.safetensors`"), "{out}");
    let curves = fs::read_to_string(dir.join("model/curves.csv")).unwrap();
    assert_eq!(curves.lines().count(), 7, "{curves}");
    let last: Vec<f64> = curves.lines().last().unwrap().split(',').map(|v| v.parse().unwrap()).collect();
    assert!(last[4] > 0.9, "{curves}");
    assert_eq!(fs::read_to_string(dir.join("model/curves.svg")).unwrap().matches("<circle").count(), 18);

    let probe = "nli probe --pairs dev.tsv --tokenized --features words,overlap --checkpoint model/model.safetensors \
                 --min-activations 3 --length 3";
    let out = ok(dir, &format!("{probe} --out run"));
    assert!(out.contains("10 units on 60 examples of 1 positions"), "{out}");
    let predictions = fs::read_to_string(dir.join("run/predictions.csv")).unwrap();
    let right = predictions.lines().filter(|line| line.ends_with(",true")).count();
    let best =
        curves.lines().skip(1).map(|l| l.rsplit(',').next().unwrap().parse::<f64>().unwrap()).fold(0.0, f64::max);
    assert_eq!(right as f64 / 60.0, best, "the file holds the best epoch");
    let head = compexp_run::read_head(&dir.join("run")).unwrap().unwrap();
    assert_eq!(head.classes, ["entailment", "neutral", "contradiction"]);
    assert_eq!(head.weights.dim(), (3, 10));
    assert!(ok(dir, &format!("{probe} --out run")).contains("`run` is up to date"));
    let e = fails(dir, 1, &format!("{probe} --vocab-size 5 --out run"));
    assert!(e.contains("`inputs.features.vocab_size`: found 2000, asked for 5"), "{e}");

    // The same answer to the paper's question in JSON, on the terminal and on the page.
    let analysis: serde_json::Value = serde_json::from_str(&ok(dir, "analyze run --json")).unwrap();
    let answer = &analysis["answer"];
    let (here, verdict) = (answer["here"].as_str().unwrap(), answer["verdict"].as_str().unwrap());
    assert!(["replicates", "does not replicate", "cannot be told here"].contains(&verdict), "{answer}");
    assert!((&answer["id"], &answer["length"]) == (&"nli".into(), &3.into()) && here.starts_with("Here "), "{answer}");
    let text = ok(dir, "analyze run");
    assert!(text.ends_with(&format!("\n{here}\n{verdict}\n")) && !text.contains("p = "), "{text}");
    assert_eq!(
        analysis["what"],
        "10 units of the features of a classifier on 60 sentence pairs, formulas of at most 3 \
                                 literals, beam search by IoU"
    );
    ok(dir, "report run");
    let page = fs::read_to_string(dir.join("run/report/index.html")).unwrap();
    assert!(page.contains(here) && page.contains(&format!("<b class=\"verdict\">{verdict}</b>")), "{here}");
    ok(dir, &format!("{probe} --metric mcc --out mcc"));
    let by_mcc: serde_json::Value = serde_json::from_str(&ok(dir, "analyze mcc --json")).unwrap();
    assert!(by_mcc["answer"].is_null(), "the paper's search is by IoU: {}", by_mcc["answer"]);

    // Where examples are held out, units fire above the thresholds of the search's side, and are counted there.
    ok(dir, &format!("{probe} --quantile 0.2 --holdout 0.4 --out part"));
    let found = json(&dir.join("part/explanations.json"));
    assert!(found["held_out"]["examples"].as_u64().unwrap() > 5, "{}", found["held_out"]);
    let examples = found["universe"]["examples"].as_u64().unwrap() as usize;
    let activity = compexp_run::FinishedRun::open(&dir.join("part")).unwrap().activity().unwrap();
    let rows = activity.chunks_exact(examples.div_ceil(8));
    assert_eq!(rows.len(), 10);
    for (unit, row) in found["units"].as_array().unwrap().iter().zip(rows) {
        let fires: u32 = row.iter().map(|byte| byte.count_ones()).sum();
        assert_eq!(u64::from(fires), unit["unit_area"].as_u64().unwrap(), "of {examples} pairs: {unit}");
    }

    // What the run keeps gives the same formulas.
    ok(dir, "explain --probe run/probe --activations run/activations.npy --min-activations 3 --length 3 --out again");
    let [one, other] = ["run", "again"].map(|run| fs::read_to_string(dir.join(run).join("explanations.csv")).unwrap());
    assert_eq!(one, other);
    let formula =
        json(&dir.join("run/explanations.json"))["units"].as_array().unwrap().iter().find_map(|unit| {
            Some((unit["unit"].as_u64()?, unit["iou"].as_f64()?, unit["formula"].as_str()?.to_owned()))
        });
    let (unit, iou, formula) = formula.expect("a formula");
    let mut eval = compexp(dir, &format!("eval --run run --unit {unit} --json"));
    let scored = finished(eval.arg(&formula).output().unwrap());
    let scored: serde_json::Value = serde_json::from_str(&scored.out).unwrap_or_else(|e| panic!("{e}: {}", scored.err));
    assert_eq!(scored["units"][0]["iou"], iou, "{formula}");

    let ask = |more: &str, stdin: &str| {
        let args = format!("nli predict --checkpoint model/model.safetensors --run run --tokenized --json {more}");
        let mut child =
            compexp(dir, &args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        finished(child.wait_with_output().unwrap())
    };
    let pairs: String =
        table(60, 1).lines().skip(1).map(|line| line.split_once('\t').unwrap().1.to_owned() + "\n").collect();
    let done = ask("--limit 2 -", &pairs);
    let answers: Vec<serde_json::Value> = done.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), 60, "{}", done.err);
    for (answer, line) in answers.iter().zip(predictions.lines().skip(1)) {
        assert_eq!(answer["predicted"], line.split(',').nth(2).unwrap());
        let sum: f64 = answer["probabilities"].as_object().unwrap().values().map(|p| p.as_f64().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-12, "{answer}");
        assert!(answer["units"].as_array().unwrap().len() <= 2, "{answer}");
    }
    assert!(answers.iter().any(|a| a["units"][0]["formula"].is_string()));
    let done = ask("-", "one field\n");
    assert!(done.code == 1 && done.err.contains("line 1: found 1 fields, expected 2"), "{}", done.err);
    let done = ask("premise", "");
    assert!(done.code == 2 && done.err.contains("a premise without a hypothesis"), "{}", done.err);
}

#[test]
fn words_that_go_with_a_label_are_counted_in_the_run_folder() {
    let temp = tables();
    let dir = temp.path();
    ok(dir, &format!("{TRAIN} --epochs 2 --out model"));
    let probe = "nli probe --pairs dev.tsv --tokenized --features words --checkpoint model/model.safetensors \
                 --min-activations 3 --length 3 --out run";
    ok(dir, probe);
    let rows = fs::read_to_string(dir.join("dev.tsv")).unwrap();
    fs::remove_file(dir.join("dev.tsv")).unwrap();
    let parsed = |text: &str| -> serde_json::Value { serde_json::from_str(text).unwrap() };
    let found = parsed(&ok(dir, "analyze run --json --out figures"))["heuristics"].clone();
    assert_eq!(found["labels"], serde_json::json!(["entailment", "neutral", "contradiction"]));

    let formulas = json(&dir.join("run/explanations.json"));
    let formulas: Vec<String> =
        formulas["units"].as_array().unwrap().iter().filter_map(|u| Some(u["formula"].as_str()?.to_owned())).collect();
    let table = fs::read_to_string(dir.join("figures/words_and_labels.csv")).unwrap();
    assert_eq!(
        table.lines().next().unwrap(),
        "word,side,pairs_entailment,pairs_neutral,pairs_contradiction,pmi_entailment,pmi_neutral,pmi_contradiction,units,\
         units_supporting_entailment,units_supporting_neutral,units_supporting_contradiction"
    );
    let mut met = 0;
    for line in table.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let column = if cells[1] == "hypothesis" { 2 } else { 1 };
        let with = |label: &str| {
            let has = |row: &&str| {
                let fields: Vec<&str> = row.split('\t').collect();
                fields[0] == label && fields[column].to_lowercase().split(' ').any(|word| word == cells[0])
            };
            rows.lines().skip(1).filter(has).count().to_string()
        };
        assert_eq!(cells[2..5], ["entailment", "neutral", "contradiction"].map(with), "{line}");
        let name = format!("{}:tok:{}", &cells[1][..3], cells[0]);
        let uses = |formula: &&String| {
            let text = formula.replace(['(', ')'], " ").replace("NEIGHBORS ", "");
            let words: Vec<&str> = text.split_whitespace().collect();
            (0..words.len()).any(|i| words[i] == name && (i == 0 || words[i - 1] != "NOT"))
        };
        assert_eq!(cells[8].parse::<usize>().unwrap(), formulas.iter().filter(uses).count(), "{line}");
        met += usize::from(cells[8] != "0");
    }
    assert_eq!(found["words"].as_array().unwrap().len(), met);
    assert!(met > 0 && ok(dir, "analyze run").contains(" hypothesis words in formulas, "));
}

#[test]
fn encodings_and_minimal_classifiers_are_probed_too() {
    let temp = tables();
    let dir = temp.path();
    ok(dir, &format!("{TRAIN} --epochs 1 --minimal --bidirectional --out model"));
    let probe = "nli probe --pairs dev.tsv --tokenized --features words --checkpoint model/model.safetensors \
                 --min-activations 1 --length 2";
    assert!(ok(dir, &format!("{probe} --out products")).contains("16 units on 60 examples"));
    assert!(ok(dir, &format!("{probe} --layer encodings --out sides")).contains("32 units on 60 examples"));
    assert!(!dir.join("sides/head.json").exists(), "the last layer does not read the encodings");
    let e = fails(dir, 1, "nli predict --checkpoint model/model.safetensors --run sides a b");
    assert!(e.contains("a run of another layer"), "{e}");
}

/// The files of a training are the same, to the byte.
fn assert_same(dir: &Path, a: &str, b: &str) {
    for name in
        ["model.safetensors", "tokenizer.json", "training.safetensors", "training.json", "curves.csv", "curves.svg"]
    {
        let [one, other] = [a, b].map(|run| fs::read(dir.join(run).join(name)).unwrap());
        assert!(one == other, "{name} differs");
    }
}

#[test]
fn a_killed_training_goes_on_to_the_same_bytes() {
    let temp = tables();
    let dir = temp.path();
    let train = format!("{} --epochs 40 --save-every 7", TRAIN.replace("--averaging 0", "--averaging 0.9"));
    ok(dir, &format!("{train} --out whole"));
    let mut child = compexp(dir, &format!("{train} --threads 1 --out killed"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while !dir.join("killed/best.safetensors").exists() {
        assert!(started.elapsed() < Duration::from_secs(60), "the training never got so far");
        assert!(child.try_wait().unwrap().is_none(), "the training is over before it could be killed");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!dir.join("killed/model.safetensors").exists(), "killed too late");
    ok(dir, &format!("{train} --out killed"));
    assert_same(dir, "whole", "killed");
    let e = fails(dir, 1, &format!("{} --out killed", train.replace("--lr 0.01", "--lr 0.02")));
    assert!(e.contains("another training"), "{e}");
}

#[test]
fn bad_input_is_refused() {
    let temp = tables();
    let dir = temp.path();
    ok(dir, &format!("{TRAIN} --epochs 1 --out model"));
    let probe = "nli probe --pairs dev.tsv --checkpoint model/model.safetensors --out run";
    let refused = |code, args: &str, message: &str| {
        let e = fails(dir, code, args);
        assert!(e.contains(message), "compexp {args}\n{e}");
    };
    refused(2, probe, "--features words,overlap");
    refused(2, &format!("{probe} --features words"), "nothing to split it into words");
    refused(2, &format!("{probe} --features words --tokenized --units 10"), "expected units below 10");
    refused(2, &format!("{probe} --features colours"), "colours");
    refused(1, &format!("{probe} --tagger nowhere"), "nowhere");
    fs::write(dir.join("gold.txt"), "neutral\n").unwrap();
    refused(1, &format!("{probe} --features words --tokenized --gold gold.txt"), "found 1, expected 60, one a pair");
    fs::write(dir.join("dev.feats"), "tag;closed\nA|DT\nB|DT\n").unwrap();
    refused(1, &format!("{probe} --tags dev.feats"), "pairs in `dev.feats`: found 1, expected 60");
    refused(1, &format!("{probe} --tags dev.feats --first 1"), "premise 1 in `dev.feats`: found `A`, expected `A cat");
    fs::write(dir.join("broken.pth"), b"PK\x03\x04nothing").unwrap();
    refused(1, &probe.replace("model/model.safetensors", "broken.pth"), "broken.pth");
    assert!(!dir.join("run").exists());

    refused(2, "nli train --train train.tsv --dev dev.tsv --out x", "--tokenized where blanks separate");
    refused(2, &format!("{} --out x", TRAIN.replace("--lr 0.01", "--lr -1")), "expected a number above 0");
    refused(2, &format!("{TRAIN} --decay soon --out x"), "--decay");
    fs::write(dir.join("vectors.txt"), "dog 1 2 3\ncat 1 NaN 3\n").unwrap();
    let train = TRAIN.replace("--embedding-size 6", "--embeddings vectors.txt");
    refused(
        1,
        &format!("{train} --out x"),
        "`vectors.txt`: line 2: found the number `NaN`, expected a word and 3 finite numbers",
    );
    fs::write(dir.join("vectors.txt"), "dog 1 2 3\n").unwrap();
    refused(2, &format!("{TRAIN} --embeddings vectors.txt --out x"), "--embedding-size: found 6, expected 3");
    fs::write(dir.join("vectors.txt"), "\n").unwrap();
    refused(1, &format!("{train} --out x"), "found no vectors");
    fs::write(dir.join("dev.tsv"), "label\tpremise\thypothesis\n-\ta\tb\n").unwrap();
    refused(1, &format!("{TRAIN} --out x"), "labels in `dev.tsv`: found none");
    assert!(!dir.join("x").exists());
}

#[test]
fn a_sample_is_predicted_as_the_reference_does() {
    let Some(checkpoint) = compexp_tests::data("snli/bowman.pth") else { return };
    let Some(pairs) = compexp_tests::data("snli/snli_1.0_dev.tok") else { return };
    let Some(expected) = compexp_tests::data("snli/preds_bowman.csv") else { return };
    let Some(gold) = compexp_tests::data("snli/dev_gold.txt") else { return };
    let Some(tags) = compexp_tests::data("snli/snli_1.0_dev.feats") else { return };
    let Some(vectors) = compexp_tests::data("snli/glove.6B.50d.vocab.txt") else { return };
    let Some(tagger) = compexp_tests::data("spacy/en_core_web_sm-3.8.0") else { return };
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let (checkpoint, pairs, tagger) = (checkpoint.display(), pairs.display(), tagger.display());
    let probe = format!(
        "nli probe --pairs {pairs} --gold {} --first 600 --checkpoint {checkpoint} --min-activations 20 --units 0-39",
        gold.display()
    );
    ok(dir, &format!("{probe} --tagger {tagger} --vectors {} --length 3 --out native", vectors.display()));
    let expected = fs::read_to_string(expected).unwrap();
    let found = fs::read_to_string(dir.join("native/predictions.csv")).unwrap();
    assert_eq!(found.lines().count(), 601);
    for (found, expected) in found.lines().skip(1).zip(expected.lines().skip(1)) {
        let (found, expected): (Vec<_>, Vec<_>) = (found.split(',').collect(), expected.split(',').collect());
        assert_eq!(found[2], expected[1], "pair {}", found[0]);
        let target = if expected[0] == "UNK" { "" } else { expected[0] };
        assert_eq!(found[1], target, "pair {}", found[0]);
    }
    assert!(json(&dir.join("native/summary.json"))["by_status"]["explained"].as_u64().unwrap() > 30);
    assert!(dir.join("native/probe/neighbors.npy").exists());

    // As the reference searches: no neighbours, whatever vectors there are.
    let compat = format!("{probe} --tags {} --compat --vectors {}", tags.display(), vectors.display());
    ok(dir, &format!("{compat} --length 2 --out compat"));
    assert!(!dir.join("compat/probe/neighbors.npy").exists());
    let features = &json(&dir.join("compat/config.json"))["config"]["inputs"]["features"];
    assert_eq!(features["padded_batch"], 16);

    // A pair as people write it, split by the tagger's own rules.
    let mut ask = compexp(dir, &format!("nli predict --checkpoint {checkpoint} --run native --json"));
    let text = ["Two women are embracing while holding to go packages.", "Two woman are holding packages."];
    let answer = finished(ask.args(text).output().unwrap());
    let answer: serde_json::Value = serde_json::from_str(&answer.out).unwrap_or_else(|e| panic!("{e}: {}", answer.err));
    assert_eq!(answer["predicted"], expected.lines().nth(2).unwrap().split(',').nth(1).unwrap());
    assert!(answer["units"][0]["formula"].is_string(), "{answer}");
}

#[test]
fn sentences_are_tagged_as_spacy_does() {
    let Some(tagger) = compexp_tests::data("spacy/en_core_web_sm-3.8.0") else { return };
    let Some(pairs) = compexp_tests::data("snli/snli_1.0_dev.tok") else { return };
    let Some(expected) = compexp_tests::data("snli/snli_1.0_dev.feats") else { return };
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let text = fs::read_to_string(pairs).unwrap();
    let first: String = text.lines().take(200).map(|line| format!("{line}\n")).collect();
    fs::write(dir.join("some.tok"), &first).unwrap();
    ok(dir, &format!("nli tag some.tok --tagger {} -o some.feats", tagger.display()));
    let found = fs::read_to_string(dir.join("some.feats")).unwrap();
    assert_eq!(found.lines().count(), 201);
    let tags = |line: &str, at: usize| -> Vec<String> {
        line.split(' ').map(|token| token.split('|').nth(at).unwrap().to_owned()).collect()
    };
    for (found, expected) in found.lines().zip(fs::read_to_string(expected).unwrap().lines()).skip(1) {
        assert_eq!(tags(found, 3), tags(expected, 2), "{found}");
    }
    // Raw text is split by the model's rules; blanks are no words.
    fs::write(dir.join("raw.txt"), " Don't  run.\n").unwrap();
    let conllu = run(dir, &format!("nli tag raw.txt --tagger {} --format conllu", tagger.display()));
    let words: Vec<&str> = conllu.out.lines().filter_map(|line| line.split('\t').nth(1)).collect();
    assert_eq!(words, ["Do", "n't", "run", "."], "{}", conllu.out);
}
