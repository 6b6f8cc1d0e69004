//! Sentence pairs from a grammar, with all the files for training and probing a classifier. Everything follows from a
//! seed.
//!
//! A premise describes a scene: beings, their activity, the place and the clothes. It gets three hypotheses, one for
//! each label, with the habits of SNLI's annotators, so that units which learn such habits can be found. In held-out pairs the
//! habits hold less often than in training pairs, so that relying on them costs accuracy. Labels, tags
//! and lemmas are known because the grammar wrote the sentences; word vectors are made from its classes of meaning.

mod against;
mod draw;
mod files;
mod hypothesis;
mod scene;
#[cfg(test)]
mod tests;
mod vectors;
mod words;
mod world;

pub use files::{FEATS_FILE, GOLD_FILE, HELD_OUT_FILE, TRAIN_FILE, VECTORS_FILE};

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::random::Purpose;
use crate::text::{Label, Pair};
use draw::Draw;
use scene::Scene;

/// More pairs than this are refused: the scenes would repeat themselves.
pub const MAX_PAIRS: usize = 200_000;

/// The settings of a corpus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComposeConfig {
    /// Training pairs; at most [`MAX_PAIRS`].
    pub pairs: usize,
    /// Held-out pairs, with other premises than the training pairs; at most [`MAX_PAIRS`].
    pub held_out: usize,
    /// The seed of every sentence, label and vector.
    pub seed: u64,
}

impl Default for ComposeConfig {
    fn default() -> Self {
        Self { pairs: 15_000, held_out: 2_400, seed: 0 }
    }
}

/// Share of pairs with a wrong label, like the errors of annotators.
const NOISE: f64 = 0.04;

/// Share of training pairs whose hypothesis goes against the habits of annotators.
const AGAINST_HABITS: f64 = 0.05;

/// The same share of held-out pairs: habits hold in the data that a classifier learns from more often than elsewhere.
const AGAINST_HABITS_HELD_OUT: f64 = 0.5;

/// The composed corpus. Sentences are tokens separated by blanks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corpus {
    /// Pairs for training.
    pub train: Vec<Pair>,
    /// Pairs held out.
    pub held_out: Vec<Pair>,
    seed: u64,
}

impl Corpus {
    /// Composes pairs, three per premise. A larger corpus with the same seed begins with the same pairs.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] if the number of pairs is 0 or too large.
    pub fn compose(config: &ComposeConfig) -> Result<Self> {
        for (what, n) in [("pairs", config.pairs), ("held-out pairs", config.held_out)] {
            if n == 0 || n > MAX_PAIRS {
                return Err(Error::mismatch(what, n, format!("1 to {MAX_PAIRS}")));
            }
        }
        let mut told = HashSet::new();
        let mut train = Vec::with_capacity(config.pairs + 2);
        for round in 0.. {
            if train.len() >= config.pairs {
                break;
            }
            let (premise, pairs) = write(&mut Draw::new(config.seed, Purpose::Scenes, round), AGAINST_HABITS);
            train.extend(pairs);
            told.insert(premise);
        }
        train.truncate(config.pairs);
        let mut held_out = Vec::with_capacity(config.held_out + 2);
        // Held-out pairs do not depend on the number of training pairs, except that premises of training pairs are
        // skipped.
        for round in 0.. {
            if held_out.len() >= config.held_out {
                break;
            }
            let mut draw = Draw::new(config.seed, Purpose::HeldOutScenes, round);
            let (premise, pairs) = write(&mut draw, AGAINST_HABITS_HELD_OUT);
            if told.insert(premise) {
                held_out.extend(pairs);
            }
        }
        held_out.truncate(config.held_out);
        Ok(Self { train, held_out, seed: config.seed })
    }
}

/// A premise, and its three pairs in any order; this share of hypotheses goes against the habits of annotators.
fn write(draw: &mut Draw, against_habits: f64) -> (String, Vec<Pair>) {
    let scene = Scene::draw(draw);
    let premise = sentence(&scene.premise(draw));
    let mut pairs = Vec::with_capacity(3);
    let first = draw.below(3);
    for label in (first..first + 3).filter_map(|index| Label::from_index(index % 3)) {
        let hypothesis = match (label, draw.chance(against_habits)) {
            (Label::Entailment, false) => hypothesis::entailed(&scene, draw),
            (Label::Neutral, false) => hypothesis::neutral(&scene, draw),
            (Label::Contradiction, false) => hypothesis::contradicted(&scene, draw),
            (Label::Entailment, true) => against::entailed(&scene, draw),
            (Label::Neutral, true) => against::neutral(&scene, draw),
            (Label::Contradiction, true) => against::contradicted(&scene, draw),
        };
        let given = if draw.chance(NOISE) { (label.index() + 1 + draw.below(2)) % 3 } else { label.index() };
        pairs.push(Pair {
            label: Label::from_index(given),
            premise: premise.clone(),
            hypothesis: sentence(&hypothesis),
        });
    }
    (premise, pairs)
}

/// The words as a sentence: with `an` before a vowel, a capital, and a full stop.
fn sentence(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let mut out = String::with_capacity(text.len() + 4);
    for (i, word) in words.iter().enumerate() {
        let vowel = words.get(i + 1).is_some_and(|next| next.starts_with(['a', 'e', 'i', 'o', 'u']));
        let word = if *word == "a" && vowel { "an" } else { word };
        if i == 0 {
            out.extend(word.chars().take(1).flat_map(char::to_uppercase));
            out += word.get(1..).unwrap_or_default();
        } else {
            out.push(' ');
            out += word;
        }
    }
    out + " ."
}
