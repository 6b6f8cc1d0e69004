//! Units of a run that has too many for cards: a table in pages, and an index by concept and by word.
//!
//! Nothing is loaded but what a search needs: `find/index.js` has the concepts, `find/terms-K.js` the units of each term whose
//! hash falls to `K`, and `find/rows-K.js` the [`ROWS`] units from the place `K * ROWS` on, best first. Terms are `c:` and the
//! name of a concept, or `w:` and a form of a word in lower case.

use std::collections::{BTreeMap, BTreeSet};

use compexp_core::explanation::Explanation;
use maud::{Markup, html};
use serde_json::{Value, json};

use super::{Place, Site, count, plain, status_text, words};
use crate::material::{Material, atoms_of};

/// Runs with more units than this have no cards.
pub(crate) const MOST_CARDS: usize = 10_000;

/// The units of a page.
const PAGE: usize = 500;

/// The units of a script of rows.
const ROWS: usize = 100;

/// The units for each script of terms, about.
const UNITS_OF_SHARD: usize = 1000;

/// The name of the page of this number, from 0.
fn file(page: usize) -> String {
    if page == 0 { "units.html".to_owned() } else { format!("units-{}.html", page + 1) }
}

/// The pages, each with its name.
pub(crate) fn pages<'a>(
    site: &'a Site<'a>,
    units: &'a [&'a Explanation],
) -> impl Iterator<Item = (String, String)> + 'a {
    let n = units.len().div_ceil(PAGE).max(1);
    (0..n).map(move |at| {
        let here = &units[at * PAGE..units.len().min((at + 1) * PAGE)];
        (file(at), page(site, here, at, n))
    })
}

fn page(site: &Site<'_>, units: &[&Explanation], at: usize, n: usize) -> String {
    let material = site.material;
    let steps = pager(at, n);
    let body = html! {
        h1 { "Units" }
        form #find.controls role="search" aria-label="Find units" hidden {
            label { span { "Concept of the formula" } input name="concept" list="concepts" autocomplete="off" placeholder="any"; }
            datalist #concepts {}
            @if material.has_forms() {
                label { span { "Word it fires on most" } input name="word" type="search" autocomplete="off" placeholder="any"; }
            }
            button type="submit" { "Find" }
            button type="reset" { "Reset" }
        }
        p #live.live role="status" aria-live="polite" {
            (count(material.explanations().units.len() as u64)) " units, best first"
        }
        div #found hidden { (table(material, &[], "found-rows")) button #more type="button" hidden { "More" } }
        div #listed {
            (steps)
            (table(material, units, "rows"))
            (steps)
        }
    };
    let title = if at == 0 { "Units".to_owned() } else { format!("Units, page {}", at + 1) };
    site.page(Place::Units, &title, body)
}

fn table(material: &Material<'_>, units: &[&Explanation], id: &str) -> Markup {
    html! {
        table.listed {
            thead { tr {
                th scope="col" { "unit" } th scope="col" { (material.headline.name()) } th scope="col" { "fires on" }
                th scope="col" { "formula" }
            } }
            tbody id=(id) { @for unit in units {
                @let [score, rate, text, words] = cells(material, unit);
                tr {
                    td.n { a href=(format!("units/{}.html", unit.unit)) { (unit.unit) } }
                    td.n { (score) } td.n { (rate) }
                    td { (text) @if !words.is_empty() { span.in-words { (words) } } }
                }
            } }
        }
    }
}

/// What a row says beside the unit: score, firing rate, formula, and the formula in words where concepts are of words.
fn cells(material: &Material<'_>, unit: &Explanation) -> [String; 4] {
    let score = unit.formula.as_ref().map_or(String::new(), |_| format!("{:.3}", material.headline.value(unit)));
    let rate = unit.firing_rate.map_or(String::new(), |rate| format!("{:.2}%", 100.0 * rate));
    let text = unit.formula.as_deref().map_or_else(|| status_text(unit.status).to_owned(), plain);
    let words = material.in_words_of_words(unit).map_or(String::new(), |words| plain(&words));
    [score, rate, text, words]
}

/// Links to other pages of the table.
fn pager(at: usize, n: usize) -> Markup {
    let link = |to: Option<usize>, text: &str| {
        html! { @match to.filter(|to| *to < n && *to != at) {
            Some(to) => a href=(file(to)) { (text) },
            None => span { (text) },
        } }
    };
    html! {
        @if n > 1 {
            nav.pager aria-label="Pages of units" {
                (link(Some(0), "first")) (link(at.checked_sub(1), "← previous"))
                span { "page " (at + 1) " of " (n) }
                (link(Some(at + 1), "next →")) (link(Some(n - 1), "last"))
            }
        }
    }
}

/// The scripts that a search loads, each with its name; `units` are best first.
pub(crate) fn scripts(material: &Material<'_>, units: &[&Explanation]) -> Vec<(String, String)> {
    let shards = units.len().div_ceil(UNITS_OF_SHARD).clamp(1, 256);
    let mut concepts = BTreeSet::new();
    let mut terms: Vec<BTreeMap<String, Vec<usize>>> = vec![BTreeMap::new(); shards];
    for (place, unit) in units.iter().enumerate() {
        let names = atoms_of(unit).into_iter().map(|(name, _)| name);
        let mut own: BTreeSet<String> = BTreeSet::new();
        for name in names {
            own.insert(format!("c:{}", plain(&name)));
            concepts.insert(name);
        }
        own.extend(material.forms(unit.unit).into_iter().flatten().map(|form| format!("w:{}", plain(form))));
        for term in own {
            terms[hash(&term) as usize % shards].entry(term).or_default().push(place);
        }
    }
    let named: Vec<Value> = concepts.iter().map(|name| json!([plain(name), plain(&words::shown(name))])).collect();
    let index = json!({ "shards": shards, "rows": ROWS, "concepts": named });
    let mut scripts = vec![("find/index.js".to_owned(), format!("\"use strict\";\nconst compexpFind = {index};\n"))];
    scripts.extend(
        terms
            .iter()
            .enumerate()
            .map(|(k, terms)| (format!("find/terms-{k}.js"), format!("compexpTerms({k}, {});\n", json!(terms)))),
    );
    scripts.extend(units.chunks(ROWS).enumerate().map(|(k, units)| {
        let row = |unit: &&Explanation| {
            let [score, rate, text, words] = cells(material, unit);
            json!([unit.unit, score, rate, text, words])
        };
        let rows: Vec<Value> = units.iter().map(row).collect();
        (format!("find/rows-{k}.js"), format!("compexpRows({k}, {});\n", Value::from(rows)))
    }));
    scripts
}

/// The hash by which terms fall to scripts: FNV-1a of 32 bits, which the report's script computes too.
fn hash(term: &str) -> u32 {
    term.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_the_published_ones() {
        assert_eq!([hash(""), hash("a"), hash("foobar")], [0x811c_9dc5, 0xe40c_292c, 0xbf9c_f968]);
    }
}
