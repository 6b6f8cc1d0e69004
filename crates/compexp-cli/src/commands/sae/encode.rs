//! `compexp sae encode`: from activations in a file, or a layer of a language model, to the latents of a sparse autoencoder.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use anyhow::Result;
use compexp_run::{ActivationFile, Known};
use compexp_text::Sae;
use serde_json::json;

use crate::args::sae::SaeEncodeArgs;
use crate::args::text::LanguageModelArgs;
use crate::failure::Failure;
use crate::language_model::LanguageModel;
use crate::latents::{Encoded, encode, encode_words};
use crate::progress::{Reporter, duration};
use crate::terminal::{self, count, name};
use crate::word_annotations::SentenceFile;

pub(crate) fn run(args: &SaeEncodeArgs, reporter: &Reporter) -> Result<()> {
    let sae = Sae::open(&args.sae)?;
    let Encoded { rows, entries } = match (&args.activations, args.words()) {
        (Some(spec), _) => encode(&sae, &ActivationFile::open(spec, Known::default())?, &args.out, reporter)?,
        (None, Some(words)) => of_words(&sae, args, words, reporter)?,
        (None, None) => return Err(Failure::usage("rows: found none, expected --activations or --model").into()),
    };
    let out = args.out.display().to_string();
    let mut to = BufWriter::new(io::stdout().lock());
    if args.json {
        let seconds = reporter.elapsed().as_secs_f64();
        let value = json!({
            "latents": out, "architecture": sae.kind().name(), "rows": rows, "units": sae.d_sae(), "values": entries,
            "seconds": seconds,
        });
        terminal::write_json(&mut to, &value)?;
    } else {
        writeln!(
            to,
            "{} latents on {} rows: {:.1} fire on a row, on average",
            count(sae.d_sae() as u64),
            count(rows as u64),
            entries as f64 / rows as f64
        )?;
        writeln!(to, "results in `{}`", name(&out))?;
        writeln!(to, "took {}", duration(reporter.elapsed()))?;
    }
    Ok(to.flush()?)
}

/// Encodes a layer of a language model at the words of sentences.
fn of_words(
    sae: &Sae,
    args: &SaeEncodeArgs,
    (model, layer, tokens): (LanguageModelArgs, &String, &PathBuf),
    reporter: &Reporter,
) -> Result<Encoded> {
    let model = LanguageModel::open(&model)?;
    let found = model.layer(layer)?;
    sae.expect_width(layer, found.width)?;
    let sentences = SentenceFile::of(tokens, &args.texts).read(reporter)?.sentences;
    let read = model.read(&sentences, reporter)?;
    if read.positions.is_some() {
        reporter.warn("words behind a cut have rows without latents: units do not fire there");
    }
    encode_words(sae, &model, &read.sentences, found.tap, &args.out, reporter)
}
