//! `compexp analyze`: the paper's quantities of a run, what it answers to the paper's question, and its figures.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::Result;
use compexp_files::AtomicFile;
use compexp_report::analysis::Records;
use compexp_report::analysis::heuristics::heuristics;
use compexp_report::analysis::labels::KindAgreement;
use compexp_report::analysis::paper::{Quantity, quantities};
use compexp_report::analysis::question::Answer;
use compexp_report::analysis::what::what;
use compexp_report::figures;
use compexp_run::FinishedRun;
use serde::Serialize;
use serde_json::json;

use crate::args::runs::AnalyzeArgs;
use crate::failure::refuse_standard_output;
use crate::terminal;

/// The version of the JSON that `--json` prints.
const VERSION: u32 = 1;

/// A quantity as `--json` prints it.
#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    quantity: &'a Quantity,
    /// As people read it.
    text: String,
}

pub(crate) fn run(args: &AnalyzeArgs) -> Result<()> {
    if let Some(out) = &args.out {
        refuse_standard_output(out, "figures are")?;
    }
    let records = Records::read(&FinishedRun::open(&args.run)?)?;
    let agreement = args.labels.as_deref().map(|path| KindAgreement::read(path, &records)).transpose()?;
    if let Some(out) = &args.out {
        let _lock = compexp_files::claim_folder(out)?;
        for figure in figures(&records, None)? {
            write(&out.join(format!("{}.svg", figure.id)), &figure.svg)?;
            write(&out.join(format!("{}.csv", figure.id)), &figure.csv)?;
        }
    }
    let all = quantities(&records);
    let answer = Answer::of(&records);
    // The words that no formula has are in the table of the figure.
    let heuristics = heuristics(&records).map(|mut found| {
        found.words.retain(|word| word.units > 0);
        found
    });
    let mut out = BufWriter::new(io::stdout().lock());
    if args.json {
        let all: Vec<Row<'_>> = all.iter().map(|quantity| Row { quantity, text: quantity.text() }).collect();
        let value = json!({
            "version": VERSION, "what": what(&records), "answer": answer, "quantities": all, "heuristics": heuristics,
            "agreement": agreement,
        });
        terminal::write_json(&mut out, &value)?;
    } else {
        let row = |q: &Quantity| [terminal::name(&q.name), q.text()];
        let width = all.iter().map(|q| q.name.chars().count()).max().unwrap_or(0);
        for [name, value] in all.iter().map(row) {
            writeln!(out, "{name:width$}  {value}")?;
        }
        for uses in heuristics.iter().flat_map(|found| &found.uses) {
            writeln!(out, "\n{}", uses.sentence())?;
        }
        if let Some(agreement) = agreement {
            write!(out, "\n{}", agreement.text())?;
        }
        if let Some(answer) = answer {
            writeln!(out, "\n{}\n{}\n{}", answer.question, answer.paper, answer.here)?;
            writeln!(out, "{}", answer.verdict.name())?;
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
