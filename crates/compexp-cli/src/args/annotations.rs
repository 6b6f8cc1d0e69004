//! Annotated examples: a probe directory, or a folder in Broden's format.

use std::path::PathBuf;

use clap::Args;

/// Where annotations come from. A command that needs one of the two says so by a group of arguments.
#[derive(Debug, Args)]
#[command(next_help_heading = "Annotations")]
pub(crate) struct AnnotationArgs {
    /// A probe directory: probe.json and arrays of concepts
    #[arg(long, value_name = "DIR", conflicts_with_all = ["broden", "index", "categories"])]
    pub(crate) probe: Option<PathBuf>,
    /// A folder in Broden's format
    #[arg(long, value_name = "DIR")]
    pub(crate) broden: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) parts: BrodenParts,
}

/// Which parts of a Broden folder are used.
#[derive(Debug, Args)]
#[command(next_help_heading = "Annotations")]
pub(crate) struct BrodenParts {
    /// The index within the Broden folder, or elsewhere [default: index_ade20k.csv, else index.csv]
    #[arg(long, value_name = "FILE")]
    pub(crate) index: Option<PathBuf>,
    /// The categories whose concepts are used [default: those of object,part,scene,texture,color that the folder has]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(crate) categories: Option<Vec<String>>,
}
