//! The commands that measure how units affect a model's decisions: `contributions`, `ablate` and `counterfactual`, for
//! images and sentences.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::device::DeviceArg;
use super::numbers::{at_least_1, image_batch, whole};

#[derive(Debug, Args)]
#[command(after_help = "\
There are three measures for each unit and target: the weight between them, Pearson's r over the examples, and the IoU \
(intersection over union) of the examples where the unit fires and those where the target is in its top quantile. A unit is \
a contributor if a measure is above its 99% quantile, and an inhibitor if it is below the 1% quantile. From layer to layer, \
the positions of the smaller map take the place of examples. Maps are averaged down to that size, and a unit fires at a \
position if any of its values there is above the threshold.

Examples:
  Units to classes, in runs/layer4/contributions.csv:
    compexp vision contributions runs/layer4

  Units of layer3 to those of layer4, in runs/layer4/contributions-below.csv:
    compexp vision contributions runs/layer4 --below runs/layer3 \\
      --checkpoint resnet18_places365.pth.tar")]
pub(crate) struct ContributionsArgs {
    /// A run of `vision probe`
    pub(crate) run: PathBuf,
    /// A run of the layer before, on the same images: measure how its units contribute to those of RUN
    #[arg(long, value_name = "RUN", requires = "checkpoint")]
    pub(crate) below: Option<PathBuf>,
    /// The network of both runs
    #[arg(long, value_name = "FILE", requires = "below")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// Print the results as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Units are set to zero, or to their mean over the examples. They are removed in the order of IoU (intersection over union), of \
significance if the run has it, of accuracy on the examples where they fire, and at random. The model itself is not needed, \
because the run stores its last layer.

RUN_DIR/ablation gets ablation.csv (every curve), bands.csv (one curve an order), effects.csv (each unit alone), \
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
A unit supports a class T if it contributes to T by its weight. The command asks: if an image is edited so that the unit's \
formula becomes true, does the network predict T? It pastes segments of a concept of the formula into images for which the \
network predicts another class and on which the formula is true nowhere. For each segment there is a control: a part of \
another image of the segment's class, with the same area, on which the formula is true nowhere. The effect is the difference \
of the two success rates.

--auto takes the units with the greatest weight(T, unit) x gain. The gain is the unit's mean feature on images where its \
formula is true somewhere, minus its mean on the others. The other class is the one nearest to T in logits.

The command writes cases.csv, placements.csv, counterfactuals.json, and pictures of each case's most convincing trial; with \
--also, transfer.csv too. An image that another network takes for the wanted class before the edit is left out of its rates.

Examples:
  compexp vision counterfactual runs/layer4 --auto 20
  compexp vision counterfactual runs/layer4 --also alexnet_places365.pth.tar \\
      resnet50_places365.pth.tar
  compexp vision counterfactual runs/layer4 --unit 484 --to swimming_pool --class street \\
    --concept water --images 50")]
pub(crate) struct VisionCounterfactualArgs {
    /// A run of `compexp vision probe` on the layer that the network's last layer reads
    pub(crate) run: PathBuf,
    /// The folder in Broden's format [default: the run's]
    #[arg(help_heading = "Inputs", long, value_name = "DIR")]
    pub(crate) broden: Option<PathBuf>,
    /// The network [default: the run's]
    #[arg(help_heading = "Inputs", long, value_name = "FILE")]
    pub(crate) checkpoint: Option<PathBuf>,
    #[command(flatten, next_help_heading = "Inputs")]
    pub(crate) device: DeviceArg,
    /// Another network of the same classes, which predicts the same edited images: does the effect transfer to it? Pixels are
    /// scaled as for the network that was probed. May be given several times
    #[arg(help_heading = "Inputs", long, value_name = "CHECKPOINT", num_args = 1..)]
    pub(crate) also: Vec<PathBuf>,
    /// The number of cases to choose [default: 20, unless --unit names one]
    #[arg(help_heading = "Cases", long, value_name = "N", value_parser = whole(1, 100_000), conflicts_with = "unit")]
    pub(crate) auto: Option<usize>,
    /// The unit whose formula is made true
    #[arg(help_heading = "Cases", long, value_name = "U", requires = "to")]
    pub(crate) unit: Option<usize>,
    /// The class that the unit supports, and that edits are meant to reach
    #[arg(help_heading = "Cases", long, value_name = "T", requires = "unit")]
    pub(crate) to: Option<String>,
    /// The class of the images that are edited [default: the nearest in logits]
    #[arg(help_heading = "Cases", long, value_name = "A", requires = "unit")]
    pub(crate) class: Option<String>,
    /// The concept whose segments are pasted [default: the concept of the formula whose segments make it true most often]
    #[arg(help_heading = "Cases", long, value_name = "C", requires = "unit")]
    pub(crate) concept: Option<String>,
    /// The areas of the pasted segments, as shares of the image
    #[arg(help_heading = "Trials", long, value_name = "S,S", value_delimiter = ',', default_values_t = [0.1, 0.25])]
    pub(crate) sizes: Vec<f64>,
    /// Segments are pasted at the places of a grid with this many on each side
    #[arg(help_heading = "Trials", long, value_name = "G", default_value_t = 3, value_parser = whole(1, 100))]
    pub(crate) grid: usize,
    /// The greatest number of images that are edited in a case. A difference has an interval from 20 on
    #[arg(help_heading = "Trials", long, value_name = "N", default_value_t = 20, value_parser = whole(1, 100_000))]
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
A unit supports the class to which it has the greatest weight. The command edits one word of a sentence. In the direction \
`fulfil`, the edit makes the unit's formula true, and the question is whether the classifier then predicts the class; it \
edits pairs with a false formula and another predicted class. In the direction `break`, the edit makes the formula false, \
and the question is whether the classifier then predicts another class; it edits pairs with a true formula for which the \
class is predicted. A word is inserted before the first noun or at the end of a sentence, replaces a word with the same tag, \
is replaced by one, or is deleted.

For each edit there is a control that leaves the formula as it was. If the edit inserts a word, the control inserts a random \
word with the same tag and about the same frequency. If the edit removes a word, the control removes another word of the \
sentence, with the same tag if there is one. The effect is the difference of the two success rates.

--auto takes the units with the greatest weight x gain. The weight is the unit's weight to the class minus the mean of its \
weights. The gain is its mean value on pairs where its formula is true, minus its mean on the others. In each direction \
these are the first N units whose formula one word can change, so most of them are the same.

The folder gets cases.csv, edits.csv and counterfactuals.json.

Examples:
  compexp nli counterfactual runs/bowman --auto 20
  compexp nli counterfactual runs/bowman --unit 588 --to contradiction --direction break \\
    --most-pairs 500")]
pub(crate) struct NliCounterfactualArgs {
    /// A run of `compexp nli probe` on the classifier's features
    pub(crate) run: PathBuf,
    /// The classifier [default: the run's]
    #[arg(help_heading = "Inputs", long, value_name = "FILE")]
    pub(crate) checkpoint: Option<PathBuf>,
    #[command(flatten, next_help_heading = "Inputs")]
    pub(crate) device: DeviceArg,
    /// The sentence pairs [default: the run's]
    #[arg(help_heading = "Inputs", long, value_name = "FILE")]
    pub(crate) pairs: Option<PathBuf>,
    /// The number of cases to choose in each direction [default: 20, unless --unit names one]
    #[arg(help_heading = "Cases", long, value_name = "N", value_parser = whole(1, 100_000), conflicts_with = "unit")]
    pub(crate) auto: Option<usize>,
    /// The unit whose formula is made true or false
    #[arg(help_heading = "Cases", long, value_name = "U")]
    pub(crate) unit: Option<usize>,
    /// The class that the unit supports; edits are meant to reach it (fulfil) or to leave it (break)
    /// [default: the class of its greatest weight]
    #[arg(help_heading = "Cases", long, value_name = "T", requires = "unit")]
    pub(crate) to: Option<String>,
    /// Whether edits make the formula true or false
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

/// Whether edits make a formula true or false.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DirectionArg {
    /// Make it true; success if the class that the unit supports is predicted
    Fulfil,
    /// Make it false; success if another class is predicted
    Break,
    /// Cases of both kinds
    Both,
}
