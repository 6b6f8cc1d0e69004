//! The arguments, as they are given. [`crate::settings`] and [`crate::inputs`] turn them into what the libraries take.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::analyze::AnalyzeArgs;
use crate::commands::behaviour::AblateArgs;
use crate::commands::diff::DiffArgs;
use crate::commands::plant::PlantArgs;
use crate::commands::recovered::RecoveredArgs;
use crate::commands::report::ReportArgs;
use crate::commands::verify::VerifyArgs;
use crate::commands::vision::contributions::ContributionsArgs;
use crate::commands::vision::counterfactual::VisionCounterfactualArgs;
use crate::commands::vision::paint::VisionPaintArgs;
use crate::commands::vision::train::VisionTrainArgs;
use crate::nli_args::NliCommand;
use crate::trust::TrustArgs;

/// Explain the units of neural networks by logical formulas over concepts
#[derive(Debug, Parser)]
#[command(name = "compexp", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Do not tell how work goes on
    #[arg(long, short, global = true, help_heading = "General")]
    pub(crate) quiet: bool,
    /// Threads to work with; 0 = as many as there are cores. Results do not depend on it
    #[arg(long, global = true, value_name = "T", value_parser = at_most(0, 1024), help_heading = "General")]
    pub(crate) threads: Option<usize>,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 `diff` found drift.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Find the formula that best matches each unit of a layer, from its activations
    Explain(ExplainArgs),
    /// From images and a checkpoint
    #[command(subcommand)]
    Vision(VisionCommand),
    /// From sentence pairs and a classifier of them
    #[command(subcommand)]
    Nli(NliCommand),
    /// Print what a run found
    Show(ShowArgs),
    /// Print the paper's quantities of a run, and draw its figures
    Analyze(AnalyzeArgs),
    /// Draw runs as a folder of pages for a browser
    Report(ReportArgs),
    /// Measure a formula: its area, and how well it matches units
    Eval(EvalArgs),
    /// Compare a run with another or with a baseline, and fail where explanations drifted
    Diff(DiffArgs),
    /// Check every byte of a run, and find what killed commands left
    Verify(VerifyArgs),
    /// Plant units of known formulas in annotations, to see how far a search can be trusted
    Plant(PlantArgs),
    /// Compare what a run found with what was planted
    Recovered(RecoveredArgs),
}

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one of it in a process")]
pub(crate) enum VisionCommand {
    /// Run a network on a Broden folder's images, and explain the units of a layer
    Probe(VisionProbeArgs),
    /// Measure a network's accuracy on labelled images
    Eval(VisionEvalArgs),
    /// Paint labelled scenes as a Broden folder, to try everything with
    Paint(VisionPaintArgs),
    /// Train a residual network on labelled images
    Train(VisionTrainArgs),
    /// Paste what makes units' formulas true into other images, and see what the network predicts
    Counterfactual(VisionCounterfactualArgs),
    /// Measure how the units of a run bear on classes, or on the units of a later layer
    Contributions(ContributionsArgs),
    /// Measure a network's accuracy without the units of a run
    Ablate(AblateArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  Explain a layer of any model, exported from Python with `numpy.save`:
    compexp explain --probe probe/ --activations layer4.npy --out runs/layer4

  The paper's settings on Broden's ADE20k part, units 0 to 9 only:
    compexp explain --broden broden1_224 --activations acts.safetensors#layer4 --length 3 --beam 5 \\
      --units 0-9 --out runs/first

  How much of what is found is luck, and how it does on photographs that the search never saw:
    compexp explain --broden broden1_224 --activations acts.npy --null-draws 200 --holdout 0.3 --out runs/trust

  Masks that are ready, searched as the reference implementation does:
    compexp explain --probe probe/ --masks units.npy --compat --keep-beams --out runs/compat")]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pub(crate) annotations: AnnotationArgs,
    /// A layer's activations: .npy or .safetensors (a tensor's name after `#`), [examples, units, height, width] or
    /// [examples, units]
    #[arg(
        help_heading = "Layer",
        long,
        value_name = "FILE[#TENSOR]",
        required_unless_present = "masks",
        conflicts_with = "masks"
    )]
    pub(crate) activations: Option<PathBuf>,
    /// Masks of units, used as they are: bool or u8 [units, examples, height, width] or [units, examples]
    #[arg(help_heading = "Layer", long, value_name = "FILE[#TENSOR]", conflicts_with_all = ["quantile", "positive"])]
    pub(crate) masks: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) threshold: ThresholdArgs,
    #[command(flatten)]
    pub(crate) search: SearchArgs,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    #[command(flatten)]
    pub(crate) out: OutArgs,
}

/// Where annotations come from.
#[derive(Debug, Args)]
#[command(next_help_heading = "Annotations")]
pub(crate) struct AnnotationArgs {
    /// A probe directory: probe.json and arrays of concepts
    #[arg(long, value_name = "DIR", required_unless_present = "broden", conflicts_with = "broden")]
    pub(crate) probe: Option<PathBuf>,
    /// A folder in Broden's format
    #[arg(long, value_name = "DIR")]
    pub(crate) broden: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) parts: BrodenParts,
}

/// Which parts of a Broden folder.
#[derive(Debug, Args)]
#[command(next_help_heading = "Annotations")]
pub(crate) struct BrodenParts {
    /// The index within the Broden folder, or elsewhere [default: index_ade20k.csv, else index.csv]
    #[arg(long, value_name = "FILE", conflicts_with = "probe")]
    pub(crate) index: Option<PathBuf>,
    /// The categories whose concepts are used [default: object,part,scene,texture,color, as far as they are there]
    #[arg(long, value_name = "A,B", value_delimiter = ',', conflicts_with = "probe")]
    pub(crate) categories: Option<Vec<String>>,
}

/// When a unit counts as firing.
#[derive(Debug, Args)]
#[command(next_help_heading = "Firing")]
pub(crate) struct ThresholdArgs {
    /// A unit fires where it is above all but this share of its values [default: 0.005 for maps]
    #[arg(long, value_name = "Q", value_parser = quantile, allow_negative_numbers = true)]
    pub(crate) quantile: Option<f64>,
    /// A unit fires where it is positive [the default for activations of [examples, units]]
    #[arg(long, conflicts_with = "quantile")]
    pub(crate) positive: bool,
}

/// How to search.
#[derive(Debug, Args)]
#[command(next_help_heading = "Search")]
pub(crate) struct SearchArgs {
    /// The greatest number of concepts in a formula [default: 3; 5 for features.npy]
    #[arg(long, short = 'n', value_name = "N", value_parser = at_most(1, 100))]
    pub(crate) length: Option<usize>,
    /// The number of formulas kept at each step
    #[arg(long, short, value_name = "B", default_value_t = 10, value_parser = at_most(1, 100_000))]
    pub(crate) beam: usize,
    /// Search as the reference implementation does, ties and rounding included
    #[arg(long)]
    pub(crate) compat: bool,
    /// Keep the best few at each step, or prove that no formula is better
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
    #[arg(long, value_name = "K", value_parser = at_most(1, u64::MAX))]
    pub(crate) beam_limit: Option<usize>,
    /// The score is multiplied by this for every concept after the first
    #[arg(long, value_name = "P", default_value_t = 1.0, value_parser = penalty, allow_negative_numbers = true)]
    pub(crate) penalty: f64,
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
    /// Which formulas are looked at [default: chains]
    #[arg(long, value_enum)]
    pub(crate) grammar: Option<GrammarArg>,
    /// Look for formulas of more than 3 concepts for so long a unit, and tell how far from proven the best is. What is
    /// found then depends on the machine [default: until it is proven]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) time_per_unit: Option<f64>,
    /// Stop when no formula can be better by more than this IoU [default: 0]
    #[arg(long, value_name = "G", value_parser = gap, allow_negative_numbers = true)]
    pub(crate) gap: Option<f64>,
}

/// Where results go.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutArgs {
    /// The folder for the results
    #[arg(long, short, value_name = "RUN_DIR")]
    pub(crate) out: PathBuf,
    /// Replace the run in that folder
    #[arg(long)]
    pub(crate) force: bool,
    /// Print the summary as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A run that was stopped goes on where it was: give the same command again. Activations are kept in the run directory.

Examples:
  The paper's experiment:
    compexp vision probe --broden broden1_224 --checkpoint resnet18_places365.pth.tar \\
      --classes categories_places365.txt --scenes ade20k_scenes.json --beam 5 --out runs/resnet18

  Another layer of a network with ImageNet's preprocessing:
    compexp vision probe --broden broden --checkpoint net.safetensors --preprocess imagenet \\
      --layer layer3 --out runs/layer3")]
pub(crate) struct VisionProbeArgs {
    /// A folder in Broden's format
    #[arg(help_heading = "Annotations", long, value_name = "DIR")]
    pub(crate) broden: PathBuf,
    /// The index within the Broden folder, or elsewhere [default: index_ade20k.csv, else index.csv]
    #[arg(help_heading = "Annotations", long, value_name = "FILE")]
    pub(crate) index: Option<PathBuf>,
    /// The categories whose concepts are used [default: object,part,scene,texture,color, as far as they are there]
    #[arg(help_heading = "Annotations", long, value_name = "A,B", value_delimiter = ',')]
    pub(crate) categories: Option<Vec<String>>,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// The layer to explain, by torchvision's names
    #[arg(help_heading = "Network", long, default_value = "layer4")]
    pub(crate) layer: String,
    /// The names of the network's classes, a line each; predictions are then compared with the images' scenes
    #[arg(help_heading = "Network", long, value_name = "FILE")]
    pub(crate) classes: Option<PathBuf>,
    /// The scene of each image (ade20k_scenes.json) [default: the scene column of the index]
    #[arg(help_heading = "Network", long, value_name = "FILE", requires = "classes")]
    pub(crate) scenes: Option<PathBuf>,
    /// Also measure how units bear on classes, as `vision contributions` does
    #[arg(help_heading = "Network", long)]
    pub(crate) contributions: bool,
    #[command(flatten)]
    pub(crate) threshold: ThresholdArgs,
    #[command(flatten)]
    pub(crate) search: SearchArgs,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    #[command(flatten)]
    pub(crate) out: OutArgs,
}

/// A network and how images are fed to it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Network")]
pub(crate) struct NetworkArgs {
    /// A ResNet-18: PyTorch's formats or safetensors
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: PathBuf,
    /// How pixels are scaled: as the paper's code does, or as torchvision's models expect
    #[arg(long, value_enum, default_value_t = PreprocessArg::Reference)]
    pub(crate) preprocess: PreprocessArg,
    /// Images that run at once. Results do not depend on it
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = at_most(1, 4096))]
    pub(crate) batch: usize,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  compexp vision eval val.txt --checkpoint resnet18_places365.pth.tar --preprocess imagenet --root images/")]
pub(crate) struct VisionEvalArgs {
    /// Lines of an image's path and the number of its class
    pub(crate) list: PathBuf,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// The folder that paths are relative to [default: the list's own]
    #[arg(help_heading = "Images", long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// Print JSON
    #[arg(help_heading = "Output", long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  compexp show runs/layer4 --limit 20
  compexp show runs/layer4 --unit 106
  compexp show runs/layer4 --json | jq '.units[] | select(.iou > 0.1) | .formula'")]
pub(crate) struct ShowArgs {
    /// A run directory
    pub(crate) run: PathBuf,
    /// Everything about one unit
    #[arg(long, value_name = "U", conflicts_with_all = ["sort", "limit"])]
    pub(crate) unit: Option<usize>,
    /// The order: best first, or by number
    #[arg(long, value_enum, default_value_t = SortArg::Iou)]
    pub(crate) sort: SortArg,
    /// Only the first so many
    #[arg(long, value_name = "K")]
    pub(crate) limit: Option<usize>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
NOT binds most tightly, then AND, then OR; names with blanks or parentheses stand in double quotes.

Examples:
  Which unit of a run matches a formula best:
    compexp eval 'water AND NOT blue-c' --run runs/layer4

  One unit, from its activations:
    compexp eval '\"night table\" OR bed' --broden broden1_224 --activations acts.npy --unit 106

  Only the formula's area:
    compexp eval 'river OR sea' --probe probe/")]
pub(crate) struct EvalArgs {
    /// The formula
    pub(crate) formula: String,
    /// A run directory, whose inputs and thresholds are used
    #[arg(help_heading = "Annotations", long, value_name = "RUN_DIR", conflicts_with_all = ["probe", "broden", "activations", "masks", "quantile", "positive", "index", "categories"])]
    pub(crate) run: Option<PathBuf>,
    /// A probe directory: probe.json and arrays of concepts
    #[arg(help_heading = "Annotations", long, value_name = "DIR", required_unless_present_any = ["broden", "run"], conflicts_with = "broden")]
    pub(crate) probe: Option<PathBuf>,
    /// A folder in Broden's format
    #[arg(help_heading = "Annotations", long, value_name = "DIR")]
    pub(crate) broden: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) parts: BrodenParts,
    /// A layer's activations, to compare with the formula
    #[arg(help_heading = "Layer", long, value_name = "FILE[#TENSOR]", conflicts_with = "masks")]
    pub(crate) activations: Option<PathBuf>,
    /// Masks of units, to compare with the formula
    #[arg(help_heading = "Layer", long, value_name = "FILE[#TENSOR]", conflicts_with_all = ["quantile", "positive"])]
    pub(crate) masks: Option<PathBuf>,
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MetricArg {
    Iou,
    Precision,
    Recall,
    F1,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModeArg {
    Beam,
    Exact,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GrammarArg {
    /// Chains of AND, OR and AND NOT, as the beam makes them
    Chains,
    /// Every Boolean function of up to three concepts
    Full,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PreprocessArg {
    Reference,
    Imagenet,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SortArg {
    Iou,
    Unit,
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

pub(crate) fn at_most(least: u64, most: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(least..=most)
}

fn quantile(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if value > 0.0 && value < 1.0 { Ok(value) } else { Err("expected a share between 0 and 1".into()) }
}

fn penalty(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if value > 0.0 && value <= 1.0 { Ok(value) } else { Err("expected a factor above 0 and up to 1 (1 = none)".into()) }
}

fn seconds(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if value > 0.0 && value.is_finite() { Ok(value) } else { Err("expected seconds above 0".into()) }
}

fn gap(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err("expected an IoU from 0 to 1".into()) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn units_are_numbers_and_ranges() {
        assert_eq!("0-9, 12".parse(), Ok(Units(vec![0..=9, 12..=12])));
        for bad in ["", "-", "3-", "5-3", "a", "-1", "1,,2", "99999999999999999999999"] {
            assert!(bad.parse::<Units>().is_err(), "{bad}");
        }
    }
}
