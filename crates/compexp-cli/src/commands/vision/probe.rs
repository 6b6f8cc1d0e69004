//! `compexp vision probe`: from images and a checkpoint to a run directory, or one for each of several layers.

use std::path::PathBuf;

use anyhow::Result;
use compexp_core::exemplar::Firing;
use compexp_core::probe::Variant;
use compexp_core::relation::Similarity;
use compexp_files::hash_file;
use compexp_run::provenance::{ImageInputs, Made, Settings};
use compexp_run::{InputPaths, Layer, Method, Provenance, check_evidence, explain_into, write_head};
use compexp_vision::model::Model;
use compexp_vision::photo::Photo;
use compexp_vision::preprocess::{Preparation, Preprocess};

use super::extraction::Extraction;
use super::network::{self, Checkpoint};
use super::predictions::Targets;
use crate::annotations::Annotations;
use crate::args::vision::VisionProbeArgs;
use crate::failure::Failure;
use crate::input_files::{absolute, hash_files};
use crate::name_vectors::NameVectors;
use crate::progress::Reporter;
use crate::terminal::count;
use crate::{contributions, explain_config, run_folder, summary, unit_numbers};

pub(crate) fn run(args: &VisionProbeArgs, reporter: &Reporter) -> Result<()> {
    let annotated = Annotations::of_pictures(&args.pictures).open(reporter)?;
    annotated.warning.iter().for_each(|text| reporter.warn(text));
    let images = annotated.images()?;
    let photographs = annotated.photographs(&images)?;
    tell_turned(&photographs, reporter);
    let model = network::load(&args.network, reporter)?;
    let layers = chosen_layers(args, &model)?;
    let outs = run_folder::of_layers(&args.out, &layers)?;
    let targets = match &args.classes {
        Some(classes) => {
            Some(Targets::read(classes, args.scenes.as_deref(), &images, &annotated.scenes, model.classes(), reporter)?)
        }
        None => None,
    };
    let preprocess = network::scaling(&args.network, annotated.framing, reporter)?;
    let preparation = Preparation { framing: annotated.framing, preprocess };
    let mut extraction = Extraction::new(&model, &layers, preparation, args.network.batch, &photographs)?;
    let threshold = explain_config::threshold(&args.threshold, true, args.search.compat, reporter);
    explain_config::check_search(&args.search)?;
    let config = explain_config::explain(&args.search, threshold, Variant::Vision);
    config.search.check().map_err(Failure::usage)?;
    let mut methods = Vec::new();
    for n_units in extraction.n_units() {
        let units = unit_numbers::units(args.search.units.as_ref(), n_units)?;
        let evidence = explain_config::evidence(&args.trust, units.len());
        check_evidence(&evidence, &annotated.set.examples)?;
        methods.push(Method { explain: config.clone(), units, evidence });
    }
    let vectors = args.vectors.as_deref().map(NameVectors::read).transpose()?;
    if let Some(vectors) = &vectors {
        vectors.tell(&annotated.set.vocabulary, reporter);
    }

    let Checkpoint { file, entry } = Checkpoint::new(&args.network.checkpoint)?;
    let hash = |path: &Option<PathBuf>| path.as_deref().map(hash_file).transpose();
    let inputs = ImageInputs {
        annotations: annotated.record(reporter)?,
        checkpoint: hash_file(&file)?,
        entry,
        arch: network::options(&args.network.shape).family.map(|family| family.name().to_owned()),
        heads: args.network.shape.heads,
        grid: args.network.shape.grid,
        skip_tokens: args.network.shape.skip_tokens,
        images: hash_files("images", b"", &images, "images", reporter)?,
        layer: String::new(),
        preprocess: preprocess.name().to_owned(),
        scaling: match preprocess {
            Preprocess::Scaled(scaling) => Some(scaling),
            _ => None,
        },
        random_weights: args.network.random_weights,
        device: args.network.device.recorded(),
        classes: hash(&args.classes)?,
        scenes: hash(&args.scenes)?,
        name_vectors: vectors.as_ref().map(|vectors| vectors.hash.clone()),
    };
    extraction.made_from(&inputs);
    let place = |path: &Option<PathBuf>| path.as_deref().map(absolute).transpose();
    let paths = InputPaths {
        checkpoint: Some(absolute(&file)?),
        // Relative to the run directory, which may move.
        activations: Some(compexp_run::layout::ACTIVATIONS.into()),
        classes: place(&args.classes)?,
        scenes: place(&args.scenes)?,
        vectors: place(&args.vectors)?,
        ..annotated.paths.clone()
    };

    let mut opened = Vec::new();
    for ((layer, out), method) in layers.iter().zip(&outs).zip(methods) {
        let inputs = ImageInputs { layer: (*layer).to_owned(), ..inputs.clone() };
        let settings = Settings::new(&config, &method.units, false, method.evidence);
        let provenance = Provenance::VisionProbe(Made { inputs, settings });
        let run = run_folder::open_at(out, args.out.force, &provenance, paths.clone())?;
        opened.push((run, provenance, method));
    }
    let dirs: Vec<_> = opened.iter().map(|(run, ..)| run.as_ref().ok().map(|writer| writer.dir())).collect();
    let activations = match dirs.iter().all(Option::is_none) {
        true => dirs.iter().map(|_| None).collect(),
        false => extraction.run(&dirs, reporter)?,
    };
    let mut finished = Vec::new();
    for (((run, provenance, method), activations), layer) in opened.into_iter().zip(activations).zip(&layers) {
        let (run, up_to_date) = match (run, activations) {
            (Ok(writer), Some(activations)) => {
                if layers.len() > 1 {
                    reporter.say(&format!("layer {layer}"));
                }
                if model.feeds_head(layer) {
                    let numbers = || (0..model.classes()).map(|class| class.to_string()).collect();
                    let names = targets.as_ref().map_or_else(numbers, |t| t.class_names().to_vec());
                    write_head(writer.dir(), &model.head(names)?)?;
                }
                let compare = |t: &Targets| t.compare(writer.dir(), &annotated.set.examples);
                let predictions = targets.as_ref().map(compare).transpose()?;
                let (firing, predictions) = (Firing::Activations(&activations), predictions.as_deref());
                let similar = |a, b| vectors.as_ref()?.similarity(&annotated.set.vocabulary, a, b);
                let similarity = Some(&similar as Similarity<'_>);
                let layer = Layer { set: &annotated.set, firing, similarity, predictions };
                (explain_into(writer, layer, &method, &provenance, reporter)?, false)
            }
            (Ok(writer), None) => {
                return Err(Failure::new(format!("`{}`: found no activations", writer.dir().display())).into());
            }
            (Err(run), _) => (run, true),
        };
        if args.contributions {
            contributions::measure_to_classes(&run, up_to_date, reporter)?;
        }
        run_folder::add_table(&args.out, &run)?;
        finished.push((run, up_to_date));
    }
    reporter.end();
    summary::print(&finished, args.out.json, reporter)
}

/// Says how many photographs are not as they are stored.
fn tell_turned(photographs: &[Photo], reporter: &Reporter) {
    let turned = photographs.iter().filter(|photo| photo.upright).count();
    if turned > 0 {
        let (turned, all) = (count(turned as u64), count(photographs.len() as u64));
        reporter.say(&format!(
            "photographs: {turned} of {all} are turned by their orientation tags, as their annotations are"
        ));
    }
}

/// The layers to explain: those that the arguments name, or the default.
fn chosen_layers<'a>(args: &'a VisionProbeArgs, model: &Model) -> Result<Vec<&'a str>> {
    const DEFAULT: &str = "layer4";
    let layers: Vec<&str> = match args.layers.is_empty() {
        false => args.layers.iter().map(String::as_str).collect(),
        true if model.layers().iter().any(|layer| layer.name == DEFAULT) => vec![DEFAULT],
        true => {
            let message = format!("--layer: found none, expected one, since {} has no `{DEFAULT}`", model.name());
            let hint = format!("list its layers: `compexp vision layers {}`", args.network.checkpoint.display());
            return Err(Failure::usage(message).hint(hint).into());
        }
    };
    if let Some(layer) = layers.iter().find(|layer| args.contributions && !model.feeds_head(layer)) {
        let feeding = model.layers().into_iter().map(|layer| layer.name).filter(|name| model.feeds_head(name));
        let feeding: Vec<String> = feeding.map(|name| format!("`{name}`")).collect();
        let message = format!("--contributions: the network's last layer does not read `{layer}`");
        let hint = match feeding.is_empty() {
            true => "leave --contributions out: the last layer reads none that can be probed".to_owned(),
            false => format!("probe one that it reads: {}", feeding.join(", ")),
        };
        return Err(Failure::usage(message).hint(hint).into());
    }
    Ok(layers)
}
