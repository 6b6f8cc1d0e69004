//! How much units contribute to a model's classes: measured from a run and written to it.

use std::path::{Path, PathBuf};

use anyhow::Result;
use compexp_core::activation::ActivationSource;
use compexp_core::explanation::Explanations;
use compexp_files::write_rows;
use compexp_report::analysis::Records;
use compexp_report::analysis::effects::{contributions as measure, top_share};
use compexp_run::layout::{ACTIVATIONS, CONTRIBUTIONS};
use compexp_run::{ActivationFile, FinishedRun, Provenance, UnitContribution};
use compexp_trust::behaviour::contribution::Contributions;
use compexp_trust::behaviour::{Features, Head};

use crate::failure::Failure;
use crate::progress::Reporter;
use crate::terminal::count;

/// A run, its units' features, and the last layer of its model.
pub(crate) struct Decided {
    pub(crate) records: Records,
    pub(crate) features: Features,
    pub(crate) head: Head,
}

impl Decided {
    /// Reads a run, the last layer (head), and the features that this layer reads.
    ///
    /// # Errors
    /// `Error::Io` or `Error::Format` if a file of the run cannot be read or is damaged; a [`Failure`] that names the
    /// command to give if the run has no head or no activations.
    pub(crate) fn read(run: &FinishedRun) -> Result<Self> {
        let dir = run.dir();
        let Some(head) = run.head()? else {
            let message = format!("`{}`: found no head.json, expected the last layer of the model", dir.display());
            return Err(Failure::new(message).hint(way_to_head(run)).into());
        };
        let features = Features::pool(&activations(run)?)?;
        if features.n_units() != head.n_units() {
            let (found, expected) = (head.n_units(), features.n_units());
            let message =
                format!("units of `{}`: found {found}, expected {expected}, as activations.npy has", dir.display());
            return Err(Failure::new(format!("head.npy, {message}")).hint(AGAIN).into());
        }
        Ok(Self { records: Records::read(run)?, features, head })
    }

    /// How much each unit of the run contributes to each class.
    ///
    /// # Errors
    /// `Error::Mismatch` if the head and the features have different units.
    pub(crate) fn contributions(&self) -> Result<Contributions> {
        let logits = self.head.logits(&self.features)?;
        let (weights, top) = (self.head.weights.view(), top_share(self.head.classes.len()));
        Ok(measure(&self.records, weights, &self.features, logits.view(), top)?)
    }
}

const AGAIN: &str = "make the run again: give its probing command with --force";

/// How to get a run that has a head.
fn way_to_head(run: &FinishedRun) -> String {
    let made = run.provenance().ok();
    let layer = made.as_ref().and_then(Provenance::layer).unwrap_or("another layer");
    match &made {
        Some(Provenance::VisionProbe(_)) => format!(
            "the last layer of a residual network reads its last stage, this run is of `{layer}`: use a run of \
             `compexp vision probe --layer layer4`; one of layer4 that is older must be made again, with --force"
        ),
        Some(Provenance::NliProbe(_)) => format!(
            "the last layer reads the features, this run is of the {layer}: use a run of `compexp nli probe --layer \
             features`; one of features that is older must be made again, with --force"
        ),
        _ => {
            "activations of another model came without its last layer; `compexp vision probe` and `compexp nli probe` \
              keep it"
                .into()
        }
    }
}

/// A run's activations, which are checked while they are read.
///
/// # Errors
/// `Error::Io` or `Error::Format` if the file cannot be read or is damaged; a [`Failure`] if the run has no
/// activations, if they have another number of examples, or if some examples are held out.
pub(crate) fn activations(run: &FinishedRun) -> Result<ActivationFile> {
    let dir = run.dir();
    let path = dir.join(ACTIVATIONS);
    if let Some(out) = run.explanations.held_out {
        let message = format!(
            "`{}`: found a run on some examples ({} are held out), expected a run on all examples",
            dir.display(),
            count(out.examples)
        );
        return Err(Failure::new(message).hint("use a run that was made without --holdout").into());
    }
    let Some(file) = run.activations()? else {
        let message = format!("`{}`: found no activations.npy, expected the activations of the units", dir.display());
        return Err(Failure::new(message).hint(AGAIN).into());
    };
    let (found, expected) = (file.n_examples(), run.explanations.universe.examples);
    if found != expected {
        let message = format!("examples in `{}`: found {found}, expected {expected}, as the run has", path.display());
        return Err(Failure::new(message).hint(AGAIN).into());
    }
    Ok(file)
}

/// Measures the contributions of a run's units to classes and writes them to the run. Does nothing if the run is
/// `up_to_date` and has them. If examples are held out, it measures nothing and reports this.
///
/// # Errors
/// The errors of [`Decided::read`]; `Error::Io` if the file cannot be written; `Error::Locked` if another process
/// writes to the run.
pub(crate) fn measure_to_classes(run: &FinishedRun, up_to_date: bool, reporter: &Reporter) -> Result<()> {
    if up_to_date && run.find(CONTRIBUTIONS)?.is_some() {
        return Ok(());
    }
    if run.explanations.held_out.is_some() {
        reporter.say("contributions: not measured, because they need all examples and some are held out");
        return Ok(());
    }
    write_contributions_to_classes(run).map(|_| ())
}

/// Measures and writes the contributions of a run's units to classes. Returns the path of the file.
///
/// # Errors
/// The errors of [`measure_to_classes`].
pub(crate) fn write_contributions_to_classes(run: &FinishedRun) -> Result<PathBuf> {
    let decided = Decided::read(run)?;
    let contributions = decided.contributions()?;
    let adding = run.add("vision contributions")?;
    let path = adding.path(CONTRIBUTIONS);
    write_contributions(&path, &decided.records.explanations, &contributions, &decided.head.classes)?;
    adding.finish()?;
    Ok(run.dir().join(CONTRIBUTIONS))
}

/// Writes a row for every unit of the run and target.
///
/// # Errors
/// `Error::Io` if the file cannot be written.
pub(crate) fn write_contributions(
    path: &Path,
    explanations: &Explanations,
    all: &Contributions,
    targets: &[String],
) -> Result<()> {
    let measures = [&all.weight, &all.correlation, &all.overlap];
    let mut rows = Vec::new();
    for unit in explanations.units.iter().map(|u| u.unit) {
        for (at, target) in targets.iter().enumerate() {
            let values = measures.map(|m| Some(m.values[[unit, at]]).filter(|v| !v.is_nan()));
            rows.push((unit, target, values, measures.map(|m| m.role(unit, at).name())));
        }
    }
    Ok(write_rows(path, &UnitContribution::COLUMNS, &rows)?)
}
