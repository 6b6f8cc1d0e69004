//! Pages: what all of them share. Every text that comes from a run goes through [`plain`] and through maud, which escapes it.

mod ablation;
mod across;
mod answers;
pub(super) mod cards;
pub(super) mod class;
pub(super) mod classes;
pub(super) mod compare;
pub(super) mod concepts;
mod contexts;
mod curve;
pub(super) mod effects;
mod example;
mod formula;
pub(super) mod list;
mod measures;
pub(super) mod overview;
mod reading;
mod rows;
mod sentence;
pub(super) mod side_by_side;
mod tree;
mod trials;
pub(super) mod unit;
pub(super) mod units;
mod words;

use std::collections::BTreeSet;
use std::fmt::Write;

use compexp_core::explanation::{Explanation, Explanations};
use compexp_core::formula::escape_for_terminal;
use compexp_core::probe::Grid;
use compexp_core::search::Status;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::Figure;
use super::material::Material;
use compexp_run::wording::count;

/// Style and script, which all pages share.
pub(super) const ASSETS: [(&str, &str); 2] = [
    ("assets/report.css", include_str!("../assets/report.css")),
    ("assets/report.js", include_str!("../assets/report.js")),
];

/// Nothing is loaded but files beside the page, and no script runs but the report's own.
const POLICY: &str = "default-src 'none'; img-src 'self' file: data:; style-src 'self' file: 'unsafe-inline'; \
                      script-src 'self' file:; base-uri 'none'; form-action 'none'";

/// The pages of one run.
pub(super) struct Site<'a> {
    pub(super) material: &'a Material<'a>,
    pub(super) figures: &'a [Figure],
    /// Whether other runs are in the same report.
    pub(super) several: bool,
    /// The run of the layer below, where it is one of these.
    pub(super) lower: Option<Lower<'a>>,
    /// Other runs of the same layer in the report.
    pub(super) peers: Vec<side_by_side::Peer<'a>>,
}

/// A run of the layer below.
pub(super) struct Lower<'a> {
    /// The folder of its pages, from that of the report.
    pub(super) folder: String,
    pub(super) explanations: &'a Explanations,
    /// The units that have pages; none for all.
    pub(super) units: Option<&'a BTreeSet<usize>>,
}

/// A page's place among those of its run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Overview,
    Units,
    Unit,
    Concepts,
    Classes,
    Class,
    Behaviour,
}

impl Site<'_> {
    /// Whether units have cards: very many have a table instead.
    pub(super) fn has_cards(&self) -> bool {
        self.material.explanations().units.len() <= list::MOST_CARDS
    }

    pub(super) fn has_classes(&self) -> bool {
        self.material.predictions.is_some() || self.material.class_measures.is_some()
    }

    /// A page of this run.
    pub(super) fn page(&self, place: Place, title: &str, body: Markup) -> String {
        let depth = usize::from(matches!(place, Place::Unit | Place::Class));
        let up = "../".repeat(depth);
        let root = "../".repeat(depth + usize::from(self.several));
        let link = |to: &str, text: &str, own: Place| {
            let current = (own == place).then_some("page");
            html! { a href=(format!("{up}{to}")) aria-current=[current] { (text) } }
        };
        let nav = html! {
            @if self.several { a href=(format!("{root}index.html")) { "All runs" } }
            (link("index.html", "Overview", Place::Overview))
            (link("units.html", "Units", Place::Units))
            @if self.material.explanations().concepts.is_some() { (link("concepts.html", "Concepts", Place::Concepts)) }
            @if self.has_classes() { (link("classes.html", "Classes", Place::Classes)) }
            @if self.material.has_behaviour() { (link("behaviour.html", "Behaviour", Place::Behaviour)) }
            a href=(format!("{up}index.html#reading")) { "How to read" }
        };
        let data = (place == Place::Units).then_some(if self.has_cards() { "cards/index.js" } else { "find/index.js" });
        document(&root, title, &self.material.name, data, nav, body)
    }
}

/// A whole document; `root` leads to the folder of the report, `data` is a script that the report's own script reads.
fn document(root: &str, title: &str, run: &str, data: Option<&str>, nav: Markup, body: Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (plain(title)) " · " (plain(run)) }
                link rel="icon" href="data:,";
                link rel="stylesheet" href=(format!("{root}assets/report.css"));
                @if let Some(data) = data { script defer src=(data) {} }
                script defer src=(format!("{root}assets/report.js")) {}
            }
            body {
                a.skip href="#main" { "Skip to content" }
                header.top {
                    div.brand { span.logo aria-hidden="true" { i {} i {} } bdi { (plain(run)) } }
                    nav aria-label="Report" { (nav) }
                }
                main #main { (body) }
                footer { "Made by compexp. This report is static: it loads nothing from a network." }
            }
        }
    }
    .into_string()
}

/// Text with control characters and marks of text direction made visible, so that a name cannot disguise itself.
fn plain(text: &str) -> String {
    escape_for_terminal(text)
}

/// A share as a percentage.
fn percent(share: f64) -> String {
    format!("{:.1}%", 100.0 * share)
}

/// A link to the heading that it stands in, whose section has this name.
fn anchor(id: &str) -> Markup {
    html! { " " a.anchor href=(format!("#{id}")) aria-label="Link to this part" title="Link to this part" { "#" } }
}

/// A drawing whose marks lead to the pages of their units, from a page in the folder of its run.
fn linked(material: &Material<'_>, svg: &str) -> String {
    let mut out = String::with_capacity(svg.len());
    for line in svg.split_inclusive('\n') {
        let unit = line.strip_prefix("<circle data-unit=\"").and_then(|rest| rest.split('"').next()?.parse().ok());
        match unit.filter(|unit| material.explanation(*unit).is_some()) {
            Some(unit) => {
                let line = line.trim_end();
                // Dots are many, and each unit has its card: they are no stops of the Tab key.
                let _ = writeln!(out, "<a href=\"units/{unit}.html\" tabindex=\"-1\">{line}</a>");
            }
            None => out.push_str(line),
        }
    }
    out
}

/// The name of a unit; from a page in the folder of its run a link, where it has a page.
fn unit_link(material: &Material<'_>, unit: usize) -> Markup {
    html! { @match material.explanation(unit) {
        Some(_) => a href=(format!("units/{unit}.html")) { "unit " (unit) },
        None => { "unit " (unit) },
    } }
}

/// A status as a reader says it.
fn status_text(status: Status) -> &'static str {
    match status {
        Status::Explained => "explained",
        Status::Silent => "silent",
        Status::NoOverlap => "no overlap",
        Status::Uncorrelated => "no correlation",
        Status::TooFew => "fires too rarely",
    }
}

/// How the masks of a unit and its formula lie to each other, as a bar of three parts.
fn overlap_bar(unit: &Explanation) -> Markup {
    let (Some(both), Some(union), Some(formula)) = (unit.intersection, unit.union, unit.formula_area) else {
        return html! {};
    };
    let share = |n: u64| format!("width:{:.2}%", 100.0 * n as f64 / union.max(1) as f64);
    let (unit_only, formula_only) = (unit.unit_area.saturating_sub(both), formula.saturating_sub(both));
    let label = format!(
        "of {} positions in either mask {} are the unit's only, {} both's, {} the formula's only",
        count(union),
        count(unit_only),
        count(both),
        count(formula_only)
    );
    html! {
        span.bar role="img" aria-label=(label) title=(label) {
            i.u style=(share(unit_only)) {} i.b style=(share(both)) {} i.f style=(share(formula_only)) {}
        }
    }
}

/// The patterns that overlays are filled with, once a page. They are drawn in positions of the grid, and sized as if it were
/// always as wide.
fn patterns(grid: Grid) -> Markup {
    let (x, y) = (grid.width as f64 / VIEW, grid.height as f64 / VIEW);
    let pattern = |id: &str, turn: &str, ink: &str| {
        format!(
            "<pattern id=\"{id}\" width=\"7\" height=\"7\" patternUnits=\"userSpaceOnUse\" \
             patternTransform=\"scale({x:.5} {y:.5}){turn}\"><rect width=\"7\" height=\"7\" class=\"{id}-back\"/>{ink}</pattern>"
        )
    };
    let hatched = pattern("pu", " rotate(45)", "<rect width=\"2.6\" height=\"7\" class=\"pu-ink\"/>");
    let dotted = pattern("pf", "", "<circle cx=\"3.5\" cy=\"3.5\" r=\"1.7\" class=\"pf-ink\"/>");
    PreEscaped(format!(
        "<svg class=\"defs\" width=\"0\" height=\"0\" aria-hidden=\"true\"><defs>{hatched}{dotted}</defs></svg>"
    ))
}

/// How wide a grid counts as, in the units that patterns are sized in.
const VIEW: f64 = 200.0;

/// What colours and patterns mean.
fn legend(grid: Grid) -> Markup {
    let (x, y) = (grid.width as f64 / VIEW, grid.height as f64 / VIEW);
    let swatch = |class: &str| {
        html! { svg.swatch width="28" height="18" viewBox=(format!("0 0 {:.3} {:.3}", 28.0 * x, 18.0 * y))
            preserveAspectRatio="none" aria-hidden="true" {
            rect x=(1.5 * x) y=(1.5 * y) width=(25.0 * x) height=(15.0 * y) class=(class) {}
        } }
    };
    html! {
        ul.legend aria-label="Legend" {
            li { (swatch("mu")) "the unit alone fires" }
            li { (swatch("mb")) "unit and formula agree" }
            li { (swatch("mf")) "the formula alone is true" }
        }
    }
}
