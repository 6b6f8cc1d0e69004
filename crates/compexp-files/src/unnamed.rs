//! Temporary files without a name: they vanish with the process, whatever ends it.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::source_file::read_exact_at;

/// A temporary file that only this process sees. Bytes are appended, and read by position.
#[derive(Debug)]
pub struct UnnamedFile {
    folder: PathBuf,
    file: File,
}

impl UnnamedFile {
    /// An empty file on the disk that `folder` is on.
    ///
    /// # Errors
    /// [`Error::Io`] where the folder cannot be written to.
    pub fn create(folder: &Path) -> Result<Self> {
        let file = tempfile::tempfile_in(folder).map_err(Error::io("create a temporary file in", folder))?;
        Ok(Self { folder: folder.to_owned(), file })
    }

    /// Adds bytes at the end.
    ///
    /// # Errors
    /// [`Error::Io`] where the disk is full, say.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(Error::io("write a temporary file in", &self.folder))
    }

    /// Fills `buf` with the bytes from `offset` on.
    ///
    /// # Errors
    /// [`Error::Io`] where the file holds fewer bytes, or the disk fails.
    pub fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        read_exact_at(&self.file, buf, offset).map_err(Error::io("read a temporary file in", &self.folder))
    }
}
