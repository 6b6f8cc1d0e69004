//! Universal parts of speech and lemmas on top of tags, as spaCy's pipeline without its parser gives them.

use std::path::Path;

use rayon::prelude::*;

use super::Tagger;
use super::lemma::Lemmatizer;
use super::ruler::{Ruler, Word};
use crate::error::Result;

/// The annotation of a word of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation<'a> {
    /// The Penn Treebank tag.
    pub tag: &'a str,
    /// The universal part of speech; empty if no rule gives one.
    pub pos: &'a str,
    /// The dictionary form.
    pub lemma: String,
}

/// A tagger with the rules that turn tags into parts of speech and lemmas.
///
/// If spaCy's parser is on, some rules also use its relations, and fewer than one word in a hundred gets another part
/// of speech (VERB or AUX, SCONJ or ADP, PRON or DET). Tags never differ.
pub struct Annotator {
    tagger: Tagger,
    ruler: Ruler,
    lemmatizer: Lemmatizer,
}

impl Annotator {
    /// Reads a model folder: the files of [`Tagger::load`], `attribute_ruler/patterns` and
    /// `lemmatizer/lookups/lookups.bin`.
    ///
    /// # Errors
    /// The errors of [`Tagger::load`].
    pub fn load(folder: &Path, symbols: Option<&Path>) -> Result<Self> {
        Ok(Self {
            tagger: Tagger::load(folder, symbols)?,
            ruler: Ruler::load(&folder.join("attribute_ruler").join("patterns"))?,
            lemmatizer: Lemmatizer::load(&folder.join("lemmatizer").join("lookups").join("lookups.bin"))?,
        })
    }

    /// The tagger alone, which is faster.
    pub fn tagger(&self) -> &Tagger {
        &self.tagger
    }

    /// Annotates many sentences, in parallel. The result for a sentence does not depend on the others.
    ///
    /// # Errors
    /// [`compexp_files::Error::Format`] if a regular expression of the model fails on a word.
    pub fn annotate_all<S: AsRef<str> + Sync>(&self, sentences: &[&[S]]) -> Result<Vec<Vec<Annotation<'_>>>> {
        let tags = self.tagger.tag_all(sentences);
        sentences.par_iter().zip(tags).map(|(words, tags)| self.annotate(words, &tags)).collect()
    }

    fn annotate<'a, S: AsRef<str>>(&'a self, words: &[S], tags: &[&'a str]) -> Result<Vec<Annotation<'a>>> {
        let lower: Vec<String> = words.iter().map(|word| word.as_ref().to_lowercase()).collect();
        let seen: Vec<Word<'_>> = tags.iter().zip(&lower).map(|(tag, lower)| Word { tag, lower }).collect();
        let given = self.ruler.apply(&seen)?;
        let word = |((word, tag), given): ((&S, &&'a str), super::ruler::Attributes<'a>)| {
            let pos = given.pos.unwrap_or_default();
            let lemma = given.lemma.map(String::from).unwrap_or_else(|| {
                let morph = given.morph.unwrap_or_default();
                self.lemmatizer.lemma(&self.tagger.lexicon, word.as_ref(), pos, morph)
            });
            Annotation { tag: given.tag.unwrap_or(tag), pos, lemma }
        };
        Ok(words.iter().zip(tags).zip(given).map(word).collect())
    }
}
