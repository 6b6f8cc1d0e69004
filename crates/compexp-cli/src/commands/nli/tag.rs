//! `compexp nli tag`: words, lemmas, parts of speech and tags of sentences.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::Result;
use compexp_core::explain::Progress;
use compexp_files::{AtomicFile, is_parquet, read_text};
use compexp_nli::text::read_pairs;
use compexp_text::tagger::{Annotation, Annotator};

use super::sentences::{Words, is_tokenized};
use crate::args::nli::{NliTagArgs, TagFormat};
use crate::failure::Failure;
use crate::input_files::{MAX_TEXT, read_stdin};
use crate::progress::Reporter;

/// Sentences that are annotated at once.
const CHUNK: usize = 1024;

pub(crate) fn run(args: &NliTagArgs, reporter: &Reporter) -> Result<()> {
    let words = Words::new(is_tokenized(&args.file, args.tokenized), Some(&args.tagger), "give --tagger DIR")?;
    let annotator = Annotator::load(&args.tagger, args.symbols.as_deref())?;
    let texts = read(&args.file)?;
    let tell = |done| reporter.done(done);
    reporter.stage("tags", "sentences", texts.len());
    if args.out == Path::new("-") {
        let mut out = BufWriter::new(io::stdout().lock());
        write(&mut out, args.format, &annotator, &words, &texts, &tell)?;
        out.flush()?;
    } else {
        let mut out = BufWriter::new(AtomicFile::create(&args.out)?);
        write(&mut out, args.format, &annotator, &words, &texts, &tell)?;
        out.into_inner().map_err(|e| e.into_error())?.commit()?;
    }
    reporter.end();
    Ok(())
}

/// The sentences of a file: those of pairs in turn, otherwise its lines.
fn read(path: &Path) -> Result<Vec<String>> {
    let pairs = || -> Result<Vec<String>> {
        Ok(read_pairs(path)?.into_iter().flat_map(|pair| [pair.premise, pair.hypothesis]).collect())
    };
    let text = match path == Path::new("-") {
        true => read_stdin()?,
        false if is_parquet(path)? => return pairs(),
        false => read_text(path, MAX_TEXT)?,
    };
    let first = text.lines().next().unwrap_or_default();
    let columns: Vec<&str> = first.split('\t').map(str::trim).collect();
    let names_columns = [["premise", "hypothesis"], ["sentence1", "sentence2"]]
        .iter()
        .any(|names| names.iter().all(|name| columns.contains(name)));
    if path.extension().is_some_and(|e| e == "jsonl") || names_columns {
        return pairs();
    }
    Ok(text.lines().map(String::from).collect())
}

fn write(
    out: &mut impl Write,
    format: TagFormat,
    annotator: &Annotator,
    words: &Words,
    texts: &[String],
    tell: &dyn Fn(usize),
) -> Result<()> {
    if format == TagFormat::Feats {
        writeln!(out, "lemma;open|pos;closed|tag;closed")?;
    }
    let mut done = 0;
    for chunk in texts.chunks(CHUNK) {
        let split = words.split(&chunk.iter().map(String::as_str).collect::<Vec<_>>())?;
        let sentences: Vec<&[String]> = split.iter().map(Vec::as_slice).collect();
        for (words, annotations) in split.iter().zip(annotator.annotate_all(&sentences)?) {
            done += 1;
            match format {
                TagFormat::Feats => write_feats(out, done, words, &annotations)?,
                TagFormat::Conllu => write_conllu(out, done, words, &annotations)?,
            }
        }
        tell(done);
    }
    Ok(())
}

fn write_feats(out: &mut impl Write, number: usize, words: &[String], annotations: &[Annotation<'_>]) -> Result<()> {
    for (i, (word, a)) in words.iter().zip(annotations).enumerate() {
        if let Some(field) = [word, &a.lemma].into_iter().find(|f| f.contains(['|', ' '])) {
            let message = format!("sentence {number}: found `{field}`, expected words without | and blanks");
            return Err(Failure::new(message).hint("--format conllu can write them").into());
        }
        write!(out, "{}{word}|{}|{}|{}", if i > 0 { " " } else { "" }, a.lemma, a.pos, a.tag)?;
    }
    Ok(writeln!(out)?)
}

fn write_conllu(out: &mut impl Write, number: usize, words: &[String], annotations: &[Annotation<'_>]) -> Result<()> {
    writeln!(out, "# sent_id = {number}\n# text = {}", words.join(" "))?;
    let or_none = |value: &str| if value.is_empty() { "_".to_owned() } else { value.to_owned() };
    for (i, (word, a)) in words.iter().zip(annotations).enumerate() {
        let [lemma, pos, tag] = [&a.lemma, a.pos, a.tag].map(or_none);
        writeln!(out, "{}\t{word}\t{lemma}\t{pos}\t{tag}\t_\t_\t_\t_\t_", i + 1)?;
    }
    Ok(writeln!(out)?)
}
