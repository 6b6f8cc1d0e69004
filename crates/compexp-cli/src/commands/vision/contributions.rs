//! `compexp vision contributions`: how the units of a run bear on classes, or those of an earlier layer on them.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use compexp_core::activation::ActivationSource;
use compexp_files::{hash_file, write_json};
use compexp_report::analysis::behaviour::between as measure;
use compexp_run::layout::CONTRIBUTIONS_BELOW;
use compexp_run::{BelowRun, FinishedRun};
use compexp_vision::model::{Model, default_device};

use crate::commands::behaviour::{activations, write_contributions, write_contributions_to_classes};
use crate::failure::Failure;
use crate::progress::Reporter;
use crate::table::name;

#[derive(Debug, Args)]
#[command(after_help = "\
Each unit and target get the weight between them, Pearson's r over the examples, and the IoU of the examples where the unit
fires and those where the target is in its top quantile. What lies beyond the 99% and the 1% quantile of a measure is a
contributor or an inhibitor. From layer to layer the positions of the smaller map are what examples are to classes: maps are
brought to that size by their mean, and a unit fires where any value that falls together is above its threshold.

Examples:
  Units to classes, in runs/layer4/contributions.csv:
    compexp vision contributions runs/layer4

  Units of layer3 to those of layer4, in runs/layer4/contributions-below.csv:
    compexp vision contributions runs/layer4 --below runs/layer3 --checkpoint resnet18_places365.pth.tar")]
pub(crate) struct ContributionsArgs {
    /// A run of `vision probe`
    pub(crate) run: PathBuf,
    /// A run of the layer before, on the same images: its units are then the ones that bear, and those of RUN the targets
    #[arg(long, value_name = "RUN", requires = "checkpoint")]
    pub(crate) below: Option<PathBuf>,
    /// The network of both runs
    #[arg(long, value_name = "FILE", requires = "below")]
    pub(crate) checkpoint: Option<PathBuf>,
}

pub(crate) fn run(args: &ContributionsArgs, reporter: &Reporter) -> Result<()> {
    let run = FinishedRun::open(&args.run)?;
    let path = match (&args.below, &args.checkpoint) {
        (Some(below), Some(checkpoint)) => between(&run, &FinishedRun::open(below)?, checkpoint)?,
        _ => write_contributions_to_classes(&run)?,
    };
    reporter.end();
    writeln!(std::io::stdout(), "contributions in `{}`", name(&path.display().to_string()))?;
    Ok(())
}

/// Measures how the units of the run `below` bear on those of `run`.
fn between(run: &FinishedRun, below: &FinishedRun, checkpoint: &Path) -> Result<PathBuf> {
    let hash = hash_file(checkpoint)?;
    for run in [run, below] {
        let inputs = &run.explanations.config["inputs"];
        if inputs["checkpoint"].as_str() != Some(&hash) {
            let message =
                format!("`{}`: found a run of another network than `{}`", run.dir().display(), checkpoint.display());
            return Err(Failure::new(message).hint("give runs of `compexp vision probe` on this checkpoint").into());
        }
    }
    let (lower, own) = (activations(below)?, activations(run)?);
    let names =
        |run: &FinishedRun| Ok::<_, anyhow::Error>(run.examples()?.into_iter().map(|e| e.name).collect::<Vec<_>>());
    if names(run)? != names(below)? {
        let message =
            format!("`{}`: found other images than those of `{}`", below.dir().display(), run.dir().display());
        return Err(Failure::new(message).hint("probe both layers on the same images").into());
    }
    let model = Model::load(checkpoint, &default_device()?)?;
    let layer = |run: &FinishedRun| run.explanations.config["inputs"]["layer"].as_str().unwrap_or_default().to_owned();
    let (later, earlier) = (layer(run), layer(below));
    let Some(reads) = model.reads(&later)? else {
        let message = format!(
            "`{}`: found a run of `{later}`, expected one of a stage, block or convolution",
            run.dir().display()
        );
        return Err(Failure::new(message).hint("probe such a layer: `compexp vision probe --layer layer4`").into());
    };
    if !reads.from.contains(&earlier) {
        let right = reads.from.join("` or `");
        let message = format!(
            "layer of `{}`: found `{earlier}`, expected `{right}`, which `{later}` of `{}` reads",
            below.dir().display(),
            run.dir().display()
        );
        let last = reads.from.last().map_or("", String::as_str);
        let hint = format!("give a run of the layer right before: `compexp vision probe --layer {last}`");
        return Err(Failure::new(message).hint(hint).into());
    }
    let (weights, above) = (reads.weights.view(), (&run.explanations, &own as &dyn ActivationSource));
    let found = measure(weights, (&below.explanations, &lower), above)?;
    let targets: Vec<String> = run.explanations.units.iter().map(|u| u.unit.to_string()).collect();
    let adding = run.add("vision contributions")?;
    write_contributions(&adding.path(CONTRIBUTIONS_BELOW), &below.explanations, &found, &targets)?;
    write_json(&adding.path(BelowRun::FILE), &BelowRun::new(below))?;
    adding.finish()?;
    Ok(run.dir().join(CONTRIBUTIONS_BELOW))
}
