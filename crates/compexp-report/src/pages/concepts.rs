//! The page of concepts: the formula over units that best matches each of them.

use compexp_core::explanation::{ConceptExplanation, ConceptFormulas, Explanation};
use compexp_core::search::Status;
use compexp_run::layout::CONCEPT_FORMULAS;
use maud::{Markup, html};

use super::{Place, Site, count, formula, percent, plain, status_text, unit_link};
use crate::material::Material;

/// The concepts in the table; the others are in the table of the run's folder.
const MOST: usize = 2_000;

/// The page; none where the run did not explain concepts.
pub(crate) fn page(site: &Site<'_>) -> Option<String> {
    let material = site.material;
    let found = material.explanations().concepts.as_ref()?;
    let mut list: Vec<&ConceptExplanation> = found.list.iter().collect();
    // What a formula owes to chance shows on examples that the search did not see.
    let validated = list.iter().any(|concept| concept.found.holdout.is_some());
    let value = |concept: &ConceptExplanation| match validated {
        true => held_out(material, &concept.found).unwrap_or(f64::NEG_INFINITY),
        false => material.headline.value(&concept.found),
    };
    list.sort_by(|a, b| value(b).total_cmp(&value(a)));
    let (explained, other): (Vec<_>, Vec<_>) = list.into_iter().partition(|c| c.found.status == Status::Explained);
    let body = html! {
        h1 { "Concepts by units" }
        (introduction(found))
        @if explained.len() > MOST {
            p { "The best " (count(MOST as u64)) " of " (count(explained.len() as u64)) " concepts; all are in "
                code { (CONCEPT_FORMULAS) } " in the folder of the run." }
        }
        @if !explained.is_empty() { (table(material, &explained[..explained.len().min(MOST)])) }
        @if !other.is_empty() { (unexplained(&other)) }
    };
    Some(site.page(Place::Concepts, "Concepts", body))
}

fn introduction(found: &ConceptFormulas) -> Markup {
    let ConceptFormulas { candidates, units, .. } = found;
    html! {
        p { "Here units and concepts have changed places: for each concept, which formula over units is true where the concept is? "
            code { "u12" } " is true where unit 12 fires. " b { "OR" } " says that several units share a concept between them, "
            b { "AND NOT" } " that a unit stands for the concept except where another one fires, " b { "AND" }
            " that the concept is where two units fire together. "
            @if candidates < units {
                "The formulas could name " (count(*candidates as u64)) " of the " (count(*units as u64))
                " units that fire: those that match single concepts best."
            } @else { "The formulas could name all " (count(*units as u64)) " units that fire." }
        }
    }
}

fn table(material: &Material<'_>, list: &[&ConceptExplanation]) -> Markup {
    let has = |of: &dyn Fn(&Explanation) -> bool| list.iter().any(|c| of(&c.found));
    let (held, tested, proof) =
        (has(&|f| f.holdout.is_some()), has(&|f| f.significance.is_some()), has(&|f| f.optimal.is_some()));
    let headline = material.headline;
    let name = headline.name();
    html! { div.scroll { table.concepts {
        thead { tr {
            th scope="col" { "concept" }
            th.n scope="col" { "share of positions" }
            th scope="col" { "best unit" } th.n scope="col" { (name) }
            th scope="col" { "best formula" } th.n scope="col" { (name) }
            th.n scope="col" { "added" }
            @if held { th.n scope="col" { "held out" } }
            @if tested { th.n scope="col" { "q" } }
            @if proof { th scope="col" { "optimum" } }
        } }
        tbody { @for ConceptExplanation { concept, category, found } in list {
            @let single = found.by_length.first().map_or(0.0, |first| headline.of_length(first));
            @let best = headline.value(found);
            tr {
                th scope="row" { (formula::concept(concept, category)) }
                td.n { (found.firing_rate.map_or(String::new(), percent)) }
                td { @if let Some(single) = &found.primitive { (units(material, &single.formula)) } }
                td.n { (format!("{single:.3}")) }
                td { @if let Some(formula) = &found.formula { (units(material, formula)) } }
                td.n { (format!("{best:.3}")) }
                td.n { (format!("{:+.3}", best - single)) }
                @if held {
                    td.n { (held_out(material, found).map_or(String::new(), |v| format!("{v:.3}"))) }
                }
                @if tested { td.n { (found.significance.as_ref().map_or(String::new(), |s| format!("{:.3}", s.q))) } }
                @if proof { td { (if found.optimal.is_some_and(|o| o.certified) { "proven" } else { "" }) } }
            }
        } }
    } } }
}

/// The score on held-out examples; none where the concept is on none of them.
fn held_out(material: &Material<'_>, found: &Explanation) -> Option<f64> {
    material.headline.held_out(found.holdout.as_ref().filter(|h| h.unit_area > 0)?)
}

/// A formula over units, each of which leads to its page.
fn units(material: &Material<'_>, formula: &str) -> Markup {
    let words = formula.split_inclusive(|c: char| !c.is_alphanumeric());
    html! { span.formula { @for word in words {
        @let name = word.trim_end_matches(|c: char| !c.is_alphanumeric());
        @match name.strip_prefix('u').and_then(|number| number.parse().ok()) {
            Some(unit) => { (unit_link(material, unit)) (plain(&word[name.len()..])) },
            None => (plain(word)),
        }
    } } }
}

fn unexplained(list: &[&ConceptExplanation]) -> Markup {
    html! { details {
        summary { (count(list.len() as u64)) " concepts without a formula" }
        ul { @for ConceptExplanation { concept, category, found } in list {
            li { (formula::concept(concept, category)) " " (status_text(found.status)) }
        } }
    } }
}
