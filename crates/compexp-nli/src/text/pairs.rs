//! Files of sentence pairs: SNLI's tables and JSON lines, and tokenised text.

use std::path::Path;

use compexp_files::{Cell, Header, ParquetFile, is_parquet, parse_json};
use compexp_text::lines::{self, excerpt, for_each_line};
use serde::Deserialize;

use super::{Label, Pair};
use crate::error::{Error, Result};

/// The columns of a table: of the label, the premise and the hypothesis, each with SNLI's own name.
const NAMES: [(&str, &str); 3] = [("label", "gold_label"), ("premise", "sentence1"), ("hypothesis", "sentence2")];

/// What a label must be.
const EXPECTED_LABEL: &str = "entailment, neutral or contradiction; - or UNK where there is none";

/// Reads a file of sentence pairs. A Parquet file is known by its first bytes: it has the columns `premise`, `hypothesis` and
/// `label` (or SNLI's names), as SNLI on the Hugging Face hub has them, and a label is its index, or -1 if there is none. Of other
/// files the extension determines the format:
///
/// - `.jsonl`: one object per line with `sentence1`, `sentence2` and `gold_label` (SNLI's own, other keys ignored);
/// - `.tok`: premise and hypothesis on alternating lines, see [`read_tok`]; no labels;
/// - any other: a table separated by tabs whose first line names the columns: `gold_label`, `sentence1`, `sentence2`
///   (SNLI's own `.txt`) or `label`, `premise`, `hypothesis`, in any order, others ignored.
///
/// A label is `entailment`, `neutral` or `contradiction`; `-`, `UNK` or nothing if there is none.
///
/// # Errors
/// [`compexp_files::Error::Io`] if the file cannot be read; [`compexp_files::Error::Format`], with the line number, if
/// a line is not valid.
pub fn read_pairs(path: &Path) -> Result<Vec<Pair>> {
    if is_parquet(path)? {
        return read_parquet(path);
    }
    match path.extension().and_then(|e| e.to_str()) {
        Some("jsonl") => read_jsonl(path),
        Some("tok") => read_tok(path, None),
        _ => read_table(path),
    }
}

/// Reads tokenised pairs: premise and hypothesis on alternating lines, tokens separated by blanks. `gold` holds their
/// labels, as many as pairs; see [`read_gold`].
///
/// # Errors
/// [`compexp_files::Error::Io`]; [`compexp_files::Error::Format`] if a premise has no hypothesis; [`compexp_core::Error::Mismatch`] if the number of labels is
/// another.
pub fn read_tok(path: &Path, gold: Option<&[Option<Label>]>) -> Result<Vec<Pair>> {
    let mut pairs: Vec<Pair> = Vec::new();
    let mut premise = None;
    let mut last = 0;
    for_each_line::<Error>(path, |number, line| {
        last = number;
        match premise.take() {
            None => premise = Some(line.to_owned()),
            Some(premise) => pairs.push(Pair { label: None, premise, hypothesis: line.to_owned() }),
        }
        Ok(())
    })?;
    if premise.is_some() {
        return Err(line_error(path, last, "a premise at the end of the file", "its hypothesis on the next line"));
    }
    if let Some(gold) = gold {
        if gold.len() != pairs.len() {
            let what = format!("gold labels for `{}`", path.display());
            return Err(Error::mismatch(what, gold.len(), format!("{}, one a pair of lines", pairs.len())));
        }
        for (pair, label) in pairs.iter_mut().zip(gold) {
            pair.label = *label;
        }
    }
    Ok(pairs)
}

/// Reads gold labels of `n` pairs, one per line. Empty lines at the end, behind `n` labels, are no labels.
///
/// # Errors
/// [`compexp_files::Error::Io`] if the file cannot be read; [`compexp_files::Error::Format`], with the line number, if
/// a line is not valid.
pub fn read_gold(path: &Path, n: usize) -> Result<Vec<Option<Label>>> {
    let mut labels = Vec::new();
    // How many there are up to the last line that is not empty.
    let mut filled = 0;
    for_each_line::<Error>(path, |number, line| {
        labels.push(label(path, number, line)?);
        filled = if line.is_empty() { filled } else { labels.len() };
        Ok(())
    })?;
    labels.truncate(filled.max(n));
    Ok(labels)
}

fn label(path: &Path, number: usize, text: &str) -> Result<Option<Label>> {
    Label::parse(text).ok_or_else(|| line_error(path, number, format!("the label {}", excerpt(text)), EXPECTED_LABEL))
}

fn read_parquet(path: &Path) -> Result<Vec<Pair>> {
    let file = ParquetFile::open(path)?;
    let columns = NAMES.iter().map(|(a, b)| file.column(&[a, b])).collect::<Result<Vec<_>, _>>()?;
    let mut pairs = Vec::new();
    file.for_each_row::<Error>(&columns, |row, cells| {
        let wrong = |column: usize, found: String, expected: &str| {
            let [(label, _), (premise, _), (hypothesis, _)] = NAMES;
            let name = [label, premise, hypothesis][column];
            Error::format(path, format!("{name} of row {row} (from 0)"), found, expected)
        };
        let text = |column: usize| match cells[column] {
            Cell::Bytes(bytes) => std::str::from_utf8(bytes)
                .map(str::to_owned)
                .map_err(|_| wrong(column, "bytes that are not UTF-8".into(), "text")),
            Cell::Int(value) => Err(wrong(column, format!("the number {value}"), "text")),
            Cell::Null => Err(wrong(column, "null".into(), "text")),
        };
        let label = match cells[0] {
            Cell::Null | Cell::Int(-1) => None,
            Cell::Int(index) => Some(usize::try_from(index).ok().and_then(Label::from_index).ok_or_else(|| {
                wrong(0, index.to_string(), "0 (entailment), 1 (neutral), 2 (contradiction), or -1 where there is none")
            })?),
            Cell::Bytes(_) => {
                let name = text(0)?;
                Label::parse(&name).ok_or_else(|| wrong(0, excerpt(&name), EXPECTED_LABEL))?
            }
        };
        pairs.push(Pair { label, premise: text(1)?, hypothesis: text(2)? });
        Ok(())
    })?;
    Ok(pairs)
}

#[derive(Deserialize)]
struct Record {
    gold_label: Option<String>,
    sentence1: String,
    sentence2: String,
}

fn read_jsonl(path: &Path) -> Result<Vec<Pair>> {
    let form = "a JSON object with the texts gold_label, sentence1 and sentence2";
    let mut pairs = Vec::new();
    let mut end = End::default();
    let read = for_each_line::<Error>(path, |number, line| {
        if end.is_blank(path, number, line, form)? {
            return Ok(());
        }
        let record: Record = parse_json(path, Some(number), line, form)?;
        let label = label(path, number, record.gold_label.as_deref().unwrap_or(""))?;
        pairs.push(Pair { label, premise: record.sentence1, hypothesis: record.sentence2 });
        Ok(())
    });
    match end.first_blank.filter(|_| read.is_err() || pairs.is_empty()) {
        Some(blank) => Err(line_error(path, blank, "an empty line", form)),
        None => read.map(|()| pairs),
    }
}

/// Empty lines, which only the end of a file may have.
#[derive(Default)]
struct End {
    first_blank: Option<usize>,
}

impl End {
    /// Whether a line is empty. A line behind an empty one is refused unless it is empty too.
    fn is_blank(&mut self, path: &Path, number: usize, line: &str, expected: &str) -> Result<bool> {
        match (line.trim().is_empty(), self.first_blank) {
            (true, _) => {
                self.first_blank.get_or_insert(number);
                Ok(true)
            }
            (false, Some(blank)) => Err(line_error(path, blank, "an empty line", expected)),
            (false, None) => Ok(false),
        }
    }
}

/// The columns of a table. Tabs separate the fields, and there is no quoting.
struct Columns {
    n: usize,
    label: usize,
    premise: usize,
    hypothesis: usize,
}

impl Columns {
    fn read(path: &Path, header: &str) -> Result<Self> {
        let names = Header::new(path, header.split('\t'))?;
        let find = |(a, b): (&str, &str)| match (names.find(a)?, names.find(b)?) {
            (Some(_), Some(_)) => {
                let found = format!("the columns `{a}` and `{b}`");
                Err(line_error(path, 1, found, "one of the two: which of them is meant?"))
            }
            (Some(at), None) | (None, Some(at)) => Ok(at),
            (None, None) => {
                let expected =
                    format!("a column `{a}` or `{b}`: the first line must name the columns, separated by tabs");
                Err(line_error(path, 1, format!("the columns {}", excerpt(header)), expected))
            }
        };
        let [label, premise, hypothesis] = NAMES;
        Ok(Self { n: names.names().len(), label: find(label)?, premise: find(premise)?, hypothesis: find(hypothesis)? })
    }
}

/// A [`compexp_files::Error::Format`] about a line.
fn line_error(path: &Path, number: usize, found: impl Into<String>, expected: impl Into<String>) -> Error {
    lines::line_error(path, number, found, expected).into()
}

fn read_table(path: &Path) -> Result<Vec<Pair>> {
    let mut columns = None;
    let mut pairs = Vec::new();
    let mut end = End::default();
    for_each_line::<Error>(path, |number, line| {
        let Some(columns) = &columns else {
            columns = Some(Columns::read(path, line)?);
            return Ok(());
        };
        if end.is_blank(path, number, line, "a pair, its fields separated by tabs")? {
            return Ok(());
        }
        let fields: Vec<&str> = line.split('\t').collect();
        // SNLI's own tables may omit the labels of the fourth and fifth annotator at the end of a line, so only the
        // required columns must be there.
        let needed = 1 + columns.label.max(columns.premise).max(columns.hypothesis);
        if fields.len() < needed || fields.len() > columns.n {
            let expected = if needed == columns.n { needed.to_string() } else { format!("{needed} to {}", columns.n) };
            let expected = format!("{expected}, as the first line names them");
            return Err(line_error(path, number, format!("{} fields", fields.len()), expected));
        }
        pairs.push(Pair {
            label: label(path, number, fields[columns.label])?,
            premise: fields[columns.premise].to_owned(),
            hypothesis: fields[columns.hypothesis].to_owned(),
        });
        Ok(())
    })?;
    if columns.is_none() {
        return Err(line_error(path, 1, "an empty file", "the names of the columns"));
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use compexp_files::{Values, write_parquet};

    use super::*;

    fn check(name: &str, content: &str) -> Result<Vec<Pair>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        read_pairs(&path)
    }

    fn pair(label: Option<Label>, premise: &str, hypothesis: &str) -> Pair {
        Pair { label, premise: premise.into(), hypothesis: hypothesis.into() }
    }

    #[test]
    fn the_formats_give_the_same_pairs() {
        let expected =
            [pair(Some(Label::Neutral), "A \"man\" runs .", "He is late ."), pair(None, "Two dogs .", "A cat .")];
        let official = "gold_label\tsentence1_binary_parse\tsentence1\tsentence2\tcaptionID\tlabel1\tlabel2\n\
            neutral\t( )\tA \"man\" runs .\tHe is late .\t1.jpg#0\tneutral\n-\t( )\tTwo dogs .\tA cat .\t2.jpg#1\t\t\n";
        assert_eq!(check("snli_1.0_dev.txt", official).unwrap(), expected);
        let plain = "label\tpremise\thypothesis\r\nneutral\tA \"man\" runs .\tHe is late .\r\n-\tTwo dogs .\tA cat .";
        assert_eq!(check("train.tsv", plain).unwrap(), expected);
        let json = r#"{"gold_label":"neutral","sentence1":"A \"man\" runs .","sentence2":"He is late .","pairID":"x"}
            {"gold_label":"-","sentence1":"Two dogs .","sentence2":"A cat .","annotator_labels":["neutral"]}"#;
        assert_eq!(check("dev.jsonl", json).unwrap(), expected);
        let mut unlabelled = expected.clone();
        unlabelled[0].label = None;
        assert_eq!(check("dev.tok", "A \"man\" runs .\nHe is late .\nTwo dogs .\nA cat .\n").unwrap(), unlabelled);
    }

    /// Whether this build reads Parquet follows from the features of the whole build.
    #[test]
    fn parquet_files_give_the_same_pairs_as_text() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/parquet/snli.parquet");
        let folder = tempfile::tempdir().unwrap();
        // Known by its first bytes.
        let path = folder.path().join("snli.txt");
        fs::copy(golden, &path).unwrap();
        if !compexp_files::HAS_PARQUET {
            let e = read_pairs(&path).unwrap_err().to_string();
            assert!(e.contains("build it with its feature `parquet`"), "{e}");
            return;
        }
        let json = [
            r#"{"gold_label":"entailment","sentence1":"A man runs.","sentence2":"Someone moves."}"#,
            r#"{"gold_label":"contradiction","sentence1":"Two dogs play\tin snow.","sentence2":"The cats sleep."}"#,
            r#"{"gold_label":"-","sentence1":"Une fille lit \u00e0 table.","sentence2":"Elle mange."}"#,
            r#"{"gold_label":"neutral","sentence1":"A man runs.","sentence2":"He is late."}"#,
        ];
        let expected = check("a.jsonl", &json.join("\n")).unwrap();
        assert_eq!(read_pairs(&path).unwrap(), expected);
        let write = |label: Values, premise: Values| {
            let columns = [("gold_label", label), ("sentence1", premise), ("sentence2", text(Some("b")))];
            write_parquet(&path, &columns.map(|(name, values)| (name.to_owned(), values))).unwrap();
            read_pairs(&path)
        };
        fn text(value: Option<&str>) -> Values {
            Values::Text(vec![value.map(str::to_owned)])
        }
        assert_eq!(write(text(Some("neutral")), text(Some("a"))).unwrap(), [pair(Some(Label::Neutral), "a", "b")]);
        assert_eq!(write(Values::Int(vec![None]), text(Some("a"))).unwrap(), [pair(None, "a", "b")]);
        for (label, premise, what) in [
            (Values::Int(vec![Some(3)]), text(Some("a")), "label of row 0 (from 0): found 3, expected 0 (entailment)"),
            (text(Some("maybe")), text(Some("a")), "label of row 0 (from 0): found `maybe`, expected entailment"),
            (text(None), text(None), "premise of row 0 (from 0): found null, expected text"),
            (text(None), Values::Int(vec![Some(1)]), "premise of row 0 (from 0): found the number 1, expected text"),
            (text(None), Values::Bytes(vec![Some(vec![0xff])]), "found bytes that are not UTF-8, expected text"),
        ] {
            let e = write(label, premise).unwrap_err().to_string();
            assert!(e.contains(what), "{e}");
        }
    }

    #[test]
    fn gold_labels_are_joined_to_tokenised_pairs() {
        let folder = tempfile::tempdir().unwrap();
        let (tok, gold) = (folder.path().join("dev.tok"), folder.path().join("gold.txt"));
        fs::write(&tok, "a\nb\nc\nd\n").unwrap();
        fs::write(&gold, "contradiction\nUNK\n").unwrap();
        let read = |n| read_gold(&gold, n).unwrap();
        fs::write(&gold, "contradiction\nUNK\n\n").unwrap();
        assert_eq!((read(2).len(), read(3).len(), read(1).len()), (2, 3, 2), "an empty line at the end is no label");
        let gold = read(2);
        let pairs = read_tok(&tok, Some(&gold)).unwrap();
        assert_eq!(pairs, [pair(Some(Label::Contradiction), "a", "b"), pair(None, "c", "d")]);
        let error = read_tok(&tok, Some(&gold[..1])).unwrap_err().to_string();
        assert!(error.contains("found 1, expected 2"), "{error}");
    }

    #[test]
    fn bad_files_are_refused_with_the_line() {
        for (name, content, line, what) in [
            ("a.tsv", "", "line 1", "empty file"),
            ("a.tsv", "neutral\ta\tb\n", "line 1", "`label`"),
            ("a.tsv", "label\tpremise\thypothesis\nneutral\ta\n", "line 2", "2 fields"),
            ("a.tsv", "label\tpremise\thypothesis\nneutral\ta\tb\tc\n", "line 2", "4 fields"),
            ("a.tsv", "label\tpremise\thypothesis\nneutral\ta\tb\nmaybe\ta\tb\n", "line 3", "`maybe`"),
            ("a.jsonl", "{}\n", "line 1", "gold_label"),
            ("a.jsonl", "\n", "line 1", "JSON"),
            ("a.tok", "a\nb\nc\n", "line 3", "premise"),
        ] {
            let error = check(name, content).unwrap_err().to_string();
            assert!(error.contains(line) && error.contains(what), "{content:?}: {error}");
        }
    }

    #[test]
    fn empty_lines_may_only_be_at_the_end() {
        let line = r#"{"gold_label":"neutral","sentence1":"a","sentence2":"b"}"#;
        let header = "label\tpremise\thypothesis\n";
        let one = [pair(Some(Label::Neutral), "a", "b")];
        assert_eq!(check("a.jsonl", &format!("{line}\n\n")).unwrap(), one);
        assert_eq!(check("a.tsv", &format!("{header}neutral\ta\tb\n\n \n")).unwrap(), one);
        for (name, content) in
            [("a.jsonl", format!("{line}\n\n{line}\n")), ("a.tsv", format!("{header}\nneutral\ta\tb\n"))]
        {
            let e = check(name, &content).unwrap_err().to_string();
            assert!(e.contains("line 2: found an empty line"), "{e}");
        }
        let e = check("a.jsonl", &line.replace("\"a\"", "NaN")).unwrap_err().to_string();
        assert!(e.contains("line 1, column 37: found `NaN`"), "{e}");
    }

    #[test]
    fn columns_go_by_their_names_and_a_choice_is_refused() {
        let rows = "neutral\ta\tb\n";
        let one = [pair(Some(Label::Neutral), "a", "b")];
        assert_eq!(check("a.tsv", &format!("\u{feff}label \t premise\thypothesis\n{rows}")).unwrap(), one);
        for (header, message) in [
            ("label\tpremise\tlabel\thypothesis\n", "two columns `label`"),
            ("label\tPremise\thypothesis\n", "the column `Premise`, expected `premise`"),
            (
                "label\tgold_label\tpremise\thypothesis\n",
                "the columns `label` and `gold_label`, expected one of the two",
            ),
        ] {
            let e = check("a.tsv", &format!("{header}{rows}")).unwrap_err().to_string();
            assert!(e.contains(message), "{e}");
        }
    }

    #[test]
    fn the_development_set_has_its_10000_pairs() {
        let (Some(tok), Some(gold)) =
            (compexp_tests::data("snli/snli_1.0_dev.tok"), compexp_tests::data("snli/dev_gold.txt"))
        else {
            return;
        };
        let pairs = read_tok(&tok, Some(&read_gold(&gold, 10_000).unwrap())).unwrap();
        assert_eq!(pairs.len(), 10_000);
        assert_eq!(pairs.iter().filter(|p| p.label.is_none()).count(), 158);
        assert_eq!(pairs[0].premise, "Two women are embracing while holding to go packages .");
        assert_eq!(pairs[1].label, Some(Label::Entailment));
    }

    #[test]
    fn the_training_set_has_its_31426_pairs() {
        let Some(path) = compexp_tests::data("snli/train.tsv") else { return };
        let pairs = read_pairs(&path).unwrap();
        assert_eq!(pairs.len(), 31_426);
        assert_eq!(pairs[1].hypothesis, "A man and a woman were in a motorcycle wreck.");
    }
}
