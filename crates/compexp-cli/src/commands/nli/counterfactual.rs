//! `compexp nli counterfactual`: words put into sentences and taken out, and what the classifier then predicts.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use compexp_core::explain::Progress;
use compexp_files::hash_file;
use compexp_nli::counterfactual::{Candidate, Case, Config, Direction, Lexicon, Subject, Unit};
use compexp_nli::features::{Annotator, FeatureConfig, SplitPair};
use compexp_nli::model::{Classifier, Model};
use compexp_run::open_probe;

use super::counterfactual_files::{self as files, Names};
use super::probe_files;
use super::sentences::Sentences;
use crate::args::at_most;
use crate::commands::classified::Classified;
use crate::commands::trials::{CASES, first_cases, print_json, write_trials};
use crate::failure::Failure;
use crate::nli_args::{PairArgs, TagArgs};
use crate::progress::Reporter;
use crate::table::count;

/// What edits make of a formula.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Directions {
    /// True, and the class that the unit supports is to be predicted
    Fulfil,
    /// False, and another class is to be predicted
    Break,
    /// Cases of either kind
    Both,
}

impl Directions {
    fn list(self) -> &'static [Direction] {
        match self {
            Self::Fulfil => &[Direction::Fulfil],
            Self::Break => &[Direction::Break],
            Self::Both => &[Direction::Fulfil, Direction::Break],
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
A unit supports the class to which it has the greatest weight. Does a word that makes its formula true make the classifier
predict that class (fulfil), and one that makes it false another class (break)? Words are inserted before the first noun or
at the end of a sentence, put in place of a word of the same tag, replaced by one, or deleted. To fulfil a formula this is
done to pairs on which it is false and that are predicted as another class, to break it to pairs on which it is true and
that are predicted as the class.

Beside each edit stands a control that leaves the formula as it was: the same edit with a random word of the same tag and
about the same frequency; of an edit that takes a word away, one that does so with another word of the sentence, of the same
tag if it has one. The effect is the difference of the two success rates.

Of all units, --auto takes those with the greatest weight x gain, where weight is the unit's weight to the class less the
mean of its weights, and gain its mean value on pairs on which its formula is true, less that on the others. In either
direction these are the first N that one word can turn, so mostly the same units.

The folder gets cases.csv, edits.csv and counterfactuals.json.

Examples:
  compexp nli counterfactual runs/bowman --auto 20
  compexp nli counterfactual runs/bowman --unit 588 --to contradiction --direction break --most-pairs 500")]
pub(crate) struct NliCounterfactualArgs {
    /// A run of `compexp nli probe` on the classifier's features
    pub(crate) run: PathBuf,
    /// The classifier [default: the run's]
    #[arg(help_heading = "Inputs", long, value_name = "FILE")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// The sentence pairs [default: the run's]
    #[arg(help_heading = "Inputs", long, value_name = "FILE")]
    pub(crate) pairs: Option<PathBuf>,
    /// The number of cases to choose in each direction [default: 20, unless --unit names one]
    #[arg(help_heading = "Cases", long, value_name = "N", value_parser = at_most(1, 100_000), conflicts_with = "unit")]
    pub(crate) auto: Option<usize>,
    /// The unit whose formula is turned
    #[arg(help_heading = "Cases", long, value_name = "U")]
    pub(crate) unit: Option<usize>,
    /// The class that the unit supports: predicted where its formula was made true, and no more where it was made false
    /// [default: that of its greatest weight]
    #[arg(help_heading = "Cases", long, value_name = "T", requires = "unit")]
    pub(crate) to: Option<String>,
    /// What edits make of the formula
    #[arg(help_heading = "Cases", long, value_name = "WHAT", value_enum, default_value_t = Directions::Both)]
    direction: Directions,
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
    let directions = args.direction.list();
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
                // Not every formula can be turned by a word.
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
                "made {made}: {left_out} units before these were left out, no edit of one word does it, or no pair fits"
            )),
            _ => {}
        }
        cases.extend(found);
    }
    reporter.end();
    if cases.is_empty() {
        let message = match (args.unit, lacking.first()) {
            (Some(unit), Some(lack)) => format!("--unit {unit}: {lack}"),
            _ => "cases: found none, expected at least one unit whose formula an edit of one word turns".into(),
        };
        let hint = match args.unit {
            Some(_) => {
                "name another unit (`compexp show RUN` lists them), another class with --to, or another --direction"
            }
            None => "name a unit with --unit, and see what it lacks",
        };
        return Err(Failure::new(message).hint(hint).into());
    }
    notes.iter().for_each(|note| reporter.say(note));
    let names = Names { run: &known, vocabulary: &set.vocabulary, units: &units, pairs: &pairs };
    let command = "nli counterfactual";
    let write = |out: &Path| files::write(out, &names, &config, &cases);
    let (out, record) = write_trials(&known.run, args.out.as_deref(), command, write)?;
    if args.json {
        return print_json(&record);
    }
    names.trials(&cases).print(&out, |out| files::print_edits(out, &names, &cases))
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
