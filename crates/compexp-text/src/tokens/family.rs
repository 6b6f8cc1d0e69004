//! Families of concepts: what a word is by itself.

use std::collections::HashMap;

use compexp_core::concept::Concept;
use rayon::prelude::*;

use super::given::Given;
use super::source::Lists;
use super::{Options, add};
use crate::conllu::{Sentence, Word};

/// A family of concepts of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// The word in lower case, `form:this`.
    Form,
    /// Its lemma, `lemma:be`.
    Lemma,
    /// Its universal part of speech, `upos:NOUN`.
    Upos,
    /// Its tag of the treebank's own tag set, `xpos:NNS`.
    Xpos,
    /// Its morphological features, `Number=Sing`.
    Feature,
    /// Its relation to its head, `rel:nsubj`.
    Relation,
    /// Its place in the sentence: `position:first`, `position:last`, and ranges of places, from 1: `position:1-4`.
    Position,
    /// Its first two and three characters in lower case, `prefix:un`, of words that are at least two characters longer.
    Prefix,
    /// Its last two and three characters, `suffix:ing`, in the same way.
    Suffix,
    /// How it is written: `shape:capitalised`, `shape:upper` (two or more letters, all of them upper case), `shape:digit`
    /// (with a digit), `shape:punctuation` (without letters and digits).
    Shape,
    /// Whether it is in one of the given word lists, `list:colours`.
    List,
    /// Whether a given regular expression finds something in it, `regex:year`.
    Regex,
    /// The given label of its sentence, `label:spam`.
    Label,
}

impl Family {
    /// All of them, in the order of their concepts' ids.
    pub const ALL: [Self; 13] = [
        Self::Form,
        Self::Lemma,
        Self::Upos,
        Self::Xpos,
        Self::Feature,
        Self::Relation,
        Self::Position,
        Self::Prefix,
        Self::Suffix,
        Self::Shape,
        Self::List,
        Self::Regex,
        Self::Label,
    ];

    /// Those that are used unless others are named.
    pub const DEFAULT: [Self; 7] =
        [Self::Form, Self::Lemma, Self::Upos, Self::Xpos, Self::Feature, Self::Relation, Self::Position];

    /// The name, which is the category of its concepts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Lemma => "lemma",
            Self::Upos => "upos",
            Self::Xpos => "xpos",
            Self::Feature => "feature",
            Self::Relation => "relation",
            Self::Position => "position",
            Self::Prefix => "prefix",
            Self::Suffix => "suffix",
            Self::Shape => "shape",
            Self::List => "list",
            Self::Regex => "regex",
            Self::Label => "label",
        }
    }

    /// Whether it has a concept for each word of the language, so that context leaves it out unless it is named.
    pub fn is_lexical(self) -> bool {
        matches!(self, Self::Form | Self::Lemma)
    }

    /// What stands before a value in a concept's name.
    fn prefix(self) -> &'static str {
        match self {
            Self::Feature => "",
            Self::Relation => "rel:",
            Self::Form => "form:",
            Self::Lemma => "lemma:",
            Self::Upos => "upos:",
            Self::Xpos => "xpos:",
            Self::Position => "position:",
            Self::Prefix => "prefix:",
            Self::Suffix => "suffix:",
            Self::Shape => "shape:",
            Self::List => "list:",
            Self::Regex => "regex:",
            Self::Label => "label:",
        }
    }

    /// Calls `each` with the values that a word has: the word at place `at` of the sentence number `number`.
    fn values(self, sentence: &Sentence, number: usize, at: usize, given: &Given, mut each: impl FnMut(&str)) {
        let word: &Word = &sentence.words[at];
        match self {
            Self::Form => each(&word.form.to_lowercase()),
            Self::Lemma => each(&word.lemma),
            Self::Upos => each(&word.upos),
            Self::Xpos => each(&word.xpos),
            Self::Feature => word.features.iter().for_each(|feature| each(feature)),
            Self::Relation => each(&word.relation),
            Self::Position => positions(at, sentence.words.len(), each),
            Self::Prefix => affixes(&word.form, false, each),
            Self::Suffix => affixes(&word.form, true, each),
            Self::Shape => shapes(&word.form, each),
            Self::List => given.lists.names_of(&word.form).for_each(each),
            Self::Regex => given.patterns.names_of(&word.form).for_each(each),
            Self::Label => given.labels.get(number).into_iter().for_each(|label| each(label)),
        }
    }
}

/// The first places of the ranges of places, from 1.
const PLACES: [usize; 5] = [1, 5, 10, 20, 40];

fn positions(at: usize, n: usize, mut each: impl FnMut(&str)) {
    if at == 0 {
        each("first");
    }
    if at + 1 == n {
        each("last");
    }
    let range = PLACES.iter().rposition(|first| at + 1 >= *first).unwrap_or(0);
    match PLACES.get(range + 1) {
        Some(next) => each(&format!("{}-{}", PLACES[range], next - 1)),
        None => each(&format!("{}+", PLACES[range])),
    }
}

fn affixes(form: &str, end: bool, mut each: impl FnMut(&str)) {
    let letters: Vec<char> = form.to_lowercase().chars().collect();
    for n in [2, 3] {
        if letters.len() >= n + 2 {
            let part = if end { &letters[letters.len() - n..] } else { &letters[..n] };
            each(&part.iter().collect::<String>());
        }
    }
}

fn shapes(form: &str, mut each: impl FnMut(&str)) {
    if form.chars().next().is_some_and(char::is_uppercase) {
        each("capitalised");
    }
    let letters = || form.chars().filter(|c| c.is_alphabetic());
    if letters().count() > 1 && letters().all(char::is_uppercase) {
        each("upper");
    }
    if form.chars().any(|c| c.is_ascii_digit()) {
        each("digit");
    }
    if !form.chars().any(char::is_alphanumeric) {
        each("punctuation");
    }
}

/// The concepts of every word: the values that at least `min_count` words have.
pub(super) fn annotate(sentences: &[Sentence], options: &Options, given: &Given, concepts: &mut Vec<Concept>) -> Lists {
    let places: Vec<(usize, usize)> =
        sentences.iter().enumerate().flat_map(|(s, sentence)| (0..sentence.words.len()).map(move |w| (s, w))).collect();
    let mut lists = Lists(vec![Vec::new(); places.len()]);
    for family in Family::ALL.into_iter().filter(|family| options.families.contains(family)) {
        let of_words: Vec<Vec<String>> = places
            .par_iter()
            .map(|(s, w)| {
                let mut values = Vec::new();
                family.values(&sentences[*s], *s, *w, given, |value| {
                    if !value.is_empty() && !values.iter().any(|v| v == value) {
                        values.push(value.to_owned());
                    }
                });
                values
            })
            .collect();
        let mut counts: HashMap<&str, usize> = HashMap::new();
        of_words.iter().flatten().for_each(|value| *counts.entry(value).or_default() += 1);
        let mut kept: Vec<&str> = counts.iter().filter(|(_, n)| **n >= options.min_count).map(|(v, _)| *v).collect();
        kept.sort_unstable();
        let ids: HashMap<&str, u32> = kept
            .into_iter()
            .map(|value| (value, add(concepts, format!("{}{value}", family.prefix()), family.name())))
            .collect();
        for (list, values) in lists.0.iter_mut().zip(&of_words) {
            list.extend(values.iter().filter_map(|value| ids.get(value.as_str())));
        }
    }
    lists
}
