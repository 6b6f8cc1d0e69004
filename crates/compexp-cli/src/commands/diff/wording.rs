//! The words for the parts of a comparison, in the table and in JUnit XML.

use compexp_core::explanation::Headline;
use compexp_trust::compare::{Found, Verdict};

/// A verdict in words; `score` is what was compared.
pub(super) fn words(verdict: Verdict, score: Headline) -> &'static str {
    match verdict {
        Verdict::Same => "same",
        Verdict::Equivalent => "equivalent",
        Verdict::ChangedWithinTolerance => "changed within tolerance",
        Verdict::FormulaChanged => "formula changed",
        Verdict::IouMoved => match score {
            Headline::Iou => "IoU moved",
            Headline::Mcc => "MCC moved",
        },
        Verdict::StatusChanged => "status changed",
        Verdict::Gained => "gained",
        Verdict::Lost => "lost",
    }
}

/// The formula of a unit, or why there is none.
pub(super) fn formula(found: &Found) -> String {
    found.formula.clone().unwrap_or_else(|| format!("- {}", found.status.name().replace('_', " ")))
}

/// An accuracy in percent.
pub(super) fn percent(accuracy: Option<f64>) -> String {
    accuracy.map_or("none".into(), |a| format!("{:.2}%", 100.0 * a))
}
