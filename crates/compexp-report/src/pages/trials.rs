//! Changed inputs: what all cases came to, and each case with its best trial or its edits.

use compexp_run::TrialRecord;
use compexp_run::trial_record::{Answer, Changed, PairEdit, PastedParts, Side, TrialCase};
use compexp_trust::behaviour::trial::Tally;
use maud::{Markup, html};

use super::{anchor, formula, percent, plain, unit_link};
use crate::material::Material;

/// Changed sentence pairs of each case.
const EDITS: usize = 4;

/// The greatest rate of false discoveries at which a case counts as one that differs from its controls.
const LEVEL: f64 = 0.05;

/// The section of the cases of a run.
pub(super) fn section(material: &Material<'_>, record: &TrialRecord) -> Markup {
    html! {
        @if !record.cases.is_empty() {
            section #inputs {
                h2 { "Changed inputs" (anchor("inputs")) }
                p.sub {
                    "Inputs are changed so that a unit's formula becomes true, or false where it was true, and predicted again. \
                     Beside each a control is changed as much, and leaves the formula as it was. The unit supports a class: to \
                     it the change is to lead where the formula becomes true, and away from it where it becomes false. What \
                     counts is the difference between the two shares of inputs of which that came about, in percentage points \
                     with its 95% interval, which fewer than 20 changed inputs do not have. p is of an exact test that exchanges \
                     each input's changes with its controls; q is corrected for the number of cases."
                }
                @for breaks in [false, true] { (sums(&record.cases, breaks)) }
                @for case in &record.cases { (one(material, case)) }
            }
        }
    }
}

/// A case.
fn one(material: &Material<'_>, case: &TrialCase) -> Markup {
    let effect = &case.effect;
    let rate = |tally: &Tally| format!("{} of {}", share([tally].into_iter()), tally.trials);
    let points = |value: f64| format!("{:+.1}", 100.0 * value);
    let class = |name: &Option<String>| match name {
        Some(name) => html! { bdi { (plain(name)) } },
        None => html! { "any other class" },
    };
    html! {
        section.case {
            h3 {
                (unit_link(material, case.unit)) ": "
                (class(&case.from)) " → " (class(&case.to))
                @match &case.changed {
                    Changed::Images(parts) => { ", with " bdi { (plain(&parts.concept)) } " pasted in" },
                    Changed::Pairs(pairs) => @if pairs.direction.is_some() {
                        ", formula made " (if case.breaks() { "false" } else { "true" })
                    },
                }
            }
            p { (formula::markup(material, &case.formula)) }
            p.sub {
                "Success " (rate(&effect.tested)) ", controls " (rate(&effect.control)) "; difference "
                b { (points(effect.success.value)) }
                @match (effect.success.low, effect.success.high) {
                    (Some(low), Some(high)) => { " [" (points(low)) ", " (points(high)) "]" },
                    _ => { " (too few " (if matches!(case.changed, Changed::Images(_)) { "images" } else { "pairs" }) ")" },
                }
                @if let (Some(p), Some(q)) = (case.p, case.q) { ", p " (small(p)) ", q " (small(q)) }
                @if let Some(r) = case.correlation {
                    ". The unit's value and the class's logit correlate by " (format!("{r:+.2}"))
                }
            }
            @match &case.changed {
                Changed::Images(parts) => {
                    (pictures(material, parts, case.case))
                    (transfer(parts))
                },
                Changed::Pairs(pairs) => (edits(&pairs.edits)),
            }
        }
    }
}

/// A p or q.
fn small(value: f64) -> String {
    if value < 0.001 { "< 0.001".to_owned() } else { format!("{value:.3}") }
}

/// The share of successes of all trials; a dash if there are none.
fn share<'a>(tallies: impl Iterator<Item = &'a Tally>) -> String {
    let (success, trials) = tallies.fold((0, 0), |(success, n), tally| (success + tally.success, n + tally.trials));
    if trials == 0 { "-".to_owned() } else { percent(success as f64 / trials as f64) }
}

/// What all cases of a direction come to.
fn sums(cases: &[TrialCase], breaks: bool) -> Markup {
    let cases: Vec<_> = cases.iter().filter(|case| case.breaks() == breaks).collect();
    let tested = share(cases.iter().map(|case| &case.effect.tested));
    let control = share(cases.iter().map(|case| &case.effect.control));
    let q: Vec<_> = cases.iter().filter_map(|case| Some((case.effect.success.value, case.q?))).collect();
    let differ = |above: bool| q.iter().filter(|(value, q)| *q < LEVEL && (*value > 0.0) == above).count();
    let [above, below] = [true, false].map(differ);
    html! {
        @if !cases.is_empty() {
            p {
                "Formula made " (if breaks { "false" } else { "true" }) ", " (cases.len()) (if cases.len() == 1 { " case" } else { " cases" }) ": success "
                b { (tested) } ", controls " b { (control) }
                @if q.len() == cases.len() {
                    "; q is below " (LEVEL) " in " b { (above + below) } ": above the controls in " (above)
                    ", below in " (below)
                }
                "."
            }
        }
    }
}

/// The most convincing trial of a case.
fn pictures(material: &Material<'_>, parts: &PastedParts, nth: u64) -> Markup {
    let Some(best) = &parts.best else { return html! {} };
    let shown: [(&str, &Answer); 3] =
        [("before", &best.answers.before), ("after", &best.answers.after), ("control", &best.answers.control)];
    let number = |value: Option<f64>| value.map_or(String::new(), |v| format!("{v:.3}"));
    html! {
        div.trial { @for (kind, answer) in shown {
            figure {
                @if material.trial_pictures.contains(&(nth, kind)) {
                    img src=(format!("counterfactuals/{nth}-{kind}.png")) alt=(kind) loading="lazy" decoding="async";
                }
                figcaption {
                    b { (kind) } ": " bdi { (plain(&answer.predicted)) }
                    " (" (number(answer.probability)) "); wanted class " (number(answer.to)) "; unit "
                    (number(answer.unit_activation))
                }
            }
        } }
    }
}

/// What other networks made of the images of a case.
fn transfer(parts: &PastedParts) -> Markup {
    html! {
        @if !parts.transfer.is_empty() {
            div.scroll { table {
                thead { tr {
                    th scope="col" { "other network" } th scope="col" { "success" } th scope="col" { "controls" }
                    th scope="col" { "difference" } th scope="col" { "trials" }
                } }
                tbody { @for other in &parts.transfer {
                    tr {
                        td { bdi { (plain(&other.network)) } }
                        td.n { (share([&other.effect.tested].into_iter())) }
                        td.n { (share([&other.effect.control].into_iter())) }
                        td.n { (format!("{:+.1}", 100.0 * other.effect.success.value)) }
                        td.n { (other.effect.tested.trials) }
                    }
                } }
            } }
        }
    }
}

/// Changed sentence pairs of a case, those first that tell most for the unit.
fn edits(edits: &[PairEdit]) -> Markup {
    let edited = |edit: &PairEdit| match edit.side {
        Some(Side::Premise) => plain(&edit.edited_premise),
        _ => plain(&edit.edited_hypothesis),
    };
    html! {
        @if !edits.is_empty() {
            div.scroll { table {
                thead { tr {
                    th scope="col" { "premise" } th scope="col" { "hypothesis" } th scope="col" { "before" }
                    th scope="col" { "edited" } th scope="col" { "after" } th scope="col" { "control" } th scope="col" { "after" }
                } }
                tbody { @for edit in edits.iter().take(EDITS) {
                    tr {
                        td dir="auto" { (plain(&edit.premise)) } td dir="auto" { (plain(&edit.hypothesis)) }
                        td.n { (plain(&edit.before)) }
                        td dir="auto" { (edited(edit)) } td.n { (plain(&edit.after)) }
                        td dir="auto" { (plain(&edit.control)) } td.n { (plain(&edit.control_after)) }
                    }
                } }
            } }
        }
    }
}
