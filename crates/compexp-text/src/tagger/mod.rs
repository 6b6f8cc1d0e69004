//! The part-of-speech tagger of spaCy's English models, natively: the same tags from the same weights. [`Annotator`] adds
//! universal parts of speech and lemmas.
//!
//! It reads a published model folder such as `en_core_web_sm` 3.8, and needs neither Python nor spaCy.
//!
//! It also needs facts that no model folder contains: spaCy's hash of strings, its names with fixed numbers, and the
//! normal forms of all languages. They are built in, for spaCy 3.

mod annotate;
mod hash;
mod layer;
mod lemma;
mod lexeme;
mod network;
mod ruler;
mod symbols;

pub use annotate::{Annotation, Annotator};

use std::path::Path;

use compexp_files::{parse_json, read_text};
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::lines::excerpt;
use crate::model_folder::expect_model;
use crate::msgpack;
use lexeme::Lexicon;
use network::Network;

/// The files of a model folder that decide words and tags.
pub const FILES: [&str; 5] = ["tokenizer", "tok2vec/model", "tagger/model", "tagger/cfg", "vocab/lookups.bin"];

/// The files of a model folder that decide parts of speech and lemmas, beside [`FILES`].
pub const ANNOTATION_FILES: [&str; 2] = ["attribute_ruler/patterns", "lemmatizer/lookups/lookups.bin"];

/// A part-of-speech tagger.
pub struct Tagger {
    labels: Vec<String>,
    lexicon: Lexicon,
    network: Network,
}

#[derive(Deserialize)]
struct Config {
    labels: Vec<String>,
}

impl Tagger {
    /// Reads a model folder: `tok2vec/model`, `tagger/model`, `tagger/cfg` and `vocab/lookups.bin`.
    ///
    /// `symbols` is for models of another version of spaCy than 3: a JSON file with `symbols` (name to number) and
    /// `base_norms` (word to normal form) to use instead of the built-in ones.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`] if a file cannot be read; [`compexp_files::Error::Format`] if a file is damaged, or
    /// if the network is of another kind.
    pub fn load(folder: &Path, symbols: Option<&Path>) -> Result<Self> {
        expect_model(folder)?;
        let path = folder.join("tagger").join("cfg");
        let text = read_text(&path, msgpack::MAX_FILE)?;
        let config: Config = parse_json(&path, None, &text, "JSON with a list of `labels`")?;
        if config.labels.is_empty() {
            return Err(Error::format(&path, "labels", "none", "at least one"));
        }
        let lexicon = Lexicon::load(&folder.join("vocab").join("lookups.bin"), symbols)?;
        let network = Network::load(folder, config.labels.len())?;
        Ok(Self { labels: config.labels, lexicon, network })
    }

    /// All tags of the model.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The Penn Treebank tag of every word of a sentence.
    pub fn tag<S: AsRef<str> + Sync>(&self, words: &[S]) -> Vec<&str> {
        self.tag_all(&[words]).into_iter().flatten().collect()
    }

    /// The tags of many sentences, in parallel. The result for a sentence does not depend on the others.
    pub fn tag_all<S: AsRef<str> + Sync>(&self, sentences: &[&[S]]) -> Vec<Vec<&str>> {
        let labels = self.network.label(&self.lexicon, sentences);
        let names = |labels: Vec<usize>| labels.into_iter().map(|label| self.labels[label].as_str()).collect();
        labels.into_iter().map(names).collect()
    }
}

#[cfg(test)]
mod tests;
