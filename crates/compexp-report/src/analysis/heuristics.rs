//! Annotation artefacts: which words of sentence pairs go with a label, and whether units that support the label use them.
//!
//! People who wrote hypotheses had habits: a negation for a contradiction, a purpose for a neutral pair. So words of the
//! hypothesis alone tell the label. How far a word goes with a label is their pointwise mutual information,
//! `ln(p(word, label) / (p(word) p(label)))`, over the table of words and labels of one side of the pairs: a pair counts once
//! for every word that it has, and [`SMOOTHING`] is added to every count, so that a rare word goes with none. Words are the
//! features of category `token` of the run's probe set. Premises were given to the annotators, each with all labels: their
//! words are the control.
//!
//! A unit supports the label for which its value has the greatest weight, if that is above 0. A *use* is a word that stands,
//! not negated, in the formula of a unit; NEIGHBORS of a word counts as the word. Units use the artefacts if their words go with
//! the label that they support more often than they would if units had their words by chance. Intervals are by bootstrap over
//! units.

use std::collections::{BTreeSet, HashMap};

use compexp_core::concept::ConceptId;
use compexp_core::probe::Annotation;
use compexp_run::run_dir::Prediction;
use compexp_run::wording::many;
use compexp_run::{FinishedRun, Provenance};
use compexp_trust::stats::bootstrap::{Bootstrap, interval};
use serde::Serialize;

use super::{Records, makeup};
use crate::class_measures::ClassMeasures;
use crate::{Error, Result};

/// What is added to the count of every word and label.
pub const SMOOTHING: u64 = 10;

/// In how many labelled pairs of a run each word is, and which label each unit supports.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PairWords {
    /// The labels.
    pub labels: Vec<String>,
    /// For each word its feature, and its pairs of each label.
    pub words: Vec<(ConceptId, Vec<u64>)>,
    /// The label that a unit supports, by its number.
    pub supports: HashMap<usize, usize>,
}

impl PairWords {
    /// Counts the words of a run; none for a run that is not of sentence pairs, keeps no probe set or has no gold labels.
    ///
    /// # Errors
    /// `Error::File` or `Error::Damaged` if a file of the run cannot be read or is not what it was.
    pub(super) fn read(run: &FinishedRun, predictions: Option<&[Prediction]>) -> Result<Option<Self>> {
        let made = Provenance::parse(&run.explanations.config);
        if !matches!(made, Ok(Provenance::NliProbe(_))) {
            return Ok(None);
        }
        let targets: HashMap<&str, &str> = predictions
            .unwrap_or_default()
            .iter()
            .filter(|p| !p.target.is_empty())
            .map(|p| (&p.example[..], &p.target[..]))
            .collect();
        let Some(set) = run.probe()?.filter(|_| !targets.is_empty()) else { return Ok(None) };
        let measures = ClassMeasures::read(run, None)?;
        let classes = measures.as_ref().map_or(&[][..], |m| &m.classes);
        let mut labels: Vec<String> = targets.values().map(|label| (*label).to_owned()).collect();
        let place = |label: &String| classes.iter().position(|c| c == label).unwrap_or(usize::MAX);
        labels.sort_by(|a, b| place(a).cmp(&place(b)).then(a.cmp(b)));
        labels.dedup();
        let number = |label: &str| labels.iter().position(|l| l == label);

        let words = set.vocabulary.concepts().iter().filter(|c| c.category == "token").map(|c| c.id);
        let mut counts: HashMap<ConceptId, Vec<u64>> = words.map(|id| (id, vec![0; labels.len()])).collect();
        let mut annotation = Annotation::default();
        for (i, example) in set.examples.iter().enumerate() {
            let Some(label) = targets.get(&example.name[..]).and_then(|label| number(label)) else { continue };
            annotation.clear();
            set.source.annotate(i, &mut annotation).map_err(Error::from)?;
            let present: BTreeSet<u32> = annotation.layers.iter().chain(&annotation.scalars).copied().collect();
            for id in present {
                if let Some(counts) = counts.get_mut(&ConceptId(id)) {
                    counts[label] += 1;
                }
            }
        }
        let mut words: Vec<_> = counts.into_iter().collect();
        words.sort_unstable();

        let mut supports = HashMap::new();
        for unit in run.explanations.units.iter().map(|unit| unit.unit) {
            let weight = |label: &String| {
                let class = measures.as_ref()?.classes.iter().position(|class| class == label)?;
                measures.as_ref()?.weight(unit, class)
            };
            let weights = labels.iter().enumerate().filter_map(|(i, label)| Some((i, weight(label)?)));
            if let Some((label, _)) = weights.filter(|(_, w)| *w > 0.0).max_by(|a, b| a.1.total_cmp(&b.1)) {
                supports.insert(unit, label);
            }
        }
        Ok(Some(Self { labels, words, supports }))
    }
}

/// A sentence of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The annotators wrote it for a label.
    Hypothesis,
    /// It was given to them.
    Premise,
}

impl Side {
    const BOTH: [(Self, &'static str); 2] = [(Self::Hypothesis, "hyp:tok:"), (Self::Premise, "pre:tok:")];

    /// A name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hypothesis => "hypothesis",
            Self::Premise => "premise",
        }
    }
}

/// A word, and how it goes with labels and units.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WordRow {
    /// The word.
    pub word: String,
    /// Whose word it is.
    pub side: Side,
    /// Labelled pairs with the word, by label.
    pub pairs: Vec<u64>,
    /// Its pointwise mutual information with each label, in nats.
    pub pmi: Vec<f64>,
    /// Units whose formula has it, not negated.
    pub units: usize,
    /// Those of them that support each label.
    pub supporting: Vec<usize>,
}

impl WordRow {
    /// The label that the word goes with most, the first of equals.
    pub fn label(&self) -> usize {
        let better = |best: usize, i: usize| if self.pmi[i] > self.pmi[best] { i } else { best };
        (0..self.pmi.len()).fold(0, better)
    }
}

/// Whether units use words of a side that go with the label that they support.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Uses {
    /// Whose words.
    pub side: Side,
    /// Words in formulas of units that support a label, not negated.
    pub uses: u64,
    /// The share of them whose word goes most with the label that the unit supports.
    pub share: f64,
    /// Its 95% interval.
    pub interval: [f64; 2],
    /// The share, were the words of units independent of their labels.
    pub chance: f64,
    /// The 95% interval of the share less chance.
    pub above_chance: [f64; 2],
}

impl Uses {
    /// What was found, in a sentence.
    pub fn sentence(&self) -> String {
        let [low, high] = self.interval;
        let verdict = match self.above_chance {
            [low, _] if low > 0.0 => "units use words that go with their label",
            [_, high] if high < 0.0 => "units use words that go with other labels",
            _ => "no more than chance",
        };
        format!(
            "Of {} of {} words in formulas, {:.1}% [{:.1}%, {:.1}%] are in a unit that supports the label which the word goes \
             with most, {:.1}% by chance: {verdict}.",
            many(self.uses as usize, "use"),
            self.side.name(),
            100.0 * self.share,
            100.0 * low,
            100.0 * high,
            100.0 * self.chance
        )
    }
}

/// The words of a run, and whether its units use them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Heuristics {
    /// What was added to every count.
    pub smoothing: u64,
    /// The labels, in the order of every list of them.
    pub labels: Vec<String>,
    /// Of each side with a use.
    pub uses: Vec<Uses>,
    /// The words, those of hypotheses first, in the order of features.
    pub words: Vec<WordRow>,
}

/// The words of a run of sentence pairs with gold labels; none for other runs.
pub fn heuristics(records: &Records) -> Option<Heuristics> {
    let table = records.words.as_ref()?;
    let n = table.labels.len();
    let mut words = Vec::new();
    let mut places: HashMap<ConceptId, usize> = HashMap::new();
    for (side, prefix) in Side::BOTH {
        let of_side = table.words.iter().filter_map(|(id, pairs)| {
            let name = records.vocabulary().name(*id);
            Some((*id, pairs, name.strip_prefix(prefix)?.to_owned()))
        });
        let of_side: Vec<_> = of_side.collect();
        let smoothed = |count: u64| (count + SMOOTHING) as f64;
        let of_label = |label: usize| of_side.iter().map(|(_, pairs, _)| smoothed(pairs[label])).sum::<f64>();
        let by_label: Vec<f64> = (0..n).map(of_label).collect();
        let all: f64 = by_label.iter().sum();
        for (id, pairs, word) in of_side {
            let of_word: f64 = pairs.iter().map(|count| smoothed(*count)).sum();
            let pmi = pairs
                .iter()
                .zip(&by_label)
                .map(|(count, of_label)| (smoothed(*count) * all / (of_word * of_label)).ln());
            places.insert(id, words.len());
            let (pmi, pairs) = (pmi.collect(), pairs.clone());
            words.push(WordRow { word, side, pairs, pmi, units: 0, supporting: vec![0; n] });
        }
    }
    // For every unit that supports a label, that label and its words.
    let mut used: Vec<(usize, Vec<usize>)> = Vec::new();
    for (_, unit, formula) in records.explained() {
        let positive = makeup::literals(formula).into_iter().filter(|(_, positive)| *positive);
        let of_unit: BTreeSet<usize> = positive.filter_map(|(atom, _)| places.get(&atom.concept).copied()).collect();
        let label = table.supports.get(&unit.unit).copied();
        for place in &of_unit {
            words[*place].units += 1;
            if let Some(label) = label {
                words[*place].supporting[label] += 1;
            }
        }
        used.extend(label.map(|label| (label, of_unit.into_iter().collect())));
    }
    let uses = Side::BOTH.iter().filter_map(|(side, _)| uses(*side, &words, &used, n)).collect();
    Some(Heuristics { smoothing: SMOOTHING, labels: table.labels.clone(), uses, words })
}

/// Whether units use words of a side that go with their label: `used` has the label of a unit, and its words.
fn uses(side: Side, words: &[WordRow], used: &[(usize, Vec<usize>)], labels: usize) -> Option<Uses> {
    // For every unit: its uses, those that go with its label, then by label the uses whose word goes with it, and the uses
    // of units that support it.
    let mut counts = vec![vec![0; used.len()]; 2 + 2 * labels];
    for (unit, (label, of_unit)) in used.iter().enumerate() {
        for word in of_unit.iter().map(|place| &words[*place]).filter(|word| word.side == side) {
            counts[0][unit] += 1;
            counts[1][unit] += u64::from(word.label() == *label);
            counts[2 + word.label()][unit] += 1;
            counts[2 + labels + label][unit] += 1;
        }
    }
    let measured = |sums: &[f64]| {
        let all = sums[0].max(1.0);
        let chance: f64 = (0..labels).map(|label| sums[2 + label] / all * sums[2 + labels + label] / all).sum();
        (sums[1] / all, chance)
    };
    let totals: Vec<f64> = counts.iter().map(|of_units| of_units.iter().sum::<u64>() as f64).collect();
    if totals[0] == 0.0 {
        return None;
    }
    let resampled = Bootstrap::new(used.len(), 0).sums(&counts.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let draws = (0..resampled[0].len())
        .map(|draw| measured(&resampled.iter().map(|values| values[draw]).collect::<Vec<f64>>()))
        .collect::<Vec<_>>();
    let of = |value: fn(&(f64, f64)) -> f64| interval(&draws.iter().map(value).collect::<Vec<f64>>());
    let (share, chance) = measured(&totals);
    let (interval, above_chance) = (of(|draw| draw.0), of(|draw| draw.0 - draw.1));
    Some(Uses { side, uses: totals[0] as u64, share, interval, chance, above_chance })
}

#[cfg(test)]
mod tests;
