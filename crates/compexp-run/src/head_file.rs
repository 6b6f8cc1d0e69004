//! The head of a classifier in a run directory, so that what units do to classes is measured without the model.
//!
//! | file | content |
//! |---|---|
//! | `head.json` | `{"version": 1, "classes": ["beach", ...]}`, in the order of the logits |
//! | `head.npy` | f32 `[classes, units + 1]`: weights, and in the last column what is added to each class |

use std::path::Path;

use compexp_files::{TensorFile, is_there, read_json, write_json, write_npy};
use compexp_trust::behaviour::Head;
use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::layout::{HEAD_CLASSES as CLASSES, HEAD_WEIGHTS as WEIGHTS};

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Classes {
    version: u32,
    classes: Vec<String>,
}

/// Writes `head` into the run directory `dir`.
///
/// # Errors
/// [`compexp_files::Error::Io`]
pub fn write_head(dir: &Path, head: &Head) -> Result<()> {
    let (n_classes, n_units) = head.weights.dim();
    let mut values = Vec::with_capacity(n_classes * (n_units + 1));
    for (row, bias) in head.weights.outer_iter().zip(&head.bias) {
        values.extend(row);
        values.push(*bias);
    }
    write_npy(&dir.join(WEIGHTS), &[n_classes, n_units + 1], &values)?;
    Ok(write_json(&dir.join(CLASSES), &Classes { version: VERSION, classes: head.classes.clone() })?)
}

/// The head in the run directory `dir`; none where it has none.
///
/// # Errors
/// [`compexp_files::Error::Io`]; [`compexp_files::Error::Format`] where the two files are not as documented.
pub fn read_head(dir: &Path) -> Result<Option<Head>> {
    let path = dir.join(CLASSES);
    if !is_there(&path)? {
        return Ok(None);
    }
    let Classes { version, classes } = read_json(&path)?;
    if version != VERSION {
        return Err(Error::format(&path, "version", version.to_string(), VERSION.to_string()));
    }
    let path = dir.join(WEIGHTS);
    let file = TensorFile::open(&path)?;
    let (rows, columns) = match *file.shape() {
        [rows, columns] if columns >= 2 => (rows, columns),
        _ => return Err(Error::format(&path, "shape", format!("{:?}", file.shape()), "[classes, units + 1]")),
    };
    let mut values = vec![0.0; file.elements()];
    file.read_f32(0, &mut values)?;
    let wrong = |found: String| Error::format(&path, "head", found, "finite weights of the classes in head.json");
    let all = Array2::from_shape_vec((rows, columns), values).map_err(|e| wrong(e.to_string()))?;
    let (weights, bias) = all.view().split_at(Axis(1), columns - 1);
    Head::new(classes, weights.to_owned(), bias.iter().copied().collect()).map(Some).map_err(|e| wrong(e.to_string()))
}

#[cfg(test)]
mod tests {
    use compexp_tests::files::Scratch;
    use ndarray::arr2;

    use super::*;

    #[test]
    fn a_head_is_read_back_and_broken_ones_are_refused() {
        let scratch = Scratch::new();
        assert_eq!(read_head(scratch.dir()).unwrap(), None);
        let classes = vec!["beach, sunny".into(), "\"street\"".into()];
        let head = Head::new(classes, arr2(&[[1.0, -2.0, 0.1], [0.0, 1.0, 4.0]]), vec![0.25, -1.0]).unwrap();
        write_head(scratch.dir(), &head).unwrap();
        assert_eq!(read_head(scratch.dir()).unwrap(), Some(head));
        let found = |classes: &str| {
            scratch.write(CLASSES, classes.as_bytes());
            read_head(scratch.dir()).unwrap_err().to_string()
        };
        assert!(found(r#"{"version":1,"classes":["a","b","c"]}"#).contains("found 2, expected 3"));
        assert!(found(r#"{"version":2,"classes":["a","b"]}"#).contains("version: found 2, expected 1"));
        write_npy(&scratch.path(WEIGHTS), &[4], &[0.0_f32; 4]).unwrap();
        assert!(found(r#"{"version":1,"classes":["a","b"]}"#).contains("expected [classes, units + 1]"));
    }
}
