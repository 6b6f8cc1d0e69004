//! `compexp vision probe`: from images and a checkpoint to a run directory.

use std::path::PathBuf;

use anyhow::Result;
use compexp_core::exemplar::Firing;
use compexp_core::probe::Task;
use compexp_files::hash_file;
use compexp_run::write_head;
use compexp_vision::broden::{self, BrodenOptions};
use compexp_vision::model::{Model, default_device};
use serde_json::json;

use super::extraction::Extraction;
use super::predictions::Targets;
use crate::args::VisionProbeArgs;
use crate::commands::behaviour;
use crate::failure::Failure;
use crate::inputs::{Annotated, absolute, hash_files};
use crate::pipeline::Job;
use crate::progress::Reporter;
use crate::{pipeline, settings, summary};

pub(crate) fn run(args: &VisionProbeArgs, reporter: &Reporter) -> Result<()> {
    let options = BrodenOptions { categories: args.categories.clone(), index: args.index.clone() };
    let broden = broden::load(&args.broden, &options)?;
    let model = Model::load(&args.network.checkpoint, &default_device()?)?;
    if args.contributions && !model.feeds_head(&args.layer) {
        let layers: Vec<String> = model.layers().filter(|l| model.feeds_head(l)).map(|l| format!("`{l}`")).collect();
        let message = format!("--contributions: the network's last layer does not read `{}`", args.layer);
        return Err(Failure::usage(message).hint(format!("probe one that it reads: {}", layers.join(", "))).into());
    }
    let targets = match &args.classes {
        Some(classes) => Some(Targets::read(classes, args.scenes.as_deref(), broden.images(), model.classes())?),
        None => None,
    };
    let images: Vec<(String, PathBuf)> =
        broden.images().iter().map(|i| (i.name.clone(), broden.image_root().join(&i.name))).collect();
    let annotated = Annotated::broden(&args.broden, &options, broden)?;

    let preprocess = settings::preprocess(args.network.preprocess);
    let mut extraction = Extraction::new(&model, &args.layer, preprocess, args.network.batch, &images)?;
    let threshold = settings::threshold(&args.threshold, true, args.search.compat);
    settings::check_search(&args.search)?;
    let config = settings::explain(&args.search, threshold, Task::Vision);
    config.search.check().map_err(Failure::usage)?;
    let units = settings::units(args.search.units.as_ref(), extraction.shape.n_units)?;
    let seen = args.trust.seen(&annotated.set.examples)?;

    let checkpoint = hash_file(&args.network.checkpoint)?;
    let image_hash = hash_files("images", b"", &images, "images", reporter)?;
    extraction.made_from(&checkpoint, &image_hash);
    let mut inputs = json!({
        "annotations": annotated.record(reporter)?,
        "checkpoint": checkpoint,
        "images": image_hash,
        "layer": args.layer,
        "preprocess": preprocess,
    });
    let mut paths = annotated.paths.clone();
    paths.insert("checkpoint".into(), absolute(&args.network.checkpoint)?);
    // Relative to the run directory, which may move.
    paths.insert("activations".into(), "activations.npy".into());
    for (what, path) in [("classes", &args.classes), ("scenes", &args.scenes)] {
        if let Some(path) = path {
            inputs[what] = json!(hash_file(path)?);
            paths.insert(what.into(), absolute(path)?);
        }
    }
    let record = pipeline::record("vision probe", inputs, &config, &args.trust, &units, false);

    let (run, up_to_date) = match pipeline::open_run(&args.out, record.clone(), paths)? {
        Ok(writer) => {
            let activations = extraction.run(writer.dir(), reporter)?;
            if model.feeds_head(&args.layer) {
                let numbers = || (0..model.classes()).map(|class| class.to_string()).collect();
                let names = targets.as_ref().map_or_else(numbers, |t| t.class_names().to_vec());
                write_head(writer.dir(), &model.head(names)?)?;
            }
            let predictions = targets.map(|t| t.compare(writer.dir(), &annotated.set.examples)).transpose()?;
            let (set, firing) = (&annotated.set, Firing::Activations(&activations));
            let (units, config, trust, seen) = (&units, &config, &args.trust, &seen);
            let job = Job { set, firing, units, config, trust, seen, record, predictions, similarity: None };
            (pipeline::finish(writer, job, reporter)?, false)
        }
        Err(run) => (run, true),
    };
    if args.contributions {
        behaviour::contributions(&run, up_to_date, reporter)?;
    }
    reporter.end();
    summary::print(&run, up_to_date, args.out.json, reporter)
}
