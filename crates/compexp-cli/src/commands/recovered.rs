//! `compexp recovered`: how many planted formulas a run found.

use std::io::{self, BufWriter, Write};

use anyhow::Result;
use compexp_core::score::Metric;
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
    let metric = run.explanations.metric();
    let rows = rows(&units, metric);
    if let Some(path) = &args.csv {
        let mut file = AtomicFile::create(path)?;
        file.write_all(&guarded(to_csv(&units)?.into_bytes()))?;
        file.commit()?;
    }
    let mut out = BufWriter::new(io::stdout().lock());
    if args.json {
        terminal::write_json(&mut out, &json!({ "metric": metric, "rows": rows, "units": units }))?;
    } else {
        print(&mut out, &rows, metric)?;
    }
    out.flush()?;
    Ok(())
}

fn print(out: &mut impl Write, rows: &[Row], metric: Metric) -> io::Result<()> {
    writeln!(out, "searched by {}", metric.name())?;
    let header = [
        "missed",
        "added",
        "elsewhere",
        "fires",
        "length",
        "units",
        "at length",
        "equivalent",
        "same mask",
        "agreement",
        "below",
        "planted IoU",
        "found IoU",
    ];
    let row = |row: &Row| {
        let Noise { missed, added, elsewhere } = row.noise;
        let share = |share: f64| format!("{share:.2}");
        let Row { length, units, equivalent, same_mask, at_length, below_planted, .. } = row;
        let counts = [length, units, at_length, equivalent, same_mask, below_planted].map(usize::to_string);
        let [length, units, at_length, equivalent, same_mask, below] = counts;
        let added = elsewhere.map_or(share(added), |_| "-".to_owned());
        let [planted, found] = [row.planted_iou, row.found_iou].map(|iou| format!("{iou:.4}"));
        [
            share(missed),
            added,
            elsewhere.map_or("-".to_owned(), share),
            format!("{:.2}%", 100.0 * row.firing_rate),
            length,
            units,
            at_length,
            equivalent,
            same_mask,
            share(row.agreement),
            below,
            planted,
            format!("{found:>9}"),
        ]
    };
    terminal::write(out, "", header, &rows.iter().map(row).collect::<Vec<_>>())
}
