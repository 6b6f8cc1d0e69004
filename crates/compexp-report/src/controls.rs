//! Trained latents beside controls that learnt nothing: one table, one figure.

use compexp_core::explanation::{Explanation, Explanations};
use compexp_trust::stats::bootstrap::interval;
use serde::Serialize;

use crate::Result;
use crate::charts::{Panel, number, round_out};
use crate::figure::Figure;
use crate::figures::{figure, table_of};
use crate::svg::{Anchor, COLORS, Svg};

/// The latents of one autoencoder on one version of the activations.
pub struct Arm<'a> {
    /// What the arm is: `trained`, `untrained`, ...; arms of one kind differ in their seed.
    pub kind: String,
    /// What was found.
    pub explanations: &'a Explanations,
    /// Positions on which latents fire, and the latents that fire on one, on average.
    pub active: f64,
    /// The fraction of the variance of the activations that the latents leave; none where there is no variance.
    pub unexplained: Option<f64>,
    /// The mean held-out IoU in resamples of the held-out groups, the same ones for all arms.
    pub resampled: Vec<f64>,
}

/// What the arms of one kind came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ControlRow {
    /// The kind.
    pub kind: String,
    /// The arms, each with another seed.
    pub seeds: usize,
    /// The latents of one arm.
    pub latents: usize,
    /// The share of latents that fire somewhere.
    pub alive: f64,
    /// The latents that fire on a position, on average.
    pub active: f64,
    /// The fraction of variance unexplained.
    pub unexplained_variance: Option<f64>,
    /// The IoU of the best single concept.
    pub single: Quantiles,
    /// The IoU of the best formula.
    pub formula: Quantiles,
    /// The IoU of the best formula on held-out examples.
    pub held_out: Quantiles,
    /// The mean of that, with its 95% interval over the held-out groups and the seeds.
    pub mean_held_out: f64,
    /// The interval.
    pub mean_held_out_interval: [f64; 2],
    /// How much lower that mean is than the first kind's, with its 95% interval on the same resamples; none for the first.
    pub below_first: Option<[f64; 3]>,
    /// The chance-corrected score.
    pub chance_corrected: Quantiles,
    /// Pearson's correlation of the latent's values with the formula's truth, on held-out examples.
    pub correlation: Quantiles,
    /// The area under the curve of precision and recall of the same.
    pub auprc: Quantiles,
    /// The share of explained latents with a false discovery rate below 0.05.
    pub discoveries: Option<f64>,
}

/// Quantiles over the explained latents of all seeds; none of them where no latent has the value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Quantiles {
    /// Latents with the value.
    pub n: usize,
    /// The quantiles 0.05, 0.25, 0.5, 0.75 and 0.95.
    pub quantiles: Option<[f64; 5]>,
}

impl Quantiles {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        let at = |share| compexp_trust::stats::quantile(&values, share);
        let quantiles = (!values.is_empty()).then(|| [0.05, 0.25, 0.5, 0.75, 0.95].map(at));
        Self { n: values.len(), quantiles }
    }

    /// The median.
    pub fn median(&self) -> Option<f64> {
        self.quantiles.map(|quantiles| quantiles[2])
    }
}

/// One row for each kind, in the order in which kinds first come.
pub fn control_rows(arms: &[Arm<'_>]) -> Vec<ControlRow> {
    let mut kinds: Vec<&str> = Vec::new();
    for arm in arms {
        if !kinds.contains(&arm.kind.as_str()) {
            kinds.push(&arm.kind);
        }
    }
    let of_kind = |kind: &str| arms.iter().filter(|arm| arm.kind == kind).collect::<Vec<_>>();
    let mut rows: Vec<ControlRow> = kinds.iter().map(|kind| row(&of_kind(kind))).collect();
    let Some(first) = kinds.first().map(|kind| of_kind(kind)) else { return rows };
    for (row, kind) in rows.iter_mut().zip(&kinds).skip(1) {
        // Every pair of seeds, each on the same resamples of the groups.
        let pairs = first.iter().flat_map(|a| of_kind(kind).into_iter().map(move |b| (a, b)));
        let differences: Vec<f64> =
            pairs.flat_map(|(a, b)| a.resampled.iter().zip(&b.resampled).map(|(a, b)| a - b)).collect();
        let difference = mean(&first.iter().flat_map(|arm| held_out(arm)).collect::<Vec<_>>()) - row.mean_held_out;
        let [low, high] = if differences.is_empty() { [difference; 2] } else { interval(&differences) };
        row.below_first = Some([difference, low, high]);
    }
    rows
}

fn held_out(arm: &Arm<'_>) -> impl Iterator<Item = f64> {
    arm.explanations.units.iter().filter_map(|unit| Some(unit.holdout.as_ref()?.iou))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The row of the arms of a kind, at least one.
fn row(arms: &[&Arm<'_>]) -> ControlRow {
    let units = || arms.iter().flat_map(|arm| &arm.explanations.units);
    let spread = |of: &dyn Fn(&Explanation) -> Option<f64>| Quantiles::of(units().filter_map(of).collect());
    let of_arms = |of: &dyn Fn(&Arm<'_>) -> f64| mean(&arms.iter().map(|arm| of(arm)).collect::<Vec<_>>());
    let n = units().count();
    let resampled: Vec<f64> = arms.iter().flat_map(|arm| arm.resampled.iter().copied()).collect();
    let mean_held_out = mean(&arms.iter().flat_map(|arm| held_out(arm)).collect::<Vec<_>>());
    let tested: Vec<f64> = units().filter_map(|unit| Some(unit.significance.as_ref()?.q)).collect();
    ControlRow {
        kind: arms[0].kind.clone(),
        seeds: arms.len(),
        latents: n / arms.len(),
        alive: units().filter(|unit| unit.unit_area > 0).count() as f64 / n.max(1) as f64,
        active: of_arms(&|arm| arm.active),
        unexplained_variance: arms
            .iter()
            .all(|arm| arm.unexplained.is_some())
            .then(|| of_arms(&|arm| arm.unexplained.unwrap_or(0.0))),
        single: spread(&|unit| Some(unit.by_length.first()?.iou)),
        formula: spread(&|unit| Some(unit.by_length.last()?.iou)),
        held_out: spread(&|unit| Some(unit.holdout.as_ref()?.iou)),
        mean_held_out,
        mean_held_out_interval: if resampled.is_empty() { [mean_held_out; 2] } else { interval(&resampled) },
        below_first: None,
        chance_corrected: spread(&|unit| unit.chance_corrected),
        correlation: spread(&|unit| unit.holdout.as_ref()?.activation?.correlation),
        auprc: spread(&|unit| unit.holdout.as_ref()?.activation?.auprc),
        discoveries: (!tested.is_empty())
            .then(|| tested.iter().filter(|q| **q < 0.05).count() as f64 / tested.len() as f64),
    }
}

/// The height of a row of the figure.
const ROW: f64 = 34.0;

/// Three panels side by side: single concepts, formulas, and formulas on held-out examples, each with a box for every kind.
///
/// # Errors
/// [`compexp_core::Error::Mismatch`] where the table cannot be written, which no value of it can cause.
pub fn control_figure(rows: &[ControlRow]) -> Result<Figure> {
    type Scores = fn(&ControlRow) -> Quantiles;
    let panels: [(&str, Scores); 3] = [
        ("single concept", |row| row.single),
        ("formula", |row| row.formula),
        ("formula, held out", |row| row.held_out),
    ];
    let most = rows.iter().flat_map(|row| panels.iter().filter_map(|(_, of)| Some(of(row).quantiles?[4])));
    let x = round_out([0.0, most.fold(0.0, f64::max)]);
    let names: Vec<&str> = rows.iter().map(|row| row.kind.as_str()).collect();
    let left = 24.0 + 7.5 * names.iter().map(|name| name.len()).max().unwrap_or(0) as f64;
    let (width, gap, top) = (210.0, 26.0, 34.0);
    let height = ROW * rows.len().max(1) as f64;
    let mut svg = Svg::new();
    for (at, (title, of)) in panels.iter().enumerate() {
        let panel = Panel { place: [left + (width + gap) * at as f64, top, width, height], x, y: [0.0, 1.0] };
        svg.text([panel.place[0], top - 14.0], Anchor::Start, title);
        panel.x_axis(&mut svg, "IoU");
        for (i, row) in rows.iter().enumerate() {
            let middle = top + ROW * (i as f64 + 0.5);
            if at == 0 {
                svg.text([left - 8.0, middle + 4.0], Anchor::End, names[i]);
            }
            let Some(q) = of(row).quantiles else { continue };
            let across = q.map(|value| panel.across(value));
            let title = format!(
                "{}, {title}: median {}, middle half {} to {}",
                names[i],
                number(q[2]),
                number(q[1]),
                number(q[3])
            );
            svg.stroke(&format!("M{:.1} {middle:.1}H{:.1}", across[0], across[4]), "currentColor", 1.0, 0.6);
            let color = COLORS[usize::from(i > 0)];
            svg.rect([across[1], middle - 9.0], [(across[3] - across[1]).max(1.0), 18.0], color, 1.0, &title);
            svg.stroke(&format!("M{:.1} {:.1}v18", across[2], middle - 9.0), "currentColor", 2.0, 1.0);
        }
    }
    let size = [left + 3.0 * width + 2.0 * gap + 24.0, top + height + 50.0];
    let caption = "How well formulas match the latents of a trained sparse autoencoder and of its controls: the median (line), the \
                   middle half (box), and 90% of the explained latents (whiskers).";
    let flat = |row: &ControlRow| {
        let of = |spread: Quantiles| spread.quantiles.map_or([None; 5], |q| q.map(Some));
        (row.kind.clone(), of(row.single), of(row.formula), of(row.held_out))
    };
    let header = "kind,single_q05,single_q25,single_median,single_q75,single_q95,formula_q05,formula_q25,formula_median,\
                  formula_q75,formula_q95,held_out_q05,held_out_q25,held_out_median,held_out_q75,held_out_q95";
    let csv = table_of(header, &rows.iter().map(flat).collect::<Vec<_>>())?;
    Ok(figure("sae_check", "Trained latents and their controls", caption, svg, size, csv))
}

#[cfg(test)]
mod tests {
    use compexp_core::explanation::{HeldOut, Scored, Universe};
    use compexp_core::search::Status;

    use super::*;

    fn explanations(held_out: &[f64]) -> Explanations {
        let unit = |(unit, iou): (usize, &f64)| -> Explanation {
            let scored = Scored {
                length: 1,
                formula: "a".into(),
                iou: iou / 2.0,
                mcc: None,
                lift: None,
                certified: None,
                upper_bound: None,
            };
            let status = Status::Explained;
            serde_json::from_value(serde_json::json!({
                "unit": unit, "status": status, "formula": "a", "length": 1, "iou": iou, "score": iou, "intersection": 1,
                "union": 2, "unit_area": 1, "formula_area": 2, "threshold": 0.0, "primitive": scored,
                "by_length": [scored, Scored { length: 2, iou: *iou, ..scored.clone() }], "scores": null,
                "holdout": HeldOut {
                    unit_area: 1, iou: *iou, interval: [0.0, 1.0], drop: 0.0, mcc: None, activation: None, suggested_length: 1,
                    by_length: vec![],
                },
            }))
            .unwrap()
        };
        let universe = Universe { examples: 9, positions: 1, cells: 3, singleton_cells: 0 };
        Explanations {
            version: 1,
            config: serde_json::Value::Null,
            universe,
            held_out: None,
            units: held_out.iter().enumerate().map(unit).collect(),
            ranges: vec![],
            concepts: None,
        }
    }

    #[test]
    fn kinds_are_rows_with_paired_differences() {
        let (trained, a, b) = (explanations(&[0.4, 0.6]), explanations(&[0.1, 0.2]), explanations(&[0.1, 0.4]));
        let arm = |kind: &str, explanations, resampled: [f64; 3]| Arm {
            kind: kind.into(),
            explanations,
            active: 2.0,
            unexplained: Some(0.25),
            resampled: resampled.to_vec(),
        };
        let arms = [
            arm("trained", &trained, [0.5, 0.6, 0.4]),
            arm("random", &a, [0.15, 0.25, 0.05]),
            arm("random", &b, [0.25, 0.35, 0.15]),
        ];
        let rows = control_rows(&arms);
        assert_eq!(
            rows.iter().map(|row| (row.kind.as_str(), row.seeds, row.latents)).collect::<Vec<_>>(),
            [("trained", 1, 2), ("random", 2, 2)]
        );
        assert_eq!((rows[0].held_out.median(), rows[0].single.median()), (Some(0.5), Some(0.25)));
        assert_eq!((rows[1].held_out.n, rows[1].mean_held_out), (4, 0.2));
        // On every resample the first seed is .35 lower and the second .25: nothing else varies.
        let [difference, low, high] = rows[1].below_first.unwrap();
        assert!((difference - 0.3).abs() < 1e-12 && (low - 0.25).abs() < 1e-9 && (high - 0.35).abs() < 1e-9);
        let figure = control_figure(&rows).unwrap();
        assert!(figure.svg.contains("trained") && figure.csv.lines().count() == 3, "{}", figure.csv);
    }
}
