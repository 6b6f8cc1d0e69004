//! Opening an array: in a file, in a folder of batches, in shards with their index, or in those of saev.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use compexp_files::{Dtype, Entry, Error, Place, SourceFile, entries, excerpt, listed, parse_json, split_spec};
use serde::Deserialize;

use super::array::{Array, Batch};
use super::file;
use crate::error::Result;
use crate::saev;

/// What the names of files of batches end with.
const ARRAYS: [&str; 5] = ["npy", "npz", "safetensors", "pt", "pth"];

/// What the name of an index of shards ends with.
const INDEX: &str = ".safetensors.index.json";

/// A process may hold a thousand files open or so. Of more batches than this, each read opens its file anew.
const MAX_OPEN: usize = 64;

/// Opens the array that `spec` names, whose elements have one of `dtypes`; `expected` is their list in words.
///
/// # Errors
/// Those of [`file::open`]; [`Error::Format`] if batches do not fit together, a folder holds no array or files of several
/// kinds, or an index is broken or leads nowhere.
pub(super) fn open(spec: &Path, dtypes: &[Dtype], expected: &str) -> Result<Array> {
    let (path, name) = split_spec(spec)?;
    let name = name.as_deref();
    let (files, batches) = match Place::behind(&path)? {
        Place::Folder if saev::is_folder(&path)? => {
            let (files, tensors) = saev::open(&path, name)?;
            (files, tensors.into_iter().map(|tensor| Batch::new(tensor, None)).collect())
        }
        Place::Folder => open_folder(&path, name, expected)?,
        _ => {
            let file = SourceFile::open(&path)?;
            match is_json(&file)? {
                true => open_index(&file, name, expected)?,
                false => (vec![path.clone()], file::open(file, name, expected)?),
            }
        }
    };
    Array::joined(&path, files, batches)?.of_type(dtypes, expected)
}

/// The files of an array, and its batches.
type Found = (Vec<PathBuf>, Vec<Batch>);

/// Opens the tensor of an index in a folder, or else all files of arrays in it, in the natural order of their names.
fn open_folder(folder: &Path, name: Option<&str>, dtypes: &str) -> Result<Found> {
    let error = |field: &str, found: String, expected: String| Error::format(folder, field, found, expected);
    let mut files = Vec::new();
    for entry in entries(folder)? {
        let is_file = matches!(Place::behind(&entry.path)?, Place::File(_));
        let visible = entry.text().filter(|name| is_file && !name.starts_with('.'));
        if let Some(name) = visible.map(str::to_owned) {
            files.push((name, entry));
        }
    }
    let indices: Vec<&(String, Entry)> = files.iter().filter(|(name, _)| name.ends_with(INDEX)).collect();
    match indices[..] {
        [] => {}
        [(_, index)] => return open_index(&SourceFile::open(&index.path)?, name, dtypes),
        _ => {
            let names: Vec<&String> = indices.iter().map(|(name, _)| name).collect();
            return Err(error("indices of shards", listed(&names), "the path of one of them".to_owned()).into());
        }
    }
    let kind = |name: &str| ARRAYS.into_iter().find(|kind| name.rsplit_once('.').is_some_and(|(_, end)| end == *kind));
    files.retain(|(name, _)| kind(name).is_some());
    files.sort_by(|a, b| natural_order(&a.0, &b.0));
    let Some((first, _)) = files.first() else {
        let expected = format!("a file of a batch at least: .{}, or {INDEX} with its shards", ARRAYS.join(", ."));
        return Err(error("arrays", "none".to_owned(), expected).into());
    };
    if let Some((other, _)) = files.iter().find(|(name, _)| kind(name) != kind(first)) {
        let expected = "files of one kind, each a batch of the array: put others elsewhere, or give one file's path";
        return Err(error("arrays", format!("`{first}` and `{other}`"), expected.to_owned()).into());
    }
    let (mut paths, mut batches) = (Vec::new(), Vec::new());
    let many = files.len() > MAX_OPEN;
    for (_, entry) in files {
        let opened = SourceFile::open(&entry.path)?;
        batches.extend(file::open(if many { opened.released() } else { opened }, name, dtypes)?);
        paths.push(entry.path);
    }
    Ok((paths, batches))
}

/// The index of shards: which file holds which tensor.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// Whether a file begins as JSON does. The first byte of a safetensors file, of a length, may be the same.
fn is_json(file: &SourceFile) -> Result<bool> {
    let head = file::head(file)?;
    Ok(head[0] == b'{' && head[8] != b'{')
}

/// Opens the tensor of this name in the shard that the index names, beside it.
fn open_index(index: &SourceFile, name: Option<&str>, dtypes: &str) -> Result<Found> {
    let form = r#"the index of a safetensors model: {"weight_map": {"TENSOR": "FILE", ...}}"#;
    let Index { weight_map } = parse_json(index.path(), None, &index.read_text()?, form)?;
    let error = |field: String, found: String, expected: &str| Error::format(index.path(), field, found, expected);
    let names: Vec<&String> = weight_map.keys().collect();
    let name = match (name, &names[..]) {
        (Some(name), _) => name,
        (None, [only]) => only,
        (None, _) => {
            let expected = format!("a single tensor, or the name of one after `#`: {}", listed(&names));
            return Err(error("tensors".into(), names.len().to_string(), &expected).into());
        }
    };
    let Some(shard) = weight_map.get(name) else {
        return Err(error("tensor name".into(), format!("`{name}`"), &format!("one of {}", listed(&names))).into());
    };
    let field = || format!("file of tensor `{name}`");
    if Path::new(shard).file_name() != Some(shard.as_ref()) {
        return Err(error(field(), excerpt(shard), "the name of a file in the folder of the index").into());
    }
    let path = index.path().with_file_name(shard);
    if Place::behind(&path)? == Place::Nothing {
        return Err(error(field(), format!("no file {}", excerpt(shard)), "all shards beside the index").into());
    }
    let batches = file::open(SourceFile::open(&path)?, Some(name), dtypes)?;
    Ok((vec![index.path().to_owned(), path], batches))
}

/// The order of names in which `batch_2` stands before `batch_10`: runs of digits count as numbers.
fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut rest_a, mut rest_b) = (a, b);
    loop {
        let (text_a, number_a, after_a) = first_number(rest_a);
        let (text_b, number_b, after_b) = first_number(rest_b);
        let by_number = number_a.len().cmp(&number_b.len()).then_with(|| number_a.cmp(number_b));
        let order = text_a.cmp(text_b).then(by_number);
        if order != Ordering::Equal || (after_a.is_empty() && after_b.is_empty()) {
            // Names that differ only in zeros before numbers are told apart by these.
            return order.then_with(|| a.cmp(b));
        }
        (rest_a, rest_b) = (after_a, after_b);
    }
}

/// What stands before the first run of digits, the run without zeros before it, and the rest.
fn first_number(text: &str) -> (&str, &str, &str) {
    let start = text.find(|c: char| c.is_ascii_digit()).unwrap_or(text.len());
    let (before, rest) = text.split_at(start);
    let (digits, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
    (before, digits.trim_start_matches('0'), after)
}

#[cfg(test)]
mod tests;
