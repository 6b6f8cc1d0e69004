//! Edits of one word.

use std::collections::{BTreeMap, HashMap};

use compexp_core::concept::ConceptId;
use compexp_core::formula::{Atom, Formula};
use compexp_core::random::Random;

use super::Subject;
use crate::features::{Sentence, SplitPair};
use crate::text::UNK;

/// Words that are tried as a control before an edit is given up.
const TRIES: usize = 100;

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
    fn of(self, pair: &SplitPair) -> &Sentence {
        match self {
            Self::Premise => &pair.premise,
            Self::Hypothesis => &pair.hypothesis,
        }
    }
}

/// How a word comes into a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// Beside the words that are there.
    Insert,
    /// In place of a word of the same tag.
    Substitute,
}

/// An edit of one word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The sentence.
    pub side: Side,
    /// How the word comes into it.
    pub how: How,
    /// Its place in the edited sentence.
    pub at: usize,
    /// The word.
    pub word: String,
    /// Its tag.
    pub tag: String,
}

impl Edit {
    /// The pair with `word` in the edit's place, in the edit's way and with its tag.
    pub fn apply(&self, pair: &SplitPair, word: &str) -> SplitPair {
        let mut pair = pair.clone();
        let sentence = match self.side {
            Side::Premise => &mut pair.premise,
            Side::Hypothesis => &mut pair.hypothesis,
        };
        match self.how {
            How::Insert => {
                sentence.words.insert(self.at, word.to_owned());
                if !sentence.tags.is_empty() || sentence.words.len() == 1 {
                    sentence.tags.insert(self.at, self.tag.clone());
                }
            }
            // The tag stays.
            How::Substitute => sentence.words[self.at] = word.to_owned(),
        }
        pair
    }
}

/// The words of the probe set that the classifier knows, with their tags and frequencies.
pub struct Lexicon {
    /// The most frequent tag of each word, and its number of occurrences.
    words: HashMap<String, (String, usize)>,
    /// Words by tag and band of frequency (powers of two), in alphabetical order.
    bands: BTreeMap<(String, u32), Vec<String>>,
}

/// A word that a formula asks for or forbids on one side.
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
    /// Counts the words of a probe set; where it has no tags, all words have the same.
    pub fn new(subject: &Subject<'_>) -> Self {
        let mut counts: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
        for pair in subject.pairs {
            for sentence in [&pair.premise, &pair.hypothesis] {
                for (i, word) in sentence.words.iter().enumerate() {
                    let tag = sentence.tags.get(i).cloned().unwrap_or_default();
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

    /// The words that a formula asks for or forbids, and that the classifier knows; of NEIGHBORS all.
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
            let near = subject.neighbors.get(&atom.concept).filter(|_| atom.neighbors);
            let ids = std::iter::once(atom.concept).chain(near.into_iter().flatten().copied());
            wants.extend(ids.filter_map(|id: ConceptId| {
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

    /// At most `most` edits of a pair that make the formula true, each with its control.
    pub(super) fn edits(
        &self,
        subject: &Subject<'_>,
        formula: &Formula,
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
        let is_true = |edit: &Edit| subject.holds(formula, &subject.annotator.features(&edit.apply(pair, &edit.word)));
        let mut found = Vec::new();
        for (edit, takes_away) in all {
            if found.len() == most {
                break;
            }
            if !is_true(&edit) {
                continue;
            }
            let control = (0..TRIES).find_map(|_| {
                let control = match takes_away {
                    true => self.elsewhere(&edit, pair, random)?,
                    false => Edit { word: self.random(&edit.tag, self.band_of(&edit.word), random)?, ..edit.clone() },
                };
                let changes = control.apply(pair, &control.word) != *pair;
                (control != edit && changes && !is_true(&control)).then_some(control)
            });
            if let Some(control) = control {
                found.push((edit, control));
            }
        }
        found
    }

    /// A random word in place of another one of the sentence than `edit` replaces: one of the same tag if there is one.
    fn elsewhere(&self, edit: &Edit, pair: &SplitPair, random: &mut Random) -> Option<Edit> {
        let sentence = edit.side.of(pair);
        let tag_at = |at: usize| sentence.tags.get(at).cloned().unwrap_or_default();
        let is_word = |at: &usize| *at != edit.at && sentence.words[*at].chars().any(char::is_alphanumeric);
        let mut places: Vec<usize> = (0..sentence.words.len()).filter(is_word).collect();
        if places.iter().any(|at| tag_at(*at) == edit.tag) {
            places.retain(|at| tag_at(*at) == edit.tag);
        }
        let at = *places.get(random.below(places.len()))?;
        let tag = tag_at(at);
        let word = self.random(&tag, self.band_of(&sentence.words[at].to_lowercase()), random)?;
        Some(Edit { side: edit.side, how: How::Substitute, at, word, tag })
    }

    fn band_of(&self, word: &str) -> u32 {
        band(self.words.get(word).map_or(1, |(_, count)| *count))
    }

    /// The ways to fulfil a want in a pair.
    fn ways(&self, want: &Want, pair: &SplitPair, random: &mut Random) -> Vec<Edit> {
        let side = if want.hypothesis { Side::Hypothesis } else { Side::Premise };
        let sentence = side.of(pair);
        let tag_at = |at: usize| sentence.tags.get(at).cloned().unwrap_or_default();
        if want.forbidden {
            let at = |at: &usize| sentence.words[*at].to_lowercase() == want.word;
            let mut edit = |at: usize| {
                let tag = tag_at(at);
                let mut other =
                    || self.random(&tag, self.band_of(&want.word), random).filter(|word| *word != want.word);
                let word = (0..TRIES).find_map(|_| other())?;
                Some(Edit { side, how: How::Substitute, at, word, tag })
            };
            return (0..sentence.words.len()).filter(at).filter_map(&mut edit).collect();
        }
        let Some((tag, _)) = self.words.get(&want.word) else { return Vec::new() };
        let edit = |how, at| Edit { side, how, at, word: want.word.clone(), tag: tag.clone() };
        let mut ways = Vec::new();
        ways.extend(sentence.tags.iter().position(|tag| tag.starts_with("NN")).map(|at| edit(How::Insert, at)));
        let is_end = |word: &String| matches!(word.as_str(), "." | "!" | "?");
        let end = sentence.words.len() - usize::from(sentence.words.last().is_some_and(is_end));
        ways.push(edit(How::Insert, end));
        let same = |at: &usize| tag_at(*at) == *tag && sentence.words[*at].to_lowercase() != want.word;
        ways.extend((0..sentence.words.len()).filter(same).map(|at| edit(How::Substitute, at)));
        ways
    }

    /// A random word of a tag, from the band of frequency or where that has few words from those next to it.
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
