//! Probe directories: a probe set as arrays, which any framework can write.
//!
//! | file | content |
//! |---|---|
//! | `probe.json` | `{"version": 1, "concepts": [{"id": 1, "name": "wall", "category": "object"}, ...]}`; an id that is not listed has its number as name |
//! | `layers.npy` | u8, u16 or u32 `[n, C, h, w]`, 0 = none: a position has concept l if any layer equals l |
//! | `scalars.npy` | u8, u16 or u32 `[n, S]`, 0 = none: concepts of the whole example |
//! | or `masks.npy` | bool or u8 `[L, n, h, w]`: the concept's id is its index |
//! | or `features.npy` | bool or u8 `[n, F]`: one position an example, the concept's id is its index |
//! | optional `neighbors.npy` | i32 `[F, k]`, -1 = none: NEIGHBORS(f) = f or any of these |
//! | optional `examples.csv` | columns `name`, `image` or `text`, `group`, `document`, each of which may be missing; a row an example |
//!
//! Shards of saev with `labels.bin` are a probe directory too: a layer of the classes of patches, of which 0 is none. `probe.json` may
//! be missing there.
//!
//! There MUST be `probe.json` and one of the arrays; `layers.npy` and `scalars.npy` MAY both be there, the others
//! exclude each other and these two. No dimension of them may be 0 (an empty probe set is a mistake). All arrays MUST
//! agree on the number of examples. A listed id MUST be one that the arrays can hold: 1 to `u32::MAX - 1` for layers and
//! scalars, less than L or F for masks and features. Other files are ignored.
//!
//! With masks or features `neighbors.npy` MUST have as many rows as there are concepts. With layers and scalars row `i`
//! is that of id `i`: row 0 is all -1, and ids in it MUST be less than the number of rows.
//!
//! Columns of `examples.csv` go by name, at least one of the four MUST be there, and others are ignored. A row without a
//! name is called by its image, else by its number from 0.

mod arrays;
mod examples;
#[cfg(test)]
mod tests;
mod write;

use std::collections::HashMap;
use std::path::Path;

use compexp_core::concept::{Concept, ConceptId, Vocabulary};
use compexp_core::probe::{Neighbors, ProbeSet, Variant};
use compexp_files::{Dtype, Place, TensorFile, is_there, read_json_of, write_json};
use serde::{Deserialize, Serialize};
use unicode_normalization_alignments::UnicodeNormalization;

use crate::error::{Error, Result};
use crate::layout::EXAMPLES;
use crate::saev;
use arrays::{ProbeDir, open_array};
use examples::number_examples;
pub(crate) use examples::read_examples;
pub use examples::write_examples;
pub use write::write_probe;

/// The file of concepts.
pub const CONCEPTS: &str = "probe.json";
/// Annotations by position.
pub const LAYERS: &str = "layers.npy";
/// Annotations of whole examples.
pub const SCALARS: &str = "scalars.npy";
/// A mask a concept.
pub const MASKS: &str = "masks.npy";
/// A column a feature.
pub const FEATURES: &str = "features.npy";
/// Which concepts are neighbours.
pub const NEIGHBORS: &str = "neighbors.npy";

/// The version of `probe.json` that is read and written.
const VERSION: u64 = 1;

/// What `probe.json` looks like, for errors.
const FORM: &str = r#"`{"version": 1, "concepts": [{"id": 1, "name": "wall", "category": "object"}, ...]}`"#;

/// A probe directory that is open.
pub struct OpenedProbe {
    /// What it holds.
    pub set: ProbeSet,
    /// The names of the files that it is read from, in the order of the table in [this module](self).
    pub files: Vec<&'static str>,
}

/// Opens a probe directory. The annotation arrays stay on the disk, and are read example by example (one in column-major
/// order is read whole).
///
/// `features.npy` makes it a [`Variant::Nli`] probe set in which all features are declared, the others a [`Variant::Vision`]
/// one.
///
/// # Errors
/// [`compexp_files::Error::Io`]; [`compexp_files::Error::Format`] where a file is not as described in [this
/// module](self).
pub fn open_probe(dir: &Path) -> Result<OpenedProbe> {
    // saev has no names of classes; they may be added.
    let named = is_there(&dir.join(CONCEPTS))? || !saev::is_folder(dir)?;
    let vocabulary = if named { open_vocabulary(dir)? } else { Vocabulary::new(Vec::new())? };
    let (source, arrays) = ProbeDir::open(dir)?;
    let mut files = if named { vec![CONCEPTS] } else { Vec::new() };
    files.extend(arrays);
    if let Some(concept) = vocabulary.concepts().iter().find(|c| !source.ids().contains(&c.id.0)) {
        let found = format!("{} (`{}`)", concept.id.0, concept.name);
        return Err(Error::format(&dir.join(CONCEPTS), "id of a concept", found, source.ids_hint()));
    }
    let neighbors = match open_array(dir, NEIGHBORS, (&[Dtype::I32], "i32"))? {
        Some(tensor) => {
            files.push(NEIGHBORS);
            read_neighbors(&tensor, &source)?
        }
        None => Neighbors::new(),
    };
    let path = dir.join(EXAMPLES);
    let examples = if is_there(&path)? {
        files.push(EXAMPLES);
        read_examples(&path, source.len())?
    } else {
        number_examples(dir, source.len())?
    };
    let variant = if source.has_features() { Variant::Nli } else { Variant::Vision };
    let set = ProbeSet { vocabulary, examples, variant, neighbors, source: Box::new(source) };
    Ok(OpenedProbe { set, files })
}

/// Writes the `probe.json` of a probe directory; its arrays are written by [`compexp_files::write_npy`].
///
/// # Errors
/// [`compexp_files::Error::Io`]
pub fn write_concepts(dir: &Path, concepts: &[Concept]) -> Result<()> {
    #[derive(Serialize)]
    struct ProbeJson<'a> {
        version: u64,
        concepts: &'a [Concept],
    }
    Ok(write_json(&dir.join(CONCEPTS), &ProbeJson { version: VERSION, concepts })?)
}

/// The vocabulary of the concepts in the file `path`.
///
/// # Errors
/// `Error::Format` if two concepts share an id or a name, or have names that look the same: equal after Unicode
/// normalisation.
pub fn vocabulary_of(path: &Path, concepts: Vec<Concept>) -> Result<Vocabulary> {
    let mut seen = HashMap::new();
    for concept in &concepts {
        let normal: String = concept.name.nfc().map(|(c, _)| c).collect();
        if let Some(other) = seen.insert(normal, concept)
            && other.name != concept.name
        {
            let ids = [other.id.0, concept.id.0].map(|id| id.to_string()).join(" and ");
            let found = format!("`{}`, of ids {ids}, in two encodings of Unicode", concept.name);
            return Err(Error::format(path, "concepts", found, "names that differ: normalise them to NFC"));
        }
    }
    Vocabulary::new(concepts).map_err(|e| match e {
        compexp_core::Error::DuplicateConcept { what, first, second } => {
            let found = format!("two concepts share {what}: {first} and {second}");
            Error::format(path, "concepts", found, "ids and names that are unique")
        }
        other => other.into(),
    })
}

fn open_vocabulary(dir: &Path) -> Result<Vocabulary> {
    #[derive(Deserialize)]
    struct Version {
        version: Option<serde_json::Value>,
    }
    #[derive(Deserialize)]
    struct ProbeJson {
        #[serde(default)]
        concepts: Vec<Concept>,
    }
    let path = dir.join(CONCEPTS);
    if Place::required(dir)? == Place::Folder && !is_there(&path)? {
        return Err(Error::format(dir, CONCEPTS, "no such file", format!("a file with {FORM}")));
    }
    // Looked at first: another version may call its concepts differently.
    let version = read_json_of::<Version>(&path, FORM)?.version;
    if version.as_ref().and_then(serde_json::Value::as_u64) != Some(VERSION) {
        let found = version.map_or("none".into(), |v| v.to_string());
        return Err(Error::format(&path, "version", found, VERSION.to_string()));
    }
    vocabulary_of(&path, read_json_of::<ProbeJson>(&path, FORM)?.concepts)
}

fn read_neighbors(tensor: &TensorFile, source: &ProbeDir) -> Result<Neighbors> {
    let &[rows, k] = tensor.shape() else {
        return Err(tensor.error("shape", format!("{:?}", tensor.shape()), "[concepts, neighbours]").into());
    };
    let mut ids = source.ids();
    if source.has_ids() {
        // The arrays do not say how many concepts there are; this one does, with a row for 0 too.
        ids.end = ids.end.min(u32::try_from(rows).unwrap_or(u32::MAX)).max(ids.start);
    } else if rows != ids.len() {
        let expected = format!("{} rows, one a concept", ids.len());
        return Err(tensor.error("shape", format!("{:?}", tensor.shape()), expected).into());
    }
    let mut neighbors = Neighbors::new();
    let mut row = vec![0; k];
    for id in (0..rows as u64).take_while(|_| k > 0) {
        tensor.read_i32(id as usize * k, &mut row)?;
        let mut of = vec![];
        for &value in row.iter().filter(|v| **v != -1) {
            let concept = u32::try_from(value).ok().filter(|v| ids.contains(v) && u64::from(ids.start) <= id);
            let Some(concept) = concept else {
                let expected = format!("-1 for none, or a concept from {} to {}", ids.start, i64::from(ids.end) - 1);
                return Err(tensor.error(&format!("row {id}"), value.to_string(), expected).into());
            };
            if u64::from(concept) != id && !of.contains(&ConceptId(concept)) {
                of.push(ConceptId(concept));
            }
        }
        if !of.is_empty() {
            neighbors.insert(ConceptId(id as u32), of);
        }
    }
    Ok(neighbors)
}
