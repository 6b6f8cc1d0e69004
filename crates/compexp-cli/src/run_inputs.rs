//! The inputs of a finished run, which must be what they were when it was made.

use std::path::Path;

use anyhow::Result;
use compexp_run::FinishedRun;
use serde_json::Value;

use crate::annotations::{Annotated, Annotations};
use crate::failure::Failure;
use crate::progress::Reporter;

/// The annotations of a run, which must be what they were.
///
/// # Errors
/// Errors of the files; a [`Failure`] where they have changed or the run does not say where they were.
pub(crate) fn annotations_of(run: &FinishedRun, reporter: &Reporter) -> Result<Annotated> {
    let (dir, config) = (run.dir(), run.config()?);
    let annotations = Annotations::of_run(&config, dir)?.ok_or_else(|| lacks(dir, "where its annotations were"))?;
    let annotated = annotations.open()?;
    // Those of sentence pairs are the run's own, and not among its inputs.
    if let Some(recorded) = config.config["inputs"].get("annotations") {
        unchanged("annotations", recorded, &annotated.record(reporter)?)?;
    }
    Ok(annotated)
}

/// What to say where the run in `dir` does not record `what`.
pub(crate) fn lacks(dir: &Path, what: &str) -> Failure {
    Failure::new(format!("`{}` does not say {what}", dir.display())).hint("give the inputs themselves instead of --run")
}

/// Compares what a run records of an input with what is found now.
///
/// # Errors
/// A [`Failure`] where they differ.
pub(crate) fn unchanged(what: &str, recorded: &Value, found: &Value) -> Result<(), Failure> {
    if recorded == found {
        return Ok(());
    }
    let hash = |v: &Value| v["hash"].as_str().unwrap_or("none").chars().take(12).collect::<String>();
    Err(Failure::new(format!("hash of the {what}: found {}, expected {}, as in the run", hash(found), hash(recorded)))
        .hint("they have changed since: explain them again, or give inputs instead of --run"))
}
