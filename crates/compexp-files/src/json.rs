//! JSON files.

use std::io::Write;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::source_file::SourceFile;
use crate::write::AtomicFile;
use crate::{Error, Result, excerpt};

/// Reads a JSON file.
///
/// # Errors
/// `Error::Io` if the file cannot be read; `Error::Format` with the place where it does not hold a `T`.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    read_json_of(path, "JSON of the documented form")
}

/// The same for a file that people write; `form` shows what is expected.
///
/// # Errors
/// As [`read_json`].
pub fn read_json_of<T: DeserializeOwned>(path: &Path, form: &str) -> Result<T> {
    parse_json(path, None, &SourceFile::open(path)?.read_text()?, form)
}

/// Reads JSON from the text of the file `path`, or from its line `line`. `form` says what is expected.
///
/// # Errors
/// `Error::Format` with the place where the text does not hold a `T`, and what stands there.
pub fn parse_json<T: DeserializeOwned>(path: &Path, line: Option<usize>, text: &str, form: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| {
        let at = format!("line {}, column {}", line.unwrap_or(e.line()), e.column());
        let (found, expected) = fault(text, &e);
        let expected = if expected.is_empty() { form.to_owned() } else { format!("{expected}: {form}") };
        Error::format(path, at, found, expected)
    })
}

/// What was found, and what was expected in its place if the error tells.
fn fault(text: &str, error: &serde_json::Error) -> (String, String) {
    let message = error.to_string();
    let message =
        message.strip_suffix(&format!(" at line {} column {}", error.line(), error.column())).unwrap_or(&message);
    match error.classify() {
        Category::Eof if text.trim().is_empty() => ("nothing".into(), String::new()),
        Category::Eof => ("the end of the text".into(), "more: is it cut off?".into()),
        Category::Syntax => match standing(text, error.line(), error.column()) {
            Some(word @ ("NaN" | "Infinity" | "-Infinity")) => {
                (format!("`{word}`"), "a number, as JSON has them, or null".into())
            }
            Some(word) => (format!("{} ({message})", excerpt(word)), String::new()),
            None => (message.to_owned(), String::new()),
        },
        // `invalid type: string "x", expected u32` and the like say what was found.
        _ => (message.to_owned(), String::new()),
    }
}

/// The word or sign at a place, counted in bytes from 1.
fn standing(text: &str, line: usize, column: usize) -> Option<&str> {
    let line = text.split('\n').nth(line.checked_sub(1)?)?;
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let mut start = column.saturating_sub(1).min(line.len());
    while !line.is_char_boundary(start) {
        start -= 1;
    }
    // The place of an error may be within the word.
    while let Some(before) = line[..start].chars().next_back().filter(|c| is_word(*c)) {
        start -= before.len_utf8();
    }
    let rest = &line[start..];
    let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
    let end = if word > 0 { word } else { rest.chars().next()?.len_utf8() };
    Some(&rest[..end])
}

/// Writes `value` as indented JSON with a newline at its end, whole or not at all. Numbers are written so that reading
/// them back gives the same bits; NaN and infinities, which JSON has not, become `null`.
///
/// # Errors
/// [`Error::Io`], also where the value has a map whose keys are not strings.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut file = AtomicFile::create(path)?;
    serde_json::to_writer_pretty(&mut file, value).map_err(|e| Error::io("write", path)(e.into()))?;
    file.write_all(b"\n").map_err(Error::io("write", path))?;
    file.commit()
}

#[cfg(test)]
mod tests {
    use compexp_tests::files::Scratch;

    use super::*;

    #[test]
    fn numbers_are_read_back_to_the_bit() {
        let scratch = Scratch::new();
        let path = scratch.path("a.json");
        let mut state = 1_u64;
        let values: Vec<f64> = (0..2000)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                f64::from_bits(state)
            })
            .filter(|v| v.is_finite())
            .chain([0.1, 1.0 / 3.0, f64::MIN_POSITIVE, 5e-324, f64::MAX, 0.2022])
            .collect();
        write_json(&path, &values).unwrap();
        let back: Vec<f64> = read_json(&path).unwrap();
        let bits = |v: &[f64]| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&back), bits(&values));
        let singles: Vec<f32> = values.iter().map(|v| *v as f32).filter(|v| v.is_finite()).collect();
        write_json(&path, &singles).unwrap();
        assert_eq!(read_json::<Vec<f32>>(&path).unwrap(), singles);
    }

    #[test]
    fn text_is_indented_and_ends_in_a_newline() {
        let scratch = Scratch::new();
        let path = scratch.path("a.json");
        write_json(&path, &std::collections::BTreeMap::from([("a", 1)])).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\n  \"a\": 1\n}\n");
        assert_eq!(scratch.names(), ["a.json"]);
    }

    #[test]
    fn what_is_not_as_asked_is_refused_with_its_line() {
        let scratch = Scratch::new();
        let path = scratch.write("a.json", b"[1,\n \"x\"]");
        let e = read_json::<Vec<u32>>(&path).unwrap_err().to_string();
        assert!(
            e.contains("a.json`: line 2, column 4: found invalid type: string \"x\", expected u32, expected"),
            "{e}"
        );
        for text in [&b""[..], b"[1,", b"\xff", &b"[".repeat(100_000)] {
            let e = read_json::<serde_json::Value>(&scratch.write("a.json", text)).unwrap_err();
            assert!(matches!(e, Error::Format { .. }), "{e}");
        }
        assert_eq!(read_json::<u32>(&scratch.write("a.json", b"\xef\xbb\xbf7")).unwrap(), 7);
        for (text, found) in [
            ("{\"a\": NaN}", "line 1, column 7: found `NaN`, expected a number, as JSON has them, or null"),
            ("[1,\n-Infinity]", "found `-Infinity`, expected a number"),
            ("[1,\n 2", "found the end of the text, expected more: is it cut off?"),
            ("", "found nothing, expected JSON"),
            ("<html>", "line 1, column 1: found `<` (expected value), expected JSON"),
        ] {
            let e = read_json::<serde_json::Value>(&scratch.write("a.json", text.as_bytes())).unwrap_err().to_string();
            assert!(e.contains(found), "{e}");
        }
    }

    #[test]
    fn a_value_that_cannot_be_written_leaves_the_old_file() {
        let scratch = Scratch::new();
        let path = scratch.write("a.json", b"old");
        let bad = std::collections::BTreeMap::from([((1, 2), 3)]);
        assert!(matches!(write_json(&path, &bad).unwrap_err(), Error::Io { op: "write", .. }));
        assert_eq!((scratch.names(), std::fs::read(&path).unwrap()), (vec!["a.json".into()], b"old".to_vec()));
    }
}
