//! Tables of records: a row each, as comma-separated values under a header.
//!
//! A spreadsheet runs a cell that begins with `=`, `+`, `-` or `@` as a formula, and names of concepts come from other
//! people's data. So tables are written with a `'` before such a text, which marks it as text; [`read_rows`] takes it off.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::source_file::SourceFile;
use crate::write::write_bytes;
use crate::{Error, Result};

/// Reads the rows of a table with at least these columns.
pub fn read_rows<T: DeserializeOwned>(path: &Path, columns: &[&str]) -> Result<Vec<T>> {
    let text = without_guards(SourceFile::open(path)?.read_text()?.into_bytes());
    let rows = csv::ReaderBuilder::new()
        .trim(csv::Trim::Headers)
        .from_reader(&text[..])
        .into_deserialize()
        .collect::<Result<_, csv::Error>>();
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
    write_bytes(path, &guarded(text))
}

/// Comma-separated values with a `'` before every text that a spreadsheet would run as a formula. Numbers stay as they are.
pub fn guarded(table: Vec<u8>) -> Vec<u8> {
    map_cells(table, |cell| (runs(cell) || is_guarded(cell)).then(|| [b"'", cell].concat()))
}

/// Comma-separated values as they were before [`guarded`].
pub fn without_guards(table: Vec<u8>) -> Vec<u8> {
    map_cells(table, |cell| is_guarded(cell).then(|| cell[1..].to_vec()))
}

/// Whether a spreadsheet runs the cell as a formula.
fn runs(cell: &[u8]) -> bool {
    let is_number = || std::str::from_utf8(cell).is_ok_and(|text| text.parse::<f64>().is_ok());
    matches!(cell.first(), Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r')) && !is_number()
}

/// Whether the cell is a text with its mark.
fn is_guarded(cell: &[u8]) -> bool {
    cell.strip_prefix(b"'").is_some_and(|rest| runs(rest) || is_guarded(rest))
}

/// The table with other cells where `change` gives any; the same bytes where it gives none.
fn map_cells(table: Vec<u8>, change: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Vec<u8> {
    let rows = || csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(&table[..]);
    // What is no table stays as it is: its reader says what is wrong with it.
    let Ok(records) = rows().into_byte_records().collect::<Result<Vec<_>, _>>() else { return table };
    if !records.iter().flatten().any(|cell| change(cell).is_some()) {
        return table;
    }
    let mut writer = csv::WriterBuilder::new().has_headers(false).flexible(true).from_writer(Vec::new());
    for record in &records {
        let cells = record.iter().map(|cell| change(cell).unwrap_or_else(|| cell.to_vec()));
        if writer.write_record(cells).is_err() {
            return table;
        }
    }
    writer.into_inner().unwrap_or(table)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_that_a_spreadsheet_runs_are_marked_and_numbers_are_not() {
        let table = b"name,n\n=cmd|' /C calc'!A0,-1.5\n+1,@x\n'-a,'a\n".to_vec();
        let marked = b"name,n\n'=cmd|' /C calc'!A0,-1.5\n+1,'@x\n''-a,'a\n".to_vec();
        assert_eq!(guarded(table.clone()), marked);
        assert_eq!(without_guards(marked), table);
    }

    proptest! {
        #[test]
        fn what_is_marked_reads_back(cells in proptest::collection::vec("['=+@a1\\-,\" ]{0,4}", 2..9)) {
            let mut writer = csv::Writer::from_writer(Vec::new());
            for row in cells.chunks_exact(2) {
                writer.write_record(row).unwrap();
            }
            let table = writer.into_inner().unwrap();
            let marked = guarded(table.clone());
            let rows = csv::ReaderBuilder::new().has_headers(false).from_reader(&marked[..]).into_byte_records();
            prop_assert!(rows.flatten().all(|row| !row.iter().any(runs)));
            prop_assert_eq!(without_guards(marked), table);
        }
    }
}
