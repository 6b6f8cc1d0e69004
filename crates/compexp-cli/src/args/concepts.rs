//! `compexp concepts`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use super::annotations::{ANNOTATED, AnnotationArgs, PICTURE_PARTS};

#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("concepts").args(ANNOTATED).arg("dir").required(true)),
    after_help = "\
Names are printed as formulas write them. The area is the number of positions that have the concept.

Examples:
  compexp concepts data/example
  compexp concepts --broden broden1_224 --categories color --json | jq '.concepts[].name'"
)]
pub(crate) struct ConceptsArgs {
    /// A probe directory
    #[arg(value_name = "DIR", conflicts_with_all = PICTURE_PARTS)]
    pub(crate) dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) annotations: AnnotationArgs,
    /// Print JSON
    #[arg(help_heading = "Output", long)]
    pub(crate) json: bool,
}
