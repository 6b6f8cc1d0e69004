//! How formulas are searched.

use std::ops::RangeInclusive;
use std::str::FromStr;

use clap::{Args, ValueEnum};

use super::numbers::{at_least_1, factor, iou, seconds, whole};

/// How to search.
#[derive(Debug, Args)]
#[command(next_help_heading = "Search")]
pub(crate) struct SearchArgs {
    /// The greatest number of concepts in a formula [default: 3; 5 for features.npy]
    #[arg(long, short = 'n', value_name = "N", value_parser = whole(1, 100))]
    pub(crate) length: Option<usize>,
    /// The number of formulas kept at each step
    #[arg(long, short, value_name = "B", default_value_t = 10, value_parser = whole(1, 100_000))]
    pub(crate) beam: usize,
    /// Search as the reference implementation does, ties and rounding included
    #[arg(long)]
    pub(crate) compat: bool,
    /// beam keeps the best formulas of each length; exact proves that no formula is better
    #[arg(long, value_enum, default_value_t = ModeArg::Beam)]
    pub(crate) mode: ModeArg,
    /// The units to explain [default: all]
    #[arg(long, value_name = "0-9,12")]
    pub(crate) units: Option<Units>,
    /// What is maximised
    #[arg(long, value_enum, default_value_t = MetricArg::Iou)]
    pub(crate) metric: MetricArg,
    /// Units that fire on fewer positions are not searched [default: 0; 500 for `nli probe`]
    #[arg(long, value_name = "N")]
    pub(crate) min_activations: Option<u64>,
    /// Extend formulas by this many of the best concepts only
    #[arg(long, value_name = "K", value_parser = at_least_1())]
    pub(crate) beam_limit: Option<usize>,
    /// The score is multiplied by this for every concept after the first
    #[arg(long, value_name = "P", default_value_t = 1.0, value_parser = factor::<f64>, allow_negative_numbers = true)]
    pub(crate) penalty: f64,
    /// Also explain ranges of each unit's activation, K of them: its positive values are divided, and each range is searched
    /// by itself
    #[arg(long, value_name = "K", value_parser = whole(2, 16))]
    pub(crate) ranges: Option<usize>,
    /// Where the ranges end: equal-counts gives each as many values, k-means puts similar values together
    #[arg(long, value_enum, default_value_t = RangeCutsArg::EqualCounts, requires = "ranges")]
    pub(crate) range_cuts: RangeCutsArg,
    /// Also explain every concept by a formula over the units: which units carry it together, by OR or AND NOT
    #[arg(long, alias = "swap")]
    pub(crate) concepts_by_units: bool,
    /// At most this many units in these formulas: those that match single concepts best [default: all]
    #[arg(long, value_name = "K", value_parser = whole(1, 65_535), requires = "concepts_by_units")]
    pub(crate) candidates: Option<usize>,
    /// Record the formulas kept at each step
    #[arg(long)]
    pub(crate) keep_beams: bool,
    #[command(flatten)]
    pub(crate) exact: ExactArgs,
}

/// How to prove.
#[derive(Debug, Args)]
#[command(next_help_heading = "Search, with --mode exact")]
pub(crate) struct ExactArgs {
    /// Which formulas are searched [default: chains]
    #[arg(long, value_enum)]
    pub(crate) grammar: Option<GrammarArg>,
    /// Stop after this time a unit when formulas have more than 3 concepts, and report how far from proven the best is.
    /// The result then depends on the machine [default: until it is proven]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) time_per_unit: Option<f64>,
    /// Stop when no formula can be better by more than this IoU [default: 0]
    #[arg(long, value_name = "G", value_parser = iou::<f64>, allow_negative_numbers = true)]
    pub(crate) gap: Option<f64>,
}

/// What a search maximises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MetricArg {
    /// Intersection over union, as in the paper
    Iou,
    /// Matthews correlation: 0 for what is independent of the unit, also where units fire often
    Mcc,
    /// The share of the formula's mask that the unit covers
    Precision,
    /// The share of the unit's mask that the formula covers
    Recall,
    /// The harmonic mean of precision and recall
    F1,
}

/// Where the ranges of an activation end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RangeCutsArg {
    /// Every range holds as many values
    EqualCounts,
    /// The squared distances from the means of the ranges are as small as possible
    KMeans,
}

/// How a search goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModeArg {
    Beam,
    Exact,
}

/// Which formulas an exact search covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GrammarArg {
    /// Chains of AND, OR and AND NOT, as the beam makes them
    Chains,
    /// Every Boolean function of up to three concepts
    Full,
}

/// Units: `0-9,12`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Units(pub(crate) Vec<RangeInclusive<usize>>);

impl FromStr for Units {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |t: &str| t.trim().parse::<usize>().map_err(|_| format!("`{t}` is no unit: give numbers from 0"));
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (number(first)?, number(last)?);
            if first > last { Err(format!("`{part}` ends before it starts")) } else { Ok(first..=last) }
        };
        text.split(',').map(range).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_numbers_and_ranges() {
        assert_eq!("0-9, 12".parse(), Ok(Units(vec![0..=9, 12..=12])));
        for bad in ["", "-", "3-", "5-3", "a", "-1", "1,,2", "99999999999999999999999"] {
            assert!(bad.parse::<Units>().is_err(), "{bad}");
        }
    }
}
