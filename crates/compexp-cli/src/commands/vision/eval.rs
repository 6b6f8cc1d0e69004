//! `compexp vision eval`: a network's accuracy on labelled images.

use std::io::{self, Write};

use anyhow::Result;
use compexp_core::explain::Progress;
use compexp_vision::eval::{Labelled, evaluate};
use compexp_vision::framing::Framing;
use compexp_vision::preprocess::Preparation;
use serde_json::json;

use super::network;
use crate::args::vision::VisionEvalArgs;
use crate::progress::Reporter;
use crate::terminal::{self, count};

pub(crate) fn run(args: &VisionEvalArgs, reporter: &Reporter) -> Result<()> {
    let model = network::load(&args.network, reporter)?;
    let images = Labelled::read(&args.list, args.root.as_deref(), model.classes())?;
    reporter.stage("accuracy", "images", images.paths.len());
    let framing = Framing { resize: args.resize, crop: args.crop };
    let preparation = Preparation { framing, preprocess: network::scaling(&args.network, framing, reporter)? };
    let accuracy = evaluate(&model, &images, preparation, args.network.batch, &|done, _| reporter.done(done))?;
    reporter.end();
    let mut out = io::stdout().lock();
    let n = accuracy.n();
    let share = |correct: usize| correct as f64 / n.max(1) as f64;
    if args.json {
        let one = |correct: usize| json!({ "correct": correct, "share": share(correct) });
        let value = json!({ "images": n, "top1": one(accuracy.top1), "top5": one(accuracy.top5) });
        terminal::write_json(&mut out, &value)?;
    } else {
        for (name, correct) in [("top-1", accuracy.top1), ("top-5", accuracy.top5)] {
            let percent = 100.0 * share(correct);
            writeln!(out, "{name}  {percent:.2}%  {} of {} images", count(correct as u64), count(n as u64))?;
        }
    }
    out.flush()?;
    Ok(())
}
