//! The weights of a model folder of Hugging Face: one safetensors file, or shards with an index.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use compexp_checkpoint::{Tensor, Value, absent, read};
use compexp_files::{is_there, read_json};
use serde::Deserialize;

use crate::error::{Error, Result};

/// All weights in one file.
const SINGLE: &str = "model.safetensors";
/// The list of the shards.
const INDEX: &str = "model.safetensors.index.json";

/// The tensors of a folder, by their names without the prefix of the model.
pub(super) struct Weights {
    /// The file that errors are about: the only one, or the index.
    path: PathBuf,
    tensors: BTreeMap<String, Tensor>,
}

/// Where the weights of a folder are.
enum Place {
    /// In this file.
    Single(PathBuf),
    /// In the files that this index names.
    Shards(PathBuf),
}

impl Place {
    fn of(folder: &Path) -> Result<Self> {
        let (single, index) = (folder.join(SINGLE), folder.join(INDEX));
        if is_there(&single)? {
            return Ok(Self::Single(single));
        }
        if is_there(&index)? {
            return Ok(Self::Shards(index));
        }
        let found = format!("neither `{SINGLE}` nor `{INDEX}`");
        let expected = "one of them: save the model with `save_pretrained(..., safe_serialization=True)`";
        Err(Error::format(folder, "weights", found, expected))
    }
}

/// The files of the weights of a folder, the index before its shards.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    Ok(match Place::of(folder)? {
        Place::Single(path) => vec![path],
        Place::Shards(index) => {
            let Index { weight_map } = read_json(&index)?;
            let names = shard_names(&index, &weight_map)?;
            let shards: Vec<PathBuf> = names.into_iter().map(|name| folder.join(name)).collect();
            std::iter::once(index).chain(shards).collect()
        }
    })
}

/// What `model.safetensors.index.json` holds.
#[derive(Deserialize)]
struct Index {
    /// The file of each tensor.
    weight_map: BTreeMap<String, String>,
}

impl Weights {
    /// Reads the folder. `first` is the name of a tensor that every such model has: what precedes it in the file, `bert.` or
    /// nothing, is taken off all names.
    pub(super) fn read(folder: &Path, first: &str) -> Result<Self> {
        let mut this = match Place::of(folder)? {
            Place::Single(path) => Self { tensors: tensors(&path)?, path },
            Place::Shards(index) => Self { tensors: shards(folder, &index)?, path: index },
        };
        let prefix = this.prefix(first)?;
        if !prefix.is_empty() {
            let strip = |(name, tensor): (String, Tensor)| Some((name.strip_prefix(&prefix)?.to_owned(), tensor));
            this.tensors = this.tensors.into_iter().filter_map(strip).collect();
        }
        Ok(this)
    }

    /// What precedes `first` in the only name that ends with it.
    fn prefix(&self, first: &str) -> Result<String> {
        let before = |name: &String| name.strip_suffix(first).map(str::to_owned);
        let mut prefixes =
            self.tensors.keys().filter_map(before).filter(|prefix| prefix.is_empty() || prefix.ends_with('.'));
        match (prefixes.next(), prefixes.next()) {
            (Some(prefix), None) => Ok(prefix),
            (None, _) => Err(self.error(first, absent(self.tensors.keys()), "the weights of such a model")),
            (Some(_), Some(_)) => Err(self.error(first, "several, with different prefixes", "a single model")),
        }
    }

    /// Whether there is a tensor of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Takes out the values of a tensor of this shape, row-major; each must be finite.
    pub(super) fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let expected = || format!("a tensor of shape {shape:?}");
        let Some(tensor) = self.tensors.remove(name) else {
            return Err(self.error(name, absent(self.tensors.keys()), expected()));
        };
        if tensor.shape != shape {
            return Err(self.error(name, format!("shape {:?}", tensor.shape), expected()));
        }
        let values = tensor.to_f32();
        match values.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(self.error(name, format!("{} at element {at}", values[at]), "finite values")),
            None => Ok(values),
        }
    }

    fn error(&self, name: &str, found: impl Into<String>, expected: impl Into<String>) -> Error {
        Error::format(&self.path, format!("tensor `{name}`"), found, expected)
    }
}

/// The tensors of one file.
fn tensors(path: &Path) -> Result<BTreeMap<String, Tensor>> {
    let Value::Dict(entries) = read(path)? else {
        return Err(Error::format(path, "content", "no tensors", "a safetensors file of a model"));
    };
    let named = entries.into_iter().filter_map(|entry| match entry {
        (Value::Str(name), Value::Tensor(tensor)) => Some((name, tensor)),
        _ => None,
    });
    Ok(named.collect())
}

/// The files that an index names.
fn shard_names<'a>(index: &Path, weight_map: &'a BTreeMap<String, String>) -> Result<BTreeSet<&'a String>> {
    let names: BTreeSet<_> = weight_map.values().collect();
    match names.iter().find(|file| Path::new(file).file_name() != Some(file.as_ref())) {
        Some(file) => {
            let expected = "the name of a file in the same folder";
            Err(Error::format(index, "weight_map", compexp_files::excerpt(file), expected))
        }
        None => Ok(names),
    }
}

/// The tensors of all files that an index names.
fn shards(folder: &Path, index: &Path) -> Result<BTreeMap<String, Tensor>> {
    let Index { weight_map } = read_json(index)?;
    let mut all = BTreeMap::new();
    for file in shard_names(index, &weight_map)? {
        let path = folder.join(file);
        for (name, tensor) in tensors(&path)? {
            if weight_map.get(&name) == Some(file) {
                all.insert(name, tensor);
            }
        }
    }
    if let Some((name, file)) = weight_map.iter().find(|(name, _)| !all.contains_key(*name)) {
        let expected = "the tensor that the index has there: is the download complete?";
        return Err(Error::format(&folder.join(file), format!("tensor `{name}`"), "nothing", expected));
    }
    Ok(all)
}
