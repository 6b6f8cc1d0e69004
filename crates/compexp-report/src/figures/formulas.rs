//! Figures of formulas: how well they match, what they are made of, and how many are different.

use compexp_run::wording::{count, many};

use super::{ROWS, figure, table_of};
use crate::Result;
use crate::analysis::iou::{by_length, distribution};
use crate::analysis::kind::{Kind, kinds};
use crate::analysis::makeup::{categories, distinct, operators};
use crate::analysis::{Records, coverage};
use crate::charts::{self, Bar, PLACE, Panel, SIZE, histogram, number, round_out};
use crate::figure::Figure;
use crate::svg::{COLORS, Svg};

pub(super) fn iou_by_length(records: &Records, untrained: Option<&Records>) -> Result<Figure> {
    let rows = by_length(records);
    let before: Vec<f64> = untrained.map_or(Vec::new(), |run| by_length(run).iter().map(|r| r.iou.mean).collect());
    let most = rows.iter().map(|r| r.iou.most).chain(before.iter().copied()).fold(0.0, f64::max);
    let panel = Panel { place: PLACE, x: [0.5, rows.len() as f64 + 0.5], y: round_out([0.0, most]) };
    let mut svg = Svg::new();
    panel.y_axis(&mut svg, "IoU");
    match before.is_empty() {
        true => panel.legend(&mut svg, &["quartiles and median", "mean"]),
        false => panel.legend(&mut svg, &["quartiles and median", "mean", "mean before training"]),
    }
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
        if let Some(mean) = before.get(row.length - 1) {
            svg.dot([x, y(*mean)], 4.0, COLORS[2], 1.0, &format!("mean before training: {}", number(*mean)));
        }
        svg.text([x, PLACE[1] + PLACE[3] + 18.0], crate::svg::Anchor::Middle, &row.length.to_string());
    }
    panel.x_name(&mut svg, "literals at most");
    let caption = "How well units are explained as formulas may grow: box from the lower to the upper quartile, line at the \
                   median, dot at the mean, whiskers to the extremes.";
    let table: Vec<_> = rows
        .iter()
        .map(|r| (r.length, r.iou.n, r.iou.mean, r.iou.least, r.iou.lower, r.iou.median, r.iou.upper, r.iou.most))
        .collect();
    let header = "length,units,mean,min,lower_quartile,median,upper_quartile,max";
    let csv = match before.is_empty() {
        true => table_of(header, &table)?,
        false => {
            let beside: Vec<_> = table.iter().enumerate().map(|(i, row)| (row, before.get(i))).collect();
            table_of(&format!("{header},untrained_mean"), &beside)?
        }
    };
    Ok(figure("iou_by_length", "IoU by length of formula", caption, svg, SIZE, csv))
}

pub(super) fn iou_distribution(records: &Records, untrained: Option<&Records>) -> Result<Figure> {
    let (rows, before) = distribution(records, untrained);
    let mut bins: Vec<_> = rows.iter().map(|r| (r.from, r.to, vec![r.primitive as f64, r.best as f64])).collect();
    let mut series = vec!["best single concept", "best formula"];
    if let Some(before) = &before {
        series.push("best formula before training");
        bins.iter_mut().zip(before).for_each(|(bin, n)| bin.2.push(*n as f64));
    }
    let svg = histogram(&bins, &series, ["IoU", "units"]);
    let caption = "How many units reach which IoU, with a single concept and with the best formula found.";
    let csv = match &before {
        None => table_of("from,to,primitive,best", &rows)?,
        Some(before) => {
            let beside: Vec<_> = rows.iter().zip(before).collect();
            table_of("from,to,primitive,best,untrained_best", &beside)?
        }
    };
    Ok(figure("iou_distribution", "Distribution of IoU", caption, svg, SIZE, csv))
}

pub(super) fn explanation_kinds(records: &Records) -> Result<Figure> {
    let rows = kinds(records);
    let bar = |kind: Kind| {
        let n = rows.iter().filter(|row| row.kind == kind).count();
        Bar { name: kind.name_with_paper(), values: vec![n as f64], note: share(n, rows.len()) }
    };
    let bars: Vec<Bar> = Kind::ALL.into_iter().map(bar).collect();
    let caption = "What formulas are: one concept; alternatives (joined by OR) that are linked, near in meaning or alike in the \
                   company they keep (in the paper's words lexical and perceptual coherence); a concept made narrower by AND \
                   or AND NOT (specialisation); alternatives without a link (the unit is polysemantic). A concept that \
                   alternatives share is no link.";
    let groups =
        |row: &crate::analysis::kind::KindRow| row.groups.iter().map(|g| g.join(" + ")).collect::<Vec<_>>().join(" | ");
    let table: Vec<_> = rows.iter().map(|r| (r.unit, r.kind, r.iou, &r.formula, groups(r), r.coherence)).collect();
    let csv = table_of("unit,kind,iou,formula,groups,coherence", &table)?;
    let (svg, size) = charts::bars(&bars, &["units"], "units");
    Ok(figure("explanation_kinds", "Kinds of explanations", caption, svg, size, csv))
}

pub(super) fn operator_mix(records: &Records) -> Result<Figure> {
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

pub(super) fn category_shares(records: &Records) -> Result<Figure> {
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

pub(super) fn distinct_explanations(records: &Records, untrained: Option<&Records>) -> Result<Figure> {
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
    let explained = |run: &Records, ways: usize| {
        format!("{} explained in {}", many(run.explained().count(), "unit"), many(ways, "way"))
    };
    let mut caption =
        format!("How many units share an explanation: {} that differ in meaning.", explained(records, rows.len()));
    if let Some(run) = untrained {
        caption += &format!(" Before training: {}.", explained(run, distinct(run).len()));
    }
    let units =
        |row: &crate::analysis::makeup::SharedRow| row.units.iter().map(usize::to_string).collect::<Vec<_>>().join(" ");
    let table: Vec<_> = rows.iter().map(|r| (r.units.len(), &r.formula, units(r))).collect();
    let csv = table_of("n_units,formula,units", &table)?;
    Ok(figure("distinct_explanations", "Distinct explanations", &caption, svg, size, csv))
}

pub(super) fn concept_coverage(records: &Records) -> Result<Figure> {
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

fn share(n: usize, of: usize) -> String {
    format!("{} ({:.1}%)", count(n as u64), 100.0 * n as f64 / of.max(1) as f64)
}
