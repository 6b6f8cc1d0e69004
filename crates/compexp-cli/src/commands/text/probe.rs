//! `compexp text probe`: from annotated sentences and a language model to a run directory, or one for each of several layers.

use anyhow::Result;
use compexp_core::exemplar::Firing;
use compexp_core::probe::Variant;
use compexp_run::layout::{ACTIVATIONS, LATENTS};
use compexp_run::provenance::{Made, Settings, WordInputs};
use compexp_run::{
    ActivationFile, FinishedRun, InputPaths, Layer, Method, Provenance, RunWriter, SparseFile, check_evidence,
    explain_into,
};
use compexp_text::Sae;

use super::extraction::Extraction;
use crate::annotations::{Annotated, Annotations};
use crate::args::text::TextProbeArgs;
use crate::failure::Failure;
use crate::input_files::absolute;
use crate::language_model::{LanguageModel, hash_of_files};
use crate::progress::Reporter;
use crate::word_annotations::hash_sentences;
use crate::{explain_config, latents, run_folder, summary, unit_numbers};

pub(crate) fn run(args: &TextProbeArgs, reporter: &Reporter) -> Result<()> {
    let threshold = explain_config::threshold(&args.threshold, args.sae.is_none(), args.search.compat, reporter);
    explain_config::check_search(&args.search)?;
    let config = explain_config::explain(&args.search, threshold, Variant::Vision);
    config.search.check().map_err(Failure::usage)?;
    let model = LanguageModel::open(&args.model)?;
    let layers = args.layers.iter().map(|name| model.layer(name)).collect::<Result<Vec<_>>>()?;
    let sae = args.sae.as_deref().map(Sae::open).transpose()?;
    if let Some(sae) = &sae {
        let [layer] = &layers[..] else {
            let message = format!("--sae: found {} layers, expected the one that it was trained on", layers.len());
            return Err(Failure::usage(message).hint("give one --layer").into());
        };
        sae.expect_width(&args.layers[0], layer.width)?;
    }

    let mut annotated = Annotations::of_words(&args.tokens, &args.words).open(reporter)?;
    let read = model.read(&annotated.sentences, reporter)?;
    if read.positions.is_some() {
        annotated.set = annotated.set.only(read.kept)?;
    }
    let mut methods = Vec::new();
    for layer in &layers {
        let n_units = sae.as_ref().map_or(layer.width, Sae::d_sae);
        let units = unit_numbers::units(args.search.units.as_ref(), n_units)?;
        let evidence = explain_config::evidence(&args.trust, units.len());
        check_evidence(&evidence, &annotated.set.examples)?;
        methods.push(Method { explain: config.clone(), units, evidence });
    }

    let [model_hash, tokenizer] = model.record(reporter)?;
    let sae_hash = args.sae.as_deref().map(|path| hash_of_files("sparse autoencoder", Sae::files(path)?, reporter));
    let inputs = WordInputs {
        annotations: annotated.record(reporter)?,
        model: model_hash,
        tokenizer,
        positions: read.positions,
        layer: String::new(),
        sae: sae_hash.transpose()?,
        device: args.model.device.recorded(),
    };
    let paths = InputPaths {
        // Relative to the run directory, which may move.
        activations: Some(if sae.is_some() { LATENTS } else { ACTIVATIONS }.into()),
        model: Some(absolute(&args.model.model)?),
        tokenizer: Some(absolute(model.tokenizer_file())?),
        sae: args.sae.as_deref().map(absolute).transpose()?,
        ..annotated.paths.clone()
    };

    let names: Vec<&str> = args.layers.iter().map(String::as_str).collect();
    let outs = run_folder::of_layers(&args.out, &names)?;
    let mut opened = Vec::new();
    for ((layer, out), method) in names.iter().zip(&outs).zip(methods) {
        let inputs = WordInputs { layer: (*layer).to_owned(), ..inputs.clone() };
        let settings = Settings::new(&config, &method.units, false, method.evidence);
        let provenance = Provenance::TextProbe(Made { inputs, settings });
        let run = run_folder::open_at(out, args.out.force, &provenance, paths.clone())?;
        opened.push((run, provenance, method));
    }
    let dirs: Vec<_> = opened.iter().map(|(run, ..)| run.as_ref().ok().map(|writer| writer.dir())).collect();
    let activations = match dirs.iter().all(Option::is_none) {
        true => dirs.iter().map(|_| None).collect(),
        false => {
            let extraction = Extraction { encoder: &model.encoder, sentences: &read.sentences, layers: &layers };
            extraction.run(&dirs, &inputs, &hash_sentences(&args.tokens, annotated.words.as_ref())?, reporter)?
        }
    };
    let mut finished = Vec::new();
    for (((run, provenance, method), activations), layer) in opened.into_iter().zip(activations).zip(&names) {
        let (run, up_to_date) = match (run, activations) {
            (Ok(writer), Some(activations)) => {
                if layers.len() > 1 {
                    reporter.say(&format!("layer {layer}"));
                }
                let values = (&activations, sae.as_ref());
                (explain(writer, values, &annotated, &method, &provenance, reporter)?, false)
            }
            (Ok(writer), None) => {
                return Err(Failure::new(format!("`{}`: found no activations", writer.dir().display())).into());
            }
            (Err(run), _) => (run, true),
        };
        run_folder::add_table(&args.out, &run)?;
        finished.push((run, up_to_date));
    }
    reporter.end();
    summary::print(&finished, args.out.json, reporter)
}

/// Explains the values of a layer, or the latents of a sparse autoencoder on them.
fn explain(
    writer: RunWriter,
    (activations, sae): (&ActivationFile, Option<&Sae>),
    annotated: &Annotated,
    method: &Method,
    provenance: &Provenance,
    reporter: &Reporter,
) -> Result<FinishedRun> {
    let path = writer.dir().join(LATENTS);
    let into = |firing| {
        let layer = Layer { set: &annotated.set, firing, similarity: None, predictions: None };
        Ok(explain_into(writer, layer, method, provenance, reporter)?)
    };
    let Some(sae) = sae else { return into(Firing::Activations(activations)) };
    latents::encode(sae, activations, &path, reporter)?;
    match SparseFile::open(&path)? {
        Some(file) => into(Firing::Sparse(&file)),
        None => Err(Failure::new(format!("`{}`: found no latents", path.display())).into()),
    }
}
