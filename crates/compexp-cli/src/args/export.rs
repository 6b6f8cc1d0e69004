//! `compexp export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
#[command(after_help = "\
The text of a unit is its formula in words. Units without a formula are left out.

Examples:
  A file for Neuronpedia:
    compexp export runs/latents --format neuronpedia --model-id minilm --layer 3-res \\
      --out explanations.jsonl

  A folder that delphi scores:
    compexp export runs/latents --format delphi --layer encoder.layer.3 --out explanations")]
pub(crate) struct ExportArgs {
    /// A run directory
    pub(crate) run: PathBuf,
    /// The form
    #[arg(long, value_enum)]
    pub(crate) format: ExportFormat,
    /// The name of the model in the other tool; for neuronpedia
    #[arg(long, value_name = "ID", required_if_eq("format", "neuronpedia"))]
    pub(crate) model_id: Option<String>,
    /// The name of the layer, the source or the hook in the other tool [default: the layer of the run]
    #[arg(long, value_name = "NAME")]
    pub(crate) layer: Option<String>,
    /// The file for neuronpedia, which is replaced; the folder for delphi, new or empty
    #[arg(long, short, value_name = "PATH")]
    pub(crate) out: PathBuf,
    /// Print what was written as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// The forms of other tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// A line of JSON a unit, as Neuronpedia imports explanations
    Neuronpedia,
    /// A file a unit, `HOOK_latentN.txt`, as delphi reads explanations
    Delphi,
}
