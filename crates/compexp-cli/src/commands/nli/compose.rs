//! `compexp nli compose`: sentence pairs from a grammar, with the files for training and probing.

use anyhow::Result;
use compexp_core::explain::Progress;
use compexp_nli::grammar::{ComposeConfig, Corpus, HELD_OUT_FILE, TRAIN_FILE, VECTORS_FILE};

use crate::args::nli::NliComposeArgs;
use crate::failure::refuse_standard_output;
use crate::progress::Reporter;

pub(crate) fn run(args: &NliComposeArgs, reporter: &Reporter) -> Result<()> {
    refuse_standard_output(&args.out, "the pairs are")?;
    let NliComposeArgs { pairs, held_out, seed, ref out } = *args;
    reporter.stage("pairs", "sentence pairs", pairs + held_out);
    let corpus = Corpus::compose(&ComposeConfig { pairs, held_out, seed })?;
    let _lock = compexp_files::claim_folder(out)?;
    corpus.write(out)?;
    reporter.end();
    reporter.say(&format!(
        "{} and {} pairs in `{}`: {TRAIN_FILE}, {HELD_OUT_FILE} with labels and tags, {VECTORS_FILE}",
        corpus.train.len(),
        corpus.held_out.len(),
        out.display()
    ));
    Ok(())
}
