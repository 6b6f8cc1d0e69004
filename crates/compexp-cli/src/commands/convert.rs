//! `compexp probe convert`: annotated pictures as a probe directory.

use std::io::{self, Write};

use anyhow::Result;
use compexp_files::claim_folder;
use compexp_run::layout;
use compexp_run::probe_dir::{CONCEPTS, LAYERS, SCALARS, write_probe};
use compexp_run::wording::many;
use serde_json::json;

use crate::annotations::Annotations;
use crate::args::probe::ConvertArgs;
use crate::failure::{refuse_others, refuse_standard_output};
use crate::progress::Reporter;
use crate::terminal::{self, name};

pub(crate) fn run(args: &ConvertArgs, reporter: &Reporter) -> Result<()> {
    refuse_standard_output(&args.out, "probe directories are")?;
    let annotated = Annotations::of_pictures(&args.pictures).open(reporter)?;
    annotated.warning.iter().for_each(|text| reporter.warn(text));
    let set = annotated.set;
    let _lock = claim_folder(&args.out)?;
    refuse_others(&args.out, &[CONCEPTS, LAYERS, SCALARS, layout::EXAMPLES])?;
    write_probe(&args.out, &set, reporter)?;
    reporter.end();
    let (folder, mut out) = (args.out.display().to_string(), io::stdout().lock());
    let (examples, concepts) = (set.examples.len(), set.vocabulary.concepts().len());
    if args.json {
        let value = json!({ "folder": folder, "examples": examples, "concepts": concepts, "grid": set.source.grid() });
        terminal::write_json(&mut out, &value)?;
    } else {
        writeln!(out, "{} of {} in `{}`", many(examples, "picture"), many(concepts, "concept"), name(&folder))?;
    }
    Ok(out.flush()?)
}
