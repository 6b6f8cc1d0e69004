//! `compexp eval`: a formula's area, and how well it matches units.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::Result;
use compexp_core::exemplar::Firing;
use compexp_core::explain::Progress;
use compexp_core::explanation::Universe;
use compexp_core::formula::Formula;
use compexp_core::partition::{Partition, PositionMap};
use compexp_core::profile::{Band, Profile, from_activations, from_masks, from_sparse};
use compexp_core::score::{Counts, Metric};
use compexp_core::sparse;
use compexp_core::threshold::{ThresholdRule, thresholds};
use compexp_run::provenance::units_text;
use compexp_run::{FinishedRun, divide};
use serde_json::json;

use crate::annotations::{Annotated, Annotations};
use crate::args::runs::EvalArgs;
use crate::explain_config;
use crate::failure::Failure;
use crate::layer::Layer;
use crate::progress::Reporter;
use crate::run_inputs::{annotations_of, lacks, layer_of};
use crate::terminal::{self, count, name};

/// The annotations and the layer on which a formula is measured.
struct Inputs {
    annotated: Annotated,
    layer: Option<Layer>,
    units: Vec<usize>,
    /// The threshold of every unit of the layer; computed if there are none.
    thresholds: Option<Vec<f64>>,
}

pub(crate) fn run(args: &EvalArgs, reporter: &Reporter) -> Result<()> {
    let inputs = match &args.run {
        Some(run) => Inputs::of_run(run, args.unit, reporter)?,
        None => Inputs::of_args(args, reporter)?,
    };
    let set = &inputs.annotated.set;
    let formula = Formula::parse(&args.formula, &set.vocabulary).map_err(Failure::usage)?;
    let (partition, map) = divide(set, &std::env::temp_dir(), reporter)?;
    let inside = partition.evaluate(&formula);
    let area = partition.area_of(&inside);
    let profiles = inputs.profiles(args, &partition, &map, reporter)?;
    let counts = |profile: &Profile| Counts {
        universe: partition.n_positions(),
        formula: area,
        unit: profile.area(),
        both: profile.hits_in(&inside),
    };
    let mut scored: Vec<(usize, Counts)> =
        inputs.units.iter().zip(&profiles).map(|(unit, profile)| (*unit, counts(profile))).collect();
    let iou = |counts: Counts| Metric::Iou.of(counts);
    scored.sort_by(|a, b| iou(b.1).total_cmp(&iou(a.1)).then(a.0.cmp(&b.0)));
    scored.truncate(args.limit);
    reporter.end();
    let printed = formula.display(&set.vocabulary).to_string();
    print(&printed, formula.length(), area, &partition, &scored, args.json)?;
    Ok(())
}

impl Inputs {
    fn of_args(args: &EvalArgs, reporter: &Reporter) -> Result<Self> {
        let layer = Layer::new(&args.layer)?;
        let annotated = Annotations::new(&args.annotations).open(reporter)?;
        let units = match (&layer, args.unit) {
            (Some(layer), unit) => {
                layer.check(&annotated, reporter)?;
                units(unit, (0..layer.firing().n_units()).collect())?
            }
            (None, Some(_)) => {
                let hint = "give its layer with --activations or --masks, or a run with --run";
                return Err(Failure::usage("--unit: found no layer that it is of").hint(hint).into());
            }
            (None, None) => Vec::new(),
        };
        Ok(Self { annotated, layer, units, thresholds: None })
    }

    /// The inputs of a run, which must not have changed.
    fn of_run(dir: &Path, unit: Option<usize>, reporter: &Reporter) -> Result<Self> {
        let run = FinishedRun::open(dir)?;
        let annotated = annotations_of(&run, reporter)?;
        let (layer, places) = layer_of(&run, reporter)?;
        let (layer, annotated) = places.apply(layer, annotated, reporter)?;
        layer.check(&annotated, reporter)?;
        let n_units = layer.firing().n_units();
        let explained = &run.explanations.units;
        if let Some(unit) = explained.iter().find(|u| u.unit >= n_units) {
            return Err(lacks(dir, &format!("unit {} in its layer", unit.unit)).into());
        }
        let mut thresholds = vec![0.0; n_units];
        for unit in explained {
            thresholds[unit.unit] = unit.threshold.unwrap_or_default();
        }
        let units = units(unit, explained.iter().map(|u| u.unit).collect())?;
        Ok(Self { annotated, layer: Some(layer), units, thresholds: Some(thresholds) })
    }

    fn profiles(
        &self,
        args: &EvalArgs,
        partition: &Partition,
        map: &PositionMap,
        reporter: &Reporter,
    ) -> Result<Vec<Profile>> {
        let Some(layer) = &self.layer else { return Ok(Vec::new()) };
        let (n, n_cells) = (map.n_examples(), partition.n_cells());
        let tell = |n: usize| reporter.done(n);
        Ok(match layer.firing() {
            Firing::Activations(source) => {
                let cuts = match &self.thresholds {
                    Some(thresholds) => thresholds.clone(),
                    None => {
                        let rule = explain_config::threshold(&args.threshold, layer.has_maps(), false, reporter);
                        reporter.stage("thresholds", "examples", n);
                        thresholds(source, rule, &tell)?
                    }
                };
                reporter.stage("profiles", "examples", n);
                from_activations(source, &Band::of_units(&self.units, &cuts), map, n_cells, 0, &tell)?
            }
            Firing::Sparse(source) => {
                let cuts = match &self.thresholds {
                    Some(thresholds) => thresholds.clone(),
                    None => sparse::thresholds(source, ThresholdRule::Positive, &|_| ())?,
                };
                reporter.stage("profiles", "units", source.n_units());
                from_sparse(source, &Band::of_units(&self.units, &cuts), map, n_cells, 0, &tell)?
            }
            Firing::Masks(source) => {
                reporter.stage("profiles", "units", self.units.len());
                from_masks(source, &self.units, map, n_cells, 0, &tell)?
            }
        })
    }
}

/// The selected unit, or all.
fn units(asked: Option<usize>, all: Vec<usize>) -> Result<Vec<usize>, Failure> {
    match asked {
        None => Ok(all),
        Some(unit) if all.contains(&unit) => Ok(vec![unit]),
        Some(unit) => {
            let all = units_text(&all);
            Err(Failure::usage(format!("--unit: found {unit}, expected one of the units {all}")))
        }
    }
}

fn print(
    formula: &str,
    length: usize,
    area: u64,
    partition: &Partition,
    scored: &[(usize, Counts)],
    as_json: bool,
) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    let metrics = [Metric::Iou, Metric::Mcc, Metric::Precision, Metric::Recall, Metric::F1];
    if as_json {
        let unit = |(unit, counts): &(usize, Counts)| {
            let [iou, _, precision, recall, f1] = metrics.map(|m| m.of(*counts));
            json!({
                "unit": unit, "iou": iou, "firing_rate": counts.firing_rate(), "lift": counts.lift(),
                "mcc": counts.mcc(), "precision": precision, "recall": recall, "f1": f1,
                "intersection": counts.both, "union": counts.union(), "unit_area": counts.unit,
            })
        };
        let units: Vec<_> = scored.iter().map(unit).collect();
        let universe = Universe::of(partition);
        let value = json!({
            "formula": formula, "length": length, "formula_area": area, "universe": universe, "units": units,
        });
        terminal::write_json(&mut out, &value)?;
        return out.flush();
    }
    let share = 100.0 * area as f64 / partition.n_positions() as f64;
    writeln!(out, "{}: {} positions, {share:.3}% of all", name(formula), count(area))?;
    if !scored.is_empty() {
        let row = |(unit, counts): &(usize, Counts)| {
            let [iou, mcc, precision, recall, f1] = metrics.map(|m| format!("{:.4}", m.of(*counts)));
            let lift = counts.lift().map_or("-".to_owned(), |lift| format!("{lift:.2}"));
            [unit.to_string(), iou, mcc, lift, precision, recall, f1, count(counts.unit), count(counts.both)]
        };
        let header = ["unit", "IoU", "MCC", "lift", "precision", "recall", "F1", "unit area", "both"];
        terminal::write(&mut out, "", header, &scored.iter().map(row).collect::<Vec<_>>())?;
    }
    out.flush()
}
