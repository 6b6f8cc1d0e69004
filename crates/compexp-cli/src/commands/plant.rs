//! `compexp plant`: units of known formulas, planted in the annotations of a probe set.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Result;
use clap::Args;
use compexp_core::explain::Progress;
use compexp_files::{remove_partials, write_json};
use compexp_run::write_masks;
use compexp_trust::planted::{Noise, PlantConfig, Planted};

use crate::args::{AnnotationArgs, at_most};
use crate::failure::Failure;
use crate::inputs::Annotations;
use crate::pipeline;
use crate::progress::Reporter;
use crate::table::count;

#[derive(Debug, Args)]
#[command(after_help = "\
How far can a search be trusted on one's own annotations? Plant units whose formulas are known, explain them as any
others, and compare:
  compexp plant --probe probe/ --out planted
  compexp explain --probe probe/ --masks planted/masks.npy --out runs/planted
  compexp recovered runs/planted --planted planted/planted.json

Units take the lengths from 1 to --length in turn, and then the next noise. A noise is the share of the formula's
positions that a unit misses and, after a colon where it is another, the positions it adds elsewhere, as a share of the
same.")]
pub(crate) struct PlantArgs {
    #[command(flatten)]
    pub(crate) annotations: AnnotationArgs,
    /// The number of units
    #[arg(help_heading = "Units", long, value_name = "N", default_value_t = 90, value_parser = at_most(1, 1_000_000))]
    pub(crate) units: usize,
    /// The greatest number of concepts in a formula
    #[arg(help_heading = "Units", long, short = 'n', value_name = "N", default_value_t = 3, value_parser = at_most(1, 20))]
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
    /// Formulas cover at least this share of all positions, and leave out as many
    #[arg(help_heading = "Units", long, value_name = "SHARE", default_value_t = 0.001, value_parser = min_share, allow_negative_numbers = true)]
    pub(crate) min_share: f64,
    /// Decides formulas and noise
    #[arg(help_heading = "Units", long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
    /// The folder for masks.npy and planted.json, which are replaced
    #[arg(help_heading = "Output", long, short, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

/// A level of noise, as it is given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct NoiseArg(Noise);

impl FromStr for NoiseArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (missed, added) = text.split_once(':').unwrap_or((text, text));
        let share = |text: &str| text.trim().parse::<f64>().map_err(|_| format!("`{text}` is no number"));
        let (missed, added) = (share(missed)?, share(added)?);
        if !(0.0..1.0).contains(&missed) {
            return Err("expected a share of missed positions from 0 to less than 1".into());
        }
        if !(0.0..1e6).contains(&added) {
            return Err("expected a share of added positions of 0 or more".into());
        }
        Ok(Self(Noise { missed, added }))
    }
}

fn min_share(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..0.5).contains(&value) { Ok(value) } else { Err("expected a share from 0 to less than a half".into()) }
}

pub(crate) fn run(args: &PlantArgs, reporter: &Reporter) -> Result<()> {
    if args.out == Path::new("-") {
        return Err(Failure::usage("--out -: planted units are a folder of files").into());
    }
    let set = Annotations::new(&args.annotations).open()?.set;
    std::fs::create_dir_all(&args.out).map_err(compexp_files::Error::io("create", &args.out))?;
    let (partition, map) = pipeline::divide(&set, &args.out, reporter)?;
    let noise = args.noise.iter().map(|noise| noise.0).collect();
    let PlantArgs { units, length, min_share, seed, .. } = *args;
    reporter.stage("formulas", "units", units);
    let planted = Planted::new(&partition, &map, &PlantConfig { units, length, noise, min_share, seed })?;
    // A byte a position.
    let bytes = units as u64 * partition.n_positions();
    let out = args.out.display();
    reporter.say(&format!("{units} units of {} positions: {} in `{out}`", count(partition.n_positions()), size(bytes)));
    remove_partials(&args.out)?;
    reporter.stage("areas", "units", units);
    let record = planted.record(&set.vocabulary, &|n| reporter.done(n))?;
    reporter.stage("masks", "units", units);
    write_masks(&args.out.join("masks.npy"), &planted, &|n| reporter.done(n))?;
    write_json(&args.out.join("planted.json"), &record)?;
    reporter.end();
    reporter.say(&format!("{units} units in `{out}`: masks.npy and planted.json"));
    Ok(())
}

/// Bytes as people say them.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} bytes", count(bytes)),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_their_own_unit() {
        let sizes = [999_999, 1_250_000, 1_427_835_000].map(size);
        assert_eq!(sizes, ["999,999 bytes", "1.2 MB", "1.4 GB"]);
    }

    #[test]
    fn noise_is_one_share_or_two() {
        let noise = |missed, added| Ok(NoiseArg(Noise { missed, added }));
        assert_eq!(("0.1".parse(), "0:0.5".parse()), (noise(0.1, 0.1), noise(0.0, 0.5)));
        for bad in ["", "x", "1", "-0.1", "0.1:", "0.1:-1", "0.1:nan", "0:1:2", "nan"] {
            assert!(bad.parse::<NoiseArg>().is_err(), "{bad}");
        }
    }
}
