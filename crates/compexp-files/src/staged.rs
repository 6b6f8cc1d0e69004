//! Folders that are replaced as a whole: written beside their place, then put there in one step.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::folder_lock::FolderLock;
use crate::place::{Place, beside, entries, is_there, remove_tree, rename, whole_path};
use crate::write::is_partial;
use crate::{Error, Result};

/// A folder that is written as `.NAME.new` beside its place, and gets its name when it is complete. What was there stays
/// until then. Dropped before, it is removed; what a killed process left is removed by the next that writes the same folder.
#[derive(Debug)]
pub struct StagedFolder {
    place: PathBuf,
    staging: PathBuf,
    _lock: FolderLock,
}

impl StagedFolder {
    /// Starts the folder that will be at `place`.
    ///
    /// # Errors
    /// `Error::Locked` if another process writes there, `Error::Io` if the folder cannot be made.
    pub fn create(place: &Path) -> Result<Self> {
        let lock = FolderLock::take(place)?;
        let place = whole_path(place)?;
        recover_place(&place)?;
        let staging = beside(&place, "new")?;
        remove_tree(&staging)?;
        remove_earlier(&place)?;
        fs::create_dir(&staging).map_err(Error::io("create", &staging))?;
        Ok(Self { place, staging, _lock: lock })
    }

    /// Where its files are written.
    pub fn path(&self) -> &Path {
        &self.staging
    }

    /// Puts the folder in its place.
    ///
    /// # Errors
    /// `Error::Io`; what was there before is then still there.
    pub fn finish(self) -> Result<()> {
        put_in_place(&self.staging, &self.place)
        // What was there is removed as this is dropped.
    }
}

impl Drop for StagedFolder {
    fn drop(&mut self) {
        let _ = remove_tree(&self.staging);
    }
}

/// Puts the file or folder `new` at `place`; what was there lies at `new` afterwards. Where the system can exchange two names
/// there is no moment without either; elsewhere [`recover_place`] brings back what was there.
///
/// # Errors
/// `Error::Io`; what was at `place` is then still there.
pub fn put_in_place(new: &Path, place: &Path) -> Result<()> {
    if !is_there(place)? {
        return rename(new, place);
    }
    match exchange(new, place) {
        Ok(()) => return Ok(()),
        Err(e) if e.kind() == io::ErrorKind::Unsupported || e.kind() == io::ErrorKind::InvalidInput => {}
        Err(e) => return Err(Error::io("replace", place)(e)),
    }
    let old = beside(place, "old")?;
    rename(place, &old)?;
    if let Err(e) = rename(new, place) {
        let _ = rename(&old, place);
        return Err(e);
    }
    rename(&old, new)
}

#[cfg(target_os = "linux")]
fn exchange(a: &Path, b: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE)?)
}

#[cfg(not(target_os = "linux"))]
fn exchange(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Brings back what [`put_in_place`] moved away before it was killed, and removes what it left.
///
/// # Errors
/// `Error::Io`
pub fn recover_place(place: &Path) -> Result<()> {
    let old = beside(place, "old")?;
    match is_there(place)? {
        true => remove_tree(&old),
        false if is_there(&old)? => rename(&old, place),
        false => Ok(()),
    }
}

/// Removes folders that earlier versions left beside `place`, as `.NAME.partial-` and letters.
fn remove_earlier(place: &Path) -> Result<()> {
    let (Some(parent), Some(name)) = (place.parent(), place.file_name()) else { return Ok(()) };
    let prefix = format!(".{}.partial-", name.to_string_lossy());
    for entry in entries(parent)? {
        let found = entry.name.to_string_lossy();
        if found.starts_with(&prefix) && is_partial(&found) && entry.place == Place::Folder {
            remove_tree(&entry.path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use compexp_tests::files::Scratch;

    use super::*;

    #[test]
    fn a_folder_is_replaced_as_a_whole_or_not_at_all() {
        let scratch = Scratch::new();
        let place = scratch.path("a/report");
        let folder = StagedFolder::create(&place).unwrap();
        fs::write(folder.path().join("one"), b"1").unwrap();
        assert!(!place.exists());
        folder.finish().unwrap();
        let folder = StagedFolder::create(&place).unwrap();
        fs::write(folder.path().join("two"), b"2").unwrap();
        assert!(matches!(StagedFolder::create(&place).unwrap_err(), Error::Locked { .. }));
        drop(folder);
        assert_eq!(fs::read(place.join("one")).unwrap(), b"1");
        let folder = StagedFolder::create(&place).unwrap();
        fs::write(folder.path().join("two"), b"2").unwrap();
        folder.finish().unwrap();
        assert!(place.join("two").exists() && !place.join("one").exists());
        assert_eq!(fs::read_dir(scratch.path("a")).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn what_killed_processes_left_is_recovered_and_removed() {
        let scratch = Scratch::new();
        let place = scratch.path("report");
        for folder in [".report.old", ".report.new", ".report.partial-aB3dE6", ".report.partial-short"] {
            fs::create_dir(scratch.path(folder)).unwrap();
            fs::write(scratch.path(folder).join("name"), folder).unwrap();
        }
        drop(StagedFolder::create(&place).unwrap());
        assert_eq!(fs::read(place.join("name")).unwrap(), b".report.old", "it was moved away, and nothing came");
        assert_eq!(scratch.names(), [".report.partial-short", "report"]);
        fs::create_dir(scratch.path(".report.old")).unwrap();
        StagedFolder::create(&place).unwrap().finish().unwrap();
        assert_eq!(scratch.names(), [".report.partial-short", "report"]);
        assert_eq!(fs::read_dir(place).unwrap().count(), 0);
    }
}
