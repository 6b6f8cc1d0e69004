//! The inputs of a finished run, which must not have changed since.

use std::path::Path;

use anyhow::Result;
use compexp_files::hash_file;
use compexp_run::provenance::ArrayInput;
use compexp_run::{FinishedRun, Known, Provenance, layout};

use crate::annotations::{Annotated, Annotations};
use crate::failure::Failure;
use crate::hub_paths::config_of;
use crate::language_model::words_within;
use crate::layer::Layer;
use crate::progress::Reporter;
use crate::word_places::WordPlaces;

/// Opens the annotations of a run, and checks that they did not change.
///
/// # Errors
/// `Error::Io` or `Error::Format` if a file cannot be read; a [`Failure`] if the annotations changed or the run does
/// not record their path.
pub(crate) fn annotations_of(run: &FinishedRun, reporter: &Reporter) -> Result<Annotated> {
    let (dir, config) = (run.dir(), config_of(run)?);
    let annotations = Annotations::of_run(&config, dir)?.ok_or_else(|| lacks(dir, "where its annotations were"))?;
    // Checks the probe set that the run itself keeps, if it has one.
    run.probe()?;
    let mut annotated = annotations.open(reporter)?;
    let made = run.provenance()?;
    // A run on sentence pairs has its own annotations, which are not among its inputs.
    if let Some(recorded) = made.annotations() {
        let found = annotated.record(reporter)?;
        unchanged("annotations", recorded == &found, &recorded.hash, &found.hash)?;
    }
    if let Provenance::TextProbe(made) = &made
        && let Some(positions) = made.inputs.positions
    {
        let tokenizer = config.paths.tokenizer.as_deref().ok_or_else(|| lacks(dir, "where its tokenizer was"))?;
        let found = hash_file(Path::new(tokenizer))?;
        unchanged("tokenizer", made.inputs.tokenizer == found, &made.inputs.tokenizer, &found)?;
        let kept = words_within(&annotated.sentences, Path::new(tokenizer), positions)?;
        annotated.set = annotated.set.only(kept)?;
    }
    Ok(annotated)
}

/// Opens the activations or masks of a run, and checks that they did not change. The places say which of their rows the run's
/// words are.
///
/// # Errors
/// `Error::File` or `Error::Damaged` if a file cannot be read; a [`Failure`] if it changed, or the run does not record its path.
pub(crate) fn layer_of(run: &FinishedRun, reporter: &Reporter) -> Result<(Layer, WordPlaces)> {
    let (dir, paths) = (run.dir(), config_of(run)?.paths);
    // The path of activations that the run made is relative to the run directory.
    let [activations, masks] = [&paths.activations, &paths.masks].map(|path| path.as_ref().map(|path| dir.join(path)));
    for kept in [layout::ACTIVATIONS, layout::LATENTS] {
        if paths.activations.as_deref() == Some(kept) {
            // Checks the activations that the run itself keeps.
            run.find(kept)?;
        }
    }
    let recorded = match run.provenance()? {
        Provenance::Explain(made) => {
            let recorded = made.inputs.activations.or(made.inputs.masks);
            Some(recorded.ok_or_else(|| lacks(dir, "what its activations held"))?)
        }
        Provenance::VisionProbe(_) | Provenance::NliProbe(_) | Provenance::TextProbe(_) => None,
    };
    let known = recorded.as_ref().map_or(Known::OF_COMPEXP, |recorded| Known {
        axes: recorded.layout.or(Known::OF_COMPEXP.axes),
        grid: recorded.grid,
        units: None,
    });
    let Some(layer) = Layer::open(activations.as_deref(), masks.as_deref(), known)? else {
        return Err(lacks(dir, "where its activations were").into());
    };
    let layer = layer.on_grid(known.grid)?;
    // What a run extracted has a row for each of its words.
    let places = recorded.as_ref().map_or_else(WordPlaces::default, |_| WordPlaces::of_run(&paths));
    if let Some(recorded) = recorded {
        let found = ArrayInput { places: places.record(reporter)?, ..layer.record(reporter)? };
        unchanged(layer.kind(), recorded == found, &recorded.hash, &found.hash)?;
    }
    Ok((layer, places))
}

/// The error if the run in `dir` does not record `what`.
pub(crate) fn lacks(dir: &Path, what: &str) -> Failure {
    Failure::new(format!("`{}` does not say {what}", dir.display())).hint("give the inputs themselves instead of --run")
}

/// Refuses an input that is not the `same` as the run records.
///
/// # Errors
/// A [`Failure`], with both hashes, if the input changed.
pub(crate) fn unchanged(what: &str, same: bool, recorded: &str, found: &str) -> Result<(), Failure> {
    if same {
        return Ok(());
    }
    let hash = |hash: &str| hash.chars().take(12).collect::<String>();
    Err(Failure::new(format!("hash of the {what}: found {}, expected {}, as in the run", hash(found), hash(recorded)))
        .hint("they have changed since: explain them again, or give inputs instead of --run"))
}
