//! `compexp plant` and `compexp recovered`: units whose formulas are known.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{ArgGroup, Args};
use compexp_trust::planted::Noise;

use super::annotations::{ANNOTATED, AnnotationArgs};
use super::numbers::{from_0_to_1, share_below_1, share_below_half, whole};

#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("annotated").args(ANNOTATED).required(true)),
    after_help = "\
To test a search on your own annotations, plant units whose formulas are known, explain them like any \
others, and compare:
  compexp plant --probe probe/ --out planted
  compexp explain --probe probe/ --masks planted/masks.npy --out runs/planted
  compexp recovered runs/planted --planted planted/planted.json

For each noise in turn, the units have formulas of the lengths 1 to --length. A noise has one of three forms:
  0.1      a unit misses this share of the formula's positions, and fires on as many others
  0.1:0.5  it misses the first share, and fires elsewhere on the second number times as many
           positions as the formula has
  0.6@0.3  it fires on the first share of the formula's positions, and on the second share of all
           others"
)]
pub(crate) struct PlantArgs {
    #[command(flatten)]
    pub(crate) annotations: AnnotationArgs,
    /// The number of units
    #[arg(help_heading = "Units", long, value_name = "N", default_value_t = 105, value_parser = whole(1, 1_000_000))]
    pub(crate) units: usize,
    /// The greatest number of concepts in a formula
    #[arg(help_heading = "Units", long, short = 'n', value_name = "N", default_value_t = 3, value_parser = whole(1, 20))]
    pub(crate) length: usize,
    /// How far units differ from their formulas
    #[arg(
        help_heading = "Units",
        long,
        value_name = "NOISE,...",
        value_delimiter = ',',
        default_values = ["0", "0.1", "0.3", "0.6@0.02", "0.6@0.1", "0.6@0.2", "0.6@0.3"]
    )]
    pub(crate) noise: Vec<NoiseArg>,
    /// Formulas are true on at least this share of all positions, and false on at least as many
    #[arg(help_heading = "Units", long, value_name = "SHARE", default_value_t = 0.001, value_parser = share_below_half::<f64>, allow_negative_numbers = true)]
    pub(crate) min_share: f64,
    /// Seed of the formulas and of the noise
    #[arg(help_heading = "Units", long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
    /// The folder for masks.npy and planted.json, which are replaced
    #[arg(help_heading = "Output", long, short, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Print the results as JSON
    #[arg(help_heading = "Output", long)]
    pub(crate) json: bool,
}

/// A level of noise, as it is given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct NoiseArg(pub(crate) Noise);

impl FromStr for NoiseArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((inside, elsewhere)) = text.split_once('@') {
            let inside =
                from_0_to_1(inside).map_err(|e| format!("share of the formula's positions, `{inside}`: {e}"))?;
            let elsewhere = from_0_to_1(elsewhere).map_err(|e| format!("share of the others, `{elsewhere}`: {e}"))?;
            if inside == 0.0 {
                return Err("the unit would never fire where its formula is true".into());
            }
            return Ok(Self(Noise::rates(inside, elsewhere)));
        }
        let (missed, added) = text.split_once(':').unwrap_or((text, text));
        let missed = share_below_1(missed).map_err(|e| format!("missed positions, `{missed}`: {e}"))?;
        let number = added.trim().parse().ok().filter(|added| (0.0..1e6).contains(added));
        let added = number
            .ok_or_else(|| format!("added positions, `{added}`: expected a share from 0 to less than 1000000"))?;
        Ok(Self(Noise::of_formula(missed, added)))
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
`at length` counts the recovered units: the best formula that is not longer than the planted one is logically equivalent to \
it, or has the same mask. `equivalent` and `same mask` count these two cases for the best formula of any length. That formula \
may be longer, because it also fits noise; without noise the two add up to `at length`, with noise they are often fewer. \
`agreement` is the mean IoU (intersection over union) of the masks of the planted formula and of the one found. \
`below` counts the units for which the search found a smaller IoU than the planted formula has, or in a search by MCC a \
smaller MCC: the search missed a better formula. In all other cases, a formula other than the planted one fits the noisy unit at least as \
well.

Examples:
  compexp recovered runs/planted --planted planted/planted.json
  compexp recovered runs/planted --planted planted/planted.json --csv recovered.csv")]
pub(crate) struct RecoveredArgs {
    /// A run of `compexp explain` on the planted masks
    pub(crate) run: PathBuf,
    /// The planted.json of `compexp plant`
    #[arg(long, value_name = "FILE")]
    pub(crate) planted: PathBuf,
    /// Write a row per unit to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
    /// Print JSON with every unit
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_one_share_or_two() {
        let noise = |missed, added| Ok(NoiseArg(Noise::of_formula(missed, added)));
        assert_eq!(("0.1".parse(), "0:0.5".parse()), (noise(0.1, 0.1), noise(0.0, 0.5)));
        assert_eq!("0.6@0.3".parse(), Ok(NoiseArg(Noise::rates(0.6, 0.3))));
        for bad in ["0@0.1", "0.6@", "0.6@1.1", "@", "", "x", "1", "-0.1", "0.1:", "0.1:-1", "0.1:nan", "0:1:2", "nan"]
        {
            assert!(bad.parse::<NoiseArg>().is_err(), "{bad}");
        }
    }
}
