//! Concepts that a user adds: word lists, regular expressions, labels of sentences.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use compexp_files::entries;
use regex::{Regex, RegexBuilder};

use crate::error::{Error, Result};
use crate::lines::{excerpt, for_each_line, line_error};

/// What a user adds to the annotation of a treebank; empty unless given.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Word lists.
    pub lists: WordLists,
    /// Regular expressions.
    pub patterns: Patterns,
    /// The label of each sentence.
    pub labels: Vec<String>,
}

impl Given {
    pub(super) fn check(&self, sentences: usize) -> Result<()> {
        match self.labels.len() {
            0 => Ok(()),
            n if n == sentences => Ok(()),
            n => Err(Error::mismatch("labels of sentences", n, format!("{sentences}, one a sentence"))),
        }
    }
}

/// Reads the labels of sentences, one a line. An empty line is no label.
///
/// # Errors
/// [`compexp_files::Error::Io`] if the file cannot be read; [`compexp_files::Error::Format`] if it is no text.
pub fn read_labels(path: &Path) -> Result<Vec<String>> {
    let mut labels = Vec::new();
    for_each_line::<Error>(path, |_, line| {
        labels.push(line.trim().to_owned());
        Ok(())
    })?;
    Ok(labels)
}

/// Lists of words, by name.
#[derive(Clone, Debug, Default)]
pub struct WordLists {
    names: Vec<String>,
    /// For each word in lower case the numbers of its lists.
    of_word: HashMap<String, Vec<usize>>,
    files: Vec<PathBuf>,
}

impl WordLists {
    /// Reads the `.txt` files of a folder, each a list of words, one a line, named as the file. The case of words does not
    /// matter.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`] if a file cannot be read; [`compexp_files::Error::Format`] if it is no text, or the folder
    /// has no such file.
    pub fn read(dir: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        for entry in entries(dir)? {
            if let Some(name) = entry.text().and_then(|name| name.strip_suffix(".txt")) {
                files.insert(name.to_owned(), entry.path.clone());
            }
        }
        if files.is_empty() {
            return Err(Error::format(dir, "files", "none that ends in .txt", "lists of words, one a line"));
        }
        let mut lists = Self::default();
        for (number, (name, path)) in files.into_iter().enumerate() {
            for_each_line::<Error>(&path, |_, line| {
                let word = line.trim().to_lowercase();
                let of_word = lists.of_word.entry(word).or_default();
                if of_word.last() != Some(&number) {
                    of_word.push(number);
                }
                Ok(())
            })?;
            lists.names.push(name);
            lists.files.push(path);
        }
        lists.of_word.remove("");
        Ok(lists)
    }

    /// The files that the lists were read from.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    pub(super) fn names_of(&self, form: &str) -> impl Iterator<Item = &str> {
        let numbers = self.of_word.get(&form.to_lowercase());
        numbers.into_iter().flatten().map(|number| self.names[*number].as_str())
    }
}

/// Regular expressions, by name.
#[derive(Clone, Debug, Default)]
pub struct Patterns(Vec<(String, Regex)>);

/// The most memory that one compiled expression may take, in bytes.
const MAX_COMPILED: usize = 1 << 20;

impl Patterns {
    /// Reads regular expressions, one a line: a name, white space, the expression. Empty lines and lines that begin with `#` are
    /// skipped. Matching takes time in proportion to a word's length, whatever the expression.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`] if the file cannot be read; [`compexp_files::Error::Format`], with the number of the line, if
    /// a line is no name and expression, the expression is not valid or too large, or a name is there twice.
    pub fn read(path: &Path) -> Result<Self> {
        let mut patterns: Vec<(String, Regex)> = Vec::new();
        for_each_line::<Error>(path, |number, line| {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                return Ok(());
            }
            let Some((name, expression)) = line.split_once(char::is_whitespace) else {
                return Err(line_error(path, number, excerpt(line), "a name and a regular expression"));
            };
            if patterns.iter().any(|(other, _)| other == name) {
                return Err(line_error(path, number, format!("the name {} again", excerpt(name)), "another name"));
            }
            let built = RegexBuilder::new(expression.trim()).size_limit(MAX_COMPILED).build();
            let regex = built.map_err(|e| {
                let reason = e.to_string().lines().last().unwrap_or_default().trim().to_owned();
                let found = format!("the expression {}: {reason}", excerpt(expression));
                line_error(path, number, found, "a regular expression of the syntax of the crate regex")
            })?;
            patterns.push((name.to_owned(), regex));
            Ok(())
        })?;
        Ok(Self(patterns))
    }

    pub(super) fn names_of(&self, form: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(_, regex)| regex.is_match(form)).map(|(name, _)| name.as_str())
    }
}
