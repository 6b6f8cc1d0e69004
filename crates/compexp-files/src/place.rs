//! Where a folder is, and the hidden names beside it.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// The folder's path without links, so that two names of one folder are one. The folder need not exist; the one above it is
/// made.
///
/// # Errors
/// `Error::Io`
pub fn whole_path(folder: &Path) -> Result<PathBuf> {
    match fs::canonicalize(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        found => return found.map_err(Error::io("open", folder)),
    }
    let whole = std::path::absolute(folder).map_err(Error::io("find", folder))?;
    let (Some(parent), Some(name)) = (whole.parent(), whole.file_name()) else {
        return Err(nameless(folder));
    };
    fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
    Ok(fs::canonicalize(parent).map_err(Error::io("open", parent))?.join(name))
}

/// The hidden name `.NAME.KIND` beside `place`.
///
/// # Errors
/// `Error::Io` if `place` has no name, as `/`.
pub fn beside(place: &Path, kind: &str) -> Result<PathBuf> {
    let mut name = OsString::from(".");
    name.push(place.file_name().ok_or_else(|| nameless(place))?);
    name.push(".");
    name.push(kind);
    Ok(place.with_file_name(name))
}

fn nameless(folder: &Path) -> Error {
    Error::io("write", folder)(io::Error::new(io::ErrorKind::InvalidInput, "the folder has no name"))
}
