//! A summary of a run's explanations in a few numbers.

use serde::{Deserialize, Serialize};

use super::headline::Headline;
use super::record::Explanations;
use super::trust::{HeldOutActivation, HeldOutScore, HeldOutUniverse};

/// The number of significant units of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignificanceSummary {
    /// Draws of each unit.
    pub draws: usize,
    /// Units tested: the explained ones.
    pub tested: usize,
    /// Tested units with q below 0.05.
    pub significant: usize,
}

/// The scores of a run's formulas on examples held out of the search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HoldoutSummary {
    /// Examples held out.
    pub examples: usize,
    /// The groups of these examples.
    pub groups: usize,
    /// Entry `k`: the mean over the explained units of the IoU of entry `k` of `by_length` on the examples held out.
    pub mean_iou_by_length: Vec<f64>,
    /// Entry `k`: the mean difference between the IoU on the examples that were searched and this one.
    pub mean_drop_by_length: Vec<f64>,
    /// Entry `k`: the mean MCC on the examples held out; empty in records of earlier versions.
    #[serde(default)]
    pub mean_mcc_by_length: Vec<f64>,
    /// The mean correlation of the units' values and their formulas' truth; none for maps and masks, and in records of earlier
    /// versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_correlation: Option<f64>,
    /// The mean of `auprc` minus `base_rate`: how much better the values find the formula's examples than random ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_auprc_above_chance: Option<f64>,
    /// Entry `k`: the units whose suggested length is `k + 1`.
    pub suggested_lengths: Vec<usize>,
}

/// What is proven about the formulas of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OptimalSummary {
    /// Units searched for the optimum: the explained ones.
    pub units: usize,
    /// Units whose formula is proven to be best.
    pub certified: usize,
    /// The median gap of the other units, which is the proven upper bound of the score (IoU or MCC) minus the score found; none if all are
    /// certified.
    pub median_gap: Option<f64>,
}

impl SignificanceSummary {
    /// The summary of explanations; none if no unit was tested.
    pub fn of(explanations: &Explanations) -> Option<Self> {
        let tested: Vec<_> = explanations.units.iter().filter_map(|u| u.significance.as_ref()).collect();
        let significant = tested.iter().filter(|s| s.q < 0.05).count();
        Some(Self { draws: tested.first()?.draws, tested: tested.len(), significant })
    }
}

impl OptimalSummary {
    /// The summary of explanations; none unless the search is exact.
    pub fn of(explanations: &Explanations) -> Option<Self> {
        let headline = Headline::of(explanations);
        let proofs: Vec<_> = explanations.units.iter().filter_map(|u| Some((headline.value(u), u.optimal?))).collect();
        let open = proofs.iter().filter(|(_, optimal)| !optimal.certified);
        let gaps: Vec<f64> = open.map(|(score, optimal)| optimal.upper_bound - score).collect();
        let (units, certified) = (proofs.len(), proofs.len() - gaps.len());
        (units > 0).then(|| Self { units, certified, median_gap: median(gaps) })
    }
}

/// The median; for an even number of values the mean of the two in the middle. None without values.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    let above = *values.get(middle)?;
    Some(if values.len() % 2 == 1 { above } else { (values[middle - 1] + above) / 2.0 })
}

impl HoldoutSummary {
    /// The summary of explanations; none if nothing was held out.
    pub fn of(explanations: &Explanations) -> Option<Self> {
        let HeldOutUniverse { examples, groups } = explanations.held_out?;
        let units: Vec<_> = explanations.units.iter().filter_map(|u| u.holdout.as_ref()).collect();
        let lengths = 0..units.first().map_or(0, |u| u.by_length.len());
        let mean = |of: &dyn Fn(&HeldOutScore) -> f64| -> Vec<f64> {
            let sum = |k: usize| units.iter().filter_map(|u| u.by_length.get(k)).map(of).sum::<f64>();
            lengths.clone().map(|k| sum(k) / units.len() as f64).collect()
        };
        let mean_of = |of: &dyn Fn(HeldOutActivation) -> Option<f64>| {
            let values: Vec<f64> = units.iter().filter_map(|u| of(u.activation?)).collect();
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        };
        Some(Self {
            examples,
            groups,
            mean_correlation: mean_of(&|a| a.correlation),
            mean_auprc_above_chance: mean_of(&|a| Some(a.auprc? - a.base_rate)),
            mean_iou_by_length: mean(&|s| s.iou),
            mean_drop_by_length: mean(&|s| s.drop),
            mean_mcc_by_length: mean(&|s| s.mcc.map_or(0.0, |mcc| mcc.value)),
            suggested_lengths: lengths
                .clone()
                .map(|k| units.iter().filter(|u| u.suggested_length == k + 1).count())
                .collect(),
        })
    }
}
