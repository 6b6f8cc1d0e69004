//! `compexp nli` on files that are odd or broken: a result, or a message that names the file and the line.

use std::fs;
use std::path::Path;

use crate::{fails, json, ok};

const TRAIN: &str = "nli train --train train.tsv --dev dev.tsv --tokenized --hidden 4 --units 6 --batch 4 --epochs 1";

pub(crate) const PROBE: &str = "nli probe --tokenized --features words,overlap --checkpoint model/model.safetensors \
                     --min-activations 1 --length 2";

/// A folder with a table, vectors, and a classifier that was trained on them.
pub(crate) fn folder() -> tempfile::TempDir {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let mut table = String::from("label\tpremise\thypothesis\n");
    for (i, label) in ["entailment", "neutral", "contradiction"].iter().cycle().take(12).enumerate() {
        table += &format!("{label}\ta dog runs {i}\tno cat runs\n");
    }
    write(dir, "train.tsv", &table);
    write(dir, "dev.tsv", "label\tpremise\thypothesis\nneutral\tthe dog runs\ta wolf runs\n-\ta\tb\n");
    write(dir, "vectors.txt", "dog 1 0 2\nwolf 1 1 2\ndog 5 5 5\ncat 0 1 0\nowl 3 3 3\n");
    ok(dir, &format!("{TRAIN} --embeddings vectors.txt --out model"));
    temp
}

fn write(dir: &Path, name: &str, content: impl AsRef<[u8]>) {
    fs::write(dir.join(name), content).unwrap();
}

fn refused(dir: &Path, args: &str, parts: &[&str]) {
    let e = fails(dir, 1, args);
    assert!(parts.iter().all(|part| e.contains(part)), "compexp {args}\nlacks one of {parts:?}:\n{e}");
}

#[test]
fn files_with_a_broken_line_are_refused_and_the_line_named() {
    let temp = folder();
    let dir = temp.path();
    let probe = |pairs: &str| format!("{PROBE} --pairs {pairs} --out run");
    write(dir, "odd.tok", "a dog\na cat\na dog\n");
    refused(dir, &probe("odd.tok"), &["`odd.tok`", "line 3", "its hypothesis on the next line"]);

    write(dir, "label.tsv", "label\tpremise\thypothesis\nneutral\ta\tb\nmaybe\ta\tb\n");
    let train = TRAIN.replace("train.tsv", "label.tsv");
    refused(dir, &format!("{train} --out x"), &["`label.tsv`", "line 3", "`maybe`", "entailment, neutral or contra"]);
    write(dir, "label.jsonl", "{\"gold_label\":\"maybe\",\"sentence1\":\"a\",\"sentence2\":\"b\"}\n");
    refused(dir, &probe("label.jsonl"), &["`label.jsonl`", "line 1", "`maybe`"]);
    write(dir, "gold.txt", "neutral\nMAYBE\n");
    refused(dir, &format!("{} --gold gold.txt", probe("dev.tsv")), &["`gold.txt`", "line 2", "`MAYBE`"]);

    let header = "label\tpremise\thypothesis\n".as_bytes();
    for (name, content) in [
        ("utf8.tsv", [header, b"neutral\ta\tb\nneutral\t\xff\tb\n"].concat()),
        ("utf8.jsonl", b"{\"sentence1\":\"a\",\"sentence2\":\"b\"}\n\n{\"sentence1\":\"\xc3\"}\n".to_vec()),
        ("utf8.tok", b"a\nb\n\xf0\x9f\nb\n".to_vec()),
    ] {
        write(dir, name, &content);
        let line = if name.ends_with("jsonl") { "line 2" } else { "line 3" };
        refused(dir, &probe(name), &[&format!("`{name}`"), line]);
    }
    write(dir, "bytes.txt", b"neutral\n\x80\n");
    write(dir, "bytes.feats", b"tag;closed\na|\xff\n");
    write(dir, "bytes.vec", b"dog 1 2 3\n\xe9t\xe9 1 2 3\n");
    let dev = probe("dev.tsv");
    for (args, name, line) in [
        (format!("{dev} --gold bytes.txt"), "bytes.txt", "line 2"),
        (format!("{dev} --tags bytes.feats"), "bytes.feats", "line 2"),
        (format!("{dev} --vectors bytes.vec"), "bytes.vec", "line 2"),
        (format!("{TRAIN} --embeddings bytes.vec --out x"), "bytes.vec", "line 2"),
    ] {
        refused(dir, &args, &[&format!("`{name}`"), line, "UTF-8"]);
    }
    assert!(!dir.join("run").exists() && !dir.join("x").exists());
}

#[test]
fn empty_sentences_and_endless_ones_are_classified() {
    let temp = folder();
    let dir = temp.path();
    let long = "dog runs ".repeat(400);
    write(dir, "odd.tok", format!("\na dog\na dog\n\n\n\n{long}\n{long}\n"));
    write(
        dir,
        "odd.feats",
        format!("tag;closed\n\na|DT dog|NN\na|DT dog|NN\n\n\n\n{0}\n{0}\n", "dog|NN runs|VB ".repeat(400)),
    );
    let probe = PROBE.replace("words,overlap", "words,tags,overlap");
    for (compat, out) in [("", "run"), ("--compat", "compat")] {
        let out = ok(dir, &format!("{probe} --pairs odd.tok --tags odd.feats {compat} --out {out}"));
        assert!(out.contains("6 units on 4 examples of 1 positions"), "{out}");
    }
    let predictions = fs::read_to_string(dir.join("run/predictions.csv")).unwrap();
    assert_eq!(predictions.lines().count(), 5, "{predictions}");
    for (premise, hypothesis) in [("", ""), ("", "dog"), (long.as_str(), "")] {
        let mut ask = crate::compexp(dir, "nli predict --checkpoint model/model.safetensors --tokenized --json");
        let done = crate::finished(ask.args([premise, hypothesis]).output().unwrap());
        assert_eq!(done.code, 0, "{}", done.err);
        let answer: serde_json::Value = serde_json::from_str(&done.out).unwrap();
        let sum: f64 = answer["probabilities"].as_object().unwrap().values().map(|p| p.as_f64().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-12, "{answer}");
    }
}

#[test]
fn annotations_that_are_no_words_with_values_are_refused() {
    let temp = folder();
    let dir = temp.path();
    let probe = format!("{PROBE} --pairs pair.tok --tags some.feats --out run");
    write(dir, "pair.tok", "a|b runs\nit runs\n");
    for (line, found) in
        [("a|b|NN runs|VB", "`a|b|NN`"), ("a b|NN runs|VB", "the token `a`"), ("|NN runs|VB", "the token `|NN`")]
    {
        write(dir, "some.feats", format!("tag;closed\n{line}\nit|PRP runs|VB\n"));
        refused(dir, &probe, &["`some.feats`", "line 2", found, "a word and 1 values"]);
    }
    // CoNLL-U can hold them.
    let token = |id: u32, word: &str| format!("{id}\t{word}\t_\t_\tNN\t_\t_\t_\t_\t_\n");
    let sentence = |words: [&str; 2]| token(1, words[0]) + &token(2, words[1]) + "\n";
    write(dir, "some.conllu", sentence(["a|b", "runs"]) + &sentence(["it", "runs"]));
    ok(dir, &probe.replace("some.feats", "some.conllu"));

    let Some(tagger) = compexp_tests::data("spacy/en_core_web_sm-3.8.0") else { return };
    let tag = format!("nli tag pair.tok --tagger {}", tagger.display());
    refused(dir, &tag, &["sentence 1", "`a|b`", "--format conllu"]);
    assert!(ok(dir, &format!("{tag} --format conllu")).contains("\ta|b\t"));
    write(dir, "bytes.txt", b"fine\nnot\n\xff\n");
    refused(dir, &tag.replace("pair.tok", "bytes.txt"), &["`bytes.txt`", "line 3", "UTF-8"]);
}

#[test]
fn vectors_are_of_one_length_and_the_first_of_a_word_counts() {
    let temp = folder();
    let dir = temp.path();
    let probe = format!("{PROBE} --pairs dev.tsv --vectors bad.txt --out run");
    let train = format!("{TRAIN} --embeddings bad.txt --out x");
    for (content, line, found) in [
        ("dog 1 2 3\ncat 1 2\n", "line 2", "a word and 3"),
        ("dog 1 2\ncat 1 x 2\n", "line 2", "`x`"),
        ("dog\n", "line 1", "1 fields"),
    ] {
        write(dir, "bad.txt", content);
        for args in [&probe, &train] {
            // A word may hold blanks, so one number too many is a part of it.
            let e = fails(dir, 1, args);
            assert!(e.contains("`bad.txt`") && e.contains(line) && (e.contains(found)), "{content:?}: {e}");
        }
    }
    fs::remove_file(dir.join("bad.txt")).unwrap();
    for args in [&probe, &train] {
        refused(dir, args, &["bad.txt"]);
    }
    // `dog` is there twice; `wolf` is in no pair to learn from, and known by its vector; `owl` is in no pair.
    let model = compexp_nli::model::Model::load(&dir.join("model/model.safetensors")).unwrap();
    let words = model.words.words();
    assert!(words.contains(&"wolf".to_owned()) && !words.contains(&"owl".to_owned()), "{words:?}");
    let vector = |word: &str| model.weights["encoder.emb.weight"][3 * model.words.id(word) as usize..][..3].to_vec();
    assert_eq!((vector("dog"), vector("wolf")), (vec![1.0, 0.0, 2.0], vec![1.0, 1.0, 2.0]));
    assert_eq!(json(&dir.join("model/training.json"))["with_vectors"], 3);
}

#[test]
fn a_classifier_without_its_words_or_of_other_sizes_is_refused() {
    let temp = folder();
    let dir = temp.path();
    let probe = format!("{PROBE} --pairs dev.tsv --out run");
    let words = fs::read_to_string(dir.join("model/tokenizer.json")).unwrap();
    write(dir, "model/tokenizer.json", words.replace("\"dog\"", "\"hog\""));
    refused(dir, &probe, &["model.safetensors", "hash of the words"]);
    write(dir, "model/tokenizer.json", "{}");
    refused(dir, &probe, &["tokenizer.json"]);
    fs::remove_file(dir.join("model/tokenizer.json")).unwrap();
    refused(dir, &probe, &["model.safetensors", "tokenizer.json"]);
    write(dir, "model/tokenizer.json", &words);
    let bytes = fs::read(dir.join("model/model.safetensors")).unwrap();
    write(dir, "model/model.safetensors", &bytes[..bytes.len() - 4]);
    refused(dir, &probe, &["model.safetensors"]);
    let (field, mut other) = (b"\\\"hidden\\\":", bytes.clone());
    let at = bytes.windows(field.len()).position(|w| w == field).expect("the header states the sizes") + field.len();
    other[at] = b'5';
    write(dir, "model/model.safetensors", other);
    refused(dir, &probe, &["model.safetensors", "encoder.rnn.weight_ih_l0", "[20, 3]"]);
}

#[test]
fn a_training_is_tried_on_its_test_pairs_at_the_end() {
    let temp = folder();
    let dir = temp.path();
    let out = ok(dir, &format!("{TRAIN} --test train.tsv --out tested"));
    assert!(out.contains("of 12 test pairs"), "{out}");
    let record = json(&dir.join("tested/training.json"));
    let right = record["test_accuracy"].as_f64().unwrap() * 12.0;
    assert!((right - right.round()).abs() < 1e-9 && (0.0..=12.0).contains(&right), "{record}");
    ok(dir, &format!("{} --pairs train.tsv --out run", PROBE.replace("model/", "tested/")));
    let predictions = fs::read_to_string(dir.join("run/predictions.csv")).unwrap();
    assert_eq!(predictions.lines().filter(|line| line.ends_with(",true")).count() as f64, right.round());
    assert_eq!(record["pairs"]["test"], 12);
    assert_eq!(record["dev_accuracy"], record["epochs"][0]["dev_accuracy"]);
    assert!(json(&dir.join("model/training.json"))["test_accuracy"].is_null());
}

#[test]
fn units_that_fire_on_fewer_than_500_pairs_are_not_searched_unless_asked_for() {
    let temp = folder();
    let dir = temp.path();
    let probe = PROBE.replace("--min-activations 1 --length 2", "");
    // All pairs but one are the same, so that a unit fires on all or on none of them. What all pairs have is in no formula.
    let pairs = |n: usize| "a dog runs\nno cat runs\n".repeat(n) + "a man sleeps\nthe man eats\n";
    for (n, name) in [(498, "few"), (500, "many")] {
        write(dir, &format!("{name}.tok"), pairs(n));
        ok(dir, &format!("{probe} --pairs {name}.tok --out {name}"));
    }
    let search = &json(&dir.join("few/config.json"))["config"]["search"];
    assert_eq!((&search["length"], &search["beam"], &search["min_activations"]), (&5.into(), &10.into(), &500.into()));
    let statuses = |run: &str| {
        let units = json(&dir.join(run).join("explanations.json"))["units"].clone();
        units.as_array().unwrap().iter().map(|u| u["status"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (few, many) = (statuses("few"), statuses("many"));
    assert!(few.iter().any(|status| status == "too_few"), "{few:?}");
    assert!(many.iter().any(|status| status == "explained"), "{many:?}");
    for (few, many) in few.iter().zip(&many) {
        let expected: &[&str] = if few == "silent" { &["silent"] } else { &["explained", "too_few"] };
        assert!(few != "explained" && expected.contains(&many.as_str()), "{few}, {many}");
    }
}
