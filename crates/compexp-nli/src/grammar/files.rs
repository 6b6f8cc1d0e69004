//! The files that a corpus is written to.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use compexp_files::AtomicFile;
use compexp_text::feats::{Column, Feats, Kind, Token};

use super::Corpus;
use super::vectors::vectors;
use super::words::{Entry, entries};
use crate::error::{Error, Result};
use crate::text::{Label, Pair};

/// Labelled pairs to learn from, a table separated by tabs.
pub const TRAIN_FILE: &str = "train.tsv";
/// The held-out pairs, premise and hypothesis in turn.
pub const HELD_OUT_FILE: &str = "dev.tok";
/// The labels of the held-out pairs, one per line.
pub const GOLD_FILE: &str = "dev_gold.txt";
/// The lemmas and tags of the held-out pairs.
pub const FEATS_FILE: &str = "dev.feats";
/// Word vectors.
pub const VECTORS_FILE: &str = "vectors.txt";

impl Corpus {
    /// Writes [`TRAIN_FILE`], [`HELD_OUT_FILE`], [`GOLD_FILE`], [`FEATS_FILE`] and [`VECTORS_FILE`] into the folder `dir`,
    /// which exists.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`] if a file cannot be written.
    pub fn write(&self, dir: &Path) -> Result<()> {
        let mut table = String::from("gold_label\tsentence1\tsentence2\n");
        for Pair { label, premise, hypothesis } in &self.train {
            let _ = writeln!(table, "{}\t{premise}\t{hypothesis}", name(*label));
        }
        save(&dir.join(TRAIN_FILE), &table)?;
        let (mut text, mut gold) = (String::new(), String::new());
        for Pair { label, premise, hypothesis } in &self.held_out {
            let _ = writeln!(text, "{premise}\n{hypothesis}");
            let _ = writeln!(gold, "{}", name(*label));
        }
        save(&dir.join(HELD_OUT_FILE), &text)?;
        save(&dir.join(GOLD_FILE), &gold)?;
        annotated(&self.held_out)?.write(&dir.join(FEATS_FILE))?;
        let mut text = String::new();
        for (word, vector) in vectors(self.seed) {
            text += word;
            for value in vector {
                let _ = write!(text, " {value:.4}");
            }
            text.push('\n');
        }
        save(&dir.join(VECTORS_FILE), &text)
    }
}

fn name(label: Option<Label>) -> &'static str {
    label.map_or("-", Label::name)
}

fn save(path: &Path, text: &str) -> Result<()> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(text.as_bytes()).map_err(Error::io("write", path))?;
    Ok(file.commit()?)
}

/// Lemmas and tags of the sentences of pairs, premise and hypothesis in turn.
pub(super) fn annotated(pairs: &[Pair]) -> Result<Feats> {
    let known: HashMap<&str, Entry> = entries().map(|entry| (entry.word, entry)).collect();
    let token = |word: &str| {
        let entry = known.get(word.to_lowercase().as_str());
        let entry = entry.ok_or_else(|| Error::mismatch("word of the grammar", word, "one of its list"))?;
        Ok(Token { word: word.to_owned(), values: vec![entry.lemma.to_owned(), entry.tag.to_owned()] })
    };
    let sentences = pairs.iter().flat_map(|pair| [&pair.premise, &pair.hypothesis]);
    Ok(Feats {
        columns: vec![Column::new("lemma", Kind::Open), Column::new("tag", Kind::Closed)],
        sentences: sentences.map(|text| text.split(' ').map(token).collect()).collect::<Result<_>>()?,
    })
}
