//! Run directories: everything that explaining a layer gives, in one folder.
//!
//! | file | content |
//! |---|---|
//! | `config.json` | `{"version": 1, "config": ..., "paths": ...}`: every setting and the hash of every input; where the inputs were found |
//! | `manifest.json` | every file with its size and hash, what later commands added, and a hash of itself; written last: with it the run is complete |
//! | `explanations.json` | [`compexp_core::explanation::Explanations`] |
//! | `explanations.csv` | the same rows |
//! | `thresholds.npy` | f64 `[U]`: the threshold of every unit of the layer; absent where masks were given |
//! | `null.csv` | [`crate::record_csv::null_csv`]: what the search finds by chance; absent unless asked for |
//! | `holdout.csv` | [`crate::record_csv::holdout_csv`]: scores on examples held out; absent unless asked for |
//! | `summary.json` | [`Summary`] |
//! | `examples.csv` | columns `name`, `image`, `text`, `group`; images are relative to the path `image_root` of `config.json` |
//! | `exemplars.json` | `{"version": 1, "grid": ..., "exemplars": [...]}`: [`ExemplarList`] |
//! | `exemplars.npy` | u8 `[exemplars, 2, bytes]`: the masks of [`compexp_core::exemplar::Exemplars`] |
//! | `activity.npy` | u8 `[units asked for, ceil(n / 8)]`: on which examples each unit fires, the first in the lowest bit |
//! | `concepts.csv` | [`compexp_core::relation::Extent`]: a row a concept of the probe set |
//! | `relations.csv` | [`compexp_core::relation::Relation`]: a row for two concepts that stand together in a formula |
//! | `ceilings.csv` | a row for each unit and vocabulary: `unit`, `vocabulary` (`all`, `without color`, ...), `ceiling`, `cells`, `singleton_cells`, `informative` |
//! | `head.json`, `head.npy` | the classifier's last layer, where it reads the units ([`crate::head_file`]) |
//! | `contributions.csv`, `contributions-below.csv` | how units bear on classes, and those of an earlier layer on these units; absent where that was not asked for |
//! | `contributions-below.json` | [`crate::BelowRun`]: of which run the units of the second table are |
//! | `ablation/` | accuracy without units; absent where that was not asked for |
//! | `predictions.csv` | columns `name`, `target`, `predicted`, `correct`; absent where the run made none |
//!
//! `config` is the same in `config.json` and `explanations.json`. It decides whether a run is the one asked for; `paths`
//! does not, since inputs may move. A run that extracts a layer also keeps the files of its [`crate::ActivationStore`]. Files
//! of other names are left alone.

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use compexp_files::{FolderLock, Place, entries, is_there, make_folder, read_json, remove_tree, rename, write_json};
use compexp_trust::compare::Difference;

use crate::error::{Damage, Error, Result};
pub use crate::finished_run::{ExemplarList, FinishedRun};
use crate::layout::*;
use crate::manifest::{FileRecord, Manifest, damaged};
use crate::run_config::RunConfig;
pub use crate::run_writer::RunWriter;
use crate::run_writer::{remove_leftovers, settle};
pub use crate::summary::{Accuracy, Prediction, Summary};

/// What a folder is to a configuration.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one of it in a process")]
pub enum RunDir {
    /// A complete run of it.
    Complete(FinishedRun),
    /// A new folder, or one with an unfinished run of it.
    Open(RunWriter),
    /// It holds a run of another one, which differs in these settings: `base` is the value in the folder, `run` the one
    /// asked for.
    Other(Vec<Difference>),
}

impl RunDir {
    /// Looks at the folder `dir`, makes it where there is none, and keeps other processes away from it. There are three cases:
    ///
    /// - no whole run: what an interrupted run left is continued or made anew;
    /// - a run whose files are all as its manifest says (or one of an earlier version, without a manifest): it is complete if
    ///   it is of `config`, else the differences come back;
    /// - a run of which a file is missing, changed, or cannot be read: an error that names it, and nothing changes.
    ///
    /// With `replace` a run that is there stands until the new one is whole, whatever state it is in.
    ///
    /// # Errors
    /// `compexp_files::Error::Locked` if another process writes there; `Error::Damaged` for the third case; `Error::File` if
    /// a file cannot be read or written, or the folder holds files (other than hidden ones) and is no run directory.
    pub fn open(dir: &Path, config: &RunConfig, replace: bool) -> Result<Self> {
        let lock = FolderLock::take(dir)?;
        settle(dir)?;
        make_folder(dir)?;
        let is_there = |name| is_there(&dir.join(name));
        let whole = is_there(MANIFEST)? || is_there(EXPLANATIONS)? && !is_there(UNFINISHED)?;
        let known = is_there(CONFIG)?;
        if whole && replace {
            return Ok(Self::Open(RunWriter::beside(dir, config, lock)?));
        }
        if whole {
            return Self::whole(dir, config, lock);
        }
        if !known && !is_there(UNFINISHED)? {
            refuse_strangers(dir)?;
        } else if known && !replace {
            let found: RunConfig = read_json(&dir.join(CONFIG))?;
            let differences = found.differences(config);
            // An unfinished run has nothing to lose, unless activations were extracted for it.
            let lost = is_there(ACTIVATIONS)? || is_there(PARTIAL_ACTIVATIONS)?;
            if !differences.is_empty() && lost {
                return Ok(Self::Other(differences));
            }
        }
        Ok(Self::Open(RunWriter::in_place(dir, config, lock)?))
    }

    /// The run in `dir`, which is whole or damaged.
    fn whole(dir: &Path, config: &RunConfig, lock: FolderLock) -> Result<Self> {
        let manifest = Manifest::read(dir)?;
        if let Some(manifest) = &manifest {
            manifest.check(dir, CONFIG)?;
        }
        let path = dir.join(CONFIG);
        let found: RunConfig = read_json(&path)?;
        let differences = found.differences(config);
        if !differences.is_empty() {
            return Ok(Self::Other(differences));
        }
        match &manifest {
            Some(manifest) => manifest.check_all(dir)?,
            None => {
                for name in NEEDED {
                    if !matches!(Place::at(&dir.join(name))?, Place::File(_)) {
                        return Err(damaged(dir, name, Damage::Missing, &config.command()));
                    }
                }
            }
        }
        let run = FinishedRun::open(dir)?;
        if run.explanations.config != *config.settings() {
            return Err(damaged(dir, EXPLANATIONS, Damage::OtherRun, &config.command()));
        }
        let moving = manifest.as_ref().is_some_and(|m| m.moved.is_some());
        if manifest.is_some() {
            remove_leftovers(dir)?;
        }
        if found.paths != config.paths || moving {
            rewrite_config(dir, config, manifest)?;
            return Ok(Self::Complete(FinishedRun::open(dir)?.locked(Arc::new(lock))));
        }
        Ok(Self::Complete(run.locked(Arc::new(lock))))
    }
}

/// Writes where inputs are now. The manifest knows both forms of the file until it is done, so that the run is whole whenever
/// this is cut short.
fn rewrite_config(dir: &Path, config: &RunConfig, manifest: Option<Manifest>) -> Result<()> {
    let path = dir.join(CONFIG);
    let Some(mut manifest) = manifest else { return Ok(write_json(&path, config)?) };
    let staged = dir.join(ADDING);
    remove_tree(&staged)?;
    write_json(&staged, config)?;
    // Cut short before, the file is what `moved` says.
    manifest.files.insert(CONFIG.to_owned(), FileRecord::of(&path)?);
    let new = FileRecord::of(&staged)?;
    manifest.moved = Some(new.clone());
    manifest.write(dir)?;
    rename(&staged, &path)?;
    manifest.files.insert(CONFIG.to_owned(), new);
    manifest.moved = None;
    manifest.write(dir)
}

/// Refuses a folder with files that a run did not write: it would be littered, or lose some of them.
fn refuse_strangers(dir: &Path) -> Result<()> {
    let names = entries(dir)?.into_iter().map(|entry| entry.name.to_string_lossy().into_owned());
    match names.into_iter().find(|name| !name.starts_with('.')) {
        None => Ok(()),
        Some(name) => {
            let found = format!("`{name}` and no config.json");
            Err(Error::format(dir, "content", found, "a run directory, or a new or empty folder: name another"))
        }
    }
}
