//! The paper's quantities, in one table.

use compexp_trust::stats::{Association, Estimate, Spread};
use serde::Serialize;

use super::accuracy::CorrelationRow;
use super::kind::{Coherence, Kind, kinds};
use super::makeup::{Operators, categories, distinct, literals, operators};
use super::question::Half;
use super::{Records, accuracy, iou};
use compexp_run::wording::{count as digits, many};

/// A quantity of the paper, and its value here.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quantity {
    /// A name for programs, which stays the same: `mean_iou_length_3`.
    pub id: String,
    /// What it is.
    pub name: String,
    /// How to read the value.
    pub measure: Measure,
    /// The value; none where the run cannot tell.
    pub value: Option<f64>,
    /// The 95% interval over examples, where the quantity has one: see [`compexp_trust::stats::association`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example_interval: Option<[f64; 2]>,
    /// The 95% confidence interval were units independent, which they are not: they fire on the same examples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// The chance of such a value, were there nothing to find and units independent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
    /// The value in the paper, as one would print it, where it is published there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paper: Option<String>,
}

/// How to read a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// A whole number.
    Count,
    /// A share, from 0 to 1.
    Share,
    /// A coefficient, from -1 to 1; `number` in files.
    #[serde(rename = "number")]
    Coefficient,
    /// Any number.
    Number,
}

impl Quantity {
    fn new(id: impl Into<String>, name: impl Into<String>, measure: Measure, value: Option<f64>) -> Self {
        let (id, name) = (id.into(), name.into());
        Self { id, name, measure, value, example_interval: None, interval: None, p: None, paper: None }
    }

    /// The value for people, with its interval over examples: `0.312 [0.231, 0.389]`; `-` where there is none.
    pub fn text(&self) -> String {
        let Some(value) = self.value else { return "-".into() };
        let mut text = match self.measure {
            Measure::Count => digits(value as u64),
            Measure::Share => format!("{:.1}%", 100.0 * value),
            Measure::Coefficient => format!("{value:.3}"),
            Measure::Number => format!("{value:.4}"),
        };
        if let Some([low, high]) = self.example_interval {
            text += &format!(" [{low:.3}, {high:.3}]");
        }
        text
    }
}

/// The correlations of a score, `IoU` or `MCC`, and accuracy at a length; those that take units as independent come with IoU only.
fn correlations(prefix: &str, score: &str, row: &CorrelationRow, found: Association) -> Vec<Quantity> {
    let formulas = format!("{score} (at most {})", many(row.length, "literal"));
    let quantity = |id: &str, who: &str, given: &str, estimate: Option<Estimate>| Quantity {
        example_interval: estimate.and_then(|e| e.interval),
        ..Quantity::new(
            format!("{prefix}{id}_length_{}", row.length),
            format!("{who} of {formulas} and accuracy where active{given}"),
            Measure::Coefficient,
            estimate.map(|e| e.r),
        )
    };
    vec![
        quantity("pearson", "Pearson's r", "", found.pearson),
        quantity("spearman", "Spearman's r", "", found.spearman),
        quantity("partial", "partial r", ", given the firing count", found.given_count),
        quantity("partial_classes", "partial r", ", given count and class mix", found.given_count_and_classes),
    ]
}

/// The quantities, in the order in which the paper comes to them. Shares are of the explained units.
pub fn quantities(records: &Records) -> Vec<Quantity> {
    use Measure::{Count, Number, Share};
    let explained = records.explained().count();
    let count = |id: &str, name: &str, n: usize| Quantity::new(id, name, Count, Some(n as f64));
    let share = |id: String, name: String, n: usize| {
        Quantity::new(id, name, Share, (explained > 0).then(|| n as f64 / explained as f64))
    };
    let mut all = vec![
        count("examples", "examples", records.explanations.universe.examples),
        count("concepts", "concepts", records.concepts.len()),
        count("units", "units searched", records.explanations.units.len()),
        count("explained", "units explained", explained),
    ];
    for row in iou::by_length(records) {
        let (length, of) = (row.length, if row.length == 1 { "of single concepts" } else { "of formulas" });
        let name = |what: &str| match length {
            1 => format!("{what} IoU {of}"),
            _ => format!("{what} IoU {of} of at most {}", many(length, "literal")),
        };
        all.push(Quantity::new(format!("mean_iou_length_{length}"), name("mean"), Number, Some(row.iou.mean)));
        all.push(Quantity::new(format!("median_iou_length_{length}"), name("median"), Number, Some(row.iou.median)));
    }
    let better = records.explained().filter(|(_, u, _)| u.primitive.as_ref().is_some_and(|p| u.iou > p.iou)).count();
    all.push(share("improved".into(), "units that a longer formula explains better".into(), better));

    let shared = distinct(records);
    let once = shared.iter().filter(|row| row.units.len() == 1).count();
    all.push(count("distinct_explanations", "distinct explanations", shared.len()));
    all.push(count("unshared_explanations", "explanations of one unit only", once));
    let mut used: Vec<_> = records.explained().flat_map(|(_, _, f)| literals(f)).map(|(a, _)| a.concept).collect();
    used.sort_unstable();
    used.dedup();
    all.push(count("concepts_used", "concepts in explanations", used.len()));

    let sorted = kinds(records);
    for kind in Kind::ALL {
        let n = sorted.iter().filter(|row| row.kind == kind).count();
        all.push(share(format!("kind_{}", kind.id()), format!("explanations of {}", kind.name_with_paper()), n));
    }
    for (id, coherence, name) in [
        ("lexical", Coherence::Lexical, "related by word vectors alone (lexical coherence)"),
        ("perceptual", Coherence::Perceptual, "related by the company they keep (perceptual coherence)"),
    ] {
        let n = sorted.iter().filter(|row| row.coherence == Some(coherence)).count();
        all.push(share(format!("kind_coherent_{id}"), format!("alternatives {name}"), n));
    }
    for row in operators(records) {
        let id = format!("operators_{}", row.operators.to_lowercase().replace(" + ", "_").replace(' ', "_"));
        all.push(share(id, format!("operators: {}", row.operators), row.units));
    }
    let near = records.explained().filter(|(_, _, f)| Operators::of(f).neighbors > 0).count();
    // Images have no NEIGHBORS.
    if near > 0 {
        all.push(share("operators_neighbors".into(), "with NEIGHBORS".into(), near));
    }
    for row in categories(records).into_iter().filter(|row| row.units > 0) {
        let category = if row.category.is_empty() { "none" } else { &row.category };
        all.push(share(format!("category_{category}"), format!("with a concept of category {category}"), row.units));
    }

    let rows = accuracy::by_activity(records);
    if !rows.is_empty() {
        let outcomes: Vec<bool> = records.predictions.iter().flatten().filter_map(|p| p.correct).collect();
        let right = outcomes.iter().filter(|right| **right).count();
        let overall = Some(right as f64 / outcomes.len() as f64);
        all.push(Quantity::new("accuracy", "accuracy of the model", Share, overall));
        let active = Spread::of(rows.iter().filter_map(accuracy::ActivityRow::accuracy));
        let name = "accuracy where a unit fires, mean over units";
        all.push(Quantity::new("accuracy_active", name, Share, active.map(|s| s.mean)));
        for row in records.correlations() {
            let mut of_iou = correlations("", "IoU", row, row.iou);
            for (quantity, assumed) in of_iou.iter_mut().zip([row.pearson, row.spearman]) {
                quantity.interval = assumed.and_then(|c| c.interval);
                quantity.p = assumed.map(|c| c.p);
            }
            all.extend(of_iou);
            all.extend(correlations("mcc_", "MCC", row, row.mcc));
        }
    }
    if let Some(half) = Half::of(records) {
        all.iter_mut().for_each(|quantity| quantity.paper = half.published(&quantity.id).map(str::to_owned));
    }
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::tests::records;
    use super::*;

    #[test]
    fn quantities_have_names_of_their_own_and_values() {
        let units: [(&str, &[f64], &[usize]); 4] = [
            ("(a OR b)", &[0.1, 0.4], &[0, 1]),
            ("(b OR a)", &[0.3, 0.3], &[0]),
            ("-", &[], &[1]),
            ("(a AND (NOT C))", &[0.2, 0.5], &[1]),
        ];
        let run = records("abC", &units, &[("a", "b", 0.0)], &[("x", "x"), ("y", "x")]);
        let all = quantities(&run);
        let ids: BTreeSet<&str> = all.iter().map(|q| &q.id[..]).collect();
        assert_eq!(ids.len(), all.len());
        let text = |id: &str| all.iter().find(|q| q.id == id).unwrap_or_else(|| panic!("{id}")).text();
        for (id, expected) in [
            ("units", "4"),
            ("explained", "3"),
            ("mean_iou_length_1", "0.2000"),
            ("median_iou_length_2", "0.4000"),
            ("improved", "66.7%"),
            ("distinct_explanations", "2"),
            ("concepts_used", "3"),
            ("kind_single", "0.0%"),
            ("kind_coherent", "0.0%"),
            ("kind_coherent_lexical", "0.0%"),
            ("kind_specialised", "33.3%"),
            ("kind_polysemantic", "66.7%"),
            ("operators_or", "66.7%"),
            ("operators_and_not", "33.3%"),
            ("category_other", "33.3%"),
            ("accuracy", "50.0%"),
            ("accuracy_active", "37.5%"),
            ("pearson_length_1", "0.500"),
            ("partial_length_1", "-"),
            ("mcc_pearson_length_2", "-"),
        ] {
            assert_eq!(text(id), expected, "{id}");
        }
        let pearson = all.iter().find(|q| q.id == "pearson_length_1").unwrap();
        assert!((pearson.p.unwrap() - 2.0 / 3.0).abs() < 1e-9, "programs that read p find it: {pearson:?}");
    }

    #[test]
    fn a_run_without_explained_units_has_no_shares() {
        let all = quantities(&records("a", &[("-", &[], &[])], &[], &[("", "x")]));
        let value = |id: &str| all.iter().find(|q| q.id == id).unwrap().value;
        assert_eq!((value("explained"), value("kind_single"), value("improved")), (Some(0.0), None, None));
        assert!(!all.iter().any(|q| q.id == "accuracy"));
    }
}
