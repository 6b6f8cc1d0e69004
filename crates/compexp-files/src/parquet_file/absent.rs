//! What stands in for the reader and the writer in a build without Parquet: types without values, and errors.

use std::path::Path;

use super::{Cell, Values};
use crate::{Error, Result};

/// A file open for reading.
#[derive(Debug)]
pub enum ParquetFile {}

/// A column of a [`ParquetFile`].
#[derive(Clone, Debug)]
pub enum ParquetColumn {}

impl ParquetFile {
    /// Opens a file.
    ///
    /// # Errors
    /// [`Error::Format`] always: this build reads none.
    pub fn open(path: &Path) -> Result<Self> {
        Err(missing(path))
    }

    /// The number of rows.
    pub fn n_rows(&self) -> u64 {
        match *self {}
    }

    /// The column of the first of these names that the file has.
    ///
    /// # Errors
    /// None.
    pub fn column(&self, _: &[&str]) -> Result<ParquetColumn> {
        match *self {}
    }

    /// The column of this name, if the file has it.
    ///
    /// # Errors
    /// None.
    pub fn find_column(&self, _: &str) -> Result<Option<ParquetColumn>> {
        match *self {}
    }

    /// The column of this name within a column of records, if the file has it.
    ///
    /// # Errors
    /// None.
    pub fn within(&self, _: &str, _: &str) -> Result<Option<ParquetColumn>> {
        match *self {}
    }

    /// Reads rows in order.
    ///
    /// # Errors
    /// None.
    pub fn for_each_row<E: From<Error>>(
        &self,
        _: &[ParquetColumn],
        _: impl FnMut(u64, &[Cell<'_>]) -> Result<(), E>,
    ) -> Result<(), E> {
        match *self {}
    }
}

/// Writes a file.
///
/// # Errors
/// [`Error::Format`] always: this build writes none.
pub fn write_parquet(path: &Path, _: &[(String, Values)]) -> Result<()> {
    Err(missing(path))
}

fn missing(path: &Path) -> Error {
    let expected = "another format: this build of compexp has no Parquet; build it with its feature `parquet`";
    Error::format(path, "format", "a Parquet file", expected)
}
