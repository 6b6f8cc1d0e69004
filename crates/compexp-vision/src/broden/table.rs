//! CSV files with a header: columns by name, rows of the header's length, errors that name the line.

use std::path::{Path, PathBuf};

use compexp_files::{Header, excerpt};
use csv::{ByteRecord, StringRecord};

use crate::error::{Error, Result, missing};

/// The largest table that is read; Broden's whole index has about 11 MB.
const MAX_BYTES: u64 = 64 << 20;
/// The greatest number of columns; an index has 12.
const MAX_COLUMNS: usize = 200;

/// A CSV file in memory.
pub(super) struct Table {
    path: PathBuf,
    bytes: Vec<u8>,
    header: Header,
}

/// A row of a [`Table`].
pub(super) struct Row<'a> {
    table: &'a Table,
    record: &'a StringRecord,
    line: usize,
}

impl Table {
    /// Reads a file and its header. `hint` is part of the error if the file is missing.
    pub(super) fn read(path: &Path, hint: &str) -> Result<Self> {
        let bytes = read_limited(path, hint, MAX_BYTES)?.into_bytes();
        let mut table = Self { path: path.to_owned(), bytes, header: Header::new(path, [])? };
        let mut reader = table.reader();
        let mut header = StringRecord::new();
        reader.read_record(&mut header).map_err(|e| table.csv_error(&e, 1))?;
        if header.len() > MAX_COLUMNS {
            let found = format!("{} columns", header.len());
            return Err(Error::format(path, "header", found, format!("at most {MAX_COLUMNS}")));
        }
        table.header = Header::new(path, &header)?;
        Ok(table)
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the header has this column.
    pub(super) fn has(&self, name: &str) -> bool {
        self.header.names().iter().any(|column| column == name)
    }

    /// The number of a column, if the header has it.
    ///
    /// # Errors
    /// The error of [`Header::find`].
    pub(super) fn find(&self, name: &str) -> Result<Option<usize>> {
        Ok(self.header.find(name)?)
    }

    /// The number of a column that must be there.
    pub(super) fn column(&self, name: &str) -> Result<usize> {
        self.find(name)?.ok_or_else(|| {
            Error::format(&self.path, "header", self.header.list(), format!("a column `{name}` (columns go by name)"))
        })
    }

    /// `columns a, b, c`, for errors.
    pub(super) fn columns_found(&self) -> String {
        self.header.list()
    }

    /// Calls `each` with every row in order.
    pub(super) fn each_row(&self, mut each: impl FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
        let mut reader = self.reader();
        let mut raw = ByteRecord::new();
        let (mut byte, mut line) = (0, 1);
        let mut is_header = true;
        loop {
            // The reader's own line numbers lag behind by one where lines end in `\r\n`.
            let start = self.start_of_record(reader.position().byte() as usize);
            line += self.bytes[byte..start].iter().filter(|b| **b == b'\n').count();
            byte = start;
            if !reader.read_byte_record(&mut raw).map_err(|e| self.csv_error(&e, line))? {
                return Ok(());
            }
            if std::mem::take(&mut is_header) {
                continue;
            }
            let record = StringRecord::from_byte_record(raw).map_err(|_| {
                Error::format(&self.path, format!("line {line}"), "bytes that are not UTF-8", "UTF-8 text")
            })?;
            let row = Row { table: self, record: &record, line };
            row.check()?;
            each(&row)?;
            raw = record.into_byte_record();
        }
    }

    fn reader(&self) -> csv::Reader<&[u8]> {
        // Flexible, so that this module itself reports a row of another length.
        csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(&self.bytes)
    }

    fn csv_error(&self, error: &csv::Error, line: usize) -> Error {
        Error::format(&self.path, format!("line {line}"), error.to_string(), "a CSV record in UTF-8")
    }

    /// `byte`, or the first byte after the line ends at that place.
    fn start_of_record(&self, byte: usize) -> usize {
        byte + self.bytes[byte..].iter().take_while(|b| matches!(b, b'\r' | b'\n')).count()
    }
}

impl Row<'_> {
    /// The text of a column.
    pub(super) fn text(&self, column: usize) -> &str {
        self.table.header.cell(self.record.get(column).unwrap_or_default())
    }

    /// The whole number in a column, which must lie within `range`.
    pub(super) fn number(&self, column: usize, range: std::ops::RangeInclusive<u32>) -> Result<u32> {
        let text = self.text(column).trim();
        match text.parse() {
            Ok(n) if range.contains(&n) => Ok(n),
            _ => {
                let expected = format!("a whole number from {} to {}", range.start(), range.end());
                Err(self.error(column, excerpt(text), expected))
            }
        }
    }

    /// The finite number >= 0 in a column, exponents included; none if the field is empty.
    pub(super) fn amount(&self, column: usize) -> Result<Option<f64>> {
        let text = self.text(column).trim();
        if text.is_empty() {
            return Ok(None);
        }
        match text.parse::<f64>() {
            Ok(x) if x.is_finite() && x >= 0.0 => Ok(Some(x)),
            _ => Err(self.error(column, excerpt(text), "a finite number of 0 or more")),
        }
    }

    /// An error about a column of this row.
    pub(super) fn error(&self, column: usize, found: impl Into<String>, expected: impl Into<String>) -> Error {
        let name = self.table.header.names().get(column).map_or("", String::as_str);
        Error::format(&self.table.path, format!("line {}, column `{name}`", self.line), found, expected)
    }

    /// The line this row starts on, from 1.
    pub(super) fn line(&self) -> usize {
        self.line
    }

    fn check(&self) -> Result<()> {
        let (found, expected) = (self.record.len(), self.table.header.names().len());
        if found != expected {
            let expected = format!("{expected}, as in the header (was the file cut off?)");
            let field = format!("line {}", self.line);
            return Err(Error::format(&self.table.path, field, format!("{found} fields"), expected));
        }
        // An open quote would hide rows without an error.
        if let Some(column) = self.record.iter().position(|f| f.contains('\n')) {
            return Err(self.error(column, "a line break within the field", "one line a row (is a quote left open?)"));
        }
        Ok(())
    }
}

/// The text of a file of at most `limit` bytes. `hint` is part of the error if the file is missing.
pub(crate) fn read_limited(path: &Path, hint: &str, limit: u64) -> Result<String> {
    compexp_files::read_text(path, limit).map_err(|e| missing(hint, e))
}
