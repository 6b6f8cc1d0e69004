//! `compexp vision counterfactual`: parts of images pasted into others, and what the network then predicts.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use compexp_core::concept::{ConceptId, Vocabulary};
use compexp_core::explain::Progress;
use compexp_files::hash_file;
use compexp_trust::behaviour::contribution::Measure;
use compexp_vision::broden::{self, BrodenOptions};
use compexp_vision::counterfactual::{Candidate, Case, Config, Subject, Survey, Unit};
use compexp_vision::model::{Model, default_device};
use compexp_vision::preprocess::Preprocess;
use ndarray::Array2;
use serde::Deserialize;

use super::counterfactual_files::{self as files, Names};
use crate::args::at_most;
use crate::commands::classified::Classified;
use crate::commands::trials::{CASES, first_cases, print_json, write_trials};
use crate::failure::Failure;
use crate::progress::{Reporter, duration};

#[derive(Debug, Args)]
#[command(after_help = "\
A unit that contributes to a class T by its weight is said to support T; does what makes its formula true make the network
predict T? Segments of a concept of the formula are pasted into images that the network takes for another class and on
which the formula is true nowhere, and beside each of them a control: a part of another image of the segment's class, of
the same area, on which the formula is true nowhere. The effect is the difference of the two success rates.

Of all units, --auto takes those with the greatest weight(T, unit) x gain, where gain is the mean feature of the unit on
images where its formula is true somewhere, less that on the others; the other class is the one nearest to T in logits.

The folder gets cases.csv, placements.csv, counterfactuals.json, and pictures of each case's most convincing trial.

Examples:
  compexp vision counterfactual runs/layer4 --auto 20
  compexp vision counterfactual runs/layer4 --unit 484 --to swimming_pool --class street --concept water --images 20")]
pub(crate) struct VisionCounterfactualArgs {
    /// A run of `compexp vision probe` on the layer that the network's last layer reads
    pub(crate) run: PathBuf,
    /// The folder in Broden's format [default: the run's]
    #[arg(help_heading = "Inputs", long, value_name = "DIR")]
    pub(crate) broden: Option<PathBuf>,
    /// The network [default: the run's]
    #[arg(help_heading = "Inputs", long, value_name = "FILE")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// The number of cases to choose [default: 20, unless --unit names one]
    #[arg(help_heading = "Cases", long, value_name = "N", value_parser = at_most(1, 100_000), conflicts_with = "unit")]
    pub(crate) auto: Option<usize>,
    /// The unit whose formula is made true
    #[arg(help_heading = "Cases", long, value_name = "U", requires = "to")]
    pub(crate) unit: Option<usize>,
    /// The class that the unit supports, and that is to be predicted
    #[arg(help_heading = "Cases", long, value_name = "T", requires = "unit")]
    pub(crate) to: Option<String>,
    /// The class of the images that are changed [default: the nearest in logits]
    #[arg(help_heading = "Cases", long, value_name = "A", requires = "unit")]
    pub(crate) class: Option<String>,
    /// The concept whose segments are pasted [default: that of the formula's whose segments make it true most often]
    #[arg(help_heading = "Cases", long, value_name = "C", requires = "unit")]
    pub(crate) concept: Option<String>,
    /// The areas of what is pasted, as shares of the image
    #[arg(help_heading = "Trials", long, value_name = "S,S", value_delimiter = ',', default_values_t = [0.1, 0.25])]
    pub(crate) sizes: Vec<f64>,
    /// Places a side of the grid
    #[arg(help_heading = "Trials", long, value_name = "G", default_value_t = 3, value_parser = at_most(1, 100))]
    pub(crate) grid: usize,
    /// The greatest number of images that are changed in a case
    #[arg(help_heading = "Trials", long, value_name = "N", default_value_t = 10, value_parser = at_most(1, 100_000))]
    pub(crate) images: usize,
    /// The greatest number of segments of a case
    #[arg(help_heading = "Trials", long, value_name = "N", default_value_t = 2, value_parser = at_most(1, 10_000))]
    pub(crate) segments: usize,
    /// Images that run at once. Results do not depend on it
    #[arg(help_heading = "Trials", long, value_name = "N", default_value_t = 32, value_parser = at_most(1, 4096))]
    pub(crate) batch: usize,
    /// Decides which images and segments are taken
    #[arg(help_heading = "Trials", long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
    /// The folder for the results [default: counterfactuals in the run]
    #[arg(help_heading = "Output", long, short, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Print JSON
    #[arg(help_heading = "Output", long)]
    pub(crate) json: bool,
}

pub(crate) fn run(args: &VisionCounterfactualArgs, reporter: &Reporter) -> Result<()> {
    let config = Config {
        sizes: args.sizes.clone(),
        grid: args.grid,
        targets: args.images,
        segments: args.segments,
        batch: args.batch,
        seed: args.seed,
    };
    config.check().map_err(|e| Failure::usage(format!("arguments: {e}")))?;
    let known = Classified::open(&args.run, "vision probe", "layer4")?;
    let inputs = &known.run.explanations.config["inputs"];
    let checkpoint = known.path("checkpoint", args.checkpoint.as_deref())?;
    if inputs["checkpoint"].as_str() != Some(&hash_file(&checkpoint)?) {
        let message =
            format!("`{}`: found another network than that of `{}`", checkpoint.display(), args.run.display());
        return Err(Failure::new(message).hint("give --checkpoint FILE, the network that was probed").into());
    }
    let preprocess = Preprocess::deserialize(&inputs["preprocess"])?;
    let layer = inputs["layer"].as_str().unwrap_or_default().to_owned();
    let broden = open_broden(&known, args.broden.as_deref())?;
    let images: Vec<PathBuf> = broden.images().iter().map(|i| broden.image_root().join(&i.name)).collect();
    let set = broden.into_probe_set();
    let names: Vec<String> = set.examples.iter().map(|example| example.name.clone()).collect();
    let model = Model::load(&checkpoint, &default_device()?)?;
    let subject = Subject {
        model: &model,
        layer: &layer,
        preprocess,
        images: &images,
        annotations: set.source.as_ref(),
        head: &known.head,
        features: &known.features,
        logits: &known.logits,
        known: &known.known,
    };
    subject.check()?;

    let units: Vec<Unit> =
        known.formulas(args.unit, &set.vocabulary)?.into_iter().map(|(unit, formula)| Unit { unit, formula }).collect();
    let to = args.to.as_deref().map(|name| known.class("--to", name)).transpose()?;
    let from = args.class.as_deref().map(|name| known.class("--class", name)).transpose()?;
    if to.is_some() && to == from {
        return Err(Failure::usage("--class and --to: found the same class twice, expected two").into());
    }
    let concept = args.concept.as_deref().map(|name| find_concept(&set.vocabulary, name)).transpose()?;

    reporter.stage("formulas", "images", images.len());
    let survey = Survey::of(&subject, &units, &|done| reporter.done(done))?;
    reporter.end();
    let n_classes = known.head.classes.len();
    let weight = |(unit, class)| f64::from(known.head.weights[[class, unit]]);
    let lacking = |e| lacking(e, &units, &set.vocabulary, &args.run);
    let candidates = match to {
        Some(to) => vec![survey.chosen(&subject, &units, 0, to, from).map_err(|e| lacking(e.into()))?],
        None => survey.candidates(
            &subject,
            &units,
            &Measure::new(Array2::from_shape_fn((known.head.n_units(), n_classes), weight)),
        ),
    };
    let wanted = if to.is_some() { 1 } else { args.auto.unwrap_or(CASES).min(candidates.len()) };
    let predictions = wanted * Case::predictions(&config);
    estimate(&subject, wanted, predictions, config.batch, reporter)?;
    let trials = Trials { subject, survey: &survey, units: &units, config: &config };
    let cases = trials
        .run(&candidates, wanted, concept, predictions, to.is_some(), reporter)
        .map_err(|e| if to.is_some() { lacking(e) } else { e })?;
    let names = Names { run: &known, images: &names, vocabulary: &set.vocabulary, units: &units };
    let command = "vision counterfactual";
    let write = |out: &Path| files::write(out, &names, &config, &cases);
    let (out, record) = write_trials(&known.run, args.out.as_deref(), command, write)?;
    match args.json {
        true => print_json(&record),
        false => names.trials(&cases).print(&out, |_| Ok(())),
    }
}

/// What the unit that was asked for lacks for a case, and how to go on.
fn lacking(error: anyhow::Error, units: &[Unit], vocabulary: &Vocabulary, run: &Path) -> anyhow::Error {
    let (Some(compexp_vision::Error::Core(lack @ compexp_core::Error::Mismatch { .. })), [Unit { unit, formula }]) =
        (error.downcast_ref(), units)
    else {
        return error;
    };
    let hint = format!(
        "`compexp show {} --unit {unit}` prints what makes the formula true; --concept, --class, --to and --sizes choose \
         what is pasted into what",
        run.display()
    );
    Failure::new(format!("unit {unit}, `{}`: {lack}", formula.display(vocabulary))).hint(hint).into()
}

/// Says how long the predictions will take, from a first batch.
fn estimate(subject: &Subject<'_>, cases: usize, predictions: usize, batch: usize, reporter: &Reporter) -> Result<()> {
    let started = Instant::now();
    let n = subject.rehearse(batch)?.max(1);
    let each = started.elapsed().as_secs_f64() / n as f64;
    let all = Duration::try_from_secs_f64(each * predictions as f64).unwrap_or_default();
    reporter.say(&format!(
        "{cases} cases, up to {predictions} predictions of {:.1} ms each: about {}",
        1000.0 * each,
        duration(all)
    ));
    Ok(())
}

struct Trials<'a> {
    subject: Subject<'a>,
    survey: &'a Survey,
    units: &'a [Unit],
    config: &'a Config,
}

impl Trials<'_> {
    /// Tries candidates in their order until there are as many cases as `wanted`; those without segments or images are
    /// left out, unless one was `chosen`.
    fn run(
        &self,
        candidates: &[Candidate],
        wanted: usize,
        concept: Option<ConceptId>,
        predictions: usize,
        chosen: bool,
        reporter: &Reporter,
    ) -> Result<Vec<Case>> {
        let mut done = 0;
        reporter.stage("counterfactuals", "predictions", predictions);
        let case = |candidate: &Candidate| {
            let progress = |of_case: usize, _: usize| reporter.done(done + of_case);
            match Case::run(&self.subject, self.survey, self.units, candidate, concept, self.config, &progress) {
                Ok(case) => {
                    done += case.effect.tested.trials + case.effect.control.trials;
                    Ok(Some(case))
                }
                Err(compexp_vision::Error::Core(compexp_core::Error::Mismatch { .. })) if !chosen => Ok(None),
                Err(e) => Err(e.into()),
            }
        };
        let (cases, left_out) = first_cases(candidates, wanted, case)?;
        reporter.end();
        if left_out > 0 {
            reporter.say(&format!(
                "{left_out} units before these were left out: no segment makes their formula true (formulas of whole \
                 scenes), or too few images fit"
            ));
        }
        if cases.is_empty() {
            let message = "cases: found none, expected at least one unit with segments that make its formula true";
            return Err(Failure::new(message).hint("name a unit with --unit and --to, and see what it lacks").into());
        }
        Ok(cases)
    }
}

/// The run's Broden folder, which must have the run's images.
fn open_broden(known: &Classified, given: Option<&Path>) -> Result<broden::Broden> {
    let inputs = &known.run.explanations.config["inputs"];
    let dir = known.path("broden", given)?;
    let categories = Option::<Vec<String>>::deserialize(&inputs["annotations"]["categories"])?;
    let index = known.config.paths.get("index").map(PathBuf::from);
    let broden = broden::load(&dir, &BrodenOptions { categories, index })?;
    let examples = known.run.examples()?;
    if !broden.images().iter().map(|image| &image.name).eq(examples.iter().map(|example| &example.name)) {
        let message = format!("`{}`: found other images than those of the run", dir.display());
        return Err(Failure::new(message).hint("give --broden DIR, the folder that was probed").into());
    }
    Ok(broden)
}

fn find_concept(vocabulary: &Vocabulary, name: &str) -> Result<ConceptId> {
    let found = vocabulary.find(name);
    Ok(found.ok_or_else(|| Failure::new(format!("--concept {name}: the probe set has no concept of this name")))?)
}
