//! Prints the summary of a finished run.

use std::io::{self, BufWriter, Write};

use anyhow::Result;
use compexp_core::explanation::{Explanation, Explanations, Headline, HeldOut};
use compexp_core::search::Status;
use compexp_run::provenance::Scaling;
use compexp_run::{FinishedRun, Provenance};
use serde_json::json;

use crate::evidence_text::summary_lines;
use crate::progress::{Reporter, duration};
use crate::terminal::{self, count, name};

/// The number of best units that the summary shows.
const BEST: usize = 5;

/// Prints the summaries of finished runs on standard output, as JSON an object, or an array of objects where there are
/// several. Warns of results that say little. The flags say that the command found a run complete.
///
/// # Errors
/// `Error::Io` or `Error::Format` if a file of a run cannot be read; an I/O error if standard output cannot be
/// written.
pub(crate) fn print(runs: &[(FinishedRun, bool)], as_json: bool, reporter: &Reporter) -> Result<()> {
    if as_json {
        let seconds = reporter.elapsed().as_secs_f64();
        let value = |(run, up_to_date): &(FinishedRun, bool)| {
            let dir = run.dir().display().to_string();
            Ok(json!({ "run": dir, "up_to_date": up_to_date, "seconds": seconds, "summary": run.summary()? }))
        };
        let values: Vec<serde_json::Value> = runs.iter().map(value).collect::<Result<_>>()?;
        let mut out = BufWriter::new(io::stdout().lock());
        match values.as_slice() {
            [one] => terminal::write_json(&mut out, one)?,
            all => terminal::write_json(&mut out, &all)?,
        }
        out.flush()?;
        runs.iter().for_each(|(run, _)| warn(&run.explanations, reporter));
        return Ok(());
    }
    runs.iter().try_for_each(|(run, up_to_date)| print_text(run, *up_to_date, reporter))
}

fn print_text(run: &FinishedRun, up_to_date: bool, reporter: &Reporter) -> Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    let summary = run.summary()?;
    let dir = run.dir().display().to_string();
    let universe = run.explanations.universe;
    if up_to_date {
        writeln!(out, "`{}` is up to date: it has this run with the same inputs", name(&dir))?;
    }
    writeln!(
        out,
        "{} units on {} examples of {} positions, {} cells ({:.1}% of one position)",
        count(summary.units as u64),
        count(universe.examples as u64),
        count(universe.positions as u64),
        count(universe.cells as u64),
        100.0 * universe.singleton_cells as f64 / universe.cells.max(1) as f64,
    )?;
    let of = |s: &Status| summary.by_status.get(s.name()).copied().unwrap_or(0);
    let shown = Status::ALL.iter().filter(|s| **s == Status::Explained || of(s) > 0);
    let shown: Vec<String> = shown.map(|s| format!("{} {}", s.name().replace('_', " "), of(s))).collect();
    writeln!(out, "  {}", shown.join(", "))?;
    if let Ok(Provenance::VisionProbe(made)) = run.provenance()
        && let Some(Scaling { rescale, mean, std }) = made.inputs.scaling
    {
        let numbers = |three: [f64; 3]| three.map(|v| v.to_string()).join(", ");
        let (mean, std) = (numbers(mean), numbers(std));
        writeln!(out, "  pixels: times {rescale}, less {mean}, over {std} (preprocessor_config.json)")?;
    }
    if let (Some(mean), Some(median)) = (summary.mean_iou, summary.median_iou) {
        writeln!(out, "  IoU of the explained: mean {mean:.4}, median {median:.4}")?;
    }
    if let Some(accuracy) = summary.accuracy {
        let (correct, known) = (count(accuracy.correct as u64), count(accuracy.known as u64));
        match accuracy.share() {
            Some(share) => {
                let share = 100.0 * share;
                writeln!(out, "  accuracy {share:.2}%: {correct} of {known} examples whose class is known")?;
            }
            None => writeln!(out, "  accuracy -: the class of no example is known")?,
        }
    }
    let headline = Headline::of(&run.explanations);
    if let Some(optimal) = summary.optimal {
        let (certified, units) = (count(optimal.certified as u64), count(optimal.units as u64));
        write!(out, "  {certified} of {units} proven best of their length")?;
        match optimal.median_gap {
            Some(gap) => {
                let what = headline.name();
                writeln!(out, "; of the others the best may have an {what} higher by {gap:.4} at most, in the median")?
            }
            None => writeln!(out)?,
        }
    }
    if let Some(line) = ranges_line(&run.explanations) {
        writeln!(out, "  {line}")?;
    }
    if let Some(line) = concepts_line(&run.explanations) {
        writeln!(out, "  {line}")?;
    }
    if let Some(line) = below_firing_rate(&run.explanations) {
        writeln!(out, "  {line}")?;
    }
    for line in summary_lines(&summary) {
        writeln!(out, "  {line}")?;
    }
    let explained = run.explanations.units.iter().filter(|u| u.status == Status::Explained);
    let mut best = headline.best_first(explained);
    best.truncate(BEST);
    if !best.is_empty() {
        writeln!(out, "best units")?;
        let row = |u: &&Explanation| {
            let fires = u.firing_rate.map_or("-".to_owned(), |rate| format!("{:.2}%", 100.0 * rate));
            let [iou, mcc] = [Some(u.iou), u.mcc].map(terminal::score);
            [u.unit.to_string(), iou, mcc, fires, name(u.formula.as_deref().unwrap_or_default())]
        };
        let header = ["unit", "IoU", "MCC", "fires", "formula"];
        terminal::write(&mut out, "  ", header, &best.iter().map(row).collect::<Vec<_>>())?;
    }
    writeln!(out, "results in `{}`; look at them with `compexp show`", name(&dir))?;
    writeln!(out, "took {}", duration(reporter.elapsed()))?;
    out.flush()?;
    warn(&run.explanations, reporter);
    Ok(())
}

/// Warns of formulas that are true on most positions, and of a partition of which most cells hold one position.
fn warn(explanations: &Explanations, reporter: &Reporter) {
    let universe = explanations.universe;
    let all = universe.examples as f64 * universe.positions as f64;
    let areas = explanations.units.iter().filter_map(|u| Some((u.formula_area?, u.unit)));
    let wide: Vec<_> = areas.filter(|(area, _)| *area as f64 > all / 2.0).collect();
    if let Some((area, unit)) = wide.iter().max_by_key(|(area, unit)| (*area, std::cmp::Reverse(*unit))) {
        let explained = explanations.units.iter().filter(|u| u.status == Status::Explained).count();
        let (wide, explained) = (count(wide.len() as u64), count(explained as u64));
        reporter.warn(&format!(
            "formulas that are true on more than half of the positions: {wide} of {explained}, that of unit {unit} on {:.1}%; \
             they say where a unit is silent rather than where it fires",
            100.0 * *area as f64 / all
        ));
    }
    if 2 * universe.singleton_cells > universe.cells {
        reporter.warn(&format!(
            "{:.1}% of the cells hold one position, so that nearly any mask is a function of the concepts: the ceilings say \
             nothing",
            100.0 * universe.singleton_cells as f64 / universe.cells as f64
        ));
    }
}

/// What the ranges of activation came to; none where none were asked for.
fn ranges_line(explanations: &Explanations) -> Option<String> {
    let ranges = &explanations.ranges;
    let ious: Vec<f64> = ranges.iter().filter(|r| r.status == Status::Explained).map(|r| r.iou).collect();
    let (n, all) = (count(ious.len() as u64), count(ranges.len() as u64));
    let mean = if ious.is_empty() {
        String::new()
    } else {
        format!(": mean IoU {:.4}", ious.iter().sum::<f64>() / ious.len() as f64)
    };
    (!ranges.is_empty()).then(|| format!("{n} of {all} activation ranges explained{mean}"))
}

/// What the formulas over units came to; none where concepts were not explained.
fn concepts_line(explanations: &Explanations) -> Option<String> {
    let found = explanations.concepts.as_ref()?;
    let explained = || found.list.iter().map(|concept| &concept.found).filter(|found| found.formula.is_some());
    let n = explained().count();
    let mean = |of: &dyn Fn(&Explanation) -> f64| explained().map(of).sum::<f64>() / n.max(1) as f64;
    let (single, best) = (mean(&|found| found.primitive.as_ref().map_or(0.0, |p| p.iou)), mean(&|found| found.iou));
    let held_out: Vec<&HeldOut> = explained().filter_map(|found| found.holdout.as_ref()).collect();
    let there =
        |of: &dyn Fn(&HeldOut) -> f64| held_out.iter().map(|h| of(h)).sum::<f64>() / held_out.len().max(1) as f64;
    let there = match held_out.is_empty() {
        true => String::new(),
        false => format!(
            " (held out {:.4} and {:.4})",
            there(&|h| h.by_length.first().map_or(0.0, |first| first.iou)),
            there(&|h| h.iou)
        ),
    };
    Some(format!(
        "{} of {} concepts explained by {} units: mean IoU {single:.4} by one unit, {best:.4} by the formula{there}; see \
         `compexp show --concepts`",
        count(n as u64),
        count(found.list.len() as u64),
        count(found.candidates as u64)
    ))
}

/// A warning where the best concept of more than a tenth of the explained units matches them worse than the formula that is
/// true everywhere: an IoU then says mostly how often a unit fires. None for a search by MCC.
fn below_firing_rate(explanations: &Explanations) -> Option<String> {
    let explained = explanations.units.iter().filter(|u| u.status == Status::Explained);
    let (mut n, mut below) = (0, 0);
    for unit in explained {
        n += 1;
        let best = unit.primitive.as_ref().map_or(0.0, |p| p.iou);
        below += usize::from(unit.firing_rate.is_some_and(|rate| best < rate));
    }
    if Headline::of(explanations) == Headline::Mcc || 10 * below <= n {
        return None;
    }
    let (below, n) = (count(below as u64), count(n as u64));
    Some(format!(
        "{below} of {n} units fire so often that no single concept has an IoU above the firing rate, which TRUE has: \
         search with --metric mcc"
    ))
}
