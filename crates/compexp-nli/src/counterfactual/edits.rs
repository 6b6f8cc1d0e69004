//! Edits of one word.

use std::collections::{BTreeMap, HashMap};

use compexp_core::formula::{Atom, Formula};
use compexp_core::random::Random;

use super::Subject;
use crate::features::{Sentence, SplitPair};
use crate::text::UNK;

/// The number of random words that are tried for an edit or its control.
const TRIES: usize = 100;

/// The same for each possible place of a control.
const TRIES_A_PLACE: usize = 10;

/// One of the two sentences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The first.
    Premise,
    /// The second.
    Hypothesis,
}

impl Side {
    /// The sentence of a pair.
    pub fn of(self, pair: &SplitPair) -> &Sentence {
        match self {
            Self::Premise => &pair.premise,
            Self::Hypothesis => &pair.hypothesis,
        }
    }
}

/// What is done to a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// A word is inserted.
    Insert,
    /// A word replaces another one with the same tag.
    Substitute,
    /// A word is deleted.
    Delete,
}

impl How {
    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Substitute => "substitute",
            Self::Delete => "delete",
        }
    }
}

/// An edit of one word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The sentence.
    pub side: Side,
    /// What is done to it.
    pub how: How,
    /// The place of the word in the edited sentence, or the place of the deleted word.
    pub at: usize,
    /// The word that is inserted; empty if there is none.
    pub word: String,
    /// The word that is removed; empty if there is none.
    pub replaced: String,
    /// The tag of either.
    pub tag: String,
}

impl Edit {
    /// The pair with the edit.
    pub fn apply(&self, pair: &SplitPair) -> SplitPair {
        let mut pair = pair.clone();
        let sentence = match self.side {
            Side::Premise => &mut pair.premise,
            Side::Hypothesis => &mut pair.hypothesis,
        };
        match self.how {
            How::Insert => {
                sentence.words.insert(self.at, self.word.clone());
                if !sentence.tags.is_empty() || sentence.words.len() == 1 {
                    sentence.tags.insert(self.at, self.tag.clone());
                }
            }
            // The tag stays.
            How::Substitute => sentence.words[self.at].clone_from(&self.word),
            How::Delete => {
                sentence.words.remove(self.at);
                if !sentence.tags.is_empty() {
                    sentence.tags.remove(self.at);
                }
            }
        }
        pair
    }

    /// The edited sentence as text, with the inserted word in brackets; the brackets are empty if a word was deleted.
    pub fn marked(&self, pair: &SplitPair) -> String {
        let mut words = self.side.of(&self.apply(pair)).words.clone();
        match self.how {
            How::Delete => words.insert(self.at, "[]".into()),
            How::Insert | How::Substitute => words[self.at] = format!("[{}]", self.word),
        }
        words.join(" ")
    }
}

/// The words of the probe set that the classifier knows, with their tags and frequencies.
pub struct Lexicon {
    /// The most frequent tag of each word, and its number of occurrences.
    words: HashMap<String, (String, usize)>,
    /// Words by tag and band of frequency (powers of two), in alphabetical order.
    bands: BTreeMap<(String, u32), Vec<String>>,
}

/// A word of a literal of a formula (positive or negated), on one side of a pair.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Want {
    pub(super) word: String,
    pub(super) hypothesis: bool,
    pub(super) forbidden: bool,
}

fn band(count: usize) -> u32 {
    count.max(1).ilog2()
}

impl Lexicon {
    /// Counts the words of a probe set. If it has no tags, all words have the same tag.
    pub fn new(subject: &Subject<'_>) -> Self {
        let mut counts: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
        for pair in subject.pairs {
            for sentence in [&pair.premise, &pair.hypothesis] {
                for (i, word) in sentence.words.iter().enumerate() {
                    let tag = sentence.tag(i).to_owned();
                    *counts.entry(word.to_lowercase()).or_default().entry(tag).or_default() += 1;
                }
            }
        }
        let known = |word: &str| subject.classifier.words().id(word) != UNK;
        let (mut words, mut bands): (HashMap<_, _>, BTreeMap<_, Vec<String>>) = Default::default();
        for (word, tags) in counts.into_iter().filter(|(word, _)| known(word)) {
            let total: usize = tags.values().sum();
            // The first of equally frequent tags.
            let Some((tag, _)) = tags.into_iter().rev().max_by_key(|(_, n)| *n) else { continue };
            bands.entry((tag.clone(), band(total))).or_default().push(word.clone());
            words.insert(word, (tag, total));
        }
        Self { words, bands }
    }

    /// The words of the literals of a formula, positive and negated, that the classifier knows. For a NEIGHBORS literal
    /// these are all words of its set.
    pub(super) fn wants(&self, subject: &Subject<'_>, formula: &Formula) -> Vec<Want> {
        fn collect(formula: &Formula, forbidden: bool, into: &mut Vec<(Atom, bool)>) {
            match formula {
                Formula::Atom(atom) => into.push((*atom, forbidden)),
                Formula::Not(f) => collect(f, !forbidden, into),
                Formula::And(a, b) | Formula::Or(a, b) => {
                    collect(a, forbidden, into);
                    collect(b, forbidden, into);
                }
            }
        }
        let mut atoms = Vec::new();
        collect(formula, false, &mut atoms);
        let mut wants = Vec::new();
        for (atom, forbidden) in atoms {
            wants.extend(atom.any_of(subject.neighbors).filter_map(|id| {
                let name = subject.annotator.vocabulary.name(id);
                let (hypothesis, word) = match (name.strip_prefix("pre:tok:"), name.strip_prefix("hyp:tok:")) {
                    (Some(word), _) => (false, word),
                    (_, Some(word)) => (true, word),
                    _ => return None,
                };
                self.words.contains_key(word).then(|| Want { word: word.to_owned(), hypothesis, forbidden })
            }));
        }
        wants.sort();
        wants.dedup();
        wants
    }

    /// At most `most` edits of a pair that make the formula `goal` true, each with its control, which leaves it false.
    pub(super) fn edits(
        &self,
        subject: &Subject<'_>,
        goal: &Formula,
        wants: &[Want],
        pair: usize,
        most: usize,
        random: &mut Random,
    ) -> Vec<(Edit, Edit)> {
        let pair = &subject.pairs[pair];
        let mut all = Vec::new();
        for want in wants {
            all.extend(self.ways(want, pair, random).into_iter().map(|edit| (edit, want.forbidden)));
        }
        random.shuffle(&mut all);
        let is_true = |edit: &Edit| subject.holds(goal, &subject.annotator.features(&edit.apply(pair)));
        let mut found = Vec::new();
        for (edit, takes_away) in all {
            if found.len() == most {
                break;
            }
            if !is_true(&edit) {
                continue;
            }
            let fits = |control: &Edit| control.word != control.replaced.to_lowercase() && !is_true(control);
            let control = match takes_away {
                true => self.elsewhere(&edit, pair, random, &fits),
                false => self.likewise(&edit, random, &fits),
            };
            found.extend(control.map(|control| (edit, control)));
        }
        found
    }

    /// The same edit with a random word of its tag and about its word's frequency.
    fn likewise(&self, edit: &Edit, random: &mut Random, fits: &dyn Fn(&Edit) -> bool) -> Option<Edit> {
        let band = self.band_of(&edit.word);
        (0..TRIES).find_map(|_| {
            let control = Edit { word: self.random(&edit.tag, band, random)?, ..edit.clone() };
            (control.word != edit.word && fits(&control)).then_some(control)
        })
    }

    /// The control of an edit that removes a word: the same edit on another word of the sentence, if possible with the
    /// same tag, and then with about the same frequency.
    fn elsewhere(
        &self,
        edit: &Edit,
        pair: &SplitPair,
        random: &mut Random,
        fits: &dyn Fn(&Edit) -> bool,
    ) -> Option<Edit> {
        let sentence = edit.side.of(pair);
        let is_word = |at: &usize| *at != edit.at && sentence.words[*at].chars().any(char::is_alphanumeric);
        let mut places: Vec<usize> = (0..sentence.words.len()).filter(is_word).collect();
        random.shuffle(&mut places);
        places.sort_by_key(|at| {
            let bands = [&edit.replaced, &sentence.words[*at]].map(|word| self.band_of(word));
            (sentence.tag(*at) != edit.tag, bands[0].abs_diff(bands[1]))
        });
        places.into_iter().find_map(|at| {
            let (tag, replaced) = (sentence.tag(at).to_owned(), sentence.words[at].clone());
            let control = Edit { side: edit.side, how: edit.how, at, word: String::new(), replaced, tag };
            if edit.how == How::Delete {
                return fits(&control).then_some(control);
            }
            let band = self.band_of(&control.replaced);
            (0..TRIES_A_PLACE).find_map(|_| {
                let control = Edit { word: self.random(&control.tag, band, random)?, ..control.clone() };
                fits(&control).then_some(control)
            })
        })
    }

    fn band_of(&self, word: &str) -> u32 {
        band(self.words.get(&word.to_lowercase()).map_or(1, |(_, count)| *count))
    }

    /// The possible edits of a pair for one wanted word.
    fn ways(&self, want: &Want, pair: &SplitPair, random: &mut Random) -> Vec<Edit> {
        let side = if want.hypothesis { Side::Hypothesis } else { Side::Premise };
        let sentence = side.of(pair);
        let places = 0..sentence.words.len();
        if want.forbidden {
            let mut ways = Vec::new();
            for at in places.filter(|at| sentence.words[*at].to_lowercase() == want.word) {
                let (tag, replaced) = (sentence.tag(at).to_owned(), sentence.words[at].clone());
                let delete = Edit { side, how: How::Delete, at, word: String::new(), replaced, tag };
                let mut other = || self.random(&delete.tag, self.band_of(&want.word), random);
                let word = (0..TRIES).find_map(|_| other().filter(|word| *word != want.word));
                ways.extend(word.map(|word| Edit { how: How::Substitute, word, ..delete.clone() }));
                // Edits never leave a sentence without words.
                ways.extend((sentence.words.len() > 1).then_some(delete));
            }
            return ways;
        }
        let Some((tag, _)) = self.words.get(&want.word) else { return Vec::new() };
        let edit = |how, at, replaced: &str| Edit {
            side,
            how,
            at,
            word: want.word.clone(),
            replaced: replaced.to_owned(),
            tag: tag.clone(),
        };
        let mut ways = Vec::new();
        let noun = sentence.tags.iter().position(|tag| tag.starts_with("NN"));
        ways.extend(noun.map(|at| edit(How::Insert, at, "")));
        let is_end = |word: &String| matches!(word.as_str(), "." | "!" | "?");
        let end = sentence.words.len() - usize::from(sentence.words.last().is_some_and(is_end));
        ways.push(edit(How::Insert, end, ""));
        let same = |at: &usize| sentence.tag(*at) == tag && sentence.words[*at].to_lowercase() != want.word;
        ways.extend(places.filter(same).map(|at| edit(How::Substitute, at, &sentence.words[at])));
        ways
    }

    /// A random word with a tag, from the band of frequency or, if that has few words, from the bands next to it.
    fn random(&self, tag: &str, band: u32, random: &mut Random) -> Option<String> {
        let of = |band: u32| self.bands.get(&(tag.to_owned(), band)).map_or(&[][..], Vec::as_slice);
        let mut words: Vec<&String> = of(band).iter().collect();
        for further in 1..=16 {
            if words.len() >= 3 {
                break;
            }
            words.extend(of(band + further));
            words.extend(band.checked_sub(further).map_or(&[][..], of));
        }
        words.get(random.below(words.len())).map(|word| (*word).clone())
    }
}
