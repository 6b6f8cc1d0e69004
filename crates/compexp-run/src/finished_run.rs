//! A run that is complete, and its files, which are checked as they are read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use compexp_core::exemplar::Exemplar;
use compexp_core::explanation::{Explanations, VERSION};
use compexp_core::probe::{Example, Grid};
use compexp_core::relation::{Extent, Relation};
use compexp_files::{Dtype, FolderLock, Place, TensorFile, entries, is_there, read_json, read_rows};
use serde::{Deserialize, Serialize};

use crate::activations::{ActivationFile, Known};
use crate::blocks::{Blocks, CheckedFile};
use crate::error::{Damage, Error, Result};
use crate::layout::*;
use crate::manifest::{Manifest, damaged};
use crate::probe_dir::read_examples;
use crate::provenance::Provenance;
use crate::ranges;
use crate::run_config::RunConfig;
use crate::summary::{Prediction, Summary};

pub(crate) const PREDICTION_COLUMNS: [&str; 4] = ["image", "target", "predicted", "correct"];
pub(crate) const EXTENT_COLUMNS: [&str; 5] = ["id", "name", "category", "area", "examples"];
pub(crate) const RELATION_COLUMNS: [&str; 6] = ["first", "second", "area", "examples", "context", "similarity"];

/// What `exemplars.json` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExemplarList {
    pub(crate) version: u32,
    /// The grid of the masks in `exemplars.npy`.
    pub grid: Grid,
    /// One entry an exemplar, in the order of its masks.
    pub exemplars: Vec<Exemplar>,
}

/// A complete run.
#[derive(Clone, Debug)]
pub struct FinishedRun {
    dir: PathBuf,
    /// The explanations.
    pub explanations: Explanations,
    /// None where an earlier version made the run.
    manifest: Option<Manifest>,
    /// The lock of the command that made the run, so that it can add to it.
    lock: Option<Arc<FolderLock>>,
}

/// The runs beside a missing one that its error names.
const NAMED: usize = 5;

/// The error about a run folder that is not there, with the runs beside it.
fn missing(dir: &Path) -> Result<Error> {
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut runs = Vec::new();
    if Place::behind(parent)? == Place::Folder {
        for entry in entries(parent)? {
            if entry.place == Place::Folder && runs.len() < NAMED && is_there(&entry.path.join(EXPLANATIONS))? {
                runs.push(format!("`{}`", entry.path.strip_prefix(".").unwrap_or(&entry.path).display()));
            }
        }
    }
    let hint = if runs.is_empty() { String::new() } else { format!("; there are the runs {}", runs.join(", ")) };
    let source = std::io::Error::new(std::io::ErrorKind::NotFound, format!("no such run folder{hint}"));
    Ok(Error::io("open", dir)(source))
}

impl FinishedRun {
    /// Opens the run directory `dir`.
    ///
    /// # Errors
    /// `Error::File` if the folder holds no complete run, or one of another version; `Error::Damaged` if the explanations are
    /// not what the manifest says.
    pub fn open(dir: &Path) -> Result<Self> {
        let path = dir.join(EXPLANATIONS);
        let place = Place::behind(dir)?;
        if place == Place::Nothing {
            return Err(missing(dir)?);
        }
        let manifest = if place == Place::Folder {
            let manifest = Manifest::read(dir)?;
            let there = |name| is_there(&dir.join(name));
            if manifest.is_none() && (there(UNFINISHED)? || !there(EXPLANATIONS)?) {
                let (found, expected) = match there(CONFIG)? {
                    true => ("a run that is not complete", "a complete one: run the same command again"),
                    false => ("no explanations.json", "a run directory, as `--out` names"),
                };
                return Err(Error::format(dir, "run", found, expected));
            }
            manifest
        } else {
            None
        };
        if let Some(manifest) = &manifest {
            manifest.check(dir, EXPLANATIONS)?;
        }
        Ok(Self { dir: dir.to_owned(), explanations: read_explanations(&path)?, manifest, lock: None })
    }

    /// The same, holding the lock of its folder.
    pub(crate) fn locked(self, lock: Arc<FolderLock>) -> Self {
        Self { lock: Some(lock), ..self }
    }

    pub(crate) fn lock(&self) -> Option<&Arc<FolderLock>> {
        self.lock.as_ref()
    }

    /// The manifest; none where an earlier version made the run.
    pub fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
    }

    /// The path of the file `name` of the run (one of [`crate::layout`]), after it was checked; none where the run has no
    /// such file.
    ///
    /// # Errors
    /// `Error::Damaged` if the file is not what the manifest says; `Error::File` if it cannot be read.
    pub fn find(&self, name: &str) -> Result<Option<PathBuf>> {
        let path = self.dir.join(name);
        match &self.manifest {
            Some(manifest) if manifest.find(name).is_none() => Ok(None),
            Some(manifest) => manifest.check(&self.dir, name).map(|()| Some(path)),
            None => Ok(is_there(&path)?.then_some(path)),
        }
    }

    /// The path of a file that every run has.
    fn need(&self, name: &str) -> Result<PathBuf> {
        if let Some(manifest) = &self.manifest {
            manifest.check(&self.dir, name)?;
        }
        Ok(self.dir.join(name))
    }

    /// The activations that the run keeps, if it does; blocks are checked as they are read.
    ///
    /// # Errors
    /// `Error::Damaged` if the file is not what the manifest says; `Error::File` if it cannot be read.
    pub fn activations(&self) -> Result<Option<ActivationFile>> {
        let path = self.dir.join(ACTIVATIONS);
        let Some(manifest) = self.manifest.as_ref() else {
            return self.opened_activations();
        };
        let Some((record, command)) = manifest.find(ACTIVATIONS) else { return Ok(None) };
        let Some(blocks) = self.find(BLOCKS)? else {
            return self.opened_activations();
        };
        let blocks = Blocks::read(&blocks)?;
        let damage = match Place::at(&path)? {
            Place::File(bytes) if bytes == record.size => None,
            Place::File(_) => Some(Damage::Changed),
            Place::Nothing => Some(Damage::Missing),
            Place::Folder | Place::Other => Some(Damage::NoFile),
        };
        if let Some(damage) = damage {
            return Err(damaged(&self.dir, ACTIVATIONS, damage, command));
        }
        let again = format!("make the run again: give `compexp {command}` with --force");
        let checked = CheckedFile::open(&path, blocks, &again)?;
        Ok(Some(ActivationFile::open(&path, Known::OF_COMPEXP)?.of_run().checked(checked)))
    }

    fn opened_activations(&self) -> Result<Option<ActivationFile>> {
        let file = self.find(ACTIVATIONS)?.map(|path| ActivationFile::open(path, Known::OF_COMPEXP)).transpose()?;
        Ok(file.map(ActivationFile::of_run))
    }

    /// The logits that the run keeps, if it does: f32 `[n, classes]`.
    ///
    /// # Errors
    /// Those of [`Self::find`], and `Error::File` if the file is no array.
    pub fn logits(&self) -> Result<Option<TensorFile>> {
        Ok(self.find(LOGITS)?.map(TensorFile::open).transpose()?)
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the run was made with.
    ///
    /// # Errors
    /// [`compexp_files::Error::Format`] where the configuration is not one that this version of compexp writes.
    pub fn provenance(&self) -> Result<Provenance> {
        let expected = "the settings of a run of this version of compexp";
        let wrong = |e| Error::format(&self.dir.join(EXPLANATIONS), "config", e, expected);
        Provenance::parse(&self.explanations.config).map_err(wrong)
    }

    /// The configuration, and where the inputs were found.
    ///
    /// # Errors
    /// Those of [`read_json`].
    pub fn config(&self) -> Result<RunConfig> {
        Ok(read_json(&self.need(CONFIG)?)?)
    }

    /// What the units came to.
    ///
    /// # Errors
    /// Those of [`read_json`].
    pub fn summary(&self) -> Result<Summary> {
        Ok(read_json(&self.need(SUMMARY)?)?)
    }

    /// The examples, in order.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`]; [`compexp_files::Error::Format`] where they are not as many as the explanations say.
    pub fn examples(&self) -> Result<Vec<Example>> {
        read_examples(&self.need(EXAMPLES)?, self.explanations.universe.examples)
    }

    /// The exemplars, without their masks.
    ///
    /// # Errors
    /// Those of [`read_json`], and [`compexp_files::Error::Format`] for an example that the run does not have.
    pub fn exemplars(&self) -> Result<ExemplarList> {
        let path = self.need(EXEMPLARS)?;
        let list: ExemplarList = read_json(&path)?;
        let universe = self.explanations.universe;
        ranges::check_exemplars(&path, list.grid, &list.exemplars, [universe.examples, universe.positions])?;
        Ok(list)
    }

    /// The masks of the exemplars: u8 `[exemplars, 2, bytes]`.
    ///
    /// # Errors
    /// Those of [`TensorFile::open`].
    pub fn masks(&self) -> Result<TensorFile> {
        Ok(TensorFile::open(self.need(EXEMPLAR_MASKS)?)?)
    }

    /// What the model made of the examples, if the run has that.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`]; [`compexp_files::Error::Format`] naming the line that is not as documented.
    pub fn predictions(&self) -> Result<Option<Vec<Prediction>>> {
        let Some(path) = self.find(PREDICTIONS)? else { return Ok(None) };
        read_rows(&path, &PREDICTION_COLUMNS).map(Some).map_err(Error::from)
    }

    /// The examples on which each unit fires, in the order of the explanations: u8 `[units, ceil(n / 8)]`, the first
    /// example in the lowest bit.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`]; [`compexp_files::Error::Format`] where the array has another type or shape.
    pub fn activity(&self) -> Result<Vec<u8>> {
        let file = TensorFile::open(self.need(ACTIVITY)?)?;
        let shape = [self.explanations.units.len(), self.explanations.universe.examples.div_ceil(8)];
        if file.shape() != shape || file.dtype() != Dtype::U8 {
            let found = format!("{:?} {:?}", file.dtype(), file.shape());
            return Err(Error::format(file.path(), "array", found, format!("u8 {shape:?}")));
        }
        // In parts: the wide numbers of a large layer would take four times the memory of its bits.
        let mut bits = Vec::with_capacity(file.elements());
        let mut wide = vec![0; file.elements().min(1 << 20)];
        while bits.len() < file.elements() {
            let n = wide.len().min(file.elements() - bits.len());
            file.read_u32(bits.len(), &mut wide[..n])?;
            bits.extend(wide[..n].iter().map(|byte| *byte as u8));
        }
        Ok(bits)
    }

    /// The concepts of the probe set.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`]; [`compexp_files::Error::Format`] naming the line that is not as documented.
    pub fn concepts(&self) -> Result<Vec<Extent>> {
        Ok(read_rows(&self.need(CONCEPTS)?, &EXTENT_COLUMNS)?)
    }

    /// How concepts go together that stand in one formula.
    ///
    /// # Errors
    /// Those of [`Self::concepts`].
    pub fn relations(&self) -> Result<Vec<Relation>> {
        Ok(read_rows(&self.need(RELATIONS)?, &RELATION_COLUMNS)?)
    }
}

/// Reads a file of explanations.
///
/// # Errors
/// [`compexp_files::Error::Io`]; [`compexp_files::Error::Format`] where the file is none, or one of another version.
pub(crate) fn read_explanations(path: &Path) -> Result<Explanations> {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let Version { version } = read_json(path)?;
    if version != VERSION {
        return Err(Error::format(path, "version", version.to_string(), VERSION.to_string()));
    }
    let explanations = read_json(path)?;
    ranges::check_explanations(path, &explanations)?;
    Ok(explanations)
}
