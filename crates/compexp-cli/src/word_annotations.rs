//! The words of annotated sentences as examples: what the arguments or a run say of them, and how they are opened.

use std::path::{Path, PathBuf};

use anyhow::Result;
use compexp_core::probe::ProbeSet;
use compexp_run::InputPaths;
use compexp_run::provenance::{AnnotationInput, WordConcepts};
use compexp_text::conllu::{self, Sentence};
use compexp_text::tokens::{Family, Given, Options, Patterns, WordLists, probe_set, read_labels};

use crate::args::annotations::WordConceptArgs;
use crate::input_files::absolute;

/// The name of the form in the record of a run.
pub(crate) const KIND: &str = "tokens";

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
    path: PathBuf,
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
            path: path.to_owned(),
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
            path: path(&paths.annotations)?,
            options: Options { families, contexts, min_count: words.min_count },
            lists: path(&paths.lists),
            expressions: path(&paths.expressions),
            labels: path(&paths.labels),
        })
    }

    /// Reads the sentences.
    ///
    /// # Errors
    /// The errors of [`conllu::read`], of the files of lists, expressions and labels, and of [`probe_set`].
    pub(crate) fn open(&self) -> Result<OpenedWords> {
        let Self { path, options, lists, expressions, labels } = self;
        let given = Given {
            lists: lists.as_deref().map(WordLists::read).transpose()?.unwrap_or_default(),
            patterns: expressions.as_deref().map(Patterns::read).transpose()?.unwrap_or_default(),
            labels: labels.as_deref().map(read_labels).transpose()?.unwrap_or_default(),
        };
        let sentences = conllu::read(path)?;
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
            ..InputPaths::default()
        };
        let words = WordConcepts {
            contexts: options.contexts.iter().map(ToString::to_string).collect(),
            min_count: options.min_count,
        };
        let categories = options.families.iter().map(|family| family.name().to_owned()).collect();
        Ok(OpenedWords { set, sentences, files, categories, words, paths })
    }
}
