//! The page of all units as cards, which the script sorts, filters and turns over.

use compexp_core::explanation::Explanation;
use compexp_core::search::Status;
use maud::{Markup, html};

use super::cards::{PAGE, card, categories};
use super::{Place, Site, count, patterns, plain, status_text};
use crate::Result;
use crate::material::Material;
use compexp_core::explanation::Headline;

/// The page of all units.
///
/// # Errors
/// `Error::File` if the masks of exemplars cannot be read.
pub(crate) fn page(site: &Site<'_>) -> Result<String> {
    let material = site.material;
    let units = &material.explanations().units;
    let top = material.headline.most(units);
    let best = material.headline.best_first(units);
    let cards = best.iter().take(PAGE).map(|unit| card(material, unit, top)).collect::<Result<Vec<_>>>()?;
    let several = units.len() > PAGE;
    let body = html! {
        (patterns(material.grid()))
        h1 { "Units" }
        (controls(material))
        p #live.live role="status" aria-live="polite" { (units.len()) " units" }
        @if several {
            noscript { p { "Without scripts only the best " (PAGE) " units are here. Each page of a unit leads to the next unit." } }
        }
        ul #cards.cards { @for card in &cards { (card) } }
        p #empty hidden { "No unit fits these filters. " button type="reset" form="controls" { "Show all" } }
        nav #pager.pager aria-label="Pages of cards" hidden {
            button type="button" data-turn="-1" { "← previous" }
            span {}
            button type="button" data-turn="1" { "next →" }
        }
    };
    Ok(site.page(Place::Units, "Units", body))
}

/// A score that units are sorted by, and filtered by if `limit` names a field for that.
struct Key {
    id: &'static str,
    name: String,
    limit: Option<Limit>,
    told: &'static str,
}

/// A filter by the least or the greatest value.
enum Limit {
    AtLeast(&'static str),
    AtMost(&'static str),
}

/// The keys that a run has values for, the headline first.
fn keys(material: &Material<'_>) -> Vec<Key> {
    let units = &material.explanations().units;
    let has = |of: &dyn Fn(&Explanation) -> bool| units.iter().any(of);
    let key = |id, name: &str, limit, told| Key { id, name: name.to_owned(), limit, told };
    let least = |name| Some(Limit::AtLeast(name));
    let mut keys = vec![key("iou", "IoU", least("iou"), "positions in both masks, divided by positions in either")];
    if has(&|u| u.mcc.is_some()) {
        keys.push(key("mcc", "MCC", least("mcc"), "Matthews correlation of the two masks"));
        if material.headline == Headline::Mcc {
            keys.swap(0, 1);
        }
    }
    if has(&|u| u.lift.is_some()) {
        keys.push(key(
            "lift",
            "lift",
            least("lift"),
            "times as often as anywhere the unit fires where the formula is true",
        ));
    }
    if has(&|u| u.chance_corrected.is_some()) {
        let told = "0 at the median of chance, 1 for a perfect match";
        keys.push(key("corrected", "chance-corrected", least("corrected"), told));
    }
    if has(&|u| u.holdout.as_ref().is_some_and(|h| material.headline.held_out(h).is_some())) {
        let name = format!("held-out {}", material.headline.name());
        keys.push(key("held", &name, least("held"), "on examples that the search never saw"));
    }
    if has(&|u| u.significance.is_some()) {
        keys.push(key("p", "p", Some(Limit::AtMost("p_most")), "how often chance does as well"));
        let told =
            "false discovery rate: the share expected to be chance among the units with a p as small as the unit's";
        keys.push(key("q", "q", Some(Limit::AtMost("q_most")), told));
    }
    if has(&|u| material.when_active(u.unit).is_some_and(|w| w.accuracy().is_some())) {
        keys.push(key(
            "acc",
            "accuracy when active",
            least("acc"),
            "how often the model is right where the unit fires",
        ));
    }
    keys.push(key("unit", "unit", None, ""));
    keys.push(key("area", "unit area", None, ""));
    keys.push(key("len", "length", None, ""));
    keys
}

fn controls(material: &Material<'_>) -> Markup {
    let units = &material.explanations().units;
    let (categories, keys) = (categories(material), keys(material));
    let has = |status: &Status| units.iter().any(|u| u.status == *status);
    let statuses: Vec<Status> = Status::ALL.into_iter().filter(has).collect();
    html! {
        form #controls.controls role="search" aria-label="Sort and filter units" hidden {
            label { span { "Search" } input #q name="q" type="search" placeholder=(if material.has_forms() { "formula, word, unit ( / )" } else { "formula or unit  ( / )" }) autocomplete="off"; }
            label { span { "Concept" } input name="concept" list="concepts" autocomplete="off" placeholder="any"; }
            datalist #concepts {}
            @if !categories.is_empty() {
                label { span { "Category" } select name="cat" {
                    option value="" { "any" }
                    @for (name, number) in &categories { option value=(number) { (plain(name)) } }
                } }
            }
            @if statuses.len() > 1 {
                label { span { "Status" } select name="status" {
                    option value="" { "any" }
                    @for status in statuses { option value=(status.name()) { (status_text(status)) } }
                } }
            }
            details #limits.limits {
                summary { "Filter by scores" }
                div { @for key in &keys { (limit(key)) } }
            }
            label { span { "Sort by" } select name="sort" {
                @for key in &keys { option value=(key.id) { (key.name) } }
            } }
            label { span { "Order" } select name="dir" {
                option value="" { "best first" }
                option value="up" { "reversed" }
            } }
            button type="reset" { "Reset" }
        }
    }
}

/// The field that filters by a score.
fn limit(key: &Key) -> Markup {
    let (name, words, placeholder, least, most) = match key.limit {
        None => return html! {},
        Some(Limit::AtLeast(name)) => (name, "at least", "any", Some(key.id), None),
        Some(Limit::AtMost(name)) => (name, "at most", "1", None, Some(key.id)),
    };
    html! {
        label title=(key.told) {
            span { (key.name) " " (words) }
            input name=(name) type="number" step="0.01" placeholder=(placeholder) data-least=[least] data-most=[most];
        }
    }
}

/// How many units a report shows of those of the run, where that is not all.
pub(super) fn shown(material: &Material<'_>) -> Option<String> {
    let (shown, all) = (material.explanations().units.len(), material.run.explanations.units.len());
    (shown < all).then(|| format!("This report shows {} of {} units.", count(shown as u64), count(all as u64)))
}
