//! The ranges of what the files of a run hold, checked where they are read: whoever draws a bar of a length, or sets
//! memory aside for a count, need not ask whether it makes sense.

use std::path::Path;

use compexp_core::exemplar::Exemplar;
use compexp_core::explanation::{Explanation, Explanations};
use compexp_core::probe::Grid;
use compexp_core::ranges::RangeConfig;
use serde_json::Value;

use crate::error::{Error, Result};

/// No layer has as many units.
const MAX_UNITS: usize = 1 << 24;

/// No formula has as many literals.
const MAX_LENGTH: usize = 1 << 16;

/// Numbers of records that other commands add (`ablation.json`, `counterfactuals.json`) are no larger: they are counts, shares and
/// logits, and beyond this an f64 does not hold every whole number.
const MAX_NUMBER: f64 = 9_007_199_254_740_992.0;

/// What rounding may add to a share.
const SLACK: f64 = 1e-9;

/// Checks values one after the other; the first that is out of its range is the error.
struct Ranges<'a> {
    path: &'a Path,
    /// What the fields are part of, `units[3].` or nothing.
    prefix: String,
}

impl Ranges<'_> {
    fn error(&self, field: &str, found: impl ToString, expected: impl Into<String>) -> Error {
        Error::format(self.path, format!("{}{field}", self.prefix), found.to_string(), expected)
    }

    fn number(&self, field: &str, value: f64, low: f64, high: f64) -> Result<()> {
        match (low - SLACK..=high + SLACK).contains(&value) {
            true => Ok(()),
            false => Err(self.error(field, value, format!("a number from {low} to {high}"))),
        }
    }

    fn share(&self, field: &str, value: impl Into<Option<f64>>) -> Result<()> {
        value.into().map_or(Ok(()), |value| self.number(field, value, 0.0, 1.0))
    }

    fn shares(&self, fields: &[(&str, f64)]) -> Result<()> {
        fields.iter().try_for_each(|(field, value)| self.share(field, *value))
    }

    fn correlation(&self, field: &str, value: Option<f64>) -> Result<()> {
        value.map_or(Ok(()), |value| self.number(field, value, -1.0, 1.0))
    }

    /// A value of 0 or more.
    fn positive(&self, field: &str, value: Option<f64>) -> Result<()> {
        value.map_or(Ok(()), |value| self.number(field, value, 0.0, MAX_NUMBER))
    }

    /// A value of any size.
    fn finite(&self, field: &str, value: Option<f64>) -> Result<()> {
        match value.is_none_or(f64::is_finite) {
            true => Ok(()),
            false => Err(self.error(field, value.unwrap_or_default(), "a finite number")),
        }
    }

    fn count(&self, field: &str, value: impl Into<Option<u64>>, most: u64) -> Result<()> {
        match value.into().filter(|value| *value > most) {
            None => Ok(()),
            Some(value) => Err(self.error(field, value, format!("at most {most}"))),
        }
    }
}

/// Checks the explanations that the file `path` holds.
///
/// # Errors
/// [`compexp_files::Error::Format`] naming the first field that is out of its range: IoUs, shares and p-values from 0 to 1,
/// counts of positions up to those of all examples, numbers of units below 16,777,216.
pub(crate) fn check_explanations(path: &Path, explanations: &Explanations) -> Result<()> {
    let Explanations { universe, held_out, units, ranges, concepts, .. } = explanations;
    let all = Ranges { path, prefix: "universe.".into() };
    let total = (universe.examples as u64).checked_mul(universe.positions as u64).filter(|n| *n <= MAX_NUMBER as u64);
    let total = total.ok_or_else(|| {
        let found = format!("{} examples of {} positions", universe.examples, universe.positions);
        all.error("positions", found, "as many as fit a computer")
    })?;
    all.count("cells", universe.cells as u64, total)?;
    all.count("singleton_cells", universe.singleton_cells as u64, universe.cells as u64)?;
    if let Some(held_out) = held_out {
        let part = Ranges { path, prefix: "held_out.".into() };
        part.count("examples", held_out.examples as u64, MAX_NUMBER as u64)?;
        part.count("groups", held_out.groups as u64, held_out.examples as u64)?;
    }
    let held_out = held_out.map_or(0, |held_out| (held_out.examples as u64).saturating_mul(universe.positions as u64));
    for (i, unit) in units.iter().enumerate() {
        let of = Ranges { path, prefix: format!("units[{i}].") };
        of.count("unit", unit.unit as u64, MAX_UNITS as u64 - 1)?;
        check_unit(&of, unit, total, held_out)?;
    }
    for (i, record) in ranges.iter().enumerate() {
        let of = Ranges { path, prefix: format!("ranges[{i}].") };
        of.count("unit", record.unit as u64, MAX_UNITS as u64 - 1)?;
        check_unit(&of, record, total, held_out)?;
        let Some(range) = record.range else { return Err(of.error("range", "none", "one")) };
        of.count("range.k", range.k as u64, RangeConfig::MOST as u64)?;
        of.positive("range.lo", Some(range.lo))?;
        of.positive("range.hi", range.hi)?;
    }
    for (i, record) in concepts.iter().flat_map(|concepts| &concepts.list).enumerate() {
        check_unit(&Ranges { path, prefix: format!("concepts.list[{i}].") }, &record.found, total, held_out)?;
    }
    Ok(())
}

fn check_unit(ranges: &Ranges<'_>, unit: &Explanation, total: u64, held_out: u64) -> Result<()> {
    ranges.count("length", unit.length.map(|n| n as u64), MAX_LENGTH as u64)?;
    ranges.share("iou", unit.iou)?;
    // An MCC below 0 is divided by the penalty.
    ranges.number("score", unit.score, -MAX_NUMBER, 1.0)?;
    ranges.share("firing_rate", unit.firing_rate)?;
    ranges.positive("lift", unit.lift)?;
    ranges.correlation("mcc", unit.mcc)?;
    ranges.finite("chance_corrected", unit.chance_corrected)?;
    ranges.count("unit_area", unit.unit_area, total)?;
    ranges.count("formula_area", unit.formula_area, total)?;
    ranges.count("union", unit.union, total)?;
    ranges.count("intersection", unit.intersection, unit.union.unwrap_or(total))?;
    ranges.finite("threshold", unit.threshold)?;
    ranges.share("ceiling", unit.ceiling)?;
    for (k, scored) in unit.primitive.iter().chain(&unit.by_length).enumerate() {
        let field = |name: &str| match k {
            0 if unit.primitive.is_some() => format!("primitive.{name}"),
            _ => format!("by_length[{}].{name}", k - usize::from(unit.primitive.is_some())),
        };
        ranges.count(&field("length"), scored.length as u64, MAX_LENGTH as u64)?;
        ranges.share(&field("iou"), scored.iou)?;
        ranges.correlation(&field("mcc"), scored.mcc)?;
        ranges.positive(&field("lift"), scored.lift)?;
        ranges.share(&field("upper_bound"), scored.upper_bound)?;
    }
    for (_, score) in unit.beams.iter().flatten().flatten() {
        ranges.number("beams", *score, -MAX_NUMBER, 1.0)?;
    }
    if let Some(scores) = &unit.scores {
        let [precision, recall, f1] = ["scores.precision", "scores.recall", "scores.f1"];
        ranges.shares(&[(precision, scores.precision), (recall, scores.recall), (f1, scores.f1)])?;
    }
    if let Some(significance) = &unit.significance {
        ranges.count("significance.draws", significance.draws as u64, u64::from(u32::MAX))?;
        ranges.shares(&[("significance.p", significance.p), ("significance.q", significance.q)])?;
        for null in &significance.by_length {
            ranges.count("significance.by_length.length", null.length as u64, MAX_LENGTH as u64)?;
            for value in [null.p, null.mean, null.median, null.q95, null.q99, null.max] {
                ranges.share("significance.by_length", value)?;
            }
            ranges.share("significance.by_length.step_p", null.step_p)?;
            ranges.correlation("significance.by_length.metric_median", null.metric_median)?;
        }
    }
    if let Some(holdout) = &unit.holdout {
        ranges.count("holdout.unit_area", holdout.unit_area, held_out)?;
        ranges.count("holdout.suggested_length", holdout.suggested_length as u64, MAX_LENGTH as u64)?;
        ranges.share("holdout.iou", holdout.iou)?;
        let mccs = holdout.by_length.iter().map(|score| score.mcc).chain([holdout.mcc]);
        for mcc in mccs.flatten() {
            ranges.correlation("holdout.mcc.value", Some(mcc.value))?;
            ranges.number("holdout.mcc.drop", mcc.drop, -2.0, 2.0)?;
            mcc.interval.iter().try_for_each(|end| ranges.correlation("holdout.mcc.interval", Some(*end)))?;
        }
        ranges.number("holdout.drop", holdout.drop, -1.0, 1.0)?;
        ranges.shares(&holdout.interval.map(|end| ("holdout.interval", end)))?;
        for score in &holdout.by_length {
            ranges.count("holdout.by_length.length", score.length as u64, MAX_LENGTH as u64)?;
            ranges.share("holdout.by_length.iou", score.iou)?;
            ranges.share("holdout.by_length.standard_error", score.standard_error)?;
            ranges.number("holdout.by_length.drop", score.drop, -1.0, 1.0)?;
            ranges.shares(&score.interval.map(|end| ("holdout.by_length.interval", end)))?;
        }
    }
    if let Some(optimal) = &unit.optimal {
        ranges.share("optimal.upper_bound", optimal.upper_bound)?;
    }
    Ok(())
}

/// Checks the exemplars that the file `path` holds, of a run on `examples` examples, and the `grid` of their masks, which
/// must be of `positions` positions.
///
/// # Errors
/// [`compexp_files::Error::Format`] naming the first field that is out of its range.
pub(crate) fn check_exemplars(
    path: &Path,
    grid: Grid,
    exemplars: &[Exemplar],
    [examples, positions]: [usize; 2],
) -> Result<()> {
    let Grid { height, width } = grid;
    if height.checked_mul(width) != Some(positions) {
        let found = format!("{height} x {width}");
        return Err(Error::format(path, "grid", found, format!("one of {positions} positions")));
    }
    for (i, exemplar) in exemplars.iter().enumerate() {
        let ranges = Ranges { path, prefix: format!("exemplars[{i}].") };
        ranges.count("unit", exemplar.unit as u64, MAX_UNITS as u64 - 1)?;
        if exemplar.example as usize >= examples {
            return Err(ranges.error("example", exemplar.example, format!("less than {examples}")));
        }
        ranges.finite("activation", exemplar.activation.map(f64::from))?;
        for area in exemplar.areas {
            ranges.count("areas", u64::from(area), positions as u64)?;
        }
    }
    Ok(())
}

/// Checks a line of `weights.csv`: the examples on which a unit fires, those with a known target, and those predicted rightly.
///
/// # Errors
/// [`compexp_files::Error::Format`] where one is more than the one before it, or more than the run's `examples`.
pub(crate) fn check_active(path: &Path, line: usize, counts: [usize; 3], examples: usize) -> Result<()> {
    let ranges = Ranges { path, prefix: format!("line {line}: ") };
    let mut most = examples as u64;
    for (field, count) in ["active", "known", "correct"].into_iter().zip(counts.map(|n| n as u64)) {
        ranges.count(field, count, most)?;
        most = count;
    }
    Ok(())
}

/// Checks the numbers of a record in the file `path`: of a size that can be counted to, and from 0 to 1 where the
/// field's name says that it is a share.
///
/// # Errors
/// [`compexp_files::Error::Format`] naming the first field that is out of its range.
pub(crate) fn check_record(path: &Path, value: &Value) -> Result<()> {
    walk(&mut Ranges { path, prefix: String::new() }, "", value)
}

fn walk(ranges: &mut Ranges<'_>, name: &str, value: &Value) -> Result<()> {
    let start = ranges.prefix.len();
    match value {
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or(f64::INFINITY);
            let (low, high) = match name {
                "accuracy" | "iou" | "share" => (0.0, 1.0),
                _ => (-MAX_NUMBER, MAX_NUMBER),
            };
            ranges.number("", number, low, high)?;
        }
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                ranges.prefix += &format!("[{i}]");
                walk(ranges, name, item)?;
                ranges.prefix.truncate(start);
            }
        }
        Value::Object(fields) => {
            for (name, item) in fields {
                ranges.prefix += &format!("{}{name}", if start > 0 { "." } else { "" });
                walk(ranges, name, item)?;
                ranges.prefix.truncate(start);
            }
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn explanations(change: impl Fn(&mut Value)) -> Result<()> {
        let scored = json!({ "length": 1, "formula": "a", "iou": 0.5 });
        let mut value = json!({
            "version": 1,
            "config": {},
            "universe": { "examples": 4, "positions": 9, "cells": 6, "singleton_cells": 2 },
            "held_out": { "examples": 2, "groups": 1 },
            "units": [{
                "unit": 3, "status": "explained", "formula": "a", "length": 1, "iou": 0.5, "score": 0.5,
                "intersection": 4, "union": 8, "unit_area": 6, "formula_area": 6, "threshold": -1.5,
                "primitive": scored, "by_length": [scored], "scores": { "precision": 1.0, "recall": 0.5, "f1": 0.6 },
                "significance": { "draws": 9, "p": 0.1, "q": 1.0, "by_length": [] },
                "holdout": {
                    "unit_area": 3, "iou": 0.6, "interval": [0.5, 0.7], "drop": -0.1, "suggested_length": 1,
                    "by_length": [],
                },
                "ceiling": 0.9,
            }],
        });
        change(&mut value);
        check_explanations(Path::new("file"), &serde_json::from_value(value).unwrap())
    }

    #[test]
    fn every_number_of_explanations_has_a_range() {
        explanations(|_| {}).unwrap();
        for (pointer, bad, message) in [
            ("/units/0/iou", json!(1e12), "`file`: units[0].iou: found 1000000000000, expected a number from 0 to 1"),
            ("/units/0/iou", json!(-0.1), "units[0].iou: found -0.1"),
            ("/units/0/score", json!(1.1), "units[0].score"),
            ("/units/0/ceiling", json!(7), "units[0].ceiling"),
            (
                "/units/0/unit",
                json!(1_u64 << 62),
                "units[0].unit: found 4611686018427387904, expected at most 16777215",
            ),
            ("/units/0/length", json!(1_u64 << 40), "units[0].length"),
            ("/units/0/unit_area", json!(37), "units[0].unit_area: found 37, expected at most 36"),
            ("/units/0/formula_area", json!(37), "units[0].formula_area"),
            ("/units/0/union", json!(u64::MAX), "units[0].union"),
            ("/units/0/intersection", json!(9), "units[0].intersection: found 9, expected at most 8"),
            ("/units/0/primitive/iou", json!(2), "units[0].primitive.iou"),
            ("/units/0/by_length/0/iou", json!(2), "units[0].by_length[0].iou"),
            ("/units/0/scores/f1", json!(2), "units[0].scores.f1"),
            ("/units/0/significance/p", json!(2), "units[0].significance.p"),
            ("/units/0/holdout/iou", json!(2), "units[0].holdout.iou"),
            ("/units/0/holdout/drop", json!(-2), "units[0].holdout.drop"),
            ("/units/0/holdout/unit_area", json!(19), "units[0].holdout.unit_area"),
            ("/units/0/holdout/interval/1", json!(2), "units[0].holdout.interval"),
            ("/universe/cells", json!(37), "universe.cells"),
            ("/universe/singleton_cells", json!(7), "universe.singleton_cells"),
            ("/universe/examples", json!(1_u64 << 62), "universe.positions: found 4611686018427387904 examples of 9"),
            ("/held_out/groups", json!(3), "held_out.groups"),
        ] {
            let error = explanations(|value| *value.pointer_mut(pointer).unwrap() = bad.clone());
            let error = error.expect_err(pointer).to_string();
            assert!(error.contains(message), "{pointer}: {error}");
        }
    }

    #[test]
    fn exemplars_are_of_the_run() {
        let check = |grid: [usize; 2], exemplar: Value| {
            let grid = json!({ "height": grid[0], "width": grid[1] });
            let (grid, list) = (serde_json::from_value(grid).unwrap(), [serde_json::from_value(exemplar).unwrap()]);
            check_exemplars(Path::new("file"), grid, &list, [4, 9])
        };
        let good = || json!({ "unit": 3, "example": 3, "chosen": [], "activation": 0.5, "areas": [9, 2, 1] });
        check([3, 3], good()).unwrap();
        let huge = 1_usize << 40;
        assert!(check([huge, huge], good()).unwrap_err().to_string().contains("`file`: grid: found 10995"));
        for (field, bad) in [("example", json!(4)), ("unit", json!(1_u64 << 40)), ("areas", json!([10, 2, 1]))] {
            let mut exemplar = good();
            exemplar[field] = bad;
            let error = check([3, 3], exemplar).unwrap_err().to_string();
            assert!(error.contains(&format!("`file`: exemplars[0].{field}: found")), "{error}");
        }
    }

    #[test]
    fn units_fire_on_examples_of_the_run() {
        let check = |counts: [usize; 3]| check_active(Path::new("file"), 2, counts, 4);
        check([4, 4, 4]).unwrap();
        for (counts, message) in [
            ([usize::MAX, 0, 0], "`file`: line 2: active: found 18446744073709551615, expected at most 4"),
            ([3, 4, 0], "`file`: line 2: known: found 4, expected at most 3"),
            ([3, 2, 3], "`file`: line 2: correct: found 3, expected at most 2"),
        ] {
            let error = check(counts).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn numbers_of_records_can_be_counted_to() {
        let check = |value: Value| check_record(Path::new("file"), &value);
        check(json!({ "fill": [{ "accuracy": 0.5, "n": 3, "logit": -7.5, "name": "x", "none": null }] })).unwrap();
        for (value, message) in [
            (json!({ "fill": [{ "accuracy": 1.5 }] }), "`file`: fill[0].accuracy: found 1.5, expected a number from 0"),
            (json!({ "n": u64::MAX }), "`file`: n: found 18446744073709552000"),
            (json!({ "a": { "b": [0, -1e300] } }), "`file`: a.b[1]: found -1"),
        ] {
            let error = check(value).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
