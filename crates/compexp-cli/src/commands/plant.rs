//! `compexp plant`: units of known formulas, planted in the annotations of a probe set.

use std::io;

use anyhow::Result;
use compexp_core::explain::Progress;
use compexp_files::{claim_folder, write_json};
use compexp_run::wording::many;
use compexp_run::{divide, write_masks};
use compexp_trust::planted::{PlantConfig, Planted};
use serde_json::json;

use crate::annotations::Annotations;
use crate::args::planted::PlantArgs;
use crate::failure::refuse_standard_output;
use crate::progress::Reporter;
use crate::terminal::{self, count};

/// The masks of the units.
const MASKS: &str = "masks.npy";

/// Their formulas.
const PLANTED: &str = "planted.json";

pub(crate) fn run(args: &PlantArgs, reporter: &Reporter) -> Result<()> {
    refuse_standard_output(&args.out, "planted units are")?;
    let set = Annotations::new(&args.annotations).open(reporter)?.set;
    let _lock = claim_folder(&args.out)?;
    let (partition, map) = divide(&set, &args.out, reporter)?;
    let noise = args.noise.iter().map(|noise| noise.0).collect();
    let PlantArgs { units, length, min_share, seed, .. } = *args;
    reporter.stage("formulas", "units", units);
    let planted = Planted::new(&partition, &map, &PlantConfig { units, length, noise, min_share, seed })?;
    // One byte per position.
    let bytes = units as u64 * partition.n_positions();
    let out = args.out.display();
    reporter.say(&format!(
        "{} of {} positions: {} in `{out}`",
        many(units, "unit"),
        count(partition.n_positions()),
        size(bytes)
    ));
    reporter.stage("areas", "units", units);
    let record = planted.record(&set.vocabulary, &|n| reporter.done(n))?;
    reporter.stage("masks", "units", units);
    write_masks(&args.out.join(MASKS), &planted, &|n| reporter.done(n))?;
    write_json(&args.out.join(PLANTED), &record)?;
    reporter.end();
    if args.json {
        let file = |name: &str| args.out.join(name).display().to_string();
        let (masks, planted, positions) = (file(MASKS), file(PLANTED), partition.n_positions());
        let value = json!({ "masks": masks, "planted": planted, "units": units, "positions": positions });
        return Ok(terminal::write_json(&mut io::stdout().lock(), &value)?);
    }
    reporter.say(&format!("{} in `{out}`: {MASKS} and {PLANTED}", many(units, "unit")));
    Ok(())
}

/// A number of bytes in a readable unit.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} bytes", count(bytes)),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_their_own_unit() {
        let sizes = [999_999, 1_250_000, 1_427_835_000].map(size);
        assert_eq!(sizes, ["999,999 bytes", "1.2 MB", "1.4 GB"]);
    }
}
