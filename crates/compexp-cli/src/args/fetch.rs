//! `compexp fetch`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
#[command(after_help = "\
A download that was stopped goes on where it stopped. Each file is hashed while it is written: the hash must be the \
published one, or that of the first download, which fetched.json in the folder keeps. Archives are unpacked and not kept. A file that is \
no longer at its address can be put into the folder `downloads` by hand; the same command then goes on with it.

Examples:
  What there is, how large, from where, and under which licence:
    compexp fetch --list

  What the vision half of the paper needs:
    compexp fetch broden-224 places365-resnet18 places365-classes scenes --to artifacts

  From a folder that somebody filled, without network:
    compexp fetch glove --mirror /mnt/share/glove --offline")]
pub(crate) struct FetchArgs {
    /// The artifacts to fetch [default: all of them]
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// List the artifacts, and fetch nothing; needs no network
    #[arg(long)]
    pub(crate) list: bool,
    /// Another list of artifacts, in the form of data/artifacts.toml
    #[arg(long, value_name = "FILE")]
    pub(crate) artifacts: Option<PathBuf>,
    /// A folder or an address that holds the files under the names of the list. It is used in place of their addresses; of
    /// several the first that has a file
    #[arg(long, value_name = "DIR|URL", conflicts_with = "list")]
    pub(crate) mirror: Vec<PathBuf>,
    /// The folder for the artifacts
    #[arg(help_heading = "Output", long, value_name = "DIR", default_value = "artifacts")]
    pub(crate) to: PathBuf,
    /// Print JSON
    #[arg(help_heading = "Output", long)]
    pub(crate) json: bool,
}
