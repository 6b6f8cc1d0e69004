//! `compexp nli counterfactual`: words put into sentences, and what the classifier then predicts.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use compexp_core::artifact::{hash_file, open_probe};
use compexp_core::explain::Progress;
use compexp_core::formula::Formula;
use compexp_core::probe::ProbeSet;
use compexp_nli::counterfactual::{Case, Config, Lexicon, Subject, Unit};
use compexp_nli::features::{Annotator, FeatureConfig, SplitPair};
use compexp_nli::model::{Classifier, Model};

use super::counterfactual_files::{self as files, Names};
use super::probe_files;
use super::sentences::Sentences;
use crate::args::at_most;
use crate::commands::classified::Classified;
use crate::failure::Failure;
use crate::nli_args::{PairArgs, TagArgs};
use crate::progress::Reporter;

/// The cases that are tried where none is named.
const CASES: usize = 20;

#[derive(Debug, Args)]
#[command(after_help = "\
A unit supports the class to which it has the greatest weight; does a word that makes its formula true make the classifier
predict that class? Words are inserted before the first noun or at the end of a sentence, or put in place of a word of the
same tag, on pairs on which the formula is false; beside each edit stands a control, the same edit with a random word of
the same tag and about the same frequency that leaves the formula false. The effect is the difference of the two success
rates.

Of all units, --auto takes those with the greatest weight x gain, where weight is the unit's weight to the class less the
mean of its weights, and gain its mean value on pairs on which its formula is true, less that on the others.

The folder gets cases.csv, edits.csv and counterfactuals.json.

Examples:
  compexp nli counterfactual runs/bowman --auto 20
  compexp nli counterfactual runs/bowman --unit 588 --to contradiction --pairs 500")]
pub(crate) struct NliCounterfactualArgs {
    /// A run of `compexp nli probe` on the classifier's features
    pub(crate) run: PathBuf,
    /// The classifier [default: the run's]
    #[arg(help_heading = "Inputs", long, value_name = "FILE")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// The sentence pairs [default: the run's]
    #[arg(help_heading = "Inputs", long, value_name = "FILE")]
    pub(crate) pairs: Option<PathBuf>,
    /// The number of cases to choose [default: 20, unless --unit names one]
    #[arg(help_heading = "Cases", long, value_name = "N", value_parser = at_most(1, 100_000), conflicts_with = "unit")]
    pub(crate) auto: Option<usize>,
    /// The unit whose formula is made true
    #[arg(help_heading = "Cases", long, value_name = "U")]
    pub(crate) unit: Option<usize>,
    /// The class that is to be predicted [default: the one that the unit supports]
    #[arg(help_heading = "Cases", long, value_name = "T", requires = "unit")]
    pub(crate) to: Option<String>,
    /// The greatest number of pairs that are edited in a case
    #[arg(help_heading = "Trials", long, value_name = "N", default_value_t = 100, value_parser = at_most(1, 1_000_000))]
    pub(crate) most_pairs: usize,
    /// The greatest number of edits of a pair
    #[arg(help_heading = "Trials", long, value_name = "N", default_value_t = 4, value_parser = at_most(1, 1000))]
    pub(crate) edits: usize,
    /// Decides which pairs, edits and words are taken
    #[arg(help_heading = "Trials", long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
    /// The folder for the results [default: counterfactuals in the run]
    #[arg(help_heading = "Output", long, short, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Print JSON
    #[arg(help_heading = "Output", long)]
    pub(crate) json: bool,
}

pub(crate) fn run(args: &NliCounterfactualArgs, reporter: &Reporter) -> Result<()> {
    let config = Config { pairs: args.most_pairs, edits: args.edits, seed: args.seed };
    let known = Classified::open(&args.run, "nli probe", "features")?;
    let checkpoint = same_file(&known, "checkpoint", args.checkpoint.as_deref())?;
    let model = Model::load(&checkpoint)?;
    let classifier = Classifier::new(&model)?;
    let set = open_probe(&args.run.join(probe_files::FOLDER))?;
    let features = feature_config(&known);
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
    let units = units(&known, args.unit, &set)?;
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
    let wanted = args.unit.map_or(args.auto.unwrap_or(CASES), |_| 1).min(candidates.len());
    let most = 2 * wanted * config.pairs * config.edits;
    reporter.say(&format!("{wanted} cases, up to {most} predictions"));
    reporter.stage("counterfactuals", "cases", wanted);
    let (mut cases, mut left_out) = (Vec::new(), 0);
    for candidate in &candidates {
        match Case::run(&subject, &lexicon, &units, &rows, candidate, &config) {
            Ok(case) => cases.push(case),
            Err(compexp_nli::Error::Core(compexp_core::Error::Mismatch { .. })) if args.unit.is_none() => left_out += 1,
            Err(e) => return Err(e.into()),
        }
        reporter.done(cases.len());
        if cases.len() == wanted {
            break;
        }
    }
    reporter.end();
    if left_out > 0 {
        reporter
            .say(&format!("{left_out} units before these were left out: no edit of one word makes their formula true"));
    }
    if cases.is_empty() {
        let message = "cases: found none, expected at least one unit whose formula an edit of one word makes true";
        return Err(Failure::new(message).hint("name a unit with --unit, and see what it lacks").into());
    }
    let names = Names { run: &known, vocabulary: &set.vocabulary, units: &units, pairs: &pairs };
    let out = args.out.clone().unwrap_or_else(|| args.run.join("counterfactuals"));
    let record = files::write(&out, &names, &config, &cases)?;
    files::print(&names, &cases, args.json.then_some(&record), &out)
}

/// The run's input `what`, which must be the one that was probed.
fn same_file(known: &Classified, what: &str, given: Option<&Path>) -> Result<PathBuf> {
    let path = known.path(what, given)?;
    if known.run.explanations.config["inputs"][what].as_str() != Some(&hash_file(&path)?) {
        let message = format!("`{}`: found another file than the {what} of the run", path.display());
        return Err(Failure::new(message).hint(format!("give --{what} FILE, the one that was probed")).into());
    }
    Ok(path)
}

/// Which features the run has.
fn feature_config(known: &Classified) -> FeatureConfig {
    let recorded = &known.run.explanations.config["inputs"]["features"];
    let has = |name: &str| recorded[name].as_bool().unwrap_or(false);
    FeatureConfig { tokens: has("words"), tags: has("tags"), overlap: has("overlap"), ..FeatureConfig::default() }
}

/// The run's pairs, split and tagged as they were.
fn sentences(known: &Classified, given: Option<&Path>, reporter: &Reporter) -> Result<Vec<SplitPair>> {
    let inputs = &known.run.explanations.config["inputs"];
    let recorded = |what: &str| known.config.paths.get(what).map(PathBuf::from);
    let pairs = PairArgs {
        pairs: same_file(known, "pairs", given)?,
        gold: None,
        tokenized: inputs["tokenized"].as_bool().unwrap_or(false),
        first: inputs["first"].as_u64().map(|n| n as usize),
    };
    let tags = TagArgs { tags: recorded("tags"), tagger: recorded("tagger"), symbols: recorded("symbols") };
    let wanted = tags.tags.is_some() || tags.tagger.is_some();
    Ok(Sentences::read(&pairs, &tags, wanted, reporter)?.split)
}

/// The explained units with their formulas, or the one asked for.
fn units(known: &Classified, asked: Option<usize>, set: &ProbeSet) -> Result<Vec<Unit>> {
    let mut units = Vec::new();
    for (unit, text) in known.formulas(asked)? {
        units.push(Unit { unit, formula: Formula::parse(text, &set.vocabulary)? });
    }
    Ok(units)
}
