//! `compexp sae encode`: from activations in a file to the latents of a sparse autoencoder.

use std::io::{self, BufWriter, Write};

use anyhow::Result;
use compexp_run::{ActivationFile, Known};
use compexp_text::Sae;
use serde_json::json;

use crate::args::sae::SaeEncodeArgs;
use crate::latents::{Encoded, encode};
use crate::progress::{Reporter, duration};
use crate::terminal::{self, count, name};

pub(crate) fn run(args: &SaeEncodeArgs, reporter: &Reporter) -> Result<()> {
    let sae = Sae::open(&args.sae)?;
    let activations = ActivationFile::open(&args.activations, Known::default())?;
    let Encoded { rows, entries } = encode(&sae, &activations, &args.out, reporter)?;
    let out = args.out.display().to_string();
    let mut to = BufWriter::new(io::stdout().lock());
    if args.json {
        let seconds = reporter.elapsed().as_secs_f64();
        let value = json!({
            "latents": out, "architecture": sae.kind().name(), "rows": rows, "units": sae.d_sae(), "values": entries,
            "seconds": seconds,
        });
        terminal::write_json(&mut to, &value)?;
    } else {
        writeln!(
            to,
            "{} latents on {} rows: {:.1} fire on a row, on average",
            count(sae.d_sae() as u64),
            count(rows as u64),
            entries as f64 / rows as f64
        )?;
        writeln!(to, "results in `{}`", name(&out))?;
        writeln!(to, "took {}", duration(reporter.elapsed()))?;
    }
    Ok(to.flush()?)
}
