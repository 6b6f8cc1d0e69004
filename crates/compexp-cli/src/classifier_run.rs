//! Runs of a classifier: the probed examples together with the predictions of the model.

use std::path::{Path, PathBuf};

use anyhow::Result;
use compexp_core::concept::Vocabulary;
use compexp_core::formula::Formula;
use compexp_files::Place;
use compexp_run::{FinishedRun, Provenance, RunConfig, layout};
use compexp_trust::behaviour::{Features, Head};

use crate::failure::Failure;
use crate::hub_paths::config_of;

/// A run on the layer that the model's last layer reads.
pub(crate) struct Classified {
    pub(crate) run: FinishedRun,
    pub(crate) config: RunConfig,
    pub(crate) made: Provenance,
    pub(crate) head: Head,
    /// The means of the units' maps.
    pub(crate) features: Features,
    /// `(n_examples, n_classes)`
    pub(crate) logits: Vec<f32>,
    /// The class of every example, if it is known.
    pub(crate) known: Vec<Option<usize>>,
}

impl Classified {
    /// Opens the run in `dir`, which `command` (such as `vision probe`) must have made. `layer` is the layer that the
    /// last layer reads; error messages tell the user to probe it.
    ///
    /// # Errors
    /// `Error::Io` or `Error::Format` if a file of the run cannot be read; a [`Failure`] that names the command to give
    /// if another command made the run, or if it has no predictions or no last layer.
    pub(crate) fn open(dir: &Path, command: &str, layer: &str) -> Result<Self> {
        let run = FinishedRun::open(dir)?;
        let made = run.provenance()?;
        let found = made.command();
        let make = format!("make one with `compexp {command} --layer {layer} --out RUN_DIR`");
        if found != command {
            let message =
                format!("`{}`: found a run of `compexp {found}`, expected one of `compexp {command}`", dir.display());
            return Err(match found.strip_suffix(" probe") {
                Some(kind) => Failure::new(message).hint(format!("give it to `compexp {kind} counterfactual`")),
                None => {
                    let lacks = "activations alone come without the model's predictions and its last layer";
                    Failure::new(format!("{message}: {lacks}")).hint(make)
                }
            }
            .into());
        }
        let Some(head) = run.head()? else {
            let probed = made.layer().unwrap_or("another");
            let message = format!(
                "`{}`: found no head.json: the run is of the layer `{probed}`, which the model's last layer does not read, \
                 or was made by an older compexp",
                dir.display()
            );
            return Err(Failure::new(message).hint(format!("{make}, with --force to replace this one")).into());
        };
        let Some(file) = run.logits()? else {
            let message = format!("`{}`: found no logits.npy, which holds the model's predictions", dir.display());
            return Err(Failure::new(message).hint(format!("{make}, with --force to replace this one")).into());
        };
        let (n, n_classes) = (run.explanations.universe.examples, head.classes.len());
        if file.shape() != [n, n_classes] {
            let message = format!(
                "`{}`: found shape {:?}, expected [{n}, {n_classes}]",
                dir.join(layout::LOGITS).display(),
                file.shape()
            );
            return Err(Failure::new(message).hint(make).into());
        }
        let mut logits = vec![0.0; n * n_classes];
        file.read_f32(0, &mut logits)?;
        let Some(activations) = run.activations()? else {
            let message =
                format!("`{}`: found no activations.npy, expected the activations of the units", dir.display());
            return Err(Failure::new(message).hint(format!("{make}, with --force to replace this one")).into());
        };
        let features = Features::pool(&activations)?;
        if (features.n_examples(), features.n_units()) != (n, head.n_units()) {
            let message = format!(
                "`{}`: found activations of {} examples and {} units, expected {n} and {}, as the last layer reads",
                dir.display(),
                features.n_examples(),
                features.n_units(),
                head.n_units()
            );
            return Err(Failure::new(message).hint(make).into());
        }
        let known = match run.predictions()? {
            Some(all) if all.len() == n => {
                all.iter().map(|p| head.classes.iter().position(|class| *class == p.target)).collect()
            }
            _ => vec![None; n],
        };
        Ok(Self { config: config_of(&run)?, made, run, head, features, logits, known })
    }

    /// The path of the input `what` of the run: `given`, or else `recorded`.
    ///
    /// # Errors
    /// A [`Failure`] if there is neither, or nothing at that path.
    pub(crate) fn path(&self, what: &str, [given, recorded]: [Option<&Path>; 2]) -> Result<PathBuf> {
        let Some(path) = given.or(recorded).map(Path::to_owned) else {
            let message = format!("`{}`: config.json does not say where the {what} is", self.run.dir().display());
            return Err(Failure::usage(message).hint(format!("give --{what}")).into());
        };
        if Place::behind(&path)? == Place::Nothing {
            let message = format!("`{}`: there is no such {what} any more", path.display());
            return Err(Failure::new(message).hint(format!("give --{what} where it is now")).into());
        }
        Ok(path)
    }

    /// The explained units with their formulas, or the selected unit.
    ///
    /// # Errors
    /// A [`Failure`] if the selected unit has no formula; `Error::Formula` if a formula names a concept that
    /// `vocabulary` does not have.
    pub(crate) fn formulas(&self, asked: Option<usize>, vocabulary: &Vocabulary) -> Result<Vec<(usize, Formula)>> {
        let mut found = Vec::new();
        for explained in self.run.explanations.units.iter().filter(|e| asked.is_none_or(|unit| unit == e.unit)) {
            if let Some(text) = &explained.formula {
                found.push((explained.unit, Formula::parse(text, vocabulary)?));
            }
        }
        match asked {
            Some(unit) if found.is_empty() => {
                let message = format!("--unit {unit}: the run has no formula of it");
                Err(Failure::new(message).hint("`compexp show RUN` lists those that it has").into())
            }
            _ => Ok(found),
        }
    }

    /// The class of this name, or number.
    ///
    /// # Errors
    /// A [`Failure`] if the model has no such class.
    pub(crate) fn class(&self, flag: &str, name: &str) -> Result<usize> {
        let classes = &self.head.classes;
        let number = || name.parse().ok().filter(|class| *class < classes.len());
        let found = classes.iter().position(|class| class == name).or_else(number);
        Ok(found.ok_or_else(|| {
            let some: Vec<&str> = classes.iter().take(8).map(String::as_str).collect();
            let more = if classes.len() > some.len() { ", ..." } else { "" };
            Failure::usage(format!("{flag} {name}: the model has no such class")).hint(format!(
                "its {} classes are {}{more} (head.json lists them)",
                classes.len(),
                some.join(", ")
            ))
        })?)
    }
}

/// The first of the largest logits.
pub(crate) fn likeliest(logits: &[f32]) -> usize {
    (1..logits.len()).fold(0, |best, class| if logits[class] > logits[best] { class } else { best })
}
