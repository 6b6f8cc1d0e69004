//! `compexp sae check`: trained latents beside controls that learnt nothing.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::Result;
use compexp_core::exemplar::Firing;
use compexp_core::explain::ExplainConfig;
use compexp_core::probe::ProbeSet;
use compexp_core::profile::Band;
use compexp_core::threshold::ThresholdRule;
use compexp_core::{ActivationSource, Formula};
use compexp_files::{hash_file, make_folder, write_bytes, write_json};
use compexp_report::controls::{Arm, ControlRow, Quantiles, control_figure, control_rows};
use compexp_run::provenance::{ArrayInput, ArrayInputs, Evidence, Made, Settings};
use compexp_run::{FinishedRun, InputPaths, Layer, Method, Outcome, Provenance, SparseFile, divide, explain_run};
use compexp_text::Sae;
use compexp_text::sae::{ExplainedVariance, Rotated, layer_mean};
use compexp_trust::stats::holdout::{FiringPart, Split, resampled_means};
use serde_json::json;

use crate::annotations::Annotated;
use crate::args::sae::SaeCheckArgs;
use crate::failure::{Failure, refuse_standard_output};
use crate::input_files::absolute;
use crate::latents::encode_with;
use crate::progress::{Reporter, duration};
use crate::run_folder;
use crate::run_inputs::{annotations_of, layer_of};
use crate::terminal::{self, count, name};

/// The share of the documents that is held out where neither the arguments nor the run say.
const HOLDOUT: f64 = 0.3;

/// An autoencoder on a version of the activations.
struct Control<'a> {
    kind: &'static str,
    /// The name of its files in the folder of results.
    name: String,
    sae: &'a Sae,
    activations: &'a dyn ActivationSource,
}

/// What was measured while latents were encoded.
struct Facts {
    active: f64,
    unexplained: Option<f64>,
}

pub(crate) fn run(args: &SaeCheckArgs, reporter: &Reporter) -> Result<()> {
    refuse_standard_output(&args.out, "the results are")?;
    let run = FinishedRun::open(&args.run)?;
    let provenance = run.provenance()?;
    let sae = Sae::open(&args.sae)?;
    let frozen = args.frozen.iter().map(|path| Sae::open(path)).collect::<Result<Vec<_>, _>>()?;
    let (layer, places) = layer_of(&run, reporter)?;
    let (Firing::Activations(activations), None) = (layer.firing(), places.record(reporter)?) else {
        let message = format!("`{}`: found no activations with a row for every word", run.dir().display());
        return Err(Failure::new(message).hint("give a run of `compexp text probe` without --sae").into());
    };
    for (sae, path) in [&sae].into_iter().chain(&frozen).zip([&args.sae].into_iter().chain(&args.frozen)) {
        sae.expect_width(&format!("{} (for `{}`)", args.run.display(), path.display()), activations.n_units())?;
    }
    let annotated = annotations_of(&run, reporter)?;
    if annotated.words.is_none() || activations.n_examples() != annotated.set.examples.len() {
        let found = format!("{} rows, {} examples", activations.n_examples(), annotated.set.examples.len());
        let message =
            format!("`{}`: found {found}, expected the words of sentences with a row each", args.run.display());
        return Err(Failure::new(message).hint("give a run of `compexp text probe`").into());
    }

    let made = provenance.settings();
    let asked = made.trust.unwrap_or_default();
    let holdout = args.holdout.or(asked.holdout).unwrap_or(HOLDOUT);
    let evidence = Evidence { null_draws: Some(args.null_draws), holdout: Some(holdout), seed: asked.seed };
    let split = Split::new(&annotated.set.examples, holdout, evidence.seed)?;
    let config =
        ExplainConfig { exemplars: made.exemplars, ..ExplainConfig::new(ThresholdRule::Positive, made.search.clone()) };

    let mean = layer_mean(activations)?;
    let seeds = || (0..args.seeds).map(|seed| seed as u64 + 1);
    let untrained: Vec<Sae> =
        seeds().map(|seed| Sae::untrained(&mean, sae.d_sae(), sae.kind().clone(), seed)).collect::<Result<_, _>>()?;
    let rotated: Vec<Rotated<'_>> =
        seeds().map(|seed| Rotated::new(activations, &mean, seed)).collect::<Result<_, _>>()?;
    let mut controls = vec![Control { kind: "trained", name: "trained".into(), sae: &sae, activations }];
    let numbered = |kind: &str, i: usize| format!("{kind}-{}", i + 1);
    controls.extend(frozen.iter().enumerate().map(|(i, sae)| Control {
        kind: "frozen",
        name: numbered("frozen", i),
        sae,
        activations,
    }));
    controls.extend(untrained.iter().enumerate().map(|(i, sae)| Control {
        kind: "untrained",
        name: numbered("untrained", i),
        sae,
        activations,
    }));
    controls.extend(rotated.iter().enumerate().map(|(i, activations)| Control {
        kind: "rotated",
        name: numbered("rotated", i),
        sae: &sae,
        activations,
    }));

    make_folder(&args.out)?;
    let mut arms = Vec::new();
    for control in &controls {
        reporter.say(&format!("latents `{}`", control.name));
        let path = args.out.join(format!("{}.safetensors", control.name));
        let facts = encode(control, &path, reporter)?;
        let file =
            SparseFile::open(&path)?.ok_or_else(|| Failure::new(format!("`{}`: found no latents", path.display())))?;
        let explained = explain(
            &file,
            &path,
            &args.out.join(&control.name),
            args.force,
            (&annotated, &config, evidence),
            reporter,
        )?;
        arms.push((control.kind, facts, file, explained));
    }
    let held_out = HeldOut::new(annotated.set, &split, &args.out, reporter)?;
    let arms = arms.iter().map(|(kind, facts, file, run)| {
        Ok(Arm {
            kind: (*kind).to_owned(),
            explanations: &run.explanations,
            active: facts.active,
            unexplained: facts.unexplained,
            resampled: held_out.resampled(file, run, evidence.seed, reporter)?,
        })
    });
    let rows = control_rows(&arms.collect::<Result<Vec<_>>>()?);
    reporter.end();
    write(args, &rows, holdout)?;
    print(args, &rows, reporter)
}

/// Writes the latents of a control.
fn encode(control: &Control<'_>, path: &Path, reporter: &Reporter) -> Result<Facts> {
    let mut variance = ExplainedVariance::default();
    let Control { sae, activations, .. } = control;
    let encoded = encode_with(sae, *activations, path, reporter, |values, latents| {
        Ok(variance.add(values, sae.decode(latents)?.view())?)
    })?;
    Ok(Facts {
        active: encoded.entries as f64 / encoded.rows.max(1) as f64,
        unexplained: variance.fraction().map(|explained| 1.0 - explained),
    })
}

/// Explains latents in a file, as `compexp explain` does.
fn explain(
    file: &SparseFile,
    path: &Path,
    out: &Path,
    force: bool,
    (annotated, config, evidence): (&Annotated, &ExplainConfig, Evidence),
    reporter: &Reporter,
) -> Result<FinishedRun> {
    let units: Vec<usize> = (0..Firing::Sparse(file).n_units()).collect();
    let array = ArrayInput { hash: hash_file(path)?, tensor: None, layout: None, grid: None, places: None };
    let inputs = ArrayInputs {
        annotations: annotated.record(reporter)?,
        activations: Some(array),
        masks: None,
        name_vectors: None,
    };
    let settings = Settings::new(config, &units, false, evidence);
    let provenance = Provenance::Explain(Made { inputs, settings });
    let paths = InputPaths { activations: Some(absolute(path)?), ..annotated.paths.clone() };
    let layer = Layer { set: &annotated.set, firing: Firing::Sparse(file), similarity: None, predictions: None };
    let method = Method { explain: config.clone(), units, evidence };
    match explain_run(out, layer, &method, &provenance, paths, force, reporter)? {
        Outcome::Made(run) | Outcome::UpToDate(run) => Ok(run),
        Outcome::Other(differences) => Err(run_folder::refusal(out, &differences).into()),
    }
}

/// The examples that are held out, divided into cells once for all controls.
struct HeldOut<'a> {
    split: &'a Split,
    vocabulary: compexp_core::Vocabulary,
    partition: compexp_core::Partition,
    map: compexp_core::partition::PositionMap,
}

impl<'a> HeldOut<'a> {
    fn new(set: ProbeSet, split: &'a Split, dir: &Path, reporter: &Reporter) -> Result<Self> {
        let set = set.only(split.held_out.clone())?;
        let (partition, map) = divide(&set, dir, reporter)?;
        Ok(Self { split, vocabulary: set.vocabulary, partition, map })
    }

    /// The mean held-out IoU of a control in every resample of the documents.
    fn resampled(&self, file: &SparseFile, run: &FinishedRun, seed: u64, reporter: &Reporter) -> Result<Vec<f64>> {
        let mut found = Vec::new();
        for unit in &run.explanations.units {
            if let Some(text) = &unit.formula {
                let formula = Formula::parse(text, &self.vocabulary)?;
                found.push((Band::above(unit.unit, unit.threshold.unwrap_or_default()), formula));
            }
        }
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let part = FiringPart::new(Firing::Sparse(file), &self.split.held_out);
        Ok(resampled_means(self.split, &self.partition, &self.map, part.firing(), &found, seed, reporter)?)
    }
}

/// Writes the table and the figure.
fn write(args: &SaeCheckArgs, rows: &[ControlRow], holdout: f64) -> Result<()> {
    let figure = control_figure(rows)?;
    let value = json!({ "version": 1, "null_draws": args.null_draws, "holdout": holdout, "controls": rows });
    write_bytes(&args.out.join("check.svg"), figure.svg.as_bytes())?;
    write_bytes(&args.out.join("check.csv"), figure.csv.as_bytes())?;
    Ok(write_json(&args.out.join("check.json"), &value)?)
}

fn print(args: &SaeCheckArgs, rows: &[ControlRow], reporter: &Reporter) -> Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    if args.json {
        terminal::write_json(&mut out, &rows)?;
        return Ok(out.flush()?);
    }
    let median = |q: Quantiles| terminal::score(q.median());
    let row = |row: &ControlRow| {
        let [low, high] = row.mean_held_out_interval;
        let below = row.below_first.map_or("-".to_owned(), |[d, low, high]| format!("{d:.3} [{low:.3}, {high:.3}]"));
        [
            row.kind.clone(),
            row.seeds.to_string(),
            count(row.latents as u64),
            format!("{:.1}%", 100.0 * row.alive),
            format!("{:.1}", row.active),
            terminal::score(row.unexplained_variance),
            median(row.single),
            median(row.formula),
            median(row.held_out),
            median(row.chance_corrected),
            median(row.correlation),
            median(row.auprc),
            format!("{:.3} [{low:.3}, {high:.3}]", row.mean_held_out),
            below,
        ]
    };
    let header = [
        "latents",
        "seeds",
        "number",
        "fire",
        "a word",
        "unexplained",
        "single",
        "formula",
        "held out",
        "corrected",
        "r",
        "AUPRC",
        "mean held out",
        "lower by",
    ];
    terminal::write(&mut out, "", header, &rows.iter().map(row).collect::<Vec<_>>())?;
    writeln!(out, "single to AUPRC: medians over the explained latents; intervals: 95%, over documents and seeds")?;
    writeln!(out, "results in `{}`", name(&args.out.display().to_string()))?;
    writeln!(out, "took {}", duration(reporter.elapsed()))?;
    Ok(out.flush()?)
}
