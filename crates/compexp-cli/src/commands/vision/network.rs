//! Opens the network that the arguments name.

use std::path::{Path, PathBuf};

use anyhow::Result;
use compexp_files::{Place, is_there, split_spec};
use compexp_run::provenance::ImageInputs;
use compexp_vision::framing::Framing;
use compexp_vision::model::{Model, Options};
use compexp_vision::network::{Family, Tokens};
use compexp_vision::preprocess::Preprocess;
use compexp_vision::preprocessor::Preprocessor;

use crate::args::device::DeviceArg;
use crate::args::preprocess::PreprocessArg;
use crate::args::vision::{ArchArg, NetworkArgs, ShapeArgs};
use crate::failure::Failure;
use crate::progress::Reporter;
use crate::terminal::name;

/// The file of a network, and the entry in it that `FILE#NAME` chooses.
pub(super) struct Checkpoint {
    pub(super) file: PathBuf,
    pub(super) entry: Option<String>,
}

/// The checkpoint in the folder of a model, as the hub names it: the first of these that is there.
const IN_FOLDERS: [&str; 3] = ["model.safetensors", "pytorch_model.bin", "model.onnx"];

impl Checkpoint {
    /// The file at a path, or in the folder of a model there.
    ///
    /// # Errors
    /// `Error::Io` if what stands at the path cannot be told; a [`Failure`] for a folder without a checkpoint.
    pub(super) fn new(spec: &Path) -> Result<Self> {
        let (file, entry) = split_spec(spec)?;
        if Place::behind(&file)? != Place::Folder {
            return Ok(Self { file, entry });
        }
        for name in IN_FOLDERS {
            let found = file.join(name);
            if is_there(&found)? {
                return Ok(Self { file: found, entry });
            }
        }
        let message = format!("`{}`: found no checkpoint, expected one of {}", file.display(), IN_FOLDERS.join(", "));
        Err(Failure::new(message).hint("name the file in it").into())
    }
}

/// Opens the network of a command's arguments. Warns of what the file does not state.
///
/// # Errors
/// The errors of the device and of [`Model::open`].
pub(super) fn load(args: &NetworkArgs, reporter: &Reporter) -> Result<Model> {
    let Checkpoint { file, entry } = Checkpoint::new(&args.checkpoint)?;
    let options = Options { entry, random: args.random_weights, ..options(&args.shape) };
    open(&file, &options, args.device, reporter)
}

/// What the arguments say that weights do not tell.
pub(super) fn options(args: &ShapeArgs) -> Options {
    let family = args.arch.map(|arch| match arch {
        ArchArg::Resnet => Family::ResNet,
        ArchArg::Alexnet => Family::AlexNet,
        ArchArg::Vgg => Family::Vgg,
        ArchArg::Densenet => Family::DenseNet,
        ArchArg::Vit => Family::Vit,
    });
    let tokens = Tokens { grid: args.grid.map(|grid| (grid.height, grid.width)), skip: args.skip_tokens.unwrap_or(0) };
    Options { family, heads: args.heads, tokens, ..Options::default() }
}

/// Opens the network that a run was made with; `checkpoint` is where its file is now.
///
/// # Errors
/// As [`load`].
pub(super) fn of_run(inputs: &ImageInputs, checkpoint: &Path, device: DeviceArg, reporter: &Reporter) -> Result<Model> {
    let options = Options {
        entry: inputs.entry.clone(),
        family: inputs.arch.as_deref().and_then(Family::of_name),
        heads: inputs.heads,
        random: inputs.random_weights,
        tokens: Tokens {
            grid: inputs.grid.map(|grid| (grid.height, grid.width)),
            skip: inputs.skip_tokens.unwrap_or(0),
        },
    };
    open(checkpoint, &options, device, reporter)
}

/// Opens the network of a file.
///
/// # Errors
/// As [`load`].
pub(super) fn open(checkpoint: &Path, options: &Options, device: DeviceArg, reporter: &Reporter) -> Result<Model> {
    let model = Model::open(checkpoint, options, &device.device.open()?)?;
    if let Some(assumed) = model.assumed() {
        let way = "the metadata `compexp` of a safetensors file states it (docs/formats.md), and is lost when the weights are \
                   saved again without it";
        reporter.warn(&format!("{assumed}; if that is wrong, so are all results: {way}"));
    }
    Ok(model)
}

/// The error about a run that no network for images was probed for.
pub(super) fn of_another_command(run: &Path) -> Failure {
    Failure::new(format!("`{}`: found a run of another command, expected one of `compexp vision probe`", run.display()))
}

/// How the pixels of a command's images are scaled: as its arguments say, or a file beside the network. Tells what the file says.
///
/// # Errors
/// The errors of [`Preprocessor::beside`].
pub(super) fn scaling(args: &NetworkArgs, framing: Framing, reporter: &Reporter) -> Result<Preprocess> {
    if let Some(preprocess) = args.preprocess {
        return Ok(self::preprocess(preprocess));
    }
    let Some(file) = Preprocessor::beside(&Checkpoint::new(&args.checkpoint)?.file)? else {
        return Ok(Preprocess::default());
    };
    let path = name(&file.path.display().to_string());
    reporter.say(&format!("pixels: scaled as `{path}` says"));
    if framing == Framing::default() && file.framing != framing {
        let options = [("--resize", file.framing.resize), ("--crop", file.framing.crop)];
        let options = options.into_iter().filter_map(|(name, side)| Some(format!("{name} {}", side?)));
        let options = options.collect::<Vec<_>>().join(" ");
        let differs = file.differs.map_or(String::new(), |differs| format!(" ({differs})"));
        reporter.say(&format!(
            "sizes: the file also changes those of pictures, which only options do here: {options}{differs}"
        ));
    }
    Ok(Preprocess::Scaled(file.scaling))
}

/// The scaling of this name.
pub(super) fn preprocess(arg: PreprocessArg) -> Preprocess {
    match arg {
        PreprocessArg::Reference => Preprocess::Reference,
        PreprocessArg::Imagenet => Preprocess::ImageNet,
    }
}
