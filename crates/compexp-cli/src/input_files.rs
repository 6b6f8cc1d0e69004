//! The input files of a run: their paths, and the hashes that identify them.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use compexp_core::explain::Progress;
use compexp_files::{ContentHash, hash_file, text_of};
use rayon::prelude::*;

use crate::failure::Failure;
use crate::hub_paths::spelling;

/// The hash of files with their names, and of `options`.
///
/// # Errors
/// `Error::Io` for the first file in order that cannot be read.
pub(crate) fn hash_files(
    kind: &str,
    options: &[u8],
    files: &[(String, PathBuf)],
    what: &str,
    progress: &dyn Progress,
) -> Result<String> {
    progress.stage(&format!("hash of the {what}"), "files", files.len());
    let done = AtomicUsize::new(0);
    let hash = |(_, path): &(String, PathBuf)| {
        let hash = hash_file(path);
        progress.done(1 + done.fetch_add(1, Ordering::Relaxed));
        hash
    };
    let hashes: Vec<_> = files.par_iter().map(hash).collect();
    let mut all = ContentHash::new(kind);
    all.field("options", options);
    for ((name, _), hash) in files.iter().zip(hashes) {
        all.field(name, hash?.as_bytes());
    }
    Ok(all.finish())
}

/// A path that is the same from any folder, for `config.json`; a file of the hub is an `hf://` id.
///
/// # Errors
/// A [`Failure`] if the path is not UTF-8, because `config.json` could not store it exactly.
pub(crate) fn absolute(path: &Path) -> Result<String> {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match spelling(&whole) {
        Some(id) => Ok(id),
        None => as_text(&whole),
    }
}

/// A path as text.
///
/// # Errors
/// A [`Failure`] for a path that is not UTF-8: another one would be kept in its place.
pub(crate) fn as_text(path: &Path) -> Result<String> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        let message = format!("path {path:?}: found bytes that are not UTF-8, expected a path that JSON can hold");
        Failure::new(message).hint("rename the file or folder, or give a link to it").into()
    })
}

/// The longest text that is read, in bytes.
pub(crate) const MAX_TEXT: u64 = 1 << 30;

/// The text on standard input, of at most [`MAX_TEXT`] bytes, read by the rules for files.
pub(crate) fn read_stdin() -> Result<String> {
    let mut bytes = Vec::new();
    io::stdin().lock().take(MAX_TEXT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_TEXT {
        return Err(Failure::new(format!("standard input: found more than {MAX_TEXT} bytes, expected less")).into());
    }
    Ok(text_of(Path::new("standard input"), bytes)?)
}
