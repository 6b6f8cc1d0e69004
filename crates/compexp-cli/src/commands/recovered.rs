//! `compexp recovered`: how many planted formulas a run found.

use std::io::{self, BufWriter, Write};

use anyhow::Result;
use compexp_files::{AtomicFile, guarded, read_json};
use compexp_run::{FinishedRun, divide};
use compexp_trust::planted::{Noise, PlantedUnits, Row, recover, rows, to_csv};
use serde_json::json;

use crate::args::planted::RecoveredArgs;
use crate::progress::Reporter;
use crate::run_inputs::annotations_of;
use crate::terminal;

pub(crate) fn run(args: &RecoveredArgs, reporter: &Reporter) -> Result<()> {
    let planted: PlantedUnits = read_json(&args.planted)?;
    let run = FinishedRun::open(&args.run)?;
    let annotated = annotations_of(&run, reporter)?;
    let (partition, _) = divide(&annotated.set, &std::env::temp_dir(), reporter)?;
    let units = recover(&run.explanations, &planted, &partition, &annotated.set.vocabulary)?;
    reporter.end();
    let rows = rows(&units);
    if let Some(path) = &args.csv {
        let mut file = AtomicFile::create(path)?;
        file.write_all(&guarded(to_csv(&units)?.into_bytes()))?;
        file.commit()?;
    }
    let mut out = BufWriter::new(io::stdout().lock());
    if args.json {
        terminal::write_json(&mut out, &json!({ "rows": rows, "units": units }))?;
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
    terminal::write(out, "", header, &rows.iter().map(row).collect::<Vec<_>>())
}
