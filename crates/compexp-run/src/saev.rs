//! Shards of saev: a folder with the values of layers of a vision transformer at every patch of every image.
//!
//! | file | content |
//! |---|---|
//! | `metadata.json` | `layers`, the numbers of the blocks; `content_tokens_per_example`, patches of an image; `cls_token`, whether a class token stands before them; `d_model`; `n_examples`; `max_tokens_per_shard`; `dtype`, float32; `protocol` |
//! | `shards.json` | `[{"name": "acts000000.bin", "n_examples": 100}, ...]` |
//! | `acts000000.bin`, ... | f32, little-endian, `[examples, layers, tokens, d_model]`. A shard has `max_tokens_per_shard / (tokens * layers)` examples, rounded down, and the last one may have fewer, while its file has room for as many |
//! | optional `labels.bin` | u8 `[n_examples, patches]`: the class of each patch, 0 = background |
//!
//! Other fields are not looked at; one of them is a pickle as text, which nothing here runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use compexp_files::{Dtype, SourceFile, TensorFile, View, excerpt, is_there, listed, read_json_of};
use serde::Deserialize;

use crate::error::{Error, Result};

/// What describes the values.
pub(crate) const METADATA: &str = "metadata.json";
/// Which files hold them.
const SHARDS: &str = "shards.json";
/// The classes of patches.
pub(crate) const LABELS: &str = "labels.bin";

/// The versions of the form that are read.
const PROTOCOLS: [&str; 3] = ["1.0.0", "1.1", "2.1"];

/// What `metadata.json` looks like, for errors.
const FORM: &str = "the metadata of saev's shards: layers, content_tokens_per_example, cls_token, d_model, n_examples, \
                    max_tokens_per_shard, dtype, protocol";

/// A process may hold a thousand files open or so. Of more shards than this, each read opens its file anew.
const MAX_OPEN: usize = 64;

#[derive(Debug, Deserialize)]
struct Metadata {
    layers: Vec<i64>,
    #[serde(alias = "patches_per_ex")]
    content_tokens_per_example: u32,
    cls_token: bool,
    d_model: u32,
    n_examples: u32,
    #[serde(alias = "patches_per_shard")]
    max_tokens_per_shard: u64,
}

#[derive(Debug, Deserialize)]
struct Version {
    protocol: Option<serde_json::Value>,
    dtype: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
struct Shard {
    name: String,
    n_examples: u64,
}

/// Whether a folder has the files of such shards.
///
/// # Errors
/// [`compexp_files::Error::Io`] if the system cannot tell.
pub(crate) fn is_folder(folder: &Path) -> Result<bool> {
    Ok(is_there(&folder.join(METADATA))? && is_there(&folder.join(SHARDS))?)
}

impl Metadata {
    fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(METADATA);
        // Looked at first: another version may have other fields.
        let Version { protocol, dtype } = read_json_of(&path, FORM)?;
        let expect = |field: &str, found: Option<serde_json::Value>, known: &[&str]| match found
            .as_ref()
            .and_then(serde_json::Value::as_str)
            .is_some_and(|found| known.contains(&found))
        {
            true => Ok(()),
            false => {
                let found = found.map_or("none".into(), |found| excerpt(&found.to_string()));
                Err(Error::format(&path, field, found, known.join(" or ")))
            }
        };
        expect("protocol", protocol, &PROTOCOLS)?;
        expect("dtype", dtype, &["float32"])?;
        let this: Self = read_json_of(&path, FORM)?;
        let sizes = [this.content_tokens_per_example, this.d_model, this.n_examples];
        if this.layers.is_empty() || sizes.contains(&0) || this.per_shard() == 0 {
            let found = format!(
                "{} layers, {} patches, {} values, {} examples, {} tokens a shard",
                this.layers.len(),
                sizes[0],
                sizes[1],
                sizes[2],
                this.max_tokens_per_shard
            );
            return Err(Error::format(&path, "sizes", found, "at least one of each, and an example a shard"));
        }
        Ok(this)
    }

    /// Patches and special tokens of an example.
    fn tokens(&self) -> u64 {
        u64::from(self.content_tokens_per_example) + u64::from(self.cls_token)
    }

    /// Examples of a shard that is full.
    fn per_shard(&self) -> u64 {
        self.max_tokens_per_shard / (self.tokens() * self.layers.len().max(1) as u64)
    }
}

/// The tensors `[examples, patches, d_model]` of a layer in the shards of a folder, in order, and all files. `layer` is its number in
/// the metadata, which may be missing if there is one.
///
/// # Errors
/// [`compexp_files::Error::Io`]; [`compexp_files::Error::Format`] if the metadata is of another version or another type of values, or
/// does not fit the shards, if a shard has another length, or there is no such layer.
pub(crate) fn open(folder: &Path, layer: Option<&str>) -> Result<(Vec<PathBuf>, Vec<TensorFile>)> {
    let metadata = Metadata::read(folder)?;
    let (described, index) = (folder.join(METADATA), folder.join(SHARDS));
    let names: Vec<String> = metadata.layers.iter().map(i64::to_string).collect();
    let layer = match layer {
        None if names.len() == 1 => 0,
        None => {
            let expected = format!("a single layer, or the number of one after `#`: {}", listed(&names));
            return Err(Error::format(&described, "layers", names.len().to_string(), expected));
        }
        Some(name) => names.iter().position(|known| known == name).ok_or_else(|| {
            Error::format(&described, "layer", format!("`{name}`"), format!("one of {}", listed(&names)))
        })?,
    };
    let shards: Vec<Shard> = read_json_of(&index, r#"[{"name": "acts000000.bin", "n_examples": 100}, ...]"#)?;
    let (mut left, per_shard) = (u64::from(metadata.n_examples), metadata.per_shard());
    for (number, Shard { name, n_examples }) in shards.iter().enumerate() {
        let wrong = |field: &str, found: String, expected: String| {
            Err(Error::format(&index, format!("{field} of shard {number}"), found, expected))
        };
        let expected = format!("acts{number:06}.bin");
        if *name != expected {
            return wrong("name", excerpt(name), expected);
        }
        if *n_examples != per_shard.min(left) {
            return wrong("n_examples", n_examples.to_string(), format!("{}, as {METADATA} says", per_shard.min(left)));
        }
        left -= n_examples;
    }
    if left > 0 {
        let found = u64::from(metadata.n_examples) - left;
        return Err(Error::format(
            &index,
            "examples of all shards",
            found.to_string(),
            metadata.n_examples.to_string(),
        ));
    }

    let (tokens, width) = (metadata.tokens(), u64::from(metadata.d_model));
    let size = Dtype::F32.size() as u64;
    let (mut files, mut tensors) = (vec![described.clone(), index], Vec::new());
    let many = shards.len() > MAX_OPEN;
    // Where the number of examples is a multiple of a shard's, an empty one stands at the end.
    for Shard { name, n_examples } in shards.into_iter().filter(|shard| shard.n_examples > 0) {
        let path = folder.join(name);
        let file = SourceFile::open(&path)?;
        let example = (names.len() as u64 * tokens).checked_mul(width);
        let bytes = |examples: u64| example.and_then(|n| n.checked_mul(size)).and_then(|n| n.checked_mul(examples));
        let known = [bytes(n_examples), bytes(per_shard)];
        if !known.contains(&Some(file.len())) {
            let room = known.map(|bytes| bytes.map_or("more".into(), |bytes| bytes.to_string()));
            let expected = format!("{} bytes, or {} with room for a whole shard", room[0], room[1]);
            return Err(Error::format(&path, "length", format!("{} bytes", file.len()), expected));
        }
        let view = View {
            dtype: Dtype::F32,
            shape: vec![n_examples as usize, metadata.content_tokens_per_example as usize, width as usize],
            strides: vec![names.len() as u64 * tokens * width, width, 1],
            offset: (layer as u64 * tokens + u64::from(metadata.cls_token)) * width * size,
        };
        let file = if many { file.released() } else { file };
        tensors.push(TensorFile::view(Arc::new(file), None, view)?);
        files.push(path);
    }
    Ok((files, tensors))
}

/// The classes of patches in a folder, as `[examples, 1, height, width]`, 0 = background; the patches of an image are a square.
///
/// # Errors
/// [`compexp_files::Error::Io`]; [`compexp_files::Error::Format`] if the metadata is of another version, the patches are no square, or the
/// file has another length.
pub(crate) fn open_labels(folder: &Path) -> Result<TensorFile> {
    let metadata = Metadata::read(folder)?;
    let patches = metadata.content_tokens_per_example as usize;
    let side = patches.isqrt();
    if side * side != patches {
        let field = "content_tokens_per_example";
        return Err(Error::format(&folder.join(METADATA), field, patches.to_string(), "the patches of a square"));
    }
    let path = folder.join(LABELS);
    let file = SourceFile::open(&path)?;
    let expected = u64::from(metadata.n_examples) * patches as u64;
    if file.len() != expected {
        let expected = format!("{expected} bytes, one a patch");
        return Err(Error::format(&path, "length", format!("{} bytes", file.len()), expected));
    }
    let shape = vec![metadata.n_examples as usize, 1, side, side];
    let strides = vec![patches as u64, patches as u64, side as u64, 1];
    Ok(TensorFile::view(Arc::new(file), None, View { dtype: Dtype::U8, shape, strides, offset: 0 })?)
}

#[cfg(test)]
mod tests;
