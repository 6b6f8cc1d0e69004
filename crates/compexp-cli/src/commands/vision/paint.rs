//! `compexp vision paint`: painted scenes for experiments.

use std::io::{self, Write};

use anyhow::Result;
use compexp_core::explain::Progress;
use compexp_vision::scenes::{Paint, SCENES, Split};
use serde_json::json;

use crate::args::vision::{SplitArg, VisionPaintArgs};
use crate::failure::refuse_standard_output;
use crate::progress::{Reporter, duration};
use crate::terminal::{self, count, name};

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
    if args.json {
        let (folder, seconds) = (args.out.display().to_string(), reporter.elapsed().as_secs_f64());
        let value = json!({ "folder": folder, "images": args.images, "scenes": SCENES.len(), "seconds": seconds });
        terminal::write_json(&mut out, &value)?;
        return Ok(());
    }
    let (images, folder) = (count(args.images), name(&args.out.display().to_string()));
    writeln!(out, "{images} scenes of {} kinds in `{folder}`", SCENES.len())?;
    writeln!(out, "took {}", duration(reporter.elapsed()))?;
    out.flush()?;
    Ok(())
}
