//! Annotated examples: opens the annotations that the arguments or a run name, and makes the record of a run about
//! them.

use std::path::{Path, PathBuf};

use anyhow::Result;
use compexp_core::explain::Progress;
use compexp_core::probe::ProbeSet;
use compexp_run::provenance::AnnotationInput;
use compexp_run::{InputPaths, OpenedProbe, RunConfig, layout, open_probe};
use compexp_vision::broden::{self, Broden, BrodenOptions};

use crate::args::annotations::{AnnotationArgs, BrodenParts};
use crate::input_files::{absolute, as_text, hash_files};

/// Where annotations come from.
pub(crate) enum Annotations {
    Probe(PathBuf),
    Broden(BrodenFolder),
}

/// A folder in Broden's format, and the parts of it that are used. A run's record of these options is written and read
/// here.
pub(crate) struct BrodenFolder {
    dir: PathBuf,
    options: BrodenOptions,
}

/// Annotated examples, and the files they were read from.
pub(crate) struct Annotated {
    pub(crate) set: ProbeSet,
    /// The options that the hash covers, beside the files.
    kind: &'static str,
    /// For a Broden folder, the categories that were read.
    categories: Option<Vec<String>>,
    files: Vec<(String, PathBuf)>,
    pub(crate) paths: InputPaths,
}

impl BrodenFolder {
    /// The parts that the arguments name.
    pub(crate) fn new(dir: &Path, parts: &BrodenParts) -> Self {
        let options = BrodenOptions { categories: parts.categories.clone(), index: parts.index.clone() };
        Self { dir: dir.to_owned(), options }
    }

    /// The parts that a run used. `dir` is the present path of the folder.
    ///
    /// # Errors
    /// An error if the run is of another version of compexp.
    pub(crate) fn of_run(run: &RunConfig, dir: PathBuf) -> Result<Self> {
        let categories = run.provenance()?.annotations().and_then(|recorded| recorded.categories.clone());
        Ok(Self { dir, options: BrodenOptions { categories, index: run.paths.index.as_ref().map(PathBuf::from) } })
    }

    /// Reads the folder's tables.
    ///
    /// # Errors
    /// The errors of [`broden::load`].
    pub(crate) fn load(&self) -> Result<Broden> {
        Ok(broden::load(&self.dir, &self.options)?)
    }

    /// The probe set of the folder, which is already loaded.
    ///
    /// # Errors
    /// The error of [`absolute`].
    pub(crate) fn annotated(&self, broden: Broden) -> Result<Annotated> {
        let named = |path: PathBuf| {
            let below = path.strip_prefix(&self.dir).ok().or(path.file_name().map(Path::new));
            Ok((as_text(below.unwrap_or(&path))?, path))
        };
        let files = broden.fingerprint_files().into_iter().map(named).collect::<Result<_>>()?;
        let mut paths = InputPaths {
            broden: Some(absolute(&self.dir)?),
            image_root: Some(absolute(broden.image_root())?),
            ..InputPaths::default()
        };
        if let Some(index) = &self.options.index {
            // An index within the folder is recorded relative to the folder.
            let within = broden.index_file() == self.dir.join(index);
            paths.index = Some(if within { as_text(index)? } else { absolute(index)? });
        }
        let categories = Some(broden.categories().to_vec());
        Ok(Annotated { set: broden.into_probe_set(), kind: "broden", categories, files, paths })
    }
}

impl Annotations {
    /// The given folder. The argument parser ensures that there is one.
    pub(crate) fn new(args: &AnnotationArgs) -> Self {
        match (&args.broden, &args.probe) {
            (Some(dir), _) => Self::Broden(BrodenFolder::new(dir, &args.parts)),
            (None, probe) => Self::Probe(probe.clone().unwrap_or_else(|| ".".into())),
        }
    }

    /// The path of the annotations of the run in `dir`; none if the run does not record it.
    ///
    /// # Errors
    /// The errors of [`BrodenFolder::of_run`].
    pub(crate) fn of_run(run: &RunConfig, dir: &Path) -> Result<Option<Self>> {
        Ok(match (&run.paths.broden, &run.paths.probe) {
            (Some(broden), _) => Some(Self::Broden(BrodenFolder::of_run(run, broden.into())?)),
            // A folder that the run made itself is relative to the run directory.
            (None, Some(probe)) => Some(Self::Probe(dir.join(probe))),
            (None, None) => None,
        })
    }

    /// Opens the folder.
    ///
    /// # Errors
    /// The errors of [`open_probe`] or [`broden::load`].
    pub(crate) fn open(&self) -> Result<Annotated> {
        match self {
            Self::Probe(dir) => {
                let OpenedProbe { set, files } = open_probe(dir)?;
                let files = files.into_iter().map(|name| (name.to_owned(), dir.join(name))).collect();
                let [probe, image_root] = [absolute(dir)?, absolute(dir)?].map(Some);
                let paths = InputPaths { probe, image_root, ..InputPaths::default() };
                Ok(Annotated { set, kind: "probe", categories: None, files, paths })
            }
            Self::Broden(folder) => folder.annotated(folder.load()?),
        }
    }
}

impl Annotated {
    /// Whether the examples have names of their own, and not only numbers.
    pub(crate) fn has_names(&self) -> bool {
        self.kind == "broden" || self.files.iter().any(|(name, _)| name == layout::EXAMPLES)
    }

    /// A run's record of the annotations: the hash of all their files.
    ///
    /// # Errors
    /// `Error::Io` if a file cannot be read.
    pub(crate) fn record(&self, progress: &dyn Progress) -> Result<AnnotationInput> {
        // As JSON: `null`, or `["object", ...]`.
        let options = serde_json::to_string(&self.categories)?;
        let hash = hash_files(self.kind, options.as_bytes(), &self.files, "annotations", progress)?;
        Ok(AnnotationInput { kind: self.kind.to_owned(), categories: self.categories.clone(), hash })
    }
}
