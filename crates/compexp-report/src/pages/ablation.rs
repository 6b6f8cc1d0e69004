//! What the model loses without units.

use compexp_run::ablation_record::{Estimate, Hurt, Support};
use compexp_run::{Band, UnitEffect};
use compexp_trust::behaviour::ablation::Fill;
use maud::{Markup, PreEscaped, html};

use super::{Site, anchor, count, formula, linked, percent, plain, unit_link};
use crate::charts::{PLACE, SIZE};
use crate::figures::ablation::{QUANTITIES, Row, panel, scatter};
use crate::material::Material;
use crate::svg::Svg;

/// Units in the table of effects.
const UNITS: usize = 20;

/// Curves, what units do alone, and whether that is what their contributions say.
pub(super) fn sections(site: &Site<'_>) -> Markup {
    let material = site.material;
    html! {
        @if let Some(bands) = &material.bands { (curves(bands)) }
        @if let Some(summary) = &material.ablation { (support(&summary.support)) }
        @if let Some(effects) = &material.effects { (alone(material, effects)) }
    }
}

/// A change in percentage points, with its sign unless it is nothing.
fn points(change: Option<f64>) -> String {
    let text = change.map_or(String::new(), |v| format!("{:+.1}", 100.0 * v));
    if matches!(&text[..], "+0.0" | "-0.0") { "0.0".into() } else { text }
}

/// A change in percentage points to two places, with its sign unless it is nothing.
fn fine(change: f64) -> String {
    let text = format!("{:+.2}", 100.0 * change);
    if matches!(&text[..], "+0.00" | "-0.00") { "0.00".into() } else { text }
}

fn set_to(fill: Fill) -> &'static str {
    match fill {
        Fill::Zero => "zero",
        Fill::Mean => "their mean",
    }
}

/// Accuracy while units are taken away, a chart for each value that they are set to, and for each quantity.
fn curves(bands: &[Band]) -> Markup {
    let mut fills: Vec<Fill> = Vec::new();
    bands.iter().for_each(|band| fills.extend(Some(band.fill).filter(|fill| !fills.contains(fill))));
    let rows = |fill: Fill| bands.iter().filter(|band| band.fill == fill).map(Row::of).collect::<Vec<_>>();
    html! {
        section #ablation {
            h2 { "Accuracy without units" (anchor("ablation")) }
            p.sub {
                "Units of the layer that the model decides by are taken away one after another, in several orders. An order \
                 that tells which units matter falls faster than a random one, whose band holds 80% of the seeds. The second \
                 chart is of the classes concerned alone: those to which the weights of a unit that is gone contribute."
            }
            div.figures { @for (i, fill) in fills.iter().enumerate() {
                @let rows = rows(*fill);
                @for (quantity, name) in QUANTITIES.iter().enumerate() {
                    @if rows.iter().any(|row| row.quantities[quantity][0].is_some()) {
                        @let title = format!("Units set to {}: {name}", set_to(*fill));
                        @let drawing = {
                            let mut svg = Svg::new();
                            panel(&mut svg, PLACE, &rows, quantity);
                            svg.finish(&format!("ablation-{i}-{quantity}"), SIZE, &title, &format!("{name}, by units taken away."))
                        };
                        figure.chart { h3 { (title) } (PreEscaped(drawing)) }
                    }
                }
            } }
        }
    }
}

/// Whether the classes that a unit supports are those that suffer without it.
fn support(rows: &[Support]) -> Markup {
    let share = |hurt: Hurt| format!("{} of {}", percent(hurt.share.value), count(hurt.units as u64));
    let change = |hurt: Hurt| fine(hurt.change.value);
    let above = |estimate: Option<Estimate>, number: fn(f64) -> String| {
        estimate.map_or(String::new(), |Estimate { value, interval: [low, high] }| {
            format!("{} [{}, {}]", number(value), number(low), number(high))
        })
    };
    let table = |of: &dyn Fn(Hurt) -> String,
                 contrasts: &dyn Fn(&Support) -> [Option<Estimate>; 2],
                 number: fn(f64) -> String| {
        html! {
            div.scroll { table.short {
                thead { tr {
                    th scope="col" { "supported by" } th scope="col" { "set to" } th scope="col" { "their classes" }
                    th scope="col" { "other classes" } th scope="col" { "control" }
                    th scope="col" { "less other classes" } th scope="col" { "less the control" }
                } }
                tbody { @for row in rows {
                    tr {
                        th scope="row" { (plain(&row.measure)) }
                        td { (set_to(row.fill)) }
                        @for hurt in [row.supported, row.others, row.control] { td.n { (hurt.map_or(String::new(), of)) } }
                        @for contrast in contrasts(row) { td.n { (above(contrast, number)) } }
                    }
                } }
            } }
        }
    };
    html! {
        @if rows.iter().any(|row| row.supported.is_some()) {
            section #support {
                h2 { "Do their classes suffer?" (anchor("support")) }
                p.sub {
                    "What units do, each taken away alone, to the classes that they support, being contributors by the \
                     measure; to all other classes; and, as a control, what units that support nothing do to the classes of \
                     supporting units, each unit with each such set of classes. First the share of units whose ablation makes \
                     the model less often right. Other classes have more examples, of which one is lost more easily, so compare \
                     shares with the control."
                }
                (table(&share, &|row| [row.share_above_others, row.share_above_control], |v| points(Some(v))))
                p.sub { "The change of accuracy over all examples of these classes, which can be compared with both." }
                (table(&change, &|row| [row.change_above_others, row.change_above_control], fine))
                p.sub { "Differences are in percentage points, with their 95% intervals." }
            }
        }
    }
}

/// A unit that was taken away alone, and supports classes.
struct Alone<'a> {
    effect: &'a UnitEffect,
    /// The change of accuracy on these.
    change: f64,
}

/// What each unit does alone: against its weight, and those first without which their classes suffer most.
fn alone(material: &Material<'_>, effects: &[UnitEffect]) -> Markup {
    let of_zero = effects.iter().filter(|effect| effect.fill == Fill::Zero);
    let supporting = of_zero.filter_map(|effect| Some(Alone { effect, change: effect.supported_change? }));
    let mut rows: Vec<Alone<'_>> = supporting.collect();
    rows.sort_by(|a, b| a.change.total_cmp(&b.change).then(a.effect.unit.cmp(&b.effect.unit)));
    html! {
        @if !rows.is_empty() {
            section #alone {
                h2 { "Units without which their classes suffer most" (anchor("alone")) }
                p.sub {
                    "Change of accuracy in percentage points when one unit alone is set to zero, over the examples of the classes \
                     to which its weights contribute, and over all others. Where those examples are few, a single one decides."
                }
                (by_weight(material, &rows))
                div.scroll { table.effects {
                    thead { tr {
                        th scope="col" { "unit" } th scope="col" { "its classes" } th scope="col" { "others" }
                        th scope="col" { "examples" } th scope="col" { "classes" } th scope="col" { "formula" }
                    } }
                    tbody { @for row in rows.iter().take(UNITS) {
                        tr {
                            th scope="row" { (unit_link(material, row.effect.unit)) }
                            td.n { (points(Some(row.change))) } td.n { (points(row.effect.others_change)) }
                            td.n { (row.effect.supported_examples.map_or(String::new(), |n| count(n as u64))) }
                            td.names { (plain(&row.effect.supports)) }
                            td { (formula::markup(material, row.effect.formula.as_deref().unwrap_or_default())) }
                        }
                    } }
                } }
            }
        }
    }
}

/// What ablation does to a unit's classes against the greatest of its weights for them.
fn by_weight(material: &Material<'_>, rows: &[Alone<'_>]) -> Markup {
    let points: Vec<_> =
        rows.iter().filter_map(|row| Some((row.effect.unit, row.effect.greatest_weight?, row.change))).collect();
    let title = "Effect against contribution";
    html! {
        @if !points.is_empty() {
            div.figures { figure.chart {
                h3 { (title) }
                (PreEscaped({
                    let mut svg = Svg::new();
                    let names = ["greatest weight to a class that it supports", "change on its classes, percentage points"];
                    let dots = points.iter().map(|(unit, weight, change)| (*unit, format!("unit {unit}"), *weight, *change));
                    scatter(&mut svg, &dots.collect::<Vec<_>>(), names);
                    linked(material, &svg.finish("ablation-effects", SIZE, title, "A dot a unit that supports classes."))
                }))
                figcaption { "A dot is a unit that supports classes, set to zero alone: what the model then loses on these." }
            } }
        }
    }
}
