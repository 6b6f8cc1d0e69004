//! Figures of what becomes of a model's accuracy without its units.

use ndarray::Array2;

use super::charts::{PLACE, Panel, SIZE, number, round_out};
use super::figure::Figure;
use super::figures::{figure, span, table_of};
use super::svg::{COLORS, Svg};
use crate::analysis::behaviour::Band;
use crate::behaviour::ablation::{Effect, Fill};
use crate::error::Result;

/// Curves of accuracy for each fill, and what each unit's ablation does against `weights` `(n_units, n_classes)`, its
/// contributions. `of_class` are the examples of every class.
///
/// # Errors
/// [`crate::Error::Mismatch`] where a table cannot be written, which nothing measured can cause.
pub fn ablation_figures(
    bands: &[Band],
    effects: &[Effect],
    weights: &Array2<f64>,
    of_class: &[usize],
) -> Result<Vec<Figure>> {
    let mut all = Vec::new();
    for fill in [Fill::Zero, Fill::Mean] {
        let of_fill: Vec<&Band> = bands.iter().filter(|b| b.fill == fill.name()).collect();
        if !of_fill.is_empty() {
            all.push(curves(fill, &of_fill)?);
        }
    }
    all.push(effect_by_weight(effects, weights, of_class)?);
    Ok(all)
}

/// One of the two quantities of a band: its value, and the ends of the band.
type Quantity = fn(&Band) -> [Option<f64>; 3];

fn curves(fill: Fill, bands: &[&Band]) -> Result<Figure> {
    let quantities: [(&str, Quantity); 2] = [
        ("accuracy", |b| [Some(b.accuracy), b.low, b.high]),
        ("change for the classes concerned", |b| [b.concerned, b.concerned_low, b.concerned_high]),
    ];
    let mut orders: Vec<&str> = Vec::new();
    bands.iter().for_each(|b| orders.extend(Some(b.order).filter(|o| !orders.contains(o))));
    let most = bands.iter().map(|b| b.removed).max().unwrap_or(0);
    let mut svg = Svg::new();
    for (i, (name, of)) in quantities.into_iter().enumerate() {
        let values = bands.iter().flat_map(|b| of(b)).flatten();
        let y = span(values);
        let place = [64.0 + 460.0 * i as f64, 34.0, 370.0, 260.0];
        let panel = Panel { place, x: [0.0, most.max(1) as f64], y };
        panel.y_axis(&mut svg, name);
        panel.x_axis(&mut svg, "units taken away");
        panel.legend(&mut svg, &orders);
        for (order, color) in orders.iter().zip(COLORS) {
            let line = bands.iter().filter(|b| b.order == *order);
            let points = |at: usize| -> Vec<[f64; 2]> {
                line.clone().filter_map(|b| Some(panel.at(b.removed as f64, of(b)[at]?))).collect()
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
    let caption = match fill {
        Fill::Zero => {
            "How often the model is right as units are set to zero, in the order of how well they are explained, and \
                       at random: mean, and band from 10% to 90% of the seeds."
        }
        Fill::Mean => "The same with units set to their mean over the examples.",
    };
    let id = format!("ablation_{}", fill.name());
    let header =
        "order,fill,curves,removed,accuracy,low,high,concerned_change,concerned_change_low,concerned_change_high";
    let title = format!("Ablation to {}", fill.name());
    Ok(figure(&id, &title, caption, svg, [940.0, 350.0], table_of(header, bands)?))
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
    let y = span(points.iter().map(|p| p.3));
    let x = points.iter().map(|p| p.2).fold([f64::INFINITY, f64::NEG_INFINITY], |[l, h], v| [l.min(v), h.max(v)]);
    let x = round_out(if x[0] <= x[1] { x } else { [0.0, 1.0] });
    let panel = Panel { place: PLACE, x, y };
    let mut svg = Svg::new();
    panel.y_axis(&mut svg, "change of accuracy on that class");
    panel.x_axis(&mut svg, "weight to the class that the unit supports most");
    for (unit, class, weight, change, _) in &points {
        let title = format!("unit {unit}, class {class}: weight {}, change {}", number(*weight), number(*change));
        svg.dot(panel.at(*weight, *change), 3.0, COLORS[0], 0.6, &title);
    }
    let caption = "What the model loses on the class to which a unit's weight is greatest, with that unit set to zero.";
    let csv = table_of("unit,class,weight,accuracy_change,logit_change", &points)?;
    Ok(figure("ablation_effects", "Effect against contribution", caption, svg, SIZE, csv))
}

#[cfg(test)]
mod tests {
    use ndarray::arr2;

    use super::*;

    fn band(order: &'static str, removed: usize, band: Option<f64>) -> Band {
        Band {
            order,
            fill: "zero",
            curves: 1 + usize::from(band.is_some()),
            removed,
            accuracy: 0.5 - removed as f64 / 10.0,
            low: band.map(|w| 0.5 - w),
            high: band.map(|w| 0.5 + w),
            concerned: (removed > 0).then_some(-0.1),
            concerned_low: None,
            concerned_high: None,
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
