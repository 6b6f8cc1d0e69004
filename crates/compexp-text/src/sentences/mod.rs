//! Sentences in files of several forms: treebanks, `.feats`, and texts, which a tagger splits into words and annotates.

mod texts;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use compexp_files::{excerpt, is_parquet};

use crate::conllu::{Sentence, Surface, Word};
use crate::error::{Error, Result};
use crate::feats::Feats;
use crate::tagger::{self, Annotator};
use crate::tokenizer::Tokenizer;
pub use texts::{Text, read_texts};

/// The forms of files of sentences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A treebank in CoNLL-U.
    Conllu,
    /// Annotated words, see [`crate::feats`].
    Feats,
    /// A text a line.
    Lines,
    /// A JSON object a line, with a field that holds the text.
    JsonLines,
    /// A table with a column of texts.
    Parquet,
}

impl Form {
    /// The form of a file: Parquet by its first bytes, the others by the name's ending, with or without `.gz`: `.feats`, `.txt`
    /// and `.jsonl`. Files of all other names are treebanks.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`] if the file cannot be read.
    pub fn of(path: &Path) -> Result<Self> {
        if is_parquet(path)? {
            return Ok(Self::Parquet);
        }
        let plain = match path.extension() {
            Some(end) if end == "gz" => path.with_extension(""),
            _ => path.to_owned(),
        };
        Ok(match plain.extension().and_then(OsStr::to_str) {
            Some("feats") => Self::Feats,
            Some("txt") => Self::Lines,
            Some("jsonl") => Self::JsonLines,
            _ => Self::Conllu,
        })
    }

    /// Whether it holds texts that a tagger has to annotate.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Lines | Self::JsonLines | Self::Parquet)
    }

    /// Whether its texts stand in a field that has a name.
    pub fn has_fields(self) -> bool {
        matches!(self, Self::JsonLines | Self::Parquet)
    }
}

/// The sentences of a `.feats` file. Of its columns `lemma`, `pos`, `tag` and `dep` are read as lemma, universal part of speech,
/// tag and relation; others are left out. There are no heads. Lines without words are no sentences.
///
/// # Errors
/// The errors of [`Feats::read`]; [`compexp_files::Error::Format`] if there is no sentence.
pub fn read_feats(path: &Path) -> Result<Vec<Sentence>> {
    let feats = Feats::read(path)?;
    let place = |name: &str| feats.columns.iter().position(|column| column.name == name);
    let [lemma, upos, xpos, relation] = ["lemma", "pos", "tag", "dep"].map(place);
    let mut sentences = Vec::new();
    // The first line has the columns.
    for (line, tokens) in (2..).zip(&feats.sentences).filter(|(_, tokens)| !tokens.is_empty()) {
        let words = tokens.iter().map(|token| {
            let value = |column: Option<usize>| column.map(|at| token.values[at].clone()).unwrap_or_default();
            Word {
                form: token.word.clone(),
                lemma: value(lemma),
                upos: value(upos),
                xpos: value(xpos),
                relation: value(relation),
                ..Word::default()
            }
        });
        sentences.push(sentence(sentences.len(), line, words.collect()));
    }
    match sentences.is_empty() {
        true => Err(Error::format(path, "sentences", "none", "at least one")),
        false => Ok(sentences),
    }
}

/// A sentence of these words, each of them a token in the text; `before` are the sentences before it.
fn sentence(before: usize, line: usize, words: Vec<Word>) -> Sentence {
    let surface =
        |(at, word): (usize, &Word)| Surface { form: word.form.clone(), words: at..at + 1, space_after: true };
    let surface = words.iter().enumerate().map(surface).collect();
    Sentence { id: (before + 1).to_string(), line, words, surface, ..Sentence::default() }
}

/// A tagger that splits texts into words and annotates them: form, lemma, universal part of speech and tag.
pub struct TextTagger {
    tokenizer: Tokenizer,
    annotator: Annotator,
}

impl TextTagger {
    /// Reads a folder of a spaCy model.
    ///
    /// # Errors
    /// The errors of [`Tokenizer::load`] and [`Annotator::load`].
    pub fn load(folder: &Path) -> Result<Self> {
        Ok(Self { tokenizer: Tokenizer::load(folder)?, annotator: Annotator::load(folder, None)? })
    }

    /// The files of the folder that it reads, each with its name in the folder.
    pub fn files(folder: &Path) -> Vec<(String, PathBuf)> {
        let names = tagger::FILES.iter().chain(&tagger::ANNOTATION_FILES);
        names.map(|name| ((*name).to_owned(), folder.join(name))).collect()
    }

    /// The sentences of texts, in order; each text is one sentence. `done` is called with the number of texts that are annotated.
    ///
    /// # Errors
    /// The errors of [`Tokenizer::tokenize_all`] and [`Annotator::annotate_all`]; [`compexp_core::Error::Mismatch`] for a text
    /// without words.
    pub fn sentences(&self, texts: Vec<Text>, done: &dyn Fn(usize)) -> Result<Vec<Sentence>> {
        let mut sentences = Vec::with_capacity(texts.len());
        let mut texts = texts.into_iter();
        loop {
            let chunk: Vec<Text> = texts.by_ref().take(CHUNK).collect();
            if chunk.is_empty() {
                return Ok(sentences);
            }
            let written: Vec<&str> = chunk.iter().map(|text| text.text.as_str()).collect();
            let mut forms = self.tokenizer.tokenize_all(&written)?;
            // For spaCy's rules, white space beyond single blanks is a token; here it is not a word.
            forms.iter_mut().for_each(|forms| forms.retain(|form| !form.trim().is_empty()));
            let slices: Vec<&[&str]> = forms.iter().map(Vec::as_slice).collect();
            let annotated = self.annotator.annotate_all(&slices)?;
            let mut words = Vec::with_capacity(chunk.len());
            for (forms, annotated) in forms.iter().zip(annotated) {
                let word = |(form, a): (&&str, tagger::Annotation<'_>)| Word {
                    form: (*form).to_owned(),
                    lemma: a.lemma,
                    upos: a.pos.to_owned(),
                    xpos: a.tag.to_owned(),
                    ..Word::default()
                };
                words.push(forms.iter().zip(annotated).map(word).collect::<Vec<_>>());
            }
            for (text, words) in chunk.into_iter().zip(words) {
                if words.is_empty() {
                    let what = format!("words of the text {} (line {})", excerpt(&text.text), text.line);
                    return Err(Error::mismatch(what, 0, "at least one"));
                }
                let Text { text, document, line } = text;
                sentences.push(Sentence { text: Some(text), document, ..sentence(sentences.len(), line, words) });
            }
            done(sentences.len());
        }
    }
}

/// Texts that are annotated at once.
const CHUNK: usize = 1024;
