//! The figures of a run: one for each analysis of the paper, and those of how far explanations are to be trusted.

pub(crate) mod ablation;
mod accuracy;
mod formulas;
mod heuristics;
mod training;
mod trust;

pub use ablation::ablation_figures;
pub use training::{Curve, training_curves};

use serde::Serialize;

use crate::analysis::Records;
use crate::analysis::accuracy::by_activity;
use crate::charts::round_out;
use crate::figure::Figure;
use crate::svg::Svg;
use crate::{Error, Result};

/// The rows of a chart of bars, at most.
const ROWS: usize = 20;

/// All figures that the records of a run allow. Figures of accuracy need predictions, figures of formulas need explained
/// units; figures of significance, held-out scores and ceilings are there if the run has these. Figures of IoU and of distinct
/// formulas show what the same network has before any training, where `untrained` has the records of that
/// ([`Records::untrained_among`]).
///
/// # Errors
/// `Error::Core` if a table cannot be written, which no record can cause.
pub fn figures(records: &Records, untrained: Option<&Records>) -> Result<Vec<Figure>> {
    let untrained = untrained.filter(|other| other.explained().next().is_some());
    let mut all = Vec::new();
    if records.explained().next().is_some() {
        all.extend([
            formulas::iou_by_length(records, untrained)?,
            formulas::iou_distribution(records, untrained)?,
            formulas::explanation_kinds(records)?,
            formulas::operator_mix(records)?,
            formulas::category_shares(records)?,
            formulas::distinct_explanations(records, untrained)?,
            formulas::concept_coverage(records)?,
        ]);
        all.extend(heuristics::words_and_labels(records)?);
        all.extend(trust::figures(records)?);
    }
    let rows = by_activity(records);
    if !rows.is_empty() {
        let found = records.correlations();
        if let Some(last) = found.last() {
            all.extend([accuracy::accuracy_by_iou(&rows, last)?, accuracy::correlation_by_length(found)?]);
        }
        all.extend([accuracy::accuracy_when_active(&rows)?, accuracy::model_confusion(records)?]);
    }
    Ok(all)
}

pub(super) fn figure(id: &str, title: &str, caption: &str, svg: Svg, size: [f64; 2], csv: String) -> Figure {
    let svg = svg.finish(id, size, title, caption);
    Figure { id: id.into(), title: title.into(), caption: caption.into(), svg, csv }
}

/// Rows under a header.
pub(super) fn table_of(header: &str, rows: &[impl Serialize]) -> Result<String> {
    let failed = |e: &dyn std::fmt::Display| Error::mismatch("row of a table", e, "text");
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    writer.write_record(header.split(',')).map_err(|e| failed(&e))?;
    for row in rows {
        writer.serialize(row).map_err(|e| failed(&e))?;
    }
    let bytes = writer.into_inner().map_err(|e| failed(&e))?;
    String::from_utf8(compexp_files::guarded(bytes)).map_err(|e| failed(&e))
}

pub(super) fn span(values: impl Iterator<Item = f64>) -> [f64; 2] {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    round_out(if low <= high { [low, high] } else { [0.0, 1.0] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::tests::records;

    fn run() -> Records {
        let units: [(&str, &[f64], &[usize]); 4] = [
            ("(\"</title><script>\" OR b)", &[0.1, 0.4], &[0, 1]),
            ("(b AND (NOT a))", &[0.3, 0.3], &[0, 2]),
            ("-", &[], &[1]),
            ("a", &[0.2, 0.25], &[1, 3]),
        ];
        let mut run = records("xab", &[], &[], &[("x", "x"), ("y", "<b>"), ("y", "y"), ("x", "x")]);
        let named = records("xab", &units[1..], &[], &[("x", "x"), ("y", "<b>"), ("y", "y"), ("x", "x")]);
        run.concepts[0].name = "</title><script>".into();
        let mut explanations = named.explanations.clone();
        let mut first = explanations.units[0].clone();
        first.formula = Some(units[0].0.into());
        first.unit = 9;
        explanations.units.insert(0, first);
        let activity = vec![0b0011, 0b0101, 0b0010, 0b1010];
        Records::new(explanations, run.concepts, vec![], activity, run.predictions).unwrap()
    }

    #[test]
    fn every_analysis_has_a_figure_with_its_numbers() {
        let all = figures(&run(), None).unwrap();
        let ids: Vec<&str> = all.iter().map(|f| &f.id[..]).collect();
        let expected = "iou_by_length iou_distribution explanation_kinds operators categories distinct_explanations \
                        concept_coverage accuracy_by_iou correlation_by_length accuracy_when_active confusion";
        assert_eq!(ids.join(" "), expected);
        for f in &all {
            assert!(f.svg.starts_with("<svg ") && f.svg.ends_with("</svg>\n") && f.svg.contains("<desc "), "{}", f.id);
            assert!(!f.svg.contains("NaN") && !f.svg.contains("inf") && !f.svg.contains("<script"), "{}", f.svg);
            let mut rows = csv::Reader::from_reader(f.csv.as_bytes());
            assert!(rows.records().filter(|r| r.is_ok()).count() > 0, "{}: {}", f.id, f.csv);
            assert_eq!(rows.records().filter(Result::is_err).count(), 0);
        }
        assert!(
            all[2].csv.contains("9,polysemantic,0.3,\"(\"\"</title><script>\"\" OR b)\",</title><script> | b,"),
            "{}",
            all[2].csv
        );
        assert!(all[7].csv.starts_with("unit,iou,active,known,correct,accuracy\n9,0.3,2,2,1,0.5\n"), "{}", all[7].csv);
    }

    #[test]
    fn a_network_before_training_is_drawn_beside() {
        let other = records("ab", &[("a", &[0.05, 0.11], &[]), ("a", &[0.03], &[])], &[], &[]);
        let [alone, beside] = [None, Some(&other)].map(|other| figures(&run(), other).unwrap());
        assert_eq!(alone.len(), beside.len());
        let last: Vec<&str> = beside[0].csv.lines().map(|line| line.rsplit(',').next().unwrap()).collect();
        assert_eq!(last, ["untrained_mean", "0.04", "0.07"]);
        assert!(beside[0].svg.contains("mean before training: 0.07"), "{}", beside[0].svg);
        let by_bin: Vec<&str> = beside[1].csv.lines().collect();
        assert_eq!(by_bin[0], "from,to,primitive,best,untrained_best");
        let column: Vec<usize> =
            by_bin[1..].iter().map(|line| line.rsplit(',').next().unwrap().parse().unwrap()).collect();
        assert_eq!((column.iter().sum::<usize>(), column[0]), (2, 0), "{column:?}");
        assert!(beside[5].caption.ends_with("Before training: 2 units explained in 1 way."), "{}", beside[5].caption);
        // Without it nothing changes.
        assert!(alone[0].csv.starts_with("length,units,mean,min,lower_quartile,median,upper_quartile,max\n"));
    }

    #[test]
    fn runs_with_nothing_have_no_figures() {
        assert_eq!(figures(&records("a", &[("-", &[], &[])], &[], &[("", "x")]), None).unwrap(), []);
    }

    #[test]
    fn training_curves_have_a_point_an_epoch() {
        for n in [0, 1, 3] {
            let values = vec![0.5; n];
            let panels = [
                ("loss", vec![("training", values.clone())]),
                ("accuracy", vec![("training", values.clone()), ("held out", values)]),
            ];
            let figure = training_curves(&panels, "epoch\n".into());
            assert_eq!(figure.svg.matches("<circle").count(), 3 * n);
            assert!(!figure.svg.contains("NaN") && !figure.svg.contains("inf"), "{}", figure.svg);
        }
    }
}
