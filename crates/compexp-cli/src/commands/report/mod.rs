//! `compexp report`: runs as pages for a browser.

mod folder;
mod sources;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Result;
use compexp_report::analysis::Records;
use compexp_report::{Figure, ReportRun, figures, write_report};
use compexp_run::FinishedRun;
use compexp_run::provenance::units_text;
use serde_json::json;

use super::show;
use crate::args::runs::ReportArgs;
use crate::args::search::Units;
use crate::failure::{Failure, refuse_standard_output};
use crate::progress::{Reporter, duration};
use crate::terminal::{self, count, name};

/// The default folder of the report within a run directory.
const FOLDER: &str = compexp_run::layout::REPORT;

pub(crate) fn run(args: &ReportArgs, reporter: &Reporter) -> Result<()> {
    let out = match (&args.out, &args.runs[..]) {
        (Some(out), _) => {
            refuse_standard_output(out, "a report is")?;
            out.clone()
        }
        (None, [run]) => run.join(FOLDER),
        (None, _) => {
            return Err(Failure::usage("--out: found none, expected a folder for a report of several runs").into());
        }
    };
    folder::check(&out)?;
    let runs = args.runs.iter().map(|dir| FinishedRun::open(dir)).collect::<Result<Vec<_>, _>>()?;
    let wanted = runs.iter().map(|run| selected(args, run)).collect::<Result<Vec<_>>>()?;
    let sources = runs
        .iter()
        .map(|run| sources::Sources::new(run, args.image_root.as_deref(), reporter))
        .collect::<Result<Vec<_>>>()?;
    let names = names(&args.runs);
    let records = runs.iter().map(Records::read).collect::<Result<Vec<_>, _>>()?;
    let figures: Vec<Vec<Figure>> =
        records.iter().map(|run| figures(run, run.untrained_among(&records))).collect::<Result<_, _>>()?;
    let reports: Vec<ReportRun<'_>> = runs
        .iter()
        .zip(&sources)
        .zip(records.iter().zip(&figures))
        .zip(names)
        .zip(wanted)
        .map(|((((run, source), (records, figures)), name), units)| ReportRun {
            name,
            run,
            records,
            figures,
            source,
            units,
        })
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
        let (example, tried) = (name(&first.example), name(&first.tried));
        reporter.warn(&format!(
            "found no picture of `{example}` ({tried}){others}: the report shows names instead; --image-root DIR names another \
             folder of images"
        ));
    }
    let mut stdout = io::stdout().lock();
    let index = out.join("index.html").display().to_string();
    if args.json {
        let value =
            json!({ "index": index, "files": written.files, "bytes": written.bytes, "missing": written.missing.len() });
        terminal::write_json(&mut stdout, &value)?;
        return Ok(());
    }
    let (files, size) = (count(written.files as u64), written.bytes as f64 / 1e6);
    writeln!(stdout, "{files} files, {size:.1} MB; open `{}` in a browser", name(&index))?;
    writeln!(stdout, "took {}", duration(reporter.elapsed()))?;
    Ok(())
}

/// The units that get cards and pages; none for all of the run.
///
/// # Errors
/// A [`Failure`] if a run does not have a unit that was asked for.
fn selected(args: &ReportArgs, run: &FinishedRun) -> Result<Option<BTreeSet<usize>>> {
    if args.units.is_none() && args.top.is_none() {
        return Ok(None);
    }
    let asked = args.units.as_ref();
    let has = |unit: usize| asked.is_none_or(|Units(ranges)| ranges.iter().any(|range| range.contains(&unit)));
    let all: BTreeSet<usize> = run.explanations.units.iter().map(|u| u.unit).collect();
    for range in asked.iter().flat_map(|Units(ranges)| ranges) {
        if let Some(missing) = range.clone().find(|unit| !all.contains(unit)) {
            let (dir, units) = (run.dir().display(), units_text(&all.into_iter().collect::<Vec<_>>()));
            return Err(Failure::usage(format!("--units: found {missing}, expected units of `{dir}`: {units}")).into());
        }
    }
    let best = show::sorted(&run.explanations, None, None).into_iter().map(|u| u.unit).filter(|unit| has(*unit));
    Ok(Some(best.take(args.top.unwrap_or(usize::MAX)).collect()))
}

/// The names of runs on the pages: the names of their folders, or the whole paths if two are the same.
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
