//! What a run says in a few answers, each with where it comes from.

use compexp_core::explanation::{Explanation, median};
use compexp_core::search::Status;
use maud::{Markup, html};

use super::{anchor, count, percent, plain, unit_link};
use crate::analysis::question::{Answer, RULE};
use crate::material::Material;
use compexp_core::explanation::Headline;

/// The section of the paper's questions, as the runs answer them. Of runs of the same inputs the one with the longest formulas
/// answers, the first of these where several are as long.
pub(super) fn questions<'a>(materials: impl IntoIterator<Item = &'a Material<'a>>) -> Markup {
    let mut answers: Vec<(&Material<'_>, &Answer)> = Vec::new();
    for material in materials {
        let Some(answer) = &material.answer else { continue };
        let inputs = |m: &Material<'_>| m.run.provenance().ok().map(|made| made.inputs());
        match answers.iter_mut().find(|(other, a)| a.id == answer.id && inputs(other) == inputs(material)) {
            Some(other) if other.1.length < answer.length => *other = (material, answer),
            Some(_) => {}
            None => answers.push((material, answer)),
        }
    }
    html! {
        @if !answers.is_empty() {
            section #questions {
                h2 { (if answers.len() == 1 { "The paper's question" } else { "The paper's questions" }) (anchor("questions")) }
                dl.answers.questions { @for (material, answer) in &answers {
                    div {
                        dt { (answer.question) }
                        dd { (answer.paper) }
                        dd { (answer.here) @if answers.len() > 1 { span.run { " Run: " bdi { (plain(&material.name)) } "." } } }
                        dd { b.verdict { (answer.verdict.name()) } }
                    }
                } }
                details.rule { summary { "How the verdict follows" } p { (RULE) } }
            }
        }
    }
}

/// The section of answers.
pub(super) fn section(material: &Material<'_>) -> Markup {
    let all = &material.run.explanations;
    let explained: Vec<&Explanation> = all.units.iter().filter(|u| u.status == Status::Explained).collect();
    html! {
        @if !explained.is_empty() {
            section #answers {
                h2 { "In short" (anchor("answers")) }
                dl.answers {
                    (well(material, &explained))
                    (chance(material))
                    (held_out(material, &explained))
                    (optimal(material))
                    (firing(material.headline, &explained))
                }
            }
        }
    }
}

fn answer(question: &str, answer: Markup) -> Markup {
    html! { div { dt { (question) } dd { (answer) } } }
}

fn well(material: &Material<'_>, explained: &[&Explanation]) -> Markup {
    let headline = material.headline;
    let values: Vec<f64> = explained.iter().map(|u| headline.value(u)).collect();
    let best = headline.best_first(&material.run.explanations.units).into_iter().next();
    answer(
        "How well are units explained?",
        html! {
            "Half of the " (count(explained.len() as u64)) " explained units reach an " (headline.name()) " of "
            b { (format!("{:.3}", median(values).unwrap_or(0.0))) } " or more"
            @if let Some(best) = best.filter(|u| u.status == Status::Explained) {
                "; the best is " (unit_link(material, best.unit)) " with "
                (format!("{:.3}", headline.value(best)))
            }
            "."
        },
    )
}

fn chance(material: &Material<'_>) -> Markup {
    let text = match material.summary.significance {
        Some(s) => html! {
            b { (count(s.significant as u64)) " of " (count(s.tested as u64)) } " units match better than chance (q below 0.05, "
            (count(s.draws as u64)) " draws of each)."
        },
        None => html! { "Not tested in this run: " code { "--null-draws auto" } " tests it." },
    };
    answer("Is that more than chance?", text)
}

fn held_out(material: &Material<'_>, explained: &[&Explanation]) -> Markup {
    let headline = material.headline;
    let pairs: Vec<(f64, f64)> =
        explained.iter().filter_map(|u| Some((headline.value(u), headline.held_out(u.holdout.as_ref()?)?))).collect();
    let n = pairs.len().max(1) as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / n;
    let text = match pairs.is_empty() {
        true => html! { "Not tested in this run: " code { "--holdout 0.3" } " keeps examples out of the search." },
        false => html! {
            "On examples that the search never saw the mean " (headline.name()) " is " b { (format!("{:.3}", mean(|p| p.1))) }
            ", where the search has " (format!("{:.3}", mean(|p| p.0))) "."
        },
    };
    answer("Does it hold on other examples?", text)
}

fn optimal(material: &Material<'_>) -> Markup {
    let text = match material.summary.optimal {
        Some(o) => html! {
            "Proven not to be so for " b { (count(o.certified as u64)) " of " (count(o.units as u64)) } " units."
        },
        None => {
            html! { "Possibly: the search keeps the best few formulas at each length. " code { "--mode exact" } " proves it." }
        }
    };
    answer("Could another formula of this length be better?", text)
}

/// Whether the IoU says mostly how often a unit fires.
fn firing(headline: Headline, explained: &[&Explanation]) -> Markup {
    let rated = || explained.iter().filter_map(|u| Some((u, u.firing_rate?)));
    let (n, below) = (rated().count(), rated().filter(|(u, rate)| u.iou <= *rate).count());
    html! {
        @if headline == Headline::Iou && n > 0 {
            (answer("Is it more than that units fire often?", html! {
                b { (percent((n - below) as f64 / n as f64)) } " of the explained units have an IoU above their firing rate, which a \
                 formula that is true everywhere reaches"
                @if below > 0 { "; " code { "--metric mcc" } " searches by a score that does not depend on it" } "."
            }))
        }
    }
}
