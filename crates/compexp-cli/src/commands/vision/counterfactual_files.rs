//! What copy-paste counterfactuals leave: tables, a record, pictures, and what is printed.
//!
//! | file | content |
//! |---|---|
//! | `cases.csv` | a row a case: unit, classes, concept, weight, gain, success rates, their difference with its interval |
//! | `placements.csv` | a row for every case, size and place: trials and their outcomes, with segments and with controls |
//! | `counterfactuals.json` | version 1: all of it, and the most convincing trial of each case with its pictures |
//! | `case-001-before.png`, `-after`, `-control` | those pictures |

use std::io::{self, Write};
use std::path::Path;

use anyhow::Result;
use compexp_core::artifact::{hash_file, write_json};
use compexp_core::behaviour::trial::{Difference, Tally, likeliest};
use compexp_core::concept::Vocabulary;
use compexp_vision::counterfactual::{Case, Config, Unit};
use serde_json::{Value, json};

use crate::commands::classified::{Classified, outcome_columns, outcomes, write_bytes, write_csv};
use crate::table;

/// What numbers stand for.
pub(super) struct Names<'a> {
    pub(super) run: &'a Classified,
    pub(super) images: &'a [String],
    pub(super) vocabulary: &'a Vocabulary,
    pub(super) units: &'a [Unit],
}

const PICTURES: [&str; 3] = ["before", "after", "control"];

impl Names<'_> {
    fn class(&self, class: usize) -> &str {
        &self.run.head.classes[class]
    }

    fn formula(&self, case: &Case) -> String {
        self.units[case.candidate.at].formula.display(self.vocabulary).to_string()
    }

    /// A case as it is written.
    fn case(&self, nth: usize, case: &Case) -> Value {
        let (candidate, effect) = (&case.candidate, &case.effect);
        let unit = self.units[candidate.at].unit;
        let names = |images: &[usize]| images.iter().map(|image| &self.images[*image]).collect::<Vec<_>>();
        let sources: Vec<Value> = case
            .sources
            .iter()
            .map(|(image, control, concept)| {
                json!({ "image": self.images[*image], "control_image": self.images[*control],
                        "control_concept": self.vocabulary.name(*concept) })
            })
            .collect();
        let answer = |(kind, (probabilities, feature)): (&str, &(Vec<f64>, f64))| {
            let class = likeliest(&probabilities.iter().map(|p| *p as f32).collect::<Vec<_>>());
            json!({
                "picture": picture_name(nth, kind), "predicted": self.class(class), "probability": probabilities[class],
                "from": probabilities[candidate.from], "to": probabilities[candidate.to], "unit_activation": feature,
            })
        };
        let answers: serde_json::Map<String, Value> =
            PICTURES.iter().zip(&case.best.answers).map(|(kind, a)| ((*kind).to_owned(), answer((kind, a)))).collect();
        json!({
            "case": nth, "unit": unit, "formula": self.formula(case), "concept": self.vocabulary.name(case.concept),
            "from": self.class(candidate.from), "to": self.class(candidate.to), "weight": candidate.weight,
            "gain": candidate.gain, "expected": candidate.expected(), "targets": names(&case.targets),
            "segments": sources, "effect": effect, "feature_change": {
                "tested": case.feature_change[0], "control": case.feature_change[1] },
            "placements": case.places,
            "best": { "image": self.images[case.best.target], "segment": case.best.source, "size": case.best.size,
                      "row": case.best.place.row, "column": case.best.place.column, "answers": answers },
        })
    }
}

fn picture_name(nth: usize, kind: &str) -> String {
    format!("case-{nth:03}-{kind}.png")
}

/// Writes everything into the folder `out`, and gives what `counterfactuals.json` holds.
///
/// # Errors
/// Those of the files.
pub(super) fn write(out: &Path, names: &Names<'_>, config: &Config, cases: &[Case]) -> Result<Value> {
    std::fs::create_dir_all(out)?;
    remove_pictures(out)?;
    let (mut rows, mut by_place) = (Vec::new(), Vec::new());
    for (nth, case) in (1..).zip(cases) {
        let (candidate, effect) = (&case.candidate, &case.effect);
        let unit = names.units[candidate.at].unit.to_string();
        let of = |d: &Difference| [d.value, d.low, d.high].map(|v| v.to_string());
        let mut row = vec![
            nth.to_string(),
            unit.clone(),
            names.formula(case),
            names.vocabulary.name(case.concept).into_owned(),
            names.class(candidate.from).to_owned(),
            names.class(candidate.to).to_owned(),
        ];
        row.extend([candidate.weight, candidate.gain, candidate.expected()].map(|v| v.to_string()));
        row.push(effect.examples.to_string());
        row.extend(outcomes(&effect.tested));
        row.extend(outcomes(&effect.control));
        row.extend(of(&effect.success));
        row.extend(of(&effect.change));
        row.extend(case.feature_change.map(|v| v.to_string()));
        rows.push(row);
        for tally in &case.places {
            let mut row = vec![nth.to_string(), unit.clone(), tally.size.to_string()];
            row.extend([tally.place.row, tally.place.column].map(|v| v.to_string()));
            row.extend(outcomes(&tally.tested));
            row.extend(outcomes(&tally.control));
            by_place.push(row);
        }
        for (kind, picture) in PICTURES.iter().zip(&case.best.pictures) {
            write_bytes(&out.join(picture_name(nth, kind)), &picture.to_png()?)?;
        }
    }
    let names_of = |columns: &[&str]| columns.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let case = ["case", "unit", "formula", "concept", "from", "to", "weight", "gain", "expected", "images"];
    let features = ["feature_change", "control_feature_change"];
    let header = [names_of(&case), outcome_columns(true), names_of(&features)].concat();
    write_csv(&out.join("cases.csv"), header, rows)?;
    let place = ["case", "unit", "size", "row", "column"];
    write_csv(&out.join("placements.csv"), [names_of(&place), outcome_columns(false)].concat(), by_place)?;
    let record = json!({
        "version": 1,
        "kind": "vision",
        "run": hash_file(&names.run.run.dir().join("explanations.json"))?,
        "config": config,
        "interval": "95%, bootstrap over target images, 2000 resamples",
        "order": "weight x gain",
        "cases": (1..).zip(cases).map(|(nth, case)| names.case(nth, case)).collect::<Vec<_>>(),
    });
    write_json(&out.join("counterfactuals.json"), &record)?;
    Ok(record)
}

/// Those of cases that were here before.
fn remove_pictures(out: &Path) -> Result<()> {
    for entry in std::fs::read_dir(out)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with("case-") && name.ends_with(".png") {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Prints a table of cases, or the record as JSON.
///
/// # Errors
/// Those of standard output.
pub(super) fn print(names: &Names<'_>, cases: &[Case], record: Option<&Value>, out: &Path) -> Result<()> {
    let mut stdout = io::stdout().lock();
    if let Some(record) = record {
        table::write_json(&mut stdout, record)?;
        return Ok(stdout.flush()?);
    }
    let percent = |share: f64| format!("{:.1}", 100.0 * share);
    let rows: Vec<[String; 9]> = cases
        .iter()
        .map(|case| {
            let effect = &case.effect;
            let Difference { value, low, high } = effect.success;
            [
                names.units[case.candidate.at].unit.to_string(),
                table::name(names.class(case.candidate.from)),
                table::name(names.class(case.candidate.to)),
                table::name(&names.vocabulary.name(case.concept)),
                percent(effect.tested.rate()),
                percent(effect.control.rate()),
                format!("{} [{}, {}]", percent(value), percent(low), percent(high)),
                percent(effect.change.value),
                table::name(&names.formula(case)),
            ]
        })
        .collect();
    let header =
        ["unit", "from", "to", "concept", "success %", "control %", "difference [95%]", "change of p %", "formula"];
    table::write(&mut stdout, "", header, &rows)?;
    let sum = |of: &dyn Fn(&Case) -> Tally| {
        cases.iter().map(of).fold((0, 0), |(n, hits), tally| (n + tally.trials, hits + tally.success))
    };
    let (tested, control) = (sum(&|case| case.effect.tested), sum(&|case| case.effect.control));
    let share = |(n, hits): (usize, usize)| percent(hits as f64 / n.max(1) as f64);
    let above = cases.iter().filter(|case| case.effect.success.low > 0.0).count();
    writeln!(
        stdout,
        "{} cases: success {}% of {} trials, {}% of the controls; the difference is above 0 in {above}",
        cases.len(),
        share(tested),
        table::count(tested.0 as u64),
        share(control),
    )?;
    writeln!(stdout, "tables and pictures in `{}`", table::name(&out.display().to_string()))?;
    Ok(stdout.flush()?)
}
