//! How far an explanation is to be trusted: significance, scores on examples that the search never saw, and proofs.

use serde::{Deserialize, Serialize};

use super::Explanations;

/// How an explanation compares with those of the same unit once its maps are given to other examples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Significance {
    /// Draws: how often the maps were dealt out anew, and the search repeated.
    pub draws: usize,
    /// `(1 + draws that reach the unit's own score) / (draws + 1)`, at the greatest length.
    pub p: f64,
    /// The smallest false discovery rate, by Benjamini and Hochberg, at which the unit is among the discoveries.
    pub q: f64,
    /// The same for every length; entry `k` is that of entry `k` of the unit's `by_length`.
    pub by_length: Vec<NullScores>,
}

/// What the search finds by luck, at one length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NullScores {
    /// The greatest number of literals allowed.
    pub length: usize,
    /// As [`Significance::p`], at this length.
    pub p: f64,
    /// The mean IoU of the draws.
    pub mean: f64,
    /// Half of the draws reach no more; quantiles are interpolated linearly.
    pub median: f64,
    /// 95 of 100 draws reach no more.
    pub q95: f64,
    /// 99 of 100 draws reach no more.
    pub q99: f64,
    /// The best draw.
    pub max: f64,
}

/// What was held out of the search, for all units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldOutUniverse {
    /// Examples held out.
    pub examples: usize,
    /// Their groups.
    pub groups: usize,
}

/// An explanation on the examples held out of the search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldOut {
    /// Positions in the unit's mask.
    pub unit_area: u64,
    /// The IoU of the unit's formula: that of the last of `by_length`.
    pub iou: f64,
    /// Its 95% interval, by bootstrap over groups.
    pub interval: [f64; 2],
    /// The IoU on the search's side minus this one.
    pub drop: f64,
    /// The smallest length whose IoU is within one standard error of the best length's: of the error of their difference.
    pub suggested_length: usize,
    /// Entry `k` is that of entry `k` of the unit's `by_length`.
    pub by_length: Vec<HeldOutScore>,
}

/// A formula on the examples held out of the search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldOutScore {
    /// The greatest number of literals allowed.
    pub length: usize,
    /// Its IoU.
    pub iou: f64,
    /// Its 95% interval, by bootstrap over groups.
    pub interval: [f64; 2],
    /// The bootstrap's standard error.
    pub standard_error: f64,
    /// The IoU on the search's side minus this one.
    pub drop: f64,
}

/// How many units of a run are more than luck.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignificanceSummary {
    /// Draws of each unit.
    pub draws: usize,
    /// Units tested: the explained ones.
    pub tested: usize,
    /// Those of them with q below 0.05.
    pub significant: usize,
}

/// How the formulas of a run do on examples held out of the search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HoldoutSummary {
    /// Examples held out.
    pub examples: usize,
    /// Their groups.
    pub groups: usize,
    /// Entry `k`: the mean over the explained units of the IoU of entry `k` of `by_length` on the examples held out.
    pub mean_iou_by_length: Vec<f64>,
    /// The same of how far it is below the IoU on the search's side.
    pub mean_drop_by_length: Vec<f64>,
    /// Entry `k`: the units whose suggested length is `k + 1`.
    pub suggested_lengths: Vec<usize>,
}

/// What is proven of the units of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OptimalSummary {
    /// Units searched for the optimum: the explained ones.
    pub units: usize,
    /// Those of them with a formula that is proven to be best.
    pub certified: usize,
    /// Of the others the median of how much higher than the one found the best IoU may be; none where there are none.
    pub median_gap: Option<f64>,
}

impl SignificanceSummary {
    /// The summary of explanations; none where no unit was tested.
    pub fn of(explanations: &Explanations) -> Option<Self> {
        let tested: Vec<_> = explanations.units.iter().filter_map(|u| u.significance.as_ref()).collect();
        let significant = tested.iter().filter(|s| s.q < 0.05).count();
        Some(Self { draws: tested.first()?.draws, tested: tested.len(), significant })
    }
}

impl OptimalSummary {
    /// The summary of explanations; none where the search proves nothing.
    pub fn of(explanations: &Explanations) -> Option<Self> {
        let proofs: Vec<_> = explanations.units.iter().filter_map(|u| Some((u.iou, u.optimal?))).collect();
        let open = proofs.iter().filter(|(_, optimal)| !optimal.certified);
        let gaps: Vec<f64> = open.map(|(iou, optimal)| optimal.upper_bound - iou).collect();
        let (units, certified) = (proofs.len(), proofs.len() - gaps.len());
        (units > 0).then(|| Self { units, certified, median_gap: median(gaps) })
    }
}

/// The median; of an even number of values the mean of the two in the middle, of none none.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    let above = *values.get(middle)?;
    Some(if values.len() % 2 == 1 { above } else { (values[middle - 1] + above) / 2.0 })
}

impl HoldoutSummary {
    /// The summary of explanations; none where nothing was held out.
    pub fn of(explanations: &Explanations) -> Option<Self> {
        let HeldOutUniverse { examples, groups } = explanations.held_out?;
        let units: Vec<_> = explanations.units.iter().filter_map(|u| u.holdout.as_ref()).collect();
        let lengths = 0..units.first().map_or(0, |u| u.by_length.len());
        let mean = |of: &dyn Fn(&HeldOutScore) -> f64| -> Vec<f64> {
            let sum = |k: usize| units.iter().filter_map(|u| u.by_length.get(k)).map(of).sum::<f64>();
            lengths.clone().map(|k| sum(k) / units.len() as f64).collect()
        };
        Some(Self {
            examples,
            groups,
            mean_iou_by_length: mean(&|s| s.iou),
            mean_drop_by_length: mean(&|s| s.drop),
            suggested_lengths: lengths
                .clone()
                .map(|k| units.iter().filter(|u| u.suggested_length == k + 1).count())
                .collect(),
        })
    }
}
