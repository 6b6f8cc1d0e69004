//! Annotated sentences in files: the `.feats` format, and CoNLL-U.
//!
//! A `.feats` file MUST begin with a line of columns, `name;open` or `name;closed`, separated by `|`. Every other line is
//! a sentence: tokens separated by single blanks, each the word and its values separated by `|`, with as many values as
//! columns. A value or a line MAY be empty. `closed` says that the column's values are a small fixed set (tags), `open`
//! that they are not (lemmas). Words and values contain no blanks and no `|`.

use std::fmt::Write as _;
use std::path::Path;

use crate::error::{Error, Result};
use crate::lines::{excerpt, for_each_line, line_error};

/// Whether a column's values are a small fixed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text: lemmas.
    Open,
    /// A small fixed set: tags.
    Closed,
}

/// A column of annotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name: `lemma`, `tag`, ...
    pub name: String,
    /// The kind of its values.
    pub kind: Kind,
}

impl Column {
    /// A column.
    pub fn new(name: &str, kind: Kind) -> Self {
        Self { name: name.into(), kind }
    }
}

/// A word with its values, one per column, empty if there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The word.
    pub word: String,
    /// The values.
    pub values: Vec<String>,
}

/// Annotated sentences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Feats {
    /// What is annotated.
    pub columns: Vec<Column>,
    /// The sentences; each token has as many values as there are columns.
    pub sentences: Vec<Vec<Token>>,
}

impl Feats {
    /// Reads a `.feats` file.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`] if the file cannot be read; [`compexp_files::Error::Format`], with the line number,
    /// if a line is not valid.
    pub fn read(path: &Path) -> Result<Self> {
        let mut feats = Self::default();
        let mut any = false;
        for_each_line::<Error>(path, |number, line| {
            if number == 1 {
                any = true;
                feats.columns = columns(path, line)?;
                return Ok(());
            }
            let tokens = line.split(' ').filter(|token| !token.is_empty());
            let token = |token: &str| {
                let mut fields = token.split('|').map(String::from);
                let word = fields.next().unwrap_or_default();
                let values: Vec<String> = fields.collect();
                if word.is_empty() || values.len() != feats.columns.len() {
                    let expected = format!("a word and {} values, separated by |", feats.columns.len());
                    return Err(line_error(path, number, format!("the token {}", excerpt(token)), expected));
                }
                Ok(Token { word, values })
            };
            feats.sentences.push(tokens.map(token).collect::<Result<_>>()?);
            Ok(())
        })?;
        if any { Ok(feats) } else { Err(line_error(path, 1, "an empty file", COLUMNS)) }
    }

    /// Reads a CoNLL-U file: the columns `lemma`, `pos` (UPOS), `tag` (XPOS) and `dep` (DEPREL) of its words. Comments,
    /// ranges of multiword tokens and empty nodes are skipped; `_` is an empty value, unless the word itself is `_`. A
    /// block of comments alone with `sent_id` or `text` is a sentence without words.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`] if the file cannot be read; [`compexp_files::Error::Format`], with the line number,
    /// if a line is not valid.
    pub fn read_conllu(path: &Path) -> Result<Self> {
        let columns = vec![
            Column::new("lemma", Kind::Open),
            Column::new("pos", Kind::Closed),
            Column::new("tag", Kind::Closed),
            Column::new("dep", Kind::Closed),
        ];
        let mut sentences = Vec::new();
        let mut sentence = Vec::new();
        // Whether a comment announces a sentence, which may have no words.
        let mut announced = false;
        for_each_line::<Error>(path, |number, line| {
            if line.is_empty() {
                if std::mem::take(&mut announced) || !sentence.is_empty() {
                    sentences.push(std::mem::take(&mut sentence));
                }
                return Ok(());
            }
            if let Some(comment) = line.strip_prefix('#') {
                let key = comment.split('=').next().unwrap_or_default().trim();
                announced |= matches!(key, "sent_id" | "text");
                return Ok(());
            }
            let fields: Vec<&str> = line.split('\t').collect();
            let &[id, form, lemma, upos, xpos, _, _, deprel, _, _] = &fields[..] else {
                let found = format!("{} fields", fields.len());
                return Err(line_error(path, number, found, "the 10 fields of CoNLL-U, separated by tabs"));
            };
            if id.contains(['-', '.']) {
                return Ok(());
            }
            if id.parse::<usize>().is_err() {
                return Err(line_error(path, number, format!("the id {}", excerpt(id)), "the number of a word"));
            }
            let value = |text: &str| if text == "_" { String::new() } else { text.to_owned() };
            let lemma = if form == "_" { lemma.to_owned() } else { value(lemma) };
            sentence.push(Token { word: form.into(), values: vec![lemma, value(upos), value(xpos), value(deprel)] });
            Ok(())
        })?;
        if announced || !sentence.is_empty() {
            sentences.push(sentence);
        }
        Ok(Self { columns, sentences })
    }

    /// Writes a `.feats` file through a temporary one.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`] if the file cannot be written; [`compexp_core::Error::Mismatch`] if a word or value
    /// cannot be written in this format, or a token has another number of values than there are columns.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut text = String::new();
        for (i, column) in self.columns.iter().enumerate() {
            if column.name.is_empty() || column.name.contains(['|', ';', '\n', '\r']) {
                let found = excerpt(&column.name);
                return Err(Error::mismatch("a column's name", found, "a name without | and ;"));
            }
            let kind = if column.kind == Kind::Open { "open" } else { "closed" };
            let _ = write!(text, "{}{};{kind}", if i > 0 { "|" } else { "" }, column.name);
        }
        text.push('\n');
        for sentence in &self.sentences {
            for (i, token) in sentence.iter().enumerate() {
                if token.values.len() != self.columns.len() {
                    let what = format!("values of the word {}", excerpt(&token.word));
                    return Err(Error::mismatch(what, token.values.len(), self.columns.len()));
                }
                if i > 0 {
                    text.push(' ');
                }
                for (j, field) in std::iter::once(&token.word).chain(&token.values).enumerate() {
                    if field.contains(['|', ' ', '\n', '\r']) || (j == 0 && field.is_empty()) {
                        let expected = "a text without blanks and |, and a word that is not empty";
                        return Err(Error::mismatch("a word or value for `.feats`", excerpt(field), expected));
                    }
                    if j > 0 {
                        text.push('|');
                    }
                    text.push_str(field);
                }
            }
            text.push('\n');
        }
        Ok(compexp_files::write_bytes(path, text.as_bytes())?)
    }

    /// The place of a column.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] if there is no such column.
    pub fn column(&self, name: &str) -> Result<usize> {
        let names = || self.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
        let place = self.columns.iter().position(|column| column.name == name);
        place.ok_or_else(|| Error::mismatch("columns of annotation", names(), format!("`{name}` among them")))
    }
}

const COLUMNS: &str = "columns like `lemma;open|tag;closed`";

fn columns(path: &Path, line: &str) -> Result<Vec<Column>> {
    let column = |column: &str| match column.rsplit_once(';') {
        Some((name, "open")) if !name.is_empty() => Ok(Column::new(name, Kind::Open)),
        Some((name, "closed")) if !name.is_empty() => Ok(Column::new(name, Kind::Closed)),
        _ => Err(line_error(path, 1, format!("the column {}", excerpt(column)), COLUMNS)),
    };
    line.split('|').map(column).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn token(word: &str, values: &[&str]) -> Token {
        Token { word: word.into(), values: values.iter().map(|v| String::from(*v)).collect() }
    }

    fn check(name: &str, content: &str, read: impl Fn(&Path) -> Result<Feats>) -> Result<Feats> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        read(&path)
    }

    #[test]
    fn feats_are_written_as_they_are_read() {
        let text = "lemma;open|tag;closed\nTwo|two|CD women||NNS\n\n.|.|.\n";
        let feats = check("a.feats", text, Feats::read).unwrap();
        assert_eq!(feats.columns, [Column::new("lemma", Kind::Open), Column::new("tag", Kind::Closed)]);
        let expected =
            [vec![token("Two", &["two", "CD"]), token("women", &["", "NNS"])], vec![], vec![token(".", &[".", "."])]];
        assert_eq!(feats.sentences, expected);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.feats");
        feats.write(&path).unwrap();
        assert_eq!(fs::read_to_string(path).unwrap(), text);
        assert_eq!(feats.column("tag").unwrap(), 1);
        assert!(feats.column("dep").unwrap_err().to_string().contains("lemma, tag"));
    }

    #[test]
    fn the_development_set_is_written_as_it_is_read() {
        let Some(path) = compexp_tests::data("snli/snli_1.0_dev.feats") else { return };
        let feats = Feats::read(&path).unwrap();
        assert_eq!(feats.sentences.len(), 20_000);
        assert_eq!(feats.sentences.iter().map(Vec::len).sum::<usize>(), 237_304);
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("copy.feats");
        feats.write(&copy).unwrap();
        assert!(fs::read(path).unwrap() == fs::read(copy).unwrap(), "the files differ");
    }

    #[test]
    fn what_the_format_cannot_hold_is_not_written() {
        let columns = vec![Column::new("tag", Kind::Closed)];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.feats");
        for bad in
            [token("a|b", &["NN"]), token("a b", &["NN"]), token("", &["NN"]), token("a", &["N\nN"]), token("a", &[])]
        {
            let feats = Feats { columns: columns.clone(), sentences: vec![vec![bad.clone()]] };
            assert!(feats.write(&path).is_err(), "{bad:?}");
            assert!(!path.exists());
        }
    }

    #[test]
    fn bad_feats_are_refused_with_the_line() {
        for (content, line) in [
            ("", "line 1"),
            ("lemma\n", "line 1"),
            (";open\n", "line 1"),
            ("lemma;open\na|b c\n", "line 2"),
            ("lemma;open\na|b\n|b\n", "line 3"),
        ] {
            let error = check("a.feats", content, Feats::read).unwrap_err().to_string();
            assert!(error.contains(line), "{content:?}: {error}");
        }
    }

    #[test]
    fn conllu_gives_words_without_ranges_and_empty_nodes() {
        let text = "# text = Don't go\n1-2\tDon't\t_\t_\t_\t_\t_\t_\t_\t_\n1\tDo\tdo\tAUX\tVB\tA=1\t3\taux\t_\t_\n\
            2\tn't\tnot\tPART\tRB\t_\t3\tadvmod\t_\t_\n2.1\tx\tx\t_\t_\t_\t_\t_\t_\t_\n3\tgo\tgo\tVERB\tVB\t_\t0\troot\t_\t_\n\n\
            # second\n1\t_\t_\tPUNCT\t_\t_\t0\troot\t_\t_";
        let feats = check("a.conllu", text, Feats::read_conllu).unwrap();
        let expected = [
            vec![
                token("Do", &["do", "AUX", "VB", "aux"]),
                token("n't", &["not", "PART", "RB", "advmod"]),
                token("go", &["go", "VERB", "VB", "root"]),
            ],
            vec![token("_", &["_", "PUNCT", "", "root"])],
        ];
        assert_eq!(feats.sentences, expected);
        for (content, what) in [("1\ta\n", "2 fields"), ("x\ta\t_\t_\t_\t_\t_\t_\t_\t_\n", "`x`")] {
            let error = check("a.conllu", content, Feats::read_conllu).unwrap_err().to_string();
            assert!(error.contains("line 1") && error.contains(what), "{error}");
        }
    }

    #[test]
    fn a_block_of_comments_alone_is_an_empty_sentence() {
        let word = "1\tdog\tdog\tNOUN\tNN\t_\t_\t_\t_\t_\n";
        let content =
            format!("# a file\n\n# sent_id = 1\n# text = dog\n{word}\n# sent_id = 2\n# text = \n\n\n{word}\n# text =");
        let feats = check("a.conllu", &content, Feats::read_conllu).unwrap();
        assert_eq!(feats.sentences.iter().map(Vec::len).collect::<Vec<_>>(), [1, 0, 1, 0]);
    }
}
