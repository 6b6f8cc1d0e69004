//! The page of one unit.

use compexp_core::exemplar::Choice;
use compexp_core::explanation::Explanation;
use maud::{Markup, html};

use super::classes::{SQUARE, confusion, confusion_table};
use super::measures::{mark, value};
use super::{
    Place, Site, anchor, contexts, count, curve, example, formula, legend, overlap_bar, patterns, percent, plain, rows,
    sentence, side_by_side, tree,
};
use crate::Result;
use crate::class_measures::ClassMeasures;
use crate::material::{Material, atoms_of};
use crate::word_contexts::{UnitContexts, WordContexts};
use compexp_core::explanation::Headline;

/// From the page to those of its run.
const UP: &str = "../";

/// The formulas of each beam that are shown.
const BEAM: usize = 10;

/// Classes of each direction that are shown, where there are many.
const CLASSES: usize = 8;

/// The page of the unit at place `at` of the run's list; `words` is what it does on words, if examples are words.
///
/// # Errors
/// `Error::File` if the masks of exemplars cannot be read.
pub(crate) fn page(site: &Site<'_>, at: usize, words: Option<(&WordContexts<'_>, &UnitContexts)>) -> Result<String> {
    let material = site.material;
    let units = &material.explanations().units;
    let unit = &units[at];
    let when_active = material.when_active(unit.unit);
    let headline = material.headline;
    let top = headline.most(units);
    let neighbour = |at: Option<usize>, rel: &str, text: &str| {
        let found = at.and_then(|at| units.get(at));
        html! { @if let Some(u) = found {
            a rel=(rel) href=(format!("{}.html", u.unit)) { (text.replace("{}", &u.unit.to_string())) }
        } }
    };
    let body = html! {
        (patterns(material.grid()))
        nav.steps aria-label="Units" {
            (neighbour(at.checked_sub(1), "prev", "← unit {}"))
            a href="../units.html" data-back="" { "all units" }
            (neighbour(at.checked_add(1), "next", "unit {} →"))
        }
        header.unit-head {
            h1 { "Unit " (unit.unit) }
            p.lead { (formula::of_unit(material, unit)) }
            @if let Some(words) = material.in_words(unit) { p.in-words { (plain(&words)) } }
            @if let Some(text) = &unit.formula {
                details.raw {
                    summary { "as text" }
                    code { (plain(text)) }
                }
                button.copy type="button" data-copy=(plain(text)) hidden { "Copy formula" }
            }
            div.tiles {
                @if unit.formula.is_some() { (tile(headline.name(), &format!("{:.3}", headline.value(unit)))) }
                @for (label, value) in other_scores(headline, unit) { (tile(label, &value)) }
                @if let Some(s) = unit.scores {
                    (tile("precision", &format!("{:.3}", s.precision))) (tile("recall", &format!("{:.3}", s.recall)))
                }
                @if let Some(accuracy) = when_active.and_then(|w| w.accuracy()) {
                    (tile("accuracy when active", &percent(accuracy)))
                }
                @if let Some(s) = &unit.significance { (tile("q", &format!("{:.3}", s.q))) }
                @if let Some(held_out) = unit.holdout.as_ref().and_then(|h| headline.held_out(h)) {
                    @let label = match headline { Headline::Iou => "held-out IoU", Headline::Mcc => "held-out MCC" };
                    (tile(label, &format!("{held_out:.3}")))
                }
            }
            (overlap_bar(unit))
        }
        (side_by_side::elsewhere(material, unit.unit, &site.peers, "../../"))
        @match words {
            Some((all, found)) => (contexts::sections(all, material, unit, found)),
            None => (examples(material, unit)?),
        }
        div.columns {
            @if !unit.by_length.is_empty() {
                section #growth {
                    h2 { "How the formula grew" (anchor("growth")) }
                    (curve::by_length(headline, &unit.by_length, top, true))
                    (by_length(material, unit))
                }
            }
            section #measures {
                h2 { "Measures" (anchor("measures")) }
                table.measures { tbody { @for row in rows::measures(material.explanations(), unit, when_active) {
                    tr { th scope="row" { (row.label) } td.n { (row.value) } td.why { (row.note) } }
                } } }
            }
        }
        (ranges(material, unit.unit))
        (concepts(material, unit))
        (classes(material, unit))
        (tree::from_below(site, unit.unit))
        (beams(material, unit))
    };
    Ok(site.page(Place::Unit, &format!("Unit {}", unit.unit), body))
}

/// The formula of each range of the unit's activation.
fn ranges(material: &Material<'_>, unit: usize) -> Markup {
    let records: Vec<&Explanation> = material.ranges(unit).collect();
    let held = |record: &Explanation| record.holdout.as_ref().and_then(|h| material.headline.held_out(h));
    let held_out = records.iter().any(|record| held(record).is_some());
    html! {
        @if !records.is_empty() {
            section #ranges {
                h2 { "Activation ranges" (anchor("ranges")) }
                p.sub { "Each range of the unit's positive values is explained by itself: a position counts if the value is in the range." }
                table {
                    thead { tr {
                        th scope="col" { "range" } th scope="col" { "values" } th scope="col" { "positions" }
                        th scope="col" { (material.headline.name()) }
                        @if held_out { th scope="col" { "held out" } }
                        th scope="col" { "best formula" }
                    } }
                    tbody { @for record in records { @if let Some(range) = &record.range {
                        tr {
                            td.n { (range.k) } td { (range) } td.n { (count(record.unit_area)) }
                            td.n { @if record.formula.is_some() { (curve::short(material.headline.value(record))) } }
                            @if held_out { td.n { (held(record).map_or(String::new(), curve::short)) } }
                            td { (formula::of_unit(material, record)) }
                        }
                    } } }
                }
            }
        }
    }
}

/// The best formula of each length, beside what chance reaches and what is left on held-out examples, where that is known.
fn by_length(material: &Material<'_>, unit: &Explanation) -> Markup {
    let chance = unit.significance.as_ref().map(|s| &s.by_length);
    let held_out = unit.holdout.as_ref().map(|h| &h.by_length);
    let proven = unit.by_length.iter().any(|s| s.certified.is_some());
    let mcc = unit.by_length.iter().any(|s| s.mcc.is_some());
    let held = |h: &compexp_core::explanation::HeldOutScore| match material.headline {
        Headline::Iou => curve::short(h.iou),
        Headline::Mcc => h.mcc.map_or(String::new(), |mcc| curve::short(mcc.value)),
    };
    html! {
        table {
            thead { tr {
                th scope="col" { "length" } th scope="col" { "IoU" }
                @if mcc { th scope="col" { "MCC" } }
                @if proven { th scope="col" { "proven" } }
                @if chance.is_some() { th scope="col" title="95 of 100 draws have a lower IoU" { "chance, 95%" } }
                @if held_out.is_some() { th scope="col" { "held out" } }
                th scope="col" { "best formula" }
            } }
            tbody { @for (k, s) in unit.by_length.iter().enumerate() {
                tr {
                    td.n { (s.length) } td.n { (curve::short(s.iou)) }
                    @if mcc { td.n { (s.mcc.map_or(String::new(), curve::short)) } }
                    @if proven { td.n { @match (s.certified, s.upper_bound) {
                        (Some(true), _) => "optimal",
                        (_, Some(bound)) => { "at most " (curve::short(bound)) }
                        _ => "",
                    } } }
                    @if let Some(chance) = chance { td.n { (chance.get(k).map_or(String::new(), |n| curve::short(n.q95))) } }
                    @if let Some(h) = held_out { td.n { (h.get(k).map_or(String::new(), held)) } }
                    td { (formula::markup(material, &s.formula)) }
                }
            } }
        }
    }
}

/// The scores beside the headline.
fn other_scores(headline: Headline, unit: &Explanation) -> Vec<(&'static str, String)> {
    let three = |v: f64| format!("{v:.3}");
    let second = match headline {
        Headline::Iou => ("MCC", unit.mcc.map(three)),
        Headline::Mcc => ("IoU", unit.formula.as_ref().map(|_| three(unit.iou))),
    };
    let all = [
        second,
        ("chance-corrected", unit.chance_corrected.map(three)),
        ("lift", unit.lift.map(|lift| format!("{lift:.1}"))),
        ("firing rate", unit.firing_rate.map(percent)),
    ];
    all.into_iter().filter_map(|(label, value)| Some((label, value?))).collect()
}

fn tile(label: &str, value: &str) -> Markup {
    html! { div.tile { b { (value) } span { (label) } } }
}

fn examples(material: &Material<'_>, unit: &Explanation) -> Result<Markup> {
    let near = material.chosen(unit.unit, Choice::NearMiss);
    let lists = [
        (
            "top",
            "Where the unit fires most",
            "By the unit's largest activation, or by the area of its mask.",
            Choice::Unit,
        ),
        ("formula", "Where the formula is largest", "Whether or not the unit fires there.", Choice::Formula),
    ];
    let texts = material.examples.iter().any(|e| !e.text.is_empty());
    let mut signs = sentence::Signs::default();
    let mut sections = Vec::new();
    for (id, title, lead, choice) in lists {
        let mut figures = Vec::new();
        for chosen in material.chosen(unit.unit, choice) {
            figures.push(example::figure(material, unit, chosen, UP, None, &mut signs)?);
        }
        sections.push((id, title, lead, figures));
    }
    let mut figures = Vec::new();
    for chosen in near {
        let note = formula::near_miss(material, unit, &example::fires(material, chosen.1));
        figures.push(example::figure(material, unit, chosen, UP, note, &mut signs)?);
    }
    let lead = "All of the formula holds but its last condition: what the unit does here tells whether that condition matters.";
    sections.push(("near", "Near misses", lead, figures));
    Ok(html! {
        @if sections.iter().any(|s| !s.3.is_empty()) {
            @if texts {
                @if signs != sentence::Signs::default() { div.examples-head { (sentence::legend(signs)) } }
            } @else {
                div.examples-head {
                    (legend(material.grid()))
                    fieldset.layers hidden {
                        legend.sr { "Shown masks" }
                        label { input type="checkbox" checked data-layer="mu"; " unit" }
                        label { input type="checkbox" checked data-layer="mb"; " both" }
                        label { input type="checkbox" checked data-layer="mf"; " formula" }
                    }
                }
            }
        }
        @for (id, title, lead, figures) in &sections {
            @if !figures.is_empty() {
                section id=(id) {
                    h2 { (title) (anchor(id)) }
                    p.sub { (lead) }
                    div.examples.texts[texts] { @for f in figures { (f) } }
                }
            }
        }
    })
}

fn concepts(material: &Material<'_>, unit: &Explanation) -> Markup {
    let mut names: Vec<String> = atoms_of(unit).into_iter().map(|(name, _)| name).collect();
    names.dedup();
    html! {
        @if !names.is_empty() {
            section #concepts {
                h2 { "Concepts of the formula" (anchor("concepts")) }
                table {
                    thead { tr { th scope="col" { "concept" } th scope="col" { "category" } th scope="col" { "positions" } th scope="col" { "" } } }
                    tbody { @for name in &names {
                        tr {
                            td { (formula::concept(name, "")) }
                            td { (plain(material.category(name))) }
                            td.n { (material.area(name).map_or(String::new(), count)) }
                            td { a href=(format!("../units.html#concept={}", escape(&plain(name)))) { "units with it" } }
                        }
                    } }
                }
            }
        }
    }
}

/// A text as a value in a fragment of an address.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => out.push(byte as char),
            other => out += &format!("%{other:02X}"),
        }
    }
    out
}

fn classes(material: &Material<'_>, unit: &Explanation) -> Markup {
    let confused = confusion(material, Some(unit.unit));
    html! {
        @if let Some(class_measures) = &material.class_measures { (weights(class_measures, unit.unit)) }
        @if !confused.is_empty() {
            section #classes {
                h2 { "Classes where the unit fires" (anchor("classes")) }
                p.sub { "Examples on which it fires: rows are what they are, columns what the model says." }
                (confusion_table(&confused, &material.classes()))
            }
        }
    }
}

/// How a unit counts for classes: for all, or where there are many for those on which it bears most.
fn weights(class_measures: &ClassMeasures, unit: usize) -> Markup {
    let all = (0..class_measures.classes.len()).filter_map(|class| Some((class, class_measures.weight(unit, class)?)));
    let mut shown: Vec<(usize, f64)> = all.collect();
    let few = shown.len() <= SQUARE;
    if !few {
        let [up, down] = ClassMeasures::strongest(shown.into_iter(), CLASSES);
        shown = up.into_iter().chain(down.into_iter().rev()).collect();
    }
    let top = shown.iter().fold(0.0_f64, |top, (_, w)| top.max(w.abs()));
    let measures = class_measures.has_measures();
    html! {
        @if !shown.is_empty() {
            section #weights {
                h2 { "Class weights" (anchor("weights")) }
                p.sub {
                    "How the unit's value counts for each class of the model"
                    @if !few { "; of " (class_measures.classes.len()) " classes those that it pushes up and down most" } "."
                    @if measures {
                        " Correlation is that of its value with the class's logit, overlap the IoU of the examples on which it \
                         fires with those on which the logit is highest; ▲ marks the highest 1% of all, ▼ the lowest, which are the most negative."
                    }
                }
                table.weights {
                    @if measures {
                        thead { tr {
                            th scope="col" { "class" } th scope="col" { "weight" } th scope="col" { "correlation" }
                            th scope="col" { "overlap" } th scope="col" { "" }
                        } }
                    }
                    tbody { @for (i, weight) in &shown {
                        @let measured = class_measures.measured(unit, *i);
                        tr {
                            th scope="row" { a href=(format!("../classes/{i}.html")) { bdi { (plain(&class_measures.classes[*i])) } } }
                            td.n { (format!("{weight:+.4}")) (mark(measured, 0)) }
                            @if measures {
                                td.n { (value(measured.and_then(|m| m.correlation))) (mark(measured, 1)) }
                                td.n { (value(measured.and_then(|m| m.overlap))) (mark(measured, 2)) }
                            }
                            td { span.weight.minus[*weight < 0.0] aria-hidden="true" {
                                i style=(format!("width:{:.1}%", 50.0 * weight.abs() / top.max(f64::MIN_POSITIVE))) {}
                            } }
                        }
                    } }
                }
            }
        }
    }
}

fn beams(material: &Material<'_>, unit: &Explanation) -> Markup {
    html! {
        @for (step, beam) in unit.beams.iter().flatten().enumerate() {
            details.beam {
                summary { "Formulas kept at step " (step + 1) }
                table { tbody { @for (text, score) in beam.iter().take(BEAM) {
                    tr { td.n { (curve::short(*score)) } td { (formula::markup(material, text)) } }
                } } }
            }
        }
    }
}
