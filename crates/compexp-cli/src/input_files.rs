//! Files that a run is made from: where they are, and the hashes by which a run knows them again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use compexp_core::explain::Progress;
use compexp_files::{ContentHash, hash_file};
use rayon::prelude::*;

/// Where inputs were found, by what they are.
pub(crate) type Paths = BTreeMap<String, String>;

/// The hash of files with their names, and of `options`.
///
/// # Errors
/// That of the first file in order that cannot be read.
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

/// A path that means the same from any folder.
pub(crate) fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned()
}
