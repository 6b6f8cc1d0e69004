//! `compexp nli counterfactual`: inserts and removes words of sentences, and measures the change of predictions.

use std::path::{Path, PathBuf};

use anyhow::Result;
use compexp_core::explain::Progress;
use compexp_files::hash_file;
use compexp_nli::counterfactual::{Candidate, Case, Config, Direction, Lexicon, Subject, Unit};
use compexp_nli::features::{Annotator, FeatureConfig, SplitPair};
use compexp_run::provenance::PairInputs;
use compexp_run::{Provenance, open_probe};

use super::classifier;
use super::counterfactual_files::{self as files, Names};
use super::probe_files;
use super::sentences::SentenceSource;
use crate::args::effects::{DirectionArg, NliCounterfactualArgs};
use crate::classifier_run::Classified;
use crate::failure::{Failure, refuse_standard_output};
use crate::progress::Reporter;
use crate::terminal::count;
use crate::trials::{CASES, first_cases, print_json, write_trials};

pub(crate) fn run(args: &NliCounterfactualArgs, reporter: &Reporter) -> Result<()> {
    args.out.iter().try_for_each(|out| refuse_standard_output(out, "counterfactuals are"))?;
    let config = Config { pairs: args.most_pairs, edits: args.edits, seed: args.seed };
    let known = Classified::open(&args.run, "nli probe", "features")?;
    let recorded = known.config.paths.checkpoint.as_deref().map(Path::new);
    let places = [args.checkpoint.as_deref(), recorded];
    let checkpoint = same_file(&known, "checkpoint", &pair_inputs(&known)?.checkpoint, places)?;
    let (model, classifier) = classifier::load(&checkpoint, pair_inputs(&known)?.random_weights, args.device)?;
    let set = open_probe(&args.run.join(probe_files::FOLDER))?.set;
    let features = FeatureConfig::from(&pair_inputs(&known)?.features);
    let pairs = sentences(&known, args.pairs.as_deref(), reporter)?;
    if pairs.len() != known.features.n_examples() {
        let (found, expected) = (pairs.len(), known.features.n_examples());
        return Err(Failure::new(format!("sentence pairs: found {found}, expected {expected}, as the run has")).into());
    }
    let subject = Subject {
        classifier: &classifier,
        pairs: &pairs,
        annotator: &Annotator { vocabulary: &set.vocabulary, known: Some(&model.words), config: &features },
        neighbors: &set.neighbors,
        head: &known.head,
        features: &known.features,
        logits: &known.logits,
    };
    let units: Vec<Unit> =
        known.formulas(args.unit, &set.vocabulary)?.into_iter().map(|(unit, formula)| Unit { unit, formula }).collect();
    let to = args.to.as_deref().map(|name| known.class("--to", name)).transpose()?;
    let rows = subject.annotate();
    let lexicon = Lexicon::new(&subject);
    let candidates = match args.unit {
        Some(unit) => {
            let to = to.unwrap_or_else(|| subject.supported(unit));
            let candidate = subject.candidate(&units, &rows, 0, to).ok_or_else(|| {
                let message =
                    format!("--unit {unit}: its formula is true of all pairs or of none, so no edit can tell");
                Failure::new(message).hint("name another unit; `compexp show RUN` lists them")
            })?;
            vec![candidate]
        }
        None => subject.candidates(&units, &rows),
    };
    let directions = directions(args.direction);
    let wanted = args.unit.map_or(args.auto.unwrap_or(CASES), |_| 1).min(candidates.len());
    let n = wanted * directions.len();
    reporter.say(&format!("up to {n} cases and {} predictions", count(2 * n * config.pairs * config.edits)));
    reporter.stage("counterfactuals", "cases", n);
    let (mut cases, mut lacking, mut notes, mut done) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for &direction in directions {
        let case = |candidate: &Candidate| {
            match Case::run(&subject, &lexicon, &units, &rows, candidate, direction, &config) {
                Ok(case) => {
                    done += 1;
                    reporter.done(done);
                    Ok(Some(case))
                }
                // One word cannot change the truth of every formula.
                Err(compexp_nli::Error::Core(e @ compexp_core::Error::Mismatch { .. })) => {
                    lacking.push(e.to_string());
                    Ok(None)
                }
                Err(e) => Err(e.into()),
            }
        };
        let (found, left_out) = first_cases(&candidates, wanted, case)?;
        let made = if direction == Direction::Fulfil { "true" } else { "false" };
        match lacking.last() {
            Some(lack) if args.unit.is_some() && left_out > 0 => notes.push(format!("not made {made}: {lack}")),
            _ if left_out > 0 => notes.push(format!(
                "made {made}: {left_out} units of higher rank were left out: no edit of one word makes their formula {made}, or no pair fits"
            )),
            _ => {}
        }
        cases.extend(found);
    }
    reporter.end();
    if cases.is_empty() {
        let message = match (args.unit, lacking.first()) {
            (Some(unit), Some(lack)) => format!("--unit {unit}: {lack}"),
            _ => "cases: found none, expected at least one unit whose formula an edit of one word can change".into(),
        };
        let hint = match args.unit {
            Some(_) => {
                "name another unit (`compexp show RUN` lists them), another class with --to, or another --direction"
            }
            None => "name a unit with --unit to see why it has no case",
        };
        return Err(Failure::new(message).hint(hint).into());
    }
    notes.iter().for_each(|note| reporter.say(note));
    let names = Names { run: &known, vocabulary: &set.vocabulary, units: &units, pairs: &pairs };
    let write = |out: &Path| files::write(out, &names, &config, &cases);
    let command = "nli counterfactual";
    let (out, record) = write_trials(&known.run, args.out.as_deref(), command, write)?;
    if args.json {
        return print_json(&record);
    }
    names.trials(&cases).print(&out, |out| files::print_edits(out, &names, &cases))
}

/// The run's record of its sentence pairs.
fn pair_inputs(known: &Classified) -> Result<&PairInputs> {
    match &known.made {
        Provenance::NliProbe(made) => Ok(&made.inputs),
        other => {
            Err(Failure::new(format!("found a run of `compexp {}`, expected sentence pairs", other.command())).into())
        }
    }
}

/// The run's input `what`, which is where it is given or where it was recorded, and must have the `hash` that it had when it
/// was probed.
fn same_file(known: &Classified, what: &str, hash: &str, places: [Option<&Path>; 2]) -> Result<PathBuf> {
    let path = known.path(what, places)?;
    if hash != hash_file(&path)? {
        let message = format!("`{}`: found another file than the {what} of the run", path.display());
        return Err(Failure::new(message).hint(format!("give --{what} FILE, the one that was probed")).into());
    }
    Ok(path)
}

/// The run's pairs, split and tagged as they were.
fn sentences(known: &Classified, given: Option<&Path>, reporter: &Reporter) -> Result<Vec<SplitPair>> {
    let inputs = pair_inputs(known)?;
    let recorded = known.config.paths.pairs.as_deref().map(Path::new);
    let pairs = same_file(known, "pairs", &inputs.pairs, [given, recorded])?;
    let source = SentenceSource::of_run(&known.config, inputs, pairs);
    Ok(source.read(source.has_tags(), reporter)?.split)
}

fn directions(arg: DirectionArg) -> &'static [Direction] {
    match arg {
        DirectionArg::Fulfil => &[Direction::Fulfil],
        DirectionArg::Break => &[Direction::Break],
        DirectionArg::Both => &[Direction::Fulfil, Direction::Break],
    }
}
