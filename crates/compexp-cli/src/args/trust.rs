//! Which tests of explanations a run makes.

use clap::Args;

use super::numbers::{part, whole_number};

/// Tests of the explanations: a comparison with chance, and scores on examples that the search does not see.
#[derive(Debug, Args)]
#[command(next_help_heading = "Trust")]
pub(crate) struct TrustArgs {
    /// Compare each unit with this many draws in which its maps are given to other examples (2 or more), and record p and
    /// q; `auto` takes 20 for each unit, at least 200 and at most 1000
    #[arg(long, value_name = "R|auto", value_parser = draws)]
    pub(crate) null_draws: Option<DrawsArg>,
    /// Hold this share of the groups of examples out of the search, and measure the formulas on it
    #[arg(long, value_name = "FRACTION", value_parser = part::<f64>, allow_negative_numbers = true)]
    pub(crate) holdout: Option<f64>,
    /// Seed of the draws and of the choice of held-out groups
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
}

/// A number of null draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DrawsArg {
    /// As many as the number of units asks for.
    Auto,
    /// So many.
    Draws(usize),
}

fn draws(text: &str) -> Result<DrawsArg, String> {
    if text == "auto" { Ok(DrawsArg::Auto) } else { whole_number(text, 2, 1_000_000).map(DrawsArg::Draws) }
}
