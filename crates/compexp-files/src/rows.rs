//! Tables of records: a row each, as comma-separated values under a header.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::source_file::SourceFile;
use crate::write::write_bytes;
use crate::{Error, Result};

/// Reads the rows of a table with at least these columns.
pub fn read_rows<T: DeserializeOwned>(path: &Path, columns: &[&str]) -> Result<Vec<T>> {
    let text = SourceFile::open(path)?.read_text()?;
    let rows = csv::Reader::from_reader(&text[..]).into_deserialize().collect::<Result<_, csv::Error>>();
    rows.map_err(|e| {
        let line = e.position().map_or("content".into(), |p| format!("line {}", p.line()));
        Error::format(path, line, e.to_string(), format!("the columns {}", columns.join(", ")))
    })
}

/// Writes rows under a header, which is there without any rows too.
///
/// # Errors
/// [`Error::Io`]
pub fn write_rows<T: Serialize>(path: &Path, columns: &[&str], rows: &[T]) -> Result<()> {
    let mut text = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    let fail = |e: csv::Error| Error::io("write", path)(e.into());
    text.write_record(columns).map_err(fail)?;
    for row in rows {
        text.serialize(row).map_err(fail)?;
    }
    let text = text.into_inner().map_err(|e| Error::io("write", path)(std::io::Error::other(e.to_string())))?;
    write_bytes(path, &text)
}
