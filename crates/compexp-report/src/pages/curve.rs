//! Small drawings inside pages.

use std::fmt::Write;

use compexp_core::explanation::Scored;
use maud::{Markup, PreEscaped};

use compexp_core::explanation::Headline;

/// The headline score against the greatest length allowed, as a line from 0 to `top`.
pub(super) fn by_length(headline: Headline, scored: &[Scored], top: f64, large: bool) -> Markup {
    if scored.is_empty() {
        return PreEscaped(String::new());
    }
    let (width, height, left, right, above, below) =
        if large { (320.0, 150.0, 44.0, 14.0, 12.0, 26.0) } else { (84.0, 26.0, 3.0, 3.0, 3.0, 3.0) };
    let top = if top > 0.0 { top } else { 1.0 };
    let steps = (scored.len() - 1).max(1) as f64;
    let x = |i: usize| left + (width - left - right) * i as f64 / steps;
    let y = |score: f64| height - below - (height - above - below) * score.max(0.0) / top;
    let of = |s: &Scored| headline.of_length(s);
    let told: Vec<String> = scored.iter().map(|s| format!("{} at length {}", short(of(s)), s.length)).collect();
    let mut svg = format!(
        "<svg class=\"curve\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" \
         aria-label=\"{} by length: {}\">",
        headline.name(),
        told.join(", ")
    );
    if large {
        for tick in [0.0, top / 2.0, top] {
            let at = y(tick);
            let _ = write!(svg, "<path class=\"grid\" d=\"M{left} {at:.1}H{:.1}\"/>", width - right);
            let _ =
                write!(svg, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{tick:.2}</text>", left - 6.0, at + 4.0);
        }
        for (i, s) in scored.iter().enumerate() {
            let (at, low, length) = (x(i), height - 8.0, s.length);
            let _ = write!(svg, "<text x=\"{at:.1}\" y=\"{low:.1}\" text-anchor=\"middle\">{length}</text>");
        }
    }
    let points: Vec<String> = scored.iter().enumerate().map(|(i, s)| format!("{:.1},{:.1}", x(i), y(of(s)))).collect();
    let _ = write!(svg, "<polyline points=\"{}\"/>", points.join(" "));
    for (i, s) in scored.iter().enumerate() {
        let radius = if large { 3.5 } else { 1.8 };
        let _ = write!(svg, "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius}\"/>", x(i), y(of(s)));
    }
    svg.push_str("</svg>");
    PreEscaped(svg)
}

/// A score with four digits.
pub(super) fn short(score: f64) -> String {
    format!("{score:.4}")
}
