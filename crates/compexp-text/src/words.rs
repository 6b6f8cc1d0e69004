//! The words a classifier knows, with their numbers.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use compexp_checkpoint::Value;
use compexp_files::{AtomicFile, ContentHash};
use tokenizers::models::wordlevel::WordLevel;
use tokenizers::normalizers::Lowercase;
use tokenizers::pre_tokenizers::whitespace::WhitespaceSplit;
use tokenizers::{Model, ModelWrapper, Tokenizer};

use crate::error::{Error, Result};

/// The number of every word that is not in the table.
pub const UNK: u32 = 0;

/// The number that fills sentences up to the length of the longest in their batch.
pub const PAD: u32 = 1;

/// The names of the two, in capitals, so that no lower-case word equals them.
const SPECIAL: [&str; 2] = ["UNK", "PAD"];

/// The longest `tokenizer.json` that is read, in bytes: some millions of words.
const MAX_FILE: u64 = 1 << 28;

/// Words and their numbers, from 0 without gaps: [`UNK`], [`PAD`], then lower-cased words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WordTable {
    words: Vec<String>,
    ids: HashMap<String, u32>,
}

impl Default for WordTable {
    /// A table with only UNK and PAD.
    fn default() -> Self {
        Self::from_tokens(std::iter::empty())
    }
}

impl WordTable {
    /// Numbers the lower-cased `tokens` of a training set in the order in which each appears first.
    pub fn from_tokens<'a>(tokens: impl IntoIterator<Item = &'a str>) -> Self {
        let mut words: Vec<String> = SPECIAL.map(String::from).to_vec();
        let mut ids: HashMap<String, u32> = HashMap::new();
        for token in tokens {
            let word = token.to_lowercase();
            if !ids.contains_key(&word) {
                ids.insert(word.clone(), words.len() as u32);
                words.push(word);
            }
        }
        ids.extend(SPECIAL.into_iter().map(String::from).zip([UNK, PAD]));
        Self { words, ids }
    }

    /// The table of words in the order of their numbers.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] if a word occurs twice, or if `UNK` and `PAD` are not the first two.
    pub fn new(words: Vec<String>) -> Result<Self> {
        for (id, name) in SPECIAL.into_iter().enumerate() {
            let found = words.get(id).map_or("nothing", String::as_str);
            if found != name {
                return Err(Error::mismatch(format!("word {id}"), format!("`{found}`"), format!("`{name}`")));
            }
        }
        let mut ids = HashMap::with_capacity(words.len());
        for (word, id) in words.iter().zip(0u32..) {
            if let Some(before) = ids.insert(word.clone(), id) {
                let found = format!("`{word}` as {before} and {id}");
                return Err(Error::mismatch("words of a table", found, "every word once"));
            }
        }
        Ok(Self { words, ids })
    }

    /// The table of words and numbers in any order.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] unless the numbers are 0 to n - 1, each once, with `UNK` 0 and `PAD` 1.
    pub fn from_ids(entries: impl IntoIterator<Item = (String, i64)>) -> Result<Self> {
        let ids: HashMap<String, i64> = entries.into_iter().collect();
        let mut words: Vec<Option<String>> = vec![None; ids.len()];
        for (word, &id) in &ids {
            let place = usize::try_from(id).ok().and_then(|id| words.get_mut(id));
            match place {
                Some(place @ None) => *place = Some(word.clone()),
                Some(Some(other)) => {
                    let found = format!("{id}, which `{other}` has too");
                    return Err(Error::mismatch(format!("number of word `{word}`"), found, "another for each word"));
                }
                None => {
                    let expected = format!("0 to {}, without gaps", ids.len() - 1);
                    return Err(Error::mismatch(format!("number of word `{word}`"), id, expected));
                }
            }
        }
        // As many places as words and no number twice: every place is taken.
        Self::new(words.into_iter().flatten().collect())
    }

    /// The table under `stoi` of a checkpoint `{state_dict, stoi: {word: number}, ...}`.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] if there is no such table; the errors of [`WordTable::from_ids`].
    pub fn from_checkpoint(checkpoint: &Value) -> Result<Self> {
        let table = checkpoint.get("stoi").and_then(Value::as_dict).ok_or_else(|| {
            let expected = "a dict with `stoi`, a dict of words and numbers; or give the words as a tokenizer.json";
            Error::mismatch("the checkpoint's words", checkpoint.describe(), expected)
        })?;
        let entries = table.iter().map(|(word, id)| match (word.as_str(), id.as_int()) {
            (Some(word), Some(id)) => Ok((word.to_owned(), id)),
            _ => {
                let found = format!("{} with {}", word.describe(), id.describe());
                Err(Error::mismatch("an entry of the checkpoint's `stoi`", found, "a text with an integer"))
            }
        });
        Self::from_ids(entries.collect::<Result<Vec<_>>>()?)
    }

    /// The number of words, UNK and PAD included.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Never true: there are UNK and PAD.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The words in the order of their numbers: `UNK`, `PAD`, ...
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// The number of a word, lower-cased first; [`UNK`] if it is not in the table.
    pub fn id(&self, word: &str) -> u32 {
        self.ids.get(&word.to_lowercase()).copied().unwrap_or(UNK)
    }

    /// The numbers of a sentence's tokens.
    pub fn encode<S: AsRef<str>>(&self, tokens: &[S]) -> Vec<u32> {
        tokens.iter().map(|token| self.id(token.as_ref())).collect()
    }

    /// A hash of the words and their order.
    pub fn content_hash(&self) -> String {
        let mut hash = ContentHash::new("words");
        self.words.iter().for_each(|word| {
            hash.field("word", word.as_bytes());
        });
        hash.finish()
    }

    /// Writes a `tokenizer.json` (a lower-casing word-level model on text split at blanks); the file is complete or
    /// absent.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`] if the file cannot be written; [`compexp_core::Error::Mismatch`] if the words make
    /// no such model.
    pub fn save(&self, path: &Path) -> Result<()> {
        let invalid = |e: tokenizers::Error| Error::mismatch("word table", e, "a word-level tokenizer");
        let model = WordLevel::builder()
            .vocab(self.words.iter().cloned().zip(0..).collect())
            .unk_token(SPECIAL[UNK as usize].into())
            .build()
            .map_err(invalid)?;
        let mut tokenizer = Tokenizer::new(model);
        tokenizer.with_normalizer(Some(Lowercase)).map_err(invalid)?;
        tokenizer.with_pre_tokenizer(Some(WhitespaceSplit));
        let mut text = tokenizer.to_string(true).map_err(invalid)?;
        text.push('\n');
        let mut file = AtomicFile::create(path)?;
        file.write_all(text.as_bytes()).map_err(Error::io("write", path))?;
        Ok(file.commit()?)
    }

    /// Reads the words of a `tokenizer.json` with a word-level model, as [`WordTable::save`] writes.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`] if the file cannot be read; [`compexp_files::Error::Format`] if it is too large or
    /// not a word-level tokenizer, or its numbers are not those of [`WordTable::from_ids`].
    pub fn load(path: &Path) -> Result<Self> {
        let tokenizer = Tokenizer::from_bytes(compexp_files::read_text(path, MAX_FILE)?)
            .map_err(|e| Error::format(path, "content", e.to_string(), "a tokenizer.json"))?;
        match tokenizer.get_model() {
            ModelWrapper::WordLevel(model) => {
                let words = model.get_vocab().into_iter().map(|(word, id)| (word, i64::from(id)));
                Self::from_ids(words).map_err(|e| match e {
                    Error::Core(compexp_core::Error::Mismatch { what, found, expected }) => {
                        Error::format(path, what, found, expected)
                    }
                    other => other,
                })
            }
            _ => Err(Error::format(path, "model", "another kind", "WordLevel: a table of whole words")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(entries: &[(&str, i64)]) -> Result<WordTable> {
        WordTable::from_ids(entries.iter().map(|&(word, id)| (word.to_owned(), id)))
    }

    #[test]
    fn words_are_numbered_as_they_appear_and_found_in_lower_case() {
        let table = WordTable::from_tokens(["A", "man", "a", "Dog"]);
        assert_eq!(table.words(), ["UNK", "PAD", "a", "man", "dog"]);
        assert_eq!(table.encode(&["DOG", "cat", "A", "UNK", "PAD"]), [4, UNK, 2, UNK, UNK]);
        assert_eq!(WordTable::default().len(), 2);
    }

    #[test]
    fn tokenizer_files_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        let table = WordTable::from_tokens(["a", "\"", "naïve", "n't", "\u{2028}"]);
        table.save(&path).unwrap();
        assert_eq!(WordTable::load(&path).unwrap(), table);
        // The result of another program for the file.
        let encoded = Tokenizer::from_file(&path).unwrap().encode("A Naïve cat n't", false).unwrap();
        assert_eq!(encoded.get_ids(), table.encode(&["A", "Naïve", "cat", "n't"]));
    }

    #[test]
    fn tables_with_gaps_or_without_unk_are_refused() {
        assert_eq!(table(&[("a", 2), ("PAD", 1), ("UNK", 0)]).unwrap(), WordTable::from_tokens(["a"]));
        for (entries, what) in [
            (&[("UNK", 0), ("PAD", 1), ("a", 3)][..], "without gaps"),
            (&[("UNK", 0), ("PAD", 1), ("a", 1)], "another for each word"),
            (&[("UNK", 0), ("PAD", 1), ("a", -1)], "without gaps"),
            (&[("PAD", 0), ("UNK", 1)], "`UNK`"),
            (&[("UNK", 0)], "`PAD`"),
            (&[], "`UNK`"),
        ] {
            let error = table(entries).unwrap_err().to_string();
            assert!(error.contains(what), "{entries:?}: {error}");
        }
    }

    #[test]
    fn words_that_are_there_twice_are_refused() {
        let words = ["UNK", "PAD", "dog", "dog"].map(String::from).to_vec();
        assert!(WordTable::new(words).unwrap_err().to_string().contains("`dog` as 2 and 3"));
    }

    #[test]
    fn files_of_another_kind_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        for content in
            ["", "{}", "{\"model\": {\"type\": \"WordLevel\", \"vocab\": {\"a\": -1}, \"unk_token\": \"a\"}}"]
        {
            std::fs::write(&path, content).unwrap();
            let error = WordTable::load(&path).unwrap_err().to_string();
            assert!(error.contains("tokenizer.json"), "{error}");
        }
    }

    #[test]
    fn the_trained_checkpoint_gives_its_words() {
        let Some(path) = compexp_tests::data("snli/bowman.pth") else { return };
        let table = WordTable::from_checkpoint(&compexp_checkpoint::read(&path).unwrap()).unwrap();
        assert_eq!(table.len(), 11_987);
        assert_eq!(&table.words()[..5], ["UNK", "PAD", "a", "portly", "man"]);
        assert_eq!(table.encode(&["A", "Portly", "qwerty"]), [2, 3, 0]);
    }
}
