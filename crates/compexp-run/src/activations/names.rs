//! The names of examples that stand with an array.

use compexp_core::probe::Example;
use compexp_files::{SourceFile, TensorFile, excerpt, is_there};

use crate::error::Result;

/// The file beside an array that names its examples, one a line.
const FILE: &str = "names.txt";

/// The entry of the metadata of a safetensors file that names its examples, as a JSON list.
const ENTRY: &str = "names";

/// Compares the examples of `tensor` with the names that stand with it, if any do: in its metadata, else in `names.txt` beside
/// it. A name may be that of the example or of its image. Returns a warning if the names are not of as many examples.
///
/// # Errors
/// [`compexp_files::Error::Format`] naming the first example that has another name, or if the names are no list;
/// [`compexp_files::Error::Io`] if `names.txt` cannot be read.
pub(super) fn compare(tensor: &TensorFile, examples: &[Example]) -> Result<Option<String>> {
    let beside = tensor.path().with_file_name(FILE);
    let in_metadata = tensor.metadata(ENTRY);
    let error = |field: &str, found: String, expected: String| match in_metadata {
        Some(_) => tensor.error(&format!("metadata `{ENTRY}`: {field}"), found, expected),
        None => compexp_files::Error::format(&beside, field, found, expected),
    };
    let names: Vec<String> = if let Some(text) = in_metadata {
        let expected = r#"a JSON list of the examples' names: ["a.jpg", "b.jpg", ...]"#;
        serde_json::from_str(text).map_err(|_| error("form", excerpt(text), expected.to_owned()))?
    } else if is_there(&beside)? {
        let text = SourceFile::open(&beside)?.read_text()?;
        text.trim_end().lines().map(|line| line.trim().to_owned()).collect()
    } else {
        return Ok(None);
    };
    if names.len() != examples.len() {
        let place = if in_metadata.is_some() { tensor.path() } else { &beside };
        return Ok(Some(format!(
            "`{}`: found names of {} examples, where there are {}: the order of the examples is not checked",
            place.display(),
            names.len(),
            examples.len()
        )));
    }
    let differs = |(name, example): (&String, &Example)| ![&example.name, &example.image].contains(&name);
    match names.iter().zip(examples).position(differs) {
        Some(at) => {
            let expected = format!(
                "{}, as the annotations have: export both for the same examples in the same order",
                excerpt(&examples[at].name)
            );
            Err(error(&format!("example {at}"), excerpt(&names[at]), expected).into())
        }
        None => Ok(None),
    }
}
