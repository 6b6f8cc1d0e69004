//! The layer to explain, and when its units fire.

use std::path::PathBuf;

use clap::Args;

use super::numbers::part;

/// A layer, from a file.
#[derive(Debug, Args)]
#[command(next_help_heading = "Layer")]
pub(crate) struct LayerArgs {
    /// A layer's activations: .npy or .safetensors (a tensor's name after `#`), [examples, units, height, width] or
    /// [examples, units]
    #[arg(long, value_name = "FILE[#TENSOR]", conflicts_with = "masks")]
    pub(crate) activations: Option<PathBuf>,
    /// Masks of units, used as they are: bool or u8 [units, examples, height, width] or [units, examples]
    #[arg(long, value_name = "FILE[#TENSOR]", conflicts_with_all = ["quantile", "positive"])]
    pub(crate) masks: Option<PathBuf>,
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
