//! `compexp vision paint`: painted scenes for experiments.

use std::io::{self, Write};

use anyhow::Result;
use compexp_core::explain::Progress;
use compexp_vision::scenes::{Paint, SCENES, Split};

use crate::args::vision::{SplitArg, VisionPaintArgs};
use crate::failure::refuse_standard_output;
use crate::progress::{Reporter, duration};
use crate::terminal::{count, name};

pub(crate) fn run(args: &VisionPaintArgs, reporter: &Reporter) -> Result<()> {
    refuse_standard_output(&args.out, "scenes are")?;
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
