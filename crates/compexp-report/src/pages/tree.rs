//! A class as a tree of units down the layers, and what a unit is made from in the layer below.
//!
//! The tree is nested lists: it is read aloud in order, wraps where the screen is narrow, and takes the page's colours.

use maud::{Markup, html};

use super::measures::{mark, value};
use super::{Lower, Site, anchor, formula, plain};
use crate::class_measures::Measured;

/// Units of each direction.
const BRANCHES: usize = 5;

/// Units of the layer below, under each of these.
const TWIGS: usize = 3;

/// Units of each direction in the table of a unit's page.
const ROWS: usize = 6;

/// The class, its units in the run's layer by weight, and what goes with each in the layer below.
pub(super) fn tree(site: &Site<'_>, class: &str, up: &[(usize, f64)], down: &[(usize, f64)]) -> Markup {
    let (material, below) = (site.material, site.material.below.as_ref());
    let branches: Vec<_> = up.iter().take(BRANCHES).chain(down.iter().take(BRANCHES).rev()).collect();
    let most = branches.iter().map(|(_, weight)| weight.abs()).fold(f64::MIN_POSITIVE, f64::max);
    html! {
        section #tree {
            h2 { "The class as a tree of its units" (anchor("tree")) }
            p.sub {
                "The units that bear most on it, by weight"
                @if let Some(below) = below {
                    ", and under each the units of " code { (plain(&below.layer)) } " whose maps go most with its own, by \
                     correlation (r) over positions"
                }
                "; the wider a branch, the more."
                @if let Some(below) = below.filter(|_| site.lower.is_none()) {
                    " Give the run of " code { (plain(&below.layer)) } " to the report as well to see its formulas here."
                }
            }
            figure.chart { ul.tree aria-label=(format!("Units of {}", plain(class))) { li {
                div.node { b { bdi { (plain(class)) } } }
                ul { @for (unit, weight) in branches {
                    li.down[*weight < 0.0] style=(width(weight.abs() / most)) {
                        div.node {
                            a href=(format!("../units/{unit}.html")) { "unit " (unit) }
                            " " span.n { (format!("{weight:+.3}")) }
                            @if let Some(found) = material.explanation(*unit) { " " (formula::of_unit(material, found)) }
                        }
                        @if let Some(below) = below {
                            ul { @for (unit, measured) in below.with(*unit, TWIGS) {
                                li style=(width(measured.correlation.unwrap_or(0.0))) {
                                    div.node {
                                        (unit_below(site, *unit)) " "
                                        span.n { "r " (value(measured.correlation)) }
                                        @if let Some(text) = formula_below(site, *unit) { " " (text) }
                                    }
                                }
                            } }
                        }
                    }
                } }
            } } }
        }
    }
}

/// The width of a branch, as a style.
fn width(share: f64) -> String {
    format!("--w:{:.0}px", 1.0 + 5.0 * share.clamp(0.0, 1.0))
}

/// The units of the layer below whose maps go with a unit's, and against it.
pub(super) fn from_below(site: &Site<'_>, unit: usize) -> Markup {
    let Some(below) = &site.material.below else { return html! {} };
    let rows: Vec<_> = below.with(unit, ROWS).chain(below.against(unit, ROWS)).collect();
    let number = |measured_value: Option<f64>, measured: &Measured, measure: usize| {
        html! { td.n { (value(measured_value)) (mark(Some(measured), measure)) } }
    };
    html! {
        @if !rows.is_empty() {
            section #below {
                h2 { "Units of " code { (plain(&below.layer)) } " that it goes with" (anchor("below")) }
                p.sub {
                    "Correlation is that of the two maps, position by position at the smaller size, overlap the IoU of the \
                     positions where either fires; the weight is that of the convolution from one to the other, averaged over \
                     its kernel. The greatest correlations first, then the least; ▲ marks the highest 1% of all pairs of \
                     units, ▼ the lowest, which are the most negative."
                }
                div.scroll { table.bearing {
                    thead { tr {
                        th scope="col" { "unit" } th scope="col" { "correlation" } th scope="col" { "overlap" }
                        th scope="col" { "weight" }
                        @if site.lower.is_some() { th scope="col" { "formula" } }
                    } }
                    tbody { @for (unit, measured) in rows {
                        tr {
                            th scope="row" { (unit_below(site, *unit)) }
                            (number(measured.correlation, measured, 1)) (number(measured.overlap, measured, 2))
                            (number(measured.weight, measured, 0))
                            @if site.lower.is_some() { td { (formula_below(site, *unit).unwrap_or_default()) } }
                        }
                    } }
                } }
            }
        }
    }
}

/// The name of a unit of the layer below; a link, where the report has its run.
fn unit_below(site: &Site<'_>, unit: usize) -> Markup {
    let has = |lower: &&Lower<'_>| {
        lower.units.is_none_or(|units| units.contains(&unit)) && lower.explanations.units.iter().any(|u| u.unit == unit)
    };
    let found = site.lower.as_ref().filter(has);
    html! { @match found {
        // From a page of a unit or a class, in the folder of its run.
        Some(lower) => a href=(format!("../../{}units/{unit}.html", lower.folder)) { "unit " (unit) },
        None => span.nowrap { "unit " (unit) },
    } }
}

fn formula_below(site: &Site<'_>, unit: usize) -> Option<Markup> {
    let lower = site.lower.as_ref()?;
    let found = lower.explanations.units.iter().find(|u| u.unit == unit)?;
    Some(formula::of_unit(site.material, found))
}
