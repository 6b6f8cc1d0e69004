//! The analyses of the paper: from the records of a run to tables.
//!
//! Every function takes [`Records`] and looks at nothing else: neither the model nor the annotations are needed.

pub mod accuracy;
pub mod coverage;
pub mod effects;
pub mod heuristics;
pub mod iou;
pub mod kind;
pub mod labels;
pub mod makeup;
pub mod paper;
pub mod question;
pub mod what;

use std::sync::OnceLock;

use accuracy::CorrelationRow;
use compexp_core::concept::{Concept, ConceptId, Vocabulary};
use compexp_core::explanation::{Explanation, Explanations};
use compexp_core::formula::Formula;
use compexp_core::relation::{Extent, Relation};
use compexp_run::run_dir::Prediction;
use compexp_run::{FinishedRun, Provenance};
use heuristics::PairWords;

use crate::{Error, Result};

/// What a run found, in memory.
#[derive(Clone, Debug)]
pub struct Records {
    /// The explanations.
    pub explanations: Explanations,
    /// The concepts of the probe set.
    pub concepts: Vec<Extent>,
    /// How concepts that stand together in a formula go together.
    pub relations: Vec<Relation>,
    /// What the model made of the examples, where the run has that.
    pub predictions: Option<Vec<Prediction>>,
    /// The words of sentence pairs with gold labels, where the run has those.
    pub words: Option<PairWords>,
    /// `(units asked for, ceil(n_examples / 8))`: see [`FinishedRun::activity`].
    activity: Vec<u8>,
    vocabulary: Vocabulary,
    formulas: Vec<Option<Formula>>,
    correlations: OnceLock<Vec<CorrelationRow>>,
}

impl Records {
    /// Reads the records of a run.
    ///
    /// # Errors
    /// `Error::File` or `Error::Damaged` if a file of the run cannot be read or is not what it was; `Error::Core` as
    /// [`Self::new`].
    pub fn read(run: &FinishedRun) -> Result<Self> {
        let (explanations, predictions) = (run.explanations.clone(), run.predictions()?);
        let words = PairWords::read(run, predictions.as_deref())?;
        let records = Self::new(explanations, run.concepts()?, run.relations()?, run.activity()?, predictions)?;
        Ok(Self { words, ..records })
    }

    /// Records from their parts; `activity` has a row of bits for each unit, as [`FinishedRun::activity`] gives them.
    ///
    /// # Errors
    /// `Error::Core` if the parts do not belong together, a concept is there twice, or a formula names another concept.
    pub fn new(
        explanations: Explanations,
        concepts: Vec<Extent>,
        relations: Vec<Relation>,
        activity: Vec<u8>,
        predictions: Option<Vec<Prediction>>,
    ) -> Result<Self> {
        let n = explanations.universe.examples;
        let bytes = explanations.units.len() * n.div_ceil(8);
        if activity.len() != bytes {
            return Err(Error::mismatch("bytes of the units' activity", activity.len(), bytes));
        }
        if let Some(predictions) = predictions.as_ref().filter(|p| p.len() != n) {
            return Err(Error::mismatch("predictions", predictions.len(), format!("{n}, one an example")));
        }
        let concept = |e: &Extent| Concept { id: ConceptId(e.id), name: e.name.clone(), category: e.category.clone() };
        let vocabulary = Vocabulary::new(concepts.iter().map(concept).collect())?;
        let parse = |unit: &Explanation| unit.formula.as_ref().map(|f| Formula::parse(f, &vocabulary)).transpose();
        let formulas = explanations.units.iter().map(parse).collect::<compexp_core::Result<_>>()?;
        let correlations = OnceLock::new();
        let words = None;
        Ok(Self { explanations, concepts, relations, predictions, words, activity, vocabulary, formulas, correlations })
    }

    /// Of `others` the run of the same layer of the same network on the same examples before any training; none for such a
    /// run itself.
    pub fn untrained_among<'a>(&self, others: impl IntoIterator<Item = &'a Self>) -> Option<&'a Self> {
        let made = |run: &Self| Provenance::parse(&run.explanations.config).ok();
        let own = made(self).filter(|made| made.checkpoint().is_some() && made.random_weights().is_none())?;
        let own = own.inputs();
        others.into_iter().find(|other| {
            let Some(other) = made(other).filter(|made| made.random_weights().is_some()) else { return false };
            other.trained().inputs() == own
        })
    }

    /// The concepts by id.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// The units that have a formula, each with its place in the explanations.
    pub fn explained(&self) -> impl Iterator<Item = (usize, &Explanation, &Formula)> {
        let units = self.explanations.units.iter().zip(&self.formulas).enumerate();
        units.filter_map(|(place, (unit, formula))| Some((place, unit, formula.as_ref()?)))
    }

    /// Whether the unit at this place of the explanations fires anywhere on an example.
    pub fn fires(&self, place: usize, example: usize) -> bool {
        let bytes = self.explanations.universe.examples.div_ceil(8);
        self.activity[place * bytes + example / 8] >> (example % 8) & 1 == 1
    }

    /// How scores and accuracy where units fire go together, by the greatest length: see [`CorrelationRow`]. Empty where the run
    /// has no predictions or no example has a target. Computed when it is first asked for, since it takes resamples.
    pub fn correlations(&self) -> &[CorrelationRow] {
        self.correlations.get_or_init(|| accuracy::correlations(self, &accuracy::by_activity(self)))
    }

    /// The greatest number of literals that the run reports.
    pub fn lengths(&self) -> usize {
        self.explanations.units.iter().map(|u| u.by_length.len()).max().unwrap_or(0)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use compexp_core::explanation::Universe;
    use serde_json::json;

    use super::*;

    /// A run of as many examples as `predictions`, each (target, predicted). Units are a formula, its IoU at every
    /// length, and the examples on which they fire; a formula `-` is none. Concepts are the letters of `concepts`, in
    /// examples `5 x` (their place from 1), of the category `kind` or, capital, `other`. Relations are pairs of letters
    /// with their context.
    pub(crate) fn records(
        concepts: &str,
        units: &[(&str, &[f64], &[usize])],
        relations: &[(&str, &str, f64)],
        predictions: &[(&str, &str)],
    ) -> Records {
        let n = predictions.len();
        let extent = |(id, letter): (u32, char)| Extent {
            id,
            name: letter.into(),
            category: if letter.is_uppercase() { "other" } else { "kind" }.into(),
            area: 10 * u64::from(id),
            examples: 5 * u64::from(id),
        };
        let unit = |(unit, (formula, ious, _)): (usize, &(&str, &[f64], &[usize]))| -> Explanation {
            let explained = *formula != "-";
            let scored = |(i, iou): (usize, &f64)| json!({ "length": i + 1, "formula": formula, "iou": iou });
            let by_length: Vec<_> = ious.iter().enumerate().map(scored).collect();
            let (iou, status) = (ious.last().unwrap_or(&0.0), if explained { "explained" } else { "silent" });
            let record = json!({
                "unit": unit + 10,
                "status": status,
                "formula": explained.then_some(formula),
                "length": null,
                "iou": iou,
                "score": iou,
                "unit_area": 3,
                "primitive": by_length.first(),
                "by_length": by_length,
            });
            serde_json::from_value(record).unwrap()
        };
        let bytes = n.div_ceil(8);
        let mut activity = vec![0; units.len() * bytes];
        for (row, (_, _, active)) in units.iter().enumerate() {
            active.iter().for_each(|e| activity[row * bytes + e / 8] |= 1 << (e % 8));
        }
        let relation = |(first, second, context): &(&str, &str, f64)| Relation {
            first: (*first).into(),
            second: (*second).into(),
            area: 0,
            examples: 1,
            context: Some(*context),
            similarity: None,
        };
        let prediction = |(target, predicted): &(&str, &str)| Prediction {
            example: String::new(),
            target: (*target).into(),
            predicted: (*predicted).into(),
            correct: (!target.is_empty()).then_some(target == predicted),
        };
        let universe = Universe { examples: n, positions: 1, cells: 1, singleton_cells: 0 };
        let units = units.iter().enumerate().map(unit).collect();
        let explanations = Explanations {
            version: 1,
            config: serde_json::Value::Null,
            universe,
            held_out: None,
            units,
            ranges: vec![],
            concepts: None,
        };
        Records::new(
            explanations,
            (1..).zip(concepts.chars()).map(extent).collect(),
            relations.iter().map(relation).collect(),
            activity,
            Some(predictions.iter().map(prediction).collect()),
        )
        .unwrap()
    }

    #[test]
    fn parts_that_do_not_belong_together_are_refused() {
        let good = records("ab", &[("(a OR b)", &[0.5], &[0])], &[], &[("x", "x")]);
        let with = |activity: Vec<u8>, concepts: Vec<Extent>, predictions: usize| {
            let predictions = vec![good.predictions.as_ref().unwrap()[0].clone(); predictions];
            Records::new(good.explanations.clone(), concepts, vec![], activity, Some(predictions))
        };
        assert!(with(vec![0; 1], good.concepts.clone(), 1).is_ok());
        for (found, what) in [
            (with(vec![0; 2], good.concepts.clone(), 1), "bytes of the units' activity: found 2, expected 1"),
            (with(vec![0; 1], good.concepts.clone(), 2), "predictions: found 2, expected 1"),
            (with(vec![0; 1], good.concepts[..1].to_vec(), 1), "cannot read formula `(a OR b)`"),
        ] {
            let e = found.unwrap_err().to_string();
            assert!(e.contains(what), "{e}");
        }
    }
}
