//! The results of copy-paste counterfactuals: tables, a record, pictures, and the printed text.
//!
//! | file | content |
//! |---|---|
//! | `cases.csv` | a row per case: unit, classes, concept, weight, gain, success rates, their difference with its interval |
//! | `placements.csv` | a row for every case, size and place: trials and their outcomes, with segments and with controls |
//! | `counterfactuals.json` | version 1: all of it, and the most convincing trial of each case with its pictures |
//! | `case-001-before.png`, `-after`, `-control` | those pictures |

use std::path::Path;

use anyhow::Result;
use compexp_core::concept::Vocabulary;
use compexp_files::{write_bytes, write_rows};
use compexp_run::layout;
use compexp_trust::behaviour::trial::likeliest;
use compexp_vision::counterfactual::{Case, Config, Unit};
use serde_json::{Value, json};

use crate::classifier_run::Classified;
use crate::trials::{Kind, Trials, Tried, outcome_columns, outcomes};

/// The meaning of numbers: names and texts.
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

    /// The fields of the record that only these cases have.
    fn more(&self, nth: usize, case: &Case) -> Value {
        let candidate = &case.candidate;
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
                "picture": layout::picture(nth as u64, kind), "predicted": self.class(class), "probability": probabilities[class],
                "from": probabilities[candidate.from], "to": probabilities[candidate.to], "unit_activation": feature,
            })
        };
        let answers: serde_json::Map<String, Value> =
            PICTURES.iter().zip(&case.best.answers).map(|(kind, a)| ((*kind).to_owned(), answer((kind, a)))).collect();
        json!({
            "concept": self.vocabulary.name(case.concept), "targets": names(&case.targets),
            "segments": sources, "feature_change": {
                "tested": case.feature_change[0], "control": case.feature_change[1] },
            "placements": case.places,
            "best": { "image": self.images[case.best.target], "segment": case.best.source, "size": case.best.size,
                      "row": case.best.place.row, "column": case.best.place.column, "answers": answers },
        })
    }

    /// The cases, in the form in which they are written.
    pub(super) fn trials<'a>(&'a self, cases: &'a [Case]) -> Trials<'a> {
        let tried = |(nth, case): (usize, &'a Case)| {
            let (candidate, Unit { unit, formula }) = (&case.candidate, &self.units[case.candidate.at]);
            let [tested, control] = case.feature_change.map(|v| v.to_string());
            Tried {
                unit: *unit,
                formula: formula.display(self.vocabulary).to_string(),
                from: Some(candidate.from),
                to: Some(candidate.to),
                gain: candidate.gain,
                expected: candidate.expected(),
                effect: &case.effect,
                own: vec![self.vocabulary.name(case.concept).into_owned(), tested, control],
                more: self.more(nth, case),
                group: "",
            }
        };
        let kind = Kind {
            name: "vision",
            examples: "images",
            trials: "trials",
            columns: &["concept", "feature_change", "control_feature_change"],
            interval: "95%, bootstrap over target images, 2000 resamples",
        };
        Trials { run: self.run, kind, cases: (1..).zip(cases).map(tried).collect() }
    }
}

/// Writes all files into the folder `out`. Returns the content of `counterfactuals.json`.
///
/// # Errors
/// An I/O error or `Error::Io` if a file cannot be removed or written; the errors of [`Trials::write`].
pub(super) fn write(out: &Path, names: &Names<'_>, config: &Config, cases: &[Case]) -> Result<Value> {
    remove_pictures(out)?;
    let mut by_place = Vec::new();
    for (nth, case) in (1_usize..).zip(cases) {
        let unit = names.units[case.candidate.at].unit;
        for tally in &case.places {
            let place = (nth, unit, tally.size, tally.place.row, tally.place.column);
            by_place.push((place, outcomes(&tally.tested), outcomes(&tally.control)));
        }
        for (kind, picture) in PICTURES.iter().zip(&case.best.pictures) {
            write_bytes(&out.join(layout::picture(nth as u64, kind)), &picture.to_png()?)?;
        }
    }
    let outcomes = outcome_columns();
    let columns = ["case", "unit", "size", "row", "column"].into_iter().chain(outcomes.iter().map(String::as_str));
    write_rows(&out.join(layout::PLACEMENTS), &columns.collect::<Vec<_>>(), &by_place)?;
    names.trials(cases).write(out, config)
}

/// Removes the pictures of earlier cases.
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
