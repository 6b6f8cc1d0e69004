//! The names of examples that stand with an array.

use compexp_core::probe::Example;
use compexp_files::{Place, SourceFile, TensorFile, excerpt, is_there};

use super::array::Array;
use crate::error::Result;

/// The file beside an array, or in its folder, that names its examples, one a line.
const FILE: &str = "names.txt";

/// The entry of the metadata of a safetensors file that names its examples, as a JSON list.
const ENTRY: &str = "names";

/// Compares the examples of `array` with the names that stand with it, if any do: in the metadata of each of its files, else in
/// `names.txt` beside it or in its folder. A name may be that of the example or of its image. Returns a warning if the names are
/// not of as many examples.
///
/// # Errors
/// [`compexp_files::Error::Format`] naming the first example that has another name, or if the names are no list;
/// [`compexp_files::Error::Io`] if `names.txt` cannot be read.
pub(super) fn compare(array: &Array, examples: &[Example]) -> Result<Option<String>> {
    let beside = match Place::behind(array.path())? {
        Place::Folder => array.path().join(FILE),
        _ => array.path().with_file_name(FILE),
    };
    let listed = in_metadata(array)?;
    let is_listed = listed.is_some();
    let names = match listed {
        Some(names) => names,
        None if is_there(&beside)? => {
            let text = SourceFile::open(&beside)?.read_text()?;
            text.trim_end().lines().map(|line| line.trim().to_owned()).collect()
        }
        None => return Ok(None),
    };
    if names.len() != examples.len() {
        let place = if is_listed { array.path() } else { &beside };
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
            let found = excerpt(&names[at]);
            Err(match is_listed {
                true => array.error(&format!("metadata `{ENTRY}`: example {at}"), found, expected).into(),
                false => compexp_files::Error::format(&beside, format!("example {at}"), found, expected).into(),
            })
        }
        None => Ok(None),
    }
}

/// The names in the metadata of all files of the array; none if one of them has no names.
fn in_metadata(array: &Array) -> Result<Option<Vec<String>>> {
    let mut all = Vec::new();
    for tensor in array.batches() {
        let Some(text) = tensor.metadata(ENTRY) else { return Ok(None) };
        let names: Vec<String> = serde_json::from_str(text).map_err(|_| not_a_list(tensor, text))?;
        all.extend(names);
    }
    Ok(Some(all))
}

fn not_a_list(tensor: &TensorFile, text: &str) -> compexp_files::Error {
    let expected = r#"a JSON list of the examples' names: ["a.jpg", "b.jpg", ...]"#;
    tensor.error(&format!("metadata `{ENTRY}`: form"), excerpt(text), expected)
}
