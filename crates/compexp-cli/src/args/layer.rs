//! The layer to explain, and when its units fire.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use compexp_core::probe::Grid;

use super::annotations::NO_WORDS;
use super::numbers::{at_least_1, grid, part};

/// A layer, from a file.
#[derive(Debug, Args)]
#[command(next_help_heading = "Layer")]
pub(crate) struct LayerArgs {
    /// A layer's activations: .npy, .npz, .safetensors or .pt (a tensor's name after `#`), a folder of batches, or shards with
    /// their index; [examples, units, height, width], [examples, units], or as --layout says. The folder of saev's shards, with the
    /// layer after `#`. Or sparse ones: a latent cache of delphi, a csr or csc matrix of scipy, .safetensors with positions, units and values
    #[arg(long, value_name = "FILE[#TENSOR]", conflicts_with = "masks")]
    pub(crate) activations: Option<PathBuf>,
    /// Masks of units, used as they are: bool or u8 [units, examples, height, width] or [units, examples]
    #[arg(long, value_name = "FILE[#TENSOR]", conflicts_with_all = ["quantile", "positive"])]
    pub(crate) masks: Option<PathBuf>,
    /// What the axes of the activations are [default: nchw where nothing else can be meant]
    #[arg(long, value_enum, requires = "activations")]
    pub(crate) layout: Option<LayoutArg>,
    /// The map that positions in one axis form, row by row: those of `--layout ntu` and of saev [default: a square], or the rows of
    /// sparse activations, all positions of an example after each other [default: 1x1]
    #[arg(long, value_name = "HxW", value_parser = grid, requires = "activations")]
    pub(crate) grid: Option<Grid>,
    /// The number of units that the layer has; checked, and it tells which axis is that of units
    #[arg(long, value_name = "N", value_parser = at_least_1())]
    pub(crate) units_expected: Option<usize>,
}

/// Where the words of sentences are among the rows of a layer.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Layer of words")]
pub(crate) struct WordPlaceArgs {
    /// The tokenizer.json of the model whose tokens the activations are of: a word has the values of its first token
    #[arg(long, value_name = "FILE", requires = "tokens", conflicts_with = "masks", conflicts_with_all = NO_WORDS)]
    pub(crate) tokenizer: Option<PathBuf>,
    /// Which tokens of activations [texts, tokens, units] are no padding: bool, u8 or i64 [texts, tokens]
    #[arg(long, value_name = "FILE[#TENSOR]", requires = "tokens", conflicts_with_all = ["masks", "token_map"], conflicts_with_all = NO_WORDS)]
    pub(crate) token_mask: Option<PathBuf>,
    /// Where each word is in a latent cache: .npz with `context` (-1 = nowhere) and `position`, one of each a word
    #[arg(long, value_name = "FILE", requires = "tokens", conflicts_with_all = ["masks", "tokenizer"], conflicts_with_all = NO_WORDS)]
    pub(crate) token_map: Option<PathBuf>,
}

/// What the axes of an array are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LayoutArg {
    /// [examples, units, height, width], as PyTorch has them
    Nchw,
    /// [examples, height, width, units], as TensorFlow and JAX have them
    Nhwc,
    /// [examples, positions, units], as transformers have them
    Ntu,
}

/// When a unit fires.
#[derive(Debug, Args)]
#[command(next_help_heading = "Firing")]
pub(crate) struct ThresholdArgs {
    /// A unit fires on this share of its values, the largest ones [default: 0.005 for maps]
    #[arg(long, value_name = "Q", value_parser = part::<f64>, allow_negative_numbers = true)]
    pub(crate) quantile: Option<f64>,
    /// A unit fires where its value is positive [the default for activations of [examples, units]]
    #[arg(long, conflicts_with = "quantile")]
    pub(crate) positive: bool,
}
