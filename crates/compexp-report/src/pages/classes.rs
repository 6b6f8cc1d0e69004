//! The model's classes: how often it is right, and which units go with each.

use std::collections::BTreeMap;

use compexp_core::exemplar::Choice;
use maud::{Markup, html};

use super::{Place, Site, anchor, count, formula, percent, plain};
use crate::class_measures::ClassMeasures;
use crate::material::Material;

/// With more classes, confusions are a list instead of a table.
pub(super) const SQUARE: usize = 12;

/// Confusions that a list shows.
const LISTED: usize = 20;

/// Units that are named for a class, and for each direction of its weights.
const UNITS: usize = 3;

/// Examples by what they are and what the model says, where the first is known.
pub(crate) type Confusion = BTreeMap<(String, String), usize>;

/// Counts the predictions; with `unit` only those on examples on which it fires.
pub(crate) fn confusion(material: &Material<'_>, unit: Option<usize>) -> Confusion {
    let mut counts = Confusion::new();
    for (example, prediction) in material.predictions.iter().flatten().enumerate() {
        let fires = |unit| material.activity.fires(unit, example);
        if prediction.correct.is_some() && unit.is_none_or(fires) {
            *counts.entry((prediction.target.clone(), prediction.predicted.clone())).or_insert(0) += 1;
        }
    }
    counts
}

/// The counts as a table, or the most frequent confusions where there are many classes.
pub(super) fn confusion_table(counts: &Confusion, classes: &[String]) -> Markup {
    if classes.len() > SQUARE {
        let mut wrong: Vec<_> = counts.iter().filter(|((target, predicted), _)| target != predicted).collect();
        wrong.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let right: usize = counts.iter().filter(|((t, p), _)| t == p).map(|(_, n)| n).sum();
        let all: usize = counts.values().sum();
        return html! {
            p { (count(right as u64)) " of " (count(all as u64)) " are right; the most frequent errors:" }
            table.short {
                thead { tr { th scope="col" { "is" } th scope="col" { "predicted" } th scope="col" { "examples" } } }
                tbody { @for ((target, predicted), n) in wrong.into_iter().take(LISTED) {
                    tr { td { (plain(target)) } td { (plain(predicted)) } td.n { (count(*n as u64)) } }
                } }
            }
        };
    }
    let of = |t: &String, p: &String| counts.get(&(t.clone(), p.clone())).copied().unwrap_or(0);
    html! {
        table.confusion {
            thead { tr { td {} @for p in classes { th scope="col" { (plain(p)) } } th scope="col" { "right" } } }
            tbody { @for t in classes {
                @let all: usize = classes.iter().map(|p| of(t, p)).sum();
                tr {
                    th scope="row" { (plain(t)) }
                    @for p in classes {
                        @let share = of(t, p) as f64 / all.max(1) as f64;
                        td.n.hit[p == t] style=(format!("--share:{share:.3}")) { (count(of(t, p) as u64)) }
                    }
                    td.n { (if all > 0 { percent(of(t, t) as f64 / all as f64) } else { String::new() }) }
                }
            } }
        }
    }
}

/// The page of all classes.
pub(crate) fn page(site: &Site<'_>, classes: &[String], counts: &Confusion) -> String {
    let material = site.material;
    let shown = shown_by(material, classes, UNITS);
    let body = html! {
        h1 { "Classes" }
        @if let Some((accuracy, share)) = material.summary.accuracy.and_then(|a| Some((a, a.share()?))) {
            p.sub { "The model is right on " (percent(share)) " of the " (count(accuracy.known as u64)) " examples whose class is known." }
        }
        p.sub {
            @if material.class_measures.is_some() { "Units are those with the greatest weights for a class, up and down." }
            @else { "Units are those whose top examples show a class most often; the number says on how many of them." }
        }
        table.classes {
            thead { tr {
                th scope="col" { "class" } th scope="col" { "examples" } th scope="col" { "right" } th scope="col" { "units" }
            } }
            tbody { @for (i, class) in classes.iter().enumerate() {
                @let all: usize = counts.iter().filter(|((t, _), _)| t == class).map(|(_, n)| n).sum();
                @let right = counts.get(&(class.clone(), class.clone())).copied().unwrap_or(0);
                tr id=(format!("c{i}")) {
                    th scope="row" { a href=(format!("classes/{i}.html")) { bdi { (plain(class)) } } }
                    td.n { (count(all as u64)) }
                    td.n { @if all > 0 { (percent(right as f64 / all as f64)) } }
                    td { (units_of(material, i, &shown[i])) }
                }
            } }
        }
        @if !counts.is_empty() { section #confusions { h2 { "Confusions" (anchor("confusions")) } (confusion_table(counts, classes)) } }
    };
    site.page(Place::Classes, "Classes", body)
}

/// For each class the units whose top examples are of it, most first, with their numbers.
pub(super) fn shown_by(material: &Material<'_>, classes: &[String], most: usize) -> Vec<Vec<(usize, usize)>> {
    let places: BTreeMap<&str, usize> = classes.iter().enumerate().map(|(i, c)| (c.as_str(), i)).collect();
    let mut found = vec![Vec::new(); classes.len()];
    let Some(predictions) = material.predictions.as_ref().filter(|_| material.class_measures.is_none()) else {
        return found;
    };
    for unit in &material.explanations().units {
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        for (_, exemplar) in material.chosen(unit.unit, Choice::Unit) {
            if let Some(class) = places.get(predictions[exemplar.example as usize].target.as_str()) {
                *counts.entry(*class).or_insert(0) += 1;
            }
        }
        counts.into_iter().filter(|(_, n)| *n > 1).for_each(|(class, n)| found[class].push((unit.unit, n)));
    }
    for units in &mut found {
        units.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        units.truncate(most);
    }
    found
}

fn units_of(material: &Material<'_>, class: usize, shown: &[(usize, usize)]) -> Markup {
    let Some(class_measures) = material.class_measures.as_ref().filter(|b| class < b.classes.len()) else {
        return html! { ul.class-units { @for (unit, n) in shown { (entry(material, *unit, &format!("{n}×"))) } } };
    };
    let units = material.explanations().units.iter().filter(|u| u.formula.is_some());
    let [up, down] =
        ClassMeasures::strongest(units.filter_map(|u| Some((u.unit, class_measures.weight(u.unit, class)?))), UNITS);
    html! {
        @for (title, list) in [("for it", up), ("against it", down)] {
            @if !list.is_empty() {
                h3 { (title) }
                ul.class-units { @for (unit, weight) in list { (entry(material, unit, &format!("{weight:+.3}"))) } }
            }
        }
    }
}

fn entry(material: &Material<'_>, unit: usize, number: &str) -> Markup {
    html! { @if let Some(found) = material.explanation(unit) {
        li { a href=(format!("units/{unit}.html")) { "unit " (unit) } " " span.n { (number) } " " (formula::of_unit(material, found)) }
    } }
}
