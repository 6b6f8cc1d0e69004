//! What is printed at the end: the paper's two questions and their answers, what each run is, and the table of every quantity of
//! the paper with its value for each run. All of it is what `compexp analyze --json` says.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::program::Compexp;
use crate::stage::shown;

use super::args::Half;
use super::plan::{Plan, Planted};

/// A quantity as `compexp analyze --json` gives it.
#[derive(Clone, Debug, Deserialize)]
struct Quantity {
    id: String,
    name: String,
    /// The value as one would print it.
    text: String,
    /// The value in the paper, where it is published there.
    paper: Option<String>,
}

/// What a run answers to one of the paper's questions.
#[derive(Clone, Debug, Deserialize)]
struct Answer {
    id: String,
    question: String,
    paper: String,
    here: String,
    verdict: String,
    /// The greatest number of literals of its formulas.
    length: usize,
}

#[derive(Deserialize)]
struct Analysis {
    /// What the run is.
    what: String,
    answer: Option<Answer>,
    quantities: Vec<Quantity>,
}

/// What `compexp recovered --json` says.
#[derive(Deserialize)]
struct Recovery {
    rows: Vec<Recovered>,
}

/// The planted units of one length and noise.
#[derive(Deserialize)]
struct Recovered {
    units: usize,
    at_length: usize,
}

impl Recovery {
    /// Says that every planted formula is recovered, which it MUST be.
    fn all(&self) -> Result<String> {
        let units: usize = self.rows.iter().map(|row| row.units).sum();
        let recovered: usize = self.rows.iter().map(|row| row.at_length).sum();
        if units == 0 || recovered != units {
            bail!("planted formulas: found {recovered} of {units} recovered, expected all: the search is exact");
        }
        Ok(format!("all {units} planted formulas are recovered"))
    }
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Row {
    id: String,
    quantity: String,
    /// One a run; empty where the run has none.
    values: Vec<String>,
}

/// Prints the answers and the table of the plan's runs, and writes the table to `table.csv` in `out`; `compexp` is the command.
pub(crate) fn print(compexp: &Compexp, plan: &Plan, out: &Path) -> Result<()> {
    let all = plan.runs.iter().map(|run| analysis(compexp, &run.path)).collect::<Result<Vec<_>>>()?;
    let answers = answers(all.iter().filter_map(|analysis| analysis.answer.as_ref()));
    print_answers(&answers);
    println!("runs");
    for (run, analysis) in plan.runs.iter().zip(&all) {
        println!("  {}: {}", run.title, analysis.what);
    }
    for Planted { run, .. } in &plan.planted {
        println!("  {}: {}; their formulas are known", folder_name(run), analysis(compexp, run)?.what);
    }
    println!();
    let quantities: Vec<&[Quantity]> = all.iter().map(|analysis| &analysis.quantities[..]).collect();
    let runs: Vec<(&str, Half)> = plan.runs.iter().map(|run| (run.title, run.half)).collect();
    let (titles, rows) = with_paper(&runs, &quantities, join(&quantities));
    let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
    print!("{}", text(&titles, &rows));
    for Planted { run, formulas, all } in &plan.planted {
        println!("\nplanted units of {}", folder_name(run));
        let arguments = || ["recovered".into(), run.into(), "--planted".into(), formulas.into()];
        print!("{}", String::from_utf8_lossy(&output(compexp, arguments())?));
        if *all {
            let [command, run, option, file] = arguments();
            let text = output(compexp, [command, run, option, file, "--json".into()])?;
            let recovery: Recovery = serde_json::from_slice(&text).context("cannot read what `recovered` printed")?;
            println!("{}", recovery.all()?);
        }
    }
    println!();
    // Again: the table is longer than a terminal is high.
    print_answers(&answers);
    let path = out.join("table.csv");
    fs::write(&path, csv(&titles, &rows)).with_context(|| format!("cannot write `{}`", path.display()))
}

fn folder_name(run: &Path) -> String {
    run.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Each question with what the paper found, what was found here, and the verdict on a line of its own.
fn print_answers(answers: &[&Answer]) {
    if !answers.is_empty() {
        println!("the paper's questions\n");
    }
    for Answer { question, paper, here, verdict, .. } in answers {
        println!("{question}\n{paper}\n{here}\n{verdict}\n");
    }
}

fn analysis(compexp: &Compexp, run: &Path) -> Result<Analysis> {
    let text = output(compexp, ["analyze".into(), run.into(), "--json".into()])?;
    serde_json::from_slice(&text).with_context(|| format!("cannot read the analysis of `{}`", run.display()))
}

/// One answer a question: that of the longest formulas, the first of these.
fn answers<'a>(all: impl Iterator<Item = &'a Answer>) -> Vec<&'a Answer> {
    let mut found: Vec<&Answer> = Vec::new();
    for answer in all {
        match found.iter_mut().find(|other| other.id == answer.id) {
            Some(other) if other.length < answer.length => *other = answer,
            Some(_) => {}
            None => found.push(answer),
        }
    }
    found
}

/// The columns of `rows` with those of the paper before the runs of each half, where it has values.
fn with_paper(runs: &[(&str, Half)], all: &[&[Quantity]], mut rows: Vec<Row>) -> (Vec<String>, Vec<Row>) {
    let mut titles: Vec<String> = runs.iter().map(|(title, _)| (*title).to_owned()).collect();
    for (half, title) in [(Half::Nli, "nli in the paper"), (Half::Vision, "vision in the paper")] {
        let Some(at) = runs.iter().position(|(_, of)| *of == half) else { continue };
        let of_half =
            || all.iter().zip(runs).filter(|(_, (_, of))| *of == half).flat_map(|(quantities, _)| *quantities);
        let published = |id: &str| of_half().filter(|q| q.id == id).find_map(|q| q.paper.clone());
        if !of_half().any(|quantity| quantity.paper.is_some()) {
            continue;
        }
        // The later half first: the places before it stay.
        titles.insert(at, title.to_owned());
        for row in &mut rows {
            row.values.insert(at, published(&row.id).unwrap_or_default());
        }
    }
    (titles, rows)
}

/// The rows of all runs: each after the quantity that it follows in the run that first has it.
fn join(all: &[&[Quantity]]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for (run, quantities) in all.iter().enumerate() {
        let mut next = 0;
        for quantity in *quantities {
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

    fn quantity(id: &str, text: &str, paper: Option<&str>) -> Quantity {
        Quantity { id: id.into(), name: format!("the {id}"), text: text.into(), paper: paper.map(str::to_owned) }
    }

    #[test]
    fn runs_stand_side_by_side_and_may_lack_quantities() {
        let vision = [quantity("units", "512", None), quantity("iou", "0.25", None)];
        let nli = [quantity("units", "1,024", None), quantity("say \"so\"", "yes", None)];
        let rows = join(&[&vision[..], &nli]);
        let expected =
            "quantity      vision  nli\nthe units     512     1,024\nthe say \"so\"          yes\nthe iou       0.25\n";
        assert_eq!(text(&["vision", "nli"], &rows), expected);
        let lines: Vec<String> = csv(&["vision", "nli"], &rows).lines().map(str::to_owned).collect();
        assert_eq!(lines[0], "\"id\",\"quantity\",\"vision\",\"nli\"");
        assert_eq!(lines[2], "\"say \"\"so\"\"\",\"the say \"\"so\"\"\",\"\",\"yes\"");
    }

    #[test]
    fn the_papers_values_stand_before_the_runs_of_their_half() {
        let vision = [quantity("units", "128", Some("512")), quantity("r", "0.1", None)];
        let longer = [quantity("units", "128", Some("512")), quantity("r", "0.2", Some("0.31"))];
        let nli = [quantity("units", "64", Some("1,024")), quantity("r", "0.3", None)];
        let all: [&[Quantity]; 3] = [&vision, &longer, &nli];
        let runs = [("a", Half::Vision), ("b", Half::Vision), ("c", Half::Nli)];
        let (titles, rows) = with_paper(&runs, &all, join(&all));
        assert_eq!(titles, ["vision in the paper", "a", "b", "nli in the paper", "c"]);
        assert_eq!(rows[0].values, ["512", "128", "128", "1,024", "64"]);
        assert_eq!(rows[1].values, ["0.31", "0.1", "0.2", "", "0.3"]);
        let own = [quantity("units", "7", None)];
        let (titles, rows) = with_paper(&[("own", Half::Vision)], &[&own], join(&[&own]));
        assert_eq!((titles, rows[0].values.len()), (vec!["own".to_owned()], 1), "no values, no column");
    }

    #[test]
    fn a_planted_formula_that_is_not_recovered_is_an_error() {
        let rows = |text: &str| serde_json::from_str::<Recovery>(text).unwrap().all();
        let row =
            |units: usize, at_length: usize| format!(r#"{{"units": {units}, "at_length": {at_length}, "length": 1}}"#);
        let [good, bad] = [row(3, 3), row(2, 1)];
        let said = rows(&format!(r#"{{"metric": "iou", "rows": [{good}, {good}]}}"#)).unwrap();
        assert_eq!(said, "all 6 planted formulas are recovered");
        let e = rows(&format!(r#"{{"rows": [{good}, {bad}]}}"#)).unwrap_err().to_string();
        assert!(e.contains("found 4 of 5 recovered"), "{e}");
        assert!(rows(r#"{"rows": []}"#).unwrap_err().to_string().contains("found 0 of 0"));
    }

    #[test]
    fn the_longest_formulas_answer() {
        let answer = |id: &str, length, verdict: &str| Answer {
            id: id.into(),
            question: "?".into(),
            paper: "that".into(),
            here: "this".into(),
            verdict: verdict.into(),
            length,
        };
        let all = [answer("a", 3, "one"), answer("b", 5, "two"), answer("a", 10, "three"), answer("b", 5, "four")];
        let verdicts: Vec<&str> = answers(all.iter()).iter().map(|a| &a.verdict[..]).collect();
        assert_eq!(verdicts, ["three", "two"]);
    }
}
