//! The words of annotated sentences as examples: what the arguments or a run say of them, and how they are opened.

use std::path::{Path, PathBuf};

use anyhow::Result;
use compexp_core::explain::Progress;
use compexp_core::probe::ProbeSet;
use compexp_files::{ContentHash, hash_file};
use compexp_run::InputPaths;
use compexp_run::provenance::{AnnotationInput, WordConcepts};
use compexp_text::conllu::{self, Sentence};
use compexp_text::sentences::{Form, TextTagger, read_feats, read_texts};
use compexp_text::tokens::{Family, Given, Options, Patterns, WordLists, probe_set, read_labels};

use crate::args::annotations::{TextArgs, WordConceptArgs};
use crate::failure::Failure;
use crate::input_files::{absolute, hash_files};

/// The name of the form in the record of a run.
pub(crate) const KIND: &str = "tokens";

/// The field that holds the texts, unless another one is named.
const TEXT: &str = "text";

/// A file of sentences, and how those are read that nobody annotated.
pub(crate) struct SentenceFile {
    path: PathBuf,
    tagger: Option<PathBuf>,
    text_field: Option<String>,
}

/// The sentences of a file.
pub(crate) struct ReadFile {
    pub(crate) sentences: Vec<Sentence>,
    /// The hash of the tagger that annotated them; none if they were annotated.
    pub(crate) tagger: Option<String>,
}

impl SentenceFile {
    /// The file `path`.
    pub(crate) fn of(path: &Path, args: &TextArgs) -> Self {
        let TextArgs { tagger, text_field } = args.clone();
        Self { path: path.to_owned(), tagger, text_field }
    }

    /// Reads the sentences; texts are split into words and tagged.
    ///
    /// # Errors
    /// The errors of [`Form::of`], [`conllu::read`], [`read_feats`], [`read_texts`] and [`TextTagger`]; a [`Failure`] if there is no
    /// tagger for texts, or an option that the form of the file has no use for.
    pub(crate) fn read(&self, progress: &dyn Progress) -> Result<ReadFile> {
        let Self { path, tagger, text_field } = self;
        let form = Form::of(path)?;
        if text_field.is_some() && !form.has_fields() {
            let message = format!("--text-field: found `{}`, expected .jsonl or Parquet", path.display());
            return Err(Failure::usage(message).into());
        }
        let Some(folder) = tagger.as_deref().filter(|_| form.is_text()) else {
            if tagger.is_some() {
                let message = format!("--tagger: found `{}`, whose words have tags, expected texts", path.display());
                return Err(Failure::usage(message).hint("texts are .txt, .jsonl and Parquet").into());
            }
            if form.is_text() {
                let message = format!("`{}`: found texts, and nothing to split and tag their words", path.display());
                let hint = "give --tagger DIR, a spaCy model folder; the name of a treebank should end in .conllu";
                return Err(Failure::usage(message).hint(hint).into());
            }
            let sentences = if form == Form::Feats { read_feats(path)? } else { conllu::read(path)? };
            return Ok(ReadFile { sentences, tagger: None });
        };
        let texts = read_texts(path, form, text_field.as_deref().unwrap_or(TEXT))?;
        let hash = hash_files("tagger", b"", &TextTagger::files(folder), "tagger", progress)?;
        progress.stage("tags", "sentences", texts.len());
        let sentences = TextTagger::load(folder)?.sentences(texts, &|done| progress.done(done))?;
        Ok(ReadFile { sentences, tagger: Some(hash) })
    }
}

/// The hash of what the texts of sentences and their words come from; `words` is a run's record of them.
///
/// # Errors
/// `Error::Io` if the file cannot be read.
pub(crate) fn hash_sentences(path: &Path, words: Option<&WordConcepts>) -> Result<String> {
    let file = hash_file(path)?;
    let Some((tagger, words)) = words.and_then(|words| Some((words.tagger.as_ref()?, words))) else { return Ok(file) };
    let mut hash = ContentHash::new("tagged texts");
    for (name, value) in [("file", &file), ("tagger", tagger)] {
        hash.field(name, value.as_bytes());
    }
    hash.field("field", words.text_field.as_deref().unwrap_or(TEXT).as_bytes());
    Ok(hash.finish())
}

/// The words of sentences, opened.
pub(crate) struct OpenedWords {
    pub(crate) set: ProbeSet,
    pub(crate) sentences: Vec<Sentence>,
    /// The files that they were read from, each with its name in the record of a run.
    pub(crate) files: Vec<(String, PathBuf)>,
    /// The families of their concepts.
    pub(crate) categories: Vec<String>,
    pub(crate) words: WordConcepts,
    pub(crate) paths: InputPaths,
}

/// Annotated sentences, and which concepts their words have.
pub(crate) struct WordForm {
    file: SentenceFile,
    options: Options,
    lists: Option<PathBuf>,
    expressions: Option<PathBuf>,
    labels: Option<PathBuf>,
}

impl WordForm {
    /// The sentences in the file `path`.
    pub(crate) fn of(path: &Path, args: &WordConceptArgs) -> Self {
        let default = Options::default();
        let mut families = if args.families.is_empty() { default.families } else { args.families.clone() };
        families.extend(args.lists.as_ref().map(|_| Family::List));
        families.extend(args.regex.as_ref().map(|_| Family::Regex));
        families.extend(args.sentence_labels.as_ref().map(|_| Family::Label));
        families.sort_unstable();
        families.dedup();
        let min_count = args.min_count.unwrap_or(default.min_count);
        Self {
            file: SentenceFile::of(path, &args.texts),
            options: Options { families, contexts: args.context.clone(), min_count },
            lists: args.lists.clone(),
            expressions: args.regex.clone(),
            labels: args.sentence_labels.clone(),
        }
    }

    /// The sentences that a run names; none if its examples are no words.
    pub(crate) fn of_run(paths: &InputPaths, recorded: &AnnotationInput) -> Option<Self> {
        let words = recorded.words.as_ref().filter(|_| recorded.kind == KIND)?;
        let path = |path: &Option<String>| path.as_ref().map(PathBuf::from);
        let families = recorded.categories.iter().flatten().filter_map(|name| name.parse().ok()).collect();
        let contexts = words.contexts.iter().filter_map(|context| context.parse().ok()).collect();
        Some(Self {
            file: SentenceFile {
                path: path(&paths.annotations)?,
                tagger: path(&paths.tagger),
                text_field: words.text_field.clone(),
            },
            options: Options { families, contexts, min_count: words.min_count },
            lists: path(&paths.lists),
            expressions: path(&paths.expressions),
            labels: path(&paths.labels),
        })
    }

    /// Reads the sentences.
    ///
    /// # Errors
    /// The errors of [`SentenceFile::read`], of the files of lists, expressions and labels, and of [`probe_set`].
    pub(crate) fn open(&self, progress: &dyn Progress) -> Result<OpenedWords> {
        let Self { file, options, lists, expressions, labels } = self;
        let path = &file.path;
        let given = Given {
            lists: lists.as_deref().map(WordLists::read).transpose()?.unwrap_or_default(),
            patterns: expressions.as_deref().map(Patterns::read).transpose()?.unwrap_or_default(),
            labels: labels.as_deref().map(read_labels).transpose()?.unwrap_or_default(),
        };
        let ReadFile { sentences, tagger } = file.read(progress)?;
        let set = probe_set(&sentences, options, &given)?;
        let mut files = vec![("sentences".to_owned(), path.clone())];
        let lists_files = given.lists.files().iter().map(|path| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            (format!("lists/{name}"), path.clone())
        });
        files.extend(lists_files);
        files.extend(expressions.iter().map(|path| ("expressions".to_owned(), path.clone())));
        files.extend(labels.iter().map(|path| ("labels".to_owned(), path.clone())));
        let place = |path: &Option<PathBuf>| path.as_deref().map(|path: &Path| absolute(path)).transpose();
        let paths = InputPaths {
            annotations: Some(absolute(path)?),
            lists: place(lists)?,
            expressions: place(expressions)?,
            labels: place(labels)?,
            tagger: place(&file.tagger)?,
            ..InputPaths::default()
        };
        let words = WordConcepts {
            contexts: options.contexts.iter().map(ToString::to_string).collect(),
            min_count: options.min_count,
            tagger,
            text_field: file.text_field.clone(),
        };
        let categories = options.families.iter().map(|family| family.name().to_owned()).collect();
        Ok(OpenedWords { set, sentences, files, categories, words, paths })
    }
}
