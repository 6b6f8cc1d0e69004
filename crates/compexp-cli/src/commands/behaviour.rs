//! What units do to classes, for images and sentences alike: contributions, and accuracy without units.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use compexp_core::activation::{ActivationSource, check_finite};
use compexp_core::explain::Progress;
use compexp_core::explanation::Explanations;
use compexp_core::probe::Grid;
use compexp_files::{AtomicFile, write_json, write_rows};
use compexp_report::analysis::Records;
use compexp_report::analysis::behaviour::{
    Band, Curve, CurveConfig, Estimate, Hurt, Support, bands, contributions as measure, curves, support, targets,
    top_share,
};
use compexp_report::behaviour::ablation_figures;
use compexp_run::layout::{ABLATION_BANDS, ABLATION_CURVES, ABLATION_EFFECTS, ABLATION_SUMMARY, CONTRIBUTIONS};
use compexp_run::{ActivationFile, FinishedRun, layout};
use compexp_trust::behaviour::ablation::{Effect, Fill, Subject};
use compexp_trust::behaviour::contribution::Contributions;
use compexp_trust::behaviour::{Features, Head};
use serde_json::json;

use crate::args::at_most;
use crate::failure::Failure;
use crate::progress::{Reporter, duration};
use crate::table::{self, count, name};

/// The version of `ablation.json`.
const VERSION: u32 = 1;

/// Decides which classes stand in for those of units that support none, and the resamples of intervals.
const SEED: u64 = 0;

/// Curves are measured about so often.
const MEASUREMENTS: usize = 128;

/// The shares of units taken away that the printed table shows.
const SHOWN: [f64; 4] = [0.0, 0.1, 0.25, 0.5];

#[derive(Debug, Args)]
#[command(after_help = "\
Units are set to zero, or to their mean over the examples, in the order of IoU, of significance where the run has it, of
accuracy where they fire, and at random. The model itself is not needed: the run keeps its last layer.

RUN_DIR/ablation gets ablation.csv (every curve), bands.csv (one curve an order), effects.csv (each unit alone),
ablation.json (the summary) and figures.

Examples:
  After `compexp vision probe ... --layer layer4 --out runs/layer4`:
    compexp vision ablate runs/layer4

  After `compexp nli probe ... --out runs/bowman`, every unit one after another:
    compexp nli ablate runs/bowman --every 1")]
pub(crate) struct AblateArgs {
    /// A run of the units that the last layer reads, with predictions
    pub(crate) run: PathBuf,
    /// Random orders
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = at_most(1, 1000))]
    pub(crate) seeds: usize,
    /// Measure after every so many units [default: 128 measurements]
    #[arg(long, value_name = "N", value_parser = at_most(1, u64::MAX))]
    pub(crate) every: Option<usize>,
    /// Print the summary as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// A run with what its model decides by.
pub(crate) struct Decided {
    pub(crate) records: Records,
    pub(crate) features: Features,
    head: Head,
}

impl Decided {
    /// Reads a run with its head and the features that this reads.
    ///
    /// # Errors
    /// Those of the files; a [`Failure`] that says what is missing, and which command makes it.
    fn read(run: &FinishedRun) -> Result<Self> {
        let dir = run.dir();
        let Some(head) = run.head()? else {
            let message = format!("`{}`: found no head.json, expected the last layer of the model", dir.display());
            return Err(Failure::new(message).hint(way_to_head(run)).into());
        };
        let features = Features::pool(&activations(run)?)?;
        if features.n_units() != head.n_units() {
            let (found, expected) = (head.n_units(), features.n_units());
            let message =
                format!("units of `{}`: found {found}, expected {expected}, as activations.npy has", dir.display());
            return Err(Failure::new(format!("head.npy, {message}")).hint(AGAIN).into());
        }
        Ok(Self { records: Records::read(run)?, features, head })
    }

    fn contributions(&self) -> Result<Contributions> {
        let logits = self.head.logits(&self.features)?;
        let (weights, top) = (self.head.weights.view(), top_share(self.head.classes.len()));
        Ok(measure(&self.records, weights, &self.features, logits.view(), top)?)
    }
}

const AGAIN: &str = "make the run again: give its probing command with --force";

/// How to get a run that has a head.
fn way_to_head(run: &FinishedRun) -> String {
    let config = &run.explanations.config;
    match (config["command"].as_str(), config["inputs"]["layer"].as_str()) {
        (Some("vision probe"), Some(layer)) => format!(
            "the last layer of a residual network reads its last stage, this run is of `{layer}`: use a run of \
             `compexp vision probe --layer layer4`; one of layer4 that is older must be made again, with --force"
        ),
        (Some("nli probe"), Some(layer)) => format!(
            "the last layer reads the features, this run is of the {layer}: use a run of `compexp nli probe --layer \
             features`; one of features that is older must be made again, with --force"
        ),
        _ => {
            "activations of another model came without its last layer; `compexp vision probe` and `compexp nli probe` \
              keep it"
                .into()
        }
    }
}

/// A run's activations, which are checked as they are read.
///
/// # Errors
/// Those of the file; a [`Failure`] where it is not there, or of other examples.
pub(crate) fn activations(run: &FinishedRun) -> Result<Checked> {
    let dir = run.dir();
    let path = dir.join(layout::ACTIVATIONS);
    if let Some(out) = run.explanations.held_out {
        let message = format!(
            "`{}`: found a run of some examples, expected one of all: {} are held out",
            dir.display(),
            count(out.examples)
        );
        return Err(Failure::new(message).hint("use a run that was made without --holdout").into());
    }
    let Some(file) = run.activations()? else {
        let message = format!("`{}`: found no activations.npy, expected what the units give", dir.display());
        return Err(Failure::new(message).hint(AGAIN).into());
    };
    let (found, expected) = (file.n_examples(), run.explanations.universe.examples);
    if found != expected {
        let message = format!("examples in `{}`: found {found}, expected {expected}, as the run has", path.display());
        return Err(Failure::new(message).hint(AGAIN).into());
    }
    Ok(Checked(file))
}

/// Activations whose file is named where a value is not finite.
pub(crate) struct Checked(ActivationFile);

impl ActivationSource for Checked {
    fn n_examples(&self) -> usize {
        self.0.n_examples()
    }

    fn n_units(&self) -> usize {
        self.0.n_units()
    }

    fn grid(&self) -> Grid {
        self.0.grid()
    }

    fn read(&self, first: usize, out: &mut [f32]) -> compexp_core::Result<()> {
        self.0.read(first, out)?;
        check_finite(out, first, self.n_units(), self.grid().positions()).map_err(|e| match e {
            compexp_core::Error::NotFinite { unit, example, value } => {
                let field = format!("unit {unit} on example {example}");
                let expected = format!("a finite number; {AGAIN}");
                let error = compexp_files::Error::format(self.0.path(), field, value.to_string(), expected);
                compexp_core::Error::source(error)
            }
            other => other,
        })
    }
}

/// Measures the contributions of a run's units to classes, and writes them to it; nothing where an `up_to_date` run has
/// them. Where examples are held out there are none, and that is said.
///
/// # Errors
/// Those of [`Decided::read`] and of the file.
pub(crate) fn contributions(run: &FinishedRun, up_to_date: bool, reporter: &Reporter) -> Result<()> {
    if up_to_date && run.find(CONTRIBUTIONS)?.is_some() {
        return Ok(());
    }
    if run.explanations.held_out.is_some() {
        reporter.say("contributions: not measured, because they are of all examples, and some are held out");
        return Ok(());
    }
    write_contributions_to_classes(run).map(|_| ())
}

/// Measures and writes the contributions of a run's units to classes. The file comes back.
///
/// # Errors
/// As [`contributions`].
pub(crate) fn write_contributions_to_classes(run: &FinishedRun) -> Result<PathBuf> {
    let decided = Decided::read(run)?;
    let contributions = decided.contributions()?;
    let adding = run.add("vision contributions")?;
    let path = adding.path(CONTRIBUTIONS);
    write_contributions(&path, &decided.records.explanations, &contributions, &decided.head.classes)?;
    adding.finish()?;
    Ok(run.dir().join(CONTRIBUTIONS))
}

/// Writes a row for every unit of the run and target.
///
/// # Errors
/// Those of the file.
pub(crate) fn write_contributions(
    path: &Path,
    explanations: &Explanations,
    all: &Contributions,
    targets: &[String],
) -> Result<()> {
    let columns =
        ["unit", "target", "weight", "correlation", "overlap", "weight_role", "correlation_role", "overlap_role"];
    let measures = [&all.weight, &all.correlation, &all.overlap];
    let mut rows = Vec::new();
    for unit in explanations.units.iter().map(|u| u.unit) {
        for (at, target) in targets.iter().enumerate() {
            let values = measures.map(|m| Some(m.values[[unit, at]]).filter(|v| !v.is_nan()));
            rows.push((unit, target, values, measures.map(|m| m.role(unit, at).name())));
        }
    }
    Ok(write_rows(path, &columns, &rows)?)
}

pub(crate) fn ablate(args: &AblateArgs, reporter: &Reporter) -> Result<()> {
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

    let summary = json!({
        "version": VERSION,
        "units": units.len(),
        "examples": targets.iter().flatten().count(),
        "classes": head.classes.len(),
        "accuracy": subject.accuracy(),
        "curves": config,
        "seed": SEED,
        "top_share": top_share(head.classes.len()),
        "support": found,
    });
    let adding = run.add(&format!("{} ablate", kind(&run)))?;
    let folder = adding.path(layout::ABLATION);
    std::fs::create_dir(&folder).map_err(compexp_files::Error::io("create", &folder))?;
    write_curves(&adding.path(ABLATION_CURVES), &curves)?;
    let columns = [
        "order",
        "fill",
        "curves",
        "removed",
        "accuracy",
        "low",
        "high",
        "concerned_change",
        "concerned_change_low",
        "concerned_change_high",
    ];
    write_rows(&adding.path(ABLATION_BANDS), &columns, &bands)?;
    write_effects(&adding.path(ABLATION_EFFECTS), records, head, &subject, &effects)?;
    for figure in ablation_figures(&bands, &effects[0].1, &supports.values, subject.examples_of())? {
        let mut file = AtomicFile::create(&folder.join(format!("{}.svg", figure.id)))?;
        file.write_all(figure.svg.as_bytes())?;
        file.commit()?;
    }
    write_json(&adding.path(ABLATION_SUMMARY), &summary)?;
    adding.finish()?;
    let out = args.run.join(layout::ABLATION);

    let mut stdout = BufWriter::new(io::stdout().lock());
    if args.json {
        table::write_json(&mut stdout, &summary)?;
    } else {
        print(&mut stdout, &subject, units.len(), &bands, &found)?;
        writeln!(stdout, "results in `{}`", name(&out.display().to_string()))?;
        writeln!(stdout, "took {}", duration(reporter.elapsed()))?;
    }
    stdout.flush()?;
    Ok(())
}

/// `vision` or `nli`: which commands a run belongs to.
fn kind(run: &FinishedRun) -> &'static str {
    match run.explanations.config["command"].as_str() {
        Some("nli probe") => "nli",
        _ => "vision",
    }
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
    let columns = [
        "unit",
        "formula",
        "iou",
        "supports",
        "supported_examples",
        "greatest_weight",
        "accuracy_change",
        "supported_change",
        "others_change",
        "fill",
    ];
    let mut rows = Vec::new();
    for (fill, effects) in effects {
        for (effect, unit) in effects.iter().zip(&records.explanations.units) {
            let names: Vec<&str> = effect.supports.iter().map(|class| head.classes[*class].as_str()).collect();
            let examples: usize = effect.supports.iter().map(|class| subject.examples_of()[*class]).sum();
            let weights = effect.supports.iter().map(|class| head.weights[[*class, effect.unit]]);
            let supported = (names.join("; "), examples, weights.max_by(f32::total_cmp));
            let (formula, iou) = (&unit.formula, unit.formula.as_ref().map(|_| unit.iou));
            let changes = (effect.accuracy, effect.supported, effect.others);
            rows.push((effect.unit, formula, iou, supported, changes, fill.name()));
        }
    }
    Ok(write_rows(path, &columns, &rows)?)
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
            let same = |b: &&Band| (b.order, b.fill, b.removed) == (first.order, first.fill, *removed);
            let Some(band) = bands.iter().find(same) else { continue };
            let range = match (band.low, band.high) {
                (Some(low), Some(high)) => format!("{:.2}% to {:.2}%", 100.0 * low, 100.0 * high),
                _ => String::new(),
            };
            let concerned = band.concerned.map_or(String::new(), |c| format!("{:+.2}", 100.0 * c));
            let accuracy = format!("{:.2}%", 100.0 * band.accuracy);
            let removed = format!("{removed} of {units}");
            rows.push([band.fill.into(), band.order.into(), removed, accuracy, concerned, range]);
        }
    }
    table::write(out, "  ", ["set to", "order", "units", "accuracy", "concerned", "10% to 90% of seeds"], &rows)?;
    writeln!(out, "units whose ablation hurts")?;
    let share =
        |hurt: &Option<Hurt>| hurt.map_or(String::new(), |h| format!("{:.1}% of {}", 100.0 * h.share.value, h.units));
    let above = |estimate: &Option<Estimate>| {
        estimate.map_or(String::new(), |e| {
            let [value, low, high] = [e.value, e.interval[0], e.interval[1]].map(|v| 100.0 * v);
            format!("{value:+.1} [{low:+.1}, {high:+.1}]")
        })
    };
    let row = |s: &Support| {
        [
            s.fill.into(),
            s.measure.into(),
            share(&s.supported),
            share(&s.others),
            share(&s.control),
            above(&s.share_above_control),
        ]
    };
    let header = ["set to", "measure", "their classes", "other classes", "others' classes", "above that, 95%"];
    Ok(table::write(out, "  ", header, &found.iter().map(row).collect::<Vec<_>>())?)
}

/// The number of units taken away at which something was measured, nearest to this one.
fn nearest(bands: &[Band], removed: f64) -> Option<usize> {
    let distance = |at: usize| (at as f64 - removed).abs();
    bands.iter().map(|b| b.removed).min_by(|a, b| distance(*a).total_cmp(&distance(*b)))
}
