//! `compexp probe`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

use super::annotations::{PICTURES, PictureArgs};

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one of it in a process")]
pub(crate) enum ProbeCommand {
    /// Write a probe directory from annotated pictures
    Convert(ConvertArgs),
    /// Write the pictures and masks of Parquet files into folders, for --mask-dir and --images
    Unpack(UnpackArgs),
}

#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("annotated").args(PICTURES).required(true)),
    after_help = "\
The folder gets probe.json, layers.npy, examples.csv and, where whole pictures have concepts, scalars.npy. Other tools can read \
these files, and `compexp explain --probe` finds the same formulas as with the annotations themselves.

Examples:
  compexp probe convert --coco instances_val2017.json --out probe
  compexp probe convert --mask-dir SegmentationClass --names names.txt --mask-size 56x56 --out probe"
)]
pub(crate) struct ConvertArgs {
    #[command(flatten)]
    pub(crate) pictures: PictureArgs,
    /// The folder to write; it must be new, empty, or an earlier conversion, which is replaced
    #[arg(help_heading = "Output", long, short, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Print the results as JSON
    #[arg(help_heading = "Output", long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A table has a column `image` of pictures and one of masks (`annotation`, `segmentation` or `label`): PNGs whose pixels are numbers of classes, as data sets on the Hugging Face hub have them. The folder gets `images` and `masks`, \
with files in the order of the rows, and their bytes as they are.

Example:
  compexp probe unpack data/validation-*.parquet --out ade20k
  compexp vision probe --mask-dir ade20k/masks --images ade20k/images --names names.txt \\
    --checkpoint resnet18_places365.pth.tar --resize 256 --crop 224 --out runs/ade20k")]
pub(crate) struct UnpackArgs {
    /// Parquet files, or folders of them
    #[arg(required = true, value_name = "FILE")]
    pub(crate) tables: Vec<PathBuf>,
    /// The folder to write; it must be new, empty, or unpacked before, which is replaced
    #[arg(help_heading = "Output", long, short, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Print the results as JSON
    #[arg(help_heading = "Output", long)]
    pub(crate) json: bool,
}
