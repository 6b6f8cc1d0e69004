//! `compexp sae`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum SaeCommand {
    /// Encode the activations of a layer: write the latents that fire
    Encode(SaeEncodeArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "\
The file has the rows of the activations, and only the latents that fire. `compexp explain --activations` reads it.

Example:
  compexp sae encode --sae sae --activations resid3.npy --out latents.safetensors
  compexp explain --tokens ewt.conllu.gz --activations latents.safetensors --out runs/latents")]
pub(crate) struct SaeEncodeArgs {
    /// The sparse autoencoder: a folder of SAELens (cfg.json, sae_weights.safetensors), or a params.npz of Gemma Scope
    #[arg(long, value_name = "DIR")]
    pub(crate) sae: PathBuf,
    /// The layer's activations, [rows, width], in any form that `explain` reads
    #[arg(long, value_name = "FILE[#TENSOR]")]
    pub(crate) activations: PathBuf,
    /// The safetensors file to write
    #[arg(help_heading = "Output", long, short, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Print the results as JSON
    #[arg(help_heading = "Output", long)]
    pub(crate) json: bool,
}
