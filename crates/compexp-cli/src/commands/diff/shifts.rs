//! `compexp diff --drift`: which units stand for something else.

use std::io::{self, Write};

use anyhow::{Result, bail};
use compexp_run::provenance::Evidence;
use compexp_run::{FinishedRun, Provenance, divide};
use compexp_trust::compare::{RunMasks, Shift, Shifts, shifts};
use compexp_trust::stats::holdout::Split;

use crate::args::runs::DiffArgs;
use crate::failure::Failure;
use crate::layer::Layer;
use crate::progress::Reporter;
use crate::run_inputs::{annotations_of, layer_of};
use crate::terminal::{self, count, name, score};

/// Units with a false discovery rate below this have shifted.
pub(super) const RATE: f64 = 0.05;

/// The shifts between two runs on one probe set.
///
/// # Errors
/// A [`Failure`] if BASE or RUN is no run directory, the runs are of other examples, or an input is missing or changed.
pub(super) fn of(args: &DiffArgs, reporter: &Reporter) -> Result<Shifts> {
    let [base, run] = [&args.base, &args.run].map(|dir| FinishedRun::open(dir));
    let (base, run) = (base?, run?);
    let annotated = annotations_of(&base, reporter)?;
    let other = annotations_of(&run, reporter)?;
    let opened = |run: &FinishedRun, annotated| -> Result<(Layer, _)> {
        let (layer, places) = layer_of(run, reporter)?;
        let (layer, annotated) = places.apply(layer, annotated, reporter)?;
        layer.check(&annotated, reporter)?;
        Ok((layer, annotated))
    };
    let (before, annotated) = opened(&base, annotated)?;
    let (after, other) = opened(&run, other)?;
    let set = &annotated.set;
    let concepts = |of: &compexp_core::probe::ProbeSet| of.vocabulary.concepts().to_vec();
    if set.examples != other.set.examples || concepts(set) != concepts(&other.set) {
        bail!(Failure::new("--drift: the runs have other examples or concepts, expected the same probe set"));
    }
    let evidence = [&base, &run].map(|run| Ok::<_, anyhow::Error>(evidence(&run.provenance()?)));
    let [then, now] = evidence;
    let (then, now) = (then?, now?);
    let split = match (then.holdout, now.holdout) {
        (Some(fraction), Some(other)) if fraction == other && then.seed == now.seed => {
            Some(Split::new(&set.examples, fraction, then.seed)?)
        }
        _ => None,
    };
    let (partition, map) = divide(set, &std::env::temp_dir(), reporter)?;
    let sides = [(&before, &base), (&after, &run)]
        .map(|(layer, run)| RunMasks { firing: layer.firing(), explanations: &run.explanations });
    let found = shifts(sides, set, (&partition, &map), split.as_ref(), then.seed, reporter)?;
    reporter.end();
    Ok(found)
}

fn evidence(made: &Provenance) -> Evidence {
    made.settings().trust.unwrap_or_default()
}

/// The table, the greatest loss first.
pub(super) fn write(out: &mut impl Write, found: &Shifts, limit: usize) -> io::Result<()> {
    let n = count(found.examples as u64);
    match found.held_out_groups {
        Some(groups) => writeln!(
            out,
            "\ndrift of meaning, on {n} examples in {} groups that neither search saw",
            count(groups as u64)
        )?,
        None => writeln!(
            out,
            "\ndrift of meaning, on all {n} examples: no p, because the formulas were chosen on them; give both runs the \
             same --holdout and --seed"
        )?,
    }
    let row = |shift: &Shift| {
        let scores = [shift.formulas, shift.base_then, shift.base_now, shift.own_now, shift.lost];
        let [formulas, then, now, own, lost] = scores.map(|value| score(Some(value)));
        let [p, q] = [shift.p, shift.q].map(score);
        [shift.unit.to_string(), lost, formulas, then, now, own, p, q]
    };
    let header = ["unit", "lost", "formulas", "base then", "base now", "own now", "p", "q"];
    terminal::write(out, "", header, &found.units.iter().take(limit).map(row).collect::<Vec<_>>())?;
    if found.units.len() > limit {
        writeln!(out, "and {} more units", count((found.units.len() - limit) as u64))?;
    }
    if found.held_out_groups.is_some() {
        let shifted: Vec<String> =
            found.units.iter().filter(|s| s.q.is_some_and(|q| q < RATE)).map(|s| s.unit.to_string()).collect();
        let which = if shifted.is_empty() { String::new() } else { format!(": {}", name(&shifted.join(", "))) };
        writeln!(
            out,
            "{} of {} units stand for something else (false discovery rate below {RATE}){which}",
            count(shifted.len() as u64),
            count(found.units.len() as u64)
        )?;
    }
    Ok(())
}
