//! The headline score of a run: the IoU, or the MCC in a run that searched by it. It orders the units, and it is the score that
//! an exact search proves.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::record::{Explanation, Explanations, Scored};
use super::trust::HeldOut;
use crate::score::Metric;
use crate::search::Status;

/// Which score stands first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Headline {
    /// Every run that did not search by MCC.
    Iou,
    /// A run that searched by MCC.
    Mcc,
}

impl Headline {
    /// The headline score of a run.
    pub fn of(explanations: &Explanations) -> Self {
        if explanations.metric() == Metric::Mcc { Self::Mcc } else { Self::Iou }
    }

    /// Its name, as people read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Iou => "IoU",
            Self::Mcc => "MCC",
        }
    }

    /// Its value for a unit; 0 where the unit has none.
    pub fn value(self, unit: &Explanation) -> f64 {
        match self {
            Self::Iou => unit.iou,
            Self::Mcc => unit.mcc.unwrap_or(0.0),
        }
    }

    /// Its value for the best formula of a length.
    pub fn of_length(self, scored: &Scored) -> f64 {
        match self {
            Self::Iou => scored.iou,
            Self::Mcc => scored.mcc.unwrap_or(0.0),
        }
    }

    /// Its value on the examples held out of the search.
    pub fn held_out(self, scores: &HeldOut) -> Option<f64> {
        match self {
            Self::Iou => Some(scores.iou),
            Self::Mcc => scores.mcc.map(|mcc| mcc.value),
        }
    }

    /// The greatest value of the units.
    pub fn most(self, units: &[Explanation]) -> f64 {
        units.iter().map(|unit| self.value(unit)).fold(0.0, f64::max)
    }

    /// The units in the order of their headline score: explained units before others, then the higher score, then the smaller
    /// number.
    pub fn best_first<'a>(self, units: impl IntoIterator<Item = &'a Explanation>) -> Vec<&'a Explanation> {
        let mut units: Vec<&Explanation> = units.into_iter().collect();
        units.sort_by(|a, b| self.compare(a, b));
        units
    }

    /// The order of [`Headline::best_first`].
    pub fn compare(self, a: &Explanation, b: &Explanation) -> Ordering {
        let explained = |u: &Explanation| u.status == Status::Explained;
        let scores = self.value(b).total_cmp(&self.value(a));
        explained(b).cmp(&explained(a)).then(scores).then(a.unit.cmp(&b.unit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::concept::Vocabulary;
    use crate::search::SearchResult;

    #[test]
    fn explained_units_come_first_then_the_higher_score_then_the_smaller_number() {
        let unit = |unit: usize, status: Status, iou: f64, mcc: f64| {
            let nothing = SearchResult { status, by_length: vec![], beams: vec![], optimal: vec![] };
            let record = Explanation::new(unit, 9, 90, None, &nothing, false, &Vocabulary::default());
            Explanation { iou, mcc: Some(mcc), ..record }
        };
        let units = [
            unit(0, Status::Silent, 0.0, 0.0),
            unit(1, Status::Explained, 0.25, 0.9),
            unit(2, Status::Explained, 0.5, 0.1),
            unit(3, Status::TooFew, 0.9, 1.0),
            unit(4, Status::Explained, 0.5, 0.1),
        ];
        let numbers = |headline: Headline| headline.best_first(&units).iter().map(|u| u.unit).collect::<Vec<_>>();
        assert_eq!(numbers(Headline::Iou), [2, 4, 1, 3, 0]);
        assert_eq!(numbers(Headline::Mcc), [1, 2, 4, 3, 0]);
        assert_eq!((Headline::Iou.most(&units), Headline::Mcc.value(&units[1])), (0.9, 0.9));
    }

    #[test]
    fn the_headline_is_what_was_searched() {
        let of = |config: serde_json::Value| {
            let universe = super::super::Universe { examples: 1, positions: 1, cells: 1, singleton_cells: 1 };
            Headline::of(&Explanations {
                version: 1,
                config,
                universe,
                held_out: None,
                units: vec![],
                ranges: vec![],
                concepts: None,
            })
        };
        assert_eq!(of(serde_json::json!({ "search": { "metric": "mcc", "beam": 3 } })), Headline::Mcc);
        for config in
            [serde_json::json!({ "search": { "metric": "f1" } }), serde_json::json!({}), serde_json::Value::Null]
        {
            assert_eq!(of(config), Headline::Iou);
        }
    }
}
