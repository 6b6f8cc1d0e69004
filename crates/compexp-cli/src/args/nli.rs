//! `compexp nli`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use compexp_nli::grammar::{ComposeConfig, MAX_PAIRS};

use super::device::DeviceArg;
use super::effects::{AblateArgs, NliCounterfactualArgs};
use super::layer::ThresholdArgs;
use super::numbers::whole;
use super::output::OutArgs;
use super::search::SearchArgs;
use super::sentences::{FeatureArgs, SentenceParts, WordArgs};
use super::training::NliTrainArgs;
use super::trust::TrustArgs;

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one of it in a process")]
pub(crate) enum NliCommand {
    /// Run a classifier on sentence pairs, and explain its units by words, tags and overlap
    Probe(NliProbeArgs),
    /// Tag sentences with the weights of a spaCy model
    Tag(NliTagArgs),
    /// Train a classifier of sentence pairs
    Train(NliTrainArgs),
    /// Compose sentence pairs by a grammar, with tags and word vectors
    Compose(NliComposeArgs),
    /// Classify a pair, and name the units that contribute most
    Predict(NliPredictArgs),
    /// Edit sentences so that units' formulas become true or false, and see what the classifier predicts
    Counterfactual(NliCounterfactualArgs),
    /// Measure a classifier's accuracy without the units of a run
    Ablate(AblateArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "\
The run directory also gets activations.npy, the probe directory `probe` (for `compexp explain`), head.npy (the weights of \
the classifier's last layer, if it reads the units) and contributions.csv (how units contribute to the classes). A stopped \
run continues with the activations that it has.

Examples:
  The paper's experiment, with the tagger's own weights and neighbours by GloVe:
    compexp nli probe --pairs snli_1.0_dev.tok --gold gold.txt --checkpoint 6.pth \\
      --tagger en_core_web_sm-3.8.0 --vectors glove.6B.50d.txt --out runs/bowman

  With existing tags, and the search of the reference implementation:
    compexp nli probe --pairs snli_1.0_dev.tok --checkpoint 6.pth --tags snli_1.0_dev.feats \\
      --compat --out runs/compat")]
pub(crate) struct NliProbeArgs {
    /// Sentence pairs: .tok (premise and hypothesis in turn), .jsonl, Parquet, or a table separated by tabs that names its columns
    #[arg(help_heading = "Sentence pairs", long, value_name = "FILE")]
    pub(crate) pairs: PathBuf,
    #[command(flatten)]
    pub(crate) parts: SentenceParts,
    #[command(flatten)]
    pub(crate) features: FeatureArgs,
    /// The classifier: the reference's .pth, or safetensors of `nli train`
    #[arg(help_heading = "Classifier", long, value_name = "FILE")]
    pub(crate) checkpoint: PathBuf,
    /// The layer to explain: the values that the last layer reads, or the two sentences' vectors
    #[arg(help_heading = "Classifier", long, value_enum, default_value_t = LayerArg::Features)]
    pub(crate) layer: LayerArg,
    /// Replace the weights by random ones, which follow from this seed: the classifier before any training, to compare with
    #[arg(help_heading = "Classifier", long, value_name = "SEED")]
    pub(crate) random_weights: Option<u64>,
    #[command(flatten, next_help_heading = "Classifier")]
    pub(crate) device: DeviceArg,
    #[command(flatten)]
    pub(crate) threshold: ThresholdArgs,
    #[command(flatten)]
    pub(crate) search: SearchArgs,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    #[command(flatten)]
    pub(crate) out: OutArgs,
}

/// A layer of a classifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LayerArg {
    Features,
    Encodings,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  compexp nli tag snli_1.0_dev.tok --tagger en_core_web_sm-3.8.0 -o snli_1.0_dev.feats
  echo 'Two dogs are running.' | compexp nli tag - --tagger en_core_web_sm-3.8.0 --format conllu")]
pub(crate) struct NliTagArgs {
    /// Sentences, one per line, or a file of sentence pairs (.jsonl, Parquet, or a table that names its columns); - reads lines
    pub(crate) file: PathBuf,
    /// A spaCy model folder, such as en_core_web_sm 3.8
    #[arg(long, value_name = "DIR")]
    pub(crate) tagger: PathBuf,
    /// The built-in names and norms of another version of spaCy, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) symbols: Option<PathBuf>,
    /// The format of the result
    #[arg(long, value_enum, default_value_t = TagFormat::Feats)]
    pub(crate) format: TagFormat,
    /// Blanks separate the words, as in .tok files
    #[arg(long)]
    pub(crate) tokenized: bool,
    /// The file for the result; - prints it
    #[arg(long, short, alias = "output", value_name = "FILE", default_value = "-")]
    pub(crate) out: PathBuf,
}

/// A format of tagged sentences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TagFormat {
    Feats,
    Conllu,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The pairs have the habits of annotators that are known from SNLI: negation for contradiction, purposes for neutral, general \
words for entailment. A classifier learns these habits, and its units show them. The folder gets train.tsv, dev.tok, \
dev_gold.txt, dev.feats and vectors.txt.

Example:
  compexp nli compose --out toy
  compexp nli train --train toy/train.tsv --dev toy/dev.tok --dev-gold toy/dev_gold.txt \\
    --tokenized --bidirectional --embedding-size 24 --hidden 32 --units 64 --epochs 5 \\
    --out toy/model
  compexp nli probe --pairs toy/dev.tok --gold toy/dev_gold.txt --tags toy/dev.feats \\
    --vectors toy/vectors.txt --checkpoint toy/model/model.safetensors --out runs/toy")]
pub(crate) struct NliComposeArgs {
    /// Training pairs, three per premise
    #[arg(long, value_name = "N", default_value_t = ComposeConfig::default().pairs, value_parser = whole(1, MAX_PAIRS as u64))]
    pub(crate) pairs: usize,
    /// Held-out pairs, with other premises
    #[arg(long, value_name = "N", default_value_t = ComposeConfig::default().held_out, value_parser = whole(1, MAX_PAIRS as u64))]
    pub(crate) held_out: usize,
    /// Seed of every sentence, label and vector
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
    /// The folder for the files; existing files with the same names are replaced
    #[arg(long, short, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Print the results as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  compexp nli predict --checkpoint model.safetensors --tokenized \\
    'Two dogs are running .' 'An animal is outside .'
  compexp nli predict --checkpoint 6.pth --run runs/bowman - < pairs.tsv")]
pub(crate) struct NliPredictArgs {
    /// The classifier: the reference's .pth, or safetensors of `nli train`
    #[arg(help_heading = "Classifier", long, value_name = "FILE")]
    pub(crate) checkpoint: PathBuf,
    /// A run of `nli probe` on this classifier, for the formulas of the units
    #[arg(help_heading = "Classifier", long, value_name = "RUN_DIR")]
    pub(crate) run: Option<PathBuf>,
    #[command(flatten, next_help_heading = "Classifier")]
    pub(crate) device: DeviceArg,
    #[command(flatten)]
    pub(crate) words: WordArgs,
    /// The first sentence, or - for lines of premise, tab, hypothesis on standard input
    pub(crate) premise: String,
    /// The second sentence
    pub(crate) hypothesis: Option<String>,
    /// The number of units to name
    #[arg(help_heading = "Output", long, value_name = "K", default_value_t = 5)]
    pub(crate) limit: usize,
    /// Print a JSON object per pair
    #[arg(help_heading = "Output", long)]
    pub(crate) json: bool,
}
