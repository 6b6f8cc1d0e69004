//! JSON files.

use std::io::Write;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::source_file::SourceFile;
use crate::write::AtomicFile;
use crate::{Error, Result};

/// Reads a JSON file.
///
/// # Errors
/// [`Error::Io`], and [`Error::Format`] with the line where the file does not hold a `T`.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = SourceFile::open(path)?.read_text()?;
    serde_json::from_slice(&text).map_err(|e| {
        let at = format!("line {}, column {}", e.line(), e.column());
        let message = e.to_string();
        let found = message.strip_suffix(&format!(" at line {} column {}", e.line(), e.column())).unwrap_or(&message);
        Error::format(path, at, found, "JSON of the documented form")
    })
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
