//! `compexp vision contributions`: how the units of a run contribute to classes, or how units of an earlier layer
//! contribute to them.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use compexp_core::activation::ActivationSource;
use compexp_files::{hash_file, write_json};
use compexp_report::analysis::effects::between as measure;
use compexp_run::layout::CONTRIBUTIONS_BELOW;
use compexp_run::{BelowRun, FinishedRun, Provenance};
use serde_json::json;

use super::network;
use crate::args::device::DeviceArg;
use crate::args::effects::ContributionsArgs;
use crate::contributions::{activations, write_contributions, write_contributions_to_classes};
use crate::failure::Failure;
use crate::progress::Reporter;
use crate::terminal::{self, name};

pub(crate) fn run(args: &ContributionsArgs, reporter: &Reporter) -> Result<()> {
    let run = FinishedRun::open(&args.run)?;
    let path = match (&args.below, &args.checkpoint) {
        (Some(below), Some(checkpoint)) => between(&run, &FinishedRun::open(below)?, checkpoint, reporter)?,
        _ => write_contributions_to_classes(&run)?,
    };
    reporter.end();
    let (path, mut out) = (path.display().to_string(), io::stdout().lock());
    match args.json {
        true => terminal::write_json(&mut out, &json!({ "contributions": path }))?,
        false => writeln!(out, "contributions in `{}`", name(&path))?,
    }
    Ok(())
}

/// Measures how the units of the run `below` contribute to the units of `run`.
fn between(run: &FinishedRun, below: &FinishedRun, checkpoint: &Path, reporter: &Reporter) -> Result<PathBuf> {
    let (hash, random) = (hash_file(checkpoint)?, run.provenance()?.random_weights());
    for run in [run, below] {
        let made = run.provenance()?;
        if made.checkpoint() != Some(&hash) || made.random_weights() != random {
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
    let made = run.provenance()?;
    let Provenance::VisionProbe(own_made) = &made else {
        return Err(network::of_another_command(run.dir()).into());
    };
    let model = network::of_run(&own_made.inputs, checkpoint, DeviceArg::cpu(), reporter)?;
    let layer = |run: &FinishedRun| {
        let made = run.provenance()?;
        Ok::<_, anyhow::Error>(made.layer().unwrap_or_default().to_owned())
    };
    let (later, earlier) = (layer(run)?, layer(below)?);
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
    write_json(&adding.path(BelowRun::FILE), &BelowRun::new(below)?)?;
    adding.finish()?;
    Ok(run.dir().join(CONTRIBUTIONS_BELOW))
}
