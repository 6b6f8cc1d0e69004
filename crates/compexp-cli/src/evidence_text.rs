//! The evidence for explanations, as it is printed.

use std::io::{self, Write};

use compexp_core::explanation::{Explanation, Scored};
use compexp_run::run_dir::Summary;

use crate::terminal::{self, count, name};

/// Writes what is known of how far a unit's explanation is to be trusted, each number with what it says.
pub(crate) fn write(out: &mut impl Write, unit: &Explanation) -> io::Result<()> {
    if !unit.vacuous.is_empty() {
        let literals: Vec<String> = unit.vacuous.iter().map(|literal| name(literal)).collect();
        writeln!(
            out,
            "  left out      {}: the search joined it, but the mask is the same without",
            literals.join(", ")
        )?;
    }
    if let Some(s) = &unit.significance {
        let draws = count(s.draws as u64);
        let reached = (s.p * (s.draws + 1) as f64).round() as usize - 1;
        let reached = count(reached as u64);
        writeln!(
            out,
            "  p             {:.4}  {reached} of {draws} draws with the unit's maps on other examples match as well",
            s.p
        )?;
        writeln!(out, "  q             {:.4}  expected share of luck among the units with a p as small as this", s.q)?;
    }
    if let Some(h) = &unit.holdout {
        let [low, high] = h.interval;
        writeln!(
            out,
            "  held-out IoU  {:.4}  on examples the search never saw; 95% interval {low:.4} to {high:.4}",
            h.iou
        )?;
        writeln!(
            out,
            "  suggested     length {}, beyond which nothing is surely gained on those examples",
            h.suggested_length
        )?;
    }
    Ok(())
}

/// Writes a unit's scores by length beside those of luck and of held-out examples, where either is known.
pub(crate) fn write_by_length(out: &mut impl Write, unit: &Explanation) -> io::Result<()> {
    let luck = unit.significance.as_ref().map(|s| &s.by_length);
    let held_out = unit.holdout.as_ref().map(|h| &h.by_length);
    if luck.is_none() && held_out.is_none() {
        return Ok(());
    }
    let row = |(k, own): (usize, &Scored)| {
        let luck = luck.and_then(|luck| luck.get(k));
        let held_out = held_out.and_then(|held_out| held_out.get(k));
        let show = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.4}"));
        let interval = held_out.map_or("-".to_owned(), |h| format!("{:.4} to {:.4}", h.interval[0], h.interval[1]));
        let numbers = [Some(own.iou), luck.map(|l| l.median), luck.map(|l| l.q95), luck.map(|l| l.p)].map(show);
        let [iou, median, q95, p] = numbers;
        [own.length.to_string(), iou, median, q95, p, show(held_out.map(|h| h.iou)), interval]
    };
    let rows: Vec<_> = unit.by_length.iter().enumerate().map(row).collect();
    let (by_luck, there) = (luck.is_some(), held_out.is_some());
    let beside = match (by_luck, there) {
        (true, true) => ", of luck, and on held-out examples",
        (true, false) => " and of luck",
        (false, _) => " and on held-out examples",
    };
    writeln!(out, "IoU by length{beside}")?;
    let header = ["length", "IoU", "luck 50%", "luck 95%", "p", "held-out", "95% interval"];
    terminal::write_columns(out, "  ", header, &rows, [true, true, by_luck, by_luck, by_luck, there, there])
}

/// What a run's units came to, a line each.
pub(crate) fn summary_lines(summary: &Summary) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(s) = summary.significance {
        let (significant, tested) = (count(s.significant as u64), count(s.tested as u64));
        lines.push(format!("{significant} of {tested} units have q below 0.05 ({} draws)", count(s.draws as u64)));
    }
    if let Some(h) = &summary.holdout {
        let list = |values: &[f64]| values.iter().map(|v| format!("{v:.4}")).collect::<Vec<_>>().join(" ");
        let (examples, groups) = (count(h.examples as u64), count(h.groups as u64));
        lines.push(format!("held out: {examples} examples in {groups} groups"));
        lines.push(format!("  mean IoU there, by length:   {}", list(&h.mean_iou_by_length)));
        lines.push(format!("  below that of the search by: {}", list(&h.mean_drop_by_length)));
    }
    lines
}
