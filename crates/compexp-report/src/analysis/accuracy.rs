//! Where units fire and how often the model is right there, against how well they are explained.

use std::collections::{BTreeMap, BTreeSet};

use compexp_core::explanation::Scored;
use compexp_trust::stats::{Association, Correlation, Observed, associations, pearson, spearman};
use serde::Serialize;

use super::Records;
use super::iou::{at_length, iou_at};

/// The errors that are listed for a unit.
const LISTED: usize = 5;

/// Decides the examples of each resample.
const SEED: u64 = 0;

/// How often the model is right where a unit fires, and where it does not. Only examples with a target count.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ActivityRow {
    /// The unit.
    pub unit: usize,
    /// The IoU of its best formula; none where it is not explained.
    pub iou: Option<f64>,
    /// Examples on which it fires, with and without a target.
    pub active: usize,
    /// How many of these have a target.
    pub known: usize,
    /// On how many of these the model is right.
    pub correct: usize,
    /// Examples with a target on which it does not fire.
    pub silent_known: usize,
    /// On how many of these the model is right.
    pub silent_correct: usize,
    /// The first few examples on which it fires and the model errs.
    pub errors: Vec<usize>,
}

impl ActivityRow {
    /// The share of correct predictions where the unit fires.
    pub fn accuracy(&self) -> Option<f64> {
        (self.known > 0).then(|| self.correct as f64 / self.known as f64)
    }

    /// The same where it does not.
    pub fn silent_accuracy(&self) -> Option<f64> {
        (self.silent_known > 0).then(|| self.silent_correct as f64 / self.silent_known as f64)
    }
}

/// A row for each unit, in their order; none where the run has no predictions or no example has a target.
pub fn by_activity(records: &Records) -> Vec<ActivityRow> {
    let correct: Vec<Option<bool>> = records.predictions.iter().flatten().map(|p| p.correct).collect();
    if correct.iter().all(Option::is_none) {
        return Vec::new();
    }
    let row = |(place, unit): (usize, &compexp_core::explanation::Explanation)| {
        let mut row = ActivityRow {
            unit: unit.unit,
            iou: unit.formula.as_ref().map(|_| unit.iou),
            active: 0,
            known: 0,
            correct: 0,
            silent_known: 0,
            silent_correct: 0,
            errors: Vec::new(),
        };
        for (example, correct) in correct.iter().enumerate() {
            let (known, right) = (usize::from(correct.is_some()), usize::from(*correct == Some(true)));
            if !records.fires(place, example) {
                row.silent_known += known;
                row.silent_correct += right;
                continue;
            }
            row.active += 1;
            row.known += known;
            row.correct += right;
            if *correct == Some(false) && row.errors.len() < LISTED {
                row.errors.push(example);
            }
        }
        row
    };
    records.explanations.units.iter().enumerate().map(row).collect()
}

/// How scores and accuracy where a unit fires go together, over the explained units that fire on an example with a target.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CorrelationRow {
    /// The greatest number of literals allowed.
    pub length: usize,
    /// Of IoU and accuracy, with an interval and a p that take units as independent, which they are not; none for fewer than
    /// three units, or where nothing varies.
    pub pearson: Option<Correlation>,
    /// Of their ranks.
    pub spearman: Option<Correlation>,
    /// Of IoU and accuracy, with intervals over examples.
    pub iou: Association,
    /// The same of the MCC of the formulas, over the units whose record has it.
    pub mcc: Association,
}

/// The correlations for every greatest length, the last of which is that of the best formulas; `rows` are those of
/// [`by_activity`]. [`Records::correlations`] keeps them.
pub(super) fn correlations(records: &Records, rows: &[ActivityRow]) -> Vec<CorrelationRow> {
    if rows.is_empty() {
        return Vec::new();
    }
    let lengths = 1..=records.lengths();
    let score = |length: usize, of: fn(&Scored) -> Option<f64>| {
        let mut scores = vec![None; rows.len()];
        records.explained().for_each(|(place, unit, _)| scores[place] = at_length(unit, length).and_then(of));
        scores
    };
    let scores: Vec<Vec<Option<f64>>> =
        lengths.clone().flat_map(|length| [score(length, |s| Some(s.iou)), score(length, |s| s.mcc)]).collect();
    let predictions = || records.predictions.iter().flatten();
    let names: BTreeSet<&str> = predictions().map(|p| &p.target[..]).collect();
    let numbers: BTreeMap<&str, usize> = names.into_iter().zip(0..).collect();
    let observed = Observed {
        activity: &records.activity,
        outcomes: &predictions().map(|p| p.correct).collect::<Vec<_>>(),
        classes: &predictions().map(|p| numbers[&p.target[..]]).collect::<Vec<_>>(),
    };
    let found = associations(&observed, &scores, SEED);
    let row = |(length, found): (usize, &[Association])| {
        let explained = records.explained();
        let pairs: Vec<(f64, f64)> =
            explained.filter_map(|(place, unit, _)| Some((iou_at(unit, length)?, rows[place].accuracy()?))).collect();
        CorrelationRow { length, pearson: pearson(&pairs), spearman: spearman(&pairs), iou: found[0], mcc: found[1] }
    };
    lengths.zip(found.chunks_exact(2)).map(row).collect()
}

/// How often a target is predicted as a class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfusionRow {
    /// The class that the example has.
    pub target: String,
    /// The class that the model predicts.
    pub predicted: String,
    /// Examples on which the unit fires; all, where no unit is asked about.
    pub active: usize,
    /// Examples on which it does not.
    pub silent: usize,
}

/// The confusion of targets and predictions, ascending by both: where the unit at `place` of the explanations fires and
/// where it does not, or on all examples. Examples without a target are left out.
pub fn confusion(records: &Records, place: Option<usize>) -> Vec<ConfusionRow> {
    let mut counts: BTreeMap<(&str, &str), [usize; 2]> = BTreeMap::new();
    for (example, p) in records.predictions.iter().flatten().enumerate().filter(|(_, p)| p.correct.is_some()) {
        let silent = place.is_some_and(|place| !records.fires(place, example));
        counts.entry((&p.target, &p.predicted)).or_default()[usize::from(silent)] += 1;
    }
    let row = |((target, predicted), [active, silent]): ((&str, &str), [usize; 2])| ConfusionRow {
        target: target.to_owned(),
        predicted: predicted.to_owned(),
        active,
        silent,
    };
    counts.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::records;
    use super::*;

    fn run() -> Records {
        let predictions = [("x", "x"), ("x", "y"), ("", "x"), ("y", "y"), ("y", "x"), ("y", "x")];
        let units: [(&str, &[f64], &[usize]); 5] = [
            ("a", &[0.1, 0.4], &[0, 1, 2]),
            ("b", &[0.2, 0.2], &[0, 3]),
            ("-", &[], &[1, 4, 5]),
            ("a", &[0.3], &[4]),
            ("b", &[0.9], &[2]),
        ];
        records("ab", &units, &[], &predictions)
    }

    #[test]
    fn accuracies_are_those_of_the_examples_on_which_a_unit_fires() {
        let rows = by_activity(&run());
        let shown: Vec<_> =
            rows.iter().map(|r| (r.unit, r.active, r.known, r.correct, r.silent_known, r.silent_correct)).collect();
        assert_eq!(
            shown,
            [(10, 3, 2, 1, 3, 1), (11, 2, 2, 2, 3, 0), (12, 3, 3, 0, 2, 2), (13, 1, 1, 0, 4, 2), (14, 1, 0, 0, 5, 2)]
        );
        assert_eq!((rows[0].accuracy(), rows[4].accuracy(), rows[1].silent_accuracy()), (Some(0.5), None, Some(0.0)));
        assert_eq!((&rows[0].errors[..], &rows[2].errors[..]), (&[1][..], &[1, 4, 5][..]));
        assert_eq!((rows[0].iou, rows[2].iou), (Some(0.4), None));
    }

    #[test]
    fn correlations_are_over_explained_units_with_an_accuracy() {
        let run = run();
        let rows = run.correlations();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].pearson, pearson(&[(0.1, 0.5), (0.2, 1.0), (0.3, 0.0)]));
        assert_eq!(rows[1].spearman, spearman(&[(0.4, 0.5), (0.2, 1.0), (0.3, 0.0)]), "the last keeps its formula");
        assert_eq!(rows[0].pearson.unwrap().n, 3);
        assert_eq!((rows[1].iou.units, rows[1].iou.spearman.unwrap().r), (3, rows[1].spearman.unwrap().r));
        assert_eq!(rows[1].mcc, Association::default(), "these records have no MCC");
    }

    #[test]
    fn the_mcc_of_formulas_has_correlations_of_its_own() {
        let mut run = run();
        for (unit, mcc) in run.explanations.units.iter_mut().zip([0.5, 0.1, 0.9, 0.2, 0.3]) {
            unit.by_length.iter_mut().for_each(|scored| scored.mcc = Some(mcc));
        }
        let found = run.correlations()[0].mcc;
        assert_eq!(found.pearson.unwrap().r, pearson(&[(0.5, 0.5), (0.1, 1.0), (0.2, 0.0)]).unwrap().r);
    }

    #[test]
    fn confusion_is_split_by_activity() {
        let row = |target: &str, predicted: &str, active, silent| ConfusionRow {
            target: target.into(),
            predicted: predicted.into(),
            active,
            silent,
        };
        let expected = [row("x", "x", 1, 0), row("x", "y", 1, 0), row("y", "x", 0, 2), row("y", "y", 0, 1)];
        assert_eq!(confusion(&run(), Some(0)), expected);
        assert_eq!(confusion(&run(), None)[2], row("y", "x", 2, 0));
    }

    #[test]
    fn runs_without_targets_have_no_accuracies() {
        let run = records("a", &[("a", &[0.1], &[0])], &[], &[("", "x")]);
        assert!(by_activity(&run).is_empty() && run.correlations().is_empty() && confusion(&run, None).is_empty());
    }
}
