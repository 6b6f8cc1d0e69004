//! The commands that read finished runs: `show`, `analyze`, `report`, `eval` and `diff`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum};
use compexp_core::explanation::{Explanation, Headline};
use compexp_trust::compare::{Allowance, Tolerances};

use super::annotations::{ANNOTATED, AnnotationArgs, PICTURE_PARTS};
use super::layer::{LayerArgs, ThresholdArgs};
use super::numbers::from_0_to_1;
use super::search::Units;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  compexp show runs/layer4 --limit 20
  compexp show runs/layer4 --unit 106
  compexp show runs/layer4 --concepts
  compexp show runs/mlp3 --words --sort held-out
  compexp show runs/layer4 --json | jq '.units[] | select(.iou > 0.1) | .formula'")]
pub(crate) struct ShowArgs {
    /// A run directory
    pub(crate) run: PathBuf,
    /// Print everything about one unit
    #[arg(long, value_name = "U", conflicts_with_all = ["sort", "limit"])]
    pub(crate) unit: Option<usize>,
    /// Print the formulas over units that explain concepts; of runs with --concepts-by-units
    #[arg(long, conflicts_with = "unit")]
    pub(crate) concepts: bool,
    /// The order: highest value first, or by number [default: the metric that was searched]
    #[arg(long, value_enum)]
    pub(crate) sort: Option<SortArg>,
    /// The number of units to print [default: all]
    #[arg(long, value_name = "K")]
    pub(crate) limit: Option<usize>,
    /// Print formulas in words too: `after a determiner, a noun`
    #[arg(long)]
    pub(crate) words: bool,
    /// Print JSON, in which every record has its formula in words
    #[arg(long)]
    pub(crate) json: bool,
}

/// The order of units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SortArg {
    Iou,
    Mcc,
    /// How much more often the unit fires where the formula is true
    Lift,
    /// Between chance and a perfect match; of runs with null draws
    ChanceCorrected,
    /// The score on examples held out of the search; of runs with held-out examples
    HeldOut,
    Unit,
}

impl SortArg {
    /// The order of a run that nothing else was asked of.
    pub(crate) fn of(headline: Headline) -> Self {
        match headline {
            Headline::Iou => Self::Iou,
            Headline::Mcc => Self::Mcc,
        }
    }

    /// What an explanation is sorted by.
    pub(crate) fn value(self, found: &Explanation, headline: Headline) -> Option<f64> {
        match self {
            Self::Unit | Self::Iou => Some(found.iou),
            Self::Mcc => found.mcc,
            Self::Lift => found.lift,
            Self::ChanceCorrected => found.chance_corrected,
            Self::HeldOut => headline.held_out(found.holdout.as_ref()?),
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Everything comes from the run directory; neither the model nor the probe set is needed.

Examples:
  The table:
    compexp analyze runs/layer4

  One of its values:
    compexp analyze runs/layer4 --json \\
      | jq '.quantities[] | select(.id == \"mean_iou_length_3\").value'

  Every figure as SVG, with its numbers as CSV beside it:
    compexp analyze runs/layer4 --out figures/

  How far the kinds of explanations agree with yours:
    compexp analyze runs/layer4 --labels mine.csv")]
pub(crate) struct AnalyzeArgs {
    /// A run directory
    pub(crate) run: PathBuf,
    /// Compare the kinds of explanations with these labels: a table with the columns `unit` and `label`
    #[arg(long, value_name = "FILE")]
    pub(crate) labels: Option<PathBuf>,
    /// Write figures and their tables to this folder
    #[arg(long, short, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The pages are static and load nothing from a network: open index.html in a browser, or copy the folder anywhere. An existing \
report in the folder is replaced.

Examples:
  One run, into runs/layer4/report:
    compexp report runs/layer4

  Two runs side by side:
    compexp report runs/layer3 runs/layer4 --out report

  Only the 100 best units:
    compexp report runs/layer4 --top 100")]
pub(crate) struct ReportArgs {
    /// Run directories
    #[arg(required = true, value_name = "RUN_DIR")]
    pub(crate) runs: Vec<PathBuf>,
    /// The folder for the pages [default: `report` in the run directory, if there is one run]
    #[arg(long, short, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Cards and pages only for these units: numbers and ranges, `0-9,106` [default: all]
    #[arg(long, value_name = "LIST")]
    pub(crate) units: Option<Units>,
    /// Cards and pages only for the K best of them, by the score that was searched [default: all]
    #[arg(long, value_name = "K")]
    pub(crate) top: Option<usize>,
    /// The folder that the paths of images are relative to, and must lie within [default: that of each run: its probe
    /// directory, or the folder `images` of its Broden folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) image_root: Option<PathBuf>,
    /// Print what was written as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("annotated").args(ANNOTATED).arg("run").required(true)),
    after_help = "\
NOT binds most tightly, then AND, then OR; names with blanks or parentheses need double quotes.

Examples:
  Which unit of a run matches a formula best:
    compexp eval 'water AND NOT blue-c' --run runs/layer4

  One unit, from its activations:
    compexp eval '\"night table\" OR bed' --broden broden1_224 --activations acts.npy --unit 106

  Only the formula's area:
    compexp eval 'river OR sea' --probe probe/"
)]
pub(crate) struct EvalArgs {
    /// The formula
    pub(crate) formula: String,
    /// A run directory, whose inputs and thresholds are used
    #[arg(
        help_heading = "Annotations",
        long,
        value_name = "RUN_DIR",
        conflicts_with_all = ["activations", "masks", "layout", "units_expected", "quantile", "positive", "include", "exclude", "min_area"],
        conflicts_with_all = PICTURE_PARTS
    )]
    pub(crate) run: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) annotations: AnnotationArgs,
    #[command(flatten)]
    pub(crate) layer: LayerArgs,
    #[command(flatten)]
    pub(crate) threshold: ThresholdArgs,
    /// Compare with this unit only
    #[arg(help_heading = "Layer", long, value_name = "U")]
    pub(crate) unit: Option<usize>,
    /// The number of units to print, best first
    #[arg(help_heading = "Output", long, value_name = "K", default_value_t = 10)]
    pub(crate) limit: usize,
    /// Print JSON
    #[arg(help_heading = "Output", long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
BASE is a run directory, the explanations.json of a run, or a baseline that --update wrote. Formulas are compared up to \
logical equivalence, by the names of concepts. Drift means: a formula changed together with its IoU (intersection over \
union); an IoU or an accuracy changed beyond its tolerance; a unit was gained or lost, or is newly or no longer explained; \
the probe set is another one; or more than --allow formulas changed at the same IoU. The exit code is then 3.

Examples:
  Show what a new training changed:
    compexp diff runs/before runs/after --iou-tolerance 0.01

  In CI, if one unit in a hundred may be a tie:
    compexp diff baseline.json runs/layer4 --allow 1% --junit drift.xml

  Which neurons of a fine-tuned language model stand for something else:
    compexp diff runs/base runs/tuned --drift

  Accept the run as the new baseline:
    compexp diff baseline.json runs/layer4 --update")]
pub(crate) struct DiffArgs {
    /// What to compare with: a run directory, or a baseline
    pub(crate) base: PathBuf,
    /// What is compared: a run directory, or a baseline
    pub(crate) run: PathBuf,
    /// The greatest difference of a unit's IoU that is no drift
    #[arg(help_heading = "Drift", long, value_name = "D", default_value_t = Tolerances::default().iou, value_parser = from_0_to_1::<f64>, allow_negative_numbers = true)]
    pub(crate) iou_tolerance: f64,
    /// The greatest difference of the model's accuracy that is no drift, as a share
    #[arg(help_heading = "Drift", long, value_name = "D", default_value_t = Tolerances::default().accuracy, value_parser = from_0_to_1::<f64>, allow_negative_numbers = true)]
    pub(crate) accuracy_tolerance: f64,
    /// So many units (`3`), or this share of them (`1%`), may have another formula of the same IoU within its tolerance
    #[arg(help_heading = "Drift", long, value_name = "N|P%", default_value = "0", value_parser = allowance)]
    pub(crate) allow: Allowance,
    /// Measure which units stand for something else, on held-out examples; the exit code does not depend on it. BASE and
    /// RUN must be run directories on the same words or texts, whose inputs are still there
    #[arg(id = "meaning", help_heading = "Drift", long = "drift", conflicts_with = "update")]
    pub(crate) meaning: bool,
    /// The number of changed units to print, drift first
    #[arg(help_heading = "Output", long, value_name = "K", default_value_t = 20)]
    pub(crate) limit: usize,
    /// Write JSON to this file; `-` prints it instead of the table
    #[arg(help_heading = "Output", long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write JUnit XML to this file, a test case a unit
    #[arg(help_heading = "Output", long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Write the run to the file BASE, which need not be there yet: the baseline from now on
    #[arg(help_heading = "Output", long, conflicts_with_all = ["json", "junit"])]
    pub(crate) update: bool,
}

/// A number of units, or a share of them in percent.
fn allowance(text: &str) -> Result<Allowance, String> {
    let expected = "expected a number of units (`3`) or a share of them in percent (`1%`)";
    match text.strip_suffix('%') {
        Some(percent) => {
            let value: f64 = percent.trim().parse().map_err(|_| expected.to_owned())?;
            if (0.0..=100.0).contains(&value) { Ok(Allowance::Share(value / 100.0)) } else { Err(expected.into()) }
        }
        None => text.parse().map(Allowance::Units).map_err(|_| expected.to_owned()),
    }
}
