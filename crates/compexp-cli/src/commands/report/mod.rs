//! `compexp report`: runs as pages for a browser.

mod folder;
mod pictures;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use compexp_report::analysis::Records;
use compexp_report::{Figure, ReportRun, figures, write_report};
use compexp_run::FinishedRun;
use serde_json::json;

use crate::failure::Failure;
use crate::progress::{Reporter, duration};
use crate::table::{self, count, name};

/// The report's folder within a run directory, where no other is named.
const FOLDER: &str = compexp_run::layout::REPORT;

#[derive(Debug, Args)]
#[command(after_help = "\
The pages are static and load nothing from a network: open index.html in a browser, copy the folder anywhere. A report that is
in the folder already is replaced.

Examples:
  One run, into runs/layer4/report:
    compexp report runs/layer4

  Two runs side by side:
    compexp report runs/layer3 runs/layer4 --out report")]
pub(crate) struct ReportArgs {
    /// Run directories
    #[arg(required = true, value_name = "RUN_DIR")]
    runs: Vec<PathBuf>,
    /// The folder for the pages [default: `report` in the run directory, if there is one run]
    #[arg(long, short, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print what was written as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &ReportArgs, reporter: &Reporter) -> Result<()> {
    let out = match (&args.out, &args.runs[..]) {
        (Some(out), _) if out == Path::new("-") => {
            return Err(
                Failure::usage("--out -: a report is a folder of files, and cannot go to standard output").into()
            );
        }
        (Some(out), _) => out.clone(),
        (None, [run]) => run.join(FOLDER),
        (None, _) => {
            return Err(Failure::usage("--out: found none, expected a folder for a report of several runs").into());
        }
    };
    folder::check(&out)?;
    let runs = args.runs.iter().map(|dir| FinishedRun::open(dir)).collect::<Result<Vec<_>, _>>()?;
    let sources = runs.iter().map(pictures::Pictures::new).collect::<Result<Vec<_>>>()?;
    let names = names(&args.runs);
    let drawn = |run| Ok(figures(&Records::read(run)?)?);
    let figures = runs.iter().map(drawn).collect::<Result<Vec<Vec<Figure>>>>()?;
    let reports: Vec<ReportRun<'_>> = runs
        .iter()
        .zip(&sources)
        .zip(&figures)
        .zip(names)
        .map(|(((run, source), figures), name)| ReportRun { name, run, figures, source })
        .collect();
    let mut folder = folder::Folder::create(&out, &runs)?;
    let written = write_report(&reports, &mut folder, reporter)?;
    folder.finish()?;
    reporter.end();
    if let Some(first) = written.missing.first() {
        let others = match written.missing.len() {
            1 => String::new(),
            n => format!(" and {} others", count(n as u64 - 1)),
        };
        let way =
            "their names stand on grey instead; the images are looked for where config.json says, under `image_root`";
        reporter.say(&format!("warning: found no picture of `{}`{others}: {way}", name(first)));
    }
    let mut stdout = io::stdout().lock();
    let index = out.join("index.html").display().to_string();
    if args.json {
        let value =
            json!({ "index": index, "files": written.files, "bytes": written.bytes, "missing": written.missing.len() });
        table::write_json(&mut stdout, &value)?;
        return Ok(());
    }
    let (files, size) = (count(written.files as u64), written.bytes as f64 / 1e6);
    writeln!(stdout, "{files} files, {size:.1} MB; open `{}` in a browser", name(&index))?;
    writeln!(stdout, "took {}", duration(reporter.elapsed()))?;
    Ok(())
}

/// What pages call runs: the names of their folders, or the whole paths where two have the same.
fn names(runs: &[PathBuf]) -> Vec<String> {
    let short: Vec<String> = runs
        .iter()
        .map(|run| {
            let whole = std::path::absolute(run).unwrap_or_else(|_| run.clone());
            whole.file_name().map_or_else(|| whole.display().to_string(), |n| n.to_string_lossy().into_owned())
        })
        .collect();
    match short.iter().collect::<BTreeSet<_>>().len() == short.len() {
        true => short,
        false => runs.iter().map(|run| run.display().to_string()).collect(),
    }
}
