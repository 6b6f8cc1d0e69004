//! What follows from explanations: accuracy without units, and predictions of changed inputs. Present where a run has either.

use maud::{Markup, html};
use serde_json::Value;

use super::classes::find;
use super::{Place, Site, ablation, formula, percent, plain};
use crate::report::material::Material;

/// Changed sentence pairs of each case.
const EDITS: usize = 4;

/// The page of a run's ablation and counterfactuals.
pub(in crate::report) fn page(site: &Site<'_>) -> String {
    let material = site.material;
    let body = html! {
        h1 { "Behaviour" }
        p.lead { "What explanations are good for: what the model loses without units, and whether a change that makes a formula \
                  true changes what the model says." }
        (ablation::sections(site))
        @if let Some(record) = &material.counterfactuals { (counterfactuals(material, record)) }
    };
    site.page(Place::Behaviour, "Behaviour", body)
}

fn counterfactuals(material: &Material<'_>, record: &Value) -> Markup {
    let cases = record["cases"].as_array().map_or(&[][..], Vec::as_slice);
    let text = |value: &Value| plain(value.as_str().unwrap_or_default());
    let rate = |tally: &Value| {
        let of = |name: &str| tally[name].as_f64().unwrap_or(0.0);
        format!("{} of {:.0}", percent(of("success") / of("trials").max(1.0)), of("trials"))
    };
    let points = |value: &Value| value.as_f64().map_or(String::new(), |v| format!("{:+.1}", 100.0 * v));
    html! {
        @if !cases.is_empty() {
            section {
                h2 { "Changed inputs" }
                p.sub {
                    "Inputs are changed so that a unit's formula becomes true, and predicted again; beside each a control is \
                     changed as much, with the formula still false. What counts is the difference between the two shares of \
                     inputs that are then given the wanted class, in percentage points with its 95% interval."
                }
                @for case in cases {
                    @let (effect, nth) = (&case["effect"], case["case"].as_u64().unwrap_or(0));
                    section.case {
                        h3 {
                            (unit(material, case["unit"].as_u64().map(|u| u as usize))) ": "
                            @if let Some(from) = case["from"].as_str() { bdi { (plain(from)) } " " }
                            "→ " bdi { (text(&case["to"])) }
                            @if let Some(concept) = case["concept"].as_str() { ", with " bdi { (plain(concept)) } " pasted in" }
                        }
                        p { (formula::markup(material, case["formula"].as_str().unwrap_or_default())) }
                        p.sub {
                            "Success " (rate(&effect["tested"])) ", controls " (rate(&effect["control"])) "; difference "
                            b { (points(&effect["success"]["value"])) } " [" (points(&effect["success"]["low"])) ", "
                            (points(&effect["success"]["high"])) "]"
                        }
                        (pictures(material, case, nth))
                        (edits(case))
                    }
                }
            }
        }
    }
}

pub(super) fn unit(material: &Material<'_>, unit: Option<usize>) -> Markup {
    html! { @match unit {
        Some(unit) if find(material, unit).is_some() => a href=(format!("units/{unit}.html")) { "unit " (unit) },
        Some(unit) => { "unit " (unit) },
        None => {},
    } }
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

/// Changed sentence pairs of a case.
fn edits(case: &Value) -> Markup {
    let edits = case["edits"].as_array().map_or(&[][..], Vec::as_slice);
    let text = |value: &Value| plain(value.as_str().unwrap_or_default());
    html! {
        @if !edits.is_empty() {
            div.scroll { table {
                thead { tr {
                    th scope="col" { "premise" } th scope="col" { "hypothesis" } th scope="col" { "before" }
                    th scope="col" { "after" } th scope="col" { "with the control's word" }
                } }
                tbody { @for edit in edits.iter().take(EDITS) {
                    tr {
                        td dir="auto" { (text(&edit["edited_premise"])) } td dir="auto" { (text(&edit["edited_hypothesis"])) }
                        td { (text(&edit["before"])) } td { (text(&edit["after"])) }
                        td { (text(&edit["control_after"])) " (" bdi { (text(&edit["control_word"])) } ")" }
                    }
                } }
            } }
        }
    }
}
