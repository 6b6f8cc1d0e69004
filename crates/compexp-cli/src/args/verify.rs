//! The arguments of `verify`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
#[command(after_help = "\
The manifest of a run names every file with its size and hash. A file that is missing, changed or unreadable fails the check. \
The command also lists files that killed commands left, which nothing reads, and files that compexp did not write.

Examples:
  Check every byte of a run:
    compexp verify runs/layer4

  Remove the files that killed commands left in and beside it:
    compexp verify --fix runs/layer4")]
pub(crate) struct VerifyArgs {
    /// A run directory
    pub(crate) run: PathBuf,
    /// Remove files that killed commands left; files of the run and your own files are not touched
    #[arg(long)]
    pub(crate) fix: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
