//! The files of a folder and of the folders in it.

use std::path::{Path, PathBuf};

use compexp_files::{Place, entries};

use crate::error::{Error, Result};

/// How deep folders may lie in each other.
const DEEPEST: usize = 16;

/// The files below `root` of which `wanted` accepts the name, with their paths relative to it (with `/` between the parts), in
/// the order of these paths.
///
/// # Errors
/// [`compexp_files::Error::Io`] if a folder cannot be read; [`compexp_files::Error::Format`] for a name that is not UTF-8, and
/// for folders that lie too deep in each other.
pub(super) fn files_below(root: &Path, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    let mut folders = vec![(root.to_owned(), String::new(), 0)];
    while let Some((folder, below, depth)) = folders.pop() {
        for entry in entries(&folder)? {
            let Some(name) = entry.name.to_str() else {
                return Err(Error::format(&entry.path, "name", "bytes that are not UTF-8", "a name in UTF-8"));
            };
            let relative = format!("{below}{name}");
            match Place::behind(&entry.path)? {
                Place::Folder if depth == DEEPEST => {
                    let expected = format!("at most {DEEPEST} folders in each other");
                    return Err(Error::format(&entry.path, "depth", "one more folder", expected));
                }
                Place::Folder => folders.push((entry.path, format!("{relative}/"), depth + 1)),
                Place::File(_) if wanted(name) => found.push((relative, entry.path)),
                _ => {}
            }
        }
    }
    found.sort();
    Ok(found)
}
