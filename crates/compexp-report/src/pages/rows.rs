//! The measures of a unit, a row each: its name, its value, and a sentence on what it says.

use compexp_core::explanation::{Explanation, Explanations};

use super::{count, percent, plain};
use crate::material::WhenActive;
use compexp_core::explanation::Headline;

/// A row of the table of measures.
pub(super) struct Row {
    pub(super) label: &'static str,
    pub(super) value: String,
    pub(super) note: &'static str,
}

/// The measures of a unit, as far as its record has them.
pub(super) fn measures(all: &Explanations, unit: &Explanation, when_active: Option<WhenActive>) -> Vec<Row> {
    let universe = all.universe;
    let positions = universe.examples as u64 * universe.positions as u64;
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
    add(
        "MCC",
        unit.mcc.map(number),
        "Matthews correlation of the two masks: 1 is a perfect match, 0 is independence, whatever the firing rate.",
    );
    add(
        "lift",
        unit.lift.map(|lift| format!("{lift:.2}")),
        "How many times as often as anywhere the unit fires where the formula is true; 1 is no more often.",
    );
    add(
        "firing rate",
        unit.firing_rate.map(|rate| format!("{rate:.4}")),
        "The share of positions on which the unit fires: the IoU of a formula that is true everywhere.",
    );
    add(
        "score",
        (explained && unit.score != unit.iou && Some(unit.score) != unit.mcc).then(|| number(unit.score)),
        "What the search maximised.",
    );
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
    // Nearly any mask is some function where most cells are single positions.
    let informative = universe.singleton_cells * 2 <= universe.cells;
    let (word, note) = match informative {
        true => (
            "",
            "The best IoU that any Boolean function of all concepts reaches, however long: the limit of the vocabulary, not of the search.",
        ),
        false => (
            ", uninformative",
            "The best IoU that any Boolean function of all concepts reaches; most cells here are single positions, so that nearly \
             any mask is some function, and the number says nothing.",
        ),
    };
    add("ceiling", unit.ceiling.map(|c| format!("{}{word}", number(c))), note);
    let headline = Headline::of(all);
    rows.extend(proof(headline, unit));
    rows.extend(trust(headline, unit));
    rows
}

/// What is proven about the formula.
fn proof(headline: Headline, unit: &Explanation) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add = |label, value: Option<String>, note| rows.extend(value.map(|value| Row { label, value, note }));
    if let Some(optimal) = unit.optimal.filter(|_| unit.formula.is_some()) {
        match optimal.certified {
            true => add(
                "proof",
                Some("optimal".into()),
                "It is proven that no formula of this grammar and at most this length has a higher score.",
            ),
            false => add(
                "proven gap",
                Some(format!("{:.4} (at most {:.4})", optimal.upper_bound - headline.value(unit), optimal.upper_bound)),
                "How much better some other formula could be at most: the search ended before it was proven that none is.",
            ),
        }
        let gain = |beam: f64| format!("{beam:.4} ({:+.4})", beam - headline.value(unit));
        add(
            match headline {
                Headline::Iou => "IoU of the beam",
                Headline::Mcc => "MCC of the beam",
            },
            optimal.beam.map(gain),
            "What the default search, which keeps the best few formulas at each step, finds at this length.",
        );
    }
    let vacuous = unit.vacuous.iter().map(|text| plain(text)).collect::<Vec<_>>().join("; ");
    add(
        "vacuous literals",
        (!vacuous.is_empty()).then_some(vacuous),
        "The search joined them, but the mask is the same without: they are left out of the formula.",
    );
    rows
}

/// How far the formula is to be trusted.
fn trust(headline: Headline, unit: &Explanation) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add = |label, value: Option<String>, note| rows.extend(value.map(|value| Row { label, value, note }));
    if let Some(s) = &unit.significance {
        let draws = count(s.draws as u64);
        let reached = (s.p * (s.draws + 1) as f64).round() as u64;
        let reached = count(reached.saturating_sub(1));
        add(
            "p",
            Some(format!("{:.4} ({reached} of {draws} draws)", s.p)),
            "How often the same search does as well by chance, with the unit's maps dealt out to other examples; never less than \
             1 / (draws + 1).",
        );
        add(
            "q",
            Some(format!("{:.4}", s.q)),
            "Of the units with a p as small as this, the share that is expected to be chance: the false discovery rate.",
        );
        add(
            "IoU by chance",
            s.by_length.last().map(|n| format!("median {:.4}, 95% below {:.4}", n.median, n.q95)),
            "What those draws reach at this length: an IoU is worth only what it has above it.",
        );
        let median = s.by_length.last().and_then(|n| n.metric_median).filter(|_| headline == Headline::Mcc);
        add(
            "MCC by chance",
            median.map(|m| format!("median {m:.4}")),
            "The MCC that those draws reach at this length.",
        );
        add(
            "chance-corrected",
            unit.chance_corrected.map(|c| format!("{c:.4}")),
            "How much of what chance leaves the formula reaches: 0 at the median of the draws, 1 for a perfect match.",
        );
    }
    if let Some(h) = &unit.holdout {
        let [low, high] = h.interval;
        add(
            "held-out IoU",
            Some(format!("{:.4} (95%: {low:.4} to {high:.4})", h.iou)),
            "The formula's IoU on examples that the search never saw, with the interval that other such examples would give.",
        );
        let mcc = h.mcc.map(|m| format!("{:.4} (95%: {:.4} to {:.4})", m.value, m.interval[0], m.interval[1]));
        add("held-out MCC", mcc, "The formula's MCC on those examples.");
        add("drop", Some(format!("{:.4}", h.drop)), "By how much that is below the IoU on the search's examples.");
        add(
            "suggested length",
            Some(h.suggested_length.to_string()),
            "The shortest length that does as well on held-out examples, up to one standard error, as the best.",
        );
    }
    rows
}

fn share(n: u64, of: u64) -> String {
    let share = n as f64 / of.max(1) as f64;
    if share > 0.0 && share < 0.001 { format!("{:.4}%", 100.0 * share) } else { format!("{:.2}%", 100.0 * share) }
}
