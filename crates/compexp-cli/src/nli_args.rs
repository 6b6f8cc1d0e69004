//! The arguments of `compexp nli`, as they are given.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::args::{OutArgs, SearchArgs, ThresholdArgs, at_most};
use crate::commands::behaviour::AblateArgs;
use crate::commands::nli::compose::NliComposeArgs;
use crate::commands::nli::counterfactual::NliCounterfactualArgs;
use crate::trust::TrustArgs;

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
    /// Classify a pair, and name the units that decide
    Predict(NliPredictArgs),
    /// Put words that make units' formulas true into sentences, and see what the classifier predicts
    Counterfactual(NliCounterfactualArgs),
    /// Measure a classifier's accuracy without the units of a run
    Ablate(AblateArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "\
The run directory also gets activations.npy, the probe directory `probe` (for `compexp explain`), weights.csv: each unit's
weights to the classes, and how often the classifier is right where the unit fires; and contributions.csv: how units bear
on the classes.

Examples:
  The paper's experiment, with the tagger's own weights and neighbours by GloVe:
    compexp nli probe --pairs snli_1.0_dev.tok --gold gold.txt --checkpoint 6.pth --tagger en_core_web_sm-3.8.0 \\
      --vectors glove.6B.50d.txt --out runs/bowman

  With tags that are there already, as the reference implementation searches:
    compexp nli probe --pairs snli_1.0_dev.tok --checkpoint 6.pth --tags snli_1.0_dev.feats --compat --out runs/compat")]
pub(crate) struct NliProbeArgs {
    #[command(flatten)]
    pub(crate) pairs: PairArgs,
    #[command(flatten)]
    pub(crate) tags: TagArgs,
    #[command(flatten)]
    pub(crate) features: FeatureArgs,
    /// The classifier: the reference's .pth, or safetensors of `nli train`
    #[arg(help_heading = "Classifier", long, value_name = "FILE")]
    pub(crate) checkpoint: PathBuf,
    /// What is explained: the values that the decision is made from, or the two sentences' vectors
    #[arg(help_heading = "Classifier", long, value_enum, default_value_t = LayerArg::Features)]
    pub(crate) layer: LayerArg,
    #[command(flatten)]
    pub(crate) threshold: ThresholdArgs,
    #[command(flatten)]
    pub(crate) search: SearchArgs,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    #[command(flatten)]
    pub(crate) out: OutArgs,
}

/// Sentence pairs and their labels.
#[derive(Debug, Args)]
#[command(next_help_heading = "Sentence pairs")]
pub(crate) struct PairArgs {
    /// Sentence pairs: .tok (premise and hypothesis in turn), .jsonl, or a table separated by tabs that names its columns
    #[arg(long, value_name = "FILE")]
    pub(crate) pairs: PathBuf,
    /// Their labels, one a line [default: those in the file of pairs]
    #[arg(long, value_name = "FILE")]
    pub(crate) gold: Option<PathBuf>,
    /// Blanks separate the words, as in .tok files; other text is split by the rules in the tagger's folder
    #[arg(long)]
    pub(crate) tokenized: bool,
    /// Only the first so many pairs
    #[arg(long, value_name = "N", value_parser = at_most(1, u64::MAX))]
    pub(crate) first: Option<usize>,
}

/// Where tags come from.
#[derive(Debug, Args)]
#[command(next_help_heading = "Tags")]
pub(crate) struct TagArgs {
    /// Annotated sentences, premise and hypothesis in turn: .feats, or .conllu
    #[arg(long, value_name = "FILE", conflicts_with_all = ["tagger", "symbols"])]
    pub(crate) tags: Option<PathBuf>,
    /// A spaCy model folder, such as en_core_web_sm 3.8
    #[arg(long, value_name = "DIR")]
    pub(crate) tagger: Option<PathBuf>,
    /// The built-in names and norms of another version of spaCy, as JSON
    #[arg(long, value_name = "FILE", requires = "tagger")]
    pub(crate) symbols: Option<PathBuf>,
}

/// Which features pairs are annotated with.
#[derive(Debug, Args)]
#[command(next_help_heading = "Features")]
pub(crate) struct FeatureArgs {
    /// The kinds of features
    #[arg(long, value_enum, value_name = "A,B", value_delimiter = ',', default_values = ["words", "tags", "overlap"])]
    pub(crate) features: Vec<FeatureArg>,
    /// The most frequent words that are features
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = at_most(1, 1_000_000))]
    pub(crate) vocab_size: usize,
    /// Word vectors (GloVe's text), for NEIGHBORS
    #[arg(long, value_name = "FILE")]
    pub(crate) vectors: Option<PathBuf>,
    /// The nearest words that NEIGHBORS adds
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = at_most(1, 1000))]
    pub(crate) neighbors: usize,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  compexp nli tag snli_1.0_dev.tok --tagger en_core_web_sm-3.8.0 -o snli_1.0_dev.feats
  echo 'Two dogs are running.' | compexp nli tag - --tagger en_core_web_sm-3.8.0 --format conllu")]
pub(crate) struct NliTagArgs {
    /// Sentences, one a line, or a file of sentence pairs (.jsonl, or a table that names its columns); - reads lines
    pub(crate) file: PathBuf,
    /// A spaCy model folder, such as en_core_web_sm 3.8
    #[arg(long, value_name = "DIR")]
    pub(crate) tagger: PathBuf,
    /// The built-in names and norms of another version of spaCy, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) symbols: Option<PathBuf>,
    /// The output's format
    #[arg(long, value_enum, default_value_t = TagFormat::Feats)]
    pub(crate) format: TagFormat,
    /// Blanks separate the words, as in .tok files
    #[arg(long)]
    pub(crate) tokenized: bool,
    /// The file for the result
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    pub(crate) output: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A training that was stopped goes on where it was: give the same command again. The folder gets model.safetensors (the
best epoch's) with its words in tokenizer.json, training.json (settings and results), curves.csv and curves.svg. With
--embeddings, words that are in the held-out pairs alone are known where they have a vector.

Examples:
  Ten passes with settings that suit some ten thousand pairs:
    compexp nli train --train train.tsv --dev dev.tsv --tokenizer en_core_web_sm-3.8.0 --bidirectional \\
      --embeddings glove.6B.50d.txt --out models/first

  The published classifier and procedure, which want half a million pairs:
    compexp nli train --train train.tsv --dev dev.tsv --tokenizer en_core_web_sm-3.8.0 --hidden 512 --units 1024 \\
      --epochs 50 --patience 50 --lr 1e-3 --decay 1:1 --dropout 0.1 --embedding-dropout 0 --averaging 0 --out models/published")]
pub(crate) struct NliTrainArgs {
    /// Labelled pairs to learn from
    #[arg(help_heading = "Sentence pairs", long, value_name = "FILE")]
    pub(crate) train: PathBuf,
    /// Labelled pairs that decide which epoch is the best
    #[arg(help_heading = "Sentence pairs", long, value_name = "FILE")]
    pub(crate) dev: PathBuf,
    /// The labels of --dev, one a line [default: those in the file]
    #[arg(help_heading = "Sentence pairs", long, value_name = "FILE")]
    pub(crate) dev_gold: Option<PathBuf>,
    /// Labelled pairs that the best epoch's classifier is tried on at the end
    #[arg(help_heading = "Sentence pairs", long, value_name = "FILE")]
    pub(crate) test: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) words: WordArgs,
    /// Vectors of words (GloVe's text); words without one get random numbers
    #[arg(help_heading = "Classifier", long, value_name = "FILE")]
    pub(crate) embeddings: Option<PathBuf>,
    /// The vectors of --embeddings learn too, instead of staying as they are
    #[arg(help_heading = "Classifier", long, requires = "embeddings")]
    pub(crate) tune_embeddings: bool,
    /// The numbers of a word's vector [default: 300, or as --embeddings has it]
    #[arg(help_heading = "Classifier", long, value_name = "N", value_parser = at_most(1, 1 << 16))]
    pub(crate) embedding_size: Option<usize>,
    /// The size of the LSTM's state
    #[arg(help_heading = "Classifier", long, value_name = "N", default_value_t = 128, value_parser = at_most(1, 1 << 16))]
    pub(crate) hidden: usize,
    /// The units of the layer before the decision
    #[arg(help_heading = "Classifier", long, value_name = "N", default_value_t = 256, value_parser = at_most(1, 1 << 16))]
    pub(crate) units: usize,
    /// A second LSTM reads the sentences backwards
    #[arg(help_heading = "Classifier", long)]
    pub(crate) bidirectional: bool,
    /// Decide from the product of the sentences' vectors alone
    #[arg(help_heading = "Classifier", long)]
    pub(crate) minimal: bool,
    /// Passes over the pairs
    #[arg(help_heading = "Training", long, value_name = "N", default_value_t = 10, value_parser = at_most(1, 1_000_000))]
    pub(crate) epochs: usize,
    /// Pairs of a step
    #[arg(help_heading = "Training", long, value_name = "N", default_value_t = 100, value_parser = at_most(2, 1 << 16))]
    pub(crate) batch: usize,
    /// Adam's rate
    #[arg(help_heading = "Training", long, value_name = "RATE", default_value_t = 2e-3, value_parser = positive, allow_negative_numbers = true)]
    pub(crate) lr: f32,
    /// From epoch `FROM` on, the rate is multiplied by `FACTOR` in every epoch; 1:1 keeps it
    #[arg(help_heading = "Training", long, value_name = "FROM:FACTOR", default_value = "4:0.75", value_parser = decay)]
    pub(crate) decay: (usize, f32),
    /// The greatest norm of a step's gradients
    #[arg(help_heading = "Training", long, value_name = "NORM", value_parser = positive, allow_negative_numbers = true)]
    pub(crate) clip: Option<f32>,
    /// Share of values dropped before and after the hidden layer
    #[arg(help_heading = "Training", long, value_name = "SHARE", default_value_t = 0.2, value_parser = share, allow_negative_numbers = true)]
    pub(crate) dropout: f32,
    /// Share of words read as unknown
    #[arg(help_heading = "Training", long, value_name = "SHARE", default_value_t = 0.0, value_parser = share, allow_negative_numbers = true)]
    pub(crate) word_dropout: f32,
    /// The same of words that the pairs hold once
    #[arg(help_heading = "Training", long, value_name = "SHARE", default_value_t = 0.0, value_parser = share, allow_negative_numbers = true)]
    pub(crate) rare_word_dropout: f32,
    /// Share of the numbers of word vectors that are dropped
    #[arg(help_heading = "Training", long, value_name = "SHARE", default_value_t = 0.1, value_parser = share, allow_negative_numbers = true)]
    pub(crate) embedding_dropout: f32,
    /// Share of itself that the running average of the weights keeps in a step; where 0, the last weights count
    #[arg(help_heading = "Training", long, value_name = "SHARE", default_value_t = 0.998, value_parser = share, allow_negative_numbers = true)]
    pub(crate) averaging: f32,
    /// Stop after so many epochs without a better one
    #[arg(help_heading = "Training", long, value_name = "N", default_value_t = 5, value_parser = at_most(1, u64::MAX))]
    pub(crate) patience: usize,
    /// Steps between two saved states
    #[arg(help_heading = "Training", long, value_name = "N", default_value_t = 200, value_parser = at_most(1, u64::MAX))]
    pub(crate) save_every: usize,
    /// Decides the initial weights, the order of the pairs, and what is dropped
    #[arg(help_heading = "Training", long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
    /// The folder for the results
    #[arg(help_heading = "Output", long, short, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

/// How text is split into words.
#[derive(Debug, Args)]
#[command(next_help_heading = "Sentence pairs")]
pub(crate) struct WordArgs {
    /// A spaCy model folder, whose rules split text into words
    #[arg(long, value_name = "DIR", conflicts_with = "tokenized")]
    pub(crate) tokenizer: Option<PathBuf>,
    /// Blanks separate the words, as in .tok files
    #[arg(long)]
    pub(crate) tokenized: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  compexp nli predict --checkpoint model.safetensors 'Two dogs are running .' 'An animal is outside .' --tokenized
  compexp nli predict --checkpoint 6.pth --run runs/bowman - < pairs.tsv")]
pub(crate) struct NliPredictArgs {
    /// The classifier: the reference's .pth, or safetensors of `nli train`
    #[arg(help_heading = "Classifier", long, value_name = "FILE")]
    pub(crate) checkpoint: PathBuf,
    /// A run of `nli probe` on this classifier: the units that decide are named by their formulas
    #[arg(help_heading = "Classifier", long, value_name = "RUN_DIR")]
    pub(crate) run: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) words: WordArgs,
    /// The first sentence, or - for lines of premise, tab, hypothesis on standard input
    pub(crate) premise: String,
    /// The second sentence
    pub(crate) hypothesis: Option<String>,
    /// The number of units to name
    #[arg(help_heading = "Output", long, value_name = "K", default_value_t = 5)]
    pub(crate) limit: usize,
    /// Print a JSON object a pair
    #[arg(help_heading = "Output", long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LayerArg {
    Features,
    Encodings,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FeatureArg {
    Words,
    Tags,
    Overlap,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TagFormat {
    Feats,
    Conllu,
}

fn positive(text: &str) -> Result<f32, String> {
    let value: f32 = text.parse().map_err(|_| "not a number".to_owned())?;
    if value >= f32::MIN_POSITIVE && value.is_finite() { Ok(value) } else { Err("expected a number above 0".into()) }
}

fn share(text: &str) -> Result<f32, String> {
    let value: f32 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..1.0).contains(&value) { Ok(value) } else { Err("expected a share from 0 to less than 1".into()) }
}

fn decay(text: &str) -> Result<(usize, f32), String> {
    let (from, factor) = text.split_once(':').ok_or("expected an epoch, a colon and a factor: 4:0.5")?;
    let from =
        from.parse::<usize>().ok().filter(|from| *from > 0).ok_or(format!("`{from}` is no epoch, counted from 1"))?;
    let factor = factor.parse::<f32>().ok().filter(|f| (f32::MIN_POSITIVE..=1.0).contains(f));
    Ok((from, factor.ok_or("expected a factor above 0 and up to 1")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_outside_their_ranges_are_refused() {
        assert_eq!((positive("0.5"), share("0"), decay("4:0.5")), (Ok(0.5), Ok(0.0), Ok((4, 0.5))));
        for bad in ["0", "-1", "nan", "inf", "x", ""] {
            assert!(positive(bad).is_err(), "{bad}");
        }
        for bad in ["1", "-0.1", "nan", "x"] {
            assert!(share(bad).is_err(), "{bad}");
        }
        for bad in ["4", "0:0.5", "4:0", "4:2", "4:nan", ":", "4:0.5:1"] {
            assert!(decay(bad).is_err(), "{bad}");
        }
    }
}
