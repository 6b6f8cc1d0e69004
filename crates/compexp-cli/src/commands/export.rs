//! `compexp export`: explanations in the forms of other tools.

use std::io::{self, Write};

use anyhow::{Context, Result};
use compexp_files::{AtomicFile, StagedFolder, write_unsynced};
use compexp_report::export::{delphi, neuronpedia};
use compexp_report::in_words::Concepts;
use compexp_run::FinishedRun;
use compexp_run::wording::many;
use serde_json::json;

use crate::args::export::{ExportArgs, ExportFormat};
use crate::failure::{Failure, refuse_others, refuse_standard_output};
use crate::terminal::{self, name};

pub(crate) fn run(args: &ExportArgs) -> Result<()> {
    let run = FinishedRun::open(&args.run)?;
    let concepts = Concepts::of(&run)?;
    let made = run.provenance()?;
    let layer = args.layer.as_deref().or(made.layer()).ok_or_else(|| {
        Failure::usage("--layer: found none, and the run does not name one").hint("give the layer's name with --layer")
    })?;
    let explanations = &run.explanations;
    let written = match args.format {
        ExportFormat::Neuronpedia => {
            refuse_standard_output(&args.out, "an export is")?;
            let model = args.model_id.as_deref().unwrap_or_default();
            let mut file = AtomicFile::create(&args.out)?;
            let mut n = 0;
            for record in neuronpedia(explanations, concepts, model, layer) {
                let line = serde_json::to_string(&record)?;
                writeln!(file, "{line}").with_context(|| format!("cannot write `{}`", args.out.display()))?;
                n += 1;
            }
            file.commit()?;
            n
        }
        ExportFormat::Delphi => {
            refuse_standard_output(&args.out, "explanations are")?;
            if layer.contains(['/', '\\']) || layer.starts_with('.') {
                let message = format!("--layer: found `{layer}`, expected a name that can begin the name of a file");
                return Err(Failure::usage(message).into());
            }
            refuse_others(&args.out, &[])?;
            let folder = StagedFolder::create(&args.out)?;
            let mut n = 0;
            for (file, content) in delphi(explanations, concepts, layer) {
                write_unsynced(&folder.path().join(&file), content.as_bytes())
                    .map_err(|e| e.about(&args.out.join(&file)))?;
                n += 1;
            }
            folder.finish()?;
            n
        }
    };
    let mut out = io::stdout().lock();
    let (path, left_out) = (args.out.display().to_string(), explanations.units.len() - written);
    if args.json {
        terminal::write_json(&mut out, &json!({ "out": path, "written": written, "left_out": left_out }))?;
    } else {
        let without = if left_out == 0 { String::new() } else { format!("; {left_out} have no formula") };
        writeln!(out, "{} in `{}`{without}", many(written, "explanation"), name(&path))?;
    }
    Ok(out.flush()?)
}
