//! Figures of ablation: the accuracy of a model without units, and the effect of each unit alone.

use compexp_trust::behaviour::ablation::{Effect, Fill};
use ndarray::Array2;

use super::{figure, span, table_of};
use crate::Result;
use crate::charts::{PLACE, Panel, SIZE, number};
use crate::figure::Figure;
use crate::svg::{COLORS, Svg};
use compexp_run::Band;
use compexp_run::wording::many;

/// Curves of accuracy for each fill, and the effect of each unit's ablation against its contributions: `weights`
/// `(n_units, n_classes)`. `of_class` has the number of examples of every class.
///
/// # Errors
/// `Error::Core` if a table cannot be written, which no measured value can cause.
pub fn ablation_figures(
    bands: &[Band],
    effects: &[Effect],
    weights: &Array2<f64>,
    of_class: &[usize],
) -> Result<Vec<Figure>> {
    let mut all = Vec::new();
    for fill in [Fill::Zero, Fill::Mean] {
        let of_fill: Vec<&Band> = bands.iter().filter(|b| b.fill == fill).collect();
        if !of_fill.is_empty() {
            all.push(curves(fill, &of_fill)?);
        }
    }
    all.push(effect_by_weight(effects, weights, of_class)?);
    Ok(all)
}

/// The two quantities of a curve.
pub(crate) const QUANTITIES: [&str; 2] = ["accuracy", "change for the classes concerned"];

/// A point of a curve.
pub(crate) struct Row {
    /// What the order is called.
    pub(crate) order: String,
    /// Ablated units.
    pub(crate) removed: f64,
    /// Each of [`QUANTITIES`]: its value, and the ends of the band.
    pub(crate) quantities: [[Option<f64>; 3]; 2],
}

impl Row {
    /// The point of a band.
    pub(crate) fn of(band: &Band) -> Self {
        let concerned = [band.concerned_change, band.concerned_change_low, band.concerned_change_high];
        Self {
            order: order_name(&band.order, band.curves),
            removed: band.removed as f64,
            quantities: [[Some(band.accuracy), band.low, band.high], concerned],
        }
    }
}

/// What an order is called, of which there are so many curves.
fn order_name(order: &str, curves: usize) -> String {
    match order {
        "iou" => "IoU".into(),
        "accuracy" => "accuracy where active".into(),
        "random" => format!("random, {}", many(curves, "seed")),
        other => other.into(),
    }
}

/// One of the [`QUANTITIES`] of curves, in a panel.
pub(crate) fn panel(svg: &mut Svg, place: [f64; 4], rows: &[Row], quantity: usize) {
    let mut orders: Vec<&str> = Vec::new();
    rows.iter().for_each(|row| orders.extend(Some(&row.order[..]).filter(|o| !orders.contains(o))));
    let most = rows.iter().map(|row| row.removed).fold(1.0, f64::max);
    let y = span(rows.iter().flat_map(|row| row.quantities[quantity]).flatten());
    let panel = Panel { place, x: [0.0, most], y };
    panel.y_axis(svg, QUANTITIES[quantity]);
    panel.x_axis(svg, "units taken away");
    panel.legend(svg, &orders);
    for (order, color) in orders.iter().zip(COLORS) {
        let line = rows.iter().filter(|row| row.order == *order);
        let points = |at: usize| -> Vec<[f64; 2]> {
            line.clone().filter_map(|row| Some(panel.at(row.removed, row.quantities[quantity][at]?))).collect()
        };
        let (middle, low, mut high) = (points(0), points(1), points(2));
        if !low.is_empty() {
            high.reverse();
            svg.area(&format!("{}Z", path(&[low, high].concat())), color, 0.25);
        }
        if !middle.is_empty() {
            svg.stroke(&path(&middle), color, 2.0, 1.0);
        }
    }
}

fn curves(fill: Fill, bands: &[&Band]) -> Result<Figure> {
    let rows: Vec<Row> = bands.iter().map(|band| Row::of(band)).collect();
    let mut svg = Svg::new();
    for quantity in 0..QUANTITIES.len() {
        panel(&mut svg, [64.0 + 500.0 * quantity as f64, 34.0, 410.0, 260.0], &rows, quantity);
    }
    let caption = match fill {
        Fill::Zero => {
            "How often the model is right as units are set to zero, in several orders: of random ones the mean, and a band from \
             10% to 90% of the seeds."
        }
        Fill::Mean => "The same with units set to their mean over the examples.",
    };
    let id = format!("ablation_{}", fill.name());
    let title = format!("Ablation to {}", fill.name());
    Ok(figure(&id, &title, caption, svg, [1000.0, 350.0], table_of(&Band::COLUMNS.join(","), bands)?))
}

fn path(points: &[[f64; 2]]) -> String {
    let part = |(i, [x, y]): (usize, &[f64; 2])| format!("{}{x:.1} {y:.1}", if i == 0 { "M" } else { "L" });
    points.iter().enumerate().map(part).collect()
}

fn effect_by_weight(effects: &[Effect], weights: &Array2<f64>, of_class: &[usize]) -> Result<Figure> {
    let point = |effect: &Effect| {
        let row = weights.row(effect.unit);
        let known = row.iter().enumerate().filter(|(class, weight)| !weight.is_nan() && of_class[*class] > 0);
        let (class, weight) = known.max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)))?;
        Some((effect.unit, class, *weight, effect.gained[class] as f64 / of_class[class] as f64, effect.logits[class]))
    };
    let points: Vec<_> = effects.iter().filter_map(point).collect();
    let mut svg = Svg::new();
    let dots = points
        .iter()
        .map(|(unit, class, weight, change, _)| (*unit, format!("unit {unit}, class {class}"), *weight, *change));
    let names = ["weight to the class that the unit supports most", "change on that class, percentage points"];
    scatter(&mut svg, &dots.collect::<Vec<_>>(), names);
    let caption = "What the model loses on the class to which a unit's weight is greatest, with that unit set to zero.";
    let csv = table_of("unit,class,weight,accuracy_change,logit_change", &points)?;
    Ok(figure("ablation_effects", "Effect against contribution", caption, svg, SIZE, csv))
}

/// A dot a unit: its number, what it is called, its weight, and the change without it, shown in percentage points; `names` are those of
/// the axes.
pub(crate) fn scatter(svg: &mut Svg, dots: &[(usize, String, f64, f64)], names: [&str; 2]) {
    let panel = Panel { place: PLACE, x: span(dots.iter().map(|d| d.2)), y: span(dots.iter().map(|d| 100.0 * d.3)) };
    panel.y_axis(svg, names[1]);
    panel.x_axis(svg, names[0]);
    for (unit, name, weight, change) in dots {
        let title = format!("{name}: weight {}, change {} points", number(*weight), number(100.0 * change));
        svg.unit_dot(*unit, panel.at(*weight, 100.0 * change), 3.0, COLORS[0], 0.8, &title);
    }
}

#[cfg(test)]
mod tests {
    use ndarray::arr2;

    use super::*;

    fn band(order: &'static str, removed: usize, band: Option<f64>) -> Band {
        Band {
            order: order.to_owned(),
            fill: Fill::Zero,
            curves: 1 + usize::from(band.is_some()),
            removed,
            accuracy: 0.5 - removed as f64 / 10.0,
            low: band.map(|w| 0.5 - w),
            high: band.map(|w| 0.5 + w),
            concerned_change: (removed > 0).then_some(-0.1),
            concerned_change_low: None,
            concerned_change_high: None,
        }
    }

    #[test]
    fn figures_have_a_line_an_order_and_a_dot_a_unit() {
        let bands =
            [band("iou", 0, None), band("iou", 2, None), band("random", 0, Some(0.1)), band("random", 2, Some(0.25))];
        let effect = |unit, gained: Vec<i64>| Effect {
            unit,
            supports: vec![],
            accuracy: 0.0,
            supported: None,
            others: None,
            gained,
            logits: vec![-1.5, f64::NAN],
        };
        let effects = [effect(0, vec![-2, 0]), effect(1, vec![1, 0])];
        let weights = arr2(&[[0.5, 9.0], [0.25, f64::NAN]]);
        let figures = ablation_figures(&bands, &effects, &weights, &[4, 0]).unwrap();
        assert_eq!(figures.iter().map(|f| f.id.as_str()).collect::<Vec<_>>(), ["ablation_zero", "ablation_effects"]);
        assert_eq!(figures[0].svg.matches("stroke-width=\"2\"").count(), 4, "two orders in two panels");
        assert_eq!(figures[0].svg.matches("Z\" fill=").count(), 1, "one band");
        assert!(figures[0].csv.contains("\nrandom,zero,2,2,0.3,0.25,0.75,-0.1,,\n"), "{}", figures[0].csv);
        assert_eq!(figures[1].svg.matches("<circle").count(), 2);
        // The class of no examples has the greater weight, and is passed over.
        assert_eq!(
            figures[1].csv,
            "unit,class,weight,accuracy_change,logit_change\n0,0,0.5,-0.5,-1.5\n1,0,0.25,0.25,-1.5\n"
        );
        assert!(!figures.iter().any(|f| f.svg.contains("NaN") || f.svg.contains("inf")));
    }

    #[test]
    fn figures_of_nothing_hold_no_impossible_numbers() {
        let figures = ablation_figures(&[], &[], &Array2::zeros((0, 2)), &[0, 0]).unwrap();
        assert!(figures.len() == 1 && !figures[0].svg.contains("NaN") && !figures[0].svg.contains("inf"));
    }
}
