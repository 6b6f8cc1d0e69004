//! Files of classifiers: the reference's checkpoints, and safetensors files of this project.
//!
//! A safetensors file of this project MUST hold the tensors of [`Config::shapes`], f32, and the entry `compexp` in its
//! metadata: `{"version": 1, "config": {...}, "words": [...]}`. `words` is the list of the words of all rows of the embedding,
//! or the [`WordTable::content_hash`] of those that are beside the file in `tokenizer.json`.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::Path;

use compexp_checkpoint::{StateDict, Value, absent, read, state_dict};
use compexp_files::{AtomicFile, is_there};
use safetensors::tensor::{Dtype, TensorView, serialize};
use serde::{Deserialize, Serialize};

use super::config::{Config, EMBEDDING, HIDDEN, Kind, NORM, lstm_names};
use crate::error::{Error, Result};
use crate::text::WordTable;

/// Weights by name, f32, row-major, in PyTorch's layout.
pub type Weights = BTreeMap<String, Vec<f32>>;

/// The content of a classifier's file.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Its sizes.
    pub config: Config,
    /// The words of its embedding's rows.
    pub words: WordTable,
    /// All weights of [`Config::shapes`], and no others.
    pub weights: Weights,
}

/// The words of a classifier, beside its file.
pub const WORDS_FILE: &str = "tokenizer.json";

/// The entry of the metadata.
const ENTRY: &str = "compexp";

#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    config: Config,
    words: HeaderWords,
}

/// The words of the embedding's rows, or their hash.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum HeaderWords {
    Hash(String),
    List(Vec<String>),
}

impl Model {
    /// Reads a classifier from the reference's checkpoint (`state_dict`, `stoi`, `itos`), whose sizes follow from its
    /// weights, or from a file of [`Self::save`]. If a checkpoint has no `stoi`, the words are read from [`WORDS_FILE`]
    /// beside it.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if the file cannot be read; [`compexp_files::Error::Format`] if a weight is missing,
    /// superfluous, not finite, or has another shape (the error names it), or if the words do not fit.
    pub fn load(path: &Path) -> Result<Self> {
        let checkpoint = read(path)?;
        let header = checkpoint.get("__metadata__").and_then(|m| m.get(ENTRY)).and_then(Value::as_str);
        let header = header.map(|text| parse_header(path, text)).transpose()?;
        let words = match (header.as_ref().map(|header| &header.words), checkpoint.get("stoi")) {
            (Some(HeaderWords::List(words)), _) => {
                in_file(path, "metadata `compexp`, words", WordTable::new(words.clone()).map_err(Error::from))?
            }
            (_, Some(_)) => in_file(path, "stoi", WordTable::from_checkpoint(&checkpoint).map_err(Error::from))?,
            (_, None) => beside(path)?,
        };
        if let Some(Header { words: HeaderWords::Hash(expected), .. }) = &header
            && *expected != words.content_hash()
        {
            let found = words.content_hash();
            let expected = format!("{expected}: the `{WORDS_FILE}` that was written with the classifier");
            return Err(Error::format(path, "hash of the words", found, expected));
        }
        let state = state_dict(checkpoint).map_err(|e| e.in_file(path))?;
        let config = match header {
            Some(header) => header.config,
            None => infer(&state)?,
        };
        in_file(path, "config", config.check())?;
        let weights = weights(path, &config, words.len(), &state)?;
        Ok(Self { config, words, weights })
    }

    /// Writes the classifier as safetensors, and its words as [`WORDS_FILE`] beside it; each file is complete or
    /// absent.
    ///
    /// # Errors
    /// [`Error::Core`] if the file cannot be written; [`compexp_core::Error::Mismatch`] if a weight is missing,
    /// superfluous, or of another size.
    pub fn save(&self, path: &Path) -> Result<()> {
        let header =
            Header { version: 1, config: self.config.clone(), words: HeaderWords::Hash(self.words.content_hash()) };
        let header = serde_json::to_string(&header).map_err(|e| Error::mismatch("metadata", e, "JSON"))?;
        let shapes = self.config.shapes(self.words.len());
        check_weights(&shapes, &self.weights)?;
        self.words.save(&path.with_file_name(WORDS_FILE))?;
        let tensors =
            shapes.iter().map(|(name, shape)| (name.as_str(), shape.as_slice(), self.weights[name].as_slice()));
        write_tensors(path, tensors, HashMap::from([(ENTRY.to_owned(), header)]))
    }
}

/// Refuses weights that are missing, superfluous, or of another size.
pub(crate) fn check_weights(shapes: &[(String, Vec<usize>)], weights: &Weights) -> Result<()> {
    for (name, shape) in shapes {
        let found = weights.get(name).map(Vec::len);
        if found != Some(shape.iter().product()) {
            let found = found.map_or("none".to_owned(), |n| format!("{n} values"));
            return Err(Error::mismatch(format!("weight `{name}`"), found, format!("shape {shape:?}")));
        }
    }
    if weights.len() != shapes.len() {
        return Err(Error::mismatch("weights of a classifier", weights.len(), shapes.len()));
    }
    Ok(())
}

/// Writes f32 tensors with metadata as safetensors.
pub(crate) fn write_tensors<'a>(
    path: &Path,
    tensors: impl IntoIterator<Item = (&'a str, &'a [usize], &'a [f32])>,
    metadata: HashMap<String, String>,
) -> Result<()> {
    let refused = |e| Error::mismatch("safetensors", e, "tensors that fit their shapes");
    let owned: Vec<_> = tensors
        .into_iter()
        .map(|(name, shape, values)| {
            let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            (name, shape.to_vec(), bytes)
        })
        .collect();
    let views: Vec<_> = owned
        .iter()
        .map(|(name, shape, bytes)| Ok((*name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<std::result::Result<_, safetensors::SafeTensorError>>()
        .map_err(refused)?;
    let bytes = serialize(views, Some(metadata)).map_err(refused)?;
    let mut file = AtomicFile::create(path)?;
    file.write_all(&bytes).map_err(Error::io("write", path))?;
    Ok(file.commit()?)
}

fn parse_header(path: &Path, text: &str) -> Result<Header> {
    let header: Header = serde_json::from_str(text).map_err(|e| {
        let expected = r#"a classifier's sizes and words: `{"version": 1, "config": {"kind": "bowman", ...}, "words": ["UNK", "PAD", ...]}`"#;
        Error::format(path, "metadata `compexp`", e.to_string(), expected)
    })?;
    if header.version != 1 {
        let expected = "1; the file is of a newer release";
        return Err(Error::format(path, "metadata `compexp`, version", header.version.to_string(), expected));
    }
    Ok(header)
}

/// Adds the file and its part to an error about values.
fn in_file<T>(path: &Path, field: &str, result: Result<T>) -> Result<T> {
    result.map_err(|error| match error {
        Error::Core(compexp_core::Error::Mismatch { what, found, expected }) => {
            Error::format(path, format!("{field}: {what}"), found, expected)
        }
        other => other,
    })
}

/// The words of a checkpoint that does not contain them.
fn beside(path: &Path) -> Result<WordTable> {
    let words = path.with_file_name(WORDS_FILE);
    if !is_there(&words)? {
        let expected = format!(
            "a dict with `stoi` (a plain dict of words and numbers) beside the state_dict, or the words in `{}`",
            words.display()
        );
        return Err(Error::format(path, "words", "none", expected));
    }
    Ok(WordTable::load(&words)?)
}

/// The sizes that follow from the weights' shapes. Weights that do not fit are found when they are read.
fn infer(state: &StateDict) -> Result<Config> {
    let default = Config::default();
    let dim = |name: &str, axis: usize| state.get(name).and_then(|t| t.shape.get(axis).copied());
    let [ih, hh, ..] = lstm_names(0);
    let kind = if state.get("mlp.weight").is_some() { Kind::Minimal } else { Kind::Bowman };
    let hidden = dim(&hh, 1).or_else(|| dim(&ih, 0).map(|n| n / 4)).unwrap_or(default.hidden);
    let mut config = Config {
        kind,
        embedding: dim(EMBEDDING, 1).unwrap_or(default.embedding),
        hidden,
        bidirectional: state.tensors.keys().any(|name| name.ends_with("_reverse")),
        features: dim(HIDDEN[0], 0).unwrap_or(default.features),
        classes: 0,
    };
    config.classes = dim(config.last()[1], 0).unwrap_or(default.classes);
    Ok(config)
}

/// The weights of these sizes; all other weights are refused.
fn weights(path: &Path, config: &Config, n_words: usize, state: &StateDict) -> Result<Weights> {
    let mut weights = Weights::new();
    for (name, shape) in config.shapes(n_words) {
        let tensor = state.get(&name).filter(|tensor| tensor.shape == shape).ok_or_else(|| {
            let found = state
                .get(&name)
                .map_or_else(|| absent(state.tensors.keys()), |tensor| format!("shape {:?}", tensor.shape));
            Error::format(path, format!("weight `{name}`"), found, format!("a tensor of shape {shape:?}"))
        })?;
        let values = tensor.to_f32();
        if let Some(at) = values.iter().position(|v| !v.is_finite()) {
            let found = format!("{} at {at}", values[at]);
            return Err(Error::format(path, format!("weight `{name}`"), found, "finite numbers"));
        }
        if name == NORM[3] && values.iter().any(|&v| v < 0.0) {
            return Err(Error::format(path, format!("weight `{name}`"), "a negative variance", "0 or more"));
        }
        weights.insert(name, values);
    }
    let known = |name: &str| weights.contains_key(name) || name == "bn.num_batches_tracked";
    if let Some(name) = state.tensors.keys().find(|name| !known(name)) {
        let expected = "the weights of one layer of LSTM and of the classifier; deeper networks are not supported";
        return Err(Error::format(path, "state_dict", format!("`{name}`"), expected));
    }
    Ok(weights)
}
