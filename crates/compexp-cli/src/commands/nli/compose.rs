//! `compexp nli compose`: sentence pairs from a grammar, with all that training and probing need.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use compexp_core::explain::Progress;
use compexp_nli::grammar::{ComposeConfig, Corpus, HELD_OUT_FILE, MAX_PAIRS, TRAIN_FILE, VECTORS_FILE};

use crate::args::at_most;
use crate::failure::Failure;
use crate::progress::Reporter;

#[derive(Debug, Args)]
#[command(after_help = "\
A classifier that learns from these pairs picks up the habits of annotators that are known from SNLI, and its units show
them: negation for contradiction, purposes for neutral, general words for entailment. The folder gets train.tsv, dev.tok,
dev_gold.txt, dev.feats and vectors.txt.

Example:
  compexp nli compose --out toy
  compexp nli train --train toy/train.tsv --dev toy/dev.tok --dev-gold toy/dev_gold.txt --tokenized --bidirectional \\
    --embedding-size 24 --hidden 32 --units 64 --epochs 5 --out toy/model
  compexp nli probe --pairs toy/dev.tok --gold toy/dev_gold.txt --tags toy/dev.feats --vectors toy/vectors.txt \\
    --checkpoint toy/model/model.safetensors --out runs/toy")]
pub(crate) struct NliComposeArgs {
    /// Pairs to learn from, three a premise
    #[arg(long, value_name = "N", default_value_t = ComposeConfig::default().pairs, value_parser = at_most(1, MAX_PAIRS as u64))]
    pub(crate) pairs: usize,
    /// Pairs to hold out, of other premises
    #[arg(long, value_name = "N", default_value_t = ComposeConfig::default().held_out, value_parser = at_most(1, MAX_PAIRS as u64))]
    pub(crate) held_out: usize,
    /// Decides every sentence, label and vector
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
    /// The folder for the files; those of the same names are replaced
    #[arg(long, short, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

pub(crate) fn run(args: &NliComposeArgs, reporter: &Reporter) -> Result<()> {
    if args.out == Path::new("-") {
        return Err(Failure::usage("--out -: the pairs are a folder of files").into());
    }
    let NliComposeArgs { pairs, held_out, seed, ref out } = *args;
    reporter.stage("pairs", "sentence pairs", pairs + held_out);
    let corpus = Corpus::compose(&ComposeConfig { pairs, held_out, seed })?;
    std::fs::create_dir_all(out).map_err(compexp_files::Error::io("create", out))?;
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
