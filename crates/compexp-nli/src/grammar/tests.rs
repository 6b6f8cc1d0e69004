//! Tests of the grammar.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use compexp_text::feats::Feats;

use super::words::entries;
use super::world::{ACTIVITIES, PLACES};
use super::*;
use crate::features::WordVectors;
use crate::text::{read_gold, read_pairs, read_tok};

fn corpus(pairs: usize, held_out: usize, seed: u64) -> Corpus {
    Corpus::compose(&ComposeConfig { pairs, held_out, seed }).unwrap()
}

#[test]
fn what_is_written_is_what_the_readers_read() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = corpus(300, 90, 1);
    corpus.write(folder.path()).unwrap();
    let path = |name: &str| folder.path().join(name);
    assert_eq!(read_pairs(&path(TRAIN_FILE)).unwrap(), corpus.train);
    let gold = read_gold(&path(GOLD_FILE), corpus.held_out.len()).unwrap();
    assert_eq!(read_tok(&path(HELD_OUT_FILE), Some(&gold)).unwrap(), corpus.held_out);
    let feats = Feats::read(&path(FEATS_FILE)).unwrap();
    let words: Vec<Vec<&str>> =
        feats.sentences.iter().map(|tokens| tokens.iter().map(|t| t.word.as_str()).collect()).collect();
    let texts: Vec<&str> = corpus.held_out.iter().flat_map(|p| [p.premise.as_str(), &p.hypothesis]).collect();
    assert_eq!(words.iter().map(|words| words.join(" ")).collect::<Vec<_>>(), texts);
    let is = feats.sentences.iter().flatten().find(|token| token.word == "is").unwrap();
    assert_eq!(is.values, ["be", "VBZ"]);
    assert_eq!(WordVectors::read(&path(VECTORS_FILE)).unwrap().len(), entries().count());
}

#[test]
fn every_word_of_every_sentence_is_listed_once_and_all_listed_words_occur() {
    let words: Vec<&str> = entries().map(|entry| entry.word).collect();
    let listed: BTreeSet<&str> = words.iter().copied().collect();
    let mut seen = BTreeMap::new();
    words.iter().for_each(|word| *seen.entry(word).or_insert(0) += 1);
    assert!(seen.values().all(|n| *n == 1), "twice: {:?}", seen.iter().filter(|(_, n)| **n > 1).collect::<Vec<_>>());
    let corpus = corpus(60_000, 3, 3);
    let sentences = corpus.train.iter().flat_map(|pair| [&pair.premise, &pair.hypothesis]);
    let said: BTreeSet<String> = sentences.flat_map(|text| text.split(' ').map(str::to_lowercase)).collect();
    let said: BTreeSet<&str> = said.iter().map(String::as_str).collect();
    assert_eq!(said.difference(&listed).collect::<Vec<_>>(), Vec::<&&str>::new(), "said and not listed");
    assert_eq!(listed.difference(&said).collect::<Vec<_>>(), Vec::<&&str>::new(), "listed and never said");
    assert!((200..350).contains(&listed.len()), "{} words", listed.len());
}

#[test]
fn pairs_follow_from_the_seed_and_more_of_them_begin_alike() {
    let (few, many) = (corpus(30, 30, 5), corpus(300, 30, 5));
    assert_eq!(few.train, many.train[..30]);
    assert_eq!(few, corpus(30, 30, 5));
    assert_ne!(few.train, corpus(30, 30, 6).train);
}

#[test]
fn held_out_premises_are_not_among_those_to_learn_from_and_labels_are_balanced() {
    let corpus = corpus(9_000, 3_000, 0);
    let known: BTreeSet<&str> = corpus.train.iter().map(|pair| pair.premise.as_str()).collect();
    assert!(corpus.held_out.iter().all(|pair| !known.contains(pair.premise.as_str())));
    for label in Label::ALL {
        let n = corpus.train.iter().filter(|pair| pair.label == Some(label)).count();
        assert!((2_850..3_150).contains(&n), "{label:?}: {n}");
    }
}

#[test]
fn the_habits_of_annotators_tell_labels_and_none_of_them_always() {
    let corpus = corpus(60_000, 3, 2);
    let mut counts: HashMap<String, [usize; 3]> = HashMap::new();
    for pair in &corpus.train {
        let words: BTreeSet<String> = pair.hypothesis.split(' ').map(str::to_lowercase).collect();
        for word in words {
            counts.entry(word).or_default()[pair.label.unwrap().index()] += 1;
        }
    }
    for (label, words) in [
        (Label::Entailment, "person people animal outdoors outside"),
        (Label::Neutral, "because for tall sad friends"),
        (Label::Contradiction, "nobody no sleeping asleep"),
    ] {
        for word in words.split(' ') {
            let of = counts[word];
            let share = of[label.index()] as f64 / of.iter().sum::<usize>() as f64;
            assert!((0.5..0.99).contains(&share), "{word}: {share:.3} of {of:?} are {label:?}");
        }
    }
}

/// The share of `label` among the pairs whose hypothesis has one of these words.
fn habit(pairs: &[Pair], label: Label, words: &str) -> f64 {
    let words: BTreeSet<&str> = words.split(' ').collect();
    let has = |pair: &&Pair| pair.hypothesis.split(' ').any(|word| words.contains(word.to_lowercase().as_str()));
    let (with, n) =
        pairs.iter().filter(has).fold((0, 0), |(with, n), pair| (with + usize::from(pair.label == Some(label)), n + 1));
    with as f64 / n as f64
}

#[test]
fn habits_hold_less_often_in_held_out_pairs() {
    let corpus = corpus(9_000, 9_000, 4);
    for (label, words) in [
        (Label::Entailment, "person people animal animals outdoors outside inside indoors"),
        (Label::Neutral, "because for tall sad happy tired"),
        (Label::Contradiction, "nobody no not sleeping asleep"),
    ] {
        let [learnt, held_out] = [&corpus.train, &corpus.held_out].map(|pairs| habit(pairs, label, words));
        assert!(learnt > 0.6 && held_out < learnt - 0.08, "{label:?}: {learnt:.3} and {held_out:.3}");
    }
}

#[test]
fn the_world_names_places_that_exist() {
    for activity in ACTIVITIES {
        let named: Vec<&str> = activity.places.split(' ').collect();
        assert_eq!(activity.places().iter().map(|p| p.name).collect::<Vec<_>>(), named, "{}", activity.doing);
    }
    let names: BTreeSet<&str> = PLACES.iter().map(|place| place.name).collect();
    assert_eq!(names.len(), PLACES.len());
}

#[test]
fn neighbours_share_a_meaning() {
    let folder = tempfile::tempdir().unwrap();
    corpus(3, 3, 0).write(folder.path()).unwrap();
    let vectors = WordVectors::read(&folder.path().join(VECTORS_FILE)).unwrap();
    let classes: HashMap<&str, BTreeSet<&str>> =
        entries().map(|entry| (entry.word, entry.classes.split(' ').collect())).collect();
    let words: Vec<String> = classes.keys().map(|word| (*word).to_owned()).collect();
    let found = vectors.nearest(&words, 5);
    let near = words.iter().zip(&found).flat_map(|(word, near)| near.iter().map(move |other| (word.as_str(), *other)));
    let near: Vec<(&str, &str)> = near.collect();
    let kin = near.iter().filter(|(a, b)| !classes[a].is_disjoint(&classes[b])).count();
    assert!(kin as f64 > 0.85 * near.len() as f64, "{kin} of {}", near.len());
}

#[test]
fn articles_capitals_and_full_stops_are_set() {
    assert_eq!(sentence("a old man is eating a apple"), "An old man is eating an apple .");
    assert_eq!(sentence("in a park , a man sings"), "In a park , a man sings .");
}

#[test]
fn no_pairs_and_too_many_are_refused() {
    let compose = |pairs, held_out| Corpus::compose(&ComposeConfig { pairs, held_out, seed: 0 });
    for (pairs, held_out, what) in [(0, 3, "pairs: found 0"), (3, 0, "held-out pairs"), (MAX_PAIRS + 1, 3, "200001")] {
        let error = compose(pairs, held_out).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
}
