//! All units as cards, which the script sorts and filters.

use std::collections::BTreeMap;

use compexp_core::exemplar::Choice;
use compexp_core::explanation::{Explanation, best_first};
use maud::{Markup, html};

use super::{Place, Site, curve, example, formula, overlap_bar, patterns, percent, plain, status_text};
use crate::Result;
use crate::material::{Material, atoms_of};

/// The pictures on a card.
const PICTURES: usize = 3;

/// The characters of a text on a card.
const TEXT: usize = 150;

/// Names and their numbers, by which cards refer to them.
pub(super) type Numbered = BTreeMap<String, usize>;

/// The page of all units.
pub(crate) fn page(site: &Site<'_>) -> Result<String> {
    let material = site.material;
    let units = &material.explanations().units;
    let (concepts, categories) = names(material, units);
    let top = units.iter().map(|u| u.iou).fold(0.0, f64::max);
    let accuracy = units.iter().any(|u| material.when_active(u.unit).is_some_and(|w| w.accuracy().is_some()));
    let mut cards = Vec::with_capacity(units.len());
    for unit in best_first(units) {
        cards.push(card(material, unit, top, &concepts, &categories)?);
    }
    let body = html! {
        (patterns(material.grid()))
        h1 { "Units" }
        (controls(units, &concepts, &categories, accuracy))
        p #live.live role="status" aria-live="polite" { (units.len()) " units" }
        ul #cards.cards { @for card in &cards { (card) } }
        p #empty hidden { "No unit fits these filters. " button type="reset" form="controls" { "Show all" } }
    };
    Ok(site.page(Place::Units, "Units", body))
}

/// The concepts and categories of all formulas.
pub(super) fn names(material: &Material<'_>, units: &[Explanation]) -> (Numbered, Numbered) {
    let (mut concepts, mut categories) = (Numbered::new(), Numbered::new());
    for (name, _) in units.iter().flat_map(atoms_of) {
        let category = material.category(&name);
        if !category.is_empty() {
            categories.insert(category.to_owned(), 0);
        }
        concepts.insert(name, 0);
    }
    for names in [&mut concepts, &mut categories] {
        names.values_mut().enumerate().for_each(|(i, number)| *number = i);
    }
    (concepts, categories)
}

fn controls(units: &[Explanation], concepts: &Numbered, categories: &Numbered, accuracy: bool) -> Markup {
    let mut statuses: Vec<&str> = units.iter().map(|u| u.status.name()).collect();
    statuses.sort_unstable();
    statuses.dedup();
    let all = compexp_core::search::Status::ALL;
    let tested = units.iter().any(|u| u.significance.is_some());
    let held_out = units.iter().any(|u| u.holdout.is_some());
    html! {
        form #controls.controls role="search" aria-label="Sort and filter units" hidden {
            label { span { "Search" } input #q name="q" type="search" placeholder="formula or unit  ( / )" autocomplete="off"; }
            label { span { "Concept" } input name="concept" list="concepts" autocomplete="off" placeholder="any"; }
            datalist #concepts { @for (name, number) in concepts { option value=(plain(name)) data-i=(number) {} } }
            @if !categories.is_empty() {
                label { span { "Category" } select name="cat" {
                    option value="" { "any" }
                    @for (name, number) in categories { option value=(number) { (plain(name)) } }
                } }
            }
            @if statuses.len() > 1 {
                label { span { "Status" } select name="status" {
                    option value="" { "any" }
                    @for status in all { @if statuses.contains(&status.name()) {
                        option value=(status.name()) { (status_text(status)) }
                    } }
                } }
            }
            label { span { "IoU at least" } input name="iou" type="number" min="0" max="1" step="0.01" placeholder="0"; }
            @if accuracy {
                label { span { "Accuracy at least" } input name="acc" type="number" min="0" max="1" step="0.01" placeholder="0"; }
            }
            @if tested {
                label title="false discovery rate: the share expected to be chance among the units with a p as small as the unit's" {
                    span { "q at most" } input name="q_most" type="number" min="0" max="1" step="0.01" placeholder="1";
                }
            }
            @if held_out {
                label title="on examples that the search never saw" {
                    span { "Held-out IoU at least" } input name="held" type="number" min="0" max="1" step="0.01" placeholder="0";
                }
            }
            label { span { "Sort by" } select name="sort" {
                option value="iou" { "IoU" }
                option value="unit" { "unit" }
                option value="area" { "unit area" }
                option value="len" { "length" }
                @if accuracy { option value="acc" { "accuracy when active" } }
                @if tested { option value="q" { "q" } }
                @if held_out { option value="held" { "held-out IoU" } }
            } }
            label { span { "Order" } select name="dir" {
                option value="" { "best first" }
                option value="up" { "reversed" }
            } }
            button type="reset" { "Reset" }
        }
    }
}

pub(super) fn card(
    material: &Material<'_>,
    unit: &Explanation,
    top: f64,
    concepts: &Numbered,
    categories: &Numbered,
) -> Result<Markup> {
    let atoms = atoms_of(unit);
    let mut numbers: Vec<usize> = atoms.iter().map(|(name, _)| concepts[name]).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let mut kinds: Vec<usize> =
        atoms.iter().filter_map(|(name, _)| categories.get(material.category(name)).copied()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let accuracy = material.when_active(unit.unit).and_then(|w| w.accuracy());
    let list = |n: &[usize]| n.iter().map(usize::to_string).collect::<Vec<_>>().join(" ");
    let chosen = material.chosen(unit.unit, Choice::Unit);
    let mut drawings = Vec::new();
    let mut text = None;
    for (at, exemplar) in chosen.into_iter().take(PICTURES) {
        let shown = &material.examples[exemplar.example as usize].text;
        if shown.is_empty() {
            drawings.push(example::drawing(material, at, exemplar, "")?);
        } else if text.is_none() {
            text = Some(cut(shown));
        }
    }
    Ok(html! {
        li.card data-unit=(unit.unit) data-iou=(unit.iou) data-area=(unit.unit_area) data-len=[unit.length]
            data-acc=[accuracy] data-q=[unit.significance.as_ref().map(|s| s.q)]
            data-held=[unit.holdout.as_ref().map(|h| h.iou)] data-status=(unit.status.name()) data-concepts=(list(&numbers)) data-cats=(list(&kinds)) {
            div.card-head {
                h2 { a href=(format!("units/{}.html", unit.unit)) { "Unit " (unit.unit) } }
                @if unit.formula.is_some() { span.iou { (format!("{:.3}", unit.iou)) span { " IoU" } } }
                @else { span.status { (status_text(unit.status)) } }
            }
            p.card-formula { (formula::of_unit(material, unit)) }
            @if !drawings.is_empty() { div.strip { @for d in &drawings { (d) } } }
            @if let Some(text) = text { p.card-text dir="auto" { (text) } }
            div.card-foot {
                (overlap_bar(unit))
                (curve::by_length(&unit.by_length, top, false))
                @if let Some(s) = &unit.significance { span.acc title="false discovery rate (Benjamini-Hochberg)" { "q " (format!("{:.2}", s.q)) } }
                @if let Some(h) = &unit.holdout { span.acc title="IoU on examples that the search never saw" { (format!("{:.3}", h.iou)) " held out" } }
                @if let Some(accuracy) = accuracy { span.acc title="accuracy when active" { (percent(accuracy)) " right" } }
            }
        }
    })
}

/// The beginning of a text.
pub(super) fn cut(text: &str) -> String {
    let text = plain(text);
    match text.char_indices().nth(TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
