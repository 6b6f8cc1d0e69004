//! What `ablation.json` holds: what a model loses without units, in numbers.

use compexp_trust::behaviour::ablation::Fill;
use compexp_trust::stats::Correlation;
use serde::{Deserialize, Serialize};

/// What `ablation.json` holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AblationRecord {
    /// [`AblationRecord::VERSION`].
    pub version: u32,
    /// Units of the run.
    pub units: usize,
    /// Examples whose class is known.
    pub examples: usize,
    /// Classes of the model.
    pub classes: usize,
    /// Accuracy with every unit.
    pub accuracy: f64,
    /// How the curves were drawn.
    pub curves: CurveConfig,
    /// Decides the resamples of intervals.
    pub seed: u64,
    /// The share of examples that count as the top quantile of a class.
    pub top_share: f64,
    /// Whether the classes that units support are those that suffer.
    pub support: Vec<Support>,
}

/// How curves are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurveConfig {
    /// Random orders, of the seeds from 0.
    pub seeds: u64,
    /// Units taken away between two measurements.
    pub every: usize,
}

/// How far one measure of contribution predicts what ablation does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Support {
    /// The measure: `weight`, `correlation` or `overlap`.
    pub measure: String,
    /// What units were set to.
    pub fill: Fill,
    /// Supporting units, on the classes that they support; none where there are none.
    pub supported: Option<Hurt>,
    /// The same units, on all other classes.
    pub others: Option<Hurt>,
    /// Units that support nothing, each on the classes of every supporting unit.
    pub control: Option<Hurt>,
    /// The share of `supported` less that of `others`.
    pub share_above_others: Option<Estimate>,
    /// The share of `supported` less that of `control`.
    pub share_above_control: Option<Estimate>,
    /// The change of `supported` less that of `others`.
    pub change_above_others: Option<Estimate>,
    /// The change of `supported` less that of `control`.
    pub change_above_control: Option<Estimate>,
    /// Over all units and classes: the measure against how far the logit of a class falls on its examples.
    pub by_logit: Option<Correlation>,
    /// Over the same: the measure against how far the accuracy on the examples of the class falls.
    pub by_accuracy: Option<Correlation>,
}

/// What the ablation of units, each alone, does to some classes of each.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hurt {
    /// The units; those whose classes have examples.
    pub units: usize,
    /// The share of them whose ablation makes the model less often right on their classes.
    pub share: Estimate,
    /// The change of accuracy, over all units' examples of their classes together.
    #[serde(default)]
    pub change: Estimate,
}

/// A value and its 95% interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// Its interval.
    pub interval: [f64; 2],
}

impl AblationRecord {
    /// The version of the file.
    pub const VERSION: u32 = 1;
}
