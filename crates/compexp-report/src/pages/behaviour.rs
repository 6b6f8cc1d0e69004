//! What follows from explanations: accuracy without units, and predictions of changed inputs. Present where a run has either.

use maud::{Markup, html};
use serde_json::Value;

use super::{Place, Site, ablation, formula, percent, plain, unit_link};
use crate::material::Material;

/// Changed sentence pairs of each case.
const EDITS: usize = 4;

/// The page of a run's ablation and counterfactuals.
pub(crate) fn page(site: &Site<'_>) -> String {
    let material = site.material;
    let body = html! {
        h1 { "Behaviour" }
        p.lead { "What explanations are good for: what the model loses without units, and whether a change that \
                  turns a formula changes what the model says." }
        (ablation::sections(site))
        @if let Some(record) = &material.counterfactuals { (counterfactuals(material, record)) }
    };
    site.page(Place::Behaviour, "Behaviour", body)
}

fn counterfactuals(material: &Material<'_>, record: &Value) -> Markup {
    let cases = record["cases"].as_array().map_or(&[][..], Vec::as_slice);
    let rate = |tally: &Value| format!("{} of {:.0}", percent(share(&[tally])), number(&tally["trials"]));
    let points = |value: &Value| value.as_f64().map_or(String::new(), |v| format!("{:+.1}", 100.0 * v));
    let class = |value: &Value| match value.as_str() {
        Some(name) => html! { bdi { (plain(name)) } },
        None => html! { "any other class" },
    };
    html! {
        @if !cases.is_empty() {
            section {
                h2 { "Changed inputs" }
                p.sub {
                    "Inputs are changed so that a unit's formula becomes true, or false where it was true, and predicted again. \
                     Beside each a control is changed as much, and leaves the formula as it was. The unit supports a class: to \
                     it the change is to lead where the formula becomes true, and away from it where it becomes false. What \
                     counts is the difference between the two shares of inputs of which that came about, in percentage points \
                     with its 95% interval."
                }
                @for breaks in [false, true] { (sums(cases, breaks)) }
                @for case in cases {
                    @let (effect, nth) = (&case["effect"], case["case"].as_u64().unwrap_or(0));
                    section.case {
                        h3 {
                            (unit_link(material, case["unit"].as_u64().map(|u| u as usize))) ": "
                            (class(&case["from"])) " → " (class(&case["to"]))
                            @if let Some(concept) = case["concept"].as_str() { ", with " bdi { (plain(concept)) } " pasted in" }
                            @if case["direction"].is_string() { ", formula made " (if breaks(case) { "false" } else { "true" }) }
                        }
                        p { (formula::markup(material, case["formula"].as_str().unwrap_or_default())) }
                        p.sub {
                            "Success " (rate(&effect["tested"])) ", controls " (rate(&effect["control"])) "; difference "
                            b { (points(&effect["success"]["value"])) } " [" (points(&effect["success"]["low"])) ", "
                            (points(&effect["success"]["high"])) "]"
                            @if let Some(r) = case["correlation"].as_f64() {
                                ". The unit's value and the class's logit correlate by " (format!("{r:+.2}"))
                            }
                        }
                        (pictures(material, case, nth))
                        (edits(case))
                    }
                }
            }
        }
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(0.0)
}

/// The share of successes of all trials.
fn share(tallies: &[&Value]) -> f64 {
    let sum = |name: &str| tallies.iter().map(|tally| number(&tally[name])).sum::<f64>();
    sum("success") / sum("trials").max(1.0)
}

/// Whether the formula becomes false in a case.
fn breaks(case: &Value) -> bool {
    case["direction"] == "break"
}

/// What all cases of a direction come to.
fn sums(cases: &[Value], direction: bool) -> Markup {
    let effects: Vec<&Value> = cases.iter().filter(|case| breaks(case) == direction).map(|c| &c["effect"]).collect();
    let all = |name: &str| percent(share(&effects.iter().map(|effect| &effect[name]).collect::<Vec<_>>()));
    let above = effects.iter().filter(|effect| number(&effect["success"]["low"]) > 0.0).count();
    let below = effects.iter().filter(|effect| number(&effect["success"]["high"]) < 0.0).count();
    html! {
        @if !effects.is_empty() {
            p {
                "Formula made " (if direction { "false" } else { "true" }) ", " (effects.len()) (if effects.len() == 1 { " case" } else { " cases" }) ": success "
                b { (all("tested")) } ", controls " b { (all("control")) } "; the interval of the difference is above 0 in "
                (above) ", below 0 in " (below) "."
            }
        }
    }
}

/// The most convincing trial of a case.
fn pictures(material: &Material<'_>, case: &Value, nth: u64) -> Markup {
    let answers = &case["best"]["answers"];
    let shown = ["before", "after", "control"].map(|kind| (kind, &answers[kind]));
    let number = |value: &Value| value.as_f64().map_or(String::new(), |v| format!("{v:.3}"));
    html! {
        @if answers.is_object() {
            div.trial { @for (kind, answer) in shown {
                figure {
                    @if material.trial_pictures.contains(&(nth, kind)) {
                        img src=(format!("counterfactuals/{nth}-{kind}.png")) alt=(kind) loading="lazy" decoding="async";
                    }
                    figcaption {
                        b { (kind) } ": " bdi { (plain(answer["predicted"].as_str().unwrap_or_default())) }
                        " (" (number(&answer["probability"])) "); wanted class " (number(&answer["to"])) "; unit "
                        (number(&answer["unit_activation"]))
                    }
                }
            } }
        }
    }
}

/// Changed sentence pairs of a case, those first that tell most for the unit.
fn edits(case: &Value) -> Markup {
    let edits = case["edits"].as_array().map_or(&[][..], Vec::as_slice);
    let text = |value: &Value| plain(value.as_str().unwrap_or_default());
    let edited =
        |edit: &Value| text(&edit[if edit["side"] == "premise" { "edited_premise" } else { "edited_hypothesis" }]);
    html! {
        @if !edits.is_empty() {
            div.scroll { table {
                thead { tr {
                    th scope="col" { "premise" } th scope="col" { "hypothesis" } th scope="col" { "before" }
                    th scope="col" { "edited" } th scope="col" { "after" } th scope="col" { "control" } th scope="col" { "after" }
                } }
                tbody { @for edit in edits.iter().take(EDITS) {
                    tr {
                        td dir="auto" { (text(&edit["premise"])) } td dir="auto" { (text(&edit["hypothesis"])) }
                        td.n { (text(&edit["before"])) }
                        td dir="auto" { (edited(edit)) } td.n { (text(&edit["after"])) }
                        td dir="auto" { (text(&edit["control"])) } td.n { (text(&edit["control_after"])) }
                    }
                } }
            } }
        }
    }
}
