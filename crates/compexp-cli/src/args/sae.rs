//! `compexp sae`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};
use compexp_vision::model::DeviceName;

use super::annotations::TextArgs;
use super::device::DeviceArg;
use super::numbers::{above_0, at_least_1, epochs, part, whole};
use super::text::LanguageModelArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum SaeCommand {
    /// Train a small TopK autoencoder on the activations of a layer
    Train(SaeTrainArgs),
    /// Encode the activations of a layer: write the latents that fire
    Encode(SaeEncodeArgs),
    /// Compare the explanations of trained latents with those of controls that learnt nothing
    Check(SaeCheckArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "\
For teaching, tests and small layers: it runs on the CPU, with all activations in memory. To continue a stopped training, \
give the same command again. The folder gets cfg.json and sae_weights.safetensors (as SAELens writes them), \
training.json (settings and results), curves.csv and curves.svg.

Example, with the control of `sae check --frozen`:
  compexp text probe --model minilm --layer resid.3 --tokens ewt.conllu.gz --out runs/resid3
  compexp sae train --activations runs/resid3/activations.npy --latents 768 --k 16 --out sae
  compexp sae train --activations runs/resid3/activations.npy --latents 768 --k 16 \\
    --freeze-decoder --out sae-frozen")]
pub(crate) struct SaeTrainArgs {
    /// The layer's activations, [rows, width], in any form that `explain` reads
    #[arg(long, value_name = "FILE[#TENSOR]")]
    pub(crate) activations: PathBuf,
    /// The number of latents
    #[arg(help_heading = "Autoencoder", long, value_name = "N", value_parser = whole(1, 1 << 20))]
    pub(crate) latents: usize,
    /// How many latents fire on a row, at most
    #[arg(help_heading = "Autoencoder", long, value_name = "K", value_parser = whole(1, 1 << 20))]
    pub(crate) k: usize,
    /// Keep the rows of the decoder at their random directions
    #[arg(help_heading = "Autoencoder", long)]
    pub(crate) freeze_decoder: bool,
    /// Passes over the rows
    #[arg(help_heading = "Training", long, value_name = "N", default_value_t = 20, value_parser = epochs())]
    pub(crate) epochs: usize,
    /// Rows per step
    #[arg(help_heading = "Training", long, alias = "batch-size", value_name = "N", default_value_t = 512, value_parser = whole(1, 1 << 20))]
    pub(crate) batch: usize,
    /// Adam's learning rate; over the last 30% of all steps it falls to 0
    #[arg(help_heading = "Training", long, value_name = "RATE", default_value_t = 2e-3, value_parser = above_0::<f32>, allow_negative_numbers = true)]
    pub(crate) lr: f32,
    /// Seed of the first directions and of the order of the rows
    #[arg(help_heading = "Training", long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Steps between two saved states
    #[arg(help_heading = "Training", long, value_name = "N", default_value_t = 200, value_parser = at_least_1())]
    pub(crate) save_every: usize,
    /// The folder for the results
    #[arg(help_heading = "Output", long, short, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Print the results as JSON
    #[arg(help_heading = "Output", long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("rows").args(["activations", "model"]).required(true)))]
#[command(after_help = "\
The file has the rows of the activations, or with --model a row for each word, and only the latents that fire. `compexp explain \
--activations` reads it.

Examples:
  Activations in a file:
    compexp sae encode --sae sae --activations resid3.npy --out latents.safetensors
    compexp explain --tokens ewt.conllu.gz --activations latents.safetensors --out runs/latents

  A layer of a model on the words of sentences:
    compexp sae encode --sae sae --model minilm --layer resid.3 --tokens ewt.conllu.gz \\
      --out latents.safetensors")]
pub(crate) struct SaeEncodeArgs {
    /// The sparse autoencoder: a folder of SAELens (cfg.json, sae_weights.safetensors), or a params.npz of Gemma Scope
    #[arg(long, value_name = "DIR")]
    pub(crate) sae: PathBuf,
    /// The layer's activations, [rows, width], in any form that `explain` reads
    #[arg(long, value_name = "FILE[#TENSOR]")]
    pub(crate) activations: Option<PathBuf>,
    /// A language model that runs on the words of --tokens, in place of --activations
    #[arg(help_heading = "Language model", long, value_name = "DIR", requires_all = ["layer", "tokens"])]
    pub(crate) model: Option<PathBuf>,
    /// The layer that the autoencoder was trained on, as `text layers` names it
    #[arg(help_heading = "Language model", long, value_name = "LAYER", requires = "model")]
    pub(crate) layer: Option<String>,
    /// The model's tokenizer [default: tokenizer.json in its folder]
    #[arg(help_heading = "Language model", long, value_name = "FILE", requires = "model")]
    pub(crate) tokenizer: Option<PathBuf>,
    /// Where the model runs: cpu, cuda, cuda:1, metal
    #[arg(help_heading = "Language model", long, value_name = "DEVICE", default_value_t, requires = "model")]
    pub(crate) device: DeviceName,
    /// The sentences, in any form that `explain --tokens` reads
    #[arg(help_heading = "Words of sentences", long, value_name = "FILE", requires = "model")]
    pub(crate) tokens: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) texts: TextArgs,
    /// The safetensors file to write
    #[arg(help_heading = "Output", long, short, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Print the results as JSON
    #[arg(help_heading = "Output", long)]
    pub(crate) json: bool,
}

impl SaeEncodeArgs {
    /// The model, the name of the layer and the file of sentences, where they take the place of activations.
    pub(crate) fn words(&self) -> Option<(LanguageModelArgs, &String, &PathBuf)> {
        let (model, tokenizer) = (self.model.clone()?, self.tokenizer.clone());
        let model = LanguageModelArgs { model, tokenizer, device: DeviceArg { device: self.device } };
        Some((model, self.layer.as_ref()?, self.tokens.as_ref()?))
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
The controls are explained as the latents are, with the search of the run on the same words:
  frozen     another autoencoder, trained with its decoder frozen at random directions (--frozen)
  untrained  the weights that a training starts from
  rotated    the trained autoencoder on activations that are turned about their mean at random
The latents and the run of each are in OUT, beside check.json, check.csv and check.svg.

Example:
  compexp text probe --model minilm --layer resid.3 --tokens ewt.conllu.gz --out runs/resid3
  compexp sae check runs/resid3 --sae sae --frozen sae-frozen --out runs/check")]
pub(crate) struct SaeCheckArgs {
    /// The run of the layer: of `text probe`, or of `explain --tokens` with a value for every word
    pub(crate) run: PathBuf,
    /// The trained autoencoder: a folder of SAELens, or a params.npz of Gemma Scope
    #[arg(long, value_name = "DIR")]
    pub(crate) sae: PathBuf,
    /// An autoencoder of the same layer that was trained with a frozen random decoder; several are seeds
    #[arg(long, value_name = "DIR")]
    pub(crate) frozen: Vec<PathBuf>,
    /// The untrained and the rotated controls, each with another seed
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = whole(1, 100))]
    pub(crate) seeds: usize,
    /// Null draws of each latent, for the chance-corrected scores
    #[arg(long, value_name = "R", default_value_t = 20, value_parser = whole(2, 1_000_000))]
    pub(crate) null_draws: usize,
    /// Hold this share of the documents out of the search [default: as the run did, else 0.3]
    #[arg(long, value_name = "FRACTION", value_parser = part::<f64>, allow_negative_numbers = true)]
    pub(crate) holdout: Option<f64>,
    /// The folder for the results
    #[arg(help_heading = "Output", long, short, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Replace the runs in that folder
    #[arg(help_heading = "Output", long)]
    pub(crate) force: bool,
    /// Print the table as JSON
    #[arg(help_heading = "Output", long)]
    pub(crate) json: bool,
}
