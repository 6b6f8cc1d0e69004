//! How people sorted explanations, and how far the automatic kinds agree with them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use compexp_files::{excerpt, read_rows};
use compexp_trust::stats::Agreement;
use serde::{Deserialize, Serialize};

use super::Records;
use super::kind::{Kind, kinds};
use crate::{Error, Result};

/// A row of a file of labels.
#[derive(Deserialize)]
struct Row {
    unit: usize,
    label: String,
}

/// How far the automatic kinds agree with those that a person gave.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KindAgreement {
    /// The kinds, in the order of the rows and columns of `confusion`.
    pub kinds: [Kind; 4],
    /// Of the labels and the kinds found: rows of `confusion` are labels, columns are kinds found.
    #[serde(flatten)]
    pub agreement: Agreement,
}

impl KindAgreement {
    /// The agreement with the labels in a file: comma-separated values with the columns `unit` and `label`, which is the id of
    /// a kind.
    ///
    /// # Errors
    /// `Error::File` if the file cannot be read, lacks a column or has no row, a label is no kind, or a unit is not among the
    /// explained ones or has two labels.
    pub fn read(path: &Path, records: &Records) -> Result<Self> {
        let rows: Vec<Row> = read_rows(path, &["unit", "label"])?;
        let all: BTreeSet<usize> = records.explanations.units.iter().map(|unit| unit.unit).collect();
        let found: BTreeMap<usize, Kind> = kinds(records).into_iter().map(|row| (row.unit, row.kind)).collect();
        let place = |kind: Kind| Kind::ALL.iter().position(|k| *k == kind).unwrap_or_default();
        let (mut labelled, mut pairs) = (BTreeSet::new(), Vec::new());
        for Row { unit, label } in rows {
            let bad = |found: &str, expected: String| Error::format(path, format!("unit {unit}"), found, expected);
            let Some(label) = Kind::ALL.into_iter().find(|kind| kind.id() == label.trim()) else {
                let ids: Vec<&str> = Kind::ALL.iter().map(|kind| kind.id()).collect();
                return Err(bad(&format!("the label {}", excerpt(&label)), format!("one of {}", ids.join(", "))));
            };
            if !labelled.insert(unit) {
                return Err(bad("two labels", "one".into()));
            }
            match found.get(&unit) {
                Some(kind) => pairs.push([place(label), place(*kind)]),
                None if all.contains(&unit) => return Err(bad("no formula in the run", "an explained unit".into())),
                None => return Err(bad("no such unit in the run", "a unit of the run".into())),
            }
        }
        let agreement = Agreement::of(&pairs, Kind::ALL.len())
            .ok_or_else(|| Error::format(path, "rows", "none", "a row for every labelled unit"))?;
        Ok(Self { kinds: Kind::ALL, agreement })
    }

    /// The agreement in words, with the table of labels (rows) and kinds found (columns) below.
    pub fn text(&self) -> String {
        let Agreement { n, observed, expected, kappa, confusion } = &self.agreement;
        let kappa = kappa.map_or("not defined, since all are of one kind".into(), |kappa| format!("{kappa:.3}"));
        let mut text = format!(
            "Cohen's kappa of {n} labels and the kinds found: {kappa} ({:.1}% alike, {:.1}% by chance)\n",
            100.0 * observed,
            100.0 * expected
        );
        let row = |name: &str, cells: Vec<String>| {
            let cells: String = cells.iter().map(|cell| format!("  {cell:>12}")).collect();
            format!("{name:<16}{cells}\n")
        };
        text += &row("label \\ found", self.kinds.iter().map(|kind| kind.id().to_owned()).collect());
        for (kind, counts) in self.kinds.iter().zip(confusion) {
            text += &row(kind.id(), counts.iter().map(usize::to_string).collect());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::records;
    use super::*;

    fn run() -> Records {
        // Units 10 to 14: single, coherent, specialised, polysemantic, and one without a formula.
        let units: [(&str, &[f64], &[usize]); 5] = [
            ("a", &[0.1], &[]),
            ("(a OR b)", &[0.1], &[]),
            ("(a AND c)", &[0.1], &[]),
            ("(a OR c)", &[0.1], &[]),
            ("-", &[], &[]),
        ];
        records("abc", &units, &[("a", "b", 0.9), ("a", "c", 0.0)], &[])
    }

    fn read(text: &str) -> Result<KindAgreement, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.csv");
        std::fs::write(&path, text).unwrap();
        KindAgreement::read(&path, &run()).map_err(|e| e.to_string())
    }

    #[test]
    fn labels_are_compared_with_the_kinds_found() {
        let found = read("unit,label\n13,polysemantic\n10,single\n11,polysemantic\n12, specialised\n").unwrap();
        let rows = [[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 1]].map(Vec::from);
        assert_eq!(found.agreement.confusion, rows);
        // Alike 3 of 4; by chance 1/4 * 1/4 + 1/4 * 1/4 + 2/4 * 1/4.
        let kappa = found.agreement.kappa.unwrap();
        assert!((kappa - (0.75 - 0.25) / (1.0 - 0.25)).abs() < 1e-12, "{kappa}");
        let text = found.text();
        assert!(
            text.starts_with("Cohen's kappa of 4 labels and the kinds found: 0.667 (75.0% alike, 25.0% by chance)\n")
        );
        assert!(text.ends_with("polysemantic                 0             1             0             1\n"), "{text}");
        let json = serde_json::to_value(&found).unwrap();
        assert_eq!((&json["kinds"][3], &json["confusion"][3][1]), (&"polysemantic".into(), &1.into()));
    }

    #[test]
    fn what_is_wrong_with_labels_is_named() {
        for (text, expected) in [
            (
                "unit,label\n10,one\n",
                "unit 10: found the label `one`, expected one of single, coherent, specialised, polysemantic",
            ),
            ("unit,label\n9,single\n", "unit 9: found no such unit in the run, expected a unit of the run"),
            ("unit,label\n14,single\n", "unit 14: found no formula in the run, expected an explained unit"),
            ("unit,label\n10,single\n10,single\n", "unit 10: found two labels, expected one"),
            ("unit,label\n", "rows: found none"),
            ("unit,kind\n10,single\n", "expected the columns unit, label"),
            ("unit,label\nx,single\n", "line 2"),
        ] {
            let e = read(text).unwrap_err();
            assert!(e.contains("labels.csv") && e.contains(expected), "{text}: {e}");
        }
    }
}
