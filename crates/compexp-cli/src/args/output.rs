//! The folder of a run.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// The folder of a run, and the summary that is printed at the end.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutArgs {
    /// The folder for the results
    #[arg(long, short, value_name = "RUN_DIR")]
    pub(crate) out: PathBuf,
    /// Replace the run in that folder
    #[arg(long)]
    pub(crate) force: bool,
    /// Write the table of explanations in this format too: explanations.parquet
    #[arg(long, value_enum)]
    pub(crate) format: Option<TableFormat>,
    /// Print the summary as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// A format of tables, beside CSV.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableFormat {
    Parquet,
}
