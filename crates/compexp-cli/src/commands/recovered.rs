//! `compexp recovered`: how far a run found the formulas that were planted.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use compexp_files::{AtomicFile, read_json};
use compexp_run::FinishedRun;
use compexp_trust::planted::{Noise, PlantedUnits, Row, recover, rows, to_csv};
use serde_json::json;

use super::eval::annotations_of;
use crate::pipeline;
use crate::progress::Reporter;
use crate::table;

#[derive(Debug, Args)]
#[command(after_help = "\
`at length` counts the units that were found again: the best formula that is no longer than the planted one is logically
equivalent to it, or has the same mask. `equivalent` and `same mask` count the two for the best formula of any length, which
may be longer because it fits noise too: without noise they add up to the same, with noise they are often fewer. `below` counts the units
for which a smaller IoU was found than the planted formula has: there the search missed a better formula. Without being below,
another formula than the planted one fits a noisy unit as well or better.

Examples:
  compexp recovered runs/planted --planted planted/planted.json
  compexp recovered runs/planted --planted planted/planted.json --csv recovered.csv")]
pub(crate) struct RecoveredArgs {
    /// A run of `compexp explain` on the planted masks
    pub(crate) run: PathBuf,
    /// The planted.json of `compexp plant`
    #[arg(long, value_name = "FILE")]
    pub(crate) planted: PathBuf,
    /// Write a row a unit to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
    /// Print JSON, every unit included
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn run(args: &RecoveredArgs, reporter: &Reporter) -> Result<()> {
    let planted: PlantedUnits = read_json(&args.planted)?;
    let run = FinishedRun::open(&args.run)?;
    let annotated = annotations_of(&run, reporter)?;
    let (partition, _) = pipeline::divide(&annotated.set, &std::env::temp_dir(), reporter)?;
    let units = recover(&run.explanations, &planted, &partition, &annotated.set.vocabulary)?;
    reporter.end();
    let rows = rows(&units);
    if let Some(path) = &args.csv {
        let mut file = AtomicFile::create(path)?;
        file.write_all(to_csv(&units)?.as_bytes())?;
        file.commit()?;
    }
    let mut out = BufWriter::new(io::stdout().lock());
    if args.json {
        table::write_json(&mut out, &json!({ "rows": rows, "units": units }))?;
    } else {
        print(&mut out, &rows)?;
    }
    out.flush()?;
    Ok(())
}

fn print(out: &mut impl Write, rows: &[Row]) -> io::Result<()> {
    let header = [
        "missed",
        "added",
        "length",
        "units",
        "at length",
        "equivalent",
        "same mask",
        "below",
        "planted IoU",
        "found IoU",
    ];
    let row = |row: &Row| {
        let Row {
            length, noise: Noise { missed, added }, units, equivalent, same_mask, at_length, below_planted, ..
        } = row;
        let share = |share: &f64| format!("{share:.2}");
        let count = |n: &usize| n.to_string();
        let [planted, found] = [row.planted_iou, row.found_iou].map(|iou| format!("{iou:.4}"));
        let counts = [length, units, at_length, equivalent, same_mask, below_planted].map(count);
        let [length, units, at_length, equivalent, same_mask, below] = counts;
        [
            share(missed),
            share(added),
            length,
            units,
            at_length,
            equivalent,
            same_mask,
            below,
            planted,
            format!("{found:>9}"),
        ]
    };
    table::write(out, "", header, &rows.iter().map(row).collect::<Vec<_>>())
}
