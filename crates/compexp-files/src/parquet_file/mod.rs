//! Parquet files: tables whose columns go by name, read row by row and written whole.
//!
//! They need the feature `parquet`. Without it every function is there, and its error names the feature.

use std::path::Path;

use crate::{Result, SourceFile};

#[cfg(not(feature = "parquet"))]
mod absent;
#[cfg(feature = "parquet")]
mod decode;
#[cfg(feature = "parquet")]
mod pages;
#[cfg(feature = "parquet")]
mod read;
#[cfg(feature = "parquet")]
mod write;

#[cfg(not(feature = "parquet"))]
pub use absent::{ParquetColumn, ParquetFile, write_parquet};
#[cfg(feature = "parquet")]
pub use read::{ParquetColumn, ParquetFile};
#[cfg(feature = "parquet")]
pub use write::write_parquet;

/// Whether this build reads and writes Parquet files.
pub const HAS_PARQUET: bool = cfg!(feature = "parquet");

/// The bytes that a file begins with, and ends with.
const MAGIC: &[u8; 4] = b"PAR1";

/// A value that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell<'a> {
    /// There is none.
    Null,
    /// A whole number.
    Int(i64),
    /// Bytes, or a text in UTF-8.
    Bytes(&'a [u8]),
}

/// The values of a column that is written; `None` is a null.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Texts.
    Text(Vec<Option<String>>),
    /// Bytes.
    Bytes(Vec<Option<Vec<u8>>>),
    /// Whole numbers.
    Int(Vec<Option<i64>>),
    /// Numbers.
    Float(Vec<Option<f64>>),
}

impl Values {
    /// How many there are, nulls included.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(values) => values.len(),
            Self::Bytes(values) => values.len(),
            Self::Int(values) => values.len(),
            Self::Float(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Whether a file begins as Parquet files do.
///
/// # Errors
/// [`crate::Error::Io`] if it cannot be read.
pub fn is_parquet(path: &Path) -> Result<bool> {
    let file = SourceFile::open(path)?;
    let mut start = [0; MAGIC.len()];
    if file.len() < start.len() as u64 {
        return Ok(false);
    }
    file.read_at(&mut start, 0)?;
    Ok(start == *MAGIC)
}

#[cfg(all(test, feature = "parquet"))]
mod tests;
