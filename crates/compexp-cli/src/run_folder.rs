//! The folder of a new run: opens it, and explains if it holds another run.

use std::path::{Path, PathBuf};

use anyhow::Result;
use compexp_files::{HAS_PARQUET, is_there, make_folder, write_parquet};
use compexp_run::layout::EXPLANATIONS_PARQUET;
use compexp_run::record_csv::explanation_columns;
use compexp_run::{FinishedRun, InputPaths, Provenance, RunConfig, RunDir, RunWriter};
use compexp_trust::compare::Difference;

use crate::args::output::{OutArgs, TableFormat};
use crate::failure::{Failure, refuse_standard_output};

/// The folder that the arguments name, and whether to replace another run in it.
///
/// # Errors
/// A [`Failure`] for `-`, since a run is a folder, and for a format that this build cannot write.
pub(crate) fn target(args: &OutArgs) -> Result<(&Path, bool)> {
    refuse_standard_output(&args.out, "a run is")?;
    if args.format == Some(TableFormat::Parquet) && !HAS_PARQUET {
        let message = "--format parquet: this build of compexp has no Parquet";
        return Err(Failure::usage(message).hint("build it with its feature `parquet`").into());
    }
    Ok((&args.out, args.force))
}

/// The folder of each layer's run: that of the arguments, or one in it where there are several layers.
///
/// # Errors
/// As [`target`]; a [`Failure`] if two layers would have one folder; `Error::Io` if the folder cannot be made.
pub(crate) fn of_layers(args: &OutArgs, layers: &[&str]) -> Result<Vec<PathBuf>> {
    let (out, _) = target(args)?;
    if let [_] = layers {
        return Ok(vec![out.to_owned()]);
    }
    let mut all: Vec<PathBuf> = Vec::new();
    for layer in layers {
        let plain = |c: char| if c.is_alphanumeric() || "._-".contains(c) { c } else { '_' };
        let name: String = layer.chars().map(plain).collect();
        let folder = out.join(name.trim_start_matches(['.', '_']));
        if folder == *out || all.contains(&folder) {
            let message =
                format!("--layer: the run of `{layer}` would be in `{}`, as that of another layer", folder.display());
            return Err(Failure::usage(message).hint("give each layer once, or probe it by itself").into());
        }
        all.push(folder);
    }
    make_folder(out)?;
    Ok(all)
}

/// Adds the table of explanations in the format that the arguments ask for, if the run has none yet.
///
/// # Errors
/// The errors of [`FinishedRun::add`] and [`write_parquet`].
pub(crate) fn add_table(args: &OutArgs, run: &FinishedRun) -> Result<()> {
    let Some(TableFormat::Parquet) = args.format else { return Ok(()) };
    if is_there(&run.dir().join(EXPLANATIONS_PARQUET))? {
        return Ok(());
    }
    let adding = run.add("--format parquet")?;
    write_parquet(&adding.path(EXPLANATIONS_PARQUET), &explanation_columns(&run.explanations))?;
    Ok(adding.finish()?)
}

/// Opens the run directory. The inner result is `Err` if the complete run already exists.
///
/// # Errors
/// The errors of [`RunDir::open`], and a [`Failure`] if the folder holds another run.
pub(crate) fn open(args: &OutArgs, made: &Provenance, paths: InputPaths) -> Result<Result<RunWriter, FinishedRun>> {
    let (out, force) = target(args)?;
    open_at(out, force, made, paths)
}

/// [`open`] of the folder `out`, in place of the one that the arguments name.
///
/// # Errors
/// The errors of [`open`].
pub(crate) fn open_at(
    out: &Path,
    force: bool,
    made: &Provenance,
    paths: InputPaths,
) -> Result<Result<RunWriter, FinishedRun>> {
    Ok(match RunDir::open(out, &RunConfig::new(made, paths), force)? {
        RunDir::Open(writer) => Ok(writer),
        RunDir::Complete(run) => Err(run),
        RunDir::Other(differences) => return Err(refusal(out, &differences).into()),
    })
}

/// The arguments that set a setting, if their names differ.
const ARGUMENTS: [(&str, &str); 28] = [
    ("inputs.layer", "--layer"),
    ("inputs.entry", "--checkpoint FILE#NAME"),
    ("inputs.arch", "--arch"),
    ("inputs.heads", "--heads"),
    ("inputs.grid", "--grid"),
    ("inputs.skip_tokens", "--skip-tokens"),
    ("inputs.activations.layout", "--layout"),
    ("inputs.activations.grid", "--grid"),
    ("search.length", "--length"),
    ("search.beam", "--beam"),
    ("search.mode", "--mode or --compat"),
    ("search.metric", "--metric"),
    ("search.penalty", "--penalty"),
    ("search.beam_limit", "--beam-limit"),
    ("search.min_activations", "--min-activations"),
    ("inputs.random_weights", "--random-weights"),
    ("inputs.device", "--device"),
    ("search.exact.grammar", "--grammar"),
    ("search.exact.seconds", "--time-per-unit"),
    ("search.exact.gap", "--gap"),
    ("threshold", "--quantile or --positive"),
    ("units", "--units"),
    ("keep_beams", "--keep-beams"),
    ("swap", "--concepts-by-units or --candidates"),
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

/// The error if the folder holds a run with other settings.
pub(crate) fn refusal(out: &Path, differences: &[Difference]) -> Failure {
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
    // A setting that only one side has usually follows from another difference, such as another mode.
    let (both, one_side): (Vec<_>, Vec<_>) =
        differences.iter().partition(|d| ![plain(&d.base), plain(&d.run)].contains(&NOTHING.to_owned()));
    let mut text: Vec<String> = both.into_iter().chain(one_side).take(NAMED).map(one).collect();
    if let more @ 1.. = differences.len().saturating_sub(NAMED) {
        text.push(format!("and {more} more"));
    }
    let out = out.display();
    Failure::new(format!("`{out}` holds a run with other settings: {}", text.join("; "))).hint(format!(
        "name another folder with --out to keep both, replace the run in `{out}` with --force, or give the settings of that run"
    ))
}
