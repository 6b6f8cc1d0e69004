//! Texts that nobody annotated: a line, a field of a JSON line, or a cell of a Parquet table each.

use std::path::Path;

use compexp_files::{Cell, ParquetFile, parse_json};
use serde_json::{Map, Value};

use super::Form;
use crate::error::{Error, Result};
use crate::lines::{excerpt, for_each_line, line_error};

/// The field of the document that a text is part of.
const DOCUMENT: &str = "document";

/// A text, which is taken as one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The text as it stands in the file.
    pub text: String,
    /// The document that it is part of; empty if there is none.
    pub document: String,
    /// Its line in the file, from 1; of a table its row, from 1.
    pub line: usize,
}

/// Reads the texts of a file in one of the forms of [`Form::is_text`]. Those with white space alone are left out. In JSON lines and
/// tables `field` holds the text, and `document`, which may be missing, the name or number of its document.
///
/// # Errors
/// [`compexp_files::Error::Io`] if the file cannot be read; [`compexp_files::Error::Format`], with the line or row, if it is not UTF-8,
/// a line is no JSON object, or a field is missing or no text; and if there is no text.
pub fn read_texts(path: &Path, form: Form, field: &str) -> Result<Vec<Text>> {
    let mut texts = Vec::new();
    let mut add = |line, text: String, document| {
        if !text.trim().is_empty() {
            texts.push(Text { text, document, line });
        }
    };
    match form {
        Form::JsonLines => for_each_line::<Error>(path, |number, line| {
            if !line.trim().is_empty() {
                let (text, document) = json_line(path, number, line, field)?;
                add(number, text, document);
            }
            Ok(())
        })?,
        Form::Parquet => table(path, field, &mut add)?,
        Form::Lines | Form::Conllu | Form::Feats => for_each_line::<Error>(path, |number, line| {
            add(number, line.to_owned(), String::new());
            Ok(())
        })?,
    }
    match texts.is_empty() {
        true => Err(Error::format(path, "texts", "none", "at least one")),
        false => Ok(texts),
    }
}

/// The text and the document of a JSON line.
fn json_line(path: &Path, number: usize, line: &str, field: &str) -> Result<(String, String)> {
    let form = format!("a JSON object with the text `{field}`");
    let mut object: Map<String, Value> = parse_json(path, Some(number), line, &form)?;
    let text = match object.remove(field) {
        Some(Value::String(text)) => text,
        Some(other) => {
            return Err(line_error(path, number, format!("`{field}`: {}", excerpt(&other.to_string())), "a text"));
        }
        None => {
            let names: Vec<String> = object.keys().map(|name| format!("`{name}`")).collect();
            let found = if names.is_empty() { "no fields".into() } else { format!("the fields {}", names.join(", ")) };
            return Err(line_error(path, number, found, format!("the field `{field}`")));
        }
    };
    let document = match object.remove(DOCUMENT) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(document)) => document,
        Some(Value::Number(document)) => document.to_string(),
        Some(other) => {
            let found = format!("`{DOCUMENT}`: {}", excerpt(&other.to_string()));
            return Err(line_error(path, number, found, "a text or a number"));
        }
    };
    Ok((text, document))
}

/// Calls `add` with the line, the text and the document of every row of a table.
fn table(path: &Path, field: &str, add: &mut dyn FnMut(usize, String, String)) -> Result<()> {
    let file = ParquetFile::open(path)?;
    let mut columns = vec![file.column(&[field])?];
    columns.extend(file.find_column(DOCUMENT)?);
    file.for_each_row::<Error>(&columns, |row, cells| {
        let wrong =
            |name: &str, found: &str| Error::format(path, format!("{name} of row {row} (from 0)"), found, "a text");
        let text = |name: &str, bytes: &[u8]| {
            std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| wrong(name, "bytes that are not UTF-8"))
        };
        let written = match cells[0] {
            Cell::Bytes(bytes) => text(field, bytes)?,
            Cell::Int(number) => return Err(wrong(field, &format!("the number {number}"))),
            Cell::Null => return Err(wrong(field, "null")),
        };
        let document = match cells.get(1) {
            None | Some(Cell::Null) => String::new(),
            Some(Cell::Int(number)) => number.to_string(),
            Some(Cell::Bytes(bytes)) => text(DOCUMENT, bytes)?,
        };
        add(row as usize + 1, written, document);
        Ok(())
    })
}
