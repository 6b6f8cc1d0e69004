//! The evidence for an explanation: significance, and scores on examples that were held out of the search.

use serde::{Deserialize, Serialize};

/// How an explanation compares with chance: with explanations of the same unit after its maps were permuted among the
/// examples (*null draws*).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Significance {
    /// The number of null draws: how often the maps were permuted, and the search repeated.
    pub draws: usize,
    /// `(1 + draws that reach the unit's own score) / (draws + 1)`, at the greatest length.
    pub p: f64,
    /// The smallest false discovery rate (Benjamini-Hochberg) at which the unit counts as a discovery.
    pub q: f64,
    /// The null draws at every length; entry `k` belongs to entry `k` of the unit's `by_length`.
    pub by_length: Vec<NullScores>,
}

/// The scores that the search reaches by chance, at one length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NullScores {
    /// The greatest number of literals allowed.
    pub length: usize,
    /// As [`Significance::p`], at this length.
    pub p: f64,
    /// As `p`, of what the last literal adds to the score: does it add more than the literal of this rank adds to what chance
    /// finds? None for the first literal, and in records of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_p: Option<f64>,
    /// The mean IoU of the draws.
    pub mean: f64,
    /// The median IoU of the draws; quantiles are interpolated linearly.
    pub median: f64,
    /// The 95% quantile of the IoU of the draws.
    pub q95: f64,
    /// The 99% quantile of the IoU of the draws.
    pub q99: f64,
    /// The highest IoU of the draws.
    pub max: f64,
    /// The median over the draws of the metric that was searched; none where that is the IoU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric_median: Option<f64>,
}

/// The examples held out of the search, for all units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldOutUniverse {
    /// Examples held out.
    pub examples: usize,
    /// The groups of these examples.
    pub groups: usize,
}

/// An explanation on the examples held out of the search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldOut {
    /// Positions in the unit's mask.
    pub unit_area: u64,
    /// The IoU of the unit's formula, the last of `by_length`.
    pub iou: f64,
    /// Its 95% interval, by bootstrap over groups.
    pub interval: [f64; 2],
    /// The IoU on the examples that were searched minus this one.
    pub drop: f64,
    /// The MCC of the unit's formula and its 95% interval; none in records of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcc: Option<HeldOutMcc>,
    /// How the unit's formula goes with its values; none for maps, masks, and in records of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation: Option<HeldOutActivation>,
    /// The smallest length whose IoU (in a search by MCC: whose MCC) is at most one standard error below that of the best
    /// length. The standard error is that of their difference.
    pub suggested_length: usize,
    /// Entry `k` belongs to entry `k` of the unit's `by_length`.
    pub by_length: Vec<HeldOutScore>,
}

/// The Matthews correlation coefficient of a formula on the examples held out of the search; 0 where it is not defined.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldOutMcc {
    /// Its value.
    pub value: f64,
    /// Its 95% interval, by bootstrap over groups.
    pub interval: [f64; 2],
    /// The MCC on the examples that were searched minus this one.
    pub drop: f64,
}

/// How a formula goes with the values of its unit, on examples that each have one value and were held out of the search.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldOutActivation {
    /// Pearson's correlation of the value and the formula's truth; none where one of them does not vary.
    pub correlation: Option<f64>,
    /// The area under the curve of precision and recall of finding the formula's examples by the highest values (average
    /// precision); none where the formula is true nowhere.
    pub auprc: Option<f64>,
    /// The share of examples on which the formula is true, which is the area that random values have.
    pub base_rate: f64,
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
    /// The IoU on the examples that were searched minus this one.
    pub drop: f64,
    /// Its MCC; none in records of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcc: Option<HeldOutMcc>,
}
