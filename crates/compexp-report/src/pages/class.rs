//! The page of one class: the units that push it up and down, where they fire, and what the model mistakes for what.

use compexp_core::exemplar::Choice;
use maud::{Markup, html};

use super::cards::cut;
use super::classes::{Confusion, shown_by};
use super::measures::{mark, value};
use super::tree::tree;
use super::{Place, Site, anchor, count, example, formula, patterns, percent, plain};
use crate::Result;
use crate::class_measures::ClassMeasures;
use crate::material::Material;

/// From the page to those of its run.
const UP: &str = "../";

/// Units of each direction.
const UNITS: usize = 8;

/// Pictures of each unit.
const PICTURES: usize = 3;

/// Errors of each direction.
const ERRORS: usize = 10;

/// The page of the class at place `at` of `classes`.
///
/// # Errors
/// `Error::File` if the masks of exemplars cannot be read.
pub(crate) fn page(site: &Site<'_>, classes: &[String], counts: &Confusion, at: usize) -> Result<String> {
    let (material, class) = (site.material, &classes[at]);
    let of = |t: &str, p: &str| counts.get(&(t.to_owned(), p.to_owned())).copied().unwrap_or(0);
    let sum = |side: &dyn Fn(&(String, String)) -> bool| -> usize {
        counts.iter().filter(|(pair, _)| side(pair)).map(|(_, n)| n).sum()
    };
    let (all, predicted) = (sum(&|(t, _)| t == class), sum(&|(_, p)| p == class));
    let right = of(class, class);
    let share = |n: usize| percent(right as f64 / n as f64);
    let neighbour = |at: Option<usize>, rel: &str, before: &str, after: &str| {
        html! { @if let Some((at, name)) = at.and_then(|at| Some((at, classes.get(at)?))) {
            a rel=(rel) href=(format!("{at}.html")) { (before) bdi { (plain(name)) } (after) }
        } }
    };
    let tile = |value: String, label: &str| html! { div.tile { b { (value) } span { (label) } } };
    let body = html! {
        (patterns(material.grid()))
        nav.steps aria-label="Classes" {
            (neighbour(at.checked_sub(1), "prev", "← ", ""))
            a href="../classes.html" { "all classes" }
            (neighbour(at.checked_add(1), "next", "", " →"))
        }
        h1 { bdi { (plain(class)) } }
        div.tiles {
            @if all > 0 { (tile(count(all as u64), "examples")) (tile(share(all), "of them predicted rightly")) }
            @if predicted > 0 { (tile(share(predicted), "of its predictions are right")) }
        }
        (units(site, classes, at)?)
        (errors(class, classes, counts))
    };
    Ok(site.page(Place::Class, class, body))
}

fn units(site: &Site<'_>, classes: &[String], at: usize) -> Result<Markup> {
    let (material, class) = (site.material, &classes[at]);
    let Some(class_measures) = material.class_measures.as_ref().filter(|b| at < b.classes.len()) else {
        let shown = shown_by(material, classes, UNITS);
        let rows: Vec<_> = shown[at].iter().map(|(unit, _)| *unit).collect();
        let rows = rows.iter().map(|u| row(material, None, class, at, *u)).collect::<Result<Vec<_>>>()?;
        return Ok(html! { @if !rows.is_empty() {
            section #shown {
                h2 { "Units whose top examples show it" (anchor("shown")) }
                p.sub { "At least two of the examples on which the unit fires most are of this class." }
                (table(material.headline.name(), None, &rows))
            }
        } });
    };
    let units = material.explanations().units.iter().filter(|u| u.formula.is_some());
    let [up, down] =
        ClassMeasures::strongest(units.filter_map(|u| Some((u.unit, class_measures.weight(u.unit, at)?))), UNITS);
    let of = |list: &[(usize, f64)]| {
        list.iter().map(|(u, _)| row(material, Some(class_measures), class, at, *u)).collect::<Result<Vec<_>>>()
    };
    let sides = [
        (
            "up",
            "Units that push it up",
            "The more such a unit fires, the likelier this class: greatest weights first.",
            of(&up)?,
        ),
        ("down", "Units that push it down", "The more such a unit fires, the less likely this class.", of(&down)?),
    ];
    Ok(html! {
        @if !up.is_empty() || !down.is_empty() {
            (tree(site, class, &up, &down))
        }
        @if class_measures.has_measures() {
            p.sub {
                "Three measures tell what a unit does to a class: the " b { "weight" } " of the model's last layer; the "
                b { "correlation" } " of the unit's mean activation with the class's logit; the " b { "overlap" }
                " (IoU) of the examples on which the unit fires with those on which the logit is in its top quantile. ▲ marks \
                 contributors, beyond the 99% quantile of all units and classes, and ▼ inhibitors, beyond the 1% quantile."
            }
        }
        @for (id, title, lead, rows) in &sides {
            @if !rows.is_empty() { section id=(id) { h2 { (title) (anchor(id)) } p.sub { (lead) } (table(material.headline.name(), Some(class_measures), rows)) } }
        }
    })
}

fn table(headline: &str, class_measures: Option<&ClassMeasures>, rows: &[Markup]) -> Markup {
    html! {
        div.scroll { table.bearing {
            thead { tr {
                th scope="col" { "unit" }
                @if let Some(class_measures) = class_measures {
                    th scope="col" { "weight" }
                    @if class_measures.has_measures() { th scope="col" { "correlation" } th scope="col" { "overlap" } }
                }
                th scope="col" { (headline) } th scope="col" { "formula" } th scope="col" { "fires on" }
            } }
            tbody { @for row in rows { (row) } }
        } }
    }
}

fn row(
    material: &Material<'_>,
    class_measures: Option<&ClassMeasures>,
    class: &str,
    at: usize,
    unit: usize,
) -> Result<Markup> {
    let Some(explanation) = material.explanation(unit) else { return Ok(html! {}) };
    let measured = class_measures.and_then(|b| b.measured(unit, at));
    let (mut drawings, mut text) = (Vec::new(), None);
    let mut chosen = material.chosen(unit, Choice::Unit);
    // Those of this class first.
    let target = |e: u32| material.predictions.as_ref().is_some_and(|p| p[e as usize].target == class);
    chosen.sort_by_key(|(_, e)| !target(e.example));
    for (place, exemplar) in chosen.into_iter().take(PICTURES) {
        let shown = &material.examples[exemplar.example as usize].text;
        if shown.is_empty() {
            drawings.push(example::drawing(material, place, exemplar, UP)?);
        } else if text.is_none() {
            text = Some(cut(shown));
        }
    }
    Ok(html! { tr {
        th scope="row" { a href=(format!("../units/{unit}.html")) { "unit " (unit) } }
        @if let Some(class_measures) = class_measures {
            td.n { (class_measures.weight(unit, at).map_or(String::new(), |w| format!("{w:+.3}"))) (mark(measured, 0)) }
            @if class_measures.has_measures() {
                td.n { (value(measured.and_then(|m| m.correlation))) (mark(measured, 1)) }
                td.n { (value(measured.and_then(|m| m.overlap))) (mark(measured, 2)) }
            }
        }
        td.n { (format!("{:.3}", material.headline.value(explanation))) }
        td { (formula::of_unit(material, explanation)) }
        td {
            @if !drawings.is_empty() { div.strip { @for d in &drawings { (d) } } }
            @if let Some(text) = text { span.card-text dir="auto" { (text) } }
        }
    } })
}

/// What it is mistaken for, and what is mistaken for it.
fn errors(class: &str, classes: &[String], counts: &Confusion) -> Markup {
    let list = |own: fn(&(String, String)) -> &String, other: fn(&(String, String)) -> &String| {
        let mut found: Vec<(&String, usize)> = counts
            .iter()
            .filter(|(pair, _)| own(pair) == class && other(pair) != class)
            .map(|(pair, n)| (other(pair), *n))
            .collect();
        found.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        found.truncate(ERRORS);
        found
    };
    let lists = [
        ("mistaken-for", "What it is mistaken for", "predicted", list(|p| &p.0, |p| &p.1)),
        ("mistakes", "What is mistaken for it", "is", list(|p| &p.1, |p| &p.0)),
    ];
    html! { div.columns { @for (id, title, label, found) in &lists {
        @if !found.is_empty() { section id=(id) {
            h2 { (title) (anchor(id)) }
            table.short {
                thead { tr { th scope="col" { (label) } th scope="col" { "examples" } } }
                tbody { @for (other, n) in found {
                    tr {
                        td { @match classes.iter().position(|c| c == *other) {
                            Some(at) => a href=(format!("{at}.html")) { bdi { (plain(other)) } },
                            None => (plain(other)),
                        } }
                        td.n { (count(*n as u64)) }
                    }
                } }
            }
        } }
    } } }
}
