//! `compexp probe unpack`: the pictures and masks of Parquet files as folders.

use std::io::{self, Write};

use anyhow::Result;
use compexp_run::wording::many;
use compexp_vision::unpack::{IMAGES, MASKS, unpack};
use serde_json::json;

use crate::args::probe::UnpackArgs;
use crate::failure::{refuse_others, refuse_standard_output};
use crate::progress::Reporter;
use crate::terminal::{self, name};

pub(crate) fn run(args: &UnpackArgs, reporter: &Reporter) -> Result<()> {
    refuse_standard_output(&args.out, "folders of pictures are")?;
    refuse_others(&args.out, &[IMAGES, MASKS])?;
    let pictures = unpack(&args.tables, &args.out, reporter)?;
    reporter.end();
    let (folder, mut out) = (args.out.display().to_string(), io::stdout().lock());
    if args.json {
        terminal::write_json(&mut out, &json!({ "folder": folder, "pictures": pictures }))?;
    } else {
        writeln!(out, "{} in `{}`", many(pictures, "picture"), name(&folder))?;
    }
    Ok(out.flush()?)
}
