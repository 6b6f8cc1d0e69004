//! `compexp show`: the explanations of a run, in the terminal.

use std::io::{self, BufWriter, Write};

use anyhow::Result;
use compexp_core::exemplar::{Choice, Exemplar};
use compexp_core::explanation::{Explanation, Explanations, Headline, Scored, Universe};
use compexp_core::probe::Example;
use compexp_report::in_words::{Concepts, in_words};
use compexp_run::FinishedRun;
use compexp_run::provenance::units_text;
use serde::Serialize;

use super::show_concepts;
use crate::args::runs::{ShowArgs, SortArg};
use crate::evidence_text;
use crate::failure::Failure;
use crate::terminal::{self, count, name};

/// The examples of each kind that are shown for a unit.
const EXAMPLES: usize = 5;

/// The formulas of each beam that are shown for a unit.
const BEAM: usize = 5;

pub(crate) fn run(args: &ShowArgs) -> Result<()> {
    let run = FinishedRun::open(&args.run)?;
    let wording = Wording { concepts: Concepts::of(&run).unwrap_or(Concepts::Other), shown: args.words };
    let mut out = BufWriter::new(io::stdout().lock());
    match args.unit {
        Some(unit) => {
            let unit = find(&run.explanations, unit)?;
            let exemplars: Vec<Exemplar> =
                run.exemplars()?.exemplars.into_iter().filter(|e| e.unit == unit.unit).collect();
            let examples = run.examples()?;
            if args.json {
                let named = |exemplar| Named::of(exemplar, &examples);
                let exemplars: Vec<_> = exemplars.iter().map(named).collect();
                let ranges = run.explanations.ranges.iter().filter(|r| r.unit == unit.unit);
                let found =
                    OneUnit { unit: wording.told(unit), exemplars, ranges: ranges.map(|r| wording.told(r)).collect() };
                terminal::write_json(&mut out, &found)?;
            } else {
                one(&mut out, &run.explanations, unit, wording, &exemplars, &examples)?;
            }
        }
        None if args.concepts => show_concepts::write(&mut out, &run, args)?,
        None => {
            let units = sorted(&run.explanations, args.sort, args.limit);
            if args.json {
                let Explanations { version, universe, ranges, .. } = &run.explanations;
                let units = units.into_iter().map(|unit| wording.told(unit)).collect();
                let ranges = ranges.iter().map(|range| wording.told(range)).collect();
                let found = AllUnits { version: *version, universe: *universe, units, ranges };
                terminal::write_json(&mut out, &found)?;
            } else {
                all(&mut out, &units, wording, Headline::of(&run.explanations))?;
            }
        }
    }
    out.flush()?;
    Ok(())
}

fn find(explanations: &Explanations, unit: usize) -> Result<&Explanation, Failure> {
    explanations.units.iter().find(|u| u.unit == unit).ok_or_else(|| {
        let units: Vec<usize> = explanations.units.iter().map(|u| u.unit).collect();
        Failure::usage(format!("--unit: found {unit}, expected a unit of the run: {}", units_text(&units)))
    })
}

/// The units in that order, at most `limit`.
pub(super) fn sorted(explanations: &Explanations, sort: Option<SortArg>, limit: Option<usize>) -> Vec<&Explanation> {
    let headline = Headline::of(explanations);
    let sort = sort.unwrap_or(SortArg::of(headline));
    let mut units = Headline::Iou.best_first(&explanations.units);
    match sort {
        SortArg::Iou => {}
        SortArg::Unit => units.sort_by_key(|u| u.unit),
        // Units without the value come last.
        _ => units.sort_by(|a, b| {
            let [a, b] = [a, b].map(|u| sort.value(u, headline).unwrap_or(f64::NEG_INFINITY));
            b.total_cmp(&a)
        }),
    }
    units.truncate(limit.unwrap_or(usize::MAX));
    units
}

/// What `--json` prints of one unit.
#[derive(Serialize)]
struct OneUnit<'a> {
    unit: Told<'a>,
    exemplars: Vec<Named<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ranges: Vec<Told<'a>>,
}

/// What `--json` prints of all units.
#[derive(Serialize)]
struct AllUnits<'a> {
    version: u32,
    universe: Universe,
    units: Vec<Told<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ranges: Vec<Told<'a>>,
}

/// A record with its formula in words.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    record: &'a Explanation,
    words: Option<String>,
}

/// How formulas are said in words, and whether the table has them.
#[derive(Clone, Copy)]
struct Wording {
    concepts: Concepts,
    shown: bool,
}

impl Wording {
    fn of(self, record: &Explanation) -> Option<String> {
        in_words(record.formula.as_deref()?, self.concepts)
    }

    fn told(self, record: &Explanation) -> Told<'_> {
        Told { record, words: self.of(record) }
    }
}

/// An exemplar with what its example is called.
#[derive(Serialize)]
struct Named<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    text: &'a str,
    exemplar: &'a Exemplar,
}

impl<'a> Named<'a> {
    fn of(exemplar: &'a Exemplar, examples: &'a [Example]) -> Self {
        let Example { name, text, .. } = &examples[exemplar.example as usize];
        Self { name, text, exemplar }
    }
}

/// An example's name, and its text if it has one.
fn shown(example: &Example) -> String {
    match example.text.is_empty() {
        true => name(&example.name),
        false => format!("{}: {}", name(&example.name), name(&example.text)),
    }
}

/// The formula, or why there is none.
fn formula(unit: &Explanation) -> String {
    match &unit.formula {
        Some(formula) => name(formula),
        None => format!("- {}", unit.status.name().replace('_', " ")),
    }
}

/// Whether a score is proven, or how large the gap is.
fn proof(certified: bool, upper_bound: f64, score: f64) -> String {
    if certified { "proven".to_owned() } else { format!("gap {:.4}", upper_bound - score) }
}

fn all(out: &mut impl Write, units: &[&Explanation], wording: Wording, headline: Headline) -> io::Result<()> {
    // Words are aligned to the left, as nothing else before the last column is.
    let words: Vec<String> = units.iter().map(|u| wording.of(u).map_or(String::new(), |words| name(&words))).collect();
    let width = words.iter().map(|words| words.chars().count()).max().unwrap_or(0);
    let words_header = format!("{:<width$}", "words");
    let header = ["unit", "IoU", "MCC", "lift", "corrected", "optimum", "fires", &words_header, "formula"];
    let row = |(u, words): (&&Explanation, &String)| {
        let proof = u.optimal.map_or("-".to_owned(), |o| proof(o.certified, o.upper_bound, headline.value(u)));
        let fires = u.firing_rate.map_or("-".to_owned(), |rate| format!("{:.2}%", 100.0 * rate));
        let [mcc, corrected] = [u.mcc, u.chance_corrected].map(terminal::score);
        let lift = u.lift.map_or("-".to_owned(), |lift| format!("{lift:.2}"));
        let words = format!("{words:<width$}");
        [u.unit.to_string(), format!("{:.4}", u.iou), mcc, lift, corrected, proof, fires, words, formula(u)]
    };
    let has = |value: fn(&Explanation) -> bool| units.iter().any(|u| value(u));
    let scored = has(|u| u.mcc.is_some());
    let keep = [
        true,
        true,
        scored,
        scored,
        has(|u| u.chance_corrected.is_some()),
        has(|u| u.optimal.is_some()),
        has(|u| u.firing_rate.is_some()),
        wording.shown,
        true,
    ];
    terminal::write_columns(out, "", header, &units.iter().zip(&words).map(row).collect::<Vec<_>>(), keep)
}

/// The formula of each range of the unit's activation.
fn write_ranges(out: &mut impl Write, explanations: &Explanations, unit: usize) -> io::Result<()> {
    let headline = Headline::of(explanations);
    let row = |record: &Explanation| {
        let range = record.range?;
        let held_out = record.holdout.as_ref().and_then(|h| headline.held_out(h));
        let score = terminal::score(record.formula.is_some().then(|| headline.value(record)));
        Some([
            range.k.to_string(),
            range.to_string(),
            count(record.unit_area),
            score,
            terminal::score(held_out),
            formula(record),
        ])
    };
    let rows: Vec<_> = explanations.ranges.iter().filter(|record| record.unit == unit).filter_map(row).collect();
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "activation ranges, each explained by itself")?;
    let keep = std::array::from_fn(|column| column != 4 || rows.iter().any(|row| row[4] != "-"));
    terminal::write_columns(
        out,
        "  ",
        ["range", "values", "positions", headline.name(), "held out", "formula"],
        &rows,
        keep,
    )
}

fn ceiling_means(explanations: &Explanations) -> &'static str {
    let universe = explanations.universe;
    if 2 * universe.singleton_cells > universe.cells {
        "the best IoU of any function of all concepts; says little, as most cells are one position"
    } else {
        "the best IoU of any function of all concepts"
    }
}

fn one(
    out: &mut impl Write,
    explanations: &Explanations,
    unit: &Explanation,
    wording: Wording,
    exemplars: &[Exemplar],
    examples: &[Example],
) -> io::Result<()> {
    writeln!(out, "unit {}: {}", unit.unit, formula(unit))?;
    if let Some(words) = wording.of(unit).filter(|_| wording.shown) {
        writeln!(out, "  in words      {}", name(&words))?;
    }
    let universe = explanations.universe.examples as u64 * explanations.universe.positions as u64;
    let share = |area: u64| format!("{} positions, {:.3}% of all", count(area), 100.0 * area as f64 / universe as f64);
    if let (Some(both), Some(union)) = (unit.intersection, unit.union) {
        writeln!(out, "  IoU           {:.4}  {} of {} positions", unit.iou, count(both), count(union))?;
    }
    if let Some(rate) = unit.firing_rate {
        writeln!(out, "  firing rate   {rate:.4}  the IoU of a formula that is true everywhere")?;
    }
    if let Some(mcc) = unit.mcc {
        writeln!(out, "  MCC           {mcc:.4}  Matthews correlation of the two masks; 0 if they are independent")?;
    }
    if let Some(lift) = unit.lift {
        writeln!(
            out,
            "  lift          {lift:.2}    times as often as anywhere the unit fires where the formula is true"
        )?;
    }
    if let Some(scores) = unit.scores {
        writeln!(out, "  precision     {:.4}  of the formula's mask the unit covers", scores.precision)?;
        writeln!(out, "  recall        {:.4}  of the unit's mask the formula covers", scores.recall)?;
        writeln!(out, "  F1            {:.4}", scores.f1)?;
    }
    if unit.score != unit.iou && Some(unit.score) != unit.mcc {
        writeln!(out, "  score         {:.4}  which the search maximised", unit.score)?;
    }
    if let Some(ceiling) = unit.ceiling {
        writeln!(out, "  ceiling       {ceiling:.4}  {}", ceiling_means(explanations))?;
    }
    let headline = Headline::of(explanations);
    if let Some(optimal) = unit.optimal {
        let what = headline.name();
        let length = unit.by_length.len();
        let bound = optimal.upper_bound;
        if optimal.certified {
            writeln!(out, "  proven        no formula of up to {length} concepts has a higher {what}")?;
        } else {
            let gap = bound - headline.value(unit);
            writeln!(
                out,
                "  not proven    a formula of up to {length} concepts may have an {what} {gap:.4} higher, up to {bound:.4}"
            )?;
        }
    }
    writeln!(out, "  unit area     {}", share(unit.unit_area))?;
    if let Some(area) = unit.formula_area {
        writeln!(out, "  formula area  {}", share(area))?;
    }
    if let Some(threshold) = unit.threshold {
        writeln!(out, "  fires above   {threshold}")?;
    }
    evidence_text::write(out, unit)?;
    if !unit.by_length.is_empty() {
        writeln!(out, "best by length")?;
        let row = |s: &Scored| {
            let proof =
                s.certified.zip(s.upper_bound).map(|(certified, bound)| proof(certified, bound, headline.of_length(s)));
            let [iou, mcc] = [Some(s.iou), s.mcc].map(terminal::score);
            [s.length.to_string(), iou, mcc, proof.unwrap_or_default(), name(&s.formula)]
        };
        let rows: Vec<_> = unit.by_length.iter().map(row).collect();
        let scored = unit.by_length.iter().any(|s| s.mcc.is_some());
        let keep = [true, true, scored, unit.optimal.is_some(), true];
        terminal::write_columns(out, "  ", ["length", "IoU", "MCC", "optimum", "formula"], &rows, keep)?;
        evidence_text::write_by_length(out, unit, headline)?;
    }
    write_ranges(out, explanations, unit.unit)?;
    for (step, beam) in unit.beams.iter().flatten().enumerate() {
        writeln!(out, "beam of step {}, {} of {}", step + 1, beam.len().min(BEAM), beam.len())?;
        let row = |(formula, score): &(String, f64)| [format!("{score:.4}"), name(formula)];
        terminal::write(out, "  ", ["score", "formula"], &beam.iter().take(BEAM).map(row).collect::<Vec<_>>())?;
    }
    let kinds = [
        (Choice::Unit, "examples on which the unit fires most"),
        (Choice::Formula, "examples with most of the formula"),
        (Choice::NearMiss, "near misses, all of the formula but one literal"),
    ];
    for (kind, title) in kinds {
        let place = |e: &Exemplar| e.chosen.iter().find(|(choice, _)| *choice == kind).map(|(_, place)| *place);
        let mut chosen: Vec<(usize, &Exemplar)> = exemplars.iter().filter_map(|e| Some((place(e)?, e))).collect();
        chosen.sort_by_key(|(place, _)| *place);
        if chosen.is_empty() {
            continue;
        }
        let near = kind == Choice::NearMiss;
        let fires = chosen.iter().filter(|(_, e)| e.areas[0] > 0).count();
        let how_often = if near { format!(": the unit fires on {fires} of {}", chosen.len()) } else { String::new() };
        writeln!(out, "{title}{how_often}")?;
        let row = |(_, e): &(usize, &Exemplar)| {
            let [unit, formula, both] = e.areas.map(count);
            let activation = e.activation.map_or("-".into(), |a| format!("{a:.3}"));
            [activation, unit, formula, both, shown(&examples[e.example as usize])]
        };
        let rows: Vec<[String; 5]> = chosen.iter().take(EXAMPLES).map(row).collect();
        // Masks have no maximum activation. On near misses the formula is usually false and the unit silent.
        let empty = |cell: &String| cell == "-" || near && cell == "0";
        let keep = std::array::from_fn(|column| column == 4 || !rows.iter().all(|row| empty(&row[column])));
        terminal::write_columns(out, "  ", ["maximum", "unit", "formula", "both", "example"], &rows, keep)?;
    }
    Ok(())
}
