//! The figures of a run: one for each analysis of the paper, and those of how far explanations are to be trusted.

mod trust;

use compexp_trust::stats::Correlation;
use serde::Serialize;

use super::charts::{self, Bar, Line, PLACE, Panel, SIZE, histogram, lines, number, round_out};
use super::figure::Figure;
use super::svg::{COLORS, Svg};
use crate::analysis::accuracy::{ActivityRow, CorrelationRow, by_activity, confusion, correlations};
use crate::analysis::iou::{by_length, distribution};
use crate::analysis::kind::{Kind, kinds};
use crate::analysis::makeup::{categories, distinct, operators};
use crate::analysis::{Records, coverage};
use crate::{Error, Result};
use compexp_run::wording::{count, many};

/// The rows of a chart of bars, at most.
const ROWS: usize = 20;

/// All figures of a run that its records allow: without predictions there are none of accuracy, without explained units none
/// of formulas, and those of significance, held-out examples and ceilings only where these were asked for.
///
/// # Errors
/// [`compexp_core::Error::Mismatch`] where a table cannot be written, which no record can cause.
pub fn figures(records: &Records) -> Result<Vec<Figure>> {
    let mut all = Vec::new();
    if records.explained().next().is_some() {
        all.extend([
            iou_by_length(records)?,
            iou_distribution(records)?,
            explanation_kinds(records)?,
            operator_mix(records)?,
            category_shares(records)?,
            distinct_explanations(records)?,
            concept_coverage(records)?,
        ]);
        all.extend(trust::figures(records)?);
    }
    let rows = by_activity(records);
    if !rows.is_empty() {
        let found = correlations(records, &rows);
        if let Some(last) = found.last() {
            all.extend([accuracy_by_iou(&rows, last)?, correlation_by_length(&found)?]);
        }
        all.extend([accuracy_when_active(&rows)?, model_confusion(records)?]);
    }
    Ok(all)
}

fn iou_by_length(records: &Records) -> Result<Figure> {
    let rows = by_length(records);
    let most = rows.iter().map(|r| r.iou.most).fold(0.0, f64::max);
    let panel = Panel { place: PLACE, x: [0.5, rows.len() as f64 + 0.5], y: round_out([0.0, most]) };
    let mut svg = Svg::new();
    panel.y_axis(&mut svg, "IoU");
    panel.legend(&mut svg, &["quartiles and median", "mean"]);
    let half = (0.3 * PLACE[2] / rows.len() as f64).min(40.0);
    for row in &rows {
        let (s, x) = (row.iou, panel.across(row.length as f64));
        let y = |v: f64| panel.up(v);
        let title = format!(
            "at most {}: mean {}, median {}, quartiles {} and {}, from {} to {}",
            many(row.length, "literal"),
            number(s.mean),
            number(s.median),
            number(s.lower),
            number(s.upper),
            number(s.least),
            number(s.most)
        );
        for (from, to) in [(s.most, s.upper), (s.lower, s.least)] {
            svg.stroke(&format!("M{x:.1} {:.1}V{:.1}", y(from), y(to)), "currentColor", 1.0, 0.8);
        }
        for end in [s.least, s.most] {
            svg.stroke(&format!("M{:.1} {:.1}h{half:.1}", x - half / 2.0, y(end)), "currentColor", 1.0, 0.8);
        }
        let height = y(s.lower) - y(s.upper);
        svg.rect([x - half, y(s.upper)], [2.0 * half, height], COLORS[0], 0.55, &title);
        svg.stroke(&format!("M{:.1} {:.1}h{:.1}", x - half, y(s.median), 2.0 * half), "currentColor", 2.0, 1.0);
        svg.dot([x, y(s.mean)], 4.0, COLORS[1], 1.0, &title);
        svg.text([x, PLACE[1] + PLACE[3] + 18.0], super::svg::Anchor::Middle, &row.length.to_string());
    }
    panel.x_name(&mut svg, "literals at most");
    let caption = "How well units are explained as formulas may grow: box from the lower to the upper quartile, line at the \
                   median, dot at the mean, whiskers to the extremes.";
    let table: Vec<_> = rows
        .iter()
        .map(|r| (r.length, r.iou.n, r.iou.mean, r.iou.least, r.iou.lower, r.iou.median, r.iou.upper, r.iou.most))
        .collect();
    let csv = table_of("length,units,mean,min,lower_quartile,median,upper_quartile,max", &table)?;
    Ok(figure("iou_by_length", "IoU by length of formula", caption, svg, SIZE, csv))
}

fn iou_distribution(records: &Records) -> Result<Figure> {
    let rows = distribution(records);
    let bins: Vec<_> = rows.iter().map(|r| (r.from, r.to, vec![r.primitive as f64, r.best as f64])).collect();
    let svg = histogram(&bins, &["best single concept", "best formula"], ["IoU", "units"]);
    let caption = "How many units reach which IoU, with a single concept and with the best formula found.";
    let csv = table_of("from,to,primitive,best", &rows)?;
    Ok(figure("iou_distribution", "Distribution of IoU", caption, svg, SIZE, csv))
}

fn explanation_kinds(records: &Records) -> Result<Figure> {
    let rows = kinds(records);
    let bar = |kind: Kind| {
        let n = rows.iter().filter(|row| row.kind == kind).count();
        Bar { name: kind.name().into(), values: vec![n as f64], note: share(n, rows.len()) }
    };
    let bars: Vec<Bar> = Kind::ALL.into_iter().map(bar).collect();
    let caption = "Whether a formula's concepts, negated ones aside, belong together: joined by AND, alike in the company they \
                   keep, or near in meaning; a unit of unrelated concepts is polysemantic.";
    let groups =
        |row: &crate::analysis::kind::KindRow| row.groups.iter().map(|g| g.join(" + ")).collect::<Vec<_>>().join(" | ");
    let table: Vec<_> = rows.iter().map(|r| (r.unit, r.kind, r.iou, &r.formula, groups(r))).collect();
    let csv = table_of("unit,kind,iou,formula,groups", &table)?;
    let (svg, size) = charts::bars(&bars, &["units"], "units");
    Ok(figure("explanation_kinds", "Kinds of explanations", caption, svg, size, csv))
}

fn operator_mix(records: &Records) -> Result<Figure> {
    let (rows, n) = (operators(records), records.explained().count());
    let bar = |row: &crate::analysis::makeup::OperatorRow| Bar {
        name: row.operators.clone(),
        values: vec![row.units as f64],
        note: share(row.units, n),
    };
    let (svg, size) = charts::bars(&rows.iter().map(bar).collect::<Vec<_>>(), &["units"], "units");
    let caption = "Which operators the best formulas use.";
    Ok(figure("operators", "Operators of explanations", caption, svg, size, table_of("operators,units", &rows)?))
}

fn category_shares(records: &Records) -> Result<Figure> {
    let (rows, n) = (categories(records), records.explained().count());
    let bar = |row: &crate::analysis::makeup::CategoryRow| Bar {
        name: if row.category.is_empty() { "without a category".into() } else { row.category.clone() },
        values: vec![row.positive as f64, (row.units - row.positive) as f64],
        note: share(row.units, n),
    };
    let bars: Vec<Bar> = rows.iter().filter(|r| r.units > 0).take(ROWS).map(bar).collect();
    let (svg, size) = charts::bars(&bars, &["not negated", "negated only"], "units");
    let caption = "Of which kinds the concepts in explanations are; a unit counts for every kind that its formula has.";
    let csv = table_of("category,concepts,units,positive,literals", &rows)?;
    Ok(figure("categories", "Categories of concepts", caption, svg, size, csv))
}

fn distinct_explanations(records: &Records) -> Result<Figure> {
    let rows = distinct(records);
    let mut counts = std::collections::BTreeMap::new();
    rows.iter().for_each(|row| *counts.entry(row.units.len()).or_insert(0) += 1);
    let bar = |(units, n): (&usize, &usize)| Bar {
        name: if *units == 1 { "one unit".into() } else { many(*units, "unit") },
        values: vec![*n as f64],
        note: count(*n as u64),
    };
    let bars: Vec<Bar> = counts.iter().take(ROWS).map(bar).collect();
    let (svg, size) = charts::bars(&bars, &["explanations"], "explanations");
    let caption = format!(
        "How many units share an explanation: {} explained in {} that differ in meaning.",
        many(records.explained().count(), "unit"),
        many(rows.len(), "way")
    );
    let units =
        |row: &crate::analysis::makeup::SharedRow| row.units.iter().map(usize::to_string).collect::<Vec<_>>().join(" ");
    let table: Vec<_> = rows.iter().map(|r| (r.units.len(), &r.formula, units(r))).collect();
    let csv = table_of("n_units,formula,units", &table)?;
    Ok(figure("distinct_explanations", "Distinct explanations", &caption, svg, size, csv))
}

fn concept_coverage(records: &Records) -> Result<Figure> {
    let rows = coverage::concepts(records);
    let bar = |row: &coverage::ConceptRow| Bar {
        name: row.concept.clone(),
        values: vec![row.positive as f64, row.negated as f64],
        note: row.best_iou.map_or(String::new(), |iou| format!("best IoU {iou:.3}")),
    };
    let used = rows.iter().filter(|r| r.positive + r.negated > 0);
    let (n, bars) = (used.clone().count(), used.take(ROWS).map(bar).collect::<Vec<_>>());
    let (svg, size) = charts::bars(&bars, &["not negated", "negated"], "units");
    let caption = format!(
        "The concepts that most units' formulas have, of {} that any has and {} that were annotated.",
        count(n as u64),
        count(rows.len() as u64)
    );
    let csv = table_of("concept,category,area,examples,positive,negated,best_iou", &rows)?;
    Ok(figure("concept_coverage", "Concepts in explanations", &caption, svg, size, csv))
}

fn accuracy_by_iou(rows: &[ActivityRow], found: &CorrelationRow) -> Result<Figure> {
    let points: Vec<(usize, f64, f64)> =
        rows.iter().filter_map(|row| Some((row.unit, row.iou?, row.accuracy()?))).collect();
    let most = points.iter().map(|p| p.1).fold(0.0, f64::max);
    let panel = Panel { place: PLACE, x: round_out([0.0, most]), y: span(points.iter().map(|p| p.2)) };
    let mut svg = Svg::new();
    panel.y_axis(&mut svg, "accuracy where the unit fires");
    panel.x_axis(&mut svg, "IoU");
    for (unit, iou, accuracy) in &points {
        let title = format!("unit {unit}: IoU {}, accuracy {}", number(*iou), number(*accuracy));
        svg.dot(panel.at(*iou, *accuracy), 3.0, COLORS[0], 0.75, &title);
    }
    let coefficient = |name: &str, c: Option<Correlation>| {
        c.map_or(String::new(), |c| format!("{name} r = {:.3}{}, {}", c.r, interval(c), p_value(c.p)))
    };
    let texts = [coefficient("Pearson", found.pearson), coefficient("Spearman", found.spearman)];
    for (text, y) in texts.iter().zip([12.0, 27.0]) {
        svg.text([PLACE[0], y], super::svg::Anchor::Start, text);
    }
    let text = texts.join("; ");
    let caption = format!(
        "Each dot is a unit: how well it is explained, and how often the model is right where it fires. {text}."
    );
    let table: Vec<_> = rows.iter().map(|r| (r.unit, r.iou, r.active, r.known, r.correct, r.accuracy())).collect();
    let csv = table_of("unit,iou,active,known,correct,accuracy", &table)?;
    Ok(figure("accuracy_by_iou", "Accuracy where units fire, by IoU", &caption, svg, SIZE, csv))
}

fn correlation_by_length(rows: &[CorrelationRow]) -> Result<Figure> {
    let all = rows.iter().flat_map(|row| [row.pearson, row.spearman]).flatten();
    let ends = all.flat_map(|c| c.interval.unwrap_or([c.r; 2])).chain([0.0]);
    let panel = Panel { place: PLACE, x: [0.5, rows.len() as f64 + 0.5], y: span(ends) };
    let mut svg = Svg::new();
    panel.y_axis(&mut svg, "r");
    panel.legend(&mut svg, &["Pearson", "Spearman"]);
    svg.stroke(&format!("M{:.1} {:.1}h{:.1}", PLACE[0], panel.up(0.0), PLACE[2]), "currentColor", 1.0, 0.8);
    let mut table = Vec::new();
    for row in rows {
        let at = panel.across(row.length as f64);
        svg.text([at, PLACE[1] + PLACE[3] + 18.0], super::svg::Anchor::Middle, &row.length.to_string());
        for (i, (name, found)) in [("Pearson", row.pearson), ("Spearman", row.spearman)].into_iter().enumerate() {
            let Some(c) = found else { continue };
            let x = at + if i == 0 { -8.0 } else { 8.0 };
            if let Some([low, high]) = c.interval {
                svg.stroke(&format!("M{x:.1} {:.1}V{:.1}", panel.up(low), panel.up(high)), COLORS[i], 2.0, 1.0);
            }
            let title =
                format!("{name}, at most {}: {:.3}{}, {}", many(row.length, "literal"), c.r, interval(c), p_value(c.p));
            svg.dot([x, panel.up(c.r)], 4.5, COLORS[i], 1.0, &title);
            let [low, high] = c.interval.map_or([None; 2], |ends| ends.map(Some));
            table.push((row.length, name.to_lowercase(), c.n, c.r, low, high, c.p));
        }
    }
    panel.x_name(&mut svg, "literals at most");
    let caption =
        "How IoU and the accuracy where a unit fires go together as formulas may grow, with 95% confidence intervals.";
    let csv = table_of("length,coefficient,units,r,low,high,p", &table)?;
    Ok(figure("correlation_by_length", "Correlation of IoU and accuracy, by length", caption, svg, SIZE, csv))
}

fn accuracy_when_active(rows: &[ActivityRow]) -> Result<Figure> {
    const BINS: usize = 20;
    let sides = |row: &ActivityRow| [row.accuracy(), row.silent_accuracy()];
    let [low, high] = span(rows.iter().flat_map(sides).flatten());
    let width = (high - low) / BINS as f64;
    let mut counts = vec![vec![0.0, 0.0]; BINS];
    for row in rows {
        for (side, accuracy) in sides(row).into_iter().enumerate() {
            if let Some(accuracy) = accuracy {
                counts[(((accuracy - low) / width) as usize).min(BINS - 1)][side] += 1.0;
            }
        }
    }
    let edge = |i: usize| low + i as f64 * width;
    let bins: Vec<_> = counts.into_iter().enumerate().map(|(i, c)| (edge(i), edge(i + 1), c)).collect();
    let svg = histogram(&bins, &["where the unit fires", "where it does not"], ["accuracy", "units"]);
    let caption = "How often the model is right on the examples on which a unit fires, and on the others.";
    let table: Vec<_> = rows
        .iter()
        .map(|r| {
            let errors: Vec<String> = r.errors.iter().map(usize::to_string).collect();
            let silent = (r.silent_known, r.silent_correct, r.silent_accuracy());
            (r.unit, r.active, r.known, r.correct, r.accuracy(), silent, r.known - r.correct, errors.join(" "))
        })
        .collect();
    let header = "unit,active,known,correct,accuracy,silent_known,silent_correct,silent_accuracy,errors,first_errors";
    let csv = table_of(header, &table)?;
    Ok(figure("accuracy_when_active", "Accuracy by activity", caption, svg, SIZE, csv))
}

fn model_confusion(records: &Records) -> Result<Figure> {
    let rows = confusion(records, None);
    let of = |target: &str| rows.iter().filter(|r| r.target == target).map(|r| r.active).sum::<usize>();
    let mut wrong: Vec<_> = rows.iter().filter(|r| r.target != r.predicted).collect();
    wrong.sort_by_key(|r| std::cmp::Reverse(r.active));
    let bar = |row: &&crate::analysis::accuracy::ConfusionRow| Bar {
        name: format!("{} → {}", row.target, row.predicted),
        values: vec![row.active as f64],
        note: format!("{} of {}", count(row.active as u64), count(of(&row.target) as u64)),
    };
    let bars: Vec<Bar> = wrong.iter().take(ROWS).map(bar).collect();
    let (svg, size) = charts::bars(&bars, &["examples"], "examples");
    let caption = "The most frequent errors of the model: the class of the examples, what is predicted, and how many of the \
                   class that is.";
    let table: Vec<_> = rows.iter().map(|r| (&r.target, &r.predicted, r.active)).collect();
    Ok(figure("confusion", "Errors of the model", caption, svg, size, table_of("target,predicted,examples", &table)?))
}

/// A curve: its name, and a value an epoch.
pub type Curve<'a> = (&'a str, Vec<f64>);

/// A figure of curves over epochs, a panel each: its name, and its lines, a value an epoch from 1. `csv` is kept as given.
pub fn training_curves(panels: &[(&str, Vec<Curve<'_>>)], csv: String) -> Figure {
    let mut svg = Svg::new();
    for (i, (name, series)) in panels.iter().enumerate() {
        let series: Vec<Line<'_>> = series
            .iter()
            .map(|(name, values)| Line {
                name,
                points: values.iter().zip(1..).map(|(v, e)| (f64::from(e), *v)).collect(),
            })
            .collect();
        lines(&mut svg, [64.0 + 420.0 * i as f64, 34.0, 330.0, 220.0], &series, ["epoch", name]);
    }
    let size = [420.0 * panels.len() as f64, 310.0];
    figure("curves", "Training", "How the training went, epoch by epoch.", svg, size, csv)
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

fn share(n: usize, of: usize) -> String {
    format!("{} ({:.1}%)", count(n as u64), 100.0 * n as f64 / of.max(1) as f64)
}

fn interval(c: Correlation) -> String {
    c.interval.map_or(String::new(), |[low, high]| format!(" [{low:.3}, {high:.3}]"))
}

fn p_value(p: f64) -> String {
    if p < 1e-3 { format!("p = {p:.1e}") } else { format!("p = {p:.3}") }
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
        let all = figures(&run()).unwrap();
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
            all[2].csv.contains("9,unrelated,0.3,\"(\"\"</title><script>\"\" OR b)\",</title><script> | b"),
            "{}",
            all[2].csv
        );
        assert!(all[7].csv.starts_with("unit,iou,active,known,correct,accuracy\n9,0.3,2,2,1,0.5\n"), "{}", all[7].csv);
    }

    #[test]
    fn runs_with_nothing_have_no_figures() {
        assert_eq!(figures(&records("a", &[("-", &[], &[])], &[], &[("", "x")])).unwrap(), []);
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
