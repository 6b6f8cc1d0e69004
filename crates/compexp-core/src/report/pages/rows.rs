//! The measures of a unit, a row each: its name, its value, and a sentence on what it says.

use super::{count, percent};
use crate::explanation::Explanation;
use crate::report::material::WhenActive;

/// A row of the table of measures.
pub(super) struct Row {
    pub(super) label: &'static str,
    pub(super) value: String,
    pub(super) note: &'static str,
}

/// The measures of a unit, as far as its record has them; `positions` are those of the universe.
pub(super) fn measures(unit: &Explanation, when_active: Option<WhenActive>, positions: u64) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add = |label, value: Option<String>, note| rows.extend(value.map(|value| Row { label, value, note }));
    let explained = unit.formula.is_some();
    let area = |n: u64| format!("{} ({})", count(n), share(n, positions));
    let number = |v: f64| format!("{v:.4}");
    add(
        "IoU",
        explained.then(|| number(unit.iou)),
        "Positions in both masks, divided by positions in either: 1 is a perfect match.",
    );
    add("score", (explained && unit.score != unit.iou).then(|| number(unit.score)), "What the search maximised.");
    add("precision", unit.scores.map(|s| number(s.precision)), "How much of the formula's mask the unit covers.");
    add("recall", unit.scores.map(|s| number(s.recall)), "How much of the unit's mask the formula covers.");
    add("F1", unit.scores.map(|s| number(s.f1)), "The harmonic mean of precision and recall.");
    add("unit area", Some(area(unit.unit_area)), "Positions on which the unit fires, and their share of all.");
    add("formula area", unit.formula_area.map(area), "Positions on which the formula is true, and their share of all.");
    add("agreement", unit.intersection.map(area), "Positions in both masks.");
    add("threshold", unit.threshold.map(|t| format!("{t:.6}")), "The unit fires where its activation is above this.");
    add("length", unit.length.map(|n| n.to_string()), "Concepts in the formula, each as often as it stands there.");
    if let Some(when) = when_active {
        let value = |accuracy: f64| {
            format!("{} ({} of {})", percent(accuracy), count(when.correct as u64), count(when.known as u64))
        };
        add(
            "accuracy when active",
            when.accuracy().map(value),
            "How often the model is right on examples on which the unit fires.",
        );
        add(
            "fires on",
            Some(format!("{} examples", count(when.active as u64))),
            "Examples with at least one firing position.",
        );
    }
    rows
}

fn share(n: u64, of: u64) -> String {
    let share = n as f64 / of.max(1) as f64;
    if share > 0.0 && share < 0.001 { format!("{:.4}%", 100.0 * share) } else { format!("{:.2}%", 100.0 * share) }
}
