//! The paper's quantities, in one table.

use compexp_trust::stats::{Correlation, Spread};
use serde::Serialize;

use super::kind::{Kind, kinds};
use super::makeup::{Operators, categories, distinct, literals, operators};
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
    /// The 95% confidence interval, where the quantity has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// The chance of such a value, were there nothing to find, where the quantity has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
}

/// How to read a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// A whole number.
    Count,
    /// A share, from 0 to 1.
    Share,
    /// Any number.
    Number,
}

impl Quantity {
    fn new(id: impl Into<String>, name: impl Into<String>, measure: Measure, value: Option<f64>) -> Self {
        Self { id: id.into(), name: name.into(), measure, value, interval: None, p: None }
    }

    fn correlation(id: String, name: String, found: Option<Correlation>) -> Self {
        let value = found.map(|c| c.r);
        Self {
            interval: found.and_then(|c| c.interval),
            p: found.map(|c| c.p),
            ..Self::new(id, name, Measure::Number, value)
        }
    }

    /// The value for people, with its interval and p: `0.312 [0.231, 0.389], p = 2.1e-13`; `-` where there is none.
    pub fn text(&self) -> String {
        let Some(value) = self.value else { return "-".into() };
        let mut text = match self.measure {
            Measure::Count => digits(value as u64),
            Measure::Share => format!("{:.1}%", 100.0 * value),
            Measure::Number if self.p.is_some() => format!("{value:.3}"),
            Measure::Number => format!("{value:.4}"),
        };
        if let Some([low, high]) = self.interval {
            text += &format!(" [{low:.3}, {high:.3}]");
        }
        if let Some(p) = self.p {
            text += &if p < 1e-3 { format!(", p = {p:.1e}") } else { format!(", p = {p:.3}") };
        }
        text
    }
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
        let id = format!("kind_{}", kind.name().split(' ').next().unwrap_or_default());
        all.push(share(id, format!("explanations of {}", kind.name()), n));
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
        for row in accuracy::correlations(records, &rows) {
            let length = row.length;
            let name =
                |who: &str| format!("{who}'s r of IoU (at most {}) and accuracy where active", many(length, "literal"));
            all.push(Quantity::correlation(format!("pearson_length_{length}"), name("Pearson"), row.pearson));
            all.push(Quantity::correlation(format!("spearman_length_{length}"), name("Spearman"), row.spearman));
        }
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
            ("kind_one", "33.3%"),
            ("kind_unrelated", "66.7%"),
            ("operators_or", "66.7%"),
            ("operators_and_not", "33.3%"),
            ("category_other", "33.3%"),
            ("accuracy", "50.0%"),
            ("accuracy_active", "37.5%"),
            ("pearson_length_1", "0.500, p = 0.667"),
        ] {
            assert_eq!(text(id), expected, "{id}");
        }
    }

    #[test]
    fn a_run_without_explained_units_has_no_shares() {
        let all = quantities(&records("a", &[("-", &[], &[])], &[], &[("", "x")]));
        let value = |id: &str| all.iter().find(|q| q.id == id).unwrap().value;
        assert_eq!((value("explained"), value("kind_one"), value("improved")), (Some(0.0), None, None));
        assert!(!all.iter().any(|q| q.id == "accuracy"));
    }
}
