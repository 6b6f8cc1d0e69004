//! Treebanks in CoNLL-U, the format of Universal Dependencies: forms, lemmas, tags, features and syntax of sentences.
//!
//! A file may be compressed with gzip. Words are the syntactic words (`1`, `2`); surface tokens are the ranges of multiword
//! tokens (`2-3`) and the words in no range. Empty nodes (`8.1`), enhanced dependencies and other comments than `newdoc`,
//! `sent_id` and `text` are skipped.

mod spans;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::path::Path;

use crate::error::{Error, Result};
use crate::lines::{excerpt, for_each_line, line_error};

/// A sentence of a treebank.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sentence {
    /// `sent_id`; the sentence's number, from 1, if there is none.
    pub id: String,
    /// The document that it is part of, `newdoc id`; empty if there is none.
    pub document: String,
    /// `text`: the sentence as it was written.
    pub text: Option<String>,
    /// The line of the file on which the sentence begins, from 1.
    pub line: usize,
    /// The syntactic words, in order.
    pub words: Vec<Word>,
    /// The surface tokens, in order; they cover the words.
    pub surface: Vec<Surface>,
}

/// A syntactic word. What a treebank leaves open (`_`) is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// The word as it is written.
    pub form: String,
    /// Its lemma.
    pub lemma: String,
    /// Its universal part of speech.
    pub upos: String,
    /// Its tag of the treebank's own tag set.
    pub xpos: String,
    /// Its morphological features, each as `Name=Value`.
    pub features: Vec<String>,
    /// The place of its head among the words, from 0; none for the root, and where syntax is not annotated.
    pub head: Option<usize>,
    /// Its relation to the head.
    pub relation: String,
}

/// A token as it stands in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surface {
    /// The text of the token.
    pub form: String,
    /// The places of its words, from 0: several for a multiword token.
    pub words: Range<usize>,
    /// Whether white space follows.
    pub space_after: bool,
}

/// Reads the sentences of a treebank.
///
/// # Errors
/// [`compexp_files::Error::Io`] if the file cannot be read; [`compexp_files::Error::Format`], with the number of the line, if
/// a line is not one of CoNLL-U, the numbers of words are not 1, 2, 3, ..., a head is no word of the sentence, heads form a
/// circle, a range covers no words, or a sentence has no words.
pub fn read(path: &Path) -> Result<Vec<Sentence>> {
    let mut reader = Reader { path, sentences: Vec::new(), document: String::new(), open: Open::default() };
    for_each_line::<Error>(path, |number, line| reader.line(number, line))?;
    reader.end()?;
    Ok(reader.sentences)
}

struct Reader<'a> {
    path: &'a Path,
    sentences: Vec<Sentence>,
    document: String,
    open: Open,
}

/// The sentence that is being read.
#[derive(Default)]
struct Open {
    sentence: Sentence,
    /// Whether a comment announces a sentence.
    announced: bool,
    /// The heads as numbers of words, from 1; 0 for the root, none for `_`.
    heads: Vec<Option<usize>>,
    /// The line of each word.
    lines: Vec<usize>,
    /// The last word, from 1, of the multiword token that is being read; 0 outside of one.
    range_end: usize,
}

impl Reader<'_> {
    fn error(&self, line: usize, found: impl Into<String>, expected: impl Into<String>) -> Error {
        line_error(self.path, line, found, expected)
    }

    fn line(&mut self, number: usize, line: &str) -> Result<()> {
        if line.trim_end().is_empty() {
            return self.end();
        }
        if self.open.sentence.line == 0 {
            self.open.sentence.line = number;
        }
        match line.strip_prefix('#') {
            Some(comment) => {
                self.comment(comment);
                Ok(())
            }
            None => self.token(number, line),
        }
    }

    fn comment(&mut self, comment: &str) {
        let (key, value) = comment.split_once('=').unwrap_or((comment, ""));
        let (key, value) = (key.trim(), value.trim());
        match key {
            "newdoc id" => value.clone_into(&mut self.document),
            "newdoc" => self.document = format!("document {}", self.sentences.len() + 1),
            "sent_id" => value.clone_into(&mut self.open.sentence.id),
            "text" => self.open.sentence.text = Some(value.to_owned()),
            _ => return,
        }
        self.open.announced |= matches!(key, "sent_id" | "text");
    }

    fn token(&mut self, number: usize, line: &str) -> Result<()> {
        let fields: Vec<&str> = line.split('\t').collect();
        let &[id, form, lemma, upos, xpos, feats, head, deprel, _, misc] = &fields[..] else {
            return Err(self.error(
                number,
                format!("{} fields", fields.len()),
                "the 10 fields of CoNLL-U, separated by tabs",
            ));
        };
        let space_after = !misc.split('|').any(|item| item == "SpaceAfter=No");
        let count = self.open.sentence.words.len();
        if let Some((whole, part)) = id.split_once('.') {
            return match (whole.parse::<usize>(), part.parse::<usize>()) {
                (Ok(_), Ok(_)) => Ok(()),
                _ => Err(self.error(number, format!("the id {}", excerpt(id)), "the number of a word")),
            };
        }
        if let Some((first, last)) = id.split_once('-') {
            return match (first.parse::<usize>(), last.parse::<usize>()) {
                (Ok(first), Ok(last)) if first == count + 1 && last >= first && self.open.range_end <= count => {
                    let surface = Surface { form: form.to_owned(), words: count..last, space_after };
                    self.open.sentence.surface.push(surface);
                    self.open.range_end = last;
                    Ok(())
                }
                _ => {
                    let expected = format!("a range of words that begins with {}", count + 1);
                    Err(self.error(number, format!("the id {}", excerpt(id)), expected))
                }
            };
        }
        if id.parse() != Ok(count + 1) {
            return Err(self.error(number, format!("the id {}", excerpt(id)), format!("the word {}", count + 1)));
        }
        let value = |text: &str| if text == "_" { String::new() } else { text.to_owned() };
        let features = if feats == "_" { Vec::new() } else { feats.split('|').map(str::to_owned).collect() };
        if let Some(wrong) = features.iter().find(|f| !f.contains('=')) {
            return Err(self.error(number, format!("the feature {}", excerpt(wrong)), "features as Name=Value"));
        }
        let head = match head {
            "_" => None,
            head => Some(head.parse::<usize>().map_err(|_| {
                self.error(number, format!("the head {}", excerpt(head)), "the number of a word, 0 for the root")
            })?),
        };
        self.open.heads.push(head);
        self.open.lines.push(number);
        if self.open.range_end <= count {
            let surface = Surface { form: form.to_owned(), words: count..count + 1, space_after };
            self.open.sentence.surface.push(surface);
        }
        self.open.sentence.words.push(Word {
            form: form.to_owned(),
            lemma: if form == "_" { lemma.to_owned() } else { value(lemma) },
            upos: value(upos),
            xpos: value(xpos),
            features,
            head: None,
            relation: value(deprel),
        });
        Ok(())
    }

    /// Ends the sentence that is being read, if there is one.
    fn end(&mut self) -> Result<()> {
        let Open { mut sentence, announced, heads, lines, range_end } = std::mem::take(&mut self.open);
        let n = sentence.words.len();
        if n == 0 {
            return match announced || range_end > 0 {
                true => Err(self.error(sentence.line, "a sentence without words", "at least one word")),
                false => Ok(()),
            };
        }
        if range_end > n {
            return Err(self.error(sentence.line, format!("a range up to the word {range_end}"), format!("up to {n}")));
        }
        for ((word, head), line) in sentence.words.iter_mut().zip(&heads).zip(&lines) {
            word.head = match head {
                Some(head) if *head > n => {
                    return Err(self.error(*line, format!("the head {head}"), format!("at most {n}")));
                }
                head => head.and_then(|head| head.checked_sub(1)),
            };
        }
        if let Some(word) = in_circle(&sentence.words) {
            let found = format!("heads that form a circle with the word {}", word + 1);
            return Err(self.error(lines[word], found, "a tree"));
        }
        sentence.document.clone_from(&self.document);
        if sentence.id.is_empty() {
            sentence.id = (self.sentences.len() + 1).to_string();
        }
        self.sentences.push(sentence);
        Ok(())
    }
}

/// A word whose heads lead back to it.
fn in_circle(words: &[Word]) -> Option<usize> {
    // 0 = not seen, else the number of the walk that came by.
    let mut seen = vec![0; words.len()];
    for start in 0..words.len() {
        let mut at = Some(start);
        while let Some(word) = at.filter(|word| seen[*word] == 0) {
            seen[word] = start + 1;
            at = words[word].head;
        }
        if let Some(word) = at.filter(|word| seen[*word] == start + 1) {
            return Some(word);
        }
    }
    None
}
