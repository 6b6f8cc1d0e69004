//! `compexp vision train`: from labelled images to a network.

use std::io::{self, Write};
use std::ops::ControlFlow;

use anyhow::Result;
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
use crate::training_news::TrainingNews;

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
    let mut news = TrainingNews::new(reporter);
    let _lock = compexp_files::claim_folder(&args.out)?;
    let outcome = train(&setup, Some(&args.out), |progress| {
        match progress {
            Progress::Step { epoch, done, steps, .. } => news.step(epoch, done, steps),
            Progress::Epoch(rows) => rows.last().into_iter().for_each(|row| news.epoch(row.epoch, &results(row))),
        }
        ControlFlow::Continue(())
    })?;
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

/// What an epoch came to.
fn results(row: &EpochRow) -> String {
    let val = row.val_accuracy.map_or(String::new(), |val| format!(", of others {:.2}%", 100.0 * val));
    format!("loss {:.4}, accuracy {:.2}%{val}", row.train_loss, 100.0 * row.train_accuracy)
}
