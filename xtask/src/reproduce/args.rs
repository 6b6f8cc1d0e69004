//! The arguments of `cargo xtask reproduce`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Reproduce the paper's experiments: explanations, analyses and a report
#[derive(Debug, Default, Args)]
#[command(after_help = "\
Every stage is kept with a hash of what it was made from: the same command again does only what is missing or has changed.

Examples:
  cargo xtask reproduce                                  everything, on scenes and sentences that compexp makes itself
  cargo xtask reproduce --plan --profile paper --data D  what the paper's own artifacts are, and which are missing in D
  cargo xtask reproduce --profile paper --data D         the paper's experiments
  cargo xtask reproduce --broden B --checkpoint C        the vision half on one's own data
  cargo xtask reproduce --snli S                         the sentence half on one's own data")]
pub(crate) struct ReproduceArgs {
    /// What to run on
    #[arg(long, value_enum, default_value_t = Profile::Toy, conflicts_with_all = ["broden", "snli"])]
    pub(crate) profile: Profile,
    /// Where the artifacts of profile `paper` are: the folder that `compexp fetch --to` fills
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Only one half
    #[arg(long, value_enum)]
    pub(crate) only: Option<Half>,
    /// A folder in Broden's format, for the vision half on one's own data
    #[arg(long, value_name = "DIR", requires = "checkpoint")]
    pub(crate) broden: Option<PathBuf>,
    /// The network's checkpoint, for the vision half on one's own data
    #[arg(long, value_name = "FILE", requires = "broden")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// The names of the network's classes, a line each
    #[arg(long, value_name = "FILE", requires = "broden")]
    pub(crate) classes: Option<PathBuf>,
    /// How pixels become the network's input: one of `compexp vision probe --preprocess`
    #[arg(long, value_name = "NAME", requires = "broden")]
    pub(crate) preprocess: Option<String>,
    /// A folder of sentence pairs, a classifier, vectors and tags, for the sentence half on one's own data
    #[arg(long, value_name = "DIR")]
    pub(crate) snli: Option<PathBuf>,
    /// A spaCy model folder for the tags of those pairs [default: a .feats file beside them]
    #[arg(long, value_name = "DIR", requires = "snli")]
    pub(crate) tagger: Option<PathBuf>,
    /// The folder for everything that is made [default: target/reproduce/PROFILE]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Print what would be run and what is missing, and do nothing
    #[arg(long)]
    pub(crate) plan: bool,
    /// The compexp to run [default: the one that is built from the sources]
    #[arg(long, value_name = "FILE")]
    pub(crate) program: Option<PathBuf>,
    /// Threads to work with. Results do not depend on it
    #[arg(long, value_name = "T")]
    pub(crate) threads: Option<usize>,
}

/// On what the experiments run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// Painted scenes and composed sentences
    #[default]
    Toy,
    /// The paper's networks and data sets
    Paper,
}

/// One half of the paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Half {
    /// Units of a network for images
    Vision,
    /// Units of a classifier of sentence pairs
    Nli,
}
