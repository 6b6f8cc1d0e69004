//! `compexp vision train`: from labelled images to a network.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::time::Instant;

use anyhow::Result;
use compexp_core::explain::Progress as _;
use compexp_files::write_json;
use compexp_vision::eval::Labelled;
use compexp_vision::model::save;
use compexp_vision::resnet::Config;
use compexp_vision::train::{EpochRow, Images, Progress, Setup, TrainConfig, train};
use serde_json::json;

use super::network;
use crate::args::training::VisionTrainArgs;
use crate::failure::refuse_standard_output;
use crate::progress::{Reporter, duration};
use crate::terminal::{self, count, name};

/// The network of a completed training.
const MODEL: &str = "model.safetensors";

pub(crate) fn run(args: &VisionTrainArgs, reporter: &Reporter) -> Result<()> {
    refuse_standard_output(&args.out, "a training is")?;
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
    let preprocess = network::preprocess(args.preprocess);
    let device = args.device.device.open()?;
    let setup = Setup {
        model: &model,
        classes,
        config: &config,
        preprocess,
        train: &learn,
        val: val.as_ref(),
        device: &device,
    };
    let mut news = News { reporter, epoch: 0, started: Instant::now() };
    let _lock = compexp_files::claim_folder(&args.out)?;
    let outcome = train(&setup, Some(&args.out), |progress| news.tell(progress))?;
    reporter.clear();
    write_json(&args.out.join("curves.json"), &outcome.curves)?;
    save(&model, &outcome.weights, &args.out.join(MODEL))?;

    let mut out = io::stdout().lock();
    let accuracy = outcome.curves.last().and_then(|row| row.val_accuracy);
    let network = args.out.join(MODEL).display().to_string();
    if args.json {
        let (images, seconds) = (val.as_ref().map(Images::len), reporter.elapsed().as_secs_f64());
        let value = json!({
            "network": network, "epochs": outcome.curves.len(), "accuracy": accuracy, "images": images, "seconds": seconds,
        });
        terminal::write_json(&mut out, &value)?;
        return Ok(());
    }
    if let Some(accuracy) = accuracy {
        let n = val.as_ref().map_or(0, Images::len);
        writeln!(out, "{:.2}% of {} images are classified right", 100.0 * accuracy, count(n))?;
    }
    writeln!(out, "network in `{}`", name(&network))?;
    writeln!(out, "took {}", duration(reporter.elapsed()))?;
    out.flush()?;
    Ok(())
}

/// The progress reports of a training.
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
                // This line replaces the line at the end of a long stage.
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
