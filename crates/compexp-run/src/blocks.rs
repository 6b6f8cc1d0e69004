//! Hashes of the blocks of an array too large to be checked whole before it is used.
//!
//! `activations.blocks.json` is `{"version": 1, "block": ..., "size": ..., "blake3": [...]}`: the hash of each `block` bytes of
//! the file, the last of what is left.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use compexp_files::{ContentHash, SourceFile, read_json, write_json};
use serde::{Deserialize, Serialize};

use crate::error::{Damage, Error, Result};

const VERSION: u32 = 1;
const BLOCK: u64 = 1 << 20;

/// What the blocks of a file must be.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Blocks {
    version: u32,
    block: u64,
    size: u64,
    blake3: Vec<String>,
}

impl Blocks {
    /// The blocks of the file at `path`, as they are.
    ///
    /// # Errors
    /// `Error::File`
    pub(crate) fn of(path: &Path) -> Result<Self> {
        let file = SourceFile::open(path)?;
        let mut this = Self { version: VERSION, block: BLOCK, size: file.len(), blake3: Vec::new() };
        let mut bytes = Vec::new();
        this.blake3 =
            (0..file.len().div_ceil(BLOCK)).map(|at| this.hash(&file, at, &mut bytes)).collect::<Result<_>>()?;
        Ok(this)
    }

    /// # Errors
    /// `Error::File` if the file is not as documented.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let this: Self = read_json(path)?;
        let fits = this.version == VERSION && this.block == BLOCK;
        if !fits || this.blake3.len() as u64 != this.size.div_ceil(BLOCK) {
            let found = format!("version {}, {} hashes of {} bytes", this.version, this.blake3.len(), this.block);
            let expected = format!("version {VERSION}, one of every {BLOCK} bytes of {}", this.size);
            return Err(Error::format(path, "blocks", found, expected));
        }
        Ok(this)
    }

    /// # Errors
    /// `Error::File`
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        Ok(write_json(path, self)?)
    }

    fn hash(&self, file: &SourceFile, at: u64, bytes: &mut Vec<u8>) -> Result<String> {
        let start = at * self.block;
        bytes.resize((self.size - start).min(self.block) as usize, 0);
        file.read_at(bytes, start)?;
        let mut hash = ContentHash::new("block");
        Ok(hash.field("bytes", bytes).finish())
    }
}

/// A file whose blocks are checked the first time that they are read.
#[derive(Debug)]
pub(crate) struct CheckedFile {
    file: SourceFile,
    blocks: Blocks,
    checked: Vec<AtomicBool>,
    /// How to get the file back.
    again: String,
}

impl CheckedFile {
    /// # Errors
    /// `Error::Damaged` if the file has another length; `Error::File`.
    pub(crate) fn open(path: &Path, blocks: Blocks, again: &str) -> Result<Self> {
        let file = SourceFile::open(path)?;
        let checked = blocks.blake3.iter().map(|_| AtomicBool::new(false)).collect();
        let this = Self { file, blocks, checked, again: again.to_owned() };
        if this.file.len() == this.blocks.size { Ok(this) } else { Err(this.damaged()) }
    }

    /// Checks the bytes from `start` to `end`, after they were read.
    ///
    /// # Errors
    /// `Error::Damaged` if a block is another one than it was; `Error::File`.
    pub(crate) fn check(&self, start: u64, end: u64) -> Result<()> {
        let mut bytes = Vec::new();
        for at in start / self.blocks.block..end.div_ceil(self.blocks.block) {
            let Some((expected, checked)) = self.blocks.blake3.get(at as usize).zip(self.checked.get(at as usize))
            else {
                return Err(self.damaged());
            };
            if checked.load(Ordering::Relaxed) {
                continue;
            }
            if self.blocks.hash(&self.file, at, &mut bytes)? != *expected {
                return Err(self.damaged());
            }
            checked.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Checks the whole file.
    ///
    /// # Errors
    /// Those of [`Self::check`].
    pub(crate) fn check_all(&self) -> Result<()> {
        self.check(0, self.blocks.size)
    }

    fn damaged(&self) -> Error {
        Error::Damaged { path: self.file.path().to_owned(), damage: Damage::Changed, again: self.again.clone() }
    }
}
