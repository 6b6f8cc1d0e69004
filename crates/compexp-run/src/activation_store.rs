//! Activations that are being extracted from a model, kept so that a killed run can go on.
//!
//! A store is a folder of its own. Complete, it holds
//!
//! | file | content |
//! |---|---|
//! | `activations.npy` | f32 `[n, U, h, w]` |
//! | `logits.npy` | f32 `[n, classes]`; absent where there are none |
//! | `activations.json` | `version` (1), `key` (the hash of what the activations were made from), and the fields of [`StoreShape`] |
//!
//! | `activations.blocks.json` | the hashes of the blocks of `activations.npy` |
//!
//! and before that the same files as `*.partial`, the arrays with fewer examples than their headers say, and
//! `activations.progress.partial`: for each block of examples that was appended the number of the example after it (u64,
//! little endian) and the hash of its values (32 bytes). On resumption the blocks whose hashes are right are kept, and what
//! follows the first other one is cut off. That is safe against a killed process, a power failure, and changed bytes.

mod array;
mod progress;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

use compexp_core::probe::Grid;
use compexp_files::{TensorFile, is_there, make_folder, read_json, remove_tree, rename, sync_folder, write_json};
use serde::{Deserialize, Serialize};

use crate::activations::{ActivationFile, Known};
use crate::blocks::{Blocks, CheckedFile};
use crate::error::{Error, Result};
use crate::layout::{
    ACTIVATIONS, BLOCKS, LOGITS, PARTIAL_ACTIVATIONS, PARTIAL_LOGITS, PARTIAL_STORE as PARTIAL_META, PROGRESS,
    STORE as META, STORED,
};
use array::PartialArray;
use progress::Progress;

const VERSION: u32 = 1;

/// The shape of a store's arrays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreShape {
    /// The number of examples.
    pub n_examples: usize,
    /// The number of units.
    pub n_units: usize,
    /// The map of a unit on one example.
    pub grid: Grid,
    /// Whether the activations are maps, `[n, U, h, w]`; else they are single values, `[n, U]`.
    #[serde(default = "maps", skip_serializing_if = "Clone::clone")]
    pub maps: bool,
    /// The logits of an example; 0 where the model has none.
    pub n_classes: usize,
}

/// Stores of earlier versions hold maps.
fn maps() -> bool {
    true
}

impl StoreShape {
    /// The activations of an example.
    pub fn activations(&self) -> usize {
        self.n_units * self.grid.positions()
    }

    /// Whether the arrays have elements, and as many as a machine can address.
    fn is_possible(&self) -> bool {
        let bytes = [self.n_examples, self.n_units, self.grid.height, self.grid.width, 4];
        let logits = [self.n_examples, self.n_classes, 4];
        let product = |dims: &[usize]| dims.iter().try_fold(1_usize, |p, d| p.checked_mul(*d));
        (self.maps || self.grid == Grid::SINGLE)
            && product(&bytes).is_some_and(|b| b > 0 && b <= isize::MAX as usize)
            && product(&logits).is_some_and(|b| b <= isize::MAX as usize)
    }
}

/// What a store's folder holds for a key.
#[derive(Debug)]
pub enum ActivationStore {
    /// All activations.
    Complete(ActivationFile),
    /// Those of the examples before [`ActivationWriter::next_example`]; the others are to be appended.
    Partial(ActivationWriter),
}

impl ActivationStore {
    /// Opens the store in `dir` for activations of `shape` made from what `key` is the hash of (inputs and
    /// configuration), and makes the folder where there is none. A store that is there for another key or shape, or is
    /// damaged, is removed; other files in the folder are left alone.
    ///
    /// The caller keeps other processes away from the folder: in the folder of a run its [`crate::RunWriter`] does.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`] if a file cannot be read or written, and [`compexp_core::Error::Mismatch`] if `shape` is
    /// empty or beyond memory.
    pub fn open_or_resume(dir: &Path, key: &str, shape: StoreShape) -> Result<Self> {
        if !shape.is_possible() {
            return Err(Error::mismatch("shape of the activations", format!("{shape:?}"), "no 0, and sizes that fit"));
        }
        make_folder(dir)?;
        let meta = Meta { version: VERSION, key: key.to_owned(), shape };
        if let Some(complete) = open_complete(dir, &meta)? {
            return Ok(Self::Complete(complete));
        }
        let partial_meta = dir.join(PARTIAL_META);
        if unless_damaged(read_json::<Meta>(&partial_meta).map_err(Error::from))?.as_ref() != Some(&meta) {
            // The metadata first: without them the arrays mean nothing, whenever this is cut short.
            for name in STORED {
                remove_tree(&dir.join(name))?;
            }
            write_json(&partial_meta, &meta)?;
        }
        let StoreShape { n_examples, n_units, grid: Grid { height, width }, maps, n_classes } = shape;
        let activations = [n_examples, n_units, height, width];
        let activations = if maps { &activations[..] } else { &activations[..2] };
        let activations = PartialArray::open(dir, ACTIVATIONS, PARTIAL_ACTIVATIONS, activations)?;
        let logits = match n_classes {
            0 => None,
            _ => Some(PartialArray::open(dir, LOGITS, PARTIAL_LOGITS, &[n_examples, n_classes])?),
        };
        let whole = activations.whole().min(logits.as_ref().map_or(n_examples, PartialArray::whole));
        let progress = Progress::open(&dir.join(PROGRESS), whole, |from, to| {
            let mut parts = vec![activations.bytes(from, to)?];
            parts.extend(logits.as_ref().map(|l| l.bytes(from, to)).transpose()?);
            Ok(parts)
        })?;
        let next = progress.next();
        for array in std::iter::once(&activations).chain(&logits) {
            array.cut(next)?;
        }
        Ok(Self::Partial(ActivationWriter { dir: dir.to_owned(), shape, next, activations, logits, progress }))
    }

    /// The path of the logits of a complete store in `dir`: f32 `[n, classes]`.
    pub fn logits_path(dir: &Path) -> PathBuf {
        dir.join(LOGITS)
    }
}

/// Appends examples to a store.
#[derive(Debug)]
pub struct ActivationWriter {
    dir: PathBuf,
    shape: StoreShape,
    next: usize,
    activations: PartialArray,
    logits: Option<PartialArray>,
    progress: Progress,
}

impl ActivationWriter {
    /// The first example that is not in the store yet; as many as there are examples where only
    /// [`Self::finish`] is missing.
    pub fn next_example(&self) -> usize {
        self.next
    }

    /// Appends the activations `(m, n_units, height, width)` and logits `(m, n_classes)` of the examples
    /// `first_example..first_example + m`. After an error (a full disk) the same block can be appended again.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`], and [`compexp_core::Error::Mismatch`] where `first_example` is not [`Self::next_example`], or the blocks are
    /// not of the same whole examples, or of too many.
    pub fn append(&mut self, first_example: usize, activations: &[f32], logits: &[f32]) -> Result<()> {
        if first_example != self.next {
            return Err(Error::mismatch("first example of a block", first_example, self.next));
        }
        let examples = activations.len() / self.shape.activations();
        if !activations.len().is_multiple_of(self.shape.activations()) {
            let expected = format!("whole examples of {}", self.shape.activations());
            return Err(Error::mismatch("activations of a block", activations.len(), expected));
        }
        if logits.len() != examples * self.shape.n_classes {
            let expected = format!("{} for each of {examples} examples", self.shape.n_classes);
            return Err(Error::mismatch("logits of a block", logits.len(), expected));
        }
        if examples > self.shape.n_examples - self.next {
            let expected = format!("at most {}", self.shape.n_examples - self.next);
            return Err(Error::mismatch("examples of a block", examples, expected));
        }
        self.activations.write(self.next, activations)?;
        if let Some(array) = &mut self.logits {
            array.write(self.next, logits)?;
        }
        let parts: Vec<&[f32]> = std::iter::once(activations).chain(self.logits.is_some().then_some(logits)).collect();
        self.progress.append(self.next + examples, &parts)?;
        self.next += examples;
        Ok(())
    }

    /// Completes the store.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`], and [`compexp_core::Error::Mismatch`] where examples are missing.
    pub fn finish(self) -> Result<ActivationFile> {
        if self.next < self.shape.n_examples {
            return Err(Error::mismatch("examples in the store", self.next, self.shape.n_examples));
        }
        let Self { dir, activations, logits, .. } = self;
        for array in std::iter::once(activations).chain(logits) {
            array.finish()?;
        }
        Blocks::of(&dir.join(ACTIVATIONS))?.write(&dir.join(BLOCKS))?;
        // The metadata last: they say that the arrays are complete.
        sync_folder(&dir);
        rename(&dir.join(PARTIAL_META), &dir.join(META))?;
        sync_folder(&dir);
        remove_tree(&dir.join(PROGRESS))?;
        ActivationFile::open(dir.join(ACTIVATIONS), Known::OF_COMPEXP)
    }
}

/// What `activations.json` holds.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Meta {
    version: u32,
    key: String,
    #[serde(flatten)]
    shape: StoreShape,
}

/// The activations in `dir`, if they are complete and those of `meta`. All of them are read: what is damaged is not to be used.
fn open_complete(dir: &Path, meta: &Meta) -> Result<Option<ActivationFile>> {
    let found = unless_damaged(read_json::<Meta>(&dir.join(META)).map_err(Error::from))?;
    if found.as_ref() != Some(meta) {
        return Ok(None);
    }
    let Some(file) = unless_damaged(ActivationFile::open(dir.join(ACTIVATIONS), Known::OF_COMPEXP))? else {
        return Ok(None);
    };
    let StoreShape { n_examples, n_units, grid, maps, n_classes } = meta.shape;
    let shape = [n_examples, n_units, grid.height, grid.width];
    if file.shape() != if maps { &shape[..] } else { &shape[..2] } {
        return Ok(None);
    }
    if n_classes > 0 {
        let logits = unless_damaged(TensorFile::open(dir.join(LOGITS)).map_err(Error::from))?;
        if logits.is_none_or(|logits| logits.shape() != [n_examples, n_classes]) {
            return Ok(None);
        }
    }
    let path = dir.join(BLOCKS);
    if !is_there(&path)? {
        // Of an earlier version.
        return Ok(Some(file));
    }
    let checked = Blocks::read(&path).and_then(|blocks| {
        let checked = CheckedFile::open(file.path(), blocks, "extract it again")?;
        checked.check_all().map(|()| checked)
    });
    Ok(unless_damaged(checked)?.map(|checked| file.checked(checked)))
}

/// What is missing or damaged is made anew; what the system cannot read is an error.
fn unless_damaged<T>(found: Result<T>) -> Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Error::File(compexp_files::Error::Io { op, path, source })) if source.kind() != io::ErrorKind::NotFound => {
            Err(compexp_files::Error::Io { op, path, source }.into())
        }
        Err(_) => Ok(None),
    }
}
