//! The reader: columns found by name, rows in order, one row group after the other.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::Type;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::file::serialized_reader::SerializedPageReader;

use super::Cell;
use super::decode::{Column, Value};
use super::pages::Chunks;
use crate::table::Header;
use crate::{Error, Result, SourceFile};

/// What a file must be.
const WHOLE: &str = "a whole and undamaged Parquet file";
/// Largest footer that is read, in bytes.
const MAX_FOOTER: u64 = 256 << 20;

/// A file open for reading.
///
/// Columns are of whole numbers, texts or bytes, or records of such columns; lists are not read. Pages may be plain, snappy or
/// zstd. What a page claims is checked against its bytes before memory is allocated.
#[derive(Debug)]
pub struct ParquetFile {
    path: PathBuf,
    chunks: Arc<Chunks>,
    meta: ParquetMetaData,
    n_rows: u64,
}

/// A column of a [`ParquetFile`].
#[derive(Clone, Debug)]
pub struct ParquetColumn {
    /// Its place among the columns without columns of their own.
    leaf: usize,
    /// Its name.
    name: String,
}

impl ParquetFile {
    /// Opens a file and reads its footer.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read; [`Error::Format`] if it is no Parquet file, is cut off, or its footer is damaged.
    pub fn open(path: &Path) -> Result<Self> {
        let chunks = Chunks { file: Arc::new(SourceFile::open(path)?), pages: false };
        let broken = |found: String| Error::format(path, "footer", found, WHOLE);
        let (len, mut tail) = (chunks.file.len(), [0; 8]);
        if len < 12 {
            return Err(broken(format!("{len} bytes")));
        }
        chunks.file.read_at(&mut tail, len - 8)?;
        let [a, b, c, d, end @ ..] = tail;
        let footer = u64::from(u32::from_le_bytes([a, b, c, d]));
        if end != *super::MAGIC {
            return Err(broken("another end than `PAR1`: it was cut off, or is encrypted".into()));
        }
        if footer > MAX_FOOTER || footer + 12 > len {
            return Err(broken(format!("{footer} bytes in a file of {len}")));
        }
        let meta = ParquetMetaDataReader::new().parse_and_finish(&chunks).map_err(|e| broken(e.to_string()))?;
        let mut n_rows = 0_u64;
        for group in meta.row_groups() {
            n_rows = u64::try_from(group.num_rows())
                .ok()
                .and_then(|rows| n_rows.checked_add(rows))
                .ok_or_else(|| broken(format!("a group of {} rows", group.num_rows())))?;
        }
        Ok(Self { path: path.to_owned(), chunks: Arc::new(Chunks { pages: true, ..chunks }), meta, n_rows })
    }

    /// The number of rows.
    pub fn n_rows(&self) -> u64 {
        self.n_rows
    }

    /// The column of the first of these names that the file has. Of a column of records, as of images, it is its column `bytes`.
    ///
    /// # Errors
    /// [`Error::Format`] if the file has none of them, with the names that it has, or one in other letters instead, or it is no
    /// column of whole numbers, texts or bytes.
    pub fn column(&self, names: &[&str]) -> Result<ParquetColumn> {
        for name in names {
            if let Some(found) = self.find_column(name)? {
                return Ok(found);
            }
        }
        let wanted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        Err(Error::format(&self.path, "columns", self.header()?.list(), format!("a column {}", wanted.join(" or "))))
    }

    /// The column of this name, if the file has it; otherwise as [`Self::column`].
    ///
    /// # Errors
    /// [`Error::Format`] if it has one in other letters, or it is no column of whole numbers, texts or bytes.
    pub fn find_column(&self, name: &str) -> Result<Option<ParquetColumn>> {
        if self.header()?.find(name)?.is_none() {
            return Ok(None);
        }
        let found = self.leaf(&[name])?.map_or_else(|| self.leaf(&[name, "bytes"]), |found| Ok(Some(found)))?;
        found.map(Some).ok_or_else(|| self.wrong_kind(name, "a list, or a record without `bytes`"))
    }

    fn header(&self) -> Result<Header> {
        let root = self.meta.file_metadata().schema_descr().root_schema();
        Header::new(&self.path, root.get_fields().iter().map(|field| field.name()))
    }

    /// The column of this name within a column of records, if the file has it.
    ///
    /// # Errors
    /// [`Error::Format`] if it is no column of whole numbers, texts or bytes.
    pub fn within(&self, record: &str, name: &str) -> Result<Option<ParquetColumn>> {
        self.leaf(&[record, name])
    }

    fn leaf(&self, parts: &[&str]) -> Result<Option<ParquetColumn>> {
        let leaves = self.meta.file_metadata().schema_descr().columns();
        let Some(leaf) = leaves.iter().position(|leaf| leaf.path().parts() == parts) else { return Ok(None) };
        let (name, kind) = (parts.join("."), leaves[leaf].physical_type());
        if leaves[leaf].max_rep_level() > 0 {
            return Err(self.wrong_kind(&name, "a list"));
        }
        if !matches!(kind, Type::INT32 | Type::INT64 | Type::BYTE_ARRAY) {
            return Err(self.wrong_kind(&name, &format!("values of type {kind}")));
        }
        Ok(Some(ParquetColumn { leaf, name }))
    }

    fn wrong_kind(&self, name: &str, found: &str) -> Error {
        Error::format(&self.path, format!("column `{name}`"), found, "whole numbers, texts or bytes")
    }

    /// Reads these columns of all rows in order, a page of each at a time. `visit` sees the number of the row, from 0, and its values
    /// in the order of `columns`.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read; [`Error::Format`] if it is damaged, holds fewer values than rows, or is
    /// compressed or encoded in a way that is not read; the errors of `visit`.
    pub fn for_each_row<E: From<Error>>(
        &self,
        columns: &[ParquetColumn],
        mut visit: impl FnMut(u64, &[Cell<'_>]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut row = 0;
        for (group, meta) in self.meta.row_groups().iter().enumerate() {
            let mut opened = Vec::with_capacity(columns.len());
            for column in columns {
                opened.push(self.open_column(meta, column).map_err(|e| self.damaged(column, group, e))?);
            }
            for _ in 0..meta.num_rows() {
                let mut values = Vec::with_capacity(columns.len());
                for (column, opened) in columns.iter().zip(&mut opened) {
                    values.push(opened.next().map_err(|e| self.damaged(column, group, e))?);
                }
                let cells: Vec<Cell<'_>> = values.iter().map(|value| cell(value.as_ref())).collect();
                visit(row, &cells)?;
                row += 1;
            }
        }
        Ok(())
    }

    fn open_column(&self, group: &RowGroupMetaData, column: &ParquetColumn) -> Result<Column<Chunks>, ParquetError> {
        let refuse = |what: String| Err(ParquetError::General(what));
        let Some(chunk) = group.columns().get(column.leaf) else { return refuse("no such column".into()) };
        if chunk.num_values() != group.num_rows() {
            return refuse(format!("{} values in {} rows", chunk.num_values(), group.num_rows()));
        }
        if let Some(other) = chunk.file_path() {
            return refuse(format!("values in another file, `{}`", crate::shorten(other.to_owned(), 60)));
        }
        let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
        let end = start.checked_add(chunk.compressed_size()).and_then(|end| u64::try_from(end).ok());
        if start < 0 || chunk.compressed_size() < 0 || end.is_none_or(|end| end > self.chunks.file.len()) {
            return refuse(format!("{} bytes at {start}", chunk.compressed_size()));
        }
        let rows = usize::try_from(group.num_rows()).unwrap_or(0);
        let pages = SerializedPageReader::new(self.chunks.clone(), chunk, rows, None)?;
        let leaf = self.meta.file_metadata().schema_descr().column(column.leaf);
        Ok(Column::new(pages, leaf.physical_type(), leaf.max_def_level()))
    }

    fn damaged(&self, column: &ParquetColumn, group: usize, error: ParquetError) -> Error {
        let error = match error {
            ParquetError::External(inner) => match inner.downcast::<Error>() {
                Ok(own) => return *own,
                Err(other) => ParquetError::External(other),
            },
            other => other,
        };
        Error::format(&self.path, format!("column `{}`, row group {group}", column.name), error.to_string(), WHOLE)
    }
}

fn cell(value: Option<&Value>) -> Cell<'_> {
    match value {
        None => Cell::Null,
        Some(Value::Int(value)) => Cell::Int(*value),
        Some(Value::Bytes(bytes)) => Cell::Bytes(bytes),
    }
}
