//! `compexp vision`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use compexp_core::probe::Grid;
use compexp_vision::image::MAX_SIDE;
use compexp_vision::scenes::MAX_IMAGES;

use super::annotations::{PICTURES, PictureArgs};
use super::device::DeviceArg;
use super::effects::{AblateArgs, ContributionsArgs, VisionCounterfactualArgs};
use super::layer::ThresholdArgs;
use super::numbers::{grid, image_batch, whole};
use super::output::OutArgs;
use super::preprocess::PreprocessArg;
use super::search::SearchArgs;
use super::training::VisionTrainArgs;
use super::trust::TrustArgs;

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one of it in a process")]
pub(crate) enum VisionCommand {
    /// Run a network on annotated images, and explain the units of a layer
    Probe(VisionProbeArgs),
    /// List the layers of a network
    Layers(VisionLayersArgs),
    /// Measure a network's accuracy on labelled images
    Eval(VisionEvalArgs),
    /// Paint labelled scenes as a Broden folder, for experiments
    Paint(VisionPaintArgs),
    /// Train a residual network on labelled images
    Train(VisionTrainArgs),
    /// Edit images so that units' formulas become true, and see what the network predicts
    Counterfactual(VisionCounterfactualArgs),
    /// Measure how the units of a run contribute to classes, or to the units of a later layer
    Contributions(ContributionsArgs),
    /// Measure a network's accuracy without the units of a run
    Ablate(AblateArgs),
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("annotated").args(PICTURES).required(true)), after_help = "\
To continue a stopped run, give the same command again. The run directory keeps the activations.

Examples:
  The paper's experiment:
    compexp vision probe --broden broden1_224 --checkpoint resnet18_places365.pth.tar \\
      --classes categories_places365.txt --scenes ade20k_scenes.json --beam 5 --out runs/resnet18

  A tensor of an ONNX graph, whose tokens are a class token and 14 x 14 patches:
    compexp vision probe --broden broden --checkpoint vit.onnx --preprocess imagenet \\
      --layer /blocks.11/mlp/act/Mul_1_output_0 --grid 14x14 --skip-tokens 1 --out runs/vit

  What formulas score on the same network before any training:
    compexp vision probe --broden broden1_224 --checkpoint resnet18_places365.pth.tar \\
      --random-weights 0 --beam 5 --out runs/random

  Photographs of any size with COCO's annotations:
    compexp vision probe --coco instances_val2017.json --resize 256 --crop 224 \\
      --checkpoint resnet18.pth --preprocess imagenet --out runs/coco

  Two layers of a network with ImageNet's preprocessing, in runs/net/layer3 and runs/net/layer4:
    compexp vision probe --broden broden --checkpoint resnet50.pth --preprocess imagenet \\
      --layer layer3 --layer layer4 --out runs/net")]
pub(crate) struct VisionProbeArgs {
    #[command(flatten)]
    pub(crate) pictures: PictureArgs,
    /// Word vectors (GloVe's text): how near names of concepts are in meaning, for the kinds of explanations
    #[arg(help_heading = "Annotations", long, value_name = "FILE")]
    pub(crate) vectors: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// A layer to explain, as `vision layers` names it [default: layer4, if the network has it]. Each of several layers
    /// gets a folder of its name in RUN_DIR
    #[arg(help_heading = "Network", long = "layer", value_name = "LAYER")]
    pub(crate) layers: Vec<String>,
    /// The names of the network's classes, one per line; predictions are then compared with the images' scenes
    #[arg(help_heading = "Network", long, value_name = "FILE")]
    pub(crate) classes: Option<PathBuf>,
    /// The scene of each image (ade20k_scenes.json) [default: the scene column of a Broden folder's index]
    #[arg(help_heading = "Network", long, value_name = "FILE", requires = "classes")]
    pub(crate) scenes: Option<PathBuf>,
    /// Also measure how units contribute to classes, as `vision contributions` does
    #[arg(help_heading = "Network", long)]
    pub(crate) contributions: bool,
    #[command(flatten)]
    pub(crate) threshold: ThresholdArgs,
    #[command(flatten)]
    pub(crate) search: SearchArgs,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    #[command(flatten)]
    pub(crate) out: OutArgs,
}

/// A network and the preprocessing of its images.
#[derive(Debug, Args)]
#[command(next_help_heading = "Network")]
pub(crate) struct NetworkArgs {
    /// A ResNet, ResNeXt, AlexNet, VGG, DenseNet or ViT with torchvision's names of weights: PyTorch's formats or
    /// safetensors; or any network as an ONNX file (*.onnx). FILE#NAME takes the entry NAME of a checkpoint, such as `model_ema`. Of
    /// a folder: model.safetensors, pytorch_model.bin or model.onnx
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: PathBuf,
    #[command(flatten)]
    pub(crate) shape: ShapeArgs,
    /// How pixels are scaled: as the paper's code does, or as torchvision's models expect [default: as preprocessor_config.json
    /// beside the checkpoint says, if it is there; else reference]
    #[arg(long, value_enum)]
    pub(crate) preprocess: Option<PreprocessArg>,
    /// Images that run at once. Results do not depend on it
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = image_batch())]
    pub(crate) batch: usize,
    /// Replace the weights by random ones, which follow from this seed: the network before any training, to compare with
    #[arg(long, value_name = "SEED")]
    pub(crate) random_weights: Option<u64>,
    #[command(flatten)]
    pub(crate) device: DeviceArg,
}

/// What the weights of a network do not tell.
#[derive(Clone, Debug, Args)]
pub(crate) struct ShapeArgs {
    /// The family of the network [default: found from the names of its weights]
    #[arg(long, value_enum)]
    pub(crate) arch: Option<ArchArg>,
    /// The attention heads of a ViT [default: one for each 64 values of its width]
    #[arg(long, value_name = "N", value_parser = whole(1, 4096))]
    pub(crate) heads: Option<usize>,
    /// Rows and columns of the patches that the tokens of an ONNX graph stand for
    #[arg(long, value_name = "HxW", value_parser = grid)]
    pub(crate) grid: Option<Grid>,
    /// Tokens of an ONNX graph before those of the patches, such as a class token [default: 0]
    #[arg(long, value_name = "N", requires = "grid")]
    pub(crate) skip_tokens: Option<usize>,
}

/// A family of networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ArchArg {
    /// ResNet, Wide ResNet, ResNeXt
    Resnet,
    Alexnet,
    Vgg,
    Densenet,
    /// Vision transformer
    Vit,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The network runs once on an image of one colour, so that shapes are those that a probe has. A shape is units x rows x columns.

Examples:
  compexp vision layers resnet50.pth
  compexp vision layers vit_b_16.pth --json")]
pub(crate) struct VisionLayersArgs {
    /// The network, as `vision probe --checkpoint` takes it
    pub(crate) checkpoint: PathBuf,
    #[command(flatten)]
    pub(crate) shape: ShapeArgs,
    /// The size of the image [default: what the network takes, or 224x224]
    #[arg(long, value_name = "HxW", value_parser = grid)]
    pub(crate) image_size: Option<Grid>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  compexp vision eval val.txt --checkpoint resnet18_places365.pth.tar --preprocess imagenet \\
    --root images/")]
pub(crate) struct VisionEvalArgs {
    /// A list with an image's path and the number of its class per line
    pub(crate) list: PathBuf,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// The folder that paths are relative to [default: the list's own]
    #[arg(help_heading = "Images", long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// Resize images so that the short side has this length
    #[arg(help_heading = "Images", long, value_name = "PIXELS", value_parser = whole(1, MAX_SIDE as u64))]
    pub(crate) resize: Option<usize>,
    /// Cut a square with sides of this length out of the middle of the images
    #[arg(help_heading = "Images", long, value_name = "PIXELS", value_parser = whole(1, MAX_SIDE as u64))]
    pub(crate) crop: Option<usize>,
    /// Print JSON
    #[arg(help_heading = "Output", long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The folder also gets classes.txt (the classes of scenes, for `vision probe --classes`) and list.txt (every image with its \
class, for `vision eval` and `vision train`).

Examples:
  Scenes for probing, and others for training:
    compexp vision paint --out probe
    compexp vision paint --out learn --images 3000 --split train")]
pub(crate) struct VisionPaintArgs {
    /// The folder to write in Broden's format; it must be new, empty, or an earlier painting, which is replaced
    #[arg(long, short, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// The number of scenes
    #[arg(long, value_name = "N", default_value_t = 1200, value_parser = whole(1, MAX_IMAGES as u64))]
    pub(crate) images: usize,
    /// Seed of everything that is painted
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
    /// The use of the scenes; the two splits have different scenes
    #[arg(long, value_enum, default_value_t = SplitArg::Val)]
    pub(crate) split: SplitArg,
    /// Print the results as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// The use of painted scenes.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum SplitArg {
    /// For training
    Train,
    /// For probing
    Val,
}
