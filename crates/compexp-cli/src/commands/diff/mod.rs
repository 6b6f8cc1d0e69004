//! `compexp diff`: what became of explanations, as a table, as JSON, as JUnit XML, and as an exit code.

mod junit;
mod table;

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use compexp_files::{AtomicFile, write_json};
use compexp_run::Baseline;
use compexp_trust::compare::{Allowance, Comparison, Found, Tolerances, Verdict, compare};

use crate::failure::Failure;
use crate::pipeline::PROBE_SET;
use crate::table::{count, name, write_json as print_json};

#[derive(Debug, Args)]
#[command(after_help = "\
BASE is a run directory or a file: explanations.json as a run has it, or a baseline that --update wrote. Formulas are
compared up to logical equivalence, by the names of concepts. Drift is: a formula that changed together with its IoU, an
IoU or an accuracy that moved beyond its tolerance, a unit gained or lost, explained or no longer; another probe set; and
more than --allow formulas that changed while the IoU stayed. The exit code is then 3.

Examples:
  What another training changed:
    compexp diff runs/before runs/after --iou-tolerance 0.01

  In CI, where one unit in a hundred may sit on a tie:
    compexp diff baseline.json runs/layer4 --allow 1% --junit drift.xml

  Accept what the run found:
    compexp diff baseline.json runs/layer4 --update")]
pub(crate) struct DiffArgs {
    /// What to compare with: a run directory, or a baseline
    pub(crate) base: PathBuf,
    /// The run that is compared: the same
    pub(crate) run: PathBuf,
    /// The greatest difference of a unit's IoU
    #[arg(help_heading = "Drift", long, value_name = "D", default_value_t = Tolerances::default().iou, value_parser = share, allow_negative_numbers = true)]
    pub(crate) iou_tolerance: f64,
    /// The greatest difference of the model's accuracy, as a share
    #[arg(help_heading = "Drift", long, value_name = "D", default_value_t = Tolerances::default().accuracy, value_parser = share, allow_negative_numbers = true)]
    pub(crate) accuracy_tolerance: f64,
    /// So many units (`3`), or this share of them (`1%`), may have another formula of the same IoU within its tolerance
    #[arg(help_heading = "Drift", long, value_name = "N|P%", default_value = "0", value_parser = allowance)]
    pub(crate) allow: Allowance,
    /// The number of changed units to print, drift first
    #[arg(help_heading = "Output", long, value_name = "K", default_value_t = 20)]
    pub(crate) limit: usize,
    /// Write JSON to this file; `-` is standard output, in place of the table
    #[arg(help_heading = "Output", long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write JUnit XML to this file, a test case a unit
    #[arg(help_heading = "Output", long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Write the run to the file BASE, which need not be there yet: the baseline from now on
    #[arg(help_heading = "Output", long, conflicts_with_all = ["json", "junit"])]
    pub(crate) update: bool,
}

pub(crate) fn run(args: &DiffArgs) -> Result<()> {
    let stdout = Path::new("-");
    if args.junit.as_deref() == Some(stdout) {
        return Err(Failure::usage("--junit -: found standard output, expected a file").into());
    }
    if args.json.is_some() && args.json == args.junit {
        return Err(Failure::usage("--json and --junit: found one file, expected two").into());
    }
    if args.update && args.base.is_dir() {
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
    if let Some(path) = &args.junit {
        let mut file = AtomicFile::create(path)?;
        junit::write(&mut file, &found)?;
        file.commit()?;
    }
    match args.json.as_deref() {
        Some(path) if path == stdout => print(|out| print_json(out, &found))?,
        path => {
            if let Some(path) = path {
                write_json(path, &found)?;
            }
            print(|out| table::write(out, args, &found))?;
        }
    }
    if !found.drift {
        return Ok(());
    }
    let hint = if found.probe_set.is_empty() {
        "where the change is meant, make the run the baseline with --update"
    } else {
        "compare with a run over the same probe set; where the change is meant, make the run the baseline with --update"
    };
    Err(Failure::drift(reasons(&found).join(", ")).hint(hint).into())
}

/// Makes the run the baseline; what it changes is printed where there was one that can be compared.
fn update(args: &DiffArgs, run: &Baseline, tolerances: Tolerances) -> Result<()> {
    // A run that no later one could be compared with is no baseline.
    compare(run.side(), run.side(), tolerances, &PROBE_SET)
        .with_context(|| format!("cannot make `{}` a baseline", args.run.display()))?;
    let base = Baseline::open(&args.base).ok();
    let found = base.and_then(|base| compare(base.side(), run.side(), tolerances, &PROBE_SET).ok());
    run.write(&args.base)?;
    print(|out| {
        if let Some(found) = &found {
            table::write(out, args, found)?;
        }
        writeln!(out, "wrote `{}`", name(&args.base.display().to_string()))
    })?;
    Ok(())
}

/// Writes to standard output. A reader that went away must not turn drift into success.
fn print(write: impl FnOnce(&mut BufWriter<io::StdoutLock<'_>>) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Why it is drift, a part each.
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
            reasons.push(format!("{} {}", count(n as u64), words(verdict)));
        }
    }
    reasons
}

/// A verdict for people.
fn words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Same => "same",
        Verdict::Equivalent => "equivalent",
        Verdict::ChangedWithinTolerance => "changed within tolerance",
        Verdict::FormulaChanged => "formula changed",
        Verdict::IouMoved => "IoU moved",
        Verdict::StatusChanged => "status changed",
        Verdict::Gained => "gained",
        Verdict::Lost => "lost",
    }
}

/// The formula of a unit, or why there is none.
fn formula(found: &Found) -> String {
    found.formula.clone().unwrap_or_else(|| format!("- {}", found.status.name().replace('_', " ")))
}

/// An accuracy in percent.
fn percent(accuracy: Option<f64>) -> String {
    accuracy.map_or("none".into(), |a| format!("{:.2}%", 100.0 * a))
}

fn share(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err("expected a number from 0 to 1".into()) }
}

fn allowance(text: &str) -> Result<Allowance, String> {
    let expected = "expected a number of units (`3`) or a share of them in percent (`1%`)";
    match text.strip_suffix('%') {
        Some(percent) => {
            let value: f64 = percent.trim().parse().map_err(|_| expected.to_owned())?;
            if (0.0..=100.0).contains(&value) { Ok(Allowance::Share(value / 100.0)) } else { Err(expected.into()) }
        }
        None => text.parse().map(Allowance::Units).map_err(|_| expected.to_owned()),
    }
}
