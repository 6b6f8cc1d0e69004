//! Sentence counterfactuals. They ask: if one word makes a unit's formula true, does the classifier predict the class
//! that the unit supports? And if one word makes it false, does the classifier predict another class?
//!
//! A [`Case`] is a unit, its formula F, the class that it supports, and a [`Direction`]. Its pairs are, to fulfil F, those
//! that are not predicted as the class and on which F is false; to break F, those that are predicted as the class and on
//! which F is true. An edit inserts one word into a sentence (before the first noun, at the end, or in place of a word
//! with the same tag) or removes one (by deletion, or by a word with the same tag in its place). An edit counts if it
//! changes the truth of F, computed from the features of the edited pair. Each edit has a control that does not change
//! F. For an inserted word it is the same edit with a random word with the same tag and about the same frequency; for a
//! removed word it is the same edit on another word of the sentence, with the same tag if there is one.

mod edits;
#[cfg(test)]
mod tests;

use compexp_core::formula::Formula;
use compexp_core::probe::Neighbors;
use compexp_core::random::Random;
use compexp_trust::behaviour::trial::{Effect, Outcome, Trial, likeliest, probabilities, sign_flip_p};
use compexp_trust::behaviour::{Features, Head};
use rayon::prelude::*;

pub use edits::{Edit, How, Lexicon, Side};

use crate::error::{Error, Result};
use crate::features::{Annotator, SplitPair};
use crate::model::{Classifier, Pair};
use crate::random::Purpose;

/// The classifier, its probe set, and its predictions on it.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The classifier.
    pub classifier: &'a Classifier,
    /// The pairs, with tags.
    pub pairs: &'a [SplitPair],
    /// The features of a pair.
    pub annotator: &'a Annotator<'a>,
    /// The words that NEIGHBORS adds to a word.
    pub neighbors: &'a Neighbors,
    /// The last layer.
    pub head: &'a Head,
    /// The units' values, `(n_pairs, n_units)`.
    pub features: &'a Features,
    /// `(n_pairs, n_classes)`, row by row.
    pub logits: &'a [f32],
}

/// Whether edits make a formula true or false.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// True. The edit succeeds if the class that the unit supports is predicted.
    Fulfil,
    /// False. The edit succeeds if another class is predicted.
    Break,
}

impl Direction {
    /// The formula that the edits make true.
    fn goal(self, formula: &Formula) -> Formula {
        match self {
            Self::Fulfil => formula.clone(),
            Self::Break => formula.clone().not(),
        }
    }

    /// Whether a prediction is a success, if the unit supports `class`.
    pub fn wants(self, predicted: usize, class: usize) -> bool {
        (predicted == class) == (self == Self::Fulfil)
    }
}

/// How cases are tried.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Config {
    /// The greatest number of pairs of a case.
    pub pairs: usize,
    /// The greatest number of edits of a pair, each with a control.
    pub edits: usize,
    /// The seed of the choice of pairs, edits and words, and of the resamples of the bootstrap.
    pub seed: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { pairs: 100, edits: 4, seed: 0 }
    }
}

/// A unit and its formula.
#[derive(Clone, Debug, PartialEq)]
pub struct Unit {
    /// The unit, counted from 0.
    pub unit: usize,
    /// Its formula.
    pub formula: Formula,
}

/// A unit and the class that it supports.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The place of the unit among those given.
    pub at: usize,
    /// The class.
    pub to: usize,
    /// The unit's weight to the class minus the mean of its weights, because a change that all classes share changes no
    /// prediction.
    pub weight: f64,
    /// The unit's mean value on pairs on which its formula is true, minus its mean on the others.
    pub gain: f64,
}

impl Candidate {
    /// If the formula becomes true, the expected change of the logit of the class.
    pub fn expected(&self) -> f64 {
        self.weight * self.gain
    }
}

/// A pair before and after.
#[derive(Clone, Debug, PartialEq)]
pub struct Edited {
    /// The pair, counted from 0.
    pub pair: usize,
    /// The edit.
    pub edit: Edit,
    /// The edit of the control.
    pub control: Edit,
    /// The class of the pair as it was, with the edit, and with the control.
    pub classes: [usize; 3],
    /// The probability of the class that the unit supports, of these three.
    pub probabilities: [f64; 3],
    /// The unit's value on these three.
    pub values: [f64; 3],
}

/// A case and its result.
#[derive(Clone, Debug)]
pub struct Case {
    /// The unit and the class.
    pub candidate: Candidate,
    /// Whether the edits make the formula true or false.
    pub direction: Direction,
    /// The effect over all edits.
    pub effect: Effect,
    /// Its p, by [`sign_flip_p`].
    pub p: f64,
    /// The edits in this order: successes with a control that is not a success, other successes, then the rest. Within
    /// each group, the greatest change of the probability of the wanted outcome, minus that of the control, comes
    /// first.
    pub edited: Vec<Edited>,
}

impl Subject<'_> {
    fn logits_of(&self, pair: usize) -> &[f32] {
        let n = self.head.classes.len();
        &self.logits[pair * n..][..n]
    }

    /// Whether a formula is true of a pair with these features.
    pub(crate) fn holds(&self, formula: &Formula, features: &[u32]) -> bool {
        formula.holds_with(self.neighbors, |id| features.binary_search(&id.0).is_ok())
    }

    /// The features of every pair.
    pub fn annotate(&self) -> Vec<Vec<u32>> {
        self.pairs.par_iter().map(|pair| self.annotator.features(pair)).collect()
    }

    /// The units with the classes that they support most, the greatest expected effect (weight x gain) first. Units
    /// whose formula is true of all pairs or of none are left out. `rows` are the features of every pair.
    pub fn candidates(&self, units: &[Unit], rows: &[Vec<u32>]) -> Vec<Candidate> {
        let candidate = |at: usize| {
            let to = self.supported(units[at].unit);
            self.candidate(units, rows, at, to).filter(|candidate| candidate.gain.is_finite())
        };
        let mut all: Vec<Candidate> = (0..units.len()).into_par_iter().filter_map(candidate).collect();
        all.sort_by(|a, b| b.expected().total_cmp(&a.expected()).then(a.at.cmp(&b.at)));
        all
    }

    /// A unit with the requested class, or with the class that it supports most; none if its formula is true of all
    /// pairs or of none.
    pub fn candidate(&self, units: &[Unit], rows: &[Vec<u32>], at: usize, to: usize) -> Option<Candidate> {
        let Unit { unit, formula } = &units[at];
        let (mut sums, mut counts) = ([0.0; 2], [0_usize; 2]);
        for (value, row) in self.features.view().column(*unit).iter().zip(rows) {
            let side = usize::from(self.holds(formula, row));
            sums[side] += f64::from(*value);
            counts[side] += 1;
        }
        let gain = sums[1] / counts[1] as f64 - sums[0] / counts[0] as f64;
        let weights = self.head.weights.column(*unit);
        let mean = weights.iter().map(|w| f64::from(*w)).sum::<f64>() / weights.len() as f64;
        let weight = f64::from(weights[to]) - mean;
        counts.iter().all(|n| *n > 0).then_some(Candidate { at, to, weight, gain })
    }

    /// The class to which a unit has the greatest weight.
    pub fn supported(&self, unit: usize) -> usize {
        likeliest(&self.head.weights.column(unit).to_vec())
    }

    /// The answers to pairs: logits and the unit's values.
    fn answers(&self, pairs: &[SplitPair], unit: usize) -> Result<Vec<(Vec<f32>, f64)>> {
        let numbers = |words: &[String]| self.classifier.words().encode(words);
        let numbered: Vec<_> =
            pairs.iter().map(|pair| (numbers(&pair.premise.words), numbers(&pair.hypothesis.words))).collect();
        let numbered: Vec<Pair<'_>> =
            numbered.iter().map(|(premise, hypothesis)| Pair { premise, hypothesis }).collect();
        let output = self.classifier.forward(&numbered)?;
        let rows = output.logits.chunks_exact(self.head.classes.len());
        let values = output.features.chunks_exact(self.head.n_units()).map(|row| f64::from(row[unit]));
        Ok(rows.map(<[f32]>::to_vec).zip(values).collect())
    }
}

impl Case {
    /// Tries a candidate.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] if the formula names no word, no pair is predicted and annotated as the direction
    /// needs it, or no edit changes the truth of the formula; the errors of the classifier.
    pub fn run(
        subject: &Subject<'_>,
        lexicon: &Lexicon,
        units: &[Unit],
        rows: &[Vec<u32>],
        candidate: &Candidate,
        direction: Direction,
        config: &Config,
    ) -> Result<Self> {
        let Unit { unit, formula } = &units[candidate.at];
        let (class, goal) = (candidate.to, direction.goal(formula));
        let wants = lexicon.wants(subject, &goal);
        if wants.is_empty() {
            let expected = "at least one; name another unit: tags and overlap cannot be put into a sentence alone";
            return Err(Error::mismatch("words in the unit's formula", 0, expected));
        }
        let is_open = |pair: &usize| {
            !direction.wants(likeliest(subject.logits_of(*pair)), class) && !subject.holds(&goal, &rows[*pair])
        };
        let mut pairs: Vec<usize> = (0..subject.pairs.len()).filter(is_open).collect();
        if pairs.is_empty() {
            let (predicted, truth) = match direction {
                Direction::Fulfil => ("are not predicted", "false"),
                Direction::Break => ("are predicted", "true"),
            };
            let name = &subject.head.classes[class];
            let what = format!("pairs that {predicted} as `{name}` and on which the unit's formula is {truth}");
            return Err(Error::mismatch(what, 0, "at least one; name another class"));
        }
        Random::new(config.seed, Purpose::Pairs, *unit as u64).shuffle(&mut pairs);
        let (mut found, mut taken) = (Vec::new(), 0);
        for pair in pairs {
            let mut random = Random::new(config.seed, Purpose::Edits, (unit * subject.pairs.len() + pair) as u64);
            let edits = lexicon.edits(subject, &goal, &wants, pair, config.edits, &mut random);
            taken += usize::from(!edits.is_empty());
            found.extend(edits.into_iter().map(|(edit, control)| (pair, edit, control)));
            if taken == config.pairs {
                break;
            }
        }
        if found.is_empty() {
            let truth = if direction == Direction::Fulfil { "true" } else { "false" };
            let expected = "at least one with a control; the formula needs more than one word, or tags that the \
                            sentences do not have";
            let what = format!("edits of one word that make the unit's formula {truth}");
            return Err(Error::mismatch(what, 0, expected));
        }
        let texts: Vec<SplitPair> = found
            .iter()
            .flat_map(|(pair, edit, control)| [edit, control].map(|edit| edit.apply(&subject.pairs[*pair])))
            .collect();
        let answers = subject.answers(&texts, *unit)?;
        let (mut trials, mut edited) = (Vec::new(), Vec::new());
        for ((pair, edit, control), answers) in found.into_iter().zip(answers.chunks_exact(2)) {
            let before = subject.logits_of(pair);
            let all = [before, &answers[0].0, &answers[1].0];
            let classes = all.map(likeliest);
            let p = all.map(|logits| probabilities(logits)[class]);
            for (nth, control) in [(1, false), (2, true)] {
                let outcome = Outcome::of(classes[0], classes[nth], direction.wants(classes[nth], class));
                let change = if direction == Direction::Fulfil { p[nth] - p[0] } else { p[0] - p[nth] };
                trials.push(Trial { example: pair, control, outcome, change });
            }
            let value = f64::from(subject.features.view()[[pair, *unit]]);
            let values = [value, answers[0].1, answers[1].1];
            edited.push(Edited { pair, edit, control, classes, probabilities: p, values });
        }
        let merit = |e: &Edited| {
            let [_, tested, control] = e.classes.map(|predicted| direction.wants(predicted, class));
            let more = e.probabilities[1] - e.probabilities[2];
            (tested, tested && !control, if direction == Direction::Fulfil { more } else { -more })
        };
        edited.sort_by(|a, b| {
            let (a, b) = (merit(a), merit(b));
            (b.0, b.1).cmp(&(a.0, a.1)).then(b.2.total_cmp(&a.2))
        });
        let (effect, p) = (Effect::of(&trials, config.seed), sign_flip_p(&trials));
        Ok(Self { candidate: candidate.clone(), direction, effect, p, edited })
    }
}
