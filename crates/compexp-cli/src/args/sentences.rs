//! Sentence pairs: how they are read, split into words and tagged, and which features they get.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::numbers::{at_least_1, whole};

/// How sentence pairs are read.
#[derive(Debug, Args)]
pub(crate) struct SentenceParts {
    /// The labels of the pairs, one per line [default: those in the file of pairs]
    #[arg(help_heading = "Sentence pairs", long, value_name = "FILE")]
    pub(crate) gold: Option<PathBuf>,
    /// Blanks separate the words, as in .tok files; other text is split by the rules in the tagger's folder
    #[arg(help_heading = "Sentence pairs", long)]
    pub(crate) tokenized: bool,
    /// Use this many pairs from the start of the file [default: all]
    #[arg(help_heading = "Sentence pairs", long, value_name = "N", value_parser = at_least_1())]
    pub(crate) first: Option<usize>,
    /// Annotated sentences, premise and hypothesis in turn: .feats, or .conllu
    #[arg(help_heading = "Tags", long, value_name = "FILE", conflicts_with_all = ["tagger", "symbols"])]
    pub(crate) tags: Option<PathBuf>,
    /// A spaCy model folder, such as en_core_web_sm 3.8
    #[arg(help_heading = "Tags", long, value_name = "DIR")]
    pub(crate) tagger: Option<PathBuf>,
    /// The built-in names and norms of another version of spaCy, as JSON
    #[arg(help_heading = "Tags", long, value_name = "FILE", requires = "tagger")]
    pub(crate) symbols: Option<PathBuf>,
}

/// How text is split into words if no tags are needed.
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

/// Which features pairs are annotated with.
#[derive(Debug, Args)]
#[command(next_help_heading = "Features")]
pub(crate) struct FeatureArgs {
    /// The kinds of features
    #[arg(long, value_enum, value_name = "A,B", value_delimiter = ',', default_values = ["words", "tags", "overlap"])]
    pub(crate) features: Vec<FeatureArg>,
    /// The number of most frequent words that are features
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = whole(1, 1_000_000))]
    pub(crate) vocab_size: usize,
    /// Word vectors (GloVe's text), for NEIGHBORS
    #[arg(long, value_name = "FILE")]
    pub(crate) vectors: Option<PathBuf>,
    /// The number of nearest words that NEIGHBORS adds
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = whole(1, 1000))]
    pub(crate) neighbors: usize,
}

/// A kind of features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FeatureArg {
    Words,
    Tags,
    Overlap,
}
