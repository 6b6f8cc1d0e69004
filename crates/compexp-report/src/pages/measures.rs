//! Measures of contribution in a table: their numbers, and the signs of what a unit is to a class.

use compexp_trust::behaviour::contribution::Role;
use maud::{Markup, html};

use crate::class_measures::Measured;

/// The number; nothing where the measure is not defined.
pub(super) fn value(value: Option<f64>) -> String {
    value.map_or(String::new(), |v| format!("{v:.3}"))
}

/// What a unit is to a class by one of the measures, as a sign that says so.
pub(super) fn mark(measured: Option<&Measured>, measure: usize) -> Markup {
    let (sign, name) = match measured.map(|m| m.roles[measure]) {
        Some(role @ Role::Contributor) => (" ▲", role.name()),
        Some(role @ Role::Inhibitor) => (" ▼", role.name()),
        _ => return html! {},
    };
    html! { span.role role="img" aria-label=(name) title=(name) { (sign) } }
}
