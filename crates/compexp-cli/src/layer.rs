//! The layer to explain: its activations or masks, in a file.

use std::path::{Path, PathBuf};

use anyhow::Result;
use compexp_core::activation::MaskSource;
use compexp_core::exemplar::Firing;
use compexp_core::explain::Progress;
use compexp_core::probe::ProbeSet;
use compexp_files::hash_file;
use compexp_run::provenance::ArrayInput;
use compexp_run::{ActivationFile, MaskFile};

use crate::failure::Failure;

/// A layer's activations or masks.
pub(crate) struct Layer {
    /// The file and the tensor in it, as they were given.
    spec: PathBuf,
    values: Values,
}

enum Values {
    Activations(ActivationFile),
    Masks(MaskFile),
}

impl Layer {
    /// Opens the given layer, if there is one.
    ///
    /// # Errors
    /// The errors of [`ActivationFile::open`] or [`MaskFile::open`]; a [`Failure`] for `-`.
    pub(crate) fn open(activations: Option<&Path>, masks: Option<&Path>) -> Result<Option<Self>> {
        for (flag, path) in [("--activations", activations), ("--masks", masks)] {
            if path == Some(Path::new("-")) {
                let message = format!("{flag} -: standard input cannot be read, since the file is read more than once");
                return Err(Failure::usage(message).hint("save it to a file, and give that file's path").into());
            }
        }
        let (spec, values) = match (activations, masks) {
            (Some(spec), _) => (spec, Values::Activations(ActivationFile::open(spec)?)),
            (None, Some(spec)) => (spec, Values::Masks(MaskFile::open(spec)?)),
            (None, None) => return Ok(None),
        };
        Ok(Some(Self { spec: spec.to_owned(), values }))
    }

    /// Where its units fire.
    pub(crate) fn firing(&self) -> Firing<'_> {
        match &self.values {
            Values::Activations(file) => Firing::Activations(file),
            Values::Masks(file) => Firing::Masks(file),
        }
    }

    /// The file and the tensor in it, as they were given.
    pub(crate) fn spec(&self) -> &Path {
        &self.spec
    }

    /// Whether there is a map for every example, and not a single value.
    pub(crate) fn has_maps(&self) -> bool {
        match &self.values {
            Values::Activations(file) => file.has_maps(),
            Values::Masks(file) => file.grid().positions() > 1,
        }
    }

    /// Its kind, in `config.json`.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.values {
            Values::Activations(_) => "activations",
            Values::Masks(_) => "masks",
        }
    }

    fn path(&self) -> &Path {
        match &self.values {
            Values::Activations(file) => file.path(),
            Values::Masks(file) => file.path(),
        }
    }

    /// A run's record of the layer: the hash of its file, and the tensor's name.
    ///
    /// # Errors
    /// `Error::Io` if the file cannot be read.
    pub(crate) fn record(&self, progress: &dyn Progress) -> Result<ArrayInput> {
        progress.stage(&format!("hash of the {}", self.kind()), "file", 1);
        let hash = hash_file(self.path())?;
        progress.done(1);
        Ok(ArrayInput { hash, tensor: self.tensor() })
    }

    /// The name after `#`.
    fn tensor(&self) -> Option<String> {
        let (spec, path) = (self.spec.to_string_lossy(), self.path().to_string_lossy());
        Some(spec.strip_prefix(&*path)?.strip_prefix('#')?.to_owned())
    }

    /// Compares the layer with the probe set.
    ///
    /// # Errors
    /// A [`Failure`] if the layer and the probe set have different examples.
    pub(crate) fn check(&self, set: &ProbeSet) -> Result<(), Failure> {
        let (found, expected) = (self.firing().n_examples(), set.source.n_examples());
        if found == expected {
            return Ok(());
        }
        let message = format!(
            "examples in the {} `{}`: found {found}, expected {expected}, as many as are annotated",
            self.kind(),
            self.path().display()
        );
        let shape = match &self.values {
            Values::Activations(_) => "[examples, units, height, width] or [examples, units]",
            Values::Masks(_) => "[units, examples, height, width] or [units, examples]",
        };
        Err(Failure::new(message)
            .hint(format!("the array is {shape}; export it for the same examples in the same order")))
    }
}
