//! The overview of a run.

use compexp_core::search::Status;
use maud::{Markup, PreEscaped, html};
use serde_json::Value;

use super::cards::card;
use super::{Place, Site, anchor, answers, count, linked, patterns, percent, plain, reading, status_text, units};
use crate::Result;
use crate::material::Material;
use compexp_core::explanation::Headline;

/// The best units that are shown.
const BEST: usize = 8;

/// The characters of a setting's value that are shown: hashes are longer.
const VALUE: usize = 48;

/// What a run found, and how it was made.
///
/// # Errors
/// `Error::File` if the masks of exemplars cannot be read.
pub(crate) fn page(site: &Site<'_>) -> Result<String> {
    let material = site.material;
    let units = &material.explanations().units;
    let top = material.headline.most(units);
    let explained = material.headline.best_first(units).into_iter().filter(|u| u.status == Status::Explained);
    let best: Vec<Markup> = explained.take(BEST).map(|u| card(material, u, top)).collect::<Result<_>>()?;
    let body = html! {
        (patterns(material.grid()))
        h1 { bdi { (plain(&material.name)) } }
        p.lead { (sentence(material)) }
        @if let Some(shown) = units::shown(material) { p.sub { (shown) } }
        (answers::questions([material]))
        (tiles(material))
        (answers::section(material))
        @if !site.figures.is_empty() {
            section #figures {
                h2 { "Figures" (anchor("figures")) }
                div.figures { @for figure in site.figures {
                    figure.chart id=(figure.id) {
                        h3 { (plain(&figure.title)) (anchor(&figure.id)) }
                        (PreEscaped(linked(material, &figure.svg)))
                        figcaption {
                            (plain(&figure.caption)) " "
                            a href=(format!("figures/{}.csv", figure.id)) { "numbers" } " "
                            a href=(format!("figures/{}.svg", figure.id)) { "drawing" }
                        }
                    }
                } }
            }
        }
        section #best {
            h2 { "Best units" (anchor("best")) }
            @if best.is_empty() { p { "No unit is explained." } }
            ul.cards { @for card in &best { (card) } }
            p { a.more href="units.html" { "All " (count(units.len() as u64)) " units as cards →" } }
        }
        (reading::section(material))
        section #made {
            h2 { "How it was made" (anchor("made")) }
            details {
                summary { "Every setting, and the hash of every input" }
                table.settings { tbody { @for (field, value) in settings(material.config.settings()) {
                    tr { th scope="row" { (plain(&field)) } td { code { (value) } } }
                } } }
            }
        }
    };
    Ok(site.page(Place::Overview, "Overview", body))
}

/// What was explained on what.
fn sentence(material: &Material<'_>) -> Markup {
    let universe = material.explanations().universe;
    let examples = match material.examples.iter().any(|e| !e.text.is_empty()) {
        _ if material.is_of_words() => "words",
        true => "sentence pairs",
        false => "examples",
    };
    let provenance = material.run.provenance().ok();
    let layer = provenance.as_ref().and_then(|made| made.layer());
    html! {
        (count(material.summary.units as u64)) " units "
        @if let Some(layer) = layer { "of " code { (plain(layer)) } " " }
        "were observed on " (count(universe.examples as u64)) " " (examples)
        @if universe.positions > 1 {
            " of " (count(universe.positions as u64)) " positions"
        }
        ", which fall into " (count(universe.cells as u64)) " cells of equal concepts. "
        "Each is explained by the logical formula over concepts whose mask "
        @match material.headline {
            Headline::Iou => "overlaps most with the unit's (IoU).",
            Headline::Mcc => "correlates most with the unit's (MCC).",
        }
    }
}

pub(super) fn tiles(material: &Material<'_>) -> Markup {
    let summary = &material.summary;
    let tile = |value: String, label: &str| html! { div.tile { b { (value) } span { (label) } } };
    let optimal = || material.explanations().units.iter().filter_map(|u| u.optimal);
    let (proofs, proven) = (optimal().count(), optimal().filter(|o| o.certified).count());
    html! {
        div.tiles {
            @for status in Status::ALL {
                @let n = summary.by_status.get(status.name()).copied().unwrap_or(0);
                @if n > 0 || status == Status::Explained { (tile(count(n as u64), status_text(status))) }
            }
            @if let Some(mean) = mean_mcc(material) { (tile(format!("{mean:.3}"), "mean MCC")) }
            @if let Some(mean) = summary.mean_iou { (tile(format!("{mean:.3}"), "mean IoU")) }
            @if let Some(median) = summary.median_iou { (tile(format!("{median:.3}"), "median IoU")) }
            @if let Some(s) = summary.significance {
                (tile(format!("{} of {}", count(s.significant as u64), count(s.tested as u64)), "more than chance (q < 0.05)"))
            }
            @if let Some(h) = &summary.holdout {
                @let (values, label) = match material.headline {
                    Headline::Iou => (&h.mean_iou_by_length, "mean held-out IoU"),
                    Headline::Mcc => (&h.mean_mcc_by_length, "mean held-out MCC"),
                };
                @if let Some(mean) = values.last() { (tile(format!("{mean:.3}"), label)) }
            }
            @if proofs > 0 { (tile(format!("{} of {}", count(proven as u64), count(proofs as u64)), "proven optimal")) }
            @if let Some(share) = summary.accuracy.and_then(|a| a.share()) { (tile(percent(share), "model accuracy")) }
        }
    }
}

/// The mean MCC of the explained units, in a run that searched by it.
pub(super) fn mean_mcc(material: &Material<'_>) -> Option<f64> {
    let units = material.run.explanations.units.iter().filter(|u| u.status == Status::Explained);
    let values: Vec<f64> = units.filter_map(|u| u.mcc).collect();
    (material.headline == Headline::Mcc && !values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Every value of a configuration with the names that lead to it.
pub(super) fn settings(config: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    flatten(config, String::new(), &mut found);
    found
}

fn flatten(value: &Value, field: String, into: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (name, value) in map {
                let field = if field.is_empty() { name.clone() } else { format!("{field}.{name}") };
                flatten(value, field, into);
            }
        }
        value => {
            let text = plain(&value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            let text = match text.char_indices().nth(VALUE) {
                Some((end, _)) => format!("{}…", &text[..end]),
                None => text,
            };
            into.push((field, text));
        }
    }
}
