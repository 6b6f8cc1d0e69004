//! `compexp nli compose`: sentence pairs from a grammar, with the files for training and probing.

use std::io;

use anyhow::Result;
use compexp_core::explain::Progress;
use compexp_nli::grammar::{ComposeConfig, Corpus, HELD_OUT_FILE, TRAIN_FILE, VECTORS_FILE};
use serde_json::json;

use crate::args::nli::NliComposeArgs;
use crate::failure::refuse_standard_output;
use crate::progress::Reporter;
use crate::terminal::{self, count};

pub(crate) fn run(args: &NliComposeArgs, reporter: &Reporter) -> Result<()> {
    refuse_standard_output(&args.out, "the pairs are")?;
    let NliComposeArgs { pairs, held_out, seed, ref out, .. } = *args;
    reporter.stage("pairs", "sentence pairs", pairs + held_out);
    let corpus = Corpus::compose(&ComposeConfig { pairs, held_out, seed })?;
    let _lock = compexp_files::claim_folder(out)?;
    corpus.write(out)?;
    reporter.end();
    if args.json {
        let (folder, seconds) = (out.display().to_string(), reporter.elapsed().as_secs_f64());
        let (train, held_out) = (corpus.train.len(), corpus.held_out.len());
        let value = json!({ "folder": folder, "train": train, "held_out": held_out, "seconds": seconds });
        return Ok(terminal::write_json(&mut io::stdout().lock(), &value)?);
    }
    reporter.say(&format!(
        "{} and {} pairs in `{}`: {TRAIN_FILE}, {HELD_OUT_FILE} with labels and tags, {VECTORS_FILE}",
        count(corpus.train.len()),
        count(corpus.held_out.len()),
        out.display()
    ));
    Ok(())
}
