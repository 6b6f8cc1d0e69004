//! Checking a run folder: every byte of every file against the manifest, and what lies around it.

use std::path::{Path, PathBuf};

use compexp_files::{FolderLock, Place, beside, entries, is_there, remove_tree, whole_path};

use crate::error::{Error, Result};
use crate::finished_run::FinishedRun;
use crate::layout;
use crate::manifest::{Files, Manifest};
use crate::run_writer::settle;

/// What [`verify`] found.
#[derive(Debug, Default)]
pub struct Verified {
    /// How many files the manifest names, itself included.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// What is wrong: with a file, or with the run.
    pub damage: Vec<Error>,
    /// Files and folders that killed commands left; nothing reads them.
    pub leftovers: Vec<PathBuf>,
    /// Files and folders in the run folder that compexp did not write.
    pub strangers: Vec<PathBuf>,
}

/// Checks every file of the run in `dir`. Nothing is changed.
///
/// # Errors
/// `Error::File` if the folder cannot be read. What is wrong with files is in the answer.
pub fn verify(dir: &Path) -> Result<Verified> {
    let mut found = Verified::default();
    let manifest = match Manifest::read(dir) {
        Ok(manifest) => manifest,
        Err(e) => {
            found.damage.push(e);
            return Ok(found);
        }
    };
    let Some(manifest) = manifest else {
        found.damage.push(match FinishedRun::open(dir) {
            Ok(_) => {
                Error::format(dir, "run", "no manifest.json: an earlier version made it", "a run that can be checked")
            }
            Err(e) => e,
        });
        return Ok(found);
    };
    let Place::File(itself) = Place::at(&dir.join(layout::MANIFEST))? else {
        return Err(Error::format(
            dir,
            layout::MANIFEST,
            "a file that comes and goes",
            "a folder that nobody writes to",
        ));
    };
    (found.files, found.bytes) = (1, itself);
    for (name, record) in manifest.all() {
        (found.files, found.bytes) = (found.files + 1, found.bytes + record.size);
        found.damage.extend(manifest.check(dir, name).err());
    }
    let named: Files = manifest.all().map(|(name, record)| (name.clone(), record.clone())).collect();
    around(dir, "", &named, &mut found)?;
    let place = whole_path(dir)?;
    for kind in ["new", "old"] {
        let path = beside(&place, kind)?;
        if is_there(&path)? {
            found.leftovers.push(path);
        }
    }
    found.leftovers.sort();
    found.strangers.sort();
    Ok(found)
}

/// Removes what killed commands left in and beside the run folder `dir`, then checks it. No file that the manifest names is
/// touched.
///
/// # Errors
/// `compexp_files::Error::Locked` if another process writes there; `Error::File` if something cannot be removed.
pub fn fix(dir: &Path) -> Result<Verified> {
    Place::required(dir)?;
    let _lock = FolderLock::take(dir)?;
    settle(dir)?;
    for path in verify(dir)?.leftovers {
        remove_tree(&path)?;
    }
    verify(dir)
}

/// Finds what the manifest does not name.
fn around(dir: &Path, prefix: &str, named: &Files, found: &mut Verified) -> Result<()> {
    for entry in entries(dir)? {
        let name = entry.name.to_string_lossy();
        let whole = format!("{prefix}{name}");
        if named.contains_key(&whole) || whole == layout::MANIFEST {
            continue;
        }
        let holds = named.keys().any(|file| file.starts_with(&format!("{whole}/")));
        let ours = if prefix.is_empty() { layout::is_written(&name) } else { layout::is_leftover(&name) };
        match (holds, ours) {
            (true, _) => around(&entry.path, &format!("{whole}/"), named, found)?,
            (false, true) => found.leftovers.push(entry.path),
            (false, false) => found.strangers.push(entry.path),
        }
    }
    Ok(())
}
