//! `compexp plant` and `compexp recovered`: units whose formulas are known.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{ArgGroup, Args};
use compexp_trust::planted::Noise;

use super::annotations::AnnotationArgs;
use super::numbers::{share_below_1, share_below_half, whole};

#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("annotated").args(["probe", "broden"]).required(true)),
    after_help = "\
How far can a search be trusted on one's own annotations? Plant units whose formulas are known, explain them as any
others, and compare:
  compexp plant --probe probe/ --out planted
  compexp explain --probe probe/ --masks planted/masks.npy --out runs/planted
  compexp recovered runs/planted --planted planted/planted.json

Units take the lengths from 1 to --length in turn, and then the next noise. A noise is the share of the formula's
positions that a unit misses and, after a colon where it is another, the positions it adds elsewhere, as a share of the
same."
)]
pub(crate) struct PlantArgs {
    #[command(flatten)]
    pub(crate) annotations: AnnotationArgs,
    /// The number of units
    #[arg(help_heading = "Units", long, value_name = "N", default_value_t = 90, value_parser = whole(1, 1_000_000))]
    pub(crate) units: usize,
    /// The greatest number of concepts in a formula
    #[arg(help_heading = "Units", long, short = 'n', value_name = "N", default_value_t = 3, value_parser = whole(1, 20))]
    pub(crate) length: usize,
    /// How far units differ from their formulas
    #[arg(
        help_heading = "Units",
        long,
        value_name = "MISSED[:ADDED],...",
        value_delimiter = ',',
        default_values = ["0", "0.1", "0.3"]
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
}

/// A level of noise, as it is given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct NoiseArg(pub(crate) Noise);

impl FromStr for NoiseArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (missed, added) = text.split_once(':').unwrap_or((text, text));
        let missed = share_below_1(missed).map_err(|e| format!("missed positions, `{missed}`: {e}"))?;
        let number = added.trim().parse().ok().filter(|added| (0.0..1e6).contains(added));
        let added = number
            .ok_or_else(|| format!("added positions, `{added}`: expected a share from 0 to less than 1000000"))?;
        Ok(Self(Noise { missed, added }))
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
`at length` counts the units that were found again: the best formula that is no longer than the planted one is logically
equivalent to it, or has the same mask. `equivalent` and `same mask` count the two for the best formula of any length, which
may be longer because it fits noise too: without noise they add up to the same, with noise they are often fewer. `below` counts the units
for which a smaller IoU was found than the planted formula has: there the search missed a better formula. Without being below,
another formula than the planted one fits a noisy unit as well or better.

Examples:
  compexp recovered runs/planted --planted planted/planted.json
  compexp recovered runs/planted --planted planted/planted.json --csv recovered.csv")]
pub(crate) struct RecoveredArgs {
    /// A run of `compexp explain` on the planted masks
    pub(crate) run: PathBuf,
    /// The planted.json of `compexp plant`
    #[arg(long, value_name = "FILE")]
    pub(crate) planted: PathBuf,
    /// Write a row a unit to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
    /// Print JSON, every unit included
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_one_share_or_two() {
        let noise = |missed, added| Ok(NoiseArg(Noise { missed, added }));
        assert_eq!(("0.1".parse(), "0:0.5".parse()), (noise(0.1, 0.1), noise(0.0, 0.5)));
        for bad in ["", "x", "1", "-0.1", "0.1:", "0.1:-1", "0.1:nan", "0:1:2", "nan"] {
            assert!(bad.parse::<NoiseArg>().is_err(), "{bad}");
        }
    }
}
