//! `compexp explain`, from files of any model.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use super::annotations::{ANNOTATED, AnnotationArgs};
use super::layer::{LayerArgs, ThresholdArgs, WordPlaceArgs};
use super::output::OutArgs;
use super::search::SearchArgs;
use super::trust::TrustArgs;

#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("annotated").args(ANNOTATED).required(true)),
    group(ArgGroup::new("layer").args(["activations", "masks"]).required(true)),
    after_help = "\
Examples:
  Explain a layer of any model, exported from Python with `numpy.save`:
    compexp explain --probe probe/ --activations layer4.npy --out runs/layer4

  The layer `layer4` of the batches in a folder (batch_1.npz, batch_2.npz, ...), channels last:
    compexp explain --probe probe/ --activations batches/#layer4 --layout nhwc --out runs/layer4

  The paper's settings on Broden's ADE20k part, units 0 to 9 only:
    compexp explain --broden broden1_224 --activations acts.safetensors#layer4 --length 3 --beam 5 \\
      --units 0-9 --out runs/first

  Compare with chance, and measure on photographs that the search never saw:
    compexp explain --broden broden1_224 --activations acts.npy --null-draws 200 \\
      --holdout 0.3 --out runs/trust

  Objects of COCO, whose pictures differ in size:
    compexp explain --coco instances_val2017.json --mask-size 56x56 --activations acts.npy \\
      --out runs/coco

  Neurons of a language model, [words, neurons], with what stands before a word of a treebank:
    compexp explain --tokens ewt.conllu.gz --activations mlp3.npy --context prev --holdout 0.3 \\
      --out runs/mlp3

  Latents of a sparse autoencoder, cached by delphi:
    compexp explain --tokens ewt.conllu.gz --tokenizer tokenizer.json --activations cache \\
      --out runs/latents

  Explain ready masks, with the search of the reference implementation:
    compexp explain --probe probe/ --masks units.npy --compat --keep-beams --out runs/compat"
)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pub(crate) annotations: AnnotationArgs,
    /// Word vectors (GloVe's text): how near names of concepts are in meaning, for the kinds of explanations
    #[arg(help_heading = "Annotations", long, value_name = "FILE")]
    pub(crate) vectors: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) layer: LayerArgs,
    #[command(flatten)]
    pub(crate) places: WordPlaceArgs,
    #[command(flatten)]
    pub(crate) threshold: ThresholdArgs,
    #[command(flatten)]
    pub(crate) search: SearchArgs,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    #[command(flatten)]
    pub(crate) out: OutArgs,
}
