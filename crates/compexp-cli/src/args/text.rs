//! `compexp text`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::annotations::WordConceptArgs;
use super::device::DeviceArg;
use super::layer::ThresholdArgs;
use super::output::OutArgs;
use super::search::SearchArgs;
use super::trust::TrustArgs;

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one of it in a process")]
pub(crate) enum TextCommand {
    /// Run a language model on annotated sentences, and explain the units of a layer
    Probe(TextProbeArgs),
    /// List the layers of a language model
    Layers(TextLayersArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "\
A word has the values of its first token. To continue a stopped run, give the same command again. The run directory keeps the \
activations.

Examples:
  Neurons of a layer, with the word before each, scored on documents that are held out:
    compexp text probe --model minilm --layer mlp.3 --tokens ewt.conllu.gz --context prev \\
      --holdout 0.3 --out runs/mlp3

  Two layers of a model of the hub, in runs/pythia/mlp.2 and runs/pythia/resid.2:
    compexp text probe --model hf://EleutherAI/pythia-70m --layer mlp.2 --layer resid.2 \\
      --tokens ewt.conllu.gz --out runs/pythia

  Latents of a sparse autoencoder on a layer:
    compexp text probe --model minilm --layer resid.3 --sae sae --tokens ewt.conllu.gz \\
      --out runs/latents")]
pub(crate) struct TextProbeArgs {
    /// Sentences, whose words are the examples: a treebank in CoNLL-U, .feats, or with --tagger texts: .txt (a sentence a line),
    /// .jsonl, Parquet. All but Parquet may be compressed by gzip
    #[arg(help_heading = "Words of sentences", long, value_name = "FILE")]
    pub(crate) tokens: PathBuf,
    #[command(flatten)]
    pub(crate) words: WordConceptArgs,
    #[command(flatten)]
    pub(crate) model: LanguageModelArgs,
    /// A layer to explain, as `text layers` names it. Each of several layers gets a folder of its name in RUN_DIR
    #[arg(help_heading = "Language model", long = "layer", value_name = "LAYER", required = true)]
    pub(crate) layers: Vec<String>,
    /// A sparse autoencoder on the layer, whose latents are the units: a folder of SAELens, or a params.npz of Gemma Scope
    #[arg(help_heading = "Language model", long, value_name = "DIR")]
    pub(crate) sae: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) threshold: ThresholdArgs,
    #[command(flatten)]
    pub(crate) search: SearchArgs,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    #[command(flatten)]
    pub(crate) out: OutArgs,
}

/// A language model with its tokenizer.
#[derive(Debug, Args)]
#[command(next_help_heading = "Language model")]
pub(crate) struct LanguageModelArgs {
    /// A folder of Hugging Face with a BERT, GPT-2 or GPT-NeoX (Pythia): config.json, safetensors, tokenizer.json
    #[arg(long, value_name = "DIR")]
    pub(crate) model: PathBuf,
    /// The model's tokenizer [default: tokenizer.json in its folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) tokenizer: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) device: DeviceArg,
}

#[derive(Debug, Args)]
#[command(after_help = "\
`mlp.3` are the neurons of block 3 after their activation function, `resid.3` the output of the block, `attn.3` the output of its \
attention.

Example:
  compexp text layers --model minilm")]
pub(crate) struct TextLayersArgs {
    /// The folder of the model, as `text probe` takes it
    #[arg(long, value_name = "DIR")]
    pub(crate) model: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
