//! Which tests of explanations a run makes.

use clap::Args;

use super::numbers::{part, whole};

/// Tests of the explanations: a comparison with chance, and scores on examples that the search does not see.
#[derive(Debug, Args)]
#[command(next_help_heading = "Trust")]
pub(crate) struct TrustArgs {
    /// Compare each unit with this many draws in which its maps are given to other examples (2 or more; 200 is a good
    /// start), and record p and q
    #[arg(long, value_name = "R", value_parser = whole(2, 1_000_000))]
    pub(crate) null_draws: Option<usize>,
    /// Hold this share of the groups of examples out of the search, and measure the formulas on it
    #[arg(long, value_name = "FRACTION", value_parser = part::<f64>, allow_negative_numbers = true)]
    pub(crate) holdout: Option<f64>,
    /// Seed of the draws and of the choice of held-out groups
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
}
