//! The commands that ask what units do to a model's decisions: `contributions`, `ablate` and `counterfactual`, for images
//! and sentences.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::numbers::{at_least_1, image_batch, whole};

#[derive(Debug, Args)]
#[command(after_help = "\
Each unit and target get the weight between them, Pearson's r over the examples, and the IoU of the examples where the unit
fires and those where the target is in its top quantile. What lies beyond the 99% and the 1% quantile of a measure is a
contributor or an inhibitor. From layer to layer the positions of the smaller map are what examples are to classes: maps are
brought to that size by their mean, and a unit fires where any value that falls together is above its threshold.

Examples:
  Units to classes, in runs/layer4/contributions.csv:
    compexp vision contributions runs/layer4

  Units of layer3 to those of layer4, in runs/layer4/contributions-below.csv:
    compexp vision contributions runs/layer4 --below runs/layer3 --checkpoint resnet18_places365.pth.tar")]
pub(crate) struct ContributionsArgs {
    /// A run of `vision probe`
    pub(crate) run: PathBuf,
    /// A run of the layer before, on the same images: measure how its units contribute to those of RUN
    #[arg(long, value_name = "RUN", requires = "checkpoint")]
    pub(crate) below: Option<PathBuf>,
    /// The network of both runs
    #[arg(long, value_name = "FILE", requires = "below")]
    pub(crate) checkpoint: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Units are set to zero, or to their mean over the examples, in the order of IoU, of significance where the run has it, of
accuracy where they fire, and at random. The model itself is not needed: the run keeps its last layer.

RUN_DIR/ablation gets ablation.csv (every curve), bands.csv (one curve an order), effects.csv (each unit alone),
ablation.json (the summary) and figures.

Examples:
  After `compexp vision probe ... --layer layer4 --out runs/layer4`:
    compexp vision ablate runs/layer4

  After `compexp nli probe ... --out runs/bowman`, every unit one after another:
    compexp nli ablate runs/bowman --every 1")]
pub(crate) struct AblateArgs {
    /// A run of the units that the last layer reads, with predictions
    pub(crate) run: PathBuf,
    /// The number of random orders
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = whole(1, 1000))]
    pub(crate) seeds: usize,
    /// The number of units that are removed between two measurements [default: as many as give about 128 measurements]
    #[arg(long, value_name = "N", value_parser = at_least_1())]
    pub(crate) every: Option<usize>,
    /// Print the summary as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A unit that contributes to a class T by its weight is said to support T; does what makes its formula true make the network
predict T? Segments of a concept of the formula are pasted into images that the network takes for another class and on
which the formula is true nowhere, and beside each of them a control: a part of another image of the segment's class, of
the same area, on which the formula is true nowhere. The effect is the difference of the two success rates.

Of all units, --auto takes those with the greatest weight(T, unit) x gain, where gain is the mean feature of the unit on
images where its formula is true somewhere, less that on the others; the other class is the one nearest to T in logits.

The folder gets cases.csv, placements.csv, counterfactuals.json, and pictures of each case's most convincing trial.

Examples:
  compexp vision counterfactual runs/layer4 --auto 20
  compexp vision counterfactual runs/layer4 --unit 484 --to swimming_pool --class street --concept water --images 20")]
pub(crate) struct VisionCounterfactualArgs {
    /// A run of `compexp vision probe` on the layer that the network's last layer reads
    pub(crate) run: PathBuf,
    /// The folder in Broden's format [default: the run's]
    #[arg(help_heading = "Inputs", long, value_name = "DIR")]
    pub(crate) broden: Option<PathBuf>,
    /// The network [default: the run's]
    #[arg(help_heading = "Inputs", long, value_name = "FILE")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// The number of cases to choose [default: 20, unless --unit names one]
    #[arg(help_heading = "Cases", long, value_name = "N", value_parser = whole(1, 100_000), conflicts_with = "unit")]
    pub(crate) auto: Option<usize>,
    /// The unit whose formula is made true
    #[arg(help_heading = "Cases", long, value_name = "U", requires = "to")]
    pub(crate) unit: Option<usize>,
    /// The class that the unit supports, and that is to be predicted
    #[arg(help_heading = "Cases", long, value_name = "T", requires = "unit")]
    pub(crate) to: Option<String>,
    /// The class of the images that are edited [default: the nearest in logits]
    #[arg(help_heading = "Cases", long, value_name = "A", requires = "unit")]
    pub(crate) class: Option<String>,
    /// The concept whose segments are pasted [default: that of the formula's whose segments make it true most often]
    #[arg(help_heading = "Cases", long, value_name = "C", requires = "unit")]
    pub(crate) concept: Option<String>,
    /// The areas of the pasted segments, as shares of the image
    #[arg(help_heading = "Trials", long, value_name = "S,S", value_delimiter = ',', default_values_t = [0.1, 0.25])]
    pub(crate) sizes: Vec<f64>,
    /// Segments are pasted at the places of a grid with this many on each side
    #[arg(help_heading = "Trials", long, value_name = "G", default_value_t = 3, value_parser = whole(1, 100))]
    pub(crate) grid: usize,
    /// The greatest number of images that are edited in a case
    #[arg(help_heading = "Trials", long, value_name = "N", default_value_t = 10, value_parser = whole(1, 100_000))]
    pub(crate) images: usize,
    /// The greatest number of segments of a case
    #[arg(help_heading = "Trials", long, value_name = "N", default_value_t = 2, value_parser = whole(1, 10_000))]
    pub(crate) segments: usize,
    /// Images that run at once. Results do not depend on it
    #[arg(help_heading = "Trials", long, value_name = "N", default_value_t = 32, value_parser = image_batch())]
    pub(crate) batch: usize,
    /// Seed of the choice of images and segments
    #[arg(help_heading = "Trials", long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
    /// The folder for the results [default: counterfactuals in the run]
    #[arg(help_heading = "Output", long, short, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Print JSON
    #[arg(help_heading = "Output", long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A unit supports the class to which it has the greatest weight. Does a word that makes its formula true make the classifier
predict that class (fulfil), and one that makes it false another class (break)? Words are inserted before the first noun or
at the end of a sentence, put in place of a word of the same tag, replaced by one, or deleted. To fulfil a formula this is
done to pairs on which it is false and that are predicted as another class, to break it to pairs on which it is true and
that are predicted as the class.

Beside each edit stands a control that leaves the formula as it was: the same edit with a random word of the same tag and
about the same frequency; of an edit that takes a word away, one that does so with another word of the sentence, of the same
tag if it has one. The effect is the difference of the two success rates.

Of all units, --auto takes those with the greatest weight x gain, where weight is the unit's weight to the class less the
mean of its weights, and gain its mean value on pairs on which its formula is true, less that on the others. In either
direction these are the first N that one word can turn, so mostly the same units.

The folder gets cases.csv, edits.csv and counterfactuals.json.

Examples:
  compexp nli counterfactual runs/bowman --auto 20
  compexp nli counterfactual runs/bowman --unit 588 --to contradiction --direction break --most-pairs 500")]
pub(crate) struct NliCounterfactualArgs {
    /// A run of `compexp nli probe` on the classifier's features
    pub(crate) run: PathBuf,
    /// The classifier [default: the run's]
    #[arg(help_heading = "Inputs", long, value_name = "FILE")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// The sentence pairs [default: the run's]
    #[arg(help_heading = "Inputs", long, value_name = "FILE")]
    pub(crate) pairs: Option<PathBuf>,
    /// The number of cases to choose in each direction [default: 20, unless --unit names one]
    #[arg(help_heading = "Cases", long, value_name = "N", value_parser = whole(1, 100_000), conflicts_with = "unit")]
    pub(crate) auto: Option<usize>,
    /// The unit whose formula is made true or false
    #[arg(help_heading = "Cases", long, value_name = "U")]
    pub(crate) unit: Option<usize>,
    /// The class that the unit supports: to be predicted after an edit made the formula true, and no longer after one made
    /// it false
    /// [default: that of its greatest weight]
    #[arg(help_heading = "Cases", long, value_name = "T", requires = "unit")]
    pub(crate) to: Option<String>,
    /// What edits make of the formula
    #[arg(help_heading = "Cases", long, value_name = "WHAT", value_enum, default_value_t = DirectionArg::Both)]
    pub(crate) direction: DirectionArg,
    /// The greatest number of pairs that are edited in a case
    #[arg(help_heading = "Trials", long, value_name = "N", default_value_t = 100, value_parser = whole(1, 1_000_000))]
    pub(crate) most_pairs: usize,
    /// The greatest number of edits of a pair
    #[arg(help_heading = "Trials", long, value_name = "N", default_value_t = 4, value_parser = whole(1, 1000))]
    pub(crate) edits: usize,
    /// Seed of the choice of pairs, edits and words
    #[arg(help_heading = "Trials", long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
    /// The folder for the results [default: counterfactuals in the run]
    #[arg(help_heading = "Output", long, short, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Print JSON
    #[arg(help_heading = "Output", long)]
    pub(crate) json: bool,
}

/// What edits make of a formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DirectionArg {
    /// True, and the class that the unit supports is to be predicted
    Fulfil,
    /// False, and another class is to be predicted
    Break,
    /// Cases of either kind
    Both,
}
