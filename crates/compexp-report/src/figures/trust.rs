//! Figures of how far explanations are to be trusted: against the optimum and the ceiling, against chance, and on examples held
//! out.

use compexp_core::explanation::{Explanation, Headline};

use super::{figure, span, table_of};
use crate::Result;
use crate::analysis::Records;
use crate::charts::{PLACE, Panel, SIZE, number, round_out};
use crate::figure::Figure;
use crate::svg::{Anchor, COLORS, Svg};
use compexp_run::wording::{count, many};

/// Below this a unit counts as more than chance.
const SIGNIFICANT: f64 = 0.05;

/// Half of a 95% interval, in standard errors.
const WIDE: f64 = 1.96;

/// Those that the run has numbers for.
pub(super) fn figures(records: &Records) -> Result<Vec<Figure>> {
    let units: Vec<&Explanation> = records.explained().map(|(_, unit, _)| unit).collect();
    let all = [ceiling(records, &units)?, chance(&units)?, held_out(&units)?];
    Ok(all.into_iter().flatten().collect())
}

/// What was found, what the beam finds, what is proven to be the most, and the ceiling.
fn ceiling(records: &Records, units: &[&Explanation]) -> Result<Option<Figure>> {
    let mut rows: Vec<(&Explanation, f64)> = units.iter().filter_map(|u| Some((*u, u.ceiling?))).collect();
    // The proofs of a search by MCC are of MCC, and the axis is of IoU.
    let proof = |unit: &Explanation| unit.optimal.filter(|_| Headline::of(&records.explanations) == Headline::Iou);
    if rows.is_empty() {
        return Ok(None);
    }
    rows.sort_by(|a, b| Headline::Iou.compare(a.0, b.0));
    let proofs = rows.iter().filter_map(|(u, _)| proof(u)).count();
    let beams: Vec<f64> = rows.iter().filter_map(|(u, _)| Some(u.iou - proof(u)?.beam?)).collect();
    let most = rows.iter().map(|(_, ceiling)| *ceiling).fold(0.0, f64::max);
    let panel = Panel { place: PLACE, x: [0.0, rows.len() as f64], y: round_out([0.0, most]) };
    let mut svg = Svg::new();
    panel.y_axis(&mut svg, "IoU");
    panel.x_axis(&mut svg, "units, best explained first");
    let found = if proofs > 0 { "best found" } else { "found" };
    match beams.is_empty() {
        true => panel.legend(&mut svg, &[found, "ceiling"]),
        false => panel.legend(&mut svg, &[found, "ceiling", "beam, where it falls short"]),
    }
    let middle = |i: usize| panel.across(i as f64 + 0.5);
    for (i, (unit, ceiling)) in rows.iter().enumerate() {
        let (x, y) = (middle(i), panel.up(unit.iou));
        let mut title = format!("unit {}: IoU {}, ceiling {}", unit.unit, number(unit.iou), number(*ceiling));
        if let Some(optimal) = proof(unit) {
            title += &match optimal.certified {
                true => ", proven optimal".to_owned(),
                false => format!(", proven to be at most {}", number(optimal.upper_bound)),
            };
            if !optimal.certified {
                svg.stroke(&format!("M{x:.1} {y:.1}V{:.1}", panel.up(optimal.upper_bound)), COLORS[0], 1.0, 0.5);
            }
            if let Some(beam) = optimal.beam.filter(|beam| *beam < unit.iou) {
                title += &format!(", beam {}", number(beam));
                svg.unit_dot(unit.unit, [x, panel.up(beam)], 2.0, COLORS[2], 1.0, &title);
            }
        }
        svg.unit_dot(unit.unit, [x, panel.up(*ceiling)], 2.0, COLORS[1], 0.9, &title);
        svg.unit_dot(unit.unit, [x, y], 2.2, COLORS[0], 1.0, &title);
    }
    let mut caption =
        "How close units come to the best IoU that any Boolean function of the concepts can reach, the ceiling: \
                       below it the formula's length is the limit, at it the concepts are."
            .to_owned();
    let universe = records.explanations.universe;
    if universe.singleton_cells * 2 > universe.cells {
        caption += " Here the ceiling is uninformative: most cells are single positions, and nearly any mask is some function.";
    }
    if proofs > 0 {
        let certified = rows.iter().filter(|(u, _)| proof(u).is_some_and(|o| o.certified)).count();
        caption += &format!(" Proven optimal: {} of {}", count(certified as u64), many(rows.len(), "formula"));
        caption += if certified < rows.len() { "; a line leads up to what no formula exceeds." } else { "." };
    }
    let short: Vec<f64> = beams.iter().copied().filter(|gap| *gap > 0.0).collect();
    if !beams.is_empty() {
        let mean = short.iter().sum::<f64>() / short.len().max(1) as f64;
        caption += &format!(" The beam falls short for {}, by {} on average.", many(short.len(), "unit"), number(mean));
    }
    let table: Vec<_> = rows
        .iter()
        .map(|(u, ceiling)| {
            let proven = proof(u);
            let proven = (proven.and_then(|o| o.beam), proven.map(|o| o.upper_bound), proven.map(|o| o.certified));
            (u.unit, u.iou, proven, ceiling)
        })
        .collect();
    let csv = table_of("unit,iou,beam,upper_bound,certified,ceiling", &table)?;
    Ok(Some(figure("ceiling", "What was found, and what there is to find", &caption, svg, SIZE, csv)))
}

/// IoU against what the search finds by chance.
fn chance(units: &[&Explanation]) -> Result<Option<Figure>> {
    let rows: Vec<_> = units
        .iter()
        .filter_map(|u| {
            let s = u.significance.as_ref()?;
            Some((*u, s, s.by_length.last()?))
        })
        .collect();
    let Some((_, first, _)) = rows.first() else { return Ok(None) };
    let most = rows.iter().map(|(u, _, null)| u.iou.max(null.q95)).fold(0.0, f64::max);
    let panel = Panel { place: PLACE, x: round_out([0.0, most]), y: round_out([0.0, most]) };
    let mut svg = Svg::new();
    panel.y_axis(&mut svg, "IoU");
    panel.x_axis(&mut svg, "IoU that 95 of 100 searches of permuted units stay below");
    panel.legend(&mut svg, &["q below 0.05", "others"]);
    let [from, to] = [panel.at(0.0, 0.0), panel.at(panel.x[1], panel.y[1])];
    svg.stroke(&format!("M{:.1} {:.1}L{:.1} {:.1}", from[0], from[1], to[0], to[1]), "currentColor", 1.0, 0.6);
    for (unit, s, null) in &rows {
        let color = COLORS[usize::from(s.q >= SIGNIFICANT)];
        let numbers = [unit.iou, null.q95, s.p, s.q].map(number);
        let title = format!(
            "unit {}: IoU {}, by chance {}, p {}, q {}",
            unit.unit, numbers[0], numbers[1], numbers[2], numbers[3]
        );
        svg.unit_dot(unit.unit, panel.at(null.q95, unit.iou), 3.0, color, 0.8, &title);
    }
    let above = rows.iter().filter(|(u, _, null)| u.iou > null.q95).count();
    let significant = rows.iter().filter(|(_, s, _)| s.q < SIGNIFICANT).count();
    let caption = format!(
        "Each dot is a unit: its IoU, and the 95% quantile of what the same search finds when the unit's maps are dealt out to \
         other examples. Above the line of equality, more than chance finds in 95 of 100 cases: {} of {}; with q below 0.05: \
         {}. A unit has {}.",
        count(above as u64),
        many(rows.len(), "unit"),
        count(significant as u64),
        many(first.draws, "draw")
    );
    let table: Vec<_> = rows
        .iter()
        .map(|(u, s, null)| (u.unit, null.length, u.iou, s.draws, s.p, s.q, null.median, null.q95, null.max))
        .collect();
    let csv = table_of("unit,length,iou,draws,p,q,median,q95,max", &table)?;
    Ok(Some(figure("iou_and_luck", "IoU, and IoU by chance", &caption, svg, SIZE, csv)))
}

/// Mean IoU on the search's examples and on those held out, by length.
fn held_out(units: &[&Explanation]) -> Result<Option<Figure>> {
    let tested: Vec<_> = units.iter().filter_map(|u| Some((*u, u.holdout.as_ref()?))).collect();
    let lengths = tested.iter().map(|(_, h)| h.by_length.len()).max().unwrap_or(0);
    if lengths == 0 {
        return Ok(None);
    }
    let row = |k: usize| {
        let both = tested.iter().filter_map(|(u, h)| Some((u.by_length.get(k)?.iou, h.by_length.get(k)?.iou)));
        let (own, other): (Vec<f64>, Vec<f64>) = both.unzip();
        (own.len(), mean(&own), mean(&other))
    };
    let rows: Vec<_> = (0..lengths).map(row).collect();
    let ends = rows.iter().flat_map(|(_, own, other)| [own[1], own[2], other[1], other[2]]).chain([0.0]);
    let panel = Panel { place: PLACE, x: [0.5, lengths as f64 + 0.5], y: span(ends) };
    let names = ["the search's examples", "held-out examples"];
    let mut svg = Svg::new();
    panel.y_axis(&mut svg, "mean IoU");
    panel.legend(&mut svg, &names);
    for (k, (n, own, other)) in rows.iter().enumerate() {
        let at = panel.across(k as f64 + 1.0);
        svg.text([at, PLACE[1] + PLACE[3] + 18.0], Anchor::Middle, &(k + 1).to_string());
        for (i, [mean, low, high]) in [own, other].into_iter().enumerate() {
            let x = at + if i == 0 { -8.0 } else { 8.0 };
            svg.stroke(&format!("M{x:.1} {:.1}V{:.1}", panel.up(*low), panel.up(*high)), COLORS[i], 2.0, 1.0);
            let [mean_text, low, high] = [mean, low, high].map(|v| number(*v));
            let title = format!(
                "{}, at most {}: {mean_text} [{low}, {high}], {}",
                names[i],
                many(k + 1, "literal"),
                many(*n, "unit")
            );
            svg.dot([x, panel.up(*mean)], 4.5, COLORS[i], 1.0, &title);
        }
    }
    panel.x_name(&mut svg, "literals at most");
    let caption = "Mean IoU of the units on the examples that the search saw and on those it never saw, with 95% intervals of \
                   the mean over units: where the second stops to grow, longer formulas fit chance.";
    let table: Vec<_> =
        rows.iter().enumerate().map(|(k, (n, own, other))| (k + 1, n, own, other, own[0] - other[0])).collect();
    let header = "length,units,search_mean,search_low,search_high,held_out_mean,held_out_low,held_out_high,mean_drop";
    let csv = table_of(header, &table)?;
    Ok(Some(figure("held_out_by_length", "IoU on held-out examples, by length", caption, svg, SIZE, csv)))
}

/// The mean, and the ends of its 95% interval.
fn mean(values: &[f64]) -> [f64; 3] {
    let n = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / n;
    let spread = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    let half = WIDE * (spread / n).sqrt();
    [mean, mean - half, mean + half]
}

#[cfg(test)]
mod tests {
    use compexp_core::explanation::{HeldOut, HeldOutScore, NullScores, Significance};
    use compexp_core::search::Optimal;

    use super::*;
    use crate::analysis::tests::records;

    /// Units of lengths 1 and 2 with everything that can be known of them.
    fn run() -> Records {
        let mut run =
            records("ab", &[("a", &[0.2, 0.2], &[0]), ("(a OR b)", &[0.1, 0.4], &[1])], &[], &[("x", "x"); 3]);
        for (i, unit) in run.explanations.units.iter_mut().enumerate() {
            let null = |length| NullScores {
                length,
                p: 0.5,
                mean: 0.1,
                median: 0.1,
                q95: 0.3,
                q99: 0.3,
                max: 0.35,
                step_p: None,
                metric_median: None,
            };
            unit.significance =
                Some(Significance { draws: 19, p: 0.05, q: [0.5, 0.01][i], by_length: vec![null(1), null(2)] });
            let score = |length, iou| HeldOutScore {
                length,
                iou,
                interval: [0.0, 1.0],
                standard_error: 0.1,
                drop: 0.1,
                mcc: None,
            };
            unit.holdout = Some(HeldOut {
                unit_area: 3,
                iou: 0.1,
                interval: [0.0, 1.0],
                drop: 0.1,
                mcc: None,
                activation: None,
                suggested_length: 1,
                by_length: vec![score(1, 0.1), score(2, [0.1, 0.2][i])],
            });
            unit.ceiling = Some(0.5);
            let (upper_bound, beam) = ([0.2, 0.45][i], Some([0.2, 0.3][i]));
            let certified = i == 0;
            unit.optimal =
                Some(Optimal { certified, upper_bound, pairs: 0, triples: 0, full_passes: 0, nodes: 0, beam });
        }
        run
    }

    #[test]
    fn figures_come_with_their_numbers() {
        let all = figures(&run()).unwrap();
        assert_eq!(
            all.iter().map(|f| &f.id[..]).collect::<Vec<_>>(),
            ["ceiling", "iou_and_luck", "held_out_by_length"]
        );
        assert_eq!(
            all[0].csv,
            "unit,iou,beam,upper_bound,certified,ceiling\n11,0.4,0.3,0.45,false,0.5\n10,0.2,0.2,0.2,true,0.5\n"
        );
        assert!(all[0].caption.contains("Proven optimal: 1 of 2 formulas; a line"), "{}", all[0].caption);
        assert!(all[0].caption.contains("falls short for 1 unit, by 0.1 on average"), "{}", all[0].caption);
        assert!(all[1].csv.ends_with("\n11,2,0.4,19,0.05,0.01,0.1,0.3,0.35\n"), "{}", all[1].csv);
        assert!(
            all[1].caption.contains("100 cases: 1 of 2 units; with q below 0.05: 1. A unit has 19 draws."),
            "{}",
            all[1].caption
        );
        // By hand: of 0.2 and 0.1 the mean is 0.15, the standard error 0.05.
        let row: Vec<f64> = all[2].csv.lines().nth(1).unwrap().split(',').map(|v| v.parse().unwrap()).collect();
        let expected = [1.0, 2.0, 0.15, 0.15 - 1.96 * 0.05, 0.15 + 1.96 * 0.05, 0.1, 0.1, 0.1, 0.05];
        assert!(row.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{row:?}");
        for f in &all {
            assert!(!f.svg.contains("NaN") && !f.svg.contains("inf"), "{}", f.svg);
        }
    }

    #[test]
    fn what_a_run_has_not_is_not_drawn() {
        let mut run = run();
        for unit in &mut run.explanations.units {
            (unit.significance, unit.holdout, unit.optimal) = (None, None, None);
        }
        let all = figures(&run).unwrap();
        assert_eq!(all.iter().map(|f| &f.id[..]).collect::<Vec<_>>(), ["ceiling"]);
        assert!(!all[0].caption.contains("roven") && !all[0].svg.contains("beam"), "{}", all[0].caption);
        run.explanations.units.iter_mut().for_each(|u| u.ceiling = None);
        assert_eq!(figures(&run).unwrap(), []);
    }

    #[test]
    fn a_ceiling_that_says_nothing_is_called_so() {
        let mut run = run();
        let universe = &mut run.explanations.universe;
        (universe.cells, universe.singleton_cells) = (10, 5);
        assert!(!figures(&run).unwrap()[0].caption.contains("uninformative"));
        run.explanations.universe.singleton_cells = 6;
        assert!(figures(&run).unwrap()[0].caption.contains("uninformative"));
    }
}
