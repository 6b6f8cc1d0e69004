//! Writing a run: in its folder, or beside the run that is there, which stands until the new one is whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use compexp_core::explain::Explained;
use compexp_core::probe::{Example, Grid};
use compexp_files::{
    FolderLock, Place, beside, entries, is_there, link_or_copy, make_folder, put_in_place, recover_place,
    remove_partials, remove_tree, rename, sync_folder, whole_path, write_bytes, write_json, write_npy, write_rows,
};

use crate::blocks::Blocks;
use crate::error::Result;
use crate::finished_run::{EXTENT_COLUMNS, ExemplarList, FinishedRun, PREDICTION_COLUMNS, RELATION_COLUMNS};
use crate::layout::*;
use crate::manifest::{Files, Manifest, records};
use crate::probe_dir::write_examples;
use crate::record_csv;
use crate::run_config::{FILE_VERSION, RunConfig};
use crate::summary::{Prediction, Summary};

/// A run that is not complete yet. Other processes are kept away from its folder while it lives.
#[derive(Debug)]
pub struct RunWriter {
    /// Where files are written.
    dir: PathBuf,
    /// The folder of the run.
    place: PathBuf,
    /// The command that the run is of.
    command: String,
    /// Whether the run extracts activations, and goes on with those that are there.
    stores: bool,
    /// Whether it explains the latents that were encoded from them, and keeps these.
    encodes: bool,
    /// Whether it took these over from the run that it replaces.
    carried: bool,
    lock: Option<FolderLock>,
}

impl RunWriter {
    /// Starts the run in its own folder; what is left there of another goes, but for activations that `config` may go on
    /// with.
    pub(crate) fn in_place(place: &Path, config: &RunConfig, lock: FolderLock) -> Result<Self> {
        let this = Self::new(place.to_owned(), place, config, lock);
        // First: from now on until the end nothing here is taken for a whole run.
        write_bytes(&place.join(UNFINISHED), b"")?;
        for entry in entries(place)? {
            let Some(name) = entry.text() else { continue };
            let keeps = [UNFINISHED, CONFIG].contains(&name) || this.stores && STORED.contains(&name);
            if is_written(name) && !keeps {
                remove_tree(&entry.path)?;
            }
        }
        write_json(&place.join(CONFIG), config)?;
        Ok(this)
    }

    /// Starts the run beside the one in `place`, and takes over its activations where they are whole.
    pub(crate) fn beside(place: &Path, config: &RunConfig, lock: FolderLock) -> Result<Self> {
        let dir = beside(&whole_path(place)?, "new")?;
        let mut this = Self::new(dir, place, config, lock);
        let dir = &this.dir;
        make_folder(dir)?;
        write_bytes(&dir.join(UNFINISHED), b"")?;
        let began = is_there(&dir.join(STORE))? || is_there(&dir.join(PARTIAL_STORE))?;
        for entry in entries(dir)? {
            let known = entry.text().unwrap_or_default();
            let keeps = known == UNFINISHED || this.stores && began && STORED.contains(&known);
            if !keeps {
                remove_tree(&entry.path)?;
            }
        }
        if this.stores && !began {
            this.carried = carry_store(place, dir)?;
        }
        write_json(&this.dir.join(CONFIG), config)?;
        Ok(this)
    }

    fn new(dir: PathBuf, place: &Path, config: &RunConfig, lock: FolderLock) -> Self {
        let command = config.command();
        let encodes = config.paths.activations.as_deref() == Some(LATENTS);
        let stores = encodes || config.paths.activations.as_deref() == Some(ACTIVATIONS);
        Self { dir, place: place.to_owned(), command, stores, encodes, carried: false, lock: Some(lock) }
    }

    /// The folder to write in. It is not the run's own while the run that is there stands.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes everything, and puts the run in its place. `examples` are those of the probe set, `grid` its grid. What the
    /// caller wrote into [`Self::dir`] before is part of the run.
    ///
    /// # Errors
    /// `Error::File` if a file cannot be written; a run that was there before still stands.
    pub fn finish(
        mut self,
        explained: &Explained,
        examples: &[Example],
        grid: Grid,
        predictions: Option<&[Prediction]>,
    ) -> Result<FinishedRun> {
        self.write_files(explained, examples, grid, predictions)?;
        for name in [PARTIAL_ACTIVATIONS, PARTIAL_LOGITS, PARTIAL_STORE, PROGRESS] {
            remove_tree(&self.dir.join(name))?;
        }
        if self.encodes {
            // They have served: from now on the activations of the run are the latents.
            for name in STORED {
                remove_tree(&self.dir.join(name))?;
            }
        }
        remove_partials(&self.dir)?;
        if is_there(&self.dir.join(ACTIVATIONS))? && !is_there(&self.dir.join(BLOCKS))? {
            Blocks::of(&self.dir.join(ACTIVATIONS))?.write(&self.dir.join(BLOCKS))?;
        }
        let mut files = Files::new();
        records(&self.dir, "", &mut files)?;
        files.retain(|name, _| is_written(name.split('/').next().unwrap_or(name)));
        sync_folder(&self.dir);
        Manifest::new(&self.command, files).write(&self.dir)?;
        sync_folder(&self.dir);
        if self.dir != self.place {
            let place = whole_path(&self.place)?;
            put_in_place(&self.dir, &place)?;
            self.dir.clone_from(&self.place);
        }
        settle(&self.place)?;
        let run = FinishedRun::open(&self.place)?;
        Ok(match self.lock.take() {
            Some(lock) => run.locked(Arc::new(lock)),
            None => run,
        })
    }

    fn write_files(
        &self,
        explained: &Explained,
        examples: &[Example],
        grid: Grid,
        predictions: Option<&[Prediction]>,
    ) -> Result<()> {
        let path = |name: &str| self.dir.join(name);
        let explanations = &explained.explanations;
        write_bytes(&path(EXPLANATIONS_TABLE), record_csv::explanations_csv(explanations)?.as_bytes())?;
        if !explained.thresholds.is_empty() {
            write_npy(&path(THRESHOLDS), &[explained.thresholds.len()], &explained.thresholds)?;
        }
        for (name, text) in [
            (RANGES, record_csv::ranges_csv(explanations)?),
            (CONCEPT_FORMULAS, record_csv::concept_formulas_csv(explanations)?),
            (NULL, record_csv::null_csv(explanations)?),
            (HOLDOUT, record_csv::holdout_csv(explanations)?),
        ] {
            text.map_or(Ok(()), |text| write_bytes(&path(name), text.as_bytes()))?;
        }
        write_examples(&self.dir, examples)?;
        let list = explained.exemplars.list.clone();
        let shape = [list.len(), 2, grid.positions().div_ceil(8)];
        write_npy(&path(EXEMPLAR_MASKS), &shape, &explained.exemplars.masks)?;
        write_json(&path(EXEMPLARS), &ExemplarList { version: FILE_VERSION, grid, exemplars: list })?;
        let shape = [explained.profiles.len(), examples.len().div_ceil(8)];
        write_npy(&path(ACTIVITY), &shape, &activity(explained, examples.len()))?;
        write_rows(&path(CONCEPTS), &EXTENT_COLUMNS, &explained.concepts)?;
        write_rows(&path(RELATIONS), &RELATION_COLUMNS, &explained.relations)?;
        write_rows(&path(CEILINGS), &CEILING_COLUMNS, &ceiling_rows(explained))?;
        if let Some(predictions) = predictions {
            write_rows(&path(PREDICTIONS), &PREDICTION_COLUMNS, predictions)?;
        }
        write_json(&path(SUMMARY), &Summary::of(explanations, predictions))?;
        write_json(&path(EXPLANATIONS), explanations)?;
        Ok(())
    }
}

impl Drop for RunWriter {
    fn drop(&mut self) {
        // Beside a run only what was extracted for this one is worth keeping.
        // Where the system cannot tell, it stays.
        let extracted = [PARTIAL_ACTIVATIONS, STORE].iter().any(|name| is_there(&self.dir.join(name)).unwrap_or(true));
        if self.dir != self.place && (self.carried || !extracted) {
            let _ = remove_tree(&self.dir);
        }
    }
}

/// Removes what killed commands left in the folder of a complete run. The folder must be locked.
///
/// # Errors
/// `Error::File`
pub(crate) fn remove_leftovers(dir: &Path) -> Result<()> {
    for entry in entries(dir)?.iter().filter(|entry| entry.text().is_some_and(is_leftover)) {
        remove_tree(&entry.path)?;
    }
    Ok(())
}

/// Brings to its end what a killed process left of putting a run in `place`: files that compexp does not write move into the
/// new run, and the old one goes. The folder must be locked.
///
/// # Errors
/// `Error::File`
pub(crate) fn settle(place: &Path) -> Result<()> {
    let whole = whole_path(place)?;
    if is_there(&whole.join(UNFINISHED))? && is_there(&whole.join(MANIFEST))? {
        for kind in ["new", "old"] {
            let old = beside(&whole, kind)?;
            if Place::at(&old)? != Place::Folder {
                continue;
            }
            for entry in entries(&old)? {
                let to = whole.join(&entry.name);
                if !entry.text().is_some_and(is_written) && !is_there(&to)? {
                    rename(&entry.path, &to)?;
                }
            }
            remove_tree(&old)?;
        }
        return Ok(remove_tree(&whole.join(UNFINISHED))?);
    }
    Ok(recover_place(&whole)?)
}

/// Takes the activations of the run in `from` over into `to`, if they are all there and as its manifest says; tells whether
/// it did.
fn carry_store(from: &Path, to: &Path) -> Result<bool> {
    // Last the one that says that the others are whole.
    let mut names = Vec::new();
    for name in [ACTIVATIONS, LOGITS, BLOCKS, STORE] {
        if matches!(Place::at(&from.join(name))?, Place::File(_)) {
            names.push(name);
        }
    }
    if !names.contains(&STORE) || !names.contains(&ACTIVATIONS) {
        return Ok(false);
    }
    match Manifest::read(from) {
        Ok(None) => {}
        Ok(Some(manifest)) if names.iter().all(|name| manifest.check(from, name).is_ok()) => {}
        // What is damaged is extracted again.
        _ => return Ok(false),
    }
    for name in names {
        link_or_copy(&from.join(name), &to.join(name))?;
    }
    Ok(true)
}

/// Which examples each unit fires on, a bit an example.
fn activity(explained: &Explained, n: usize) -> Vec<u8> {
    let bytes = n.div_ceil(8);
    let mut bits = vec![0; explained.profiles.len() * bytes];
    for (unit, profile) in explained.profiles.iter().enumerate() {
        for example in &profile.active {
            bits[unit * bytes + *example as usize / 8] |= 1 << (example % 8);
        }
    }
    bits
}

const CEILING_COLUMNS: [&str; 6] = ["unit", "vocabulary", "ceiling", "cells", "singleton_cells", "informative"];

/// A row for each unit and vocabulary. Where most cells are single positions ceilings say little of the unit.
fn ceiling_rows(explained: &Explained) -> Vec<(usize, String, f64, usize, usize, bool)> {
    let units = explained.explanations.units.iter().enumerate();
    let row = |(i, unit): (usize, &compexp_core::explanation::Explanation)| {
        let row = move |of: &compexp_core::search::ceiling::Ceilings| {
            let vocabulary = of.without.as_ref().map_or("all".into(), |category| format!("without {category}"));
            (unit.unit, vocabulary, of.ceilings[i], of.cells, of.singleton_cells, of.are_informative())
        };
        explained.ceilings.iter().map(row).collect::<Vec<_>>()
    };
    units.flat_map(row).collect()
}
