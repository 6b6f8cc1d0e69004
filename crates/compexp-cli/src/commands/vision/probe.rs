//! `compexp vision probe`: from images and a checkpoint to a run directory.

use std::path::PathBuf;

use anyhow::Result;
use compexp_core::exemplar::Firing;
use compexp_core::probe::Variant;
use compexp_core::relation::Similarity;
use compexp_files::hash_file;
use compexp_run::provenance::{ImageInputs, Made, Settings};
use compexp_run::{InputPaths, Layer, Method, Provenance, check_evidence, explain_into, write_head};

use super::extraction::Extraction;
use super::network;
use super::predictions::Targets;
use crate::annotations::BrodenFolder;
use crate::args::vision::VisionProbeArgs;
use crate::failure::Failure;
use crate::input_files::{absolute, hash_files};
use crate::name_vectors::NameVectors;
use crate::progress::Reporter;
use crate::{contributions, explain_config, run_folder, summary, unit_numbers};

pub(crate) fn run(args: &VisionProbeArgs, reporter: &Reporter) -> Result<()> {
    let folder = BrodenFolder::new(&args.broden, &args.parts);
    let broden = folder.load()?;
    let model = network::load(&args.network, reporter)?;
    if args.contributions && !model.feeds_head(&args.layer) {
        let layers: Vec<String> = model.layers().filter(|l| model.feeds_head(l)).map(|l| format!("`{l}`")).collect();
        let message = format!("--contributions: the network's last layer does not read `{}`", args.layer);
        return Err(Failure::usage(message).hint(format!("probe one that it reads: {}", layers.join(", "))).into());
    }
    let targets = match &args.classes {
        Some(classes) => {
            Some(Targets::read(classes, args.scenes.as_deref(), broden.images(), model.classes(), reporter)?)
        }
        None => None,
    };
    let images: Vec<(String, PathBuf)> =
        broden.images().iter().map(|i| (i.name.clone(), broden.image_root().join(&i.name))).collect();
    let annotated = folder.annotated(broden)?;

    let preprocess = network::preprocess(args.network.preprocess);
    let mut extraction = Extraction::new(&model, &args.layer, preprocess, args.network.batch, &images)?;
    let threshold = explain_config::threshold(&args.threshold, true, args.search.compat, reporter);
    explain_config::check_search(&args.search)?;
    let config = explain_config::explain(&args.search, threshold, Variant::Vision);
    config.search.check().map_err(Failure::usage)?;
    let units = unit_numbers::units(args.search.units.as_ref(), extraction.shape.n_units)?;
    let vectors = args.vectors.as_deref().map(NameVectors::read).transpose()?;
    if let Some(vectors) = &vectors {
        vectors.tell(&annotated.set.vocabulary, reporter);
    }
    let evidence = explain_config::evidence(&args.trust, units.len());
    check_evidence(&evidence, &annotated.set.examples)?;

    let checkpoint = hash_file(&args.network.checkpoint)?;
    let image_hash = hash_files("images", b"", &images, "images", reporter)?;
    extraction.made_from(&checkpoint, &image_hash, &args.network);
    let hash = |path: &Option<PathBuf>| path.as_deref().map(hash_file).transpose();
    let inputs = ImageInputs {
        annotations: annotated.record(reporter)?,
        checkpoint,
        images: image_hash,
        layer: args.layer.clone(),
        preprocess: preprocess.name().to_owned(),
        random_weights: args.network.random_weights,
        device: args.network.device.recorded(),
        classes: hash(&args.classes)?,
        scenes: hash(&args.scenes)?,
        name_vectors: vectors.as_ref().map(|vectors| vectors.hash.clone()),
    };
    let settings = Settings::new(&config, &units, false, evidence);
    let provenance = Provenance::VisionProbe(Made { inputs, settings });
    let place = |path: &Option<PathBuf>| path.as_deref().map(absolute).transpose();
    let paths = InputPaths {
        checkpoint: Some(absolute(&args.network.checkpoint)?),
        // Relative to the run directory, which may move.
        activations: Some(compexp_run::layout::ACTIVATIONS.into()),
        classes: place(&args.classes)?,
        scenes: place(&args.scenes)?,
        vectors: place(&args.vectors)?,
        ..annotated.paths.clone()
    };

    let (run, up_to_date) = match run_folder::open(&args.out, &provenance, paths)? {
        Ok(writer) => {
            let activations = extraction.run(writer.dir(), reporter)?;
            if model.feeds_head(&args.layer) {
                let numbers = || (0..model.classes()).map(|class| class.to_string()).collect();
                let names = targets.as_ref().map_or_else(numbers, |t| t.class_names().to_vec());
                write_head(writer.dir(), &model.head(names)?)?;
            }
            let predictions = targets.map(|t| t.compare(writer.dir(), &annotated.set.examples)).transpose()?;
            let (firing, predictions) = (Firing::Activations(&activations), predictions.as_deref());
            let similar = |a, b| vectors.as_ref()?.similarity(&annotated.set.vocabulary, a, b);
            let similarity = Some(&similar as Similarity<'_>);
            let layer = Layer { set: &annotated.set, firing, similarity, predictions };
            let method = Method { explain: config, units, evidence };
            (explain_into(writer, layer, &method, &provenance, reporter)?, false)
        }
        Err(run) => (run, true),
    };
    if args.contributions {
        contributions::measure_to_classes(&run, up_to_date, reporter)?;
    }
    reporter.end();
    summary::print(&run, up_to_date, args.out.json, reporter)
}
