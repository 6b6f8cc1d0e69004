//! What a unit does on words: its contexts, with words shaded by activation, and the histogram of its values.

use compexp_core::exemplar::Choice;
use compexp_core::explanation::Explanation;
use maud::{Markup, PreEscaped, html};

use super::{anchor, count, plain};
use crate::charts::{Panel, number};
use crate::material::Material;
use crate::svg::{Anchor, COLORS, Svg};
use crate::word_contexts::{Bar, List, Shown, UnitContexts, WordContexts};

/// The words on either side of the one that a context is shown for.
const AROUND: usize = 14;

/// The near misses that are shown.
const NEAR: usize = 6;

/// The steps of the shading.
const SHADES: f32 = 8.0;

/// Everything about the words of a unit.
pub(super) fn sections(
    all: &WordContexts<'_>,
    material: &Material<'_>,
    unit: &Explanation,
    found: &UnitContexts,
) -> Markup {
    let near: Vec<usize> =
        material.chosen(unit.unit, Choice::NearMiss).into_iter().map(|(_, e)| e.example as usize).collect();
    let near = List { all: near.len(), shown: near.into_iter().take(NEAR).collect() };
    let explained = unit.formula.is_some();
    let lists = [
        ("both", "Formula and unit agree", "The formula is true, and the unit fires.", &found.both),
        ("misses", "Misses", "The formula is true, and the unit is silent.", &found.missed),
        ("alarms", "False alarms", "The unit fires, and the formula is false.", &found.alarms),
    ];
    let order = match all.lack() {
        None => "from the highest to the lowest activation",
        Some(_) => "in the order of the text",
    };
    html! {
        div.examples-head {
            ul.legend aria-label="Legend" {
                @if all.lack().is_none() {
                    li { span.shades aria-hidden="true" { @for shade in 1..=8 { i.(format!("s{shade}")) {} } } "activation, up to the unit's greatest" }
                } @else {
                    li { span.w.fires { "word" } " the unit fires" }
                }
                li { span.w.true { "word" } " the formula is true" }
                li { b { "word" } " the word that a line is shown for" }
            }
        }
        section #top {
            h2 { "Where the unit fires most" (anchor("top")) }
            p.sub {
                "It fires on " (count(found.words[1] as u64)) " of " (count(found.words[0] as u64)) " words ("
                (density(found)) "). Each line is of another sentence."
                @if let Some(why) = all.lack() { " Activations are not shown: " (plain(why)) "." }
            }
            (contexts(all, found, &found.top))
        }
        @if !found.bars.is_empty() {
            section #activations {
                h2 { "Activations" (anchor("activations")) }
                figure.chart.own-width {
                    (histogram(unit, &found.bars))
                    figcaption {
                        "Words by the unit's activation, on a logarithmic scale"
                        @if all.is_sparse() { "; those without a value are left out" } "."
                    }
                }
            }
        }
        @if explained {
            @for (id, title, told, list) in lists {
                section id=(id) {
                    h2 { (title) (anchor(id)) }
                    p.sub {
                        (told) " "
                        @match (list.all, list.shown.len()) {
                            (0, _) => "There is no such word.",
                            (1, _) => "1 word.",
                            (all, shown) if all == shown => { (all) " words." },
                            (all, shown) => { (count(all as u64)) " words, of which " (shown) " are shown, " (order) "." },
                        }
                    }
                    (contexts(all, found, list))
                }
            }
            @if !near.shown.is_empty() {
                section #near {
                    h2 { "Near misses" (anchor("near")) }
                    p.sub {
                        "All of the formula holds but its last condition: what the unit does here tells whether that condition matters."
                    }
                    (contexts(all, found, &near))
                }
            }
        }
    }
}

/// The share of words on which the unit fires.
fn density(found: &UnitContexts) -> String {
    let share = 100.0 * found.words[1] as f64 / found.words[0].max(1) as f64;
    if share > 0.0 && share < 0.1 { format!("{share:.3}%") } else { format!("{share:.1}%") }
}

fn contexts(all: &WordContexts<'_>, found: &UnitContexts, list: &List) -> Markup {
    html! {
        @if !list.shown.is_empty() {
            ol.contexts { @for example in &list.shown { (line(all, found, *example)) } }
        }
    }
}

fn line(all: &WordContexts<'_>, found: &UnitContexts, example: usize) -> Markup {
    let (words, more) = all.context(found, example, AROUND);
    let value = words.iter().find(|word| word.focus).and_then(|word| word.value);
    html! {
        li {
            @if let Some((value, _)) = value { span.n { (short(value)) } }
            p dir="auto" {
                @if more[0] { "… " }
                @for shown in &words { (word(shown)) " " }
                @if more[1] { "…" }
            }
        }
    }
}

fn word(shown: &Shown<'_>) -> Markup {
    let step = match shown.value {
        Some((_, share)) => (share * SHADES).ceil() as usize,
        None => 0,
    };
    let mut class = String::new();
    if step > 0 {
        class += &format!(" s{}", step.min(SHADES as usize));
    }
    for (there, name) in
        [(shown.value.is_none() && shown.fires, " fires"), (shown.truth, " true"), (shown.focus, " focus")]
    {
        class += if there { name } else { "" };
    }
    let form = plain(shown.form);
    let class = class.trim_start();
    html! {
        @if class.is_empty() { (form) }
        @else {
            @let title = told(shown);
            span class=(format!("w {class}")) title=(title) { (form) }
        }
    }
}

/// What stands under the pointer.
fn told(shown: &Shown<'_>) -> String {
    let value = shown.value.map_or(String::new(), |(value, _)| format!("activation {}, ", short(value)));
    let fires = if shown.fires { "fires" } else { "silent" };
    format!("{value}{fires}; formula {}", shown.truth)
}

fn short(value: f32) -> String {
    if value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

/// How many words have which activation, on a logarithmic scale, by whether the formula is true.
fn histogram(unit: &Explanation, bars: &[Bar]) -> Markup {
    let most = bars.iter().flat_map(|bar| bar.words).max().unwrap_or(1).max(1);
    let top = (most as f64).log10().max(1.0) * 1.05;
    let ends = [bars.first().map_or(0.0, |bar| bar.from), bars.last().map_or(1.0, |bar| bar.to)];
    let panel = Panel { place: [64.0, 34.0, 536.0, 150.0], x: ends, y: [0.0, top] };
    let mut svg = Svg::new();
    let names = ["formula true", "formula false"];
    let (names, first) = if unit.formula.is_some() { (&names[..], 0) } else { (&["words"][..], 1) };
    for power in 0..=top as u32 {
        let y = panel.up(f64::from(power));
        svg.stroke(&format!("M64 {y:.1}h536"), "currentColor", 1.0, 0.15);
        svg.text([58.0, y + 4.0], Anchor::End, &count(10_u64.pow(power)));
    }
    svg.upward([16.0, 110.0], "words");
    panel.x_axis(&mut svg, "activation");
    panel.legend(&mut svg, names);
    for bar in bars {
        let (left, width) = (panel.across(bar.from) + 1.0, panel.across(bar.to) - panel.across(bar.from) - 2.0);
        let each = width / names.len() as f64;
        for (i, ((words, color), name)) in bar.words[first..].iter().zip(COLORS).zip(names).enumerate() {
            if *words == 0 {
                continue;
            }
            // One word has a bar, too.
            let y = panel.up((*words as f64).log10()).min(panel.up(0.0) - 3.0);
            let title = format!("{name}, {} to {}: {} words", number(bar.from), number(bar.to), count(*words));
            svg.rect([left + each * i as f64, y], [each, panel.up(0.0) - y], color, 1.0, &title);
        }
    }
    if let Some(threshold) = unit.threshold.filter(|t| (ends[0]..=ends[1]).contains(t)) {
        let x = panel.across(threshold);
        svg.stroke(&format!("M{x:.1} 34v150"), "currentColor", 1.5, 0.8);
        svg.text([x + 4.0, 46.0], Anchor::Start, "fires above");
    }
    let described = "The number of words by the unit's activation, on a logarithmic scale";
    PreEscaped(svg.finish(&format!("activations-{}", unit.unit), [620.0, 236.0], "Activations", described))
}
