//! Sentences in other forms than treebanks: annotated words, and texts that the tagger annotates.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use compexp_files::write_npy;
use compexp_tests::data;
use compexp_text::sentences::{Form, Text, TextTagger, read_texts};
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::{Numbers, fails, json as read_json, ok};

fn formulas(dir: &Path, run: &str) -> Vec<Value> {
    let units = read_json(&dir.join(run).join("explanations.json"))["units"].clone();
    units.as_array().unwrap().iter().map(|unit| unit["by_length"].clone()).collect()
}

#[test]
fn annotated_words_are_explained_as_in_a_treebank() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let (mut bank, mut feats) = (String::new(), "lemma;open|note;open|pos;closed|tag;closed|dep;closed\n".to_owned());
    let mut numbers = Numbers(1);
    let mut values = Vec::new();
    for _ in 0..40 {
        let n = 2 + numbers.below(5) as usize;
        for at in 0..n {
            let (word, tag) = [("cats", "NNS"), ("see", "VB"), ("red", "")][numbers.below(3) as usize];
            let or_none = |text: &'static str| if text.is_empty() { "_" } else { text };
            let relation = ["nsubj", "obj"][numbers.below(2) as usize];
            writeln!(bank, "{}\t{word}\tl{word}\tX{tag}\t{}\t_\t_\t{relation}\t_\t_", at + 1, or_none(tag)).unwrap();
            let end = if at + 1 < n { " " } else { "\n\n" };
            write!(feats, "{word}|l{word}|n|X{tag}|{tag}|{relation}{end}").unwrap();
            values.extend([f32::from(u8::from(tag == "VB")), numbers.below(100) as f32]);
        }
        bank.push('\n');
    }
    fs::write(dir.join("a.conllu"), bank).unwrap();
    fs::write(dir.join("a.feats"), &feats).unwrap();
    let mut packed = GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(feats.as_bytes()).unwrap();
    fs::write(dir.join("b.feats.gz"), packed.finish().unwrap()).unwrap();
    write_npy(&dir.join("x.npy"), &[values.len() / 2, 2], &values).unwrap();
    let explain = "explain --activations x.npy --positive --min-count 2 --length 2 --context prev --tokens";
    for file in ["a.conllu", "a.feats", "b.feats.gz"] {
        ok(dir, &format!("{explain} {file} --out {file}-run"));
    }
    let expected = formulas(dir, "a.conllu-run");
    assert_eq!(expected[0][0]["iou"], 1.0);
    assert_eq!([formulas(dir, "a.feats-run"), formulas(dir, "b.feats.gz-run")], [expected.clone(), expected]);
    for file in ["a.conllu", "a.feats"] {
        let e =
            fails(dir, 1, &format!("{explain} {file} --context prev,head --out run").replace("--context prev ", ""));
        assert!(e.contains("heads of the words: found none") && e.contains("--context head"), "{e}");
    }
}

#[test]
fn files_that_hold_no_texts_are_refused() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    write_npy(&dir.join("x.npy"), &[2, 1], &[0.0_f32; 2]).unwrap();
    for (name, content, options, code, message) in [
        ("a.txt", &b""[..], "--tagger none", 1, "`a.txt`: texts: found none, expected at least one"),
        ("a.txt", b" \n\n", "--tagger none", 1, "found none, expected at least one"),
        ("a.txt", b"A dog.\n\xff\n", "--tagger none", 1, "line 2"),
        ("a.txt", b"A dog.\n", "", 2, "give --tagger DIR"),
        ("a.txt", b"A dog.\n", "--tagger none", 1, "none/tokenizer"),
        ("a.txt", b"A dog.\n", "--tagger none --text-field t", 2, "--text-field: found `a.txt`"),
        ("a.jsonl", b"{\"text\": \"A dog.\"}\nA dog.\n", "--tagger none", 1, "line 2"),
        ("a.jsonl", b"{\"text\": \"A dog.\"}\n[1]\n", "--tagger none", 1, "line 2"),
        (
            "a.jsonl",
            b"{\"text\": \"a\"}\n{\"t\": 1}\n",
            "--tagger none",
            1,
            "line 2: found the fields `t`, expected the field `text`",
        ),
        ("a.jsonl", b"{}\n", "--tagger none --text-field t", 1, "line 1: found no fields, expected the field `t`"),
        ("a.jsonl", b"{\"text\": 7}\n", "--tagger none", 1, "line 1: found `text`: `7`, expected a text"),
        ("a.jsonl", b"{\"text\": \"a\", \"document\": []}\n", "--tagger none", 1, "line 1: found `document`"),
        ("a.jsonl", b"\n", "--tagger none", 1, "found none, expected at least one"),
        ("a.feats", b"lemma;open\n\n", "", 1, "sentences: found none"),
        ("a.feats", b"lemma;open\na|b|c\n", "", 1, "line 2"),
        ("a.feats", b"lemma;open\na|b\n", "--tagger none", 2, "--tagger: found `a.feats`, whose words have tags"),
        ("a.parquet", b"PAR1 and no more", "--tagger none", 1, "footer"),
    ] {
        fs::write(dir.join(name), content).unwrap();
        let e = fails(dir, code, &format!("explain --tokens {name} --activations x.npy {options} --out run"));
        assert!(e.contains(message), "{name} {options}: {e}");
        assert!(!dir.join("run").exists());
    }
    let e = fails(dir, 2, "explain --probe . --tagger none --activations x.npy --out run");
    assert!(e.contains("--tagger"), "{e}");
}

#[cfg(feature = "parquet")]
#[test]
fn tables_without_the_column_or_with_other_values_are_refused() {
    use compexp_files::{Values, write_parquet};
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a.parquet");
    let text = |text: &str| Values::Text(vec![Some("A dog.".into()), Some(text.into())]);
    for (name, column, message) in [
        ("sentence", text("A cat."), "columns: found columns sentence, expected a column `text`"),
        ("Text", text("A cat."), "`Text`"),
        ("text", Values::Int(vec![Some(1)]), "text of row 0 (from 0): found the number 1, expected a text"),
        ("text", Values::Text(vec![Some("a".into()), None]), "text of row 1 (from 0): found null"),
        ("text", Values::Bytes(vec![Some(vec![0xff])]), "bytes that are not UTF-8"),
        ("text", Values::Text(vec![Some(" ".into())]), "texts: found none"),
    ] {
        write_parquet(&path, &[(name.to_owned(), column)]).unwrap();
        let e = read_texts(&path, Form::of(&path).unwrap(), "text").unwrap_err().to_string();
        assert!(e.contains(message), "{name}: {e}");
    }
    let columns = [
        ("t".to_owned(), Values::Text(["a", "", "b"].map(|text| Some(text.to_owned())).to_vec())),
        ("document".to_owned(), Values::Int(vec![Some(4), Some(4), None])),
    ];
    write_parquet(&path, &columns).unwrap();
    let text = |text: &str, document: &str, line| Text { text: text.into(), document: document.into(), line };
    let found = read_texts(&path, Form::Parquet, "t").unwrap();
    assert_eq!(found, [text("a", "4", 1), text("b", "", 3)], "texts without words are left out");
}

fn model() -> Option<PathBuf> {
    data("spacy/en_core_web_sm-3.8.0")
}

/// Texts with their words, as spaCy splits them.
fn expected_tokens(path: &Path) -> Vec<(String, Vec<String>)> {
    let text = fs::read_to_string(path).unwrap();
    let entry = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap();
        let words = value["tokens"].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned());
        (value["text"].as_str().unwrap().to_owned(), words.filter(|word| !word.trim().is_empty()).collect())
    };
    text.lines().map(entry).collect()
}

fn texts_of<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<Text> {
    texts.map(|text| Text { text: text.to_owned(), document: String::new(), line: 1 }).collect()
}

#[test]
fn texts_have_the_words_tags_and_lemmas_of_spacy_at_their_places() {
    let (Some(model), Some(expected)) = (model(), data("spacy/expected_tokens.jsonl")) else { return };
    let tagger = TextTagger::load(&model).unwrap();
    let expected = expected_tokens(&expected);
    let found = tagger.sentences(texts_of(expected.iter().map(|(text, _)| text.as_str())), &|_| ()).unwrap();
    assert_eq!(found.len(), 2_000);
    for ((text, words), sentence) in expected.iter().zip(&found) {
        assert!(sentence.words.iter().map(|word| &word.form).eq(words), "{text}");
        let characters: Vec<char> = text.chars().collect();
        let at: Vec<String> = sentence.spans().unwrap().into_iter().map(|at| characters[at].iter().collect()).collect();
        assert_eq!(&at, words, "{text}");
    }

    // The words of these are given. Texts of them with blanks in between are split into the same.
    let tags = fs::read_to_string(data("spacy/expected_tags.tsv").unwrap()).unwrap();
    let golden: Vec<Vec<Vec<&str>>> =
        tags.trim_end().split("\n\n").map(|s| s.lines().map(|line| line.split('\t').collect()).collect()).collect();
    let texts: Vec<String> =
        golden.iter().map(|s| s.iter().map(|fields| fields[0]).collect::<Vec<_>>().join(" ")).collect();
    let found = tagger.sentences(texts_of(texts.iter().map(String::as_str)), &|_| ()).unwrap();
    assert_eq!((golden.len(), found.len()), (2_000, 2_000));
    for (golden, sentence) in golden.iter().zip(&found) {
        assert_eq!(golden.len(), sentence.words.len(), "{golden:?}");
        for (fields, word) in golden.iter().zip(&sentence.words) {
            assert_eq!(fields[..], [&word.form, &word.xpos, &word.upos, &word.lemma], "{fields:?}");
        }
    }
}

#[test]
fn texts_in_every_form_are_explained_alike() {
    let (Some(model), Some(expected)) = (model(), data("spacy/expected_tokens.jsonl")) else { return };
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let is_plain = |(text, words): &&(String, Vec<String>)| {
        !text.contains(['|', '\n']) && !words.iter().any(|word| word.contains(' '))
    };
    let expected = expected_tokens(&expected);
    let chosen: Vec<&(String, Vec<String>)> = expected.iter().filter(is_plain).take(300).collect();
    let lines: String = chosen.iter().map(|(text, _)| format!("{text}\n")).collect();
    fs::write(dir.join("a.txt"), &lines).unwrap();
    fs::write(dir.join("lines"), &lines).unwrap();
    let mut packed = GzEncoder::new(Vec::new(), flate2::Compression::default());
    let object = |i: usize, text: &str| json!({ "id": i, "sentence": text, "document": i / 10 }).to_string() + "\n";
    let objects: String = chosen.iter().enumerate().map(|(i, (text, _))| object(i, text)).collect();
    packed.write_all(objects.as_bytes()).unwrap();
    fs::write(dir.join("a.jsonl.gz"), packed.finish().unwrap()).unwrap();
    let tagger = format!("--tagger {}", model.display());
    for form in ["feats", "conllu"] {
        ok(dir, &format!("nli tag lines {tagger} --format {form} -o a.{form}"));
    }

    let n: usize = chosen.iter().map(|(_, words)| words.len()).sum();
    let mut numbers = Numbers(7);
    let fires = |word: &String, numbers: &mut Numbers| [f32::from(u8::from(word == "the")), numbers.below(1000) as f32];
    let values: Vec<f32> =
        chosen.iter().flat_map(|(_, words)| words).flat_map(|word| fires(word, &mut numbers)).collect();
    write_npy(&dir.join("x.npy"), &[n, 2], &values).unwrap();
    let explain = "explain --activations x.npy --quantile 0.05 --length 2 --context prev";
    let mut forms = vec![("a.feats", ""), ("a.conllu", ""), ("a.txt", tagger.as_str())];
    let named = format!("{tagger} --text-field sentence");
    forms.push(("a.jsonl.gz", &named));
    if cfg!(feature = "parquet") {
        let texts = chosen.iter().map(|(text, _)| Some(text.clone())).collect();
        let column = ("sentence".to_owned(), compexp_files::Values::Text(texts));
        compexp_files::write_parquet(&dir.join("a.parquet"), &[column]).unwrap();
        forms.push(("a.parquet", &named));
    }
    for (file, options) in &forms {
        ok(dir, &format!("{explain} --tokens {file} {options} --out {file}-run"));
        assert_eq!(formulas(dir, &format!("{file}-run")), formulas(dir, "a.feats-run"), "{file}");
    }
    assert!(formulas(dir, "a.txt-run")[0].to_string().contains("form:the"));

    // A run knows its tagger, and reads its texts again with it.
    let words = |file: &str| {
        read_json(&dir.join(format!("{file}-run/config.json")))["config"]["inputs"]["annotations"]["words"].clone()
    };
    let [txt, jsonl] = ["a.txt", "a.jsonl.gz"].map(words);
    assert!(txt["tagger"].as_str().unwrap().len() == 64 && txt["tagger"] == jsonl["tagger"]);
    assert_eq!(words("a.feats"), json!({ "contexts": ["prev"], "min_count": 5 }));
    assert_eq!((&txt["text_field"], &jsonl["text_field"]), (&Value::Null, &"sentence".into()));
    let scored = ok(dir, "eval form:the --run a.jsonl.gz-run --unit 0");
    assert!(scored.contains("0"), "{scored}");
    let documents = fs::read_to_string(dir.join("a.jsonl.gz-run/examples.csv")).unwrap();
    assert!(documents.lines().last().unwrap().ends_with(",29"), "{documents}");
    ok(dir, &format!("{explain} --tokens a.jsonl.gz {named} --out a.jsonl.gz-run"));
    let e = fails(
        dir,
        1,
        &format!("{explain} --tokens a.txt {tagger} --context head --out run").replace("--context prev ", ""),
    );
    assert!(e.contains("heads of the words"), "{e}");
}

#[test]
fn a_model_reads_texts_as_they_were_written() {
    let (Some(tagger), Some(minilm), Some(expected)) = (model(), data("minilm"), data("spacy/expected_tokens.jsonl"))
    else {
        return;
    };
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let expected = expected_tokens(&expected);
    let (mut lines, mut bank) = (String::new(), String::new());
    for (text, words) in expected.iter().filter(|(text, _)| !text.contains('\n')).take(50) {
        writeln!(lines, "{text}").unwrap();
        writeln!(bank, "# text = {text}").unwrap();
        for (at, word) in words.iter().enumerate() {
            writeln!(bank, "{}\t{word}\t_\tX\t_\t_\t_\t_\t_\t_", at + 1).unwrap();
        }
        bank.push('\n');
    }
    fs::write(dir.join("a.txt"), lines).unwrap();
    fs::write(dir.join("a.conllu"), bank).unwrap();
    let probe = format!("text probe --model {} --layer mlp.0 --units 0 --length 1 --min-count 1", minilm.display());
    ok(dir, &format!("{probe} --tokens a.txt --tagger {} --out txt", tagger.display()));
    ok(dir, &format!("{probe} --tokens a.conllu --out conllu"));
    assert!(
        fs::read(dir.join("txt/activations.npy")).unwrap() == fs::read(dir.join("conllu/activations.npy")).unwrap()
    );
}
