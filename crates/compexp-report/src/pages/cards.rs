//! Units as cards: the card of one unit, and the scripts that hold all cards and what they are sorted by.
//!
//! A page of cards shows [`PAGE`] of them. The best ones stand in `units.html`; all cards are in the scripts `cards/0.js`,
//! `cards/1.js`, ..., [`CHUNK`] in each and best first, which the report's script loads when a page needs them. Scripts, unlike
//! other files, may be loaded by a page that is a file.

use std::collections::BTreeMap;

use compexp_core::exemplar::Choice;
use compexp_core::explanation::Explanation;
use maud::{Markup, html};
use serde_json::{Value, json};

use super::{curve, example, formula, overlap_bar, percent, plain, status_text, words};
use crate::Result;
use crate::material::{Material, atoms_of};
use compexp_core::explanation::Headline;

/// The cards that are shown at once.
pub(super) const PAGE: usize = 48;

/// The cards of a script.
pub(crate) const CHUNK: usize = 16;

/// The pictures on a card.
const PICTURES: usize = 3;

/// The forms of words on a card.
const FORMS: usize = 6;

/// The characters of a text on a card.
const TEXT: usize = 150;

/// Names and their numbers, by which units refer to them.
type Numbered = BTreeMap<String, usize>;

/// The script of what all units are sorted and filtered by.
pub(crate) fn index(material: &Material<'_>) -> String {
    let units = material.headline.best_first(&material.explanations().units);
    let (concepts, categories) = names(material);
    let named: Vec<Value> = concepts.keys().map(|key| json!([plain(key), plain(&words::shown(key))])).collect();
    let rows: Vec<String> = units.iter().map(|unit| row(material, unit, &concepts, &categories).to_string()).collect();
    format!(
        "\"use strict\";\nconst compexpUnits = {{ page: {PAGE}, chunk: {CHUNK}, concepts: {}, units: [\n{}\n] }};\n",
        Value::from(named),
        rows.join(",\n")
    )
}

/// What a unit is sorted and filtered by, in the order in which the script reads it.
fn row(material: &Material<'_>, unit: &Explanation, concepts: &Numbered, categories: &Numbered) -> Value {
    let atoms = atoms_of(unit);
    let sorted = |mut numbers: Vec<usize>| {
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    };
    let forms = material.forms(unit.unit);
    let own = sorted(atoms.iter().map(|(name, _)| concepts[name]).collect());
    let kinds = sorted(atoms.iter().filter_map(|(n, _)| categories.get(material.category(n)).copied()).collect());
    let mut row = json!([
        unit.unit,
        unit.status.name(),
        unit.formula.as_deref().map(plain).unwrap_or_default(),
        own,
        kinds,
        unit.iou,
        unit.mcc,
        unit.lift,
        unit.chance_corrected,
        unit.holdout.as_ref().and_then(|h| material.headline.held_out(h)),
        unit.significance.as_ref().map(|s| s.p),
        unit.significance.as_ref().map(|s| s.q),
        unit.unit_area,
        unit.length,
        material.when_active(unit.unit).and_then(|w| w.accuracy()),
    ]);
    if let (Value::Array(row), Some(forms)) = (&mut row, forms) {
        row.push(forms.iter().map(|form| plain(form)).collect());
    }
    row
}

/// The script of the cards from the place `first` on, best first.
///
/// # Errors
/// `Error::File` if the masks of exemplars cannot be read.
pub(crate) fn chunk(material: &Material<'_>, units: &[&Explanation], first: usize) -> Result<String> {
    let top = material.headline.most(&material.explanations().units);
    let cards = units.iter().skip(first).take(CHUNK).map(|unit| Ok(card(material, unit, top)?.into_string()));
    let cards = cards.collect::<Result<Vec<String>>>()?;
    Ok(format!("compexpCards({}, {});\n", first / CHUNK, Value::from(cards)))
}

/// The concepts of all formulas; and their categories.
fn names(material: &Material<'_>) -> (Numbered, Numbered) {
    let (mut concepts, mut categories) = (Numbered::new(), categories(material));
    for (name, _) in material.explanations().units.iter().flat_map(atoms_of) {
        concepts.insert(name, 0);
    }
    for names in [&mut concepts, &mut categories] {
        names.values_mut().enumerate().for_each(|(i, number)| *number = i);
    }
    (concepts, categories)
}

/// The categories of the concepts of all formulas, numbered in their order.
pub(super) fn categories(material: &Material<'_>) -> Numbered {
    let mut found = Numbered::new();
    for (name, _) in material.explanations().units.iter().flat_map(atoms_of) {
        let category = material.category(&name);
        if !category.is_empty() {
            found.insert(category.to_owned(), 0);
        }
    }
    found.values_mut().enumerate().for_each(|(i, number)| *number = i);
    found
}

/// The card of a unit; `top` is the greatest headline score of the run.
///
/// # Errors
/// `Error::File` if the masks of exemplars cannot be read.
pub(super) fn card(material: &Material<'_>, unit: &Explanation, top: f64) -> Result<Markup> {
    let headline = material.headline;
    let accuracy = material.when_active(unit.unit).and_then(|w| w.accuracy());
    let held_out = unit.holdout.as_ref().and_then(|h| headline.held_out(h));
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
    let explained = unit.formula.is_some();
    let spoken = material.in_words_of_words(unit);
    Ok(html! {
        li.card data-unit=(unit.unit) data-q=[unit.significance.as_ref().map(|s| s.q)] data-held=[held_out] {
            div.card-head {
                h2 { a href=(format!("units/{}.html", unit.unit)) { "Unit " (unit.unit) } }
                @if explained { span.iou { (format!("{:.3}", headline.value(unit))) span { " " (headline.name()) } } }
                @else { span.status { (status_text(unit.status)) } }
            }
            p.card-formula { (formula::of_unit(material, unit)) }
            @if let Some(words) = spoken { p.in-words { (plain(&words)) } }
            @if !drawings.is_empty() { div.strip { @for d in &drawings { (d) } } }
            @match material.forms(unit.unit) {
                Some(forms) => p.card-text dir="auto" {
                    "most on: " @for (i, form) in forms.iter().take(FORMS).enumerate() {
                        @if i > 0 { ", " } bdi { (plain(form)) }
                    }
                },
                None => @if let Some(text) = text { p.card-text dir="auto" { (text) } },
            }
            @if explained {
                div.meters {
                    span.k { "masks" } (overlap_bar(unit)) span {}
                    @for (name, value, told) in meters(headline, unit) { (meter(name, value, told)) }
                }
            }
            div.card-foot {
                @if !unit.by_length.is_empty() {
                    span.growth { (curve::by_length(headline, &unit.by_length, top, false)) " by length" }
                }
                @if let Some(rate) = unit.firing_rate {
                    span.acc title="the share of positions on which the unit fires" { "fires on " (percent(rate)) }
                }
                @if let Some(lift) = unit.lift {
                    span.acc title="times as often as anywhere the unit fires where the formula is true" { "lift " (format!("{lift:.1}")) }
                }
                @if let Some(s) = &unit.significance {
                    span.acc title="false discovery rate (Benjamini-Hochberg)" { "q " (format!("{:.2}", s.q)) }
                }
                @if let Some(accuracy) = accuracy { span.acc title="accuracy when active" { (percent(accuracy)) " right" } }
            }
        }
    })
}

/// The scores that are drawn as bars, the headline first.
fn meters(headline: Headline, unit: &Explanation) -> Vec<(&'static str, f64, &'static str)> {
    let iou = ("IoU", Some(unit.iou), "positions in both masks, divided by positions in either");
    let mcc = ("MCC", unit.mcc, "Matthews correlation of the two masks; 0 is independence");
    let held_out = unit.holdout.as_ref().and_then(|h| headline.held_out(h));
    let (first, second) = if headline == Headline::Mcc { (mcc, iou) } else { (iou, mcc) };
    let all = [
        first,
        second,
        ("above chance", unit.chance_corrected, "chance-corrected: 0 at the median of chance, 1 for a perfect match"),
        ("held out", held_out, "the headline score on examples that the search never saw"),
    ];
    all.into_iter().filter_map(|(name, value, told)| Some((name, value?, told))).collect()
}

fn meter(name: &str, value: f64, told: &str) -> Markup {
    let width = format!("width:{:.1}%", 100.0 * value.clamp(0.0, 1.0));
    html! {
        span.k title=(told) { (name) }
        span.track aria-hidden="true" { i style=(width) {} }
        span.v { (format!("{value:.3}")) }
    }
}

/// The beginning of a text.
pub(super) fn cut(text: &str) -> String {
    let text = plain(text);
    match text.char_indices().nth(TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
