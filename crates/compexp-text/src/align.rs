//! The tokens of a language model, and which of them stand on which word.
//!
//! A [`ModelTokenizer`] is any `tokenizer.json` of Hugging Face. [`Tokens::align`] compares where words and tokens are in the text.
//! All places are in Unicode code points: a character is one, however many bytes it takes.

use std::ops::Range;
use std::path::{Path, PathBuf};

use compexp_files::read_bytes;
use tokenizers::Tokenizer;

use crate::error::{Error, Result};

/// The longest `tokenizer.json` that is read, in bytes: those of 250,000 tokens take 20 MB.
const MAX_TOKENIZER: u64 = 1 << 28;

/// The tokenizer of a model. It cuts no text and adds no padding, whatever its file says.
pub struct ModelTokenizer {
    path: PathBuf,
    tokenizer: Tokenizer,
}

/// The tokens of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// Their numbers, special tokens included.
    pub ids: Vec<u32>,
    /// The characters of each, in code points; `0..0` for special tokens.
    pub spans: Vec<Range<usize>>,
    /// Whether the tokenizer added the token (`[CLS]`, `[SEP]`).
    pub special: Vec<bool>,
    /// Tokens that [`Self::cut`] left out.
    left_out: usize,
}

/// Which tokens of a text stand on which word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alignment {
    /// Where the tokens of each word begin in `tokens`, and the end of the last one's.
    starts: Vec<usize>,
    tokens: Vec<usize>,
    /// The word of each token.
    words: Vec<Option<usize>>,
}

impl ModelTokenizer {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`] if the file cannot be read, [`compexp_files::Error::Format`] if it is no tokenizer.
    pub fn open(path: &Path) -> Result<Self> {
        let bytes = read_bytes(path, MAX_TOKENIZER)?;
        let refused = |e: tokenizers::Error| {
            Error::format(path, "tokenizer", e.to_string(), "a tokenizer.json, as the package `tokenizers` writes it")
        };
        let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(refused)?;
        tokenizer.with_truncation(None).map_err(refused)?;
        tokenizer.with_padding(None);
        Ok(Self { path: path.to_owned(), tokenizer })
    }

    /// The tokens of a text, with the special tokens that the model expects.
    ///
    /// # Errors
    /// [`compexp_files::Error::Format`] if the tokenizer fails, as one without a token for unknown words does.
    pub fn tokens(&self, text: &str) -> Result<Tokens> {
        let encoding = self.tokenizer.encode_char_offsets(text, true).map_err(|e| {
            let found = format!("{e} in the text {}", compexp_files::excerpt(text));
            Error::format(&self.path, "tokenizer", found, "a tokenizer that takes any text")
        })?;
        Ok(Tokens {
            ids: encoding.get_ids().to_vec(),
            spans: encoding.get_offsets().iter().map(|(start, end)| *start..*end).collect(),
            special: encoding.get_special_tokens_mask().iter().map(|special| *special != 0).collect(),
            left_out: 0,
        })
    }

    /// The names of tokens, such as `##ing`, from their numbers; `text` is the number of their text, for errors.
    ///
    /// # Errors
    /// [`Error::UnknownToken`] if a number is not in the vocabulary: the tokens come from another tokenizer.
    pub fn names(&self, text: usize, ids: &[u32]) -> Result<Vec<String>> {
        let name = |(token, &id): (usize, &u32)| {
            let vocabulary = self.tokenizer.get_vocab_size(true);
            self.tokenizer.id_to_token(id).ok_or(Error::UnknownToken { text, token, id, vocabulary })
        };
        ids.iter().enumerate().map(name).collect()
    }
}

impl Tokens {
    /// The number of tokens.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no token, not even a special one.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Whether [`Self::cut`] left tokens out.
    pub fn is_cut(&self) -> bool {
        self.left_out > 0
    }

    /// Cuts the text to the positions of a model: leaves out its last tokens, but no special ones. Returns how many.
    pub fn cut(&mut self, positions: usize) -> usize {
        let mut over = self.len().saturating_sub(positions);
        let before = self.len();
        for at in (0..before).rev() {
            if over > 0 && !self.special[at] {
                self.ids.remove(at);
                self.spans.remove(at);
                self.special.remove(at);
                over -= 1;
            }
        }
        let cut = before - self.len();
        self.left_out += cut;
        cut
    }

    /// Finds the tokens of each word, from the words' characters in code points. A token stands on a word if they share a
    /// character; one that reaches over the border of two words stands on both. Special tokens stand on none. Words may share
    /// characters, as those of a multiword token do. Of a text that was cut, words behind the cut have no tokens.
    ///
    /// # Errors
    /// [`Error::NoToken`] if a word of a text that was not cut has no token.
    pub fn align(&self, words: &[Range<usize>]) -> Result<Alignment> {
        // By start; with the furthest end of those up to each, so that a look backwards knows where to stop.
        let mut order: Vec<usize> = (0..self.len()).filter(|at| !self.special[*at]).collect();
        order.sort_by_key(|at| self.spans[*at].start);
        let furthest: Vec<usize> = order
            .iter()
            .scan(0, |end, at| {
                *end = self.spans[*at].end.max(*end);
                Some(*end)
            })
            .collect();
        let mut alignment = Alignment { starts: vec![0], tokens: Vec::new(), words: vec![None; self.len()] };
        for (word, chars) in words.iter().enumerate() {
            let first = alignment.tokens.len();
            let before = order.partition_point(|at| self.spans[*at].start < chars.end);
            let reaching = (0..before).rev().take_while(|place| furthest[*place] > chars.start);
            alignment.tokens.extend(reaching.map(|place| order[place]).filter(|at| self.spans[*at].end > chars.start));
            let found = &mut alignment.tokens[first..];
            found.sort_unstable();
            if found.is_empty() && self.left_out == 0 {
                return Err(Error::NoToken { word, start: chars.start, end: chars.end });
            }
            for at in found {
                alignment.words[*at].get_or_insert(word);
            }
            alignment.starts.push(alignment.tokens.len());
        }
        Ok(alignment)
    }
}

impl Alignment {
    /// The number of words.
    pub fn words(&self) -> usize {
        self.starts.len() - 1
    }

    /// The tokens that stand on a word, in ascending order; none for a word behind a cut, or of a number that is too high.
    /// The first is the one whose activation is the word's.
    pub fn tokens(&self, word: usize) -> &[usize] {
        match self.starts.get(word..=word.saturating_add(1)) {
            Some(&[from, to]) => &self.tokens[from..to],
            _ => &[],
        }
    }

    /// The word that a token stands on, the first if there are several; none for special tokens and those between words, which
    /// are outside the universe.
    pub fn word(&self, token: usize) -> Option<usize> {
        self.words.get(token).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use compexp_tests::files::Scratch;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Golden {
        sentences: Vec<Record>,
        extra: Vec<Record>,
    }

    #[derive(Deserialize)]
    struct Record {
        sent_id: String,
        text: String,
        token_ids: Vec<u32>,
        token_offsets: Vec<(usize, usize)>,
        /// Id, first character, end, tokens.
        words: Vec<(String, usize, usize, Vec<usize>)>,
    }

    fn spans(spans: &[(usize, usize)]) -> Vec<Range<usize>> {
        spans.iter().map(|(start, end)| *start..*end).collect()
    }

    #[test]
    fn words_and_tokens_of_the_treebank_are_aligned_as_its_golden_file_says() {
        let (Some(golden), Some(tokenizer)) =
            (compexp_tests::data("ud-ewt/golden_alignment.json"), compexp_tests::data("minilm/tokenizer.json"))
        else {
            return;
        };
        let Golden { sentences, extra } = compexp_files::read_json(&golden).unwrap();
        let tokenizer = ModelTokenizer::open(&tokenizer).unwrap();
        assert_eq!((sentences.len(), extra.len()), (200, 24));
        for record in sentences.iter().chain(&extra) {
            let tokens = tokenizer.tokens(&record.text).unwrap();
            assert_eq!(tokens.ids, record.token_ids, "{}", record.sent_id);
            assert_eq!(tokens.spans, spans(&record.token_offsets), "{}", record.sent_id);
            let words: Vec<_> = record.words.iter().map(|word| word.1..word.2).collect();
            let alignment = tokens.align(&words).unwrap();
            assert_eq!(alignment.words(), words.len());
            for (word, (id, _, _, expected)) in record.words.iter().enumerate() {
                assert_eq!(alignment.tokens(word), expected, "{}, word {id}", record.sent_id);
            }
            for token in 0..tokens.len() {
                let first = record.words.iter().position(|word| word.3.contains(&token));
                assert_eq!(alignment.word(token), first, "{}, token {token}", record.sent_id);
            }
            assert!(tokens.special[0] && alignment.word(0).is_none());
        }
    }

    /// Tokens at these places, the first and the last special.
    fn tokens(places: &[(usize, usize)]) -> Tokens {
        let n = places.len();
        let special = (0..n).map(|at| at == 0 || at + 1 == n).collect();
        Tokens { ids: (0..n as u32).collect(), spans: spans(places), special, left_out: 0 }
    }

    #[test]
    fn tokens_over_borders_and_between_words_and_shared_words_are_told() {
        // `Alot of  it's`, with a token of a blank, as byte-level tokenizers have them, and tokens out of order.
        let tokens = tokens(&[(0, 0), (0, 3), (2, 7), (8, 9), (11, 13), (9, 11), (0, 0)]);
        let words = spans(&[(0, 1), (1, 4), (5, 7), (9, 13), (9, 13)]);
        let alignment = tokens.align(&words).unwrap();
        let found: Vec<_> = (0..5).map(|word| alignment.tokens(word)).collect();
        assert_eq!(found, [&[1][..], &[1, 2], &[2], &[4, 5], &[4, 5]]);
        let words: Vec<_> = (0..7).map(|token| alignment.word(token)).collect();
        assert_eq!(words, [None, Some(0), Some(1), None, Some(3), Some(3), None]);
        assert!(alignment.tokens(5).is_empty() && alignment.tokens(usize::MAX).is_empty());
    }

    #[test]
    fn a_word_without_a_token_is_an_error_unless_the_text_was_cut() {
        let mut tokens = tokens(&[(0, 0), (0, 2), (3, 5), (0, 0)]);
        let words = spans(&[(0, 2), (3, 5), (6, 7)]);
        let error = tokens.align(&words).unwrap_err();
        assert!(matches!(error, Error::NoToken { word: 2, start: 6, end: 7 }), "{error}");
        assert_eq!((tokens.cut(4), tokens.cut(3)), (0, 1));
        assert_eq!((&tokens.ids[..], &tokens.special[..]), (&[0, 1, 3][..], &[true, false, true][..]));
        let alignment = tokens.align(&words).unwrap();
        assert_eq!([0, 1, 2].map(|word| alignment.tokens(word).len()), [1, 0, 0]);
    }

    /// A tokenizer of words, whose file asks to cut and to pad.
    const SMALL: &str = r#"{
        "version": "1.0", "normalizer": {"type": "Lowercase"}, "pre_tokenizer": {"type": "Whitespace"}, "decoder": null,
        "truncation": {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0},
        "padding": {"strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0,
                    "pad_token": "[PAD]"},
        "added_tokens": [], "post_processor": null,
        "model": {"type": "WordLevel", "vocab": {"[PAD]": 0, "[UNK]": 1, "dog": 2, "é": 3}, "unk_token": "[UNK]"}
    }"#;

    #[test]
    fn a_tokenizer_neither_cuts_nor_pads_and_counts_code_points() {
        let scratch = Scratch::new();
        let tokenizer = ModelTokenizer::open(&scratch.write("tokenizer.json", SMALL.as_bytes())).unwrap();
        let tokens = tokenizer.tokens("É 🦀🦀 dog dog").unwrap();
        assert_eq!(tokens.ids, [3, 1, 2, 2]);
        assert_eq!(tokens.spans, spans(&[(0, 1), (2, 4), (5, 8), (9, 12)]));
        assert_eq!(tokenizer.names(0, &tokens.ids).unwrap(), ["é", "[UNK]", "dog", "dog"]);
        assert!(tokenizer.tokens("").unwrap().is_empty());
        let error = tokenizer.names(7, &[2, 4]).unwrap_err();
        assert!(matches!(error, Error::UnknownToken { text: 7, token: 1, id: 4, vocabulary: 4 }), "{error}");
        let error = ModelTokenizer::open(&scratch.write("no.json", b"{}")).err().unwrap().to_string();
        assert!(error.contains("no.json`: tokenizer: found"), "{error}");
    }
}
