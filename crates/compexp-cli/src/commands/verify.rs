//! `compexp verify`: checks whether a run is unchanged.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use compexp_run::{Verified, fix, verify};
use serde_json::json;

use crate::args::verify::VerifyArgs;
use crate::failure::Failure;
use crate::terminal::{self, GOOD, count, name, painted};

/// The version of the JSON that `--json` prints.
const VERSION: u32 = 1;

pub(crate) fn run(args: &VerifyArgs) -> Result<()> {
    let before = verify(&args.run)?;
    let (found, removed) = match args.fix {
        true => (fix(&args.run)?, before.leftovers),
        false => (before, Vec::new()),
    };
    let mut out = std::io::stdout().lock();
    let texts = |paths: &[PathBuf]| paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>();
    if args.json {
        let damage: Vec<String> = found.damage.iter().map(ToString::to_string).collect();
        let value = json!({
            "version": VERSION, "whole": damage.is_empty(), "files": found.files, "bytes": found.bytes, "damage": damage,
            "leftovers": texts(&found.leftovers), "removed": texts(&removed), "strangers": texts(&found.strangers),
        });
        terminal::write_json(&mut out, &value)?;
    } else {
        print(&mut out, &args.run, &found, &removed)?;
    }
    out.flush()?;
    match &found.damage[..] {
        [] => Ok(()),
        [one] => Err(Failure::new(one).into()),
        [first, others @ ..] => {
            let mut text = first.to_string();
            others.iter().for_each(|e| text += &format!("\n  and {e}"));
            Err(Failure::new(text).into())
        }
    }
}

fn print(out: &mut impl Write, run: &Path, found: &Verified, removed: &[PathBuf]) -> Result<()> {
    let mut list = |what: &str, paths: &[PathBuf]| {
        paths.iter().try_for_each(|path| writeln!(out, "{what}: {}", name(&path.display().to_string())))
    };
    list("removed", removed)?;
    list("left by a killed command, remove it with --fix", &found.leftovers)?;
    list("not written by compexp", &found.strangers)?;
    if found.damage.is_empty() {
        let (files, bytes, run) = (count(found.files), count(found.bytes), name(&run.display().to_string()));
        writeln!(out, "`{run}` is {}: {files} files, {bytes} bytes", painted("whole", GOOD))?;
    }
    Ok(())
}
