//! `compexp concepts`: the concepts of a probe set, with their categories and areas.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};

use anyhow::Result;
use compexp_core::concept::ConceptId;
use compexp_core::formula::write_name;
use compexp_run::divide;
use serde_json::json;

use crate::annotations::Annotations;
use crate::args::concepts::ConceptsArgs;
use crate::progress::Reporter;
use crate::terminal::{self, count, name};

pub(crate) fn run(args: &ConceptsArgs, reporter: &Reporter) -> Result<()> {
    let mut annotations = Annotations::new(&args.annotations);
    if let Some(dir) = &args.dir {
        annotations = annotations.in_probe(dir);
    }
    let set = annotations.open(reporter)?.set;
    let (partition, _) = divide(&set, &std::env::temp_dir(), reporter)?;
    reporter.end();
    // Concepts that are listed and nowhere annotated have an area of 0.
    let mut areas: BTreeMap<_, u32> = set.vocabulary.concepts().iter().map(|concept| (concept.id, 0)).collect();
    let columns = partition.columns().iter().zip(partition.areas());
    areas.extend(columns.filter(|(atom, _)| !atom.neighbors).map(|(atom, area)| (atom.concept, *area)));
    let n = partition.n_positions();
    let mut out = BufWriter::new(io::stdout().lock());
    if args.json {
        let concept = |(id, area): (&ConceptId, &u32)| {
            let (name, category) = (set.vocabulary.name(*id), set.vocabulary.category(*id));
            json!({ "id": id, "name": name, "category": category, "area": area, "share": f64::from(*area) / n as f64 })
        };
        let concepts: Vec<_> = areas.iter().map(concept).collect();
        terminal::write_json(&mut out, &json!({ "positions": n, "concepts": concepts }))?;
        return Ok(out.flush()?);
    }
    let row = |(id, area): (&ConceptId, &u32)| {
        let mut text = String::new();
        write_name(&mut text, &set.vocabulary.name(*id))?;
        let share = format!("{:.3}%", 100.0 * f64::from(*area) / n as f64);
        let category = name(set.vocabulary.category(*id));
        Ok([id.0.to_string(), count(u64::from(*area)), share, category, name(&text)])
    };
    let rows = areas.iter().map(row).collect::<Result<Vec<_>>>()?;
    terminal::write(&mut out, "", ["id", "area", "share", "category", "concept"], &rows)?;
    writeln!(out, "{} concepts, {} positions", count(rows.len() as u64), count(n))?;
    Ok(out.flush()?)
}
