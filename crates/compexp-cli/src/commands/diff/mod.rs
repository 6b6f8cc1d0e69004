//! `compexp diff`: the changes of explanations, as a table, as JSON, as JUnit XML, and as an exit code.

mod junit;
mod shifts;
mod text;
mod wording;

use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use compexp_files::{AtomicFile, Place, write_json};
use compexp_run::Baseline;
use compexp_trust::compare::{Comparison, Shifts, Tolerances, Verdict, compare};
use serde::Serialize;

use wording::words;

use crate::args::runs::DiffArgs;
use crate::failure::Failure;
use crate::progress::Reporter;
use crate::terminal::{count, name, write_json as print_json};
use compexp_run::provenance::PROBE_SET;

/// What `--json` writes.
#[derive(Serialize)]
struct Record<'a> {
    #[serde(flatten)]
    comparison: &'a Comparison,
    /// With `--drift`.
    #[serde(skip_serializing_if = "Option::is_none")]
    meaning: Option<&'a Shifts>,
}

pub(crate) fn run(args: &DiffArgs, reporter: &Reporter) -> Result<()> {
    let stdout = Path::new("-");
    if args.junit.as_deref() == Some(stdout) {
        return Err(Failure::usage("--junit -: found standard output, expected a file").into());
    }
    if args.json.is_some() && args.json == args.junit {
        return Err(Failure::usage("--json and --junit: found one file, expected two").into());
    }
    if args.update && Place::behind(&args.base)? == Place::Folder {
        let message = format!("--update: found the folder `{}`, expected a file for the baseline", args.base.display());
        return Err(Failure::usage(message).hint("name a file for BASE, such as baseline.json").into());
    }
    let run = Baseline::open(&args.run)?;
    let tolerances = Tolerances { iou: args.iou_tolerance, accuracy: args.accuracy_tolerance, allow: args.allow };
    if args.update {
        return update(args, &run, tolerances);
    }
    let base = Baseline::open(&args.base)?;
    let found = compare(base.side(), run.side(), tolerances, &PROBE_SET)
        .with_context(|| format!("cannot compare `{}` with `{}`", args.run.display(), args.base.display()))?;
    let shifts = args.meaning.then(|| shifts::of(args, reporter)).transpose()?;
    let record = Record { comparison: &found, meaning: shifts.as_ref() };
    if let Some(path) = &args.junit {
        let mut file = AtomicFile::create(path)?;
        junit::write(&mut file, &found)?;
        file.commit()?;
    }
    match args.json.as_deref() {
        Some(path) if path == stdout => print(|out| print_json(out, &record))?,
        path => {
            if let Some(path) = path {
                write_json(path, &record)?;
            }
            print(|out| {
                text::write(out, args, &found)?;
                shifts.as_ref().map_or(Ok(()), |shifts| shifts::write(out, shifts, args.limit))
            })?;
        }
    }
    if !found.drift {
        return Ok(());
    }
    let hint = if found.probe_set.is_empty() {
        "if the change is intended, make the run the baseline with --update"
    } else {
        "compare with a run over the same probe set; if the change is intended, make the run the baseline with --update"
    };
    Err(Failure::drift(reasons(&found).join(", ")).hint(hint).into())
}

/// Makes the run the baseline, and prints the changes if there was a baseline that can be compared.
fn update(args: &DiffArgs, run: &Baseline, tolerances: Tolerances) -> Result<()> {
    // A run with which no later run could be compared cannot be a baseline.
    compare(run.side(), run.side(), tolerances, &PROBE_SET)
        .with_context(|| format!("cannot make `{}` a baseline", args.run.display()))?;
    let base = Baseline::open(&args.base).ok();
    let found = base.and_then(|base| compare(base.side(), run.side(), tolerances, &PROBE_SET).ok());
    run.write(&args.base)?;
    print(|out| {
        if let Some(found) = &found {
            text::write(out, args, found)?;
        }
        writeln!(out, "wrote `{}`", name(&args.base.display().to_string()))
    })?;
    Ok(())
}

/// Writes to standard output. If the reader closes the pipe, drift must not become success.
fn print(write: impl FnOnce(&mut BufWriter<io::StdoutLock<'_>>) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// The reasons for drift, one entry each.
fn reasons(found: &Comparison) -> Vec<String> {
    let mut reasons = Vec::new();
    if !found.probe_set.is_empty() {
        reasons.push("the probe sets differ".to_owned());
    }
    if found.accuracy_moved {
        reasons.push("the accuracy moved".to_owned());
    }
    for verdict in Verdict::ALL {
        let n = found.units.iter().filter(|u| u.drift && u.verdict == verdict).count();
        if n > 0 {
            reasons.push(format!("{} {}", count(n as u64), words(verdict, found.score)));
        }
    }
    reasons
}
