//! `compexp vision paint`: scenes to try everything with.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use compexp_core::explain::Progress;
use compexp_vision::scenes::{MAX_IMAGES, Paint, SCENES, Split};

use crate::args::at_most;
use crate::progress::{Reporter, duration};
use crate::table::{count, name};

#[derive(Debug, Args)]
#[command(after_help = "\
The folder also gets classes.txt (the classes of scenes, for `vision probe --classes`) and list.txt (every image with its
class, for `vision eval` and `vision train`).

Examples:
  Scenes to probe with, and others to learn from:
    compexp vision paint --out probe
    compexp vision paint --out learn --images 3000 --split train")]
pub(crate) struct VisionPaintArgs {
    /// The folder to write in Broden's format; it is to be new, empty, or an earlier painting, which is replaced
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Scenes
    #[arg(long, value_name = "N", default_value_t = 1200, value_parser = at_most(1, MAX_IMAGES as u64))]
    pub(crate) images: usize,
    /// Decides everything that is painted
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// What the scenes are for; those of one split are not those of the other
    #[arg(long, value_enum, default_value_t = SplitArg::Val)]
    pub(crate) split: SplitArg,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum SplitArg {
    /// To learn from
    Train,
    /// To probe with
    Val,
}

pub(crate) fn run(args: &VisionPaintArgs, reporter: &Reporter) -> Result<()> {
    let split = match args.split {
        SplitArg::Train => Split::Train,
        SplitArg::Val => Split::Val,
    };
    let paint = Paint { images: args.images, seed: args.seed, split };
    reporter.stage("painting", "scenes", args.images);
    paint.write(&args.out, &|done| reporter.done(done))?;
    reporter.clear();
    let mut out = io::stdout().lock();
    let (images, folder) = (count(args.images), name(&args.out.display().to_string()));
    writeln!(out, "{images} scenes of {} kinds in `{folder}`", SCENES.len())?;
    writeln!(out, "took {}", duration(reporter.elapsed()))?;
    out.flush()?;
    Ok(())
}
