//! Baselines: what a run came to, kept to compare later runs with.
//!
//! A baseline is a run directory, or one file: `explanations.json` as a run has it, or the shorter one that
//! [`Baseline::write`] makes, in which every unit has its result alone and `summary` holds what `summary.json` does.

use std::path::Path;

use compexp_core::explanation::{Explanation, Explanations, Headline};
use compexp_files::{Place, is_there, read_json, write_json};
use compexp_trust::compare::Side;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::finished_run::{FinishedRun, read_explanations};
use crate::layout::SUMMARY;
use crate::summary::Summary;

/// The explanations of a run, and its summary where there is one.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    /// The explanations.
    pub explanations: Explanations,
    /// What the units came to.
    pub summary: Option<Summary>,
}

impl Baseline {
    /// Opens a run directory, or a file of explanations.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`]; [`compexp_files::Error::Format`] where the folder holds no complete run, the file is no baseline, or one of another
    /// version.
    pub fn open(path: &Path) -> Result<Self> {
        #[derive(Deserialize)]
        struct Kept {
            summary: Option<Summary>,
        }
        if Place::required(path)? == Place::Folder {
            let run = FinishedRun::open(path)?;
            let summary = run.find(SUMMARY)?.map(|_| run.summary()).transpose()?;
            return Ok(Self { explanations: run.explanations, summary });
        }
        Ok(Self { explanations: read_explanations(path)?, summary: read_json::<Kept>(path)?.summary })
    }

    /// What [`compexp_trust::compare::compare`] takes.
    pub fn side(&self) -> Side<'_> {
        let accuracy = self.summary.as_ref().and_then(|s| s.accuracy);
        Side {
            explanations: &self.explanations,
            accuracy: accuracy.and_then(|a| a.share()),
            headline: Headline::of(&self.explanations),
        }
    }

    /// Writes the baseline as one file, with the result of every unit and not the way to it. A file that is there is
    /// replaced only if it is a baseline too, of whatever version.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`], and [`compexp_files::Error::Format`] where there is something else at `path`.
    pub fn write(&self, path: &Path) -> Result<()> {
        #[derive(Deserialize)]
        struct Any {
            #[serde(rename = "version")]
            _version: IgnoredAny,
            #[serde(rename = "units")]
            _units: Vec<IgnoredAny>,
        }
        #[derive(Serialize)]
        struct Kept<'a> {
            #[serde(flatten)]
            explanations: &'a Explanations,
            #[serde(skip_serializing_if = "Option::is_none")]
            summary: Option<&'a Summary>,
        }
        if is_there(path)? && read_json::<Any>(path).is_err() {
            let expected = "a baseline, which may be replaced: remove it, or name another file";
            return Err(Error::format(path, "content", "something else", expected));
        }
        let result = |u: &Explanation| Explanation { primitive: None, by_length: vec![], beams: None, ..u.clone() };
        let results = |records: &[Explanation]| records.iter().map(result).collect();
        let (units, ranges) = (results(&self.explanations.units), results(&self.explanations.ranges));
        let explanations = Explanations { units, ranges, concepts: None, ..self.explanations.clone() };
        Ok(write_json(path, &Kept { explanations: &explanations, summary: self.summary.as_ref() })?)
    }
}

#[cfg(test)]
mod tests {
    use compexp_tests::files::Scratch;
    use compexp_trust::compare::{Tolerances, compare};
    use serde_json::json;

    use super::*;

    /// Explanations as a run writes them, one unit with everything a record can have.
    const RUN: &str = r#"{"version": 1, "config": {"search": {"length": 1}},
        "universe": {"examples": 2, "positions": 6, "cells": 3, "singleton_cells": 0},
        "units": [{"unit": 3, "status": "explained", "formula": "wall", "length": 1, "iou": 0.30000000000000004,
            "score": 0.1, "intersection": 3, "union": 10, "unit_area": 5, "formula_area": 8, "threshold": 0.1,
            "primitive": {"length": 1, "formula": "wall", "iou": 0.30000000000000004},
            "by_length": [{"length": 1, "formula": "wall", "iou": 0.30000000000000004}],
            "beams": [[["wall", 0.1]]], "scores": {"precision": 0.375, "recall": 0.6, "f1": 0.5}}]}"#;

    const SUMMARY_TEXT: &str = r#"{"units": 1, "by_status": {"explained": 1}, "mean_iou": 0.30000000000000004,
        "median_iou": 0.30000000000000004, "accuracy": {"known": 8, "correct": 3}}"#;

    #[test]
    fn a_baseline_of_a_run_is_short_and_never_drifts_from_it() {
        let scratch = Scratch::new();
        scratch.write("explanations.json", RUN.as_bytes());
        scratch.write("summary.json", SUMMARY_TEXT.as_bytes());
        let run = Baseline::open(scratch.dir()).unwrap();
        let path = scratch.path("baseline.json");
        run.write(&path).unwrap();
        let kept = Baseline::open(&path).unwrap();
        let unit = &kept.explanations.units[0];
        assert_eq!((unit.iou, unit.formula.as_deref(), unit.unit_area), (0.1 + 0.2, Some("wall"), 5));
        assert!(unit.by_length.is_empty() && unit.beams.is_none() && unit.primitive.is_none());
        assert_eq!((&kept.summary, kept.side().accuracy), (&run.summary, Some(0.375)));
        let exact = Tolerances { iou: 0.0, accuracy: 0.0, ..Tolerances::default() };
        let found = compare(kept.side(), run.side(), exact, &["search"]).unwrap();
        assert!(!found.drift && found.settings.is_empty(), "{found:?}");
        let before = std::fs::read(&path).unwrap();
        kept.write(&path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), before, "written again it is the same to the byte");
    }

    #[test]
    fn explanations_alone_are_a_baseline_without_accuracy() {
        let scratch = Scratch::new();
        let path = scratch.write("kept.json", RUN.as_bytes());
        scratch.write("summary.json", SUMMARY_TEXT.as_bytes());
        let kept = Baseline::open(&path).unwrap();
        assert_eq!((kept.summary.is_none(), kept.side().accuracy), (true, None));
    }

    #[test]
    fn broken_baselines_are_refused_with_what_is_wrong() {
        let scratch = Scratch::new();
        for (text, message) in [
            (RUN.replace("\"version\": 1", "\"version\": 2"), "version: found 2, expected 1"),
            (RUN.replace("\"version\": 1, ", ""), "missing field `version`"),
            (RUN[..RUN.len() / 2].to_owned(), "found the end of the text, expected more"),
            (RUN.replace("0.30000000000000004", "NaN"), "line 3, column 93: found `NaN`, expected a number"),
            (RUN.replace("0.30000000000000004", "null"), "invalid type: null, expected f64"),
            (RUN.replace("0.30000000000000004", "1e999"), "number out of range"),
            (RUN.replace("\"unit\": 3", "\"unit\": -3"), "expected usize"),
            (RUN.replace("explained", "fine"), "unknown variant `fine`"),
            (String::new(), "found nothing, expected JSON"),
            ("[]".into(), "baseline.json"),
        ] {
            let e = Baseline::open(&scratch.write("baseline.json", text.as_bytes())).unwrap_err();
            assert!(
                matches!(e, Error::File(compexp_files::Error::Format { .. })) && e.to_string().contains(message),
                "{e}"
            );
        }
        assert!(matches!(
            Baseline::open(&scratch.path("none.json")).unwrap_err(),
            Error::File(compexp_files::Error::Io { .. })
        ));
        std::fs::create_dir(scratch.path("empty")).unwrap();
        let e = Baseline::open(&scratch.path("empty")).unwrap_err();
        assert!(e.to_string().contains("no explanations.json"), "{e}");
    }

    #[test]
    fn only_baselines_are_replaced() {
        let scratch = Scratch::new();
        let run = Baseline::open(&scratch.write("run.json", RUN.as_bytes())).unwrap();
        let old = json!({ "version": 0, "units": ["of another form"] }).to_string();
        run.write(&scratch.write("old.json", old.as_bytes())).unwrap();
        assert_eq!(Baseline::open(&scratch.path("old.json")).unwrap().explanations.units.len(), 1);
        for other in ["# Notes", "{}", "{\"version\": 1}", ""] {
            let path = scratch.write("other", other.as_bytes());
            assert!(run.write(&path).unwrap_err().to_string().contains("a baseline, which may be replaced"), "{other}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), other);
        }
    }
}
