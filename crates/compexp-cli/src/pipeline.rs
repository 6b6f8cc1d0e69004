//! What `explain` and the probing commands share: from annotations and a layer to a finished run.

use std::path::Path;

use anyhow::Result;
use compexp_core::exemplar::Firing;
use compexp_core::explain::{ExplainConfig, Progress, explain};
use compexp_core::partition::{Partition, PartitionBuilder, PositionMap};
use compexp_core::probe::{AnnotationSource, Neighbors, ProbeSet};
use compexp_core::relation::Similarity;
use compexp_run::run_dir::Prediction;
use compexp_run::{FinishedRun, RunConfig, RunDir, RunWriter, position_store};
use compexp_trust::compare::Difference;
use compexp_trust::stats::holdout::{FiringPart, Part, validate};
use serde_json::{Value, json};

use crate::args::OutArgs;
use crate::failure::Failure;
use crate::inputs::Paths;
use crate::progress::Reporter;
use crate::settings;
use crate::trust::{Seen, TrustArgs};

/// The settings that say on which probe set a run was made, whichever command made it; the others are of the model and
/// of the search.
pub(crate) const PROBE_SET: [&str; 7] = [
    "inputs.annotations",
    "inputs.pairs",
    "inputs.first",
    "inputs.tokenized",
    "inputs.words_and_tags",
    "inputs.features",
    "inputs.vectors",
];

/// The settings that every run records; `inputs` are the hashes of what it is made from.
pub(crate) fn record(
    command: &str,
    inputs: Value,
    config: &ExplainConfig,
    trust: &TrustArgs,
    units: &[usize],
    masks: bool,
) -> Value {
    let mut record = json!({
        "command": command,
        // Another version may find other formulas.
        "compexp": env!("CARGO_PKG_VERSION"),
        "inputs": inputs,
        "threshold": if masks { Value::Null } else { json!(config.threshold) },
        "search": config.search,
        "units": settings::units_text(units),
        "keep_beams": config.keep_beams,
        "exemplars": config.exemplars,
    });
    let trust = trust.record();
    if !trust.is_null() {
        record["trust"] = trust;
    }
    record
}

/// Opens the run directory; `Err` of the inner result is a run that is there already.
///
/// # Errors
/// Those of [`RunDir::open`], and a [`Failure`] where the folder holds another run.
pub(crate) fn open_run(args: &OutArgs, config: Value, paths: Paths) -> Result<Result<RunWriter, FinishedRun>> {
    if args.out == Path::new("-") {
        return Err(Failure::usage("--out -: a run is a folder of files, and cannot go to standard output").into());
    }
    Ok(match RunDir::open(&args.out, &RunConfig::new(config, paths), args.force)? {
        RunDir::Open(writer) => Ok(writer),
        RunDir::Complete(run) => Err(run),
        RunDir::Other(differences) => return Err(refusal(&args.out, &differences).into()),
    })
}

/// The arguments that settings come from, where their names differ.
const ARGUMENTS: [(&str, &str); 17] = [
    ("search.length", "--length"),
    ("search.beam", "--beam"),
    ("search.mode", "--mode or --compat"),
    ("search.metric", "--metric"),
    ("search.penalty", "--penalty"),
    ("search.beam_limit", "--beam-limit"),
    ("search.min_activations", "--min-activations"),
    ("search.exact.grammar", "--grammar"),
    ("search.exact.seconds", "--time-per-unit"),
    ("search.exact.gap", "--gap"),
    ("threshold", "--quantile or --positive"),
    ("units", "--units"),
    ("keep_beams", "--keep-beams"),
    ("trust.null_draws", "--null-draws"),
    ("trust.holdout", "--holdout"),
    ("trust.seed", "--seed"),
    ("compexp", "the version of compexp"),
];

/// The settings that a refusal names.
const NAMED: usize = 4;

/// The value of a setting that is not set.
const NOTHING: &str = "nothing";

/// The hexadecimal digits of a hash.
const HASH: usize = 64;

fn refusal(out: &Path, differences: &[Difference]) -> Failure {
    let is_hash = |text: &str| text.len() == HASH && text.bytes().all(|b| b.is_ascii_hexdigit());
    let plain = |value: &Option<String>| match value.as_deref() {
        None | Some("null") => NOTHING.to_owned(),
        Some(value) => value.trim_matches('"').to_owned(),
    };
    let one = |d: &Difference| {
        let [found, asked] = [&d.base, &d.run].map(plain);
        let argument = ARGUMENTS.iter().find(|(field, _)| d.is_within(field)).map(|(_, argument)| *argument);
        let what = match argument {
            Some(argument) => format!(" ({argument})"),
            None if is_hash(&found) && is_hash(&asked) => " (what that input holds)".to_owned(),
            None => String::new(),
        };
        let short = |value: String| match value.chars().count() {
            0..=40 => value,
            _ => value.chars().take(if is_hash(&value) { 8 } else { 36 }).chain("...".chars()).collect(),
        };
        format!("`{}`{what}: found {}, asked for {}", d.field, short(found), short(asked))
    };
    // What is set on one side only mostly comes along with something else: the settings of another mode.
    let (both, one_side): (Vec<_>, Vec<_>) =
        differences.iter().partition(|d| ![plain(&d.base), plain(&d.run)].contains(&NOTHING.to_owned()));
    let mut text: Vec<String> = both.into_iter().chain(one_side).take(NAMED).map(one).collect();
    if let more @ 1.. = differences.len().saturating_sub(NAMED) {
        text.push(format!("and {more} more"));
    }
    let out = out.display();
    Failure::new(format!("`{out}` holds a run with other settings: {}", text.join("; "))).hint(format!(
        "name another folder with --out to keep both, replace the run in `{out}` with --force, or ask for what was found"
    ))
}

/// Divides the universe of a probe set into cells; a position map too large for memory goes to a file in `dir`.
///
/// # Errors
/// Those of the annotations and of the store.
pub(crate) fn divide(set: &ProbeSet, dir: &Path, progress: &dyn Progress) -> Result<(Partition, PositionMap)> {
    divide_source(set.source.as_ref(), &set.neighbors, dir, progress)
}

fn divide_source(
    source: &dyn AnnotationSource,
    neighbors: &Neighbors,
    dir: &Path,
    progress: &dyn Progress,
) -> Result<(Partition, PositionMap)> {
    let (grid, n) = (source.grid(), source.n_examples());
    let mut builder = PartitionBuilder::new(grid, position_store(dir, grid, n)?);
    progress.stage("annotations", "examples", n);
    builder.add_all(source, &|n| progress.done(n))?;
    Ok(builder.finish(neighbors)?)
}

/// What is to be explained, and how.
pub(crate) struct Job<'a> {
    pub(crate) set: &'a ProbeSet,
    pub(crate) firing: Firing<'a>,
    pub(crate) units: &'a [usize],
    pub(crate) config: &'a ExplainConfig,
    pub(crate) trust: &'a TrustArgs,
    pub(crate) seen: &'a Seen,
    pub(crate) record: Value,
    pub(crate) predictions: Option<Vec<Prediction>>,
    /// How alike words are, where there are vectors of them.
    pub(crate) similarity: Option<Similarity<'a>>,
}

/// Explains the layer and writes the run; where examples are held out, the run is of the others.
///
/// # Errors
/// Those of the inputs and of the run directory.
pub(crate) fn finish(writer: RunWriter, job: Job<'_>, reporter: &Reporter) -> Result<FinishedRun> {
    let Job { set, firing, units, config, trust, seen, record, predictions, similarity } = job;
    let (source, neighbors, dir) = (set.source.as_ref(), &set.neighbors, writer.dir());
    seen.say(reporter);
    let examples = seen.of(&set.examples);
    let predictions = predictions.map(|all| seen.of(&all));
    let part = FiringPart::new(firing, &seen.examples);
    let (partition, map) = divide_source(&Part::new(source, &seen.examples), neighbors, dir, reporter)?;
    let (names, firing_seen) = (&set.vocabulary, part.firing());
    let mut explained = explain(&partition, &map, names, firing_seen, units, config, record, similarity, reporter)?;
    if let Some(split) = &seen.split {
        let source = Part::new(source, &split.held_out).with_concepts_of(&partition);
        let (partition, map) = divide_source(&source, neighbors, dir, reporter)?;
        let part = FiringPart::new(firing, &split.held_out);
        validate(split, &partition, &map, part.firing(), &mut explained, trust.seed, reporter)?;
    }
    trust.test(&partition, &map, &examples, firing_seen, &mut explained, config, reporter)?;
    reporter.end();
    Ok(writer.finish(&explained, &examples, map.grid(), predictions.as_deref())?)
}
