//! The attributes of a word that the tagger uses: normal form, first letter, last letters and shape, as spaCy's
//! numbers.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use compexp_files::{parse_json, read_text};
use serde::Deserialize;

use super::hash::murmur64a;
use super::symbols::{BASE_NORMS, SYMBOLS};
use crate::error::Result;
use crate::msgpack::{MAX_FILE, Packed};

/// The attributes of a word that can be the columns of an embedding, by the names of spaCy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attribute {
    Norm,
    Prefix,
    Suffix,
    Shape,
    /// Whether a blank follows; always 1 here: sentences come split into words.
    Spacy,
    IsSpace,
    Lower,
    Orth,
}

impl Attribute {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "NORM" => Self::Norm,
            "PREFIX" => Self::Prefix,
            "SUFFIX" => Self::Suffix,
            "SHAPE" => Self::Shape,
            "SPACY" => Self::Spacy,
            "IS_SPACE" => Self::IsSpace,
            "LOWER" => Self::Lower,
            "ORTH" => Self::Orth,
            _ => return None,
        })
    }
}

/// The numbers of strings in spaCy, and the normal forms of words.
pub(crate) struct Lexicon {
    symbols: HashMap<String, u64>,
    base_norms: HashMap<String, String>,
    /// By the hash of the word.
    norms: HashMap<u64, String>,
}

#[derive(Deserialize)]
struct SymbolFile {
    symbols: HashMap<String, u64>,
    #[serde(alias = "base")]
    base_norms: HashMap<String, String>,
}

impl Lexicon {
    /// Reads the table `lexeme_norm` of a model's `vocab/lookups.bin`, and where `symbols` is given, the symbols from
    /// there instead of the built-in ones.
    pub(crate) fn load(lookups: &Path, symbols: Option<&Path>) -> Result<Self> {
        let (symbols, base_norms) = match symbols {
            None => built_in(),
            Some(path) => {
                let form = "JSON with `symbols` (text to number) and `base_norms` (text to text)";
                let file: SymbolFile = parse_json(path, None, &read_text(path, MAX_FILE)?, form)?;
                (file.symbols, file.base_norms)
            }
        };
        let packed = Packed::open(lookups)?;
        let mut norms = HashMap::new();
        // In a model without the table, every word is its own normal form.
        if let Some(table) = packed.value()?.get("lexeme_norm") {
            let expected = "a map from hashes to texts";
            let table = table.map().ok_or_else(|| packed.missing("lexeme_norm", expected))?;
            for (hash, norm) in table {
                let (Some(hash), Some(norm)) = (hash.hash(), norm.text()) else {
                    return Err(packed.missing("an entry of lexeme_norm", expected));
                };
                norms.insert(hash, norm.to_owned());
            }
        }
        Ok(Self { symbols, base_norms, norms })
    }

    /// The number of a string: 0 for the empty string, the number of a symbol, otherwise the hash.
    pub(crate) fn id(&self, text: &str) -> u64 {
        match self.symbols.get(text) {
            _ if text.is_empty() => 0,
            Some(&id) => id,
            None => murmur64a(text.as_bytes(), 1),
        }
    }

    /// The normal form of a word: that of a list, else the word in lower case.
    pub(crate) fn norm<'a>(&'a self, word: &'a str) -> Cow<'a, str> {
        match self.base_norms.get(word).or_else(|| self.norms.get(&self.id(word))) {
            Some(norm) => Cow::Borrowed(norm),
            None => Cow::Owned(word.to_lowercase()),
        }
    }

    /// The number of a word's attribute.
    pub(crate) fn attribute(&self, word: &str, attribute: Attribute) -> u64 {
        match attribute {
            Attribute::Norm => self.id(&self.norm(word)),
            Attribute::Prefix => self.id(word.char_indices().nth(1).map_or(word, |(end, _)| &word[..end])),
            Attribute::Suffix => self.id(word.char_indices().rev().nth(2).map_or(word, |(start, _)| &word[start..])),
            Attribute::Shape => self.id(&shape(word)),
            Attribute::Spacy => 1,
            Attribute::IsSpace => u64::from(is_space(word)),
            Attribute::Lower => self.id(&word.to_lowercase()),
            Attribute::Orth => self.id(word),
        }
    }
}

fn built_in() -> (HashMap<String, u64>, HashMap<String, String>) {
    let symbols = SYMBOLS.split_whitespace().map(String::from).zip(1..).collect();
    let norms = BASE_NORMS.iter().map(|&(word, norm)| (word.to_owned(), norm.to_owned())).collect();
    (symbols, norms)
}

/// Whether a word is only white space.
pub(crate) fn is_space(word: &str) -> bool {
    !word.is_empty() && word.chars().all(char::is_whitespace)
}

/// The shape of a word: capitals as `X`, other letters as `x`, digits as `d`, other characters unchanged, no run longer
/// than 4; `LONG` from 100 characters on.
fn shape(word: &str) -> String {
    if word.chars().nth(99).is_some() {
        return "LONG".into();
    }
    let (mut shape, mut last, mut run) = (String::new(), None, 0);
    for c in word.chars() {
        let class = if c.is_alphabetic() {
            if c.is_uppercase() { 'X' } else { 'x' }
        } else if is_digit(c) {
            'd'
        } else {
            c
        };
        run = if last == Some(class) { run + 1 } else { 1 };
        last = Some(class);
        if run <= 4 {
            shape.push(class);
        }
    }
    shape
}

/// Python's `str.isdigit`: decimal digits, superscripts and circled digits, but no fractions, Roman or higher numbers.
/// (Numbers outside the ranges that English text uses are taken as digits.)
fn is_digit(c: char) -> bool {
    const NO_DIGITS: [(char, char); 4] = [('¼', '¾'), ('\u{2150}', '\u{218b}'), ('\u{2469}', '\u{2473}'), ('〇', '〺')];
    c.is_numeric() && !NO_DIGITS.iter().any(|(first, last)| (first..=last).contains(&&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lexicon() -> Lexicon {
        let (symbols, base_norms) = built_in();
        let norms = HashMap::from([(murmur64a(b"cuz", 1), "because".into())]);
        Lexicon { symbols, base_norms, norms }
    }

    #[test]
    fn shapes_are_spacys() {
        for (word, expected) in [
            ("Two", "Xxx"),
            ("embracing", "xxxx"),
            ("McDonalds", "XxXxxxx"),
            ("1,000", "d,ddd"),
            ("2nd", "dxx"),
            ("------", "----"),
            ("x²", "xd"),
            ("½", "½"),
            ("", ""),
        ] {
            assert_eq!(shape(word), expected, "{word}");
        }
        assert_eq!(shape(&"a".repeat(99)), "xxxx");
        assert_eq!(shape(&"a".repeat(100)), "LONG");
    }

    #[test]
    fn attributes_of_short_and_foreign_words_are_cut_at_characters() {
        let l = lexicon();
        for (word, attribute, expected) in [
            ("naïve", Attribute::Suffix, "ïve"),
            ("éa", Attribute::Prefix, "é"),
            ("a", Attribute::Suffix, "a"),
            ("Dogs", Attribute::Norm, "dogs"),
            ("cuz", Attribute::Norm, "because"),
            ("“", Attribute::Norm, "\""),
        ] {
            assert_eq!(l.attribute(word, attribute), l.id(expected), "{word} {attribute:?}");
        }
        assert_eq!(l.attribute("", Attribute::Suffix), 0);
        assert_eq!(l.attribute(" \n", Attribute::IsSpace), 1);
    }

    #[test]
    fn symbols_keep_their_own_numbers() {
        let l = lexicon();
        assert_eq!((l.id("IS_ALPHA"), l.id("NOUN"), l.id("X"), l.id("IDX"), l.id("")), (1, 92, 101, 455, 0));
        assert_eq!(l.id("dogs"), murmur64a(b"dogs", 1));
    }

    #[test]
    fn the_built_in_symbols_are_those_of_the_data_folder() {
        let Some(path) = compexp_tests::data("spacy/symbols.json") else { return };
        let file: SymbolFile = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let (symbols, norms) = built_in();
        assert_eq!(file.symbols, symbols);
        assert_eq!(file.base_norms, norms);
    }

    #[test]
    fn lookups_of_another_kind_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lookups.bin");
        for content in [&b""[..], b"\x81\xablexeme_norm\x01", b"\x81\xablexeme_norm\x81\xa1a\xa1b"] {
            std::fs::write(&path, content).unwrap();
            let error = Lexicon::load(&path, None).err().unwrap().to_string();
            assert!(error.contains("lookups.bin"), "{error}");
        }
    }
}
