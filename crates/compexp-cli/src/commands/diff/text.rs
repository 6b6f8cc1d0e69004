//! A comparison as a printed table.

use std::io::{self, Write};
use std::path::Path;

use compexp_core::explanation::Headline;
use compexp_trust::compare::{Comparison, Difference, Found, Outcome, UnitChange, Verdict};

use super::wording::{formula, percent, words};
use crate::args::runs::DiffArgs;
use crate::terminal::{BAD, GOOD, count, name, painted, write as write_table};

/// The greatest number of differing settings that are printed.
const SETTINGS: usize = 10;

/// The number of characters of a setting's value that are shown.
const VALUE: usize = 24;

pub(super) fn write(out: &mut impl Write, args: &DiffArgs, found: &Comparison) -> io::Result<()> {
    let show = |path: &Path| name(&path.display().to_string());
    let headline = [("base", show(&args.base), &found.base), ("run", show(&args.run), &found.run)];
    write_table(out, "", ["", "units", "explained", "mean IoU", "accuracy", "where"], &headline.map(whole))?;
    if !found.probe_set.is_empty() {
        writeln!(out, "\nthe probe sets differ: what was measured on one says nothing about the other")?;
        differing(out, &found.probe_set)?;
    }
    if !found.settings.is_empty() {
        writeln!(out, "\nother settings and inputs that differ")?;
        differing(out, &found.settings)?;
    }
    let mut changed: Vec<&UnitChange> =
        found.units.iter().filter(|u| !matches!(u.verdict, Verdict::Same | Verdict::Equivalent)).collect();
    // Drift first, then by the change of the score.
    changed.sort_by(|a, b| {
        b.drift
            .cmp(&a.drift)
            .then(moved(b, found.score).total_cmp(&moved(a, found.score)))
            .then((a.unit, a.range).cmp(&(b.unit, b.range)))
    });
    if !changed.is_empty() && args.limit > 0 {
        writeln!(out)?;
        let rows: Vec<_> = changed.iter().take(args.limit).flat_map(|u| rows(u, found.score)).collect();
        write_table(out, "", ["unit", "", "", found.score.name(), "formula"], &rows)?;
    }
    if changed.len() > args.limit {
        writeln!(out, "and {} more units", count((changed.len() - args.limit) as u64))?;
    }
    writeln!(out, "\n{}", totals(found))
}

/// The number of units with each verdict.
fn totals(found: &Comparison) -> String {
    let of = |v: &Verdict| found.totals.get(v).copied().unwrap_or(0);
    let some = Verdict::ALL.iter().filter(|v| of(v) > 0);
    let parts: Vec<String> = some.map(|v| format!("{} {}", words(*v, found.score), count(of(v) as u64))).collect();
    let text = if parts.is_empty() { "no units".to_owned() } else { parts.join(", ") };
    let allowed = match (of(&Verdict::ChangedWithinTolerance), found.allowed) {
        (0, _) => String::new(),
        (_, allowed) => format!(" ({} allowed)", count(allowed as u64)),
    };
    format!("{text}{allowed}: {}", if found.drift { painted("drift", BAD) } else { painted("no drift", GOOD) })
}

fn whole((side, path, outcome): (&str, String, &Outcome)) -> [String; 6] {
    let iou = outcome.mean_iou.map_or("-".into(), |iou| format!("{iou:.4}"));
    let (units, explained) = (count(outcome.units as u64), count(outcome.explained as u64));
    [side.into(), units, explained, iou, percent(outcome.accuracy), path]
}

fn differing(out: &mut impl Write, list: &[Difference]) -> io::Result<()> {
    let value = |v: &Option<String>| match v {
        Some(v) if v.chars().count() > VALUE => {
            name(&v.chars().take(VALUE - 3).chain("...".chars()).collect::<String>())
        }
        Some(v) => name(v),
        None => "not set".into(),
    };
    for d in list.iter().take(SETTINGS) {
        writeln!(out, "  {}: {} in the base, {} in the run", name(&d.field), value(&d.base), value(&d.run))?;
    }
    match list.len().saturating_sub(SETTINGS) {
        0 => Ok(()),
        more => writeln!(out, "  and {more} more"),
    }
}

fn moved(change: &UnitChange, headline: Headline) -> f64 {
    let score = |found: &Option<Found>| found.as_ref().map_or(0.0, |f| f.score(headline));
    (score(&change.run) - score(&change.base)).abs()
}

/// A row for each side that has the unit.
fn rows(change: &UnitChange, headline: Headline) -> Vec<[String; 5]> {
    let sides = [("base", &change.base), ("run", &change.run)];
    let mut rows: Vec<[String; 5]> = Vec::new();
    for (side, found) in sides {
        let Some(found) = found else { continue };
        let first = rows.is_empty();
        let unit = if first { change.name() } else { String::new() };
        let what = if first { words(change.verdict, headline).to_owned() } else { String::new() };
        rows.push([unit, what, side.into(), format!("{:.4}", found.score(headline)), name(&formula(found))]);
    }
    rows
}
