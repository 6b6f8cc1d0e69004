//! Figures of the model's accuracy on the examples on which units fire.

use compexp_run::wording::{count, many};
use compexp_trust::stats::{Correlation, Estimate};

use super::{ROWS, figure, span, table_of};
use crate::Result;
use crate::analysis::Records;
use crate::analysis::accuracy::{ActivityRow, ConfusionRow, CorrelationRow, confusion};
use crate::charts::{self, Bar, PLACE, Panel, SIZE, histogram, number, round_out};
use crate::figure::Figure;
use crate::svg::{Anchor, COLORS, Svg};

pub(super) fn accuracy_by_iou(rows: &[ActivityRow], found: &CorrelationRow) -> Result<Figure> {
    let points: Vec<(usize, f64, f64)> =
        rows.iter().filter_map(|row| Some((row.unit, row.iou?, row.accuracy()?))).collect();
    let most = points.iter().map(|p| p.1).fold(0.0, f64::max);
    let panel = Panel { place: PLACE, x: round_out([0.0, most]), y: span(points.iter().map(|p| p.2)) };
    let mut svg = Svg::new();
    panel.y_axis(&mut svg, "accuracy where the unit fires");
    panel.x_axis(&mut svg, "IoU");
    for (unit, iou, accuracy) in &points {
        let title = format!("unit {unit}: IoU {}, accuracy {}", number(*iou), number(*accuracy));
        svg.unit_dot(*unit, panel.at(*iou, *accuracy), 3.0, COLORS[0], 0.75, &title);
    }
    let coefficient =
        |name: &str, e: Option<Estimate>| e.map_or(String::new(), |e| format!("{name} r = {:.3}{}", e.r, interval(e)));
    let texts = [coefficient("Pearson", found.iou.pearson), coefficient("Spearman", found.iou.spearman)];
    for (text, y) in texts.iter().zip([12.0, 27.0]) {
        svg.text([PLACE[0], y], Anchor::Start, text);
    }
    let text = texts.join("; ");
    let caption = format!(
        "Each dot is a unit: how well it is explained, and how often the model is right where it fires. {text}."
    );
    let table: Vec<_> = rows.iter().map(|r| (r.unit, r.iou, r.active, r.known, r.correct, r.accuracy())).collect();
    let csv = table_of("unit,iou,active,known,correct,accuracy", &table)?;
    Ok(figure("accuracy_by_iou", "Accuracy where units fire, by IoU", &caption, svg, SIZE, csv))
}

/// The coefficients of a length that are drawn, with their names.
fn drawn(row: &CorrelationRow) -> [(&'static str, Option<Estimate>, Option<Correlation>); 3] {
    [
        ("Pearson", row.iou.pearson, row.pearson),
        ("Spearman", row.iou.spearman, row.spearman),
        ("partial, given the firing count", row.iou.given_count, None),
    ]
}

pub(super) fn correlation_by_length(rows: &[CorrelationRow]) -> Result<Figure> {
    let all = rows.iter().flat_map(drawn).filter_map(|(_, found, _)| found);
    let ends = all.flat_map(|e| e.interval.unwrap_or([e.r; 2])).chain([0.0]);
    let panel = Panel { place: PLACE, x: [0.5, rows.len() as f64 + 0.5], y: span(ends) };
    let mut svg = Svg::new();
    panel.y_axis(&mut svg, "r");
    panel.legend(&mut svg, &rows.first().map_or([""; 3], |row| drawn(row).map(|(name, ..)| name)));
    svg.stroke(&format!("M{:.1} {:.1}h{:.1}", PLACE[0], panel.up(0.0), PLACE[2]), "currentColor", 1.0, 0.8);
    let mut table = Vec::new();
    for row in rows {
        let at = panel.across(row.length as f64);
        svg.text([at, PLACE[1] + PLACE[3] + 18.0], Anchor::Middle, &row.length.to_string());
        for (i, (name, found, assumed)) in drawn(row).into_iter().enumerate() {
            let Some(e) = found else { continue };
            let x = at + 11.0 * (i as f64 - 1.0);
            if let Some([low, high]) = e.interval {
                svg.stroke(&format!("M{x:.1} {:.1}V{:.1}", panel.up(low), panel.up(high)), COLORS[i], 2.0, 1.0);
            }
            let title = format!("{name}, at most {}: {:.3}{}", many(row.length, "literal"), e.r, interval(e));
            svg.dot([x, panel.up(e.r)], 4.5, COLORS[i], 1.0, &title);
            let ends = |interval: Option<[f64; 2]>| interval.map_or([None; 2], |ends| ends.map(Some));
            let coefficient = name.split(',').next().unwrap_or(name).to_lowercase();
            let independent = (ends(assumed.and_then(|c| c.interval)), assumed.map(|c| c.p));
            table.push((row.length, coefficient, row.iou.units, e.r, independent, ends(e.interval)));
        }
    }
    panel.x_name(&mut svg, "literals at most");
    let caption = "How IoU and the accuracy where a unit fires go together as formulas may grow, with 95% intervals over examples. \
                   The partial correlation compares units that fire on equally many examples.";
    let csv = table_of("length,coefficient,units,r,low,high,p,example_low,example_high", &table)?;
    Ok(figure("correlation_by_length", "Correlation of IoU and accuracy, by length", caption, svg, SIZE, csv))
}

pub(super) fn accuracy_when_active(rows: &[ActivityRow]) -> Result<Figure> {
    const BINS: usize = 20;
    let sides = |row: &ActivityRow| [row.accuracy(), row.silent_accuracy()];
    // The axis begins and ends with the data.
    let [low, high] = ends(rows.iter().flat_map(sides).flatten());
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

/// The least and the greatest value, a little apart where they are the same.
fn ends(values: impl Iterator<Item = f64>) -> [f64; 2] {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    match high - low {
        apart if apart > 0.0 => [low, high],
        _ if low.is_finite() => [low - 0.01, low + 0.01],
        _ => [0.0, 1.0],
    }
}

pub(super) fn model_confusion(records: &Records) -> Result<Figure> {
    let rows = confusion(records, None);
    let of = |target: &str| rows.iter().filter(|r| r.target == target).map(|r| r.active).sum::<usize>();
    let mut wrong: Vec<_> = rows.iter().filter(|r| r.target != r.predicted).collect();
    wrong.sort_by_key(|r| std::cmp::Reverse(r.active));
    let bar = |row: &&ConfusionRow| Bar {
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

fn interval(estimate: Estimate) -> String {
    estimate.interval.map_or(String::new(), |[low, high]| format!(" [{low:.3}, {high:.3}]"))
}
