//! The headline score of a run's units: the IoU, or the MCC in a run that searched by it. It orders the units.

use std::cmp::Ordering;

use compexp_core::explanation::{Explanation, Explanations, HeldOut, Scored};
use compexp_core::score::Metric;
use compexp_core::search::Status;

/// Which score stands first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Headline {
    /// Every run that did not search by MCC.
    Iou,
    /// A run that searched by MCC.
    Mcc,
}

impl Headline {
    /// The headline score of a run.
    pub(crate) fn of(explanations: &Explanations) -> Self {
        if explanations.metric() == Metric::Mcc { Self::Mcc } else { Self::Iou }
    }

    /// Its name on pages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Iou => "IoU",
            Self::Mcc => "MCC",
        }
    }

    /// Its value for a unit; 0 where the unit has none.
    pub(crate) fn value(self, unit: &Explanation) -> f64 {
        match self {
            Self::Iou => unit.iou,
            Self::Mcc => unit.mcc.unwrap_or(0.0),
        }
    }

    /// Its value for the best formula of a length.
    pub(crate) fn of_length(self, scored: &Scored) -> f64 {
        match self {
            Self::Iou => scored.iou,
            Self::Mcc => scored.mcc.unwrap_or(0.0),
        }
    }

    /// Its value on the examples held out of the search.
    pub(crate) fn held_out(self, scores: &HeldOut) -> Option<f64> {
        match self {
            Self::Iou => Some(scores.iou),
            Self::Mcc => scores.mcc.map(|mcc| mcc.value),
        }
    }

    /// The greatest value of the units.
    pub(crate) fn most(self, units: &[Explanation]) -> f64 {
        units.iter().map(|unit| self.value(unit)).fold(0.0, f64::max)
    }

    /// The units in the order of their headline score: explained units before others, then the higher score, then the smaller
    /// number.
    pub(crate) fn best_first(self, units: &[Explanation]) -> Vec<&Explanation> {
        let mut units: Vec<&Explanation> = units.iter().collect();
        units.sort_by(|a, b| self.compare(a, b));
        units
    }

    /// The order of [`Headline::best_first`].
    pub(crate) fn compare(self, a: &Explanation, b: &Explanation) -> Ordering {
        let explained = |u: &Explanation| u.status == Status::Explained;
        let scores = self.value(b).total_cmp(&self.value(a));
        explained(b).cmp(&explained(a)).then(scores).then(a.unit.cmp(&b.unit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::tests::records;

    #[test]
    fn a_search_by_mcc_orders_units_by_mcc() {
        let mut run = records("ab", &[("a", &[0.2], &[0]), ("b", &[0.4], &[1])], &[], &[("x", "x"); 2]).explanations;
        run.units[0].mcc = Some(0.9);
        run.units[1].mcc = Some(0.1);
        let order =
            |run: &Explanations| Headline::of(run).best_first(&run.units).iter().map(|u| u.iou).collect::<Vec<_>>();
        assert_eq!((Headline::of(&run).name(), order(&run)), ("IoU", vec![0.4, 0.2]));
        run.config = serde_json::json!({ "search": { "metric": "mcc" } });
        assert_eq!((Headline::of(&run).name(), order(&run)), ("MCC", vec![0.2, 0.4]));
        assert_eq!(Headline::of(&run).most(&run.units), 0.9);
    }
}
