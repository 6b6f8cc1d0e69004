//! How to search: the settings of all searches, and their ranges.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::probe::Variant;
use crate::score::Metric;

/// Which search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Beam search over distinct masks, with exact comparisons.
    #[default]
    Beam,
    /// The reference implementation's search, its ties and rounding included.
    Compat,
    /// Branch and bound that proves the optimum.
    Exact,
}

/// How to search. The default is the paper's for vision, at length 3.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchConfig {
    /// The greatest number of literals, at least 1.
    pub length: usize,
    /// The number of formulas kept at each length, at least 1.
    pub beam: usize,
    /// Which search.
    pub mode: Mode,
    /// Which variant of the reference's search `Compat` follows; `task` in files.
    #[serde(rename = "task")]
    pub variant: Variant,
    /// What is maximised.
    pub metric: Metric,
    /// The complexity penalty, in (0, 1]; 1 is none. A formula's score is `metric * penalty^(length - 1)`. `Compat`
    /// counts length as the reference does, where NOT and NEIGHBORS are one each.
    pub penalty: f64,
    /// Extend formulas only by this many of the best primitives.
    pub beam_limit: Option<usize>,
    /// Units that fire on fewer positions are not searched.
    pub min_activations: u64,
    /// The settings of `Exact`; the other modes ignore them.
    #[serde(default, skip_serializing_if = "ExactConfig::is_default")]
    pub exact: ExactConfig,
}

impl Default for SearchConfig {
    fn default() -> Self {
        Self {
            length: 3,
            beam: 10,
            mode: Mode::Beam,
            variant: Variant::Vision,
            metric: Metric::Iou,
            penalty: 1.0,
            beam_limit: None,
            min_activations: 0,
            exact: ExactConfig::default(),
        }
    }
}

/// Which formulas the exact search considers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grammar {
    /// Left-deep chains of AND, OR and AND NOT, as the other searches make them.
    #[default]
    Chains,
    /// Every Boolean function of up to three literals except the two constants.
    Full,
}

/// The settings of the exact search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExactConfig {
    /// Which formulas are considered.
    pub grammar: Grammar,
    /// The time limit of each unit for formulas of more than three literals, in seconds above 0; none = no limit. With
    /// a limit the result depends on the machine.
    pub seconds: Option<f64>,
    /// The search of a unit stops once no formula can exceed the best one's IoU by more than this; in [0, 1]. A search by
    /// MCC does not use it.
    pub gap: f64,
}

impl ExactConfig {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl SearchConfig {
    /// Checks that every setting is in its range.
    ///
    /// # Errors
    /// [`Error::Mismatch`] that names the first setting out of its range.
    pub fn check(&self) -> Result<()> {
        let at_least_one = |what: &str, n: usize| {
            if n == 0 { Err(Error::mismatch(what, 0, "at least 1")) } else { Ok(()) }
        };
        at_least_one("formula length", self.length)?;
        at_least_one("beam size", self.beam)?;
        at_least_one("beam limit", self.beam_limit.unwrap_or(1))?;
        if !(self.penalty > 0.0 && self.penalty <= 1.0) {
            return Err(Error::mismatch("complexity penalty", self.penalty, "a factor above 0 and up to 1 (1 = none)"));
        }
        if self.mode == Mode::Compat && self.metric == Metric::Mcc {
            let expected = "another one: the published procedure knows no MCC";
            return Err(Error::mismatch("metric of a compat search", self.metric.name(), expected));
        }
        if self.mode == Mode::Exact { self.check_exact() } else { Ok(()) }
    }

    /// Checks the settings that the exact search cannot prove anything with, and its own ranges.
    fn check_exact(&self) -> Result<()> {
        let refuse = |what: &str, found: &dyn ToString, expected: &str| {
            Err(Error::mismatch(format!("{what} of an exact search"), found.to_string(), expected))
        };
        if !matches!(self.metric, Metric::Iou | Metric::F1 | Metric::Mcc) {
            // Precision is greatest on a handful of positions, recall on everything: their bounds rule nothing out.
            return refuse("metric", &self.metric.name(), "mcc, iou, or f1, which has the optimum of iou");
        }
        if self.penalty != 1.0 {
            return refuse("complexity penalty", &self.penalty, "1 (none): the best of each length is reported");
        }
        if let Some(limit) = self.beam_limit {
            return refuse("beam limit", &limit, "none: every concept is looked at");
        }
        if let Some(seconds) = self.exact.seconds
            && !(seconds > 0.0 && seconds.is_finite())
        {
            return refuse("time per unit", &seconds, "seconds above 0");
        }
        if self.exact.grammar == Grammar::Full && self.length > 3 {
            return refuse("formula length", &self.length, "at most 3 concepts with the full grammar");
        }
        if !(0.0..=1.0).contains(&self.exact.gap) {
            return refuse("gap", &self.exact.gap, "an IoU from 0 to 1");
        }
        Ok(())
    }
}
