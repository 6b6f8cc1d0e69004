//! What later commands add to a run: written aside, then put in place and named by the manifest.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use compexp_files::{FolderLock, Place, entries, make_folder, put_in_place, remove_partials, remove_tree, sync_folder};

use crate::error::{Error, Result};
use crate::finished_run::FinishedRun;
use crate::layout::ADDING;
use crate::manifest::{Addition, FileRecord, Files, Manifest, records};

/// Files that a command adds to a run. They appear together, or not at all: dropped before [`Self::finish`] they are removed.
/// Other processes are kept away from the run meanwhile.
#[derive(Debug)]
pub struct Adding {
    dir: PathBuf,
    staging: PathBuf,
    command: String,
    _lock: Arc<FolderLock>,
}

impl FinishedRun {
    /// Starts what `command` adds to the run.
    ///
    /// # Errors
    /// `compexp_files::Error::Locked` if another process writes to the run; `Error::File` if the run is another one now, or
    /// a file cannot be written.
    pub fn add(&self, command: &str) -> Result<Adding> {
        let lock = match self.lock() {
            Some(lock) => lock.clone(),
            None => Arc::new(FolderLock::take(self.dir())?),
        };
        let now = Manifest::read(self.dir())?;
        if now.as_ref().map(|m| &m.run) != self.manifest().map(|m| &m.run) {
            return Err(Error::format(
                self.dir(),
                "run",
                "another one than before",
                "the one that was opened: try again",
            ));
        }
        // What a command left that was killed at work on this run.
        remove_partials(self.dir())?;
        let staging = self.dir().join(ADDING);
        remove_tree(&staging)?;
        make_folder(&staging)?;
        Ok(Adding { dir: self.dir().to_owned(), staging, command: command.to_owned(), _lock: lock })
    }
}

impl Adding {
    /// Where a file or folder is written that will be at `name` in the run.
    pub fn path(&self, name: &str) -> PathBuf {
        self.staging.join(name)
    }

    /// Puts everything in place, and names it in the manifest. What was there under the same names goes.
    ///
    /// # Errors
    /// `Error::File`
    pub fn finish(self) -> Result<()> {
        let mut names = Vec::new();
        let mut files = Files::new();
        for entry in entries(&self.staging)? {
            let Some(name) = entry.text() else { continue };
            match entry.place {
                Place::Folder => records(&entry.path, &format!("{name}/"), &mut files)?,
                _ => drop(files.insert(name.to_owned(), FileRecord::of(&entry.path)?)),
            }
            names.push(name.to_owned());
        }
        // A run of an earlier version stays one: nobody can vouch for its files.
        let mut manifest = Manifest::read(&self.dir)?;
        if let Some(manifest) = &mut manifest {
            // Until the new files are all there, the manifest names neither them nor those before them.
            let goes = |file: &str| {
                names.iter().any(|n| file.strip_prefix(n.as_str()).is_some_and(|f| f.is_empty() || f.starts_with('/')))
            };
            manifest.added.iter_mut().for_each(|added| added.files.retain(|file, _| !goes(file)));
            manifest.added.retain(|added| !added.files.is_empty());
            manifest.write(&self.dir)?;
        }
        for name in &names {
            put_in_place(&self.staging.join(name), &self.dir.join(name))?;
        }
        sync_folder(&self.dir);
        if let Some(manifest) = &mut manifest {
            let (command, run) = (self.command.clone(), manifest.run.clone());
            manifest.added.push(Addition { command, run, files });
            manifest.write(&self.dir)?;
        }
        Ok(())
    }

    /// The folder of the run.
    pub fn run_dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Adding {
    fn drop(&mut self) {
        let _ = remove_tree(&self.staging);
    }
}
