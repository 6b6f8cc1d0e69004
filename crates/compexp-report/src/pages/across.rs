//! The same concepts in several runs: how many units of each run are nearest to a concept, and which formula is the best of
//! them. Runs of several networks on one probe set are compared so.

use std::collections::BTreeMap;

use compexp_core::explanation::Explanation;
use maud::{Markup, html};

use super::{anchor, count, formula, plain};
use crate::material::Material;

/// The concepts that the table has at most.
const MOST: usize = 100;

/// The units of a run whose best formula of one literal is the same, best first.
type Units<'a> = Vec<&'a Explanation>;

/// A concept with the units of each run.
struct Row<'a> {
    concept: &'a str,
    units: Vec<Units<'a>>,
}

/// The rows that several runs have, those of most runs and most units first; and how many rows there are in all.
fn rows<'a>(runs: &'a [(String, Material<'a>)]) -> (Vec<Row<'a>>, usize) {
    let mut all: BTreeMap<&str, Vec<Units<'_>>> = BTreeMap::new();
    for (nth, (_, material)) in runs.iter().enumerate() {
        for unit in material.headline.best_first(&material.explanations().units) {
            if let (Some(nearest), Some(_)) = (&unit.primitive, &unit.formula) {
                all.entry(&nearest.formula).or_insert_with(|| vec![Vec::new(); runs.len()])[nth].push(unit);
            }
        }
    }
    let total = all.len();
    let rows = all.into_iter().map(|(concept, units)| Row { concept, units });
    let of_runs = |row: &Row<'_>| row.units.iter().filter(|units| !units.is_empty()).count();
    let mut rows: Vec<Row<'_>> = rows.filter(|row| of_runs(row) > 1).collect();
    rows.sort_by_key(|row| std::cmp::Reverse((of_runs(row), row.units.iter().map(Vec::len).sum::<usize>())));
    rows.truncate(MOST);
    (rows, total)
}

/// The section of the table; nothing where no two runs have units of one concept.
pub(super) fn section(runs: &[(String, Material<'_>)]) -> Markup {
    let (rows, total) = rows(runs);
    html! {
        @if !rows.is_empty() {
            section #concepts {
                h2 { "The same concepts in all runs" (anchor("concepts")) }
                p.sub {
                    "A row is a concept. A unit belongs to the concept that alone matches it best. For each run the table has the \
                     number of such units, and of the best of them its formula and its score. Of " (count(total as u64))
                    " concepts, these " (count(rows.len() as u64)) " have units in several runs."
                }
                div.scroll { table.compare {
                    thead { tr {
                        th scope="col" { "concept" }
                        @for (folder, m) in runs {
                            th scope="col" { a href=(format!("{folder}index.html")) { bdi { (plain(&m.name)) } } }
                        }
                    } }
                    tbody { @for row in &rows {
                        tr {
                            th scope="row" { (formula::markup(&runs[0].1, row.concept)) }
                            @for ((folder, m), units) in runs.iter().zip(&row.units) { td { (cell(folder, m, units)) } }
                        }
                    } }
                } }
            }
        }
    }
}

fn cell(folder: &str, material: &Material<'_>, units: &[&Explanation]) -> Markup {
    html! { @if let Some(best) = units.first() {
        (count(units.len() as u64)) (if units.len() == 1 { " unit: " } else { " units, best " })
        a href=(format!("{folder}units/{}.html", best.unit)) { (best.unit) } " "
        (formula::of_unit(material, best)) " "
        span.n { (material.headline.name()) (format!(" {:.3}", material.headline.value(best))) }
    } }
}
