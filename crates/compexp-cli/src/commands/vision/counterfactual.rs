//! `compexp vision counterfactual`: pastes parts of images into others, and measures the change of predictions.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use compexp_core::concept::{ConceptId, Vocabulary};
use compexp_core::explain::Progress;
use compexp_core::probe::Example;
use compexp_files::hash_file;
use compexp_run::Provenance;
use compexp_trust::behaviour::contribution::Measure;
use compexp_vision::counterfactual::{Candidate, Case, Config, Subject, Survey, Unit};
use compexp_vision::model::{Model, Options};
use compexp_vision::preprocess::{Preparation, Preprocess};
use ndarray::Array2;

use super::counterfactual_files::{self as files, Names};
use super::network::{self, Checkpoint};
use crate::annotations::{Annotated, Annotations};
use crate::args::effects::VisionCounterfactualArgs;
use crate::classifier_run::Classified;
use crate::failure::{Failure, refuse_standard_output};
use crate::input_files::as_text;
use crate::progress::{Reporter, duration};
use crate::run_inputs::lacks;
use crate::trials::{CASES, first_cases, print_json, write_trials};

pub(crate) fn run(args: &VisionCounterfactualArgs, reporter: &Reporter) -> Result<()> {
    args.out.iter().try_for_each(|out| refuse_standard_output(out, "counterfactuals are"))?;
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
    let Provenance::VisionProbe(made) = &known.made else {
        return Err(network::of_another_command(&args.run).into());
    };
    let inputs = &made.inputs;
    let checkpoint = known
        .path("checkpoint", [args.checkpoint.as_deref(), known.config.paths.checkpoint.as_deref().map(Path::new)])?;
    if inputs.checkpoint != hash_file(&checkpoint)? {
        let message =
            format!("`{}`: found another network than that of `{}`", checkpoint.display(), args.run.display());
        return Err(Failure::new(message).hint("give --checkpoint FILE, the network that was probed").into());
    }
    let preprocess = Preprocess::of_name(&inputs.preprocess, inputs.scaling).ok_or_else(|| {
        Failure::new(format!(
            "preprocess of the run: found `{}`, expected `reference`, `imagenet` or `file`",
            inputs.preprocess
        ))
    })?;
    let layer = inputs.layer.clone();
    let annotated = open_annotations(&known, args.broden.as_deref(), reporter)?;
    let images = annotated.photographs(&annotated.images()?)?;
    let set = annotated.set;
    let names: Vec<String> = set.examples.iter().map(|example| example.name.clone()).collect();
    let model = network::of_run(inputs, &checkpoint, args.device, reporter)?;
    let others = Others::open(args, reporter)?;
    let subject = Subject {
        model: &model,
        layer: &layer,
        preparation: Preparation { framing: annotated.framing, preprocess },
        images: &images,
        annotations: set.source.as_ref(),
        head: &known.head,
        features: &known.features,
        logits: &known.logits,
        known: &known.known,
        others: &others.models,
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
    let names =
        Names { run: &known, images: &names, vocabulary: &set.vocabulary, units: &units, others: &others.files };
    let write = |out: &Path| files::write(out, &names, &config, &cases);
    let command = "vision counterfactual";
    let (out, record) = write_trials(&known.run, args.out.as_deref(), command, write)?;
    match args.json {
        true => print_json(&record),
        false => names.trials(&cases).print(&out, |out| names.print_transfer(&cases, out)),
    }
}

/// Other networks that predict the edited images.
struct Others {
    models: Vec<Model>,
    /// The name of each file, and its hash.
    files: Vec<(String, String)>,
}

impl Others {
    fn open(args: &VisionCounterfactualArgs, reporter: &Reporter) -> Result<Self> {
        let (mut models, mut files) = (Vec::new(), Vec::new());
        for spec in &args.also {
            let Checkpoint { file, entry } = Checkpoint::new(spec)?;
            let options = Options { entry, ..Options::default() };
            models.push(network::open(&file, &options, args.device, reporter)?);
            files.push((short_name(spec, &args.also), hash_file(&file)?));
        }
        Ok(Self { models, files })
    }
}

/// The end of a network's path that tells it from `all` others: the name of its file, or as many folders more as that takes.
fn short_name(network: &Path, all: &[PathBuf]) -> String {
    let end = |path: &Path, parts: usize| path.iter().rev().take(parts).map(|part| part.to_owned()).collect::<Vec<_>>();
    let parts = network.iter().count();
    let is_alone = |parts: &usize| {
        let own = end(network, *parts);
        !all.iter().any(|other| other != network && end(other, *parts) == own)
    };
    let end = end(network, (1..parts).find(is_alone).unwrap_or(parts));
    end.into_iter().rev().collect::<PathBuf>().display().to_string()
}

/// The error if the selected unit has no case: the missing part, and a hint.
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

/// Estimates the time of the predictions from a first batch, and prints it.
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
    /// Tries candidates in order until there are `wanted` cases. Candidates without segments or images are left out;
    /// for a `chosen` candidate they are an error.
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
                "{left_out} units of higher rank were left out: no segment makes their formula true (formulas of whole \
                 scenes), or too few images fit"
            ));
        }
        if cases.is_empty() {
            let message = "cases: found none, expected at least one unit with segments that make its formula true";
            return Err(Failure::new(message)
                .hint("name a unit with --unit and --to to see why it has no case")
                .into());
        }
        Ok(cases)
    }
}

/// The run's annotations, which must be of the run's images.
fn open_annotations(known: &Classified, given: Option<&Path>, reporter: &Reporter) -> Result<Annotated> {
    let mut config = known.config.clone();
    if config.paths.annotations.is_none() {
        let dir = known.path("broden", [given, config.paths.broden.as_deref().map(Path::new)])?;
        config.paths.broden = Some(as_text(&dir)?);
    } else if given.is_some() {
        return Err(Failure::usage("--broden: the run's annotations are no Broden folder").into());
    }
    let dir = known.run.dir();
    let annotations = Annotations::of_run(&config, dir)?.ok_or_else(|| lacks(dir, "where its annotations were"))?;
    let annotated = annotations.open(reporter)?;
    let examples = known.run.examples()?;
    let names = |examples: &[Example]| examples.iter().map(|e| e.name.clone()).collect::<Vec<_>>();
    if names(&annotated.set.examples) != names(&examples) {
        let found = config.paths.annotations.or(config.paths.broden).unwrap_or_default();
        let message = format!("`{found}`: found other images than those of the run");
        return Err(Failure::new(message).hint("give --broden DIR, the folder that was probed").into());
    }
    Ok(annotated)
}

fn find_concept(vocabulary: &Vocabulary, name: &str) -> Result<ConceptId> {
    let found = vocabulary.find(name);
    Ok(found.ok_or_else(|| Failure::new(format!("--concept {name}: the probe set has no concept of this name")))?)
}
