//! `compexp vision train`: from labelled images to a network.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use compexp_core::explain::Progress as _;
use compexp_files::write_json;
use compexp_vision::eval::Labelled;
use compexp_vision::model::{default_device, save};
use compexp_vision::resnet::Config;
use compexp_vision::train::{EpochRow, Images, Progress, Setup, TrainConfig, train};

use crate::args::{PreprocessArg, at_most};
use crate::failure::Failure;
use crate::progress::{Reporter, duration};
use crate::settings;
use crate::table::{count, name};

/// The network, where a training is done.
const MODEL: &str = "model.safetensors";

#[derive(Debug, Args)]
#[command(after_help = "\
The network has a first convolution of 3 x 3 and no pooling; each stage after the first halves the maps. A training that
was stopped goes on where it was: give the same command again. The folder gets model.safetensors (for `vision probe`
and `vision eval`), curves.csv and curves.json.

Examples:
  A narrow ResNet-18 on painted scenes, classified on others after each epoch:
    compexp vision paint --out learn --images 3000 --split train
    compexp vision paint --out probe
    compexp vision train learn/list.txt --val probe/list.txt --out models/scenes

  Then what its last layer's units have learnt:
    compexp vision probe --broden probe --checkpoint models/scenes/model.safetensors --classes probe/classes.txt \\
      --out runs/scenes")]
pub(crate) struct VisionTrainArgs {
    /// Lines of an image's path and the number of its class; images are of one size
    pub(crate) list: PathBuf,
    /// The folder that its paths are relative to [default: the list's own]
    #[arg(help_heading = "Images", long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// Images to classify after each epoch, as lines of path and class; they decide nothing
    #[arg(help_heading = "Images", long, value_name = "LIST")]
    pub(crate) val: Option<PathBuf>,
    /// The folder that the paths of --val are relative to [default: that list's own]
    #[arg(help_heading = "Images", long, value_name = "DIR", requires = "val")]
    pub(crate) val_root: Option<PathBuf>,
    /// How pixels are scaled: as the paper's code does, or as torchvision's models expect
    #[arg(help_heading = "Images", long, value_enum, default_value_t = PreprocessArg::Reference)]
    pub(crate) preprocess: PreprocessArg,
    /// The channels of each stage
    #[arg(help_heading = "Network", long, value_name = "A,B", value_delimiter = ',', default_value = "16,32,64,128", value_parser = at_most(1, 4096))]
    pub(crate) widths: Vec<usize>,
    /// The blocks of each stage
    #[arg(help_heading = "Network", long, value_name = "N", default_value_t = 2, value_parser = at_most(1, 100))]
    pub(crate) blocks: usize,
    /// The stride of the first convolution
    #[arg(help_heading = "Network", long, value_name = "N", default_value_t = 2, value_parser = at_most(1, 2))]
    pub(crate) stride: usize,
    /// Passes over the images
    #[arg(help_heading = "Training", long, value_name = "N", default_value_t = 12, value_parser = at_most(1, 1 << 20))]
    pub(crate) epochs: usize,
    /// Images of a step
    #[arg(help_heading = "Training", long, value_name = "N", default_value_t = 32, value_parser = at_most(2, 4096))]
    pub(crate) batch: usize,
    /// The highest learning rate
    #[arg(help_heading = "Training", long, value_name = "X", default_value_t = 0.1)]
    pub(crate) lr: f32,
    /// Decay of weights
    #[arg(help_heading = "Training", long, value_name = "X", default_value_t = 5e-4)]
    pub(crate) weight_decay: f32,
    /// Pixels that images are moved by at most
    #[arg(help_heading = "Training", long, value_name = "N", default_value_t = 6, value_parser = at_most(0, 1024))]
    pub(crate) shift: usize,
    /// Images are not mirrored
    #[arg(help_heading = "Training", long)]
    pub(crate) no_flip: bool,
    /// Decides the first weights, the order of the images, and how they are moved
    #[arg(help_heading = "Training", long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Steps between two saved states
    #[arg(help_heading = "Training", long, value_name = "N", default_value_t = 100, value_parser = at_most(1, 1 << 40))]
    pub(crate) save_every: usize,
    /// The folder of the training
    #[arg(help_heading = "Output", long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

pub(crate) fn run(args: &VisionTrainArgs, reporter: &Reporter) -> Result<()> {
    if args.out == Path::new("-") {
        return Err(Failure::usage("--out -: a training is a folder of files").into());
    }
    let learn = Labelled::read(&args.list, args.root.as_deref(), usize::MAX)?;
    let classes = learn.classes.iter().max().map_or(0, |most| most.saturating_add(1));
    let val = args.val.as_ref().map(|val| Labelled::read(val, args.val_root.as_deref(), classes)).transpose()?;
    let (learn, val) = (Images::read(&learn)?, val.as_ref().map(Images::read).transpose()?);
    let held_out = val.as_ref().map_or(String::new(), |val| format!(", {} to classify", count(val.len())));
    reporter.say(&format!("{} images of {classes} classes to learn from{held_out}", count(learn.len())));

    let model = Config {
        stem: args.widths.first().copied().unwrap_or_default(),
        kernel: 3,
        stride: args.stride,
        pool: false,
        blocks: vec![args.blocks; args.widths.len()],
        widths: args.widths.clone(),
    };
    let config = TrainConfig {
        seed: args.seed,
        epochs: args.epochs,
        batch: args.batch,
        learning_rate: args.lr,
        weight_decay: args.weight_decay,
        shift: args.shift,
        flip: !args.no_flip,
        save_every: Some(args.save_every as u64),
        ..TrainConfig::default()
    };
    let preprocess = settings::preprocess(args.preprocess);
    let setup = Setup {
        model: &model,
        classes,
        config: &config,
        preprocess,
        train: &learn,
        val: val.as_ref(),
        device: &default_device()?,
    };
    let mut news = News { reporter, epoch: 0, started: Instant::now() };
    let outcome = train(&setup, Some(&args.out), |progress| news.tell(progress))?;
    reporter.clear();
    write_json(&args.out.join("curves.json"), &outcome.curves)?;
    save(&model, &outcome.weights, &args.out.join(MODEL))?;

    let mut out = io::stdout().lock();
    if let Some(accuracy) = outcome.curves.last().and_then(|row| row.val_accuracy) {
        let n = val.as_ref().map_or(0, Images::len);
        writeln!(out, "{:.2}% of {} images are classified right", 100.0 * accuracy, count(n))?;
    }
    writeln!(out, "network in `{}`", name(&args.out.join(MODEL).display().to_string()))?;
    writeln!(out, "took {}", duration(reporter.elapsed()))?;
    out.flush()?;
    Ok(())
}

/// What is told of a training as it goes on.
struct News<'a> {
    reporter: &'a Reporter,
    epoch: usize,
    started: Instant,
}

impl News<'_> {
    fn tell(&mut self, progress: Progress<'_, EpochRow>) -> ControlFlow<()> {
        match progress {
            Progress::Step { epoch, done, steps, .. } => {
                if epoch != self.epoch {
                    (self.epoch, self.started) = (epoch, Instant::now());
                    if done > 1 {
                        self.reporter.say(&format!("training: going on in epoch {epoch} after {} steps", done - 1));
                    }
                    self.reporter.stage(&format!("epoch {epoch}"), "steps", steps);
                }
                self.reporter.done(done);
            }
            Progress::Epoch(rows) => {
                let Some(row) = rows.last() else { return ControlFlow::Continue(()) };
                // Without the line that a long stage ends with: this one says it.
                self.reporter.clear();
                let (epoch, loss, took) = (row.epoch, row.train_loss, duration(self.started.elapsed()));
                let val = row.val_accuracy.map_or(String::new(), |val| format!(", of others {:.2}%", 100.0 * val));
                let accuracy = 100.0 * row.train_accuracy;
                self.reporter.say(&format!("epoch {epoch}: loss {loss:.4}, accuracy {accuracy:.2}%{val}, {took}"));
            }
        }
        ControlFlow::Continue(())
    }
}
