//! Runs of one layer, unit by unit: the same units searched in different ways.

use std::collections::{BTreeMap, BTreeSet};

use compexp_core::explanation::{Explanation, Headline};
use maud::{Markup, html};

use super::{anchor, count, document, formula, plain};
use crate::material::Material;
use crate::{LayerFile, ReportRun};

/// The units that a table has at most: those whose scores differ most.
const MOST: usize = 2000;

/// A run of the same layer as another one in the report.
pub(crate) struct Peer<'a> {
    /// The folder of its pages, from that of the report.
    pub(crate) folder: String,
    pub(crate) name: String,
    pub(crate) units: BTreeMap<usize, &'a Explanation>,
    pub(crate) headline: Headline,
}

impl<'a> Peer<'a> {
    /// A run whose pages are in `folder`.
    pub(crate) fn new(run: &ReportRun<'a>, folder: String) -> Self {
        let explanations = &run.run.explanations;
        let shown = |u: &&Explanation| run.units.as_ref().is_none_or(|units| units.contains(&u.unit));
        let units = explanations.units.iter().filter(shown).map(|u| (u.unit, u)).collect();
        Self { folder, name: run.name.clone(), units, headline: Headline::of(explanations) }
    }
}

/// The same unit in other runs of its layer; `root` leads to the folder of the report.
pub(super) fn elsewhere(material: &Material<'_>, unit: usize, peers: &[Peer<'_>], root: &str) -> Markup {
    let found: Vec<_> = peers.iter().filter_map(|peer| Some((peer, *peer.units.get(&unit)?))).collect();
    html! {
        @if !found.is_empty() {
            section #elsewhere {
                h2 { "In other runs of this layer" (anchor("elsewhere")) }
                ul.elsewhere { @for (peer, other) in found {
                    li {
                        a href=(format!("{root}{}units/{unit}.html", peer.folder)) { bdi { (plain(&peer.name)) } } ": "
                        (formula::of_unit(material, other)) " " (score(peer.headline, other))
                    }
                } }
            }
        }
    }
}

fn score(headline: Headline, unit: &Explanation) -> Markup {
    html! { @if unit.formula.is_some() { span.n { (headline.name()) (format!(" {:.3}", headline.value(unit))) } } }
}

/// Runs with the folders of their pages.
type Runs<'a, 'm> = Vec<(&'a str, &'a Material<'m>)>;

/// The groups of runs of one layer, of at least two runs each, in the order of their first runs.
fn groups<'a, 'm>(runs: &'a [(String, Material<'m>)], layers: &'a [Option<LayerFile>]) -> Vec<Runs<'a, 'm>> {
    let mut groups: Vec<(&LayerFile, Runs<'a, 'm>)> = Vec::new();
    for ((folder, material), layer) in runs.iter().zip(layers) {
        let Some(layer) = layer else { continue };
        match groups.iter_mut().find(|(of, _)| *of == layer) {
            Some((_, group)) => group.push((folder, material)),
            None => groups.push((layer, vec![(folder, material)])),
        }
    }
    groups.into_iter().map(|(_, group)| group).filter(|group| group.len() > 1).collect()
}

/// The page that compares the units of runs of one layer; none where no two runs are of one. `layers` has the layer of each run,
/// where it tells.
pub(crate) fn page(runs: &[(String, Material<'_>)], layers: &[Option<LayerFile>]) -> Option<String> {
    let groups = groups(runs, layers);
    if groups.is_empty() {
        return None;
    }
    let body = html! {
        h1 { "Units side by side" }
        p { "Each table has the units of one layer, searched in different ways. A marked formula is another one than that of the first run." }
        @for (i, group) in groups.iter().enumerate() { (table(i, group)) }
    };
    let nav = html! {
        a href="index.html" { "All runs" }
        a href="side-by-side.html" aria-current="page" { "Units side by side" }
    };
    Some(document("", "Units side by side", "compexp report", None, nav, body))
}

fn table(number: usize, runs: &[(&str, &Material<'_>)]) -> Markup {
    let units: Vec<BTreeMap<usize, &Explanation>> =
        runs.iter().map(|(_, m)| m.explanations().units.iter().map(|u| (u.unit, u)).collect()).collect();
    let all: BTreeSet<usize> = units.iter().flat_map(|of_run| of_run.keys().copied()).collect();
    let differs = |unit: &usize| {
        let first = units[0].get(unit).and_then(|u| u.formula.as_deref());
        units.iter().any(|of_run| of_run.get(unit).and_then(|u| u.formula.as_deref()) != first)
    };
    let different = all.iter().filter(|unit| differs(unit)).count();
    // By IoU, which every run has.
    let spread = |unit: usize| {
        let ious = units.iter().filter_map(|of_run| Some(of_run.get(&unit)?.iou));
        let (low, high) = ious.fold((f64::INFINITY, 0.0_f64), |(low, high), iou| (low.min(iou), high.max(iou)));
        high - low
    };
    let mut shown: Vec<usize> = all.iter().copied().collect();
    shown.sort_by(|a, b| spread(*b).total_cmp(&spread(*a)).then(a.cmp(b)));
    shown.truncate(MOST);
    shown.sort_unstable();
    let id = format!("layer-{}", number + 1);
    html! {
        section id=(id) {
            h2 { "Layer " (number + 1) (anchor(&id)) }
            p { (count(different as u64)) " of " (count(all.len() as u64)) " units have another formula in another run."
                @if shown.len() < all.len() { " The table has the " (count(shown.len() as u64)) " units whose IoU differs most." } }
            div.scroll { table.sides {
                thead { tr { th scope="col" { "unit" } @for (folder, m) in runs {
                    th scope="col" { a href=(format!("{folder}index.html")) { bdi { (plain(&m.name)) } } }
                } } }
                tbody { @for unit in &shown { tr {
                    th scope="row" { (unit) }
                    @for ((folder, m), of_run) in runs.iter().zip(&units) { (cell(folder, m, *unit, of_run, &units[0])) }
                } } }
            } }
        }
    }
}

fn cell(
    folder: &str,
    material: &Material<'_>,
    unit: usize,
    of_run: &BTreeMap<usize, &Explanation>,
    first: &BTreeMap<usize, &Explanation>,
) -> Markup {
    let Some(found) = of_run.get(&unit) else { return html! { td { "not in this run" } } };
    let other = first.get(&unit).is_none_or(|u| u.formula != found.formula);
    html! { td.other[other] {
        a href=(format!("{folder}units/{unit}.html")) { (score(material.headline, found)) } " " (formula::of_unit(material, found))
    } }
}
