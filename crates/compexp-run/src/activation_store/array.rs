//! An array that is being filled.

use std::io::Write;
use std::path::{Path, PathBuf};

use compexp_files::{GrowingFile, is_there, npy, rename, write_elements};

use crate::error::Result;

/// An array of f32 whose first examples are in a file.
#[derive(Debug)]
pub(super) struct PartialArray {
    file: GrowingFile,
    final_path: PathBuf,
    /// The length of the header.
    start: u64,
    /// The bytes of an example.
    row: u64,
    /// The examples that were in the file when it was opened.
    whole: usize,
}

impl PartialArray {
    /// Opens the file `partial` in `dir`, which will be `name`, an array of `shape`. One that has another header is made anew.
    ///
    /// # Errors
    /// `Error::File`
    pub(super) fn open(dir: &Path, name: &str, partial: &str, shape: &[usize]) -> Result<Self> {
        let header = npy::header_bytes("<f4", shape);
        let start = header.len() as u64;
        let row = shape[1..].iter().product::<usize>() as u64 * 4;
        let final_path = dir.join(name);
        let path = dir.join(partial);
        if is_there(&final_path)? && !is_there(&path)? {
            // The run was killed between the renamings that complete the store.
            rename(&final_path, &path)?;
        }
        let mut file = GrowingFile::open(&path)?;
        let mut found = vec![0; start.min(file.bytes()?) as usize];
        file.read_at(&mut found, 0)?;
        if found != header {
            file.cut(0)?;
            file.write_at(0, |to| to.write_all(&header))?;
        }
        let whole = (((file.bytes()? - start) / row) as usize).min(shape[0]);
        Ok(Self { file, final_path, start, row, whole })
    }

    /// How many examples were in the file when it was opened.
    pub(super) fn whole(&self) -> usize {
        self.whole
    }

    /// Cuts off what follows the first `examples`.
    ///
    /// # Errors
    /// `Error::File`
    pub(super) fn cut(&self, examples: usize) -> Result<()> {
        Ok(self.file.cut(self.place_of(examples))?)
    }

    /// The bytes of the examples `from..to`, which are in the file.
    ///
    /// # Errors
    /// `Error::File`
    pub(super) fn bytes(&self, from: usize, to: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; (to - from) * self.row as usize];
        self.file.read_at(&mut bytes, self.place_of(from))?;
        Ok(bytes)
    }

    /// Writes the values of the examples from `example` on.
    ///
    /// # Errors
    /// `Error::File`; they can then be written again.
    pub(super) fn write(&mut self, example: usize, values: &[f32]) -> Result<()> {
        Ok(self.file.write_at(self.place_of(example), |to| write_elements(to, values))?)
    }

    /// Waits for the disk, and gives the file its final name.
    ///
    /// # Errors
    /// `Error::File`
    pub(super) fn finish(self) -> Result<()> {
        Ok(self.file.finish(&self.final_path)?)
    }

    fn place_of(&self, example: usize) -> u64 {
        self.start + example as u64 * self.row
    }
}
