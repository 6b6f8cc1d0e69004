//! The words a classifier knows.

use std::collections::HashMap;

use crate::error::{Error, Result};

/// The number of a word that is not known.
pub const UNKNOWN: u32 = 0;

/// The number that fills up short sentences.
pub const PADDING: u32 = 1;

/// Words and their numbers; 0 stands for words that are not there, 1 for padding.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vocabulary {
    words: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl Vocabulary {
    /// The words by their number, `UNK` and `PAD` first.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where a word is there twice, or there are fewer than two.
    pub fn new(words: Vec<String>) -> Result<Self> {
        if words.len() < 2 || u32::try_from(words.len()).is_err() {
            return Err(Error::mismatch(
                "words of a vocabulary",
                words.len(),
                "at least 2, of which the first are UNK and PAD",
            ));
        }
        let mut numbers = HashMap::with_capacity(words.len());
        for (number, word) in words.iter().enumerate() {
            if let Some(before) = numbers.insert(word.clone(), number as u32) {
                let found = format!("`{word}` as {before} and {number}");
                return Err(Error::mismatch("words of a vocabulary", found, "every word once"));
            }
        }
        Ok(Self { words, numbers })
    }

    /// The number of words.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether there is no word: only of a default one.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The words by their number.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// The number of a word, [`UNKNOWN`] where it is not there. Words are lower-case.
    pub fn number(&self, word: &str) -> u32 {
        self.numbers.get(word).copied().unwrap_or(UNKNOWN)
    }

    /// The numbers of a sentence's lower-cased tokens.
    pub fn numbers<'a>(&self, tokens: impl IntoIterator<Item = &'a str>) -> Vec<u32> {
        tokens.into_iter().map(|token| self.number(&token.to_lowercase())).collect()
    }
}
