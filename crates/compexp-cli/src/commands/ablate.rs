//! `compexp vision ablate` and `compexp nli ablate`: the accuracy of a model without units of a run.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::Result;
use compexp_core::explain::Progress;
use compexp_files::{AtomicFile, make_folder, write_json, write_rows};
use compexp_report::analysis::Records;
use compexp_report::analysis::effects::{Curve, bands, curves, support, targets, top_share};
use compexp_report::figures::ablation_figures;
use compexp_run::ablation_record::{CurveConfig, Estimate, Hurt, Support};
use compexp_run::{AblationRecord, Band, FinishedRun, Provenance, UnitEffect, layout};
use compexp_trust::behaviour::Head;
use compexp_trust::behaviour::ablation::{Effect, Fill, Subject};

use crate::args::effects::AblateArgs;
use crate::contributions::Decided;
use crate::failure::Failure;
use crate::progress::{Reporter, duration};
use crate::terminal::{self, count, name};

/// The seed of the resamples of intervals.
const SEED: u64 = 0;

/// About the number of points of a curve.
const MEASUREMENTS: usize = 128;

/// The shares of removed units that the printed table shows.
const SHOWN: [f64; 4] = [0.0, 0.1, 0.25, 0.5];

pub(crate) fn run(args: &AblateArgs, reporter: &Reporter) -> Result<()> {
    let run = FinishedRun::open(&args.run)?;
    let decided = Decided::read(&run)?;
    let Decided { records, features, head } = &decided;
    if records.predictions.is_none() {
        let message = format!("`{}`: found no predictions.csv, expected the classes of examples", args.run.display());
        let hint = "make the run with `compexp vision probe --classes FILE`, or with `compexp nli probe`";
        return Err(Failure::new(message).hint(hint).into());
    }
    let targets = targets(records, head)?;
    let subject = Subject::new(head, features, &targets)?;
    let contributions = decided.contributions()?;
    let supports = &contributions.weight;

    let units: Vec<usize> = records.explanations.units.iter().map(|u| u.unit).collect();
    let every = args.every.unwrap_or_else(|| units.len().div_ceil(MEASUREMENTS).max(1));
    let config = CurveConfig { seeds: args.seeds as u64, every };
    let curves = curves(&subject, records, supports, config, reporter)?;
    let bands = bands(&curves);
    reporter.stage("each alone", "fills", 2);
    let mut effects = Vec::new();
    let mut found = Vec::new();
    for fill in [Fill::Zero, Fill::Mean] {
        let of_fill = subject.effects(&units, fill, supports)?;
        found.extend(support(&subject, &of_fill, fill, &contributions, SEED));
        effects.push((fill, of_fill));
        reporter.done(effects.len());
    }
    reporter.end();

    let summary = AblationRecord {
        version: AblationRecord::VERSION,
        units: units.len(),
        examples: targets.iter().flatten().count(),
        classes: head.classes.len(),
        accuracy: subject.accuracy(),
        curves: config,
        seed: SEED,
        top_share: top_share(head.classes.len()),
        support: found,
    };
    // As a value, whose fields are sorted by name.
    let sorted = serde_json::to_value(&summary)?;
    let command = if matches!(run.provenance(), Ok(Provenance::NliProbe(_))) { "nli ablate" } else { "vision ablate" };
    let adding = run.add(command)?;
    let folder = adding.path(layout::ABLATION);
    make_folder(&folder)?;
    write_curves(&adding.path(layout::ABLATION_CURVES), &curves)?;
    write_rows(&adding.path(layout::ABLATION_BANDS), &Band::COLUMNS, &bands)?;
    write_effects(&adding.path(layout::ABLATION_EFFECTS), records, head, &subject, &effects)?;
    for figure in ablation_figures(&bands, &effects[0].1, &supports.values, subject.examples_of())? {
        let mut file = AtomicFile::create(&folder.join(format!("{}.svg", figure.id)))?;
        file.write_all(figure.svg.as_bytes())?;
        file.commit()?;
    }
    write_json(&adding.path(layout::ABLATION_SUMMARY), &sorted)?;
    adding.finish()?;
    let out = args.run.join(layout::ABLATION);

    let mut stdout = BufWriter::new(io::stdout().lock());
    if args.json {
        terminal::write_json(&mut stdout, &sorted)?;
    } else {
        print(&mut stdout, &subject, units.len(), &bands, &summary.support)?;
        writeln!(stdout, "results in `{}`", name(&out.display().to_string()))?;
        writeln!(stdout, "took {}", duration(reporter.elapsed()))?;
    }
    stdout.flush()?;
    Ok(())
}

fn write_curves(path: &Path, curves: &[Curve]) -> Result<()> {
    let row = |curve: &Curve, step: &compexp_trust::behaviour::ablation::Step| {
        let (order, seed, fill) = (curve.order.name(), curve.order.seed(), curve.fill.name());
        (order, seed, fill, step.removed, step.accuracy, step.concerned, step.concerned_before)
    };
    let rows: Vec<_> = curves.iter().flat_map(|curve| curve.steps.iter().map(|s| row(curve, s))).collect();
    let columns = ["order", "seed", "fill", "removed", "accuracy", "concerned", "concerned_before"];
    Ok(write_rows(path, &columns, &rows)?)
}

fn write_effects(
    path: &Path,
    records: &Records,
    head: &Head,
    subject: &Subject<'_>,
    effects: &[(Fill, Vec<Effect>)],
) -> Result<()> {
    let mut rows = Vec::new();
    for (fill, effects) in effects {
        for (effect, unit) in effects.iter().zip(&records.explanations.units) {
            let names: Vec<&str> = effect.supports.iter().map(|class| head.classes[*class].as_str()).collect();
            let examples: usize = effect.supports.iter().map(|class| subject.examples_of()[*class]).sum();
            let weights = effect.supports.iter().map(|class| head.weights[[*class, effect.unit]]);
            rows.push(UnitEffect {
                unit: effect.unit,
                formula: unit.formula.clone(),
                iou: unit.formula.as_ref().map(|_| unit.iou),
                supports: names.join("; "),
                supported_examples: Some(examples),
                greatest_weight: weights.max_by(f32::total_cmp).map(same_digits),
                accuracy_change: effect.accuracy,
                supported_change: effect.supported,
                others_change: effect.others,
                fill: *fill,
            });
        }
    }
    Ok(write_rows(path, &UnitEffect::COLUMNS, &rows)?)
}

/// The number that is written with the same digits.
fn same_digits(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| f64::from(value))
}

fn print(out: &mut impl Write, subject: &Subject<'_>, units: usize, bands: &[Band], found: &[Support]) -> Result<()> {
    let examples = subject.examples_of().iter().sum::<usize>();
    writeln!(
        out,
        "accuracy {:.2}% on {} examples with all {} units",
        100.0 * subject.accuracy(),
        count(examples),
        count(units)
    )?;
    let shown: Vec<usize> = SHOWN.iter().filter_map(|share| nearest(bands, *share * units as f64)).collect();
    let mut rows = Vec::new();
    for first in bands.iter().filter(|b| b.removed == 0) {
        for removed in shown.iter().filter(|removed| **removed > 0) {
            let same = |b: &&Band| (&b.order, b.fill, b.removed) == (&first.order, first.fill, *removed);
            let Some(band) = bands.iter().find(same) else { continue };
            let range = match (band.low, band.high) {
                (Some(low), Some(high)) => format!("{:.2}% to {:.2}%", 100.0 * low, 100.0 * high),
                _ => String::new(),
            };
            let concerned = band.concerned_change.map_or(String::new(), |c| format!("{:+.2}", 100.0 * c));
            let accuracy = format!("{:.2}%", 100.0 * band.accuracy);
            let removed = format!("{removed} of {units}");
            rows.push([band.fill.name().into(), band.order.clone(), removed, accuracy, concerned, range]);
        }
    }
    terminal::write(out, "  ", ["set to", "order", "units", "accuracy", "concerned", "10% to 90% of seeds"], &rows)?;
    let share = |h: Hurt| format!("{:.1}% of {}", 100.0 * h.share.value, h.units);
    let change = |h: Hurt| format!("{:+.2}", 100.0 * h.change.value);
    let above = |estimate: &Option<Estimate>| {
        estimate.map_or(String::new(), |e| {
            let [value, low, high] = [e.value, e.interval[0], e.interval[1]].map(|v| 100.0 * v);
            format!("{value:+.2} [{low:+.2}, {high:+.2}]")
        })
    };
    let text = |hurt: Option<Hurt>, of: &dyn Fn(Hurt) -> String| hurt.map_or(String::new(), of);
    let table = |of: &dyn Fn(Hurt) -> String, contrasts: &dyn Fn(&Support) -> [Option<Estimate>; 2]| {
        let row = |s: &Support| -> [String; 7] {
            let [others, control] = contrasts(s).map(|estimate| above(&estimate));
            let [own, other, base] = [s.supported, s.others, s.control].map(|hurt| text(hurt, of));
            [s.fill.name().into(), s.measure.clone(), own, other, base, others, control]
        };
        found.iter().map(row).collect::<Vec<_>>()
    };
    let header =
        ["set to", "measure", "their classes", "other classes", "control", "less others [95%]", "less control [95%]"];
    writeln!(
        out,
        "units whose ablation hurts; the control is units that support no class, on the classes of those that do"
    )?;
    let shares = table(&share, &|s| [s.share_above_others, s.share_above_control]);
    terminal::write(out, "  ", header, &shares)?;
    writeln!(out, "change of accuracy without the unit, in points, over all examples of these classes")?;
    let changes = table(&change, &|s| [s.change_above_others, s.change_above_control]);
    Ok(terminal::write(out, "  ", header, &changes)?)
}

/// The measured number of removed units that is nearest to this one.
fn nearest(bands: &[Band], removed: f64) -> Option<usize> {
    let distance = |at: usize| (at as f64 - removed).abs();
    bands.iter().map(|b| b.removed).min_by(|a, b| distance(*a).total_cmp(&distance(*b)))
}
