//! Tokens against spaCy's own.

use std::fs;

use serde::Deserialize;

use super::*;
use crate::words::{UNK, WordTable};

const MODEL: &str = "spacy/en_core_web_sm-3.8.0";

pub(super) fn tokenizer() -> Option<Tokenizer> {
    Some(Tokenizer::load(&compexp_tests::data(MODEL)?).unwrap())
}

#[derive(Deserialize)]
pub(super) struct Sentence {
    pub(super) text: String,
    pub(super) tokens: Vec<String>,
}

/// Raw sentences with spaCy's tokens; none without the data folder.
pub(super) fn sentences() -> Vec<Sentence> {
    let Some(path) = compexp_tests::data("spacy/expected_tokens.jsonl") else { return Vec::new() };
    let text = fs::read_to_string(path).unwrap();
    let sentences: Vec<_> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(sentences.len(), 2_000);
    sentences
}

#[test]
fn tokens_equal_spacys() {
    let Some(tokenizer) = tokenizer() else { return };
    let sentences = sentences();
    let texts: Vec<&str> = sentences.iter().map(|s| s.text.as_str()).collect();
    let found = tokenizer.tokenize_all(&texts).unwrap();
    let wrong: Vec<_> = sentences.iter().zip(&found).filter(|(s, found)| s.tokens != **found).collect();
    let wrong: Vec<_> = wrong.iter().map(|(s, found)| (&s.tokens, found)).collect();
    assert!(wrong.is_empty(), "{} differ: {wrong:#?}", wrong.len());
}

#[test]
fn tokens_of_odd_texts_equal_spacys() {
    let Some(tokenizer) = tokenizer() else { return };
    // What spaCy 3.8.7 gives with the same model.
    for (text, expected) in ODD {
        assert_eq!(tokenizer.tokenize(text).unwrap(), *expected, "{text:?}");
    }
}

#[test]
fn a_text_alone_is_cut_as_among_others() {
    let Some(tokenizer) = tokenizer() else { return };
    let texts: Vec<&str> = ODD.iter().map(|(text, _)| *text).collect();
    let alone: Vec<_> = texts.iter().map(|text| tokenizer.tokenize(text).unwrap()).collect();
    assert_eq!(tokenizer.tokenize_all(&texts).unwrap(), alone);
}

#[test]
fn the_trained_vocabulary_is_made_of_its_tokens() {
    let (Some(tokenizer), Some(train)) = (tokenizer(), compexp_tests::data("snli/train.tsv")) else { return };
    let Some(checkpoint) = compexp_tests::data("snli/bowman.pth") else { return };
    let table = fs::read_to_string(&train).unwrap();
    // Columns: label, premise, hypothesis.
    let texts: Vec<&str> = table.lines().skip(1).flat_map(|line| line.split('\t').skip(1).take(2)).collect();
    assert_eq!(texts.len(), 2 * 31_426);
    let tokens = tokenizer.tokenize_all(&texts).unwrap();
    let ours = WordTable::from_tokens(tokens.iter().flatten().copied());
    let trained = WordTable::from_checkpoint(&compexp_checkpoint::read(&checkpoint).unwrap()).unwrap();
    // It was trained on nine tenths of the pairs, so ours has more words, never fewer.
    let missing: Vec<_> = trained.words()[2..].iter().filter(|word| ours.id(word) == UNK).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(ours.len() > trained.len());
}

#[test]
fn hostile_texts_take_little_time() {
    let Some(tokenizer) = tokenizer() else { return };
    for text in ["(".repeat(100_000), "a.".repeat(2_000), "http://".repeat(500), "1".repeat(4_000), "'".repeat(3_000)] {
        let tokens = tokenizer.tokenize(&text).unwrap();
        assert_eq!(tokens.concat(), text);
    }
}

#[test]
fn damaged_rules_are_refused() {
    let Some(model) = compexp_tests::data(MODEL) else { return };
    let whole = fs::read(model.join("tokenizer")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for cut in [0, 100, whole.len() - 1] {
        fs::write(folder.path().join("tokenizer"), &whole[..cut]).unwrap();
        let error = Tokenizer::load(folder.path()).err().unwrap().to_string();
        assert!(error.contains("tokenizer"), "{error}");
    }
    let mut broken = whole.clone();
    let at = broken.windows(13).position(|w| w == b"suffix_search").unwrap() + 20;
    broken[at] = b'(';
    fs::write(folder.path().join("tokenizer"), broken).unwrap();
    let error = Tokenizer::load(folder.path()).err().unwrap().to_string();
    assert!(error.contains("suffix_search"), "{error}");
}

#[rustfmt::skip]
pub(super) const ODD: &[(&str, &[&str])] = &[
    ("", &[]),
    ("a", &["a"]),
    (" a", &[" ", "a"]),
    ("a  b", &["a", " ", "b"]),
    ("a \n b ", &["a", "\n ", "b"]),
    ("\t", &["\t"]),
    ("don't you'll can't gonna", &["do", "n't", "you", "'ll", "ca", "n't", "gon", "na"]),
    ("(Don't!)", &["(", "Do", "n't", "!", ")"]),
    ("U.S.A. is in the U.S.", &["U.S.A.", "is", "in", "the", "U.S."]),
    ("at 8a.m. or 10pm.", &["at", "8", "a.m.", "or", "10", "pm", "."]),
    ("foo:) bar :-)(", &["foo", ":)", "bar", ":-)", "("]),
    ("see http://www.example.com/a_b?c=d, or a@b.org.", &["see", "http://www.example.com/a_b?c=d", ",", "or", "a@b.org", "."]),
    ("state-of-the-art, t-shirt/jeans", &["state", "-", "of", "-", "the", "-", "art", ",", "t", "-", "shirt", "/", "jeans"]),
    ("$5.50 10km 20% €3", &["$", "5.50", "10", "km", "20", "%", "€", "3"]),
    ("\"Quoted,\" she said--quickly...", &["\"", "Quoted", ",", "\"", "she", "said", "--", "quickly", "..."]),
    ("it's John's; the dogs' bowls", &["it", "'s", "John", "'s", ";", "the", "dogs", "'", "bowls"]),
    ("naïve café’s “yes”", &["naïve", "café", "’s", "“", "yes", "”"]),
    ("3-year-old 1/2 a.b.c Hello.World", &["3", "-", "year", "-", "old", "1/2", "a.b.c", "Hello", ".", "World"]),
    ("I'd've c'mon y'all", &["I", "'d", "'ve", "c'm", "on", "y'", "all"]),
    ("…and so… on", &["…", "and", "so", "…", "on"]),
    ("e.g. i.e., Mr. Smith", &["e.g.", "i.e.", ",", "Mr.", "Smith"]),
    ("🦀🦀 ok!", &["🦀", "🦀", "ok", "!"]),
    ("‘80s rock’n’roll", &["‘", "80s", "rock’n’roll"]),
    ("10° 5°C. C++ x_y __init__", &["10", "°", "5", "°", "C", ".", "C++", "x_y", "_", "_", "init", "_", "_"]),
    (":) :( :)a a:)", &[":)", ":(", ":)", "a", "a", ":)"]),
];
