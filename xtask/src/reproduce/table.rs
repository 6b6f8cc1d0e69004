//! The final table: every quantity of the paper, and its value for each run.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::program::Compexp;
use crate::stage::shown;

use super::plan::Plan;

/// A quantity as `compexp analyze --json` gives it.
#[derive(Clone, Debug, Deserialize)]
struct Quantity {
    id: String,
    name: String,
    /// The value as one would print it.
    text: String,
}

#[derive(Deserialize)]
struct Analysis {
    quantities: Vec<Quantity>,
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Row {
    id: String,
    quantity: String,
    /// One a run; empty where the run has none.
    values: Vec<String>,
}

/// Prints the table of the plan's runs, and writes it to `table.csv` in `out`; `compexp` is the command.
pub(crate) fn print(compexp: &Compexp, plan: &Plan, out: &Path) -> Result<()> {
    let mut all = Vec::new();
    for (_, run) in &plan.runs {
        let text = output(compexp, ["analyze".into(), run.into(), "--json".into()])?;
        let analysis: Analysis = serde_json::from_slice(&text)
            .with_context(|| format!("cannot read the analysis of `{}`", run.display()))?;
        all.push(analysis.quantities);
    }
    let titles: Vec<&str> = plan.runs.iter().map(|(title, _)| *title).collect();
    let rows = join(&all);
    print!("{}", text(&titles, &rows));
    for [run, planted] in &plan.planted {
        println!("\nplanted units");
        let arguments = ["recovered".into(), run.into(), "--planted".into(), planted.into()];
        print!("{}", String::from_utf8_lossy(&output(compexp, arguments)?));
    }
    let path = out.join("table.csv");
    fs::write(&path, csv(&titles, &rows)).with_context(|| format!("cannot write `{}`", path.display()))
}

/// The rows of all runs: each after the quantity that it follows in the run that first has it.
fn join(all: &[Vec<Quantity>]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for (run, quantities) in all.iter().enumerate() {
        let mut next = 0;
        for quantity in quantities {
            let at = rows.iter().position(|row| row.id == quantity.id).unwrap_or_else(|| {
                let values = vec![String::new(); all.len()];
                rows.insert(next, Row { id: quantity.id.clone(), quantity: quantity.name.clone(), values });
                next
            });
            rows[at].values[run] = quantity.text.clone();
            next = at + 1;
        }
    }
    rows
}

fn text(titles: &[&str], rows: &[Row]) -> String {
    let count = |text: &str| text.chars().count();
    let name = rows.iter().map(|row| count(&row.quantity)).max().unwrap_or(0).max(8);
    let widths: Vec<usize> = titles
        .iter()
        .enumerate()
        .map(|(run, title)| rows.iter().map(|row| count(&row.values[run])).max().unwrap_or(0).max(count(title)))
        .collect();
    let mut text = String::new();
    let mut line = |first: &str, cells: &mut dyn Iterator<Item = &str>| {
        let mut line = format!("{first:name$}");
        for (cell, width) in cells.zip(&widths) {
            line += &format!("  {cell:width$}");
        }
        text += line.trim_end();
        text.push('\n');
    };
    line("quantity", &mut titles.iter().copied());
    for row in rows {
        line(&row.quantity, &mut row.values.iter().map(String::as_str));
    }
    text
}

fn csv(titles: &[&str], rows: &[Row]) -> String {
    let field = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let line = |cells: &[&str]| cells.iter().map(|cell| field(cell)).collect::<Vec<_>>().join(",") + "\n";
    let mut text = line(&[&["id", "quantity"], titles].concat());
    for row in rows {
        let values: Vec<&str> = row.values.iter().map(String::as_str).collect();
        text += &line(&[&[row.id.as_str(), &row.quantity], &values[..]].concat());
    }
    text
}

/// What the command prints.
fn output<const N: usize>(compexp: &Compexp, arguments: [OsString; N]) -> Result<Vec<u8>> {
    let output = compexp
        .command()?
        .args(&arguments)
        .stderr(std::process::Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{}`", shown(&arguments)))?;
    if !output.status.success() {
        bail!("`{}` ended with {}; what it found is printed above", shown(&arguments), output.status);
    }
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_stand_side_by_side_and_may_lack_quantities() {
        let quantity = |id: &str, text: &str| Quantity { id: id.into(), name: format!("the {id}"), text: text.into() };
        let all = [
            vec![quantity("units", "512"), quantity("iou", "0.25")],
            vec![quantity("units", "1,024"), quantity("say \"so\"", "yes")],
        ];
        let rows = join(&all);
        let expected =
            "quantity      vision  nli\nthe units     512     1,024\nthe say \"so\"          yes\nthe iou       0.25\n";
        assert_eq!(text(&["vision", "nli"], &rows), expected);
        let lines: Vec<String> = csv(&["vision", "nli"], &rows).lines().map(str::to_owned).collect();
        assert_eq!(lines[0], "\"id\",\"quantity\",\"vision\",\"nli\"");
        assert_eq!(lines[2], "\"say \"\"so\"\"\",\"the say \"\"so\"\"\",\"\",\"yes\"");
    }
}
