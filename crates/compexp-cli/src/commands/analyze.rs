//! `compexp analyze`: the paper's quantities of a run, and its figures.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use compexp_files::AtomicFile;
use compexp_report::analysis::Records;
use compexp_report::analysis::paper::{Quantity, quantities};
use compexp_report::figures;
use compexp_run::FinishedRun;
use serde_json::json;

use crate::failure::Failure;
use crate::table;

/// The version of what `--json` prints.
const VERSION: u32 = 1;

#[derive(Debug, Args)]
#[command(after_help = "\
Everything comes from the run directory; neither the model nor the probe set is needed.

Examples:
  The table:
    compexp analyze runs/layer4

  One of its values:
    compexp analyze runs/layer4 --json | jq '.quantities[] | select(.id == \"mean_iou_length_3\").value'

  Every figure as SVG, with its numbers as CSV beside it:
    compexp analyze runs/layer4 --out figures/")]
pub(crate) struct AnalyzeArgs {
    /// A run directory
    run: PathBuf,
    /// Write figures and their tables to this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &AnalyzeArgs) -> Result<()> {
    if args.out.as_deref() == Some(Path::new("-")) {
        return Err(Failure::usage("--out -: figures are files of a folder, and cannot go to standard output").into());
    }
    let records = Records::read(&FinishedRun::open(&args.run)?)?;
    if let Some(out) = &args.out {
        std::fs::create_dir_all(out).map_err(compexp_files::Error::io("create", out))?;
        for figure in figures(&records)? {
            write(&out.join(format!("{}.svg", figure.id)), &figure.svg)?;
            write(&out.join(format!("{}.csv", figure.id)), &figure.csv)?;
        }
    }
    let all = quantities(&records);
    let mut out = BufWriter::new(io::stdout().lock());
    if args.json {
        let all = all.iter().map(|q| {
            let mut value = serde_json::to_value(q)?;
            value["text"] = q.text().into();
            Ok(value)
        });
        let all = all.collect::<Result<Vec<_>>>()?;
        table::write_json(&mut out, &json!({ "version": VERSION, "quantities": all }))?;
    } else {
        let row = |q: &Quantity| [table::name(&q.name), q.text()];
        let width = all.iter().map(|q| q.name.chars().count()).max().unwrap_or(0);
        for [name, value] in all.iter().map(row) {
            writeln!(out, "{name:width$}  {value}")?;
        }
    }
    out.flush()?;
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(text.as_bytes())?;
    Ok(file.commit()?)
}
