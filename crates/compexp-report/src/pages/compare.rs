//! Several runs side by side.

use std::collections::{BTreeMap, BTreeSet};

use compexp_core::search::Status;
use maud::{Markup, html};

use super::overview::{mean_mcc, settings};
use super::{across, anchor, answers, count, document, formula, percent, plain};
use crate::material::Material;

/// The page that leads to the runs; each comes with the folder of its pages. `side_by_side` says whether there is a page of
/// their units side by side.
pub(crate) fn page(runs: &[(String, Material<'_>)], side_by_side: bool) -> String {
    let universe = |m: &Material<'_>| m.explanations().universe;
    let number = |v: Option<f64>| v.map_or(String::new(), |v| format!("{v:.4}"));
    let of = |m: &Material<'_>, s: Status| m.summary.by_status.get(s.name()).copied().unwrap_or(0) as u64;
    type Cell<'a> = Box<dyn Fn(&Material<'_>) -> String + 'a>;
    let rows: Vec<(&str, Cell<'_>)> = vec![
        ("units", Box::new(|m| count(m.summary.units as u64))),
        ("explained", Box::new(move |m| count(of(m, Status::Explained)))),
        ("silent", Box::new(move |m| count(of(m, Status::Silent)))),
        ("searched by", Box::new(|m| m.headline.name().to_owned())),
        ("mean MCC, where searched by it", Box::new(move |m| number(mean_mcc(m)))),
        ("mean IoU", Box::new(move |m| number(m.summary.mean_iou))),
        ("median IoU", Box::new(move |m| number(m.summary.median_iou))),
        ("model accuracy", Box::new(|m| m.summary.accuracy.and_then(|a| a.share()).map_or(String::new(), percent))),
        ("examples", Box::new(move |m| count(universe(m).examples as u64))),
        ("positions of each", Box::new(move |m| count(universe(m).positions as u64))),
        ("cells", Box::new(move |m| count(universe(m).cells as u64))),
    ];
    let body = html! {
        h1 { (runs.len()) " runs side by side" }
        (answers::questions(runs.iter().map(|(_, material)| material)))
        section #runs {
            h2 { "Runs" (anchor("runs")) }
            dl.runs { @for (folder, m) in runs {
                div {
                    dt { a href=(format!("{folder}index.html")) { bdi { (plain(&m.name)) } } }
                    dd { (plain(&m.what)) "." }
                }
            } }
        }
        div.scroll { table.compare {
            thead { tr { td {} @for (folder, m) in runs {
                th scope="col" { a href=(format!("{folder}index.html")) { bdi { (plain(&m.name)) } } }
            } } }
            tbody {
                @for (label, cell) in &rows {
                    tr { th scope="row" { (label) } @for (_, m) in runs { td.n { (cell(m)) } } }
                }
                tr { th scope="row" { "best unit" } @for (folder, m) in runs { td { (best(folder, m)) } } }
            }
        } }
        (across::section(runs))
        @if side_by_side {
            p { a href="side-by-side.html" { "Units side by side" } ": the same units, searched in different ways." }
        }
        section #differences {
            h2 { "Settings that differ" (anchor("differences")) }
            details {
                summary { "Every setting in which the runs differ, and the hash of every input" }
                (differences(runs))
            }
        }
    };
    let nav = html! {
        a href="index.html" aria-current="page" { "All runs" }
        @if let Some((folder, _)) = runs.first() { a href=(format!("{folder}index.html#reading")) { "How to read" } }
    };
    document("", "All runs", "compexp report", None, nav, body)
}

fn best(folder: &str, material: &Material<'_>) -> Markup {
    let best = material.headline.best_first(&material.explanations().units);
    let best = best.into_iter().find(|u| u.status == Status::Explained);
    html! { @if let Some(unit) = best {
        a href=(format!("{folder}units/{}.html", unit.unit)) { "unit " (unit.unit) } " " (formula::of_unit(material, unit))
    } }
}

fn differences(runs: &[(String, Material<'_>)]) -> Markup {
    let all: Vec<BTreeMap<String, String>> =
        runs.iter().map(|(_, m)| settings(m.config.settings()).into_iter().collect()).collect();
    let fields: BTreeSet<&String> = all.iter().flat_map(BTreeMap::keys).collect();
    let differing: Vec<&String> =
        fields.into_iter().filter(|f| all.iter().any(|one| one.get(*f) != all[0].get(*f))).collect();
    html! {
        @if differing.is_empty() { p { "None." } } @else {
            div.scroll { table.settings {
                thead { tr { td {} @for (_, m) in runs { th scope="col" { bdi { (plain(&m.name)) } } } } }
                tbody { @for field in differing {
                    tr { th scope="row" { (plain(field)) } @for one in &all {
                        td { @if let Some(value) = one.get(field) { code { (value) } } }
                    } }
                } }
            } }
        }
    }
}
