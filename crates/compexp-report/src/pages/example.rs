//! One example with the masks of a unit and its formula.

use compexp_core::exemplar::Exemplar;
use compexp_core::explanation::Explanation;
use maud::{Markup, PreEscaped, html};

use super::sentence::Signs;
use super::{count, percent, plain, sentence};
use crate::Result;
use crate::material::{Material, Picture};
use crate::outline::{Region, outline};

/// An example as a figure with its caption; `note` is what there is to say of it beside the numbers, `up` leads from the
/// page to those of the run. `signs` collects what a legend has to explain.
pub(super) fn figure(
    material: &Material<'_>,
    unit: &Explanation,
    (at, exemplar): (usize, &Exemplar),
    up: &str,
    note: Option<Markup>,
    signs: &mut Signs,
) -> Result<Markup> {
    let example = &material.examples[exemplar.example as usize];
    let text = (!example.text.is_empty()).then(|| sentence::markup(material, unit, exemplar, signs)).transpose()?;
    let single = material.grid().positions() == 1;
    let name = plain(&example.name);
    let drawing = if text.is_some() { None } else { Some(drawing(material, at, exemplar, up)?) };
    Ok(html! {
        figure.example.text[text.is_some()] {
            @if let Some(drawing) = drawing {
                div.zoomable {
                    (drawing)
                    button.zoom type="button" hidden aria-label=(format!("Enlarge {name}")) title="Enlarge" { "⤢" }
                }
            }
            @if let Some(text) = text { (text) }
            figcaption {
                @if example.text.is_empty() { bdi.name title=(name) { (name.rsplit('/').next().unwrap_or_default()) } }
                span.numbers { (numbers(exemplar, single)) }
                (prediction(material, exemplar.example))
                @if let Some(note) = note { p.note { (note) } }
            }
        }
    })
}

/// The picture under the three regions of the masks.
pub(super) fn drawing(material: &Material<'_>, at: usize, exemplar: &Exemplar, up: &str) -> Result<Markup> {
    let grid = material.grid();
    let masks = material.masks_of(at)?;
    let name = plain(&material.examples[exemplar.example as usize].name);
    let [unit, formula, both] = exemplar.areas;
    let told = format!("{name}: the unit fires on {unit} positions, the formula is true on {formula}, both on {both}");
    let (image, aspect) = match material.pictures.get(&exemplar.example) {
        Some(Picture::Image { file, width, height }) => {
            let source = format!("{up}{file}");
            let image =
                html! { img src=(source) width=(width) height=(height) alt="" loading="lazy" decoding="async"; };
            (image, (*width, *height))
        }
        _ => (html! { span.placeholder { bdi { (name) } } }, (grid.width, grid.height)),
    };
    let mut paths = String::new();
    for (class, region) in [("mf", Region::Formula), ("mu", Region::Unit), ("mb", Region::Both)] {
        let path = outline(&masks, grid, region);
        if !path.is_empty() {
            paths += &format!("<path class=\"{class}\" d=\"{path}\"/>");
        }
    }
    Ok(html! {
        div.drawing role="img" aria-label=(told) style=(format!("aspect-ratio:{}/{}", aspect.0, aspect.1)) {
            (image)
            svg.masks viewBox=(format!("0 0 {} {}", grid.width, grid.height)) preserveAspectRatio="none" aria-hidden="true" {
                (PreEscaped(paths))
            }
        }
    })
}

fn numbers(exemplar: &Exemplar, single: bool) -> String {
    let [unit, formula, both] = exemplar.areas;
    let activation = exemplar.activation.map(|a| format!("activation {a:.3}"));
    let overlap = if single {
        match (unit > 0, formula > 0) {
            (true, true) => "unit and formula agree".to_owned(),
            (true, false) => "the unit alone".to_owned(),
            (false, true) => "the formula alone".to_owned(),
            (false, false) => "neither".to_owned(),
        }
    } else {
        let union = unit + formula - both.min(formula);
        match union {
            0 => "neither".to_owned(),
            _ => format!("IoU here {:.2}", f64::from(both) / f64::from(union)),
        }
    };
    activation.into_iter().chain([overlap]).collect::<Vec<_>>().join(" · ")
}

/// What the model made of an example.
fn prediction(material: &Material<'_>, example: u32) -> Markup {
    let Some(prediction) = material.predictions.as_ref().map(|p| &p[example as usize]) else { return html! {} };
    let (target, predicted) = (plain(&prediction.target), plain(&prediction.predicted));
    html! {
        span.predicted {
            @match prediction.correct {
                Some(true) => { span.right { "✓" } " predicted " b { (predicted) } ", rightly" }
                Some(false) => { span.wrong { "✗" } " predicted " b { (predicted) } ", is " b { (target) } }
                None => { "predicted " b { (predicted) } }
            }
        }
    }
}

/// Whether and how much the unit fires on an example, as the end of a sentence.
pub(super) fn fires(material: &Material<'_>, exemplar: &Exemplar) -> String {
    let (unit, positions) = (exemplar.areas[0], material.grid().positions());
    match unit {
        0 => "the unit does not fire".into(),
        _ if positions == 1 => "the unit fires all the same".into(),
        n => format!("the unit fires on {} of it ({} positions)", percent(f64::from(n) / positions as f64), count(n)),
    }
}
