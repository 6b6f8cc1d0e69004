//! `compexp sae train`: from the activations of a layer to a sparse autoencoder.

use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;

use anyhow::Result;
use compexp_files::{claim_folder, write_bytes, write_json};
use compexp_report::training_curves;
use compexp_run::{ActivationFile, Known};
use compexp_text::sae::train::{EpochRow, Layer, Progress, TrainConfig, train};
use serde_json::json;

use crate::args::sae::SaeTrainArgs;
use crate::failure::{Failure, refuse_standard_output};
use crate::progress::{Reporter, duration};
use crate::terminal::{self, count, name};
use crate::training_news::TrainingNews;

/// Settings and results of a completed training.
const RECORD: &str = "training.json";

pub(crate) fn run(args: &SaeTrainArgs, reporter: &Reporter) -> Result<()> {
    refuse_standard_output(&args.out, "a training is")?;
    if args.k > args.latents {
        return Err(
            Failure::usage(format!("--k: found {}, expected at most --latents, {}", args.k, args.latents)).into()
        );
    }
    let layer = Layer::read(&ActivationFile::open(&args.activations, Known::default())?)?;
    let config = TrainConfig {
        seed: args.seed,
        epochs: args.epochs,
        batch: args.batch,
        learning_rate: args.lr,
        freeze_decoder: args.freeze_decoder,
        save_every: Some(args.save_every as u64),
        ..TrainConfig::new(args.latents, args.k)
    };
    let _lock = claim_folder(&args.out)?;
    let mut news = TrainingNews::new(reporter);
    let outcome = train(&layer, &config, Some(&args.out), |progress| {
        match progress {
            Progress::Step { epoch, done, steps, .. } => news.step(epoch, done, steps),
            Progress::Epoch(rows) => {
                if let Some(EpochRow { epoch, unexplained, dead, .. }) = rows.last() {
                    news.epoch(*epoch, &format!("{:.4} explained, {dead} dead latents", 1.0 - unexplained));
                }
            }
        }
        ControlFlow::Continue(())
    })?;
    reporter.end();
    let measured = outcome.measured;
    let of = |value: fn(&EpochRow) -> f64| vec![("training", outcome.curves.iter().map(value).collect())];
    let panels = [("unexplained variance", of(|row| row.unexplained)), ("dead latents", of(|row| row.dead as f64))];
    write_bytes(&args.out.join("curves.svg"), training_curves(&panels, String::new()).svg.as_bytes())?;
    outcome.weights.save(&args.out)?;
    let facts = json!({
        "rows": measured.positions,
        "variance_explained": measured.explained,
        "active": measured.active,
        "silent": measured.silent,
    });
    let record = json!({ "version": 1, "training": config, "result": facts, "epochs": outcome.curves });
    write_json(&args.out.join(RECORD), &record)?;

    let out = args.out.display().to_string();
    let mut to = BufWriter::new(io::stdout().lock());
    if args.json {
        let value = json!({
            "sae": out, "epochs": outcome.curves.len(), "latents": args.latents, "k": args.k, "rows": measured.positions,
            "variance_explained": measured.explained, "active": measured.active, "silent": measured.silent,
            "seconds": reporter.elapsed().as_secs_f64(),
        });
        terminal::write_json(&mut to, &value)?;
        return Ok(to.flush()?);
    }
    writeln!(
        to,
        "{} latents explain {} of the variance of {} rows; {:.1} fire on a row, on average, and {} on none",
        count(args.latents as u64),
        terminal::score(measured.explained),
        count(measured.positions as u64),
        measured.active,
        count(measured.silent as u64)
    )?;
    writeln!(to, "autoencoder in `{}`", name(&out))?;
    writeln!(to, "took {}", duration(reporter.elapsed()))?;
    Ok(to.flush()?)
}
